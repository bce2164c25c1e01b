//! error[E0277]: what is no allocator, wrapped or locked as if it were one.

use std::rc::Rc;
use std::sync::Arc;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::validation_wrap;
use zigalloc::{OwningHandle, SyncAllocator, SyncHandle, ThreadSafeAllocator};

fn share(_: impl SyncHandle) {}

fn main() {
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let _checked = validation_wrap(&arena);
    let _owning = OwningHandle::new(Rc::new(&arena));
    share(arena.allocator());
    let mut shared: Arc<ArenaAllocator<SyncAllocator<'_>>> = Arc::new(ArenaAllocator::init(PAGE_ALLOCATOR));
    let _lock = ThreadSafeAllocator::new(&mut shared);
    let _lock = ThreadSafeAllocator::new(&mut &mut arena);
}
