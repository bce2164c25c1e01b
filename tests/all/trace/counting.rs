//! `trace::CountingAllocator`. It is not in Zig, so it has no entries in the surface.

use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::trace::{Calls, CountingAllocator, Counts};
use zigalloc::{Alignment, Allocator};
use zigalloc_support::{Bump, Call, Random, Recorder, alignment_from_c, run_random_program, seeds};

fn alloc(allocator: Allocator<'_>, len: usize) -> Option<NonNull<[u8]>> {
    // SAFETY: no length in these tests is zero.
    let ptr = unsafe { allocator.raw_alloc(len, Alignment::_8, 0) }?;
    Some(NonNull::slice_from_raw_parts(ptr, len))
}

fn free(allocator: Allocator<'_>, memory: NonNull<[u8]>) {
    // SAFETY: the tests pass live blocks.
    unsafe { allocator.raw_free(memory, Alignment::_8, 0) };
}

fn calls(calls: u64, refused: u64) -> Calls {
    let mut both = Calls::default();
    (both.calls, both.refused) = (calls, refused);
    both
}

/// Each call reaches the child once, with unchanged arguments and result.
#[rstest]
fn calls_are_passed_on_unchanged(#[values(false, true)] grants_growth: bool) {
    let bump = Bump::new(0, 1 << 14);
    bump.grants_growth.set(grants_growth);
    let recorder = Recorder::new(bump.allocator());
    let counting = CountingAllocator::init(recorder.allocator());
    let allocator = counting.allocator();
    let (alignment, ret_addr, result) = (Alignment::_64, 0x5157, grants_growth);
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        let ptr = allocator.raw_alloc(100, alignment, ret_addr).unwrap();
        let address = ptr.addr().get();
        let memory = NonNull::slice_from_raw_parts(ptr, 100);
        assert_eq!(allocator.raw_resize(memory, alignment, 110, ret_addr), result);
        let len = if result { 110 } else { 100 };
        let memory = NonNull::slice_from_raw_parts(ptr, len);
        assert_eq!(allocator.raw_remap(memory, alignment, 120, ret_addr), result.then_some(ptr));
        let last = if result { 120 } else { 100 };
        allocator.raw_free(NonNull::slice_from_raw_parts(ptr, last), alignment, ret_addr);
        let remapped = result.then_some(address);
        assert_eq!(
            recorder.take(),
            [
                Call::Alloc { len: 100, alignment, ret_addr, result: Some(address) },
                Call::Resize { address, len: 100, alignment, new_len: 110, ret_addr, result },
                Call::Remap { address, len, alignment, new_len: 120, ret_addr, result: remapped },
                Call::Free { address, len: last, alignment, ret_addr },
            ]
        );
    }
}

/// Every count after every kind of call: granted and refused, longer, shorter and equal.
#[test]
fn every_call_updates_its_counts() {
    let bump = Bump::new(0, 1000);
    let counting = CountingAllocator::init(bump.allocator());
    let allocator = counting.allocator();
    let zero = counting.snapshot();
    assert_eq!((zero.alloc, zero.resize, zero.remap, zero.free), (calls(0, 0), calls(0, 0), calls(0, 0), 0));
    assert_eq!((zero.total_bytes, zero.live_bytes, zero.live_blocks, zero.peak_live_bytes), (0, 0, 0, 0));
    assert!(zero.alloc_sizes.iter().all(|&calls| calls == 0));

    /// Total, live, blocks, peak.
    fn bytes(counts: Counts) -> (u64, usize, u64, usize) {
        (counts.total_bytes, counts.live_bytes, counts.live_blocks, counts.peak_live_bytes)
    }
    let first = alloc(allocator, 100).unwrap();
    let mut second = alloc(allocator, 50).unwrap();
    assert_eq!(bytes(counting.snapshot()), (150, 150, 2, 150));
    // Too long, too much in total, an invalid alignment.
    assert_eq!(alloc(allocator, 5000), None);
    assert_eq!(alloc(allocator, usize::MAX), None);
    // SAFETY: the length is not zero.
    assert_eq!(unsafe { allocator.raw_alloc(8, alignment_from_c(200), 0) }, None);
    assert_eq!(bytes(counting.snapshot()), (150, 150, 2, 150));
    assert_eq!(counting.snapshot().alloc, calls(5, 3));

    // SAFETY: live blocks with matching lengths, tracked below.
    unsafe {
        // Refusals in both directions do not change the live counts.
        for new_len in [10, 50, 90, usize::MAX] {
            assert!(!allocator.raw_resize(second, Alignment::_8, new_len, 0));
            assert_eq!(allocator.raw_remap(second, Alignment::_8, new_len, 0), None);
            assert_eq!(bytes(counting.snapshot()), (150, 150, 2, 150));
        }
        assert_eq!((counting.snapshot().resize, counting.snapshot().remap), (calls(4, 4), calls(4, 4)));
        bump.grants_growth.set(true);
        let mut step = |remap: bool, new_len: usize| {
            match remap {
                true => assert!(allocator.raw_remap(second, Alignment::_8, new_len, 0).is_some()),
                false => assert!(allocator.raw_resize(second, Alignment::_8, new_len, 0)),
            }
            second = NonNull::slice_from_raw_parts(second.cast(), new_len);
            bytes(counting.snapshot())
        };
        assert_eq!(step(false, 80), (180, 180, 2, 180));
        assert_eq!(step(true, 100), (200, 200, 2, 200));
        assert_eq!(step(false, 10), (200, 110, 2, 200));
        assert_eq!(step(true, 5), (200, 105, 2, 200));
        assert_eq!(step(true, 5), (200, 105, 2, 200));
        assert_eq!(step(false, 6), (201, 106, 2, 200));
    }
    free(allocator, first);
    assert_eq!(bytes(counting.snapshot()), (201, 6, 1, 200));
    free(allocator, second);
    let end = counting.snapshot();
    assert_eq!(bytes(end), (201, 0, 0, 200));
    assert_eq!((end.resize, end.remap, end.free), (calls(7, 4), calls(7, 4), 2));
    assert_eq!(end, counting.snapshot(), "to look changes nothing");
}

/// A class ends at its power of two and includes refused requests.
#[test]
fn allocation_sizes_are_counted_by_power_of_two() {
    let counting = CountingAllocator::init(Allocator::FAILING);
    let lengths = [1, 2, 3, 4, 5, 8, 9, 1023, 1024, 1025, isize::MAX as usize + 1, usize::MAX];
    for len in lengths {
        assert_eq!(alloc(counting.allocator(), len), None);
    }
    let counts = counting.snapshot();
    let bits = usize::BITS as usize;
    let expected = [(0, 1), (1, 1), (2, 2), (3, 2), (4, 1), (10, 2), (11, 1), (bits - 1, 1), (bits, 1)];
    for (class, &calls) in counts.alloc_sizes.iter().enumerate() {
        let expected = expected.iter().find(|(other, _)| *other == class).map_or(0, |(_, calls)| *calls);
        assert_eq!(calls, expected, "class {class}");
    }
    assert_eq!(counts.alloc, calls(12, 12));
    assert_eq!((counts.total_bytes, counts.live_bytes, counts.live_blocks), (0, 0, 0));
}

/// The counts after a random program match its calls.
#[rstest]
fn counts_of_random_programs_add_up(#[values(false, true)] grants_growth: bool) {
    (1..=seeds(4)).for_each(|seed| numbers_of_a_program_add_up(seed, grants_growth));
}

fn numbers_of_a_program_add_up(seed: u64, grants_growth: bool) {
    let bump = Bump::new(0, 1 << 15);
    bump.grants_growth.set(grants_growth);
    let recorder = Recorder::new(bump.allocator());
    let counting = CountingAllocator::init(recorder.allocator());
    let blocks =
        run_random_program(counting.allocator(), &mut Random::new(seed), if cfg!(miri) { 100 } else { 2000 });
    let counts = counting.snapshot();
    let (mut live, mut peak, mut live_blocks, mut total) = (0, 0, 0, 0);
    let mut numbers = [calls(0, 0); 4];
    for call in recorder.take() {
        let (function, refused, old, new) = match call {
            Call::Alloc { len, result, .. } => (0, result.is_none(), 0, len),
            Call::Resize { len, new_len, result, .. } => (1, !result, len, new_len),
            Call::Remap { len, new_len, result, .. } => (2, result.is_none(), len, new_len),
            Call::Free { len, .. } => (3, false, len, 0),
        };
        numbers[function].calls += 1;
        if refused {
            numbers[function].refused += 1;
            continue;
        }
        live = live - old + new;
        peak = peak.max(live);
        total += new.saturating_sub(old) as u64;
        live_blocks += u64::from(function == 0);
        live_blocks -= u64::from(function == 3);
    }
    assert_eq!([counts.alloc, counts.resize, counts.remap], numbers[..3]);
    assert_eq!(counts.free, numbers[3].calls);
    assert_eq!((counts.live_bytes, counts.peak_live_bytes), (live, peak));
    assert_eq!((counts.live_blocks, counts.total_bytes), (live_blocks, total));
    assert_eq!(counts.alloc.calls - counts.alloc.refused, blocks as u64);
}

/// The `Display` text, character by character.
#[cfg(target_pointer_width = "64")]
#[test]
fn display_text() {
    let bump = Bump::new(0, 1 << 22);
    let counting = CountingAllocator::init(bump.allocator());
    assert_eq!(
        counting.snapshot().to_string(),
        "alloc    0 calls, 0 refused\nresize   0 calls, 0 refused\nremap    0 calls, 0 refused\n\
         free     0 calls\ntotal    0 bytes\nlive     0 bytes in 0 blocks\npeak     0 bytes"
    );
    let allocator = counting.allocator();
    for (len, times) in [(3, 10), (8, 40), (20, 1), (70_000, 20), (1 << 20, 1)] {
        for time in 0..times {
            let memory = alloc(allocator, len).unwrap();
            if time > 0 {
                free(allocator, memory);
            }
        }
    }
    assert_eq!(alloc(allocator, 1 << 40), None);
    assert_eq!(
        counting.snapshot().to_string(),
        "\
alloc    73 calls, 1 refused
resize   0 calls, 0 refused
remap    0 calls, 0 refused
free     67 calls
total    2448946 bytes
live     1118607 bytes in 5 blocks
peak     1118607 bytes
sizes    to 4             10 ##########
         to 8             40 ########################################
         to 16             0
         to 32             1 #
         to 64             0
         to 128            0
         to 256            0
         to 512            0
         to 1 KiB          0
         to 2 KiB          0
         to 4 KiB          0
         to 8 KiB          0
         to 16 KiB         0
         to 32 KiB         0
         to 64 KiB         0
         to 128 KiB       20 ####################
         to 256 KiB        0
         to 512 KiB        0
         to 1 MiB          1 #
         to 2 MiB          0
         to 4 MiB          0
         to 8 MiB          0
         to 16 MiB         0
         to 32 MiB         0
         to 64 MiB         0
         to 128 MiB        0
         to 256 MiB        0
         to 512 MiB        0
         to 1 GiB          0
         to 2 GiB          0
         to 4 GiB          0
         to 8 GiB          0
         to 16 GiB         0
         to 32 GiB         0
         to 64 GiB         0
         to 128 GiB        0
         to 256 GiB        0
         to 512 GiB        0
         to 1 TiB          1 #"
    );
}

#[cfg(feature = "std")]
mod with_threads {
    use std::sync::Barrier;
    use std::thread;

    use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, RUST_ALLOCATOR, SMP_ALLOCATOR};
    use zigalloc::testing::{LedgerAllocator, check_all_allocation_failures};
    use zigalloc::{Error, SyncAllocator, ThreadSafeAllocator};

    use super::*;

    const THREADS: usize = 4;
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 500 };

    /// No addition is lost, and the peak is the sum over all threads: each holds one block while all wait at a barrier.
    #[test]
    fn peak_of_threads_is_exact() {
        let counting = CountingAllocator::init(SMP_ALLOCATOR);
        let allocator: SyncAllocator<'_> = counting.allocator();
        let barrier = Barrier::new(THREADS);
        thread::scope(|scope| {
            for n in 1..=THREADS {
                let barrier = &barrier;
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        let memory = alloc(*allocator, n * 1000).unwrap();
                        barrier.wait();
                        free(*allocator, memory);
                        barrier.wait();
                    }
                });
            }
        });
        let counts = counting.snapshot();
        let together = (1..=THREADS).map(|n| n * 1000).sum::<usize>();
        assert_eq!((counts.live_bytes, counts.live_blocks, counts.peak_live_bytes), (0, 0, together));
        let all = (THREADS * ROUNDS) as u64;
        assert_eq!((counts.alloc, counts.free), (calls(all, 0), all));
        assert_eq!(counts.total_bytes, (together * ROUNDS) as u64);
        assert_eq!(counts.alloc_sizes.iter().sum::<u64>(), all);
    }

    /// Without a barrier, the peak never exceeds what can be live: one block per thread, although blocks are
    /// shortened, refused, and handed over.
    #[test]
    fn peak_of_threads_is_never_too_high() {
        let counting = CountingAllocator::init(RUST_ALLOCATOR);
        let allocator = counting.allocator();
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        let memory = alloc(*allocator, 1000).unwrap();
                        // SAFETY: a live block, tracked below.
                        let len = unsafe {
                            match allocator.raw_resize(memory, Alignment::_8, 600, 0) {
                                true => 600,
                                false => 1000,
                            }
                        };
                        free(*allocator, NonNull::slice_from_raw_parts(memory.cast(), len));
                    }
                });
            }
        });
        let counts = counting.snapshot();
        assert_eq!((counts.live_bytes, counts.live_blocks), (0, 0));
        assert!((1000..=THREADS * 1000).contains(&counts.peak_live_bytes), "{counts}");
    }

    /// Every failure of the child is passed on, and the counts balance afterwards.
    #[test]
    fn every_child_failure_is_passed_on() {
        let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
        check_all_allocation_failures(ledger.allocator(), |child| {
            let counting = CountingAllocator::init(child);
            let result = (|| {
                let arena = ArenaAllocator::init(counting.allocator());
                for n in 1..4 {
                    arena.allocator().alloc::<u64>(n * 1000)?;
                }
                Ok::<(), Error>(())
            })();
            let counts = counting.snapshot();
            assert_eq!((counts.live_bytes, counts.live_blocks), (0, 0));
            // An arena makes a second attempt.
            assert_eq!(counts.alloc.refused, 2 * u64::from(result.is_err()));
            result
        })
        .unwrap();
        ledger.assert_no_leaks();
    }

    /// Above and below a lock, by value and by handle.
    #[test]
    fn counting_composes_with_a_lock() {
        let mut counting = CountingAllocator::init(PAGE_ALLOCATOR);
        let lock = ThreadSafeAllocator::new(&mut counting);
        let memory = alloc(*lock.allocator(), 10).unwrap();
        free(*lock.allocator(), memory);
        assert_eq!(counting.snapshot().free, 1);

        let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
        let lock = ThreadSafeAllocator::new(&mut arena);
        let counting = CountingAllocator::init(lock.allocator());
        let allocator = counting.allocator();
        thread::scope(|scope| {
            scope.spawn(move || alloc(*allocator, 10).unwrap().len());
        });
        assert_eq!(counting.snapshot().live_bytes, 10);
    }
}

/// Shows only the non-empty ones of the 65 classes; the index is that of the field.
#[test]
fn debug_shows_non_empty_classes_only() {
    let bump = Bump::new(0, 1000);
    let counting = CountingAllocator::init(bump.allocator());
    for len in [1, 16, 12, 2000] {
        alloc(counting.allocator(), len);
    }
    let text = format!("{:?}", counting.snapshot());
    assert!(text.starts_with("Counts { alloc: Calls { calls: 4, refused: 1 }, resize: "), "{text}");
    assert!(text.ends_with("peak_live_bytes: 29, alloc_sizes: {0: 1, 4: 2, 11: 1} }"), "{text}");
}
