//! The debug allocator.

use super::{Owned, RawAllocator};
use crate::allocator::Allocator;
use crate::heap::{DebugAllocator, DebugConfig};

pub type Debug = Owned<DebugAllocator<Allocator<'static>>>;

/// Everything that finds mistakes is on, however the library was compiled: a C program creates the
/// allocator when it wants that.
const CONFIG: DebugConfig = DebugConfig {
    safety: true,
    stack_trace_frames: if cfg!(feature = "backtrace") { 6 } else { 1 },
    ..DebugConfig::DEFAULT
};

/// # Safety
/// `child` is an allocator that outlives the debug allocator and is not reset meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_create(child: RawAllocator) -> *mut Debug {
    // SAFETY: the caller's promise.
    let child = unsafe { child.check("zigalloc_debug_create", "child") };
    Owned::create(child, DebugAllocator::with_config(child, CONFIG))
}

/// # Safety
/// `debug` is alive. If more than one thread uses the handle, the child is for any number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_allocator(debug: *mut Debug) -> Allocator<'static> {
    // SAFETY: the caller's promise.
    unsafe { Owned::handle(debug, "zigalloc_debug_allocator") }
}

/// # Safety
/// `debug` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_detect_leaks(debug: *const Debug) -> usize {
    // SAFETY: the caller's promise.
    unsafe { Owned::get(debug, "zigalloc_debug_detect_leaks") }.detect_leaks()
}

/// # Safety
/// `debug` is alive or null. Neither it, nor a handle to it, nor its blocks are used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_destroy(debug: *mut Debug) -> usize {
    if debug.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise.
    unsafe {
        let leaks = Owned::get(debug, "zigalloc_debug_destroy").detect_leaks();
        // They have been reported, which is enough.
        Owned::into_inner(debug).deinit_without_leak_checks();
        leaks
    }
}
