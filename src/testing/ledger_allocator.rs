//! An allocator that checks every call against a ledger of live blocks.
//!
//! The ledger is a tree on the global heap, by address, so this allocator cannot serve as the global allocator.
//!
//! # Differences from Zig
//!
//! Zig has no such allocator; its `DebugAllocator` and `SafeAllocator` find many of the same mistakes, with a
//! block layout of their own.

use core::cell::RefCell;
use core::fmt;
use core::ptr::NonNull;

use super::conformance::ledger::{Breach, Ledger};
use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, Handle};
use crate::symbol::Symbol;
use crate::vtable::{VTable, block, state};

/// Checks every call against a ledger of live blocks, and aborts with a message when the caller or the child breaks the
/// [contract](crate::VTable#the-contract-of-an-allocator).
///
/// Put it below a wrapper to test the wrapper, or below a program to test the program. It passes every call on to its
/// child unchanged and does not touch blocks: no header, no padding, no canary. What it checks:
///
/// - The caller, against clauses non-zero to dead-pointer: a length of zero, a length or an alignment
///   that does not match, a pointer that is not a block, a second free.
/// - The child, against clauses new-block and no-overflow: the alignment, overlap and length of what it returns.
/// - Leaks, when you call [`assert_no_leaks`](Self::assert_no_leaks), which panics.
///
/// The message names the function, the values and the caller. The process aborts because functions of a table must not
/// unwind. Handles are for one thread; the allocator is `Send` if its child's handle is. A forked process has its own
/// copy of the ledger; otherwise the child allocator determines what works after a fork.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
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
///
/// The message of a leak, which a test may look for:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::panic::{AssertUnwindSafe, catch_unwind};
/// use zigalloc::{heap::PAGE_ALLOCATOR, testing::LedgerAllocator};
///
/// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
/// let memory = ledger.allocator().aligned_alloc::<u8, 64>(100)?;
/// let panic = catch_unwind(AssertUnwindSafe(|| ledger.assert_no_leaks())).unwrap_err();
/// let message = panic.downcast_ref::<String>().unwrap();
/// assert!(message.contains("100 bytes, aligned to 64"), "{message}");
///
/// // SAFETY: a live block, not used afterwards.
/// unsafe { ledger.allocator().free(memory) };
/// ledger.assert_no_leaks();
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Below a container, the ledger counts what it keeps:
///
/// ```
/// # #[cfg(all(feature = "std", feature = "allocator-api2-02"))] {
/// use zigalloc::{heap::PAGE_ALLOCATOR, testing::LedgerAllocator};
///
/// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
/// let mut numbers = allocator_api2_02::vec::Vec::with_capacity_in(10, ledger.allocator());
/// numbers.extend(0..5u32);
/// assert_eq!((ledger.live(), ledger.live_bytes()), (1, 40));
/// numbers.shrink_to_fit();
/// assert_eq!((ledger.live(), ledger.live_bytes()), (1, 20));
/// drop(numbers);
/// ledger.assert_no_leaks();
/// # }
/// ```
pub struct LedgerAllocator<C: Handle> {
    child_allocator: C,
    ledger: RefCell<Ledger>,
}

impl<C: Handle> LedgerAllocator<C> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Creates an allocator with an empty ledger.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::LedgerAllocator};
    /// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    /// assert_eq!((ledger.live(), ledger.live_bytes()), (0, 0));
    /// ```
    #[inline]
    pub fn init(child_allocator: C) -> LedgerAllocator<C> {
        LedgerAllocator { child_allocator, ledger: RefCell::default() }
    }

    /// Returns a handle to this allocator, for one thread.
    ///
    /// A test of the calls that a memory pool makes; a wrong one would abort:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};
    /// use zigalloc::testing::LedgerAllocator;
    ///
    /// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    /// let pool = MemoryPool::<u64, _>::init(ledger.allocator());
    /// for _ in 0..1000 {
    ///     pool.create()?;
    /// }
    /// pool.deinit();
    /// ledger.assert_no_leaks();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract because the child does.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// How many blocks are live.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::LedgerAllocator};
    /// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    /// let memory = ledger.allocator().alloc::<u8>(100)?;
    /// assert_eq!(ledger.live(), 1);
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { ledger.allocator().free(memory) };
    /// assert_eq!(ledger.live(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A step of a program that must not keep anything:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Allocator, Error, heap::PAGE_ALLOCATOR, testing::LedgerAllocator};
    /// fn step(allocator: Allocator<'_>) -> Result<usize, Error> {
    ///     let text = allocator.print(format_args!("{:?}", [1, 2, 3]))?;
    ///     let len = text.len();
    ///     // SAFETY: a live block, not used afterwards.
    ///     unsafe { allocator.free(text) };
    ///     Ok(len)
    /// }
    ///
    /// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    /// let kept = ledger.allocator().create_with(0u8)?;
    /// let before = ledger.live();
    /// assert_eq!(step(ledger.allocator())?, 9);
    /// assert_eq!(ledger.live(), before);
    /// # unsafe { ledger.allocator().destroy(kept) };
    /// # Ok::<(), Error>(())
    /// ```
    pub fn live(&self) -> usize {
        self.ledger.borrow().live().len()
    }

    /// How many bytes the live blocks have in total.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::LedgerAllocator};
    /// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    /// let memory = ledger.allocator().alloc::<u32>(10)?;
    /// // SAFETY: a live block, not used afterwards.
    /// let memory = unsafe { ledger.allocator().realloc(memory, 15) }?;
    /// assert_eq!(ledger.live_bytes(), 60);
    /// # unsafe { ledger.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn live_bytes(&self) -> usize {
        self.ledger.borrow().live().map(|(_, entry)| entry.len).sum()
    }

    /// Panics if any block is live.
    ///
    /// # Panics
    /// With the number of live blocks, and the length, alignment and address of the first.
    ///
    #[cfg_attr(feature = "std", doc = "```should_panic")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::LedgerAllocator};
    /// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    /// ledger.allocator().alloc::<u8>(100).unwrap();
    /// // "1 block is live; the first has 100 bytes, aligned to 1, at 0x…"
    /// ledger.assert_no_leaks();
    /// ```
    #[track_caller]
    pub fn assert_no_leaks(&self) {
        let ledger = self.ledger.borrow();
        let mut live = ledger.live();
        let count = live.len();
        let blocks = if count == 1 { "block is" } else { "blocks are" };
        if let Some((address, entry)) = live.next() {
            panic!(
                "LedgerAllocator::assert_no_leaks: {count} {blocks} live; the first has {} bytes, aligned \
                 to {}, at {address:#x}",
                entry.len,
                entry.alignment.to_byte_units()
            );
        }
    }

    /// Checks a caller's block, and the new length of a resize or remap, against the ledger.
    fn check(
        &self,
        function: &str,
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: Option<usize>,
        ret_addr: usize,
    ) {
        let caller = Symbol(ret_addr);
        if let Err(breach) = self.ledger.borrow().check(memory.addr(), memory_len, alignment) {
            panic!(
                "LedgerAllocator: {function} of a block of {memory_len} bytes: {breach}; called by {caller}"
            );
        }
        if new_len == Some(0) {
            panic!(
                "LedgerAllocator: {function} of {memory_len} to 0 bytes (clause non-zero), called by {caller}"
            );
        }
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        assert!(
            len > 0,
            "LedgerAllocator: alloc of 0 bytes (clause non-zero), called by {}",
            Symbol(ret_addr)
        );
        let child = this.child_allocator.as_allocator();
        // SAFETY: `len` is not zero. Our caller is in the thread of the child's handle, unless that is a
        // `SyncAllocator`.
        let memory = unsafe { child.raw_alloc(len, alignment, ret_addr) }?;
        this.ledger
            .borrow_mut()
            .insert(memory.addr().get(), len, alignment)
            .unwrap_or_else(|breach| child_fails(format_args!("alloc of {len} bytes"), breach));
        Some(memory)
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
        this.check("resize", memory, memory_len, alignment, Some(new_len), ret_addr);
        // SAFETY: the ledger has a live block at this address, so it is not null.
        let memory = unsafe { block(memory, memory_len) };
        let enter = |len: usize| {
            this.ledger.borrow_mut().resize(memory.addr().get(), len).unwrap_or_else(|breach| {
                child_fails(format_args!("resize of {memory_len} to {new_len} bytes"), breach)
            });
        };
        // Bytes that the child gets back leave the ledger before the call, since the call may not return.
        enter(memory_len.min(new_len));
        let child = this.child_allocator.as_allocator();
        // SAFETY: a live block of the child, by the ledger; `new_len` is not zero; one thread, as in `alloc`.
        let resized = unsafe { child.raw_resize(memory, alignment, new_len, ret_addr) };
        enter(if resized { new_len } else { memory_len });
        resized
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
        this.check("remap", memory, memory_len, alignment, Some(new_len), ret_addr);
        // SAFETY: the ledger has a live block at this address, so it is not null.
        let memory = unsafe { block(memory, memory_len) };
        // The block leaves the ledger before the call, since the call may not return.
        this.ledger.borrow_mut().remove(memory.addr().get());
        let child = this.child_allocator.as_allocator();
        // SAFETY: a live block of the child, by the ledger; `new_len` is not zero; one thread, as in `alloc`.
        let remapped = unsafe { child.raw_remap(memory, alignment, new_len, ret_addr) };
        let live = remapped.map_or(memory, |remapped| NonNull::slice_from_raw_parts(remapped, new_len));
        this.ledger.borrow_mut().insert(live.addr().get(), live.len(), alignment).unwrap_or_else(|breach| {
            child_fails(format_args!("remap of {memory_len} to {new_len} bytes"), breach)
        });
        remapped
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
        this.check("free", memory, memory_len, alignment, None, ret_addr);
        this.ledger.borrow_mut().remove(memory.addr());
        // SAFETY: the ledger had a live block at this address, so it is not null.
        let memory = unsafe { block(memory, memory_len) };
        let child = this.child_allocator.as_allocator();
        // SAFETY: a live block of the child, by the ledger; one thread, as in `alloc`.
        unsafe { child.raw_free(memory, alignment, ret_addr) };
    }
}

#[cold]
fn child_fails(call: fmt::Arguments<'_>, breach: Breach) -> ! {
    panic!("LedgerAllocator: the child broke the contract in {call}: {breach}");
}

// SAFETY: 1. See `allocator`. 2. The ledger belongs to `self`. If the type is `Send`, its child is a `SyncHandle`,
// which any thread may call. 3. It is not `Sync`. 4. All handles have the same state, `self`, and table.
unsafe impl<C: Handle> AsAllocator for LedgerAllocator<C> {
    fn allocator(&self) -> Allocator<'_> {
        LedgerAllocator::allocator(self)
    }
}

impl<C: Handle> fmt::Debug for LedgerAllocator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerAllocator")
            .field("child_allocator", &self.child_allocator)
            .field("live", &self.live())
            .finish_non_exhaustive()
    }
}
