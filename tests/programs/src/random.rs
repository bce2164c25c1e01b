//! The random numbers of everything here that is not a part of a program.

/// A generator of 64-bit numbers (SplitMix64): small, fast, and the same everywhere.
///
/// A program has the seed, so that a run of it is repeated exactly.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that begins at `seed`. Any seed is as good as any other.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// True `chances` times of 256.
    pub fn chance(&mut self, chances: u8) -> bool {
        self.number() & 0xff < u64::from(chances)
    }
}
