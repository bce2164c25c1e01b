//! error[E0502]: growing a list may move its elements.

use zigalloc::collections::ArrayList;
use zigalloc::heap::PAGE_ALLOCATOR;

fn main() {
    let mut list = ArrayList::init(PAGE_ALLOCATOR);
    list.append(1).unwrap();
    let first = &list[0];
    list.append(2).unwrap();
    println!("{first}");
}
