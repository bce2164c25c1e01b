//! A buffer with a fallback allocator.

use core::ptr;

use super::fixed_buffer::buffer_from_c;
use super::{Owned, RawAllocator};
use crate::allocator::Allocator;
use crate::heap::BufferFirstAllocator;

pub type BufferFirst = Owned<BufferFirstAllocator<'static, Allocator<'static>>>;

/// # Safety
/// `state` and `child` are allocators that outlive this one and are not reset while it exists. `buffer` is null or
/// valid for `len` bytes, which are accessed only through this allocator's blocks while it exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_buffer_first_create(
    state: RawAllocator,
    buffer: *mut u8,
    len: usize,
    child: RawAllocator,
) -> *mut BufferFirst {
    const NAME: &str = "zigalloc_buffer_first_create";
    // SAFETY: an allocator, by our caller.
    let owner = unsafe { state.check(NAME, "state") };
    // SAFETY: an allocator too, by our caller.
    let child = unsafe { child.check(NAME, "child") };
    // SAFETY: null or valid for `len` bytes, which nothing else uses, by our caller.
    match unsafe { buffer_from_c(buffer, len, NAME) } {
        Some(buffer) => Owned::create(owner, BufferFirstAllocator::init(buffer, child)),
        None => ptr::null_mut(),
    }
}

/// # Safety
/// `buffer_first` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_buffer_first_allocator(
    buffer_first: *mut BufferFirst,
) -> Allocator<'static> {
    // SAFETY: `buffer_first` is alive, by our caller.
    unsafe { Owned::handle(buffer_first, "zigalloc_buffer_first_allocator") }
}

/// # Safety
/// `buffer_first` is alive, and no other thread uses it during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_buffer_first_end_index(buffer_first: *const BufferFirst) -> usize {
    // SAFETY: `buffer_first` is alive, by our caller.
    let this = unsafe { Owned::get(buffer_first, "zigalloc_buffer_first_end_index") };
    this.fixed_buffer_allocator().end_index()
}

/// # Safety
/// `buffer_first` is alive, and nothing else uses it during the call. Its blocks in the buffer are not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_buffer_first_reset(buffer_first: *mut BufferFirst) {
    // SAFETY: `buffer_first` is alive, and nothing else uses it during the call, by our caller.
    unsafe { Owned::get_mut(buffer_first, "zigalloc_buffer_first_reset") }.reset();
}

/// # Safety
/// `buffer_first` is alive or null. It, its handles and its blocks in the buffer are not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_buffer_first_destroy(buffer_first: *mut BufferFirst) {
    // SAFETY: `buffer_first` is alive or null, and not used afterwards, by our caller.
    unsafe { Owned::destroy(buffer_first) };
}
