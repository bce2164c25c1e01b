//! An allocator written from scratch: it counts calls, and refuses memory beyond a limit.
//!
//! This is the shape of every allocator: the state, a method that gives out a handle to it, the
//! table, and four C functions that find the state again.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use zigalloc::{Alignment, Allocator, AllocatorState, VTable};

/// What has been asked of an allocator.
#[derive(Clone, Copy, Default)]
pub(crate) struct Calls {
    pub(crate) alloc: u64,
    pub(crate) resize: u64,
    pub(crate) remap: u64,
    pub(crate) free: u64,
    /// New memory and growth, in bytes. What was freed is not subtracted.
    pub(crate) bytes: usize,
}

/// Passes every call on to `child` and counts it.
///
/// It owns its child, so that a lock around it is a lock around both. It is for one thread at a
/// time, and cells are all the state it needs.
pub(crate) struct Counting<A> {
    child: A,
    calls: Cell<Calls>,
    limit: usize,
}

impl<A: AllocatorState> Counting<A> {
    const VTABLE: VTable = VTable {
        alloc: counting_alloc::<A>,
        resize: counting_resize::<A>,
        remap: counting_remap::<A>,
        free: counting_free::<A>,
    };

    /// Refuses what would be more than `limit` bytes in total.
    pub(crate) fn new(child: A, limit: usize) -> Counting<A> {
        Counting { child, calls: Cell::default(), limit }
    }

    pub(crate) fn calls(&self) -> Calls {
        self.calls.get()
    }

    pub(crate) fn child(&self) -> &A {
        &self.child
    }

    fn count(&self, count: impl FnOnce(&mut Calls)) {
        let mut calls = self.calls.get();
        count(&mut calls);
        self.calls.set(calls);
    }

    /// Whether so many more bytes are within the limit.
    fn allows(&self, bytes: usize) -> bool {
        bytes <= self.limit - self.calls.get().bytes
    }
}

// SAFETY: 1. The child keeps the contract, and the functions below pass its results on, or refuse,
// which is always allowed. 2. The child and the cell are this value's own: who holds `&mut self`
// holds both.
unsafe impl<A: AllocatorState> AllocatorState for Counting<A> {
    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions below keep the contract, as said above. The handle borrows `self`.
        unsafe { Allocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }
}

/// # Safety
/// Clause 1 of the contract: `ctx` is the address that `allocator` took, whose borrow lasts.
unsafe fn context<'s, A>(ctx: *mut ()) -> &'s Counting<A> {
    // SAFETY: the caller's promise; shared references are all that is ever made from it.
    unsafe { &*ctx.cast_const().cast() }
}

/// # Safety
/// Clause 3 of the contract: `memory` is that of a block, so not null.
unsafe fn block(memory: *mut u8, memory_len: usize) -> NonNull<[u8]> {
    // SAFETY: the caller's promise.
    NonNull::slice_from_raw_parts(unsafe { NonNull::new_unchecked(memory) }, memory_len)
}

unsafe extern "C" fn counting_alloc<A: AllocatorState>(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 1 of the contract.
    let this = unsafe { context::<A>(ctx) };
    this.count(|calls| calls.alloc += 1);
    if !this.allows(len) {
        return ptr::null_mut();
    }
    // SAFETY: what the caller has promised us is what the child asks for. So it is below.
    let Some(memory) = (unsafe { this.child.allocator().raw_alloc(len, alignment, ret_addr) }) else {
        return ptr::null_mut();
    };
    this.count(|calls| calls.bytes += len);
    memory.as_ptr()
}

unsafe extern "C" fn counting_resize<A: AllocatorState>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> bool {
    // SAFETY: clause 1 of the contract.
    let this = unsafe { context::<A>(ctx) };
    this.count(|calls| calls.resize += 1);
    let growth = new_len.saturating_sub(memory_len);
    if !this.allows(growth) {
        return false;
    }
    // SAFETY: clause 3 of the contract.
    let memory = unsafe { block(memory, memory_len) };
    // SAFETY: clauses 2 to 5 are the caller's promises.
    let resized = unsafe { this.child.allocator().raw_resize(memory, alignment, new_len, ret_addr) };
    if resized {
        this.count(|calls| calls.bytes += growth);
    }
    resized
}

unsafe extern "C" fn counting_remap<A: AllocatorState>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 1 of the contract.
    let this = unsafe { context::<A>(ctx) };
    this.count(|calls| calls.remap += 1);
    let growth = new_len.saturating_sub(memory_len);
    if !this.allows(growth) {
        return ptr::null_mut();
    }
    // SAFETY: clause 3 of the contract.
    let memory = unsafe { block(memory, memory_len) };
    // SAFETY: clauses 2 to 5 are the caller's promises.
    let remapped = unsafe { this.child.allocator().raw_remap(memory, alignment, new_len, ret_addr) };
    let Some(memory) = remapped else {
        return ptr::null_mut();
    };
    this.count(|calls| calls.bytes += growth);
    memory.as_ptr()
}

unsafe extern "C" fn counting_free<A: AllocatorState>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    ret_addr: usize,
) {
    // SAFETY: clause 1 of the contract.
    let this = unsafe { context::<A>(ctx) };
    this.count(|calls| calls.free += 1);
    // SAFETY: clause 3 of the contract.
    let memory = unsafe { block(memory, memory_len) };
    // SAFETY: clauses 2 to 5 are the caller's promises.
    unsafe { this.child.allocator().raw_free(memory, alignment, ret_addr) };
}
