//! An arena for any number of threads, without a lock.
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
//!                               older nodes, which no thread allocates from
//!
//!   free_list ─▶ nodes without blocks
//! ```
//!
//! Bit 0 of `size` is 1 while a thread calls the child to enlarge the node; so sizes are even.
//!
//! # How a block is found
//!
//! 1. In the newest node of the used list, by moving its `end_index` with a compare-and-swap. If the
//!    block does not fit, the index moves all the same. If another thread has moved it in between, this
//!    one pauses, and starts again: see [below](self#losing-a-race).
//! 2. By enlarging this node, if the child can. One thread at a time tries; the others go on.
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
//! 5. If the child refuses that, in a new node that has room for this request alone: the header, the most padding
//!    that the alignment can need, and the request, rounded up to an even number.
//!
//! A node of 3 to 5 becomes the head of the used list by a compare-and-swap. If another thread was
//! faster, the search starts again with that thread's node; a new node is kept for the next attempt, and
//! goes to the free list in the end if it was not needed.
//!
//! # Losing a race
//!
//! Where threads do little but allocate, most of the time would go into passing the cache line of the index from core to
//! core. So a thread that loses the race for the index backs off for 128 of the processor's pause instructions, and up to
//! eight times as long if it loses again for the same request, while the others have the cache line to themselves. It makes
//! no system call. With back-off bounded, the arena is lock-free, not wait-free.
//!
//! The arena's own two words are read by every call and written only when the nodes change. Do not put data
//! beside them that threads write often.
//!
//! # What a failed request costs
//!
//! Since the index moves even if a block does not fit (as in Zig; nothing has to be undone that other
//! threads may have seen), the rest of the newest node is lost by a request that fails, and a node
//! that grows in place has a hole as large as the request. The next request makes a new node, half as
//! large again as the last: a program that goes on after many failures, with small requests between,
//! holds 1.5ⁿ times the memory after n of them. The single-threaded arena loses nothing. A reset
//! recovers everything. The results are Zig's; where requests fail often and the program goes on, a lock around the
//! single-threaded arena is the better choice.
//!
//! # Why it is correct
//!
//! The numbers are cited where the code relies on them. *Shared* is the time while handles exist;
//! whatever needs the arena exclusively comes before or after that.
//!
//! 1. A node's address is what the child returned for a live block that starts with a header. No node
//!    is freed while shared.
//! 2. A node that is in no list is owned by one thread: the one that made it, or the one that took the
//!    free list. Only the owner accesses `next`. No thread does once the node is in the used list, until
//!    the arena is borrowed exclusively; the borrower then owns all nodes.
//! 3. The used list only grows, at its head. So a head that is what it was has not changed, and a push
//!    that compares it cannot be fooled. The free list is only taken as a whole, and a push to it does
//!    not look into the node that it finds, so it does not matter what happened to that node in between.
//!    There is no ABA problem because no thread pops.
//! 4. `size` only grows while shared. Between `begin_resize` and `set_size` one thread has the right to
//!    ask the child about a node that others allocate from; the owner has it for any other node.
//! 5. The live blocks of a node are disjoint and end at or before its `end_index`. By induction: a new
//!    block starts at the index or after it and ends at the new index; growing is the same for the
//!    bytes that are added. Freeing moves the index from the end of a block to its start, and the
//!    block's owner agrees; the others end there or before. Each of these compares and swaps the value
//!    that it computed with. What happened in between does not matter: if the value is the same, 5
//!    says that nothing live is after it.
//!    A block of *another* node can seem to end at the index too, if the index is past its node's end.
//!    The index then moves to that block's start, which is still past the node's end; and as long as
//!    the other node lives, this one cannot grow there.
//!    A block is handed out only if it ends within a `size` that was read.
//! 6. `end_index` never exceeds the longest block that a child can have, so it does not wrap.
//! 7. A thread that gets bytes sees their former use, by whichever thread, as past. All changes of `end_index`
//!    are atomic updates; those that give bytes back release, those that take bytes acquire, and
//!    updates continue each other's release sequence. What the child did to a node's bytes is released
//!    with the node's push or its `size`, and acquired with the head or the `size`.
//!
//! `tests/loom.rs` lets loom run through small cases of it, with every order in which the threads can run
//! if they are interrupted two to four times (`.ci/check --only loom`); Miri and several threads over a
//! child with spurious failures are in `tests/all/heap/shared_arena`.
//!
//! # What it assumes of its child
//!
//! The [contract](crate::VTable#the-contract-of-an-allocator), from any thread. All calls have an
//! alignment of one word, and a return address in the arena's own code.
//!
//! # This or a lock around the other arena?
//!
//! `docs/performance.md` compares their speed.
//!
//! Take this one
//!
//! - for speed, with one thread and with several;
//! - if a suspended thread must not keep others waiting: there is no lock to hold. (A thread that is suspended in a call of
//!   the child, or while it owns the free list, costs the others new nodes at most; they fail only if the child has no
//!   memory for those);
//! - if allocating must not call the system (as far as the child does not), or happens in a signal
//!   handler that can have interrupted an allocation: to the arena, the handler is one more thread.
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
//! Zig makes no second attempt at a new node (5): the request fails.
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
use crate::allocator::{Allocator, AsAllocator, SyncAllocator};
use crate::heap::ResetMode;
use crate::return_address::return_address;
use crate::sync::{AtomicPtr, Ordering};
use crate::vtable::{VTable, block, state};

mod lists;
mod node;
mod room;

use node::{Backoff, NODE_ALIGNMENT, NODE_SIZE, Node, NodePtr, Nodes, Reserved};
use room::Attempt;

/// An arena for any number of threads, without a lock.
///
/// As in the single-threaded [`ArenaAllocator`](super::ArenaAllocator), allocating moves an index, freeing does nothing
/// unless the block is the last one, and all memory goes back to the child by [`reset`](Self::reset),
/// [`deinit`](Self::deinit) or the arena's drop. Any number of threads may allocate at once, and a thread that is suspended,
/// wherever it is, does not stop the others.
///
/// Take it for speed, or where a suspended thread must not delay others. Take a
/// [`ThreadSafeAllocator`](crate::ThreadSafeAllocator) around an `ArenaAllocator` if the child is not thread-safe, if
/// requests fail and the program goes on (a [failed request](self#what-a-failed-request-costs) costs the rest of a node), or
/// if results must be those of Zig 0.15.2.
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
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

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
        // SAFETY: the functions keep the contract from any thread: the essay's invariants show that blocks are
        // disjoint parts of nodes, which are live blocks of the child. What frees nodes needs `self` exclusively,
        // which the handle borrows (validity).
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
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
        // SAFETY: the arena is borrowed exclusively.
        let used = unsafe { self.nodes(&self.state.used_list) };
        // SAFETY: the same.
        let free = unsafe { self.nodes(&self.state.free_list) };
        used.chain(free).map(NodePtr::capacity).sum()
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
        // SAFETY: the arena is borrowed exclusively.
        let used: usize = unsafe { self.nodes(&self.state.used_list) }.map(NodePtr::capacity).sum();
        // SAFETY: the same.
        let free: usize = unsafe { self.nodes(&self.state.free_list) }.map(NodePtr::capacity).sum();
        let used = used.min(limit);
        let free = free.min(limit - used);
        // SAFETY: the same, and the borrow has ended all blocks (validity).
        let used_kept = unsafe { self.reset_list(&self.state.used_list, used) };
        // SAFETY: the same.
        let free_kept = unsafe { self.reset_list(&self.state.free_list, free) };
        used_kept && free_kept
    }

    // ---- with the arena borrowed exclusively ----

    /// The nodes of a list.
    ///
    /// # Safety
    /// The arena is borrowed exclusively while the iterator is used, so that this thread owns all nodes.
    unsafe fn nodes(&self, list: &AtomicPtr<Node>) -> Nodes {
        // SAFETY: invariant 1.
        let first = unsafe { NodePtr::from_ptr(list.load(Ordering::Acquire)) };
        // SAFETY: this thread owns all nodes, by our caller.
        unsafe { Nodes::new(first) }
    }

    /// The nodes of a list, which is empty from then on: while the child is called, and for good if that ends the
    /// thread (see `drop`). A node that the child was resizing then is left out.
    ///
    /// # Safety
    /// As [`nodes`](Self::nodes).
    unsafe fn take_nodes(&self, list: &AtomicPtr<Node>) -> impl Iterator<Item = NodePtr> {
        // SAFETY: this function's own requirement.
        let nodes = unsafe { self.nodes(list) };
        list.store(ptr::null_mut(), Ordering::Relaxed);
        nodes.filter(|node| !node.is_resizing())
    }

    /// Gives a node back to the child.
    ///
    /// # Safety
    /// This thread owns the node (invariant 2), which has no live blocks. No copy of the pointer is used afterwards.
    unsafe fn free_node(&self, node: NodePtr) {
        // SAFETY: a live block of the child with matching length and alignment, not used afterwards; any thread may call
        // the child.
        unsafe { self.child_allocator.raw_free(node.block(node.size()), NODE_ALIGNMENT, return_address()) };
    }

    /// Keeps the oldest node of a list, with room for `capacity` bytes, and frees the others. Returns
    /// false if the child refused; the node is then as large as it was.
    ///
    /// # Safety
    /// The arena is borrowed exclusively, and no block of these nodes is live.
    unsafe fn reset_list(&self, list: &AtomicPtr<Node>, capacity: usize) -> bool {
        // SAFETY: the arena is borrowed exclusively.
        let mut nodes = unsafe { self.take_nodes(list) };
        let Some(mut oldest) = nodes.next() else {
            return true;
        };
        for older in nodes {
            // SAFETY: this thread owns the node, which the iterator has returned; its blocks are dead.
            unsafe { self.free_node(oldest) };
            oldest = older;
        }
        let size = (NODE_SIZE + capacity) & !1;
        if size == NODE_SIZE {
            // SAFETY: as above.
            unsafe { self.free_node(oldest) };
            return true;
        }
        oldest.end_index.store(0, Ordering::Relaxed);
        // SAFETY: this thread owns the node, whose blocks are dead; `size` is even and above `NODE_SIZE`.
        let (node, kept_all) = unsafe { self.resize_empty(oldest, size) };
        list.store(node.as_ptr(), Ordering::Relaxed);
        kept_all
    }

    /// Makes an empty node `size` bytes long, with another in its place if need be; false if that cannot be.
    ///
    /// # Safety
    /// This thread owns the node (invariant 2), which has no live blocks, and uses the one that is returned instead.
    /// `size` is even and above `NODE_SIZE`.
    unsafe fn resize_empty(&self, oldest: NodePtr, size: usize) -> (NodePtr, bool) {
        let old_size = oldest.size();
        if old_size == size {
            return (oldest, true);
        }
        let child = self.child_allocator;
        // SAFETY: a live block of the child with matching length and alignment; `size` is not zero; any thread may call
        // the child.
        if unsafe { child.raw_resize(oldest.block(old_size), NODE_ALIGNMENT, size, return_address()) } {
            // SAFETY: the child's block has `size` bytes now, and this thread owns the node.
            unsafe { oldest.set_size(size) };
            return (oldest, true);
        }
        // SAFETY: `size` is not zero; any thread may call the child.
        let Some(memory) = (unsafe { child.raw_alloc(size, NODE_ALIGNMENT, return_address()) }) else {
            return (oldest, false);
        };
        // SAFETY: the child has just returned it for this size, which is even and above `NODE_SIZE`.
        let node = unsafe { NodePtr::write_header(memory, size) };
        // SAFETY: this thread owns the old node, which has no live blocks and is not used afterwards.
        unsafe { self.free_node(oldest) };
        (node, true)
    }

    // ---- with any number of threads ----

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
        // A new node that was overtaken by another thread's is kept for the next attempt, and goes to the free list
        // if there is none.
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
                // SAFETY: `spare` is as `make_room` left it: this thread's, and made for this block.
                Reserved::Full => match unsafe { self.make_room(first, len, alignment, &mut spare) } {
                    Attempt::Block(memory) => break Some(memory),
                    Attempt::Again(node) => first = node,
                    Attempt::Refused => break None,
                },
            }
            reserved = reserve(first, len, alignment);
        };
        if let Some(node) = spare {
            // SAFETY: this thread owns the node.
            unsafe { self.state.push_free(node, node) };
        }
        memory
    }

    /// Changes the length of a block in place. The result is a pointer to the block, whose provenance is the node's if
    /// it has grown: the caller's own may be narrower.
    ///
    /// # Safety
    /// `memory` is a live block of this arena, and its bytes past `new_len` are not used again.
    #[inline]
    unsafe fn set_len(&self, memory: NonNull<[u8]>, new_len: usize) -> Option<NonNull<u8>> {
        let node = self.state.first_node()?;
        let end_index = node.end_index.load(Ordering::Relaxed);
        if !node.is_last(end_index, memory) {
            return (new_len <= memory.len()).then_some(memory.cast());
        }
        // If another thread has allocated after the block since the load, an exchange fails. Growing then
        // fails too; shrinking succeeds all the same, and the bytes stay unused until the reset.
        if new_len <= memory.len() {
            let end = end_index - (memory.len() - new_len);
            let _ = node.end_index.compare_exchange(end_index, end, Ordering::Release, Ordering::Relaxed);
            return Some(memory.cast());
        }
        let growth = new_len - memory.len();
        // Saturating, because `end_index` can be past the node's end, and the block in another node.
        let grown = growth <= node.capacity().saturating_sub(end_index)
            && node
                .end_index
                .compare_exchange(end_index, end_index + growth, Ordering::Acquire, Ordering::Relaxed)
                .is_ok();
        if grown { NonNull::new(node.as_ptr().cast::<u8>().with_addr(memory.addr().get())) } else { None }
    }

    #[inline]
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if len == 0 || !alignment.is_valid() {
            return None;
        }
        let first = this.state.first_node();
        match reserve(first, len, alignment) {
            Reserved::Block(memory) => Some(memory),
            Reserved::Lost => this.alloc_slow(first, true, len, alignment),
            Reserved::Full => this.alloc_slow(first, false, len, alignment),
        }
    }

    #[inline]
    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, by our caller, who does not use what is cut off.
        unsafe { this.set_len(memory, new_len) }.is_some()
    }

    #[inline]
    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, by our caller, who does not use what is cut off.
        unsafe { this.set_len(memory, new_len) }
    }

    #[inline]
    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let Some(node) = this.state.first_node() else {
            return;
        };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let end_index = node.end_index.load(Ordering::Relaxed);
        if node.is_last(end_index, memory) {
            let end = end_index - memory_len;
            let _ = node.end_index.compare_exchange(end_index, end, Ordering::Release, Ordering::Relaxed);
        }
    }
}

/// If the child exits the process in the middle of a call, a thread-local arena is dropped in the middle of that call.
/// A node that was being resized then leaks, since its length is unknown.
impl Drop for SharedArenaAllocator<'_> {
    fn drop(&mut self) {
        for list in [&self.state.used_list, &self.state.free_list] {
            // SAFETY: the arena is borrowed exclusively.
            for node in unsafe { self.take_nodes(list) } {
                // SAFETY: this thread owns the node, which the iterator has returned; its blocks are dead (validity).
                unsafe { self.free_node(node) };
            }
        }
    }
}

// SAFETY: 1. as `allocator` says. 2. Any thread may call the handle at any time.
unsafe impl AsAllocator for SharedArenaAllocator<'_> {
    fn allocator(&self) -> Allocator<'_> {
        SharedArenaAllocator::allocator(self).as_allocator()
    }
}

impl fmt::Debug for SharedArenaAllocator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedArenaAllocator")
            .field("child_allocator", &self.child_allocator)
            .finish_non_exhaustive()
    }
}
