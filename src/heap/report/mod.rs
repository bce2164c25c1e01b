//! Reports: what they say, how they read, and who receives them.

mod pending;
mod places;
mod reporter;
mod text;
mod trace;

use core::fmt;

pub(crate) use pending::{Call, PendingReport};
pub(crate) use places::{Leak, Places};
#[cfg(feature = "capi")]
pub(crate) use reporter::Foreign;
pub(crate) use reporter::{Reporter, print, print_line};
pub use trace::Trace;
pub(crate) use trace::{CallSite, Maker, ReportOptions};

use places::Place;

use crate::alignment::Alignment;

/// What was found.
///
/// A report function that aborts at a mistake and prints leaks:
///
/// ```
/// use zigalloc::heap::debug::{DebugAllocator, DebugConfig, Report, ReportKind};
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// fn report(report: &Report) {
///     eprintln!("{report}");
///     match report.kind {
///         ReportKind::Leak | ReportKind::MoreLeaks => {}
///         _ => std::process::abort(),
///     }
/// }
///
/// let config = DebugConfig { report, ..DebugConfig::DEFAULT };
/// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
/// debug.allocator().alloc::<u8>(100)?;
/// assert_eq!(debug.detect_leaks(), 1);
/// # debug.deinit_without_leak_checks();
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReportKind {
    /// A block was freed, resized or remapped that had been freed before. The call does nothing.
    DoubleFree,
    /// An address was freed, resized or remapped that is not a live block's. The call does nothing.
    InvalidFree,
    /// The length is not the block's. The call uses the block's own.
    WrongLength,
    /// The alignment is not the block's. The call uses the block's own.
    WrongAlignment,
    /// Bytes after the block have been written to. The call continues.
    Overrun,
    /// Metadata has been overwritten: that of a page of a [`DebugAllocator`](crate::heap::DebugAllocator), which
    /// aborts, or that after a block of a [`SafeAllocator`](crate::heap::SafeAllocator).
    Corruption,
    /// [`Report::count`] blocks, allocated in the same place, were never freed.
    Leak,
    /// There are more leaks than [`leak_limit`](crate::heap::DebugConfig::leak_limit) allows to report. [`Report::count`] blocks were left out.
    MoreLeaks,
    /// A block was written to after it had been freed. A [`SafeAllocator`](crate::heap::SafeAllocator) finds that.
    WriteAfterFree,
}

const KINDS: usize = ReportKind::WriteAfterFree as usize + 1;

/// The call in which something was found.
///
/// Resizing a freed block is a double free too; the operation tells the two apart:
///
/// ```
/// use zigalloc::heap::debug::{DebugAllocator, DebugConfig, Operation, ReportKind};
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// let config = DebugConfig { report: |_| (), ..DebugConfig::DEFAULT };
/// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
/// let memory = debug.allocator().alloc::<u8>(100)?;
/// // SAFETY: a live block; then a block that was freed, which this allocator finds.
/// unsafe { debug.allocator().free(memory) };
/// assert!(!unsafe { debug.allocator().resize(memory, 50) });
/// let report = debug.first_report().unwrap();
/// assert_eq!((report.kind, report.operation), (ReportKind::DoubleFree, Operation::Resize));
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// It prints as the name of the function:
///
/// ```
/// # use zigalloc::heap::debug::Operation;
/// let calls = [Operation::Alloc, Operation::Remap, Operation::Free];
/// assert_eq!(calls.map(|call| call.to_string()), ["alloc", "remap", "free"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`VTable::alloc`](crate::VTable::alloc).
    Alloc,
    /// [`VTable::resize`](crate::VTable::resize).
    Resize,
    /// [`VTable::remap`](crate::VTable::remap).
    Remap,
    /// [`VTable::free`](crate::VTable::free).
    Free,
    /// The search for leaks, by [`detect_leaks`](crate::heap::DebugAllocator::detect_leaks) or at the end.
    DetectLeaks,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Alloc => "alloc",
            Operation::Resize => "resize",
            Operation::Remap => "remap",
            Operation::Free => "free",
            Operation::DetectLeaks => "search for leaks",
        })
    }
}

/// A mistake that a [`DebugAllocator`](crate::heap::DebugAllocator) or a
/// [`SafeAllocator`](crate::heap::SafeAllocator) has found. Its `Display` has several lines, the last without a newline.
///
/// ```
/// use zigalloc::heap::debug::{DebugAllocator, DebugConfig, Report, ReportKind};
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// fn report(report: &Report) {
///     assert_eq!(report.kind, ReportKind::WrongLength);
///     assert_eq!((report.len, report.recorded_len), (3, Some(4)));
/// }
///
/// let debug = DebugAllocator::with_config(
///     PAGE_ALLOCATOR,
///     DebugConfig { safety: true, report, ..DebugConfig::DEFAULT },
/// );
/// let memory = debug.allocator().alloc::<u8>(4)?;
/// let shorter = std::ptr::NonNull::slice_from_raw_parts(memory.cast::<u8>(), 3);
/// // SAFETY: it is a mistake, but this allocator finds it.
/// unsafe { debug.allocator().free(shorter) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// What a leak's report says of several blocks:
///
/// ```
/// use zigalloc::heap::debug::{DebugAllocator, DebugConfig, Operation, ReportKind};
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// let config = DebugConfig { safety: true, report: |_| (), ..DebugConfig::DEFAULT };
/// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
/// for len in [10, 20, 30] {
///     debug.allocator().alloc::<u8>(len)?;
/// }
/// debug.detect_leaks();
/// let leak = debug.first_report().unwrap();
/// assert_eq!((leak.kind, leak.operation, leak.count), (ReportKind::Leak, Operation::DetectLeaks, 3));
/// assert_eq!((leak.total_len, leak.recorded_len), (Some(60), Some(10)));
/// assert_eq!((leak.len, leak.overrun, leak.inside), (0, None, None));
/// # debug.deinit_without_leak_checks();
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What was found.
    pub kind: ReportKind,
    /// The call in which it was found.
    pub operation: Operation,
    /// The address that was passed, or the one of the block that leaks; of several, the first. 0 for
    /// [`MoreLeaks`](ReportKind::MoreLeaks).
    pub address: usize,
    /// The length in bytes that was passed, or 0 for a leak.
    pub len: usize,
    /// The alignment that was passed.
    pub alignment: Alignment,
    /// The number of blocks reported. More than one only for leaks.
    pub count: usize,
    /// For leaks, the total length of those blocks in bytes, if every length is known. `None` for other kinds.
    ///
    /// ```
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// let config = DebugConfig { safety: true, report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// for _ in 0..4 {
    ///     debug.allocator().alloc::<u32>(10)?;
    /// }
    /// debug.detect_leaks();
    /// let leak = debug.first_report().unwrap();
    /// assert_eq!((leak.count, leak.total_len), (4, Some(160)));
    /// # debug.deinit_without_leak_checks();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub total_len: Option<usize>,
    /// For [`MoreLeaks`](ReportKind::MoreLeaks), how many reports were left out; otherwise 0.
    pub left_out: usize,
    /// The block's own length in bytes, if there is such a block and its length is known. For several leaks, that
    /// of the first.
    pub recorded_len: Option<usize>,
    /// The block's own alignment, if there is such a block and its alignment is known.
    pub recorded_alignment: Option<Alignment>,
    /// For an [invalid free](ReportKind::InvalidFree) of an address inside a block, the address of that block.
    pub inside: Option<usize>,
    /// For an [overrun](ReportKind::Overrun) and a [write after free](ReportKind::WriteAfterFree), the index of the
    /// first byte that was written to, counted from the block's address.
    ///
    /// ```
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// let config = DebugConfig { safety: true, report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// let memory = debug.allocator().alloc::<u8>(5)?;
    /// // SAFETY: the rest of the slot of 8 bytes.
    /// unsafe { memory.cast::<u8>().add(6).write(0) };
    /// unsafe { debug.allocator().free(memory) };
    /// assert_eq!(debug.first_report().unwrap().overrun, Some(6), "the sixth byte after the first");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub overrun: Option<usize>,
    /// The call in which it was found. Unknown for leaks.
    pub site: Trace,
    /// The block's allocation, or its last resize if [`resize_stack_traces`](crate::heap::DebugConfig::resize_stack_traces) is on.
    pub allocation: Trace,
    /// For a [double free](ReportKind::DoubleFree), the first free; for a [write after
    /// free](ReportKind::WriteAfterFree), the free.
    pub first_free: Trace,
    /// The allocator that made it.
    pub(crate) maker: Maker,
}

impl Report {
    /// `options` are the allocator's.
    pub(crate) fn new(call: &Call<'_>, options: &ReportOptions) -> Report {
        Report {
            maker: options.maker,
            kind: ReportKind::Leak,
            operation: call.operation,
            address: call.address,
            len: call.len,
            alignment: call.alignment,
            count: 1,
            total_len: None,
            left_out: 0,
            recorded_len: None,
            recorded_alignment: None,
            inside: None,
            overrun: None,
            site: call.site.trace(options),
            allocation: Trace::new(options, &[]),
            first_free: Trace::new(options, &[]),
        }
    }

    /// That blocks are live.
    pub(crate) fn leak(place: &Place, allocation: Trace, options: &ReportOptions) -> Report {
        let Place { address, len, alignment, count, total_len, .. } = *place;
        Report {
            address,
            alignment: alignment.unwrap_or(Alignment::_1),
            count,
            total_len,
            recorded_len: len,
            recorded_alignment: alignment,
            allocation,
            ..Report::new(&Call::DETECT_LEAKS, options)
        }
    }
}

/// Addresses are hexadecimal.
impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Address(usize);
        impl fmt::Debug for Address {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
        let Report { kind, operation, address, len, alignment, .. } = *self;
        let Report { count, total_len, left_out, recorded_len, recorded_alignment, inside, overrun, .. } =
            *self;
        let Report { site, allocation, first_free, .. } = self;
        f.debug_struct("Report")
            .field("kind", &kind)
            .field("operation", &operation)
            .field("address", &Address(address))
            .field("len", &len)
            .field("alignment", &alignment)
            .field("count", &count)
            .field("total_len", &total_len)
            .field("left_out", &left_out)
            .field("recorded_len", &recorded_len)
            .field("recorded_alignment", &recorded_alignment)
            .field("inside", &inside.map(Address))
            .field("overrun", &overrun)
            .field("site", site)
            .field("allocation", allocation)
            .field("first_free", first_free)
            .finish()
    }
}
