//! The options.

use rstest::rstest;
use zigalloc::heap::{PAGE_ALLOCATOR, PAGE_SIZE_MAX, SafeAllocator};
use zigalloc_support::Bump;

use super::*;

/// SO-01, SO-02, SO-03, SO-04, SO-05: the defaults.
#[test]
fn defaults_are_zigs() {
    let SafeOptions { stack_trace_frames, check_write_after_free, canary, .. } = SafeOptions::DEFAULT;
    let frames = if cfg!(feature = "backtrace") { 7 } else { 1 };
    assert_eq!(stack_trace_frames, if cfg!(debug_assertions) { frames } else { 0 });
    assert_eq!(check_write_after_free, cfg!(debug_assertions));
    assert_eq!(canary, 0x85df_f10f);
    let page = PAGE_SIZE_MAX.ilog2() as u8;
    assert_eq!(SafeOptions::DEFAULT.bucket_size_log2, page.max(13));
    assert_eq!(SafeOptions::DEFAULT.block_size_log2, page.max(8));
    assert_eq!(format!("{:?}", SafeOptions::default()), format!("{:?}", SafeOptions::DEFAULT));
    assert!(format!("{:?}", SafeOptions::DEFAULT).contains("canary: 0x85dff10f"));
}

/// The bytes of a footer.
fn footer(memory: NonNull<[u8]>, len: usize) -> Vec<u8> {
    let offset = (memory.len() + 7) & !7;
    // SAFETY: the footer is in the bucket, which the pointer may access; it is written.
    (0..len).map(|index| unsafe { memory.cast::<u8>().add(offset + index).read() }).collect()
}

/// SO-03, SA-03, SA-08: the canary is in the checksum, and in nothing else.
#[rstest]
fn canary_is_mixed_into_the_checksum(#[values(1, 16)] alignment: usize) {
    let bump = Bump::new(0, 1 << 20);
    let footers = [0, 0x1234_5678].map(|canary| {
        let safe = SafeAllocator::init(PAGE_ALLOCATOR, SafeOptions { canary, ..PLAIN });
        let memory = alloc(*safe.allocator(), 24, alignment);
        let bytes = footer(memory, 8);
        free(*safe.allocator(), memory, alignment);
        (address(memory), bytes)
    });
    drop(bump);
    let [(first, without), (second, with)] = footers;
    if first != second {
        // The pages were not the same ones, so the checksums do not compare.
        return;
    }
    let word = |bytes: &[u8]| u32::from_ne_bytes(bytes[..4].try_into().unwrap());
    assert_eq!(word(&without) ^ word(&with), 0x1234_5678);
    assert_eq!(without[4..], with[4..]);
}

/// SA-03, SA-04: the length is in 13 bits, the alignment in two, and whether the footer before is extended in the last.
#[cfg(target_pointer_width = "64")]
#[test]
fn footer_has_length_and_alignment_in_bits() {
    let safe = SafeAllocator::init(PAGE_ALLOCATOR, PLAIN);
    let a = *safe.allocator();
    let data = |memory| u16::from_ne_bytes(footer(memory, 8)[6..].try_into().unwrap());
    let first = alloc(a, 100, 4);
    assert_eq!(data(first), 100 | 2 << 13);
    let second = alloc(a, 100, 64);
    assert_eq!(data(second), (8176 + 1) | 2 << 13, "log2 6: one above four, and two");
    let extension = footer(second, 24);
    assert_eq!(extension[8..16], 100_usize.to_ne_bytes());
    assert_eq!(extension[16..], (address(first) + 104).to_ne_bytes(), "the footer before");
    let third = alloc(a, 1, 1);
    assert_eq!(data(third), 1 | 1 << 15);
    let large = alloc(a, 8000, 8);
    assert_eq!(data(large), 8176 | 3 << 13);
    for (memory, alignment) in [(first, 4), (second, 64), (third, 1), (large, 8)] {
        free(a, memory, alignment);
    }
    assert_eq!((safe.deinit(), reports()), (0, vec![]));
}

/// SO-02, SA-16: a freed block is overwritten, if that is checked.
#[rstest]
fn freed_blocks_are_overwritten(#[values(true, false)] check_write_after_free: bool) {
    let safe = SafeAllocator::init(PAGE_ALLOCATOR, SafeOptions { check_write_after_free, ..PLAIN });
    let memory = alloc(*safe.allocator(), 30, 1);
    free(*safe.allocator(), memory, 1);
    // SAFETY: the bucket is live, and its pointer may access it.
    let bytes: Vec<u8> = (0..30).map(|n| unsafe { memory.cast::<u8>().add(n).read() }).collect();
    let expected = if check_write_after_free { 0x55 } else { 0xEE };
    assert_eq!(bytes, [expected; 30]);
    assert_eq!(safe.deinit(), 0);
}

/// SO-01, SA-05, SA-06: traces take room after each block, at a multiple of 8.
#[cfg(target_pointer_width = "64")]
#[rstest]
#[case(0, 8)]
#[case(1, 8 + 2 * 16)]
#[case(7, 136)]
fn traces_take_room(#[case] stack_trace_frames: usize, #[case] footer: usize) {
    let options = SafeOptions { stack_trace_frames, skip_frames: &[], ..PLAIN };
    let safe = SafeAllocator::init(PAGE_ALLOCATOR, options);
    let a = *safe.allocator();
    let blocks = [alloc(a, 3, 1), alloc(a, 3, 1)];
    assert_eq!(address(blocks[1]) - address(blocks[0]), 8 + footer);
    blocks.into_iter().for_each(|memory| free(a, memory, 1));
    assert_eq!(safe.deinit(), 0);
}

#[rstest]
#[case(SafeOptions { bucket_size_log2: 7, ..PLAIN })]
#[case(SafeOptions { bucket_size_log2: 31, ..PLAIN })]
#[case(SafeOptions { block_size_log2: 7, ..PLAIN })]
#[case(SafeOptions { block_size_log2: 31, ..PLAIN })]
#[case(SafeOptions { stack_trace_frames: 33, ..PLAIN })]
#[should_panic(expected = "SafeOptions: ")]
fn options_out_of_range_panic(#[case] options: SafeOptions) {
    let _ = SafeAllocator::init(PAGE_ALLOCATOR, options);
}
