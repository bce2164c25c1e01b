//! The blocks that were freed last, and their memory if it is held back.
//!
//! When a page or a large block is freed to the child, its metadata is lost. But most double frees come soon after the
//! first free. So a record is kept of each of the last few blocks whose free would free memory to the child, and up to
//! [`DebugConfig::quarantine`](crate::heap::DebugConfig::quarantine) bytes of that memory are held back.

use core::ptr::NonNull;

use crate::alignment::Alignment;

/// How many blocks are remembered.
const RECORDS: usize = 16;

/// The record of a freed block, with the words that stand for its two traces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Freed {
    pub(super) address: usize,
    pub(super) len: usize,
    pub(super) alignment: Alignment,
    pub(super) allocation: usize,
    pub(super) free: usize,
}

/// A block that is live in the child and that nothing uses: the right to free it. There is one such value for each of
/// these blocks; if it is dropped, the block leaks.
#[derive(Debug)]
pub(super) struct Unused {
    memory: NonNull<[u8]>,
    alignment: Alignment,
    /// Whether it is a page, which stays in the table of pages until it is freed to the child.
    is_page: bool,
}

impl Unused {
    /// # Safety
    /// `memory` is a live block of the child, with matching length and `alignment`, and no block of this allocator is
    /// live in it. This is the only value for it. Its bytes are not used, but for the metadata of a page, while the
    /// page is in the table.
    pub(super) unsafe fn new(memory: NonNull<[u8]>, alignment: Alignment, is_page: bool) -> Unused {
        Unused { memory, alignment, is_page }
    }

    pub(super) fn memory(&self) -> NonNull<[u8]> {
        self.memory
    }

    pub(super) fn alignment(&self) -> Alignment {
        self.alignment
    }

    pub(super) fn is_page(&self) -> bool {
        self.is_page
    }
}

/// A ring of records, each with its block's memory if that is held back.
#[derive(Debug)]
pub(super) struct Quarantine {
    records: [Option<(Freed, Option<Unused>)>; RECORDS],
    /// The oldest record, which the next one replaces.
    next: usize,
    /// How many bytes are held back.
    held: usize,
}

impl Quarantine {
    pub(super) const fn new() -> Quarantine {
        Quarantine { records: [const { None }; RECORDS], next: 0, held: 0 }
    }

    /// Replaces the oldest record, and returns its memory, which the caller frees.
    #[must_use]
    pub(super) fn push(&mut self, freed: Freed, memory: Option<Unused>) -> Option<Unused> {
        self.held += memory.as_ref().map_or(0, |unused| unused.memory.len());
        let oldest = self.records[self.next].replace((freed, memory));
        let unused = oldest.and_then(|(_, unused)| unused);
        self.held -= unused.as_ref().map_or(0, |unused| unused.memory.len());
        self.next = (self.next + 1) % RECORDS;
        unused
    }

    /// Takes the memory that the next [`push`](Self::push) would return. The caller frees it.
    #[must_use]
    pub(super) fn take_next(&mut self) -> Option<Unused> {
        let (_, unused) = self.records[self.next].as_mut()?;
        let unused = unused.take()?;
        self.held -= unused.memory.len();
        Some(unused)
    }

    /// Takes the oldest memory if more than `limit` bytes are held back. The caller frees it.
    #[must_use]
    pub(super) fn take_above(&mut self, limit: usize) -> Option<Unused> {
        if self.held <= limit {
            return None;
        }
        let (newer, older) = self.records.split_at_mut(self.next);
        let unused = older.iter_mut().chain(newer).flatten().find_map(|(_, unused)| unused.take())?;
        self.held -= unused.memory.len();
        Some(unused)
    }

    /// The record of the block that was freed last at an address.
    pub(super) fn find(&self, address: usize) -> Option<Freed> {
        let (newer, older) = self.records.split_at(self.next);
        let newest_first = newer.iter().rev().chain(older.iter().rev()).flatten();
        newest_first.map(|(freed, _)| *freed).find(|freed| freed.address == address)
    }
}
