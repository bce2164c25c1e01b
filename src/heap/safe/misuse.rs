//! What is wrong with a call, or was with an earlier one.
//!
//! Nothing here is fast: a call comes here only if [`mark`](SafeAllocator::mark) has failed.

use core::ptr::NonNull;

use super::SafeAllocator;
use super::bucket::Bucket;
use super::calls::Target;
use super::footer::{Footer, Modify};
use super::index::Found;
use super::layout::HEADER;
use crate::allocator::Handle;
use crate::heap::report::{PendingReport, Report, ReportKind};

impl<C: Handle> SafeAllocator<C> {
    /// Adds to the report what is wrong with a call. If the block is known all the same, it is marked and returned.
    #[cold]
    pub(super) fn diagnose(&self, pending: &mut PendingReport<'_>, mark: Modify) -> Option<Target<'_>> {
        let address = pending.call.address;
        if let Some(base) = self.index.bucket(address & !self.layout.bucket_mask()) {
            // SAFETY: made with this layout, and live: the index has it, and the block of a correct call keeps it there. (A
            // mistaken call may race with its end; `SafeAllocator`'s guarantees name that.)
            let bucket = unsafe { Bucket::new(base, &self.layout) };
            if bucket.offset_of(address) as usize >= HEADER {
                return self.diagnose_small(bucket, pending, mark);
            }
        }
        match self.index.large(address) {
            Found::Large(at) => self.diagnose_large(at, pending, mark),
            // The child exits the process in the middle of a resize, and a destructor frees the block; or two threads
            // use the block at once.
            Found::InFlight => None,
            Found::Nothing => {
                let Some(freed) = self.shared(|shared| shared.dead.find(address)) else {
                    pending.add(ReportKind::InvalidFree);
                    return None;
                };
                // SA-21: the memory is the child's again.
                let allocation = self.trace_of(freed.allocation);
                let first_free = self.trace_of(freed.free);
                let report = pending.add(ReportKind::DoubleFree);
                report.recorded_len = Some(freed.len);
                report.recorded_alignment = Some(freed.alignment);
                (report.allocation, report.first_free) = (allocation, first_free);
                None
            }
        }
    }

    fn diagnose_small<'l>(
        &'l self,
        bucket: Bucket<'l>,
        pending: &mut PendingReport<'_>,
        mark: Modify,
    ) -> Option<Target<'l>> {
        let (address, len) = (pending.call.address, pending.call.len);
        let offset = bucket.offset_of(address);
        let expected = bucket.footer_of(address, len);
        if let Some(footer) = expected {
            let is_freed = matches!(footer.state(), Modify::Freed | Modify::Freeing);
            if is_freed && footer.is_intact() && bucket.start_of(footer) == Some(offset) {
                self.describe(footer, pending.add(ReportKind::DoubleFree));
                return None;
            }
        }
        // Which block is it, if any? From the last one on, each footer leads to the one before.
        let mut next = bucket.last();
        while let Ok(Some(footer)) = next {
            let end = bucket.offset_of(footer.at().addr().get());
            let start = bucket.start_of(footer);
            let (true, Some(start)) = (footer.is_intact(), start) else {
                if expected.is_some_and(|expected| expected.at() == footer.at()) {
                    pending.add(ReportKind::Corruption);
                    return None;
                }
                break;
            };
            if offset == start {
                if matches!(footer.state(), Modify::Freed | Modify::Freeing) {
                    self.describe(footer, pending.add(ReportKind::DoubleFree));
                    return None;
                }
                return self.mark_other(footer, Some(bucket), pending, mark);
            }
            if offset > start {
                // In the block, in its footer, or in the gap before the next one.
                let report = pending.add(ReportKind::InvalidFree);
                if offset < end && footer.state() == Modify::None {
                    report.inside = Some(bucket.memory_at(start).addr().get());
                    self.describe(footer, report);
                }
                return None;
            }
            next = bucket.prev(footer);
        }
        pending.add(ReportKind::InvalidFree);
        None
    }

    fn diagnose_large(
        &self,
        at: NonNull<u8>,
        pending: &mut PendingReport<'_>,
        mark: Modify,
    ) -> Option<Target<'_>> {
        // SAFETY: the footer of a large block, which is live, as the index has it. (A mistaken call may race with its end;
        // `SafeAllocator`'s guarantees name that.)
        let footer = unsafe { self.large_footer(at) };
        if !footer.is_intact() || pending.call.address + footer.distance() != at.addr().get() {
            pending.add(ReportKind::Corruption);
            return None;
        }
        match footer.state() {
            Modify::Freeing | Modify::Freed => {
                self.describe(footer, pending.add(ReportKind::DoubleFree));
                None
            }
            Modify::Unknown => {
                pending.add(ReportKind::Corruption);
                None
            }
            _ => self.mark_other(footer, None, pending, mark),
        }
    }

    /// Marks the block at the call's address, whose length or alignment is another one.
    fn mark_other<'l>(
        &'l self,
        footer: Footer<'l>,
        bucket: Option<Bucket<'l>>,
        pending: &mut PendingReport<'_>,
        mark: Modify,
    ) -> Option<Target<'l>> {
        let (len, alignment) = (pending.call.len, pending.call.alignment);
        if let Err(state) = footer.begin(mark) {
            // Another thread is changing or freeing the block, or its state has been overwritten.
            let kind = match state {
                Modify::Freeing | Modify::Freed => ReportKind::DoubleFree,
                Modify::Unknown => ReportKind::Corruption,
                _ => ReportKind::InvalidFree,
            };
            self.describe(footer, pending.add(kind));
            return None;
        }
        if footer.len() != len {
            self.describe(footer, pending.add(ReportKind::WrongLength));
        }
        if footer.alignment() != alignment {
            self.describe(footer, pending.add(ReportKind::WrongAlignment));
        }
        // SAFETY: the intact footer of a block that has just been marked, in its bucket if it has one.
        Some(unsafe { Target::new(footer, bucket) })
    }

    /// Adds a block's metadata to a report.
    pub(super) fn describe(&self, footer: Footer<'_>, report: &mut Report) {
        report.recorded_len = Some(footer.len());
        report.recorded_alignment = Some(footer.alignment());
        report.allocation = self.trace_of(footer.trace(false));
        report.first_free = self.trace_of(footer.trace(true));
    }

    /// SA-28, SA-30: adds to the report what has been written to a bucket's freed blocks and to their footers.
    ///
    /// # Safety
    /// As for [`Bucket::check`].
    pub(super) unsafe fn check_bucket(&self, bucket: Bucket<'_>, pending: &mut PendingReport<'_>) {
        let mut found = None;
        // SAFETY: by our caller.
        unsafe {
            bucket.check(self.options.check_write_after_free, |footer, index| found = Some((footer, index)))
        };
        if let Some((footer, index)) = found {
            let call = pending.call;
            let report = Report::new(&call, self.reporter.options());
            pending.add_earlier(self.of_earlier_call(report, bucket, footer, index));
        }
    }

    /// A report of a write to freed memory, at this index of a block, or to a footer.
    pub(super) fn of_earlier_call(
        &self,
        mut report: Report,
        bucket: Bucket<'_>,
        footer: Option<Footer<'_>>,
        written: Option<usize>,
    ) -> Report {
        report.kind = ReportKind::Corruption;
        let start = footer.and_then(|footer| bucket.start_of(footer));
        report.address = match (start, footer) {
            (Some(start), _) => bucket.memory_at(start).addr().get(),
            (None, Some(footer)) => footer.at().addr().get(),
            (None, None) => bucket.base().addr().get(),
        };
        if let (Some(footer), Some(index)) = (footer, written) {
            report.kind = ReportKind::WriteAfterFree;
            report.overrun = Some(index);
            self.describe(footer, &mut report);
        }
        report
    }
}
