//! error[E0277]: what an arena may have as its child's handle is fixed: its `Send` rests on it.

use zigalloc::{Allocator, Handle};

#[derive(Clone, Copy, Debug)]
struct Mine;

impl Handle for Mine {
    fn as_allocator(&self) -> Allocator<'_> {
        Allocator::FAILING
    }
}

fn main() {}
