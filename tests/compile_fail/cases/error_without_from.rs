//! error[E0277]: `?` converts an error only by `From`.

use zigalloc::Allocator;

#[derive(Debug)]
enum Failure {
    Empty,
}

fn copy(allocator: Allocator<'_>, text: &[u8]) -> Result<usize, Failure> {
    if text.is_empty() {
        return Err(Failure::Empty);
    }
    Ok(allocator.dupe_owned(text)?.len())
}

fn main() {
    let _ = copy(*zigalloc::heap::PAGE_ALLOCATOR, b"zig");
}
