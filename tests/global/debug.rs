//! A program on a debug allocator, which finds nothing to report. `tests/debug_global.rs` has one in which
//! there is something.
#![cfg(not(any(miri, target_family = "wasm")))]

use zigalloc::SyncAllocator;
use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::debug::Report;
use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};

mod programs;

static DEBUG: DebugAllocator<SyncAllocator<'static>> = DebugAllocator::with_config(
    PAGE_ALLOCATOR,
    DebugConfig { safety: true, enable_memory_limit: true, report, ..DebugConfig::DEFAULT },
);

fn report(report: &Report) {
    eprintln!("{report}");
    std::process::abort();
}

// SAFETY: its lock allocates nothing, and its child asks the operating system.
#[global_allocator]
static GLOBAL: GlobalAllocator = unsafe { GlobalAllocator::new(DEBUG.allocator()) };

const SCALE: usize = 40;

/// What is counted against the limit is ours.
fn is_ours<T>(_memory: *const T) -> bool {
    DEBUG.total_requested_bytes() > size_of::<T>()
}
