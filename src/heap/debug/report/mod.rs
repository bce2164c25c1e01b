//! What a debug allocator tells.

mod places;
mod trace;

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use places::Place;
pub(super) use places::{Leak, LeftOut, Places};
pub(super) use trace::Site;
pub use trace::Trace;

use super::config::DebugConfig;
use crate::alignment::Alignment;

/// What was found. The first five are mistakes of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReportKind {
    /// A block was freed, resized or remapped that had been freed before. The call does nothing.
    DoubleFree,
    /// An address was freed, resized or remapped that is no block of this allocator. The call does
    /// nothing.
    InvalidFree,
    /// The length is not the block's. The call goes on with the block's own.
    WrongLength,
    /// The alignment is not the block's. The call goes on with the block's own.
    WrongAlignment,
    /// Bytes behind the block have been written to. The call goes on.
    Overrun,
    /// The page that a block is in has lost its metadata. The process aborts.
    Corruption,
    /// Blocks are live, and should not be: [`Report::count`] blocks that were allocated in the same place.
    Leak,
    /// There are more leaks than [`DebugConfig::leak_limit`] allows to report. [`Report::count`] is how
    /// many blocks were left out.
    MoreLeaks,
}

const KINDS: usize = ReportKind::MoreLeaks as usize + 1;

/// The call in which something was found.
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
    /// The search for leaks, in the end or when asked for.
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

/// One thing that a debug allocator has found. Its `Display` has several lines, the last without an
/// end of line.
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
    /// How many blocks this is about. More than one only for leaks.
    pub count: usize,
    /// The length in bytes of those blocks together, if the length of each is known.
    pub total_len: Option<usize>,
    /// For [`MoreLeaks`](ReportKind::MoreLeaks), how many reports were left out; otherwise 0.
    pub left_out: usize,
    /// The block's own length in bytes, if there is such a block and its length is known. For several leaks, that
    /// of the first.
    pub recorded_len: Option<usize>,
    /// The block's own alignment, if there is such a block and its alignment is known.
    pub recorded_alignment: Option<Alignment>,
    /// The block that the address is inside of, where an [invalid free](ReportKind::InvalidFree) is
    /// one of an address that is not the beginning of a block.
    pub inside: Option<usize>,
    /// For an [overrun](ReportKind::Overrun), the index of the first byte that was written to,
    /// counted from the block's address.
    pub overrun: Option<usize>,
    /// The call in which it was found. Unknown for leaks.
    pub site: Trace,
    /// The block's allocation, or its last `resize` if that is [wanted](DebugConfig).
    pub allocation: Trace,
    /// For a [double free](ReportKind::DoubleFree), the free that was in order.
    pub first_free: Trace,
}

impl Report {
    /// `config` is of the allocator.
    pub(crate) fn new(call: &Call<'_>, config: &DebugConfig) -> Report {
        Report {
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
            site: call.site.trace(config),
            allocation: Trace::new(config, &[]),
            first_free: Trace::new(config, &[]),
        }
    }

    /// That blocks are live.
    pub(crate) fn leak(place: &Place, allocation: Trace, config: &DebugConfig) -> Report {
        let Place { address, len, alignment, count, total_len, .. } = *place;
        Report {
            address,
            alignment: alignment.unwrap_or(Alignment::_1),
            count,
            total_len,
            recorded_len: len,
            recorded_alignment: alignment,
            allocation,
            ..Report::new(&Call::DETECT_LEAKS, config)
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { operation, address, len, .. } = *self;
        let bytes = |n: usize| if n == 1 { "byte" } else { "bytes" };
        let title = match operation {
            Operation::Free if self.kind == ReportKind::DoubleFree => "second free",
            Operation::Free => "free",
            Operation::Resize => "resize",
            Operation::Remap => "remap",
            Operation::Alloc => "allocation",
            Operation::DetectLeaks => "found by",
        };
        f.write_str("DebugAllocator: ")?;
        match self.kind {
            ReportKind::DoubleFree if operation == Operation::Free => {
                write!(f, "double free: the {len} {} at {address:#x} have been freed before", bytes(len))?;
            }
            ReportKind::DoubleFree => {
                write!(
                    f,
                    "{operation} after free: the {len} {} at {address:#x} have been freed",
                    bytes(len)
                )?;
            }
            ReportKind::InvalidFree => {
                write!(f, "invalid {operation}: {address:#x} is no live block of this allocator")?;
                if let Some(inside) = self.inside {
                    write!(f, ", but inside the one at {inside:#x}")?;
                }
            }
            ReportKind::WrongLength => {
                let recorded = self.recorded_len.unwrap_or(0);
                write!(
                    f,
                    "wrong length: {operation} of {len} {} at {address:#x}; the block has {recorded} {}",
                    bytes(len),
                    bytes(recorded)
                )?;
            }
            ReportKind::WrongAlignment => {
                let recorded = self.recorded_alignment.map_or(0, in_bytes);
                let passed = in_bytes(self.alignment);
                write!(
                    f,
                    "wrong alignment: {operation} of {len} {} at {address:#x}, aligned to {passed}; the block is \
                     aligned to {recorded}",
                    bytes(len)
                )?;
            }
            ReportKind::Overrun => {
                let len = self.recorded_len.unwrap_or(len);
                let index = self.overrun.unwrap_or(0);
                write!(
                    f,
                    "overrun: someone has written to byte {index} of the {len} {} at {address:#x}",
                    bytes(len)
                )?;
            }
            ReportKind::Corruption => {
                write!(
                    f,
                    "corruption: someone has written over the metadata of the page at {address:#x}; this is \
                     the end of the program"
                )?;
            }
            ReportKind::Leak => {
                f.write_str("leak: ")?;
                if self.count > 1 {
                    self.write_total(f)?;
                    f.write_str(", the first of ")?;
                }
                match self.recorded_len {
                    Some(len) => write!(f, "{len} {}", bytes(len))?,
                    None if self.count > 1 => f.write_str("them")?,
                    None => f.write_str("a block")?,
                }
                write!(f, " at {address:#x}")?;
                if let Some(alignment) = self.recorded_alignment {
                    write!(f, ", aligned to {}", in_bytes(alignment))?;
                }
            }
            ReportKind::MoreLeaks => {
                let reports = if self.left_out == 1 { "leak is" } else { "leaks are" };
                write!(f, "{} more {reports} left out (leak_limit): ", Thousands(self.left_out))?;
                return self.write_total(f);
            }
        }
        if operation != Operation::DetectLeaks {
            self.site.write(f, title)?;
        }
        match self.kind {
            ReportKind::InvalidFree if self.inside.is_none() => Ok(()),
            ReportKind::Corruption => Ok(()),
            ReportKind::DoubleFree => {
                self.first_free.write(f, "first free")?;
                self.allocation.write(f, "allocation")
            }
            ReportKind::Leak if self.count > 1 => self.allocation.write(f, "allocated at"),
            _ => self.allocation.write(f, "allocation"),
        }
    }
}

impl Report {
    /// Blocks and bytes.
    fn write_total(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Thousands(self.count), if self.count == 1 { "block" } else { "blocks" })?;
        match self.total_len {
            Some(1) => f.write_str(", 1 byte"),
            Some(len) => write!(f, ", {} bytes", Thousands(len)),
            None => Ok(()),
        }
    }
}

/// A number with a comma before each three digits.
struct Thousands(usize);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return write!(f, "{}", self.0);
        }
        write!(f, "{},{:03}", Thousands(self.0 / 1000), self.0 % 1000)
    }
}

/// An alignment in bytes. C can pass one that does not exist; that is 0.
fn in_bytes(alignment: Alignment) -> usize {
    if alignment.is_valid() { alignment.to_byte_units() } else { 0 }
}

/// The default of [`DebugConfig::report`](DebugConfig::report).
pub(crate) fn print(report: &Report) {
    print_line(format_args!("{report}"));
}

/// Prints a line to the standard error stream, or does not.
///
/// `eprintln!` panics where there is no such stream any more, and in a function of the table that is
/// the end of the program. But it is what a test harness can capture.
pub(crate) fn print_line(line: fmt::Arguments<'_>) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| std::eprintln!("{line}")));
}

/// A call in progress: what was passed to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'t> {
    pub(crate) operation: Operation,
    pub(crate) address: usize,
    pub(crate) len: usize,
    pub(crate) alignment: Alignment,
    pub(crate) site: Site<'t>,
}

impl Call<'static> {
    pub(crate) const DETECT_LEAKS: Call<'static> = Call {
        operation: Operation::DetectLeaks,
        address: 0,
        len: 0,
        alignment: Alignment::_1,
        site: Site::UNKNOWN,
    };
}

/// A call, and what it has found while the allocator was locked. That is told when the lock is
/// released.
///
/// Almost no call finds anything, and a report is long: it is made when there is something to say.
#[derive(Debug)]
pub(crate) struct Findings<'t> {
    pub(crate) call: Call<'t>,
    config: &'t DebugConfig,
    /// A bit for each kind.
    kinds: u8,
    report: Option<Report>,
}

const _: () = assert!(KINDS <= u8::BITS as usize);

impl<'t> Findings<'t> {
    #[inline(always)]
    pub(crate) fn new(call: Call<'t>, config: &'t DebugConfig) -> Findings<'t> {
        Findings { call, config, kinds: 0, report: None }
    }

    /// The report of all that this call has found. Only its kind is not known yet.
    #[cold]
    pub(crate) fn report(&mut self) -> &mut Report {
        self.report.get_or_insert_with(|| Report::new(&self.call, self.config))
    }

    #[cold]
    pub(crate) fn add(&mut self, kind: ReportKind) -> &mut Report {
        self.kinds |= 1 << kind as u8;
        self.report()
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds == 0
    }
}

/// Who gets the reports.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Listener {
    /// [`DebugConfig::report`](DebugConfig::report).
    Function(fn(&Report)),
    /// A function of another language.
    #[cfg(feature = "capi")]
    Foreign(Foreign),
}

impl Listener {
    fn tell(self, report: &Report) {
        match self {
            Listener::Function(function) => function(report),
            // SAFETY: who created the allocator allows it: see `DebugAllocator::with_listener`.
            #[cfg(feature = "capi")]
            Listener::Foreign(foreign) => unsafe { (foreign.call)(foreign, report) },
        }
    }
}

/// A function of another language, and the data that it wants to be called with. What a report looks like there
/// is not known here: `call` knows the function's true type.
#[cfg(feature = "capi")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Foreign {
    pub(crate) function: unsafe extern "C" fn(),
    pub(crate) user_data: *mut core::ffi::c_void,
    pub(crate) call: unsafe fn(Foreign, &Report),
}

/// How much of each kind has been found, and what was the first.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: [AtomicUsize; KINDS],
    first: Mutex<Option<Report>>,
}

impl Tally {
    pub(crate) const fn new() -> Tally {
        Tally { counts: [const { AtomicUsize::new(0) }; KINDS], first: Mutex::new(None) }
    }

    pub(crate) fn count(&self, kind: ReportKind) -> usize {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn first(&self) -> Option<Report> {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a report and hands it on.
    pub(crate) fn tell(&self, report: &Report, listener: Listener) {
        self.counts[report.kind as usize].fetch_add(report.count, Ordering::Relaxed);
        if report.kind == ReportKind::MoreLeaks {
            self.counts[ReportKind::Leak as usize].fetch_add(report.count, Ordering::Relaxed);
        }
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(*report);
        listener.tell(report);
    }

    /// Tells everything that a call has found. Aborts after a corruption.
    #[cold]
    pub(crate) fn tell_all(&self, findings: &mut Findings<'_>, listener: Listener) {
        use ReportKind::*;
        for kind in [DoubleFree, InvalidFree, WrongLength, WrongAlignment, Overrun, Corruption] {
            if findings.kinds & 1 << kind as u8 != 0 {
                let report = findings.report();
                report.kind = kind;
                self.tell(report, listener);
            }
        }
        if findings.kinds & 1 << Corruption as u8 != 0 {
            // What the metadata says about this page is what somebody wrote there by mistake, links
            // to other pages included.
            std::process::abort();
        }
    }
}
