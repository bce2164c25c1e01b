//! The search for live blocks, in steps between which the allocator is not locked.
//!
//! Whoever is told of a leak may allocate: to print it, if the global heap is on top of the allocator.
//! So the lock is released after every few leaks, and the search has to find its way when it comes
//! back. Pages and large blocks are numbered in the order in which they came; that tells where the
//! search was, what it has seen, and what is younger than the search.

use core::ptr::NonNull;

use super::bucket::Event;
use super::geometry::MAX_CLASSES;
use super::large::Large;
use super::report::{Findings, Operation, Report, ReportKind, Trace};
use super::state::Locked;
use crate::alignment::Alignment;

/// How many leaks are told before the allocator is locked again.
const STEP: usize = 16;

/// Where a search is.
pub(super) struct Search {
    /// For each class, the number of its newest page when the search began, and how many slots of that
    /// page had been handed out.
    begin: [(usize, usize); MAX_CLASSES],
    /// The last number of all at that time.
    last: usize,
    /// The class that is being looked at; behind the last one are large blocks.
    class: usize,
    /// Its pages above this number have been looked at.
    page: usize,
    /// And so have the slots below this one of the page with that number.
    slot: usize,
    /// Large blocks up to this number have been looked at.
    large: usize,
}

/// What one step of a search has found.
pub(super) struct Leaks {
    reports: [Report; STEP],
    len: usize,
}

impl Leaks {
    fn new() -> Leaks {
        let none = Report::new(Operation::DetectLeaks, 0, 0, Alignment::_1, Trace::UNKNOWN);
        Leaks { reports: [none; STEP], len: 0 }
    }

    pub(super) fn reports(&self) -> &[Report] {
        &self.reports[..self.len]
    }

    fn room(&self) -> usize {
        STEP - self.len
    }

    fn add(&mut self, address: usize, len: Option<usize>, alignment: Option<Alignment>, allocation: Trace) {
        let report = &mut self.reports[self.len];
        report.kind = ReportKind::Leak;
        report.address = address;
        report.alignment = alignment.unwrap_or(Alignment::_1);
        report.recorded_len = len;
        report.recorded_alignment = alignment;
        report.allocation = allocation;
        self.len += 1;
    }
}

impl<'d> Locked<'d> {
    pub(super) fn begin_search(&self) -> Search {
        let mut begin = [(0, 0); MAX_CLASSES];
        for (class, begin) in begin.iter_mut().enumerate() {
            if let Some(head) = self.state.heads[class] {
                *begin = (self.serial_of(head), self.bucket(head, class).allocated_count());
            }
        }
        Search { begin, last: self.state.last_serial(), class: 0, page: begin[0].0, slot: 0, large: 0 }
    }

    fn serial_of(&self, page: NonNull<u8>) -> usize {
        let index = self.state.pages.find(page.addr().get());
        index.map_or(0, |index| self.state.pages.get(index).serial)
    }

    /// The next leaks, in order; none in the end. A page that is not intact ends the search.
    pub(super) fn search(&self, search: &mut Search, findings: &mut Findings<'_>) -> Leaks {
        let mut leaks = Leaks::new();
        while search.class < self.geometry.class_count {
            if self.search_class(search, &mut leaks, findings).is_none() {
                return leaks;
            }
            search.class += 1;
            search.page = search.begin.get(search.class).map_or(0, |begin| begin.0);
            search.slot = 0;
        }
        self.search_large(search, &mut leaks);
        leaks
    }

    /// Looks at the rest of the current class. `None` if there is more of it.
    fn search_class(
        &self,
        search: &mut Search,
        leaks: &mut Leaks,
        findings: &mut Findings<'_>,
    ) -> Option<()> {
        let (newest, handed_out) = search.begin[search.class];
        let mut next = self.state.heads[search.class];
        while let Some(memory) = next {
            let bucket = self.bucket(memory, search.class);
            if !self.is_intact_with_links(bucket, findings) {
                return None;
            }
            next = bucket.prev();
            let serial = self.serial_of(memory);
            if serial > search.page {
                continue;
            }
            if serial < search.page {
                // The page where the search was has gone, or been left.
                (search.page, search.slot) = (serial, 0);
            }
            // What was handed out since then is younger than the search.
            let limit = if serial == newest { handed_out } else { usize::MAX };
            let end = bucket.allocated_count().min(limit);
            for slot in search.slot..end {
                if !bucket.is_used(slot) {
                    continue;
                }
                if leaks.room() == 0 {
                    search.slot = slot;
                    return None;
                }
                leaks.add(
                    bucket.slot(slot).addr().get(),
                    bucket.len(slot),
                    bucket.alignment(slot),
                    bucket.trace(slot, Event::Allocation),
                );
            }
            (search.page, search.slot) = (serial.saturating_sub(1), 0);
        }
        Some(())
    }

    /// Looks at as many large blocks as there is room for, the oldest first.
    fn search_large(&self, search: &mut Search, leaks: &mut Leaks) {
        // Their numbers and indexes, in order.
        let mut oldest = [(0, 0); STEP];
        let mut len = 0;
        for index in self.state.large.indexes().filter(|&index| self.state.large.is_taken(index)) {
            let large = self.state.large.get(index);
            let serial = large.serial;
            if large.is_freed() || serial <= search.large || serial > search.last {
                continue;
            }
            let place = oldest[..len].partition_point(|&(older, _)| older < serial);
            if place < leaks.room() {
                len = leaks.room().min(len + 1);
                oldest[place..len].rotate_right(1);
                oldest[place] = (serial, index);
            }
        }
        for &(serial, index) in &oldest[..len] {
            let Large { memory, alignment, .. } = self.state.large.get(index);
            let allocation = self.large_trace(index, Event::Allocation);
            leaks.add(memory.addr().get(), Some(memory.len()), Some(alignment), allocation);
            search.large = serial;
        }
    }
}
