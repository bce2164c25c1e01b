//! A test that searches for breaches of an allocator's contract.
//!
//! It keeps a ledger of every live block and makes raw calls of all kinds. In order:
//!
//! 1. `alloc`, `resize` and `remap` refuse lengths near `isize::MAX` and `usize::MAX` at each alignment, and
//!    `alloc` refuses invalid alignments; afterwards memory is served as before;
//! 2. each alignment from 1 byte up, at odd addresses, with odd lengths, grown and shrunk;
//! 3. every zero length in the typed interface;
//! 4. a random program of `alloc`, `resize`, `remap` and `free`.
//!
//! All checks are outside of the allocator's functions, so that a failure panics instead of aborting.
//! Not in Zig.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "programs of calls, in which one fact holds for a whole sequence"
)]

use super::checked::{Checked, Random, at_log2};
use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::return_address::return_address;

/// How much [`test_allocator_strict_with`] requests, and how much of it must be served.
///
/// An allocator may refuse any request. But one that refuses everything would pass every check, so `must_serve` and
/// `required_alignment` set the minimum.
///
/// ```
/// use zigalloc::{Alignment, testing::StrictConfig};
///
/// let c = StrictConfig { required_alignment: Alignment::_64, ..StrictConfig::default() };
/// assert!(c.max_alignment > c.required_alignment);
/// ```
///
/// For an allocator with a small memory, ask for less, and for another program of calls in each of several runs:
///
/// ```
/// # use std::mem::MaybeUninit;
/// # use zigalloc::{Alignment, heap::FixedBufferAllocator};
/// use zigalloc::testing::{StrictConfig, test_allocator_strict_with};
///
/// for seed in 1..=3 {
///     let mut buffer = [MaybeUninit::uninit(); 500];
///     let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
///     let config = StrictConfig {
///         required_alignment: Alignment::_8,
///         must_serve: 100,
///         steps: 50,
///         max_len: 20,
///         seed,
///         ..StrictConfig::default()
///     };
///     test_allocator_strict_with(fixed_buffer.allocator(), &config);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrictConfig {
    /// The largest alignment that is requested. Default: 64 KiB.
    pub max_alignment: Alignment,
    /// The largest alignment that must not be refused. Default: two words, as for C's `malloc`.
    pub required_alignment: Alignment,
    /// How many bytes must be served, counted from the first request. Each request counts with the largest
    /// padding that its alignment can need, and frees do not reduce the count. Later requests may be refused.
    /// Default: 16 KiB.
    pub must_serve: usize,
    /// Whether to request lengths near `isize::MAX` and `usize::MAX`. Default: yes. (Under Miri,
    /// requesting that much from the system aborts.)
    pub huge_lengths: bool,
    /// The length of the random program. Default: 2000 calls, or 50 under Miri.
    pub steps: usize,
    /// The largest length in bytes that the random program requests. Default: 2000, or 100 under Miri.
    pub max_len: usize,
    /// The seed of the random program; any number. Default: 1.
    pub seed: u64,
}

impl Default for StrictConfig {
    fn default() -> StrictConfig {
        StrictConfig {
            max_alignment: Alignment::from_byte_units(64 << 10),
            required_alignment: Alignment::from_byte_units(2 * size_of::<usize>()),
            must_serve: 16 << 10,
            huge_lengths: true,
            steps: if cfg!(miri) { 50 } else { 2000 },
            max_len: if cfg!(miri) { 100 } else { 2000 },
            seed: 1,
        }
    }
}

/// Checks that an allocator keeps its [contract](crate::VTable#the-contract-of-an-allocator), as far
/// as that is visible from outside, with the default [`StrictConfig`].
///
/// It checks each new block (alignment, overlap, length), fills it with a pattern, compares the
/// pattern after every change of length and before the block is freed, and passes each block through copies of the
/// handle. It requests about 3 MB in total and frees everything; an allocator that never reuses memory may refuse the
/// later part.
///
/// # Panics
/// At the first breach, with the function, the values and the clause.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # #[cfg(not(miri))]
/// zigalloc::testing::test_allocator_strict(*zigalloc::heap::PAGE_ALLOCATOR);
/// ```
///
/// An allocator that breaks the contract does not pass. This one returns the same block for every request:
///
/// ```should_panic
/// use std::ptr::NonNull;
/// use zigalloc::{Alignment, Allocator, VTable, no_free, no_remap, no_resize};
///
/// static mut BLOCK: [u128; 8192] = [0; 8192];
///
/// unsafe extern "C" fn alloc(_: *mut (), len: usize, alignment: Alignment, _: usize) -> Option<NonNull<u8>> {
///     let is_served = alignment.is_valid() && alignment <= Alignment::_16 && len <= size_of::<[u128; 8192]>();
///     if is_served { NonNull::new((&raw mut BLOCK).cast()) } else { None }
/// }
/// const SAME: VTable = VTable { alloc, resize: no_resize, remap: no_remap, free: no_free };
///
/// // SAFETY: it does not keep the contract. The kit finds that before two blocks are used as if they were disjoint.
/// let allocator = unsafe { Allocator::from_raw_parts(std::ptr::null_mut(), &SAME) };
/// zigalloc::testing::test_allocator_strict(allocator);
/// ```
#[track_caller]
pub fn test_allocator_strict(allocator: Allocator<'_>) {
    test_allocator_strict_with(allocator, &StrictConfig::default());
}

/// [`test_allocator_strict`] with a configuration.
///
/// # Panics
/// At the first breach, with the function, the values and the clause.
///
/// ```
/// use std::mem::MaybeUninit;
/// use zigalloc::heap::FixedBufferAllocator;
/// use zigalloc::testing::{StrictConfig, test_allocator_strict_with};
///
/// let mut buffer = [const { MaybeUninit::uninit() }; 2000];
/// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
/// let config = StrictConfig { must_serve: 1000, ..StrictConfig::default() };
/// test_allocator_strict_with(fixed_buffer.allocator(), &config);
/// ```
#[track_caller]
pub fn test_allocator_strict_with(allocator: Allocator<'_>, config: &StrictConfig) {
    let copy = allocator;
    // SAFETY: two copies of one handle (clause copies).
    unsafe { test_handles_strict([allocator, copy], config) };
}

/// [`test_allocator_strict_with`] over two handles that should be the same allocator, such as the results of two calls
/// of `allocator()`, or a handle before and after a trip through C.
///
/// Blocks of one are resized and freed through the other.
///
/// # Safety
/// Both handles are the same allocator, or at least passing a block of one to the other is not undefined behaviour.
///
/// # Panics
/// At the first breach, with the function, the values and the clause.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::testing::{StrictConfig, test_handles_strict};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let config = StrictConfig { huge_lengths: false, ..StrictConfig::default() };
/// // SAFETY: handles to the same arena.
/// unsafe { test_handles_strict([arena.allocator(), arena.allocator()], &config) };
/// ```
#[track_caller]
pub unsafe fn test_handles_strict(handles: [Allocator<'_>; 2], config: &StrictConfig) {
    let mut kit = Checked::new(handles, config);
    if config.huge_lengths {
        refuses_the_impossible(&mut kit);
    }
    aligns(&mut kit);
    kit.free_all();
    for allocator in handles {
        zero_cases(allocator);
    }
    random_program(&mut kit);
    kit.free_all();
    kit.is_usable();
}

#[track_caller]
fn refuses_the_impossible(kit: &mut Checked<'_>) {
    let Some(mut block) = kit.alloc(40, Alignment::_8) else { return };
    const HALF: usize = isize::MAX as usize;
    let huge = [
        HALF - 15,
        HALF - 1,
        HALF,
        HALF + 1,
        HALF + 2,
        usize::MAX - 4095,
        usize::MAX - 63,
        usize::MAX - 7,
        usize::MAX - 1,
        usize::MAX,
    ];
    // On 32-bit targets `isize::MAX` is 2 GiB, which an allocator may be able to serve.
    let huge = huge.into_iter().filter(|len| usize::BITS >= 64 || *len > HALF);
    for log2 in (0..=Alignment::MAX.log2()).step_by(if cfg!(miri) { 7 } else { 1 }) {
        let alignment = at_log2(log2);
        for len in huge.clone() {
            // SAFETY: the length is not zero.
            let memory = unsafe { kit.handle().raw_alloc(len, alignment, return_address()) };
            kit.must_be_none("alloc", memory, len, alignment);
        }
        kit.is_usable();
    }
    // Bytes that are not alignments, which C can pass. 255 is the largest.
    for log2 in [Alignment::MAX.log2() + 1, 127, 255] {
        // SAFETY: `Alignment` is a transparent `u8`, and every value of it is allowed.
        let alignment = unsafe { core::mem::transmute::<u8, Alignment>(log2) };
        // SAFETY: the length is not zero.
        let memory = unsafe { kit.handle().raw_alloc(1, alignment, return_address()) };
        assert!(
            memory.is_none(),
            "test_allocator_strict: alloc of 1 byte returned {memory:?} for the invalid alignment 2^{log2} bytes \
             (clause no-overflow)"
        );
    }
    for len in huge {
        let (memory, alignment) = (block.memory(), block.alignment);
        // SAFETY: the block is live and matches; the length is not zero.
        let resized = unsafe { kit.handle().raw_resize(memory, alignment, len, return_address()) };
        assert!(
            !resized,
            "test_allocator_strict: resize of 40 to {len} bytes returned true (clause no-overflow); no block can be \
             that long"
        );
        // SAFETY: the block is live and matches, since the resize changed nothing; the length is not zero.
        let remapped = unsafe { kit.handle().raw_remap(memory, alignment, len, return_address()) };
        kit.must_be_none("remap", remapped, len, alignment);
        kit.verify(&block, 40, "a huge resize was refused");
    }
    // The refused calls must neither have moved the block's end nor used up memory.
    kit.is_usable();
    kit.resize(&mut block, 33);
    kit.is_usable();
    kit.free(block);
    kit.is_usable();
}

#[track_caller]
fn aligns(kit: &mut Checked<'_>) {
    // Under Miri a microsecond's work takes a millisecond.
    let (every, lens) = if cfg!(miri) { (4, 2) } else { (1, 4) };
    for log2 in (0..=kit.config.max_alignment.log2()).step_by(every) {
        let alignment = at_log2(log2);
        let bytes = alignment.to_byte_units();
        // A length of one byte more than the alignment shows whether the allocator rounds it.
        let last = if bytes <= 4096 { bytes + 1 } else { 65 };
        for &len in &[3, 24, 1, last][..lens] {
            // So that the next free address is not aligned by chance.
            let odd = kit.alloc(1, Alignment::_1);
            kit.live.extend(odd);
            let Some(mut block) = kit.alloc(len, alignment) else { continue };
            kit.resize(&mut block, len + 1);
            kit.remap(&mut block, 2 * len + 5);
            let len = block.len;
            kit.resize(&mut block, len);
            kit.resize(&mut block, len.div_ceil(2));
            kit.remap(&mut block, 3);
            kit.remap(&mut block, 20);
            kit.resize(&mut block, 1);
            kit.live.push(block);
        }
        // Half of them are freed, so that later blocks find gaps.
        for i in (0..kit.live.len()).rev().step_by(2) {
            let block = kit.live.swap_remove(i);
            kit.free(block);
        }
    }
}

#[track_caller]
fn random_program(kit: &mut Checked<'_>) {
    const MOST: usize = 40;
    let mut random = Random(kit.config.seed);
    for _ in 0..kit.config.steps {
        let new_len = random.len(kit.config.max_len);
        let call = random.below(8);
        if kit.live.is_empty() || (call < 3 && kit.live.len() < MOST) {
            let log2 = random.below(usize::from(kit.config.max_alignment.log2().min(8)) + 1);
            let block = kit.alloc(new_len, at_log2(log2 as u8));
            kit.live.extend(block);
            continue;
        }
        let i = random.below(kit.live.len());
        let mut block = kit.live.swap_remove(i);
        match call {
            3 | 4 => kit.resize(&mut block, new_len),
            5 => kit.remap(&mut block, new_len),
            _ => {
                kit.free(block);
                continue;
            }
        }
        kit.live.push(block);
    }
}

/// The rows of the table in [`interface`](crate::interface) that are the same for every allocator.
#[track_caller]
fn zero_cases(allocator: Allocator<'_>) {
    const FAILED: &str = "test_allocator_strict: an allocation of 0 bytes failed, which needs no memory";
    let empty = allocator.alloc::<u32>(0).expect(FAILED);
    assert_eq!(empty.len(), 0, "test_allocator_strict: alloc of 0 elements");
    let sizeless = allocator.alloc::<()>(usize::MAX).expect(FAILED);
    assert_eq!(sizeless.len(), usize::MAX, "test_allocator_strict: alloc of elements without size");
    // SAFETY: empty slices and zero-sized elements have no block, so they are always valid.
    unsafe {
        assert!(!allocator.resize(empty, 1), "test_allocator_strict: resize of an empty slice to 1");
        assert!(allocator.remap(empty, 1).is_none(), "test_allocator_strict: remap of an empty slice to 1");
        assert!(allocator.resize(empty, 0), "test_allocator_strict: resize of an empty slice to 0");
        assert!(allocator.remap(empty, 0).is_some(), "test_allocator_strict: remap of an empty slice to 0");
        allocator.realloc(empty, 0).expect(FAILED);
        assert!(allocator.resize(sizeless, 7), "test_allocator_strict: resize of elements without size");
        allocator.destroy(allocator.create::<[u64; 0]>().expect(FAILED));
        allocator.free(allocator.dupe::<u8>(b"").expect(FAILED));
        allocator.free(sizeless);
        allocator.free(empty);
    }
    // From here on the slices are blocks, which the calls free. Any of these may be out of memory.
    // SAFETY: each slice is new and is used once.
    unsafe {
        if let Ok(memory) = allocator.alloc::<u16>(3) {
            assert!(allocator.resize(memory, 0), "test_allocator_strict: resize of 3 elements to 0");
        }
        if let Ok(memory) = allocator.alloc::<u16>(3) {
            let empty = allocator.remap(memory, 0).expect("test_allocator_strict: remap of 3 elements to 0");
            assert_eq!(empty.len(), 0, "test_allocator_strict: remap of 3 elements to 0");
        }
        if let Ok(memory) = allocator.alloc::<u16>(3) {
            let empty = allocator.realloc(memory, 0).expect(FAILED);
            assert_eq!(empty.len(), 0, "test_allocator_strict: realloc of 3 elements to 0");
        }
        if let Ok(only_sentinel) = allocator.alloc_sentinel::<u16>(0, 7) {
            let sentinel = only_sentinel.sentinel_ptr().read();
            assert_eq!(sentinel, 7, "test_allocator_strict: alloc_sentinel of 0 elements");
            allocator.free(only_sentinel);
        }
    }
}
