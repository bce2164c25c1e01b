//! How an arena takes nodes from its child and returns them.
//!
//! All calls of the child keep [one-thread](crate::VTable#one-thread): an arena moves to another thread only if its
//! child's handle may (`Send`), and its own handles, which are not `Send`, borrow it.

use core::ptr::NonNull;

use super::ArenaAllocator;
use super::node::{NODE_ALIGNMENT, NODE_SIZE, Node, least_size, node_block, roomy_size};
use crate::alignment::Alignment;
use crate::allocator::{Allocator, Handle};
use crate::return_address::return_address;

/// From this many bytes on, a system may grant memory that it does not have: 1 GiB.
const OVERCOMMITTED: usize = 1 << 30;

impl<C: Handle> ArenaAllocator<C> {
    /// Calls the child with a mark at the head of the list.
    ///
    /// A child may run arbitrary code, such as the sink of a [`LoggingAllocator`](crate::trace::LoggingAllocator). If
    /// that code asks the same arena for memory, it must not find the node that the child is growing. It finds the
    /// mark, which has no room, and gets none.
    pub(super) fn call_child<R>(&self, call: impl FnOnce(Allocator<'_>) -> R) -> R {
        let (first, end_index) = (self.state.first.get(), self.state.end_index.get());
        let mark = Node::new(NODE_SIZE, first);
        // SAFETY: the mark has no room, the list follows it, and it leaves the list before it goes out of scope.
        unsafe { self.state.set(Some(NonNull::from(&mark)), 0) };
        let result = call(self.child_allocator.as_allocator());
        // Not reached after a panic, which aborts since a child's functions do not unwind (no-unwind).
        // SAFETY: the list as it was; whatever the child did, it got no memory and could not change the list.
        unsafe { self.state.set(first, end_index) };
        result
    }

    /// Whether the arena is in the middle of a call of its child.
    pub(super) fn is_calling(&self) -> bool {
        // SAFETY: the newest node is a live block that begins with its header, or the mark, which lasts as long as the
        // call.
        self.state.first.get().is_some_and(|node| unsafe { (*node.as_ptr()).size } == NODE_SIZE)
    }

    /// Empties the list if a call of the child is in progress. That call does not return: the child exits the process,
    /// and a destructor of a thread-local value has borrowed the arena. The nodes leak, since it is not known which of
    /// them the child still has.
    pub(super) fn abandon_call(&mut self) {
        if self.is_calling() {
            // SAFETY: an empty list has no nodes, and nothing of it is in use.
            unsafe { self.state.set(None, 0) };
        }
    }

    /// A new node at the head of the list with room for the block, after a previous node with room for `previous`
    /// bytes.
    pub(super) fn create_node(
        &self,
        previous: usize,
        len: usize,
        alignment: Alignment,
    ) -> Option<NonNull<Node>> {
        let (size, memory) = [roomy_size(previous, len, alignment), least_size(len, alignment)]
            .into_iter()
            .flatten()
            // SAFETY: both are longer than a header.
            .find_map(|size| Some((size, unsafe { self.alloc_of_child(size) }?)))?;
        let node = memory.cast::<Node>();
        // SAFETY: new memory of `size` bytes, aligned for a header.
        unsafe { node.write(Node::new(size, self.state.first.get())) };
        // SAFETY: a new node, and after it the list.
        unsafe { self.state.set(Some(node), 0) };
        Some(node)
    }

    /// Memory of the child for a node.
    ///
    /// # Safety
    /// `size` is not zero.
    unsafe fn alloc_of_child(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: `size` is not zero, by our caller; one-thread as at the head of this file.
        self.call_child(|child| unsafe { child.raw_alloc(size, NODE_ALIGNMENT, return_address()) })
    }

    /// Asks the child to make the newest node `size` bytes long where it is.
    ///
    /// # Safety
    /// `node` is the newest node, not the mark of a call. `size` exceeds its length.
    pub(super) unsafe fn grow_node(&self, node: NonNull<Node>, size: usize) -> bool {
        // SAFETY: the newest node is a live block that begins with its header.
        let memory = node_block(node, unsafe { (*node.as_ptr()).size });
        // SAFETY: a live block of the child with matching length and alignment; `size` is not zero; one-thread as at
        // the head of this file.
        let grown = self
            .call_child(|child| unsafe { child.raw_resize(memory, NODE_ALIGNMENT, size, return_address()) });
        if grown {
            // SAFETY: the node is still live, and begins with its header.
            unsafe { (*node.as_ptr()).size = size };
        }
        grown
    }

    /// Makes a node `size` bytes long, or puts another in its place; false if the child refuses both. Its blocks end.
    ///
    /// # Safety
    /// `node` is a node of this arena that is not in the list. `size` exceeds [`NODE_SIZE`].
    pub(super) unsafe fn resize_empty(&self, node: NonNull<Node>, size: usize) -> (NonNull<Node>, bool) {
        // SAFETY: a live block that begins with its header, by our caller.
        let old_size = unsafe { (*node.as_ptr()).size };
        if old_size == size {
            return (node, true);
        }
        let memory = node_block(node, old_size);
        let child = self.child_allocator.as_allocator();
        // SAFETY: a live block of the child with matching length and alignment; `size` is not zero; one-thread as at
        // the head of this file.
        if unsafe { child.raw_resize(memory, NODE_ALIGNMENT, size, return_address()) } {
            // SAFETY: the node is still live, and begins with its header.
            unsafe { (*node.as_ptr()).size = size };
            return (node, true);
        }
        // SAFETY: `size` is not zero; one-thread as at the head of this file.
        let Some(new) = (unsafe { child.raw_alloc(size, NODE_ALIGNMENT, return_address()) }) else {
            return (node, false);
        };
        // SAFETY: a live block of the child with matching length and alignment, not used afterwards; one-thread as at
        // the head of this file.
        unsafe { child.raw_free(memory, NODE_ALIGNMENT, return_address()) };
        let node = new.cast::<Node>();
        // SAFETY: new memory of `size` bytes, aligned for a header.
        unsafe { node.write(Node::new(size, None)) };
        (node, true)
    }

    /// Empties the list. Returns its newest node and its oldest.
    pub(super) fn take_nodes(&mut self) -> (Option<NonNull<Node>>, Option<NonNull<Node>>) {
        self.abandon_call();
        let nodes = self.state.first.get();
        // SAFETY: an empty list has no nodes, and nothing of it is in use.
        unsafe { self.state.set(None, 0) };
        let mut oldest = nodes;
        // SAFETY: nodes of the list are live blocks that begin with their header.
        while let Some(older) = oldest.and_then(|node| unsafe { (*node.as_ptr()).next() }) {
            oldest = Some(older);
        }
        (nodes, oldest)
    }

    /// Returns nodes to the child, newest first, up to `end` but not including it.
    ///
    /// # Safety
    /// `next` and those after it up to `end` are nodes of this arena that are not in its list; they and their blocks
    /// are not used afterwards.
    pub(super) unsafe fn free_nodes(&self, mut next: Option<NonNull<Node>>, end: Option<NonNull<Node>>) {
        while let Some(node) = next.filter(|_| next != end) {
            // SAFETY: a live block that begins with its header, by our caller.
            let header = unsafe { node.read() };
            let child = self.child_allocator.as_allocator();
            // SAFETY: a live block of the child with matching length and alignment, not used afterwards, by our caller;
            // one-thread as at the head of this file.
            unsafe { child.raw_free(node_block(node, header.size), NODE_ALIGNMENT, return_address()) };
            next = header.next();
        }
    }

    /// Whether there may be memory for `count` more blocks of `len` bytes, for a caller that allocates them one by one.
    /// If not, it need not begin: with a child whose system overcommits, no allocation would fail, and the system would
    /// kill the process once the blocks are written to.
    ///
    /// Since nodes grow by half, the last one has at least a third of all that is added. So from [`OVERCOMMITTED`]
    /// bytes on, a third is allocated from the child in one piece, and freed, unless the newest node can grow by it.
    pub(crate) fn may_serve(&self, count: usize, len: usize) -> bool {
        let Some(total) = count.checked_mul(len) else { return false };
        let newest = self.state.first.get().map(|node| {
            // SAFETY: the newest node is a live block that begins with its header, or the mark of a call.
            (node, unsafe { (*node.as_ptr()).size })
        });
        let room = newest.map_or(0, |(_, size)| size - NODE_SIZE - self.state.end_index.get());
        let lacking = total.saturating_sub(room);
        if lacking < OVERCOMMITTED || self.is_calling() {
            return true;
        }
        let third = lacking / 3;
        // If the child can extend the newest node by that much, it would have been extended block by block.
        if newest.is_some_and(|(node, size)| {
            // SAFETY: the newest node, and no call is in progress; `third` is not zero.
            size.checked_add(third).is_some_and(|size| unsafe { self.grow_node(node, size) })
        }) {
            return true;
        }
        // SAFETY: `third` is a third of at least `OVERCOMMITTED` bytes, so it is not zero.
        let Some(memory) = (unsafe { self.alloc_of_child(third) }) else { return false };
        let memory = NonNull::slice_from_raw_parts(memory, third);
        // SAFETY: a live block of the child with matching length and alignment, not used afterwards; one-thread as at
        // the head of this file.
        self.call_child(|child| unsafe { child.raw_free(memory, NODE_ALIGNMENT, return_address()) });
        true
    }
}
