//! `heap::SMP_ALLOCATOR` from outside. `src/heap/smp_allocator/tests.rs` tests its exact addresses and slabs, with
//! depots that no other test uses.
#![cfg(feature = "std")]

use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::{Barrier, mpsc};
use std::thread;

use rstest::rstest;
use static_assertions::const_assert;
use zigalloc::heap::{ArenaAllocator, PAGE_SIZE_MAX, SMP_ALLOCATOR, SmpAllocator, page_size};
use zigalloc::testing::{
    LedgerAllocator, StrictConfig, test_allocator, test_allocator_aligned, test_allocator_aligned_shrink,
    test_allocator_large_alignment, test_allocator_strict, test_handles_strict,
};
use zigalloc::{Alignment, SlicePtr, ThreadSafeAllocator};
use zigalloc_support::{
    Filled, Random, alignment_from_c, alone, assert_aborted, keeps_contents, run_alone, run_random_program,
    seeds,
};

const SLAB_LEN: usize = 64 << 10;
const_assert!(PAGE_SIZE_MAX <= SLAB_LEN);

/// A block of `len` bytes.
fn alloc(len: usize, alignment: Alignment) -> NonNull<[u8]> {
    // SAFETY: `len` is not zero.
    let ptr = unsafe { SMP_ALLOCATOR.raw_alloc(len, alignment, 0) }.expect("there is memory");
    NonNull::slice_from_raw_parts(ptr, len)
}

/// Allocates a block of `len` bytes and fills it.
fn filled(len: usize, alignment: Alignment, tag: u8) -> Filled {
    // SAFETY: a new block, which `free` frees.
    unsafe { Filled::new(alloc(len, alignment), alignment, tag) }
}

/// Frees a block, after checking its bytes.
fn free(block: Filled) {
    block.check();
    // SAFETY: a live block with matching length and alignment, not used afterwards.
    unsafe { SMP_ALLOCATOR.raw_free(block.memory(), block.alignment(), 0) };
}

// Conformance.

/// SM-02: the four conformance functions and the strict one, over lengths of all classes and above.
#[test]
fn smp_allocator() {
    test_allocator(*SMP_ALLOCATOR);
    test_allocator_aligned(*SMP_ALLOCATOR);
    test_allocator_large_alignment(*SMP_ALLOCATOR);
    test_allocator_aligned_shrink(*SMP_ALLOCATOR);
    test_allocator_strict(*SMP_ALLOCATOR);
}

#[test]
fn lengths_of_many_classes_keep_the_contract() {
    (2..2 + seeds(2)).for_each(lengths_of_a_program_keep_the_contract);
}

fn lengths_of_a_program_keep_the_contract(seed: u64) {
    let (steps, max_len) = if cfg!(miri) { (100, 200) } else { (5000, 100_000) };
    let config = StrictConfig {
        seed,
        steps,
        max_len,
        huge_lengths: !cfg!(any(miri, target_arch = "wasm32")),
        ..StrictConfig::default()
    };
    // SAFETY: two copies of one handle.
    unsafe { test_handles_strict([*SMP_ALLOCATOR, *SMP_ALLOCATOR], &config) };
}

#[rstest]
fn contents_are_kept_with_every_alignment(#[values(0, 3, 4, 6, 12, 15, 16, 17)] log2: u8) {
    // One alignment is enough under Miri.
    if !cfg!(miri) || log2 == 6 {
        keeps_contents(*SMP_ALLOCATOR, Alignment::from_log2(log2).unwrap());
    }
}

#[test]
fn smp_works_as_a_child() {
    let ledger = LedgerAllocator::init(SMP_ALLOCATOR);
    let mut arena = ArenaAllocator::init(ledger.allocator());
    if !cfg!(miri) {
        test_allocator(arena.allocator());
        test_allocator_large_alignment(arena.allocator());
    }
    test_allocator_aligned(arena.allocator());
    drop(arena);
    ledger.assert_no_leaks();

    arena = ArenaAllocator::init(ledger.allocator());
    run_random_program(arena.allocator(), &mut Random::new(7), 200);
    drop(arena);
    ledger.assert_no_leaks();

    let mut arena = ArenaAllocator::init(SMP_ALLOCATOR);
    let thread_safe = ThreadSafeAllocator::new(&mut arena);
    if !cfg!(miri) {
        test_allocator_strict(thread_safe.allocator().as_allocator());
    }
    run_random_program(thread_safe.allocator().as_allocator(), &mut Random::new(8), 200);
}

// Classes, as observed from outside.

/// SM-06: a small block can be resized in place exactly within its class.
#[rstest]
#[case(3, 1, 8, true)]
#[case(3, 1, 9, false)]
#[case(3, 1, 1, true)]
#[case(9, 1, 16, true)]
#[case(9, 1, 8, false)]
#[case(9, 16, 1, true)]
#[case(1, 64, 64, true)]
#[case(1, 64, 65, false)]
#[case(16385, 1, 32768, true)]
#[case(16385, 1, 32769, false)]
#[case(16385, 1, 16384, false)]
#[case(100, 1, usize::MAX, false)]
#[case(100, 1, isize::MAX as usize, false)]
#[cfg_attr(not(target_pointer_width = "64"), ignore = "the expected values were recorded on a 64-bit system")]
fn small_block_resizes_within_its_class(
    #[case] len: usize,
    #[case] alignment: usize,
    #[case] new_len: usize,
    #[case] fits: bool,
) {
    let alignment = Alignment::from_byte_units(alignment);
    let memory = alloc(len, alignment);
    // SAFETY: a live block with matching length and alignment; each call passes the length that the previous one set.
    unsafe {
        assert_eq!(SMP_ALLOCATOR.raw_resize(memory, alignment, new_len, 0), fits);
        let memory = if fits { memory.with_len(new_len) } else { memory };
        let remapped = SMP_ALLOCATOR.raw_remap(memory, alignment, len, 0);
        assert_eq!(remapped, Some(memory.cast()), "back to where it was");
        let memory = memory.with_len(len);
        assert_eq!(
            SMP_ALLOCATOR.raw_remap(memory, alignment, new_len, 0),
            fits.then_some(memory.cast()),
            "a small block never moves"
        );
        let memory = if fits { memory.with_len(new_len) } else { memory };
        SMP_ALLOCATOR.raw_free(memory, alignment, 0);
    }
}

/// SM-02, SM-06: a large block consists of pages: it is resized as they are, and never becomes small.
#[test]
fn large_block_resizes_as_pages() {
    let len = 32769;
    let memory = alloc(len, Alignment::_1);
    assert!(memory.addr().get() % page_size() == 0);
    // SAFETY: a live block with matching length and alignment, tracked as it changes.
    unsafe {
        memory.cast::<u8>().write(5);
        memory.cast::<u8>().add(len - 1).write(6);
        assert!(SMP_ALLOCATOR.raw_resize(memory, Alignment::_1, len + 100, 0), "in its last page");
        let memory = memory.with_len(len + 100);
        assert!(!SMP_ALLOCATOR.raw_resize(memory, Alignment::_1, len - 1, 0), "would be small");
        assert_eq!(SMP_ALLOCATOR.raw_remap(memory, Alignment::_1, len - 1, 0), None, "would be small");
        assert_eq!(SMP_ALLOCATOR.raw_remap(memory, Alignment::_1, usize::MAX, 0), None);
        let memory = match SMP_ALLOCATOR.raw_remap(memory, Alignment::_1, 10 * len, 0) {
            Some(moved) => NonNull::slice_from_raw_parts(moved, 10 * len),
            // Another block is after it, and a span does not move.
            None => memory,
        };
        assert_eq!(memory.cast::<u8>().read(), 5, "the content has moved too");
        assert_eq!(memory.cast::<u8>().add(len - 1).read(), 6);
        SMP_ALLOCATOR.raw_free(memory, Alignment::_1, 0);
    }
}

/// SM-02: a block that is aligned to a slab is large, however short it is, and keeps its alignment.
#[test]
fn slab_alignment_makes_a_block_large() {
    let alignment = Alignment::from_byte_units(2 * SLAB_LEN);
    let memory = alloc(8, alignment);
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        assert!(SMP_ALLOCATOR.raw_resize(memory, alignment, 100, 0), "in its page");
        let memory = memory.with_len(100);
        let memory = match SMP_ALLOCATOR.raw_remap(memory, alignment, 3 * SLAB_LEN, 0) {
            Some(moved) => NonNull::slice_from_raw_parts(moved, 3 * SLAB_LEN),
            None => memory,
        };
        assert!(alignment.check(memory.addr().get()));
        SMP_ALLOCATOR.raw_free(memory, alignment, 0);
    }
}

/// SM-08: requests that cannot be satisfied give null.
#[rstest]
#[case::longest(usize::MAX, Alignment::_1)]
#[case::longest_object(isize::MAX as usize, Alignment::_8)]
#[cfg_attr(
    target_pointer_width = "32",
    ignore = "with 32 bits, memory at the strictest alignment, 2 GiB, may be free"
)]
#[case::strictest(1, Alignment::MAX)]
#[case::not_an_alignment(1, alignment_from_c(usize::BITS as u8))]
#[case::not_at_all_an_alignment(100, alignment_from_c(255))]
fn impossible_requests_are_null(#[case] len: usize, #[case] alignment: Alignment) {
    // SAFETY: the lengths are not zero.
    assert_eq!(unsafe { SMP_ALLOCATOR.raw_alloc(len, alignment, 0) }, None);
}

/// SM-05: the block freed last is the next one of its class.
#[rstest]
fn last_freed_block_is_reused_first(#[values(1, 8, 24, 100, 5000, 32768)] len: usize) {
    let (a, b) = (alloc(len, Alignment::_1), alloc(len, Alignment::_1));
    // SAFETY: live blocks with matching length and alignment.
    unsafe {
        SMP_ALLOCATOR.free(a);
        SMP_ALLOCATOR.free(b);
    }
    let (c, d) = (alloc(len, Alignment::_1), alloc(len, Alignment::_1));
    assert_eq!((c.addr(), d.addr()), (b.addr(), a.addr()));
    // SAFETY: as above.
    unsafe {
        SMP_ALLOCATOR.free(c);
        SMP_ALLOCATOR.free(d);
    }
}

/// SM-08: misuse is not detected, except that with `debug_assertions` an address at which the class has no block is.
#[cfg_attr(
    any(miri, not(debug_assertions)),
    ignore = "it starts a process, which Miri cannot do, and waits for a debug assertion, which release builds lack"
)]
#[test]
fn wrong_length_aborts_in_debug_builds() {
    if alone().is_some() {
        let blocks = [(); 2].map(|()| alloc(24, Alignment::_1));
        let odd = blocks.into_iter().find(|memory| memory.addr().get() % 64 != 0).unwrap();
        // SAFETY: none; the process aborts.
        unsafe { SMP_ALLOCATOR.free(odd.with_len(64)) };
        unreachable!("a block of 64 bytes was freed at {odd:?}");
    }
    let output = run_alone("heap::smp_allocator::wrong_length_aborts_in_debug_builds", "alone");
    assert_aborted(&output, "64 bytes, aligned to 1: blocks of that length are at multiples of 64 bytes");
}

// Threads.

/// More threads than Zig's allocator has slots run random programs at once.
#[test]
fn two_hundred_threads_run_random_programs() {
    let threads = if cfg!(miri) { 3 } else { 200 };
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        for seed in 1..=threads as u64 {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                let steps = if cfg!(miri) { 30 } else { 500 };
                // What a thread has live at its end is not freed.
                let arena = LedgerAllocator::init(SMP_ALLOCATOR);
                let blocks = run_random_program(arena.allocator(), &mut Random::new(seed), steps);
                assert!(blocks > steps / 10);
                // No thread ends before all have started.
                start.wait();
            });
        }
    });
}

/// SM-05: blocks are not tied to a thread: each thread frees blocks that another has filled.
#[test]
fn any_thread_may_free() {
    let threads = if cfg!(miri) { 2 } else { 8 };
    let rounds = if cfg!(miri) { 10 } else { 20_000 };
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..threads).map(|_| mpsc::sync_channel::<Filled>(32)).unzip();
    thread::scope(|scope| {
        for (id, receiver) in receivers.into_iter().enumerate() {
            let next = senders[(id + 1) % threads].clone();
            scope.spawn(move || {
                let mut random = Random::new(id as u64 + 1);
                for round in 0..rounds {
                    let len = random.within(1..=300);
                    let block = filled(len, Alignment::_8, round as u8);
                    if let Err(mpsc::TrySendError::Full(block)) = next.try_send(block) {
                        free(block);
                    }
                    receiver.try_iter().for_each(free);
                }
                drop(next);
                receiver.iter().for_each(free);
            });
        }
        drop(senders);
    });
}

/// One thread allocates a block, a second frees it and exits, and others use its memory.
#[test]
fn many_seeds_blocks_cross_threads() {
    let (sender, receiver) = mpsc::channel::<Filled>();
    thread::scope(|scope| {
        for tag in 0..2 {
            let sender = sender.clone();
            scope.spawn(move || (0..3).for_each(|_| sender.send(filled(24, Alignment::_8, tag)).unwrap()));
        }
        drop(sender);
        scope.spawn(move || receiver.iter().for_each(free));
        scope.spawn(|| free(filled(24, Alignment::_8, 9)));
    });
    free(filled(24, Alignment::_8, 10));
}

/// Runs `case` in a process of its own, where no other test maps slabs.
fn in_a_process_of_its_own(test: &str, case: impl FnOnce()) {
    if cfg!(miri) {
        println!("{test}: skipped: Miri starts no processes");
    } else if alone().is_some() {
        case();
    } else {
        let output = run_alone(&format!("heap::smp_allocator::{test}"), "alone");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("1 passed"), "the test has not run: {text}");
    }
}

/// SM-05: a thousand short-lived threads use the memory of one.
#[test]
fn exited_threads_leave_their_memory_to_others() {
    in_a_process_of_its_own("exited_threads_leave_their_memory_to_others", || {
        let run = || {
            thread::spawn(|| {
                let lengths = (1..=700).step_by(17).chain([5000, 9000, 17000]);
                let blocks: Vec<_> = lengths.map(|len| filled(len, Alignment::_1, len as u8)).collect();
                blocks.into_iter().for_each(free);
            })
            .join()
            .unwrap();
        };
        run();
        let before = SmpAllocator::slab_bytes();
        assert!(before > 0);
        (0..1000).for_each(|_| run());
        assert_eq!(SmpAllocator::slab_bytes(), before);
    });
}

/// SM-05: memory that one thread allocates and another frees is reused, so memory is bounded by what is live.
#[rstest]
fn producers_and_consumers_use_bounded_memory(#[values(1, 3)] producers: usize) {
    let test = format!(
        "producers_and_consumers_use_bounded_memory::producers_{}_{producers}",
        if producers == 1 { 1 } else { 2 }
    );
    in_a_process_of_its_own(&test, || {
        const IN_FLIGHT: usize = 64;
        const LEN: usize = 1000;
        let (sender, receiver) = mpsc::sync_channel::<Filled>(IN_FLIGHT);
        thread::scope(|scope| {
            for _ in 0..producers {
                let sender = sender.clone();
                scope.spawn(move || {
                    for n in 0..200_000 / producers {
                        assert!(sender.send(filled(LEN, Alignment::_8, n as u8)).is_ok());
                    }
                });
            }
            drop(sender);
            receiver.iter().for_each(free);
        });
        // Two batches per thread, the blocks in flight, and a slab per thread to cut from. Twice that, since a thread
        // that cannot access the depot maps a slab.
        let most = 2 * ((producers + 1) * 3 * SLAB_LEN + IN_FLIGHT * 1024);
        let mapped = SmpAllocator::slab_bytes();
        assert!(mapped <= most, "{mapped} bytes are mapped, and {most} would do");
    });
}

/// TR-40: destructors of thread-locals hold, allocate and free blocks, before and after this allocator's own
/// destructor.
#[test]
fn destructors_of_thread_locals_may_allocate() {
    struct AtEnd(RefCell<Option<Filled>>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            if let Some(block) = self.0.take() {
                free(block);
                for len in if cfg!(miri) { [1, 24, 24, 25, 33] } else { [1, 24, 24, 5000, 40_000] } {
                    let (a, b) = (filled(len, Alignment::_8, 1), filled(len, Alignment::_8, 2));
                    free(a);
                    free(b);
                }
            }
        }
    }
    thread_local! {
        static EARLY: AtEnd = const { AtEnd(RefCell::new(None)) };
        static LATE: AtEnd = const { AtEnd(RefCell::new(None)) };
    }
    for early in [false, true] {
        for _ in 0..if cfg!(miri) { 1 } else { 20 } {
            thread::spawn(move || {
                // On Linux, destructors run last in, first out; the first `filled` registers this allocator's.
                if early {
                    EARLY.with(|_| ());
                }
                let block = filled(24, Alignment::_8, 3);
                if early {
                    EARLY.with(|at_end| at_end.0.replace(Some(block)));
                } else {
                    LATE.with(|at_end| at_end.0.replace(Some(block)));
                }
            })
            .join()
            .unwrap();
        }
    }
}

/// A thread whose first call is made by a destructor, and a thread that only frees.
#[test]
fn first_call_may_be_a_free_or_in_a_destructor() {
    struct AtEnd;
    impl Drop for AtEnd {
        fn drop(&mut self) {
            free(filled(100, Alignment::_8, 1));
        }
    }
    thread_local!(static AT_END: AtEnd = const { AtEnd });
    thread::spawn(|| AT_END.with(|_| ())).join().unwrap();
    let block = filled(100, Alignment::_8, 1);
    thread::spawn(move || free(block)).join().unwrap();
}
