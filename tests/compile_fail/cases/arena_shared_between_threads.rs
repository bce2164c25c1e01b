//! error[E0277]: an arena from which two threads make handles.

use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = arena.allocator().alloc::<u8>(1);
        });
    });
}
