//! The pool and the arena of the C library.

use std::ptr::NonNull;

use zigalloc::{Alignment, Allocator};

use super::Kind;
use super::child::{Block, Child, fill_some};

// As in include/zigalloc.h.
unsafe extern "C" {
    safe fn zigalloc_pool_create(child: Allocator<'static>, item_size: usize, alignment: u8) -> *mut ();
    fn zigalloc_pool_preheat(pool: *mut (), count: usize) -> bool;
    fn zigalloc_pool_alloc(pool: *mut ()) -> *mut u8;
    fn zigalloc_pool_free(pool: *mut (), item: *mut u8);
    fn zigalloc_pool_reset(pool: *mut (), mode: i32, limit: usize) -> bool;
    fn zigalloc_pool_destroy(pool: *mut ());
    safe fn zigalloc_arena_create(child: Allocator<'static>) -> *mut ();
    fn zigalloc_arena_allocator(arena: *mut ()) -> Allocator<'static>;
    fn zigalloc_arena_reset(arena: *mut (), mode: i32, limit: usize) -> bool;
    fn zigalloc_arena_destroy(arena: *mut ());
}

pub(super) fn make(kind: &str, child: &'static Child) -> Option<Box<dyn Kind>> {
    let allocator = *child.allocator();
    Some(match kind {
        "c_pool" => {
            let pool = zigalloc_pool_create(allocator, 64, Alignment::_8.log2());
            Box::new(Pool { pool, items: Vec::new() })
        }
        "c_arena" => Box::new(Arena { arena: zigalloc_arena_create(allocator), blocks: Vec::new() }),
        _ => return None,
    })
}

fn mode(operation: &str) -> i32 {
    ["reset free_all", "reset retain_capacity"].iter().position(|mode| *mode == operation).unwrap_or(2) as i32
}

struct Pool {
    pool: *mut (),
    items: Vec<Block>,
}

impl Pool {
    fn alloc(&mut self, count: usize) {
        for n in 0..count {
            // SAFETY: the pool is alive.
            if let Some(item) = NonNull::new(unsafe { zigalloc_pool_alloc(self.pool) }) {
                // SAFETY: a new item, which only the list refers to.
                self.items.push(unsafe { Block::fill(NonNull::slice_from_raw_parts(item, 64), n as u8) });
            }
        }
    }

    fn free(&mut self, count: usize) {
        for item in self.items.drain(..count) {
            // SAFETY: a live item of this pool.
            unsafe { zigalloc_pool_free(self.pool, item.memory.cast().as_ptr()) };
        }
    }
}

impl Kind for Pool {
    fn prepare(&mut self) {
        self.alloc(60);
        self.free(30);
    }

    fn run(&mut self, operation: &str) {
        match operation {
            "alloc" => self.alloc(200),
            // SAFETY: the pool is alive.
            "preheat" => assert!(unsafe { zigalloc_pool_preheat(self.pool, 200) }),
            reset => {
                self.items.clear();
                // SAFETY: the pool is alive, and its items are not used afterwards.
                _ = unsafe { zigalloc_pool_reset(self.pool, mode(reset), 5000) };
            }
        }
    }

    fn use_in_destructor(&mut self) {
        self.alloc(100);
        self.items.iter().for_each(Block::check);
        self.free(self.items.len());
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: the pool is alive, and not used afterwards.
        unsafe { zigalloc_pool_destroy(self.pool) };
    }
}

struct Arena {
    arena: *mut (),
    blocks: Vec<Block>,
}

impl Kind for Arena {
    fn prepare(&mut self) {
        // SAFETY: the arena is alive.
        fill_some(unsafe { zigalloc_arena_allocator(self.arena) }, &[100, 3000, 9000], &mut self.blocks);
    }

    fn run(&mut self, operation: &str) {
        if operation == "new node" {
            // SAFETY: the arena is alive.
            fill_some(unsafe { zigalloc_arena_allocator(self.arena) }, &[100_000], &mut self.blocks);
            return;
        }
        self.blocks.clear();
        // SAFETY: the arena is alive, and its blocks are not used afterwards.
        _ = unsafe { zigalloc_arena_reset(self.arena, mode(operation), 5000) };
    }

    fn use_in_destructor(&mut self) {
        let mut blocks = Vec::new();
        // SAFETY: the arena is alive.
        fill_some(unsafe { zigalloc_arena_allocator(self.arena) }, &[100, 3000, 9000], &mut blocks);
        blocks.iter().chain(&self.blocks).for_each(Block::check);
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the arena is alive, and not used afterwards.
        unsafe { zigalloc_arena_destroy(self.arena) };
    }
}
