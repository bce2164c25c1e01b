//! A lock-free arena for any number of threads.
//!
//! # Layout
//!
//! The arena is the handle of its child and a [`State`] of two words, the heads of two lists. A node is a block from
//! the child that starts with a header of three words: 24 bytes in this picture, 12 on 32-bit targets.
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
//! Bit 0 of `size` is 1 while a thread asks the child to enlarge the node, so sizes are even.
//!
//! # How an allocation finds room
//!
//! 1. In the newest node of the used list: the thread moves its `end_index` with a compare-and-swap. If the block
//!    does not fit, the index moves all the same. If another thread has moved it in between, this one pauses and
//!    starts again: see [below](self#losing-a-race).
//! 2. By enlarging this node, if the child can. One thread at a time tries; the others go on to step 3.
//! 3. In the free list, which the thread takes as a whole. It uses the node that fits best, enlarged if necessary,
//!    and puts the others back.
//! 4. In a new node. Its size is computed as in the [single-threaded arena](super::arena), and rounded up to an even
//!    number.
//! 5. If the child refuses that size, in a new node with room for this request alone, computed in the same way.
//!
//! A node from steps 3 to 5 becomes the head of the used list by a compare-and-swap. If another thread was faster, the
//! search starts again with that thread's node. A new node is kept for the next attempt; if it turns out not to be
//! needed, it goes to the free list.
//!
//! # Losing a race
//!
//! If threads do little but allocate, most of the time goes into moving the index's cache line from core to core. So
//! a thread that loses the race for the index backs off for 128 pause instructions, and for up to eight times as long
//! if it loses again for the same request. Back-off makes no system call and is bounded: the arena is lock-free, not
//! wait-free.
//!
//! # Why it is correct
//!
//! Comments in the code cite these numbers. *Shared* is the time while handles exist; operations that need the arena
//! exclusively come before or after it.
//!
//! 1. A node's address is the pointer that the child returned for a live block, which starts with a header. No node
//!    is freed while shared.
//! 2. A node that is in no list is owned by one thread: the one that made it, or the one that took the free list.
//!    Only the owner accesses `next`. Once a node is in the used list, no thread does, until the arena is borrowed
//!    exclusively; the borrower then owns all nodes.
//! 3. The used list only grows, at its head. So an unchanged head means an unchanged list, and a push that compares
//!    the head cannot be misled. The free list is only taken as a whole, and a push to it does not read the node that
//!    it finds, so whatever happened to that node in between does not matter. There is no ABA problem because no
//!    thread pops.
//! 4. `size` only grows while shared. Between `begin_resize` and `set_size`, one thread has the right to ask the
//!    child about a node that others allocate from; for any other node, its owner has it.
//! 5. The live blocks of a node are disjoint and end at or before its `end_index`. By induction: a new block starts
//!    at the index or after it and ends at the new index, and growing does the same for the added bytes. Freeing
//!    moves the index from the end of a block to its start, at the request of the block's owner; all other blocks end
//!    there or before. Each of these steps compares and swaps the value that it computed with. What happened in
//!    between does not matter: if the value is the same, 5 says that nothing live is after it.
//!    A block of *another* node can appear to end at the index too, if the index is past its node's end. The index
//!    then moves to that block's start, which is still past the node's end; and as long as the other node lives, this
//!    one cannot grow there.
//!    A block is handed out only if it ends within a `size` that was read.
//! 6. `end_index` never exceeds the longest block that a child can have, so it does not wrap.
//! 7. Every earlier use of a byte, by any thread, happens-before its reuse. All changes of `end_index` are atomic
//!    read-modify-writes; those that give bytes back are release operations, those that take bytes are acquire
//!    operations, and each continues the release sequences of the others. What the child did to a node's bytes is
//!    released by the node's push or its `size`, and acquired with the head or the `size`.
//!
//! In `tests/loom`, loom explores small cases in every order of the threads with two to four preemptions (`.ci/check
//! --only loom`). `tests/all/heap/shared_arena` runs threads over a child that fails at random, also under Miri.
//!
//! Ports `lib/std/heap/ArenaAllocator.zig` of Zig 0.17.1, which has replaced both `ThreadSafeAllocator` and the
//! single-threaded arena since 0.16. See its [differences](crate::guide::differences#arenas), and
//! [threads and forks](super#threads-and-forks).

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

/// A lock-free arena for any number of threads.
///
/// As in the single-threaded [`ArenaAllocator`](super::ArenaAllocator), allocating moves an index, freeing has no
/// effect unless the block is the last one, and [`reset`](Self::reset), [`deinit`](Self::deinit) or dropping the
/// arena returns all memory to the child. Any number of threads may allocate at once, and a suspended thread,
/// wherever it is, does not stop the others.
///
/// Use it
///
/// - for speed, with one thread and with several (`docs/performance.md` has figures);
/// - if a suspended thread must not delay others: one that is suspended in a call of the child, or while it owns the
///   free list, costs them at most new nodes, and their requests fail only if the child has no memory for those;
/// - if allocating must not make system calls (as far as the child makes none), or happens in a signal handler that can
///   interrupt an allocation: to the arena, the handler is one more thread.
///
/// Use a [`ThreadSafeAllocator`](crate::ThreadSafeAllocator) around an `ArenaAllocator` if the child is not
/// thread-safe, if requests fail and the program goes on ([below](#what-a-failed-request-costs)), or if results must be
/// those of Zig 0.15.2.
///
/// Every call reads the arena's two words, and they are written only when the nodes change. Do not put data beside them
/// that threads write often.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
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
///
/// Scoped threads fill an arena, and the thread that waits for them reads it and resets it:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::sync::Mutex;
/// use zigalloc::heap::{PAGE_ALLOCATOR, ResetMode, SharedArenaAllocator};
///
/// let mut arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
/// let results = Mutex::new(vec![]);
/// std::thread::scope(|scope| {
///     for worker in 0..3u32 {
///         let (allocator, results) = (arena.allocator(), &results);
///         scope.spawn(move || {
///             let text = allocator.print(format_args!("worker {worker}")).unwrap();
///             // SAFETY: initialised, and live until the reset below.
///             results.lock().unwrap().push(unsafe { &*text.as_ptr() });
///         });
///     }
/// });
/// let mut texts = results.into_inner().unwrap();
/// texts.sort();
/// assert_eq!(texts, [b"worker 0", b"worker 1", b"worker 2"]);
/// // All threads are done, so that the arena can be borrowed exclusively.
/// assert!(arena.reset(ResetMode::RetainCapacity));
/// assert!(arena.query_capacity() >= 24);
/// ```
///
/// A reset while a thread may allocate does not compile:
///
/// ```compile_fail,E0502
/// # use zigalloc::heap::{PAGE_ALLOCATOR, ResetMode, SharedArenaAllocator};
/// let mut arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
/// let allocator = arena.allocator();
/// std::thread::scope(|scope| {
///     scope.spawn(move || allocator.alloc::<u8>(100).is_ok());
///     _ = arena.reset(ResetMode::FreeAll);
/// });
/// ```
///
/// # What a failed request costs
///
/// The index moves even if a block does not fit (as in Zig: undoing the move would affect other threads that have
/// already seen it). So a request that fails loses the rest of the newest node, and a node that then grows in place has
/// a hole as large as the request. The next request makes a new node, half as large again as the last: a program that
/// goes on after n failures, with small requests between them, holds 1.5ⁿ times the memory, until a reset. The
/// single-threaded arena loses nothing.
#[doc(alias = "std.heap.ArenaAllocator")]
pub struct SharedArenaAllocator<'c> {
    child_allocator: SyncAllocator<'c>,
    state: State,
}

/// A shared arena's state without its child's handle, for storing many arenas over one child.
///
/// Dropping a state that still has nodes leaks them. This is not the [`State`](super::arena::State) of the
/// single-threaded arena: as in Zig, each arena has its own `State`, in its module.
///
/// Ports `std.heap.ArenaAllocator.State` of Zig 0.17.1.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
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
///
/// An arena for each connection, all over one child. A connection that waits costs its nodes and two words:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{PAGE_ALLOCATOR, ResetMode, shared_arena::State};
/// use zigalloc::trace::CountingAllocator;
///
/// let below = CountingAllocator::init(PAGE_ALLOCATOR);
/// let mut connections: [State; 3] = Default::default();
/// for (n, state) in connections.iter_mut().enumerate() {
///     // SAFETY: a new state, or one of an arena over this child.
///     let arena = unsafe { std::mem::take(state).promote(below.allocator()) };
///     arena.allocator().alloc::<u8>(100 * n)?;
///     *state = arena.into_state();
/// }
/// assert_eq!(below.snapshot().live_blocks, 2, "the first has allocated no bytes");
/// for state in connections {
///     // SAFETY: the same child.
///     unsafe { state.promote(below.allocator()) }.deinit();
/// }
/// assert_eq!(below.snapshot().live_blocks, 0);
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.ArenaAllocator.State")]
#[derive(Debug, Default)]
pub struct State {
    /// The newest node that blocks come from.
    used_list: AtomicPtr<Node>,
    /// Nodes without blocks.
    free_list: AtomicPtr<Node>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<State>() == 2 * size_of::<usize>());

impl State {
    /// Makes an arena from this state and its child.
    ///
    /// # Safety
    /// The state is new, or `child_allocator` is the child of the arena that the state came from, and that child has
    /// not been reset, ended or replaced since: the nodes are still its live blocks.
    ///
    /// A struct can hold the states of many arenas over one child, two words each:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::heap::{PAGE_ALLOCATOR, shared_arena::State};
    ///
    /// let mut states = [State::default(), State::default()];
    /// // SAFETY: a new state; from then on, one of an arena over the page allocator.
    /// let arena = unsafe { std::mem::take(&mut states[0]).promote(PAGE_ALLOCATOR) };
    /// let number = arena.allocator().create_with(42)?;
    /// states[0] = arena.into_state();
    /// assert_eq!(unsafe { number.read() }, 42);
    /// # for state in states {
    /// #     unsafe { state.promote(PAGE_ALLOCATOR) }.deinit();
    /// # }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub unsafe fn promote(self, child_allocator: SyncAllocator<'_>) -> SharedArenaAllocator<'_> {
        SharedArenaAllocator { child_allocator, state: self }
    }
}

/// Takes bytes from the newest node, if there is one.
#[inline(always)]
fn reserve(first: Option<NodePtr>, len: usize, alignment: Alignment) -> Reserved {
    first.map_or(Reserved::Full, |node| node.reserve(len, alignment))
}

impl<'c> SharedArenaAllocator<'c> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Creates an empty arena. It takes no memory from the child until the first allocation.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, SharedArenaAllocator};
    /// let mut arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    /// assert_eq!(arena.query_capacity(), 0);
    /// ```
    #[must_use]
    #[cfg(not(loom))]
    #[inline]
    pub const fn init(child_allocator: SyncAllocator<'c>) -> SharedArenaAllocator<'c> {
        let state =
            State { used_list: AtomicPtr::new(ptr::null_mut()), free_list: AtomicPtr::new(ptr::null_mut()) };
        SharedArenaAllocator { child_allocator, state }
    }

    /// Creates an empty arena. Loom's atomics cannot be created in constants.
    #[cfg(loom)]
    pub fn init(child_allocator: SyncAllocator<'c>) -> SharedArenaAllocator<'c> {
        SharedArenaAllocator { child_allocator, state: State::default() }
    }

    /// Returns a handle to this arena for any number of threads.
    ///
    /// A block outlives the thread that allocated it:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::ptr;
    /// use std::sync::atomic::{AtomicPtr, Ordering};
    /// use zigalloc::heap::{PAGE_ALLOCATOR, SharedArenaAllocator};
    ///
    /// let arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    /// let allocator = arena.allocator();
    /// let number = AtomicPtr::new(ptr::null_mut());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| number.store(allocator.create_with(42).unwrap().as_ptr(), Ordering::Relaxed));
    /// });
    /// // SAFETY: a live block of the arena, which the other thread has initialised.
    /// assert_eq!(unsafe { number.into_inner().read() }, 42);
    /// ```
    ///
    /// With one thread it is like the other arena: the last block can grow, and be freed.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{SlicePtr, heap::{PAGE_ALLOCATOR, SharedArenaAllocator}};
    /// let arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    /// let allocator = arena.allocator();
    /// let (first, last) = (allocator.alloc::<u8>(10)?, allocator.alloc::<u8>(10)?);
    /// // SAFETY: live blocks; the last is used with its new length, and then no more.
    /// unsafe {
    ///     assert!(!allocator.resize(first, 11));
    ///     assert!(allocator.resize(last, 20));
    ///     allocator.free(last.with_len(20));
    /// }
    /// assert_eq!(allocator.alloc::<u8>(10)?, last, "the same place");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: the functions keep the contract from any thread: by the invariants in the module's documentation,
        // blocks are disjoint parts of nodes, which are live blocks of the child. Freeing nodes needs `self`
        // exclusively while the handle borrows it (validity).
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    /// Frees all memory, as dropping the arena does.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::{PAGE_ALLOCATOR, SharedArenaAllocator}, trace::CountingAllocator};
    /// let counting = CountingAllocator::init(PAGE_ALLOCATOR);
    /// let arena = SharedArenaAllocator::init(counting.allocator());
    /// arena.allocator().alloc::<u8>(1000)?;
    /// assert_eq!(counting.snapshot().live_blocks, 1);
    /// arena.deinit();
    /// assert_eq!(counting.snapshot().live_blocks, 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// It takes the arena by value, so no thread can still have a handle:
    ///
    /// ```compile_fail,E0505
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, SharedArenaAllocator};
    /// let arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    /// let allocator = arena.allocator();
    /// arena.deinit();
    /// let memory = allocator.alloc::<u8>(100);
    /// ```
    #[inline]
    pub fn deinit(self) {}

    /// Takes the arena's two words without its child, for [`State::promote`]. Frees nothing.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, SharedArenaAllocator};
    /// let arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    /// let text = arena.allocator().dupe(b"stays where it is")?;
    /// let state = arena.into_state();
    /// assert_eq!(size_of_val(&state), 2 * size_of::<usize>());
    /// // SAFETY: the arena's blocks are live; `dupe` has initialised this one.
    /// assert_eq!(unsafe { text.as_ref() }, b"stays where it is");
    /// // SAFETY: the same child.
    /// unsafe { state.promote(PAGE_ALLOCATOR) }.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use = "dropping the state leaks its nodes"]
    #[inline]
    pub fn into_state(self) -> State {
        let mut arena = ManuallyDrop::new(self);
        core::mem::take(&mut arena.state)
    }

    /// Returns how many bytes the arena has for blocks, used or not: all nodes without their headers.
    ///
    /// It needs the arena exclusively, because walking the lists is not thread-safe.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, SharedArenaAllocator};
    /// let mut arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    /// arena.allocator().alloc::<u8>(1000)?;
    /// // 1000 bytes, 1 of alignment, 24 of the header and 16; half of that more, and an even number; less the header.
    /// # #[cfg(target_pointer_width = "64")]
    /// assert_eq!(arena.query_capacity(), (1000 + 1 + 24 + 16) * 3 / 2 + 1 - 24);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A request that fails leaves the newest node full, so a small one after it needs another node:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::{PAGE_ALLOCATOR, SharedArenaAllocator}, testing::{FailingAllocator, FailingConfig}};
    /// # use zigalloc::ThreadSafeAllocator;
    /// let mut child = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig { fail_index: 1, resize_fail_index: 0 });
    /// let locked = ThreadSafeAllocator::new(&mut child);
    /// let mut arena = SharedArenaAllocator::init(locked.allocator());
    /// arena.allocator().alloc::<u8>(100)?;
    /// let capacity = arena.query_capacity();
    /// assert!(arena.allocator().alloc::<u8>(10_000).is_err(), "the child has no second block");
    /// assert_eq!(arena.query_capacity(), capacity);
    /// assert!(arena.allocator().alloc::<u8>(1).is_err(), "the rest of the first is lost until a reset");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "queryCapacity")]
    pub fn query_capacity(&mut self) -> usize {
        // SAFETY: the arena is borrowed exclusively.
        let used = unsafe { self.nodes(&self.state.used_list) };
        // SAFETY: the arena is borrowed exclusively.
        let free = unsafe { self.nodes(&self.state.free_list) };
        used.chain(free).map(NodePtr::capacity).sum()
    }

    /// Frees all blocks. `mode` selects what happens to the memory.
    ///
    /// The two lists are reset separately: each keeps one node, and a limit applies to the used list first. The kept
    /// capacity is rounded down so that the node's size is even.
    ///
    /// Returns false if the child refused a block that `mode` asks to keep. The arena is empty and usable even then,
    /// but has a different amount of memory than requested.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::heap::{PAGE_ALLOCATOR, ResetMode, SharedArenaAllocator};
    ///
    /// let mut arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    /// arena.allocator().alloc::<u8>(5000)?;
    /// assert!(arena.reset(ResetMode::RetainWithLimit(1000)));
    /// assert_eq!(arena.query_capacity(), 1000);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Rounds of work, each by several threads:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use zigalloc::heap::{PAGE_ALLOCATOR, ResetMode, SharedArenaAllocator};
    /// use zigalloc::trace::CountingAllocator;
    ///
    /// let below = CountingAllocator::init(PAGE_ALLOCATOR);
    /// let mut arena = SharedArenaAllocator::init(below.allocator());
    /// let bytes = AtomicUsize::new(0);
    /// for _round in 0..3 {
    ///     std::thread::scope(|scope| {
    ///         for len in [100, 200] {
    ///             let (allocator, bytes) = (arena.allocator(), &bytes);
    ///             scope.spawn(move || bytes.fetch_add(allocator.alloc::<u8>(len).unwrap().len(), Ordering::Relaxed));
    ///         }
    ///     });
    ///     assert!(arena.reset(ResetMode::FreeAll));
    ///     assert_eq!(below.snapshot().live_bytes, 0);
    /// }
    /// assert_eq!(bytes.into_inner(), 900);
    /// ```
    #[must_use = "if the result is false, the arena has another capacity than was asked for"]
    pub fn reset(&mut self, mode: ResetMode) -> bool {
        let limit = match mode {
            ResetMode::FreeAll => 0,
            ResetMode::RetainCapacity => usize::MAX,
            ResetMode::RetainWithLimit(limit) => limit,
        };
        // SAFETY: the arena is borrowed exclusively.
        let used: usize = unsafe { self.nodes(&self.state.used_list) }.map(NodePtr::capacity).sum();
        // SAFETY: the arena is borrowed exclusively.
        let free: usize = unsafe { self.nodes(&self.state.free_list) }.map(NodePtr::capacity).sum();
        let used = used.min(limit);
        let free = free.min(limit - used);
        // SAFETY: the arena is borrowed exclusively, which has ended all blocks (validity).
        let used_kept = unsafe { self.reset_list(&self.state.used_list, used) };
        // SAFETY: the arena is borrowed exclusively, which has ended all blocks (validity).
        let free_kept = unsafe { self.reset_list(&self.state.free_list, free) };
        used_kept && free_kept
    }

    // ---- with the arena borrowed exclusively ----

    /// Iterates over the nodes of a list.
    ///
    /// # Safety
    /// The arena is borrowed exclusively while the iterator is used, so that this thread owns all nodes.
    unsafe fn nodes(&self, list: &AtomicPtr<Node>) -> Nodes {
        // SAFETY: the head of a list is null or a live node (invariant 1).
        let first = unsafe { NodePtr::from_ptr(list.load(Ordering::Acquire)) };
        // SAFETY: this thread owns all nodes, by our caller.
        unsafe { Nodes::new(first) }
    }

    /// Takes the nodes of a list and leaves the list empty, so that it stays empty if a call of the child ends the
    /// thread (see `drop`). A node that the child is resizing is left out.
    ///
    /// # Safety
    /// As for [`nodes`](Self::nodes).
    unsafe fn take_nodes(&self, list: &AtomicPtr<Node>) -> impl Iterator<Item = NodePtr> {
        // SAFETY: the arena is borrowed exclusively, by our caller.
        let nodes = unsafe { self.nodes(list) };
        list.store(ptr::null_mut(), Ordering::Relaxed);
        nodes.filter(|node| !node.is_resizing())
    }

    /// Frees a node.
    ///
    /// # Safety
    /// This thread owns the node (invariant 2), which has no live blocks. No copy of the pointer is used afterwards.
    unsafe fn free_node(&self, node: NodePtr) {
        // SAFETY: a live block of the child with matching length and alignment, not used afterwards; any thread may
        // call the child.
        unsafe { self.child_allocator.raw_free(node.block(node.size()), NODE_ALIGNMENT, return_address()) };
    }

    /// Keeps the oldest node of a list, with room for `capacity` bytes, and frees the others. Returns false if the
    /// child refused to resize it; the node then keeps its size.
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
            // SAFETY: this thread owns the node, which the iterator has returned; none of its blocks is live.
            unsafe { self.free_node(oldest) };
            oldest = older;
        }
        let size = (NODE_SIZE + capacity) & !1;
        if size == NODE_SIZE {
            // SAFETY: this thread owns the node, which the iterator has returned; none of its blocks is live.
            unsafe { self.free_node(oldest) };
            return true;
        }
        oldest.end_index.store(0, Ordering::Relaxed);
        // SAFETY: this thread owns the node, which has no live blocks; `size` is even and above `NODE_SIZE`.
        let (node, kept_all) = unsafe { self.resize_empty(oldest, size) };
        list.store(node.as_ptr(), Ordering::Relaxed);
        kept_all
    }

    /// Resizes an empty node to `size` bytes, or replaces it if necessary. The result is false if the child refuses
    /// both.
    ///
    /// # Safety
    /// This thread owns the node (invariant 2), which has no live blocks, and uses the returned one in its place.
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
            // SAFETY: the child's block now has `size` bytes, and this thread owns the node.
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

    /// The slow path: `first`, the newest node if there is one, has no room, or the race for it was `lost`.
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
        // A new node that another thread's node overtook is kept for the next attempt, or goes to the free list if
        // there is none.
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
                // SAFETY: `make_room` left `spare`: it is this thread's, and has room for this block.
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

    /// Resizes a block in place and returns a pointer to it. If it has grown, the result has the node's provenance,
    /// since the caller's may be narrower.
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
        // If another thread has allocated after the block since the load, the exchange fails. Growing then fails too.
        // Shrinking still succeeds, but the bytes stay unused until the reset.
        if new_len <= memory.len() {
            let end = end_index - (memory.len() - new_len);
            let _ = node.end_index.compare_exchange(end_index, end, Ordering::Release, Ordering::Relaxed);
            return Some(memory.cast());
        }
        let growth = new_len - memory.len();
        // Saturating, because `end_index` can be past the node's end and the block in another node.
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
        // SAFETY: a live block, by our caller, who does not use the bytes cut off.
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
        // SAFETY: a live block, by our caller, who does not use the bytes cut off.
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

/// If the child exits the process in the middle of a call, a thread-local arena is dropped during that call. A node
/// that was being resized then leaks, since its length is unknown.
impl Drop for SharedArenaAllocator<'_> {
    fn drop(&mut self) {
        for list in [&self.state.used_list, &self.state.free_list] {
            // SAFETY: the arena is borrowed exclusively.
            for node in unsafe { self.take_nodes(list) } {
                // SAFETY: this thread owns the node, which the iterator has returned; none of its blocks is live
                // (validity).
                unsafe { self.free_node(node) };
            }
        }
    }
}

// SAFETY: 1. See `allocator`. 2. and 3. Any thread may use the handle at any time. 4. All handles have the same state,
// `self`, and table.
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
