//! error[E0106]: a handle borrows its allocator, so what stores one has a lifetime.

use zigalloc::Allocator;

struct Parser {
    allocator: Allocator,
}

fn main() {
    let _ = Parser { allocator: *zigalloc::heap::PAGE_ALLOCATOR };
}
