//! The counterparts of the tests in Zig's `SafeAllocator.zig`, and of its test in `heap.zig`.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator};
use zigalloc::testing::{
    test_allocator, test_allocator_aligned, test_allocator_aligned_shrink, test_allocator_large_alignment,
};
use zigalloc::{SyncAllocator, VTable, state};
use zigalloc_support::{Bump, Filled, Random, Sent};

use super::*;

#[test]
fn safe_allocator() {
    let instance = SafeAllocator::init(PAGE_ALLOCATOR, SafeOptions::DEFAULT);
    let allocator = *instance.allocator();
    test_allocator(allocator);
    test_allocator_aligned(allocator);
    test_allocator_large_alignment(allocator);
    test_allocator_aligned_shrink(allocator);
    assert_eq!(instance.deinit(), 0);
}

/// OT-05: a child that never reuses memory, refuses at random, and moves blocks at random.
struct Moody<'b> {
    bump: &'b Bump,
    random: RefCell<Random>,
}

impl Moody<'_> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract, as the child does.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    fn chance(&self, chances: u8) -> bool {
        self.random.borrow_mut().chance(chances)
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if this.chance(8) {
            return None;
        }
        // SAFETY: `len` is not zero, by our caller; one thread.
        unsafe { this.bump.allocator().raw_alloc(len, alignment, ret_addr) }
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if this.chance(128) {
            return false;
        }
        let memory = zigalloc_support::block(memory, len);
        // SAFETY: a live block of the child, by our caller; one thread.
        unsafe { this.bump.allocator().raw_resize(memory, alignment, new_len, ret_addr) }
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if this.chance(128) {
            // SAFETY: by our caller.
            let is_resized = unsafe { Self::resize(ctx, memory, len, alignment, new_len, ret_addr) };
            return NonNull::new(memory).filter(|_| is_resized);
        }
        // SAFETY: `new_len` is not zero, by our caller.
        let new = unsafe { Self::alloc(ctx, new_len, alignment, ret_addr) }?;
        // SAFETY: both blocks are live and have as many bytes.
        unsafe { new.as_ptr().copy_from_nonoverlapping(memory, len.min(new_len)) };
        // SAFETY: a live block, which is not used afterwards, by our caller.
        unsafe { Self::free(ctx, memory, len, alignment, ret_addr) };
        Some(new)
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let memory = zigalloc_support::block(memory, len);
        // SAFETY: a live block of the child, by our caller; one thread.
        unsafe { this.bump.allocator().raw_free(memory, alignment, ret_addr) };
    }
}

fn random_options(random: &mut Random) -> SafeOptions {
    let mut size = || if random.chance(200) { 8 } else { random.within(8..=16) as u8 };
    let (block_size_log2, bucket_size_log2) = (size(), size());
    SafeOptions {
        stack_trace_frames: if random.chance(200) { 0 } else { random.below(33) },
        check_write_after_free: random.chance(128),
        canary: random.number() as u32,
        block_size_log2,
        bucket_size_log2,
        safe_mode_footers: random.chance(128),
        skip_frames: &[],
        ..PLAIN
    }
}

fn random_alignment(random: &mut Random) -> Alignment {
    let log2 = match random.below(100) {
        0..75 => random.below(5),
        75..95 => random.below(13),
        _ => usize::BITS as usize - 1,
    };
    Alignment::from_log2(log2 as u8).unwrap()
}

fn random_len(random: &mut Random) -> usize {
    match random.below(100) {
        0..90 => 1 + random.below(63),
        90..97 => 64 + random.below(3000),
        97 => 64 + random.below(1 << 17),
        98 => random.number() as usize | 1,
        _ => usize::MAX - random.below(1 << 16),
    }
}

/// SA-12, SA-13, SA-16, SA-17, SA-18, SA-19, SA-1A: random calls with random options over a child that refuses at random. Contents and alignments are
/// right, no address is used twice, and leaks are counted.
#[test]
fn fuzz_single_threaded() {
    for seed in 0..if cfg!(miri) { 3 } else { 300 } {
        let mut random = Random::new(seed);
        let options = random_options(&mut random);
        let bump = Bump::new(0, 1 << 18);
        let child = Moody { bump: &bump, random: RefCell::new(Random::new(seed + 1000)) };
        let safe = SafeAllocator::init(child.allocator(), options);
        let a = safe.allocator();
        let mut blocks: Vec<Filled> = Vec::new();
        // Starts and ends of all memory that was handed out.
        let mut used: Vec<(usize, usize)> = Vec::new();
        let is_new = |used: &[(usize, usize)], new: (usize, usize), old: (usize, usize)| {
            // What overlaps the old block may be the block itself.
            used.iter().all(|&(start, end)| start < old.1 && old.0 < end || new.1 <= start || end <= new.0)
        };
        for step in 0..if cfg!(miri) { 60 } else { 600 } {
            let (len, alignment) = (random_len(&mut random), random_alignment(&mut random));
            if blocks.is_empty() || random.chance(110) {
                // SAFETY: the length is not zero.
                let Some(memory) = (unsafe { a.raw_alloc(len, alignment, 0x1234) }) else { continue };
                assert!(alignment.check(address(memory)));
                let range = (address(memory), address(memory) + len);
                assert!(is_new(&used, range, (0, 0)), "seed {seed}: {range:x?} was used");
                used.push(range);
                // SAFETY: a new block.
                blocks.push(unsafe { Filled::new(block(memory, len), alignment, step as u8) });
                continue;
            }
            let index = random.below(blocks.len());
            let (memory, alignment) = (blocks[index].memory(), blocks[index].alignment());
            blocks[index].check();
            let old = (address(memory), address(memory) + memory.len());
            match random.below(5) {
                0..3 => {
                    blocks.swap_remove(index);
                    // SAFETY: a live block, which is not used afterwards.
                    unsafe { a.raw_free(memory, alignment, 0x5678) };
                    continue;
                }
                3 => {
                    // SAFETY: a live block; the length is not zero.
                    if !unsafe { a.raw_resize(memory, alignment, len, 0x9ABC) } {
                        blocks[index].check();
                        continue;
                    }
                    // SAFETY: the block has that length.
                    unsafe { blocks[index].resized(memory.cast(), len) };
                }
                _ => {
                    // SAFETY: a live block; the length is not zero.
                    let Some(new) = (unsafe { a.raw_remap(memory, alignment, len, 0xDEF0) }) else {
                        blocks[index].check();
                        continue;
                    };
                    assert!(alignment.check(address(new)));
                    // SAFETY: the block is there, with that length.
                    unsafe { blocks[index].resized(new, len) };
                }
            }
            let new = address(blocks[index].memory());
            let range = (new, new + len);
            assert!(is_new(&used, range, old), "seed {seed}: {range:x?} was used");
            used.push(range);
        }
        let live = blocks.len();
        blocks.iter().for_each(Filled::check);
        assert_eq!(reports(), []);
        assert_eq!((safe.deinit_log(false), bump.live()), (live, 0), "seed {seed}");
        assert_eq!(reports(), []);
    }
}

/// OT-04: a child for threads that never reuses memory, with a table of failures.
struct Table {
    memory: SyncAllocator<'static>,
    fails: Vec<bool>,
    calls: AtomicUsize,
    live: AtomicUsize,
}

impl Table {
    const VTABLE: VTable = VTable {
        alloc: Self::alloc,
        resize: zigalloc::no_resize,
        remap: zigalloc::no_remap,
        free: Self::free,
    };

    fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: the functions keep the contract, as the child does; they may be called from any thread.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let call = this.calls.fetch_add(1, Ordering::Relaxed);
        if this.fails[call % this.fails.len()] {
            return None;
        }
        // SAFETY: `len` is not zero, by our caller; any thread may call.
        let memory = unsafe { this.memory.raw_alloc(len, alignment, ret_addr) };
        this.live.fetch_add(usize::from(memory.is_some()), Ordering::Relaxed);
        memory
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        this.live.fetch_sub(1, Ordering::Relaxed);
        let memory = zigalloc_support::block(memory, len);
        // SAFETY: a live block, by our caller; any thread may call.
        unsafe { this.memory.raw_free(memory, alignment, ret_addr) };
    }
}

/// SA-10, SA-11, SA-13, SA-14, SA-16, SA-1A: four threads, which hand blocks over to each other. Leaks are counted exactly, and the child gets
/// everything back.
#[test]
fn fuzz_multi_threaded() {
    const THREADS: usize = 4;
    for seed in 0..if cfg!(miri) { 1 } else { 40 } {
        let mut random = Random::new(seed);
        let options = random_options(&mut random);
        let fails = (0..97).map(|_| random.chance(8)).collect();
        let (calls, live) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let child = Table { memory: PAGE_ALLOCATOR, fails, calls, live };
        let safe = SafeAllocator::init(child.allocator(), options);
        let leaks = AtomicUsize::new(0);
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..THREADS).map(|_| mpsc::channel::<(Sent, Alignment, u8)>()).unzip();
        std::thread::scope(|scope| {
            for (thread, receiver) in receivers.into_iter().enumerate() {
                let senders = senders.clone();
                let (allocator, leaks) = (safe.allocator(), &leaks);
                scope.spawn(move || {
                    let mut random = Random::new(seed * 10 + thread as u64);
                    let check_and_free = |(Sent(memory), alignment, tag): (Sent, Alignment, u8)| {
                        // SAFETY: all bytes of the block are written.
                        assert!(unsafe { memory.as_ref() }.iter().all(|&byte| byte == tag));
                        // SAFETY: a live block, which is not used afterwards.
                        unsafe { allocator.raw_free(memory, alignment, 0) };
                    };
                    for step in 0..if cfg!(miri) { 30 } else { 400 } {
                        let (mut len, mut alignment) =
                            (random_len(&mut random), random_alignment(&mut random));
                        if cfg!(miri) {
                            // Miri ends a program that requests nearly all memory.
                            (len, alignment) = (len.min(9000), alignment.min(Alignment::_64));
                        }
                        // SAFETY: the length is not zero.
                        if let Some(memory) = unsafe { allocator.raw_alloc(len, alignment, 0) } {
                            let mut memory = block(memory, len);
                            let new_len = 1 + random.below(2 * len.min(1000));
                            // SAFETY: a live block; nothing is in it yet.
                            if let Some(new) = unsafe { allocator.raw_remap(memory, alignment, new_len, 0) } {
                                memory = block(new, new_len);
                            }
                            // SAFETY: the block has that many bytes.
                            unsafe { memory.cast::<u8>().write_bytes(step as u8, memory.len()) };
                            let sent = (Sent(memory), alignment, step as u8);
                            match random.below(20) {
                                0 => _ = leaks.fetch_add(1, Ordering::Relaxed),
                                1..10 => check_and_free(sent),
                                // The receiver may have ended.
                                n => {
                                    if let Err(mpsc::SendError(sent)) = senders[n % THREADS].send(sent) {
                                        check_and_free(sent);
                                    }
                                }
                            }
                        }
                        receiver.try_iter().take(2).for_each(check_and_free);
                    }
                    drop(senders);
                    receiver.iter().for_each(check_and_free);
                    assert_eq!(reports(), []);
                });
            }
            drop(senders);
        });
        assert_eq!(safe.deinit_log(false), leaks.into_inner(), "seed {seed}");
        assert_eq!(child.live.load(Ordering::Relaxed), 0);
    }
}
