//! An allocator whose blocks are freed all at once.
//!
//! # Guarantees
//!
//! Allocating is an addition and a comparison; memory comes from the child in blocks that grow by
//! half. Freeing a block does nothing, unless it is the last one. Everything is given back to the
//! child by [`reset`], [`deinit`] or the arena's end, and the newest part of it by the end of a
//! [`scope`].
//!
//! # Layout
//!
//! The arena is its child's handle and a [`State`] of two words: a list of nodes, newest first, and
//! how much of the newest is in use. A node is the 16-byte header of a block from the child:
//!
//! ```text
//!   first ──▶ ┌──────┬──────┬───────────┬───┬──────────┬───────────────┐
//!             │ size │ next │   block   │pad│  block   │     free      │
//!             └──────┴──┬───┴───────────┴───┴──────────┴───────────────┘
//!                       │   0                          end_index       size - 16
//!                       ▼
//!             ┌──────┬──────┬──────────────────────────────────────────┐
//!             │ size │ null │   blocks, and a rest that is never used  │
//!             └──────┴──────┴──────────────────────────────────────────┘
//! ```
//!
//! When a request does not fit, the arena first asks the child to [`resize`] the newest node to
//! exactly what is needed, and takes a new node only if that fails. A new node has room for the
//! request, its alignment and the previous node, and half of that again:
//!
//! ```text
//!   wanted = previous capacity + request + alignment + 16 (header) + 16
//!   size   = wanted + wanted / 2
//! ```
//!
//! If the child refuses that, the arena asks once more, for a node that has room for this request alone:
//!
//! ```text
//!   size   = 16 (header) + the most padding that the alignment can need + request
//! ```
//!
//! # What it assumes of its child
//!
//! The [contract](crate::VTable#the-contract-of-an-allocator). All calls have an alignment of one
//! word, and the return address of the arena's own code, since one node serves many callers.
//!
//! # Threads
//!
//! Handles are for one thread. An arena over a [`SyncAllocator`](crate::SyncAllocator) is `Send`,
//! so a [`ThreadSafeAllocator`](crate::ThreadSafeAllocator) can be put around it; an arena over an
//! [`Allocator`] is not.
//!
//! After a `fork` in the arena's thread, the child has a copy of it that works on. If another thread was in the
//! middle of a call, the copy is in the state that this call left it in, and must not be used.
//!
//! # Differences from Zig
//!
//! An arena that goes out of scope frees its memory; Zig's is leaked without `deinit`. A length so
//! large that a size would overflow is "no memory"; Zig panics or wraps. Zig makes no second attempt at a new
//! node: the request fails.
//!
//! [`scope`] and [`checkpoint`] have no counterpart.
//!
//! Ports `lib/std/heap/arena_allocator.zig` of Zig 0.15.2, the single-threaded one. (Zig 0.16 made
//! the arena lock-free.)
//!
//! [`reset`]: ArenaAllocator::reset
//! [`deinit`]: ArenaAllocator::deinit
//! [`resize`]: crate::VTable::resize
//! [`scope`]: ArenaAllocator::scope
//! [`checkpoint`]: ArenaAllocator::checkpoint

mod checkpoint;

use core::cell::Cell;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};

pub use checkpoint::{Checkpoint, Scope};

use crate::alignment::Alignment;
use crate::allocator::{Allocator, AllocatorState, ChildAllocator};
use crate::return_address::return_address;
use crate::vtable::{VTable, block};

/// An allocator whose blocks are freed all at once; see the [module](self).
///
/// `C` is the child's handle: [`Allocator`] or [`SyncAllocator`](crate::SyncAllocator).
///
/// ```
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
///
/// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// for round in 0..3 {
///     let allocator = arena.allocator();
///     for n in 1..100 {
///         allocator.alloc::<u64>(n)?; // nobody frees these
///     }
///     assert!(arena.reset(ResetMode::RetainCapacity));
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.ArenaAllocator")]
pub struct ArenaAllocator<C: ChildAllocator> {
    child_allocator: C,
    state: State,
}

/// What an arena is without its child's handle: to store many arenas over one child.
///
/// A state that still has nodes and is dropped leaks them. It is not the [`State`](super::shared_arena::State)
/// of the shared arena.
///
/// ```
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
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
    /// The newest node. Each is a live block of the child, as long as its header says (or, at the head,
    /// the mark of a call).
    first: Cell<Option<NonNull<Node>>>,
    /// How many bytes behind the newest node's header are in use: at most its size less 16.
    end_index: Cell<usize>,
}

/// The header of a block from the child. Zig's `BufNode`.
///
/// One without room, of [`NODE_SIZE`] bytes, is not a block of the child but the mark that the arena is
/// [calling its child](ArenaAllocator::call_child).
#[repr(C)]
struct Node {
    /// The block's length in bytes, header included.
    size: usize,
    next: Option<NonNull<Node>>,
}

const NODE_SIZE: usize = size_of::<Node>();
const NODE_ALIGNMENT: Alignment = Alignment::of::<Node>();
const _: () = assert!(NODE_SIZE == 2 * size_of::<usize>() && size_of::<State>() == 2 * size_of::<usize>());

/// What [`ArenaAllocator::reset`] does with the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetMode {
    /// Gives all of it back to the child.
    FreeAll,
    /// Keeps one block as large as all nodes together, so that the same work again asks the child for
    /// nothing.
    RetainCapacity,
    /// As `RetainCapacity`, but keeps at most this many bytes.
    RetainWithLimit(usize),
}

// SAFETY: the nodes are blocks of the child, which may be used from the other thread if its handle
// may; the handles that reach the state borrow the arena, so there are none when it moves.
unsafe impl<C: ChildAllocator + Send> Send for ArenaAllocator<C> {}

impl State {
    /// Makes another node the newest, of which `end_index` bytes are in use.
    ///
    /// The writes are volatile because the arena may be borrowed exclusively. The compiler may then assume that
    /// the child does not look at the arena, and leave out a write that is followed by another after the call.
    /// But the child may exit the process, and a thread-local destructor then finds the arena as it is in the
    /// middle of the call.
    #[inline]
    fn set(&self, first: Option<NonNull<Node>>, end_index: usize) {
        // SAFETY: a cell can be written to through a shared reference, and has no destructor to run.
        unsafe {
            self.first.as_ptr().write_volatile(first);
            self.end_index.as_ptr().write_volatile(end_index);
        }
    }

    /// An arena with this state.
    ///
    /// # Safety
    /// The state is new, or `child_allocator` is the child of the arena that it is from, and that child has
    /// not been reset, ended or replaced since: the nodes are still live blocks of it.
    ///
    /// ```
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, arena::State};
    /// // SAFETY: a new state, which is that of an empty arena.
    /// let arena = unsafe { State::default().promote(PAGE_ALLOCATOR) };
    /// assert_eq!(arena.query_capacity(), 0);
    /// ```
    #[inline]
    pub unsafe fn promote<C: ChildAllocator>(self, child_allocator: C) -> ArenaAllocator<C> {
        ArenaAllocator { child_allocator, state: self }
    }
}

impl<C: ChildAllocator> ArenaAllocator<C> {
    const VTABLE: VTable = VTable {
        alloc: arena_alloc::<C>,
        resize: arena_resize::<C>,
        remap: arena_remap::<C>,
        free: arena_free::<C>,
    };

    /// An empty arena. It asks the child for nothing until it is asked itself.
    ///
    /// ```
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// assert_eq!(arena.query_capacity(), 0);
    /// ```
    #[inline]
    pub const fn init(child_allocator: C) -> ArenaAllocator<C> {
        let state = State { first: Cell::new(None), end_index: Cell::new(0) };
        ArenaAllocator { child_allocator, state }
    }

    /// A handle to this arena.
    ///
    /// ```
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let number = arena.allocator().create_with(42)?;
    /// assert_eq!(unsafe { number.read() }, 42);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract: blocks are disjoint parts of nodes, which are live
        // blocks of the child. The handle borrows `self`, and what frees nodes needs `self`
        // exclusively (clause 11).
        unsafe { Allocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }

    /// Frees all memory, as dropping the arena does.
    ///
    /// ```
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// arena.allocator().alloc::<u8>(100)?;
    /// arena.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn deinit(self) {}

    /// The arena's two words without its child, for [`State::promote`]. Frees nothing.
    #[must_use = "dropping the state leaks its nodes"]
    #[inline]
    pub fn into_state(self) -> State {
        let mut arena = ManuallyDrop::new(self);
        arena.abandon_call();
        State { first: arena.state.first.clone(), end_index: arena.state.end_index.clone() }
    }

    /// How many bytes the arena has for blocks, used or not: all nodes without their headers.
    ///
    /// ```
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// arena.allocator().alloc::<u8>(100)?;
    /// assert!(arena.query_capacity() >= 100);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "queryCapacity")]
    pub fn query_capacity(&self) -> usize {
        let mut capacity = 0;
        let mut next = self.state.first.get();
        while let Some(node) = next {
            // SAFETY: nodes of the list are live blocks that begin with their header.
            let Node { size, next: older } = unsafe { node.read() };
            capacity += size - NODE_SIZE;
            next = older;
        }
        capacity
    }

    /// Ends all blocks; what happens to the memory is the `mode`.
    ///
    /// Returns false if the child did not give the one block that `mode` asks to keep. The arena is
    /// empty and usable then too, it only has less memory than was asked for.
    ///
    /// ```
    /// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
    ///
    /// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// arena.allocator().alloc::<u8>(5000)?;
    /// assert!(arena.reset(ResetMode::RetainWithLimit(1000)));
    /// assert_eq!(arena.query_capacity(), 1000);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use = "if the result is false, the arena has less memory than was asked for"]
    #[inline]
    pub fn reset(&mut self, mode: ResetMode) -> bool {
        self.abandon_call();
        // SAFETY: nodes of the list are live blocks that begin with their header.
        let has_one_node = |node: NonNull<Node>| unsafe { (*node.as_ptr()).next }.is_none();
        // As it is after the first few rounds of a loop: the one node is what is to be kept.
        if mode == ResetMode::RetainCapacity && self.state.first.get().is_none_or(has_one_node) {
            self.state.end_index.set(0);
            return true;
        }
        self.reset_slow(mode)
    }

    fn reset_slow(&mut self, mode: ResetMode) -> bool {
        let capacity = match mode {
            ResetMode::FreeAll => 0,
            ResetMode::RetainCapacity => self.query_capacity(),
            ResetMode::RetainWithLimit(limit) => limit.min(self.query_capacity()),
        };
        // The list is empty while the child is called, and stays so if the child exits the process.
        let (nodes, oldest) = self.take_nodes();
        self.free_nodes(nodes, if capacity == 0 { None } else { oldest });
        // A capacity above 0 has nodes behind it; the oldest of them is kept.
        let Some(oldest) = oldest.filter(|_| capacity > 0) else {
            return true;
        };
        let (node, kept_all) = self.resize_empty(oldest, capacity + NODE_SIZE);
        self.state.set(Some(node), 0);
        kept_all
    }

    /// Makes an empty node `size` bytes long, with another in its place if need be; false if that cannot be.
    fn resize_empty(&self, oldest: NonNull<Node>, size: usize) -> (NonNull<Node>, bool) {
        // SAFETY: `oldest` is a live block that begins with its header.
        let old_size = unsafe { (*oldest.as_ptr()).size };
        if old_size == size {
            return (oldest, true);
        }
        let memory = node_block(oldest, old_size);
        let child = self.child_allocator.handle();
        // SAFETY: a live block of the child with matching length and alignment; `size` is above 16.
        if unsafe { child.raw_resize(memory, NODE_ALIGNMENT, size, return_address()) } {
            // SAFETY: as above.
            unsafe { (*oldest.as_ptr()).size = size };
            return (oldest, true);
        }
        // SAFETY: `size` is above 16.
        let Some(new) = (unsafe { child.raw_alloc(size, NODE_ALIGNMENT, return_address()) }) else {
            return (oldest, false);
        };
        // SAFETY: a live block of the child with matching length and alignment, no longer in use.
        unsafe { child.raw_free(memory, NODE_ALIGNMENT, return_address()) };
        let node = new.cast::<Node>();
        // SAFETY: new memory of `size` bytes, aligned for a header.
        unsafe { node.write(Node { size, next: None }) };
        (node, true)
    }

    /// Makes the arena empty if it is in the middle of a call of its child, and leaks its nodes.
    ///
    /// Whoever borrows the arena exclusively then is a destructor, run because the child exits the process: the
    /// call does not return. How long the node is that the child was working on is not known, so nothing is given
    /// back.
    fn abandon_call(&mut self) {
        if self.is_calling() {
            self.state.set(None, 0);
        }
    }

    /// Makes the list empty. Returns its newest node and its oldest.
    fn take_nodes(&mut self) -> (Option<NonNull<Node>>, Option<NonNull<Node>>) {
        self.abandon_call();
        let nodes = self.state.first.get();
        self.state.set(None, 0);
        let mut oldest = nodes;
        // SAFETY: nodes of the list are live blocks that begin with their header.
        while let Some(older) = oldest.and_then(|node| unsafe { (*node.as_ptr()).next }) {
            oldest = Some(older);
        }
        (nodes, oldest)
    }

    /// Gives nodes back to the child, newest first, until `end`. They are in the list no more.
    fn free_nodes(&self, mut next: Option<NonNull<Node>>, end: Option<NonNull<Node>>) {
        while let Some(node) = next {
            if next == end {
                break;
            }
            // SAFETY: nodes of the list are live blocks that begin with their header.
            let Node { size, next: older } = unsafe { node.read() };
            // SAFETY: a live block of the child with matching length and alignment, no longer in use.
            unsafe {
                self.child_allocator.handle().raw_free(
                    node_block(node, size),
                    NODE_ALIGNMENT,
                    return_address(),
                )
            };
            next = older;
        }
    }

    /// Calls the child for `alloc_slow`, with a mark at the head of the list.
    ///
    /// A child runs code of which the arena knows nothing, such as a sink of a
    /// [`LoggingAllocator`](crate::trace::LoggingAllocator). If that code asks the same arena for memory, it
    /// must not find the node that the child is just growing. What it finds has no room, so it gets none.
    fn call_child<R>(&self, call: impl FnOnce(Allocator<'_>) -> R) -> R {
        let (first, end_index) = (self.state.first.get(), self.state.end_index.get());
        let mark = Node { size: NODE_SIZE, next: first };
        self.state.set(Some(NonNull::from(&mark)), 0);
        let result = call(self.child_allocator.handle());
        // Not after a panic; but that cannot get past `alloc_slow`, and ends the process.
        self.state.set(first, end_index);
        result
    }

    /// Whether the arena is in the middle of a call of its child.
    fn is_calling(&self) -> bool {
        // SAFETY: nodes of the list are live blocks that begin with their header, and the mark lasts as
        // long as the call.
        self.state.first.get().is_some_and(|node| unsafe { (*node.as_ptr()).size } == NODE_SIZE)
    }

    /// A new node at the head of the list, with room for the block, after a previous node of `previous` bytes.
    fn create_node(&self, previous: usize, len: usize, alignment: Alignment) -> Option<NonNull<Node>> {
        let (size, memory) = [roomy_size(previous, len, alignment), least_size(len, alignment)]
            .into_iter()
            .flatten()
            // SAFETY: both are longer than a header.
            .find_map(|size| Some((size, unsafe { self.alloc_of_child(size) }?)))?;
        let node = memory.cast::<Node>();
        // SAFETY: new memory of `size` bytes, aligned for a header.
        unsafe { node.write(Node { size, next: self.state.first.get() }) };
        self.state.set(Some(node), 0);
        Some(node)
    }

    /// Memory of the child for a node.
    ///
    /// # Safety
    /// `size` is not zero.
    unsafe fn alloc_of_child(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: `size` is not zero; the arena is used by one thread, which is the child's (clause 5).
        self.call_child(|child| unsafe { child.raw_alloc(size, NODE_ALIGNMENT, return_address()) })
    }

    /// Asks the child to make the newest node `size` bytes long, where it is.
    ///
    /// # Safety
    /// `node` is the newest node, and not the mark of a call. `size` is longer than it is.
    unsafe fn grow_node(&self, node: NonNull<Node>, size: usize) -> bool {
        // SAFETY: the newest node is a live block that begins with its header.
        let memory = node_block(node, unsafe { (*node.as_ptr()).size });
        // SAFETY: a live block of the child with matching length and alignment; `size` is not zero; the arena is used
        // by one thread, which is the child's (clause 5).
        let grown = self
            .call_child(|child| unsafe { child.raw_resize(memory, NODE_ALIGNMENT, size, return_address()) });
        if grown {
            // SAFETY: as above.
            unsafe { (*node.as_ptr()).size = size };
        }
        grown
    }

    /// Whether there may be memory for `count` more blocks of `len` bytes, for those who allocate that many one by
    /// one. If not, they need not begin: a child whose system gives out more memory than it has would not
    /// refuse in time, and the system would kill the process when the blocks are written to.
    ///
    /// Since nodes grow by half, the last one has a third of all that is added, at least. So from
    /// [`MUCH`](Self::MUCH) bytes on, the child is asked for a third in one piece, which it gets back.
    pub(crate) fn may_serve(&self, count: usize, len: usize) -> bool {
        let Some(total) = count.checked_mul(len) else { return false };
        let newest = self.state.first.get().map(|node| {
            // SAFETY: the newest node is a live block that begins with its header, or the mark of a call.
            (node, unsafe { (*node.as_ptr()).size })
        });
        let room = newest.map_or(0, |(_, size)| size - NODE_SIZE - self.state.end_index.get());
        let lacking = total.saturating_sub(room);
        if lacking < Self::MUCH || self.is_calling() {
            return true;
        }
        let third = lacking / 3;
        // A node that the child makes longer now would be made as long block by block.
        if newest.is_some_and(|(node, size)| {
            // SAFETY: the newest node; `third` is not zero.
            size.checked_add(third).is_some_and(|size| unsafe { self.grow_node(node, size) })
        }) {
            return true;
        }
        // SAFETY: `third` is not zero.
        let Some(memory) = (unsafe { self.alloc_of_child(third) }) else { return false };
        let memory = NonNull::slice_from_raw_parts(memory, third);
        // SAFETY: a live block of the child with matching length and alignment, which nothing uses.
        self.call_child(|child| unsafe { child.raw_free(memory, NODE_ALIGNMENT, return_address()) });
        true
    }

    /// How many bytes a system may give out without having them: 1 GiB.
    const MUCH: usize = 1 << 30;

    #[inline]
    fn alloc(&self, len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
        if !alignment.is_valid() {
            return None;
        }
        if let Some(node) = self.state.first.get() {
            let end_index = self.state.end_index.get();
            // SAFETY: the newest node is a live block that begins with its header.
            let room = unsafe { (*node.as_ptr()).size } - NODE_SIZE - end_index;
            let free = node.addr().get() + NODE_SIZE + end_index;
            let padding = free.wrapping_neg() & alignment.mask();
            let (needed, overflow) = padding.overflowing_add(len);
            if needed <= room && !overflow {
                self.state.end_index.set(end_index + needed);
                // SAFETY: the node has `room` bytes behind `end_index`, and `padding` is at most that.
                return Some(unsafe { node.cast::<u8>().add(NODE_SIZE + end_index + padding) });
            }
        }
        self.alloc_slow(len, alignment)
    }

    /// What is left to do when the newest node, if there is one, has no room.
    ///
    /// `extern "C"`, so that it cannot unwind and the fast path needs no stack frame to catch it.
    #[cold]
    extern "C" fn alloc_slow(&self, len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
        let node = match self.state.first.get() {
            None => self.create_node(0, len, alignment)?,
            Some(node) => {
                // SAFETY: the newest node is a live block that begins with its header, or is the mark of a
                // call, which lasts as long as the call.
                let size = unsafe { (*node.as_ptr()).size };
                if size == NODE_SIZE {
                    return None;
                }
                let (_, end) = place(node, self.state.end_index.get(), len, alignment)?;
                let bigger = end.checked_add(NODE_SIZE)?;
                // SAFETY: the newest node, in which the block does not fit as it is.
                if unsafe { self.grow_node(node, bigger) } {
                    node
                } else {
                    self.create_node(size - NODE_SIZE, len, alignment)?
                }
            }
        };
        let (start, end) = place(node, self.state.end_index.get(), len, alignment)?;
        self.state.end_index.set(end);
        // SAFETY: the node was made or grown so that `end` is inside it: a new one has room for the
        // length and for the alignment's padding.
        Some(unsafe { node.cast::<u8>().add(NODE_SIZE + start) })
    }

    /// `resize` and `remap` are the same, since nothing is moved. The result is the block, by a pointer that
    /// reaches all of it if it has grown: the caller's own may not (a `Box` narrows its pointer).
    #[inline]
    fn remap(&self, memory: NonNull<[u8]>, new_len: usize) -> Option<NonNull<u8>> {
        let node = self.state.first.get()?;
        let end_index = self.state.end_index.get();
        let same = memory.cast::<u8>();
        if !is_last(node, end_index, memory) {
            return if new_len <= memory.len() { Some(same) } else { None };
        }
        if new_len <= memory.len() {
            self.state.end_index.set(end_index - (memory.len() - new_len));
            return Some(same);
        }
        // SAFETY: the newest node is a live block that begins with its header.
        let capacity = unsafe { (*node.as_ptr()).size } - NODE_SIZE;
        let growth = new_len - memory.len();
        if growth > capacity - end_index {
            return None;
        }
        self.state.end_index.set(end_index + growth);
        Some(node.cast::<u8>().with_addr(memory.addr()))
    }

    #[inline]
    fn free(&self, memory: NonNull<[u8]>) {
        let Some(node) = self.state.first.get() else {
            return;
        };
        let end_index = self.state.end_index.get();
        if is_last(node, end_index, memory) {
            self.state.end_index.set(end_index - memory.len());
        }
    }
}

/// How long a new node is, in bytes, after a previous one with room for `previous`: half as long again as what is
/// wanted. `None` if there is no such length.
fn roomy_size(previous: usize, len: usize, alignment: Alignment) -> Option<usize> {
    let request = len.checked_add(alignment.to_byte_units())?;
    let wanted = previous.checked_add(request)?.checked_add(NODE_SIZE + 16)?;
    wanted.checked_add(wanted / 2)
}

/// How long a node must be, in bytes, for one block, wherever the child puts it. `None` if no block can be as long.
fn least_size(len: usize, alignment: Alignment) -> Option<usize> {
    // What follows the header is aligned as the header is.
    let padding = alignment.to_byte_units() - NODE_ALIGNMENT.min(alignment).to_byte_units();
    let size = len.checked_add(padding)?.checked_add(NODE_SIZE)?;
    (size <= isize::MAX as usize).then_some(size)
}

/// Where a block would begin and end behind the node's header, in a node that is large enough.
#[inline]
fn place(node: NonNull<Node>, end_index: usize, len: usize, alignment: Alignment) -> Option<(usize, usize)> {
    let address = node.addr().get() + NODE_SIZE + end_index;
    let padding = address.wrapping_neg() & alignment.mask();
    let start = end_index.checked_add(padding)?;
    Some((start, start.checked_add(len)?))
}

/// Whether the block ends where the used part of the node ends.
#[inline]
fn is_last(node: NonNull<Node>, end_index: usize, memory: NonNull<[u8]>) -> bool {
    node.addr().get() + NODE_SIZE + end_index == memory.addr().get().wrapping_add(memory.len())
}

/// The child's block that a node is.
fn node_block(node: NonNull<Node>, size: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(node.cast(), size)
}

/// A thread-local arena is dropped in the middle of a call of its child if the child exits the process
/// (`std::process::exit`). Its list is then unreliable, so its nodes leak.
impl<C: ChildAllocator> Drop for ArenaAllocator<C> {
    fn drop(&mut self) {
        let (nodes, _) = self.take_nodes();
        self.free_nodes(nodes, None);
    }
}

// SAFETY: 1. as `allocator` says. 2. The state is the arena's own. If it is `Send`, its child is a
// `SyncAllocator`, which any thread may call.
unsafe impl<C: ChildAllocator> AllocatorState for ArenaAllocator<C> {
    fn allocator(&self) -> Allocator<'_> {
        ArenaAllocator::allocator(self)
    }
}

impl<C: ChildAllocator> fmt::Debug for ArenaAllocator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArenaAllocator")
            .field("child_allocator", &self.child_allocator)
            .field("end_index", &self.state.end_index.get())
            .finish_non_exhaustive()
    }
}

// ---- the functions of the table ----

/// # Safety
/// Clause 1 of the contract: `ctx` is the address that `allocator` took, whose borrow lasts.
#[inline(always)]
unsafe fn context<'s, C: ChildAllocator>(ctx: *mut ()) -> &'s ArenaAllocator<C> {
    // SAFETY: the caller's promise; shared references are all that is ever made from it.
    unsafe { &*ctx.cast_const().cast() }
}

#[inline]
unsafe extern "C" fn arena_alloc<C: ChildAllocator>(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    _ret_addr: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: clause 1 of the contract.
    unsafe { context::<C>(ctx) }.alloc(len, alignment)
}

#[inline]
unsafe extern "C" fn arena_resize<C: ChildAllocator>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    new_len: usize,
    _ret_addr: usize,
) -> bool {
    // SAFETY: clauses 1 and 3 of the contract.
    unsafe { context::<C>(ctx).remap(block(memory, memory_len), new_len) }.is_some()
}

#[inline]
unsafe extern "C" fn arena_remap<C: ChildAllocator>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    new_len: usize,
    _ret_addr: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: clauses 1 and 3 of the contract.
    unsafe { context::<C>(ctx).remap(block(memory, memory_len), new_len) }
}

#[inline]
unsafe extern "C" fn arena_free<C: ChildAllocator>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    _ret_addr: usize,
) {
    // SAFETY: clauses 1 and 3 of the contract.
    unsafe { context::<C>(ctx).free(block(memory, memory_len)) };
}
