//! error[E0277]: bytes of a value that owns something cannot be copied.

use zigalloc::collections::ArrayList;
use zigalloc::heap::PAGE_ALLOCATOR;

fn main() {
    let mut list = ArrayList::init(PAGE_ALLOCATOR);
    list.append_slice(&[String::from("zig")]).unwrap();
}
