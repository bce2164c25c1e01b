//! The child that exits.

use std::cell::Cell;
use std::ptr::NonNull;

use zigalloc::heap::RUST_ALLOCATOR;
use zigalloc::testing::LedgerAllocator;
use zigalloc::{Alignment, Allocator, SyncAllocator, VTable, state};

use super::EXIT_CODE;

/// When it exits: before it serves the call, or after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moment {
    Before,
    After,
}

/// Memory of the Rust heap, under a ledger. Lengths are rounded up to [`STEP`] bytes, so that some blocks can be
/// resized in place; `remap` moves the others. Freed memory is overwritten.
pub(crate) struct Child {
    ledger: LedgerAllocator<SyncAllocator<'static>>,
    calls: Cell<usize>,
    exit: Cell<Option<(usize, Moment)>>,
    is_exiting: Cell<bool>,
    /// Longer requests are refused.
    most: Cell<usize>,
    /// Whether blocks may be live at the end.
    may_leak: Cell<bool>,
}

pub(crate) const STEP: usize = 1024;

fn rounded(len: usize) -> usize {
    len.next_multiple_of(STEP)
}

fn slice(memory: *mut u8, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(NonNull::new(memory).expect("a block"), len)
}

impl Child {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    pub(crate) fn leak() -> &'static Child {
        Box::leak(Box::new(Child {
            ledger: LedgerAllocator::init(RUST_ALLOCATOR),
            calls: Cell::new(0),
            exit: Cell::new(None),
            is_exiting: Cell::new(false),
            most: Cell::new(usize::MAX - STEP),
            may_leak: Cell::new(false),
        }))
    }

    /// Returns its handle. Only one thread uses it, although its type allows more.
    pub(crate) fn allocator(&'static self) -> SyncAllocator<'static> {
        // SAFETY: the functions keep the contract, as the Rust heap does; one thread calls them.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    /// Exits at the given call from now on, counted from 1.
    pub(crate) fn exit_at(&self, call: usize, moment: Moment) {
        self.calls.set(0);
        self.exit.set(Some((call, moment)));
    }

    pub(crate) fn is_exiting(&self) -> bool {
        self.is_exiting.get()
    }

    pub(crate) fn exit_no_more(&self) {
        self.exit.set(None);
    }

    /// The number of calls since [`exit_at`](Self::exit_at).
    #[cfg(feature = "collections")]
    pub(crate) fn calls(&self) -> usize {
        self.calls.get()
    }

    /// Counts as a call, in which nothing else happens.
    #[cfg(feature = "allocator-api2-02")]
    pub(crate) fn tick(&self) {
        self.call(|_| ());
    }

    /// Refuses longer requests.
    pub(crate) fn refuse_above(&self, most: usize) {
        self.most.set(most);
    }

    /// Allows leaks.
    pub(crate) fn forget_leaks(&self) {
        self.may_leak.set(true);
    }

    pub(crate) fn assert_no_leaks(&self) {
        if !self.may_leak.get() {
            self.ledger.assert_no_leaks();
        }
    }

    fn call<R>(&self, call: impl FnOnce(Allocator<'_>) -> R) -> R {
        self.calls.set(self.calls.get() + 1);
        self.exit_if(Moment::Before);
        let result = call(self.ledger.allocator());
        self.exit_if(Moment::After);
        result
    }

    fn exit_if(&self, moment: Moment) {
        if self.exit.get() == Some((self.calls.get(), moment)) {
            self.exit.set(None);
            self.is_exiting.set(true);
            std::process::exit(EXIT_CODE);
        }
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the length is not zero, by our caller; there is one thread.
        this.call(|ledger| unsafe {
            if len > this.most.get() { None } else { ledger.raw_alloc(rounded(len), alignment, 0) }
        })
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        _: *mut u8,
        len: usize,
        _: Alignment,
        new_len: usize,
        _: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        this.call(|_| new_len <= usize::MAX - STEP && rounded(len) == rounded(new_len))
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let old = slice(memory, rounded(len));
        this.call(|ledger| {
            if rounded(len) == rounded(new_len) {
                return Some(old.cast());
            }
            // SAFETY: the length is not zero; there is one thread.
            let new = unsafe { ledger.raw_alloc(rounded(new_len), alignment, 0) }?;
            // SAFETY: both blocks have that many bytes and are live.
            unsafe { new.copy_from_nonoverlapping(old.cast(), len.min(new_len)) };
            // SAFETY: a live block, by our caller, not used afterwards.
            unsafe { give_back(ledger, old, alignment) };
            Some(new)
        })
    }

    unsafe extern "C" fn free(ctx: *mut (), memory: *mut u8, len: usize, alignment: Alignment, _: usize) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: a live block, by our caller, not used afterwards.
        this.call(|ledger| unsafe { give_back(ledger, slice(memory, rounded(len)), alignment) });
    }
}

/// # Safety
/// Clauses live-block and dead-pointer of the contract.
unsafe fn give_back(ledger: Allocator<'_>, memory: NonNull<[u8]>, alignment: Alignment) {
    // SAFETY: a live block, by our caller.
    unsafe {
        memory.cast::<u8>().write_bytes(0xDD, memory.len());
        ledger.raw_free(memory, alignment, 0);
    }
}

/// A block with contents of its own.
pub(crate) struct Block {
    pub(crate) memory: NonNull<[u8]>,
    seed: u8,
}

impl Block {
    /// Fills a block.
    ///
    /// # Safety
    /// The memory is a live block, and nothing else accesses it while this exists.
    pub(crate) unsafe fn fill(memory: NonNull<[u8]>, seed: u8) -> Block {
        for n in 0..memory.len() {
            // SAFETY: inside the block.
            unsafe { memory.cast::<u8>().add(n).write(seed.wrapping_add(n as u8)) };
        }
        Block { memory, seed }
    }

    #[track_caller]
    pub(crate) fn check(&self) {
        for n in 0..self.memory.len() {
            // SAFETY: inside the block, which `fill` has filled.
            let byte = unsafe { self.memory.cast::<u8>().add(n).read() };
            assert_eq!(byte, self.seed.wrapping_add(n as u8), "byte {n} of {}", self.memory.len());
        }
    }
}

/// Allocates blocks, each with its own contents, and returns how many there were before memory ran out.
pub(crate) fn fill_some(allocator: Allocator<'_>, lens: &[usize], blocks: &mut Vec<Block>) -> usize {
    let mut made = 0;
    for &len in lens {
        // SAFETY: a new block, which only the list refers to.
        let block = allocator.alloc::<u8>(len).map(|memory| unsafe { Block::fill(memory, len as u8) });
        made += usize::from(block.is_ok());
        blocks.extend(block);
    }
    made
}
