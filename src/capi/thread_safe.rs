//! The allocator that adds a lock.

use super::{Owned, RawAllocator};
use crate::allocator::Allocator;
use crate::thread_safe::ThreadSafeAllocator;

pub type ThreadSafe = Owned<ThreadSafeAllocator<'static>>;

/// # Safety
/// `child` is an allocator that outlives the lock. While the lock exists, nothing else uses the child or resets it.
/// Any thread may call the child, one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_thread_safe_create(child: RawAllocator) -> *mut ThreadSafe {
    // SAFETY: an allocator, by our caller.
    let child = unsafe { child.check("zigalloc_thread_safe_create", "child") };
    // SAFETY: any thread may call the child, and nothing else uses it, by our caller.
    Owned::create(child, unsafe { ThreadSafeAllocator::from_child(child) })
}

/// # Safety
/// `thread_safe` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_thread_safe_allocator(thread_safe: *mut ThreadSafe) -> Allocator<'static> {
    // SAFETY: `thread_safe` is alive, by our caller.
    unsafe { Owned::handle(thread_safe, "zigalloc_thread_safe_allocator") }
}

/// # Safety
/// `thread_safe` is alive or null. Neither it nor a handle to it is used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_thread_safe_destroy(thread_safe: *mut ThreadSafe) {
    // SAFETY: `thread_safe` is alive or null, and not used afterwards, by our caller.
    unsafe { Owned::destroy(thread_safe) };
}
