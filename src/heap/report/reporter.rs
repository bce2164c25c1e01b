//! Delivers and counts reports.

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use super::places::LeftOut;
use super::{Call, KINDS, PendingReport, Places, Report, ReportKind, ReportOptions, Trace};

/// The default of [`DebugConfig::report`](crate::heap::DebugConfig::report).
pub(crate) fn print(report: &Report) {
    // A test harness can capture what `eprintln!` prints. It panics if the stream is closed, which would abort in a
    // function of a table.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| std::eprintln!("{report}")));
}

/// Prints a line of [`verbose_log`](crate::heap::DebugConfig::verbose_log) to the standard error stream, if there is
/// one.
///
/// A failure must not panic: it would run the program's panic hook, which may exit the process, while a container whose
/// block has just been moved or freed still refers to it.
pub(crate) fn print_line(line: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[derive(Clone, Copy, Debug)]
enum Listener {
    /// [`DebugConfig::report`](crate::heap::DebugConfig::report).
    Function(fn(&Report)),
    /// A function of another language, which may be called from any thread, with any report, as long as this exists.
    #[cfg(feature = "capi")]
    Foreign(Foreign),
}

impl Listener {
    fn call(self, report: &Report) {
        match self {
            Listener::Function(function) => function(report),
            #[cfg(feature = "capi")]
            // SAFETY: the variant's invariant, which `Reporter::set_foreign` requires.
            Listener::Foreign(foreign) => unsafe { (foreign.call)(foreign, report) },
        }
    }
}

/// A function of another language, and the data to call it with. The form of a report in that language is not known
/// here: `call` knows the actual type of `function`.
#[cfg(feature = "capi")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Foreign {
    pub(crate) function: unsafe extern "C" fn(),
    pub(crate) user_data: *mut core::ffi::c_void,
    /// # Safety
    /// The first argument is the value that this is a field of, which was given to [`Reporter::set_foreign`] and whose
    /// reporter exists.
    pub(crate) call: unsafe fn(Foreign, &Report),
}

// SAFETY: a function and a pointer. Calling it is unsafe, and `Reporter::set_foreign` requires that any thread may.
#[cfg(feature = "capi")]
unsafe impl Send for Foreign {}
// SAFETY: a function and a pointer. Calling it is unsafe, and `Reporter::set_foreign` requires that several threads may
// at once.
#[cfg(feature = "capi")]
unsafe impl Sync for Foreign {}

/// Passes reports on to a function, counts each kind, and keeps the first.
#[derive(Debug)]
pub(crate) struct Reporter {
    options: ReportOptions,
    listener: Listener,
    counts: [AtomicUsize; KINDS],
    first: Mutex<Option<Report>>,
}

impl Reporter {
    pub(crate) const fn new(options: ReportOptions, function: fn(&Report)) -> Reporter {
        Reporter {
            options,
            listener: Listener::Function(function),
            counts: [const { AtomicUsize::new(0) }; KINDS],
            first: Mutex::new(None),
        }
    }

    /// Passes all further reports on to `foreign`.
    ///
    /// # Safety
    /// `foreign.call` may be called with `foreign` and any report, from every thread that has a reference to this
    /// reporter and by several at once, for as long as the reporter exists. It does not unwind.
    #[cfg(feature = "capi")]
    pub(crate) unsafe fn set_foreign(&mut self, foreign: Foreign) {
        self.listener = Listener::Foreign(foreign);
    }

    #[inline(always)]
    pub(crate) fn options(&self) -> &ReportOptions {
        &self.options
    }

    pub(crate) fn count(&self, kind: ReportKind) -> usize {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn first(&self) -> Option<Report> {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a report and passes it on.
    pub(crate) fn report(&self, report: &Report) {
        self.counts[report.kind as usize].fetch_add(report.count, Ordering::Relaxed);
        if report.kind == ReportKind::MoreLeaks {
            self.counts[ReportKind::Leak as usize].fetch_add(report.count, Ordering::Relaxed);
        }
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(*report);
        self.listener.call(report);
    }

    /// Reports leaks: those of one place together if `is_grouped`, and at most `limit` reports. Returns the number of
    /// blocks. `trace_of` returns the trace that a stored word stands for.
    pub(crate) fn report_leaks(
        &self,
        places: Places,
        limit: usize,
        trace_of: impl Fn(usize) -> Trace,
    ) -> usize {
        let options = &self.options;
        #[cfg(feature = "backtrace")]
        let places = {
            let mut places = places;
            if places.gathers() && options.stack_trace_frames != 0 && places.len() > 1 {
                let mut look = crate::symbol::Shown::new(options.skip_frames);
                places.merge(|place| trace_of(place.word).shown(&mut look));
            }
            places
        };
        let (places, left_out) = places.finish(limit);
        let mut leaks = left_out.count;
        for place in &places {
            leaks += place.count;
            let report = Report::leak(place, trace_of(place.word), options);
            self.report(&report);
        }
        if left_out.reports != 0 {
            let LeftOut { reports: left_out, count, total_len } = left_out;
            let kind = ReportKind::MoreLeaks;
            let report = Report::new(&Call::DETECT_LEAKS, options);
            self.report(&Report { kind, left_out, count, total_len, ..report });
        }
        leaks
    }

    /// Reports each kind that a call has found.
    #[cold]
    pub(crate) fn report_pending(&self, pending: &mut PendingReport<'_>) {
        use ReportKind::*;
        for kind in [DoubleFree, InvalidFree, WrongLength, WrongAlignment, Overrun, Corruption] {
            if pending.has(kind) {
                let report = pending.report();
                report.kind = kind;
                self.report(report);
            }
        }
        if let Some(report) = pending.earlier() {
            self.report(report);
        }
    }
}
