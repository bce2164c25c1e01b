//! error[E0277]: `Handle` is sealed: an arena's `Send` relies on that.

use zigalloc::{Allocator, Handle};

#[derive(Clone, Copy, Debug)]
struct Mine;

impl Handle for Mine {
    fn as_allocator(&self) -> Allocator<'_> {
        Allocator::FAILING
    }
}

fn main() {}
