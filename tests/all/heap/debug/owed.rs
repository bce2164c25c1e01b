//! A debug allocator frees each block of its child exactly once, however the block's life ended.

use rstest::rstest;
use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR, RUST_ALLOCATOR};
use zigalloc::testing::LedgerAllocator;
use zigalloc_support::Random;

use super::*;

const LARGE: usize = 5000;

/// Moves a block of the child to another address, by a remap.
fn moved(a: Allocator<'_>, memory: NonNull<[u8]>, new_len: usize) -> NonNull<[u8]> {
    block(remap(a, memory, 1, new_len).expect("this child moves"), new_len)
}

/// How remembered blocks are forgotten.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Deinit,
    Drop,
    Flush,
}

impl End {
    fn run(self, debug: DebugAllocator<Allocator<'_>>) {
        match self {
            End::Deinit => assert_eq!(debug.deinit(), Check::Ok),
            End::Drop => drop(debug),
            End::Flush => {
                debug.flush_retained_metadata();
                // Nothing is left, and freeing nothing twice is harmless.
                debug.flush_retained_metadata();
                debug.deinit_without_leak_checks();
            }
        }
    }
}

/// DA-18, DC-06, DC-07: the old address of a moved block is remembered, but the child's `remap` has freed the block.
/// The ledger aborts on a double free.
#[rstest]
fn moved_large_block_is_freed_once(
    #[values(false, true)] never_unmap: bool,
    #[values(false, true)] retain_metadata: bool,
    #[values(0, 1 << 20)] quarantine: usize,
    #[values(End::Deinit, End::Drop, End::Flush)] end: End,
) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    // To the ledger, a moving remap of the child is an alloc and a free.
    let moves = Moves(ledger.allocator());
    let config = DebugConfig { never_unmap, retain_metadata, quarantine, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(moves.allocator(), config);
    let a = debug.allocator();
    let [first, second] = [LARGE, 2 * LARGE].map(|len| alloc(a, len, 1));
    let first = moved(a, first, 10 * LARGE);
    let again = moved(a, first, 11 * LARGE);
    free(a, again, 1);
    free(a, second, 1);
    free(a, first, 1);
    let kind = kinds();
    assert!(kind == [ReportKind::DoubleFree], "the second remap ended it: {kind:?}");
    end.run(debug);
    // Two large blocks are kept permanently, and nothing else.
    assert_eq!(ledger.live(), if never_unmap && !retain_metadata { 2 } else { 0 });
}

/// The same over glibc, which moves blocks at its discretion and aborts on a double free.
#[rstest]
#[case(End::Deinit)]
#[case(End::Drop)]
#[case(End::Flush)]
fn block_that_malloc_moved_is_freed_once(#[case] end: End) {
    let config = DebugConfig { never_unmap: true, retain_metadata: true, report: remember, ..CONFIG };
    let ledger = LedgerAllocator::init(RUST_ALLOCATOR);
    for child in [ledger.allocator(), *RUST_ALLOCATOR] {
        let debug = DebugAllocator::with_config(child, config);
        let a = debug.allocator();
        let [first, second] = [100_000, 200_000].map(|len| alloc(a, len, 1));
        let first = match remap(a, first, 1, 10_000_000) {
            Some(memory) => block(memory, 10_000_000),
            None => first,
        };
        free(a, first, 1);
        free(a, second, 1);
        end.run(debug);
    }
    ledger.assert_no_leaks();
}

/// A resized block is freed with the length that it has in the child.
#[rstest]
fn resized_block_is_freed_with_its_new_length(
    #[values(false, true)] never_unmap: bool,
    #[values(0, 1 << 20)] quarantine: usize,
    #[values(End::Deinit, End::Drop, End::Flush)] end: End,
) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let config = DebugConfig { never_unmap, retain_metadata: true, quarantine, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(ledger.allocator(), config);
    let a = debug.allocator();
    let [shorter, remapped] = [50_000, 60_000].map(|len| alloc(a, len, 1));
    assert!(resize(a, shorter, 1, 40_000));
    let new = remap(a, remapped, 1, LARGE).expect("pages can be shortened");
    free(a, block(shorter.cast(), 40_000), 1);
    free(a, block(new, LARGE), 1);
    assert_eq!(reports(), []);
    end.run(debug);
    ledger.assert_no_leaks();
}

/// An address that the child hands out again, as a block or as a page, is freed once, as what it currently is.
#[rstest]
fn reused_address_is_freed_once(
    #[values(false, true)] never_unmap: bool,
    #[values(End::Deinit, End::Drop, End::Flush)] end: End,
) {
    let mut buffer = Box::new_uninit_slice(1 << 18);
    let fixed_buffer = zigalloc::heap::FixedBufferAllocator::init(&mut buffer);
    let ledger = LedgerAllocator::init(fixed_buffer.allocator());
    let moves = Moves(ledger.allocator());
    let config = DebugConfig { never_unmap, retain_metadata: true, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(moves.allocator(), config);
    let a = debug.allocator();
    // The last block of a fixed buffer moves past itself, and the old one is not reused; freed at the end of the
    // buffer, it is.
    let first = alloc(a, LARGE, 1);
    let second = moved(a, first, LARGE + 1);
    free(a, second, 1);
    let third = alloc(a, LARGE + 1, 1);
    assert_eq!(address(third) == address(second), !never_unmap);
    let fourth = moved(a, third, LARGE + 2);
    free(a, fourth, 1);
    let page = alloc(a, 10, 1);
    free(a, page, 1);
    free(a, first, 1);
    assert_eq!(kinds(), [ReportKind::DoubleFree]);
    end.run(debug);
    ledger.assert_no_leaks();
}

/// Random programs of large and small blocks, over a child that moves each remapped block, with every combination of
/// the options that decide when memory is freed. The ledger aborts on a double free or a wrong length; a block kept
/// too long is still live at the end.
#[rstest]
fn random_programs_free_each_block_once(
    #[values(false, true)] never_unmap: bool,
    #[values(0, 20_000)] quarantine: usize,
    #[values(false, true)] pages: bool,
) {
    for seed in 1..=if cfg!(miri) { 1 } else { 40 } {
        let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
        let moves = Moves(ledger.allocator());
        let child = if pages { ledger.allocator() } else { moves.allocator() };
        let config = DebugConfig { never_unmap, retain_metadata: true, quarantine, ..SMALL_PAGES };
        let debug = DebugAllocator::with_config(child, config);
        let a = debug.allocator();
        let mut random = Random::new(seed);
        let mut next = |end: usize| random.below(end);
        let mut live: Vec<NonNull<[u8]>> = Vec::new();
        let mut dead: Vec<NonNull<[u8]>> = Vec::new();
        for _ in 0..if cfg!(miri) { 25 } else { 300 } {
            let len = if next(3) == 0 { 1 + next(900) } else { 1100 + next(20_000) };
            match (next(10), live.is_empty()) {
                (0..4, _) | (_, true) => live.push(alloc(a, len, 1)),
                (4..6, _) => {
                    let index = next(live.len());
                    let memory = live[index];
                    if let Some(new) = remap(a, memory, 1, len) {
                        if new != memory.cast() {
                            dead.push(memory);
                        }
                        live[index] = block(new, len);
                    }
                }
                (6, _) => {
                    let index = next(live.len());
                    if resize(a, live[index], 1, len) {
                        live[index] = block(live[index].cast(), len);
                    }
                }
                (7, _) if next(8) == 0 => {
                    debug.flush_retained_metadata();
                    dead.clear();
                }
                _ => {
                    let memory = live.swap_remove(next(live.len()));
                    free(a, memory, 1);
                    dead.push(memory);
                }
            }
            // An error in between changes nothing, as long as the address is not in use again.
            if next(10) == 0 && !dead.is_empty() {
                let memory = dead[next(dead.len())];
                if live.iter().all(|other| address(*other) != address(memory)) {
                    free(a, memory, 1);
                    assert_eq!(reports().len(), 1);
                }
            }
        }
        live.into_iter().for_each(|memory| free(a, memory, 1));
        assert_eq!(reports(), []);
        assert_eq!(debug.deinit(), Check::Ok);
        ledger.assert_no_leaks();
    }
}
