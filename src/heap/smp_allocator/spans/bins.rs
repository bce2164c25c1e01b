//! Lists of free spans by length, and which of them are not empty.
//!
//! Spans of up to [`EXACT`] − 1 units have a list for each length. Above, each doubling is divided into 16 lists:
//!
//! ```text
//!   units   1  2  3 …  31   32–33  34–35 …  62–63   64–67  68–71 …
//!   bin     1  2  3 …  31   32     33    …  47      48     49    …
//! ```

use core::ptr::NonNull;

use super::chunk::{UNITS, Unit};

/// From this length on, in units, a list has spans of more than one length.
const EXACT: usize = 32;
/// How many lists there are for each doubling from there on.
const STEPS: usize = EXACT / 2;

pub(super) const BIN_COUNT: usize = bin_of(UNITS) + 1;

/// The bin of the spans of this length, which is above 0 and at most [`UNITS`].
pub(super) const fn bin_of(units: usize) -> usize {
    if units < EXACT {
        return units;
    }
    let doublings = (units / EXACT).ilog2() as usize;
    // Its highest bit aside, the number's next four bits.
    EXACT + doublings * STEPS + (units >> (doublings + 1)) % STEPS
}

/// The lists of free spans: the first span of each.
pub(super) struct Bins {
    heads: [Option<NonNull<Unit>>; BIN_COUNT],
    /// A bit for each bin: whether its list has a span.
    filled: [usize; WORDS],
}

const BITS: usize = usize::BITS as usize;
const WORDS: usize = BIN_COUNT.div_ceil(BITS);

// SAFETY: the spans belong to the pool that the lists are a part of, and memory belongs to no thread.
unsafe impl Send for Bins {}

impl Bins {
    pub(super) const fn new() -> Bins {
        Bins { heads: [None; BIN_COUNT], filled: [0; WORDS] }
    }

    #[inline]
    pub(super) fn first(&self, bin: usize) -> Option<NonNull<Unit>> {
        self.heads[bin]
    }

    #[inline]
    pub(super) fn set_first(&mut self, bin: usize, first: Option<NonNull<Unit>>) {
        self.heads[bin] = first;
        let bit = 1 << (bin % BITS);
        if first.is_some() {
            self.filled[bin / BITS] |= bit;
        } else {
            self.filled[bin / BITS] &= !bit;
        }
    }

    /// The first span of the first bin after `bin` that has one.
    #[inline]
    pub(super) fn first_after(&self, bin: usize) -> Option<NonNull<Unit>> {
        let from = bin + 1;
        let mut mask = usize::MAX.checked_shl((from % BITS) as u32).unwrap_or(0);
        for word in from / BITS..WORDS {
            let filled = self.filled[word] & mask;
            if filled != 0 {
                return self.heads[word * BITS + filled.trailing_zeros() as usize];
            }
            mask = usize::MAX;
        }
        None
    }

    /// The first span of the last bin that has one.
    pub(super) fn first_of_last(&self) -> Option<NonNull<Unit>> {
        let (word, filled) = self.filled.iter().enumerate().rev().find(|(_, filled)| **filled != 0)?;
        self.heads[word * BITS + filled.ilog2() as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length has a bin, longer spans have later ones, and those of a bin differ by less than a 16th.
    #[test]
    fn bins_are_in_the_order_of_lengths() {
        let mut first = 1;
        for units in 1..UNITS {
            let (bin, next) = (bin_of(units), bin_of(units + 1));
            assert!(next == bin || next == bin + 1, "{units}: {bin}, {next}");
            assert!((units - first) * 16 <= first, "{first} and {units} share a bin");
            if next != bin {
                first = units + 1;
            }
        }
        assert_eq!((bin_of(31), bin_of(32), bin_of(33), bin_of(34), bin_of(64)), (31, 32, 32, 33, 48));
        assert_eq!(bin_of(UNITS), BIN_COUNT - 1);
    }

    #[test]
    fn first_after_and_last_find_the_nearest_bin_that_has_a_span() {
        let mut bins = Bins::new();
        let some = |n: usize| NonNull::new(core::ptr::without_provenance_mut::<Unit>(n * align_of::<Unit>()));
        assert!(bins.first_after(0).is_none() && bins.first_of_last().is_none());
        for filled in [[3, 40], [BITS - 1, BITS], [BITS, BIN_COUNT - 1], [1, 2]] {
            filled.iter().for_each(|&bin| bins.set_first(bin, some(bin)));
            for bin in 0..BIN_COUNT {
                let after = filled.into_iter().find(|filled| *filled > bin);
                assert_eq!(bins.first_after(bin), after.and_then(some), "after {bin} of {filled:?}");
            }
            assert_eq!(bins.first_of_last(), some(filled[1]));
            filled.iter().for_each(|&bin| bins.set_first(bin, None));
        }
    }
}
