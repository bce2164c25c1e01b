//! error[E0502]: a pool that is reset while one of its items is in use.

use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR, ResetMode};

fn main() {
    let mut pool = MemoryPool::init(PAGE_ALLOCATOR);
    let item = pool.create_box(1).unwrap();
    _ = pool.reset(ResetMode::RetainCapacity);
    println!("{item}");
}
