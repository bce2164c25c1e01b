//! The work that both sides do.

use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use zigalloc::{Alignment, Allocator};
use zigalloc_support::{Random, Sent};

/// The number of live blocks per thread in the random rows.
const LIVE: usize = 1000;
/// The capacity of the channel, in blocks.
const IN_FLIGHT: usize = 256;

/// A handle to an allocator that any thread may call, which the type of the handle does not express.
#[derive(Clone, Copy)]
pub(crate) struct Handle(pub(crate) Allocator<'static>);

// SAFETY: the allocator is thread-safe, or only one thread uses it.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    #[inline(always)]
    fn alloc(self, len: usize) -> NonNull<[u8]> {
        // SAFETY: the length is not zero.
        let memory = unsafe { self.0.raw_alloc(black_box(len), Alignment::_8, 0) };
        NonNull::slice_from_raw_parts(black_box(memory.expect("enough memory")), len)
    }

    /// Allocates a block and writes to it, so that its memory is resident.
    #[inline(always)]
    fn alloc_used(self, len: usize) -> NonNull<[u8]> {
        let memory = self.alloc(len);
        // SAFETY: a block has a first byte.
        unsafe { memory.cast::<u8>().write(1) };
        memory
    }

    /// # Safety
    /// `memory` must be a live block from [`alloc`](Self::alloc).
    #[inline(always)]
    unsafe fn free(self, memory: NonNull<[u8]>) {
        // SAFETY: a live block, not used afterwards, by our caller.
        unsafe { self.0.raw_free(memory, Alignment::_8, 0) };
    }
}

#[inline(always)]
fn time(n: u64, mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    (0..n).for_each(|_| work());
    start.elapsed()
}

/// Allocates and frees a block, in one thread or in each of several.
pub(crate) fn one_block(allocator: Handle, len: usize, threads: usize, n: u64) -> Duration {
    let turn = move || {
        let memory = allocator.alloc(len);
        // SAFETY: a live block.
        unsafe { allocator.free(memory) };
    };
    if threads == 1 { time(n, turn) } else { in_threads(threads, n, || turn) }
}

/// The time that `threads` threads take for `n` turns each of the work that `worker` makes.
fn in_threads<W: FnMut()>(threads: usize, n: u64, worker: impl Fn() -> W + Sync) -> Duration {
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        let (barrier, worker) = (&barrier, &worker);
        let spawn = |thread| {
            scope.spawn(move || {
                stay_on_processor(thread);
                let mut work = worker();
                clocked(barrier, || (0..n).for_each(|_| work()))
            })
        };
        let handles: Vec<_> = (0..threads).map(spawn).collect();
        span(handles.into_iter().map(|handle| handle.join().expect("a worker does not panic")))
    })
}

/// Does one thread's work when all threads are ready, and returns when it started and ended.
///
/// Each thread reads the clock itself: a thread that only waits for the others starts measuring when it
/// is scheduled, which may be after they have finished.
fn clocked(barrier: &Barrier, work: impl FnOnce()) -> (Instant, Instant) {
    barrier.wait();
    let begin = Instant::now();
    work();
    (begin, Instant::now())
}

/// The time from the first start to the last end.
fn span(times: impl IntoIterator<Item = (Instant, Instant)>) -> Duration {
    let all = times.into_iter().reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)));
    let (begin, end) = all.expect("a thread");
    end - begin
}

/// Binds this thread to one of the processors that the program may use, a different one for each `thread`.
/// If the system schedules two threads of a short sample on one processor, they never contend, and
/// whether it does so varies between samples.
#[cfg(target_os = "linux")]
fn stay_on_processor(thread: usize) {
    // SAFETY: a set is plain bits; both calls get its correct size, and affect only this thread.
    unsafe {
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of_val(&allowed), &mut allowed) != 0 {
            return;
        }
        let processors: Vec<usize> =
            (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &allowed)).collect();
        let mut one: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processors[thread % processors.len()], &mut one);
        // If this fails, the sample is taken without binding.
        libc::sched_setaffinity(0, size_of_val(&one), &one);
    }
}

#[cfg(not(target_os = "linux"))]
fn stay_on_processor(_: usize) {}

/// A thousand blocks of 8 to 256 bytes, and a reset.
pub(crate) fn arena(allocator: Handle, mut reset: impl FnMut(), n: u64) -> Duration {
    time(n, || {
        for i in 0..1000 {
            black_box(allocator.alloc_used(8 + i * 31 % 249));
        }
        reset();
    })
}

/// A thread's live blocks. Each step frees one and allocates another.
struct Live {
    allocator: Handle,
    random: Random,
    blocks: Vec<NonNull<[u8]>>,
    lengths: usize,
}

impl Live {
    fn new(allocator: Handle, live: usize, lengths: usize) -> Live {
        let mut this = Live { allocator, random: Random::new(1), blocks: Vec::with_capacity(live), lengths };
        for _ in 0..live {
            let len = 16 + this.random.below(lengths);
            this.blocks.push(allocator.alloc_used(len));
        }
        this
    }

    #[inline(always)]
    fn step(&mut self) {
        let len = 16 + self.random.below(self.lengths);
        let index = self.random.below(self.blocks.len());
        // SAFETY: a live block.
        unsafe { self.allocator.free(self.blocks[index]) };
        self.blocks[index] = self.allocator.alloc_used(len);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for &memory in &self.blocks {
            // SAFETY: a live block.
            unsafe { self.allocator.free(memory) };
        }
    }
}

/// Allocates and frees blocks of 16 to `16 + lengths` bytes at random, with many blocks live.
pub(crate) fn random_blocks(allocator: Handle, lengths: usize, threads: usize, n: u64) -> Duration {
    if threads == 1 {
        let mut live = Live::new(allocator, LIVE, lengths);
        return time(n, || live.step());
    }
    in_threads(threads, n, || {
        let mut live = Live::new(allocator, LIVE, lengths);
        move || live.step()
    })
}

/// One thread allocates, another frees.
pub(crate) fn producer_and_consumer(allocator: Handle, n: u64) -> Duration {
    let (sender, receiver) = mpsc::sync_channel::<Sent>(IN_FLIGHT);
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        let barrier = &barrier;
        let producer = scope.spawn(move || {
            stay_on_processor(0);
            clocked(barrier, || {
                for i in 0..n as usize {
                    let memory = allocator.alloc_used(16 + i * 37 % 500);
                    sender.send(Sent(memory)).expect("the receiver exists");
                }
                // The consumer waits for more until the sender is dropped.
                drop(sender);
            })
        });
        let consumer = scope.spawn(move || {
            stay_on_processor(1);
            clocked(barrier, || {
                for Sent(memory) in receiver {
                    // SAFETY: a live block.
                    unsafe { allocator.free(memory) };
                }
            })
        });
        span([producer, consumer].map(|handle| handle.join().expect("a worker does not panic")))
    })
}

/// Grows a list of bytes from 64 to `end` bytes by half each time, like Zig's `ArrayList`: with `remap`, or
/// else into a new block.
pub(crate) fn growth(allocator: Handle, end: usize, mut reset: impl FnMut(), n: u64) -> Duration {
    time(n, || {
        let mut memory = allocator.alloc_used(64);
        while memory.len() < end {
            let new_len = memory.len() + memory.len() / 2;
            // SAFETY: a live block; `memory` is updated when it moves.
            memory = unsafe {
                match allocator.0.raw_remap(memory, Alignment::_8, new_len, 0) {
                    Some(moved) => NonNull::slice_from_raw_parts(moved, new_len),
                    None => {
                        let new = allocator.alloc(new_len);
                        new.cast::<u8>().copy_from_nonoverlapping(memory.cast(), memory.len());
                        allocator.free(memory);
                        new
                    }
                }
            };
        }
        // SAFETY: a live block.
        unsafe { allocator.free(memory) };
        reset();
    })
}
