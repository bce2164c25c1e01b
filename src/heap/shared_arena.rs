//! An arena for any number of threads, without a lock.
//!
//! # Guarantees
//!
//! The same as the single-threaded [arena](super::arena): allocating moves an index, freeing does
//! nothing unless the block is the last one, and everything is given back to the child by [`reset`],
//! [`deinit`] or the arena's end. And any number of threads may do so at once. There is no lock: a thread
//! that is suspended, wherever it is, keeps no other one from going on.
//!
//! # Layout
//!
//! The arena is its child's handle and a [`State`] of two words, the heads of two lists. A node is a
//! 24-byte header of a block from the child:
//!
//! ```text
//!   used_list ─▶ ┌──────┬───────────┬──────┬───────────┬───┬──────────┬───────────────┐
//!                │ size │ end_index │ next │   block   │pad│  block   │     free      │
//!                └──────┴───────────┴──┬───┴───────────┴───┴──────────┴───────────────┘
//!                                      │   0                          end_index       size - 24
//!                                      ▼
//!                               older nodes, which nobody allocates from
//!
//!   free_list ─▶ nodes without blocks
//! ```
//!
//! Bit 0 of `size` is 1 while a thread asks the child to enlarge the node; so sizes are even.
//!
//! # How a block is found
//!
//! 1. In the newest node of the used list, by moving its `end_index` with a compare-and-swap. If the
//!    block does not fit, the index moves all the same. If another thread has moved it meanwhile, this
//!    one pauses, and begins again: see [below](self#losing-a-race).
//! 2. By asking the child to enlarge this node. One thread at a time does that; the others go on.
//! 3. In the free list, which the thread takes as a whole. It uses the node that fits best, enlarged if
//!    need be, and puts the others back.
//! 4. In a new node, with room for the request, its alignment and the previous node, and half of that
//!    again:
//!
//!    ```text
//!      wanted = previous capacity + request + alignment + 24 (header) + 16
//!      size   = wanted + wanted / 2, rounded up to an even number
//!    ```
//!
//! A node of 3 or 4 becomes the head of the used list by a compare-and-swap. If another thread was
//! faster, it all begins again with that thread's node; a new node is kept for the next attempt, and
//! goes to the free list in the end if it was not needed.
//!
//! # Losing a race
//!
//! Where threads do little but allocate, most of the time would go into passing the cache line of the index
//! from core to core. So a thread that has lost the race for the index stays away for a moment, and longer,
//! up to eight times that, if it loses again for the same request. Meanwhile the others have the cache line
//! to themselves. The moment is 128 of the processor's pause instructions; no call of the system is made.
//! With one thread it does not happen.
//!
//! It is a pause and not a wait for somebody: it ends by itself. Some thread always gets its block. A
//! certain one could in theory lose again and again.
//!
//! The arena's own two words are read by every call and written only when the nodes change. What threads
//! write often is better not beside them.
//!
//! # What a failed request costs
//!
//! Since the index moves even if a block does not fit (as in Zig; nothing has to be undone that other
//! threads may have seen), the rest of the newest node is lost by a request that fails, and a node
//! that grows in place has a hole as large as the request. The next request makes a new node, half as
//! large again as the last: a program that goes on after many failures, with small requests between,
//! holds 1.5ⁿ times the memory after n of them. The single-threaded arena loses nothing. A reset
//! recovers everything. It is so because results are Zig's; where requests fail often and the program
//! goes on, a lock around the single-threaded arena is the better choice.
//!
//! # Why it is correct
//!
//! The numbers are cited where the code relies on them. *Shared* is the time while handles exist;
//! whatever needs the arena exclusively comes before or after that.
//!
//! 1. A node's address is what the child returned for a live block that begins with a header. No node
//!    is freed while shared.
//! 2. A node that is in no list is owned by one thread: the one that made it, or the one that took the
//!    free list. Only the owner touches `next`. Nobody does once the node is in the used list, until
//!    the arena is borrowed exclusively.
//! 3. The used list only grows, at its head. So a head that is what it was has not changed, and a push
//!    that compares it cannot be fooled. The free list is only taken as a whole, and a push to it does
//!    not look into the node that it finds, so it does not matter what happened to that node meanwhile.
//!    There is no ABA problem because nobody pops.
//! 4. `size` only grows while shared. Between `begin_resize` and `set_size` one thread has the right to
//!    ask the child about a node that others allocate from; the owner has it for any other node.
//! 5. The live blocks of a node are disjoint and end at or before its `end_index`. By induction: a new
//!    block begins at the index or behind it and ends at the new index; growing is the same for the
//!    bytes that are added. Freeing moves the index from the end of a block to its begin, and the
//!    block's owner agrees; the others end there or before. Each of these compares and swaps the value
//!    that it computed with. What happened in between does not matter: if the value is the same, 5
//!    says that nothing live is behind it.
//!    A block of *another* node can seem to end at the index too, if the index is behind its node's end.
//!    The index then moves to that block's begin, which is still behind the node's end; and as long as
//!    the other node lives, this one cannot grow there.
//!    A block is handed out only if it ends within a `size` that was read.
//! 6. `end_index` never exceeds the longest block that a child can have, so it does not wrap.
//! 7. Who gets bytes sees their former use, by whichever thread, as past. All changes of `end_index`
//!    are atomic updates; those that give bytes back release, those that take bytes acquire, and
//!    updates continue each other's release sequence. What the child did to a node's bytes is released
//!    with the node's push or its `size`, and acquired with the head or the `size`.
//!
//! `tests/loom.rs` lets loom run through small cases of it, with every order in which the threads can run
//! if they are interrupted two to four times (`cargo xtask test --only loom`); Miri and several threads over a
//! child with spurious failures are in `tests/all/shared_arena`.
//!
//! # What it assumes of its child
//!
//! The [contract](crate::VTable#the-contract-of-an-allocator), from any thread. All calls have an
//! alignment of one word, and the return address of the arena's own code.
//!
//! # This or a lock around the other arena?
//!
//! Time over that of a [`ThreadSafeAllocator`](crate::ThreadSafeAllocator) around an
//! [`ArenaAllocator`](super::ArenaAllocator), for threads that do nothing else, on two processors: medians,
//! in brackets the quartiles (`cargo bench --bench allocators -- shared`):
//!
//! | threads | 1 | 2 | 4 |
//! |---|---|---|---|
//! | 64 bytes, never freed | 0.82 (0.81–0.83) | 0.51 (0.50–0.51) | 0.77 (0.75–0.78) |
//! | 8 to 256 bytes, 7 of 8 freed at once | 0.72 (0.71–0.72) | 0.48 (0.47–0.50) | 0.76 (0.73–0.78) |
//!
//! The processors had no other work. In seven runs beside other work, with loads from 4 to 10, the medians
//! lay between 0.80 and 0.87, 0.54 and 0.73, 0.78 and 0.93 in the first row, and between 0.65 and 0.72,
//! 0.60 and 0.72, 0.71 and 0.91 in the second (but for one run with 4 threads, which had seven samples
//! only). It has not been measured with more than two processors.
//!
//! Take this one
//!
//! - for speed, as it mostly is faster, with one thread and with several;
//! - if no thread may be kept waiting by one that has been suspended: it has no lock to hold. (Who was
//!   suspended while asking the child, or with the free list in hand, costs the others new nodes, no
//!   more; they fail only if the child has no memory for those);
//! - if allocating must not call the system (as far as the child does not), or happens in a signal
//!   handler that can have interrupted an allocation: to the arena, the handler is one thread more.
//!
//! Take the lock
//!
//! - if requests fail and the program goes on: see [above](self#what-a-failed-request-costs);
//! - if the child is not thread-safe;
//! - if results must be those of Zig 0.15.2.
//!
//! # After a fork
//!
//! A child that is forked while other threads allocate goes on: no call waits for another thread. Memory that one of
//! them was just taking, and a node that it was just resizing, are lost in the child until the arena is reset.
//!
//! # Differences from Zig
//!
//! Zig reserves the most that an alignment can need by one addition, and gives the surplus back by a
//! compare-and-swap that may fail. Here one compare-and-swap takes exactly what is needed. With one thread
//! the results are the same. It is one atomic operation instead of two for alignments above 1, and
//! padding is not lost when threads meet; but it can lose a race, where an addition cannot. Above all,
//! Zig's addition can wrap: in fast modes of 0.17.1, after eleven requests of 2^61 bytes have failed, the
//! twelfth succeeds, and small ones get addresses that are not the arena's. Here a length that no node can
//! have moves nothing.
//!
//! Zig reads `size` without acquiring it, which leaves what the child did to the bytes of a node that
//! grew unordered before their use (7).
//!
//! A length of zero is null; and without any node, nothing is resized and freeing does nothing. Zig
//! panics, or worse. An arena that goes out of scope frees its memory.
//!
//! Ports `lib/std/heap/ArenaAllocator.zig` of Zig 0.17.1, which has replaced both `ThreadSafeAllocator`
//! and the single-threaded arena since 0.16.
//!
//! [`reset`]: SharedArenaAllocator::reset
//! [`deinit`]: SharedArenaAllocator::deinit

use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};

use crate::alignment::Alignment;
use crate::heap::ResetMode;
use crate::return_address::return_address;
use crate::sync::{AtomicPtr, Ordering};
use crate::vtable::{Allocator, AllocatorState, SyncAllocator, VTable, block, nullable};

mod lists;
mod node;
mod room;

use node::{Backoff, NODE_ALIGNMENT, NODE_SIZE, Node, NodePtr, Nodes, Reserved};
use room::Attempt;

/// An arena for any number of threads, without a lock; see the [module](self).
///
/// ```
/// use zigalloc::heap::{PAGE_ALLOCATOR, SharedArenaAllocator};
///
/// static ARENA: SharedArenaAllocator<'static> = SharedArenaAllocator::init(PAGE_ALLOCATOR);
///
/// let threads: Vec<_> = (0..4)
///     .map(|n| std::thread::spawn(move || ARENA.allocator().create_with(n).is_ok()))
///     .collect();
/// for thread in threads {
///     assert!(thread.join().unwrap());
/// }
/// ```
#[doc(alias = "std.heap.ArenaAllocator")]
pub struct SharedArenaAllocator<'c> {
    child_allocator: SyncAllocator<'c>,
    state: State,
}

/// What a shared arena is without its child's handle: to store many arenas over one child.
///
/// A state that still has nodes and is dropped leaks them. It is not the [`State`](super::arena::State) of
/// the single-threaded arena: as in Zig, each arena has a `State` of its own, in its module.
///
/// Ports `std.heap.ArenaAllocator.State` of Zig 0.17.1.
///
/// ```
/// use zigalloc::heap::{PAGE_ALLOCATOR, SharedArenaAllocator};
///
/// let arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
/// let memory = arena.allocator().create_with(42)?;
/// let state = arena.into_state();
/// // SAFETY: the same child.
/// let arena = unsafe { state.promote(PAGE_ALLOCATOR) };
/// assert_eq!(unsafe { memory.read() }, 42);
/// # drop(arena);
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.ArenaAllocator.State")]
#[derive(Debug, Default)]
pub struct State {
    /// The newest node of those that blocks come from.
    used_list: AtomicPtr<Node>,
    /// Nodes that no block is in.
    free_list: AtomicPtr<Node>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<State>() == 2 * size_of::<usize>());

impl State {
    /// An arena with this state.
    ///
    /// # Safety
    /// The state is new, or `child_allocator` is the child of the arena that it is from, and that child has
    /// not been reset, ended or replaced since: the nodes are still live blocks of it.
    #[inline]
    pub unsafe fn promote(self, child_allocator: SyncAllocator<'_>) -> SharedArenaAllocator<'_> {
        SharedArenaAllocator { child_allocator, state: self }
    }
}

/// Takes bytes of the newest node, if there is one.
#[inline(always)]
fn reserve(first: Option<NodePtr>, len: usize, alignment: Alignment) -> Reserved {
    first.map_or(Reserved::Full, |node| node.reserve(len, alignment))
}

impl<'c> SharedArenaAllocator<'c> {
    const VTABLE: VTable = VTable {
        alloc: shared_arena_alloc,
        resize: shared_arena_resize,
        remap: shared_arena_remap,
        free: shared_arena_free,
    };

    /// An empty arena. It asks the child for nothing until it is asked itself.
    #[must_use]
    #[cfg(not(loom))]
    #[inline]
    pub const fn init(child_allocator: SyncAllocator<'c>) -> SharedArenaAllocator<'c> {
        let state =
            State { used_list: AtomicPtr::new(ptr::null_mut()), free_list: AtomicPtr::new(ptr::null_mut()) };
        SharedArenaAllocator { child_allocator, state }
    }

    /// An empty arena. Loom's atomics cannot be made in constants.
    #[cfg(loom)]
    pub fn init(child_allocator: SyncAllocator<'c>) -> SharedArenaAllocator<'c> {
        SharedArenaAllocator { child_allocator, state: State::default() }
    }

    /// A handle to this arena, for any number of threads.
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: the functions keep the contract from any thread: the essay's invariants show that
        // blocks are disjoint parts of nodes, which are live blocks of the child. The handle borrows
        // `self`, and what frees nodes needs `self` exclusively (clause 11).
        unsafe { SyncAllocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }

    /// Frees all memory, as dropping the arena does.
    #[inline]
    pub fn deinit(self) {}

    /// The arena's two words without its child, for [`State::promote`]. Frees nothing.
    #[must_use = "dropping the state leaks its nodes"]
    #[inline]
    pub fn into_state(self) -> State {
        let mut arena = ManuallyDrop::new(self);
        core::mem::take(&mut arena.state)
    }

    /// How many bytes the arena has for blocks, used or not: all nodes without their headers.
    ///
    /// Not for several threads, so it needs the arena exclusively.
    #[doc(alias = "queryCapacity")]
    pub fn query_capacity(&mut self) -> usize {
        self.list_capacity(&self.state.used_list) + self.list_capacity(&self.state.free_list)
    }

    /// Ends all blocks; what happens to the memory is the `mode`.
    ///
    /// The two lists are treated apart: each keeps one node, and a limit is the used list's first.
    /// What is kept is rounded down so that the node's size is even.
    ///
    /// Returns false if the child did not give a block that `mode` asks to keep. The arena is empty and
    /// usable then too; it only has another amount of memory than was asked for.
    ///
    /// ```
    /// use zigalloc::heap::{PAGE_ALLOCATOR, ResetMode, SharedArenaAllocator};
    ///
    /// let mut arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    /// arena.allocator().alloc::<u8>(5000)?;
    /// assert!(arena.reset(ResetMode::RetainWithLimit(1000)));
    /// assert_eq!(arena.query_capacity(), 1000);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use = "if the result is false, the arena has less memory than was asked for"]
    pub fn reset(&mut self, mode: ResetMode) -> bool {
        let limit = match mode {
            ResetMode::FreeAll => 0,
            ResetMode::RetainCapacity => usize::MAX,
            ResetMode::RetainWithLimit(limit) => limit,
        };
        let used = self.list_capacity(&self.state.used_list).min(limit);
        let free = self.list_capacity(&self.state.free_list).min(limit - used);
        let used_kept = self.reset_list(&self.state.used_list, used);
        let free_kept = self.reset_list(&self.state.free_list, free);
        used_kept && free_kept
    }

    // ---- with the arena borrowed exclusively ----

    /// The nodes of a list. Only for callers that have the arena exclusively: they own all nodes.
    fn nodes(&self, list: &AtomicPtr<Node>) -> Nodes {
        // SAFETY: invariant 1.
        Nodes(unsafe { NodePtr::from_ptr(list.load(Ordering::Acquire)) })
    }

    fn list_capacity(&self, list: &AtomicPtr<Node>) -> usize {
        self.nodes(list).map(NodePtr::capacity).sum()
    }

    /// The same, after which the list is empty: while the child is called, and for good if that ends the
    /// thread (see `drop`).
    fn take_nodes(&self, list: &AtomicPtr<Node>) -> impl Iterator<Item = NodePtr> {
        let nodes = self.nodes(list);
        list.store(ptr::null_mut(), Ordering::Relaxed);
        nodes.filter(|node| !node.is_resizing())
    }

    /// Gives a node back to the child. It must not be in a list any more.
    fn free_node(&self, node: NodePtr) {
        // SAFETY: a live block of the child with matching length and alignment, no longer in use.
        unsafe { self.child_allocator.raw_free(node.block(node.size()), NODE_ALIGNMENT, return_address()) };
    }

    /// Keeps the oldest node of a list, with room for `capacity` bytes, and frees the others. Returns
    /// false if the child refused; the node is then as large as it was.
    fn reset_list(&self, list: &AtomicPtr<Node>, capacity: usize) -> bool {
        let mut nodes = self.take_nodes(list);
        let Some(mut oldest) = nodes.next() else {
            return true;
        };
        for older in nodes {
            self.free_node(oldest);
            oldest = older;
        }
        let size = (NODE_SIZE + capacity) & !1;
        if size == NODE_SIZE {
            self.free_node(oldest);
            return true;
        }
        oldest.end_index.store(0, Ordering::Relaxed);
        let (node, kept_all) = self.resize_empty(oldest, size);
        list.store(node.as_ptr(), Ordering::Relaxed);
        kept_all
    }

    /// Makes an empty node `size` bytes long, with another in its place if need be; false if that cannot be.
    fn resize_empty(&self, oldest: NodePtr, size: usize) -> (NodePtr, bool) {
        let old_size = oldest.size();
        if old_size == size {
            return (oldest, true);
        }
        let child = self.child_allocator;
        // SAFETY: a live block of the child with matching length and alignment; `size` is not zero.
        if unsafe { child.raw_resize(oldest.block(old_size), NODE_ALIGNMENT, size, return_address()) } {
            oldest.set_size(size);
            return (oldest, true);
        }
        // SAFETY: `size` is not zero.
        let Some(memory) = (unsafe { child.raw_alloc(size, NODE_ALIGNMENT, return_address()) }) else {
            return (oldest, false);
        };
        // SAFETY: the child has just returned it for this size, which is even and above `NODE_SIZE`.
        let node = unsafe { NodePtr::write_header(memory, size) };
        self.free_node(oldest);
        (node, true)
    }

    // ---- with any number of threads ----

    #[inline]
    fn alloc(&self, len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
        if len == 0 || !alignment.is_valid() {
            return None;
        }
        let first = self.state.first_node();
        match reserve(first, len, alignment) {
            Reserved::Block(memory) => Some(memory),
            Reserved::Lost => self.alloc_slow(first, true, len, alignment),
            Reserved::Full => self.alloc_slow(first, false, len, alignment),
        }
    }

    /// What is left to do when `first`, the newest node, if there is one, has no room, or when the race
    /// for it was `lost`.
    ///
    /// `extern "C"`, so that it cannot unwind and the fast path needs no stack frame to catch it.
    #[cold]
    extern "C" fn alloc_slow(
        &self,
        mut first: Option<NodePtr>,
        lost: bool,
        len: usize,
        alignment: Alignment,
    ) -> Option<NonNull<u8>> {
        // A new node that was overtaken by another thread's is kept for the next attempt, and for
        // everybody if there is none.
        let mut spare = None;
        let mut backoff = Backoff::new();
        let mut reserved = if lost { Reserved::Lost } else { Reserved::Full };
        let memory = loop {
            match reserved {
                Reserved::Block(memory) => break Some(memory),
                Reserved::Lost => {
                    backoff.wait();
                    first = self.state.first_node();
                }
                Reserved::Full => match self.make_room(first, len, alignment, &mut spare) {
                    Attempt::Block(memory) => break Some(memory),
                    Attempt::Again(node) => first = node,
                    Attempt::Refused => break None,
                },
            }
            reserved = reserve(first, len, alignment);
        };
        if let Some(node) = spare {
            self.state.push_free(node, node);
        }
        memory
    }

    #[inline]
    fn resize(&self, memory: NonNull<[u8]>, new_len: usize) -> bool {
        self.remap(memory, new_len).is_some()
    }

    /// The block's pointer, if it could be resized in place. The caller's own may reach no further than
    /// the old length (a `Box` narrows its pointer), so that of a block that has grown is the node's.
    #[inline]
    fn remap(&self, memory: NonNull<[u8]>, new_len: usize) -> Option<NonNull<u8>> {
        let node = self.state.first_node()?;
        let end_index = node.end_index.load(Ordering::Relaxed);
        if !node.is_last(end_index, memory) {
            return (new_len <= memory.len()).then_some(memory.cast());
        }
        // Where another thread has allocated behind the block meanwhile, an exchange fails. Growing then
        // fails too; to shrink succeeds all the same, and the bytes stay unused until the reset.
        if new_len <= memory.len() {
            let end = end_index - (memory.len() - new_len);
            let _ = node.end_index.compare_exchange(end_index, end, Ordering::Release, Ordering::Relaxed);
            return Some(memory.cast());
        }
        let growth = new_len - memory.len();
        // Saturating, because `end_index` can be behind the end, and the block in another node.
        let grown = growth <= node.capacity().saturating_sub(end_index)
            && node
                .end_index
                .compare_exchange(end_index, end_index + growth, Ordering::Acquire, Ordering::Relaxed)
                .is_ok();
        if grown { NonNull::new(node.as_ptr().cast::<u8>().with_addr(memory.addr().get())) } else { None }
    }

    #[inline]
    fn free(&self, memory: NonNull<[u8]>) {
        let Some(node) = self.state.first_node() else {
            return;
        };
        let end_index = node.end_index.load(Ordering::Relaxed);
        if node.is_last(end_index, memory) {
            let end = end_index - memory.len();
            let _ = node.end_index.compare_exchange(end_index, end, Ordering::Release, Ordering::Relaxed);
        }
    }
}

/// An arena that is thread-local is dropped in the middle of a call of its child if the child ends the
/// program (`std::process::exit`). A node that it was resizing is leaked: nobody knows how long it is.
impl Drop for SharedArenaAllocator<'_> {
    fn drop(&mut self) {
        for list in [&self.state.used_list, &self.state.free_list] {
            self.take_nodes(list).for_each(|node| self.free_node(node));
        }
    }
}

// SAFETY: 1. as `allocator` says. 2. Any thread may call the handle at any time.
unsafe impl AllocatorState for SharedArenaAllocator<'_> {
    fn allocator(&self) -> Allocator<'_> {
        SharedArenaAllocator::allocator(self).get()
    }
}

impl fmt::Debug for SharedArenaAllocator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedArenaAllocator")
            .field("child_allocator", &self.child_allocator)
            .finish_non_exhaustive()
    }
}

// ---- the functions of the table ----

/// # Safety
/// Clause 1 of the contract: `ctx` is the address that `allocator` took, whose borrow lasts.
#[inline(always)]
unsafe fn context<'s>(ctx: *mut ()) -> &'s SharedArenaAllocator<'s> {
    // SAFETY: the caller's promise; shared references are all that is ever made from it.
    unsafe { &*ctx.cast_const().cast() }
}

#[inline]
unsafe extern "C" fn shared_arena_alloc(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    _ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 1 of the contract.
    nullable(unsafe { context(ctx) }.alloc(len, alignment))
}

#[inline]
unsafe extern "C" fn shared_arena_resize(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    new_len: usize,
    _ret_addr: usize,
) -> bool {
    // SAFETY: clauses 1 and 3 of the contract.
    unsafe { context(ctx).resize(block(memory, memory_len), new_len) }
}

#[inline]
unsafe extern "C" fn shared_arena_remap(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    new_len: usize,
    _ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clauses 1 and 3 of the contract.
    nullable(unsafe { context(ctx).remap(block(memory, memory_len), new_len) })
}

#[inline]
unsafe extern "C" fn shared_arena_free(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    _ret_addr: usize,
) {
    // SAFETY: clauses 1 and 3 of the contract.
    unsafe { context(ctx).free(block(memory, memory_len)) };
}
