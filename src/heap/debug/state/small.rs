//! Small blocks: slots of a page.

use core::ptr::NonNull;

use super::quarantine::Freed;
use super::{Locked, Page};
use crate::heap::debug::pages::{Bucket, Event, Slot};
use crate::heap::report::{Call, PendingReport, Report, ReportKind};
use crate::return_address::return_address;

impl<'d> Locked<'d> {
    /// The next slot of a class.
    pub(super) fn alloc_small(
        &mut self,
        class: usize,
        pending: &mut PendingReport<'_>,
    ) -> Option<NonNull<u8>> {
        if let Some(head) = self.head(class) {
            if !self.is_intact(head, pending) {
                return None;
            }
            let Call { len, alignment, site, .. } = pending.call;
            if let Some(memory) = head.take(len, alignment, site) {
                return Some(memory);
            }
        }
        self.alloc_page(class, pending)
    }

    /// The first slot of a new page.
    #[cold]
    fn alloc_page(&mut self, class: usize, pending: &mut PendingReport<'_>) -> Option<NonNull<u8>> {
        let memory = self.page_for(class, pending)?;
        let head = self.head(class);
        // SAFETY: a block of the child, as the geometry wants it, without blocks and in no list; the allocator is
        // locked.
        let bucket = unsafe { Bucket::init(self.geometry, class, memory, head.map(|head| head.page())) };
        if let Some(head) = head {
            // SAFETY: the new page, which is in the list from here on.
            unsafe { head.set_next(Some(memory)) };
        }
        let serial = self.state.next_serial();
        let page = Page { memory, class, serial };
        match self.state.pages.find(memory.addr().get()) {
            Some(index) => self.state.pages.set(index, page),
            None => _ = self.state.pages.insert(memory.addr().get(), page),
        }
        self.state.heads[class] = Some(memory);
        let Call { len, alignment, site, .. } = pending.call;
        bucket.take(len, alignment, site)
    }

    /// # Safety
    /// If this succeeds, the bytes of the block past `new_len` are not used any more (dead-pointer).
    pub(super) unsafe fn resize_small(
        &mut self,
        bucket: Bucket<'d>,
        pending: &mut PendingReport<'_>,
        new_len: usize,
    ) -> Option<NonNull<u8>> {
        let slot = self.live_slot(bucket, pending)?;
        let alignment = slot.alignment().unwrap_or(pending.call.alignment);
        let class = self.geometry.class_of(new_len, alignment);
        if class >= self.geometry.class_count || 1 << class != bucket.slot_size() {
            return None;
        }
        let len = slot.len().unwrap_or(pending.call.len);
        self.state.total_requested_bytes = self.total_after(len, new_len)?;
        // SAFETY: a length of this class is at most the slot's size; what is past it is not used, by our caller.
        unsafe { slot.set_len(new_len) };
        if self.config.resize_stack_traces {
            slot.set_trace(Event::Allocation, pending.call.site);
        }
        Some(slot.memory())
    }

    /// # Safety
    /// The block at the call's address is not used any more (dead-pointer).
    pub(super) unsafe fn free_small(&mut self, bucket: Bucket<'d>, pending: &mut PendingReport<'_>) {
        let Some(slot) = self.live_slot(bucket, pending) else { return };
        // When a page is removed from its list, its links are followed. With safety, they have been checked.
        if bucket.has_one_block() && !self.geometry.safety && !self.state.are_links_intact(bucket) {
            return corrupt(bucket, pending);
        }
        self.uncount(slot.len().unwrap_or(pending.call.len));
        // SAFETY: a live block, which nothing uses any more, by our caller.
        unsafe { slot.free(pending.call.site) };
        if bucket.is_empty() {
            // SAFETY: a page of the list, none of whose blocks is live.
            unsafe { self.end_page(bucket, slot, pending) };
        }
    }

    /// What happens to a page when the block in `slot`, which was its last, has been freed.
    ///
    /// # Safety
    /// The page is intact, in the list of its class, and none of its blocks is live.
    #[cold]
    unsafe fn end_page(&mut self, bucket: Bucket<'d>, slot: Slot<'d>, pending: &mut PendingReport<'_>) {
        // SAFETY: an intact page of the list, by our caller.
        unsafe { self.unlink(bucket) };
        if !self.config.never_unmap {
            let Call { address, len, alignment, site, .. } = pending.call;
            let freed = Freed {
                address,
                len: slot.len().unwrap_or(len),
                alignment: slot.alignment().unwrap_or(alignment),
                allocation: slot.trace(Event::Allocation),
                free: site.word(),
            };
            // SAFETY: a page of the table without live blocks. It has just left its list, so this is its first end.
            let unused = unsafe { self.unused_page(bucket.page()) };
            self.bury(freed, Some(unused), return_address());
        }
    }

    /// Returns the slot of the live block at the call's address. Mistakes are added to the report; if there is no such
    /// block, the result is `None`.
    fn live_slot(&self, bucket: Bucket<'d>, pending: &mut PendingReport<'_>) -> Option<Slot<'d>> {
        if !self.is_intact(bucket, pending) {
            return None;
        }
        let address = pending.call.address;
        let Some(slot) = bucket.slot_of(address) else {
            // This part of the page was never handed out, but the memory may have been another page before.
            self.find_among_the_dead(pending);
            return None;
        };
        if slot.memory().addr().get() != address || !slot.is_used() {
            self.not_live(slot, pending);
            return None;
        }
        if self.geometry.safety && !self.compare(bucket, slot, pending) {
            return None;
        }
        Some(slot)
    }

    /// Whether a page's header is intact. If not, the report says so, and the process aborts when it is made.
    ///
    /// With safety, the page's links are checked too. Without it, they are checked before they are
    /// [followed](super::State::are_links_intact).
    #[inline]
    fn is_intact(&self, bucket: Bucket<'_>, pending: &mut PendingReport<'_>) -> bool {
        if bucket.is_intact() && (!self.geometry.safety || self.state.are_links_intact(bucket)) {
            return true;
        }
        corrupt(bucket, pending);
        false
    }

    /// Whether a page's header is intact and its links may be followed. If not, the report says so, and the process
    /// aborts when it is made.
    pub(crate) fn is_intact_with_links(&self, bucket: Bucket<'_>, pending: &mut PendingReport<'_>) -> bool {
        if bucket.is_intact() && self.state.are_links_intact(bucket) {
            return true;
        }
        corrupt(bucket, pending);
        false
    }

    /// Takes a page out of the list of its class.
    ///
    /// # Safety
    /// The page is intact, and its links are to pages of the table of the same class.
    unsafe fn unlink(&mut self, bucket: Bucket<'d>) {
        let class = bucket.class_index();
        let (prev, next) = (bucket.prev(), bucket.next());
        if let Some(memory) = prev {
            // SAFETY: a page of this class, by our caller.
            let prev = unsafe { self.bucket(memory, class) };
            // SAFETY: the page's other neighbour, if it has one.
            unsafe { prev.set_next(next) };
        }
        match next {
            Some(memory) => {
                // SAFETY: a page of this class, by our caller.
                let next = unsafe { self.bucket(memory, class) };
                // SAFETY: the page's other neighbour, if it has one.
                unsafe { next.set_prev(prev) };
            }
            None => self.state.heads[class] = prev,
        }
        // The page may outlive its neighbours.
        // SAFETY: the link leads to no page.
        unsafe { bucket.set_prev(None) };
        // SAFETY: the link leads to no page.
        unsafe { bucket.set_next(None) };
    }

    /// Adds to the report that an address is in a slot, but is not a live block.
    #[cold]
    fn not_live(&self, slot: Slot<'_>, pending: &mut PendingReport<'_>) {
        let block = slot.memory().addr().get();
        if block != pending.call.address {
            let report = pending.add(ReportKind::InvalidFree);
            self.describe(slot, report);
            report.inside = slot.is_used().then_some(block);
        } else {
            let report = pending.add(ReportKind::DoubleFree);
            self.describe(slot, report);
            report.first_free = self.trace_of(slot.trace(Event::Free));
        }
    }

    /// Compares the call with the metadata of a live block. Differences are added to the report. Returns false if the
    /// metadata has been overwritten.
    fn compare(&self, bucket: Bucket<'_>, slot: Slot<'_>, pending: &mut PendingReport<'_>) -> bool {
        if !slot.is_intact() {
            self.describe(slot, pending.report());
            corrupt(bucket, pending);
            return false;
        }
        if slot.len().is_some_and(|len| len != pending.call.len) {
            self.describe(slot, pending.add(ReportKind::WrongLength));
        }
        if slot.alignment().is_some_and(|alignment| alignment != pending.call.alignment) {
            self.describe(slot, pending.add(ReportKind::WrongAlignment));
        }
        if !slot.is_rest_intact() {
            let overrun = slot.first_overrun();
            let report = pending.add(ReportKind::Overrun);
            self.describe(slot, report);
            report.overrun = overrun;
        }
        true
    }

    /// Adds a block's metadata to a report.
    fn describe(&self, slot: Slot<'_>, report: &mut Report) {
        report.recorded_len = slot.len();
        report.recorded_alignment = slot.alignment();
        report.allocation = self.trace_of(slot.trace(Event::Allocation));
    }
}

/// Adds to the report that a page's metadata has been overwritten.
#[cold]
pub(super) fn corrupt(bucket: Bucket<'_>, pending: &mut PendingReport<'_>) {
    pending.add(ReportKind::Corruption).address = bucket.page().addr().get();
}
