//! An allocator that counts.
//!
//! # Threads
//!
//! Each number is updated with atomic operations, so no update is lost. Bytes count
//! as live from just after the child has returned them until just before they go back. So at every
//! moment no more bytes are counted than are live, and the peak is never too high.
//!
//! The memory orderings are relaxed: the numbers order nothing. A snapshot that is taken while other
//! threads call shows each number as of some moment, not all as of the same one, and counts a block as live while
//! its allocation is still in progress.
//!
//! # Without 64-bit atomics
//!
//! The numbers of calls and the total of all bytes have 64 bits on targets with 64-bit atomics. Elsewhere they have the
//! size of a word and wrap to 0.
//!
//! # Differences from Zig
//!
//! Zig has no such allocator; its `FailingAllocator` has some of the counters.

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[cfg(target_has_atomic = "64")]
use core::sync::atomic::AtomicU64 as Counter;
#[cfg(not(target_has_atomic = "64"))]
use core::sync::atomic::AtomicUsize as Counter;

use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, Handle, SyncAllocator};
use crate::vtable::{VTable, block, state};

/// The value of a [`Counter`].
#[cfg(target_has_atomic = "64")]
type Number = u64;
#[cfg(not(target_has_atomic = "64"))]
type Number = usize;

/// The number of size classes: one for each power of two up to 2^`usize::BITS`, which no length exceeds.
const CLASSES: usize = usize::BITS as usize + 1;

/// Counts every call and passes it on to its child.
///
/// Use it to see how many calls a program makes, how many bytes are live, and how many were at the peak. Arguments,
/// return addresses included, and results are passed on unchanged. Blocks have no header, and the allocator records
/// nothing about single blocks. A call costs a few atomic additions (three for an allocation, and a maximum at a
/// new peak; two for a free), and never waits. [`snapshot`](Self::snapshot) returns the numbers as a plain value,
/// [`Counts`], to keep, compare or print:
///
/// ```text
/// alloc    73 calls, 1 refused
/// resize   4 calls, 4 refused
/// remap    4 calls, 4 refused
/// free     67 calls
/// total    1538946 bytes
/// live     208607 bytes in 5 blocks
/// peak     208607 bytes
/// sizes    to 4             10 ##########
///          to 8             40 ########################################
///          to 16             0
///          to 32             2 ##
///          to 64            21 #####################
/// ```
///
/// # What is counted
///
/// Bytes are those that callers request. What the child takes in addition (headers, rounding, pages that
/// it keeps) is not counted; to see it, put a second counter below the child.
///
/// A block that changes its length in place, or moves by `remap`, is the same block. A
/// `realloc` that `remap` refuses is an `alloc` and a `free`.
///
/// Every block that is freed here must have been allocated here, or the numbers of live blocks and bytes are
/// meaningless. Nothing but the numbers depends on this.
///
/// # Handles
///
/// `C` is the child's handle, [`Allocator`] or [`SyncAllocator`], and [`allocator`] returns the same kind. After a fork
/// while other threads allocate, the numbers may be off by the calls that were in progress; otherwise the child
/// allocator determines what works.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::trace::CountingAllocator;
///
/// let counting = CountingAllocator::init(PAGE_ALLOCATOR);
/// let allocator = counting.allocator();
/// let first = allocator.alloc::<u8>(1000)?;
/// let second = allocator.alloc::<u64>(2)?;
/// unsafe { allocator.free(first) };
///
/// let counts = counting.snapshot();
/// assert_eq!((counts.live_bytes, counts.live_blocks, counts.peak_live_bytes), (16, 1, 1016));
/// assert_eq!((counts.alloc.calls, counts.alloc.refused), (2, 0));
/// println!("{counts}");
/// # unsafe { allocator.free(second) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// [`allocator`]: CountingAllocator::allocator
///
/// As a budget: a program looks at the live bytes before it takes on more work.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::SMP_ALLOCATOR;
/// use zigalloc::trace::CountingAllocator;
/// use zigalloc::{Error, SyncAllocator};
///
/// struct Cache<'c> {
///     counting: &'c CountingAllocator<SyncAllocator<'static>>,
///     budget: usize,
///     entries: Vec<std::ptr::NonNull<[u8]>>,
/// }
///
/// impl Cache<'_> {
///     fn insert(&mut self, entry: &[u8]) -> Result<(), Error> {
///         while !self.entries.is_empty() && self.counting.snapshot().live_bytes + entry.len() > self.budget {
///             let oldest = self.entries.remove(0);
///             // SAFETY: a live block, not used afterwards.
///             unsafe { self.counting.allocator().free(oldest) };
///         }
///         self.entries.push(self.counting.allocator().dupe(entry)?);
///         Ok(())
///     }
/// }
///
/// let counting = CountingAllocator::init(SMP_ALLOCATOR);
/// let mut cache = Cache { counting: &counting, budget: 100, entries: vec![] };
/// for len in [40, 40, 40, 90] {
///     cache.insert(&vec![0; len])?;
/// }
/// assert_eq!((cache.entries.len(), counting.snapshot().live_bytes), (1, 90));
/// assert_eq!(counting.snapshot().peak_live_bytes, 90, "never above the budget");
/// # unsafe { SMP_ALLOCATOR.free(cache.entries[0]) };
/// # Ok::<(), Error>(())
/// ```
///
/// The bytes that a container wastes by growing, with two counters:
///
/// ```
/// # #[cfg(feature = "allocator-api2-02")] {
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::trace::CountingAllocator;
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let counting = CountingAllocator::init(arena.allocator());
/// let mut numbers = allocator_api2_02::vec::Vec::new_in(counting.allocator());
/// numbers.extend(0..1000u32);
/// let counts = counting.snapshot();
/// assert!(counts.total_bytes >= 4000 && counts.live_bytes >= 4000);
/// assert_eq!(counts.live_blocks, 1);
/// // In an arena the vector's last block grows in place, so there is one `alloc`.
/// assert_eq!((counts.alloc.calls, counts.remap.refused), (1, 0));
/// # }
/// ```
pub struct CountingAllocator<C: Handle> {
    child_allocator: C,
    live_bytes: AtomicUsize,
    /// The highest value that `live_bytes` has reached.
    peak_live_bytes: AtomicUsize,
    /// New blocks and growth.
    total_bytes: Counter,
    /// Calls of `alloc`, by [`class`].
    alloc_sizes: [Counter; CLASSES],
    alloc_refused: Counter,
    resize_calls: Counter,
    resize_refused: Counter,
    remap_calls: Counter,
    remap_refused: Counter,
    free_calls: Counter,
}

impl<'c> CountingAllocator<Allocator<'c>> {
    /// Returns a handle for one thread, like its child's.
    ///
    /// The most memory that a function needs at once:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::{Allocator, Error, heap::{ArenaAllocator, PAGE_ALLOCATOR}, trace::CountingAllocator};
    ///
    /// fn measured(allocator: Allocator<'_>) -> Result<(), Error> {
    ///     for len in [100, 300, 200] {
    ///         let memory = allocator.alloc::<u8>(len)?;
    ///         // SAFETY: a live block, not used afterwards.
    ///         unsafe { allocator.free(memory) };
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let counting = CountingAllocator::init(arena.allocator());
    /// measured(counting.allocator())?;
    /// assert_eq!(counting.snapshot().peak_live_bytes, 300);
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

impl<'c> CountingAllocator<SyncAllocator<'c>> {
    /// Returns a handle for any number of threads.
    ///
    /// One counter for all threads:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::SyncAllocator;
    /// use zigalloc::heap::PAGE_ALLOCATOR;
    /// use zigalloc::trace::CountingAllocator;
    ///
    /// static COUNTING: CountingAllocator<SyncAllocator<'static>> = CountingAllocator::init(PAGE_ALLOCATOR);
    ///
    /// let threads = [1, 2, 3].map(|n| {
    ///     std::thread::spawn(move || {
    ///         let memory = COUNTING.allocator().alloc::<u8>(n * 100).unwrap();
    ///         // SAFETY: a live block, not used afterwards.
    ///         unsafe { COUNTING.allocator().free(memory) };
    ///     })
    /// });
    /// threads.map(|thread| thread.join().unwrap());
    /// let counts = COUNTING.snapshot();
    /// assert_eq!((counts.alloc.calls, counts.free, counts.total_bytes), (3, 3, 600));
    /// ```
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: any thread may call the child, and the counters are atomic.
        unsafe { SyncAllocator::new_unchecked(self.handle()) }
    }
}

impl<C: Handle> CountingAllocator<C> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Creates an allocator whose counts are all 0.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, trace::CountingAllocator};
    /// let counting = CountingAllocator::init(PAGE_ALLOCATOR);
    /// assert_eq!(counting.snapshot().alloc.calls, 0);
    /// ```
    #[inline]
    pub const fn init(child_allocator: C) -> CountingAllocator<C> {
        CountingAllocator {
            child_allocator,
            live_bytes: AtomicUsize::new(0),
            peak_live_bytes: AtomicUsize::new(0),
            total_bytes: Counter::new(0),
            alloc_sizes: [const { Counter::new(0) }; CLASSES],
            alloc_refused: Counter::new(0),
            resize_calls: Counter::new(0),
            resize_refused: Counter::new(0),
            remap_calls: Counter::new(0),
            remap_refused: Counter::new(0),
            free_calls: Counter::new(0),
        }
    }

    const fn handle(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract because the child does.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// Returns the counts up to now.
    ///
    /// The difference of two snapshots is what happened in between:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, trace::CountingAllocator};
    /// let counting = CountingAllocator::init(PAGE_ALLOCATOR);
    /// let allocator = counting.allocator();
    /// let cache = allocator.alloc::<u8>(1000)?;
    ///
    /// let before = counting.snapshot();
    /// let forgotten = allocator.alloc::<u8>(20)?;
    /// let after = counting.snapshot();
    /// assert_eq!(after.live_blocks - before.live_blocks, 1);
    /// assert_eq!(after.live_bytes - before.live_bytes, 20);
    /// # unsafe { allocator.free(cache) };
    /// # unsafe { allocator.free(forgotten) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A test that a function makes no allocation at all:
    ///
    /// ```
    /// # use zigalloc::{Allocator, trace::CountingAllocator};
    /// let counting = CountingAllocator::init(Allocator::FAILING);
    /// let before = counting.snapshot();
    /// let allocator = counting.allocator();
    /// assert!(allocator.alloc::<u8>(0).is_ok() && allocator.dupe::<u32>(&[]).is_ok(), "no bytes");
    /// assert_eq!(counting.snapshot(), before);
    /// ```
    pub fn snapshot(&self) -> Counts {
        // The frees first, so that no block counts as freed without also counting as allocated.
        let free_calls = read(&self.free_calls);
        let alloc_refused = read(&self.alloc_refused);
        let alloc_sizes = self.alloc_sizes.each_ref().map(read);
        let alloc_calls: u64 = alloc_sizes.iter().sum();
        let live_blocks = alloc_calls.saturating_sub(alloc_refused).saturating_sub(free_calls);
        Counts {
            alloc: Calls { calls: alloc_calls, refused: alloc_refused },
            resize: Calls { calls: read(&self.resize_calls), refused: read(&self.resize_refused) },
            remap: Calls { calls: read(&self.remap_calls), refused: read(&self.remap_refused) },
            free: free_calls,
            total_bytes: read(&self.total_bytes),
            live_bytes: self.live_bytes.load(Relaxed),
            live_blocks,
            peak_live_bytes: self.peak_live_bytes.load(Relaxed),
            alloc_sizes,
        }
    }

    /// Counts `bytes` more bytes as live.
    #[inline]
    fn begin_bytes(&self, bytes: usize) {
        let live = self.live_bytes.fetch_add(bytes, Relaxed).wrapping_add(bytes);
        // The thread whose addition produced a value also looks at it, so no peak is missed. Most values
        // are no new peak, and reading is cheaper than writing.
        if live > self.peak_live_bytes.load(Relaxed) {
            self.peak_live_bytes.fetch_max(live, Relaxed);
        }
    }

    #[inline]
    fn end_bytes(&self, bytes: usize) {
        self.live_bytes.fetch_sub(bytes, Relaxed);
    }

    /// Counts around a call that changes a block's length; `done` extracts from the result whether it did.
    #[inline]
    fn change<R>(
        &self,
        len: usize,
        new_len: usize,
        call: impl FnOnce() -> R,
        done: impl Fn(&R) -> bool,
    ) -> R {
        // Bytes that are given back stop counting before the call: after it they may belong to another block.
        let (less, more) = (len.saturating_sub(new_len), new_len.saturating_sub(len));
        if less > 0 {
            self.end_bytes(less);
        }
        let result = call();
        match done(&result) {
            true if more > 0 => {
                self.total_bytes.fetch_add(more as Number, Relaxed);
                self.begin_bytes(more);
            }
            false if less > 0 => self.begin_bytes(less),
            _ => {}
        }
        result
    }

    #[inline]
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        increment(&this.alloc_sizes[class(len)]);
        let child = this.child_allocator.as_allocator();
        // SAFETY: `len` is not zero, by our caller, who is in the thread of the child's handle unless that is a
        // `SyncAllocator`.
        let memory = unsafe { child.raw_alloc(len, alignment, ret_addr) };
        if memory.is_some() {
            this.total_bytes.fetch_add(len as Number, Relaxed);
            this.begin_bytes(len);
        } else {
            increment(&this.alloc_refused);
        }
        memory
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
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        increment(&this.resize_calls);
        let child = this.child_allocator.as_allocator();
        // SAFETY: a live block of the child, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
        let call = || unsafe { child.raw_resize(memory, alignment, new_len, ret_addr) };
        let resized = this.change(memory_len, new_len, call, |resized| *resized);
        if !resized {
            increment(&this.resize_refused);
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
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        increment(&this.remap_calls);
        let child = this.child_allocator.as_allocator();
        // SAFETY: a live block of the child, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
        let call = || unsafe { child.raw_remap(memory, alignment, new_len, ret_addr) };
        let remapped = this.change(memory_len, new_len, call, Option::is_some);
        if remapped.is_none() {
            increment(&this.remap_refused);
        }
        remapped
    }

    #[inline]
    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        increment(&this.free_calls);
        this.end_bytes(memory_len);
        let child = this.child_allocator.as_allocator();
        // SAFETY: a live block of the child, not used afterwards, by our caller; one thread, as in `alloc`.
        unsafe { child.raw_free(memory, alignment, ret_addr) };
    }
}

/// The logarithm of the smallest power of two that is not less than `len`.
#[inline]
fn class(len: usize) -> usize {
    (usize::BITS - len.saturating_sub(1).leading_zeros()) as usize
}

#[inline]
fn increment(counter: &Counter) {
    counter.fetch_add(1, Relaxed);
}

#[allow(clippy::useless_conversion, clippy::unnecessary_cast)] // On targets where a counter has 64 bits.
fn read(counter: &Counter) -> u64 {
    counter.load(Relaxed) as u64
}

/// The numbers of a [`CountingAllocator`] at some moment.
///
/// `Display` prints the table that [`CountingAllocator`]'s page shows, without a final line break. `Debug` shows
/// only the `alloc_sizes` that are not zero, with their index.
///
/// ```
/// use zigalloc::{Allocator, trace::CountingAllocator};
///
/// let counting = CountingAllocator::init(Allocator::FAILING);
/// assert!(counting.allocator().alloc::<u8>(100).is_err());
/// let counts = counting.snapshot();
/// assert_eq!((counts.alloc.calls, counts.alloc.refused, counts.live_blocks), (1, 1, 0));
/// assert_eq!(counts.alloc_sizes[7], 1); // 65 to 128 bytes
/// ```
///
/// What each call adds:
///
/// ```
/// # use std::mem::MaybeUninit;
/// # use zigalloc::{SlicePtr, heap::FixedBufferAllocator, trace::CountingAllocator};
/// let mut buffer = [MaybeUninit::uninit(); 100];
/// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
/// let counting = CountingAllocator::init(fixed_buffer.allocator());
/// let allocator = counting.allocator();
/// let memory = allocator.alloc::<u8>(10)?;
/// // SAFETY: a live block, used with its newest length only.
/// unsafe {
///     assert!(allocator.resize(memory, 30) && allocator.resize(memory.with_len(30), 20));
///     assert!(allocator.remap(memory.with_len(20), 200).is_none());
///     allocator.free(memory.with_len(20));
/// }
/// let counts = counting.snapshot();
/// assert_eq!((counts.total_bytes, counts.peak_live_bytes, counts.live_bytes), (30, 30, 0));
/// assert_eq!((counts.resize.calls, counts.remap.refused, counts.free), (2, 1, 1));
/// // 9 to 16 bytes are up to 2⁴.
/// assert_eq!(counts.alloc_sizes.iter().position(|calls| *calls > 0), Some(4));
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// The table, for a log:
///
/// ```
/// # use zigalloc::{Allocator, trace::CountingAllocator};
/// let counting = CountingAllocator::init(Allocator::FAILING);
/// assert!(counting.allocator().alloc::<u8>(3).is_err());
/// let table = counting.snapshot().to_string();
/// assert!(table.starts_with("alloc    1 call, 1 refused") || table.starts_with("alloc    1 calls, 1 refused"));
/// assert!(table.lines().any(|line| line.starts_with("peak     0 bytes")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls of `alloc`.
    pub alloc: Calls,
    /// Calls of `resize`.
    pub resize: Calls,
    /// Calls of `remap`.
    pub remap: Calls,
    /// Calls of `free`.
    pub free: u64,
    /// The number of bytes handed out in total, by new blocks and by growth. Frees are not subtracted, and refused
    /// requests are not counted.
    pub total_bytes: u64,
    /// The number of bytes in live blocks.
    pub live_bytes: usize,
    /// The number of live blocks.
    pub live_blocks: u64,
    /// The largest number of bytes that were live at once.
    pub peak_live_bytes: usize,
    /// Calls of `alloc` by requested length, refused ones included. Index `n` counts lengths up to 2ⁿ bytes that do not
    /// fall under a smaller index.
    pub alloc_sizes: [u64; CLASSES],
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Shows only the numbers that are not zero.
        struct Sizes<'s>(&'s [u64]);
        impl fmt::Debug for Sizes<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_map().entries(self.0.iter().enumerate().filter(|(_, calls)| **calls > 0)).finish()
            }
        }
        let Counts {
            alloc,
            resize,
            remap,
            free,
            total_bytes,
            live_bytes,
            live_blocks,
            peak_live_bytes,
            ref alloc_sizes,
        } = *self;
        f.debug_struct("Counts")
            .field("alloc", &alloc)
            .field("resize", &resize)
            .field("remap", &remap)
            .field("free", &free)
            .field("total_bytes", &total_bytes)
            .field("live_bytes", &live_bytes)
            .field("live_blocks", &live_blocks)
            .field("peak_live_bytes", &peak_live_bytes)
            .field("alloc_sizes", &Sizes(alloc_sizes))
            .finish()
    }
}

/// How often one function was called.
///
/// How often a block could not grow in place:
///
/// ```
/// # use std::mem::MaybeUninit;
/// # use zigalloc::{heap::FixedBufferAllocator, trace::CountingAllocator};
/// let mut buffer = [MaybeUninit::uninit(); 100];
/// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
/// let counting = CountingAllocator::init(fixed_buffer.allocator());
/// let memory = counting.allocator().alloc::<u8>(50)?;
/// // SAFETY: a live block.
/// assert!(!unsafe { counting.allocator().resize(memory, 101) });
/// // SAFETY: the same; nothing has changed.
/// assert!(unsafe { counting.allocator().resize(memory, 100) });
/// let resize = counting.snapshot().resize;
/// assert_eq!((resize.calls, resize.refused), (2, 1));
/// assert_eq!(resize.to_string(), "2 calls, 1 refused");
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Of a container that reserves in time, no call is refused or repeated:
///
/// ```
/// # #[cfg(feature = "allocator-api2-02")] {
/// # use zigalloc::{heap::SMP_ALLOCATOR, trace::CountingAllocator};
/// let counting = CountingAllocator::init(SMP_ALLOCATOR);
/// let (mut grown, mut reserved) = (0, 0);
/// for (calls, capacity) in [(&mut grown, 0), (&mut reserved, 1000)] {
///     let before = counting.snapshot();
///     let mut numbers = allocator_api2_02::vec::Vec::with_capacity_in(capacity, counting.allocator());
///     numbers.extend(0..1000u16);
///     let after = counting.snapshot();
///     *calls = after.alloc.calls + after.remap.calls - before.alloc.calls - before.remap.calls;
/// }
/// assert_eq!(reserved, 1);
/// assert!(grown >= reserved);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// All calls.
    pub calls: u64,
    /// The calls that returned null or false.
    pub refused: u64,
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls, {} refused", self.calls, self.refused)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "alloc    {}", self.alloc)?;
        writeln!(f, "resize   {}", self.resize)?;
        writeln!(f, "remap    {}", self.remap)?;
        writeln!(f, "free     {} calls", self.free)?;
        writeln!(f, "total    {} bytes", self.total_bytes)?;
        writeln!(f, "live     {} bytes in {} blocks", self.live_bytes, self.live_blocks)?;
        write!(f, "peak     {} bytes", self.peak_live_bytes)?;

        let most = self.alloc_sizes.iter().copied().max().unwrap_or(0);
        let first = self.alloc_sizes.iter().position(|&calls| calls > 0);
        let last = self.alloc_sizes.iter().rposition(|&calls| calls > 0);
        let (Some(first), Some(last)) = (first, last) else { return Ok(()) };
        for (class, &calls) in self.alloc_sizes.iter().enumerate().take(last + 1).skip(first) {
            let label = if class == first { "sizes" } else { "" };
            write!(f, "\n{label:<8} to {:<8} {calls:>7}", Power(class))?;
            if calls > 0 {
                // In proportion to the most frequent class; every class in use gets at least one character.
                let bar = (u128::from(calls) * WIDTH).div_ceil(u128::from(most)) as usize;
                write!(f, " {:#<bar$}", "")?;
            }
        }
        Ok(())
    }
}

/// The length of the longest bar, in characters.
const WIDTH: u128 = 40;

/// A power of two as a number of bytes: `512`, `64 KiB`.
struct Power(usize);

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 7] = ["", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"];
        let (number, unit) = (1 << (self.0 % 10), UNITS[self.0 / 10]);
        // The width applies to number and unit together, so pad the unit.
        let digits = if number < 10 {
            1
        } else if number < 100 {
            2
        } else {
            3
        };
        let width = f.width().unwrap_or(0).saturating_sub(digits);
        write!(f, "{number}{unit:<width$}")
    }
}

// SAFETY: 1. See `handle`. 2. The counters belong to `self`. If the type is `Send`, its child is a `SyncAllocator`,
// which any thread may call. 3. The same, and the counters are atomic. 4. All handles have the same state, `self`, and
// table.
unsafe impl<C: Handle> AsAllocator for CountingAllocator<C> {
    fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

impl<C: Handle> fmt::Debug for CountingAllocator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountingAllocator")
            .field("child_allocator", &self.child_allocator)
            .field("counts", &self.snapshot())
            .finish()
    }
}
