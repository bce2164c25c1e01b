//! The node that the end of a scope leaves for the blocks of the next one.
//!
//! Only the newest node of the list can have a spare one after it, since no node is put before it as long as there is
//! one: the spare node itself becomes the newest, or it is freed.

use core::ptr::NonNull;

use super::ArenaAllocator;
use super::checkpoint::Checkpoint;
use super::node::{NODE_SIZE, Node, place};
use crate::alignment::Alignment;
use crate::allocator::Handle;

impl<C: Handle> ArenaAllocator<C> {
    /// Makes the spare node the newest, if there is one and a block fits in it.
    ///
    /// # Safety
    /// `newest` is the newest node, not the mark of a call.
    pub(super) unsafe fn use_spare(
        &self,
        newest: NonNull<Node>,
        len: usize,
        alignment: Alignment,
    ) -> Option<NonNull<Node>> {
        // SAFETY: a live block that begins with its header, by our caller.
        let spare = unsafe { (*newest.as_ptr()).spare() }?;
        // SAFETY: a node of the list is a live block that begins with its header.
        let Node { size, .. } = unsafe { spare.read() };
        place(spare, 0, len, alignment).filter(|&(_, end)| end <= size - NODE_SIZE)?;
        // SAFETY: the newest node, which has a spare one after it.
        let spare = unsafe { take_spare(newest) }?;
        // SAFETY: a live block that begins with its header.
        unsafe { (*spare.as_ptr()).set_next(Some(newest)) };
        // SAFETY: a node without blocks, and after it the list.
        unsafe { self.state.set(Some(spare), 0) };
        Some(spare)
    }

    /// Returns the spare node to the child, if there is one.
    ///
    /// # Safety
    /// `newest` is the newest node, not the mark of a call.
    pub(super) unsafe fn free_spare(&self, newest: NonNull<Node>) {
        // SAFETY: the newest node.
        if let Some(spare) = unsafe { take_spare(newest) } {
            // SAFETY: a node that has left the list, and without blocks. No other follows.
            self.call_child(|_| unsafe { self.free_nodes(Some(spare), None) });
        }
    }

    /// Returns to the state of a checkpoint. Of the nodes since then, the largest becomes spare, or the only one of an
    /// arena that was empty. The others are freed.
    ///
    /// # Safety
    /// As for [`rewind`](Self::rewind). No call of the child is in progress.
    #[inline]
    pub(super) unsafe fn return_to(&self, checkpoint: Checkpoint) {
        let Checkpoint { first, end_index } = checkpoint;
        match self.state.first.get().filter(|_| self.state.first.get() != first) {
            // SAFETY: the newest node, which is not the checkpoint's; the rest is so by our caller.
            Some(newest) => unsafe { self.unwind(newest, checkpoint) },
            // A node never gets shorter while its checkpoint is valid, so the index is inside it.
            // SAFETY: the same list, and its index at that time, by our caller.
            None => unsafe { self.state.set(first, end_index) },
        }
    }

    /// # Safety
    /// As for [`return_to`](Self::return_to). `newest` is the newest node, and not the checkpoint's.
    #[cold]
    unsafe fn unwind(&self, newest: NonNull<Node>, Checkpoint { first, end_index }: Checkpoint) {
        // SAFETY: nodes of the list, of which the checkpoint's is another one, by our caller.
        let (spare, others) = unsafe { take_largest(newest, first) };
        // The list is that of the checkpoint before nodes are freed, since the child may call the arena then.
        if let Some(first) = first {
            // SAFETY: a node of the list is a live block that begins with its header.
            let older = unsafe { (*first.as_ptr()).next() };
            // SAFETY: a node that has left the list is a live block that begins with its header.
            unsafe { (*spare.as_ptr()).set_next(older) };
            // SAFETY: as above. The node was not the newest, so it has no spare one yet.
            unsafe { (*first.as_ptr()).set_spare(spare) };
            // SAFETY: the list and the index of that time, by our caller; a node does not get shorter meanwhile.
            unsafe { self.state.set(Some(first), end_index) };
        } else {
            // SAFETY: a node that has left the list is a live block that begins with its header.
            unsafe { (*spare.as_ptr()).set_next(None) };
            // SAFETY: a node whose blocks are not used, by our caller, and no other.
            unsafe { self.state.set(Some(spare), 0) };
        }
        // SAFETY: the others are no longer in the list, and their blocks are not used, by our caller.
        unsafe { self.free_nodes(others, first) };
    }
}

/// Takes the spare node after `newest`, if there is one, out of the list.
///
/// # Safety
/// `newest` is the newest node of a list.
unsafe fn take_spare(newest: NonNull<Node>) -> Option<NonNull<Node>> {
    // SAFETY: a live block that begins with its header, by our caller.
    let spare = unsafe { (*newest.as_ptr()).spare() }?;
    // SAFETY: a node of the list is a live block that begins with its header.
    let older = unsafe { (*spare.as_ptr()).next() };
    // SAFETY: as for `newest` above.
    unsafe { (*newest.as_ptr()).set_next(older) };
    // SAFETY: as for `spare` above.
    unsafe { (*spare.as_ptr()).set_next(None) };
    Some(spare)
}

/// Takes the largest of the nodes from `newest` up to `end`, but not including it, out of their list. Returns it, and
/// the newest of the others.
///
/// # Safety
/// `newest` is a node of a list, and not `end`. Its node `end`, if there is one, comes later.
unsafe fn take_largest(
    newest: NonNull<Node>,
    end: Option<NonNull<Node>>,
) -> (NonNull<Node>, Option<NonNull<Node>>) {
    // The largest, and the one before it.
    let (mut largest, mut previous) = (newest, None);
    // SAFETY: nodes of the list are live blocks that begin with their header.
    let size = |node: NonNull<Node>| unsafe { (*node.as_ptr()).size };
    // SAFETY: as above.
    let next = |node: NonNull<Node>| unsafe { (*node.as_ptr()).next() };
    let mut node = newest;
    while let Some(older) = next(node).filter(|&older| Some(older) != end) {
        if size(older) > size(largest) {
            (largest, previous) = (older, Some(node));
        }
        node = older;
    }
    let Some(previous) = previous else { return (largest, next(largest)) };
    // SAFETY: as above.
    unsafe { (*previous.as_ptr()).set_next(next(largest)) };
    (largest, Some(newest))
}
