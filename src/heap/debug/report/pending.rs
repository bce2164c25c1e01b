//! A call in progress, and what it finds while the allocator is locked.

use super::{CallSite, KINDS, Operation, Report, ReportKind};
use crate::alignment::Alignment;
use crate::heap::debug::config::DebugConfig;

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
    config: &'t DebugConfig,
    /// A bit for each kind.
    kinds: u8,
    report: Option<Report>,
}

const _: () = assert!(KINDS <= u8::BITS as usize);

impl<'t> PendingReport<'t> {
    #[inline(always)]
    pub(crate) fn new(call: Call<'t>, config: &'t DebugConfig) -> PendingReport<'t> {
        PendingReport { call, config, kinds: 0, report: None }
    }

    /// The details, which all kinds that this call has found share. The field `kind` is set later.
    #[cold]
    pub(crate) fn report(&mut self) -> &mut Report {
        self.report.get_or_insert_with(|| Report::new(&self.call, self.config))
    }

    #[cold]
    pub(crate) fn add(&mut self, kind: ReportKind) -> &mut Report {
        self.kinds |= 1 << kind as u8;
        self.report()
    }

    pub(super) fn has(&self, kind: ReportKind) -> bool {
        self.kinds & 1 << kind as u8 != 0
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds == 0
    }
}
