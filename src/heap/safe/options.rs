//! The options of a safe allocator.

use core::fmt;

use crate::heap::PAGE_SIZE_MAX;
use crate::heap::debug::MAX_STACK_TRACE_FRAMES;
use crate::heap::report::{Maker, Report, ReportOptions, print};
use crate::symbol::SKIP_FRAMES;

/// The options of a [`SafeAllocator`](super::SafeAllocator). Zig's `std.heap.SafeAllocator.Options`.
///
/// ```
/// use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions};
///
/// const OPTIONS: SafeOptions = SafeOptions { check_write_after_free: true, ..SafeOptions::DEFAULT };
/// let safe = SafeAllocator::init(PAGE_ALLOCATOR, OPTIONS);
/// # assert_eq!(safe.deinit(), 0);
/// ```
///
/// In a service, every check that costs little, and no abort:
///
/// ```
/// # use zigalloc::heap::{SafeOptions, debug::Report};
/// fn log(report: &Report) {
///     eprintln!("{report}");
/// }
///
/// const IN_SERVICE: SafeOptions =
///     SafeOptions { stack_trace_frames: 0, abort: false, report: log, ..SafeOptions::DEFAULT };
/// assert!(!IN_SERVICE.abort);
/// ```
#[derive(Clone, Copy)]
pub struct SafeOptions {
    /// How many frames a report shows of the stack of an allocation, and of that of a free; 0 stores neither. At most
    /// [`MAX_STACK_TRACE_FRAMES`].
    ///
    /// Room for that many addresses and a count follows each block, twice for blocks in buckets. As in a
    /// [`DebugAllocator`](crate::heap::DebugAllocator), the whole stack is stored elsewhere, once, and the block has a
    /// word that identifies it.
    ///
    /// Default: 7 with the feature `backtrace` and 1 without, in builds with `debug_assertions`; otherwise 0.
    pub stack_trace_frames: usize,

    /// Whether a freed block is filled with 0x55, and checked when its bucket is freed to the child, or at the end.
    ///
    /// Default: in builds with `debug_assertions`.
    ///
    /// ```
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions, debug::ReportKind};
    /// for (check_write_after_free, found) in [(true, 1), (false, 0)] {
    ///     let options = SafeOptions { check_write_after_free, abort: false, ..SafeOptions::DEFAULT };
    ///     let mut safe = SafeAllocator::init(PAGE_ALLOCATOR, SafeOptions { report: |_| (), ..options });
    ///     let memory = safe.allocator().create_with(7_u64)?;
    ///     unsafe { safe.allocator().destroy(memory) };
    ///     // SAFETY: a mistake, in memory that still belongs to this allocator.
    ///     unsafe { memory.write(8) };
    ///     assert_eq!(safe.reset(), 0, "no leak");
    ///     assert_eq!(safe.count(ReportKind::WriteAfterFree), found);
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub check_write_after_free: bool,

    /// A number in every checksum.
    ///
    /// In Zig it tells the blocks of one allocator from those of another. Here they are told apart by address, so that
    /// two allocators with the same canary notice a block of the other as well.
    ///
    /// Default: 0x85dff10f.
    pub canary: u32,

    /// The length and alignment of the child's blocks that hold small blocks, as a power of two: from 8 to 30. (Zig
    /// allows 31.)
    ///
    /// Default: 13, or that of [`PAGE_SIZE_MAX`] if it is more.
    pub bucket_size_log2: u8,

    /// The size of a segment of the table of buckets and large blocks, without the segment's link, as a power of two:
    /// from 8 to 30. (Zig allows 31.)
    ///
    /// Default: that of [`PAGE_SIZE_MAX`].
    pub block_size_log2: u8,

    /// Whether the footers of long and of over-aligned blocks have the size that they have in Zig's safe build modes,
    /// where the compiler adds a word to them, or that of its fast ones. Not an option of Zig.
    ///
    /// Default: in builds with `debug_assertions`.
    pub safe_mode_footers: bool,

    /// Whether a report of misuse aborts the process, as in Zig, where it is a panic. If not, the process continues:
    /// what that means for each mistake is in the table of [`SafeAllocator`](super::SafeAllocator). Leaks never abort.
    /// Not an option of Zig.
    ///
    /// Default: yes.
    pub abort: bool,

    /// The libraries whose functions reports leave out, as
    /// [`DebugConfig::skip_frames`](crate::heap::DebugConfig::skip_frames). Not in Zig.
    ///
    /// Default: [`DebugConfig::SKIP_FRAMES`](crate::heap::DebugConfig::SKIP_FRAMES).
    pub skip_frames: &'static [&'static str],

    /// Whether blocks that leak from one place are one report, as
    /// [`DebugConfig::group_leaks`](crate::heap::DebugConfig::group_leaks). Not in Zig, where each block is a report.
    ///
    /// Default: yes.
    pub group_leaks: bool,

    /// The most reports of leaks, as [`DebugConfig::leak_limit`](crate::heap::DebugConfig::leak_limit). Not in Zig.
    ///
    /// Default: 100.
    pub leak_limit: usize,

    /// The function that receives reports: of misuse at once, in the thread that made the call; of leaks at the end.
    ///
    /// The function may use the allocator that the report is about, unless this is being freed. If it panics on a
    /// report of misuse in a call, the process aborts, since the functions of a table do not unwind. Not in Zig.
    ///
    /// Default: prints to the standard error stream.
    pub report: fn(&Report),
}

const PAGE_SIZE_LOG2: u8 = if PAGE_SIZE_MAX > 256 { PAGE_SIZE_MAX.ilog2() as u8 } else { 8 };

impl SafeOptions {
    /// The default options, which are Zig's.
    ///
    /// ```
    /// # use zigalloc::heap::SafeOptions;
    /// const OPTIONS: SafeOptions = SafeOptions { leak_limit: 10, ..SafeOptions::DEFAULT };
    /// assert_eq!((OPTIONS.canary, OPTIONS.abort), (0x85df_f10f, true));
    /// ```
    pub const DEFAULT: SafeOptions = SafeOptions {
        stack_trace_frames: match (cfg!(debug_assertions), cfg!(feature = "backtrace")) {
            (true, true) => 7,
            (true, false) => 1,
            (false, _) => 0,
        },
        check_write_after_free: cfg!(debug_assertions),
        canary: 0x85df_f10f,
        bucket_size_log2: if PAGE_SIZE_LOG2 > 13 { PAGE_SIZE_LOG2 } else { 13 },
        block_size_log2: PAGE_SIZE_LOG2,
        safe_mode_footers: cfg!(debug_assertions),
        abort: true,
        skip_frames: SKIP_FRAMES,
        group_leaks: true,
        leak_limit: 100,
        report: print,
    };

    #[track_caller]
    pub(super) const fn check(&self) {
        assert!(
            self.bucket_size_log2 >= 8 && self.bucket_size_log2 <= 30,
            "SafeOptions: bucket_size_log2 is not from 8 to 30"
        );
        assert!(
            self.block_size_log2 >= 8 && self.block_size_log2 <= 30,
            "SafeOptions: block_size_log2 is not from 8 to 30"
        );
        assert!(
            self.stack_trace_frames <= MAX_STACK_TRACE_FRAMES,
            "SafeOptions: stack_trace_frames is more than MAX_STACK_TRACE_FRAMES"
        );
    }

    pub(super) const fn report_options(&self) -> ReportOptions {
        ReportOptions {
            maker: Maker::Safe,
            stack_trace_frames: self.stack_trace_frames,
            skip_frames: self.skip_frames,
        }
    }
}

impl Default for SafeOptions {
    /// [`SafeOptions::DEFAULT`].
    fn default() -> SafeOptions {
        SafeOptions::DEFAULT
    }
}

/// The canary is hexadecimal.
impl fmt::Debug for SafeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SafeOptions {
            stack_trace_frames,
            check_write_after_free,
            canary,
            bucket_size_log2,
            block_size_log2,
            safe_mode_footers,
            abort,
            skip_frames,
            group_leaks,
            leak_limit,
            report,
        } = *self;
        f.debug_struct("SafeOptions")
            .field("stack_trace_frames", &stack_trace_frames)
            .field("check_write_after_free", &check_write_after_free)
            .field("canary", &format_args!("{canary:#x}"))
            .field("bucket_size_log2", &bucket_size_log2)
            .field("block_size_log2", &block_size_log2)
            .field("safe_mode_footers", &safe_mode_footers)
            .field("abort", &abort)
            .field("skip_frames", &skip_frames)
            .field("group_leaks", &group_leaks)
            .field("leak_limit", &leak_limit)
            .field("report", &report)
            .finish()
    }
}
