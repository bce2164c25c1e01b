//! The cost of the explicit vtable: a call through it compared with a call through `&dyn Allocator` and
//! with a statically known call.

use std::alloc::Layout;
use std::hint::black_box;
use std::ptr::NonNull;

use allocator_api2_02::alloc::{AllocError, Allocator as RustAllocator};
use criterion::Criterion;
use zigalloc::{Alignment, Allocator, VTable, no_free, no_remap, no_resize, state};

use crate::pairs::{Pairs, time};

/// Always returns the same eight bytes, so that only the call is measured.
struct Same(NonNull<u64>);

impl Same {
    const VTABLE: VTable = VTable { alloc: Self::alloc, resize: no_resize, remap: no_remap, free: no_free };

    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: blocks are never accessed.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        _len: usize,
        _alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        Some(unsafe { state::<Self>(ctx) }.0.cast())
    }
}

// SAFETY: blocks are never accessed.
unsafe impl RustAllocator for Same {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        Ok(NonNull::slice_from_raw_parts(self.0.cast(), layout.size()))
    }
    unsafe fn deallocate(&self, _ptr: NonNull<u8>, _layout: Layout) {}
}

#[inline(never)]
fn static_alloc(same: &Same, _len: usize, _alignment: Alignment, _ret_addr: usize) -> *mut u8 {
    same.0.as_ptr().cast()
}

pub(crate) fn bench(criterion: &mut Criterion, pairs: &mut Pairs) {
    let mut word = 0;
    let same = Same(NonNull::from(&mut word));
    let handle = black_box(same.allocator());
    let dynamic: &dyn RustAllocator = black_box(&same);
    let (len, log2) = (black_box(8), black_box(3));
    let alignment = Alignment::from_log2(log2).expect("3 is below 64");
    let layout = Layout::from_size_align(len, 1 << log2).expect("8 bytes, aligned to 8");

    let ours = |n| {
        time(n, || {
            // SAFETY: the length is not zero.
            black_box(unsafe { handle.raw_alloc(black_box(len), alignment, 0) });
        })
    };
    let theirs = |n| {
        time(n, || {
            let layout = black_box(layout);
            black_box(dynamic.allocate(layout).ok());
        })
    };
    pairs.row(criterion, "the call: vtable / &dyn allocator_api2", ours, theirs);
    let theirs = |n| {
        time(n, || {
            black_box(static_alloc(black_box(&same), black_box(len), alignment, 0));
        })
    };
    pairs.row(criterion, "the call: vtable / static call, not inlined", ours, theirs);
}
