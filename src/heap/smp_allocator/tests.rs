//! Tests with separate depots, in which every address and every slab can be predicted.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use std::sync::{Barrier, Mutex, mpsc};
use std::thread;

use crate::test_support::Random;
use rstest::rstest;

use super::thread_cache::{Depots, ThreadCache};
use super::{CLASS_COUNT, SLAB_LEN, block_len, class_of};
use crate::alignment::Alignment;

/// Zig's algorithm on one thread: freed blocks, last in first out, then the rest of the slab.
#[derive(Default)]
struct Model {
    freed: [Vec<usize>; CLASS_COUNT],
    next: [usize; CLASS_COUNT],
    slabs: usize,
}

impl Model {
    fn check_alloc(&mut self, class: usize, address: usize) {
        if let Some(freed) = self.freed[class].pop() {
            assert_eq!(address, freed, "the block of {} bytes freed last", block_len(class));
            return;
        }
        let next = &mut self.next[class];
        if *next % SLAB_LEN == 0 {
            assert_eq!(address % SLAB_LEN, 0, "the first block of a slab");
            self.slabs += 1;
            *next = address;
        }
        assert_eq!(address, *next, "the next {} bytes of the slab", block_len(class));
        *next += block_len(class);
    }
}

/// Returns an open `ThreadCache` with leaked depots of its own. Miri reports slabs that cannot be reached from them at
/// the end.
fn open() -> (&'static Depots, ThreadCache) {
    static ALL: Mutex<Vec<&Depots>> = Mutex::new(Vec::new());
    let shared: &'static Depots = Box::leak(Box::new(Depots::new()));
    ALL.lock().unwrap().push(shared);
    let local = ThreadCache::new();
    local.open();
    (shared, local)
}

fn free(shared: &Depots, local: &ThreadCache, class: usize, memory: NonNull<u8>) {
    // SAFETY: the tests free blocks that `alloc` returned, with the same class, once.
    unsafe { local.free(shared, class, memory) };
}

/// SM-01: the class follows from the larger of length and alignment, rounded up, at least a word.
#[rstest]
#[case(1, 1, 8)]
#[case(8, 1, 8)]
#[case(9, 1, 16)]
#[case(16, 16, 16)]
#[case(1, 16, 16)]
#[case(17, 8, 32)]
#[case(24, 8, 32)]
#[case(4096, 1, 4096)]
#[case(4097, 1, 8192)]
#[case(1, 4096, 4096)]
#[case(16385, 1, 32768)]
#[case(32768, 1, 32768)]
#[case(8, 32768, 32768)]
#[cfg_attr(not(target_pointer_width = "64"), ignore = "the expected values were recorded on a 64-bit system")]
fn class_is_the_rounded_length(#[case] len: usize, #[case] alignment: usize, #[case] block: usize) {
    assert_eq!(block_len(class_of(len, Alignment::from_byte_units(alignment))), block);
}

/// SM-02: lengths without a class go to the page allocator; so do invalid requests.
#[rstest]
#[case(SLAB_LEN / 2 + 1, 0)]
#[case(SLAB_LEN, 0)]
#[case(usize::MAX, 0)]
#[case(isize::MAX as usize, 3)]
#[case(8, SLAB_LEN.ilog2() as u8)]
#[case(8, Alignment::MAX.log2())]
#[case(0, 0)]
#[case(0, 15)]
fn lengths_without_a_class_go_to_pages(#[case] len: usize, #[case] log2: u8) {
    assert!(class_of(len, Alignment::from_log2(log2).unwrap()) >= CLASS_COUNT);
}

/// SM-01: for every small length and alignment, the class is the first that fits.
#[test]
fn class_is_the_first_that_fits() {
    let step = if cfg!(miri) { 4093 } else { 1 };
    for len in (1..=SLAB_LEN / 2).step_by(step) {
        for log2 in 0..SLAB_LEN.ilog2() as u8 {
            let alignment = Alignment::from_log2(log2).unwrap();
            let fits = |class: &usize| block_len(*class) >= len.max(alignment.to_byte_units());
            assert_eq!(class_of(len, alignment), (0..CLASS_COUNT).find(fits).unwrap());
        }
    }
}

/// SM-03, SM-04: the addresses recorded from Zig 0.15.2, as offsets in the slab of the class.
#[test]
#[cfg_attr(not(target_pointer_width = "64"), ignore = "the expected values were recorded on a 64-bit system")]
fn offsets_match_zig() {
    let (shared, local) = open();
    let requests = [
        (1, 1, 0),
        (1, 1, 8),
        (8, 1, 16),
        (9, 1, 0),
        (16, 16, 16),
        (1, 16, 32),
        (32768, 1, 0),
        (32768, 1, 32768),
        (8, 32768, 0),
    ];
    let mut blocks = Vec::new();
    for (len, alignment, offset) in requests {
        let class = class_of(len, Alignment::from_byte_units(alignment));
        let memory = local.alloc(shared, class).unwrap();
        assert_eq!(memory.addr().get() % SLAB_LEN, offset, "{len} bytes aligned to {alignment}");
        blocks.push((class, memory));
    }
    assert_eq!(shared.slab_bytes(), 4 * SLAB_LEN, "one for 8, one for 16, two for three of 32768 bytes");
    for (class, memory) in blocks {
        free(shared, &local, class, memory);
    }
    local.close(shared);
}

/// SM-03, SM-04, SM-05: whatever one thread does, it gets the addresses of Zig's algorithm: blocks go through both
/// chains, the depot and back in the order of a single stack.
#[rstest]
#[case(1, 1, 4)]
#[case(2, 1, 600)]
#[case(3, 4, 300)]
#[case(4, CLASS_COUNT, 200)]
fn single_thread_addresses_match_zig(#[case] seed: u64, #[case] classes: usize, #[case] most: usize) {
    let (shared, local) = open();
    let mut model = Model::default();
    let mut live: Vec<(usize, NonNull<u8>)> = Vec::new();
    let mut random = Random::new(seed);
    let mut next = |end: usize| random.below(end);
    // The number of live blocks varies between 0 and `most`.
    let mut target = most;
    for _ in 0..if cfg!(miri) { 400 } else { 100_000 } {
        if live.len() == target {
            target = next(most + 1);
        } else if live.len() < target {
            let class = next(classes);
            let memory = local.alloc(shared, class).unwrap();
            model.check_alloc(class, memory.addr().get());
            live.push((class, memory));
        } else {
            let (class, memory) = live.swap_remove(next(live.len()));
            model.freed[class].push(memory.addr().get());
            free(shared, &local, class, memory);
        }
    }
    // Possibly one more, for carriers.
    let slabs = shared.slab_bytes() / SLAB_LEN;
    assert!((model.slabs..=model.slabs + 1).contains(&slabs), "{slabs} slabs, Zig has {}", model.slabs);
    for (class, memory) in live {
        free(shared, &local, class, memory);
    }
    local.close(shared);
}

/// More blocks than two batches of any class.
const MANY: usize = if cfg!(miri) { 600 } else { 1000 };

/// SM-05: blocks are returned in the reverse of the order in which they were freed, over many batches.
#[rstest]
#[case(0, MANY)]
#[case(1, MANY)]
#[case(CLASS_COUNT - 1, 20)]
fn freed_blocks_come_back_last_in_first_out(#[case] class: usize, #[case] count: usize) {
    let (shared, local) = open();
    let blocks: Vec<_> = (0..count).map(|_| local.alloc(shared, class).unwrap()).collect();
    for &memory in &blocks {
        free(shared, &local, class, memory);
    }
    for &memory in blocks.iter().rev() {
        assert_eq!(local.alloc(shared, class).unwrap(), memory);
    }
    for &memory in &blocks {
        free(shared, &local, class, memory);
    }
    local.close(shared);
}

/// One thread allocates and another frees, many times: blocks come back through the depot, and the number of slabs
/// stays bounded by a few batches.
#[rstest]
#[case(0, 1)]
#[cfg_attr(miri, ignore = "to save time: Miri runs the same test for blocks of 4 bytes")]
#[case(1, 1)]
#[case(2, 300)]
#[case(9, 3)]
#[case(CLASS_COUNT - 1, 1)]
fn blocks_freed_elsewhere_come_back(#[case] class: usize, #[case] live: usize) {
    let (shared, producer) = open();
    let consumer = ThreadCache::new();
    consumer.open();
    let batch = (SLAB_LEN / block_len(class)).min(256);
    // Under Miri, just enough for batches to circulate.
    let rounds = if cfg!(miri) { 3 * batch + 10 } else { 100_000 } / live;
    for _ in 0..rounds {
        let blocks: Vec<_> = (0..live).map(|_| producer.alloc(shared, class).unwrap()).collect();
        for memory in blocks {
            free(shared, &consumer, class, memory);
        }
    }
    // The batches of each: two at the consumer, one at the producer, the live blocks, and one in flight.
    let blocks = 4 * batch + live;
    // One more, since a slab is mapped as a whole; and one for the carriers of class 0.
    let most = blocks.div_ceil(SLAB_LEN / block_len(class)) + 2;
    let slabs = shared.slab_bytes() / SLAB_LEN;
    assert!(slabs <= most, "{slabs} slabs after {rounds} rounds, and {most} would do");
    producer.close(shared);
    consumer.close(shared);
}

/// When a thread exits, the next one gets its chains and the rest of its slab.
#[rstest]
fn exited_thread_leaves_its_blocks_to_the_next(#[values(0, 1, 6, CLASS_COUNT - 1)] class: usize) {
    let (shared, first) = open();
    let memory = first.alloc(shared, class).unwrap();
    free(shared, &first, class, memory);
    first.close(shared);
    let slabs = shared.slab_bytes();
    let per_slab = SLAB_LEN / block_len(class);
    for round in 0..if cfg!(miri) { 2 } else { 200 } {
        let local = ThreadCache::new();
        local.open();
        // Each round uses a different number of blocks, up to all of them.
        let count = 1 + round * 7 % per_slab;
        let blocks: Vec<_> = (0..count).map(|_| local.alloc(shared, class).unwrap()).collect();
        for memory in blocks {
            free(shared, &local, class, memory);
        }
        local.close(shared);
        // Class 0 needs a slab for its carriers.
        assert!(shared.slab_bytes() <= slabs + SLAB_LEN * usize::from(class == 0), "round {round}");
    }
}

/// After `close` a `ThreadCache` has neither blocks nor room, as before `open`.
#[test]
fn closed_cache_has_no_blocks_and_no_room() {
    let (shared, local) = open();
    let kept: Vec<_> = (0..CLASS_COUNT).map(|class| local.alloc(shared, class).unwrap()).collect();
    let freed: Vec<_> = (0..CLASS_COUNT).map(|class| local.alloc(shared, class).unwrap()).collect();
    for (class, &memory) in freed.iter().enumerate() {
        free(shared, &local, class, memory);
    }
    local.close(shared);
    for (class, &memory) in kept.iter().enumerate() {
        assert!(local.pop(class).is_none());
        // SAFETY: a live block of the class.
        assert!(!unsafe { local.push(class, memory) });
    }
    local.open();
    for (class, &memory) in kept.iter().enumerate() {
        free(shared, &local, class, memory);
    }
    local.close(shared);
}

/// SM-08: without memory `alloc` returns null and loses nothing: free blocks are still handed out.
#[rstest]
fn out_of_memory_loses_no_block(#[values(6, 9, CLASS_COUNT - 1)] class: usize) {
    let (shared, local) = open();
    let mut blocks = vec![local.alloc(shared, class).unwrap()];
    shared.exhausted.store(true, Ordering::Relaxed);
    assert!(local.alloc(shared, 1).is_none(), "there has been no slab of that class");
    blocks.extend(std::iter::from_fn(|| local.alloc(shared, class)));
    assert_eq!(blocks.len(), SLAB_LEN / block_len(class));
    for &memory in &blocks {
        free(shared, &local, class, memory);
    }
    for &memory in blocks.iter().rev() {
        assert_eq!(local.alloc(shared, class).unwrap(), memory);
    }
    assert!(local.alloc(shared, class).is_none());
    shared.exhausted.store(false, Ordering::Relaxed);
    blocks.push(local.alloc(shared, class).unwrap());
    for memory in blocks {
        free(shared, &local, class, memory);
    }
    local.close(shared);
}

/// Without memory for carriers, blocks of class 0 stay with the thread that frees them.
#[test]
fn missing_carriers_lose_no_block() {
    let (shared, local) = open();
    let blocks: Vec<_> = (0..MANY).map(|_| local.alloc(shared, 0).unwrap()).collect();
    shared.exhausted.store(true, Ordering::Relaxed);
    for &memory in &blocks {
        free(shared, &local, 0, memory);
    }
    for &memory in blocks.iter().rev() {
        assert_eq!(local.alloc(shared, 0).unwrap(), memory);
    }
    shared.exhausted.store(false, Ordering::Relaxed);
    for &memory in &blocks {
        free(shared, &local, 0, memory);
    }
    local.close(shared);
    assert_eq!(shared.slab_bytes(), 2 * SLAB_LEN, "carriers have a slab");
}

/// If a thread disappears while it takes a batch, as in a forked child, other threads do not wait.
#[rstest]
fn abandoned_depot_blocks_no_thread(#[values(0, 4)] class: usize) {
    let (shared, local) = open();
    shared.abandon(class);
    for _ in 0..2 {
        let blocks: Vec<_> = (0..700).map(|_| local.alloc(shared, class).unwrap()).collect();
        for memory in blocks {
            free(shared, &local, class, memory);
        }
    }
    local.close(shared);
}

/// Three threads allocate, exchange and free blocks through one depot: no two threads own a block at once, and (under
/// Miri) no access races.
#[rstest]
fn threads_exchange_blocks(#[values(0, 5, CLASS_COUNT - 1)] class: usize) {
    const THREADS: usize = 3;
    let (shared, first) = open();
    first.close(shared);
    let rounds = if cfg!(miri) { 3 } else { 20_000 };
    let burst = if class == CLASS_COUNT - 1 { 5 } else { 300 };
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::sync_channel(16)).unzip();
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for (id, receiver) in receivers.into_iter().enumerate() {
            let (next, start) = (senders[(id + 1) % THREADS].clone(), &start);
            scope.spawn(move || {
                let local = ThreadCache::new();
                local.open();
                let check_and_free = |(block, tag): (usize, usize), memory: NonNull<u8>| {
                    assert_eq!(memory.addr().get(), block);
                    // SAFETY: the block is live, and a word was written to it.
                    assert_eq!(unsafe { memory.cast::<usize>().read() }, tag);
                    free(shared, &local, class, memory);
                };
                start.wait();
                for round in 0..rounds {
                    // At times, enough blocks that batches go to the depot and back.
                    let count = if round % 40 == 1 { burst } else { 1 };
                    let mut mine = Vec::with_capacity(count);
                    for i in 0..count {
                        let memory = local.alloc(shared, class).unwrap();
                        let tag = (round * burst + i) * THREADS + id;
                        // SAFETY: a new block is at least a word.
                        unsafe { memory.cast::<usize>().write(tag) };
                        mine.push((memory, tag));
                    }
                    let (memory, tag) = mine.pop().unwrap();
                    let memory = Sent(memory, tag);
                    if let Err(mpsc::TrySendError::Full(memory)) = next.try_send(memory) {
                        mine.push((memory.0, memory.1));
                    }
                    for (memory, tag) in mine {
                        check_and_free((memory.addr().get(), tag), memory);
                    }
                    while let Ok(Sent(memory, tag)) = receiver.try_recv() {
                        check_and_free((memory.addr().get(), tag), memory);
                    }
                }
                drop(next);
                start.wait();
                while let Ok(Sent(memory, tag)) = receiver.try_recv() {
                    check_and_free((memory.addr().get(), tag), memory);
                }
                local.close(shared);
            });
        }
        drop(senders);
    });
}

/// Two threads take a batch, use it, give it back and exit, while a third only gives: a block's owner may write to
/// it, in every order in which the threads run.
#[rstest]
fn many_seeds_threads_share_a_depot(#[values(0, CLASS_COUNT - 1)] class: usize) {
    let (shared, first) = open();
    let blocks: Vec<_> = (0..3).map(|_| Sent(first.alloc(shared, class).unwrap(), 0)).collect();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let local = ThreadCache::new();
                    local.open();
                    let (a, b) = (local.alloc(shared, class).unwrap(), local.alloc(shared, class).unwrap());
                    assert!(a != b);
                    for memory in [a, b] {
                        // SAFETY: a new block is at least a word.
                        unsafe { memory.cast::<usize>().write(memory.addr().get()) };
                    }
                    thread::yield_now();
                    for memory in [a, b] {
                        // SAFETY: as above; it was written before.
                        assert_eq!(unsafe { memory.cast::<usize>().read() }, memory.addr().get());
                        free(shared, &local, class, memory);
                    }
                    local.close(shared);
                }
            });
        }
        scope.spawn(move || {
            for Sent(memory, _) in blocks {
                let local = ThreadCache::new();
                local.open();
                free(shared, &local, class, memory);
                local.close(shared);
            }
        });
    });
    first.close(shared);
}

/// A block that moves to another thread, with the word in it.
struct Sent(NonNull<u8>, usize);

// SAFETY: any thread may free a live block.
unsafe impl Send for Sent {}
