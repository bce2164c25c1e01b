//! Calls of an allocator, with every check that is possible from outside.

use alloc::vec::Vec;
use core::fmt;
use core::ptr::NonNull;

use super::ledger::{Breach, Ledger};
use super::strict::StrictConfig;
use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::return_address::return_address;

/// A live block. Its content is the pattern from index `seed` on.
#[derive(Debug)]
pub(crate) struct Block {
    ptr: NonNull<u8>,
    pub(crate) len: usize,
    pub(crate) alignment: Alignment,
    seed: usize,
}

impl Block {
    pub(crate) fn memory(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.ptr, self.len)
    }
}

/// Bytes without regularity, so that content shifted by a few bytes differs.
#[derive(Default)]
struct Pattern(Vec<u8>);

impl Pattern {
    /// The number of different contents.
    const SEEDS: usize = 256;

    /// The content of a block with this seed, from byte `from` to byte `to`.
    fn of(&mut self, seed: usize, from: usize, to: usize) -> &[u8] {
        let mut random = Random(self.0.len() as u64 + 1);
        while self.0.len() < Self::SEEDS + to {
            // Never 0, which fresh memory often is.
            self.0.push(1 + random.below(255) as u8);
        }
        &self.0[seed + from..seed + to]
    }
}

/// An allocator, the ledger of its live blocks, and their contents. Every method panics if it finds a breach
/// of the contract.
pub(crate) struct Checked<'a> {
    handles: [Allocator<'a>; 2],
    /// The index of the handle that was used last.
    turn: usize,
    pub(crate) config: &'a StrictConfig,
    ledger: Ledger,
    /// The number of bytes served so far, with the largest possible padding.
    served: usize,
    next_seed: usize,
    pattern: Pattern,
    /// Blocks that tests keep for later.
    pub(crate) live: Vec<Block>,
}

impl<'a> Checked<'a> {
    /// Makes the kit over two handles, which should be the same allocator.
    pub(crate) fn new(handles: [Allocator<'a>; 2], config: &'a StrictConfig) -> Checked<'a> {
        Checked {
            handles,
            turn: 0,
            config,
            ledger: Ledger::default(),
            served: 0,
            next_seed: 0,
            pattern: Pattern::default(),
            live: Vec::new(),
        }
    }

    /// Returns the handle for the next call.
    pub(crate) fn handle(&mut self) -> Allocator<'a> {
        self.turn ^= 1;
        self.handles[self.turn]
    }

    /// Writes the block's content from byte `from` on.
    fn fill(&mut self, block: &Block, from: usize) {
        let content = self.pattern.of(block.seed, from, block.len);
        // SAFETY: the block is live and passed the ledger's checks, so it has `len` bytes.
        let start = unsafe { block.ptr.as_ptr().add(from) };
        // SAFETY: the block has this many bytes from `start` on. The pattern is elsewhere.
        unsafe { start.copy_from_nonoverlapping(content.as_ptr(), content.len()) };
    }

    /// Compares the block's first `len` bytes with its content.
    #[track_caller]
    pub(crate) fn verify(&mut self, block: &Block, len: usize, after: &str) {
        assert!(len <= block.len);
        let wanted = self.pattern.of(block.seed, 0, len);
        // SAFETY: these bytes are in the block, which is live, and `fill` has written them. Nothing
        // else uses them during the borrow.
        let found = unsafe { core::slice::from_raw_parts(block.ptr.as_ptr(), len) };
        if found == wanted {
            return;
        }
        let (i, _) =
            found.iter().zip(wanted).enumerate().find(|(_, (found, wanted))| found != wanted).unwrap();
        panic!(
            "test_allocator_strict: after {after}, byte {i} of the block of {} bytes at {:?} is {:#04x}, not \
             {:#04x} (clauses new-block to moved-block: content)",
            block.len, block.ptr, found[i], wanted[i]
        );
    }

    /// Allocates a block and fills it.
    #[track_caller]
    pub(crate) fn alloc(&mut self, len: usize, alignment: Alignment) -> Option<Block> {
        let bytes = alignment.to_byte_units();
        let served = self.served.saturating_add(len).saturating_add(bytes - 1);
        // SAFETY: the length is not zero. The kit is used by one thread.
        let Some(ptr) = (unsafe { self.handle().raw_alloc(len, alignment, return_address()) }) else {
            assert!(
                alignment > self.config.required_alignment || served > self.config.must_serve,
                "test_allocator_strict: alloc of {len} bytes, aligned to {bytes}, returned null after {} bytes in \
                 total; StrictConfig requires {} bytes, aligned to up to {}",
                self.served,
                self.config.must_serve,
                self.config.required_alignment.to_byte_units()
            );
            return None;
        };
        self.served = served;
        self.next_seed = (self.next_seed + 37) % Pattern::SEEDS;
        let block = Block { ptr, len, alignment, seed: self.next_seed };
        let entered = self.ledger.insert(ptr.addr().get(), len, alignment);
        no_breach(entered, "alloc", format_args!("{len} bytes, aligned to {bytes}"));
        self.fill(&block, 0);
        Some(block)
    }

    /// Changes a block's length in place, if the allocator can.
    #[track_caller]
    pub(crate) fn resize(&mut self, block: &mut Block, new_len: usize) {
        let (len, address) = (block.len, block.ptr.addr().get());
        // SAFETY: the block is live and matches; the length is not zero.
        let resized =
            unsafe { self.handle().raw_resize(block.memory(), block.alignment, new_len, return_address()) };
        if !resized {
            return self.verify(block, len, "resize returned false");
        }
        let entered = self.ledger.resize(address, new_len);
        no_breach(entered, "resize", format_args!("{len} to {new_len} bytes"));
        self.count_growth(len, new_len);
        block.len = new_len;
        self.verify(block, len.min(new_len), "resize returned true");
        self.fill(block, len.min(new_len));
    }

    /// Changes a block's length and perhaps its address, if the allocator can.
    #[track_caller]
    pub(crate) fn remap(&mut self, block: &mut Block, new_len: usize) {
        let (len, address) = (block.len, block.ptr.addr().get());
        // SAFETY: the block is live and matches; the length is not zero.
        let remapped =
            unsafe { self.handle().raw_remap(block.memory(), block.alignment, new_len, return_address()) };
        let Some(ptr) = remapped else {
            return self.verify(block, len, "remap returned null");
        };
        self.ledger.remove(address);
        let entered = self.ledger.insert(ptr.addr().get(), new_len, block.alignment);
        no_breach(entered, "remap", format_args!("{len} to {new_len} bytes"));
        self.count_growth(len, new_len);
        block.ptr = ptr;
        block.len = new_len;
        self.verify(block, len.min(new_len), "remap returned a pointer");
        self.fill(block, len.min(new_len));
    }

    fn count_growth(&mut self, len: usize, new_len: usize) {
        self.served = self.served.saturating_add(new_len.saturating_sub(len));
    }

    #[track_caller]
    pub(crate) fn free(&mut self, block: Block) {
        self.verify(&block, block.len, "other calls");
        self.ledger.remove(block.ptr.addr().get());
        // SAFETY: the block is live and matches; it is not used again.
        unsafe { self.handle().raw_free(block.memory(), block.alignment, return_address()) };
    }

    /// Frees the blocks in an order that is neither that of their allocation nor its reverse.
    #[track_caller]
    pub(crate) fn free_all(&mut self) {
        while !self.live.is_empty() {
            let i = (self.live.len() * 5 / 7).min(self.live.len() - 1);
            let block = self.live.swap_remove(i);
            self.free(block);
        }
    }

    /// Checks that a small block is served, as long as [`StrictConfig::must_serve`] is not used up.
    #[track_caller]
    pub(crate) fn is_usable(&mut self) {
        if let Some(block) = self.alloc(24, Alignment::_8) {
            self.free(block);
        }
    }

    /// Checks that a length near or above `isize::MAX` was refused. On 32-bit targets a length below `isize::MAX` may
    /// be served; the block is then freed.
    #[track_caller]
    pub(crate) fn must_be_none(
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
            "test_allocator_strict: {function} of {len} bytes, aligned to {bytes}, returned {ptr:?} (clause \
             no-overflow); no block can be that long"
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
}

pub(crate) fn at_log2(log2: u8) -> Alignment {
    Alignment::from_log2(log2).expect("test_allocator_strict: the logarithm of an alignment")
}

#[track_caller]
fn no_breach(entered: Result<(), Breach>, function: &str, request: fmt::Arguments<'_>) {
    if let Err(breach) = entered {
        panic!("test_allocator_strict: {function} of {request}: {breach}");
    }
}

/// Marsaglia's xorshift: the same numbers for the same seed on every platform.
pub(crate) struct Random(pub(crate) u64);

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

    pub(crate) fn below(&mut self, n: usize) -> usize {
        // The lowest bits are the least random.
        ((self.next() >> 11) as usize) % n
    }

    /// Returns a length from 1 to `max`, short ones as often as long ones.
    pub(crate) fn len(&mut self, max: usize) -> usize {
        let max = max.clamp(1, isize::MAX as usize);
        let bits = self.below(max.ilog2() as usize + 1) as u32;
        (1 + self.below(2usize << bits)).min(max)
    }
}
