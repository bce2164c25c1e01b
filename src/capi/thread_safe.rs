//! The lock.

use super::{Owned, RawAllocator};
use crate::ThreadSafeAllocator;
use crate::allocator::Allocator;

pub type ThreadSafe = Owned<ThreadSafeAllocator<'static>>;

/// # Safety
/// `child` is an allocator that outlives the lock, is not reset meanwhile, and that nothing else uses
/// meanwhile. Any thread may call it, one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_thread_safe_create(child: RawAllocator) -> *mut ThreadSafe {
    // SAFETY: the caller's promise.
    let child = unsafe { child.check("zigalloc_thread_safe_create", "child") };
    // SAFETY: the caller's promise.
    Owned::create(child, unsafe { ThreadSafeAllocator::from_child(child) })
}

/// # Safety
/// `thread_safe` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_thread_safe_allocator(thread_safe: *mut ThreadSafe) -> Allocator<'static> {
    // SAFETY: the caller's promise.
    unsafe { Owned::handle(thread_safe, "zigalloc_thread_safe_allocator") }
}

/// # Safety
/// `thread_safe` is alive or null. Neither it nor a handle to it is used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_thread_safe_destroy(thread_safe: *mut ThreadSafe) {
    // SAFETY: the caller's promise.
    unsafe { Owned::destroy(thread_safe) };
}
