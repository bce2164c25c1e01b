//! Pools of items whose size and alignment are known when the program runs.
//!
//! A pool is an arena and a list of the items that were freed. Each of these holds the address of the next, so an item
//! takes at least a pointer's size and has at least its alignment, and zero-sized items have distinct addresses.
//!
//! Ports `lib/std/heap/memory_pool.zig` of Zig 0.15.2, whose items have a type.

use core::cell::Cell;
use core::ffi::c_int;
use core::ptr::{self, NonNull};

use super::arena::reset_mode;
use super::{Owned, RawAllocator, fatal};
use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::heap::{ArenaAllocator, ResetMode};
use crate::return_address;

pub type Pool = Owned<RawPool>;

/// The pool of Zig, without the type of its items.
#[derive(Debug)]
pub struct RawPool {
    arena: ArenaAllocator<Allocator<'static>>,
    /// The item that was freed last. Every item of the list is a block of the arena that nothing else uses.
    free_list: Cell<Option<NonNull<FreeItem>>>,
    /// Bytes; at least a pointer's.
    item_size: usize,
    /// At least a pointer's.
    alignment: Alignment,
}

/// What is in an item that is free.
#[derive(Debug)]
struct FreeItem {
    next: Option<NonNull<FreeItem>>,
}

impl RawPool {
    fn new(child: Allocator<'static>, item_size: usize, alignment: Alignment) -> RawPool {
        RawPool {
            arena: ArenaAllocator::init(child),
            free_list: Cell::new(None),
            item_size: item_size.max(size_of::<FreeItem>()),
            alignment: alignment.max(Alignment::of::<FreeItem>()),
        }
    }

    /// An item that was freed, or else a new one.
    fn alloc(&self) -> Option<NonNull<u8>> {
        if let Some(item) = self.free_list.get() {
            // SAFETY: an item of the list begins with its link, and nothing else uses it.
            self.free_list.set(unsafe { item.read() }.next);
            return Some(item.cast());
        }
        self.alloc_new()
    }

    fn alloc_new(&self) -> Option<NonNull<u8>> {
        // SAFETY: the size is at least a pointer's; the arena is used through this pool only, by one thread at a time
        // (one-thread).
        unsafe { self.arena.allocator().raw_alloc(self.item_size, self.alignment, return_address()) }
    }

    /// # Safety
    /// `item` is a pointer that `alloc` of this pool has returned, not freed since, in a pool not reset since. Nothing
    /// uses it afterwards.
    unsafe fn free(&self, item: NonNull<u8>) {
        let item = item.cast::<FreeItem>();
        // SAFETY: an item is at least as long as a link and aligned for it, and nothing uses it now, by our caller.
        unsafe { item.write(FreeItem { next: self.free_list.get() }) };
        self.free_list.set(Some(item));
    }

    /// Makes `count` more items that are free. False if there is memory for some of them only, which are kept.
    fn preheat(&self, count: usize) -> bool {
        if !self.arena.may_serve(count, self.item_size) {
            return false;
        }
        for _ in 0..count {
            let Some(item) = self.alloc_new() else { return false };
            // SAFETY: a new block of the arena, of an item's size, which nothing uses.
            unsafe { self.free(item) };
        }
        true
    }

    fn reset(&mut self, mode: ResetMode) -> bool {
        // Volatile, since the pool is borrowed exclusively: the compiler may assume that the child does not look at the
        // list, but the child may exit the process, and what runs then may call the pool.
        // SAFETY: a cell can be written to through a shared reference, and has no destructor to run.
        unsafe { self.free_list.as_ptr().write_volatile(None) };
        self.arena.reset(mode)
    }
}

/// # Safety
/// `child` is an allocator that outlives the pool and is not reset before the pool's end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_pool_create(
    child: RawAllocator,
    item_size: usize,
    alignment_log2: u8,
) -> *mut Pool {
    const NAME: &str = "zigalloc_pool_create";
    // SAFETY: an allocator, by our caller.
    let child = unsafe { child.check(NAME, "child") };
    match Alignment::from_log2(alignment_log2) {
        Ok(alignment) => Owned::create(child, RawPool::new(child, item_size, alignment)),
        Err(_) if cfg!(debug_assertions) => {
            let max = Alignment::MAX.log2();
            fatal(NAME, format_args!("alignment_log2 is {alignment_log2}, above the limit of {max}"))
        }
        Err(_) => ptr::null_mut(),
    }
}

/// # Safety
/// `pool` is alive, and nothing else uses it during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_pool_preheat(pool: *mut Pool, count: usize) -> bool {
    // SAFETY: `pool` is alive, by our caller.
    unsafe { Owned::get(pool, "zigalloc_pool_preheat") }.preheat(count)
}

/// # Safety
/// `pool` is alive, and nothing else uses it during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_pool_alloc(pool: *mut Pool) -> *mut u8 {
    // SAFETY: `pool` is alive, by our caller.
    let item = unsafe { Owned::get(pool, "zigalloc_pool_alloc") }.alloc();
    item.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// # Safety
/// `pool` is alive, and nothing else uses it during the call. `item` is from it, and not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_pool_free(pool: *mut Pool, item: *mut u8) {
    const NAME: &str = "zigalloc_pool_free";
    // SAFETY: `pool` is alive, by our caller.
    let pool = unsafe { Owned::get(pool, NAME) };
    let Some(item) = NonNull::new(item) else { fatal(NAME, "item is NULL") };
    // SAFETY: an item of this pool, not used afterwards, by our caller.
    unsafe { pool.free(item) };
}

/// # Safety
/// `pool` is alive, and nothing else uses it during the call. Its items are not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_pool_reset(pool: *mut Pool, mode: c_int, limit: usize) -> bool {
    const NAME: &str = "zigalloc_pool_reset";
    // SAFETY: `pool` is alive, and nothing else uses it during the call, by our caller.
    unsafe { Owned::get_mut(pool, NAME) }.reset(reset_mode(mode, limit, NAME))
}

/// # Safety
/// `pool` is alive or null. Neither it, nor a handle to it, nor its items are used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_pool_destroy(pool: *mut Pool) {
    // SAFETY: `pool` is alive or null, and not used afterwards, by our caller.
    unsafe { Owned::destroy(pool) };
}
