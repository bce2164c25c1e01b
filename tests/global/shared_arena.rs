//! A program on a shared arena over pages. Only the last block is reused.
#![cfg(not(any(miri, target_family = "wasm")))]

use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::{PAGE_ALLOCATOR, SharedArenaAllocator};

mod programs;

static ARENA: SharedArenaAllocator<'static> = SharedArenaAllocator::init(PAGE_ALLOCATOR);

// SAFETY: the arena is lock-free, and its child uses the operating system. A static is never reset.
#[global_allocator]
static GLOBAL: GlobalAllocator = unsafe { GlobalAllocator::new(ARENA.allocator()) };

const SCALE: usize = 100;

/// Blocks of an arena are packed, so another one is nearby.
fn is_ours<T>(memory: *const T) -> bool {
    let near = ARENA.allocator().create::<u8>().unwrap();
    memory.addr().abs_diff(near.addr().get()) < 1 << 20
}
