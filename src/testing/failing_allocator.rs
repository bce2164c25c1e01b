//! An allocator that fails on demand.
//!
//! # Differences from Zig
//!
//! The counters wrap around; Zig's panic. Zig captures 16 return addresses wherever the target can;
//! this captures the caller's address everywhere, and the others with the feature `backtrace`.
//!
//! Ports `lib/std/testing/FailingAllocator.zig` of Zig 0.15.2.

use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;

use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, Handle};
use crate::symbol;
use crate::vtable::{VTable, block, state};

/// When a [`FailingAllocator`] starts to fail. Zig's `FailingAllocator.Config`.
///
/// ```
/// use zigalloc::testing::FailingConfig;
///
/// assert_eq!(FailingConfig::default().fail_index, usize::MAX);
/// let third = FailingConfig { fail_index: 2, ..FailingConfig::default() };
/// # let _ = third;
/// ```
///
/// Both indices in one test: two allocations succeed, and no block changes its length.
///
/// ```
/// # use std::mem::MaybeUninit;
/// # use zigalloc::{heap::FixedBufferAllocator, testing::{FailingAllocator, FailingConfig}};
/// let mut buffer = [MaybeUninit::uninit(); 100];
/// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
/// let config = FailingConfig { fail_index: 2, resize_fail_index: 0 };
/// let failing = FailingAllocator::init(fixed_buffer.allocator(), config);
/// let text = failing.allocator().dupe(b"text")?;
/// // SAFETY: a live block; the old pointer is not used after the first call, nor after a successful second.
/// let text = unsafe { failing.allocator().realloc(text, 8) }?; // the second allocation, and a copy
/// assert!(unsafe { failing.allocator().realloc(text, 16) }.is_err());
/// assert_eq!(format!("{config:?}"), "FailingConfig { fail_index: 2, resize_fail_index: 0 }");
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "Config")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FailingConfig {
    /// How many allocations succeed before the first one fails.
    pub fail_index: usize,
    /// How many calls of `resize` and `remap` together succeed before the first one fails.
    pub resize_fail_index: usize,
}

/// Shows an index of `usize::MAX`, which is never reached, as `never`.
impl fmt::Debug for FailingConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FailingConfig { fail_index, resize_fail_index } = *self;
        f.debug_struct("FailingConfig")
            .field("fail_index", &Index(fail_index))
            .field("resize_fail_index", &Index(resize_fail_index))
            .finish()
    }
}

/// The index at which something fails, for display.
struct Index(usize);

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            usize::MAX => f.write_str("never"),
            index => fmt::Debug::fmt(&index, f),
        }
    }
}

impl Default for FailingConfig {
    /// Nothing fails.
    fn default() -> FailingConfig {
        FailingConfig { fail_index: usize::MAX, resize_fail_index: usize::MAX }
    }
}

/// Fails after a given number of allocations, to test what a program does without memory.
///
/// The first `fail_index` allocations are passed on to the child; every later one fails. `resize_fail_index` does the
/// same for calls of `resize` and `remap` together. `free` never fails. Calls that the child refuses do not count.
/// Arguments, return addresses included, are passed on unchanged, and successful calls are counted.
///
/// Handles are for one thread. The allocator is `Send` if its child's handle is. A forked process has its own copy of
/// the counters; otherwise the child allocator determines what works after a fork.
///
/// To make each allocation of a function fail in turn, use
/// [`check_all_allocation_failures`](crate::testing::check_all_allocation_failures).
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{Error, heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
///
/// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig { fail_index: 1, ..Default::default() });
/// let memory = failing.allocator().create::<u64>()?;
/// assert_eq!(failing.allocator().create::<u64>().unwrap_err(), Error::OutOfMemory);
/// assert!(failing.has_induced_failure());
/// unsafe { failing.allocator().destroy(memory) };
/// assert_eq!(failing.allocated_bytes(), failing.freed_bytes());
/// # Ok::<(), Error>(())
/// ```
///
/// The counters can be read, and the indices changed:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
///
/// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
/// let allocator = failing.allocator();
/// let memory = allocator.alloc::<u8>(100)?;
/// // SAFETY: a live block.
/// assert!(unsafe { allocator.resize(memory, 60) });
/// assert_eq!((failing.alloc_index(), failing.resize_index()), (1, 1));
/// assert_eq!((failing.allocated_bytes(), failing.freed_bytes()), (100, 40));
///
/// failing.set_fail_index(failing.alloc_index());
/// assert!(allocator.alloc::<u8>(1).is_err());
/// failing.set_resize_fail_index(failing.resize_index());
/// let memory = std::ptr::NonNull::slice_from_raw_parts(memory.cast::<u8>(), 60);
/// // SAFETY: a live block with its current length.
/// assert!(!unsafe { allocator.resize(memory, 50) });
/// unsafe { allocator.free(memory) };
/// assert_eq!((failing.allocations(), failing.deallocations()), (1, 1));
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A program that goes on without memory: a cache that is skipped when there is none for it.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::testing::{FailingAllocator, FailingConfig};
/// use zigalloc::{Allocator, SlicePtr};
///
/// /// The number of vowels, with a copy of the text in lower case if there is memory for it.
/// fn vowels(allocator: Allocator<'_>, text: &str) -> usize {
///     let count = |text: &[u8]| text.iter().filter(|byte| b"aeiou".contains(&byte.to_ascii_lowercase())).count();
///     let Ok(copy) = allocator.dupe(text.as_bytes()) else { return count(text.as_bytes()) };
///     // SAFETY: initialised by `dupe`; then a live block that is not used afterwards.
///     let vowels = unsafe {
///         copy.as_mut_slice().make_ascii_lowercase();
///         let vowels = count(copy.as_slice());
///         allocator.free(copy);
///         vowels
///     };
///     vowels
/// }
///
/// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
/// assert_eq!(vowels(failing.allocator(), "Allocator"), 4);
/// failing.set_fail_index(failing.alloc_index());
/// assert_eq!(vowels(failing.allocator(), "Allocator"), 4, "the same without memory");
/// assert!(failing.has_induced_failure());
/// assert_eq!((failing.allocations(), failing.deallocations()), (1, 1));
/// ```
#[doc(alias = "std.testing.FailingAllocator")]
pub struct FailingAllocator<C: Handle> {
    internal_allocator: C,
    alloc_index: Cell<usize>,
    resize_index: Cell<usize>,
    allocated_bytes: Cell<usize>,
    freed_bytes: Cell<usize>,
    allocations: Cell<usize>,
    deallocations: Cell<usize>,
    stack_addresses: Cell<[usize; symbol::STACK]>,
    /// The return address of the first allocation that this allocator made fail.
    induced_failure: Cell<Option<usize>>,
    fail_index: Cell<usize>,
    resize_fail_index: Cell<usize>,
}

impl<C: Handle> FailingAllocator<C> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Creates an allocator that fails as `config` says.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Error, heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// let config = FailingConfig { fail_index: 0, ..FailingConfig::default() };
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, config);
    /// assert_eq!(failing.allocator().create::<u32>(), Err(Error::OutOfMemory));
    /// ```
    #[inline]
    pub const fn init(internal_allocator: C, config: FailingConfig) -> FailingAllocator<C> {
        FailingAllocator {
            internal_allocator,
            alloc_index: Cell::new(0),
            resize_index: Cell::new(0),
            allocated_bytes: Cell::new(0),
            freed_bytes: Cell::new(0),
            allocations: Cell::new(0),
            deallocations: Cell::new(0),
            stack_addresses: Cell::new([0; symbol::STACK]),
            induced_failure: Cell::new(None),
            fail_index: Cell::new(config.fail_index),
            resize_fail_index: Cell::new(config.resize_fail_index),
        }
    }

    /// Returns a handle to this allocator, for one thread.
    ///
    /// Pass it to the code under test. This tests that a function frees its first block if there is no memory for the
    /// second, where Zig code has an `errdefer`:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::ptr::NonNull;
    /// use zigalloc::{Allocator, Error, heap::PAGE_ALLOCATOR};
    /// use zigalloc::testing::{FailingAllocator, FailingConfig};
    ///
    /// fn two_blocks(allocator: Allocator<'_>) -> Result<[NonNull<u64>; 2], Error> {
    ///     let first = allocator.create()?;
    ///     let second = allocator.create().inspect_err(|_| {
    ///         // SAFETY: a live block, not used afterwards.
    ///         unsafe { allocator.destroy(first) }
    ///     })?;
    ///     Ok([first, second])
    /// }
    ///
    /// let config = FailingConfig { fail_index: 1, ..FailingConfig::default() };
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, config);
    /// assert_eq!(two_blocks(failing.allocator()), Err(Error::OutOfMemory));
    /// assert_eq!((failing.allocations(), failing.deallocations()), (1, 1));
    /// ```
    #[inline]
    pub fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract because the child does: they pass calls on, or refuse.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// The child.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// let config = FailingConfig { fail_index: 0, ..FailingConfig::default() };
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, config);
    /// // What a test needs for itself can go around the failures and the counters.
    /// let expected = failing.internal_allocator().dupe(b"expected")?;
    /// assert_eq!(failing.allocations(), 0);
    /// # unsafe { PAGE_ALLOCATOR.free(expected) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn internal_allocator(&self) -> C {
        self.internal_allocator
    }

    /// How many allocations have succeeded, which is the index of the next one.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// let config = FailingConfig { fail_index: 1, ..FailingConfig::default() };
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, config);
    /// let memory = failing.allocator().create::<u32>()?;
    /// assert!(failing.allocator().create::<u32>().is_err());
    /// // A failure does not move the index, so the next allocation fails too.
    /// assert_eq!(failing.alloc_index(), 1);
    /// assert!(failing.allocator().create::<u32>().is_err());
    /// # unsafe { failing.allocator().destroy(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn alloc_index(&self) -> usize {
        self.alloc_index.get()
    }

    /// How many calls of `resize` and `remap` have succeeded.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, SlicePtr, testing::{FailingAllocator, FailingConfig}};
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    /// let memory = failing.allocator().alloc::<u8>(100)?;
    /// // SAFETY: a live block, whose length is 60 bytes afterwards.
    /// assert!(unsafe { failing.allocator().resize(memory, 60) });
    /// assert_eq!(failing.resize_index(), 1);
    /// # unsafe { failing.allocator().free(memory.with_len(60)) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn resize_index(&self) -> usize {
        self.resize_index.get()
    }

    /// How many bytes have been allocated, growth included.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    /// let memory = failing.allocator().alloc::<u32>(10)?;
    /// // SAFETY: a live block, not used afterwards. It grows in place, in its page.
    /// let memory = unsafe { failing.allocator().realloc(memory, 15) }?;
    /// assert_eq!(failing.allocated_bytes(), 40 + 20);
    /// # unsafe { failing.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn allocated_bytes(&self) -> usize {
        self.allocated_bytes.get()
    }

    /// How many bytes have been freed, shrinking included.
    ///
    /// A test that the code under test leaks nothing:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Allocator, Error, heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// fn tested(allocator: Allocator<'_>) -> Result<(), Error> {
    ///     let memory = allocator.alloc::<u8>(100)?;
    ///     // SAFETY: a live block, not used afterwards.
    ///     unsafe { allocator.free(memory) };
    ///     Ok(())
    /// }
    ///
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    /// tested(failing.allocator())?;
    /// assert_eq!(failing.allocated_bytes() - failing.freed_bytes(), 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn freed_bytes(&self) -> usize {
        self.freed_bytes.get()
    }

    /// How many allocations have succeeded.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// // No block changes its length, so each `realloc` allocates a new one.
    /// let config = FailingConfig { resize_fail_index: 0, ..FailingConfig::default() };
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, config);
    /// let memory = failing.allocator().alloc::<u8>(10)?;
    /// // SAFETY: a live block, not used afterwards.
    /// let memory = unsafe { failing.allocator().realloc(memory, 20) }?;
    /// assert_eq!(failing.allocations(), 2);
    /// # unsafe { failing.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn allocations(&self) -> usize {
        self.allocations.get()
    }

    /// How many blocks have been freed.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    /// let allocator = failing.allocator();
    /// let (first, second) = (allocator.create::<u8>()?, allocator.create::<u8>()?);
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { allocator.destroy(first) };
    /// let live = failing.allocations() - failing.deallocations();
    /// assert_eq!(live, 1);
    /// # unsafe { allocator.destroy(second) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn deallocations(&self) -> usize {
        self.deallocations.get()
    }

    /// Whether this allocator has made an allocation fail. Refused resizes do not count.
    ///
    /// A failure of the child is not an induced one:
    ///
    /// ```
    /// # use zigalloc::{Allocator, testing::{FailingAllocator, FailingConfig}};
    /// let failing = FailingAllocator::init(Allocator::FAILING, FailingConfig::default());
    /// assert!(failing.allocator().create::<u32>().is_err());
    /// assert!(!failing.has_induced_failure());
    ///
    /// failing.set_fail_index(0);
    /// assert!(failing.allocator().create::<u32>().is_err());
    /// assert!(failing.has_induced_failure());
    /// ```
    pub fn has_induced_failure(&self) -> bool {
        self.induced_failure.get().is_some()
    }

    /// The [`alloc_index`](Self::alloc_index) from which on allocations fail.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// let config = FailingConfig { fail_index: 3, ..FailingConfig::default() };
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, config);
    /// let memory = failing.allocator().create::<u32>()?;
    /// let left = failing.fail_index() - failing.alloc_index();
    /// assert_eq!(left, 2, "two more allocations succeed");
    /// # unsafe { failing.allocator().destroy(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn fail_index(&self) -> usize {
        self.fail_index.get()
    }

    /// The [`resize_index`](Self::resize_index) from which on resizes and remaps fail.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    /// assert_eq!(failing.resize_fail_index(), usize::MAX, "never");
    /// ```
    pub fn resize_fail_index(&self) -> usize {
        self.resize_fail_index.get()
    }

    /// Changes [`fail_index`](Self::fail_index). An index that has already been passed has no effect.
    ///
    /// Let a test's preparations succeed and the rest fail:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    /// let allocator = failing.allocator();
    /// let prepared = allocator.create::<u32>()?;
    /// failing.set_fail_index(failing.alloc_index());
    /// assert!(allocator.create::<u32>().is_err());
    /// // There is memory again.
    /// failing.set_fail_index(usize::MAX);
    /// let memory = allocator.create::<u32>()?;
    /// # unsafe { allocator.destroy(prepared) };
    /// # unsafe { allocator.destroy(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn set_fail_index(&self, fail_index: usize) {
        self.fail_index.set(fail_index);
    }

    /// Changes [`resize_fail_index`](Self::resize_fail_index).
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    /// let memory = failing.allocator().alloc::<u8>(100)?;
    /// failing.set_resize_fail_index(failing.resize_index());
    /// // The page allocator would shorten it.
    /// // SAFETY: a live block.
    /// assert!(!unsafe { failing.allocator().resize(memory, 50) });
    /// # unsafe { failing.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Then code that grows a block in place takes its other path, which is rarely run otherwise:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::{ArenaAllocator, PAGE_ALLOCATOR}, testing::{FailingAllocator, FailingConfig}};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let failing = FailingAllocator::init(arena.allocator(), FailingConfig::default());
    /// let first = failing.allocator().dupe(b"moves")?;
    /// failing.set_resize_fail_index(0);
    /// // SAFETY: a live block, whose old pointer is not used afterwards.
    /// let second = unsafe { failing.allocator().realloc(first, 6) }?;
    /// assert_ne!(second.addr(), first.addr(), "an arena would extend its last block");
    /// assert_eq!(unsafe { &second.as_ref()[..5] }, b"moves");
    /// assert_eq!((failing.allocations(), failing.deallocations()), (2, 1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn set_resize_fail_index(&self, resize_fail_index: usize) {
        self.resize_fail_index.set(resize_fail_index);
    }

    /// The return address of the first allocation that this allocator made fail: an address in
    /// the function that requested it, or 0 where unknown. `None` if none has failed.
    ///
    /// A function that passes its caller's address on:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::{Allocator, Error, heap::PAGE_ALLOCATOR, return_address};
    /// use zigalloc::testing::{FailingAllocator, FailingConfig};
    ///
    /// fn reserve(allocator: Allocator<'_>, caller: usize) -> Result<(), Error> {
    ///     let room = allocator.alloc_advanced_with_ret_addr::<u8, 0>(100, caller)?;
    ///     # unsafe { allocator.free(room) };
    ///     Ok(())
    /// }
    ///
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    /// assert_eq!(failing.return_address(), None);
    /// failing.set_fail_index(0);
    /// let here = return_address();
    /// assert!(reserve(failing.allocator(), here).is_err());
    /// assert_eq!(failing.return_address(), Some(here));
    /// ```
    pub fn return_address(&self) -> Option<usize> {
        self.induced_failure.get()
    }

    /// The call stack of the first allocation that this allocator made fail: its return address, then the return
    /// addresses of the function's callers, at most 16 in total. Unused elements are 0.
    ///
    /// Without the feature `backtrace` only the first address is known. With it, the stack is captured in the
    /// failing call. Capturing allocates from no allocator of this crate, but the unwinder may allocate
    /// from the global heap.
    ///
    /// Ports the field `stack_addresses`, and `getStackTrace`.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// let config = FailingConfig { fail_index: 0, ..FailingConfig::default() };
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, config);
    /// assert!(failing.allocator().create::<u32>().is_err());
    /// let stack = failing.stack_addresses();
    /// # if failing.return_address() == Some(0) { return }
    /// assert_eq!(Some(stack[0]), failing.return_address());
    /// assert!(cfg!(feature = "backtrace") || stack[1..] == [0; 15]);
    /// ```
    #[doc(alias = "getStackTrace")]
    pub fn stack_addresses(&self) -> [usize; 16] {
        let mut first = [0; 16];
        first.copy_from_slice(&self.stack_addresses.get()[..16]);
        first
    }

    /// Everything that was captured of that stack.
    pub(super) fn stack(&self) -> [usize; symbol::STACK] {
        self.stack_addresses.get()
    }

    #[inline]
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if this.alloc_index.get() == this.fail_index.get() {
            this.induce_failure(ret_addr);
            return None;
        }
        let child = this.internal_allocator.as_allocator();
        // SAFETY: `len` is not zero, by our caller, who is in the thread of the child's handle unless that is a
        // `SyncAllocator`.
        let memory = unsafe { child.raw_alloc(len, alignment, ret_addr) }?;
        add(&this.allocated_bytes, len);
        add(&this.allocations, 1);
        add(&this.alloc_index, 1);
        Some(memory)
    }

    #[inline]
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
        if this.resize_index.get() == this.resize_fail_index.get() {
            return false;
        }
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let child = this.internal_allocator.as_allocator();
        // SAFETY: a live block of the child, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
        let resized = unsafe { child.raw_resize(memory, alignment, new_len, ret_addr) };
        if resized {
            this.count_resize(memory_len, new_len);
        }
        resized
    }

    #[inline]
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
        if this.resize_index.get() == this.resize_fail_index.get() {
            return None;
        }
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let child = this.internal_allocator.as_allocator();
        // SAFETY: a live block of the child, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
        let remapped = unsafe { child.raw_remap(memory, alignment, new_len, ret_addr) }?;
        this.count_resize(memory_len, new_len);
        Some(remapped)
    }

    #[inline]
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
        let child = this.internal_allocator.as_allocator();
        // SAFETY: a live block of the child, not used afterwards, by our caller; one thread, as in `alloc`.
        unsafe { child.raw_free(memory, alignment, ret_addr) };
        add(&this.deallocations, 1);
        add(&this.freed_bytes, memory_len);
    }

    #[cold]
    fn induce_failure(&self, ret_addr: usize) {
        if !self.has_induced_failure() {
            self.induced_failure.set(Some(ret_addr));
            self.stack_addresses.set(symbol::stack_addresses(ret_addr));
        }
    }

    #[inline]
    fn count_resize(&self, len: usize, new_len: usize) {
        if new_len < len {
            add(&self.freed_bytes, len - new_len);
        } else {
            add(&self.allocated_bytes, new_len - len);
        }
        add(&self.resize_index, 1);
    }
}

#[inline]
fn add(counter: &Cell<usize>, n: usize) {
    counter.set(counter.get().wrapping_add(n));
}

// SAFETY: 1. See `allocator`. 2. The counters belong to `self`. If the type is `Send`, its child is a `SyncAllocator`,
// which any thread may call. 3. It is not `Sync`. 4. All handles have the same state, `self`, and table.
unsafe impl<C: Handle> AsAllocator for FailingAllocator<C> {
    fn allocator(&self) -> Allocator<'_> {
        FailingAllocator::allocator(self)
    }
}

impl<C: Handle> fmt::Debug for FailingAllocator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailingAllocator")
            .field("alloc_index", &self.alloc_index.get())
            .field("fail_index", &Index(self.fail_index.get()))
            .field("resize_index", &self.resize_index.get())
            .field("resize_fail_index", &Index(self.resize_fail_index.get()))
            .field("allocated_bytes", &self.allocated_bytes.get())
            .field("freed_bytes", &self.freed_bytes.get())
            .finish_non_exhaustive()
    }
}
