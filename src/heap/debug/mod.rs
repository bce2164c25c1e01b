//! An allocator that finds memory errors, the reports that it makes, and its options.
//!
//! [`DebugAllocator`] says what is found and what is not. This page explains how.
//!
//! # Layout
//!
//! Blocks of up to a quarter of a page (see [`DebugConfig::page_size`]; 32 KiB by default) are small. Their class is
//! the larger of length and alignment, rounded up to a power of two. A page of a class is one block of the child. It
//! holds slots of that size and, at its end, metadata about each:
//!
//! ```text
//!   heads                      page, aligned to its size
//!   ┌───┐    ┌──────┬──────┬──────┬┈┈┈┈┈┈┬────────┬──────┬─────────┬────────────┬────────┐
//!   │ 3 ├───▶│ used │ free │ used │      │ header │ bits │ lengths │ alignments │ traces │
//!   └───┘    └──────┴──────┴──────┴┈┈┈┈┈┈┴───┬────┴──────┴─────────┴────────────┴────────┘
//!             8 bytes each                   │ prev: an older page of this class
//! ```
//!
//! Slots are handed out from first to last, each once. When all blocks of a page have been freed, it leaves the list of
//! its class, even if it has slots left: it goes back to the child, or is [kept](DebugConfig::keep_empty_pages) for the
//! next page of the class. The offsets and the number of slots are Zig's to the byte.
//!
//! Larger blocks come from the child one by one. Two hash tables, in memory of the child, hold the addresses of the
//! pages, and the large blocks with their traces.
//!
//! With the feature `backtrace`, a trace is one word: the innermost frame in a tree of all calls, whose root is where
//! threads start. So each stack is stored once, whole, and a page has Zig's room for traces but uses a word of each.
//! The tree is in pages of the operating system, since Zig would ask the child for nothing there, and is freed with
//! the allocator. It has at most a million frames; after that, or without memory, a trace is its first address.
//! Symbols are looked up when a report is printed or leaks are grouped.
//!
//! The files: `pages` is the layout of a page; `state` is what changes under the lock, and what a call does with it;
//! `leaks` is the search for live blocks.
//!
//! # What it assumes of its child
//!
//! The [contract](crate::VTable#the-contract-of-an-allocator), and pages aligned to their size. Memory need not be
//! zero. A small block costs no call of the child as long as there is a slot or a kept page; a new page is requested with a return
//! address in this allocator's own code. Calls for large blocks pass the caller's on. A child may get its own memory
//! from this allocator: if it returns a large block that starts in a page, the block is freed at once and the
//! request fails; if its `remap` moves a block there, the process aborts.
//!
//! # Threads
//!
//! Each call takes a lock and calls nothing but the child while it holds it. Traces are captured before, and reports,
//! including those of leaks, are made after it. So a report function may allocate, even if the global allocator is
//! built on this one. The lock allocates nothing. A child that calls back into the allocator, which
//! [no-reentry](crate::VTable#no-reentry) forbids, deadlocks.
//!
//! # After a fork
//!
//! On Unix, a fork waits until no debug allocator is locked, and holds all their locks until it is done
//! (`pthread_atfork`). So the child process can go on allocating, if the allocator's own child can. There are 64 places
//! in the list of these locks. An allocator takes one at its first call, if one is free, and keeps it until it is
//! dropped; a fork does not wait for an allocator without a place, which hangs in the child process if another thread
//! had locked it. If an allocator stays locked, the fork waits for a second or a few, and then happens all the same:
//! its child process hangs when it uses that allocator, unless the thread that forked was the one in the call (the
//! allocator's own child forked). Printing takes locks of the standard library and of the crate `backtrace`: if another
//! thread was printing a report, the child process hangs when it prints one. `vfork` and `posix_spawn` run no such
//! handlers and do not wait.
//!
//! In the child process, blocks allocated by other threads are still live, and a search for leaks finds them.
//!
//! # Differences from Zig
//!
//! - Zig finds the metadata by the caller's address, length and alignment, and reads whatever is there: a foreign
//!   pointer, or a second free after the page was returned, is a segmentation fault or a panic. Here the address is
//!   looked up in the table of pages, one more block of the child, so both are reported, with or without `safety`,
//!   and so is a length of another class.
//! - Only overwritten metadata aborts. Zig also panics for a pointer that it does not know ("Invalid free").
//! - A free of an address inside a block is an `InvalidFree`; Zig frees the block.
//! - The alignment of large blocks is checked. The child gets the recorded length; Zig passes the caller's on.
//! - The rest of a slot is filled with 0xFD and checked. Zig leaves it alone.
//! - The last 16 blocks whose free emptied a page, or returned memory to the child, are remembered, and the memory can
//!   be kept in quarantine.
//! - One empty page of each class is kept for the next blocks. Zig frees it, and asks for a new one.
//! - Blocks that leak from one place are one report. Traces leave out functions of libraries, and stacks are stored
//!   once.
//! - At the end, leaked blocks are freed to the child (unless `never_unmap` is set), since a child may be an arena that
//!   outlives the allocator. `never_unmap` with `retain_metadata` also frees small pages then.
//! - Dropping it is a `deinit`; leaks are not reported while a panic is unwinding.
//! - When the child refuses memory, the bytes are not counted as requested. Zig's total stays raised.
//! - Nothing is assumed to be zero. Zig reads the bits of a new page, unless `backing_allocator_zeroes` is off.
//! - The configuration is a value. There is no `MutexType`. Traces have at most 32 addresses, pages at most 4 MiB.
//!
//! Ports `lib/std/heap/debug_allocator.zig` of Zig 0.15.2.

mod config;
mod leaks;
mod pages;
mod state;

use core::fmt;
use core::hint::black_box;
use core::ptr::NonNull;

#[doc(alias = "DebugAllocatorConfig")]
#[doc(alias = "GeneralPurposeAllocatorConfig")]
pub use config::DebugConfig;
pub use config::{MAX_PAGE_SIZE, MAX_STACK_TRACE_FRAMES};
use pages::Geometry;
use state::{Guard, Locked, State};
pub(in crate::heap) use state::{Lock, PAGES_ARE_THE_SYSTEMS, Stacks};

use crate::alignment::Alignment;
#[cfg(feature = "capi")]
use crate::alignment::Message;
use crate::allocator::{Allocator, AsAllocator, Handle, SyncAllocator, SyncHandle};
#[cfg(feature = "capi")]
pub(crate) use crate::heap::report::Foreign;
use crate::heap::report::{Call, CallSite, PendingReport, Reporter, print_line};
pub use crate::heap::report::{Operation, Report, ReportKind, Trace};
use crate::return_address::return_address;
use crate::symbol::STACK;
use crate::vtable::{VTable, state};

/// Whether leaks were found. Zig's `std.heap.Check`.
///
/// A program whose exit code says whether it leaked:
///
/// ```
/// use std::process::ExitCode;
/// use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR};
///
/// fn main() -> ExitCode {
///     let debug = DebugAllocator::init(PAGE_ALLOCATOR);
///     // The program's work, with `debug.allocator()`.
///     match debug.deinit() {
///         Check::Ok => ExitCode::SUCCESS,
///         Check::Leak => ExitCode::FAILURE,
///     }
/// }
/// ```
///
/// What `deinit` returns depends on leaks alone. Other mistakes are counted:
///
/// ```
/// use zigalloc::heap::debug::{Check, DebugAllocator, DebugConfig, ReportKind};
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// let config = DebugConfig { safety: true, report: |_| (), ..DebugConfig::DEFAULT };
/// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
/// let mut number = 7;
/// // SAFETY: not a block, which this allocator finds; the variable may be overwritten.
/// unsafe { debug.allocator().destroy(std::ptr::NonNull::from(&mut number)) };
/// assert_eq!(debug.count(ReportKind::InvalidFree), 1);
/// assert_eq!(debug.deinit(), Check::Ok);
/// ```
#[doc(alias = "std.heap.Check")]
#[must_use = "it says whether there were leaks"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// No leaks were found.
    Ok,
    /// At least one leak was found and reported.
    Leak,
}

/// Finds memory errors: double frees, wrong lengths, foreign pointers, overruns and leaks.
///
/// Put it around the allocator of a program, or of a test, to check each call. In release builds the
/// [default](DebugConfig::DEFAULT) turns off the most expensive checks.
///
/// `C` is the child's [`Handle`]. [`allocator`] returns an [`Allocator`] if the child is one, and otherwise a
/// [`SyncAllocator`].
///
/// ```
/// use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR};
///
/// let debug = DebugAllocator::init(PAGE_ALLOCATOR);
/// let allocator = debug.allocator();
/// let memory = allocator.alloc::<u64>(10)?;
/// // Without this line, `deinit` would print where the memory was allocated.
/// unsafe { allocator.free(memory) };
/// assert_eq!(debug.deinit(), Check::Ok);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// # What is found
///
/// | mistake | [`ReportKind`] | then |
/// |---|---|---|
/// | a block is freed twice, or resized after its free | `DoubleFree` | the call does nothing ¹ |
/// | the address is not that of a block: it is inside one, on the stack, from another allocator | `InvalidFree` | the call does nothing ¹ |
/// | the length is not the last one asked for | `WrongLength` | uses the block's own |
/// | the alignment is not that of the allocation | `WrongAlignment` | uses the block's own |
/// | bytes after a small block, in the rest of its slot, have been written to | `Overrun` | continues |
/// | the metadata at the end of a page has been overwritten | `Corruption` | aborts |
/// | a block was never freed | `Leak` | |
///
/// ¹ See [below](#what-is-not-found) for what the typed `free` does before the call.
///
/// Lengths, alignments, overruns and leaks are checked with [`safety`](DebugConfig::safety), which is on in debug
/// builds. Without it, a page's links to its neighbours are checked only before they are followed, so some corruption
/// is found later.
///
/// Each is counted:
///
/// ```
/// use zigalloc::heap::debug::{DebugAllocator, DebugConfig, ReportKind};
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// // A report function may also abort, to stop at the first mistake.
/// let config = DebugConfig { report: |report| println!("{report}"), ..DebugConfig::DEFAULT };
/// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
/// let (first, second) = (debug.allocator().create_with(1)?, debug.allocator().create_with(2)?);
/// unsafe { debug.allocator().destroy(first) };
/// // SAFETY: a double free, which this allocator finds; `second` keeps the page mapped.
/// unsafe { debug.allocator().destroy(first) };
/// assert_eq!(debug.count(ReportKind::DoubleFree), 1);
/// unsafe { debug.allocator().destroy(second) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A [`Report`] has three traces: this call, the allocation, and for a double free the first free. With the feature
/// `backtrace` they have functions, files and lines, and start in the program's own code, without the
/// [frames](DebugConfig::skip_frames) of the standard library, of this crate and of container crates. Blocks that
/// leak from one place are [one report](DebugConfig::group_leaks), with a [limit](DebugConfig::leak_limit) on
/// reports. Reports are printed to the standard error stream, or go to a [function of yours](DebugConfig::report).
///
/// # Guarantees
///
/// - An address passed to `free`, `resize` or `remap` is looked up before it is used. No pointer of a caller is ever
///   dereferenced, and the child gets what was recorded at the allocation.
/// - A small block's address is not reused before all blocks of its page are freed.
/// - If the child is out of memory, the call fails and changes nothing.
///
/// # What is not found
///
/// - A write to a freed block; any read; a write after a large block, or after one that fills its slot, whose size is a
///   power of two.
/// - A second free of memory that went back to the child, or of a page that is used again, is a `DoubleFree` only for
///   the last 16 blocks whose free gave memory back (of small blocks, the last one of a page), and otherwise an
///   `InvalidFree`.
///   [`never_unmap`](DebugConfig::never_unmap) with [`retain_metadata`](DebugConfig::retain_metadata) remembers all
///   blocks.
/// - If an address has been handed out again, because the child has returned it or its page was
///   [kept](DebugConfig::keep_empty_pages), a stale pointer to it cannot be told from a valid one.
/// - In builds with `debug_assertions` the typed [`free`](Allocator::free) fills the memory with 0xAA before any
///   allocator sees the call, as in Zig. If the memory has been unmapped by then, a second free is a segmentation
///   fault and not a report. A [`quarantine`](DebugConfig::quarantine) or `never_unmap` helps;
///   [`with_allocator`](crate::testing::with_allocator()) has the former.
///
/// Ports `std.heap.DebugAllocator` of Zig 0.15.2.
///
/// [`allocator`]: DebugAllocator::allocator
///
/// A report as it is printed, here collected by a report function, for a test of what users see:
///
/// ```
/// use std::sync::Mutex;
/// use zigalloc::heap::debug::{DebugAllocator, DebugConfig, ReportKind};
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// static REPORTS: Mutex<Vec<(ReportKind, String)>> = Mutex::new(vec![]);
///
/// let config = DebugConfig {
///     safety: true,
///     report: |report| REPORTS.lock().unwrap().push((report.kind, report.to_string())),
///     ..DebugConfig::DEFAULT
/// };
/// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
/// let memory = debug.allocator().alloc::<u8>(100)?;
/// // SAFETY: the slot of 128 bytes belongs to the block, so the byte after it is in memory of this allocator.
/// unsafe { memory.cast::<u8>().add(100).write(0) }; // an overrun
/// unsafe { debug.allocator().free(memory) };
/// debug.allocator().create::<u64>()?; // a leak
/// assert_eq!(debug.detect_leaks(), 1);
///
/// let reports = REPORTS.lock().unwrap();
/// assert_eq!([reports[0].0, reports[1].0], [ReportKind::Overrun, ReportKind::Leak]);
/// assert!(reports.iter().all(|(_, text)| !text.is_empty() && !text.ends_with('\n')));
/// # drop(reports);
/// # debug.deinit_without_leak_checks();
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// In a program, a build option decides whether there is one. The rest of the program sees a handle:
///
/// ```
/// use zigalloc::heap::{DebugAllocator, PAGE_ALLOCATOR, SMP_ALLOCATOR};
/// use zigalloc::{Error, SyncAllocator};
///
/// fn run(gpa: SyncAllocator<'_>) -> Result<usize, Error> {
///     let greeting = gpa.print(format_args!("hello, {}", "heap"))?;
///     let len = greeting.len();
///     // SAFETY: a live block, not used afterwards.
///     unsafe { gpa.free(greeting) };
///     Ok(len)
/// }
///
/// static DEBUG: DebugAllocator<SyncAllocator<'static>> = DebugAllocator::init(PAGE_ALLOCATOR);
/// let gpa = if cfg!(debug_assertions) { DEBUG.allocator() } else { SMP_ALLOCATOR };
/// assert_eq!(run(gpa)?, 11);
/// assert_eq!(DEBUG.detect_leaks(), 0);
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "std.heap.DebugAllocator")]
#[doc(alias = "GeneralPurposeAllocator")]
pub struct DebugAllocator<C: Handle> {
    child_allocator: C,
    config: DebugConfig,
    /// No traces are stored, no bytes are counted, and calls print nothing: for most calls, the fast paths suffice.
    is_quick: bool,
    geometry: Geometry,
    reporter: Reporter,
    state: Lock<State>,
}

// SAFETY: the pages and tables are blocks of the child, which may be used from the other thread if its handle may; the
// handles that reach the state borrow the allocator, so there are none when it moves.
unsafe impl<C: Handle + Send> Send for DebugAllocator<C> {}
// SAFETY: the state is used under the lock only, and the child is then called from this thread, which its handle allows
// if it is `Sync`: it is a `SyncHandle`.
unsafe impl<C: Handle + Sync> Sync for DebugAllocator<C> {}

impl DebugAllocator<Allocator<'_>> {
    /// A handle to this allocator, for one thread since its child is.
    ///
    /// An arena ignores a double free; a debug allocator over the arena reports it:
    ///
    /// ```
    /// # use zigalloc::heap::{ArenaAllocator, DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// # use zigalloc::heap::debug::ReportKind;
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let config = DebugConfig { report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(arena.allocator(), config);
    /// let memory = debug.allocator().alloc::<u8>(100_000)?;
    /// // SAFETY: the second is a double free, which this allocator finds. The arena keeps the memory.
    /// unsafe { debug.allocator().free(memory) };
    /// unsafe { debug.allocator().free(memory) };
    /// assert_eq!(debug.count(ReportKind::DoubleFree), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

impl<C: SyncHandle> DebugAllocator<C> {
    /// A handle to this allocator, for any number of threads.
    ///
    /// # Panics
    /// If [`thread_safe`](DebugConfig::thread_safe) is off. Then put the allocator around a plain
    /// [`Allocator`], such as `*PAGE_ALLOCATOR`.
    ///
    /// A debug allocator for the whole program:
    ///
    /// ```
    /// use zigalloc::SyncAllocator;
    /// use zigalloc::heap::{DebugAllocator, PAGE_ALLOCATOR};
    ///
    /// static DEBUG: DebugAllocator<SyncAllocator<'static>> = DebugAllocator::init(PAGE_ALLOCATOR);
    /// static ALLOCATOR: SyncAllocator<'static> = DEBUG.allocator();
    ///
    /// let thread = std::thread::spawn(|| {
    ///     let memory = ALLOCATOR.dupe(b"of this thread").unwrap();
    ///     // SAFETY: a live block, not used afterwards.
    ///     unsafe { ALLOCATOR.free(memory) };
    /// });
    /// thread.join().unwrap();
    /// // A static is not dropped, so leaks are found only on request.
    /// assert_eq!(DEBUG.detect_leaks(), 0);
    /// ```
    #[inline]
    #[track_caller]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        assert!(
            self.config.thread_safe,
            "DebugAllocator::allocator: thread_safe is false, and a SyncAllocator is for many threads; give it \
             a plain Allocator as its child (`*PAGE_ALLOCATOR`) for a plain handle"
        );
        // SAFETY: any thread may call the child, and there is a lock around the state.
        unsafe { SyncAllocator::new_unchecked(self.handle()) }
    }
}

impl<C: Handle> DebugAllocator<C> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// A debug allocator with the [default](DebugConfig::DEFAULT) options. It calls the child on first use.
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
    /// If the page size is not a power of two, above [`MAX_PAGE_SIZE`], or too small for two blocks of each
    /// class and their traces; or if the traces have more than [`MAX_STACK_TRACE_FRAMES`] addresses. In a
    /// `const` or a `static` this is a compile-time error.
    ///
    /// With a quarantine, the memory is still mapped at the second free:
    ///
    /// ```
    /// use zigalloc::heap::debug::{DebugAllocator, DebugConfig, ReportKind};
    /// use zigalloc::heap::PAGE_ALLOCATOR;
    ///
    /// let config = DebugConfig { quarantine: 1 << 20, report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// let memory = debug.allocator().alloc::<u8>(100_000)?;
    /// // SAFETY: the second is a double free, which this allocator finds.
    /// unsafe { debug.allocator().free(memory) };
    /// unsafe { debug.allocator().free(memory) };
    /// assert_eq!(debug.count(ReportKind::DoubleFree), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A page size that is not a power of two is a compile-time error here:
    ///
    /// ```compile_fail,E0080
    /// # use zigalloc::SyncAllocator;
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// const CONFIG: DebugConfig = DebugConfig { page_size: 100_000, ..DebugConfig::DEFAULT };
    /// static DEBUG: DebugAllocator<SyncAllocator<'static>> = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
    /// ```
    #[track_caller]
    pub const fn with_config(child_allocator: C, config: DebugConfig) -> DebugAllocator<C> {
        DebugAllocator {
            child_allocator,
            geometry: Geometry::new(&config),
            reporter: Reporter::new(config.report_options(), config.report),
            state: Lock::new(State::new(&config)),
            is_quick: config.stack_trace_frames == 0 && !config.enable_memory_limit && !config.verbose_log,
            config,
        }
    }

    /// As [`with_config`](Self::with_config), but an invalid option is an error, whose text starts with `options`,
    /// and reports go to `listener` if there is one.
    ///
    /// # Safety
    /// For as long as the allocator exists, `listener.call` may be called with `listener` and any report, from every
    /// thread that uses the allocator, also by several at once. It does not unwind.
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
            // SAFETY: the reporter is a part of the allocator, during whose life `listener` may be called, by our
            // caller.
            unsafe { debug.reporter.set_foreign(foreign) };
        }
        Ok(debug)
    }

    const fn handle(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract: small blocks are slots of pages, which are live blocks of the
        // child, and a slot is handed out once; large blocks are the child's. Pages are freed when all their blocks
        // are, or with `self`, which the handle borrows.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// The options.
    ///
    /// ```
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// let config = DebugConfig { safety: true, ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// // Whether `deinit` looks for leaks.
    /// assert!(debug.config().safety);
    /// ```
    pub fn config(&self) -> &DebugConfig {
        &self.config
    }

    /// Reports the live blocks, and returns their number. The order is by class, in each the newest page first; then
    /// large blocks, the oldest first. Blocks that were allocated in one place are [one
    /// report](DebugConfig::group_leaks), at the position of the first, and there are at most
    /// [`leak_limit`](DebugConfig::leak_limit) reports.
    ///
    /// The time is linear in the number of blocks and pages, and of places whose symbols are looked up. The allocator
    /// is locked during the search and not while reports are made, so they show the state at the time of the search.
    /// Blocks that are allocated after the call begins are not included.
    ///
    /// The list of leaks is on the global heap. Leaks for which it has no memory are counted but not reported one by
    /// one.
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
    ///
    /// To find the step of a program that leaks, search after each:
    ///
    /// ```
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// # let config = DebugConfig { safety: true, report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// let steps: [fn(zigalloc::Allocator<'_>); 3] = [
    ///     |_| (),
    ///     |allocator| _ = allocator.dupe(b"forgotten"),
    ///     |allocator| unsafe { allocator.destroy(allocator.create_with(1).unwrap()) },
    /// ];
    /// let mut live = 0;
    /// let leaks = steps.map(|step| {
    ///     step(*debug.allocator());
    ///     let before = std::mem::replace(&mut live, debug.detect_leaks());
    ///     live - before
    /// });
    /// assert_eq!(leaks, [0, 1, 0]);
    /// # debug.deinit_without_leak_checks();
    /// ```
    #[doc(alias = "detectLeaks")]
    pub fn detect_leaks(&self) -> usize {
        self.search()
    }

    /// Reports leaks, if [`safety`](DebugConfig::safety) is on, and frees all memory to the child, as dropping it does.
    ///
    /// Without safety the result is `Ok`.
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
    ///
    /// If a destructor calls this while a call of the child is in progress, because the child exits the process,
    /// everything leaks, and the result is `Leak`.
    ///
    /// The child gets everything back, the leaked blocks too:
    ///
    /// ```
    /// # use zigalloc::{heap::{Check, DebugAllocator, DebugConfig, PAGE_ALLOCATOR}, trace::CountingAllocator};
    /// let below = CountingAllocator::init(PAGE_ALLOCATOR);
    /// let config = DebugConfig { safety: true, report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(below.allocator(), config);
    /// debug.allocator().alloc::<u8>(10)?;
    /// debug.allocator().alloc::<u8>(1_000_000)?;
    /// assert!(below.snapshot().live_bytes > 1_000_000);
    /// assert_eq!(debug.deinit(), Check::Leak);
    /// assert_eq!(below.snapshot().live_bytes, 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn deinit(mut self) -> Check {
        if self.is_abandoned() {
            return Check::Leak;
        }
        let leaks = if self.config.safety { self.detect_leaks() } else { 0 };
        self.release();
        if leaks == 0 { Check::Ok } else { Check::Leak }
    }

    /// Frees all memory to the child, and does not search for leaks.
    ///
    /// Ports `DebugAllocator.deinitWithoutLeakChecks` of Zig 0.16.
    ///
    /// ```
    /// # use zigalloc::{heap::{DebugAllocator, PAGE_ALLOCATOR}, trace::CountingAllocator};
    /// let counting = CountingAllocator::init(PAGE_ALLOCATOR);
    /// let debug = DebugAllocator::init(counting.allocator());
    /// debug.allocator().alloc::<u8>(100)?; // never freed, on purpose
    /// debug.deinit_without_leak_checks(); // prints nothing
    /// assert_eq!(counting.snapshot().live_bytes, 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "deinitWithoutLeakChecks")]
    pub fn deinit_without_leak_checks(mut self) {
        if !self.is_abandoned() {
            self.release();
        }
    }

    /// Frees the [kept](DebugConfig::keep_empty_pages) pages to the child.
    ///
    /// With [`retain_metadata`](DebugConfig::retain_metadata), it also forgets the freed blocks that are remembered, and
    /// with `never_unmap`, their memory is freed to the child. (Zig does not compile without `retain_metadata`.)
    ///
    /// ```
    /// # use zigalloc::{heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR}, trace::CountingAllocator};
    /// let counting = CountingAllocator::init(PAGE_ALLOCATOR);
    /// let config = DebugConfig { never_unmap: true, retain_metadata: true, ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(counting.allocator(), config);
    /// let memory = debug.allocator().alloc::<u8>(1 << 20)?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { debug.allocator().free(memory) };
    /// assert!(counting.snapshot().live_bytes >= 1 << 20, "the block is kept");
    /// debug.flush_retained_metadata();
    /// assert!(counting.snapshot().live_bytes < 1 << 20);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "flushRetainedMetadata")]
    pub fn flush_retained_metadata(&self) {
        self.lock().flush_retained_metadata();
    }

    /// The number of times that a mistake of this kind was found. Of [leaks](ReportKind::Leak), each block counts in
    /// each search, whether it is reported or left out.
    ///
    /// ```
    /// use zigalloc::heap::debug::{DebugAllocator, DebugConfig, ReportKind};
    /// use zigalloc::heap::PAGE_ALLOCATOR;
    ///
    /// let config = DebugConfig { report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// let mut on_stack = 7;
    /// // SAFETY: not a block, which this allocator finds; the variable may be overwritten.
    /// unsafe { debug.allocator().destroy(std::ptr::NonNull::from(&mut on_stack)) };
    /// assert_eq!(debug.count(ReportKind::InvalidFree), 1);
    /// assert_eq!(debug.count(ReportKind::DoubleFree), 0);
    /// ```
    ///
    /// A wrong length or alignment is a mistake of the caller, and the block is freed nevertheless:
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::heap::debug::{DebugAllocator, DebugConfig, ReportKind};
    /// # use zigalloc::{AlignedSlice, heap::PAGE_ALLOCATOR};
    /// let config = DebugConfig { safety: true, report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// let (first, second) = (debug.allocator().alloc::<u8>(100)?, debug.allocator().alloc::<u8>(100)?);
    /// let too_short = NonNull::slice_from_raw_parts(first.cast::<u8>(), 99);
    /// let too_aligned = AlignedSlice::<u8, 16>::from_raw_parts(second.cast(), 100);
    /// // SAFETY: mistakes that this allocator finds; the memory is not used afterwards.
    /// unsafe { debug.allocator().free(too_short) };
    /// unsafe { debug.allocator().free(too_aligned) };
    /// let kinds = [ReportKind::WrongLength, ReportKind::WrongAlignment, ReportKind::DoubleFree];
    /// assert_eq!(kinds.map(|kind| debug.count(kind)), [1, 1, 0]);
    /// assert_eq!(debug.detect_leaks(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn count(&self, kind: ReportKind) -> usize {
        self.reporter.count(kind)
    }

    /// The first report that was made.
    ///
    /// For a test that expects a mistake of a certain kind:
    ///
    /// ```
    /// use zigalloc::heap::debug::{DebugAllocator, DebugConfig, Operation};
    /// use zigalloc::heap::PAGE_ALLOCATOR;
    /// use std::ptr::NonNull;
    ///
    /// let config = DebugConfig { report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// assert_eq!(debug.first_report(), None);
    /// let memory = debug.allocator().alloc::<u8>(100)?;
    /// // SAFETY: inside the block.
    /// let middle = unsafe { memory.cast::<u8>().add(50) };
    /// // SAFETY: not the start of a block, which this allocator finds.
    /// unsafe { debug.allocator().free(NonNull::slice_from_raw_parts(middle, 50)) };
    /// let report = debug.first_report().unwrap();
    /// assert_eq!((report.operation, report.address), (Operation::Free, middle.addr().get()));
    /// assert_eq!(report.inside, Some(memory.addr().get()));
    /// # unsafe { debug.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Later mistakes do not replace it:
    ///
    /// ```
    /// # use zigalloc::heap::debug::{DebugAllocator, DebugConfig, ReportKind};
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let config = DebugConfig { safety: true, report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// let (kept, freed) = (debug.allocator().create_with(1)?, debug.allocator().create_with(2)?);
    /// // SAFETY: the second is a double free, which is found; `kept` keeps the page mapped.
    /// unsafe { debug.allocator().destroy(freed) };
    /// unsafe { debug.allocator().destroy(freed) };
    /// assert_eq!(debug.detect_leaks(), 1);
    /// let first = debug.first_report().unwrap();
    /// assert_eq!((first.kind, first.len, first.address), (ReportKind::DoubleFree, 4, freed.addr().get()));
    /// # unsafe { debug.allocator().destroy(kept) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn first_report(&self) -> Option<Report> {
        self.reporter.first()
    }

    /// The total length of the live blocks in bytes, as requested. 0 unless
    /// [`enable_memory_limit`](DebugConfig::enable_memory_limit) is on.
    ///
    /// Ports the field `total_requested_bytes`.
    ///
    /// ```
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// let config = DebugConfig { enable_memory_limit: true, ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// let memory = debug.allocator().alloc::<u8>(33)?;
    /// assert_eq!(debug.total_requested_bytes(), 33, "not the 64 of its slot");
    /// # unsafe { debug.allocator().free(memory) };
    /// # assert_eq!(debug.total_requested_bytes(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// It follows each change of length:
    ///
    /// ```
    /// # use zigalloc::{SlicePtr, heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR}};
    /// let config = DebugConfig { enable_memory_limit: true, ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// let memory = debug.allocator().alloc::<u8>(40)?;
    /// // SAFETY: a live block, used with its new length only.
    /// assert!(unsafe { debug.allocator().resize(memory, 60) });
    /// assert_eq!(debug.total_requested_bytes(), 60);
    /// assert!(debug.allocator().alloc::<u8>(usize::MAX).is_err());
    /// assert_eq!(debug.total_requested_bytes(), 60, "a refused request is not counted");
    /// unsafe { debug.allocator().free(memory.with_len(60)) };
    /// assert_eq!(debug.total_requested_bytes(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn total_requested_bytes(&self) -> usize {
        self.lock().state.total_requested_bytes
    }

    /// The limit on the total length of the live blocks in bytes. `usize::MAX` unless it was set.
    ///
    /// Ports the field `requested_memory_limit`.
    ///
    /// ```
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// let config = DebugConfig { enable_memory_limit: true, ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// assert_eq!(debug.requested_memory_limit(), usize::MAX);
    /// debug.set_requested_memory_limit(1000);
    /// let left = debug.requested_memory_limit() - debug.total_requested_bytes();
    /// assert_eq!(left, 1000);
    /// ```
    pub fn requested_memory_limit(&self) -> usize {
        self.lock().state.requested_memory_limit
    }

    /// Limits the total length of the live blocks in bytes: a request that would exceed the limit is out of memory, or
    /// refused. Live blocks that already exceed it remain valid.
    ///
    /// # Panics
    /// If [`enable_memory_limit`](DebugConfig::enable_memory_limit) is off, since nothing is counted then.
    ///
    /// ```
    /// use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    ///
    /// let config = DebugConfig { enable_memory_limit: true, ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// debug.set_requested_memory_limit(1000);
    /// assert!(debug.allocator().alloc::<u8>(1001).is_err());
    /// ```
    ///
    /// A test that a program stays within a budget, growth included:
    ///
    /// ```
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// let config = DebugConfig { enable_memory_limit: true, ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// debug.set_requested_memory_limit(100);
    /// let memory = debug.allocator().alloc::<u8>(60)?;
    /// assert!(debug.allocator().alloc::<u8>(41).is_err());
    /// // SAFETY: a live block, which stays as it is.
    /// assert!(!unsafe { debug.allocator().resize(memory, 101) });
    /// debug.set_requested_memory_limit(1000);
    /// let more = debug.allocator().alloc::<u8>(41)?;
    /// # unsafe { debug.allocator().free(more) };
    /// unsafe { debug.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
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
            if self.config.thread_safe {
                return self.state.lock_contended();
            }
            self.state.lock_unless_in_call().unwrap_or_else(|| {
                panic!("DebugAllocator: called while another call is in progress, and thread_safe is false")
            })
        });
        Locked {
            state,
            child: self.child_allocator.as_allocator(),
            config: &self.config,
            geometry: &self.geometry,
        }
    }

    /// Records a call before it is made. The stack is walked here, without the lock.
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
        let place = (entry.addr(), here);
        let site = CallSite::capture(ret_addr, place, self.reporter.options(), stack);
        PendingReport::new(Call { operation, address, len, alignment, site }, self.reporter.options())
    }

    #[inline(always)]
    fn end(&self, pending: &mut PendingReport<'_>) {
        if !pending.is_empty() {
            self.reporter.report_pending(pending);
            if pending.has(ReportKind::Corruption) {
                // No metadata of the page can be trusted any more, including links to other pages.
                std::process::abort();
            }
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
        assert!(len > 0, "DebugAllocator: alloc of 0 bytes; the least is 1");
        if this.is_quick {
            if let Some(held) = this.state.try_lock() {
                // If the class has a free slot, this is all there is to do. Everything else takes the slow path.
                // SAFETY: `is_quick` implies no traces.
                let memory = unsafe { held.alloc_quick(&this.geometry, len, alignment) };
                return if memory.is_some() {
                    memory
                } else {
                    // SAFETY: `len` is not zero, as asserted above.
                    unsafe { this.alloc_held(held, len, alignment, ret_addr) }
                };
            }
        }
        // SAFETY: `len` is not zero, as asserted above.
        black_box(unsafe { this.alloc_in_full(None, len, alignment, ret_addr, return_address()) })
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
        unsafe { this.set_len(Operation::Resize, address, memory_len, alignment, new_len, ret_addr) }
            .is_some()
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
        unsafe { this.set_len(Operation::Remap, address, memory_len, alignment, new_len, ret_addr) }
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
        if this.is_quick {
            if let Some(held) = this.state.try_lock() {
                // As in `alloc`: if the block is live, is as it was recorded, and another one of its page is live too,
                // this is all.
                // SAFETY: `is_quick` implies no traces; our caller does not use the block (dead-pointer).
                if !unsafe { held.free_quick(&this.geometry, address, memory_len, alignment) } {
                    // SAFETY: our caller does not use the block (dead-pointer).
                    unsafe { this.free_held(held, address, memory_len, alignment, ret_addr) };
                }
                return;
            }
        }
        let here = return_address();
        // SAFETY: our caller does not use the block (dead-pointer).
        black_box(unsafe { this.free_in_full(None, address, memory_len, alignment, ret_addr, here) });
    }

    // ---- their slow paths ----

    /// [`alloc_in_full`](Self::alloc_in_full) with the lock. No trace is captured.
    ///
    /// # Safety
    /// `len` is not zero (non-zero).
    #[cold]
    #[inline(never)]
    unsafe fn alloc_held<'d>(
        &'d self,
        held: Guard<'d, State>,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `len` is not zero, by our caller.
        unsafe { self.alloc_in_full(Some(held), len, alignment, ret_addr, 0) }
    }

    /// `held` is the lock if this call has it already. `here` is an address in the function of the table, or in the
    /// function that it is inlined into. That function must be on the stack, where the trace starts: hence the
    /// `black_box` around the result, without which the call might become a jump.
    ///
    /// # Safety
    /// `len` is not zero (non-zero).
    #[inline(never)]
    unsafe fn alloc_in_full<'d>(
        &'d self,
        held: Option<Guard<'d, State>>,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
        here: usize,
    ) -> Option<NonNull<u8>> {
        let mut stack = None;
        let mut pending = self.begin(&mut stack, Operation::Alloc, 0, len, alignment, (ret_addr, here));
        // SAFETY: `len` is not zero, by our caller.
        let memory = unsafe { self.locked(held).alloc(&mut pending, ret_addr) };
        self.end(&mut pending);
        if self.config.verbose_log {
            print_line(format_args!(
                "DebugAllocator: alloc of {len} bytes, aligned to 2^{}: {memory:?}",
                alignment.log2()
            ));
        }
        memory
    }

    /// `resize` and `remap`, by `operation`. It is inlined into them, since traces start there.
    ///
    /// # Safety
    /// If this succeeds, what it ends is not used any more (dead-pointer): the bytes past `new_len`, and the old
    /// block if it has moved.
    #[inline(always)]
    unsafe fn set_len(
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
        let mut pending =
            self.begin(&mut stack, operation, address, len, alignment, (ret_addr, return_address()));
        // SAFETY: `new_len` is not zero; our caller does not use what a success ends.
        let resized = unsafe { self.lock().resize(&mut pending, new_len, ret_addr) };
        self.end(&mut pending);
        if self.config.verbose_log {
            print_line(format_args!(
                "DebugAllocator: {operation} of {len} bytes at {address:#x} to {new_len}: {resized:?}"
            ));
        }
        resized
    }

    /// [`free_in_full`](Self::free_in_full) with the lock. No trace is captured.
    ///
    /// # Safety
    /// The block is not used any more (dead-pointer).
    #[cold]
    #[inline(never)]
    unsafe fn free_held<'d>(
        &'d self,
        held: Guard<'d, State>,
        address: usize,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: our caller does not use the block.
        unsafe { self.free_in_full(Some(held), address, len, alignment, ret_addr, 0) };
    }

    /// `held` and `here` are as for [`alloc_in_full`](Self::alloc_in_full); the result is for its `black_box`.
    ///
    /// # Safety
    /// The block is not used any more (dead-pointer).
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
        let mut pending = self.begin(&mut stack, Operation::Free, address, len, alignment, (ret_addr, here));
        // SAFETY: our caller does not use the block.
        unsafe { self.locked(held).free(&mut pending, ret_addr) };
        self.end(&mut pending);
        if self.config.verbose_log {
            print_line(format_args!("DebugAllocator: free of {len} bytes at {address:#x}"));
        }
        true
    }

    /// Whether the child has exited the process in the middle of a call, which then never returns: destructors of
    /// thread-local values run, and one of them drops this allocator. Its state cannot be trusted, so everything leaks.
    /// (A fork in another thread has the lock for a moment only.)
    fn is_abandoned(&mut self) -> bool {
        self.state.try_lock().is_none() && self.state.lock_unless_in_call().is_none()
    }

    /// Frees all memory to the child. Doing it twice is harmless.
    fn release(&mut self) {
        // SAFETY: `self` is borrowed exclusively, which ends all blocks (validity).
        unsafe { self.lock().release() };
    }
}

impl<C: Handle> Drop for DebugAllocator<C> {
    fn drop(&mut self) {
        /// Frees the memory even if the report function panics at a leak.
        struct Release<'d, C: Handle>(&'d mut DebugAllocator<C>);
        impl<C: Handle> Drop for Release<'_, C> {
            fn drop(&mut self) {
                self.0.release();
            }
        }
        if self.is_abandoned() {
            return;
        }
        let this = Release(self);
        // A panic leaks blocks that would have been freed; reporting them would not help.
        if this.0.config.safety && !std::thread::panicking() {
            this.0.detect_leaks();
        }
    }
}

// SAFETY: 1. See `handle`. 2. The state is its own. If it is `Send`, its child is a `SyncHandle`, which any thread
// may call. 3. There is a lock. With `thread_safe` off, a call that finds it taken aborts, as that option says. 4. All
// handles have the same state, `self`, and table.
unsafe impl<C: Handle> AsAllocator for DebugAllocator<C> {
    fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

impl<C: Handle> fmt::Debug for DebugAllocator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugAllocator")
            .field("child_allocator", &self.child_allocator)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
