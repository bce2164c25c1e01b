//! Functions whose machine code tests/codegen.rs inspects. It compiles this file as a crate that uses zigalloc like
//! any other.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use zigalloc::heap::{FixedBufferAllocator, PAGE_ALLOCATOR};
use zigalloc::{Alignment, Allocator, SyncAllocator, ThreadSafeAllocator, VTable, state};

// ---- the allocator is an argument ----

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unknown_raw_alloc(
    a: Allocator<'_>,
    len: usize,
    alignment: Alignment,
    ret_addr: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: as required of our caller.
    unsafe { a.raw_alloc(len, alignment, ret_addr) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unknown_raw_resize(
    a: Allocator<'_>,
    memory: NonNull<u8>,
    len: usize,
    alignment: Alignment,
    new_len: usize,
) -> bool {
    // SAFETY: as required of our caller.
    unsafe { a.raw_resize(NonNull::slice_from_raw_parts(memory, len), alignment, new_len, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unknown_raw_remap(
    a: Allocator<'_>,
    memory: NonNull<u8>,
    len: usize,
    alignment: Alignment,
    new_len: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: as required of our caller.
    unsafe { a.raw_remap(NonNull::slice_from_raw_parts(memory, len), alignment, new_len, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unknown_raw_free(
    a: Allocator<'_>,
    memory: NonNull<u8>,
    len: usize,
    alignment: Alignment,
) {
    // SAFETY: as required of our caller.
    unsafe { a.raw_free(NonNull::slice_from_raw_parts(memory, len), alignment, 0) }
}

#[unsafe(no_mangle)]
pub extern "C" fn unknown_create(a: Allocator<'_>) -> Option<NonNull<u64>> {
    a.create().ok()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unknown_destroy(a: Allocator<'_>, item: NonNull<u64>) {
    // SAFETY: as required of our caller.
    unsafe { a.destroy(item) }
}

#[unsafe(no_mangle)]
pub extern "C" fn unknown_alloc(a: Allocator<'_>, n: usize) -> Option<NonNull<u8>> {
    a.alloc::<u8>(n).ok().map(NonNull::cast)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unknown_free(a: Allocator<'_>, memory: NonNull<u32>, n: usize) {
    // SAFETY: as required of our caller.
    unsafe { a.free(NonNull::slice_from_raw_parts(memory, n)) }
}

// ---- the allocator is a constant ----

#[unsafe(no_mangle)]
pub unsafe extern "C" fn known_page_raw_alloc(len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    // SAFETY: as required of our caller.
    unsafe { PAGE_ALLOCATOR.raw_alloc(len, alignment, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn known_page_free(memory: NonNull<u8>, n: usize) {
    // SAFETY: as required of our caller.
    unsafe { PAGE_ALLOCATOR.free(NonNull::slice_from_raw_parts(memory, n)) }
}

#[unsafe(no_mangle)]
pub extern "C" fn known_failing_alloc(n: usize) -> Option<NonNull<u8>> {
    Allocator::FAILING.alloc::<u8>(n).ok().map(NonNull::cast)
}

// ---- the allocator's state is an argument, its type is known ----

#[unsafe(no_mangle)]
pub unsafe extern "C" fn known_fixed_buffer_alloc(
    fixed_buffer: &FixedBufferAllocator<'_>,
    len: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: as required of our caller.
    unsafe { fixed_buffer.allocator().raw_alloc(len, Alignment::_8, 0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn known_fixed_buffer_free(
    fixed_buffer: &FixedBufferAllocator<'_>,
    memory: NonNull<u64>,
    n: usize,
) {
    // SAFETY: as required of our caller.
    unsafe { fixed_buffer.allocator().free(NonNull::slice_from_raw_parts(memory, n)) }
}

/// Everything is known.
#[unsafe(no_mangle)]
pub extern "C" fn known_fixed_buffer_all() -> usize {
    let mut buffer = [const { MaybeUninit::uninit() }; 64];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let a = fixed_buffer.allocator();
    let lengths = (a.alloc::<u8>(10), a.alloc::<u8>(20), a.alloc::<u8>(40));
    fixed_buffer.end_index() + usize::from(lengths.2.is_ok())
}

/// The lock is known, its child is not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn known_thread_safe_alloc(
    thread_safe: &ThreadSafeAllocator<'_>,
    len: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: as required of our caller.
    unsafe { thread_safe.allocator().raw_alloc(len, Alignment::_8, 0) }
}

// ---- an allocator of this crate ----

/// Has one block of 64 bytes, which may be in use.
struct One {
    block: UnsafeCell<[u8; 64]>,
    is_used: AtomicBool,
}

// SAFETY: the block belongs to the caller that changed `is_used` to true.
unsafe impl Sync for One {}

static ONE: One = One { block: UnsafeCell::new([0; 64]), is_used: AtomicBool::new(false) };

impl One {
    const VTABLE: VTable = VTable {
        alloc: Self::alloc,
        resize: zigalloc::no_resize,
        remap: zigalloc::no_remap,
        free: Self::free,
    };

    const fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: there is one block, whose address is a multiple of 1; the caller that set `is_used` owns it.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if len > 64 || alignment > Alignment::_1 || this.is_used.swap(true, Ordering::Acquire) {
            return None;
        }
        NonNull::new(this.block.get().cast())
    }

    unsafe extern "C" fn free(ctx: *mut (), _: *mut u8, _: usize, _: Alignment, _: usize) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        this.is_used.store(false, Ordering::Release);
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn known_own_alloc(n: usize) -> Option<NonNull<u8>> {
    ONE.allocator().alloc::<u8>(n).ok().map(NonNull::cast)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn known_own_free(memory: NonNull<u8>, n: usize) {
    // SAFETY: as required of our caller.
    unsafe { ONE.allocator().free(NonNull::slice_from_raw_parts(memory, n)) }
}
