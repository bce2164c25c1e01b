//! Pseudo-random numbers that are the same in every run and on every system.

use std::ops::RangeInclusive;

/// A generator of 64-bit numbers (SplitMix64): small, fast, and the same everywhere.
///
/// The corpora, the regressions and the mutations of `tests/programs` depend on its sequence.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator with a seed, which can be any number.
    #[must_use]
    pub const fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    #[inline]
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not zero.
    #[inline]
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// A number in `range`, which is not empty and has an end below `usize::MAX`.
    #[inline]
    pub fn within(&mut self, range: RangeInclusive<usize>) -> usize {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// True with a probability of `chances` in 256.
    #[inline]
    pub fn chance(&mut self, chances: u8) -> bool {
        self.number() & 0xff < u64::from(chances)
    }
}

/// How many of `all` seeds a test of random programs uses. Under Miri it is one, since programs take long.
#[must_use]
pub fn seeds(all: u64) -> u64 {
    if cfg!(miri) { 1 } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The results of the reference implementation.
    #[test]
    fn sequence_is_that_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        let numbers = [0; 5].map(|_: u64| random.number());
        assert_eq!(numbers[..2], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        assert_eq!(numbers[2..4], [9_817_491_932_198_370_423, 4_593_380_528_125_082_431]);
        assert_eq!(numbers[4], 16_408_922_859_458_223_821);
    }

    #[test]
    fn numbers_are_in_their_range() {
        let mut random = Random::new(1);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[random.within(3..=7) - 3] = true;
            assert!(random.below(3) < 3);
            assert_eq!(random.within(9..=9), 9);
            assert!(!random.chance(0));
        }
        assert_eq!(seen, [true; 5]);
    }
}
