//! The C library's `malloc` family on an allocator of `zigalloc`, for any program, by `LD_PRELOAD`.
//!
//! `docs/preload.md` is for users. The environment variable `ZIGALLOC` chooses the allocator and its options
//! ([`options`]); [`state`] makes it at the first call. The functions here are those that C, POSIX and glibc name; the
//! blocks are those of [`Malloc`](zigalloc::adapters::Malloc), whose header knows the size.
//!
//! # Who allocates where
//!
//! | | from |
//! |---|---|
//! | the program and its libraries | the chosen allocator |
//! | calls while that is being made, and before the environment is known | [`early`]: a buffer of the library |
//! | this library itself: reports, the lookup of symbols | glibc's own heap, by its internal names: [`next`] |
//!
//! So nothing here ever allocates from itself. What the C library allocates on our behalf (when a thread's destructor is
//! registered, for example) is a call like the program's, which the allocators accept in mid-call.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod early;
mod next;
mod options;
mod output;
mod state;

use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};

use zigalloc::Alignment;

use self::output::line;
use self::state::{State, state};

/// The program's `errno`.
fn errno() -> &'static core::cell::Cell<c_int> {
    // SAFETY: the function has no preconditions.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: this thread's, valid while the thread runs; the reference does not leave the thread, since a cell is not
    // `Sync`. A cell has the layout of its content.
    unsafe { &*place.cast::<core::cell::Cell<c_int>>() }
}

fn no_memory() -> *mut c_void {
    errno().set(libc::ENOMEM);
    ptr::null_mut()
}

fn to_c(memory: Option<NonNull<u8>>) -> *mut c_void {
    memory.map_or_else(no_memory, |memory| memory.as_ptr().cast())
}

/// An aligned block, or `None`.
fn aligned(state: &State, alignment: usize, size: usize) -> Option<NonNull<u8>> {
    if !alignment.is_power_of_two() {
        return None;
    }
    state.alloc(Alignment::from_byte_units(alignment), size)
}

/// C's `malloc`.
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    let state = state();
    let memory = to_c(state.alloc(Alignment::_16, size));
    if state.logs() {
        line(state.log_file(), format_args!("malloc({size}) = {memory:p}"));
    }
    memory
}

/// C's `calloc`.
#[unsafe(no_mangle)]
pub extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let state = state();
    let memory = match count.checked_mul(size) {
        Some(len) => to_c(state.alloc_zeroed(len)),
        None => no_memory(),
    };
    if state.logs() {
        line(state.log_file(), format_args!("calloc({count}, {size}) = {memory:p}"));
    }
    memory
}

/// C's `realloc`.
///
/// # Safety
/// `memory` is null or a live block, whose old pointer is not used after a success.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(memory: *mut c_void, size: usize) -> *mut c_void {
    let state = state();
    // SAFETY: null or a live block, whose old pointer is not used after a success, by our caller.
    let moved = unsafe { change(state, memory, size) };
    if state.logs() {
        line(state.log_file(), format_args!("realloc({memory:p}, {size}) = {moved:p}"));
    }
    moved
}

/// `reallocarray`.
///
/// # Safety
/// As for [`realloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn reallocarray(memory: *mut c_void, count: usize, size: usize) -> *mut c_void {
    let state = state();
    let moved = match count.checked_mul(size) {
        // SAFETY: null or a live block, whose old pointer is not used after a success, by our caller.
        Some(len) => unsafe { change(state, memory, len) },
        None => no_memory(),
    };
    if state.logs() {
        line(state.log_file(), format_args!("reallocarray({memory:p}, {count}, {size}) = {moved:p}"));
    }
    moved
}

/// # Safety
/// As for [`realloc`].
unsafe fn change(state: &State, memory: *mut c_void, size: usize) -> *mut c_void {
    let Some(memory) = NonNull::new(memory.cast::<u8>()) else {
        return to_c(state.alloc(Alignment::_16, size));
    };
    if size == 0 {
        let before = errno().get();
        // SAFETY: a live block, not used afterwards, by our caller.
        unsafe { state.free(memory) };
        errno().set(before);
        return ptr::null_mut();
    }
    // SAFETY: a live block, whose old pointer is not used after a success, by our caller. `size` is not zero.
    to_c(unsafe { state.realloc(memory, size) })
}

/// C's `free`.
///
/// # Safety
/// `memory` is null or a live block, not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(memory: *mut c_void) {
    let Some(block) = NonNull::new(memory.cast::<u8>()) else { return };
    let state = state();
    let before = errno().get();
    if state.logs() {
        line(state.log_file(), format_args!("free({memory:p})"));
    }
    // SAFETY: a live block, not used afterwards, by our caller.
    unsafe { state.free(block) };
    errno().set(before);
}

/// C23's `free_sized`.
///
/// # Safety
/// As for [`free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free_sized(memory: *mut c_void, size: usize) {
    // SAFETY: null or a live block, not used afterwards, by our caller.
    unsafe { free_aligned_sized(memory, 16, size) };
}

/// C23's `free_aligned_sized`.
///
/// # Safety
/// As for [`free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free_aligned_sized(memory: *mut c_void, alignment: usize, size: usize) {
    let Some(block) = NonNull::new(memory.cast::<u8>()) else { return };
    let state = state();
    let before = errno().get();
    if state.logs() {
        line(state.log_file(), format_args!("free_aligned_sized({memory:p}, {alignment}, {size})"));
    }
    // SAFETY: a live block, not used afterwards, by our caller.
    unsafe { state.free_sized(block, alignment, size) };
    errno().set(before);
}

/// C's `aligned_alloc`.
#[unsafe(no_mangle)]
pub extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    let state = state();
    let memory = if alignment.is_power_of_two() {
        to_c(aligned(state, alignment, size))
    } else {
        errno().set(libc::EINVAL);
        ptr::null_mut()
    };
    if state.logs() {
        line(state.log_file(), format_args!("aligned_alloc({alignment}, {size}) = {memory:p}"));
    }
    memory
}

/// `memalign`. As in glibc, an alignment that is not a power of two is rounded up to one.
#[unsafe(no_mangle)]
pub extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    let state = state();
    let power = alignment.checked_next_power_of_two();
    let memory = match power {
        Some(power) => to_c(aligned(state, power, size)),
        None => {
            errno().set(libc::EINVAL);
            ptr::null_mut()
        }
    };
    if state.logs() {
        line(state.log_file(), format_args!("memalign({alignment}, {size}) = {memory:p}"));
    }
    memory
}

/// POSIX's `posix_memalign`.
///
/// # Safety
/// `result` is valid for writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(result: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    if alignment < size_of::<*mut c_void>() || !alignment.is_power_of_two() {
        return libc::EINVAL;
    }
    let state = state();
    let before = errno().get();
    let memory = aligned(state, alignment, size);
    errno().set(before);
    if state.logs() {
        line(state.log_file(), format_args!("posix_memalign({alignment}, {size}) = {memory:?}"));
    }
    let Some(memory) = memory else { return libc::ENOMEM };
    // SAFETY: valid for writes, by our caller.
    unsafe { result.write(memory.as_ptr().cast()) };
    0
}

/// `valloc`: aligned to a page.
#[unsafe(no_mangle)]
pub extern "C" fn valloc(size: usize) -> *mut c_void {
    memalign(zigalloc::heap::page_size(), size)
}

/// `pvalloc`: whole pages.
#[unsafe(no_mangle)]
pub extern "C" fn pvalloc(size: usize) -> *mut c_void {
    let page = zigalloc::heap::page_size();
    match size.checked_next_multiple_of(page) {
        Some(size) => memalign(page, size),
        None => no_memory(),
    }
}

/// `malloc_usable_size`.
///
/// # Safety
/// `memory` is null or a live block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_usable_size(memory: *mut c_void) -> usize {
    match NonNull::new(memory.cast::<u8>()) {
        // SAFETY: a live block, by our caller.
        Some(memory) => unsafe { state().usable_size(memory) },
        None => 0,
    }
}
