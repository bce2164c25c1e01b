//! The options of a debug allocator.

use core::fmt;

use super::report::{Report, print};
use crate::heap::PAGE_SIZE_MAX;

/// The most addresses that a trace can have.
pub const MAX_STACK_TRACE_FRAMES: usize = 32;

/// The largest [`DebugConfig::page_size`], in bytes: 4 MiB.
pub const MAX_PAGE_SIZE: usize = 4 << 20;

/// What a [`DebugAllocator`](super::DebugAllocator) does, and at which cost. Zig's
/// `std.heap.DebugAllocatorConfig`.
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
#[doc(alias = "DebugAllocatorConfig")]
#[doc(alias = "GeneralPurposeAllocatorConfig")]
#[derive(Clone, Copy)]
pub struct DebugConfig {
    /// How many addresses to store for the allocation of a block, and as many for its end. At most
    /// [`MAX_STACK_TRACE_FRAMES`].
    ///
    /// The first is in the function that called. Without the feature `backtrace` the others are not
    /// known, so that more than one is a waste.
    ///
    /// Default: 6 with the feature `backtrace` and 1 without, in builds with `debug_assertions`;
    /// otherwise 0.
    pub stack_trace_frames: usize,

    /// Whether to count the requested bytes, and allow a limit on them:
    /// [`set_requested_memory_limit`](super::DebugAllocator::set_requested_memory_limit).
    ///
    /// Default: no.
    pub enable_memory_limit: bool,

    /// Whether to store the length and the alignment of each small block and compare them on every
    /// later call, to watch the bytes behind a block, and to look for leaks in the end.
    ///
    /// Calls with an address that is no live block are found in any case.
    ///
    /// Default: in builds with `debug_assertions`.
    pub safety: bool,

    /// Whether several threads may call at once. If not, a call that finds another one in progress
    /// aborts with a message, and there is no [`SyncAllocator`](crate::SyncAllocator) handle.
    ///
    /// Default: yes.
    pub thread_safe: bool,

    /// Whether to give no block back to the child when it is freed. (A large block that a `remap` has
    /// moved or shortened is the child's own affair.) Reading freed memory is then no fault of the
    /// machine, and a second free of any block is known as such. All memory is leaked, unless
    /// `retain_metadata` is set too.
    ///
    /// Default: no.
    pub never_unmap: bool,

    /// How many bytes of freed memory, pages and large blocks of the child, to keep for a while before
    /// the child gets them back: at most the last 16 such blocks. A mistake with them is then no fault
    /// of the machine, and a second free of any block of such a page is known as one. Not in Zig.
    ///
    /// That matters with `debug_assertions`, where [`Allocator::free`](crate::Allocator::free) fills the
    /// memory before the allocator is called and can say that it has been freed before.
    ///
    /// Default: 0.
    pub quarantine: usize,

    /// Whether to remember freed large blocks until [`flush_retained_metadata`] or the end, so that a
    /// second free is reported with all traces. With `never_unmap`, all memory is given back then.
    ///
    /// Default: no.
    ///
    /// [`flush_retained_metadata`]: super::DebugAllocator::flush_retained_metadata
    pub retain_metadata: bool,

    /// Whether to print a line for every call to the standard error stream.
    ///
    /// Default: no.
    pub verbose_log: bool,

    /// Whether new memory of the child is zero. It makes no difference: nothing is read that has not
    /// been written. It is here for the sake of Zig code that sets it.
    ///
    /// Default: yes.
    pub backing_allocator_zeroes: bool,

    /// Whether a successful `resize` or `remap` becomes the allocation that reports name.
    ///
    /// Default: no.
    pub resize_stack_traces: bool,

    /// The word that stands in the header of every page. If it has changed, someone has written
    /// where they should not.
    ///
    /// Default: 0x9232a6ff85dff10f, or as much of it as there is room for.
    pub canary: usize,

    /// The length and alignment, in bytes, of the blocks that the child is asked for and that hold
    /// small blocks. A power of two, at most [`MAX_PAGE_SIZE`].
    ///
    /// Default: 64 KiB on Windows and WebAssembly; elsewhere 128 KiB, or
    /// [`PAGE_SIZE_MAX`] if that is more.
    pub page_size: usize,

    /// Who is told of what is found: misuse at once, in the thread that made the call; leaks in the end.
    ///
    /// The function may use the allocator that the report is about. It must not panic when misuse is
    /// reported, as functions of a table do not unwind: the process aborts. Not in Zig, where reports
    /// are logged.
    ///
    /// Default: prints to the standard error stream.
    pub report: fn(&Report),
}

impl DebugConfig {
    /// The default options, which are Zig's.
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
        retain_metadata: false,
        verbose_log: false,
        backing_allocator_zeroes: true,
        resize_stack_traces: false,
        canary: 0x9232_a6ff_85df_f10f_u64 as usize,
        page_size: DEFAULT_PAGE_SIZE,
        report: print,
    };
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
            retain_metadata,
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
            .field("retain_metadata", &retain_metadata)
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
