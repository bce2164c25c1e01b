//! Records which blocks of an allocator are live, and checks calls against them.
//!
//! The ledger stores addresses only; it never reads or writes a block.

use alloc::collections::{BTreeMap, BTreeSet};
use core::fmt;

use crate::alignment::Alignment;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The live blocks by address. They do not overlap.
    live: BTreeMap<usize, Entry>,
    /// Addresses of blocks that were freed and have not been reused.
    freed: BTreeSet<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) len: usize,
    pub(crate) alignment: Alignment,
}

/// A breach of the contract. The first four are the allocator's, the others its caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    InvalidAlignment { alignment: Alignment },
    Misaligned { address: usize, alignment: Alignment },
    TooLong { address: usize, len: usize },
    Overlap { address: usize, len: usize, other: usize, other_len: usize },
    Freed { address: usize },
    Inside { address: usize, block: usize, block_len: usize },
    Foreign { address: usize },
    WrongLength { address: usize, len: usize, matching: usize },
    WrongAlignment { address: usize, alignment: Alignment, matching: Alignment },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Breach::InvalidAlignment { alignment } => {
                write!(f, "clause no-overflow: memory was returned for the invalid alignment {alignment:?}")
            }
            Breach::Misaligned { address, alignment } => {
                let alignment = alignment.to_byte_units();
                write!(f, "clause new-block: {address:#x} is not aligned to {alignment} bytes")
            }
            Breach::TooLong { address, len } => {
                write!(
                    f,
                    "clause no-overflow: a block of {len} bytes at {address:#x} exceeds isize::MAX bytes"
                )?;
                write!(f, " or the address space")
            }
            Breach::Overlap { address, len, other, other_len } => write!(
                f,
                "clause new-block: the block of {len} bytes at {address:#x} overlaps the live block of {other_len} \
                 bytes at {other:#x}"
            ),
            Breach::Freed { address } => {
                write!(f, "clause dead-pointer: the block at {address:#x} has already been freed")
            }
            Breach::Inside { address, block, block_len } => write!(
                f,
                "clause live-block: {address:#x} is inside the live block of {block_len} bytes at {block:#x}, not at \
                 its start"
            ),
            Breach::Foreign { address } => {
                write!(f, "clause live-block: {address:#x} is not a block of this allocator")
            }
            Breach::WrongLength { address, len, matching } => write!(
                f,
                "clause live-block: the block at {address:#x} has a length of {matching} bytes, not {len}"
            ),
            Breach::WrongAlignment { address, alignment, matching } => {
                let (alignment, matching) = (alignment.to_byte_units(), matching.to_byte_units());
                write!(f, "clause live-block: the block at {address:#x} has an alignment of {matching} ")?;
                write!(f, "bytes, not {alignment}")
            }
        }
    }
}

impl Ledger {
    /// Adds a new block. `len` is not zero.
    pub(crate) fn insert(&mut self, address: usize, len: usize, alignment: Alignment) -> Result<(), Breach> {
        if !alignment.is_valid() {
            return Err(Breach::InvalidAlignment { alignment });
        }
        if !alignment.check(address) {
            return Err(Breach::Misaligned { address, alignment });
        }
        self.check_range(address, len, None)?;
        self.freed.remove(&address);
        self.live.insert(address, Entry { len, alignment });
        Ok(())
    }

    /// Returns the live block that a caller passes, or the breach.
    pub(crate) fn check(&self, address: usize, len: usize, alignment: Alignment) -> Result<Entry, Breach> {
        let Some(&entry) = self.live.get(&address) else {
            return Err(match self.live.range(..address).next_back() {
                Some((&block, entry)) if address - block < entry.len => {
                    Breach::Inside { address, block, block_len: entry.len }
                }
                _ if self.freed.contains(&address) => Breach::Freed { address },
                _ => Breach::Foreign { address },
            });
        };
        if entry.len != len {
            return Err(Breach::WrongLength { address, len, matching: entry.len });
        }
        if entry.alignment != alignment {
            return Err(Breach::WrongAlignment { address, alignment, matching: entry.alignment });
        }
        Ok(entry)
    }

    /// Sets the length of the live block at `address` to `new_len`.
    pub(crate) fn resize(&mut self, address: usize, new_len: usize) -> Result<(), Breach> {
        self.check_range(address, new_len, Some(address))?;
        match self.live.get_mut(&address) {
            Some(entry) => entry.len = new_len,
            None => return Err(Breach::Foreign { address }),
        }
        Ok(())
    }

    /// Removes the live block at `address`.
    pub(crate) fn remove(&mut self, address: usize) {
        if self.live.remove(&address).is_some() {
            self.freed.insert(address);
        }
    }

    /// Returns the live blocks in the order of their addresses.
    pub(crate) fn live(&self) -> impl ExactSizeIterator<Item = (usize, Entry)> {
        self.live.iter().map(|(&address, &entry)| (address, entry))
    }

    /// Checks that `len` bytes at `address` can exist and overlap no live block except `own`.
    fn check_range(&self, address: usize, len: usize, own: Option<usize>) -> Result<(), Breach> {
        let end = match address.checked_add(len) {
            Some(end) if isize::try_from(len).is_ok() => end,
            _ => return Err(Breach::TooLong { address, len }),
        };
        // The live blocks are disjoint, so of those that start below `end`, the last one ends last.
        let mut below = self.live.range(..end).rev().filter(|(other, _)| Some(**other) != own);
        match below.next() {
            Some((&other, entry)) if other + entry.len > address => {
                Err(Breach::Overlap { address, len, other, other_len: entry.len })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(blocks: &[(usize, usize)]) -> Ledger {
        let mut ledger = Ledger::default();
        for &(address, len) in blocks {
            ledger.insert(address, len, Alignment::_1).unwrap();
        }
        ledger
    }

    #[test]
    fn neighbours_do_not_overlap() {
        let mut ledger = ledger(&[(100, 10), (120, 10)]);
        assert!(ledger.insert(110, 10, Alignment::_1).is_ok());
        assert!(ledger.insert(130, 1, Alignment::_1).is_ok());
        assert!(ledger.insert(99, 1, Alignment::_1).is_ok());
    }

    #[test]
    fn every_kind_of_overlap_is_found() {
        for (address, len) in [(100, 10), (99, 2), (109, 1), (104, 2), (90, 100), (109, 100)] {
            let breach = ledger(&[(100, 10), (300, 10)]).insert(address, len, Alignment::_1);
            assert_eq!(breach, Err(Breach::Overlap { address, len, other: 100, other_len: 10 }));
        }
    }

    #[test]
    fn a_block_grows_up_to_its_neighbour() {
        let mut ledger = ledger(&[(100, 10), (120, 10)]);
        assert!(ledger.resize(100, 20).is_ok());
        assert!(matches!(ledger.resize(100, 21), Err(Breach::Overlap { other: 120, .. })));
        assert!(ledger.resize(120, 1000).is_ok());
        assert_eq!(
            ledger.resize(121, 1),
            Err(Breach::Overlap { address: 121, len: 1, other: 120, other_len: 1000 })
        );
    }

    #[test]
    fn lengths_end_at_isize_max_and_at_the_last_address() {
        let mut ledger = Ledger::default();
        let half = isize::MAX as usize;
        assert_eq!(
            ledger.insert(1, half + 1, Alignment::_1),
            Err(Breach::TooLong { address: 1, len: half + 1 })
        );
        let address = usize::MAX - 10;
        assert_eq!(ledger.insert(address, 12, Alignment::_1), Err(Breach::TooLong { address, len: 12 }));
        assert!(ledger.insert(1, half, Alignment::_1).is_ok());
    }
}
