//! A child that believes nothing.
//!
//! # Guarantees
//!
//! It passes every call on to its own child, writes down each block, and aborts the process with a
//! message at the first call that breaks clauses 2 to 4 of the
//! [contract](crate::VTable#the-contract-of-an-allocator): a length of zero, a length or an alignment
//! that does not match, a pointer that is no block, a second free. The message names the function,
//! the values, and the caller. What its child returns is checked against clauses 7 and 12:
//! alignment, overlap, length. [`assert_no_leaks`](LedgerAllocator::assert_no_leaks) panics while
//! blocks are live.
//!
//! Put it below a wrapper to test the wrapper, or below a program to test the program.
//!
//! # Layout
//!
//! The ledger is a tree on the global heap, by address. Blocks are not touched: no header, no
//! padding, no canary. So it cannot serve as the global allocator.
//!
//! # Threads
//!
//! Handles are for one thread. It is `Send` if its child's handle is.
//!
//! After a `fork` in its thread, the child has a copy of the ledger; what holds for the child allocator holds for the
//! rest.
//!
//! # Differences from Zig
//!
//! Zig has no such allocator; its `DebugAllocator` and `SafeAllocator` find much of the same, with a
//! layout of their own.

use core::cell::RefCell;
use core::fmt;
use core::ptr::{self, NonNull};

use crate::alignment::Alignment;
use crate::testing::ledger::{Breach, Ledger};
use crate::testing::symbol::Symbol;
use crate::vtable::{Allocator, AllocatorState, ChildAllocator, VTable, block, nullable};

/// Passes every call on and aborts with a message when the caller, or the child, breaks the
/// [contract](crate::VTable#the-contract-of-an-allocator).
///
/// It writes down each block. A wrong length, a wrong alignment, a foreign pointer or a second free
/// abort, since functions of a table must not unwind. Leaks are found when you ask.
///
/// ```
/// use zigalloc::{heap::{ArenaAllocator, PAGE_ALLOCATOR}, testing::LedgerAllocator};
///
/// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
/// let arena = ArenaAllocator::init(ledger.allocator());
/// arena.allocator().alloc::<u8>(100)?;
/// assert_eq!(ledger.live(), 1); // a node of the arena
/// arena.deinit();
/// ledger.assert_no_leaks();
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub struct LedgerAllocator<C: ChildAllocator> {
    child_allocator: C,
    ledger: RefCell<Ledger>,
}

impl<C: ChildAllocator> LedgerAllocator<C> {
    const VTABLE: VTable = VTable {
        alloc: ledger_alloc::<C>,
        resize: ledger_resize::<C>,
        remap: ledger_remap::<C>,
        free: ledger_free::<C>,
    };

    /// An allocator with an empty ledger.
    #[inline]
    pub fn init(child_allocator: C) -> LedgerAllocator<C> {
        LedgerAllocator { child_allocator, ledger: RefCell::default() }
    }

    /// A handle to this allocator, for one thread.
    #[inline]
    pub fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract, because the child does. The handle borrows `self`.
        unsafe { Allocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }

    /// How many blocks are live.
    pub fn live(&self) -> usize {
        self.ledger.borrow().live().len()
    }

    /// How many bytes the live blocks have together.
    pub fn live_bytes(&self) -> usize {
        self.ledger.borrow().live().map(|(_, entry)| entry.len).sum()
    }

    /// Panics if a block is live.
    ///
    /// # Panics
    /// With the number of live blocks, and address, length and alignment of the first of them.
    #[track_caller]
    pub fn assert_no_leaks(&self) {
        let ledger = self.ledger.borrow();
        let mut live = ledger.live();
        let count = live.len();
        let blocks = if count == 1 { "block is" } else { "blocks are" };
        if let Some((address, entry)) = live.next() {
            panic!(
                "LedgerAllocator: {count} {blocks} live and none should be; the first has {} bytes, aligned \
                 to {}, at {address:#x}",
                entry.len,
                entry.alignment.to_byte_units()
            );
        }
    }

    fn alloc(&self, len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        assert!(len > 0, "LedgerAllocator: alloc of 0 bytes (clause 2), called by {}", Symbol(ret_addr));
        // SAFETY: the length is not zero; the caller's other promises are the child's.
        let memory = unsafe { self.child_allocator.handle().raw_alloc(len, alignment, ret_addr) }?;
        self.ledger
            .borrow_mut()
            .insert(memory.addr().get(), len, alignment)
            .unwrap_or_else(|breach| child_fails(format_args!("alloc of {len} bytes"), breach));
        Some(memory)
    }

    /// Checks a caller's block, and for resize and remap the new length, against the ledger.
    fn check(
        &self,
        function: &str,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: Option<usize>,
        ret_addr: usize,
    ) {
        let caller = Symbol(ret_addr);
        let len = memory.len();
        if let Err(breach) = self.ledger.borrow().check(memory.addr().get(), len, alignment) {
            panic!("LedgerAllocator: {function} of a block of {len} bytes: {breach}; called by {caller}");
        }
        if new_len == Some(0) {
            panic!("LedgerAllocator: {function} of {len} to 0 bytes (clause 2), called by {caller}");
        }
    }

    /// # Safety
    /// Clause 5 of the contract; clauses 2 to 4 are checked.
    unsafe fn resize(
        &self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        self.check("resize", memory, alignment, Some(new_len), ret_addr);
        // SAFETY: the ledger says that the block is live, and matches.
        let resized =
            unsafe { self.child_allocator.handle().raw_resize(memory, alignment, new_len, ret_addr) };
        if resized {
            self.ledger.borrow_mut().resize(memory.addr().get(), new_len).unwrap_or_else(|breach| {
                child_fails(format_args!("resize of {} to {new_len} bytes", memory.len()), breach)
            });
        }
        resized
    }

    /// # Safety
    /// Clause 5 of the contract; clauses 2 to 4 are checked.
    unsafe fn remap(
        &self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        self.check("remap", memory, alignment, Some(new_len), ret_addr);
        // SAFETY: the ledger says that the block is live, and matches.
        let remapped =
            unsafe { self.child_allocator.handle().raw_remap(memory, alignment, new_len, ret_addr) }?;
        let mut ledger = self.ledger.borrow_mut();
        ledger.remove(memory.addr().get());
        ledger.insert(remapped.addr().get(), new_len, alignment).unwrap_or_else(|breach| {
            child_fails(format_args!("remap of {} to {new_len} bytes", memory.len()), breach)
        });
        Some(remapped)
    }

    /// # Safety
    /// Clause 5 of the contract; clauses 2 to 4 are checked.
    unsafe fn free(&self, memory: NonNull<[u8]>, alignment: Alignment, ret_addr: usize) {
        self.check("free", memory, alignment, None, ret_addr);
        self.ledger.borrow_mut().remove(memory.addr().get());
        // SAFETY: the ledger said that the block is live, and matches.
        unsafe { self.child_allocator.handle().raw_free(memory, alignment, ret_addr) };
    }
}

#[cold]
fn child_fails(call: fmt::Arguments<'_>, breach: Breach) -> ! {
    panic!("LedgerAllocator: the child broke the contract in {call}: {breach}");
}

// SAFETY: 1. as `allocator` says. 2. The ledger is its own. If it is `Send`, its child is a
// `SyncAllocator`, which any thread may call.
unsafe impl<C: ChildAllocator> AllocatorState for LedgerAllocator<C> {
    fn allocator(&self) -> Allocator<'_> {
        LedgerAllocator::allocator(self)
    }
}

impl<C: ChildAllocator> fmt::Debug for LedgerAllocator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerAllocator")
            .field("child_allocator", &self.child_allocator)
            .field("live", &self.live())
            .finish_non_exhaustive()
    }
}

// ---- the functions of the table ----

/// # Safety
/// Clause 1 of the contract: `ctx` is the address that `allocator` took, whose borrow lasts.
#[inline(always)]
unsafe fn context<'s, C: ChildAllocator + 's>(ctx: *mut ()) -> &'s LedgerAllocator<C> {
    // SAFETY: the caller's promise; shared references are all that is ever made from it.
    unsafe { &*ctx.cast_const().cast() }
}

#[inline]
unsafe extern "C" fn ledger_alloc<C: ChildAllocator>(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 1 of the contract.
    nullable(unsafe { context::<C>(ctx) }.alloc(len, alignment, ret_addr))
}

#[inline]
unsafe extern "C" fn ledger_resize<C: ChildAllocator>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> bool {
    // SAFETY: clauses 1 and 5 of the contract.
    unsafe { context::<C>(ctx).resize(block(memory, memory_len), alignment, new_len, ret_addr) }
}

#[inline]
unsafe extern "C" fn ledger_remap<C: ChildAllocator>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clauses 1 and 5 of the contract.
    nullable(unsafe { context::<C>(ctx).remap(block(memory, memory_len), alignment, new_len, ret_addr) })
}

#[inline]
unsafe extern "C" fn ledger_free<C: ChildAllocator>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    ret_addr: usize,
) {
    // SAFETY: clauses 1 and 5 of the contract.
    unsafe { context::<C>(ctx).free(block(memory, memory_len), alignment, ret_addr) };
}
