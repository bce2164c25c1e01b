//! Both arenas, and scopes.

use std::ptr::NonNull;

use zigalloc::heap::arena::Scope;
use zigalloc::heap::{ArenaAllocator, ResetMode, SharedArenaAllocator};
use zigalloc::{Allocator, Handle, SyncAllocator};

use super::Kind;
use super::child::{Block, Child, fill_some};

pub(super) fn make(kind: &str, child: &'static Child) -> Option<Box<dyn Kind>> {
    let allocator = child.allocator();
    let blocks = Vec::new();
    Some(match kind {
        "arena" => {
            Box::new(Arena { arena: ArenaAllocator::init(allocator), handle: allocator, child, blocks })
        }
        "arena_over_arena" => {
            // Dropped with the one above, so it is not leaked.
            let below = Box::new(ArenaAllocator::init(allocator));
            // SAFETY: the box is dropped after the arena above, and does not move.
            let handle: Allocator<'static> = unsafe {
                let handle = below.allocator();
                Allocator::from_raw_parts(handle.ptr(), handle.vtable())
            };
            let arena = Arena { arena: ArenaAllocator::init(handle), handle, child, blocks };
            Box::new(Above { arena, _below: below })
        }
        "scope" => {
            let arena = NonNull::from(Box::leak(Box::new(ArenaAllocator::init(allocator))));
            // SAFETY: the arena is dropped after the scope, and not used otherwise.
            let scope = unsafe { (*arena.as_ptr()).scope() };
            Box::new(InScope { scope, blocks, _arena: Owned(arena) })
        }
        "shared_arena" => Box::new(Shared {
            arena: SharedArenaAllocator::init(allocator),
            handle: allocator,
            child,
            blocks,
        }),
        _ => return None,
    })
}

pub(super) fn mode(operation: &str) -> ResetMode {
    match operation {
        "reset free_all" => ResetMode::FreeAll,
        "reset retain_capacity" => ResetMode::RetainCapacity,
        _ => ResetMode::RetainWithLimit(5000),
    }
}

/// Lengths that need several nodes.
const LENS: &[usize] = &[100, 1500, 3000, 40, 9000, 20_000];

struct Arena<C: Handle> {
    arena: ArenaAllocator<C>,
    handle: C,
    child: &'static Child,
    /// Live blocks of the arena.
    blocks: Vec<Block>,
}

impl<C: Handle> Kind for Arena<C> {
    fn prepare(&mut self) {
        let blocks = &mut self.blocks;
        assert_eq!(fill_some(self.arena.allocator(), LENS, blocks), LENS.len());
    }

    fn run(&mut self, operation: &str) {
        let allocator = self.arena.allocator();
        match operation {
            // Until the newest node is full, and then some that the child serves beside it.
            "grow" => (0..60).for_each(|_| _ = fill_some(allocator, &[997], &mut self.blocks)),
            "new node" => _ = fill_some(allocator, &[100_000], &mut self.blocks),
            "second attempt" => {
                self.child.refuse_above(110_000);
                assert_eq!(fill_some(allocator, &[100_000], &mut self.blocks), 1);
            }
            "scope" => {
                let scope = self.arena.scope();
                fill_some(scope.allocator(), &[50_000, 90_000, 200_000], &mut Vec::new());
            }
            "spare" => {
                // The second scope does not fit into the node that the first has left; the block after it does.
                fill_some(self.arena.scope().allocator(), &[50_000], &mut Vec::new());
                fill_some(self.arena.scope().allocator(), &[200_000], &mut Vec::new());
                fill_some(self.arena.allocator(), &[90_000], &mut self.blocks);
            }
            "rewind" => {
                let checkpoint = self.arena.checkpoint();
                fill_some(allocator, &[50_000, 90_000, 200_000], &mut Vec::new());
                // SAFETY: the blocks since then are not used afterwards.
                unsafe { self.arena.rewind(checkpoint) };
            }
            "replace" => {
                self.blocks.clear();
                self.arena = ArenaAllocator::init(self.handle);
            }
            reset => {
                self.blocks.clear();
                // Use the kept memory at once, so that the optimiser sees all of it.
                _ = self.arena.reset(mode(reset));
                fill_some(self.arena.allocator(), LENS, &mut self.blocks);
            }
        }
    }

    fn use_in_destructor(&mut self) {
        self.child.refuse_above(1 << 20);
        // In the middle of a call there is no memory.
        let mut blocks = Vec::new();
        fill_some(self.arena.allocator(), LENS, &mut blocks);
        {
            // In a scope there is memory, separate from the earlier blocks.
            let mut scope = self.arena.scope();
            assert_eq!(fill_some(scope.allocator(), LENS, &mut blocks), LENS.len());
            let inner = scope.scope();
            fill_some(inner.allocator(), LENS, &mut blocks);
            blocks.iter().chain(&self.blocks).for_each(Block::check);
        }
        self.blocks.iter().for_each(Block::check);
        _ = self.arena.reset(ResetMode::RetainCapacity);
        let mut blocks = Vec::new();
        assert_eq!(fill_some(self.arena.allocator(), LENS, &mut blocks), LENS.len());
        blocks.iter().for_each(Block::check);
    }
}

/// An arena over another one that it owns. Fields are dropped in this order.
struct Above {
    arena: Arena<Allocator<'static>>,
    _below: Box<ArenaAllocator<SyncAllocator<'static>>>,
}

impl Kind for Above {
    fn prepare(&mut self) {
        self.arena.prepare();
    }

    fn run(&mut self, operation: &str) {
        self.arena.run(operation);
    }

    fn use_in_destructor(&mut self) {
        // The one below may be in the middle of a call too, and then has no memory.
        let mut blocks = Vec::new();
        let scope = self.arena.arena.scope();
        fill_some(scope.allocator(), LENS, &mut blocks);
        blocks.iter().chain(&self.arena.blocks).for_each(Block::check);
    }
}

/// A scope that ends when its thread-local owner does, and then its arena. Fields are dropped in this order.
struct InScope {
    scope: Scope<'static, SyncAllocator<'static>>,
    blocks: Vec<Block>,
    _arena: Owned,
}

struct Owned(NonNull<ArenaAllocator<SyncAllocator<'static>>>);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: from a box, and nothing borrows the arena any more.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl Kind for InScope {
    fn prepare(&mut self) {
        assert_eq!(fill_some(self.scope.allocator(), LENS, &mut self.blocks), LENS.len());
    }

    fn run(&mut self, operation: &str) {
        let lens: &[usize] = if operation == "grow" { &[997; 60] } else { &[100_000] };
        assert_eq!(fill_some(self.scope.allocator(), lens, &mut self.blocks), lens.len());
    }

    fn use_in_destructor(&mut self) {
        let inner = self.scope.scope();
        let mut blocks = Vec::new();
        assert_eq!(fill_some(inner.allocator(), LENS, &mut blocks), LENS.len());
        blocks.iter().chain(&self.blocks).for_each(Block::check);
    }
}

struct Shared {
    arena: SharedArenaAllocator<'static>,
    handle: SyncAllocator<'static>,
    child: &'static Child,
    blocks: Vec<Block>,
}

impl Kind for Shared {
    fn prepare(&mut self) {
        assert_eq!(fill_some(*self.arena.allocator(), LENS, &mut self.blocks), LENS.len());
    }

    fn run(&mut self, operation: &str) {
        let allocator = *self.arena.allocator();
        match operation {
            "grow" => (0..60).for_each(|_| _ = fill_some(allocator, &[997], &mut self.blocks)),
            "new node" => _ = fill_some(allocator, &[100_000], &mut self.blocks),
            "second attempt" => {
                self.child.refuse_above(110_000);
                assert_eq!(fill_some(allocator, &[100_000], &mut self.blocks), 1);
            }
            "free node" => {
                // A reset leaves one node in each list; the next request takes the one in the free list.
                self.blocks.clear();
                _ = self.arena.reset(ResetMode::RetainWithLimit(3000));
                fill_some(*self.arena.allocator(), &[3500, 8000], &mut self.blocks);
            }
            "replace" => {
                self.blocks.clear();
                self.arena = SharedArenaAllocator::init(self.handle);
            }
            reset => {
                self.blocks.clear();
                _ = self.arena.reset(mode(reset));
                fill_some(*self.arena.allocator(), LENS, &mut self.blocks);
            }
        }
    }

    fn use_in_destructor(&mut self) {
        self.child.refuse_above(1 << 20);
        let mut blocks = Vec::new();
        assert_eq!(fill_some(*self.arena.allocator(), LENS, &mut blocks), LENS.len());
        blocks.iter().chain(&self.blocks).for_each(Block::check);
        _ = self.arena.reset(ResetMode::RetainCapacity);
        let mut blocks = Vec::new();
        assert_eq!(fill_some(*self.arena.allocator(), LENS, &mut blocks), LENS.len());
        blocks.iter().for_each(Block::check);
    }
}
