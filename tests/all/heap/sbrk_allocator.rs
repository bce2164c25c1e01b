//! `heap::SbrkAllocator`: its addresses, over a source that records its requests.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rstest::rstest;
use zigalloc::heap::{FixedBufferAllocator, Sbrk, SbrkAllocator};
use zigalloc::{Alignment, Allocator, SyncAllocator};
use zigalloc_support::{Filled, Random, alignment_from_c, keeps_contents, run_random_program};

const KIB: usize = 1024;
const BIG_PAGE: usize = 64 * KIB;
const WORD: usize = size_of::<usize>();

/// Memory for this many big pages, wherever they start.
fn buffer(big_pages: usize) -> Box<[MaybeUninit<u8>]> {
    Box::new_uninit_slice((big_pages + 1) * BIG_PAGE)
}

/// A source that records how many big pages are requested and how much of its buffer is used.
struct Source<'b, const SLAB_LEN: usize> {
    buffer: FixedBufferAllocator<'b>,
    grown: Arc<Mutex<Vec<usize>>>,
    /// The index of the one call that fails.
    fails_at: usize,
}

impl<'b, const SLAB_LEN: usize> Source<'b, SLAB_LEN> {
    fn over(buffer: &'b mut [MaybeUninit<u8>]) -> Source<'b, SLAB_LEN> {
        let buffer = FixedBufferAllocator::init(buffer);
        Source { buffer, grown: Arc::default(), fails_at: usize::MAX }
    }
}

// SAFETY: forwards to the fixed buffer.
unsafe impl<const SLAB_LEN: usize> Sbrk for Source<'_, SLAB_LEN> {
    const SLAB_LEN: usize = SLAB_LEN;

    fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        assert_eq!(bytes % BIG_PAGE, 0);
        let mut grown = self.grown.lock().unwrap();
        grown.push(bytes / BIG_PAGE);
        if grown.len() - 1 == self.fails_at {
            return None;
        }
        self.buffer.sbrk(bytes)
    }

    unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
        // SAFETY: as required of our caller.
        unsafe { self.buffer.whole(memory) }
    }
}

/// An allocator under test, with blocks as offsets from the first big page.
struct Subject<'a> {
    allocator: Allocator<'a>,
    base: usize,
    grown: Arc<Mutex<Vec<usize>>>,
}

/// Calls `test` with an allocator over a buffer of `big_pages` big pages.
fn with<const SLAB_LEN: usize>(big_pages: usize, test: impl FnOnce(&Subject<'_>)) {
    with_failure::<SLAB_LEN>(big_pages, usize::MAX, test);
}

/// The same over a source that fails once, at the call with this index.
fn with_failure<const SLAB_LEN: usize>(big_pages: usize, fails_at: usize, test: impl FnOnce(&Subject<'_>)) {
    let mut buffer = buffer(big_pages);
    let base = buffer.as_ptr().addr().next_multiple_of(BIG_PAGE);
    // The last, incomplete big page is unusable, whether the buffer starts at a multiple or not.
    let source = Source::<SLAB_LEN> { fails_at, ..Source::over(&mut buffer) };
    let grown = Arc::clone(&source.grown);
    let sbrk = SbrkAllocator::init(source);
    test(&Subject { allocator: sbrk.allocator().as_allocator(), base, grown });
}

impl Subject<'_> {
    /// Allocates a block and returns its offset.
    fn alloc(&self, len: usize, alignment: usize) -> Option<usize> {
        // SAFETY: no test passes 0, except the one that explains it.
        let memory =
            unsafe { self.allocator.raw_alloc(len, Alignment::from_byte_units(alignment), 0) }?.as_ptr();
        // SAFETY: the first and the last byte of the block.
        unsafe {
            memory.write(1);
            memory.add(len - 1).write(2);
        }
        assert_eq!(memory.addr() % alignment, 0);
        Some(memory.addr() - self.base)
    }

    fn block(&self, offset: usize, len: usize) -> NonNull<[u8]> {
        // The allocator derives a pointer of its own from the address.
        let memory = std::ptr::without_provenance_mut(self.base + offset);
        NonNull::slice_from_raw_parts(NonNull::new(memory).unwrap(), len)
    }

    fn free(&self, offset: usize, len: usize, alignment: usize) {
        // SAFETY: the tests free live blocks, once.
        unsafe {
            self.allocator.raw_free(self.block(offset, len), Alignment::from_byte_units(alignment), 0);
        }
    }

    /// Returns the result of `resize`, after checking that `remap` agrees and moves nothing.
    fn resize(&self, offset: usize, len: usize, new_len: usize) -> bool {
        let block = self.block(offset, len);
        // SAFETY: the tests resize live blocks. The calls change only the length, which the test then uses.
        unsafe {
            let resized = self.allocator.raw_resize(block, Alignment::_1, new_len, 0);
            let remapped = self.allocator.raw_remap(block, Alignment::_1, new_len, 0);
            assert_eq!(remapped.map(NonNull::addr), resized.then_some(block.cast::<u8>().addr()));
            if let Some(memory) = remapped {
                // The pointer is valid for all of the new length.
                memory.add(new_len - 1).write(3);
            }
            resized
        }
    }

    /// Takes the source's requests since the last call, in big pages.
    fn grown(&self) -> Vec<usize> {
        std::mem::take(&mut self.grown.lock().unwrap())
    }
}

/// The counterpart of Zig's test of this name, over an empty source.
#[test]
fn sbrk_allocator() {
    let sbrk = SbrkAllocator::init(Source::<4096>::over(&mut []));
    for len in [1, 100, 40_000, 1 << 30] {
        assert!(sbrk.allocator().alloc::<u8>(len).is_err());
    }
}

/// SB-01, SB-02: the slot is the next power of two for the length plus a word, or for the alignment.
#[rstest]
#[case(1, 1, 2 * WORD)]
#[case(WORD, 1, 2 * WORD)]
#[case(WORD + 1, 1, 4 * WORD)]
#[case(3 * WORD, 1, 4 * WORD)]
#[case(3 * WORD + 1, 1, 8 * WORD)]
#[case(100, 1, 128)]
#[case(1, 256, 256)]
#[case(256, 256, 512)]
#[case(1, 32 * KIB, 32 * KIB)]
#[case(32 * KIB - WORD, 1, 32 * KIB)]
fn slot_is_the_next_power_of_two(#[case] len: usize, #[case] alignment: usize, #[case] slot: usize) {
    with::<BIG_PAGE>(2, |subject| {
        assert_eq!(subject.alloc(len, alignment), Some(0));
        assert_eq!(subject.alloc(len, alignment), Some(slot));
        assert_eq!(subject.grown(), [1], "one big page for both");
    });
}

/// SB-01: each class has a big page of its own.
#[test]
fn classes_use_separate_big_pages() {
    with::<BIG_PAGE>(16, |subject| {
        let mut slot = 2 * WORD;
        let mut big_page = 0;
        while slot < BIG_PAGE {
            assert_eq!(subject.alloc(slot - WORD, 1), Some(big_page * BIG_PAGE));
            big_page += 1;
            slot *= 2;
        }
        assert_eq!(subject.grown(), vec![1; BIG_PAGE.ilog2() as usize - (2 * WORD).ilog2() as usize]);
    });
}

/// SB-02, SB-05, TR-78: lengths and alignments that cannot exist give null and false, without a call of the source.
#[test]
fn impossible_requests_are_refused() {
    with::<BIG_PAGE>(2, |subject| {
        let block = subject.alloc(40_000, 1).unwrap();
        let small = subject.alloc(10, 1).unwrap();
        subject.grown();
        for len in [
            usize::MAX,
            usize::MAX - WORD,
            usize::MAX - BIG_PAGE,
            1 << (usize::BITS - 1),
            isize::MAX as usize,
            // An object can have the need, but not the need rounded up to big pages.
            isize::MAX as usize + 1 - WORD,
            isize::MAX as usize - BIG_PAGE,
            1 << (usize::BITS - 2),
        ] {
            assert_eq!(subject.alloc(len, 1), None, "{len}");
            assert!(!subject.resize(block, 40_000, len), "{len}");
            assert!(!subject.resize(small, 10, len), "{len}");
        }
        for alignment in [17, (usize::BITS - 1) as u8, usize::BITS as u8, 200, 255] {
            // SAFETY: the length is not zero.
            assert_eq!(unsafe { subject.allocator.raw_alloc(1, alignment_from_c(alignment), 0) }, None);
        }
        assert!(subject.grown().is_empty());
        // The largest possible one. The source refuses.
        assert_eq!(subject.alloc(1 << (usize::BITS - 3), 1), None);
        assert_eq!(subject.grown(), [(1 << (usize::BITS - 2)) / BIG_PAGE]);
    });
}

/// SB-03, SB-06: first the freed blocks, last in first out; then the rest of the big page; then a new one.
#[test]
fn freed_blocks_are_reused_before_new_ones() {
    with::<BIG_PAGE>(3, |subject| {
        let count = BIG_PAGE / 4096;
        let len = 4096 - WORD;
        for n in 0..count {
            assert_eq!(subject.alloc(len, 1), Some(n * 4096));
        }
        assert_eq!(subject.grown(), [1]);
        subject.free(3 * 4096, len, 1);
        subject.free(7 * 4096, len, 1);
        subject.free(0, len, 1);
        // Another length of the class, and another alignment.
        assert_eq!(subject.alloc(4096 / 2, 4096), Some(0));
        assert_eq!(subject.alloc(len, 1), Some(7 * 4096));
        assert_eq!(subject.alloc(len, 1), Some(3 * 4096));
        assert!(subject.grown().is_empty());
        assert_eq!(subject.alloc(len, 1), Some(BIG_PAGE));
        assert_eq!(subject.grown(), [1]);
    });
}

/// SB-03: the link is the last word of the slot; no other byte of a freed block is written.
#[test]
fn link_is_the_last_word_of_a_slot() {
    with::<BIG_PAGE>(1, |subject| {
        // SAFETY: the blocks have this length; the slots are a word longer, and this test owns them.
        unsafe {
            let [first, second] = [0, 1].map(|_| subject.allocator.raw_alloc(56, Alignment::_8, 0).unwrap());
            for block in [first, second] {
                block.write_bytes(0x5A, 56);
                subject.allocator.raw_free(NonNull::slice_from_raw_parts(block, 56), Alignment::_8, 0);
            }
            let filled = |block: NonNull<u8>| block.cast::<[u8; 56]>().read() == [0x5A; 56];
            assert!(filled(first) && filled(second));
            // With smaller words there is a gap, which is not written.
            let link = |block: NonNull<u8>| block.add(64 - WORD).cast::<usize>().read();
            assert_eq!((link(first), link(second)), (0, first.addr().get()));
        }
    });
}

/// SB-03, TR-78: with the boundary of Zig's `SbrkAllocator`, one page of each big page is used, and a slot of a page
/// or more takes a big page.
#[test]
fn slab_len_limits_each_big_page() {
    with::<4096>(8, |subject| {
        for n in 0..4096 / 1024 {
            assert_eq!(subject.alloc(1000, 1), Some(n * 1024));
        }
        assert_eq!(subject.alloc(1000, 1), Some(BIG_PAGE));
        assert_eq!(subject.grown(), [1, 1]);
        for n in 2..5 {
            assert_eq!(subject.alloc(4000, 1), Some(n * BIG_PAGE));
        }
        assert_eq!(subject.alloc(30_000, 1), Some(5 * BIG_PAGE));
        assert_eq!(subject.alloc(30_000, 1), Some(6 * BIG_PAGE));
        assert_eq!(subject.grown(), [1; 5]);
        // As Zig's other two allocators.
        with::<BIG_PAGE>(8, |subject| {
            assert_eq!([(); 64].map(|()| subject.alloc(1000, 1)), std::array::from_fn(|n| Some(n * 1024)));
            assert_eq!(subject.grown(), [1]);
        });
    });
}

/// SB-04: a big block's word is counted twice, and its pages are rounded up to a power of two.
#[rstest]
#[case(32 * KIB - WORD + 1, 1, 1)]
#[case(BIG_PAGE - 2 * WORD, 1, 1)]
#[case(BIG_PAGE - WORD, 1, 2)]
#[case(BIG_PAGE, 1, 2)]
#[case(1, 64 * KIB, 2)]
#[case(2 * BIG_PAGE - 2 * WORD, 1, 2)]
#[case(2 * BIG_PAGE - WORD, 1, 4)]
#[case(3 * BIG_PAGE, 1, 4)]
#[case(4 * BIG_PAGE, 1, 8)]
fn big_blocks_round_to_powers_of_two(#[case] len: usize, #[case] alignment: usize, #[case] pages: usize) {
    with::<4096>(16, |subject| {
        assert_eq!(subject.alloc(len, alignment), Some(0));
        assert_eq!(subject.alloc(len, alignment), Some(pages * BIG_PAGE));
        assert_eq!(subject.grown(), [pages, pages]);
        // SB-06: it goes to the list for that number of pages.
        subject.free(0, len, alignment);
        subject.free(pages * BIG_PAGE, len, alignment);
        assert_eq!(subject.alloc(len, alignment), Some(pages * BIG_PAGE));
        assert_eq!(subject.alloc(len, alignment), Some(0));
        assert!(subject.grown().is_empty());
    });
}

/// SB-04: small blocks are cut from a freed big page before the source is called. Larger runs are never split.
#[test]
fn small_blocks_reuse_a_freed_big_page() {
    with::<BIG_PAGE>(4, |subject| {
        assert_eq!(subject.alloc(50_000, 1), Some(0));
        assert_eq!(subject.alloc(100_000, 1), Some(BIG_PAGE));
        subject.free(0, 50_000, 1);
        subject.free(BIG_PAGE, 100_000, 1);
        assert_eq!(subject.grown(), [1, 2]);
        assert_eq!(subject.alloc(10, 1), Some(0));
        assert!(subject.grown().is_empty());
        assert_eq!(subject.alloc(1000, 1), Some(3 * BIG_PAGE));
        assert_eq!(subject.grown(), [1]);
    });
}

/// SB-05: a small block can be resized in place within its slot.
#[test]
fn small_block_resizes_within_its_slot() {
    with::<BIG_PAGE>(1, |subject| {
        let block = subject.alloc(70, 1).unwrap();
        let (shortest, longest) = (64 - WORD + 1, 128 - WORD);
        for new_len in [1, WORD, 56 - WORD, shortest - 1, longest + 1, 200, 40_000, 1 << 20] {
            assert!(!subject.resize(block, 70, new_len), "{new_len}");
        }
        for new_len in [shortest, 70, 100, longest] {
            assert!(subject.resize(block, 70, new_len), "{new_len}");
        }
    });
}

/// SB-05: a big block can be resized in place for the same number of big pages, even to a small length. It is then
/// freed as a small slot.
#[test]
fn big_block_resizes_within_its_pages() {
    with::<BIG_PAGE>(4, |subject| {
        let block = subject.alloc(100_000, 1).unwrap();
        for new_len in [1, 32 * KIB, BIG_PAGE - 2 * WORD, 2 * BIG_PAGE - WORD, 200_000, 1 << 24] {
            assert!(!subject.resize(block, 100_000, new_len), "{new_len}");
        }
        for new_len in [BIG_PAGE - WORD, BIG_PAGE, 2 * BIG_PAGE - 2 * WORD] {
            assert!(subject.resize(block, 100_000, new_len), "{new_len}");
        }
        let block = subject.alloc(50_000, 1).unwrap();
        assert!(subject.resize(block, 50_000, 10));
        assert!(!subject.resize(block, 10, 50_000), "it is small now");
        subject.grown();
        subject.free(block, 10, 1);
        assert_eq!(subject.alloc(10, 1), Some(block));
        assert_eq!(subject.alloc(10, 1), Some(3 * BIG_PAGE), "the rest of the big page is lost");
        assert_eq!(subject.grown(), [1]);
    });
}

/// SB-07: an exhausted source means out of memory, and nothing is lost.
#[test]
fn exhausted_source_is_out_of_memory() {
    with::<BIG_PAGE>(2, |subject| {
        assert_eq!(subject.alloc(100_000, 1), Some(0));
        for _ in 0..3 {
            // The buffer may have room for one more.
            while subject.alloc(50_000, 1).is_some() {}
            assert_eq!(subject.alloc(50_000, 1), None);
            assert_eq!(subject.alloc(10, 1), None);
            assert_eq!(subject.alloc(100_000, 1), None);
        }
        subject.free(0, 100_000, 1);
        assert_eq!(subject.alloc(10, 1), None);
        assert_eq!(subject.alloc(70_000, 1), Some(0));
    });
}

/// SB-08: the lock: several threads allocate and free, also each other's blocks.
#[test]
fn threads_free_each_others_blocks() {
    let mut buffer = buffer(32);
    let sbrk = SbrkAllocator::init(FixedBufferAllocator::init(&mut buffer));
    let allocator = sbrk.allocator();
    let (rounds, shared) = (if cfg!(miri) { 10 } else { 5_000 }, Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for seed in 1..=4 {
            let shared = &shared;
            scope.spawn(move || {
                let mut random = Random::new(seed);
                for round in 0..rounds {
                    let len = random.within(1..=200);
                    // SAFETY: the length is not zero.
                    let memory = unsafe { allocator.raw_alloc(len, Alignment::_8, 0) }.unwrap();
                    let memory = NonNull::slice_from_raw_parts(memory, len);
                    // SAFETY: a new block, which is taken from the list before it is freed.
                    let block = unsafe { Filled::new(memory, Alignment::_8, round as u8) };
                    let other = {
                        let mut shared = shared.lock().unwrap();
                        shared.push(block);
                        let index = random.below(shared.len());
                        if shared.len() > 20 { Some(shared.swap_remove(index)) } else { None }
                    };
                    if let Some(block) = other {
                        block.check();
                        // SAFETY: a live block, not used afterwards.
                        unsafe { allocator.raw_free(block.memory(), block.alignment(), 0) };
                    }
                }
            });
        }
    });
    shared.into_inner().unwrap().iter().for_each(Filled::check);
}

/// SB-06: blocks do not overlap and keep their bytes in random programs, with either boundary.
#[test]
fn random_programs_do_not_overlap() {
    fn check<const SLAB_LEN: usize>() {
        for seed in 1..=if cfg!(any(miri, target_arch = "wasm32")) { 1 } else { 20 } {
            with::<SLAB_LEN>(if cfg!(miri) { 60 } else { 400 }, |subject| {
                let steps = if cfg!(miri) { 80 } else { 2000 };
                let count = run_random_program(subject.allocator, &mut Random::new(seed), steps);
                assert!(count > steps / 4, "{count}");
            });
        }
    }
    check::<4096>();
    check::<BIG_PAGE>();
}

/// SB-05: blocks keep their contents, for lengths on both sides of every boundary.
#[rstest]
fn contents_are_kept_across_resizes(#[values(1, 16, 4096)] alignment: usize) {
    with::<BIG_PAGE>(64, |subject| {
        keeps_contents(subject.allocator, Alignment::from_byte_units(alignment));
    });
}

/// TR-50: a pointer that a `Box` has held is valid for its length only, but the slot is reused as a whole.
#[test]
fn narrowed_pointer_can_be_freed() {
    with::<BIG_PAGE>(2, |subject| {
        for len in [WORD / 2 - 1, WORD / 2 + 1, WORD - 1] {
            // SAFETY: the blocks are live, have this length, and are initialised.
            unsafe {
                let memory = subject.allocator.raw_alloc(len, Alignment::_1, 0).unwrap();
                memory.write_bytes(7, len);
                let narrowed = NonNull::from(&mut *NonNull::slice_from_raw_parts(memory, len).as_ptr());
                let longer = subject.allocator.raw_remap(narrowed, Alignment::_1, WORD, 0).unwrap();
                longer.add(WORD - 1).write(8);
                let first_byte = NonNull::from(&mut *longer.as_ptr());
                let narrowed = NonNull::slice_from_raw_parts(first_byte, WORD);
                subject.allocator.raw_free(narrowed, Alignment::_1, 0);
            }
        }
    });
}

/// SB-09: a length of 0 breaks the contract, and is harmless.
#[test]
fn zero_length_is_harmless() {
    with::<BIG_PAGE>(1, |subject| {
        // SAFETY: this allocator accepts it.
        assert_eq!(unsafe { subject.allocator.raw_alloc(0, Alignment::_1, 0) }, None);
        assert!(subject.grown().is_empty());
        // A block freed with a length of 0 goes to the smallest slot.
        assert_eq!(subject.alloc(1, 1), Some(0));
        subject.free(0, 0, 1);
        assert_eq!(subject.alloc(1, 1), Some(0));
    });
}

/// SB-09: misuse is not detected. (All of it happens in this test's own buffer.)
#[test]
fn misuse_is_not_detected() {
    with::<BIG_PAGE>(1, |subject| {
        // A block that is freed twice becomes its own successor.
        assert_eq!(subject.alloc(100, 1), Some(0));
        subject.free(0, 100, 1);
        subject.free(0, 100, 1);
        assert_eq!([(); 3].map(|()| subject.alloc(100, 1)), [Some(0); 3]);
        // A block that is freed with another length goes to that length's class.
        subject.free(0, 1000, 1);
        assert_eq!(subject.alloc(1000, 1), Some(0));
    });
}

/// SB-03, SB-04, SB-07: when the source fails once, that call gives null, and repeating it continues as if nothing
/// had happened.
#[test]
fn failed_growth_loses_nothing() {
    const LENS: [usize; 12] =
        [10, 30_000, 40_000, 30_000, 30_000, 100_000, 10, 70_000, 3000, 50_000, 3000, 200_000];
    fn offsets<const SLAB_LEN: usize>(fails_at: usize) -> (Vec<usize>, usize) {
        let mut failures = 0;
        let mut offsets = Vec::new();
        with_failure::<SLAB_LEN>(24, fails_at, |subject| {
            for len in LENS {
                let offset = subject.alloc(len, 1).unwrap_or_else(|| {
                    failures += 1;
                    subject.alloc(len, 1).expect("there is memory now")
                });
                offsets.push(offset);
            }
            subject.free(offsets[2], LENS[2], 1);
            subject.free(offsets[3], LENS[3], 1);
            offsets.extend([LENS[3], LENS[2]].map(|len| subject.alloc(len, 1).unwrap()));
        });
        (offsets, failures)
    }
    fn check<const SLAB_LEN: usize>(growths: usize) {
        let (expected, failures) = offsets::<SLAB_LEN>(usize::MAX);
        assert_eq!(failures, 0);
        for fails_at in 0..growths {
            assert_eq!(offsets::<SLAB_LEN>(fails_at), (expected.clone(), 1), "{fails_at}");
        }
        assert_eq!(offsets::<SLAB_LEN>(growths), (expected, 0));
    }
    check::<BIG_PAGE>(9);
    check::<4096>(11);
}

/// SB-08: the lock is held while the source grows: only one thread at a time is in the source.
#[test]
fn one_thread_at_a_time_is_in_the_source() {
    struct Counts<'b> {
        buffer: FixedBufferAllocator<'b>,
        inside: Arc<AtomicUsize>,
    }
    // SAFETY: forwards to the fixed buffer.
    unsafe impl Sbrk for Counts<'_> {
        const SLAB_LEN: usize = BIG_PAGE;

        fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
            // A panic here would abort the process and lose the other tests' results.
            let alone = self.inside.fetch_add(1, Ordering::Relaxed) == 0;
            for _ in 0..10 {
                thread::yield_now();
            }
            self.inside.fetch_sub(1, Ordering::Relaxed);
            if alone { self.buffer.sbrk(bytes) } else { None }
        }

        unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
            // SAFETY: as required of our caller.
            unsafe { self.buffer.whole(memory) }
        }
    }
    let (threads, rounds) = (4, if cfg!(miri) { 3 } else { 50 });
    let mut buffer = buffer(threads * rounds);
    let buffer = FixedBufferAllocator::init(&mut buffer);
    let sbrk = SbrkAllocator::init(Counts { buffer, inside: Arc::default() });
    let allocator = sbrk.allocator();
    let mut blocks = thread::scope(|scope| {
        let work = || (0..rounds).map(|_| allocator.alloc::<u8>(40_000).unwrap().addr().get()).collect();
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| -> Vec<usize> { thread.join().unwrap() }).collect::<Vec<_>>()
    });
    blocks.sort_unstable();
    blocks.dedup();
    assert_eq!(blocks.len(), threads * rounds);
}

/// SB-07: the allocator can be moved while it has blocks, and returns the source.
#[test]
fn into_source_returns_the_source() {
    let mut buffer = buffer(2);
    let sbrk = SbrkAllocator::init(FixedBufferAllocator::init(&mut buffer));
    let memory = sbrk.allocator().create_with(5u32).unwrap();
    let moved = Box::new(sbrk);
    // SAFETY: the block is live.
    assert_eq!(unsafe { memory.read() }, 5);
    // SAFETY: not used afterwards.
    unsafe { moved.allocator().destroy(memory) };
    assert_eq!(moved.allocator().create::<u32>().unwrap().addr(), memory.addr());
    let source = moved.into_source();
    assert!(source.end_index() >= BIG_PAGE && source.end_index() < 2 * BIG_PAGE);
}

/// SB-08: it can be a `static`: its constructor is `const`, and it is thread-safe.
#[test]
fn allocator_can_be_a_static() {
    /// A source that creates its buffer on first use.
    struct Late(Option<FixedBufferAllocator<'static>>);
    // SAFETY: as for the fixed buffer, which is never replaced.
    unsafe impl Sbrk for Late {
        const SLAB_LEN: usize = BIG_PAGE;

        fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
            // Slightly more than one big page, so that it contains one wherever it starts.
            let buffer = || FixedBufferAllocator::init(&mut Box::leak(buffer(1))[1..]);
            self.0.get_or_insert_with(buffer).sbrk(bytes)
        }

        unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
            // SAFETY: as required of our caller. If a block exists, there is a buffer.
            unsafe { self.0.as_ref().unwrap().whole(memory) }
        }
    }
    static SBRK: SbrkAllocator<Late> = SbrkAllocator::init(Late(None));
    static HANDLE: SyncAllocator<'static> = SBRK.allocator();
    let memory = thread::spawn(|| HANDLE.alloc::<u8>(10).unwrap().addr()).join().unwrap();
    assert_eq!(
        SBRK.allocator().alloc::<u8>(10).unwrap().addr().get(),
        memory.get() + (10 + WORD).next_power_of_two()
    );
    assert!(SBRK.allocator().alloc::<u8>(100).is_err());
}

/// SB-07: the program break, in a separate process: glibc's `malloc` moves it too, and neither disturbs the other.
#[cfg(all(feature = "std", target_os = "linux", target_env = "gnu", not(miri)))]
#[test]
fn process_break() {
    use zigalloc_support::{alone, run_alone};
    if alone().as_deref() != Some("process_break") {
        let output = run_alone("heap::sbrk_allocator::process_break", "process_break");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    // SAFETY: the other thread of this process waits for this test.
    let sbrk = SbrkAllocator::init(unsafe { zigalloc::heap::ProcessBreak::new() });
    let allocator = sbrk.allocator();
    let mut blocks = Vec::new();
    let mut others = Vec::new();
    for n in 1..200usize {
        let len = n * 97;
        // SAFETY: the length is not zero.
        let memory = unsafe { allocator.raw_alloc(len, Alignment::_16, 0) }.expect("there is memory");
        let memory = NonNull::slice_from_raw_parts(memory, len);
        // SAFETY: a new block, which is freed at the end.
        blocks.push(unsafe { Filled::new(memory, Alignment::_16, n as u8) });
        others.push(vec![n as u8; len]);
        if n == 100 {
            // SAFETY: as above.
            let moved = unsafe { libc_sbrk(1000) };
            assert_ne!(moved.addr(), usize::MAX);
            // SAFETY: these bytes belong to this test.
            unsafe { moved.write_bytes(0xFF, 1000) };
        }
    }
    for (n, other) in (1..).zip(&others) {
        assert!(other.iter().all(|byte| *byte == n));
    }
    for block in &blocks {
        block.check();
        // SAFETY: a live block, not used afterwards.
        unsafe { allocator.raw_free(block.memory(), block.alignment(), 0) };
    }
    run_random_program(allocator.as_allocator(), &mut Random::new(1), 1000);
}

#[cfg(all(feature = "std", target_os = "linux", target_env = "gnu", not(miri)))]
unsafe extern "C" {
    #[link_name = "sbrk"]
    fn libc_sbrk(increment: isize) -> *mut u8;
}

/// SB-07: the memory of a WebAssembly program, which Rust's own allocator also grows. Two allocators share nothing.
#[cfg(all(target_arch = "wasm32", not(target_os = "emscripten")))]
#[test]
fn memory_grow() {
    use zigalloc::heap::MemoryGrow;
    static FIRST: SbrkAllocator<MemoryGrow> = SbrkAllocator::init(MemoryGrow);
    static SECOND: SbrkAllocator<MemoryGrow> = SbrkAllocator::init(MemoryGrow);
    let mut blocks = Vec::new();
    for n in 1..200usize {
        let len = n * 97;
        for sbrk in [&FIRST, &SECOND] {
            // SAFETY: the length is not zero.
            let memory =
                unsafe { sbrk.allocator().raw_alloc(len, Alignment::_16, 0) }.expect("there is memory");
            let memory = NonNull::slice_from_raw_parts(memory, len);
            // SAFETY: a new block, which is freed at the end.
            blocks.push((sbrk, unsafe { Filled::new(memory, Alignment::_16, n as u8) }));
        }
    }
    for (sbrk, block) in &blocks {
        block.check();
        // SAFETY: a live block, not used afterwards.
        unsafe { sbrk.allocator().raw_free(block.memory(), block.alignment(), 0) };
    }
    assert!(FIRST.allocator().alloc::<u8>(isize::MAX as usize).is_err());
    run_random_program(FIRST.allocator().as_allocator(), &mut Random::new(1), 1000);
}

/// `taken` is what was requested from the source; during a call, `Debug` does not wait.
#[test]
fn debug_shows_the_source_and_bytes_taken() {
    /// Prints its own allocator when it is called, as a logging source may do by mistake.
    struct Prints<'b> {
        buffer: FixedBufferAllocator<'b>,
        print: fn() -> String,
        printed: Arc<Mutex<String>>,
    }
    // SAFETY: forwards to the fixed buffer.
    unsafe impl Sbrk for Prints<'_> {
        const SLAB_LEN: usize = BIG_PAGE;

        fn sbrk(&mut self, n: usize) -> Option<NonNull<u8>> {
            *self.printed.lock().unwrap() = (self.print)();
            self.buffer.sbrk(n)
        }
        unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
            // SAFETY: as required of our caller.
            unsafe { self.buffer.whole(memory) }
        }
    }
    thread_local! {
        static SBRK: Cell<*const SbrkAllocator<Prints<'static>>> = const { Cell::new(std::ptr::null()) };
    }
    let memory = Box::into_raw(buffer(3));
    let printed = Arc::default();
    let source = Prints {
        // SAFETY: nothing else uses it until it is freed.
        buffer: FixedBufferAllocator::init(unsafe { &mut *memory }),
        // SAFETY: set below, for a value that still exists.
        print: || format!("{:?}", unsafe { &*SBRK.get() }),
        printed: Arc::clone(&printed),
    };
    let sbrk = SbrkAllocator::init(source);
    SBRK.set(&sbrk);
    let text = format!("{sbrk:?}");
    assert!(text.starts_with("SbrkAllocator { source: ") && text.contains("Prints"), "{text}");
    assert!(text.ends_with(", taken: 0, .. }"), "{text}");
    sbrk.allocator().alloc::<u8>(100).unwrap();
    assert!(printed.lock().unwrap().ends_with(", taken: <locked>, .. }"), "{printed:?}");
    sbrk.allocator().alloc::<u8>(BIG_PAGE).unwrap();
    assert!(format!("{sbrk:?}").ends_with(&format!(", taken: {}, .. }}", 3 * BIG_PAGE)));
    drop(sbrk);
    // SAFETY: the source, which borrowed it, is gone.
    drop(unsafe { Box::from_raw(memory) });
}
