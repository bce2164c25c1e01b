//! A child that refuses retries.

use std::ptr::NonNull;

use zigalloc::{Alignment, Allocator, SyncAllocator, VTable, block, state};

use crate::REFUSED;

/// Forwards all calls to an allocator, but after a refusal refuses all requests for memory in the same step.
pub(crate) struct Once<'c>(pub(crate) Allocator<'c>);

impl Once<'_> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// The process has one thread, so the handle may have the type that a shared arena requires.
    pub(crate) fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: the functions keep the contract, because the child does. Only one thread calls them.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        if REFUSED.get() {
            return None;
        }
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: `len` is not zero, by our caller; there is one thread.
        let memory = unsafe { this.0.raw_alloc(len, alignment, ret_addr) };
        REFUSED.set(memory.is_none());
        memory
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block of the child, by our caller; there is one thread.
        !REFUSED.get() && unsafe { this.0.raw_resize(memory, alignment, new_len, ret_addr) }
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        if REFUSED.get() {
            return None;
        }
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: as in `resize`.
        unsafe { this.0.raw_remap(memory, alignment, new_len, ret_addr) }
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: as in `resize`, and not used afterwards.
        unsafe { this.0.raw_free(memory, alignment, ret_addr) };
    }
}
