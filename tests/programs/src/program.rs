//! What a random program is: a child, up to four allocators on top of each other, and steps.
//!
//! A program is data. Numbers in it are taken modulo what there is when the step is run, so that every program
//! can be run, and so can every program with some of its steps left out: that is what shrinking needs.

use arbitrary::{Arbitrary, Unstructured};
use zigalloc::heap::ResetMode;

/// A random program.
#[derive(Arbitrary, Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where all memory comes from in the end.
    pub source: Source,
    /// What is on top of the source: a child that refuses, moves, and so on.
    pub child: Child,
    /// The allocators on top of that, the lowest first. Those beyond the fourth are left out.
    pub layers: Vec<Layer>,
    /// What is done with them. Those beyond [`MAX_STEPS`] are left out.
    pub steps: Vec<Step>,
}

/// The most allocators on top of the child.
pub const MAX_LAYERS: usize = 4;
/// The most steps of a program.
pub const MAX_STEPS: usize = 200;

impl Program {
    /// The program that a fuzz target makes of these bytes, if they are enough for one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Program> {
        Program::arbitrary_take_rest(Unstructured::new(bytes)).ok()
    }
}

/// The lowest allocator.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A heap of the model's own: blocks have guard bytes around them, begin at an address that is no better
    /// aligned than asked, and are poisoned and kept when they are freed.
    Own,
    /// The same with a page without access after each block; freed blocks lose theirs.
    Guarded,
    Page,
    C,
    RawC,
    Smp,
    Rust,
}

/// A child that keeps the contract and is as difficult as the contract allows. Chances are of 256.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    pub seed: u64,
    /// To refuse an `alloc`.
    pub refuse: u8,
    /// To refuse a `resize` without asking the source.
    pub refuse_resize: u8,
    /// To refuse a `remap` without asking the source.
    pub refuse_remap: u8,
    /// To move a block in `remap`, where that is not refused.
    pub moves: u8,
    /// Whether it asks the arena on top of it for memory while that is calling it.
    pub calls_back: bool,
}

/// An allocator on top of another one.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Arena,
    SharedArena,
    /// Over a block of what is below; `skip` bytes of it are left out, so that it begins anywhere.
    FixedBuffer {
        len: u16,
        skip: u8,
        thread_safe: bool,
    },
    BufferFirst {
        len: u16,
        skip: u8,
    },
    StackFallback,
    ThreadSafe,
    Locked,
    Debug(DebugOptions),
    Counting,
    Logging,
    Validation,
    Ledger,
    /// 0 stands for never.
    Failing {
        fail_index: u8,
        resize_fail_index: u8,
    },
    /// Over a fixed buffer of so many times 64 KiB.
    Sbrk {
        pages: u8,
        skip: u8,
    },
    /// To a Rust `Allocator` and back.
    Adapter,
}

/// The options of a debug allocator.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebugOptions {
    pub safety: bool,
    pub thread_safe: bool,
    pub never_unmap: bool,
    pub retain_metadata: bool,
    pub resize_stack_traces: bool,
    pub enable_memory_limit: bool,
    /// Times 16 KiB.
    pub quarantine: u8,
    pub frames: u8,
    /// The log2, counted from 12, modulo 7.
    pub page_size: u8,
}

/// A length in bytes, and how to write it in two: most are small.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Len(pub u16);

impl Len {
    /// 1 to about 600,000.
    #[must_use]
    pub fn bytes(self) -> usize {
        let low = usize::from(self.0 & 0xfff);
        match self.0 >> 12 {
            0..=8 => 1 + low % 72,
            9..=11 => 1 + low,
            // Near a power of two.
            12..=13 => ((1 << (1 + low % 15)) + (low >> 4) % 5).saturating_sub(2).max(1),
            14 => 1 + low * 16,
            _ if cfg!(miri) => 1 + low * 16,
            _ => 1 + low * 150,
        }
    }
}

/// How a block was asked for, and is then resized and freed.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// By the functions of the table.
    Raw,
    /// As a slice of `u8`.
    Bytes,
    /// As a slice of `u64`.
    Words,
    /// As a slice of `u8`, aligned to 64.
    Aligned,
    /// As a slice of `u16` with a sentinel.
    Sentinel,
}

/// How a length is changed.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Resize,
    Remap,
    /// By the typed function; a raw block is remapped.
    Realloc,
}

/// What a reset does, with fewer bits than [`ResetMode`].
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    FreeAll,
    RetainCapacity,
    RetainWithLimit(u16),
}

impl From<Mode> for ResetMode {
    fn from(mode: Mode) -> ResetMode {
        match mode {
            Mode::FreeAll => ResetMode::FreeAll,
            Mode::RetainCapacity => ResetMode::RetainCapacity,
            Mode::RetainWithLimit(limit) => ResetMode::RetainWithLimit(limit.into()),
        }
    }
}

/// A mistake that a debug allocator must report.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// A block is freed twice, with nothing in between.
    FreeTwice,
    /// A block is freed or resized that was freed before, at some time.
    Stale,
    WrongLength,
    WrongAlignment,
    /// The address is inside of a block.
    Inside,
    /// The address was never one of the allocator's.
    Foreign,
    /// A byte after a small block is written to.
    Overrun,
}

/// The call in which a mistake is made.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Free,
    Resize,
    Remap,
}

/// One step. `at` is the level: 0 is the child, 1 the lowest layer; most values stand for the highest one. Where a
/// step is of a kind of allocator, the levels with another one are not counted.
/// `block`, `pool` and `item` are numbers, modulo how many there are; the highest stand for the last.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Alloc {
        at: u8,
        shape: Shape,
        len: Len,
        alignment_log2: u8,
    },
    Change {
        block: u8,
        how: Change,
        len: Len,
    },
    /// To the length 0, by the typed functions: the block is freed.
    Empty {
        block: u8,
        how: Change,
    },
    Free {
        block: u8,
    },
    /// A length or an alignment that cannot be served, for a new block or for one that is there.
    Huge {
        at: u8,
        block: u8,
        how: Option<Change>,
        subtract: u16,
        alignment_log2: u8,
    },
    /// Everything of the typed interface that must not reach the table.
    Zero {
        at: u8,
        len: Len,
    },
    /// Ends all blocks of an arena or a buffer.
    Reset {
        at: u8,
        mode: Mode,
    },
    /// `into_state` and `promote`.
    Promote {
        at: u8,
    },
    Checkpoint {
        at: u8,
        scope: bool,
    },
    /// Back to a checkpoint, or to the end of a scope.
    Rewind {
        at: u8,
    },
    /// Ends the levels above, and makes them again.
    Rebuild {
        at: u8,
    },
    Flush {
        at: u8,
    },
    /// Sets the limit to what is in use and so many bytes more.
    Limit {
        at: u8,
        more: Option<u16>,
    },
    DetectLeaks {
        at: u8,
    },
    Misuse {
        at: u8,
        block: u8,
        kind: Misuse,
        via: Via,
        n: u8,
    },
    NewPool {
        at: u8,
        kind: u8,
    },
    Create {
        pool: u8,
    },
    Destroy {
        pool: u8,
        item: u8,
    },
    Preheat {
        pool: u8,
        count: u8,
    },
    ResetPool {
        pool: u8,
        mode: Mode,
    },
    /// A value in a box, whose destructor panics.
    PanickingBox {
        pool: u8,
    },
    EndPool {
        pool: u8,
    },
}
