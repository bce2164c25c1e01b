//! A call in progress, and what it finds while the allocator is locked.

use super::{CallSite, KINDS, Operation, Report, ReportKind, ReportOptions};
use crate::alignment::Alignment;

/// A call in progress: its arguments, and where it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'t> {
    pub(crate) operation: Operation,
    pub(crate) address: usize,
    pub(crate) len: usize,
    pub(crate) alignment: Alignment,
    pub(crate) site: CallSite<'t>,
}

impl Call<'static> {
    pub(crate) const DETECT_LEAKS: Call<'static> = Call {
        operation: Operation::DetectLeaks,
        address: 0,
        len: 0,
        alignment: Alignment::_1,
        site: CallSite::UNKNOWN,
    };
}

/// A call and what it has found so far. It is filled in under the lock, and reported when the lock is released.
///
/// Almost no call finds anything, and a report is long, so it is made when there is something to report.
#[derive(Debug)]
pub(crate) struct PendingReport<'t> {
    pub(crate) call: Call<'t>,
    options: &'t ReportOptions,
    /// A bit for each kind.
    kinds: u16,
    report: Option<Report>,
    /// A mistake of an earlier call.
    earlier: Option<Report>,
}

/// In `kinds`: there is a mistake of an earlier call.
const EARLIER: u16 = 1 << 15;

const _: () = assert!(KINDS < u16::BITS as usize);

impl<'t> PendingReport<'t> {
    #[inline(always)]
    pub(crate) fn new(call: Call<'t>, options: &'t ReportOptions) -> PendingReport<'t> {
        PendingReport { call, options, kinds: 0, report: None, earlier: None }
    }

    /// The details, which all kinds that this call has found share. The field `kind` is set later.
    #[cold]
    pub(crate) fn report(&mut self) -> &mut Report {
        self.report.get_or_insert_with(|| Report::new(&self.call, self.options))
    }

    #[cold]
    pub(crate) fn add(&mut self, kind: ReportKind) -> &mut Report {
        self.kinds |= 1 << kind as u8;
        self.report()
    }

    /// Adds a mistake of an earlier call, which this one finds. Only the first is kept.
    #[cold]
    pub(crate) fn add_earlier(&mut self, report: Report) {
        self.kinds |= EARLIER;
        self.earlier.get_or_insert(report);
    }

    pub(super) fn earlier(&self) -> Option<&Report> {
        self.earlier.as_ref()
    }

    pub(crate) fn has(&self, kind: ReportKind) -> bool {
        self.kinds & 1 << kind as u8 != 0
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds == 0
    }
}
