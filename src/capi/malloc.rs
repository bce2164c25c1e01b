//! C's `malloc` family over an allocator: blocks that know their size.
//!
//! Each function is one of [`Malloc`], with C's results: null and `errno`, or an error number.
//!
//! No return address is passed on, since a function in Rust cannot ask for that of its C caller. A debug allocator then
//! walks the stack, and skips the functions of this library.

use core::ffi::c_int;
use core::ptr::{self, NonNull};

use self::errno::{EINVAL, ENOMEM};
use super::{RawAllocator, fatal};
use crate::adapters::{Malloc, MallocError};
use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::error::Error;

/// The C library's `errno`, of this thread.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "emscripten",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "illumos",
    target_os = "solaris",
    target_os = "wasi",
    target_vendor = "apple",
    windows
))]
mod errno {
    use core::ffi::c_int;

    pub(super) use libc::{EINVAL, ENOMEM};

    unsafe extern "C" {
        #[cfg_attr(
            any(target_os = "linux", target_os = "emscripten", target_os = "wasi"),
            link_name = "__errno_location"
        )]
        #[cfg_attr(
            any(target_os = "android", target_os = "netbsd", target_os = "openbsd"),
            link_name = "__errno"
        )]
        #[cfg_attr(any(target_os = "illumos", target_os = "solaris"), link_name = "___errno")]
        #[cfg_attr(any(target_os = "freebsd", target_vendor = "apple"), link_name = "__error")]
        #[cfg_attr(windows, link_name = "_errno")]
        fn errno_location() -> *mut c_int;
    }

    pub(super) fn get() -> c_int {
        // SAFETY: the function has no preconditions.
        let place = unsafe { errno_location() };
        // SAFETY: this thread's, which is always valid.
        unsafe { place.read() }
    }

    pub(super) fn set(error: c_int) {
        // SAFETY: the function has no preconditions.
        let place = unsafe { errno_location() };
        // SAFETY: this thread's, which is always valid.
        unsafe { place.write(error) };
    }
}

/// Elsewhere there is none, and the numbers are those of most systems.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "emscripten",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "illumos",
    target_os = "solaris",
    target_os = "wasi",
    target_vendor = "apple",
    windows
)))]
mod errno {
    use core::ffi::c_int;

    pub(super) const ENOMEM: c_int = 12;
    pub(super) const EINVAL: c_int = 22;

    pub(super) fn get() -> c_int {
        0
    }

    pub(super) fn set(_error: c_int) {}
}

impl RawAllocator {
    /// # Safety
    /// As for [`check`](Self::check).
    unsafe fn malloc(self, function: &str) -> Malloc<Allocator<'static>> {
        // SAFETY: as required here.
        Malloc::new(unsafe { self.check(function, "a") })
    }
}

fn error_number(error: MallocError) -> c_int {
    match error {
        MallocError::OutOfMemory => ENOMEM,
        MallocError::InvalidAlignment => EINVAL,
    }
}

/// The pointer, or null and `errno`.
fn or_errno(result: Result<NonNull<u8>, impl Into<MallocError>>) -> *mut u8 {
    match result {
        Ok(memory) => memory.as_ptr(),
        Err(error) => {
            errno::set(error_number(error.into()));
            ptr::null_mut()
        }
    }
}

/// POSIX: a `free` keeps `errno`, whatever the system calls of an allocator do to it.
fn keeping_errno(call: impl FnOnce()) {
    let before = errno::get();
    call();
    errno::set(before);
}

fn allocate(
    c: Malloc<Allocator<'static>>,
    alignment: usize,
    size: usize,
) -> Result<NonNull<u8>, MallocError> {
    if !alignment.is_power_of_two() {
        return Err(MallocError::InvalidAlignment);
    }
    Ok(c.alloc_with_ret_addr(Alignment::from_byte_units(alignment), size, 0)?)
}

/// # Safety
/// `a` is an allocator, which this thread may call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_malloc(a: RawAllocator, size: usize) -> *mut u8 {
    // SAFETY: an allocator, by our caller.
    let c = unsafe { a.malloc("zigalloc_malloc") };
    or_errno(allocate(c, 1, size))
}

/// # Safety
/// As for [`zigalloc_malloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_calloc(a: RawAllocator, count: usize, size: usize) -> *mut u8 {
    // SAFETY: an allocator, by our caller.
    let c = unsafe { a.malloc("zigalloc_calloc") };
    let Some(size) = count.checked_mul(size) else { return or_errno(Err(Error::OutOfMemory)) };
    let memory = or_errno(allocate(c, 1, size));
    if !memory.is_null() {
        // SAFETY: a new block of `size` bytes.
        unsafe { memory.write_bytes(0, size) };
    }
    memory
}

/// # Safety
/// As for [`zigalloc_malloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_aligned_alloc(a: RawAllocator, alignment: usize, size: usize) -> *mut u8 {
    // SAFETY: an allocator, by our caller.
    let c = unsafe { a.malloc("zigalloc_aligned_alloc") };
    or_errno(allocate(c, alignment, size))
}

/// # Safety
/// As for [`zigalloc_malloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_memalign(a: RawAllocator, alignment: usize, size: usize) -> *mut u8 {
    // SAFETY: an allocator, by our caller.
    let c = unsafe { a.malloc("zigalloc_memalign") };
    or_errno(allocate(c, alignment, size))
}

/// # Safety
/// As for [`zigalloc_malloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_valloc(a: RawAllocator, size: usize) -> *mut u8 {
    // SAFETY: an allocator, by our caller.
    let c = unsafe { a.malloc("zigalloc_valloc") };
    or_errno(allocate(c, crate::heap::page_size(), size))
}

/// # Safety
/// As for [`zigalloc_malloc`]. `result` is null or valid for writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_posix_memalign(
    a: RawAllocator,
    result: *mut *mut u8,
    alignment: usize,
    size: usize,
) -> c_int {
    const NAME: &str = "zigalloc_posix_memalign";
    // SAFETY: an allocator, by our caller.
    let c = unsafe { a.malloc(NAME) };
    if result.is_null() {
        fatal(NAME, "result is NULL");
    }
    if alignment < size_of::<*mut u8>() {
        return EINVAL;
    }
    // The error is the result; the function does not set `errno`.
    let before = errno::get();
    let memory = allocate(c, alignment, size);
    errno::set(before);
    match memory {
        Ok(memory) => {
            // SAFETY: valid for writes, by our caller.
            unsafe { result.write(memory.as_ptr()) };
            0
        }
        Err(error) => error_number(error),
    }
}

/// # Safety
/// As for [`zigalloc_malloc`]. `memory` is null, or a live block that a function of this module returned for `a`, whose
/// old pointer is not used after a success.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_malloc_realloc(a: RawAllocator, memory: *mut u8, size: usize) -> *mut u8 {
    const NAME: &str = "zigalloc_malloc_realloc";
    // SAFETY: an allocator, by our caller.
    let c = unsafe { a.malloc(NAME) };
    // SAFETY: null or a live block, by our caller.
    unsafe { check_block(memory, NAME) };
    // SAFETY: the same, whose old pointer is not used after a success.
    unsafe { reallocate(c, memory, size) }
}

/// # Safety
/// `memory` is null or a live block of `c`, whose old pointer is not used after a success.
unsafe fn reallocate(c: Malloc<Allocator<'static>>, memory: *mut u8, size: usize) -> *mut u8 {
    if size == 0 {
        // SAFETY: null or a live block, not used afterwards, by our caller. This cannot fail.
        keeping_errno(|| unsafe { c.free_with_ret_addr(memory, 0) });
        return ptr::null_mut();
    }
    // SAFETY: null or a live block, whose old pointer is not used after a success, by our caller.
    let moved = unsafe { c.realloc_with_ret_addr(memory, size, 0) };
    or_errno(moved.and_then(|moved| moved.ok_or(Error::OutOfMemory)))
}

/// # Safety
/// As for [`zigalloc_malloc_realloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_reallocarray(
    a: RawAllocator,
    memory: *mut u8,
    count: usize,
    size: usize,
) -> *mut u8 {
    const NAME: &str = "zigalloc_reallocarray";
    // SAFETY: an allocator, by our caller.
    let c = unsafe { a.malloc(NAME) };
    // SAFETY: null or a live block, by our caller.
    unsafe { check_block(memory, NAME) };
    let Some(size) = count.checked_mul(size) else { return or_errno(Err(Error::OutOfMemory)) };
    // SAFETY: null or a live block, whose old pointer is not used after a success, by our caller.
    unsafe { reallocate(c, memory, size) }
}

/// # Safety
/// As for [`zigalloc_malloc`]. `memory` is null, or a live block that a function of this module returned for `a`, and not
/// used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_malloc_free(a: RawAllocator, memory: *mut u8) {
    const NAME: &str = "zigalloc_malloc_free";
    // SAFETY: an allocator, by our caller.
    let c = unsafe { a.malloc(NAME) };
    // SAFETY: null or a live block, by our caller.
    unsafe { check_block(memory, NAME) };
    // SAFETY: the same, not used afterwards.
    keeping_errno(|| unsafe { c.free_with_ret_addr(memory, 0) });
}

/// # Safety
/// As for [`zigalloc_malloc_free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_free_sized(a: RawAllocator, memory: *mut u8, size: usize) {
    // SAFETY: an allocator, and null or a live block, not used afterwards, by our caller.
    unsafe { free_checked(a, memory, Alignment::_1, size, "zigalloc_free_sized") };
}

/// # Safety
/// As for [`zigalloc_malloc_free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_free_aligned_sized(
    a: RawAllocator,
    memory: *mut u8,
    alignment: usize,
    size: usize,
) {
    const NAME: &str = "zigalloc_free_aligned_sized";
    if !alignment.is_power_of_two() {
        fatal(NAME, format_args!("alignment is {alignment}, not a power of two"));
    }
    // SAFETY: an allocator, and null or a live block, not used afterwards, by our caller.
    unsafe { free_checked(a, memory, Alignment::from_byte_units(alignment), size, NAME) };
}

/// # Safety
/// As for [`zigalloc_malloc_free`].
unsafe fn free_checked(a: RawAllocator, memory: *mut u8, alignment: Alignment, size: usize, name: &str) {
    // SAFETY: an allocator, by our caller.
    let c = unsafe { a.malloc(name) };
    // SAFETY: null or a live block, by our caller.
    let Some((front, len)) = (unsafe { check_block(memory, name) }) else { return };
    if len != size || front.max(Alignment::_16) != alignment.max(Alignment::_16) {
        let (front, alignment) = (front.to_byte_units(), alignment.to_byte_units());
        fatal(
            name,
            format_args!(
                "the block has {len} bytes, aligned to {front}; it is freed with {size}, aligned to {alignment}"
            ),
        );
    }
    // SAFETY: a live block, not used afterwards, by our caller.
    keeping_errno(|| unsafe { c.free_with_ret_addr(memory, 0) });
}

/// # Safety
/// As for [`zigalloc_malloc`]. `memory` is null, or a live block that a function of this module returned for `a`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_malloc_usable_size(a: RawAllocator, memory: *const u8) -> usize {
    const NAME: &str = "zigalloc_malloc_usable_size";
    // SAFETY: an allocator, by our caller.
    let _ = unsafe { a.malloc(NAME) };
    // SAFETY: null or a live block, by our caller.
    unsafe { check_block(memory.cast_mut(), NAME) }.map_or(0, |(_, size)| size)
}

/// The alignment and the size of a block, `None` for null. Aborts if there is no header.
///
/// # Safety
/// `memory` is null, or a live block of a function of this module.
unsafe fn check_block(memory: *mut u8, function: &str) -> Option<(Alignment, usize)> {
    let memory = NonNull::new(memory)?;
    // SAFETY: the header of a live block is before it. The child is not called.
    let Some((whole, alignment)) = (unsafe { Malloc::new(Allocator::FAILING).child_block(memory) }) else {
        fatal(
            function,
            format_args!(
                "{memory:p} is not a block of this family, or the 16 bytes in front of it have been overwritten"
            ),
        )
    };
    Some((alignment, whole.len() - alignment.to_byte_units()))
}
