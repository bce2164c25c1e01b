//! What the shared arena's lists consist of, and what threads do with one node.
//!
//! The numbers in comments are those of the invariants in the [essay](super).

use core::hint;
use core::ops::Deref;
use core::ptr::NonNull;

use crate::alignment::Alignment;
use crate::sync::{AtomicUsize, Cell, Ordering};

/// The header of a block from the child.
#[repr(C)]
pub(super) struct Node {
    /// The block's length in bytes, header included, always even. Bit 0 is 1 while a thread has the
    /// exclusive right to ask the child for more (invariant 4).
    size: AtomicUsize,
    /// Where the next block starts after the header. It can be larger than the node (a request that
    /// does not fit moves it too), but not larger than `MAX_END_INDEX` (invariant 6).
    pub(super) end_index: AtomicUsize,
    /// The node below in the list. Only the owner of the node accesses it (invariant 2).
    next: Cell<Option<NodePtr>>,
}

pub(super) const NODE_SIZE: usize = size_of::<Node>();
pub(super) const NODE_ALIGNMENT: Alignment = Alignment::of::<Node>();
#[cfg(not(loom))]
const _: () = assert!(NODE_SIZE == 3 * size_of::<usize>());

/// The largest `end_index`: a block of the child that is longer than Rust's longest object cannot be.
pub(super) const MAX_END_INDEX: usize = isize::MAX as usize - NODE_SIZE - 1;

/// Bit 0 of [`Node::size`].
const RESIZING: usize = 1;

/// A pointer to a node, with which the header may be used.
///
/// Invariant 1: it is the pointer that the child returned for a block which starts with a header,
/// and the block is live.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct NodePtr(NonNull<Node>);

impl Deref for NodePtr {
    type Target = Node;

    #[inline(always)]
    fn deref(&self) -> &Node {
        // SAFETY: invariant 1. The header is only written through its cells, and no block that is handed out overlaps it.
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

    /// What a list's head holds.
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

    /// The child's block, `size` bytes long.
    pub(super) fn block(self, size: usize) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.0.cast(), size)
    }

    /// The length of the child's block in bytes.
    ///
    /// Acquires: what the child did to the bytes of a block that has grown comes before their use.
    #[inline]
    pub(super) fn size(self) -> usize {
        self.size.load(Ordering::Acquire) & !RESIZING
    }

    /// How many bytes follow the header.
    #[inline]
    pub(super) fn capacity(self) -> usize {
        self.size() - NODE_SIZE
    }

    /// The node below in its list.
    ///
    /// # Safety
    /// This thread owns the node (invariant 2).
    #[inline]
    pub(super) unsafe fn next(self) -> Option<NodePtr> {
        self.next.get()
    }

    /// Links the node to the one below it.
    ///
    /// # Safety
    /// This thread owns the node (invariant 2).
    #[inline]
    pub(super) unsafe fn set_next(self, next: Option<NodePtr>) {
        self.next.set(next);
    }

    /// Sets the length of the node in bytes, which ends the right to resize it.
    ///
    /// # Safety
    /// This thread owns the node or has that right (invariant 4), and the child's block has `size` bytes, an even number.
    pub(super) unsafe fn set_size(self, size: usize) {
        debug_assert!(size & RESIZING == 0, "SharedArenaAllocator: a node has {size} bytes");
        // A store would do. But loom does not know that an update which another thread has made since
        // `begin_resize` cannot come after it, and what is modelled should be what runs.
        self.size.swap(size, Ordering::Release);
    }

    /// Takes the right to resize the node, and returns its length in bytes; `None` if another thread
    /// has the right. [`set_size`](Self::set_size) gives it back.
    pub(super) fn begin_resize(self) -> Option<usize> {
        let size = self.size.fetch_or(RESIZING, Ordering::Acquire);
        (size & RESIZING == 0).then_some(size)
    }

    /// Whether a thread has that right.
    pub(super) fn is_resizing(self) -> bool {
        self.size.load(Ordering::Relaxed) & RESIZING != 0
    }

    /// Where a block would start and end, counted from the end of the header, if the node ended at `MAX_END_INDEX`.
    #[inline]
    pub(super) fn place(self, end_index: usize, len: usize, alignment: Alignment) -> Option<(usize, usize)> {
        // Modulo the address space, since `end_index` is not bounded by the node.
        let address = self.0.addr().get().wrapping_add(NODE_SIZE).wrapping_add(end_index);
        let padding = address.wrapping_neg() & alignment.mask();
        let start = end_index.checked_add(padding)?;
        let end = start.checked_add(len)?;
        (end <= MAX_END_INDEX).then_some((start, end))
    }

    /// The address `start` bytes after the header.
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
    /// `end_index` moves even if not, as in Zig, except for a length that no node can have. It does not
    /// move if another thread has moved it in between.
    #[inline]
    pub(super) fn reserve(self, len: usize, alignment: Alignment) -> Reserved {
        let capacity = self.capacity();
        let end_index = self.end_index.load(Ordering::Relaxed);
        let Some((start, end)) = self.place(end_index, len, alignment) else {
            return Reserved::Full;
        };
        // Acquires what other threads have freed. Only this operation can make the bytes ours. The strong
        // form, so that a failure means that there is another thread, since it makes this one wait.
        match self.end_index.compare_exchange(end_index, end, Ordering::Acquire, Ordering::Relaxed) {
            Err(_) => Reserved::Lost,
            // SAFETY: a node never shrinks while it is shared, so it still has `end` bytes.
            Ok(_) if end <= capacity => Reserved::Block(unsafe { self.at(start) }),
            Ok(_) => Reserved::Full,
        }
    }

    /// Whether the block ends where the next one in this node would start. This compares addresses alone: the
    /// block may be in another node, and `end_index` past the end of this one.
    #[inline]
    pub(super) fn is_last(self, end_index: usize, memory: NonNull<[u8]>) -> bool {
        let end = self.0.addr().get().wrapping_add(NODE_SIZE).wrapping_add(end_index);
        end == memory.addr().get().wrapping_add(memory.len())
    }
}

/// What came of [`NodePtr::reserve`].
pub(super) enum Reserved {
    Block(NonNull<u8>),
    /// The node is too small.
    Full,
    /// Another thread was faster; nothing has changed.
    Lost,
}

/// How long a thread stays away from a node after it has lost a race for it: longer each time.
///
/// The others keep the cache line meanwhile, and need not pass it on for each block. `docs/performance.md` has what other
/// values of `FIRST` cost: more than 128 gains little, and each request that loses waits longer.
pub(super) struct Backoff {
    pauses: u32,
}

impl Backoff {
    /// Models and Miri only need to see that the thread comes back.
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

/// How long the child's block must be for a block that ends at `end`, which [`NodePtr::place`] has
/// returned: even.
pub(super) fn size_for(end: usize) -> usize {
    (NODE_SIZE + end).next_multiple_of(2)
}

/// The nodes of a list, newest first. Each may be freed once it has been returned.
pub(super) struct Nodes(Option<NodePtr>);

impl Nodes {
    /// # Safety
    /// This thread owns `first` and the nodes below it, until the iterator has returned them (invariant 2).
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
