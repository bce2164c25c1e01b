//! Blocks that are slots of a page.

use core::ptr::NonNull;

use super::recent::Freed;
use super::{Locked, Page};
use crate::heap::debug::pages::{Bucket, Event};
use crate::heap::debug::report::{Call, Findings, Report, ReportKind};
use crate::return_address::return_address;

impl<'d> Locked<'d> {
    /// The next slot of a class.
    pub(crate) fn alloc_small(&mut self, class: usize, findings: &mut Findings<'_>) -> Option<NonNull<u8>> {
        let head = self.state.heads[class];
        if let Some(memory) = head {
            let bucket = self.bucket(memory, class);
            if !self.is_intact(bucket, findings) {
                return None;
            }
            let Call { len, alignment, site, .. } = findings.call;
            if let Some(memory) = bucket.take(len, alignment, site) {
                return Some(memory);
            }
        }
        self.alloc_page(class, findings.call)
    }

    /// The first slot of a new page.
    #[cold]
    fn alloc_page(&mut self, class: usize, call: Call<'_>) -> Option<NonNull<u8>> {
        let head = self.state.heads[class];
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
        bucket.take(call.len, call.alignment, call.site)
    }

    pub(crate) fn resize_small(
        &mut self,
        bucket: Bucket<'d>,
        findings: &mut Findings<'_>,
        new_len: usize,
    ) -> Option<NonNull<u8>> {
        let slot = self.live_slot(bucket, findings)?;
        let alignment = bucket.alignment(slot).unwrap_or(findings.call.alignment);
        let class = self.geometry.class_of(new_len, alignment);
        if class >= self.geometry.class_count || 1 << class != bucket.slot_size() {
            return None;
        }
        let len = bucket.len(slot).unwrap_or(findings.call.len);
        self.state.total_requested_bytes = self.total_after(len, new_len)?;
        bucket.set_len(slot, new_len);
        if self.config.resize_stack_traces {
            bucket.set_trace(slot, Event::Allocation, findings.call.site);
        }
        Some(bucket.slot(slot))
    }

    pub(crate) fn free_small(&mut self, bucket: Bucket<'d>, findings: &mut Findings<'_>) {
        let Some(slot) = self.live_slot(bucket, findings) else { return };
        // The links of a page that is about to go are followed. With safety, they have been looked up.
        if bucket.has_one_block() && !self.geometry.safety && !self.are_links_intact(bucket) {
            return corrupt(bucket, findings);
        }
        self.uncount(bucket.len(slot).unwrap_or(findings.call.len));
        bucket.free(slot, findings.call.site);
        if bucket.is_empty() {
            self.end_page(bucket, slot, findings);
        }
    }

    /// What happens to a page when the block in `slot`, which was its last, has been freed.
    #[cold]
    fn end_page(&mut self, bucket: Bucket<'d>, slot: usize, findings: &mut Findings<'_>) {
        self.unlink(bucket);
        if !self.config.never_unmap {
            let Call { address, len, alignment, site, .. } = findings.call;
            let freed = Freed::new(
                address,
                bucket.len(slot).unwrap_or(len),
                bucket.alignment(slot).unwrap_or(alignment),
                bucket.trace(slot, Event::Allocation),
                site.word(),
            );
            self.bury(freed, Some(self.page_memory(bucket.page())), return_address());
        }
    }

    /// The slot of the live block that a caller means. What does not fit is added to the findings; if
    /// nothing does, the result is `None`.
    fn live_slot(&self, bucket: Bucket<'d>, findings: &mut Findings<'_>) -> Option<usize> {
        if !self.is_intact(bucket, findings) {
            return None;
        }
        let address = findings.call.address;
        let Some(slot) = bucket.slot_of(address) else {
            // The rest of the page was never handed out; but it may have been a page before.
            self.find_among_the_dead(findings);
            return None;
        };
        if bucket.slot(slot).addr().get() != address || !bucket.is_used(slot) {
            self.not_live(bucket, slot, findings);
            return None;
        }
        if self.geometry.safety && !self.compare(bucket, slot, findings) {
            return None;
        }
        Some(slot)
    }

    /// Whether a page still has its header. If not, the findings have it, and they end the program.
    ///
    /// Its links are looked up too, with safety. Without, they are when somebody is about to
    /// [follow](Self::are_links_intact) them.
    #[inline]
    fn is_intact(&self, bucket: Bucket<'_>, findings: &mut Findings<'_>) -> bool {
        if bucket.is_intact() && (!self.geometry.safety || self.are_links_intact(bucket)) {
            return true;
        }
        corrupt(bucket, findings);
        false
    }

    /// Whether a page still has its header, and its links may be followed. If not, the findings have it,
    /// and they end the program.
    pub(crate) fn is_intact_with_links(&self, bucket: Bucket<'_>, findings: &mut Findings<'_>) -> bool {
        if bucket.is_intact() && self.are_links_intact(bucket) {
            return true;
        }
        corrupt(bucket, findings);
        false
    }

    /// Whether the links of a page are to pages of the same class.
    fn are_links_intact(&self, bucket: Bucket<'_>) -> bool {
        let is_page = |link: Option<NonNull<u8>>| {
            link.is_none_or(|memory| {
                let page = self.state.pages.lookup(memory.addr().get());
                page.is_some_and(|page| page.class == bucket.class_index())
            })
        };
        is_page(bucket.prev()) && is_page(bucket.next())
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

    /// Adds to the findings that an address is in a slot, but is no live block.
    #[cold]
    fn not_live(&self, bucket: Bucket<'_>, slot: usize, findings: &mut Findings<'_>) {
        let block = bucket.slot(slot).addr().get();
        let is_used = bucket.is_used(slot);
        if block != findings.call.address {
            let report = findings.add(ReportKind::InvalidFree);
            self.describe(bucket, slot, report);
            report.inside = is_used.then_some(block);
        } else {
            let report = findings.add(ReportKind::DoubleFree);
            self.describe(bucket, slot, report);
            report.first_free = self.trace_of(bucket.trace(slot, Event::Free));
        }
    }

    /// Compares a live block with what is stored of it. What does not fit is added to the findings; false if
    /// the page has been overwritten.
    fn compare(&self, bucket: Bucket<'_>, slot: usize, findings: &mut Findings<'_>) -> bool {
        if !bucket.is_slot_intact(slot) {
            self.describe(bucket, slot, findings.report());
            corrupt(bucket, findings);
            return false;
        }
        if bucket.len(slot).is_some_and(|len| len != findings.call.len) {
            self.describe(bucket, slot, findings.add(ReportKind::WrongLength));
        }
        if bucket.alignment(slot).is_some_and(|alignment| alignment != findings.call.alignment) {
            self.describe(bucket, slot, findings.add(ReportKind::WrongAlignment));
        }
        let overrun = bucket.first_overrun(slot);
        if overrun.is_some() {
            let report = findings.add(ReportKind::Overrun);
            self.describe(bucket, slot, report);
            report.overrun = overrun;
        }
        true
    }

    /// Puts into a report what is known of a block.
    fn describe(&self, bucket: Bucket<'_>, slot: usize, report: &mut Report) {
        report.recorded_len = bucket.len(slot);
        report.recorded_alignment = bucket.alignment(slot);
        report.allocation = self.trace_of(bucket.trace(slot, Event::Allocation));
    }
}

/// Adds to the findings that a page's metadata has been overwritten.
#[cold]
fn corrupt(bucket: Bucket<'_>, findings: &mut Findings<'_>) {
    findings.add(ReportKind::Corruption).address = bucket.page().addr().get();
}
