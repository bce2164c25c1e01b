//! Blocks that are slots of a page.

use core::ptr::NonNull;

use super::bucket::{Bucket, Event};
use super::recent::Freed;
use super::report::{Findings, Report, ReportKind};
use super::state::{Locked, Page};
use crate::return_address::return_address;

impl<'d> Locked<'d> {
    /// The next slot of a class.
    pub(super) fn alloc_small(&mut self, class: usize, findings: &mut Findings) -> Option<NonNull<u8>> {
        let Report { len, alignment, site, .. } = findings.report;
        let head = self.state.heads[class];
        if let Some(memory) = head {
            let bucket = self.bucket(memory, class);
            if !self.is_intact(bucket, findings) {
                return None;
            }
            if let Some(memory) = bucket.take(len, alignment, &site) {
                return Some(memory);
            }
        }
        // SAFETY: always this child.
        unsafe { self.state.pages.reserve(self.child) }?;
        let page_alignment = self.geometry.page_alignment();
        // SAFETY: the length is not zero.
        let memory =
            unsafe { self.child.raw_alloc(self.geometry.page_size, page_alignment, return_address()) }?;
        // SAFETY: a new block of the child, as the geometry wants it; the allocator is locked.
        let bucket = unsafe { Bucket::init(self.geometry, class, memory, head) };
        if let Some(head) = head {
            self.bucket(head, class).set_next(Some(memory));
        }
        self.state.heads[class] = Some(memory);
        let serial = self.state.next_serial();
        self.state.pages.insert(memory.addr().get(), Page { memory, class, serial });
        bucket.take(len, alignment, &site)
    }

    pub(super) fn resize_small(
        &mut self,
        bucket: Bucket<'d>,
        findings: &mut Findings,
        new_len: usize,
    ) -> Option<NonNull<u8>> {
        let slot = self.live_slot(bucket, findings)?;
        let alignment = bucket.alignment(slot).unwrap_or(findings.report.alignment);
        let class = self.geometry.class_of(new_len, alignment);
        if class >= self.geometry.class_count || 1 << class != bucket.slot_size() {
            return None;
        }
        let len = bucket.len(slot).unwrap_or(findings.report.len);
        self.state.total_requested_bytes = self.total_after(len, new_len)?;
        bucket.set_len(slot, new_len);
        if self.config.resize_stack_traces {
            bucket.set_trace(slot, Event::Allocation, &findings.report.site);
        }
        Some(bucket.slot(slot))
    }

    pub(super) fn free_small(&mut self, bucket: Bucket<'d>, findings: &mut Findings) {
        let Some(slot) = self.live_slot(bucket, findings) else { return };
        let Report { address, len, alignment, allocation, site, .. } = findings.report;
        let len = bucket.len(slot).unwrap_or(len);
        self.uncount(len);
        bucket.free(slot, &site);
        if bucket.is_empty() {
            self.unlink(bucket);
            if !self.config.never_unmap {
                let alignment = bucket.alignment(slot).unwrap_or(alignment);
                let freed = Freed::new(address, len, alignment, &allocation, &site);
                self.bury(freed, Some(self.page_memory(bucket.page())), return_address());
            }
        }
    }

    /// The slot of the live block that a caller means. What does not fit is added to the findings; if
    /// nothing does, the result is `None`.
    fn live_slot(&self, bucket: Bucket<'d>, findings: &mut Findings) -> Option<usize> {
        if !self.is_intact(bucket, findings) {
            return None;
        }
        let address = findings.report.address;
        let Some(slot) = bucket.slot_of(address) else {
            // The rest of the page was never handed out; but it may have been a page before.
            self.find_among_the_dead(findings);
            return None;
        };
        let block = bucket.slot(slot).addr().get();
        findings.report.recorded_len = bucket.len(slot);
        findings.report.recorded_alignment = bucket.alignment(slot);
        findings.report.allocation = bucket.trace(slot, Event::Allocation);
        let is_used = bucket.is_used(slot);
        if block != address {
            findings.report.inside = is_used.then_some(block);
            findings.add(ReportKind::InvalidFree);
            return None;
        }
        if !is_used {
            findings.report.first_free = bucket.trace(slot, Event::Free);
            findings.add(ReportKind::DoubleFree);
            return None;
        }
        if !bucket.is_slot_intact(slot) {
            return corrupt(bucket, findings);
        }
        if bucket.len(slot).is_some_and(|len| len != findings.report.len) {
            findings.add(ReportKind::WrongLength);
        }
        if bucket.alignment(slot).is_some_and(|alignment| alignment != findings.report.alignment) {
            findings.add(ReportKind::WrongAlignment);
        }
        findings.report.overrun = bucket.first_overrun(slot);
        if findings.report.overrun.is_some() {
            findings.add(ReportKind::Overrun);
        }
        Some(slot)
    }

    /// Whether a page still has its header. If not, the findings have it, and they end the program.
    pub(super) fn is_intact(&self, bucket: Bucket<'_>, findings: &mut Findings) -> bool {
        let is_page = |link: Option<NonNull<u8>>| {
            link.is_none_or(|memory| {
                let index = self.state.pages.find(memory.addr().get());
                index.is_some_and(|index| self.state.pages.get(index).class == bucket.class_index())
            })
        };
        if bucket.is_intact() && is_page(bucket.prev()) && is_page(bucket.next()) {
            return true;
        }
        corrupt::<()>(bucket, findings);
        false
    }

    /// Takes an intact page out of the list of its class.
    fn unlink(&mut self, bucket: Bucket<'d>) {
        let class = bucket.class_index();
        let (prev, next) = (bucket.prev(), bucket.next());
        if let Some(memory) = prev {
            self.bucket(memory, class).set_next(next);
        }
        match next {
            Some(memory) => self.bucket(memory, class).set_prev(prev),
            None => self.state.heads[class] = prev,
        }
        // The page may be kept for longer than its neighbours.
        bucket.set_prev(None);
        bucket.set_next(None);
    }
}

/// Adds to the findings that a page's metadata has been overwritten.
fn corrupt<T>(bucket: Bucket<'_>, findings: &mut Findings) -> Option<T> {
    findings.report.address = bucket.page().addr().get();
    findings.add(ReportKind::Corruption);
    None
}
