//! Pools of items whose size and alignment are known when the program runs.
//!
//! A pool is an arena and a list of the items that were freed. Each of these holds the address of the
//! next, so an item takes at least a pointer's size and has at least its alignment; and items without
//! size have addresses of their own.
//!
//! Ports `lib/std/heap/memory_pool.zig` of Zig 0.15.2, whose items have a type.

use core::cell::Cell;
use core::ffi::c_int;
use core::ptr::{self, NonNull};

use super::arena::reset_mode;
use super::{Owned, RawAllocator, fatal};
use crate::alignment::Alignment;
use crate::heap::{ArenaAllocator, ResetMode};
use crate::return_address;
use crate::vtable::Allocator;

pub type Pool = Owned<RawPool>;

/// The pool of Zig, without the type of its items.
#[derive(Debug)]
pub struct RawPool {
    arena: ArenaAllocator<Allocator<'static>>,
    /// The item that was freed last. Every item of the list is a block of the arena, in use by nobody.
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
            // SAFETY: items of the list hold their header, and nobody else uses them.
            self.free_list.set(unsafe { item.read() }.next);
            return Some(item.cast());
        }
        self.alloc_new()
    }

    fn alloc_new(&self) -> Option<NonNull<u8>> {
        // SAFETY: the size is not zero; the pool is the only one that uses its arena.
        unsafe { self.arena.allocator().raw_alloc(self.item_size, self.alignment, return_address()) }
    }

    /// # Safety
    /// `item` is from this pool, and nobody uses it afterwards.
    unsafe fn free(&self, item: NonNull<u8>) {
        let item = item.cast::<FreeItem>();
        // SAFETY: it is at least as long as a header and aligned for it, and nobody else's any more.
        unsafe { item.write(FreeItem { next: self.free_list.get() }) };
        self.free_list.set(Some(item));
    }

    /// Makes `count` more items that are free. False if there is memory for some of them only, which
    /// are kept.
    fn preheat(&self, count: usize) -> bool {
        if !self.arena.may_serve(count, self.item_size) {
            return false;
        }
        for _ in 0..count {
            let Some(item) = self.alloc_new() else { return false };
            // SAFETY: it is new.
            unsafe { self.free(item) };
        }
        true
    }

    fn reset(&mut self, mode: ResetMode) -> bool {
        self.free_list.set(None);
        self.arena.reset(mode)
    }
}

/// # Safety
/// `child` is an allocator that outlives the pool and is not reset meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_pool_create(
    child: RawAllocator,
    item_size: usize,
    alignment_log2: u8,
) -> *mut Pool {
    const NAME: &str = "zigalloc_pool_create";
    // SAFETY: the caller's promise.
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
/// `pool` is alive and nobody else uses it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_pool_preheat(pool: *mut Pool, count: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe { Owned::get(pool, "zigalloc_pool_preheat") }.preheat(count)
}

/// # Safety
/// `pool` is alive and nobody else uses it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_pool_alloc(pool: *mut Pool) -> *mut u8 {
    // SAFETY: the caller's promise.
    let item = unsafe { Owned::get(pool, "zigalloc_pool_alloc") }.alloc();
    item.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// # Safety
/// `pool` is alive and nobody else uses it meanwhile. `item` is from it, and not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_pool_free(pool: *mut Pool, item: *mut u8) {
    const NAME: &str = "zigalloc_pool_free";
    // SAFETY: the caller's promise.
    unsafe {
        let pool = Owned::get(pool, NAME);
        let Some(item) = NonNull::new(item) else { fatal(NAME, "item is NULL") };
        pool.free(item);
    }
}

/// # Safety
/// `pool` is alive and nobody else uses it meanwhile. Its items are not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_pool_reset(pool: *mut Pool, mode: c_int, limit: usize) -> bool {
    const NAME: &str = "zigalloc_pool_reset";
    // SAFETY: the caller's promise.
    unsafe { Owned::get_mut(pool, NAME) }.reset(reset_mode(mode, limit, NAME))
}

/// # Safety
/// `pool` is alive or null. Neither it, nor a handle to it, nor its items are used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_pool_destroy(pool: *mut Pool) {
    // SAFETY: the caller's promise.
    unsafe { Owned::destroy(pool) };
}
