//! The allocator that fails from a given allocation on. `zigalloc_failing_allocator` is the one that always fails.

use super::{Owned, RawAllocator, fatal};
use crate::allocator::Allocator;
use crate::testing::{FailingAllocator, FailingConfig};

pub type FailingAt = Owned<FailingAllocator<Allocator<'static>>>;

/// `zigalloc_failing_at_counts`: the fields of Rust's `FailingAllocator`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FailingAtCounts {
    pub alloc_index: usize,
    pub resize_index: usize,
    pub allocated_bytes: usize,
    pub freed_bytes: usize,
    pub allocations: usize,
    pub deallocations: usize,
    pub stack_addresses: [usize; 16],
}

/// # Safety
/// `child` is an allocator that outlives this one and is not reset while it exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_failing_at_create(
    child: RawAllocator,
    fail_index: usize,
    resize_fail_index: usize,
) -> *mut FailingAt {
    // SAFETY: `child` is as required here.
    let child = unsafe { child.check("zigalloc_failing_at_create", "child") };
    Owned::create(child, FailingAllocator::init(child, FailingConfig { fail_index, resize_fail_index }))
}

/// # Safety
/// `failing` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_failing_at_allocator(failing: *mut FailingAt) -> Allocator<'static> {
    // SAFETY: `failing` is from `create` and not destroyed, by our caller; `handle` rejects null.
    unsafe { Owned::handle(failing, "zigalloc_failing_at_allocator") }
}

/// # Safety
/// `failing` is alive, and no other thread uses it during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_failing_at_has_induced_failure(failing: *const FailingAt) -> bool {
    // SAFETY: the allocator is alive, and this thread alone uses it.
    unsafe { Owned::get(failing, "zigalloc_failing_at_has_induced_failure") }.has_induced_failure()
}

/// # Safety
/// `failing` is alive, and no other thread uses it during the call. `counts` is null or valid for writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_failing_at_snapshot(
    failing: *const FailingAt,
    counts: *mut FailingAtCounts,
) {
    const NAME: &str = "zigalloc_failing_at_snapshot";
    // SAFETY: the allocator is alive, and this thread alone uses it.
    let failing = unsafe { Owned::get(failing, NAME) };
    if counts.is_null() {
        fatal(NAME, "counts is NULL");
    }
    let now = FailingAtCounts {
        alloc_index: failing.alloc_index(),
        resize_index: failing.resize_index(),
        allocated_bytes: failing.allocated_bytes(),
        freed_bytes: failing.freed_bytes(),
        allocations: failing.allocations(),
        deallocations: failing.deallocations(),
        stack_addresses: failing.stack_addresses(),
    };
    // SAFETY: valid for writes, by our caller; C's memory may be uninitialised.
    unsafe { counts.write(now) };
}

/// # Safety
/// `failing` is alive, and no other thread uses it during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_failing_at_set_fail_index(failing: *const FailingAt, fail_index: usize) {
    // SAFETY: the allocator is alive, and this thread alone uses it.
    unsafe { Owned::get(failing, "zigalloc_failing_at_set_fail_index") }.set_fail_index(fail_index);
}

/// # Safety
/// `failing` is alive, and no other thread uses it during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_failing_at_set_resize_fail_index(
    failing: *const FailingAt,
    resize_fail_index: usize,
) {
    const NAME: &str = "zigalloc_failing_at_set_resize_fail_index";
    // SAFETY: the allocator is alive, and this thread alone uses it.
    unsafe { Owned::get(failing, NAME) }.set_resize_fail_index(resize_fail_index);
}

/// # Safety
/// `failing` is alive or null. Neither it nor a handle to it is used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_failing_at_destroy(failing: *mut FailingAt) {
    // SAFETY: alive or null, and not used afterwards, by our caller.
    unsafe { Owned::destroy(failing) };
}

#[cfg(test)]
mod tests {
    use core::mem::MaybeUninit;
    use core::ptr::NonNull;

    use super::*;
    use crate::capi::tests::{EIGHT, with_ledger};
    use crate::capi::zigalloc_smp_slab_bytes;

    /// Returns the state of `failing` as C reads it.
    fn counts_of(failing: *const FailingAt) -> FailingAtCounts {
        let mut counts = MaybeUninit::uninit();
        // SAFETY: the tests pass a live one; the function writes all fields.
        unsafe {
            zigalloc_failing_at_snapshot(failing, counts.as_mut_ptr());
            counts.assume_init()
        }
    }

    #[test]
    fn allocations_fail_at_the_index() {
        with_ledger(|child| {
            // SAFETY: used as the header says.
            unsafe {
                let failing = zigalloc_failing_at_create(child, 1, 0);
                let a = zigalloc_failing_at_allocator(failing);
                let memory = a.raw_alloc(100, EIGHT, 0).expect("the first succeeds");
                let block = NonNull::slice_from_raw_parts(memory, 100);
                assert!(!a.raw_resize(block, EIGHT, 50, 0) && a.raw_remap(block, EIGHT, 50, 0).is_none());
                assert!(!zigalloc_failing_at_has_induced_failure(failing));
                assert!(a.raw_alloc(1, EIGHT, 0x1234).is_none());
                assert!(zigalloc_failing_at_has_induced_failure(failing));
                let counts = counts_of(failing);
                assert_eq!((counts.alloc_index, counts.resize_index), (1, 0));
                assert_eq!((counts.allocations, counts.deallocations), (1, 0));
                assert_eq!((counts.allocated_bytes, counts.freed_bytes), (100, 0));
                assert_eq!(counts.stack_addresses[0], 0x1234);
                zigalloc_failing_at_set_fail_index(failing, usize::MAX);
                zigalloc_failing_at_set_resize_fail_index(failing, usize::MAX);
                assert!(a.raw_resize(block, EIGHT, 90, 0));
                a.raw_free(NonNull::slice_from_raw_parts(memory, 90), EIGHT, 0);
                alloc_and_free(a);
                let counts = counts_of(failing);
                assert_eq!((counts.alloc_index, counts.resize_index), (2, 1));
                assert_eq!(counts.allocated_bytes, counts.freed_bytes);
                zigalloc_failing_at_destroy(failing);
            }
        });
    }

    fn alloc_and_free(allocator: Allocator<'_>) {
        // SAFETY: the length is not zero; the block is live and used by nothing else.
        unsafe {
            let memory = allocator.raw_alloc(8, EIGHT, 0).expect("there is room");
            allocator.raw_free(NonNull::slice_from_raw_parts(memory, 8), EIGHT, 0);
        }
    }

    #[test]
    fn slabs_of_smp_are_counted() {
        alloc_and_free(*crate::heap::SMP_ALLOCATOR);
        assert_eq!(zigalloc_smp_slab_bytes(), crate::heap::SmpAllocator::slab_bytes());
        assert!(zigalloc_smp_slab_bytes() >= 8);
    }
}
