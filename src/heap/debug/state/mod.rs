//! The state behind the lock, and what a call does with it.

mod fork;
mod large;
mod lock;
mod recent;
mod small;
mod stacks;
mod table;

use core::ptr::NonNull;

pub(super) use large::Large;
pub(super) use lock::{Guard, Lock};
use recent::{Freed, Recent, Unused};
use stacks::Node;
use table::Table;

use super::config::DebugConfig;
use super::pages::{Bucket, Geometry, MAX_CLASSES};
use super::report::{Call, Findings, ReportKind};
use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::return_address::return_address;

/// A page in the table of pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) memory: NonNull<u8>,
    pub(crate) class: usize,
    /// Younger pages have a higher number.
    pub(crate) serial: usize,
}

/// Everything that changes.
///
/// The tables hold live blocks of the child: `pages` all pages, also those that are kept when empty
/// (`never_unmap`, or in quarantine), and `large` all large blocks, whose [status](large::Status) says
/// whether they are live here and in the child. A block in quarantine is live in the child, and owned by `recent`.
#[derive(Debug)]
pub(crate) struct State {
    /// The newest page of each class, whose slots are handed out.
    pub(crate) heads: [Option<NonNull<u8>>; MAX_CLASSES],
    pub(crate) pages: Table<Page, false>,
    pub(crate) large: Table<Large, true>,
    /// The stacks of calls, by number.
    pub(crate) stacks: Table<Node, false>,
    pub(crate) recent: Recent,
    /// How many pages and large blocks there have been.
    serial: usize,
    pub(crate) total_requested_bytes: usize,
    pub(crate) requested_memory_limit: usize,
}

impl State {
    pub(crate) const fn new(config: &DebugConfig) -> State {
        let traces = if config.retain_metadata { 2 } else { 1 };
        State {
            heads: [None; MAX_CLASSES],
            pages: Table::new(0),
            large: Table::new(traces * config.stack_trace_frames),
            stacks: Table::new(0),
            recent: Recent::new(),
            serial: 0,
            total_requested_bytes: 0,
            requested_memory_limit: usize::MAX,
        }
    }

    /// A slot of the newest page of a class, where nothing else is to be stored of a block. `None` where
    /// there is more to do than that, and nothing has changed.
    #[inline(always)]
    pub(crate) fn alloc_plain(
        &self,
        geometry: &Geometry,
        len: usize,
        alignment: Alignment,
    ) -> Option<NonNull<u8>> {
        let class = geometry.class_of(len, alignment);
        let page = (*self.heads.get(class)?)?;
        // SAFETY: a page of the table; the state is borrowed, so the allocator is locked; it is asked
        // whether the header is intact.
        let bucket = unsafe { Bucket::new(geometry, class, page) };
        if bucket.is_intact() { bucket.take_slot().map(|slot| bucket.slot(slot)) } else { None }
    }

    /// Frees a block, where nothing else is to be stored of that and its page stays. If not, or if it is
    /// no block, false, and nothing has changed.
    #[inline(always)]
    pub(crate) fn free_plain(&self, geometry: &Geometry, address: usize) -> bool {
        let Some(page) = self.pages.lookup(address & !(geometry.page_size - 1)) else { return false };
        // SAFETY: as in `alloc_plain`.
        let bucket = unsafe { Bucket::new(geometry, page.class, page.memory) };
        if !bucket.is_intact() {
            return false;
        }
        let Some(slot) = bucket.slot_of(address) else { return false };
        if bucket.slot(slot).addr().get() != address || !bucket.is_used(slot) || bucket.has_one_block() {
            return false;
        }
        bucket.free_slot(slot);
        true
    }

    /// The number of a new page or large block: the first is 1.
    pub(crate) fn next_serial(&mut self) -> usize {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// The number of the youngest page or large block.
    pub(crate) fn last_serial(&self) -> usize {
        self.serial
    }
}

/// The locked allocator.
pub(crate) struct Locked<'d> {
    pub(crate) state: Guard<'d, State>,
    pub(crate) child: Allocator<'d>,
    pub(crate) config: &'d DebugConfig,
    pub(crate) geometry: &'d Geometry,
}

impl<'d> Locked<'d> {
    pub(crate) fn alloc(&mut self, findings: &mut Findings<'_>, ret_addr: usize) -> Option<NonNull<u8>> {
        let Call { len, alignment, .. } = findings.call;
        let total = self.total_after(0, len)?;
        self.store(&mut findings.call.site);
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
    pub(crate) unsafe fn resize(
        &mut self,
        findings: &mut Findings<'_>,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let address = findings.call.address;
        if self.config.resize_stack_traces || self.config.retain_metadata {
            self.store(&mut findings.call.site);
        }
        if let Some(bucket) = self.bucket_of(address) {
            return self.resize_small(bucket, findings, new_len);
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
    pub(crate) unsafe fn free(&mut self, findings: &mut Findings<'_>, ret_addr: usize) {
        let address = findings.call.address;
        self.store(&mut findings.call.site);
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
        let Page { memory, class, .. } = self.state.pages.lookup(address & !(self.geometry.page_size - 1))?;
        Some(self.bucket(memory, class))
    }

    /// Whether a block with this address would be taken for a small one.
    pub(crate) fn is_in_page(&self, memory: NonNull<u8>) -> bool {
        self.state.pages.lookup(memory.addr().get() & !(self.geometry.page_size - 1)).is_some()
    }

    /// A page of the table: the head of a class, or what an intact page has a link to.
    pub(crate) fn bucket(&self, page: NonNull<u8>, class: usize) -> Bucket<'d> {
        // SAFETY: 1. A page of the table, which is where links are looked up when it is asked whether a
        // page is intact. 2. The allocator is locked. 3. Whoever reads more than the header asks first
        // whether it is intact.
        unsafe { Bucket::new(self.geometry, class, page) }
    }

    /// An address that is no block. Was it one until recently?
    #[cold]
    pub(crate) fn find_among_the_dead(&self, findings: &mut Findings<'_>) {
        let Some(freed) = self.state.recent.find(findings.call.address) else {
            findings.add(ReportKind::InvalidFree);
            return;
        };
        let report = findings.add(ReportKind::DoubleFree);
        report.recorded_len = Some(freed.len);
        report.recorded_alignment = Some(freed.alignment);
        report.allocation = self.trace_of(freed.allocation);
        report.first_free = self.trace_of(freed.free);
    }

    /// Remembers a block that is freed in this call, and gives its memory back, at once or when it has
    /// been in quarantine. `unused` is `None` if the memory is gone or stays.
    pub(crate) fn bury(&mut self, freed: Freed, unused: Option<Unused>, ret_addr: usize) {
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
    pub(crate) fn total_after(&self, len: usize, new_len: usize) -> Option<usize> {
        let total = self.state.total_requested_bytes;
        if !self.config.enable_memory_limit {
            return Some(total);
        }
        // Without safety, the length of a small block is the caller's, and may be wrong.
        let new_total = total.saturating_sub(len).checked_add(new_len)?;
        (new_total <= total || new_total <= self.state.requested_memory_limit).then_some(new_total)
    }

    /// A block of `len` bytes is gone.
    pub(crate) fn uncount(&mut self, len: usize) {
        if self.config.enable_memory_limit {
            self.state.total_requested_bytes = self.state.total_requested_bytes.saturating_sub(len);
        }
    }

    pub(crate) fn flush_retained_metadata(&mut self) {
        self.empty_quarantine(0);
        self.state.recent = Recent::new();
        // What a removal moves to an earlier index has been looked at, or comes to this one. An entry goes
        // before its memory does.
        let mut index = 0;
        while index < self.state.large.indexes().end {
            if !self.state.large.is_taken(index) || !self.state.large.get(index).is_freed() {
                index += 1;
                continue;
            }
            let large = self.state.large.get(index);
            self.state.large.remove(index);
            if large.is_owed() {
                self.free_of_child(large.unused(), return_address());
            }
        }
        let mut index = 0;
        while index < self.state.pages.indexes().end {
            if self.state.pages.is_taken(index) {
                let Page { memory, class, .. } = self.state.pages.get(index);
                let bucket = self.bucket(memory, class);
                // One that is overwritten may look empty. It stays, and the next call with it finds out.
                if bucket.is_intact() && bucket.is_empty() {
                    self.give_back(self.page_memory(memory), return_address());
                    continue;
                }
            }
            index += 1;
        }
    }

    /// Ends all blocks, and gives back to the child what is to be given back. The state is new then, before the
    /// child is called.
    pub(crate) fn release(&mut self) {
        let mut old = core::mem::replace(&mut *self.state, State::new(self.config));
        while let Some(unused) = old.recent.take_above(0) {
            // A page in quarantine is in the table as well.
            if unused.is_page {
                let index = old.pages.find(unused.memory.addr().get());
                index.into_iter().for_each(|index| old.pages.remove(index));
            }
            self.free_of_child(unused, return_address());
        }
        if !self.config.never_unmap || self.config.retain_metadata {
            for index in old.pages.indexes().filter(|&index| old.pages.is_taken(index)) {
                self.free_of_child(self.page_memory(old.pages.get(index).memory), return_address());
            }
            for index in old.large.indexes().filter(|&index| old.large.is_taken(index)) {
                let large = old.large.get(index);
                if large.is_owed() {
                    self.free_of_child(large.unused(), return_address());
                }
            }
        }
        // SAFETY: always this child, and always this memory.
        unsafe {
            old.pages.release(self.child);
            old.large.release(self.child);
            old.stacks.release(self.memory_of_stacks());
        }
    }

    pub(crate) fn page_memory(&self, page: NonNull<u8>) -> Unused {
        let memory = NonNull::slice_from_raw_parts(page, self.geometry.page_size);
        Unused { memory, alignment: self.geometry.page_alignment(), is_page: true }
    }

    /// Gives memory back to the child. A page leaves the table.
    fn give_back(&mut self, unused: Unused, ret_addr: usize) {
        if unused.is_page {
            if let Some(index) = self.state.pages.find(unused.memory.addr().get()) {
                self.state.pages.remove(index);
            }
        }
        self.free_of_child(unused, ret_addr);
    }

    fn free_of_child(&self, unused: Unused, ret_addr: usize) {
        // SAFETY: a live block of the child with matching length and alignment, which is not in use
        // any more, or the allocator is at its end; what remembered it does so no longer.
        unsafe { self.child.raw_free(unused.memory, unused.alignment, ret_addr) };
    }
}
