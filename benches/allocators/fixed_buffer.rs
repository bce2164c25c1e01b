//! The fixed buffer: allocates and frees one block.

use std::alloc::Layout;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use allocator_api2_02::alloc::Allocator as RustAllocator;
use bumpalo::Bump;
use criterion::Criterion;
use zigalloc::heap::FixedBufferAllocator;
use zigalloc::{Alignment, Allocator};

use crate::pairs::{Pairs, time};

fn alloc_and_free(allocator: Allocator<'_>, len: usize, alignment: Alignment) {
    // SAFETY: the length is not zero; the freed block was allocated in the line above.
    unsafe {
        let memory = allocator.raw_alloc(len, alignment, 0).expect("the buffer has room for one block");
        let memory = black_box(memory);
        allocator.raw_free(NonNull::slice_from_raw_parts(memory, len), alignment, 0);
    }
}

pub(crate) fn bench(criterion: &mut Criterion, pairs: &mut Pairs) {
    let mut buffer = [const { MaybeUninit::uninit() }; 4096];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let bump = Bump::with_capacity(4096);
    let bumped = &bump;
    let dynamic: &dyn RustAllocator = black_box(&bumped);
    let layout = Layout::from_size_align(64, 8).expect("64 bytes, aligned to 8");
    let theirs = |n| {
        time(n, || {
            let layout = black_box(layout);
            let memory = black_box(dynamic.allocate(layout).expect("the chunk has room").cast());
            // SAFETY: allocated in the line above.
            unsafe { dynamic.deallocate(memory, layout) };
        })
    };

    let handle = black_box(fixed_buffer.allocator());
    let ours = |n| time(n, || alloc_and_free(handle, black_box(64), Alignment::_8));
    pairs.row(criterion, "alloc + free 64 B: fixed buffer / bumpalo through &dyn", ours, theirs);

    let handle = black_box(fixed_buffer.thread_safe_allocator());
    let ours = |n| time(n, || alloc_and_free(*handle, black_box(64), Alignment::_8));
    pairs.row(criterion, "alloc + free 64 B: lock-free fixed buffer / bumpalo through &dyn", ours, theirs);
}
