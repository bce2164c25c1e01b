// The options of AddressSanitizer, which reads them before `main`. All fuzz targets include this file.

/// Allocations that are too long return null, as without the sanitizer. Leak detection is off, because a program that
/// fails frees nothing.
#[unsafe(no_mangle)]
pub extern "C" fn __asan_default_options() -> *const std::ffi::c_char {
    c"allocator_may_return_null=1:detect_leaks=0".as_ptr()
}
