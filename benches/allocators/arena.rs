//! The arena: a thousand blocks of 8 to 256 bytes, then a reset that keeps the memory.

use std::alloc::Layout;
use std::hint::black_box;

use allocator_api2_02::alloc::Allocator as RustAllocator;
use bumpalo::Bump;
use criterion::Criterion;
use zigalloc::Alignment;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
use zigalloc_support::Random;

use crate::pairs::{Pairs, time};

const BLOCKS: usize = 1000;

/// The lengths for both sides: 8 to 256 bytes.
fn lengths() -> Vec<usize> {
    let mut random = Random::new(1);
    (0..BLOCKS).map(|_| random.within(8..=256)).collect()
}

pub(crate) fn bench(criterion: &mut Criterion, pairs: &mut Pairs) {
    let lengths = lengths();
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let ours = |n| {
        time(n, || {
            let handle = black_box(arena.allocator());
            for &len in &lengths {
                // SAFETY: no length is zero.
                black_box(unsafe { handle.raw_alloc(len, Alignment::_8, 0) });
            }
            _ = arena.reset(ResetMode::RetainCapacity);
        })
    };
    let mut bump = Bump::new();
    let theirs = |n| {
        time(n, || {
            let bumped = &bump;
            let dynamic: &dyn RustAllocator = black_box(&bumped);
            for &len in &lengths {
                let layout = Layout::from_size_align(len, 8).expect("a small layout");
                black_box(dynamic.allocate(layout).ok());
            }
            bump.reset();
        })
    };
    pairs.row(criterion, "1,000 x 8-256 B, reset: arena / bumpalo through &dyn", ours, theirs);
}
