//! error[E0277]: an item that another thread drops, and so returns to its pool's list.

use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};

fn main() {
    let pool = MemoryPool::init(PAGE_ALLOCATOR);
    let item = pool.create_box(1).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| drop(item));
    });
}
