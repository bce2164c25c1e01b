//! The lock: 1, 2 and 4 threads allocate and free through one allocator.
//!
//! A fixed buffer can reuse only its last block, so with several threads it fills up. It is large enough
//! for a sample and is reset after each. Since the blocks are never written to, the memory never becomes
//! resident.

use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::Mutex;

use criterion::Criterion;
use zigalloc::heap::FixedBufferAllocator;
use zigalloc::{Alignment, ThreadSafeAllocator};

use crate::pairs::{Pairs, time_threads};

const CAPACITY: usize = 4 << 30;
const BLOCK: usize = 16;

/// A hand-written equivalent: a mutex around an index.
struct Bump {
    buffer: NonNull<u8>,
    len: usize,
    end: usize,
}

// SAFETY: nothing else uses the buffer while the pointer exists.
unsafe impl Send for Bump {}

impl Bump {
    fn alloc(&mut self, len: usize, align: usize) -> Option<NonNull<u8>> {
        let start = (self.buffer.addr().get() + self.end).next_multiple_of(align) - self.buffer.addr().get();
        let end = start.checked_add(len)?;
        if end > self.len {
            return None;
        }
        self.end = end;
        // SAFETY: `start` is at most `len`.
        Some(unsafe { self.buffer.add(start) })
    }

    fn free(&mut self, memory: NonNull<u8>, len: usize) {
        if memory.addr().get() + len == self.buffer.addr().get() + self.end {
            self.end -= len;
        }
    }
}

pub(crate) fn bench(criterion: &mut Criterion, pairs: &mut Pairs) {
    let mut buffer: Vec<u8> = Vec::with_capacity(CAPACITY);
    let start = NonNull::new(buffer.as_mut_ptr()).expect("a vector's pointer is not null").cast();
    for threads in [1, 2, 4] {
        let mut fixed_buffer = FixedBufferAllocator::init(buffer.spare_capacity_mut());
        let ours = |n| {
            let lock = ThreadSafeAllocator::new(&mut fixed_buffer);
            let handle = black_box(lock.allocator());
            let time = time_threads(threads, n, || {
                move || {
                    // SAFETY: the length is not zero; the freed block was allocated in the line above.
                    unsafe {
                        let memory =
                            handle.raw_alloc(black_box(BLOCK), Alignment::_8, 0).expect("enough room");
                        let memory = NonNull::slice_from_raw_parts(black_box(memory), BLOCK);
                        handle.raw_free(memory, Alignment::_8, 0);
                    }
                }
            });
            fixed_buffer.reset();
            time
        };
        let theirs = |n| {
            let by_hand = Mutex::new(Bump { buffer: start, len: CAPACITY, end: 0 });
            time_threads(threads, n, || {
                || {
                    let memory = by_hand.lock().expect("no thread panics").alloc(black_box(BLOCK), 8);
                    let memory = black_box(memory).expect("enough room");
                    by_hand.lock().expect("no thread panics").free(memory, BLOCK);
                }
            })
        };
        let name = format!("alloc + free {BLOCK} B, {threads} threads: thread-safe / Mutex by hand");
        pairs.row(criterion, &name, ours, theirs);
    }
}
