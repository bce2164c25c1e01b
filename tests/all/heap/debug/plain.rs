//! The fast path, used if nothing but its existence is stored of a block: it returns and does what the slow path does.

use zigalloc::SyncAllocator;
use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR};
use zigalloc_support::{Bump, Random};

use super::*;

/// The configuration of fast builds.
const PLAIN: DebugConfig = DebugConfig { stack_trace_frames: 0, safety: false, ..SMALL_PAGES };
/// The same with bytes counted, which takes the slow path.
const COUNTED: DebugConfig = DebugConfig { enable_memory_limit: true, ..PLAIN };

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
    let (mut live, mut dead) = (Vec::<NonNull<[u8]>>::new(), Vec::<NonNull<[u8]>>::new());
    let mut story = Vec::new();
    for _ in 0..if cfg!(miri) { 60 } else { 5000 } {
        match random.within(0..=8) {
            0..4 => {
                let memory = alloc(allocator, 1 + random.within(0..=199), 1 << random.within(0..=4));
                story.push(std::format!("alloc {}", offset(address(memory))));
                live.push(memory);
            }
            4..6 if !live.is_empty() => {
                let memory = live.swap_remove(random.below(live.len()));
                free(allocator, memory, 1);
                dead.push(memory);
            }
            6 if !dead.is_empty() => {
                let memory = dead[random.below(dead.len())];
                free(allocator, memory, 1);
            }
            7 if !live.is_empty() => {
                let memory = live[random.below(live.len())];
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
            story.push(std::format!("{:?} {:?}", report.kind, report.inside.map(offset)));
        }
    }
    assert_eq!(debug.detect_leaks(), live.len());
    reports();
    live.into_iter().for_each(|memory| free(allocator, memory, 1));
    assert_eq!((debug.detect_leaks(), reports().len()), (0, 0));
    story
}

#[test]
fn fast_and_slow_paths_agree() {
    for seed in 1..if cfg!(miri) { 2 } else { 20 } {
        let story_of_plain = story(PLAIN, seed);
        for mistake in ["DoubleFree", "InvalidFree Some", "InvalidFree None"] {
            assert!(
                story_of_plain.iter().any(|line| line.starts_with(mistake)),
                "{mistake}: {story_of_plain:?}"
            );
        }
        assert_eq!(story_of_plain, story(COUNTED, seed));
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
