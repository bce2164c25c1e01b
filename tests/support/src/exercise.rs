//! Programs that any allocator must pass.

use std::ptr::NonNull;

use zigalloc::{Alignment, Allocator};

use crate::{Filled, Random};

/// Makes random requests: allocates, resizes, remaps and frees blocks, and checks that each has the bytes that were
/// written to it, so that no two overlap. Returns the number of blocks.
///
/// # Panics
/// If a block is misaligned, or its bytes are not those that were written.
pub fn run_random_program(allocator: Allocator<'_>, random: &mut Random, steps: usize) -> usize {
    let mut blocks: Vec<Filled> = Vec::new();
    let mut count = 0;
    for step in 0..steps {
        let len = random.within(1..=70);
        match (random.within(0..=9), blocks.is_empty()) {
            (0..=3, _) | (_, true) => {
                let alignment = Alignment::from_log2(random.within(0..=6) as u8).unwrap();
                // SAFETY: `len` is not zero.
                if let Some(ptr) = unsafe { allocator.raw_alloc(len, alignment, 0) } {
                    let memory = NonNull::slice_from_raw_parts(ptr, len);
                    // SAFETY: a new block, which is removed from the list before it is freed.
                    blocks.push(unsafe { Filled::new(memory, alignment, step as u8) });
                    count += 1;
                }
            }
            (kind, false) => {
                // The last block is the interesting one.
                let index = match random.within(0..=1) {
                    0 => blocks.len() - 1,
                    _ => random.within(0..=blocks.len() - 1),
                };
                let (memory, alignment) = (blocks[index].memory(), blocks[index].alignment());
                let resized = match kind {
                    4..=5 => {
                        // SAFETY: a live block with matching length and alignment; `len` is not zero.
                        let granted = unsafe { allocator.raw_resize(memory, alignment, len, 0) };
                        granted.then_some(memory.cast())
                    }
                    // SAFETY: a live block with matching length and alignment, which is followed when it moves; `len`
                    // is not zero.
                    6..=7 => unsafe { allocator.raw_remap(memory, alignment, len, 0) },
                    _ => {
                        blocks.remove(index).check();
                        // SAFETY: a live block with matching length and alignment, which is no longer in the list.
                        unsafe { allocator.raw_free(memory, alignment, 0) };
                        continue;
                    }
                };
                if let Some(ptr) = resized {
                    // SAFETY: it is `len` bytes now, and there.
                    unsafe { blocks[index].resized(ptr, len) };
                }
            }
        }
    }
    blocks.iter().for_each(Filled::check);
    count
}

/// Checks an allocator with one alignment: blocks of many lengths are aligned, distinct and writable, and keep their
/// bytes when `remap` makes them longer and shorter. Returns how many of the 13 × 6 calls of `remap` succeeded.
///
/// # Panics
/// If one of these is violated, or there is not enough memory.
#[track_caller]
pub fn keeps_contents(allocator: Allocator<'_>, alignment: Alignment) -> usize {
    /// The bytes to check: all of a short block, both ends and some of a long one.
    fn places(len: usize) -> impl Iterator<Item = usize> {
        let many = if cfg!(miri) { 3 } else { 500 };
        (0..len).step_by(1 + len / many).chain([len - 1])
    }
    unsafe fn fill(memory: NonNull<u8>, len: usize, seed: usize) {
        // SAFETY: the caller's block is so long.
        places(len).for_each(|n| unsafe { memory.add(n).write((n * 7 + seed) as u8) });
    }
    unsafe fn assert_filled(memory: NonNull<u8>, len: usize, kept: usize, seed: usize) {
        for n in places(len).filter(|n| *n < kept) {
            // SAFETY: `kept` bytes of the caller's block are left of those that `fill` has written.
            assert_eq!(unsafe { memory.add(n).read() }, (n * 7 + seed) as u8, "byte {n} of {len}");
        }
    }

    let lengths = [1, 2, 7, 8, 15, 16, 24, 100, 1000, 4095, 4096, 4097, 10_000];
    let blocks = lengths.map(|len| {
        // SAFETY: `len` is not zero, and a new block is `len` bytes.
        unsafe {
            let memory = allocator.raw_alloc(len, alignment, 0).expect("there is memory");
            assert!(
                alignment.check_ptr(memory.as_ptr()),
                "{memory:?} for {len} bytes aligned to {alignment}"
            );
            fill(memory, len, len);
            memory
        }
    });
    let mut remapped = 0;
    for (mut memory, seed) in blocks.into_iter().zip(lengths) {
        let mut len = seed;
        for new_len in [len + 1, 3 * len, if cfg!(miri) { 5 } else { 50 } * len, len, len.div_ceil(2), 1] {
            // SAFETY: a live block with matching length and alignment, which is followed when it moves.
            unsafe {
                let block = NonNull::slice_from_raw_parts(memory, len);
                let Some(new) = allocator.raw_remap(block, alignment, new_len, 0) else {
                    assert_filled(memory, len, len, seed);
                    continue;
                };
                assert!(
                    alignment.check_ptr(new.as_ptr()),
                    "{new:?} for {new_len} bytes aligned to {alignment}"
                );
                assert_filled(new, len, len.min(new_len), seed);
                (memory, len) = (new, new_len);
                fill(memory, len, seed);
                remapped += 1;
            }
        }
        // SAFETY: a live block with matching length and alignment.
        unsafe { allocator.raw_free(NonNull::slice_from_raw_parts(memory, len), alignment, 0) };
    }
    remapped
}
