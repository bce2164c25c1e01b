//! The smp allocator compared with the system's and with mimalloc.
//!
//! Ours is called through a handle that the compiler does not know, so with an indirect call for each
//! block; the others are called directly.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::ptr::{self, NonNull};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use mimalloc::MiMalloc;
use zigalloc::heap::SMP_ALLOCATOR;
use zigalloc::{Alignment, SyncAllocator};
use zigalloc_support::Random;

use crate::pairs::{Pairs, time, time_threads};

/// The number of live blocks per thread in the random rows.
const LIVE: usize = 1000;
/// The capacity of the channel, in blocks.
const IN_FLIGHT: usize = 256;

/// A handle with the interface of the others.
struct Handle(SyncAllocator<'static>);

// SAFETY: the contract of allocators includes that of `GlobalAlloc`.
unsafe impl GlobalAlloc for Handle {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the length is not zero.
        let memory = unsafe { self.0.raw_alloc(layout.size(), Alignment::from(layout), 0) };
        memory.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline(always)]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: a live block, so not null, with the layout of its allocation.
        unsafe {
            let memory = NonNull::slice_from_raw_parts(NonNull::new_unchecked(memory), layout.size());
            self.0.raw_free(memory, Alignment::from(layout), 0);
        }
    }
}

fn layout(len: usize) -> Layout {
    Layout::from_size_align(len, 8).expect("a small layout")
}

/// Allocates a block and writes to it, so that its memory is resident.
#[inline(always)]
fn alloc(allocator: &impl GlobalAlloc, layout: Layout) -> *mut u8 {
    // SAFETY: the length is not zero, and a block has a first byte.
    unsafe {
        let memory = allocator.alloc(layout);
        assert!(!memory.is_null());
        memory.write(1);
        memory
    }
}

fn one_block(allocator: &impl GlobalAlloc, n: u64) -> Duration {
    time(n, || {
        let layout = black_box(layout(64));
        let memory = black_box(alloc(allocator, layout));
        // SAFETY: a live block.
        unsafe { allocator.dealloc(memory, layout) };
    })
}

/// A thread's live blocks. Each step frees one and allocates another.
struct Live<'a, A: GlobalAlloc> {
    allocator: &'a A,
    random: Random,
    blocks: Vec<(*mut u8, Layout)>,
}

impl<'a, A: GlobalAlloc> Live<'a, A> {
    fn new(allocator: &'a A) -> Live<'a, A> {
        let mut live = Live { allocator, random: Random::new(1), blocks: Vec::with_capacity(LIVE) };
        for _ in 0..LIVE {
            let layout = live.next_layout();
            live.blocks.push((alloc(allocator, layout), layout));
        }
        live
    }

    #[inline(always)]
    fn next_layout(&mut self) -> Layout {
        layout(self.random.within(16..=4096))
    }

    #[inline(always)]
    fn step(&mut self) {
        let new_layout = self.next_layout();
        let index = self.random.below(LIVE);
        let (memory, layout) = self.blocks[index];
        // SAFETY: a live block.
        unsafe { self.allocator.dealloc(memory, layout) };
        self.blocks[index] = (alloc(self.allocator, new_layout), new_layout);
    }
}

impl<A: GlobalAlloc> Drop for Live<'_, A> {
    fn drop(&mut self) {
        for &(memory, layout) in &self.blocks {
            // SAFETY: a live block.
            unsafe { self.allocator.dealloc(memory, layout) };
        }
    }
}

fn random_blocks<A: GlobalAlloc + Sync>(allocator: &A, threads: usize, n: u64) -> Duration {
    if threads == 1 {
        let mut live = Live::new(allocator);
        return time(n, || live.step());
    }
    time_threads(threads, n, || {
        let mut live = Live::new(allocator);
        move || live.step()
    })
}

/// A block that is sent to the other thread.
struct Sent(*mut u8, Layout);
// SAFETY: any thread may free a block of these allocators.
unsafe impl Send for Sent {}

fn producer_and_consumer<A: GlobalAlloc + Sync>(allocator: &A, n: u64) -> Duration {
    let (sender, receiver) = mpsc::sync_channel::<Sent>(IN_FLIGHT);
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || {
            for i in 0..n {
                let layout = layout(16 + (i as usize * 37) % 500);
                sender.send(Sent(alloc(allocator, layout), layout)).expect("the receiver exists");
            }
        });
        for Sent(memory, layout) in receiver {
            // SAFETY: a live block.
            unsafe { allocator.dealloc(memory, layout) };
        }
    });
    start.elapsed()
}

fn rows<A: GlobalAlloc + Sync>(criterion: &mut Criterion, pairs: &mut Pairs, peer: &A, name: &str) {
    let ours = black_box(Handle(SMP_ALLOCATOR));
    let row = format!("alloc + free 64 B: smp / {name}");
    pairs.row(criterion, &row, |n| one_block(&ours, n), |n| one_block(peer, n));
    for threads in [1, 2] {
        let row = format!("random 16-4,096 B, 1,000 live, {threads} threads: smp / {name}");
        pairs.row(criterion, &row, |n| random_blocks(&ours, threads, n), |n| random_blocks(peer, threads, n));
    }
    let row = format!("producer and consumer, 16-515 B: smp / {name}");
    pairs.row(criterion, &row, |n| producer_and_consumer(&ours, n), |n| producer_and_consumer(peer, n));
}

pub(crate) fn bench(criterion: &mut Criterion, pairs: &mut Pairs) {
    rows(criterion, pairs, &System, "System");
    rows(criterion, pairs, &MiMalloc, "mimalloc");
}
