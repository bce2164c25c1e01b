//! Several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use zigalloc::SyncAllocator;
use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR};
use zigalloc_support::{Random, Sent, run_random_program};

use super::*;

const THREADS: usize = if cfg!(miri) { 3 } else { 8 };

/// DC-04: threads allocate, resize and free at the same time, and get disjoint blocks.
#[test]
fn concurrent_threads_get_disjoint_blocks() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, SMALL_PAGES);
    let allocator = debug.allocator();
    std::thread::scope(|scope| {
        for seed in 0..THREADS {
            scope.spawn(move || {
                let arena = zigalloc::heap::ArenaAllocator::init(*allocator);
                let steps = if cfg!(miri) { 20 } else { 2000 };
                run_random_program(arena.allocator(), &mut Random::new(seed as u64), steps);
                for len in 1..if cfg!(miri) { 10 } else { 500 } {
                    let memory = alloc(*allocator, len * 7 % 1500 + 1, 1);
                    // SAFETY: the block has that many bytes.
                    unsafe { memory.cast::<u8>().write_bytes(seed as u8, memory.len()) };
                    free(*allocator, memory, 1);
                }
            });
        }
    });
    assert_eq!(debug.deinit(), Check::Ok);
}

/// DC-04: a block of one thread is freed by another.
#[test]
fn another_thread_may_free_a_block() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, SMALL_PAGES);
    let allocator = debug.allocator();
    let (sender, receiver) = mpsc::channel::<(usize, Sent)>();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let sender = sender.clone();
            scope.spawn(move || {
                for n in 0..if cfg!(miri) { 5 } else { 300 } {
                    let memory = alloc(*allocator, 1 + (n * 31 + thread) % 2000, 1);
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
    assert_eq!(debug.deinit(), Check::Ok);
}

static REPORTED: AtomicUsize = AtomicUsize::new(0);

/// A report comes from the thread that makes the error, after the lock is released: this one uses the allocator that
/// it is about.
#[test]
fn reports_run_without_the_lock() {
    static DEBUG: DebugAllocator<SyncAllocator<'static>> = DebugAllocator::with_config(
        PAGE_ALLOCATOR,
        DebugConfig {
            report: |_| {
                let a = *DEBUG.allocator();
                free(a, alloc(a, 100, 1), 1);
                REPORTED.fetch_add(1, Ordering::Relaxed);
            },
            ..SMALL_PAGES
        },
    );
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let memory = alloc(*DEBUG.allocator(), 10, 1);
                free(*DEBUG.allocator(), memory, 2);
            });
        }
    });
    assert_eq!(REPORTED.load(Ordering::Relaxed), THREADS);
    assert_eq!(DEBUG.count(ReportKind::WrongAlignment), THREADS);
}
