//! What a debug allocator tells.

use core::fmt;
use core::slice;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::config::MAX_STACK_TRACE_FRAMES;
use crate::alignment::Alignment;
use crate::testing::symbol;

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
    /// A block is live, and should not be.
    Leak,
}

const KINDS: usize = ReportKind::Leak as usize + 1;

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

/// Where a call came from: an address in the function that called, then the return addresses of that
/// function's callers, as many as were stored.
///
/// As text, each is a line of its own: function, file and line with the feature `backtrace`,
/// otherwise the number. Functions of this crate are left out. The first line is of the program's own
/// code; functions of the standard library that stand between it and the allocator come after it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    addresses: [usize; MAX_STACK_TRACE_FRAMES],
}

impl Trace {
    /// The trace of something that was not stored, or never happened.
    pub const UNKNOWN: Trace = Trace { addresses: [0; MAX_STACK_TRACE_FRAMES] };

    /// The addresses, the first of which is in the function that called; none if it is not known.
    #[must_use]
    pub fn addresses(&self) -> &[usize] {
        let known = self.addresses.iter().position(|&address| address == 0);
        &self.addresses[..known.unwrap_or(MAX_STACK_TRACE_FRAMES)]
    }

    /// The first `count` addresses. Those that are not known are 0.
    pub(super) fn stored(&self, count: usize) -> &[usize] {
        &self.addresses[..count]
    }

    pub(super) fn from_fn(count: usize, address: impl FnMut(usize) -> usize) -> Trace {
        let mut trace = Trace::UNKNOWN;
        (0..count).map(address).zip(&mut trace.addresses).for_each(|(from, to)| *to = from);
        trace
    }

    pub(super) fn first(address: usize) -> Trace {
        Trace::from_fn(1, |_| address)
    }

    pub(super) fn first_address(&self) -> usize {
        self.addresses[0]
    }

    /// Writes `title` and, below it, the lines.
    fn write(&self, f: &mut fmt::Formatter<'_>, title: &str) -> fmt::Result {
        write!(f, "\n  {title}:")?;
        if self.addresses().is_empty() {
            return f.write_str(" unknown; none was given or stored");
        }
        symbol::for_each_line(self.addresses(), |line| write!(f, "\n    {line}"))
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x?}", self.addresses())
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        symbol::for_each_line(self.addresses(), |line| {
            let newline = if core::mem::take(&mut first) { "" } else { "\n" };
            write!(f, "{newline}{line}")
        })
    }
}

/// Where a call in progress came from. A [`Trace`] is long, and this is small where only one address is
/// to be stored, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'t> {
    first: usize,
    /// All addresses, if there may be more than one.
    all: Option<&'t Trace>,
}

impl<'t> Site<'t> {
    pub(super) const UNKNOWN: Site<'static> = Site { first: 0, all: None };

    /// The stack of the call that `ret_addr` came with, or else of the one at `place`, which is as for
    /// [`symbol::fill_stack`]: `frames` addresses, but at least one. `trace` is where they are if there
    /// are more.
    #[inline(always)]
    pub(super) fn capture(
        ret_addr: usize,
        place: (usize, usize),
        frames: usize,
        trace: &'t mut Option<Trace>,
    ) -> Site<'t> {
        if frames <= 1 {
            return Site { first: ret_addr, all: None };
        }
        let trace = trace.insert(Trace::UNKNOWN);
        symbol::fill_stack(ret_addr, place, &mut trace.addresses[..frames]);
        Site { first: trace.first_address(), all: Some(trace) }
    }

    pub(super) fn first_address(&self) -> usize {
        self.first
    }

    /// As many addresses as were asked for. Those that are not known are 0.
    pub(super) fn stored(&self, frames: usize) -> &[usize] {
        match self.all {
            Some(trace) => trace.stored(frames),
            None => &slice::from_ref(&self.first)[..frames],
        }
    }

    fn trace(&self) -> Trace {
        self.all.copied().unwrap_or(Trace::first(self.first))
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
    /// The address that was passed, or the one of the block that leaks.
    pub address: usize,
    /// The length in bytes that was passed, or 0 for a leak.
    pub len: usize,
    /// The alignment that was passed.
    pub alignment: Alignment,
    /// The block's own length in bytes, if there is such a block and its length is known.
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
    /// The block's allocation, or its last `resize` if that is [wanted](super::DebugConfig).
    pub allocation: Trace,
    /// For a [double free](ReportKind::DoubleFree), the free that was in order.
    pub first_free: Trace,
}

impl Report {
    pub(super) fn new(
        operation: Operation,
        address: usize,
        len: usize,
        alignment: Alignment,
        site: Trace,
    ) -> Report {
        Report {
            kind: ReportKind::Leak,
            operation,
            address,
            len,
            alignment,
            recorded_len: None,
            recorded_alignment: None,
            inside: None,
            overrun: None,
            site,
            allocation: Trace::UNKNOWN,
            first_free: Trace::UNKNOWN,
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
        let Report { recorded_len, recorded_alignment, inside, overrun, .. } = *self;
        let Report { site, allocation, first_free, .. } = self;
        f.debug_struct("Report")
            .field("kind", &kind)
            .field("operation", &operation)
            .field("address", &Address(address))
            .field("len", &len)
            .field("alignment", &alignment)
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
                write!(f, "leak: ")?;
                match self.recorded_len {
                    Some(len) => write!(f, "{len} {}", bytes(len))?,
                    None => write!(f, "a block")?,
                }
                write!(f, " at {address:#x}")?;
                if let Some(alignment) = self.recorded_alignment {
                    write!(f, ", aligned to {}", in_bytes(alignment))?;
                }
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
            _ => self.allocation.write(f, "allocation"),
        }
    }
}

/// An alignment in bytes. C can pass one that does not exist; that is 0.
fn in_bytes(alignment: Alignment) -> usize {
    if alignment.is_valid() { alignment.to_byte_units() } else { 0 }
}

/// The default of [`DebugConfig::report`](super::DebugConfig::report).
pub(super) fn print(report: &Report) {
    print_line(format_args!("{report}"));
}

/// Prints a line to the standard error stream, or does not.
///
/// `eprintln!` panics where there is no such stream any more, and in a function of the table that is
/// the end of the program. But it is what a test harness can capture.
pub(super) fn print_line(line: fmt::Arguments<'_>) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| std::eprintln!("{line}")));
}

/// A call in progress: what was passed to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'t> {
    pub(super) operation: Operation,
    pub(super) address: usize,
    pub(super) len: usize,
    pub(super) alignment: Alignment,
    pub(super) site: Site<'t>,
}

/// A call, and what it has found while the allocator was locked. That is told when the lock is
/// released.
///
/// Almost no call finds anything, and a report is long: it is made when there is something to say.
#[derive(Debug)]
pub(super) struct Findings<'t> {
    pub(super) call: Call<'t>,
    /// A bit for each kind.
    kinds: u8,
    report: Option<Report>,
}

const _: () = assert!(KINDS <= u8::BITS as usize);

impl<'t> Findings<'t> {
    #[inline(always)]
    pub(super) fn new(call: Call<'t>) -> Findings<'t> {
        Findings { call, kinds: 0, report: None }
    }

    /// The report of all that this call has found. Only its kind is not known yet.
    #[cold]
    pub(super) fn report(&mut self) -> &mut Report {
        let Call { operation, address, len, alignment, site } = self.call;
        self.report.get_or_insert_with(|| Report::new(operation, address, len, alignment, site.trace()))
    }

    #[cold]
    pub(super) fn add(&mut self, kind: ReportKind) -> &mut Report {
        self.kinds |= 1 << kind as u8;
        self.report()
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.kinds == 0
    }
}

/// Who gets the reports.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Listener {
    /// [`DebugConfig::report`](super::DebugConfig::report).
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
pub(super) struct Tally {
    counts: [AtomicUsize; KINDS],
    first: Mutex<Option<Report>>,
}

impl Tally {
    pub(super) const fn new() -> Tally {
        Tally { counts: [const { AtomicUsize::new(0) }; KINDS], first: Mutex::new(None) }
    }

    pub(super) fn count(&self, kind: ReportKind) -> usize {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }

    pub(super) fn first(&self) -> Option<Report> {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a report and hands it on.
    pub(super) fn tell(&self, report: &Report, listener: Listener) {
        self.counts[report.kind as usize].fetch_add(1, Ordering::Relaxed);
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(*report);
        listener.tell(report);
    }

    /// Tells everything that a call has found. Aborts after a corruption.
    #[cold]
    pub(super) fn tell_all(&self, findings: &mut Findings<'_>, listener: Listener) {
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
