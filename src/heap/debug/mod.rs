//! An allocator that finds mistakes: double frees, wrong lengths, foreign pointers, leaks.
//!
//! # Guarantees
//!
//! - What is passed to `free`, `resize` and `remap` is looked up before it is used. An address that
//!   is no live block is reported, and the call does nothing: no pointer of a caller is ever
//!   dereferenced, and what the child is told is what was written down at the allocation.
//! - With [`safety`](DebugConfig::safety), which is on in debug builds, the length and the alignment
//!   are compared too, and a write behind a small block is noticed when the block is next used in a
//!   call.
//! - A block that is live in the end is reported with its allocation.
//! - A small block's address is not used again before all blocks of its page are freed.
//! - Nothing is lost when the child runs out of memory: the call fails and has changed nothing.
//!
//! | mistake | [`ReportKind`] | then |
//! |---|---|---|
//! | a block is freed twice, or resized after its free | `DoubleFree` | the call does nothing ¹ |
//! | the address is not one of a block: inside of one, on the stack, from another allocator | `InvalidFree` | the call does nothing ¹ |
//! | the length is another than the last one asked for | `WrongLength` | goes on with the block's own |
//! | the alignment is another than at the allocation | `WrongAlignment` | goes on with the block's own |
//! | something was written behind a small block, into the rest of its slot | `Overrun` | goes on |
//! | something was written over the metadata at the end of a page | `Corruption` | aborts |
//! | a block was never freed | `Leak` | |
//!
//! ¹ In builds with `debug_assertions` the typed [`free`](crate::Allocator::free) fills the memory before the
//! call, as in Zig. If the memory has gone back to the system, that is a fault of the machine, and there is no
//! report; a [`quarantine`](DebugConfig::quarantine) helps. More [below](#what-is-not-found).
//!
//! Without `safety`, a page's links to its neighbours are looked up only when they are about to be followed, so
//! that a corruption of nothing else is noticed later.
//!
//! A [`Report`] has three traces: this call, the allocation, and for double frees the free that was in
//! order. With the feature `backtrace` they are functions with file and line, beginning in the
//! program's own code: frames of the standard library, of this crate, and of crates of containers are
//! [skipped](DebugConfig::skip_frames) before frames are counted, also where the allocator is the global one.
//! Blocks that leak from one place are [one report](DebugConfig::group_leaks), with their number and all their
//! bytes, and there is a [limit](DebugConfig::leak_limit) of reports. Reports are printed to the standard error stream (if there is none, they are
//! lost, and the program goes on), or go to a function of yours ([`DebugConfig::report`]); to stop at
//! the first mistake, let it abort. They are counted ([`DebugAllocator::count`]).
//!
//! # What is not found
//!
//! A write to a block that was freed; a read of anything; a write behind a large block, or behind one
//! that fills its slot, which has a power of two bytes. A second free of memory that went back to the
//! child is known as such only for the last few blocks whose free gave memory back (for small blocks:
//! the last one of its page; for all, with [`never_unmap`](DebugConfig::never_unmap) and
//! [`retain_metadata`](DebugConfig::retain_metadata)); of others it is an `InvalidFree`. And when the child
//! has given the same address out again, a stale pointer to it is as good as a fresh one.
//!
//! In builds with `debug_assertions` the typed [`free`](crate::Allocator::free) fills the memory with 0xAA
//! before any allocator sees the call, as in Zig. If the memory has been unmapped, since the page or the large
//! block went back to the child and from there to the system, a second free is a fault of the machine, and
//! nobody reports it. A [`quarantine`](DebugConfig::quarantine) or
//! [`never_unmap`](DebugConfig::never_unmap) helps; [`with_allocator`](crate::testing::with_allocator()) has
//! the former. As long as a page is kept, so is all that is known of its blocks.
//!
//! # Layout
//!
//! Blocks of up to a quarter of a page (see [`DebugConfig::page_size`]; 32 KiB by default) are small.
//! They are put into classes by the larger of length and alignment, rounded up to a power of two. A
//! page of a class is one block of the child and holds slots of that size, and behind them, at its
//! very end, what is known of each:
//!
//! ```text
//!   heads                      page, aligned to its size
//!   ┌───┐    ┌──────┬──────┬──────┬┈┈┈┈┈┈┬────────┬──────┬─────────┬────────────┬────────┐
//!   │ 3 ├───▶│ used │ free │ used │      │ header │ bits │ lengths │ alignments │ traces │
//!   └───┘    └──────┴──────┴──────┴┈┈┈┈┈┈┴───┬────┴──────┴─────────┴────────────┴────────┘
//!             8 bytes each                   │ prev: an older page of this class
//! ```
//!
//! Slots are handed out from first to last, and never twice. A page whose blocks are all freed goes
//! back to the child, even if it has slots left. The offsets, and how many slots a page has, are
//! Zig's to the byte.
//!
//! Larger blocks come from the child one by one. Two hash tables, with memory of the child, hold the
//! addresses of the pages, and the large blocks with their traces.
//!
//! With the feature `backtrace`, a trace is one word: the innermost frame in a tree of all calls, whose root is
//! where threads begin. So each stack is stored once, whole, and a page has Zig's room for traces but uses a word
//! of each. The tree is in pages of the operating system, since Zig would ask the child for nothing there; it has a
//! million frames at most, and goes back in the end. Where there is no memory for more, a trace is its first address.
//! Symbols are not looked up before a report is printed, or leaks are grouped. What a search for leaks finds is
//! listed on the global heap while the allocator is not locked.
//!
//! # What it assumes of its child
//!
//! The [contract](crate::VTable#the-contract-of-an-allocator), and pages aligned to their size. Memory
//! need not be zero. A small block costs no call of the child as long as there is a slot; when there
//! is none, a page is asked for with the return address of this allocator's own code. Calls for large
//! blocks are passed on with the caller's. A child may have its own memory from this allocator: a large block of it
//! that begins in a page goes back to it at once, and the request is refused. If its `remap` moves a block there, the
//! process aborts.
//!
//! # Threads
//!
//! There is a lock. Over a [`SyncAllocator`], `allocator()` returns a [`SyncAllocator`]; over an
//! [`Allocator`] it returns an [`Allocator`]. Under the lock nothing is called but the child: traces are
//! captured before it is taken, and reports are made when it is released, those of leaks included. So a
//! program whose global allocator is on top of this one may print them, and whoever is told may allocate.
//! The lock allocates nothing. A child that calls back into the allocator, which breaks clause 15 of the
//! contract, waits for itself.
//!
//! # After a fork
//!
//! A child process may go on allocating, even if other threads were in the middle of calls: on Unix, a fork waits until
//! no debug allocator is locked, and takes all their locks for as long as it lasts (`pthread_atfork`). So one that
//! is the global allocator, or below it, survives it, if its own child does. That holds for the 64 allocators that
//! were used first and still exist; another one that is locked when the process forks hangs in the child. A fork within
//! a call of the allocator's own child waits a second and happens then. What prints a report holds locks of
//! the standard library, and of the crate `backtrace`: if another thread was printing one at that time, the child hangs
//! when it prints its own. `vfork` and `posix_spawn` copy nothing, and do not wait.
//!
//! In the child, the other threads' blocks are live for ever, and a search for leaks finds them.
//!
//! # Differences from Zig
//!
//! - Zig finds the metadata by the caller's address, length and alignment, and reads whatever is there:
//!   a foreign pointer, or a second free after the page went back, is a fault of the machine or a
//!   panic. Here the address is looked up in the table of pages, so both are reported, and so is a
//!   length of another class. The table is one more block of the child.
//! - Blocks that leak from one place are one report. In Zig each block is one.
//! - Traces leave out functions of libraries, and stacks are stored once.
//! - Only overwritten metadata ends the program. For Zig, a pointer that it does not know is reason
//!   enough ("Invalid free"). Here nothing has been harmed by then.
//! - Without `safety`, mistakes that Zig does not look for then are undefined; here an address that
//!   is no live block is reported all the same.
//! - A free of an address inside of a block is an `InvalidFree`; Zig frees the block.
//! - The alignment of large blocks is checked. The child gets the recorded length; Zig passes the
//!   caller's on.
//! - The rest of a slot is filled with 0xFD and checked. Zig leaves it alone.
//! - The last few blocks that went back to the child are remembered, and can be kept in quarantine.
//! - In the end, leaked blocks go back to the child (unless `never_unmap` is set), since a child may be
//!   an arena that lives on. `never_unmap` with `retain_metadata` also gives small pages back then.
//! - Dropping it is a `deinit`; leaks are not reported while a panic is unwinding.
//! - When the child refuses memory, the bytes are not counted as requested. Zig's total stays raised.
//! - Nothing is assumed to be zero. Zig reads the bits of a new page, unless
//!   `backing_allocator_zeroes` is off.
//! - The configuration is a value. There is no `MutexType`. Traces have at most 32 addresses, pages at
//!   most 4 MiB.
//!
//! Ports `lib/std/heap/debug_allocator.zig` of Zig 0.15.2.
//!
//! [`SyncAllocator`]: crate::SyncAllocator
//! [`Allocator`]: crate::Allocator

mod config;
mod leaks;
mod pages;
mod report;
mod state;

use core::fmt;
use core::hint::black_box;
use core::ptr::{self, NonNull};

pub use config::{DebugConfig, MAX_PAGE_SIZE, MAX_STACK_TRACE_FRAMES};
use pages::Geometry;
#[cfg(feature = "capi")]
pub(crate) use report::Foreign;
use report::{Call, Findings, Listener, Site, Tally, print_line};
pub use report::{Operation, Report, ReportKind, Trace};
use state::{Guard, Lock, Locked, State};

use crate::alignment::Alignment;
#[cfg(feature = "capi")]
use crate::alignment::Message;
use crate::allocator::{Allocator, AllocatorState, ChildAllocator, SyncAllocator};
use crate::return_address::return_address;
use crate::testing::symbol::STACK;
use crate::vtable::VTable;

/// Whether there were leaks. Zig's `std.heap.Check`.
#[doc(alias = "std.heap.Check")]
#[must_use = "a leak that nobody looks at is not found"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// None.
    Ok,
    /// At least one; they have been reported.
    Leak,
}

/// An allocator that finds mistakes; see the [module](self).
///
/// `C` is the child's handle: [`Allocator`] or [`SyncAllocator`]. It is also what [`allocator`] returns.
///
/// ```
/// use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR};
///
/// let debug = DebugAllocator::init(PAGE_ALLOCATOR);
/// let allocator = debug.allocator();
/// let memory = allocator.alloc::<u64>(10)?;
/// // Without this line, the next but one would print where the memory was allocated.
/// unsafe { allocator.free(memory) };
/// assert_eq!(debug.deinit(), Check::Ok);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// [`allocator`]: DebugAllocator::allocator
#[doc(alias = "std.heap.DebugAllocator")]
#[doc(alias = "GeneralPurposeAllocator")]
pub struct DebugAllocator<C: ChildAllocator> {
    child_allocator: C,
    config: DebugConfig,
    /// Nothing is stored of a small block but that it is there, and nothing printed.
    is_plain: bool,
    geometry: Geometry,
    listener: Listener,
    tally: Tally,
    state: Lock<State>,
}

// SAFETY: the pages and tables are blocks of the child, which may be used from the other thread if its
// handle may; the handles that reach the state borrow the allocator, so there are none when it moves.
unsafe impl<C: ChildAllocator + Send> Send for DebugAllocator<C> {}
// SAFETY: the state is used under the lock only, and the child is then called from this thread, which
// its handle allows if it is `Sync`: it is a `SyncAllocator`.
unsafe impl<C: ChildAllocator + Sync> Sync for DebugAllocator<C> {}

impl DebugAllocator<Allocator<'_>> {
    /// A handle to this allocator, for one thread since its child is.
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

impl DebugAllocator<SyncAllocator<'_>> {
    /// A handle to this allocator, for any number of threads.
    ///
    /// # Panics
    /// If [`thread_safe`](DebugConfig::thread_safe) is off. Then put the allocator around a plain
    /// [`Allocator`], such as `*PAGE_ALLOCATOR`.
    #[inline]
    #[track_caller]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        assert!(
            self.config.thread_safe,
            "DebugAllocator::allocator: thread_safe is false, and a SyncAllocator is for many threads; give it \
             a plain Allocator as its child (`*PAGE_ALLOCATOR`) for a plain handle"
        );
        // SAFETY: as any thread may call the child and there is a lock around the state, so any
        // thread may call this.
        unsafe { SyncAllocator::new_unchecked(self.handle()) }
    }
}

impl<C: ChildAllocator> DebugAllocator<C> {
    const VTABLE: VTable = VTable {
        alloc: debug_alloc::<C>,
        resize: debug_resize::<C>,
        remap: debug_remap::<C>,
        free: debug_free::<C>,
    };

    /// A debug allocator with the [default](DebugConfig::DEFAULT) options. It asks the child for
    /// nothing until it is asked itself.
    ///
    /// ```
    /// # use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR};
    /// let debug = DebugAllocator::init(PAGE_ALLOCATOR);
    /// assert_eq!(debug.deinit(), Check::Ok);
    /// ```
    pub const fn init(child_allocator: C) -> DebugAllocator<C> {
        DebugAllocator::with_config(child_allocator, DebugConfig::DEFAULT)
    }

    /// A debug allocator with other options.
    ///
    /// # Panics
    /// If the page size is no power of two, above [`MAX_PAGE_SIZE`], or too small for two blocks of each
    /// class and their traces; or if the traces have more than [`MAX_STACK_TRACE_FRAMES`] addresses. In a
    /// `const` or a `static` that is an error of the compiler.
    #[track_caller]
    pub const fn with_config(child_allocator: C, config: DebugConfig) -> DebugAllocator<C> {
        DebugAllocator {
            child_allocator,
            geometry: Geometry::new(&config),
            listener: Listener::Function(config.report),
            tally: Tally::new(),
            state: Lock::new(State::new(&config)),
            is_plain: config.stack_trace_frames == 0
                && !config.safety
                && !config.enable_memory_limit
                && !config.verbose_log,
            config,
        }
    }

    /// As [`with_config`](Self::with_config), but an invalid option is an error, whose text begins with `options`,
    /// and reports go to `listener` if there is one.
    ///
    /// # Safety
    /// `listener.call` may be called with `listener` and any report, from every thread that uses the allocator
    /// and at once, for as long as the allocator exists. It does not unwind.
    #[cfg(feature = "capi")]
    #[allow(clippy::result_large_err, reason = "a text without a heap, once in the life of an allocator")]
    pub(crate) unsafe fn with_listener(
        child_allocator: C,
        config: DebugConfig,
        listener: Option<Foreign>,
        options: &str,
    ) -> Result<DebugAllocator<C>, Message> {
        Geometry::try_new(&config, options)?;
        let mut debug = DebugAllocator::with_config(child_allocator, config);
        if let Some(foreign) = listener {
            debug.listener = Listener::Foreign(foreign);
        }
        Ok(debug)
    }

    const fn handle(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract: small blocks are slots of pages, which are live
        // blocks of the child, and a slot is handed out once; large blocks are the child's. The
        // handle borrows `self`, and pages are freed when all their blocks are, or with `self`.
        unsafe { Allocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }

    /// The options.
    pub fn config(&self) -> &DebugConfig {
        &self.config
    }

    /// Reports the live blocks, and returns how many there are: by class, in each the newest page first; then large
    /// blocks, the oldest first. Those of one place are [one report](DebugConfig::group_leaks), in the place of the first,
    /// and there are at most [`leak_limit`](DebugConfig::leak_limit) reports.
    ///
    /// The time grows with the number of blocks and pages, and of places whose symbols are looked up. The allocator is
    /// locked while it looks, once, and not while reports are made: they are of that moment. Blocks that
    /// were allocated after the call began are not part of it.
    ///
    /// What is found is listed on the global heap. If there is no memory for that, it is left out of the reports, and
    /// counted.
    ///
    /// Ports `DebugAllocator.detectLeaks`; the number is Zig 0.16's, where 0.15.2 has a boolean.
    ///
    /// ```
    /// use zigalloc::heap::{DebugAllocator, PAGE_ALLOCATOR};
    ///
    /// let debug = DebugAllocator::init(PAGE_ALLOCATOR);
    /// let memory = debug.allocator().create_with(1)?;
    /// assert_eq!(debug.detect_leaks(), 1);
    /// unsafe { debug.allocator().destroy(memory) };
    /// assert_eq!(debug.detect_leaks(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "detectLeaks")]
    pub fn detect_leaks(&self) -> usize {
        self.search()
    }

    /// Reports leaks, if [`safety`](DebugConfig::safety) is on, and gives all memory back to the child,
    /// as dropping it does.
    ///
    /// Without safety nobody looks, and the result is `Ok`.
    ///
    /// ```
    /// use zigalloc::heap::{Check, DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    ///
    /// let config = DebugConfig { safety: true, report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// debug.allocator().alloc::<u8>(100)?; // forgotten
    /// assert_eq!(debug.deinit(), Check::Leak);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn deinit(mut self) -> Check {
        let leaks = if self.config.safety { self.detect_leaks() } else { 0 };
        self.release();
        if leaks == 0 { Check::Ok } else { Check::Leak }
    }

    /// Gives all memory back to the child, and does not look for leaks.
    ///
    /// Ports `DebugAllocator.deinitWithoutLeakChecks` of Zig 0.16.
    #[doc(alias = "deinitWithoutLeakChecks")]
    pub fn deinit_without_leak_checks(mut self) {
        self.release();
    }

    /// Forgets the blocks that were freed and are still remembered. With `never_unmap`, their
    /// memory goes back to the child.
    ///
    /// Without [`retain_metadata`](DebugConfig::retain_metadata) there is nothing to do. (Zig does not
    /// compile then.)
    #[doc(alias = "flushRetainedMetadata")]
    pub fn flush_retained_metadata(&self) {
        if self.config.retain_metadata {
            self.lock().flush_retained_metadata();
        }
    }

    /// How often something of this kind has been found. Of [leaks](ReportKind::Leak), each block counts, at every search,
    /// whether it has a report or is left out.
    pub fn count(&self, kind: ReportKind) -> usize {
        self.tally.count(kind)
    }

    /// The first report that was made.
    pub fn first_report(&self) -> Option<Report> {
        self.tally.first()
    }

    /// How many bytes the live blocks have together, as they were asked for. 0 unless
    /// [`enable_memory_limit`](DebugConfig::enable_memory_limit) is on.
    ///
    /// Ports the field `total_requested_bytes`.
    pub fn total_requested_bytes(&self) -> usize {
        self.lock().state.total_requested_bytes
    }

    /// How many bytes the live blocks may have together. `usize::MAX` unless it was set.
    ///
    /// Ports the field `requested_memory_limit`.
    pub fn requested_memory_limit(&self) -> usize {
        self.lock().state.requested_memory_limit
    }

    /// Limits the bytes of all live blocks together: what would exceed the limit is out of memory, or
    /// false, or null. Nothing happens to blocks that exceed it already.
    ///
    /// # Panics
    /// If [`enable_memory_limit`](DebugConfig::enable_memory_limit) is off, as nothing is counted then.
    ///
    /// ```
    /// use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    ///
    /// let config = DebugConfig { enable_memory_limit: true, ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// debug.set_requested_memory_limit(1000);
    /// assert!(debug.allocator().alloc::<u8>(1001).is_err());
    /// ```
    #[track_caller]
    pub fn set_requested_memory_limit(&self, bytes: usize) {
        assert!(
            self.config.enable_memory_limit,
            "DebugAllocator::set_requested_memory_limit: a limit of {bytes} bytes has no effect, as \
             enable_memory_limit is false"
        );
        self.lock().state.requested_memory_limit = bytes;
    }

    fn lock(&self) -> Locked<'_> {
        self.locked(None)
    }

    /// `held` is the lock if this thread has it already.
    fn locked<'d>(&'d self, held: Option<Guard<'d, State>>) -> Locked<'d> {
        let state = held.or_else(|| self.state.try_lock()).unwrap_or_else(|| {
            assert!(
                self.config.thread_safe,
                "DebugAllocator: called while another call is in progress, and thread_safe is false"
            );
            self.state.lock_contended()
        });
        Locked { state, child: self.child_allocator.handle(), config: &self.config, geometry: &self.geometry }
    }

    /// What is known of a call at its beginning. The stack is walked here, without the lock. It is inlined, so
    /// that "here" is in the function of the table, or in what that is inlined into.
    #[inline(always)]
    fn begin<'t>(
        &'t self,
        stack: &'t mut Option<[usize; STACK]>,
        operation: Operation,
        address: usize,
        len: usize,
        alignment: Alignment,
        (ret_addr, here): (usize, usize),
    ) -> Findings<'t> {
        let entry = match operation {
            Operation::Resize => Self::VTABLE.resize as *const (),
            Operation::Remap => Self::VTABLE.remap as *const (),
            Operation::Free => Self::VTABLE.free as *const (),
            _ => Self::VTABLE.alloc as *const (),
        };
        let place = (entry.addr(), here);
        let site = Site::capture(ret_addr, place, self.config.stack_trace_frames, stack);
        Findings::new(Call { operation, address, len, alignment, site }, &self.config)
    }

    #[inline(always)]
    fn end(&self, findings: &mut Findings<'_>) {
        if !findings.is_empty() {
            self.tally.tell_all(findings, self.listener);
        }
    }

    #[inline(always)]
    fn alloc(&self, len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        assert!(len > 0, "DebugAllocator: alloc of 0 bytes; the least is 1");
        if self.is_plain {
            if let Some(state) = self.state.try_lock() {
                // Where a block is a slot that is there, this is all there is to do. Everything else, and
                // every doubt, is for the long way.
                let memory = state.alloc_plain(&self.geometry, len, alignment);
                return if memory.is_some() {
                    memory
                } else {
                    self.alloc_held(state, len, alignment, ret_addr)
                };
            }
        }
        black_box(self.alloc_in_full(None, len, alignment, ret_addr, return_address()))
    }

    /// A call that has the lock. No trace is to be captured.
    #[cold]
    #[inline(never)]
    fn alloc_held<'d>(
        &'d self,
        state: Guard<'d, State>,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        self.alloc_in_full(Some(state), len, alignment, ret_addr, 0)
    }

    /// `held` is the lock if this call has it already. `here` is an address in the function of the table, or
    /// in what that is inlined into. It must be on the stack, where the trace begins: hence the `black_box`es
    /// around the result, without which this function might take its place.
    #[inline(never)]
    fn alloc_in_full<'d>(
        &'d self,
        held: Option<Guard<'d, State>>,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
        here: usize,
    ) -> Option<NonNull<u8>> {
        let mut stack = None;
        let mut findings = self.begin(&mut stack, Operation::Alloc, 0, len, alignment, (ret_addr, here));
        let memory = self.locked(held).alloc(&mut findings, ret_addr);
        self.end(&mut findings);
        if self.config.verbose_log {
            print_line(format_args!(
                "DebugAllocator: alloc of {len} bytes, aligned to 2^{}: {memory:?}",
                alignment.log2()
            ));
        }
        memory
    }

    /// # Safety
    /// Clauses 2 and 4 of the contract. Clause 3 is checked.
    #[inline(always)]
    unsafe fn resize(
        &self,
        operation: Operation,
        address: usize,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        assert!(new_len > 0, "DebugAllocator: {operation} to 0 bytes; the least is 1");
        let mut stack = None;
        let mut findings =
            self.begin(&mut stack, operation, address, len, alignment, (ret_addr, return_address()));
        // SAFETY: the caller's promise.
        let resized = unsafe { self.lock().resize(&mut findings, new_len, ret_addr) };
        self.end(&mut findings);
        if self.config.verbose_log {
            print_line(format_args!(
                "DebugAllocator: {operation} of {len} bytes at {address:#x} to {new_len}: {resized:?}"
            ));
        }
        resized
    }

    /// # Safety
    /// Clause 4 of the contract. Clause 3 is checked.
    #[inline(always)]
    unsafe fn free(&self, address: usize, len: usize, alignment: Alignment, ret_addr: usize) {
        if self.is_plain {
            if let Some(state) = self.state.try_lock() {
                // As in `alloc`: where a block is live and another one of its page stays so, this is all.
                if !state.free_plain(&self.geometry, address) {
                    // SAFETY: the caller's promise.
                    unsafe { self.free_held(state, address, len, alignment, ret_addr) };
                }
                return;
            }
        }
        // SAFETY: the caller's promise.
        black_box(unsafe { self.free_in_full(None, address, len, alignment, ret_addr, return_address()) });
    }

    /// As [`alloc_held`](Self::alloc_held).
    ///
    /// # Safety
    /// Clause 4 of the contract.
    #[cold]
    #[inline(never)]
    unsafe fn free_held<'d>(
        &'d self,
        state: Guard<'d, State>,
        address: usize,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe { self.free_in_full(Some(state), address, len, alignment, ret_addr, 0) };
    }

    /// As [`alloc_in_full`](Self::alloc_in_full).
    ///
    /// # Safety
    /// Clause 4 of the contract. Clause 3 is checked.
    #[inline(never)]
    unsafe fn free_in_full<'d>(
        &'d self,
        held: Option<Guard<'d, State>>,
        address: usize,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
        here: usize,
    ) -> bool {
        let mut stack = None;
        let mut findings = self.begin(&mut stack, Operation::Free, address, len, alignment, (ret_addr, here));
        // SAFETY: the caller's promise.
        unsafe { self.locked(held).free(&mut findings, ret_addr) };
        self.end(&mut findings);
        if self.config.verbose_log {
            print_line(format_args!("DebugAllocator: free of {len} bytes at {address:#x}"));
        }
        true
    }

    /// Gives all memory back. Doing it twice is harmless.
    fn release(&mut self) {
        self.lock().release();
    }
}

impl<C: ChildAllocator> Drop for DebugAllocator<C> {
    fn drop(&mut self) {
        /// A function that is told of a leak may panic. The memory goes back all the same.
        struct Release<'d, C: ChildAllocator>(&'d mut DebugAllocator<C>);
        impl<C: ChildAllocator> Drop for Release<'_, C> {
            fn drop(&mut self) {
                self.0.release();
            }
        }
        // A thread-local one whose child has ended the program in the middle of a call. Nobody comes back
        // to that call, and until then the state means nothing.
        if self.state.try_lock().is_none() {
            return;
        }
        let this = Release(self);
        // A panic leaves blocks behind that would have been freed; that is not news.
        if this.0.config.safety && !std::thread::panicking() {
            this.0.detect_leaks();
        }
    }
}

// SAFETY: 1. as `handle` says. 2. The state is its own. If it is `Send`, its child is a
// `SyncAllocator`, which any thread may call. 3. There is a lock. With `thread_safe` off, a call that
// finds it taken ends the process, as that option says.
unsafe impl<C: ChildAllocator> AllocatorState for DebugAllocator<C> {
    fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

impl<C: ChildAllocator> fmt::Debug for DebugAllocator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugAllocator")
            .field("child_allocator", &self.child_allocator)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

// ---- the functions of the table ----

/// # Safety
/// Clause 1 of the contract: `ctx` is the address that `handle` took, whose borrow lasts.
#[inline(always)]
unsafe fn context<'s, C: ChildAllocator + 's>(ctx: *mut ()) -> &'s DebugAllocator<C> {
    // SAFETY: the caller's promise; shared references are all that is ever made from it.
    unsafe { &*ctx.cast_const().cast() }
}

#[inline]
unsafe extern "C" fn debug_alloc<C: ChildAllocator>(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    ret_addr: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: clause 1 of the contract.
    unsafe { context::<C>(ctx) }.alloc(len, alignment, ret_addr)
}

#[inline]
unsafe extern "C" fn debug_resize<C: ChildAllocator>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> bool {
    // SAFETY: clauses 1, 2 and 4 of the contract.
    unsafe {
        let debug = context::<C>(ctx);
        debug.resize(Operation::Resize, memory.addr(), memory_len, alignment, new_len, ret_addr).is_some()
    }
}

#[inline]
unsafe extern "C" fn debug_remap<C: ChildAllocator>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: clauses 1, 2 and 4 of the contract.
    unsafe {
        let debug = context::<C>(ctx);
        debug.resize(Operation::Remap, memory.addr(), memory_len, alignment, new_len, ret_addr)
    }
}

#[inline]
unsafe extern "C" fn debug_free<C: ChildAllocator>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    ret_addr: usize,
) {
    // SAFETY: clauses 1 and 4 of the contract.
    unsafe { context::<C>(ctx).free(memory.addr(), memory_len, alignment, ret_addr) };
}
