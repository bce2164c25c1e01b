//! The README's program: an arena behind a lock, for any number of threads.

use scopeguard::defer;
use zigalloc::{ThreadSafeAllocator, heap, heap::ArenaAllocator};

fn main() -> Result<(), zigalloc::Error> {
    let mut arena = ArenaAllocator::init(heap::PAGE_ALLOCATOR);
    let thread_safe_arena = ThreadSafeAllocator::new(&mut arena);
    let allocator = thread_safe_arena.allocator();

    let memory = allocator.alloc::<u8>(100)?;
    // SAFETY: a live block of this allocator, not used after `main`.
    defer! { unsafe { allocator.free(memory) } }

    std::thread::scope(|scope| {
        scope.spawn(|| println!("{:?}", allocator.create_with(42_u64)));
    });
    println!("{} bytes", memory.len());
    Ok(())
}
