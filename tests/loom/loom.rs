//! Models of the shared arena: loom runs every interleaving of the threads, with every result that the memory
//! orderings allow.
//!
//!     .ci/check --only loom
//!
//! which is `RUSTFLAGS="--cfg loom" cargo test -p zigalloc-loom --profile loom`, in a separate directory.
//!
//! Blocks are not written to but *touched*: each eight bytes of the child's memory have a loom cell, which reports
//! two unordered uses, and so two owners at a time. The child also touches what it hands out. It is a bump allocator
//! with relaxed atomics, so that the arena cannot rely on its ordering.

#![cfg(loom)]

use std::ptr::NonNull;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use zigalloc::heap::{ResetMode, SharedArenaAllocator};
use zigalloc::{Alignment, SyncAllocator, VTable, state};

const WORD: usize = 8;
const WORDS: usize = 256;

struct Child {
    memory: Box<[std::cell::UnsafeCell<u64>; WORDS]>,
    /// The current user of each word.
    uses: Vec<UnsafeCell<()>>,
    end: AtomicUsize,
    /// Offset and length of the live blocks, under a lock that loom does not know, so it orders nothing.
    blocks: std::sync::Mutex<Vec<(usize, usize)>>,
    grants: Grants,
}

/// The requests that the child grants.
#[derive(Clone, Copy, PartialEq)]
enum Grants {
    NewBlocks,
    NewBlocksAndGrowth,
    /// One block, and its growth.
    GrowthOnly,
}

// SAFETY: loom checks `uses`, and only the arena's headers in the memory itself are accessed.
unsafe impl Sync for Child {}

impl Child {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: zigalloc::no_remap, free: Self::free };

    fn new(grants: Grants) -> Child {
        Child {
            memory: Box::new([const { std::cell::UnsafeCell::new(0) }; WORDS]),
            uses: (0..WORDS).map(|_| UnsafeCell::new(())).collect(),
            end: AtomicUsize::new(0),
            blocks: std::sync::Mutex::default(),
            grants,
        }
    }

    fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: blocks are disjoint parts of the memory; any thread may call.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    fn start(&self) -> *mut u8 {
        self.memory.as_ptr().cast_mut().cast()
    }

    /// Uses the bytes from one offset to another.
    fn touch(&self, from: usize, to: usize) {
        for word in from / WORD..to.div_ceil(WORD) {
            self.uses[word].with_mut(|_| ());
        }
    }

    /// Replaces a live block by another one at the same offset, or by none.
    fn replace(&self, old: (usize, usize), new_len: Option<usize>) {
        let mut blocks = self.blocks.lock().expect("no panic");
        let index = blocks.iter().position(|&block| block == old).expect("offset and length of a live block");
        match new_len {
            Some(len) => blocks[index].1 = len,
            None => drop(blocks.swap_remove(index)),
        }
    }

    fn claim(&self, from: usize, to: usize) -> bool {
        let claimed = to <= WORDS * WORD
            && self.end.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if claimed {
            self.touch(from, to);
        }
        claimed
    }

    unsafe extern "C" fn alloc(ctx: *mut (), len: usize, _: Alignment, _: usize) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        loop {
            let end = this.end.load(Ordering::Relaxed);
            if end + len > WORDS * WORD || end > 0 && this.grants == Grants::GrowthOnly {
                return None;
            }
            if this.claim(end, end + len.next_multiple_of(WORD)) {
                this.blocks.lock().expect("no panic").push((end, len));
                // SAFETY: inside the memory.
                return NonNull::new(unsafe { this.start().add(end) });
            }
        }
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        _: Alignment,
        new_len: usize,
        _: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let offset = memory.addr() - this.start().addr();
        let (end, new_end) =
            ((offset + len).next_multiple_of(WORD), (offset + new_len).next_multiple_of(WORD));
        this.replace((offset, len), Some(len));
        let granted = this.grants != Grants::NewBlocks && this.claim(end, new_end);
        if granted {
            this.replace((offset, len), Some(new_len));
        }
        granted
    }

    unsafe extern "C" fn free(ctx: *mut (), memory: *mut u8, len: usize, _: Alignment, _: usize) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        this.replace((memory.addr() - this.start().addr(), len), None);
    }
}

/// The arena and its child, as shared by the threads.
#[derive(Clone, Copy)]
struct Shared {
    child: &'static Child,
    arena: &'static SharedArenaAllocator<'static>,
}

/// A live block.
#[derive(Clone, Copy)]
struct Block(usize, usize);

impl Shared {
    fn touch(self, block: Block) {
        self.child.touch(block.0, block.0 + block.1);
    }

    /// Allocates `words` words and uses them.
    fn try_alloc(self, words: usize) -> Option<Block> {
        let len = words * WORD;
        // SAFETY: the length is not zero.
        let memory = unsafe { self.arena.allocator().raw_alloc(len, Alignment::_8, 0) }?;
        let block = Block(memory.addr().get() - self.child.start().addr(), len);
        self.touch(block);
        Some(block)
    }

    fn alloc(self, words: usize) -> Block {
        self.try_alloc(words).expect("room")
    }

    fn memory(self, block: Block) -> NonNull<[u8]> {
        // SAFETY: inside the memory.
        let memory = NonNull::new(unsafe { self.child.start().add(block.0) }).expect("not null");
        NonNull::slice_from_raw_parts(memory, block.1)
    }

    fn resize(self, block: Block, words: usize) -> Option<Block> {
        let len = words * WORD;
        let memory = self.memory(block);
        // SAFETY: a live block.
        unsafe { self.arena.allocator().raw_resize(memory, Alignment::_8, len, 0) }.then(|| {
            let block = Block(block.0, len);
            self.touch(block);
            block
        })
    }

    /// Uses the block for the last time, and frees it.
    fn free(self, block: Block) {
        self.touch(block);
        // SAFETY: a live block, not used afterwards.
        unsafe { self.arena.allocator().raw_free(self.memory(block), Alignment::_8, 0) };
    }
}

/// A thread's program on the prepared blocks. It returns those that are still live.
type Program<const N: usize> = fn(Shared, [Block; N]) -> Vec<Block>;

/// Runs `prepare` on one thread, then all of `programs` at once, each with the result of `prepare`, and finally
/// touches the remaining blocks. Loom preempts threads at most `preemptions` times.
fn model<const N: usize>(
    grants: Grants,
    preemptions: usize,
    prepare: fn(Shared) -> [Block; N],
    programs: Vec<Program<N>>,
) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        let child = Box::into_raw(Box::new(Child::new(grants)));
        // SAFETY: freed at the end, after all threads.
        let child_ref: &'static Child = unsafe { &*child };
        let arena = Box::into_raw(Box::new(SharedArenaAllocator::init(child_ref.allocator())));
        // SAFETY: as above.
        let shared = Shared { child: child_ref, arena: unsafe { &*arena } };
        let prepared = prepare(shared);
        let (first, others) = programs.split_first().expect("a program");
        let threads: Vec<_> =
            others.iter().map(|&program| thread::spawn(move || program(shared, prepared))).collect();
        let mut left = first(shared, prepared);
        left.extend(threads.into_iter().flat_map(|thread| thread.join().expect("no panic")));
        for (n, block) in left.iter().enumerate() {
            shared.touch(*block);
            for other in &left[n + 1..] {
                assert!(block.0 + block.1 <= other.0 || other.0 + other.1 <= block.0, "two owners");
            }
        }
        // SAFETY: made above, and no thread uses them any more.
        let (mut arena, child) = unsafe { (Box::from_raw(arena), Box::from_raw(child)) };
        assert!(arena.reset(ResetMode::FreeAll));
        assert!(child.blocks.lock().expect("no panic").is_empty(), "a node was lost");
        drop(arena);
        drop(child);
    });
}

fn nothing(_: Shared) -> [Block; 0] {
    []
}

/// One node, with less than a word left.
fn full_node(shared: Shared) -> [Block; 0] {
    loop {
        let block = shared.alloc(1);
        let (node, len) = shared.child.blocks.lock().expect("no panic")[0];
        if node + len < block.0 + block.1 + WORD {
            return [];
        }
    }
}

/// Two threads find an empty arena. One node becomes the first, the other goes to the free list.
#[test]
fn two_threads_create_the_first_node() {
    let program: Program<0> = |shared, []| vec![shared.alloc(1)];
    model(Grants::NewBlocks, 4, nothing, vec![program, program]);
}

/// Two threads find an empty arena, then each needs more than is left of the first node, so they take the free list,
/// put it back, and push nodes from it and new ones.
#[test]
fn two_threads_and_the_free_list() {
    let program: Program<0> = |shared, []| vec![shared.alloc(6), shared.alloc(5), shared.alloc(4)];
    model(Grants::NewBlocks, 2, nothing, vec![program, program]);
}

/// Three threads with one request each, so that two nodes are in the free list.
#[test]
fn three_threads_create_the_first_node() {
    let program: Program<0> = |shared, []| vec![shared.alloc(2)];
    model(Grants::NewBlocks, 2, nothing, vec![program, program, program]);
}

/// Two threads request more than the node has. The child grows it and touches the new bytes, before their new owners
/// do.
#[test]
fn two_threads_and_a_node_that_grows() {
    let program: Program<0> = |shared, []| vec![shared.alloc(8), shared.alloc(1)];
    model(Grants::NewBlocksAndGrowth, 3, full_node, vec![program, program]);
}

/// One thread grows the node but loses the race for the room. The other one, whose first request was refused, finds
/// it, and only the node's size tells it that the child is done.
#[test]
fn room_made_by_another_thread_is_used() {
    let grows: Program<0> = |shared, []| shared.try_alloc(8).into_iter().collect();
    let finds: Program<0> =
        |shared, []| [shared.try_alloc(1), shared.try_alloc(1)].into_iter().flatten().collect();
    model(Grants::GrowthOnly, 3, full_node, vec![grows, finds]);
}

/// The same, but the room is too small for the other one's second request, which grows it once more.
#[test]
fn node_grown_by_another_thread_grows_again() {
    let grows: Program<0> = |shared, []| shared.try_alloc(8).into_iter().collect();
    let grows_too: Program<0> =
        |shared, []| [shared.try_alloc(1), shared.try_alloc(5)].into_iter().flatten().collect();
    model(Grants::GrowthOnly, 3, full_node, vec![grows, grows_too]);
}

/// A thread grows the node over bytes that another one got by growing it, and freed.
#[test]
fn growing_over_freed_bytes() {
    let grows: Program<0> = |shared, []| vec![shared.alloc(8)];
    let frees: Program<0> = |shared, []| {
        let block = shared.alloc(3);
        shared.free(block);
        vec![]
    };
    model(Grants::NewBlocksAndGrowth, 3, full_node, vec![grows, frees]);
}

/// One thread frees the last block; the other one allocates, and may get the same bytes.
#[test]
fn freed_bytes_are_handed_over() {
    let frees: Program<1> = |shared, [block]| {
        shared.free(block);
        vec![]
    };
    let allocates: Program<1> = |shared, _| vec![shared.alloc(2), shared.alloc(1)];
    model(Grants::NewBlocks, 4, |shared| [shared.alloc(2)], vec![frees, allocates]);
}

/// One thread shrinks and grows the last block while the other one allocates and frees after it.
#[test]
fn resize_against_alloc() {
    let resizes: Program<1> = |shared, [block]| {
        let block = shared.resize(block, 1).expect("shrinking never fails");
        vec![shared.resize(block, 2).unwrap_or(block)]
    };
    let allocates: Program<1> = |shared, _| {
        let block = shared.alloc(1);
        shared.free(block);
        vec![shared.alloc(1)]
    };
    model(Grants::NewBlocks, 3, |shared| [shared.alloc(3)], vec![resizes, allocates]);
}

/// One thread frees the last block while the owner of the block before it grows into its bytes.
#[test]
fn growing_into_freed_bytes() {
    let frees: Program<2> = |shared, [_, last]| {
        shared.free(last);
        vec![]
    };
    let grows: Program<2> = |shared, [block, _]| vec![shared.resize(block, 3).unwrap_or(block)];
    let prepare: fn(Shared) -> [Block; 2] = |shared| [shared.alloc(2), shared.alloc(1)];
    model(Grants::NewBlocks, 4, prepare, vec![frees, grows]);
}
