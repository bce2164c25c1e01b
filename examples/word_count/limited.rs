//! An allocator written from scratch: it refuses memory beyond a limit.
//!
//! This is the shape of every allocator: the state, a method that gives out a handle to it, the
//! table, and four C functions that find the state again.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use zigalloc::{Alignment, SyncAllocator, VTable};

/// Passes calls on to its child, as long as all live blocks together are within the limit.
///
/// Any thread may call it: its child is a `SyncAllocator`, and an atomic number is all the state it
/// needs.
pub(crate) struct Limited<'c> {
    child: SyncAllocator<'c>,
    /// How many bytes may still be given out.
    left: AtomicUsize,
}

impl<'c> Limited<'c> {
    const VTABLE: VTable =
        VTable { alloc: limited_alloc, resize: limited_resize, remap: limited_remap, free: limited_free };

    pub(crate) fn new(child: SyncAllocator<'c>, limit: usize) -> Limited<'c> {
        Limited { child, left: AtomicUsize::new(limit) }
    }

    pub(crate) fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: the child keeps the contract, and the functions below pass its results on, or
        // refuse, which is always allowed. The handle borrows `self`.
        unsafe { SyncAllocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }

    /// Takes so many bytes, and gives them back if the child, which is asked then, has refused.
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

    /// As `take`, for a block that shall have `new_len` bytes instead of `len`.
    fn change<R>(&self, len: usize, new_len: usize, ask: impl FnOnce() -> Option<R>) -> Option<R> {
        let served = self.take(new_len.saturating_sub(len), ask);
        if served.is_some() {
            self.give_back(len.saturating_sub(new_len));
        }
        served
    }
}

/// # Safety
/// Clause 1 of the contract: `ctx` is the address that `allocator` took, whose borrow lasts.
unsafe fn context<'s>(ctx: *mut ()) -> &'s Limited<'s> {
    // SAFETY: the caller's promise; shared references are all that is ever made from it.
    unsafe { &*ctx.cast_const().cast() }
}

/// # Safety
/// Clause 3 of the contract: `memory` is that of a block, so not null.
unsafe fn block(memory: *mut u8, memory_len: usize) -> NonNull<[u8]> {
    // SAFETY: the caller's promise.
    NonNull::slice_from_raw_parts(unsafe { NonNull::new_unchecked(memory) }, memory_len)
}

unsafe extern "C" fn limited_alloc(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 1 of the contract.
    let this = unsafe { context(ctx) };
    // SAFETY: what the caller has promised us is what the child asks for. So it is below.
    let memory = this.take(len, || unsafe { this.child.raw_alloc(len, alignment, ret_addr) });
    memory.map_or(ptr::null_mut(), NonNull::as_ptr)
}

unsafe extern "C" fn limited_resize(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> bool {
    // SAFETY: clauses 1 and 3 of the contract.
    let (this, memory) = unsafe { (context(ctx), block(memory, memory_len)) };
    // SAFETY: clauses 2 to 4 are the caller's promises.
    let ask = || unsafe { this.child.raw_resize(memory, alignment, new_len, ret_addr) }.then_some(());
    this.change(memory_len, new_len, ask).is_some()
}

unsafe extern "C" fn limited_remap(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clauses 1 and 3 of the contract.
    let (this, memory) = unsafe { (context(ctx), block(memory, memory_len)) };
    // SAFETY: clauses 2 to 4 are the caller's promises.
    let ask = || unsafe { this.child.raw_remap(memory, alignment, new_len, ret_addr) };
    this.change(memory_len, new_len, ask).map_or(ptr::null_mut(), NonNull::as_ptr)
}

unsafe extern "C" fn limited_free(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    ret_addr: usize,
) {
    // SAFETY: clauses 1 and 3 of the contract.
    let (this, memory) = unsafe { (context(ctx), block(memory, memory_len)) };
    // SAFETY: clauses 2 to 4 are the caller's promises.
    unsafe { this.child.raw_free(memory, alignment, ret_addr) };
    this.give_back(memory_len);
}
