//! Operations on the shared arena's two lists of nodes.
//!
//! The numbers in comments are those of the invariants in the [module documentation](super).

use core::ptr;

use super::State;
use super::node::{Node, NodePtr};
use crate::sync::Ordering;

impl State {
    /// Returns the node that blocks currently come from.
    #[inline]
    pub(super) fn first_node(&self) -> Option<NodePtr> {
        // SAFETY: invariants 1 and 3. Acquires the header that `push_used` released.
        unsafe { NodePtr::from_ptr(self.used_list.load(Ordering::Acquire)) }
    }

    /// Pushes a node on the used list, permanently, if `first` is still its head. Otherwise returns the current head
    /// as the error, and this thread keeps the node.
    ///
    /// # Safety
    /// This thread owns the node (invariant 2). After success, it uses the node only as any other thread does.
    pub(super) unsafe fn push_used(
        &self,
        first: Option<NodePtr>,
        node: NodePtr,
    ) -> Result<(), Option<NodePtr>> {
        // SAFETY: this thread owns the node, by our caller.
        unsafe { node.set_next(first) };
        // The strong form: a spurious failure would waste a node that fits.
        self.used_list
            .compare_exchange(list_ptr(first), node.as_ptr(), Ordering::Release, Ordering::Acquire)
            .map(|_| ())
            // SAFETY: the head of the used list is null or a live node (invariants 1 and 3); the exchange acquires its
            // header.
            .map_err(|head| unsafe { NodePtr::from_ptr(head) })
    }

    /// Takes all free nodes, which this thread then owns.
    pub(super) fn steal_free_list(&self) -> Option<NodePtr> {
        // SAFETY: invariants 1 and 2. Acquires what `push_free` released.
        unsafe { NodePtr::from_ptr(self.free_list.swap(ptr::null_mut(), Ordering::Acquire)) }
    }

    /// Pushes the nodes from `first` to `last` on the free list.
    ///
    /// # Safety
    /// This thread owns them (invariant 2) and does not use them afterwards. Each is linked to the next; `last` need
    /// not be linked.
    pub(super) unsafe fn push_free(&self, first: NodePtr, last: NodePtr) {
        // Guess that the list is empty: usually, this thread has just taken all of it.
        let mut head = ptr::null_mut();
        loop {
            // SAFETY: invariant 1. The node is not read, so nothing needs to be acquired.
            let below = unsafe { NodePtr::from_ptr(head) };
            // SAFETY: this thread owns the node until the exchange succeeds.
            unsafe { last.set_next(below) };
            let exchanged = self.free_list.compare_exchange_weak(
                head,
                first.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            match exchanged {
                Ok(_) => return,
                Err(current) => head = current,
            }
        }
    }
}

/// Returns the representation of a list's head.
#[inline]
fn list_ptr(node: Option<NodePtr>) -> *mut Node {
    node.map_or(ptr::null_mut(), NodePtr::as_ptr)
}
