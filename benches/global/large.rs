//! Programs with blocks above 32 KiB, one process each, by turns on each allocator.
//!
//! `cargo bench -p zigalloc-benches --bench global -- large`. A row is a program: its processor time on this crate's
//! `SmpAllocator`, the median of the ratios to each peer's in the same round, and the highest resident set beside theirs.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::hint::black_box;

/// The programs, and what each does.
pub(crate) const PROGRAMS: [(&str, fn()); 12] = [
    ("Vec of 40 KB, filled", || filled(40_000, 200_000)),
    ("Vec of 100 KB, filled", || filled(100_000, 80_000)),
    ("Vec of 1 MB, filled", || filled(1_000_000, 6_000)),
    ("Vec of 16 MB, filled", || filled(16_000_000, 300)),
    ("1 B to 64 KiB, 2 threads", two_threads),
    ("5 to 25 MB", || random(5_000_000, 25_000_000, 4, 600)),
    ("33 KiB to 1 MiB", || random(33 << 10, 1 << 20, 40, 60_000)),
    ("realloc to 300 KB", growth),
    ("Vec pushed to 24 MB", pushed),
    ("vec![0; 1 MB], filled", || zeroed(1_000_000, 4_000, 4096)),
    ("vec![0; 64 MB], 16 pages used", || zeroed(64_000_000, 300, 4_000_000)),
    ("vec![0; 8 MB], 16 pages used", || zeroed(8_000_000, 2_000, 500_000)),
];

/// Vectors that are made, filled and dropped.
fn filled(len: usize, count: usize) {
    for n in 0..count {
        let mut vec = Vec::<u8>::with_capacity(len);
        vec.resize(len, n as u8);
        black_box(&vec);
    }
}

fn next(random: &mut u32) -> usize {
    *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*random >> 8) as usize
}

/// Blocks of random length replace each other; a byte in each page is written.
fn random(least: usize, most: usize, live: usize, count: usize) {
    let mut blocks: Vec<Vec<u8>> = vec![Vec::new(); live];
    let mut number = 1;
    for _ in 0..count {
        let len = least + next(&mut number) % (most - least);
        let mut vec = Vec::<u8>::with_capacity(len);
        for page in vec.spare_capacity_mut().iter_mut().step_by(4096) {
            page.write(1);
        }
        let place = next(&mut number) % live;
        blocks[place] = black_box(vec);
    }
}

fn two_threads() {
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| random(1, 64 << 10, 500, 1_000_000));
        }
    });
}

/// A block that grows by 4 KiB at a time.
fn growth() {
    let layout = |len| Layout::from_size_align(len, 8).expect("a short length");
    for _ in 0..20_000 {
        let mut len = 4096;
        // SAFETY: the length is not zero.
        let mut block = unsafe { alloc(layout(len)) };
        while len < 300_000 {
            let new = len + 4096;
            // SAFETY: a live block with this layout.
            block = unsafe { realloc(block, layout(len), new) };
            assert!(!block.is_null());
            // SAFETY: bytes of the block.
            unsafe { block.add(len).write(1) };
            len = new;
        }
        // SAFETY: a live block with this layout.
        unsafe { dealloc(black_box(block), layout(len)) };
    }
}

fn pushed() {
    for _ in 0..30 {
        let mut vec = Vec::new();
        for n in 0..3_000_000_u64 {
            vec.push(n);
        }
        black_box(vec);
    }
}

/// Vectors of zeros, of which a byte every `step` is used.
fn zeroed(len: usize, count: usize, step: usize) {
    for _ in 0..count {
        let mut vec = vec![0_u8; len];
        for byte in vec.iter_mut().step_by(step) {
            *byte += 1;
        }
        black_box(vec);
    }
}
