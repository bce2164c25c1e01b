//! Several threads on one arena.

use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::thread;

use rstest::rstest;
use zigalloc::heap::{FixedBufferAllocator, PAGE_ALLOCATOR, ResetMode, SharedArenaAllocator};
use zigalloc::testing::LedgerAllocator;
use zigalloc::{Alignment, SyncAllocator, ThreadSafeAllocator, VTable, state};
use zigalloc_support::Random;

use super::{align, alloc, assert_disjoint};

/// A fixed buffer that fails at times given by a list.
struct SpuriousFailures<'b> {
    child_allocator: SyncAllocator<'b>,
    failures: [bool; 256],
    index: AtomicUsize,
}

impl<'b> SpuriousFailures<'b> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: zigalloc::no_remap, free: Self::free };

    fn new(child_allocator: SyncAllocator<'b>, random: &mut Random) -> SpuriousFailures<'b> {
        let failures = std::array::from_fn(|_| random.within(0..=10) == 0);
        SpuriousFailures { child_allocator, failures, index: AtomicUsize::new(0) }
    }

    fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: the functions pass everything on, or refuse.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    fn fails(&self) -> bool {
        self.failures[self.index.fetch_add(1, Ordering::Relaxed) % 256]
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ra: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if this.fails() {
            return None;
        }
        // SAFETY: `len` is not zero, by our caller.
        unsafe { this.child_allocator.raw_alloc(len, alignment, ra) }
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ra: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let memory = NonNull::slice_from_raw_parts(NonNull::new(memory).unwrap(), len);
        // SAFETY: a live block of the child, by our caller.
        !this.fails() && unsafe { this.child_allocator.raw_resize(memory, alignment, new_len, ra) }
    }

    unsafe extern "C" fn free(ctx: *mut (), memory: *mut u8, len: usize, alignment: Alignment, ra: usize) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let memory = NonNull::slice_from_raw_parts(NonNull::new(memory).unwrap(), len);
        // SAFETY: a live block of the child, by our caller.
        unsafe { this.child_allocator.raw_free(memory, alignment, ra) };
    }
}

/// A block and its expected contents.
struct Sample {
    memory: NonNull<[u8]>,
    alignment: Alignment,
    control: Vec<u8>,
}

// SAFETY: any thread can use a block of a `SyncAllocator`.
unsafe impl Send for Sample {}

impl Sample {
    /// Fills the bytes from `from` on.
    fn fill(&mut self, from: usize, value: u8) {
        self.control.resize(self.memory.len(), value);
        let start = self.memory.cast::<u8>();
        // SAFETY: the bytes are part of the live block.
        unsafe { start.add(from).write_bytes(value, self.memory.len() - from) };
    }

    fn check(&self) {
        // SAFETY: a live block, all of whose bytes have been written.
        assert_eq!(unsafe { self.memory.as_ref() }, self.control);
    }
}

/// A slot through which threads exchange blocks, some of which were just allocated.
#[derive(Default)]
struct Exchange(AtomicPtr<Sample>);

impl Exchange {
    fn swap(&self, sample: Option<Box<Sample>>) -> Option<Box<Sample>> {
        let new = sample.map_or(ptr::null_mut(), Box::into_raw);
        let old = self.0.swap(new, Ordering::AcqRel);
        // SAFETY: it was made from a box, and only one thread gets it.
        (!old.is_null()).then(|| unsafe { Box::from_raw(old) })
    }
}

/// One thread's part: allocates, resizes, remaps and frees blocks of its own and of others. Returns the remaining
/// blocks.
fn act(allocator: SyncAllocator<'_>, exchange: &Exchange, seed: u64, actions: usize) -> Vec<Sample> {
    let max_len = if cfg!(miri) { 200 } else { 16 << 10 };
    let mut random = Random::new(seed);
    let mut kept = Vec::new();
    for n in 0..actions {
        let len = random.within(1..=max_len);
        let value = (seed as usize).wrapping_add(n) as u8;
        match random.within(0..=5) {
            0 => {
                if let Some(sample) = exchange.swap(None) {
                    sample.check();
                    // SAFETY: a live block, not used afterwards.
                    unsafe { allocator.raw_free(sample.memory, sample.alignment, 0) };
                }
            }
            action @ 1..=2 => {
                let Some(mut sample) = exchange.swap(None) else {
                    continue;
                };
                let old_len = sample.memory.len();
                // SAFETY: a live block.
                let resized = unsafe {
                    match action {
                        1 => allocator.raw_resize(sample.memory, sample.alignment, len, 0),
                        _ => allocator.raw_remap(sample.memory, sample.alignment, len, 0).is_some(),
                    }
                };
                if resized {
                    sample.memory = NonNull::slice_from_raw_parts(sample.memory.cast(), len);
                    sample.control.truncate(len);
                    sample.fill(old_len.min(len), value);
                }
                sample.check();
                kept.extend(exchange.swap(Some(sample)).map(|sample| *sample));
            }
            _ => {
                let alignment = align(1 << random.within(0..=13));
                // SAFETY: the length is not zero.
                if let Some(memory) = unsafe { allocator.raw_alloc(len, alignment, 0) } {
                    assert!(alignment.check(memory.addr().get()));
                    let memory = NonNull::slice_from_raw_parts(memory, len);
                    let mut sample = Box::new(Sample { memory, alignment, control: Vec::new() });
                    sample.fill(0, value);
                    kept.extend(exchange.swap(Some(sample)).map(|sample| *sample));
                }
            }
        }
    }
    kept
}

/// AL-02, AL-04, AL-05, AL-06, AL-10, AL-12, AL-14: the counterpart of Zig's test of this name. Several threads
/// allocate, resize and free over a child that fails at times; the contents are compared with a control, and the
/// capacity after a reset with its mode.
#[test]
fn fuzz_multi_threaded() {
    let (seeds, threads, actions, buffer) =
        if cfg!(miri) { (1, 3, 20, 64 << 10) } else { (60, 4, 150, 4 << 20) };
    let mut buffer: Vec<u8> = Vec::with_capacity(buffer);
    for seed in 1..=seeds {
        let mut random = Random::new(seed);
        let mut fixed_buffer = FixedBufferAllocator::init(buffer.spare_capacity_mut());
        let failing = SpuriousFailures::new(fixed_buffer.thread_safe_allocator(), &mut random);
        let mut arena = SharedArenaAllocator::init(failing.allocator());
        for round in 0..3 {
            let allocator = arena.allocator();
            let exchange = Exchange::default();
            let kept: Vec<Sample> = thread::scope(|scope| {
                let workers: Vec<_> = (0..threads)
                    .map(|n| {
                        let exchange = &exchange;
                        let seed = seed * 1000 + round * 100 + n;
                        scope.spawn(move || act(allocator, exchange, seed, actions))
                    })
                    .collect();
                workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
            });
            let last = exchange.swap(None);
            let kept: Vec<_> = kept.into_iter().chain(last.map(|sample| *sample)).collect();
            kept.iter().for_each(Sample::check);
            assert_disjoint(&kept.iter().map(|sample| sample.memory).collect::<Vec<_>>());
            drop(kept);

            let old_capacity = arena.query_capacity();
            let limit = random.below(100_000);
            let mode = [ResetMode::RetainCapacity, ResetMode::RetainWithLimit(limit), ResetMode::FreeAll]
                [random.within(0..=2)];
            let kept = arena.reset(mode);
            let capacity = arena.query_capacity();
            match mode {
                ResetMode::FreeAll => assert!(kept && capacity == 0),
                ResetMode::RetainCapacity => assert!(!kept || capacity == old_capacity),
                ResetMode::RetainWithLimit(limit) => assert!(!kept || capacity <= limit),
            }
        }
    }
}

/// AL-05, AL-06, AL-13: whatever the threads do, every node goes back to the child, whole. The child checks each call.
#[test]
fn drop_returns_every_node() {
    let (rounds, threads, actions) = if cfg!(miri) { (1, 3, 15) } else { (20, 4, 300) };
    let mut ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    {
        let locked = ThreadSafeAllocator::new(&mut ledger);
        let mut arena = SharedArenaAllocator::init(locked.allocator());
        for round in 0..rounds {
            let allocator = arena.allocator();
            let exchange = Exchange::default();
            thread::scope(|scope| {
                for n in 0..threads {
                    let exchange = &exchange;
                    scope.spawn(move || act(allocator, exchange, round * 10 + n, actions));
                }
            });
            drop(exchange.swap(None));
            _ = arena.reset(if round % 2 == 0 {
                ResetMode::RetainWithLimit(100)
            } else {
                ResetMode::FreeAll
            });
        }
    }
    ledger.assert_no_leaks();
}

/// AL-02, AL-10, AL-12: bytes that one thread frees are reused by another, and only the arena orders the two uses.
/// (Miri reports a race if a memory ordering is too weak.)
#[rstest]
#[case(2)]
#[case(3)]
#[case(4)]
fn bytes_go_from_thread_to_thread(#[case] threads: usize) {
    let arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    let allocator = arena.allocator();
    let rounds = if cfg!(miri) { 6 } else { 10_000 };
    thread::scope(|scope| {
        for n in 0..threads {
            scope.spawn(move || {
                for round in 0..rounds {
                    let len = 1 + (round + n) % 24;
                    let mut memory = alloc(allocator, len, 1 << (round % 4)).unwrap();
                    let alignment = align(1 << (round % 4));
                    // SAFETY: a live block, not used after it is freed.
                    unsafe {
                        memory.cast::<u8>().write_bytes(n as u8, len);
                        if allocator.raw_resize(memory, alignment, len + 3, 0) {
                            memory = NonNull::slice_from_raw_parts(memory.cast(), len + 3);
                            memory.cast::<u8>().write_bytes(n as u8, len + 3);
                        }
                        if allocator.raw_resize(memory, alignment, 1, 0) {
                            memory = NonNull::slice_from_raw_parts(memory.cast(), 1);
                        }
                        assert!(memory.as_ref().iter().all(|&byte| byte == n as u8));
                        allocator.raw_free(memory, alignment, 0);
                    }
                }
            });
        }
    });
}

/// AL-04: if the child writes to the bytes by which it grows a block, as a debugging child does, this happens-before
/// their use by the threads that get them.
///
/// Zig reads the node's size without acquiring it, which does not guarantee that.
#[test]
fn growth_is_ordered_before_use() {
    let rounds = if cfg!(miri) { 6 } else { 300 };
    for _ in 0..rounds {
        let writing = WritingChild { end: AtomicUsize::new(0), memory: UnsafeCell::new([0; 4096]) };
        let arena = SharedArenaAllocator::init(writing.allocator());
        let allocator = arena.allocator();
        thread::scope(|scope| {
            for n in 1..=3u8 {
                scope.spawn(move || {
                    for len in [30, 1, 7, 100, 1, 1] {
                        let Some(memory) = alloc(allocator, len, 1) else {
                            continue;
                        };
                        // SAFETY: a live block.
                        unsafe {
                            memory.cast::<u8>().write_bytes(n, len);
                            assert!(memory.as_ref().iter().all(|&byte| byte == n));
                        }
                    }
                });
            }
        });
    }
}

/// A bump allocator that grows its last block and writes to all bytes that it hands out.
struct WritingChild {
    end: AtomicUsize,
    memory: UnsafeCell<[u64; 4096]>,
}

// SAFETY: the memory is only accessed where a compare-and-swap has claimed it.
unsafe impl Sync for WritingChild {}

impl WritingChild {
    const VTABLE: VTable = VTable {
        alloc: Self::alloc,
        resize: Self::resize,
        remap: zigalloc::no_remap,
        free: zigalloc::no_free,
    };

    fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: blocks are disjoint parts of the memory; any thread may call.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    fn claim(&self, from: usize, to: usize) -> bool {
        let to = to.next_multiple_of(8);
        let claimed = to <= size_of_val(&self.memory)
            && self.end.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if claimed {
            // SAFETY: inside the memory, and claimed for the block.
            unsafe { self.memory.get().cast::<u8>().add(from).write_bytes(0xAA, to - from) };
        }
        claimed
    }

    unsafe extern "C" fn alloc(ctx: *mut (), len: usize, _: Alignment, _: usize) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        loop {
            let end = this.end.load(Ordering::Relaxed);
            if len > size_of_val(&this.memory) - end {
                return None;
            }
            if this.claim(end, end + len) {
                // SAFETY: inside the memory.
                return NonNull::new(unsafe { this.memory.get().cast::<u8>().add(end) });
            }
        }
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        _: Alignment,
        new_len: usize,
        _: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let offset = memory.addr() - this.memory.get().addr();
        this.claim(offset + len.next_multiple_of(8), offset + new_len)
    }
}
