//! A program on a debug allocator, which has nothing to report. `tests/debug_global.rs` has one with reports.
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

// SAFETY: its lock does not allocate, and its child uses the operating system.
#[global_allocator]
static GLOBAL: GlobalAllocator = unsafe { GlobalAllocator::new(DEBUG.allocator()) };

const SCALE: usize = 40;

/// Checks the bytes counted against the limit.
fn is_ours<T>(_memory: *const T) -> bool {
    DEBUG.total_requested_bytes() > size_of::<T>()
}
