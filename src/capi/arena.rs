//! Both arenas.

use core::ffi::c_int;

use super::{Owned, RawAllocator, fatal};
use crate::allocator::{Allocator, SyncAllocator};
use crate::heap::{ArenaAllocator, ResetMode, SharedArenaAllocator};

pub type Arena = Owned<ArenaAllocator<Allocator<'static>>>;
pub type SharedArena = Owned<SharedArenaAllocator<'static>>;

/// Converts C's two arguments to a mode.
pub(super) fn reset_mode(mode: c_int, limit: usize, function: &str) -> ResetMode {
    match mode {
        0 => ResetMode::FreeAll,
        1 => ResetMode::RetainCapacity,
        2 => ResetMode::RetainWithLimit(limit),
        _ => fatal(function, format_args!("invalid mode {mode} (expected 0 to 2)")),
    }
}

/// # Safety
/// `child` is an allocator that outlives the arena and is not reset while the arena exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_arena_create(child: RawAllocator) -> *mut Arena {
    // SAFETY: an allocator, by our caller.
    let child = unsafe { child.check("zigalloc_arena_create", "child") };
    Owned::create(child, ArenaAllocator::init(child))
}

/// # Safety
/// `arena` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_arena_allocator(arena: *mut Arena) -> Allocator<'static> {
    // SAFETY: `arena` is alive, by our caller.
    unsafe { Owned::handle(arena, "zigalloc_arena_allocator") }
}

/// # Safety
/// `arena` is alive, and no other thread uses it during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_arena_query_capacity(arena: *const Arena) -> usize {
    // SAFETY: `arena` is alive, by our caller.
    unsafe { Owned::get(arena, "zigalloc_arena_query_capacity") }.query_capacity()
}

/// # Safety
/// `arena` is alive, and nothing else uses it during the call. Its blocks are not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_arena_reset(arena: *mut Arena, mode: c_int, limit: usize) -> bool {
    const NAME: &str = "zigalloc_arena_reset";
    // SAFETY: `arena` is alive, and nothing else uses it during the call, by our caller.
    unsafe { Owned::get_mut(arena, NAME) }.reset(reset_mode(mode, limit, NAME))
}

/// # Safety
/// `arena` is alive or null. Neither it, nor a handle to it, nor its blocks are used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_arena_destroy(arena: *mut Arena) {
    // SAFETY: `arena` is alive or null, and not used afterwards, by our caller.
    unsafe { Owned::destroy(arena) };
}

/// # Safety
/// `child` is a thread-safe allocator that outlives the arena and is not reset while the arena exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_shared_arena_create(child: RawAllocator) -> *mut SharedArena {
    // SAFETY: an allocator, by our caller.
    let child = unsafe { child.check("zigalloc_shared_arena_create", "child") };
    // SAFETY: a thread-safe allocator, by our caller.
    let sync = unsafe { SyncAllocator::new_unchecked(child) };
    Owned::create(child, SharedArenaAllocator::init(sync))
}

/// # Safety
/// `arena` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_shared_arena_allocator(arena: *mut SharedArena) -> Allocator<'static> {
    // SAFETY: `arena` is alive, by our caller.
    unsafe { Owned::handle(arena, "zigalloc_shared_arena_allocator") }
}

/// # Safety
/// `arena` is alive, and nothing else uses it during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_shared_arena_query_capacity(arena: *mut SharedArena) -> usize {
    // SAFETY: `arena` is alive, and nothing else uses it during the call, by our caller.
    unsafe { Owned::get_mut(arena, "zigalloc_shared_arena_query_capacity") }.query_capacity()
}

/// # Safety
/// `arena` is alive, and nothing else uses it during the call. Its blocks are not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_shared_arena_reset(
    arena: *mut SharedArena,
    mode: c_int,
    limit: usize,
) -> bool {
    const NAME: &str = "zigalloc_shared_arena_reset";
    // SAFETY: `arena` is alive, and nothing else uses it during the call, by our caller.
    unsafe { Owned::get_mut(arena, NAME) }.reset(reset_mode(mode, limit, NAME))
}

/// # Safety
/// `arena` is alive or null. Neither it, nor a handle to it, nor its blocks are used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_shared_arena_destroy(arena: *mut SharedArena) {
    // SAFETY: `arena` is alive or null, and not used afterwards, by our caller.
    unsafe { Owned::destroy(arena) };
}
