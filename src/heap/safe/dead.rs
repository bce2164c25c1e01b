//! The blocks that were freed last, of those whose memory went to the child with their free.

use crate::alignment::Alignment;

const RECORDS: usize = 16;

/// A freed block, with the words that stand for its two traces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Freed {
    pub(super) address: usize,
    pub(super) len: usize,
    pub(super) alignment: Alignment,
    pub(super) allocation: usize,
    pub(super) free: usize,
}

/// A ring of records.
#[derive(Debug)]
pub(super) struct Dead {
    records: [Option<Freed>; RECORDS],
    /// The oldest record, which the next one replaces.
    next: usize,
}

impl Dead {
    pub(super) const fn new() -> Dead {
        Dead { records: [None; RECORDS], next: 0 }
    }

    pub(super) fn push(&mut self, freed: Freed) {
        self.records[self.next] = Some(freed);
        self.next = (self.next + 1) % RECORDS;
    }

    /// The record of the block that was freed last at an address.
    pub(super) fn find(&self, address: usize) -> Option<Freed> {
        let (newer, older) = self.records.split_at(self.next);
        let mut newest_first = newer.iter().rev().chain(older.iter().rev()).flatten();
        newest_first.find(|freed| freed.address == address).copied()
    }
}
