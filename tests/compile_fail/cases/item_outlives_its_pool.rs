//! error[E0505]: a value in a pool that is used after the pool and its memory are dropped.

use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};

fn main() {
    let pool = MemoryPool::init(PAGE_ALLOCATOR);
    let item = pool.create_box(1).unwrap();
    drop(pool);
    println!("{item}");
}
