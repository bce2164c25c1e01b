//! A test that tries to catch an allocator breaking its contract.
//!
//! # What it checks
//!
//! It keeps a ledger of every live block and does raw calls of all kinds. A block is checked when it
//! appears (alignment, overlap, length), is filled at once with a pattern of its own, and is compared
//! with the pattern after every change of its length, and in full before it is freed. In order:
//!
//! 1. lengths near `isize::MAX` and `usize::MAX` at each alignment are refused, by `alloc`, `resize`
//!    and `remap`, and alignments that do not exist; memory is served as before afterwards;
//! 2. each alignment from 1 byte up, at odd addresses, with odd lengths, grown and shrunk;
//! 3. everything of length zero in the typed interface;
//! 4. a random program of `alloc`, `resize`, `remap` and `free`.
//!
//! Calls alternate between copies of the handle (clause 13).
//!
//! # What it lets pass
//!
//! An allocator may refuse anything: that is its right by the contract. But one that refuses
//! everything would pass, so [`StrictConfig`] says how much it must serve at least.
//!
//! Everything is checked outside of the allocator's functions, so that a fault is a panic and not an
//! abort. Not in Zig.

use alloc::vec::Vec;
use core::ptr::NonNull;

use crate::alignment::Alignment;
use crate::return_address::return_address;
use crate::testing::ledger::{Breach, Ledger};
use crate::vtable::Allocator;

/// How much [`test_allocator_strict_with`] asks for, and how much of it must be served.
///
/// ```
/// use zigalloc::{Alignment, testing::StrictConfig};
///
/// let c = StrictConfig { required_alignment: Alignment::_64, ..StrictConfig::default() };
/// assert!(c.max_alignment > c.required_alignment);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrictConfig {
    /// The largest alignment that is asked for. Default: 64 KiB.
    pub max_alignment: Alignment,
    /// The largest alignment that must not be refused. Default: two words, as C's `malloc` has it.
    pub required_alignment: Alignment,
    /// How many bytes must be served, counted from the first request on, with as much padding for
    /// each as its alignment can take, and without what is freed. Later requests may be refused.
    /// Default: 16 KiB.
    pub must_serve: usize,
    /// Whether lengths near `isize::MAX` and `usize::MAX` are asked for. Default: yes. (Under Miri,
    /// asking the system for that much ends the program.)
    pub huge_lengths: bool,
    /// The length of the random program. Default: 2000 calls, or 100 under Miri.
    pub steps: usize,
    /// The largest length in bytes that the random program asks for. Default: 2000, or 100 under Miri.
    pub max_len: usize,
    /// What the random program depends on; any number. Default: 1.
    pub seed: u64,
}

impl Default for StrictConfig {
    fn default() -> StrictConfig {
        StrictConfig {
            max_alignment: Alignment::from_byte_units(64 << 10),
            required_alignment: Alignment::from_byte_units(2 * size_of::<usize>()),
            must_serve: 16 << 10,
            huge_lengths: true,
            steps: if cfg!(miri) { 100 } else { 2000 },
            max_len: if cfg!(miri) { 100 } else { 2000 },
            seed: 1,
        }
    }
}

/// Checks that an allocator keeps its [contract](crate::VTable#the-contract-of-an-allocator), as far
/// as that can be seen from outside, with the default [`StrictConfig`].
///
/// It asks for about 3 MB altogether and frees all; one that never reuses memory may refuse the later
/// part of it.
///
/// # Panics
/// At the first breach, with the function, the values and the clause.
///
/// ```
/// # #[cfg(not(miri))]
/// zigalloc::testing::test_allocator_strict(*zigalloc::heap::PAGE_ALLOCATOR);
/// ```
#[track_caller]
pub fn test_allocator_strict(allocator: Allocator<'_>) {
    test_allocator_strict_with(allocator, &StrictConfig::default());
}

/// [`test_allocator_strict`] with other demands.
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
    // SAFETY: two copies of one handle (clause 13).
    unsafe { test_handles_strict([allocator, copy], config) };
}

/// [`test_allocator_strict_with`] over two handles that should be the same allocator: what two calls
/// of `allocator()` return, or one before and one after a trip through C.
///
/// Blocks of one are resized and freed through the other.
///
/// # Safety
/// Both handles are the same allocator, or at least nothing undefined happens if a block of one is
/// passed to the other.
///
/// # Panics
/// At the first breach, with the function, the values and the clause.
///
/// ```
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
    let mut kit = Kit {
        handles,
        turn: 0,
        config,
        ledger: Ledger::default(),
        served: 0,
        next_seed: 0,
        live: Vec::new(),
    };
    if config.huge_lengths {
        kit.refuses_the_impossible();
    }
    kit.aligns();
    kit.free_all();
    for allocator in handles {
        zero_cases(allocator);
    }
    kit.random_program();
    kit.free_all();
    kit.is_usable();
}

/// A live block. Its bytes are those of `pattern`.
#[derive(Debug)]
struct Block {
    ptr: NonNull<u8>,
    len: usize,
    alignment: Alignment,
    seed: u8,
}

impl Block {
    fn memory(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.ptr, self.len)
    }

    /// The byte at index `i`. It depends on the index so that a shifted content is found.
    fn pattern(&self, i: usize) -> u8 {
        self.seed ^ (i as u8) ^ ((i >> 8) as u8).wrapping_mul(31)
    }

    /// Writes the pattern from index `from` on.
    fn fill(&self, from: usize) {
        for i in from..self.len {
            // SAFETY: the block is live and the ledger found no fault with it, so the allocator has
            // promised `len` bytes.
            unsafe { self.ptr.add(i).write(self.pattern(i)) };
        }
    }

    /// Compares the first `len` bytes with the pattern.
    #[track_caller]
    fn verify(&self, len: usize, after: &str) {
        for i in 0..len {
            // SAFETY: these bytes are in the block, which is live, and `fill` has written them.
            let found = unsafe { self.ptr.add(i).read() };
            let wanted = self.pattern(i);
            assert!(
                found == wanted,
                "test_allocator_strict: after {after}, byte {i} of the block of {} bytes at {:?} is {found:#04x} \
                 and not {wanted:#04x} (clauses 7 to 9: content)",
                self.len,
                self.ptr
            );
        }
    }
}

struct Kit<'a> {
    handles: [Allocator<'a>; 2],
    /// Which handle is next.
    turn: usize,
    config: &'a StrictConfig,
    ledger: Ledger,
    /// How many bytes have been served, padding included; at worst.
    served: usize,
    next_seed: u8,
    live: Vec<Block>,
}

impl<'a> Kit<'a> {
    /// The handle for the next call.
    fn handle(&mut self) -> Allocator<'a> {
        self.turn ^= 1;
        self.handles[self.turn]
    }

    /// Asks for a block, which is filled.
    #[track_caller]
    fn alloc(&mut self, len: usize, alignment: Alignment) -> Option<Block> {
        let bytes = alignment.to_byte_units();
        let served = self.served.saturating_add(len).saturating_add(bytes - 1);
        // SAFETY: the length is not zero.
        let Some(ptr) = (unsafe { self.handle().raw_alloc(len, alignment, return_address()) }) else {
            assert!(
                alignment > self.config.required_alignment || served > self.config.must_serve,
                "test_allocator_strict: alloc of {len} bytes, aligned to {bytes}, was refused after {} bytes in \
                 all; StrictConfig demands {} bytes, aligned to up to {}",
                self.served,
                self.config.must_serve,
                self.config.required_alignment.to_byte_units()
            );
            return None;
        };
        self.served = served;
        self.next_seed = self.next_seed.wrapping_add(37);
        let block = Block { ptr, len, alignment, seed: self.next_seed };
        let entered = self.ledger.insert(ptr.addr().get(), len, alignment);
        no_breach(entered, "alloc", format_args!("{len} bytes, aligned to {bytes}"));
        block.fill(0);
        Some(block)
    }

    /// Changes a block's length in place, if the allocator does.
    #[track_caller]
    fn resize(&mut self, block: &mut Block, new_len: usize) {
        let (len, address) = (block.len, block.ptr.addr().get());
        // SAFETY: the block is live and matches; the length is not zero.
        let resized =
            unsafe { self.handle().raw_resize(block.memory(), block.alignment, new_len, return_address()) };
        if !resized {
            return block.verify(len, "resize returned false");
        }
        let entered = self.ledger.resize(address, new_len);
        no_breach(entered, "resize", format_args!("{len} to {new_len} bytes"));
        self.count_growth(len, new_len);
        block.len = new_len;
        block.verify(len.min(new_len), "resize returned true");
        block.fill(len.min(new_len));
    }

    /// Changes a block's length and perhaps its place, if the allocator does.
    #[track_caller]
    fn remap(&mut self, block: &mut Block, new_len: usize) {
        let (len, address) = (block.len, block.ptr.addr().get());
        // SAFETY: the block is live and matches; the length is not zero.
        let remapped =
            unsafe { self.handle().raw_remap(block.memory(), block.alignment, new_len, return_address()) };
        let Some(ptr) = remapped else {
            return block.verify(len, "remap returned null");
        };
        self.ledger.remove(address);
        let entered = self.ledger.insert(ptr.addr().get(), new_len, block.alignment);
        no_breach(entered, "remap", format_args!("{len} to {new_len} bytes"));
        self.count_growth(len, new_len);
        block.ptr = ptr;
        block.len = new_len;
        block.verify(len.min(new_len), "remap returned a pointer");
        block.fill(len.min(new_len));
    }

    fn count_growth(&mut self, len: usize, new_len: usize) {
        self.served = self.served.saturating_add(new_len.saturating_sub(len));
    }

    #[track_caller]
    fn free(&mut self, block: Block) {
        block.verify(block.len, "other calls");
        self.ledger.remove(block.ptr.addr().get());
        // SAFETY: the block is live and matches; it is not used again.
        unsafe { self.handle().raw_free(block.memory(), block.alignment, return_address()) };
    }

    /// Frees the blocks in an order that is neither the one they came in nor its reverse.
    #[track_caller]
    fn free_all(&mut self) {
        while !self.live.is_empty() {
            let i = (self.live.len() * 5 / 7).min(self.live.len() - 1);
            let block = self.live.swap_remove(i);
            self.free(block);
        }
    }

    /// A small block is served, as long as [`StrictConfig::must_serve`] lasts.
    #[track_caller]
    fn is_usable(&mut self) {
        if let Some(block) = self.alloc(24, Alignment::_8) {
            self.free(block);
        }
    }

    #[track_caller]
    fn refuses_the_impossible(&mut self) {
        let Some(mut block) = self.alloc(40, Alignment::_8) else { return };
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
        for log2 in 0..=Alignment::MAX.log2() {
            let alignment = at_log2(log2);
            for len in huge {
                // SAFETY: the length is not zero.
                let memory = unsafe { self.handle().raw_alloc(len, alignment, return_address()) };
                self.must_be_none("alloc", memory, len, alignment);
            }
            self.is_usable();
        }
        // Bytes that are no alignment: C can pass them. 255 is the largest.
        for log2 in [Alignment::MAX.log2() + 1, 127, 255] {
            // SAFETY: `Alignment` is a transparent `u8`, and every value of it is allowed to exist.
            let alignment = unsafe { core::mem::transmute::<u8, Alignment>(log2) };
            // SAFETY: the length is not zero.
            let memory = unsafe { self.handle().raw_alloc(1, alignment, return_address()) };
            assert!(
                memory.is_none(),
                "test_allocator_strict: alloc of 1 byte returned {memory:?} for the alignment 2^{log2} bytes, \
                 which does not exist (clause 12)"
            );
        }
        for len in huge {
            let (memory, alignment) = (block.memory(), block.alignment);
            // SAFETY: the block is live and matches; the length is not zero.
            let resized = unsafe { self.handle().raw_resize(memory, alignment, len, return_address()) };
            assert!(
                !resized,
                "test_allocator_strict: resize of 40 to {len} bytes returned true (clause 12); no machine has \
                 so many"
            );
            // SAFETY: as above; the resize has changed nothing.
            let remapped = unsafe { self.handle().raw_remap(memory, alignment, len, return_address()) };
            self.must_be_none("remap", remapped, len, alignment);
            block.verify(40, "a huge resize was refused");
        }
        // What the allocator did must not have moved the block's end, nor eaten its memory.
        self.is_usable();
        self.resize(&mut block, 33);
        self.is_usable();
        self.free(block);
        self.is_usable();
    }

    /// A length near `isize::MAX` or above was refused. On 32-bit machines a length below that may
    /// exist, so there it is given back instead.
    #[track_caller]
    fn must_be_none(
        &mut self,
        function: &str,
        memory: Option<NonNull<u8>>,
        len: usize,
        alignment: Alignment,
    ) {
        let Some(ptr) = memory else { return };
        let bytes = alignment.to_byte_units();
        assert!(
            cfg!(target_pointer_width = "32") && function == "alloc" && len <= isize::MAX as usize,
            "test_allocator_strict: {function} of {len} bytes, aligned to {bytes}, returned {ptr:?} (clause 12); \
             no machine has so many"
        );
        let address = ptr.addr().get();
        let entered = self.ledger.insert(address, len, alignment);
        no_breach(entered, function, format_args!("{len} bytes, aligned to {bytes}"));
        self.is_usable();
        self.ledger.remove(address);
        // SAFETY: the block is live and matches.
        unsafe {
            let memory = NonNull::slice_from_raw_parts(ptr, len);
            self.handle().raw_free(memory, alignment, return_address());
        }
    }

    #[track_caller]
    fn aligns(&mut self) {
        for log2 in 0..=self.config.max_alignment.log2() {
            let alignment = at_log2(log2);
            let bytes = alignment.to_byte_units();
            // One byte more than the alignment shows whether the length is rounded or used as it is.
            let last = if bytes <= 4096 && !cfg!(miri) { bytes + 1 } else { 65 };
            for len in [1, 3, 24, last] {
                // What comes next in line has an odd address.
                let odd = self.alloc(1, Alignment::_1);
                self.live.extend(odd);
                let Some(mut block) = self.alloc(len, alignment) else { continue };
                self.resize(&mut block, len + 1);
                self.remap(&mut block, 2 * len + 5);
                let len = block.len;
                self.resize(&mut block, len);
                self.resize(&mut block, len.div_ceil(2));
                self.remap(&mut block, 3);
                self.remap(&mut block, 20);
                self.resize(&mut block, 1);
                self.live.push(block);
            }
            // Half of them are freed, so that the next ones find gaps.
            for i in (0..self.live.len()).rev().step_by(2) {
                let block = self.live.swap_remove(i);
                self.free(block);
            }
        }
    }

    #[track_caller]
    fn random_program(&mut self) {
        const MOST: usize = 40;
        let mut random = Random(self.config.seed);
        for _ in 0..self.config.steps {
            let new_len = random.len(self.config.max_len);
            let call = random.below(8);
            if self.live.is_empty() || (call < 3 && self.live.len() < MOST) {
                let log2 = random.below(usize::from(self.config.max_alignment.log2().min(8)) + 1);
                let block = self.alloc(new_len, at_log2(log2 as u8));
                self.live.extend(block);
                continue;
            }
            let i = random.below(self.live.len());
            let mut block = self.live.swap_remove(i);
            match call {
                3 | 4 => self.resize(&mut block, new_len),
                5 => self.remap(&mut block, new_len),
                _ => {
                    self.free(block);
                    continue;
                }
            }
            self.live.push(block);
        }
    }
}

/// The rows of the table in [`interface`](crate::interface) that no allocator may answer otherwise.
#[track_caller]
fn zero_cases(allocator: Allocator<'_>) {
    const FAILED: &str =
        "test_allocator_strict: an allocation without bytes failed; nothing is asked for them";
    let empty = allocator.alloc::<u32>(0).expect(FAILED);
    assert_eq!(empty.len(), 0, "test_allocator_strict: alloc of 0 elements");
    let sizeless = allocator.alloc::<()>(usize::MAX).expect(FAILED);
    assert_eq!(sizeless.len(), usize::MAX, "test_allocator_strict: alloc of elements without size");
    // SAFETY: empty slices and elements without size have no block; they are always valid.
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
    // Here there is a block, which ends. Any of these may be out of memory.
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

fn at_log2(log2: u8) -> Alignment {
    Alignment::from_log2(log2).expect("test_allocator_strict: the logarithm of an alignment")
}

#[track_caller]
fn no_breach(entered: Result<(), Breach>, function: &str, request: core::fmt::Arguments<'_>) {
    if let Err(breach) = entered {
        panic!("test_allocator_strict: {function} of {request}: {breach}");
    }
}

/// Marsaglia's xorshift: the same program for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // Zero would stay zero.
        let mut x = if self.0 == 0 { 0x9E37_79B9 } else { self.0 };
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0 = x;
        x
    }

    fn below(&mut self, n: usize) -> usize {
        // The low bits of so many numbers are good enough.
        ((self.next() >> 11) as usize) % n
    }

    /// A length from 1 to `max`, in which short ones are as frequent as long ones.
    fn len(&mut self, max: usize) -> usize {
        let max = max.max(1);
        let bits = self.below(max.ilog2() as usize + 1) as u32;
        (1 + self.below(2usize << bits)).min(max)
    }
}
