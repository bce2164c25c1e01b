// What each fuzz target tells AddressSanitizer, which asks for it before `main`.

/// An allocation that is too long is null, as it is without the sanitizer. Of a program that fails nothing is freed.
#[unsafe(no_mangle)]
pub extern "C" fn __asan_default_options() -> *const std::ffi::c_char {
    c"allocator_may_return_null=1:detect_leaks=0".as_ptr()
}
