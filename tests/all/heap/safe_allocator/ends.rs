//! Leaks, the end, and what the child gets back.

use rstest::rstest;
use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator};
use zigalloc_support::{Bump, Call, Recorder};

use super::*;

/// SA-1A, SA-29: leaks are counted, small and large ones, and reported if that is wanted; the child gets everything
/// back, in Zig's order, with a return address of 0.
#[rstest]
fn leaks_are_counted_and_freed(#[values(true, false)] log: bool) {
    let bump = Bump::new(0, 1 << 20);
    let recorder = Recorder::new(bump.allocator());
    let safe = SafeAllocator::init(recorder.allocator(), TRACED);
    let a = safe.allocator();
    let small = alloc(a, 5000, 16);
    let large = alloc(a, 9000, 1);
    let freed = alloc(a, 50, 1);
    free(a, freed, 1);
    let second = alloc(a, 5000, 1);
    let mut requests = recorder.take();
    let leaks = safe.deinit_log(log);
    assert_eq!((leaks, bump.live()), (3, 0));
    let frees = recorder.take();
    assert!(frees.iter().all(|call| matches!(call, Call::Free { ret_addr: 0, .. })), "{frees:#?}");
    // The table was requested first and is freed last; it has the bucket, the large block, the next bucket.
    requests.rotate_left(1);
    let of_request = |call: &Call| match *call {
        Call::Alloc { result, .. } => result,
        _ => None,
    };
    let of_free = |call: &Call| match *call {
        Call::Free { address, .. } => Some(address),
        _ => None,
    };
    assert!(requests.iter().map(of_request).eq(frees.iter().map(of_free)), "{requests:#?} {frees:#?}");
    let reports = reports();
    if !log {
        return assert_eq!(reports, []);
    }
    let found: Vec<_> = reports.iter().map(|r| (r.kind, r.address, r.recorded_len)).collect();
    let leak = |memory: NonNull<[u8]>| (ReportKind::Leak, address(memory), Some(memory.len()));
    assert_eq!(found, [leak(small), leak(large), leak(second)]);
    assert!(reports.iter().all(|report| report.allocation.addresses()[0] == 0xA110C));
}

/// SA-1A: leaks of one place are one report, and the rest is counted.
#[test]
fn leaks_are_grouped_and_limited() {
    let options = SafeOptions { group_leaks: true, leak_limit: 1, ..TRACED };
    let mut safe = SafeAllocator::init(PAGE_ALLOCATOR, options);
    let a = *safe.allocator();
    for len in 1..=100 {
        alloc(a, len, 1);
    }
    // SAFETY: the length is not zero.
    unsafe { a.raw_alloc(7, Alignment::_1, 0x7777) }.expect("memory");
    assert_eq!(safe.reset(), 101);
    let reports = reports();
    let found: Vec<_> = reports.iter().map(|r| (r.kind, r.count, r.total_len)).collect();
    let rest = (ReportKind::MoreLeaks, 1, Some(7));
    assert_eq!(found, [(ReportKind::Leak, 100, Some(5050)), rest]);
    assert_eq!(safe.count(ReportKind::Leak), 101);
    assert!(reports[0].to_string().starts_with("SafeAllocator: leak: "), "{}", reports[0]);
    // It is empty, and can be used again.
    assert_eq!(safe.reset(), 0);
    let memory = alloc(*safe.allocator(), 10, 1);
    free(*safe.allocator(), memory, 1);
    assert_eq!(safe.deinit(), 0);
}

/// SA-1A: dropping it is a `deinit`, but reports no leaks while a panic unwinds; a report function that panics does not
/// keep memory from the child.
#[test]
fn drop_frees_all_memory() {
    let bump = Bump::new(0, 1 << 20);
    let leak = |report: fn(&Report)| {
        let safe = SafeAllocator::init(bump.allocator(), SafeOptions { report, ..TRACED });
        alloc(safe.allocator(), 100, 1);
        safe
    };
    drop(leak(remember));
    assert_eq!((kinds(), bump.live()), (vec![ReportKind::Leak], 0));
    let unwinding = std::panic::AssertUnwindSafe(|| {
        let _safe = leak(remember);
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(std::panic::catch_unwind(unwinding).is_err());
    assert_eq!((kinds(), bump.live()), (vec![], 0));
    let panics = std::panic::AssertUnwindSafe(|| drop(leak(|_| std::panic::resume_unwind(Box::new(())))));
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(bump.live(), 0);
}

/// SA-13, SA-16: a bucket is freed when it is retired and its last block is freed, whichever is later; with the return
/// address of that call.
#[test]
fn buckets_are_freed_with_their_last_block() {
    let bump = Bump::new(0, 1 << 20);
    let recorder = Recorder::new(bump.allocator());
    let safe = SafeAllocator::init(recorder.allocator(), PLAIN);
    let a = safe.allocator();
    let first = alloc(a, 5000, 1);
    free(a, first, 1);
    let second = alloc(a, 5000, 1);
    let calls = recorder.take();
    let [Call::Alloc { .. }, Call::Alloc { .. }, freed, Call::Alloc { .. }] = calls[..] else {
        panic!("{calls:#?}")
    };
    let bucket = |memory: NonNull<[u8]>, ret_addr| Call::Free {
        address: address(memory) - 16,
        len: 8192,
        alignment: align(8192),
        ret_addr,
    };
    assert_eq!(freed, bucket(first, 0xA110C));
    let third = alloc(a, 5000, 1);
    assert!(matches!(recorder.take()[..], [Call::Alloc { .. }]));
    free(a, second, 1);
    assert_eq!(recorder.take(), [bucket(second, 0xF4EE)]);
    free(a, third, 1);
    assert_eq!(recorder.take(), []);
    assert_eq!(safe.deinit(), 0);
}

/// SA-17: a large block goes back at once, with its whole length.
#[test]
fn large_blocks_are_freed_at_once() {
    let bump = Bump::new(0, 1 << 20);
    let recorder = Recorder::new(bump.allocator());
    let safe = SafeAllocator::init(recorder.allocator(), PLAIN);
    let memory = alloc(safe.allocator(), 7001, 64);
    recorder.take();
    free(safe.allocator(), memory, 64);
    let len = 7008 + 8 + 3 * size_of::<usize>();
    let address = address(memory);
    assert_eq!(recorder.take(), [Call::Free { address, len, alignment: align(64), ret_addr: 0xF4EE }]);
}

/// SA-01, SA-11, SO-05: entries of freed buckets are used again; then the newest segment, then a new one.
#[test]
fn entries_are_reused_and_segments_added() {
    let bump = Bump::new(0, 8 << 20);
    let recorder = Recorder::new(bump.allocator());
    let options = SafeOptions { block_size_log2: 8, ..PLAIN };
    let entries = 256 / size_of::<usize>();
    let segment = 256 + size_of::<usize>();
    let safe = SafeAllocator::init(recorder.allocator(), options);
    let segments = || {
        let is_segment = |call: &&Call| matches!(call, Call::Alloc { len, .. } if *len == segment);
        recorder.take().iter().filter(is_segment).count()
    };
    let mut blocks: Vec<_> = (0..entries).map(|_| alloc(safe.allocator(), 7000, 1)).collect();
    assert_eq!(segments(), 1);
    let freed = blocks.swap_remove(3);
    free(safe.allocator(), freed, 1);
    blocks.push(alloc(safe.allocator(), 7000, 1));
    assert_eq!(segments(), 0);
    blocks.push(alloc(safe.allocator(), 7000, 1));
    assert_eq!(segments(), 1);
    for memory in blocks {
        free(safe.allocator(), memory, 1);
    }
    assert_eq!((safe.deinit(), bump.live()), (0, 0));
}

/// SA-12, SA-13: without memory, a call fails and changes nothing, but a full bucket is retired.
#[test]
fn refused_requests_change_nothing() {
    let bump = Bump::new(0, 1 << 20);
    let safe = SafeAllocator::init(bump.allocator(), PLAIN);
    let a = safe.allocator();
    bump.refuses_from.set(0);
    assert_eq!((try_alloc(a, 10, 1), try_alloc(a, 10_000, 1)), (None, None));
    bump.refuses_from.set(usize::MAX);
    let first = alloc(a, 5000, 1);
    bump.refuses_from.set(0);
    assert_eq!((try_alloc(a, 5000, 1), try_alloc(a, 10_000, 1)), (None, None));
    assert_eq!(try_alloc(a, 10, 1), None, "the bucket is retired");
    assert!(resize(a, first, 1, 5001), "it is still the last block of its bucket");
    bump.refuses_from.set(usize::MAX);
    free(a, block(first.cast(), 5001), 1);
    assert_eq!((safe.deinit(), bump.live()), (0, 0));
    assert_eq!(reports(), []);
}

/// SO-04: the options decide what is large.
#[cfg(target_pointer_width = "64")]
#[test]
fn bucket_size_decides_what_is_large() {
    let bump = Bump::new(0, 1 << 20);
    let recorder = Recorder::new(bump.allocator());
    let options = SafeOptions { bucket_size_log2: 8, ..PLAIN };
    let safe = SafeAllocator::init(recorder.allocator(), options);
    let footer = 8 + 3 * size_of::<usize>();
    let small = alloc(safe.allocator(), (191 - footer) & !7, 1);
    let large = alloc(safe.allocator(), 192 - footer, 1);
    let lens: Vec<_> =
        recorder.take().iter().map(|call| matches!(call, Call::Alloc { len: 256, .. })).collect();
    assert_eq!(lens, [false, true, false], "the table, the bucket, the block");
    free(safe.allocator(), small, 1);
    free(safe.allocator(), large, 1);
}
