//! Several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use zigalloc::SyncAllocator;
use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator};
use zigalloc_support::{Filled, Random, Sent, run_random_program};

use super::*;

const THREADS: usize = if cfg!(miri) { 3 } else { 8 };

/// SA-10, SA-14: threads allocate, resize and free at the same time, and get disjoint blocks.
#[test]
fn concurrent_threads_get_disjoint_blocks() {
    let safe = SafeAllocator::init(PAGE_ALLOCATOR, PLAIN);
    let allocator = safe.allocator();
    std::thread::scope(|scope| {
        for seed in 0..THREADS {
            scope.spawn(move || {
                let arena = zigalloc::heap::ArenaAllocator::init(*allocator);
                let steps = if cfg!(miri) { 20 } else { 2000 };
                run_random_program(arena.allocator(), &mut Random::new(seed as u64), steps);
                let mut random = Random::new(seed as u64 + 99);
                let mut blocks: Vec<Filled> = Vec::new();
                for _ in 0..if cfg!(miri) { 40 } else { 4000 } {
                    if blocks.len() < 40 && random.chance(140) {
                        let longest = if random.chance(20) { 9000 } else { 300 };
                        let len = 1 + random.below(longest);
                        let memory = alloc(*allocator, len, 1);
                        // SAFETY: a new block.
                        blocks.push(unsafe { Filled::new(memory, Alignment::_1, seed as u8) });
                    } else if !blocks.is_empty() {
                        let index = random.below(blocks.len());
                        let memory = blocks[index].memory();
                        let new_len = 1 + random.below(2 * memory.len());
                        blocks[index].check();
                        if random.chance(100) {
                            blocks.swap_remove(index);
                            free(*allocator, memory, 1);
                        } else if let Some(new) = remap(*allocator, memory, 1, new_len) {
                            // SAFETY: the block has moved there, or has that length.
                            unsafe { blocks[index].resized(new.cast(), new_len) };
                        }
                    }
                }
                for block in blocks {
                    block.check();
                    free(*allocator, block.memory(), 1);
                }
                assert_eq!(reports(), []);
            });
        }
    });
    assert_eq!(safe.deinit(), 0);
}

/// SA-11, TR-47: a block of one thread is freed by another, which gets the entry.
#[test]
fn another_thread_may_free_a_block() {
    let safe = SafeAllocator::init(PAGE_ALLOCATOR, PLAIN);
    let allocator = safe.allocator();
    let (sender, receiver) = mpsc::channel::<(usize, Sent)>();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let sender = sender.clone();
            scope.spawn(move || {
                for n in 0..if cfg!(miri) { 8 } else { 500 } {
                    let memory = alloc(*allocator, 1 + (n * 31 + thread) % 7000, 1);
                    // SAFETY: the block has that many bytes.
                    unsafe { memory.cast::<u8>().write_bytes(thread as u8, memory.len()) };
                    sender.send((thread, Sent(memory))).unwrap();
                }
            });
        }
        drop(sender);
        for (thread, Sent(memory)) in receiver {
            // SAFETY: all bytes are written.
            assert!(unsafe { memory.as_ref() }.iter().all(|&byte| byte == thread as u8));
            free(*allocator, memory, 1);
        }
    });
    assert_eq!((safe.deinit(), reports()), (0, vec![]));
}

static REPORTED: AtomicUsize = AtomicUsize::new(0);

/// A report comes from the thread that makes the error, without any lock: this one uses the allocator that it is about.
#[test]
fn reports_run_without_a_lock() {
    static SAFE: SafeAllocator<SyncAllocator<'static>> = SafeAllocator::init(
        PAGE_ALLOCATOR,
        SafeOptions {
            report: |_| {
                let a = *SAFE.allocator();
                free(a, alloc(a, 100, 1), 1);
                free(a, alloc(a, 10_000, 1), 1);
                REPORTED.fetch_add(1, Ordering::Relaxed);
            },
            ..TRACED
        },
    );
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let memory = alloc(*SAFE.allocator(), 10, 1);
                free(*SAFE.allocator(), memory, 2);
            });
        }
    });
    assert_eq!(REPORTED.load(Ordering::Relaxed), THREADS);
    assert_eq!(SAFE.count(ReportKind::WrongAlignment), THREADS);
}

/// SA-15, SA-20: of two threads that free a block at the same time, one does.
#[test]
#[cfg_attr(miri, ignore = "the race is a data race by contract, which Miri may report first")]
fn racing_frees_free_once() {
    static SAFE: SafeAllocator<SyncAllocator<'static>> =
        SafeAllocator::init(PAGE_ALLOCATOR, SafeOptions { report: |_| (), ..PLAIN });
    let kept = alloc(*SAFE.allocator(), 10, 1);
    for round in 1..=300 {
        let memory = alloc(*SAFE.allocator(), 10, 1);
        let address = memory.cast::<u8>().as_ptr().expose_provenance();
        let barrier = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let memory = NonNull::new(std::ptr::with_exposed_provenance_mut(address)).unwrap();
                    barrier.wait();
                    free(*SAFE.allocator(), block(memory, 10), 1);
                });
            }
        });
        assert_eq!(SAFE.count(ReportKind::DoubleFree), round);
    }
    free(*SAFE.allocator(), kept, 1);
}
