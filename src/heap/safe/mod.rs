//! An allocator that finds memory errors by what follows each block, and its options.
//!
//! [`SafeAllocator`] says what is found and what is not. This page explains how.
//!
//! # Layout
//!
//! A block of up to about three quarters of a [bucket](SafeOptions::bucket_size_log2) is small. A bucket is one block of
//! the child, aligned to its size. It is filled from its start to its end, and no address in it is used twice:
//!
//! ```text
//!   bucket, aligned to its size
//!   ┌────────┬─────────┬──────────┬────────┬─────────┬──────────┬────────┬┈┈┈┈┈┈┈┈┈┐
//!   │ header │ block 1 │ footer 1 │ traces │ block 2 │ footer 2 │ traces │ to fill │
//!   └────────┴─────────┴──────────┴────────┴─────────┴──────────┴────────┴┈┈┈┈┈┈┈┈┈┘
//!     16       aligned    8, or
//!              to 8       32 or 24
//! ```
//!
//! A footer has the block's length, alignment and state (live, being resized, being freed, freed), and a checksum over
//! these, its own address and the canary. A long block, or one aligned to more than 8, has an extended footer. Sizes,
//! offsets and the bytes of footers are Zig's.
//!
//! When there is no room for a block, the bucket is retired, and the next one begins. A retired bucket is freed to the
//! child with its last live block. Before that, all its blocks are checked: a write to a freed one has changed the bytes
//! 0x55 that it was filled with, or its footer.
//!
//! A larger block is one of the child, with a footer of its own.
//!
//! All buckets and large blocks are in a table, so that leaks can be found at the end: segments of entries, which
//! are blocks of the child. And they are in an index by address, in pages of the operating system, so that no address of
//! a caller is used before it is known to be in one of them.
//!
//! The files: `layout` is the sizes; `footer`, `bucket` and `entries` are what is in the child's memory; `slots` is who
//! may use it; `index` and `dead` are what is known of an address; `calls` is what a call does, `misuse` what is wrong
//! with it; `release` is the end.
//!
//! # What it assumes of its child
//!
//! The [contract](crate::VTable#the-contract-of-an-allocator). Memory need not be zero. The caller's return address is
//! passed on to the child; at the end it is 0. A child may get its own memory from this allocator: if it returns
//! a block for a large one that starts in another block, it is freed at once and the request fails; if its `remap` moves
//! a block there, the process aborts.
//!
//! # Threads
//!
//! There are 128 slots, each with a bucket to fill and its part of the table. `alloc` holds the slot that its thread had
//! last, or, if that is held, another one; nothing else waits for a slot. `free`, `resize` and `remap` change the
//! block's state and its bucket's counts by atomic operations. A short lock is taken for a new bucket, a large block, and
//! to store a trace. As everywhere, whoever hands a block to another thread synchronises the two.
//!
//! A child that calls back into the allocator, which [no-reentry](crate::VTable#no-reentry) forbids, gets another slot.
//! One exception: where the page allocator asks the global heap (Miri, Emscripten, newlib), stacks are stored in memory
//! of the child, under the lock, and such a child deadlocks.
//!
//! # After a fork
//!
//! A thread that was in a call leaves its slot locked in the child process: other slots are used instead, and what is in
//! that one leaks. The lock waits for a fork and the fork for it, as
//! [`debug`](crate::heap::debug#after-a-fork) describes.
//!
//! # Differences from Zig
//!
//! - Zig reads what is at the caller's address: a foreign pointer, and a second free of memory that the child has unmapped,
//!   are panics or segmentation faults; a second free of a large block whose memory is still mapped waits for ever. Here
//!   the address is looked up first, and all are reported. A block of another allocator is reported whatever the
//!   canaries are, and the report does not name the other's.
//! - A wrong length that leads to another place is reported with the block's own. The start of a block is checked: Zig
//!   takes any address whose distance to the footer is right.
//! - Misuse is a [`Report`], and aborts after that unless [`abort`](SafeOptions::abort) is
//!   off. Zig panics.
//! - A call that fails changes nothing at a wrong address. Zig writes two bytes there before it panics.
//! - Blocks that leak from one place are one report. Traces leave out functions of libraries, and stacks are stored once:
//!   a block has the room for traces that it has in Zig, and a word of it is used.
//! - Dropping it is a `deinit`; leaks are not reported while a panic is unwinding.
//! - Threads that find no free slot for a while use more than there are processors.
//! - Traces have at most 32 frames, and sizes are at most 2^30 bytes.
//!
//! Ports `lib/std/heap/SafeAllocator.zig` of Zig 0.17.1.

mod bucket;
mod calls;
mod dead;
mod entries;
mod footer;
mod hash;
mod index;
mod layout;
mod memory;
mod misuse;
mod options;
mod release;
mod slots;

use core::fmt;
use core::hint::black_box;
use core::ptr::NonNull;

use dead::Dead;
use footer::Modify;
use index::{Index, Writer};
use layout::Layout;
#[doc(alias = "std.heap.SafeAllocator.Options")]
pub use options::SafeOptions;
use slots::Slots;

use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, Handle, SyncAllocator, SyncHandle};
use crate::heap::debug::{Lock, Stacks};
use crate::heap::report::{Call, CallSite, Operation, PendingReport, Report, ReportKind, Reporter, Trace};
use crate::return_address::return_address;
use crate::symbol::STACK;
use crate::vtable::{VTable, state};

/// Finds memory errors: double frees, wrong lengths, foreign pointers, writes after a block or to a freed one, and
/// leaks.
///
/// It is the successor of the [`DebugAllocator`](crate::heap::DebugAllocator) in Zig 0.17. It takes no lock in most
/// calls, so it suits programs with several threads, and it finds writes to freed memory.
///
/// `C` is the child's [`Handle`]. [`allocator`] returns an [`Allocator`] if the child is one, and otherwise a
/// [`SyncAllocator`].
///
/// ```
/// use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions};
///
/// let safe = SafeAllocator::init(PAGE_ALLOCATOR, SafeOptions::DEFAULT);
/// let allocator = safe.allocator();
/// let memory = allocator.alloc::<u64>(10)?;
/// // Without this line, `deinit` would print where the memory was allocated.
/// unsafe { allocator.free(memory) };
/// assert_eq!(safe.deinit(), 0);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// # What is found
///
/// Misuse aborts the process after the report, unless [`abort`](SafeOptions::abort) is off. Then:
///
/// | mistake | [`ReportKind`] | without `abort` |
/// |---|---|---|
/// | a block is freed twice, or resized after its free | `DoubleFree` | the call does nothing |
/// | the address is not that of a block: it is inside one, on the stack, from another allocator | `InvalidFree` | the call does nothing |
/// | the length is not the last one asked for | `WrongLength` | uses the block's own |
/// | the alignment is not that of the allocation | `WrongAlignment` | uses the block's own |
/// | the metadata after a block was overwritten, found by a call for it or when its bucket ends | `Corruption` | the block leaks |
/// | a freed block was written to, found when its bucket ends | `WriteAfterFree` | continues |
/// | a block was never freed, found at the end | `Leak` | (never aborts) |
///
/// A [`Report`] has three traces: this call, the allocation (or the last resize), and the free.
///
/// ```
/// use zigalloc::heap::debug::ReportKind;
/// use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions};
///
/// let options = SafeOptions { abort: false, report: |report| println!("{report}"), ..SafeOptions::DEFAULT };
/// let safe = SafeAllocator::init(PAGE_ALLOCATOR, options);
/// let number = safe.allocator().create_with(1)?;
/// unsafe { safe.allocator().destroy(number) };
/// // SAFETY: a double free, which this allocator finds.
/// unsafe { safe.allocator().destroy(number) };
/// assert_eq!(safe.count(ReportKind::DoubleFree), 1);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// # Guarantees
///
/// - An address passed to `free`, `resize` or `remap` is looked up before it is used: memory that is not this
///   allocator's is neither read nor written. With several threads there is one exception: if another thread frees the
///   last block of a bucket, or a large block, while a mistaken call looks at an address in it, that call may still
///   read or write there.
/// - No address is used for a second block, unless the child uses it again.
/// - If the child is out of memory, the call fails and changes nothing. One exception, as in Zig: a bucket that was full
///   is retired.
///
/// # What is not found
///
/// - Any read; a write of a few bytes after a block that ends before its footer, which is aligned to 8; a write to a
///   freed large block, whose memory is the child's again.
/// - A second free of memory that went back to the child is a `DoubleFree` only for the last 16 blocks whose free
///   gave memory back (of small blocks, the last one of a bucket), and otherwise an `InvalidFree`.
/// - If the child has handed the same address out again, a stale pointer to it cannot be told from a valid one.
/// - In builds with `debug_assertions` the typed [`free`](Allocator::free) fills the memory with 0xAA before any
///   allocator sees the call, as in Zig. If the memory has been unmapped by then, a second free is a segmentation
///   fault and not a report.
///
/// # Memory
///
/// 8 bytes per block, rounded up to 8; 24 or 32 for long or over-aligned ones. With traces, 128 more for 7 frames. The
/// allocator itself has about 19 KiB, since each slot has cache lines of its own: keep it in a static or where it does
/// not move.
///
/// Ports `std.heap.SafeAllocator` of Zig 0.17.1.
///
/// [`allocator`]: SafeAllocator::allocator
#[doc(alias = "std.heap.SafeAllocator")]
pub struct SafeAllocator<C: Handle> {
    child_allocator: C,
    options: SafeOptions,
    layout: Layout,
    reporter: Reporter,
    slots: Slots,
    index: Index,
    shared: Lock<Shared>,
}

/// What is used under the lock.
struct Shared {
    writer: Writer,
    dead: Dead,
    stacks: Stacks,
}

// SAFETY: buckets, large blocks and segments are blocks of the child, which may be used from the other thread if its
// handle may; the handles that reach the state borrow the allocator, so there are none when it moves.
unsafe impl<C: Handle + Send> Send for SafeAllocator<C> {}
// SAFETY: `slots`, `index` and `shared` are `Sync`. What is in the child's memory is used by the thread that has the
// slot, or that has marked the block, or else by atomic operations; the child is called from this thread, which its
// handle allows if it is `Sync`: it is a `SyncHandle`.
unsafe impl<C: Handle + Sync> Sync for SafeAllocator<C> {}

impl SafeAllocator<Allocator<'_>> {
    /// A handle to this allocator, for one thread since its child is.
    ///
    /// ```
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, SafeAllocator, SafeOptions};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let safe = SafeAllocator::init(arena.allocator(), SafeOptions::DEFAULT);
    /// let memory = safe.allocator().alloc::<u8>(100)?;
    /// unsafe { safe.allocator().free(memory) };
    /// assert_eq!(safe.deinit(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

impl<C: SyncHandle> SafeAllocator<C> {
    /// A handle to this allocator, for any number of threads.
    ///
    /// ```
    /// use zigalloc::SyncAllocator;
    /// use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions};
    ///
    /// static SAFE: SafeAllocator<SyncAllocator<'static>> =
    ///     SafeAllocator::init(PAGE_ALLOCATOR, SafeOptions::DEFAULT);
    ///
    /// let memory = std::thread::spawn(|| SAFE.allocator().create_with(1).unwrap().as_ptr() as usize);
    /// # let _ = memory.join();
    /// ```
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: any thread may call the child; the state may be used by several threads, as `Sync` says.
        unsafe { SyncAllocator::new_unchecked(self.handle()) }
    }
}

impl<C: Handle> SafeAllocator<C> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// A safe allocator. It calls the child on first use.
    ///
    /// # Panics
    /// If an option is out of range. In a `const` or a `static` this is a compile-time error:
    ///
    /// ```compile_fail,E0080
    /// # use zigalloc::SyncAllocator;
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions};
    /// const OPTIONS: SafeOptions = SafeOptions { bucket_size_log2: 7, ..SafeOptions::DEFAULT };
    /// static SAFE: SafeAllocator<SyncAllocator<'static>> = SafeAllocator::init(PAGE_ALLOCATOR, OPTIONS);
    /// ```
    #[track_caller]
    pub const fn init(child_allocator: C, options: SafeOptions) -> SafeAllocator<C> {
        SafeAllocator {
            child_allocator,
            layout: Layout::new(&options),
            reporter: Reporter::new(options.report_options(), options.report),
            slots: Slots::new(),
            index: Index::new(),
            shared: Lock::new(Shared { writer: Writer::new(), dead: Dead::new(), stacks: Stacks::new() }),
            options,
        }
    }

    const fn handle(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract: small blocks are disjoint parts of buckets, which are live blocks of
        // the child until all of their blocks are freed; large blocks are the child's. What is left is freed with
        // `self`, which the handle borrows.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// The options.
    ///
    /// ```
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions};
    /// let safe = SafeAllocator::init(PAGE_ALLOCATOR, SafeOptions { canary: 7, ..SafeOptions::DEFAULT });
    /// assert_eq!(safe.options().canary, 7);
    /// ```
    pub fn options(&self) -> &SafeOptions {
        &self.options
    }

    /// Reports leaks and writes to freed blocks, frees all memory to the child, and returns the number of leaked
    /// blocks. Dropping the allocator does the same.
    ///
    /// What is in a slot whose call never returned, since the child exited the process, leaks.
    ///
    /// Ports `SafeAllocator.deinit`.
    ///
    /// ```
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions};
    /// let safe = SafeAllocator::init(PAGE_ALLOCATOR, SafeOptions { report: |_| (), ..SafeOptions::DEFAULT });
    /// safe.allocator().alloc::<u8>(100)?; // forgotten
    /// assert_eq!(safe.deinit(), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn deinit(self) -> usize {
        self.deinit_log(true)
    }

    /// As [`deinit`](Self::deinit), but leaks are only reported if `log` is true. They are counted in any case.
    ///
    /// Ports `SafeAllocator.deinitLog`.
    ///
    /// ```
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions};
    /// let safe = SafeAllocator::init(PAGE_ALLOCATOR, SafeOptions::DEFAULT);
    /// safe.allocator().alloc::<u8>(100)?; // forgotten
    /// assert_eq!(safe.deinit_log(false), 1, "and nothing is printed");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "deinitLog")]
    pub fn deinit_log(mut self, log: bool) -> usize {
        self.end(log)
    }

    /// As [`deinit`](Self::deinit), but the allocator can be used again, and what it has [counted](Self::count) stays.
    /// Not in Zig.
    ///
    /// ```
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions, debug::ReportKind};
    /// let options = SafeOptions { report: |_| (), ..SafeOptions::DEFAULT };
    /// let mut safe = SafeAllocator::init(PAGE_ALLOCATOR, options);
    /// safe.allocator().alloc::<u8>(100)?; // forgotten
    /// assert_eq!(safe.reset(), 1);
    /// assert_eq!(safe.count(ReportKind::Leak), 1);
    /// assert_eq!(safe.reset(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn reset(&mut self) -> usize {
        self.end(true)
    }

    /// The number of times that a mistake of this kind was reported; of leaks, the number of blocks.
    ///
    /// ```
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions, debug::ReportKind};
    /// let options = SafeOptions { abort: false, report: |_| (), ..SafeOptions::DEFAULT };
    /// let safe = SafeAllocator::init(PAGE_ALLOCATOR, options);
    /// let mut on_stack = 7;
    /// // SAFETY: not a block, which this allocator finds; the variable may be overwritten.
    /// unsafe { safe.allocator().destroy(std::ptr::NonNull::from(&mut on_stack)) };
    /// assert_eq!(safe.count(ReportKind::InvalidFree), 1);
    /// ```
    pub fn count(&self, kind: ReportKind) -> usize {
        self.reporter.count(kind)
    }

    /// The first report that was made.
    ///
    /// ```
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions, debug::ReportKind};
    /// # use std::ptr::NonNull;
    /// let options = SafeOptions { abort: false, report: |_| (), ..SafeOptions::DEFAULT };
    /// let safe = SafeAllocator::init(PAGE_ALLOCATOR, options);
    /// let memory = safe.allocator().alloc::<u8>(100)?;
    /// let too_short = NonNull::slice_from_raw_parts(memory.cast::<u8>(), 99);
    /// // SAFETY: a mistake, which this allocator finds. It frees the block.
    /// unsafe { safe.allocator().free(too_short) };
    /// let report = safe.first_report().unwrap();
    /// assert_eq!((report.kind, report.recorded_len), (ReportKind::WrongLength, Some(100)));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn first_report(&self) -> Option<Report> {
        self.reporter.first()
    }

    fn shared<R>(&self, with: impl FnOnce(&mut Shared) -> R) -> R {
        with(&mut self.shared.try_lock().unwrap_or_else(|| self.shared.lock_contended()))
    }

    /// The trace that a stored word identifies.
    fn trace_of(&self, word: usize) -> Trace {
        self.shared(|shared| shared.stacks.trace_of(word, self.reporter.options()))
    }

    /// Records a call before it is made, and stores its stack if there are traces.
    #[inline(always)]
    fn begin<'t>(
        &'t self,
        stack: &'t mut Option<[usize; STACK]>,
        operation: Operation,
        address: usize,
        len: usize,
        alignment: Alignment,
        (ret_addr, here): (usize, usize),
    ) -> PendingReport<'t> {
        let entry = match operation {
            Operation::Resize => Self::VTABLE.resize as *const (),
            Operation::Remap => Self::VTABLE.remap as *const (),
            Operation::Free => Self::VTABLE.free as *const (),
            _ => Self::VTABLE.alloc as *const (),
        };
        let options = self.reporter.options();
        let mut site = CallSite::capture(ret_addr, (entry.addr(), here), options, stack);
        if site.stack().is_some() {
            let child = self.child();
            // SAFETY: always this child, which this thread may call.
            self.shared(|shared| unsafe { shared.stacks.store(&mut site, child) });
        }
        PendingReport::new(Call { operation, address, len, alignment, site }, options)
    }

    #[inline(always)]
    fn finish(&self, pending: &mut PendingReport<'_>) {
        if !pending.is_empty() {
            self.reporter.report_pending(pending);
            self.abort_after_misuse();
        }
    }

    #[cold]
    fn abort_after_misuse(&self) {
        if self.options.abort {
            std::process::abort();
        }
    }

    // ---- the functions of the table ----

    #[inline]
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        assert!(len > 0, "SafeAllocator: alloc of 0 bytes; the least is 1");
        if !alignment.is_valid() {
            return None;
        }
        if !this.layout.has_traces {
            // SAFETY: `len` is not zero, and the alignment is valid.
            if let Some(memory) = unsafe { this.alloc_quickly(len, alignment) } {
                return Some(memory);
            }
        }
        // SAFETY: `len` is not zero, and the alignment is valid.
        black_box(unsafe { this.alloc_in_full(len, alignment, ret_addr, return_address()) })
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
        let address = memory.addr();
        // SAFETY: our caller does not use what a success cuts off (dead-pointer).
        unsafe { this.change(Operation::Resize, address, memory_len, alignment, new_len, ret_addr) }.is_some()
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
        let address = memory.addr();
        // SAFETY: our caller does not use what a success ends (dead-pointer).
        unsafe { this.change(Operation::Remap, address, memory_len, alignment, new_len, ret_addr) }
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
        let address = memory.addr();
        let mut marked = None;
        if !this.layout.has_traces {
            marked = this.mark(address, memory_len, alignment, Modify::Freeing);
            if let Some(target) = &marked {
                // SAFETY: this call has marked the block, which our caller does not use (dead-pointer).
                if let Err(rest) = unsafe { this.free_quickly(target, 0) } {
                    let here = return_address();
                    let call = (address, memory_len, alignment);
                    // SAFETY: what it has returned for this block.
                    black_box(unsafe { this.free_rest_untraced(target, rest, call, (ret_addr, here)) });
                }
            }
        }
        if marked.is_none() {
            let here = return_address();
            // SAFETY: our caller does not use the block (dead-pointer).
            black_box(unsafe { this.free_in_full(address, memory_len, alignment, ret_addr, here) });
        }
    }

    // ---- their slow paths ----

    /// `here` is an address in the function of the table, or in the function that it is inlined into. That function must
    /// be on the stack, where the trace starts: hence the `black_box` around the result, without which the call might
    /// become a jump.
    ///
    /// # Safety
    /// `len` is not zero (non-zero), and the alignment is valid.
    #[inline(never)]
    unsafe fn alloc_in_full(
        &self,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
        here: usize,
    ) -> Option<NonNull<u8>> {
        let mut stack = None;
        let mut pending = self.begin(&mut stack, Operation::Alloc, 0, len, alignment, (ret_addr, here));
        // SAFETY: by our caller.
        let memory = unsafe { self.alloc_block(len, alignment, &mut pending, ret_addr) };
        self.finish(&mut pending);
        memory
    }

    /// `resize` and `remap`, by `operation`. It is inlined into them, since traces start there.
    ///
    /// # Safety
    /// If this succeeds, what it ends is not used any more (dead-pointer): the bytes past `new_len`, and the old
    /// block if it has moved.
    #[inline(always)]
    unsafe fn change(
        &self,
        operation: Operation,
        address: usize,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        assert!(new_len > 0, "SafeAllocator: {operation} to 0 bytes; the least is 1");
        let may_move = operation == Operation::Remap;
        let mark = if may_move { Modify::Remapped } else { Modify::Resized };
        let mut stack = None;
        let mut pending =
            self.begin(&mut stack, operation, address, len, alignment, (ret_addr, return_address()));
        let target = self.mark(address, len, alignment, mark).or_else(|| self.diagnose(&mut pending, mark));
        // SAFETY: this call has marked the block; the length is not zero; our caller does not use what a success ends.
        let resized = target
            .and_then(|target| unsafe { self.set_len(&target, new_len, may_move, &mut pending, ret_addr) });
        self.finish(&mut pending);
        resized
    }

    /// `here` is as for [`alloc_in_full`](Self::alloc_in_full), and the result is for its `black_box`.
    ///
    /// # Safety
    /// The block is not used any more (dead-pointer).
    #[inline(never)]
    unsafe fn free_in_full(
        &self,
        address: usize,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
        here: usize,
    ) -> bool {
        let mut stack = None;
        let mut pending = self.begin(&mut stack, Operation::Free, address, len, alignment, (ret_addr, here));
        let target = self
            .mark(address, len, alignment, Modify::Freeing)
            .or_else(|| self.diagnose(&mut pending, Modify::Freeing));
        if let Some(target) = target {
            // SAFETY: this call has marked the block, which our caller does not use.
            if let Err(rest) = unsafe { self.free_quickly(&target, pending.call.site.word()) } {
                // SAFETY: what it has returned for this block.
                unsafe { self.free_rest(&target, rest, &mut pending, ret_addr) };
            }
        }
        self.finish(&mut pending);
        true
    }

    /// [`free_rest`](Self::free_rest), when there are no traces.
    ///
    /// # Safety
    /// As for `free_rest`.
    #[cold]
    #[inline(never)]
    unsafe fn free_rest_untraced<'l>(
        &'l self,
        target: &calls::Target<'l>,
        rest: Option<bucket::Bucket<'l>>,
        (address, len, alignment): (usize, usize, Alignment),
        place: (usize, usize),
    ) -> bool {
        let mut stack = None;
        let mut pending = self.begin(&mut stack, Operation::Free, address, len, alignment, place);
        // SAFETY: by our caller.
        unsafe { self.free_rest(target, rest, &mut pending, place.0) };
        self.finish(&mut pending);
        true
    }
}

impl<C: Handle> Drop for SafeAllocator<C> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A panic leaks blocks that would have been freed; reporting them would not help.
            self.release();
        } else {
            self.end(true);
        }
    }
}

// SAFETY: 1. See `handle`. 2. The state is its own. If it is `Send`, its child is a `SyncHandle`, which any thread
// may call. 3. Several threads may use the state, as `Sync` says. 4. All handles have the same state, `self`, and table.
unsafe impl<C: Handle> AsAllocator for SafeAllocator<C> {
    fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

impl<C: Handle> fmt::Debug for SafeAllocator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SafeAllocator")
            .field("child_allocator", &self.child_allocator)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
