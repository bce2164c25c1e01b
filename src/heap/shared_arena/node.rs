//! The nodes of the shared arena's lists, and operations on a single node.
//!
//! The numbers in comments are those of the invariants in the [module documentation](super).

use core::hint;
use core::ops::Deref;
use core::ptr::NonNull;

use crate::alignment::Alignment;
use crate::sync::{AtomicUsize, Cell, Ordering};

/// The header of a block from the child.
#[repr(C)]
pub(super) struct Node {
    /// The block's length in bytes, including the header; always even. Bit 0 is 1 while a thread has the exclusive
    /// right to ask the child to enlarge the block (invariant 4).
    size: AtomicUsize,
    /// Where the next block starts, counted from the end of the header. It can exceed the node's capacity (a request
    /// that does not fit moves it too), but not `MAX_END_INDEX` (invariant 6).
    pub(super) end_index: AtomicUsize,
    /// The next older node of the list. Only the owner of the node accesses it (invariant 2).
    next: Cell<Option<NodePtr>>,
}

pub(super) const NODE_SIZE: usize = size_of::<Node>();
pub(super) const NODE_ALIGNMENT: Alignment = Alignment::of::<Node>();
#[cfg(not(loom))]
const _: () = assert!(NODE_SIZE == 3 * size_of::<usize>());

/// The largest `end_index`: no block of the child can be longer than Rust's longest object.
pub(super) const MAX_END_INDEX: usize = isize::MAX as usize - NODE_SIZE - 1;

/// Bit 0 of [`Node::size`].
const RESIZING: usize = 1;

/// A pointer to a node, through which the header may be accessed.
///
/// Invariant 1: it is the pointer that the child returned for a block that starts with a header, and the block is
/// live.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct NodePtr(NonNull<Node>);

impl Deref for NodePtr {
    type Target = Node;

    #[inline(always)]
    fn deref(&self) -> &Node {
        // SAFETY: invariant 1. The header is only written through its cells, and no block that is handed out overlaps
        // it.
        unsafe { self.0.as_ref() }
    }
}

impl NodePtr {
    /// Writes the header of a node that is not yet in a list.
    ///
    /// # Safety
    /// `memory` is a block of `size` bytes that the child has just returned, aligned to
    /// `NODE_ALIGNMENT`. `size` is even and at least `NODE_SIZE`.
    pub(super) unsafe fn write_header(memory: NonNull<u8>, size: usize) -> NodePtr {
        debug_assert!(
            size >= NODE_SIZE && size & RESIZING == 0,
            "SharedArenaAllocator: a node has {size} bytes"
        );
        let node = memory.cast::<Node>();
        let header =
            Node { size: AtomicUsize::new(size), end_index: AtomicUsize::new(0), next: Cell::new(None) };
        // SAFETY: a new block with room for a header, aligned for it, by our caller.
        unsafe { node.write(header) };
        NodePtr(node)
    }

    /// Converts the stored form of a list's head.
    ///
    /// # Safety
    /// `node` is null, or was returned by [`as_ptr`](Self::as_ptr) and its block is live.
    #[inline(always)]
    pub(super) unsafe fn from_ptr(node: *mut Node) -> Option<NodePtr> {
        NonNull::new(node).map(NodePtr)
    }

    #[inline(always)]
    pub(super) fn as_ptr(self) -> *mut Node {
        self.0.as_ptr()
    }

    /// Returns the child's block, which is `size` bytes long.
    pub(super) fn block(self, size: usize) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.0.cast(), size)
    }

    /// Returns the length of the child's block in bytes.
    ///
    /// Acquires: if the block has grown, what the child did to its bytes happens-before their use.
    #[inline]
    pub(super) fn size(self) -> usize {
        self.size.load(Ordering::Acquire) & !RESIZING
    }

    /// Returns how many bytes follow the header.
    #[inline]
    pub(super) fn capacity(self) -> usize {
        self.size() - NODE_SIZE
    }

    /// Returns the next older node of its list.
    ///
    /// # Safety
    /// This thread owns the node (invariant 2).
    #[inline]
    pub(super) unsafe fn next(self) -> Option<NodePtr> {
        self.next.get()
    }

    /// Links the node to the next older one.
    ///
    /// # Safety
    /// This thread owns the node (invariant 2).
    #[inline]
    pub(super) unsafe fn set_next(self, next: Option<NodePtr>) {
        self.next.set(next);
    }

    /// Sets the length of the node in bytes and gives up the right to resize it.
    ///
    /// # Safety
    /// This thread owns the node or has that right (invariant 4), and the child's block has `size` bytes, an even
    /// number.
    pub(super) unsafe fn set_size(self, size: usize) {
        debug_assert!(size & RESIZING == 0, "SharedArenaAllocator: a node has {size} bytes");
        // A store would do. But loom does not know that another thread's update since `begin_resize` cannot come
        // after it, and the model should match what runs.
        self.size.swap(size, Ordering::Release);
    }

    /// Takes the right to resize the node and returns its length in bytes, or `None` if another thread has the right.
    /// [`set_size`](Self::set_size) gives it up.
    pub(super) fn begin_resize(self) -> Option<usize> {
        let size = self.size.fetch_or(RESIZING, Ordering::Acquire);
        (size & RESIZING == 0).then_some(size)
    }

    /// Returns whether a thread has the right to resize the node.
    pub(super) fn is_resizing(self) -> bool {
        self.size.load(Ordering::Relaxed) & RESIZING != 0
    }

    /// Returns where a block would start and end, counted from the end of the header, if the node ended at
    /// `MAX_END_INDEX`.
    #[inline]
    pub(super) fn place(self, end_index: usize, len: usize, alignment: Alignment) -> Option<(usize, usize)> {
        // Modulo the address space, since `end_index` can be past the node.
        let address = self.0.addr().get().wrapping_add(NODE_SIZE).wrapping_add(end_index);
        let padding = address.wrapping_neg() & alignment.mask();
        let start = end_index.checked_add(padding)?;
        let end = start.checked_add(len)?;
        (end <= MAX_END_INDEX).then_some((start, end))
    }

    /// Returns the address `start` bytes after the header.
    ///
    /// # Safety
    /// `start` is at most the node's capacity.
    #[inline]
    pub(super) unsafe fn at(self, start: usize) -> NonNull<u8> {
        // SAFETY: the child's block has that many bytes, and the pointer is the child's (invariant 1).
        unsafe { self.0.cast::<u8>().add(NODE_SIZE + start) }
    }

    /// Takes `len` bytes after `end_index`, if the node has them.
    ///
    /// As in Zig, `end_index` moves even if the node does not have them, except for a length that no node can have.
    /// It does not move if another thread has moved it in between.
    #[inline]
    pub(super) fn reserve(self, len: usize, alignment: Alignment) -> Reserved {
        let capacity = self.capacity();
        let end_index = self.end_index.load(Ordering::Relaxed);
        let Some((start, end)) = self.place(end_index, len, alignment) else {
            return Reserved::Full;
        };
        // Acquires what other threads have freed. Only this operation can make the bytes ours. The strong form,
        // because a failure makes this thread wait and must therefore mean that another thread was faster.
        match self.end_index.compare_exchange(end_index, end, Ordering::Acquire, Ordering::Relaxed) {
            Err(_) => Reserved::Lost,
            // SAFETY: a node never shrinks while it is shared, so it still has `end` bytes.
            Ok(_) if end <= capacity => Reserved::Block(unsafe { self.at(start) }),
            Ok(_) => Reserved::Full,
        }
    }

    /// Returns whether the block ends where the next one in this node would start. This compares addresses alone: the
    /// block may be in another node, and `end_index` past the end of this one.
    #[inline]
    pub(super) fn is_last(self, end_index: usize, memory: NonNull<[u8]>) -> bool {
        let end = self.0.addr().get().wrapping_add(NODE_SIZE).wrapping_add(end_index);
        end == memory.addr().get().wrapping_add(memory.len())
    }
}

/// The result of [`NodePtr::reserve`].
pub(super) enum Reserved {
    Block(NonNull<u8>),
    /// The node is too small.
    Full,
    /// Another thread was faster; nothing has changed.
    Lost,
}

/// Bounded back-off after losing a race for a node: longer each time.
///
/// During the pause, the other threads keep the cache line and need not transfer it for each block. `docs/performance.md`
/// shows the cost of other values of `FIRST`: above 128 gains little, and each request that loses waits longer.
pub(super) struct Backoff {
    pauses: u32,
}

impl Backoff {
    /// Under loom and Miri it is enough that the thread retries.
    const FIRST: u32 = if cfg!(any(loom, miri)) { 1 } else { 128 };
    const LAST: u32 = 8 * Backoff::FIRST;

    pub(super) const fn new() -> Backoff {
        Backoff { pauses: Backoff::FIRST }
    }

    pub(super) fn wait(&mut self) {
        for _ in 0..self.pauses {
            hint::spin_loop();
        }
        self.pauses = Backoff::LAST.min(2 * self.pauses);
    }
}

/// Returns the length of the child's block for an arena block that ends at `end`, a result of [`NodePtr::place`]. It
/// is even.
pub(super) fn size_for(end: usize) -> usize {
    (NODE_SIZE + end).next_multiple_of(2)
}

/// Iterates over the nodes of a list, newest first. A node may be freed once the iterator has returned it.
pub(super) struct Nodes(Option<NodePtr>);

impl Nodes {
    /// # Safety
    /// This thread owns `first` and all older nodes, until the iterator has returned them (invariant 2).
    pub(super) unsafe fn new(first: Option<NodePtr>) -> Nodes {
        Nodes(first)
    }
}

impl Iterator for Nodes {
    type Item = NodePtr;

    fn next(&mut self) -> Option<NodePtr> {
        let node = self.0?;
        // SAFETY: this thread owns the node, by the requirement of `new`.
        self.0 = unsafe { node.next() };
        Some(node)
    }
}
