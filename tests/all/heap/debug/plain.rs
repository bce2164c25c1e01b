//! The fast paths, used if no traces are stored and no bytes are counted: they return and do what the slow path does.

use zigalloc::SyncAllocator;
use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR};
use zigalloc_support::{Bump, Random};

use super::*;

/// The configuration of fast builds.
const PLAIN: DebugConfig = DebugConfig { stack_trace_frames: 0, safety: false, ..SMALL_PAGES };
/// With lengths and alignments.
const CHECKED: DebugConfig = DebugConfig { safety: true, ..PLAIN };

/// The observable part of an address: its offset in its page.
fn offset(address: usize) -> usize {
    address % PLAIN.page_size
}

/// Allocates and frees at random, with occasional errors, and records what can be observed.
fn story(config: DebugConfig, seed: u64) -> Vec<String> {
    // No address is reused, which would make the story depend on chance.
    let config = DebugConfig { keep_empty_pages: false, ..config };
    let bump = Bump::new(0, if cfg!(miri) { 1 << 20 } else { 16 << 20 });
    let debug = DebugAllocator::with_config(bump.allocator(), config);
    let allocator = debug.allocator();
    let mut random = Random::new(seed);
    let (mut live, mut dead) = (Vec::<(NonNull<[u8]>, usize)>::new(), Vec::<(NonNull<[u8]>, usize)>::new());
    let mut story = Vec::new();
    for _ in 0..if cfg!(miri) { 60 } else { 5000 } {
        match random.within(0..=9) {
            0..4 => {
                let alignment = 1 << random.within(0..=4);
                let memory = alloc(allocator, 1 + random.within(0..=199), alignment);
                story.push(std::format!("alloc {}", offset(address(memory))));
                live.push((memory, alignment));
            }
            4..6 if !live.is_empty() => {
                let (memory, alignment) = live.swap_remove(random.below(live.len()));
                free(allocator, memory, alignment);
                dead.push((memory, alignment));
            }
            9 if !live.is_empty() => {
                let (memory, alignment) = live.swap_remove(random.below(live.len()));
                let slot = memory.len().max(alignment).next_power_of_two();
                let (mut len, mut given) = (memory.len(), alignment);
                match random.within(0..=3) {
                    0 => len = 1 + random.below(slot),
                    1 => given = 1 << random.within(0..=4),
                    _ if slot > len => {
                        let index = len + random.below(slot - len);
                        // SAFETY: in the slot.
                        unsafe { memory.cast::<u8>().add(index).write(random.number() as u8) };
                    }
                    _ => {}
                }
                free(allocator, block(memory.cast(), len), given);
                dead.push((memory, alignment));
            }
            6 if !dead.is_empty() => {
                let (memory, alignment) = dead[random.below(dead.len())];
                free(allocator, memory, alignment);
            }
            7 if !live.is_empty() => {
                let (memory, _) = live[random.below(live.len())];
                if memory.len() > 1 {
                    // SAFETY: inside the block.
                    let inside = unsafe { memory.cast::<u8>().add(1) };
                    free(allocator, block(inside, 1), 1);
                }
            }
            _ => {
                let foreign = 0_u8;
                free(allocator, block(NonNull::from(&foreign), 1), 1);
            }
        }
        for report in reports() {
            let Report { kind, inside, len, recorded_len, recorded_alignment, overrun, .. } = report;
            let inside = inside.map(offset);
            story.push(std::format!(
                "{kind:?} {inside:?} {len} {recorded_len:?} {recorded_alignment:?} {overrun:?}"
            ));
        }
    }
    assert_eq!(debug.detect_leaks(), live.len());
    reports();
    live.into_iter().for_each(|(memory, alignment)| free(allocator, memory, alignment));
    assert_eq!((debug.detect_leaks(), reports().len()), (0, 0));
    story
}

#[rstest::rstest]
#[case(PLAIN, &["DoubleFree", "InvalidFree Some", "InvalidFree None"])]
#[case(CHECKED, &["DoubleFree", "InvalidFree Some", "WrongLength", "WrongAlignment", "Overrun"])]
fn fast_and_slow_paths_agree(#[case] config: DebugConfig, #[case] mistakes: &[&str]) {
    // Counting bytes takes the slow path.
    let counted = DebugConfig { enable_memory_limit: true, ..config };
    for seed in 1..if cfg!(miri) { 2 } else { 20 } {
        let quick = story(config, seed);
        for mistake in mistakes.iter().filter(|_| !cfg!(miri)) {
            assert!(quick.iter().any(|line| line.starts_with(mistake)), "{mistake}: {quick:?}");
        }
        assert_eq!(quick, story(counted, seed));
    }
}

#[test]
fn threads_get_disjoint_blocks() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, PLAIN);
    let allocator: SyncAllocator<'_> = debug.allocator();
    std::thread::scope(|scope| {
        for thread in 0..if cfg!(miri) { 3 } else { 8 } {
            scope.spawn(move || {
                let mut live = std::collections::VecDeque::new();
                for n in 0..if cfg!(miri) { 20 } else { 20_000 } {
                    let memory = alloc(*allocator, 1 + n * 31 % 200, 1);
                    // SAFETY: the block has that many bytes.
                    unsafe { memory.cast::<u8>().write_bytes(thread, memory.len()) };
                    live.push_back(memory);
                    if live.len() > 10 || n % 7 == 0 {
                        let oldest: NonNull<[u8]> = live.pop_front().unwrap();
                        // SAFETY: all bytes are written.
                        assert!(unsafe { oldest.as_ref() }.iter().all(|&byte| byte == thread));
                        free(*allocator, oldest, 1);
                    }
                }
                live.into_iter().for_each(|memory| free(*allocator, memory, 1));
                assert_eq!(reports(), []);
            });
        }
    });
    assert_eq!(debug.detect_leaks(), 0);
    assert_eq!(debug.deinit(), Check::Ok);
}
