//! The generator and the hash of random programs that were run in Zig. Their results are recorded, so neither may
//! change.

/// The numbers of the programs: a linear congruential generator of 32 bits, of which the upper half is used.
///
/// Programs that are not compared with a recording use [`Random`](crate::Random).
#[derive(Clone, Debug)]
pub struct Lcg(u32);

impl Lcg {
    /// The initial generator of all recorded programs.
    #[must_use]
    pub const fn new() -> Lcg {
        Lcg(1)
    }

    /// A number below `end`, which is neither zero nor greater than 65,536.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) as usize % end
    }
}

impl Default for Lcg {
    fn default() -> Lcg {
        Lcg::new()
    }
}

/// The hash of a program's results: FNV-1a over whole words.
#[derive(Clone, Debug)]
pub struct Hash(u64);

impl Hash {
    /// The hash of no words.
    #[must_use]
    pub const fn new() -> Hash {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a word.
    pub fn add(&mut self, word: usize) {
        self.0 = (self.0 ^ word as u64).wrapping_mul(0x100_0000_01b3);
    }

    /// The hash of the words so far.
    #[must_use]
    pub const fn finish(&self) -> u64 {
        self.0
    }
}

impl Default for Hash {
    fn default() -> Hash {
        Hash::new()
    }
}
