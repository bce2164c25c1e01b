//! error[E0308]: a thread-safe handle where a plain one belongs.

use zigalloc::heap::PAGE_ALLOCATOR;
use zigalloc::{Allocator, Error};

fn greet(allocator: Allocator<'_>) -> Result<(), Error> {
    allocator.dupe(b"hello").map(|_| ())
}

fn main() {
    let _ = greet(PAGE_ALLOCATOR);
}
