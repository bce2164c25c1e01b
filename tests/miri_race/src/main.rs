//! One unsynchronised allocator called by two threads at once: for Miri, which reports the race.
//!
//! `tests/race_is_seen.rs` of this package runs it. The argument selects what is between the threads and the allocator:
//! `one-lock` is correct; `no-lock`, `two-locks` and `mixed-handles` are errors that safe code cannot make, made here
//! by a violated `unsafe` requirement.

use std::mem::MaybeUninit;
use std::sync::Barrier;
use std::thread;

use zigalloc::heap::FixedBufferAllocator;
use zigalloc::{Allocator, SyncAllocator, ThreadSafeAllocator};

/// Two threads that allocate. After the barrier, only the allocator orders them.
fn race(first: SyncAllocator<'_>, second: SyncAllocator<'_>) {
    let both = Barrier::new(2);
    thread::scope(|scope| {
        for allocator in [first, second] {
            let both = &both;
            scope.spawn(move || {
                both.wait();
                for _ in 0..4 {
                    allocator.create_with(1u8).unwrap();
                }
            });
        }
    });
}

fn main() {
    let mut buffer = [const { MaybeUninit::uninit() }; 100];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    match std::env::args().nth(1).as_deref() {
        Some("one-lock") => {
            let lock = ThreadSafeAllocator::new(&mut fixed_buffer);
            race(lock.allocator(), lock.allocator());
        }
        Some("no-lock") => {
            let allocator = falsely_thread_safe(fixed_buffer.allocator());
            race(allocator, allocator);
        }
        Some("two-locks") => {
            let child = fixed_buffer.allocator();
            // SAFETY: none: the other lock also calls the child, which breaks the requirement.
            let locks = unsafe { [(); 2].map(|()| ThreadSafeAllocator::from_child(child)) };
            race(locks[0].allocator(), locks[1].allocator());
        }
        Some("mixed-handles") => {
            let vtable = fixed_buffer.allocator().vtable();
            let shared = fixed_buffer.thread_safe_allocator();
            // SAFETY: none: the plain functions access the state of the other handle.
            let plain = unsafe { Allocator::from_raw_parts(shared.ptr(), vtable) };
            race(falsely_thread_safe(plain), shared);
        }
        other => panic!("unknown mode {other:?}; expected one-lock, no-lock, two-locks or mixed-handles"),
    }
    println!("no race was seen");
}

fn falsely_thread_safe(allocator: Allocator<'_>) -> SyncAllocator<'_> {
    // SAFETY: none: this is the error to be detected.
    unsafe { SyncAllocator::new_unchecked(allocator) }
}
