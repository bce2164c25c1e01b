//! error[E0277]: a handle that is for one thread, sent to another.

use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let allocator = arena.allocator();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = allocator.alloc::<u8>(1);
        });
    });
}
