//! error[E0277]: an `Arc` does not make an arena thread-safe.

use std::sync::Arc;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
use zigalloc::{AsAllocator, OwningHandle};

fn main() {
    let arena = OwningHandle::new(Arc::new(ArenaAllocator::init(PAGE_ALLOCATOR)));
    std::thread::spawn(move || {
        let _ = arena.allocator().alloc::<u8>(1);
    });
}
