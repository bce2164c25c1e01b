//! The search for live blocks.
//!
//! It finds the blocks that are live at one moment: the allocator is locked once, and each page and each large block is
//! visited once. Reports are made after it is unlocked, since a report function may allocate, to print for example, and
//! the global heap may be built on this allocator. The list of leaks is on the global heap too; when it is full, the
//! search starts again with a longer one. Blocks allocated since the first start, the list included, have a higher
//! serial number and are ignored.

use super::DebugAllocator;
use super::pages::{Bucket, Event, MAX_CLASSES};
use super::state::{Large, Locked};
use crate::allocator::Handle;
use crate::heap::report::{Call, Leak, PendingReport, Places, Trace};

/// Tells which blocks are older than a search.
pub(crate) struct Search {
    /// For each class, the number of its newest page when the search began, and how many slots of that
    /// page had been handed out.
    begin: [(usize, usize); MAX_CLASSES],
    /// The last serial number at that time.
    last: usize,
}

impl<C: Handle> DebugAllocator<C> {
    /// [`detect_leaks`](Self::detect_leaks).
    pub(crate) fn search(&self) -> usize {
        let search = self.lock().begin_search();
        let mut places = Places::new(self.config.group_leaks);
        let mut pending;
        loop {
            places.grow();
            pending = PendingReport::new(Call::DETECT_LEAKS, self.reporter.options());
            let is_complete = self.lock().search(&search, &mut places, &mut pending).is_some();
            if is_complete || !pending.is_empty() {
                break;
            }
        }
        let leaks = self.reporter.report_leaks(places, self.config.leak_limit, |word| self.trace_of(word));
        self.end(&mut pending);
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
            if let Some(head) = self.head(class) {
                *begin = (self.serial_of(head), head.allocated_count());
            }
        }
        Search { begin, last: self.state.last_serial() }
    }

    fn serial_of(&self, bucket: Bucket<'_>) -> usize {
        self.state.pages.lookup(bucket.page().addr().get()).map_or(0, |page| page.serial)
    }

    /// Finds all leaks. `None` if it did not, because there was no room for them, or because a page is not intact,
    /// which `pending` then reports.
    fn search(&self, search: &Search, places: &mut Places, pending: &mut PendingReport<'_>) -> Option<()> {
        let mut order = 0;
        for class in 0..self.geometry.class_count {
            let (newest, handed_out) = search.begin[class];
            let mut next = self.head(class);
            while let Some(bucket) = next {
                if !self.is_intact_with_links(bucket, pending) {
                    return None;
                }
                // SAFETY: the link of an intact page is to a page of the table, of the same class.
                next = bucket.prev().map(|page| unsafe { self.bucket(page, class) });
                let serial = self.serial_of(bucket);
                if serial > newest {
                    continue;
                }
                // Slots handed out since then are younger than the search.
                let limit = if serial == newest { handed_out } else { usize::MAX };
                for slot in bucket.slots().take(limit).filter(|slot| slot.is_used()) {
                    order += 1;
                    places.add(Leak {
                        address: slot.memory().addr().get(),
                        len: slot.len(),
                        alignment: slot.alignment(),
                        word: slot.trace(Event::Allocation),
                        order: (0, order),
                    })?;
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
