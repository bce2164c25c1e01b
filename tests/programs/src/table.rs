//! Allocators of the model: the only place here that knows the signatures of the vtable.

use std::ptr::NonNull;

use zigalloc::{Alignment, SyncAllocator, VTable, state};

/// The type of every handle here. All programs run on one thread, and the model ensures that what a handle points to
/// is alive.
pub(crate) type Handle = SyncAllocator<'static>;

/// An allocator with safe signatures. Callers are not trusted: the functions check their arguments.
pub(crate) trait Functions {
    fn alloc(&self, len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>>;
    fn resize(&self, memory: NonNull<[u8]>, alignment: Alignment, new_len: usize, ret_addr: usize) -> bool;
    fn remap(
        &self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>>;
    fn free(&self, memory: NonNull<[u8]>, alignment: Alignment, ret_addr: usize);
}

struct Table<F>(F);

impl<F: Functions> Table<F> {
    const VTABLE: VTable =
        VTable { alloc: alloc::<F>, resize: resize::<F>, remap: remap::<F>, free: free::<F> };
}

/// Returns a handle to an allocator of the model.
///
/// # Safety
/// The allocator does not move while the handle is used, and its functions keep the contract.
pub(crate) unsafe fn handle<F: Functions>(state: &F) -> Handle {
    // SAFETY: the state does not move and the functions keep the contract, by our caller; there is one thread.
    unsafe { SyncAllocator::from_raw_parts((&raw const *state).cast_mut().cast(), &Table::<F>::VTABLE) }
}

/// Converts a caller's block. Null becomes a dangling address, which no ledger knows.
fn block(memory: *mut u8, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(NonNull::new(memory).unwrap_or(NonNull::dangling()), len)
}

unsafe extern "C" fn alloc<F: Functions>(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    ret_addr: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: clause context of the contract.
    unsafe { state::<F>(ctx) }.alloc(len, alignment, ret_addr)
}

unsafe extern "C" fn resize<F: Functions>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> bool {
    // SAFETY: clause context of the contract.
    unsafe { state::<F>(ctx) }.resize(block(memory, memory_len), alignment, new_len, ret_addr)
}

unsafe extern "C" fn remap<F: Functions>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: clause context of the contract.
    unsafe { state::<F>(ctx) }.remap(block(memory, memory_len), alignment, new_len, ret_addr)
}

unsafe extern "C" fn free<F: Functions>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    ret_addr: usize,
) {
    // SAFETY: clause context of the contract.
    unsafe { state::<F>(ctx) }.free(block(memory, memory_len), alignment, ret_addr);
}
