//! A program on `GlobalAllocator::C`.
#![cfg(all(not(miri), any(unix, windows, target_os = "wasi")))]

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};

use zigalloc::adapters::GlobalAllocator;

mod programs;

/// `GlobalAllocator::C` with a count: its blocks are `malloc`'s, like those of Rust's own allocator.
struct Counted;

static BLOCKS: AtomicUsize = AtomicUsize::new(0);

impl Counted {
    fn allocator(&self) -> zigalloc::SyncAllocator<'static> {
        GlobalAllocator::C.allocator()
    }
}

// SAFETY: forwards to the constant.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BLOCKS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as required of our caller.
        unsafe { GlobalAllocator::C.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        BLOCKS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as required of our caller.
        unsafe { GlobalAllocator::C.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_len: usize) -> *mut u8 {
        // SAFETY: as required of our caller.
        unsafe { GlobalAllocator::C.realloc(memory, layout, new_len) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as required of our caller.
        unsafe { GlobalAllocator::C.dealloc(memory, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counted = Counted;

const SCALE: usize = 1000;

/// Checks the count, since addresses do not tell.
fn is_ours<T>(_memory: *const T) -> bool {
    let before = BLOCKS.load(Ordering::Relaxed);
    drop(std::hint::black_box(Box::new(1)));
    BLOCKS.load(Ordering::Relaxed) > before
}
