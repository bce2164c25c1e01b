//! error[E0505]: a reference to an item, which lives as long as the pool is borrowed, and a pool that is moved
//! to where it may end first.

use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR, PoolBox};

fn main() {
    let pool = MemoryPool::init(PAGE_ALLOCATOR);
    let item = PoolBox::leak(pool.create_box(1).unwrap());
    std::thread::spawn(move || pool.deinit());
    *item = 2;
}
