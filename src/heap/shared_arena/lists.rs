//! What threads do with the shared arena's two lists of nodes.
//!
//! The numbers in comments are those of the invariants in the [essay](super).

use core::ptr;

use super::State;
use super::node::{Node, NodePtr};
use crate::sync::Ordering;

impl State {
    /// The node that blocks come from at the moment.
    #[inline]
    pub(super) fn first_node(&self) -> Option<NodePtr> {
        // SAFETY: invariants 1 and 3. Acquires the header that `push_used` has released.
        unsafe { NodePtr::from_ptr(self.used_list.load(Ordering::Acquire)) }
    }

    /// Puts a node on the used list, for good, if `first` is still its head.
    /// Otherwise the head is the error, and the node remains this thread's.
    ///
    /// # Safety
    /// This thread owns the node (invariant 2), and uses it as any other thread does after success.
    pub(super) unsafe fn push_used(
        &self,
        first: Option<NodePtr>,
        node: NodePtr,
    ) -> Result<(), Option<NodePtr>> {
        // SAFETY: this thread owns the node, by our caller.
        unsafe { node.set_next(first) };
        // A spurious failure would throw away a node that fits, so this is the strong form.
        self.used_list
            .compare_exchange(list_ptr(first), node.as_ptr(), Ordering::Release, Ordering::Acquire)
            .map(|_| ())
            // SAFETY: as in `first_node`.
            .map_err(|head| unsafe { NodePtr::from_ptr(head) })
    }

    /// Takes all free nodes. This thread owns them then.
    pub(super) fn steal_free_list(&self) -> Option<NodePtr> {
        // SAFETY: invariants 1 and 2. Acquires what `push_free` has released.
        unsafe { NodePtr::from_ptr(self.free_list.swap(ptr::null_mut(), Ordering::Acquire)) }
    }

    /// Puts the nodes from `first` to `last` on the free list.
    ///
    /// # Safety
    /// This thread owns them (invariant 2), and does not use them afterwards. Each is linked to the next; `last` need not
    /// be linked.
    pub(super) unsafe fn push_free(&self, first: NodePtr, last: NodePtr) {
        // The guess is that there are no others: this thread has mostly just stolen them all.
        let mut head = ptr::null_mut();
        loop {
            // SAFETY: invariant 1. The node is not looked at, so nothing has to be acquired.
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

/// How a list's head is stored.
#[inline]
fn list_ptr(node: Option<NodePtr>) -> *mut Node {
    node.map_or(ptr::null_mut(), NodePtr::as_ptr)
}
