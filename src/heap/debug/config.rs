//! The options of a debug allocator.

use core::fmt;

use crate::heap::PAGE_SIZE_MAX;
use crate::heap::report::{Maker, Report, ReportOptions, print};
use crate::symbol::SKIP_FRAMES;

/// The most frames that a report can show of a stack.
///
/// A larger number panics, at compile time if the allocator is a `static`:
///
/// ```compile_fail,E0080
/// use zigalloc::SyncAllocator;
/// use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR, debug::MAX_STACK_TRACE_FRAMES};
///
/// const CONFIG: DebugConfig =
///     DebugConfig { stack_trace_frames: MAX_STACK_TRACE_FRAMES + 1, ..DebugConfig::DEFAULT };
/// static DEBUG: DebugAllocator<SyncAllocator<'static>> =
///     DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
/// ```
pub const MAX_STACK_TRACE_FRAMES: usize = 32;

/// The largest [`DebugConfig::page_size`], in bytes: 4 MiB.
///
/// With pages of this size, blocks of up to 1 MiB share pages:
///
/// ```
/// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR, debug::MAX_PAGE_SIZE};
/// let config = DebugConfig { page_size: MAX_PAGE_SIZE, ..DebugConfig::DEFAULT };
/// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
/// let first = debug.allocator().alloc::<u8>(1 << 20)?;
/// let second = debug.allocator().alloc::<u8>(1 << 20)?;
/// assert_eq!(second.addr().get(), first.addr().get() + (1 << 20));
/// # unsafe { debug.allocator().free(first) };
/// # unsafe { debug.allocator().free(second) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub const MAX_PAGE_SIZE: usize = 4 << 20;

/// The options of a [`DebugAllocator`](super::DebugAllocator). Zig's `std.heap.DebugAllocatorConfig`.
///
/// Zig's configuration is a parameter of the type; here it is a value, which a `const` can hold.
///
/// ```
/// use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
///
/// const CONFIG: DebugConfig = DebugConfig { stack_trace_frames: 10, safety: true, ..DebugConfig::DEFAULT };
/// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
/// # let _ = debug.deinit();
/// ```
///
/// Three sets of options. In a test, find everything; in a service, the mistakes that corrupt memory; while debugging,
/// stop at the first:
///
/// ```
/// use zigalloc::heap::debug::{DebugConfig, Report};
///
/// const IN_TESTS: DebugConfig =
///     DebugConfig { safety: true, quarantine: 1 << 20, stack_trace_frames: 8, ..DebugConfig::DEFAULT };
/// const IN_SERVICE: DebugConfig =
///     DebugConfig { safety: false, stack_trace_frames: 0, ..DebugConfig::DEFAULT };
///
/// fn stop(report: &Report) {
///     eprintln!("{report}");
///     std::process::abort();
/// }
/// const WHILE_DEBUGGING: DebugConfig = DebugConfig { report: stop, leak_limit: 1, ..IN_TESTS };
///
/// assert!(WHILE_DEBUGGING.safety && WHILE_DEBUGGING.quarantine == IN_TESTS.quarantine);
/// assert!(!IN_SERVICE.enable_memory_limit && IN_SERVICE.thread_safe);
/// ```
#[derive(Clone, Copy)]
pub struct DebugConfig {
    /// How many frames a report shows of the stack of an allocation, and of that of a free; 0 stores neither. At most
    /// [`MAX_STACK_TRACE_FRAMES`].
    ///
    /// With the feature `backtrace`, every call walks the stack and stores all of it, up to 64 frames: each distinct
    /// stack once, in pages of the operating system that are freed with the allocator. That is slow. It is not done if
    /// this is 0, or if it is 1, `skip_frames` is empty and the call has a return address. A report skips the frames of
    /// libraries ([`skip_frames`](Self::skip_frames)) before it counts. Without the feature, only the caller's address
    /// is known, and more than 1 wastes memory.
    ///
    /// Default: 6 with the feature `backtrace` and 1 without, in builds with `debug_assertions`; otherwise 0.
    pub stack_trace_frames: usize,

    /// The libraries whose functions reports leave out, so that a trace starts in the program's own code: names of
    /// crates (`"hashbrown"`), or paths of modules or functions in them (`"my_app::containers"`). A frame is left out
    /// if all functions in it, those that are inlined included, are of these libraries, or of this crate. It does not
    /// count as one of the [`stack_trace_frames`](Self::stack_trace_frames). If nothing is left of a stack, it is shown
    /// as it is. With an empty list, only functions of this crate are left out.
    ///
    /// Names are looked up when a report is printed, or leaks are grouped. Without the feature `backtrace` it has
    /// no effect. Not in Zig.
    ///
    /// Default: [`DebugConfig::SKIP_FRAMES`].
    pub skip_frames: &'static [&'static str],

    /// Whether to count the requested bytes and allow a limit on them:
    /// [`set_requested_memory_limit`](super::DebugAllocator::set_requested_memory_limit).
    ///
    /// Default: no.
    ///
    /// ```
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// let debug = DebugAllocator::init(PAGE_ALLOCATOR);
    /// let memory = debug.allocator().alloc::<u8>(100)?;
    /// assert_eq!(debug.total_requested_bytes(), 0, "not counted by default");
    /// # unsafe { debug.allocator().free(memory) };
    /// let counted = DebugConfig { enable_memory_limit: true, ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, counted);
    /// let memory = debug.allocator().alloc::<u8>(100)?;
    /// assert_eq!(debug.total_requested_bytes(), 100);
    /// # unsafe { debug.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub enable_memory_limit: bool,

    /// Whether to store the length and the alignment of each small block and compare them on every later call, to check
    /// the bytes after a small block, and to search for leaks at the end.
    ///
    /// Calls with an address that is not a live block's are found in any case.
    ///
    /// Default: in builds with `debug_assertions`.
    ///
    /// Without it, a wrong length of the same size class goes unnoticed:
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR, debug::ReportKind};
    /// for (safety, found) in [(true, 1), (false, 0)] {
    ///     let config = DebugConfig { safety, report: |_| (), ..DebugConfig::DEFAULT };
    ///     let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    ///     let memory = debug.allocator().alloc::<u8>(100)?;
    ///     let shorter = NonNull::slice_from_raw_parts(memory.cast::<u8>(), 70); // also in a slot of 128 bytes
    ///     // SAFETY: a mistake; this allocator uses the slot's own length. The block is not used afterwards.
    ///     unsafe { debug.allocator().free(shorter) };
    ///     assert_eq!(debug.count(ReportKind::WrongLength), found);
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub safety: bool,

    /// Whether several threads may call at once. If not, a call during another call aborts with a message, and there is
    /// no [`SyncAllocator`](crate::SyncAllocator) handle.
    ///
    /// Default: yes.
    ///
    /// Without it, `allocator` panics for a child that several threads may call:
    ///
    /// ```should_panic
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// let config = DebugConfig { thread_safe: false, ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config); // `*PAGE_ALLOCATOR` would do
    /// let allocator = debug.allocator();
    /// ```
    pub thread_safe: bool,

    /// Whether to keep freed blocks from the child. (If a `remap` moves or shortens a large block, the child has the
    /// memory.) Use after free then does not fault, and every double free of a small block is diagnosed as one. All
    /// memory is leaked, unless `retain_metadata` is set too.
    ///
    /// Default: no.
    ///
    /// ```
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// let config = DebugConfig { never_unmap: true, retain_metadata: true, ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// let memory = debug.allocator().alloc::<u8>(100_000)?;
    /// // SAFETY: a live block. It stays mapped after the free, so reading it does not fault.
    /// unsafe { debug.allocator().free(memory) };
    /// let stale = unsafe { memory.cast::<u8>().read_volatile() };
    /// assert!(stale == 0xAA || cfg!(not(debug_assertions)) || cfg!(miri), "what `free` has written");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub never_unmap: bool,

    /// How many bytes of freed memory to keep before they are freed to the child. It is kept in whole blocks of the
    /// child, which are pages and large blocks: at most the last 16, and none longer than this. Use after free then
    /// does not fault, and a second free of any block of such a page is a `DoubleFree`. Not in Zig.
    ///
    /// That matters with `debug_assertions`, where [`Allocator::free`](crate::Allocator::free) writes to the memory
    /// before the allocator can report that it has already been freed.
    ///
    /// Default: 0.
    ///
    /// ```
    /// # use zigalloc::{heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR}, trace::CountingAllocator};
    /// let below = CountingAllocator::init(PAGE_ALLOCATOR);
    /// let config = DebugConfig { quarantine: 300_000, ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(below.allocator(), config);
    /// let free_one = |len| {
    ///     let memory = debug.allocator().alloc::<u8>(len).unwrap();
    ///     // SAFETY: a live block, not used afterwards.
    ///     unsafe { debug.allocator().free(memory) };
    /// };
    /// free_one(200_000);
    /// assert!(below.snapshot().live_bytes >= 200_000, "kept");
    /// free_one(250_000);
    /// assert!(below.snapshot().live_bytes < 450_000, "there is room for one of the two");
    /// ```
    pub quarantine: usize,

    /// Whether to keep an empty page of each size class for the next blocks of the class, instead of freeing it to the
    /// child. A program whose only block of a class comes and goes then does not cost the child a page each time, and
    /// over an arena, which frees nothing, its memory stays bounded. Not in Zig.
    ///
    /// At most one page per class is kept: 2 MiB with the default [`page_size`](Self::page_size). Pages are freed when
    /// the child refuses a request, which is then repeated; by [`flush_retained_metadata`]; and on drop. A page that
    /// leaves [`quarantine`](Self::quarantine) may be kept; with `never_unmap` none is.
    ///
    /// A kept page stays mapped, so use after free does not fault there, as it may in a page that is freed to the
    /// operating system. In turn, a second free of any of its blocks is a `DoubleFree`, until the page is used again.
    /// Then its addresses are those of new blocks, as if the child had returned the same page.
    ///
    /// Default: yes.
    ///
    /// ```
    /// # use zigalloc::{heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR}, trace::CountingAllocator};
    /// for (keep_empty_pages, pages) in [(true, 1), (false, 100)] {
    ///     let below = CountingAllocator::init(PAGE_ALLOCATOR);
    ///     let config = DebugConfig { keep_empty_pages, ..DebugConfig::DEFAULT };
    ///     let debug = DebugAllocator::with_config(below.allocator(), config);
    ///     for n in 0..100 {
    ///         let number = debug.allocator().create_with(n)?;
    ///         // SAFETY: a live block, not used afterwards.
    ///         unsafe { debug.allocator().destroy(number) };
    ///     }
    ///     // One more is for the table of pages.
    ///     assert_eq!(below.snapshot().alloc.calls, pages + 1);
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// [`flush_retained_metadata`]: super::DebugAllocator::flush_retained_metadata
    pub keep_empty_pages: bool,

    /// Whether to remember freed large blocks until [`flush_retained_metadata`] or drop, so that a second free is
    /// reported with all traces. With `never_unmap`, all memory is freed to the child then.
    ///
    /// Default: no.
    ///
    /// [`flush_retained_metadata`]: super::DebugAllocator::flush_retained_metadata
    pub retain_metadata: bool,

    /// Whether a search for leaks makes one report for all blocks that were allocated in one place: those whose traces
    /// are equal as far as a report shows them. [`Report::count`] and [`Report::total_len`] are the totals, and the
    /// other fields are those of the first block. Blocks without a trace are one report. Not in Zig, where each block
    /// is a report.
    ///
    /// Default: yes.
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicUsize, Ordering};
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// static REPORTS: AtomicUsize = AtomicUsize::new(0);
    /// let report = |_: &_| _ = REPORTS.fetch_add(1, Ordering::Relaxed);
    ///
    /// for (group_leaks, expected) in [(true, 1), (false, 10)] {
    ///     let config = DebugConfig { group_leaks, report, safety: true, ..DebugConfig::DEFAULT };
    ///     let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    ///     for n in 0..10 {
    ///         debug.allocator().create_with(n)?; // all in one place
    ///     }
    ///     assert_eq!(debug.detect_leaks(), 10);
    ///     assert_eq!(REPORTS.swap(0, Ordering::Relaxed), expected);
    ///     debug.deinit_without_leak_checks();
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub group_leaks: bool,

    /// The most reports that a search for leaks makes: those with the most bytes. One more report, of the kind
    /// [`MoreLeaks`](super::ReportKind::MoreLeaks), says how many were left out. All leaks are counted. Not in Zig.
    ///
    /// Default: 100.
    ///
    /// ```
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR, debug::ReportKind};
    /// let config = DebugConfig { leak_limit: 2, group_leaks: false, report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// for n in 0..5 {
    ///     debug.allocator().create_with(n)?;
    /// }
    /// assert_eq!(debug.detect_leaks(), 5);
    /// assert_eq!(debug.count(ReportKind::Leak), 5, "counted, whether they are reported or not");
    /// # debug.deinit_without_leak_checks();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub leak_limit: usize,

    /// Whether to print a line for every call to the standard error stream.
    ///
    /// Default: no.
    pub verbose_log: bool,

    /// Whether new memory of the child is zero. This has no effect, since nothing is read before it is written. It
    /// exists for Zig code that sets it.
    ///
    /// Default: yes.
    pub backing_allocator_zeroes: bool,

    /// Whether a successful `resize` or `remap` becomes the allocation that reports name.
    ///
    /// Default: no.
    ///
    /// ```
    /// # use zigalloc::{SlicePtr, heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR}};
    /// # use zigalloc::Alignment;
    /// for (resize_stack_traces, named) in [(false, 0x1111), (true, 0x2222)] {
    ///     let config = DebugConfig { resize_stack_traces, stack_trace_frames: 1, ..DebugConfig::DEFAULT };
    ///     let config = DebugConfig { report: |_| (), ..config };
    ///     let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    ///     let memory = debug.allocator().alloc_advanced_with_ret_addr::<u8, 0>(100, 0x1111)?;
    ///     // SAFETY: a live block, used with its new length only.
    ///     assert!(unsafe { debug.allocator().raw_resize(memory.bytes(), Alignment::_1, 120, 0x2222) });
    ///     debug.detect_leaks();
    ///     # if cfg!(feature = "backtrace") { unsafe { debug.allocator().free(memory.with_len(120)) }; continue }
    ///     assert_eq!(debug.first_report().unwrap().allocation.addresses(), [named]);
    ///     unsafe { debug.allocator().free(memory.with_len(120)) };
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub resize_stack_traces: bool,

    /// A word in the header of every page. If it has changed, the header has been overwritten.
    ///
    /// Default: 0x9232a6ff85dff10f, truncated to a word.
    pub canary: usize,

    /// The length and alignment, in bytes, of the child's blocks that hold small blocks. A power of two, at most
    /// [`MAX_PAGE_SIZE`].
    ///
    /// Default: 64 KiB on Windows and WebAssembly; elsewhere 128 KiB, or
    /// [`PAGE_SIZE_MAX`] if that is more.
    pub page_size: usize,

    /// The function that receives reports: of misuse at once, in the thread that made the call; of leaks at the end.
    ///
    /// The function may use the allocator that the report is about. If it panics on a report of misuse, the process
    /// aborts, since the functions of a table do not unwind. Not in Zig, where reports are logged.
    ///
    /// Default: prints to the standard error stream.
    pub report: fn(&Report),
}

impl DebugConfig {
    /// The default of [`skip_frames`](Self::skip_frames): the standard library with what the compiler puts between a
    /// program and its global allocator, and crates of containers and of allocators.
    ///
    /// Leave out a module of your own as well:
    ///
    /// ```
    /// # use zigalloc::heap::DebugConfig;
    /// use std::sync::LazyLock;
    ///
    /// static SKIP_FRAMES: LazyLock<Vec<&str>> =
    ///     LazyLock::new(|| [DebugConfig::SKIP_FRAMES, &["my_app::containers"]].concat());
    ///
    /// let config = DebugConfig { skip_frames: &SKIP_FRAMES, ..DebugConfig::DEFAULT };
    /// assert!(config.skip_frames.contains(&"hashbrown"));
    /// assert!(config.skip_frames.contains(&"my_app::containers"));
    /// ```
    pub const SKIP_FRAMES: &'static [&'static str] = SKIP_FRAMES;

    /// The default options, which are Zig's.
    ///
    /// ```
    /// # use zigalloc::heap::DebugConfig;
    /// const CONFIG: DebugConfig = DebugConfig { leak_limit: 10, ..DebugConfig::DEFAULT };
    /// assert!(CONFIG.thread_safe && !CONFIG.never_unmap);
    /// ```
    pub const DEFAULT: DebugConfig = DebugConfig {
        stack_trace_frames: match (cfg!(debug_assertions), cfg!(feature = "backtrace")) {
            (true, true) => 6,
            (true, false) => 1,
            (false, _) => 0,
        },
        enable_memory_limit: false,
        safety: cfg!(debug_assertions),
        thread_safe: true,
        never_unmap: false,
        quarantine: 0,
        keep_empty_pages: true,
        retain_metadata: false,
        skip_frames: DebugConfig::SKIP_FRAMES,
        group_leaks: true,
        leak_limit: 100,
        verbose_log: false,
        backing_allocator_zeroes: true,
        resize_stack_traces: false,
        canary: 0x9232_a6ff_85df_f10f_u64 as usize,
        page_size: DEFAULT_PAGE_SIZE,
        report: print,
    };
}

impl DebugConfig {
    pub(super) const fn report_options(&self) -> ReportOptions {
        ReportOptions {
            maker: Maker::Debug,
            stack_trace_frames: self.stack_trace_frames,
            skip_frames: self.skip_frames,
        }
    }
}

const DEFAULT_PAGE_SIZE: usize = if cfg!(windows) || cfg!(target_family = "wasm") {
    64 << 10
} else if PAGE_SIZE_MAX > 128 << 10 {
    PAGE_SIZE_MAX
} else {
    128 << 10
};

/// The canary is hexadecimal.
impl fmt::Debug for DebugConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DebugConfig {
            stack_trace_frames,
            enable_memory_limit,
            safety,
            thread_safe,
            never_unmap,
            quarantine,
            keep_empty_pages,
            retain_metadata,
            skip_frames,
            group_leaks,
            leak_limit,
            verbose_log,
            backing_allocator_zeroes,
            resize_stack_traces,
            canary,
            page_size,
            report,
        } = *self;
        f.debug_struct("DebugConfig")
            .field("stack_trace_frames", &stack_trace_frames)
            .field("enable_memory_limit", &enable_memory_limit)
            .field("safety", &safety)
            .field("thread_safe", &thread_safe)
            .field("never_unmap", &never_unmap)
            .field("quarantine", &quarantine)
            .field("keep_empty_pages", &keep_empty_pages)
            .field("retain_metadata", &retain_metadata)
            .field("skip_frames", &skip_frames)
            .field("group_leaks", &group_leaks)
            .field("leak_limit", &leak_limit)
            .field("verbose_log", &verbose_log)
            .field("backing_allocator_zeroes", &backing_allocator_zeroes)
            .field("resize_stack_traces", &resize_stack_traces)
            .field("canary", &format_args!("{canary:#x}"))
            .field("page_size", &page_size)
            .field("report", &report)
            .finish()
    }
}

impl Default for DebugConfig {
    /// [`DebugConfig::DEFAULT`].
    fn default() -> DebugConfig {
        DebugConfig::DEFAULT
    }
}
