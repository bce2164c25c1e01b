//! A child that makes second attempts fail.

use std::ptr::{self, NonNull};

use zigalloc::{Alignment, Allocator, SyncAllocator, VTable};

use crate::REFUSED;

/// Passes everything on to an allocator, but after a refusal, no request for memory in the same step.
pub(crate) struct Once<'c>(pub(crate) Allocator<'c>);

impl Once<'_> {
    const VTABLE: VTable = VTable { alloc, resize, remap, free };

    /// There is one thread, so it may be called what an arena for many asks for.
    pub(crate) fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: the functions keep the contract, because the child does. One thread calls them.
        unsafe { SyncAllocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }
}

/// # Safety
/// Clause 1 of the contract.
unsafe fn child<'s>(ctx: *mut ()) -> Allocator<'s> {
    // SAFETY: `ctx` is the address that `Once::allocator` took.
    unsafe { (*ctx.cast_const().cast::<Once<'s>>()).0 }
}

fn nullable(memory: Option<NonNull<u8>>) -> *mut u8 {
    memory.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// # Safety
/// Clause 3 of the contract.
unsafe fn block(memory: *mut u8, len: usize) -> NonNull<[u8]> {
    // SAFETY: a block is not null.
    NonNull::slice_from_raw_parts(unsafe { NonNull::new_unchecked(memory) }, len)
}

unsafe extern "C" fn alloc(ctx: *mut (), len: usize, alignment: Alignment, ret_addr: usize) -> *mut u8 {
    if REFUSED.get() {
        return ptr::null_mut();
    }
    // SAFETY: clauses 1, 2 and 5.
    let memory = unsafe { child(ctx).raw_alloc(len, alignment, ret_addr) };
    REFUSED.set(memory.is_none());
    nullable(memory)
}

unsafe extern "C" fn resize(
    ctx: *mut (),
    memory: *mut u8,
    len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> bool {
    // SAFETY: clauses 1 to 5.
    !REFUSED.get() && unsafe { child(ctx).raw_resize(block(memory, len), alignment, new_len, ret_addr) }
}

unsafe extern "C" fn remap(
    ctx: *mut (),
    memory: *mut u8,
    len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> *mut u8 {
    if REFUSED.get() {
        return ptr::null_mut();
    }
    // SAFETY: clauses 1 to 5.
    nullable(unsafe { child(ctx).raw_remap(block(memory, len), alignment, new_len, ret_addr) })
}

unsafe extern "C" fn free(ctx: *mut (), memory: *mut u8, len: usize, alignment: Alignment, ret_addr: usize) {
    // SAFETY: clauses 1 to 5.
    unsafe { child(ctx).raw_free(block(memory, len), alignment, ret_addr) };
}
