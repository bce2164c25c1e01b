//! The reports of debug allocators on this thread.

use std::cell::{Cell, RefCell};

use zigalloc::heap::debug::{Report, ReportKind};

/// The checked part of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) kind: ReportKind,
    pub(crate) address: usize,
    pub(crate) recorded_len: Option<usize>,
    pub(crate) inside: Option<usize>,
    pub(crate) overrun: Option<usize>,
}

/// The payload of a panic in a destructor or a callback; no message is printed.
pub(crate) struct Bang;

thread_local! {
    static TOLD: RefCell<Vec<Told>> = const { RefCell::new(Vec::new()) };
    static PANIC: Cell<bool> = const { Cell::new(false) };
}

/// The callback of every debug allocator here.
pub(crate) fn tell(report: &Report) {
    let Report { kind, address, recorded_len, inside, overrun, .. } = *report;
    TOLD.with_borrow_mut(|told| told.push(Told { kind, address, recorded_len, inside, overrun }));
    if kind == ReportKind::Leak && PANIC.take() {
        std::panic::resume_unwind(Box::new(Bang));
    }
}

/// Takes the reports since the last call.
pub(crate) fn take() -> Vec<Told> {
    TOLD.take()
}

/// Sets whether the next report of a leak panics.
pub(crate) fn panic_at_leak(panics: bool) {
    PANIC.set(panics);
}
