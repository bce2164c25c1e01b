//! A random program: a child, up to four allocators on top of each other, and steps.
//!
//! A program is data. Its numbers are taken modulo what exists when a step runs, so every program can run, and so can
//! every program with some of its steps removed: shrinking needs that.

use arbitrary::{Arbitrary, Unstructured};
use zigalloc::heap::ResetMode;

/// A random program.
#[derive(Arbitrary, Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The source of all memory.
    pub source: Source,
    /// The child over the source, which refuses, moves, and so on.
    pub child: Child,
    /// The allocators over the child, lowest first. Those beyond the fourth are ignored.
    pub layers: Vec<Layer>,
    /// The steps. Those beyond [`MAX_STEPS`] are ignored.
    pub steps: Vec<Step>,
}

/// The maximum number of allocators over the child.
pub const MAX_LAYERS: usize = 4;
/// The maximum number of steps of a program.
pub const MAX_STEPS: usize = 200;

impl Program {
    /// Decodes a program from a fuzz target's bytes, if there are enough.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Program> {
        Program::arbitrary_take_rest(Unstructured::new(bytes)).ok()
    }
}

/// The lowest allocator.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The model's own heap: blocks have guard bytes around them, start at an address with exactly the requested
    /// alignment, and are poisoned and kept when freed.
    Own,
    /// The same with an inaccessible page after each block; freed blocks become inaccessible.
    Guarded,
    Page,
    C,
    RawC,
    Smp,
    Rust,
}

/// A child that keeps the contract and is as difficult as the contract allows. Chances are out of 256.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    pub seed: u64,
    /// Chance of refusing an `alloc`.
    pub refuse: u8,
    /// Chance of refusing a `resize` without calling the source.
    pub refuse_resize: u8,
    /// Chance of refusing a `remap` without calling the source.
    pub refuse_remap: u8,
    /// Chance of moving a block in a `remap` that is not refused.
    pub moves: u8,
    /// Whether it requests memory from the arena on top of it during that arena's calls.
    pub calls_back: bool,
}

/// An allocator on top of another one.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Arena,
    SharedArena,
    /// Over a block of the level below; `skip` bytes of it are left out, so that it starts at any address.
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
    /// 0 means never.
    Failing {
        fail_index: u8,
        resize_fail_index: u8,
    },
    /// Over a fixed buffer of this many times 64 KiB.
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

/// A length in bytes, encoded in two bytes: most are small.
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

/// How a block is allocated, and then resized and freed.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// By the functions of the vtable.
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

/// The mode of a reset, with fewer bits than [`ResetMode`].
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

/// A misuse that a debug allocator must report.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// A block is freed twice, with nothing in between.
    FreeTwice,
    /// A block that was freed earlier is freed or resized.
    Stale,
    WrongLength,
    WrongAlignment,
    /// The address is inside a block.
    Inside,
    /// The address was never one of the allocator's.
    Foreign,
    /// A byte after a small block is overwritten.
    Overrun,
}

/// The call that is misused.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Free,
    Resize,
    Remap,
}

/// One step. `at` is the level: 0 is the child, 1 the lowest layer; most values mean the highest one. If a step is
/// for one kind of allocator, only levels of that kind count. `block`, `pool` and `item` are numbers, modulo how many
/// there are; the highest mean the last.
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
    /// To length 0, by the typed functions: frees the block.
    Empty {
        block: u8,
        how: Change,
    },
    Free {
        block: u8,
    },
    /// An impossible length or alignment, for a new block or an existing one.
    Huge {
        at: u8,
        block: u8,
        how: Option<Change>,
        subtract: u16,
        alignment_log2: u8,
    },
    /// Everything in the typed interface that must not reach the vtable.
    Zero {
        at: u8,
        len: Len,
    },
    /// Frees all blocks of an arena or a buffer.
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
    /// Sets the limit to what is in use plus this many bytes.
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
