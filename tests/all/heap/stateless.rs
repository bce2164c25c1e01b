//! The types of the allocators without state. They are not in Zig, so they have no entries in the surface.

#![cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]

use std::collections::HashSet;
use std::ptr;

use zigalloc::heap::{
    C_ALLOCATOR, CAllocator, PAGE_ALLOCATOR, PageAllocator, RAW_C_ALLOCATOR, RUST_ALLOCATOR, RawCAllocator,
    RustAllocator, SMP_ALLOCATOR, SmpAllocator,
};
use zigalloc::testing::{test_allocator, test_allocator_strict};
use zigalloc::{Allocator, AsAllocator, Stateless, SyncAllocator, ThreadSafeAllocator};

/// Every way from the type to a handle leads to the constant.
fn names<A: Stateless>(value: A, constant: SyncAllocator<'static>) {
    let (sync, plain): (SyncAllocator<'static>, Allocator<'static>) = (value.into(), value.into());
    for handle in [*A::ALLOCATOR, *sync, plain, AsAllocator::allocator(&A::default())] {
        assert!(ptr::fn_addr_eq(handle.vtable().alloc, constant.vtable().alloc), "{value:?}");
    }
    assert_eq!((value, HashSet::from([value, A::default()]).len()), (A::default(), 1));
}

#[test]
fn stateless_types_name_the_constants() {
    names(SmpAllocator, SMP_ALLOCATOR);
    names(PageAllocator, PAGE_ALLOCATOR);
    names(CAllocator, C_ALLOCATOR);
    names(RawCAllocator, RAW_C_ALLOCATOR);
    names(RustAllocator, RUST_ALLOCATOR);
}

/// The type is what `AsAllocator` takes, also from another thread.
#[test]
fn stateless_types_can_be_wrapped() {
    let mut child = PageAllocator;
    let lock = ThreadSafeAllocator::new(&mut child);
    test_allocator(*lock.allocator());
    std::thread::scope(|scope| {
        scope.spawn(|| test_allocator_strict(*RustAllocator.allocator()));
    });
}
