//! Grouping of leaks by call site, the limit of reports, and the cost of a search.

use std::time::{Duration, Instant};

use rstest::rstest;
use zigalloc::heap::{Check, DebugAllocator, FixedBufferAllocator, PAGE_ALLOCATOR, RUST_ALLOCATOR};
use zigalloc::{SyncAllocator, return_address};

use super::*;

const GROUPED: DebugConfig =
    DebugConfig { stack_trace_frames: 2, group_leaks: true, leak_limit: 100, ..CONFIG };

/// Allocates from one of many call sites.
fn alloc_at(a: Allocator<'_>, len: usize, place: usize) -> NonNull<[u8]> {
    // SAFETY: the length is not zero.
    block(unsafe { a.raw_alloc(len, align(1), place) }.unwrap(), len)
}

/// Leaks from one call site, small and large, of several classes and pages, are one report, with their number, their
/// total bytes, and the first of them.
#[test]
fn leaks_from_one_call_site_are_one_report() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, GROUPED);
    let a = *debug.allocator();
    let lengths: Vec<usize> = (0..65).map(|n| [64, 50_000, 64, 3000, 64][n % 5]).collect();
    let blocks: Vec<_> = lengths.iter().map(|&len| alloc_at(a, len, 0x111)).collect();
    let (first, total) = (blocks[0], lengths.iter().sum());
    let lone = alloc_at(a, 7, 0x222);
    assert_eq!((debug.detect_leaks(), debug.count(ReportKind::Leak)), (66, 66));
    let found: Vec<_> =
        reports().iter().map(|leak| (leak.address, leak.count, leak.total_len, leak.recorded_len)).collect();
    let of_many = (address(first), 65, Some(total), Some(64));
    assert_eq!(found, [(address(lone), 1, Some(7), Some(7)), of_many], "shorter blocks come first");
    debug.deinit_without_leak_checks();
}

/// The text of a report.
#[test]
#[cfg_attr(miri, ignore = "to save time: it tests a text, which is the same in Miri")]
fn group_report_text() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, GROUPED);
    for _ in 0..1024 {
        alloc_at(*debug.allocator(), 64, 0x111);
    }
    assert_eq!(debug.detect_leaks(), 1024);
    let [leak] = reports()[..] else { panic!() };
    let text = leak.to_string();
    assert!(
        text.starts_with("DebugAllocator: leak: 1,024 blocks, 65,536 bytes, the first of 64 bytes at 0x"),
        "{text}"
    );
    assert!(text.contains(", aligned to 1\n  allocated at:\n    "), "{text}");
    assert_eq!((leak.count, leak.total_len), (1024, Some(65_536)));
    assert_eq!(debug.deinit(), Check::Leak);
    reports();
}

/// Without traces there is no call site: all leaks are one report, which names the option that stores traces.
#[test]
fn leaks_without_traces_are_one_report() {
    let config = DebugConfig { stack_trace_frames: 0, ..GROUPED };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    let first = alloc_at(*debug.allocator(), 10, 0x111);
    alloc_at(*debug.allocator(), 5000, 0x222);
    assert_eq!(debug.detect_leaks(), 2);
    let [leak] = reports()[..] else { panic!() };
    assert_eq!((leak.count, leak.total_len, leak.address), (2, Some(5010), address(first)));
    let text = leak.to_string();
    assert!(
        text.contains("allocated at: not stored; DebugConfig::stack_trace_frames, which is 0, is"),
        "{text}"
    );
    debug.deinit_without_leak_checks();
}

/// Without safety the length of a small block is not known, and so neither is the total.
#[test]
fn unknown_lengths_have_no_total() {
    let config = DebugConfig { safety: false, ..GROUPED };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    for len in [10, 10, 50_000] {
        alloc_at(*debug.allocator(), len, 0x111);
    }
    assert_eq!(debug.detect_leaks(), 3);
    let found = reports();
    assert_eq!(found.iter().map(|leak| leak.count).sum::<usize>(), 3);
    assert!(found.iter().all(|leak| leak.count == 1 || leak.total_len.is_none()));
    assert!(found[0].to_string().contains("at 0x"), "{}", found[0]);
    debug.deinit_without_leak_checks();
}

/// Beyond the limit, the leaks with the fewest bytes are omitted, and the last report says how many these are.
#[rstest]
fn leak_limit_keeps_the_largest_groups(
    #[values(true, false)] group_leaks: bool,
    #[values(0, 1, 5)] leak_limit: usize,
) {
    let config = DebugConfig { group_leaks, leak_limit, ..GROUPED };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    // Five call sites, the last of which have the most bytes; the order is that of the blocks.
    let blocks = [1, 2, 3, 4, 5000].map(|len| alloc_at(*debug.allocator(), len, 0x1000 * len));
    assert_eq!(debug.detect_leaks(), 5);
    let mut found = reports();
    if leak_limit < 5 {
        let more = found.pop().unwrap();
        assert_eq!(
            (more.kind, more.left_out, more.count),
            (ReportKind::MoreLeaks, 5 - leak_limit, 5 - leak_limit)
        );
        let bytes = if leak_limit == 0 { 5010 } else { 10 };
        assert_eq!(more.total_len, Some(bytes));
        let text = more.to_string();
        let [count, bytes] = if leak_limit == 0 { ["5", "5,010"] } else { ["4", "10"] };
        let expected = format!(
            "DebugAllocator: {count} more leaks are left out (leak_limit): {count} blocks, {bytes} bytes"
        );
        assert_eq!(text, expected);
    }
    let found: Vec<_> = found.iter().map(|leak| leak.address).collect();
    assert_eq!(found, blocks[5 - leak_limit..].iter().map(|memory| address(*memory)).collect::<Vec<_>>());
    assert_eq!(debug.count(ReportKind::Leak), 5, "those that are left out count");
    debug.deinit_without_leak_checks();
}

/// More call sites than the list initially has room for, over a child without memory: the list is not from the child.
#[test]
fn group_list_grows_without_the_child() {
    const PLACES: usize = if cfg!(miri) { 70 } else { 3000 };
    let mut buffer = Box::new_uninit_slice(1 << 20);
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let config = DebugConfig { leak_limit: usize::MAX, safety: true, ..SMALL_PAGES };
    let config = DebugConfig { stack_trace_frames: 1, group_leaks: true, ..config };
    let debug = DebugAllocator::with_config(fixed_buffer.allocator(), config);
    let blocks: Vec<_> =
        (1..=PLACES).flat_map(|n| [n, n].map(|n| alloc_at(debug.allocator(), 8, 0x100 * n))).collect();
    for len in [1 << 16, 1 << 10, 16] {
        // SAFETY: the length is not zero.
        while unsafe { fixed_buffer.allocator().raw_alloc(len, align(1), 0) }.is_some() {}
    }
    assert_eq!(debug.detect_leaks(), 2 * PLACES);
    let found = reports();
    assert_eq!(found.iter().map(|leak| leak.count).sum::<usize>(), 2 * PLACES);
    if return_address() == 0 || cfg!(not(feature = "backtrace")) {
        assert_eq!(found.len(), PLACES);
        assert!(found.iter().all(|leak| (leak.count, leak.total_len) == (2, Some(16))));
    }
    blocks.into_iter().for_each(|memory| free(debug.allocator(), memory, 1));
    assert_eq!(debug.deinit(), Check::Ok);
}

/// Returns the time that the given number of searches takes.
fn time_of_searches(searches: usize, debug: &DebugAllocator<SyncAllocator<'_>>, leaks: usize) -> Duration {
    let begin = Instant::now();
    (0..searches).for_each(|_| assert_eq!(debug.detect_leaks(), leaks));
    begin.elapsed()
}

/// Eight times as many leaks take about eight times as long, whether large blocks or in many pages. (It was 90 and
/// 190 times when the search started over for every 16 leaks.)
#[rstest]
#[case(33_000, 128 << 10)]
#[case(1000, 4096)]
#[cfg_attr(miri, ignore = "it needs too much memory for Miri")]
fn leak_search_is_linear(
    #[case] len: usize,
    #[case] page_size: usize,
    #[values(true, false)] group_leaks: bool,
) {
    fn ignore(_: &Report) {}
    let config = DebugConfig { group_leaks, report: ignore, stack_trace_frames: 0, page_size, ..GROUPED };
    let counts = [4_000, 32_000];
    let [few, many] = counts.map(|count| {
        let debug = DebugAllocator::with_config(RUST_ALLOCATOR, config);
        (0..count).for_each(|_| _ = alloc(*debug.allocator(), len, 1));
        debug
    });
    // Interleaved and equally long, so that other load on the machine affects both. One undisturbed pair is enough.
    let ratios = (0..30).map(|_| {
        let [few, many] = [time_of_searches(8, &few, counts[0]), time_of_searches(1, &many, counts[1])];
        many.as_secs_f64() / few.as_secs_f64()
    });
    let mut least = f64::INFINITY;
    let ratio = ratios
        .map(|ratio| {
            least = least.min(ratio);
            least
        })
        .find(|&least| least < 6.0)
        .unwrap_or(least);
    assert!(ratio < 6.0, "one search among eight times as many takes {ratio} times as long as eight");
    for debug in [few, many] {
        debug.deinit_without_leak_checks();
    }
}
