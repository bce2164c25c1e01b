//! Leaks, grouped by the place of their allocation.

use std::vec::Vec;

use crate::alignment::Alignment;

/// A live block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leak {
    pub(crate) address: usize,
    pub(crate) len: Option<usize>,
    pub(crate) alignment: Option<Alignment>,
    /// The word that stands for the trace of its allocation.
    pub(crate) word: usize,
    /// Reports are in this order.
    pub(crate) order: (usize, usize),
}

/// Leaks of one place. The first five fields are those of the first block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) address: usize,
    pub(crate) len: Option<usize>,
    pub(crate) alignment: Option<Alignment>,
    pub(crate) word: usize,
    order: (usize, usize),
    pub(crate) count: usize,
    /// `None` unless the lengths of all are known.
    pub(crate) total_len: Option<usize>,
}

impl Place {
    fn new(leak: Leak) -> Place {
        let Leak { address, len, alignment, word, order } = leak;
        Place { address, len, alignment, word, order, count: 1, total_len: len }
    }

    fn add(&mut self, other: &Place) {
        let (count, total_len) = (self.count + other.count, sum(self.total_len, other.total_len));
        if other.order < self.order {
            *self = *other;
        }
        (self.count, self.total_len) = (count, total_len);
    }
}

fn sum(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    a?.checked_add(b?)
}

/// How many reports, blocks and, if known, bytes are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) reports: usize,
    pub(crate) count: usize,
    pub(crate) total_len: Option<usize>,
}

/// A list of places, and a hash table of their indexes.
///
/// It is filled while the allocator is locked. Since the global heap may be built on that allocator, it must not grow
/// then: when it is full, the search stops, unlocks, [makes it longer](Places::grow), and starts again.
#[derive(Debug)]
pub(crate) struct Places {
    places: Vec<Place>,
    /// By the hash of the word; at least twice as many as there is room for places. Empty if each block is a separate
    /// place.
    indexes: Vec<u32>,
    gathers: bool,
    /// There is no memory for more places. Leaks of other places are left out.
    is_at_end: bool,
    left_out: LeftOut,
}

const NONE: u32 = u32::MAX;
const FIRST_CAPACITY: usize = 64;

impl Places {
    /// With `gathers`, leaks of one place are merged.
    pub(crate) fn new(gathers: bool) -> Places {
        let left_out = LeftOut { reports: 0, count: 0, total_len: Some(0) };
        Places { places: Vec::new(), indexes: Vec::new(), gathers, is_at_end: false, left_out }
    }

    /// Empties the list and makes room for more. If there is no memory, whatever does not fit is left out from then
    /// on.
    pub(crate) fn grow(&mut self) {
        let capacity = (4 * self.places.capacity()).max(FIRST_CAPACITY);
        self.places.clear();
        let mut indexes = Vec::new();
        let is_grown = capacity < NONE as usize / 2
            && self.places.try_reserve_exact(capacity).is_ok()
            && (!self.gathers || indexes.try_reserve_exact(2 * capacity.next_power_of_two()).is_ok());
        if is_grown && self.gathers {
            indexes.resize(2 * capacity.next_power_of_two(), NONE);
            self.indexes = indexes;
        } else {
            self.indexes.fill(NONE);
        }
        self.is_at_end = !is_grown;
    }

    /// Adds a leak. `None` if there is no room; the search must then start again after [`grow`](Self::grow).
    pub(crate) fn add(&mut self, leak: Leak) -> Option<()> {
        let new = Place::new(leak);
        let mut slot = 0;
        if !self.indexes.is_empty() {
            let mask = self.indexes.len() - 1;
            slot =
                (leak.word as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize >> (usize::BITS / 2) & mask;
            while self.indexes[slot] != NONE {
                let place = &mut self.places[self.indexes[slot] as usize];
                if place.word == leak.word {
                    place.add(&new);
                    return Some(());
                }
                slot = (slot + 1) & mask;
            }
        }
        // If the list could not grow, the index may be too short for another place.
        if self.places.len() < self.room() {
            if let Some(index) = self.indexes.get_mut(slot) {
                *index = self.places.len() as u32;
            }
            self.places.push(new);
            return Some(());
        }
        if !self.is_at_end {
            return None;
        }
        self.leave_out(&new);
        Some(())
    }

    /// How many places there may be without an allocation.
    fn room(&self) -> usize {
        let capacity = self.places.capacity();
        if self.gathers { capacity.min(self.indexes.len() / 2) } else { capacity }
    }

    fn leave_out(&mut self, place: &Place) {
        self.left_out.reports += 1;
        self.left_out.count += place.count;
        self.left_out.total_len = sum(self.left_out.total_len, place.total_len);
    }

    #[cfg(feature = "backtrace")]
    pub(crate) fn gathers(&self) -> bool {
        self.gathers
    }

    #[cfg(feature = "backtrace")]
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Merges places with equal `key`s.
    #[cfg(feature = "backtrace")]
    pub(crate) fn merge(&mut self, mut key: impl FnMut(&Place) -> Vec<usize>) {
        let mut seen = std::collections::HashMap::new();
        let mut merged: Vec<Place> = Vec::new();
        for place in &self.places {
            let index = *seen.entry(key(place)).or_insert(merged.len());
            match merged.get_mut(index) {
                Some(other) => other.add(place),
                None => merged.push(*place),
            }
        }
        self.places = merged;
    }

    /// At most `limit` places, in order, and the totals of the others, which have the fewest bytes.
    pub(crate) fn finish(mut self, limit: usize) -> (Vec<Place>, LeftOut) {
        if self.places.len() > limit {
            self.places.sort_unstable_by_key(|place| {
                (core::cmp::Reverse(place.total_len.unwrap_or(0)), place.order)
            });
            for index in limit..self.places.len() {
                let place = self.places[index];
                self.leave_out(&place);
            }
            self.places.truncate(limit);
        }
        self.places.sort_unstable_by_key(|place| place.order);
        (self.places, self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leak(word: usize, len: usize, order: usize) -> Leak {
        Leak { address: 16 * order, len: Some(len), alignment: None, word, order: (0, order) }
    }

    /// Leaks of a place are one, wherever they are found; those of few bytes are left out first, and the order is that
    /// of the first of each.
    #[test]
    fn gathered_and_limited() {
        let mut places = Places::new(true);
        let all: Vec<Leak> = (0..1000).map(|n| leak(n % 200, 10 + n % 200, 1000 - n)).collect();
        loop {
            places.grow();
            if all.iter().try_for_each(|&leak| places.add(leak)).is_some() {
                break;
            }
        }
        let (places, left_out) = places.finish(3);
        let found: Vec<_> = places.iter().map(|p| (p.word, p.count, p.total_len, p.order.1)).collect();
        assert_eq!(found, [(199, 5, Some(1045), 1), (198, 5, Some(1040), 2), (197, 5, Some(1035), 3)]);
        let total: usize = all.iter().map(|leak| leak.len.unwrap()).sum();
        let rest = total - 1045 - 1040 - 1035;
        assert_eq!(left_out, LeftOut { reports: 197, count: 985, total_len: Some(rest) });
    }

    /// Without memory for a list, everything is left out, and counted.
    #[test]
    fn without_memory_all_is_counted() {
        for gathers in [true, false] {
            let mut places = Places::new(gathers);
            places.is_at_end = true;
            (0..9).for_each(|n| places.add(leak(n, 2, n)).unwrap());
            let (places, left_out) = places.finish(100);
            assert!(places.is_empty());
            assert_eq!(left_out, LeftOut { reports: 9, count: 9, total_len: Some(18) });
        }
    }

    #[test]
    fn each_block_by_itself() {
        let mut places = Places::new(false);
        places.grow();
        (0..10).for_each(|n| places.add(leak(7, n, 10 - n)).unwrap());
        let (places, left_out) = places.finish(usize::MAX);
        assert!(places.iter().map(|place| place.len.unwrap()).eq((0..10).rev()));
        assert_eq!(left_out.reports, 0);
    }
}
