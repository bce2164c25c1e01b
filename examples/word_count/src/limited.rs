//! An allocator written from scratch, with a limit on live memory.
//!
//! Every allocator has this structure: a state, a vtable, a method that returns a handle to them, and the four
//! functions of the vtable, each of which recovers the state with `state`.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use zigalloc::{Alignment, SyncAllocator, VTable, block, state};

/// Forwards calls to its child, and refuses requests that would exceed the limit on live bytes.
///
/// It is thread-safe: its child is a `SyncAllocator`, and its only other state is an atomic counter.
pub(crate) struct Limited<'c> {
    child: SyncAllocator<'c>,
    /// The number of bytes that may still be allocated.
    left: AtomicUsize,
}

impl<'c> Limited<'c> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    pub(crate) fn new(child: SyncAllocator<'c>, limit: usize) -> Limited<'c> {
        Limited { child, left: AtomicUsize::new(limit) }
    }

    pub(crate) fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: the functions keep the contract on any thread, because the child does: they return its results or
        // refuse, which is always allowed.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    /// Reserves `bytes`, then calls the child with `ask`. If that fails, releases them again.
    fn take<R>(&self, bytes: usize, ask: impl FnOnce() -> Option<R>) -> Option<R> {
        self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).ok()?;
        let served = ask();
        if served.is_none() {
            self.give_back(bytes);
        }
        served
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Relaxed);
    }

    /// Does the same for a block whose length changes from `len` to `new_len` bytes.
    fn change<R>(&self, len: usize, new_len: usize, ask: impl FnOnce() -> Option<R>) -> Option<R> {
        let served = self.take(new_len.saturating_sub(len), ask);
        if served.is_some() {
            self.give_back(len.saturating_sub(new_len));
        }
        served
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: `len` is not zero, by our caller; any thread may call the child.
        this.take(len, || unsafe { this.child.raw_alloc(len, alignment, ret_addr) })
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
        // SAFETY: a live block of the child, and `new_len` is not zero, by our caller; any thread may call the child.
        let resize = || unsafe { this.child.raw_resize(memory, alignment, new_len, ret_addr) };
        this.change(memory_len, new_len, || resize().then_some(())).is_some()
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: as in `resize`.
        let remap = || unsafe { this.child.raw_remap(memory, alignment, new_len, ret_addr) };
        this.change(memory_len, new_len, remap)
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
        // SAFETY: a live block of the child, not used afterwards, by our caller; any thread may call the child.
        unsafe { this.child.raw_free(memory, alignment, ret_addr) };
        this.give_back(memory_len);
    }
}
