//! The search for live blocks.
//!
//! It sees what is live at one moment: the allocator is locked once, and each page and each large block looked at
//! once. Reports are made when it is unlocked again, since whoever is told of a leak may allocate: to print
//! it, if the global heap is on top of the allocator. So may the list of what is found, which is on the global
//! heap; when it is full, the search begins again with a longer one. What has been allocated since it began the
//! first time, the list itself included, has a higher number than everything else, and is not part of it.

use core::ptr::NonNull;

use super::DebugAllocator;
use super::pages::{Event, MAX_CLASSES};
use super::report::{Call, Findings, Leak, LeftOut, Places, Report, ReportKind, Trace};
use super::state::{Large, Locked};
use crate::allocator::ChildAllocator;

/// What is older than a search.
pub(crate) struct Search {
    /// For each class, the number of its newest page when the search began, and how many slots of that
    /// page had been handed out.
    begin: [(usize, usize); MAX_CLASSES],
    /// The last number of all at that time.
    last: usize,
}

impl<C: ChildAllocator> DebugAllocator<C> {
    /// [`detect_leaks`](Self::detect_leaks).
    pub(crate) fn search(&self) -> usize {
        let search = self.lock().begin_search();
        let mut places = Places::new(self.config.group_leaks);
        let mut findings;
        loop {
            places.grow();
            findings = Findings::new(Call::DETECT_LEAKS, &self.config);
            let is_complete = self.lock().search(&search, &mut places, &mut findings).is_some();
            if is_complete || !findings.is_empty() {
                break;
            }
        }
        #[cfg(feature = "backtrace")]
        if self.config.group_leaks && self.config.stack_trace_frames != 0 && places.len() > 1 {
            let mut look = crate::testing::symbol::Shown::new(self.config.skip_frames);
            places.merge(|place| self.trace_of(place.word).shown(&mut look));
        }
        let (places, left_out) = places.finish(self.config.leak_limit);
        let mut leaks = left_out.count;
        for place in &places {
            leaks += place.count;
            let report = Report::leak(place, self.trace_of(place.word), &self.config);
            self.tally.tell(&report, self.listener);
        }
        if left_out.reports != 0 {
            let LeftOut { reports: left_out, count, total_len } = left_out;
            let kind = ReportKind::MoreLeaks;
            let report = Report::new(&Call::DETECT_LEAKS, &self.config);
            self.tally.tell(&Report { kind, left_out, count, total_len, ..report }, self.listener);
        }
        self.end(&mut findings);
        leaks
    }

    fn trace_of(&self, word: usize) -> Trace {
        self.lock().trace_of(word)
    }
}

impl Locked<'_> {
    fn begin_search(&self) -> Search {
        let mut begin = [(0, 0); MAX_CLASSES];
        for (class, begin) in begin.iter_mut().enumerate() {
            if let Some(head) = self.state.heads[class] {
                *begin = (self.serial_of(head), self.bucket(head, class).allocated_count());
            }
        }
        Search { begin, last: self.state.last_serial() }
    }

    fn serial_of(&self, page: NonNull<u8>) -> usize {
        self.state.pages.lookup(page.addr().get()).map_or(0, |page| page.serial)
    }

    /// Finds all leaks. `None` if it did not, since there was no room for them, or since a page is not intact, which
    /// the findings have then.
    fn search(&self, search: &Search, places: &mut Places, findings: &mut Findings<'_>) -> Option<()> {
        let mut order = 0;
        for class in 0..self.geometry.class_count {
            let (newest, handed_out) = search.begin[class];
            let mut next = self.state.heads[class];
            while let Some(memory) = next {
                let bucket = self.bucket(memory, class);
                if !self.is_intact_with_links(bucket, findings) {
                    return None;
                }
                next = bucket.prev();
                let serial = self.serial_of(memory);
                if serial > newest {
                    continue;
                }
                // What was handed out since then is younger than the search.
                let limit = if serial == newest { handed_out } else { usize::MAX };
                for slot in 0..bucket.allocated_count().min(limit) {
                    if bucket.is_used(slot) {
                        order += 1;
                        places.add(Leak {
                            address: bucket.slot(slot).addr().get(),
                            len: bucket.len(slot),
                            alignment: bucket.alignment(slot),
                            word: bucket.trace(slot, Event::Allocation),
                            order: (0, order),
                        })?;
                    }
                }
            }
        }
        for index in self.state.large.indexes().filter(|&index| self.state.large.is_taken(index)) {
            let large = self.state.large.get(index);
            if !large.is_freed() && large.serial <= search.last {
                let Large { memory, alignment, serial, .. } = large;
                places.add(Leak {
                    address: memory.addr().get(),
                    len: Some(memory.len()),
                    alignment: Some(alignment),
                    word: self.large_trace(index, Event::Allocation),
                    order: (1, serial),
                })?;
            }
        }
        Some(())
    }
}
