//! The debug allocator, with and without traces, compared with its child alone: the cost of finding mistakes.
//!
//! With the feature `backtrace`, a trace has six addresses; without it, only the caller's.

use std::hint::black_box;
use std::ptr::NonNull;

use criterion::Criterion;
use zigalloc::heap::{C_ALLOCATOR, DebugAllocator, DebugConfig};
use zigalloc::{Alignment, SyncAllocator, return_address};

use crate::pairs::{Pairs, time};

const FRAMES: usize = if cfg!(feature = "backtrace") { 6 } else { 1 };

#[inline(always)]
fn alloc(handle: SyncAllocator<'_>, len: usize) -> NonNull<[u8]> {
    // SAFETY: the length is not zero.
    let memory = unsafe { handle.raw_alloc(black_box(len), Alignment::_8, return_address()) };
    NonNull::slice_from_raw_parts(memory.expect("enough memory"), len)
}

#[inline(always)]
fn free(handle: SyncAllocator<'_>, memory: NonNull<[u8]>) {
    // SAFETY: each caller frees a block of this allocator once.
    unsafe { handle.raw_free(black_box(memory), Alignment::_8, return_address()) };
}

pub(crate) fn bench(criterion: &mut Criterion, pairs: &mut Pairs) {
    for frames in [0, FRAMES] {
        for (len, text) in [(64, "64 B"), (64 << 10, "64 KiB")] {
            let config = DebugConfig { safety: true, stack_trace_frames: frames, ..DebugConfig::DEFAULT };
            let debug = DebugAllocator::with_config(C_ALLOCATOR, config);
            let (ours, theirs) = (black_box(debug.allocator()), black_box(C_ALLOCATOR));
            // Without this, each free of a small block would also free its page.
            let neighbour = alloc(ours, len);
            let traces = match frames {
                0 => "no traces".to_owned(),
                n => format!("traces of {n}"),
            };
            pairs.row(
                criterion,
                &format!("alloc + free {text}: debug, {traces} / C alone"),
                |n| time(n, || free(ours, alloc(ours, len))),
                |n| time(n, || free(theirs, alloc(theirs, len))),
            );
            free(ours, neighbour);
        }
    }
}
