//! The two hash functions of the checksums, which are those of Zig's standard library.

/// Mixes a word: mx3 on 64 bits, lowbias32 on 32.
///
/// Ports `std.hash.int` of Zig 0.17.1, for `usize`.
#[cfg(target_pointer_width = "64")]
pub(super) const fn int(word: usize) -> usize {
    const FACTOR: u64 = 0xbea2_25f9_eb34_556d;
    let mut x = word as u64;
    x = (x ^ (x >> 32)).wrapping_mul(FACTOR);
    x = (x ^ (x >> 29)).wrapping_mul(FACTOR);
    x = (x ^ (x >> 32)).wrapping_mul(FACTOR);
    (x ^ (x >> 29)) as usize
}

/// Mixes a word: mx3 on 64 bits, lowbias32 on 32.
///
/// Ports `std.hash.int` of Zig 0.17.1, for `usize`.
#[cfg(not(target_pointer_width = "64"))]
pub(super) const fn int(word: usize) -> usize {
    let mut x = word as u32;
    x = (x ^ (x >> 17)).wrapping_mul(0xed5a_d4bb);
    x = (x ^ (x >> 11)).wrapping_mul(0xac4c_1b51);
    x = (x ^ (x >> 15)).wrapping_mul(0x3184_8bab);
    (x ^ (x >> 14)) as usize
}

const SECRET: [u64; 4] =
    [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3];

/// Wyhash of what an extended footer's checksum covers: two words and the data bits.
///
/// Ports `std.hash.Wyhash.hash` of Zig 0.17.1, for keys of this length.
#[cfg(target_pointer_width = "64")]
pub(super) fn wyhash(seed: u64, first: usize, second: usize, data: u16) -> u64 {
    const LEN: u64 = 18;
    let mut state = seed ^ mix(seed ^ SECRET[0], SECRET[1]);
    // The last sixteen bytes overlap the first.
    state = mix(first as u64 ^ SECRET[1], second as u64 ^ state);
    let a = (first as u64) >> 16 | (second as u64) << 48;
    let b = (second as u64) >> 16 | u64::from(data) << 48;
    end(a, b, state, LEN)
}

/// Wyhash of what an extended footer's checksum covers: two words and the data bits.
///
/// Ports `std.hash.Wyhash.hash` of Zig 0.17.1, for keys of this length.
#[cfg(not(target_pointer_width = "64"))]
pub(super) fn wyhash(seed: u64, first: usize, second: usize, data: u16) -> u64 {
    const LEN: u64 = 10;
    let (first, second) = (first as u64, second as u64);
    let state = seed ^ mix(seed ^ SECRET[0], SECRET[1]);
    let last = second >> 16 | u64::from(data) << 16;
    let middle = first >> 16 | (second & 0xffff) << 16;
    end(first << 32 | second, last << 32 | middle, state, LEN)
}

fn end(a: u64, b: u64, state: u64, len: u64) -> u64 {
    let product = u128::from(a ^ SECRET[1]) * u128::from(b ^ state);
    let (a, b) = (product as u64, (product >> 64) as u64);
    mix(a ^ SECRET[0] ^ len, b ^ SECRET[1])
}

fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SA-08: the values that Zig's own test expects.
    #[test]
    fn int_is_zigs() {
        let expected =
            if cfg!(target_pointer_width = "64") { 0x0718_94de_00d9_981f_u64 } else { 0x0427_41d6 };
        assert_eq!(int(1) as u64, expected);
        assert_eq!(int(0), 0);
    }
}
