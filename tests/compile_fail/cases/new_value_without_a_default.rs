//! error[E0277]: a new value of `get_or_put` is `Default`.

use zigalloc::collections::{AutoHashMap, OwnedBox};
use zigalloc::heap::PAGE_ALLOCATOR;

fn main() {
    let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    let result = map.get_or_put(1).unwrap();
    *result.value_ptr = PAGE_ALLOCATOR.create_owned(2).unwrap();
    let _: &mut OwnedBox<'_, i32, _> = result.value_ptr;
}
