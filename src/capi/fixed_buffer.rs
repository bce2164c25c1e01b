//! The fixed buffer, in both flavours.

use core::mem::MaybeUninit;
use core::{ptr, slice};

use super::{Owned, RawAllocator, fatal};
use crate::allocator::Allocator;
use crate::heap::FixedBufferAllocator;

pub type FixedBuffer = Owned<FixedBufferAllocator<'static>>;

/// Converts a buffer that C passes; `None` if it is longer than any object can be. An empty buffer may be null.
///
/// # Safety
/// `buffer` is null or valid for reads and writes of `len` bytes, which are accessed only through the result while it
/// is in use.
pub(super) unsafe fn buffer_from_c(
    buffer: *mut u8,
    len: usize,
    function: &str,
) -> Option<&'static mut [MaybeUninit<u8>]> {
    if len == 0 {
        return Some(&mut []);
    }
    if buffer.is_null() {
        fatal(function, format_args!("buffer is NULL but len is {len}"));
    }
    if isize::try_from(len).is_err() {
        return None;
    }
    // SAFETY: valid for `len` bytes, which nothing else accesses, by our caller; that is at most the length of an
    // object.
    Some(unsafe { slice::from_raw_parts_mut(buffer.cast(), len) })
}

/// # Safety
/// `state` is an allocator that outlives the fixed buffer and is not reset while it exists. `buffer` is null or valid
/// for `len` bytes, which are accessed only through this allocator's blocks while it exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_fixed_buffer_create(
    state: RawAllocator,
    buffer: *mut u8,
    len: usize,
) -> *mut FixedBuffer {
    const NAME: &str = "zigalloc_fixed_buffer_create";
    // SAFETY: an allocator, by our caller.
    let owner = unsafe { state.check(NAME, "state") };
    // SAFETY: null or valid for `len` bytes, which nothing else uses, by our caller.
    match unsafe { buffer_from_c(buffer, len, NAME) } {
        Some(buffer) => Owned::create(owner, FixedBufferAllocator::init(buffer)),
        None => ptr::null_mut(),
    }
}

/// # Safety
/// `fixed_buffer` is alive, and all its live blocks and handles are of this flavour.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_fixed_buffer_allocator(
    fixed_buffer: *mut FixedBuffer,
) -> Allocator<'static> {
    // SAFETY: `fixed_buffer` is alive, by our caller.
    unsafe { Owned::handle(fixed_buffer, "zigalloc_fixed_buffer_allocator") }
}

/// # Safety
/// `fixed_buffer` is alive, and all its live blocks and handles are of this flavour.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_fixed_buffer_thread_safe_allocator(
    fixed_buffer: *mut FixedBuffer,
) -> Allocator<'static> {
    // Several threads may call this at once, so it borrows nothing exclusively: it combines the table of another
    // fixed buffer with the context of the plain flavour.
    let mut model = FixedBufferAllocator::init(&mut []);
    let vtable = model.thread_safe_allocator().vtable();
    // SAFETY: `fixed_buffer` is alive, by our caller.
    let plain = unsafe { Owned::handle(fixed_buffer, "zigalloc_fixed_buffer_thread_safe_allocator") };
    // SAFETY: both flavours have the same context, and their functions make shared references from it. The other
    // flavour is not used, by our caller, so all changes are atomic.
    unsafe { Allocator::from_raw_parts(plain.ptr(), vtable) }
}

/// # Safety
/// `fixed_buffer` is alive, and no other thread uses it during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_fixed_buffer_end_index(fixed_buffer: *const FixedBuffer) -> usize {
    // SAFETY: `fixed_buffer` is alive, by our caller.
    unsafe { Owned::get(fixed_buffer, "zigalloc_fixed_buffer_end_index") }.end_index()
}

/// # Safety
/// `fixed_buffer` is alive, and nothing else uses it during the call. Its blocks are not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_fixed_buffer_reset(fixed_buffer: *mut FixedBuffer) {
    // SAFETY: `fixed_buffer` is alive, and nothing else uses it during the call, by our caller.
    unsafe { Owned::get_mut(fixed_buffer, "zigalloc_fixed_buffer_reset") }.reset();
}

/// # Safety
/// `fixed_buffer` is alive or null. It, its handles and its blocks are not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_fixed_buffer_destroy(fixed_buffer: *mut FixedBuffer) {
    // SAFETY: `fixed_buffer` is alive or null, and not used afterwards, by our caller.
    unsafe { Owned::destroy(fixed_buffer) };
}
