//! The fixed buffer, both flavours.

use core::mem::MaybeUninit;
use core::{ptr, slice};

use super::{Owned, RawAllocator, fatal};
use crate::allocator::Allocator;
use crate::heap::FixedBufferAllocator;

pub type FixedBuffer = Owned<FixedBufferAllocator<'static>>;

/// A buffer as C passes it, or `None` if it is longer than any can be. An empty one may be null.
///
/// # Safety
/// `buffer` is null or valid for reads and writes of `len` bytes as long as the result is used, which is
/// the only way to them.
pub(super) unsafe fn buffer_from_c(
    buffer: *mut u8,
    len: usize,
    function: &str,
) -> Option<&'static mut [MaybeUninit<u8>]> {
    if len == 0 {
        return Some(&mut []);
    }
    if buffer.is_null() {
        fatal(function, format_args!("buffer is NULL and has {len} bytes"));
    }
    if isize::try_from(len).is_err() {
        return None;
    }
    // SAFETY: the caller's promise; no object is longer than that.
    Some(unsafe { slice::from_raw_parts_mut(buffer.cast(), len) })
}

/// # Safety
/// `state` is an allocator that outlives the fixed buffer and is not reset meanwhile, and `buffer` is
/// null or valid for `len` bytes, which are used through its blocks only as long as it lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_fixed_buffer_create(
    state: RawAllocator,
    buffer: *mut u8,
    len: usize,
) -> *mut FixedBuffer {
    const NAME: &str = "zigalloc_fixed_buffer_create";
    // SAFETY: the caller's promise.
    let (owner, buffer) = unsafe { (state.check(NAME, "state"), buffer_from_c(buffer, len, NAME)) };
    match buffer {
        Some(buffer) => Owned::create(owner, FixedBufferAllocator::init(buffer)),
        None => ptr::null_mut(),
    }
}

/// # Safety
/// `fixed_buffer` is alive, and its blocks and handles are all of this flavour.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_fixed_buffer_allocator(
    fixed_buffer: *mut FixedBuffer,
) -> Allocator<'static> {
    // SAFETY: the caller's promise.
    unsafe { Owned::handle(fixed_buffer, "zigalloc_fixed_buffer_allocator") }
}

/// # Safety
/// `fixed_buffer` is alive, and its handles and blocks that are in use are all of this flavour.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_fixed_buffer_thread_safe_allocator(
    fixed_buffer: *mut FixedBuffer,
) -> Allocator<'static> {
    // Several threads may ask for it at once, so nothing is borrowed exclusively: the table is that
    // of another fixed buffer, the context that of the other flavour.
    let mut model = FixedBufferAllocator::init(&mut []);
    let vtable = model.thread_safe_allocator().vtable();
    // SAFETY: the caller's promise; both flavours have the same context, and their functions make
    // shared references from it. Nobody uses the other flavour, so all changes are atomic.
    unsafe {
        let plain = Owned::handle(fixed_buffer, "zigalloc_fixed_buffer_thread_safe_allocator");
        Allocator::from_raw_parts(plain.ptr(), vtable)
    }
}

/// # Safety
/// `fixed_buffer` is alive and no other thread uses it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_fixed_buffer_end_index(fixed_buffer: *const FixedBuffer) -> usize {
    // SAFETY: the caller's promise.
    unsafe { Owned::get(fixed_buffer, "zigalloc_fixed_buffer_end_index") }.end_index()
}

/// # Safety
/// `fixed_buffer` is alive and nobody else uses it meanwhile. Its blocks are not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_fixed_buffer_reset(fixed_buffer: *mut FixedBuffer) {
    // SAFETY: the caller's promise.
    unsafe { Owned::get_mut(fixed_buffer, "zigalloc_fixed_buffer_reset") }.reset();
}

/// # Safety
/// `fixed_buffer` is alive or null. Neither it, nor a handle to it, nor its blocks are used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_fixed_buffer_destroy(fixed_buffer: *mut FixedBuffer) {
    // SAFETY: the caller's promise.
    unsafe { Owned::destroy(fixed_buffer) };
}
