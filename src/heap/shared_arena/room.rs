//! How the shared arena finds room when its newest node has none: steps 2 to 5 in the [module documentation](super).
//! The numbers of invariants are from there too.

use core::ptr::NonNull;

use super::SharedArenaAllocator;
use super::node::{MAX_END_INDEX, NODE_ALIGNMENT, NODE_SIZE, NodePtr, Nodes, size_for};
use crate::alignment::Alignment;
use crate::return_address::return_address;
use crate::sync::Ordering;

/// The result of an attempt to find room.
pub(super) enum Attempt {
    Block(NonNull<u8>),
    /// Another thread has changed the list or the node: start again, at this node.
    Again(Option<NodePtr>),
    /// No room here; try elsewhere.
    Refused,
}

impl Attempt {
    fn or_else(self, next: impl FnOnce() -> Attempt) -> Attempt {
        match self {
            Attempt::Refused => next(),
            attempt => attempt,
        }
    }
}

impl SharedArenaAllocator<'_> {
    /// Looks for room other than after the `end_index` of `first`: steps 2 to 5.
    ///
    /// # Safety
    /// `spare` is `None`, or a node that this thread owns and that has room for the block.
    pub(super) unsafe fn make_room(
        &self,
        first: Option<NodePtr>,
        len: usize,
        alignment: Alignment,
        spare: &mut Option<NodePtr>,
    ) -> Attempt {
        let previous = first.map_or(0, NodePtr::capacity);
        self.grow(first, len, alignment)
            .or_else(|| self.alloc_from_free_node(first, len, alignment))
            // SAFETY: `spare` is `None`, or a node of this thread with room for the block, by our caller.
            .or_else(|| unsafe { self.alloc_from_new_node(first, previous, spare, len, alignment) })
    }

    /// Asks the child to enlarge the newest node. Only one thread at a time can do that; the others go on to another
    /// node.
    fn grow(&self, first: Option<NodePtr>, len: usize, alignment: Alignment) -> Attempt {
        let Some(node) = first else {
            return Attempt::Refused;
        };
        let Some(size) = node.begin_resize() else {
            return Attempt::Refused;
        };
        // SAFETY: this thread has the right to resize the node, whose length is `size`.
        let (new_size, attempt) = unsafe { self.grow_exclusively(node, size, len, alignment) };
        // SAFETY: this thread has the right to resize the node, and `new_size` is the current length of the child's
        // block.
        unsafe { node.set_size(new_size) };
        attempt
    }

    /// Returns the node's new size in bytes, and the result of the attempt.
    ///
    /// # Safety
    /// This thread has the right to resize the node (invariant 4), and `size` is the node's length in bytes.
    unsafe fn grow_exclusively(
        &self,
        node: NodePtr,
        size: usize,
        len: usize,
        alignment: Alignment,
    ) -> (usize, Attempt) {
        let end_index = node.end_index.load(Ordering::Relaxed);
        let Some((start, end)) = node.place(end_index, len, alignment) else {
            return (size, Attempt::Refused);
        };
        let new_size = size_for(end);
        if new_size <= size {
            // Another thread has freed or shrunk a block in between. Nodes never shrink.
            return (size, Attempt::Again(Some(node)));
        }
        // SAFETY: a live block of the child with matching length and alignment, which no other thread
        // resizes, by our caller; any thread may call the child.
        let resized = unsafe {
            self.child_allocator.raw_resize(node.block(size), NODE_ALIGNMENT, new_size, return_address())
        };
        if !resized {
            return (size, Attempt::Refused);
        }
        // Acquires what other threads have freed. The strong form: a spurious failure would waste the room.
        let exchanged = node.end_index.compare_exchange(end_index, end, Ordering::Acquire, Ordering::Relaxed);
        if exchanged.is_err() {
            return (new_size, Attempt::Refused);
        }
        // SAFETY: the block has `new_size` bytes, which is enough for `end` after the header.
        (new_size, Attempt::Block(unsafe { node.at(start) }))
    }

    /// Takes the free node that fits best, enlarged if necessary, and pushes it before `first`.
    ///
    /// Until then, this thread owns the whole free list, and other threads find it empty. Since no thread takes a
    /// single node, a stale `next` cannot come back.
    fn alloc_from_free_node(&self, first: Option<NodePtr>, len: usize, alignment: Alignment) -> Attempt {
        let Some(first_free) = self.state.steal_free_list() else {
            return Attempt::Refused;
        };
        let mut best = None;
        let mut best_lack = usize::MAX;
        let mut previous = None;
        // SAFETY: this thread owns the stolen nodes.
        for node in unsafe { Nodes::new(Some(first_free)) } {
            let end = node.place(0, len, alignment).map_or(usize::MAX, |(_, end)| end);
            let lack = end.saturating_sub(node.capacity());
            if lack < best_lack {
                (best, best_lack) = (Some((previous, node)), lack);
            }
            previous = Some(node);
        }
        let last_free = previous.unwrap_or(first_free);
        let taken = best.and_then(|(previous, node)| {
            // SAFETY: one of the stolen nodes.
            let memory = unsafe { self.take_free_node(node, len, alignment) }?;
            Some((previous, node, memory))
        });
        let Some((previous, node, memory)) = taken else {
            // SAFETY: the stolen nodes, linked as they were.
            unsafe { self.state.push_free(first_free, last_free) };
            return Attempt::Refused;
        };
        // SAFETY: one of the stolen nodes.
        let below = unsafe { node.next() };
        // SAFETY: this thread owns the stolen node, and after success uses it as any other thread does.
        if let Err(head) = unsafe { self.state.push_used(first, node) } {
            // SAFETY: this thread still owns the node.
            unsafe { node.set_next(below) };
            // SAFETY: the stolen nodes, linked as they were.
            unsafe { self.state.push_free(first_free, last_free) };
            return Attempt::Again(head);
        }
        // The node is shared now. The rest of the list goes back without it.
        if let Some(previous) = previous {
            // SAFETY: one of the stolen nodes, and not the one that is shared.
            unsafe { previous.set_next(below) };
        }
        let rest_first = if node == first_free { below } else { Some(first_free) };
        let rest_last = if node == last_free { previous } else { Some(last_free) };
        if let (Some(rest_first), Some(rest_last)) = (rest_first, rest_last) {
            // SAFETY: the stolen nodes without the one that is shared, linked.
            unsafe { self.state.push_free(rest_first, rest_last) };
        }
        Attempt::Block(memory)
    }

    /// Places the first block in a free node; `None` if the node is too small and cannot grow.
    ///
    /// # Safety
    /// This thread owns the node (invariant 2), which has no live blocks.
    unsafe fn take_free_node(&self, node: NodePtr, len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
        let (start, end) = node.place(0, len, alignment)?;
        let size = node.size();
        if end > size - NODE_SIZE {
            let new_size = size_for(end);
            // SAFETY: a live block of the child with matching length and alignment, owned by this thread; any thread
            // may call the child.
            let resized = unsafe {
                self.child_allocator.raw_resize(node.block(size), NODE_ALIGNMENT, new_size, return_address())
            };
            if !resized {
                return None;
            }
            // SAFETY: the child's block has `new_size` bytes now, and this thread owns the node.
            unsafe { node.set_size(new_size) };
        }
        node.end_index.store(end, Ordering::Relaxed);
        // SAFETY: the node has room for `end` bytes.
        Some(unsafe { node.at(start) })
    }

    /// Takes a new node from the child, or the spare one of an earlier attempt, and pushes it before `first`, which
    /// had a capacity of `previous` bytes.
    ///
    /// # Safety
    /// As for [`make_room`](Self::make_room).
    unsafe fn alloc_from_new_node(
        &self,
        first: Option<NodePtr>,
        previous: usize,
        spare: &mut Option<NodePtr>,
        len: usize,
        alignment: Alignment,
    ) -> Attempt {
        let Some(node) = spare.or_else(|| self.create_node(previous, len, alignment)) else {
            return Attempt::Refused;
        };
        *spare = Some(node);
        let Some((start, end)) = node.place(0, len, alignment) else {
            return Attempt::Refused;
        };
        node.end_index.store(end, Ordering::Relaxed);
        // SAFETY: this thread owns the node: it is new, or the spare one.
        if let Err(head) = unsafe { self.state.push_used(first, node) } {
            return Attempt::Again(head);
        }
        *spare = None;
        // SAFETY: the node was made with room for the length and for the alignment's padding.
        Attempt::Block(unsafe { node.at(start) })
    }

    /// Creates a node with room for a block, following one with a capacity of `previous` bytes; or if the child
    /// refuses that, with room for this block alone. This thread owns it.
    fn create_node(&self, previous: usize, len: usize, alignment: Alignment) -> Option<NodePtr> {
        [roomy_size(previous, len, alignment), least_size(len, alignment)].into_iter().flatten().find_map(
            |size| {
                // SAFETY: `size` is not zero; any thread may call the child.
                let memory =
                    unsafe { self.child_allocator.raw_alloc(size, NODE_ALIGNMENT, return_address()) }?;
                // SAFETY: the child has just returned it for this size, which is even and above `NODE_SIZE`.
                Some(unsafe { NodePtr::write_header(memory, size) })
            },
        )
    }
}

/// Returns the size of a new node in bytes, given the capacity of the previous one: half as much again as wanted.
/// `None` on overflow.
fn roomy_size(previous: usize, len: usize, alignment: Alignment) -> Option<usize> {
    let request = len.checked_add(alignment.to_byte_units())?;
    let wanted = previous.checked_add(request)?.checked_add(NODE_SIZE + 16)?;
    let size = wanted.checked_add(wanted / 2)?.checked_next_multiple_of(2)?;
    Some(size)
}

/// Returns how many bytes a node must have for one block, at whatever address the child places it. `None` if no block
/// can be that long.
fn least_size(len: usize, alignment: Alignment) -> Option<usize> {
    // The bytes after the header are aligned as the header is.
    let padding = alignment.to_byte_units() - NODE_ALIGNMENT.min(alignment).to_byte_units();
    let end = len.checked_add(padding).filter(|end| *end <= MAX_END_INDEX)?;
    Some(size_for(end))
}
