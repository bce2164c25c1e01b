//! The state behind the lock, and what a call does with it.

use core::ptr::NonNull;
use std::sync::MutexGuard;

use super::bucket::{Bucket, Event};
use super::config::DebugConfig;
use super::geometry::{Geometry, MAX_CLASSES};
use super::large::Large;
use super::recent::{Freed, Recent, Unused};
use super::report::{Findings, Operation, Report, ReportKind, Tally, Trace};
use super::table::Table;
use crate::alignment::Alignment;
use crate::return_address::return_address;
use crate::vtable::Allocator;

/// A page in the table of pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub(super) memory: NonNull<u8>,
    pub(super) class: usize,
}

/// Everything that changes.
///
/// The tables hold live blocks of the child: `pages` all pages, also those that are kept when empty
/// (`never_unmap`), and `large` all large blocks, of which those that are marked as freed are live
/// blocks of the child exactly if `never_unmap` is set.
#[derive(Debug)]
pub(super) struct State {
    /// The newest page of each class, whose slots are handed out.
    pub(super) heads: [Option<NonNull<u8>>; MAX_CLASSES],
    pub(super) pages: Table<Page>,
    pub(super) large: Table<Large>,
    pub(super) recent: Recent,
    pub(super) total_requested_bytes: usize,
    pub(super) requested_memory_limit: usize,
}

impl State {
    pub(super) const fn new(config: &DebugConfig) -> State {
        let traces = if config.retain_metadata { 2 } else { 1 };
        State {
            heads: [None; MAX_CLASSES],
            pages: Table::new(0),
            large: Table::new(traces * config.stack_trace_frames),
            recent: Recent::new(),
            total_requested_bytes: 0,
            requested_memory_limit: usize::MAX,
        }
    }
}

/// The locked allocator.
pub(super) struct Locked<'d> {
    pub(super) state: MutexGuard<'d, State>,
    pub(super) child: Allocator<'d>,
    pub(super) config: &'d DebugConfig,
    pub(super) geometry: &'d Geometry,
}

impl<'d> Locked<'d> {
    pub(super) fn alloc(&mut self, findings: &mut Findings, ret_addr: usize) -> Option<NonNull<u8>> {
        let Report { len, alignment, .. } = findings.report;
        let total = self.total_after(0, len)?;
        let class = self.geometry.class_of(len, alignment);
        let memory = if class < self.geometry.class_count {
            self.alloc_small(class, findings)?
        } else {
            self.alloc_large(findings, ret_addr)?
        };
        self.state.total_requested_bytes = total;
        Some(memory)
    }

    /// # Safety
    /// Clauses 2 and 4 of the contract.
    pub(super) unsafe fn resize(
        &mut self,
        findings: &mut Findings,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let address = findings.report.address;
        if let Some(bucket) = self.bucket_of(address) {
            return self.resize_small(bucket, findings, new_len);
        }
        if findings.report.operation == Operation::Remap && self.config.retain_metadata {
            // The block may move, and the record of its old address stays.
            // SAFETY: always this child.
            unsafe { self.state.large.reserve(self.child) }?;
        }
        if let Some(index) = self.state.large.find(address) {
            // SAFETY: the caller's promise.
            return unsafe { self.resize_large(index, findings, new_len, ret_addr) };
        }
        self.find_among_the_dead(findings);
        None
    }

    /// # Safety
    /// Clause 4 of the contract.
    pub(super) unsafe fn free(&mut self, findings: &mut Findings, ret_addr: usize) {
        let address = findings.report.address;
        if let Some(bucket) = self.bucket_of(address) {
            self.free_small(bucket, findings);
        } else if let Some(index) = self.state.large.find(address) {
            // SAFETY: the caller's promise.
            unsafe { self.free_large(index, findings, ret_addr) };
        } else {
            self.find_among_the_dead(findings);
        }
    }

    /// The page that an address is in.
    fn bucket_of(&self, address: usize) -> Option<Bucket<'d>> {
        let index = self.state.pages.find(address & !(self.geometry.page_size - 1))?;
        Some(self.bucket(self.state.pages.get(index)))
    }

    pub(super) fn bucket(&self, page: Page) -> Bucket<'d> {
        // SAFETY: 1. a page of the table. 2. The allocator is locked. 3. Whoever reads more than the
        // header asks first whether it is intact.
        unsafe { Bucket::new(self.geometry, page.class, page.memory) }
    }

    /// An address that is no block. Was it one until recently?
    pub(super) fn find_among_the_dead(&self, findings: &mut Findings) {
        match self.state.recent.find(findings.report.address) {
            Some(freed) => {
                findings.report.recorded_len = Some(freed.len);
                findings.report.recorded_alignment = Some(freed.alignment);
                findings.report.allocation = freed.allocation();
                findings.report.first_free = freed.free();
                findings.add(ReportKind::DoubleFree);
            }
            None => findings.add(ReportKind::InvalidFree),
        }
    }

    /// Remembers a block that is freed in this call, and gives its memory back, at once or when it has
    /// been in quarantine. `unused` is `None` if the memory is gone or stays.
    pub(super) fn bury(&mut self, freed: Freed, unused: Option<Unused>, ret_addr: usize) {
        let quarantine = self.config.quarantine;
        let (kept, given) = match unused {
            Some(unused) if unused.memory.len() > quarantine => (None, Some(unused)),
            unused => (unused, None),
        };
        if let Some(unused) = given {
            self.give_back(unused, ret_addr);
        }
        if let Some(unused) = self.state.recent.push(freed, kept) {
            self.give_back(unused, return_address());
        }
        self.empty_quarantine(quarantine);
    }

    /// Gives the oldest memory in quarantine back, until there are at most `limit` bytes left.
    fn empty_quarantine(&mut self, limit: usize) {
        while let Some(unused) = self.state.recent.take_above(limit) {
            self.give_back(unused, return_address());
        }
    }

    /// The requested bytes when a block of `len` bytes gets `new_len`, or `None` if there may not be so
    /// many. What does not grow is always allowed.
    pub(super) fn total_after(&self, len: usize, new_len: usize) -> Option<usize> {
        let total = self.state.total_requested_bytes;
        if !self.config.enable_memory_limit {
            return Some(total);
        }
        // Without safety, the length of a small block is the caller's, and may be wrong.
        let new_total = total.saturating_sub(len).checked_add(new_len)?;
        (new_total <= total || new_total <= self.state.requested_memory_limit).then_some(new_total)
    }

    /// A block of `len` bytes is gone.
    pub(super) fn uncount(&mut self, len: usize) {
        if self.config.enable_memory_limit {
            self.state.total_requested_bytes = self.state.total_requested_bytes.saturating_sub(len);
        }
    }

    pub(super) fn detect_leaks(&mut self, tally: &Tally) -> usize {
        let mut leaks = 0;
        let mut tell = |address, len, alignment: Option<Alignment>, allocation| {
            let mut report = Report::new(
                Operation::DetectLeaks,
                address,
                0,
                alignment.unwrap_or(Alignment::_1),
                Trace::UNKNOWN,
            );
            report.recorded_len = len;
            report.recorded_alignment = alignment;
            report.allocation = allocation;
            tally.tell(&report, self.config.report);
            leaks += 1;
        };
        for class in 0..self.geometry.class_count {
            let mut next = self.state.heads[class];
            while let Some(memory) = next {
                let bucket = self.bucket(Page { memory, class });
                if !bucket.is_intact() {
                    let address = memory.addr().get();
                    let mut findings = Findings::new(Report::new(
                        Operation::DetectLeaks,
                        address,
                        0,
                        self.geometry.page_alignment(),
                        Trace::UNKNOWN,
                    ));
                    findings.add(ReportKind::Corruption);
                    tally.tell_all(findings, self.config.report);
                }
                for slot in (0..bucket.allocated_count()).filter(|&slot| bucket.is_used(slot)) {
                    tell(
                        bucket.slot(slot).addr().get(),
                        bucket.len(slot),
                        bucket.alignment(slot),
                        bucket.trace(slot, Event::Allocation),
                    );
                }
                next = bucket.prev();
            }
        }
        for index in self.state.large.indexes() {
            if !self.state.large.is_taken(index) {
                continue;
            }
            let Large { memory, alignment, freed } = self.state.large.get(index);
            if !freed {
                let trace = self.large_trace(index, Event::Allocation);
                tell(memory.addr().get(), Some(memory.len()), Some(alignment), trace);
            }
        }
        leaks
    }

    pub(super) fn flush_retained_metadata(&mut self) {
        self.empty_quarantine(0);
        self.state.recent = Recent::new();
        // What a removal moves to an earlier index has been looked at, or comes to this one.
        let mut index = 0;
        while index < self.state.large.indexes().end {
            if !self.state.large.is_taken(index) || !self.state.large.get(index).freed {
                index += 1;
                continue;
            }
            if self.config.never_unmap {
                self.give_back(self.state.large.get(index).unused(), return_address());
            }
            self.state.large.remove(index);
        }
        let mut index = 0;
        while index < self.state.pages.indexes().end {
            let is_taken = self.state.pages.is_taken(index);
            if is_taken && self.bucket(self.state.pages.get(index)).is_empty() {
                self.give_page_back(self.state.pages.get(index));
                self.state.pages.remove(index);
            } else {
                index += 1;
            }
        }
    }

    /// Ends all blocks, and gives back to the child what is to be given back. The state is new then.
    pub(super) fn release(&mut self) {
        self.empty_quarantine(0);
        let everything = !self.config.never_unmap || self.config.retain_metadata;
        for index in self.state.pages.indexes().filter(|_| everything) {
            if self.state.pages.is_taken(index) {
                self.give_page_back(self.state.pages.get(index));
            }
        }
        for index in self.state.large.indexes().filter(|_| everything) {
            if self.state.large.is_taken(index) {
                let large = self.state.large.get(index);
                if !large.freed || self.config.never_unmap {
                    self.give_back(large.unused(), return_address());
                }
            }
        }
        // SAFETY: always this child.
        unsafe {
            self.state.pages.release(self.child);
            self.state.large.release(self.child);
        }
        *self.state = State::new(self.config);
    }

    fn give_page_back(&self, page: Page) {
        self.give_back(self.page_memory(page), return_address());
    }

    pub(super) fn page_memory(&self, page: Page) -> Unused {
        let memory = NonNull::slice_from_raw_parts(page.memory, self.geometry.page_size);
        Unused { memory, alignment: self.geometry.page_alignment() }
    }

    fn give_back(&self, unused: Unused, ret_addr: usize) {
        // SAFETY: a live block of the child with matching length and alignment, which is not in use
        // any more, or the allocator is at its end.
        unsafe { self.child.raw_free(unused.memory, unused.alignment, ret_addr) };
    }
}
