//! The blocks that were freed last and gave memory back.
//!
//! When a page or a large block goes back to the child, what was known of it goes too. But a block
//! is freed twice soon after it was freed once, more often than not. So of the last few blocks
//! whose free gave memory back, a line is kept; and, in a quarantine, the memory itself.

use core::ptr::NonNull;

use crate::alignment::Alignment;

const RECENT: usize = 16;

/// One freed block: what it was, and the words that are stored of its two traces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freed {
    pub(crate) address: usize,
    pub(crate) len: usize,
    pub(crate) alignment: Alignment,
    pub(crate) allocation: usize,
    pub(crate) free: usize,
}

/// A block of the child that nothing uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unused {
    pub(crate) memory: NonNull<[u8]>,
    pub(crate) alignment: Alignment,
    /// It is a page, which stays in the table of pages as long as the child does not have it back.
    pub(crate) is_page: bool,
}

impl Freed {
    pub(crate) fn new(
        address: usize,
        len: usize,
        alignment: Alignment,
        allocation: usize,
        free: usize,
    ) -> Freed {
        Freed { address, len, alignment, allocation, free }
    }
}

/// A ring of them.
#[derive(Debug)]
pub(crate) struct Recent {
    blocks: [Option<(Freed, Option<Unused>)>; RECENT],
    /// The oldest.
    next: usize,
    /// The length of all memory in the ring.
    held: usize,
}

impl Recent {
    pub(crate) const fn new() -> Recent {
        Recent { blocks: [None; RECENT], next: 0, held: 0 }
    }

    /// Adds a block in place of the oldest, whose memory is the result: it is to be given back.
    #[must_use]
    pub(crate) fn push(&mut self, block: Freed, memory: Option<Unused>) -> Option<Unused> {
        let (_, unused) = self.blocks[self.next].replace((block, memory)).unzip();
        let unused = unused.flatten();
        self.held += memory.map_or(0, |unused| unused.memory.len());
        self.held -= unused.map_or(0, |unused| unused.memory.len());
        self.next = (self.next + 1) % RECENT;
        unused
    }

    /// Takes the oldest memory out of the ring if there is more of it than `limit` bytes. It is to be
    /// given back.
    #[must_use]
    pub(crate) fn take_above(&mut self, limit: usize) -> Option<Unused> {
        if self.held <= limit {
            return None;
        }
        let (newer, older) = self.blocks.split_at_mut(self.next);
        let unused = older.iter_mut().chain(newer).flatten().find_map(|(_, unused)| unused.take())?;
        self.held -= unused.memory.len();
        Some(unused)
    }

    /// The last block that was freed at an address.
    pub(crate) fn find(&self, address: usize) -> Option<Freed> {
        let (newer, older) = self.blocks.split_at(self.next);
        let newest_first = newer.iter().rev().chain(older.iter().rev()).flatten();
        newest_first.map(|(block, _)| *block).find(|block| block.address == address)
    }
}
