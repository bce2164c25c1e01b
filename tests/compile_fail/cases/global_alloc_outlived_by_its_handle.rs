//! error[E0515]: what the handle points to is a local variable.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use zigalloc::Allocator;
use zigalloc::adapters::FromGlobalAlloc;

struct Counting(Cell<usize>);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.set(self.0.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) };
    }
}

fn counting<'a>(counting: Counting) -> Allocator<'a> {
    FromGlobalAlloc::from_ref(&counting).allocator()
}

fn main() {
    let _ = counting(Counting(Cell::new(0))).alloc::<u8>(100);
}
