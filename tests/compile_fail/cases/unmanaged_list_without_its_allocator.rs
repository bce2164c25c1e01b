//! error[E0599]: an unmanaged list has no allocator to grow with.

use zigalloc::collections::ArrayListUnmanaged;

fn main() {
    let mut list = ArrayListUnmanaged::EMPTY;
    list.append(1).unwrap();
}
