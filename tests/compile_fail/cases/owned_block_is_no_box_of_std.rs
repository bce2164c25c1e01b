//! error[E0308]: an owned block where std's `Box` is expected.

use zigalloc::heap::PAGE_ALLOCATOR;

struct Node {
    next: Option<Box<Node>>,
}

fn main() {
    let last = PAGE_ALLOCATOR.create_owned(Node { next: None }).unwrap();
    let _first = Node { next: Some(last) };
}
