//! The intrusive lists: [`DoublyLinkedList`], [`SinglyLinkedList`].
//!
//! A node is a field of the item, which may be anywhere: on the stack, in an arena, in a pool. So inserting an item
//! allocates nothing and cannot fail, and an item with several nodes can be in several lists. [`field_parent_ptr`]
//! converts a pointer to a node into one to its item.
//!
//! Both lists are raw: nodes are pointers, and inserting one is unsafe. The caller guarantees:
//!
//! **The contract of a list.** From its insertion until its removal or the last use of the list (of the last list that
//! [`concat_by_moving`](DoublyLinkedList::concat_by_moving), which is safe, has moved it to),
//! 1. the node stays valid and is not moved;
//! 2. only this module writes it, and no exclusive reference to it or to its item exists (a shared one may, if the node
//!    is in an `UnsafeCell` or the list is not changed while the reference exists);
//! 3. it is in no other list;
//! 4. all calls are on one thread, or under a lock.
//!
//! The list returns the pointer that was inserted. Derive it from a pointer to the whole item
//! (`&raw mut (*item).node`), so that its provenance covers the item and [`field_parent_ptr`] may be used.
//!
//! ```
//! use std::mem::offset_of;
//! use std::ptr::NonNull;
//! use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, field_parent_ptr};
//! use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
//!
//! struct Task {
//!     id: u32,
//!     node: DoublyLinkedNode,
//! }
//!
//! let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
//! let mut list = DoublyLinkedList::new();
//! for id in 1..=3 {
//!     let task = arena.allocator().create_with(Task { id, node: DoublyLinkedNode::new() })?;
//!     // SAFETY: the arena keeps the task until the end, and only the list uses its node.
//!     unsafe { list.append(NonNull::new_unchecked(&raw mut (*task.as_ptr()).node)) };
//! }
//! let node = list.pop_first().unwrap();
//! // SAFETY: every node of this list is the field of a task.
//! let task = unsafe { field_parent_ptr::<Task, _>(node, offset_of!(Task, node)).as_ref() };
//! assert_eq!((task.id, list.len()), (1, 2));
//! # Ok::<(), zigalloc::Error>(())
//! ```

use core::fmt;
use core::ptr::NonNull;

/// Returns the item that contains a field: Zig's `@fieldParentPtr`.
///
/// `offset` is the field's offset in bytes, from `offset_of!`.
///
/// # Safety
/// `field` is `offset` bytes after the start of a live `Parent`, and was derived from a pointer to all of it.
///
/// ```
/// use std::mem::offset_of;
/// use std::ptr::NonNull;
/// use zigalloc::collections::field_parent_ptr;
///
/// struct Point { x: u8, y: u32 }
/// let mut point = Point { x: 1, y: 2 };
/// let whole = &raw mut point;
/// // SAFETY: a field of a point, by way of a pointer to the point.
/// unsafe {
///     let y = NonNull::new_unchecked(&raw mut (*whole).y);
///     assert_eq!((*field_parent_ptr::<Point, u32>(y, offset_of!(Point, y)).as_ptr()).x, 1);
/// }
/// ```
#[doc(alias = "@fieldParentPtr")]
#[doc(alias = "fieldParentPtr")]
#[doc(alias = "container_of")]
#[must_use]
#[inline(always)]
pub const unsafe fn field_parent_ptr<Parent, Field>(field: NonNull<Field>, offset: usize) -> NonNull<Parent> {
    // SAFETY: the caller's fact: inside the parent.
    unsafe { field.byte_sub(offset).cast() }
}

// ---- doubly linked ----

/// The node of a [`DoublyLinkedList`]: a field of the item.
///
/// ```
/// # use std::ptr::NonNull;
/// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
/// struct Task { id: u32, node: DoublyLinkedNode }
/// let task = Task { id: 1, node: DoublyLinkedNode::new() };
/// assert!(task.node.next().is_none() && task.id == 1);
/// ```
#[derive(Debug)]
pub struct DoublyLinkedNode {
    prev: Option<NonNull<DoublyLinkedNode>>,
    next: Option<NonNull<DoublyLinkedNode>>,
}

impl DoublyLinkedNode {
    /// A node that is in no list.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// assert_eq!(DoublyLinkedNode::new().next(), None);
    /// ```
    #[must_use]
    pub const fn new() -> DoublyLinkedNode {
        DoublyLinkedNode { prev: None, next: None }
    }

    /// The next node, or `None` at the end. Unspecified for a node that is in no list.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// // SAFETY: a node of the list, which is not changed meanwhile.
    /// assert_eq!(unsafe { first.as_ref() }.next(), Some(second));
    /// ```
    #[must_use]
    pub const fn next(&self) -> Option<NonNull<DoublyLinkedNode>> {
        self.next
    }

    /// The previous node, or `None` at the start. Unspecified for a node that is in no list.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// // SAFETY: a node of the list, which is not changed meanwhile.
    /// assert_eq!(unsafe { second.as_ref() }.prev(), Some(first));
    /// ```
    #[must_use]
    pub const fn prev(&self) -> Option<NonNull<DoublyLinkedNode>> {
        self.prev
    }
}

impl Default for DoublyLinkedNode {
    fn default() -> Self {
        DoublyLinkedNode::new()
    }
}

/// A list of nodes that are fields of items, linked in both directions: Zig's `std.DoublyLinkedList`.
///
/// Insertion and removal take constant time anywhere in the list. The [module](self) has the contract and an example.
/// Dropping a list does nothing.
///
/// Ports `std.DoublyLinkedList` of Zig 0.15.2.
///
/// ```
/// # use std::ptr::NonNull;
/// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
/// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
/// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
/// # // SAFETY: inside the array.
/// # let second = unsafe { first.add(1) };
/// # let mut list = DoublyLinkedList::new();
/// # // SAFETY: the array outlives the list, and only the list uses it.
/// # unsafe { list.append(first); list.append(second) };
/// assert!(list.iterator().eq([first, second]));
/// ```
#[doc(alias = "std.DoublyLinkedList")]
pub struct DoublyLinkedList {
    first: Option<NonNull<DoublyLinkedNode>>,
    last: Option<NonNull<DoublyLinkedNode>>,
}

impl DoublyLinkedList {
    /// An empty list.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// assert!(DoublyLinkedList::new().is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> DoublyLinkedList {
        DoublyLinkedList { first: None, last: None }
    }

    /// The first node, or `None` if the list is empty.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// assert_eq!(list.first(), Some(first));
    /// ```
    #[must_use]
    pub const fn first(&self) -> Option<NonNull<DoublyLinkedNode>> {
        self.first
    }

    /// The last node, or `None` if the list is empty.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// assert_eq!(list.last(), Some(second));
    /// ```
    #[must_use]
    pub const fn last(&self) -> Option<NonNull<DoublyLinkedNode>> {
        self.last
    }

    /// Inserts a node after another.
    ///
    /// # Safety
    /// `existing_node` is in this list, `new_node` in none; the [contract](self#) holds for it from now on.
    ///
    /// Ports `insertAfter`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// let mut new = DoublyLinkedNode::new();
    /// let new = NonNull::from(&mut new);
    /// // SAFETY: a node of the list, and a new one that outlives it.
    /// unsafe { list.insert_after(first, new) };
    /// assert!(list.iterator().eq([first, new, second]));
    /// ```
    #[doc(alias = "insertAfter")]
    pub unsafe fn insert_after(
        &mut self,
        existing_node: NonNull<DoublyLinkedNode>,
        new_node: NonNull<DoublyLinkedNode>,
    ) {
        // SAFETY: the nodes of the list are valid, by its contract.
        let next = unsafe { (*existing_node.as_ptr()).next };
        // SAFETY: `next` follows the existing node in the list; the new node is valid and in no list, by our caller.
        unsafe { self.link(Some(existing_node), new_node, next) };
    }

    /// Inserts a node before another.
    ///
    /// # Safety
    /// As [`insert_after`](Self::insert_after).
    ///
    /// Ports `insertBefore`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// let mut new = DoublyLinkedNode::new();
    /// let new = NonNull::from(&mut new);
    /// // SAFETY: a node of the list, and a new one that outlives it.
    /// unsafe { list.insert_before(first, new) };
    /// assert!(list.iterator().eq([new, first, second]));
    /// ```
    #[doc(alias = "insertBefore")]
    pub unsafe fn insert_before(
        &mut self,
        existing_node: NonNull<DoublyLinkedNode>,
        new_node: NonNull<DoublyLinkedNode>,
    ) {
        // SAFETY: the nodes of the list are valid, by its contract.
        let prev = unsafe { (*existing_node.as_ptr()).prev };
        // SAFETY: `prev` precedes the existing node in the list; the new node is valid and in no list, by our caller.
        unsafe { self.link(prev, new_node, Some(existing_node)) };
    }

    /// Inserts a node at the end.
    ///
    /// # Safety
    /// `new_node` is in no list, and the contract of the [module](self) holds for it from now on.
    ///
    /// Ports `append`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// let mut new = DoublyLinkedNode::new();
    /// // SAFETY: a new node, which outlives the list.
    /// unsafe { list.append(NonNull::from(&mut new)) };
    /// assert_eq!(list.len(), 3);
    /// ```
    pub unsafe fn append(&mut self, new_node: NonNull<DoublyLinkedNode>) {
        // SAFETY: the node is valid and in no list, by our caller; the last node is valid.
        unsafe { self.link(self.last, new_node, None) };
    }

    /// Inserts a node at the start.
    ///
    /// # Safety
    /// As [`append`](Self::append).
    ///
    /// Ports `prepend`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// let mut new = DoublyLinkedNode::new();
    /// let new = NonNull::from(&mut new);
    /// // SAFETY: a new node, which outlives the list.
    /// unsafe { list.prepend(new) };
    /// assert_eq!(list.first(), Some(new));
    /// ```
    pub unsafe fn prepend(&mut self, new_node: NonNull<DoublyLinkedNode>) {
        // SAFETY: the node is valid and in no list, by our caller; the first node is valid.
        unsafe { self.link(None, new_node, self.first) };
    }

    /// # Safety
    /// `prev` and `next` are neighbours in this list, `None` at its ends; `node` is valid and in no list.
    unsafe fn link(
        &mut self,
        prev: Option<NonNull<DoublyLinkedNode>>,
        node: NonNull<DoublyLinkedNode>,
        next: Option<NonNull<DoublyLinkedNode>>,
    ) {
        // SAFETY: the node and its neighbours are valid, by our caller.
        unsafe { node.write(DoublyLinkedNode { prev, next }) };
        // SAFETY: the node and its neighbours are valid, by our caller.
        unsafe { self.join(prev, Some(node)) };
        // SAFETY: the node and its neighbours are valid, by our caller.
        unsafe { self.join(Some(node), next) };
    }

    /// Makes two nodes neighbours; `None` is beyond the end.
    ///
    /// # Safety
    /// They are valid.
    unsafe fn join(
        &mut self,
        left: Option<NonNull<DoublyLinkedNode>>,
        right: Option<NonNull<DoublyLinkedNode>>,
    ) {
        match left {
            // SAFETY: the node on the left is valid, by our caller.
            Some(left) => unsafe { (*left.as_ptr()).next = right },
            None => self.first = right,
        }
        match right {
            // SAFETY: the node on the right is valid, by our caller.
            Some(right) => unsafe { (*right.as_ptr()).prev = left },
            None => self.last = left,
        }
    }

    /// Removes a node from anywhere in the list, in constant time.
    ///
    /// # Safety
    /// It is in this list.
    ///
    /// Ports `remove`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// // SAFETY: a node of the list.
    /// unsafe { list.remove(first) };
    /// assert!(list.iterator().eq([second]));
    /// ```
    pub unsafe fn remove(&mut self, node: NonNull<DoublyLinkedNode>) {
        // SAFETY: the nodes of the list are valid, by its contract.
        let DoublyLinkedNode { prev, next } = unsafe { node.read() };
        // SAFETY: the node's neighbours, which are in the list.
        unsafe { self.join(prev, next) };
    }

    /// Removes and returns the last node, or returns `None` if the list is empty.
    ///
    /// Ports `pop`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// assert_eq!((list.pop(), list.pop(), list.pop()), (Some(second), Some(first), None));
    /// ```
    pub fn pop(&mut self) -> Option<NonNull<DoublyLinkedNode>> {
        let last = self.last?;
        // SAFETY: the last node is in the list.
        unsafe { self.remove(last) };
        Some(last)
    }

    /// Removes and returns the first node, or returns `None` if the list is empty.
    ///
    /// Ports `popFirst`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// assert_eq!(list.pop_first(), Some(first));
    /// ```
    #[doc(alias = "popFirst")]
    pub fn pop_first(&mut self) -> Option<NonNull<DoublyLinkedNode>> {
        let first = self.first?;
        // SAFETY: the first node is in the list.
        unsafe { self.remove(first) };
        Some(first)
    }

    /// Moves the nodes of another list to the end of this one. The other is empty afterwards, and the
    /// [contract](self#) of its nodes holds until the last use of this one.
    ///
    /// Ports `concatByMoving`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// let mut all = DoublyLinkedList::new();
    /// all.concat_by_moving(&mut list);
    /// assert_eq!((all.len(), list.len()), (2, 0));
    /// ```
    #[doc(alias = "concatByMoving")]
    pub fn concat_by_moving(&mut self, list2: &mut DoublyLinkedList) {
        let Some((first, last)) = list2.first.take().zip(list2.last.take()) else { return };
        // SAFETY: the nodes of both lists are valid, by the contract, which they keep in this one.
        unsafe { self.join(self.last, Some(first)) };
        self.last = Some(last);
    }

    /// Counts the nodes, in linear time.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// assert_eq!(list.len(), 2);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.iterator().count()
    }

    /// Returns whether there are no nodes.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// assert!(DoublyLinkedList::new().is_empty());
    /// ```
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Iterates over the nodes from first to last. Zig: `while (it) |node| : (it = node.next)`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [DoublyLinkedNode::new(), DoublyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<DoublyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = DoublyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.append(first); list.append(second) };
    /// assert!(list.iterator().eq([first, second]));
    /// ```
    pub fn iterator(&self) -> impl Iterator<Item = NonNull<DoublyLinkedNode>> {
        // SAFETY: the nodes of the list are valid, and the list is borrowed.
        core::iter::successors(self.first, |node| unsafe { (*node.as_ptr()).next })
    }
}

impl Default for DoublyLinkedList {
    fn default() -> Self {
        DoublyLinkedList::new()
    }
}

impl fmt::Debug for DoublyLinkedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iterator()).finish()
    }
}

// ---- singly linked ----

/// The node of a [`SinglyLinkedList`]: a field of the item.
///
/// ```
/// # use std::ptr::NonNull;
/// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
/// struct Task { id: u32, node: SinglyLinkedNode }
/// let task = Task { id: 1, node: SinglyLinkedNode::new() };
/// assert!(task.node.next().is_none() && task.id == 1);
/// ```
#[derive(Debug)]
pub struct SinglyLinkedNode {
    next: Option<NonNull<SinglyLinkedNode>>,
}

impl SinglyLinkedNode {
    /// A node that is in no list.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// assert_eq!(SinglyLinkedNode::new().next(), None);
    /// ```
    #[must_use]
    pub const fn new() -> SinglyLinkedNode {
        SinglyLinkedNode { next: None }
    }

    /// The next node, or `None` at the end. Unspecified for a node that is in no list.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [SinglyLinkedNode::new(), SinglyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<SinglyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = SinglyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.prepend(second); list.prepend(first) };
    /// // SAFETY: a node of the list, which is not changed meanwhile.
    /// assert_eq!(unsafe { first.as_ref() }.next(), Some(second));
    /// ```
    #[must_use]
    pub const fn next(&self) -> Option<NonNull<SinglyLinkedNode>> {
        self.next
    }

    /// Inserts a node after another.
    ///
    /// # Safety
    /// `node` is in a list that nothing else accesses during the call, `new_node` in none; the contract of the
    /// [module](self) holds for it from now on.
    ///
    /// Ports `Node.insertAfter`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [SinglyLinkedNode::new(), SinglyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<SinglyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = SinglyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.prepend(second); list.prepend(first) };
    /// let mut new = SinglyLinkedNode::new();
    /// let new = NonNull::from(&mut new);
    /// // SAFETY: a node of a list that nothing else uses, and a new one that outlives it.
    /// unsafe { SinglyLinkedNode::insert_after(first, new) };
    /// assert!(list.iterator().eq([first, new, second]));
    /// ```
    #[doc(alias = "insertAfter")]
    pub const unsafe fn insert_after(node: NonNull<SinglyLinkedNode>, new_node: NonNull<SinglyLinkedNode>) {
        // SAFETY: `node` is valid, by our caller.
        let next = unsafe { (*node.as_ptr()).next };
        // SAFETY: `new_node` is valid, by our caller.
        unsafe { new_node.write(SinglyLinkedNode { next }) };
        // SAFETY: the node before is valid, by our caller.
        unsafe { (*node.as_ptr()).next = Some(new_node) };
    }

    /// Removes and returns the node after another, or returns `None` at the end.
    ///
    /// # Safety
    /// `node` is in a list that nothing else accesses during the call.
    ///
    /// Ports `Node.removeNext`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [SinglyLinkedNode::new(), SinglyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<SinglyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = SinglyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.prepend(second); list.prepend(first) };
    /// // SAFETY: a node of a list that nothing else uses.
    /// assert_eq!(unsafe { SinglyLinkedNode::remove_next(first) }, Some(second));
    /// assert_eq!(list.len(), 1);
    /// ```
    #[doc(alias = "removeNext")]
    pub unsafe fn remove_next(node: NonNull<SinglyLinkedNode>) -> Option<NonNull<SinglyLinkedNode>> {
        // SAFETY: `node` is valid, by our caller.
        let next = unsafe { (*node.as_ptr()).next }?;
        // SAFETY: the nodes after a valid one are valid.
        let after = unsafe { (*next.as_ptr()).next };
        // SAFETY: the node before is valid, by our caller.
        unsafe { (*node.as_ptr()).next = after };
        Some(next)
    }
}

impl Default for SinglyLinkedNode {
    fn default() -> Self {
        SinglyLinkedNode::new()
    }
}

/// A list of nodes that are fields of items, linked one way: Zig's `std.SinglyLinkedList`.
///
/// The [module](self) has the contract. Dropping a list does nothing.
///
/// Ports `std.SinglyLinkedList` of Zig 0.15.2.
///
/// ```
/// use std::ptr::NonNull;
/// use zigalloc::collections::{SinglyLinkedList, SinglyLinkedNode};
///
/// let mut nodes = [SinglyLinkedNode::new(), SinglyLinkedNode::new()];
/// let first = NonNull::from(&mut nodes).cast::<SinglyLinkedNode>();
/// let mut stack = SinglyLinkedList::new();
/// // SAFETY: the array outlives the list, and only the list uses it.
/// unsafe {
///     stack.prepend(first);
///     stack.prepend(first.add(1));
///     assert_eq!((stack.len(), stack.pop_first()), (2, Some(first.add(1))));
/// }
/// ```
#[doc(alias = "std.SinglyLinkedList")]
pub struct SinglyLinkedList {
    first: Option<NonNull<SinglyLinkedNode>>,
}

impl SinglyLinkedList {
    /// An empty list.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// assert!(SinglyLinkedList::new().is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> SinglyLinkedList {
        SinglyLinkedList { first: None }
    }

    /// The first node, or `None` if the list is empty.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [SinglyLinkedNode::new(), SinglyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<SinglyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = SinglyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.prepend(second); list.prepend(first) };
    /// assert_eq!(list.first(), Some(first));
    /// ```
    #[must_use]
    pub const fn first(&self) -> Option<NonNull<SinglyLinkedNode>> {
        self.first
    }

    /// Inserts a node at the start.
    ///
    /// # Safety
    /// `new_node` is in no list, and the contract of the [module](self) holds for it from now on.
    ///
    /// Ports `prepend`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [SinglyLinkedNode::new(), SinglyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<SinglyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = SinglyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.prepend(second); list.prepend(first) };
    /// let mut new = SinglyLinkedNode::new();
    /// let new = NonNull::from(&mut new);
    /// // SAFETY: a new node, which outlives the list.
    /// unsafe { list.prepend(new) };
    /// assert_eq!(list.first(), Some(new));
    /// ```
    pub const unsafe fn prepend(&mut self, new_node: NonNull<SinglyLinkedNode>) {
        // SAFETY: the new node is valid and in no list, by our caller.
        unsafe { new_node.write(SinglyLinkedNode { next: self.first }) };
        self.first = Some(new_node);
    }

    /// Removes a node from anywhere in the list, in linear time.
    ///
    /// # Panics
    /// If it is not in this list.
    ///
    /// # Safety
    /// It is valid: in this list, or in none.
    ///
    /// Ports `remove`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [SinglyLinkedNode::new(), SinglyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<SinglyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = SinglyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.prepend(second); list.prepend(first) };
    /// // SAFETY: a node of the list.
    /// unsafe { list.remove(second) };
    /// assert!(list.iterator().eq([first]));
    /// ```
    #[track_caller]
    pub unsafe fn remove(&mut self, node: NonNull<SinglyLinkedNode>) {
        if self.first == Some(node) {
            self.pop_first();
            return;
        }
        // SAFETY: the nodes of the list are valid, by its contract.
        let before = self.iterator().find(|before| unsafe { (*before.as_ptr()).next } == Some(node));
        match before {
            // SAFETY: in the list, which is borrowed exclusively.
            Some(before) => drop(unsafe { SinglyLinkedNode::remove_next(before) }),
            None => panic!("SinglyLinkedList::remove: the node at {node:p} is not in the list"),
        }
    }

    /// Removes and returns the first node, or returns `None` if the list is empty.
    ///
    /// Ports `popFirst`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [SinglyLinkedNode::new(), SinglyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<SinglyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = SinglyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.prepend(second); list.prepend(first) };
    /// assert_eq!(list.pop_first(), Some(first));
    /// ```
    #[doc(alias = "popFirst")]
    pub fn pop_first(&mut self) -> Option<NonNull<SinglyLinkedNode>> {
        let first = self.first?;
        // SAFETY: the nodes of the list are valid, by its contract.
        self.first = unsafe { (*first.as_ptr()).next };
        Some(first)
    }

    /// Reverses the order of the nodes.
    ///
    /// Ports `Node.reverse`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [SinglyLinkedNode::new(), SinglyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<SinglyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = SinglyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.prepend(second); list.prepend(first) };
    /// list.reverse();
    /// assert!(list.iterator().eq([second, first]));
    /// ```
    pub fn reverse(&mut self) {
        let mut reversed = SinglyLinkedList::new();
        while let Some(node) = self.pop_first() {
            // SAFETY: just taken out of the list whose contract this one keeps.
            unsafe { reversed.prepend(node) };
        }
        *self = reversed;
    }

    /// Finds the last node, in linear time.
    ///
    /// Ports `Node.findLast`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [SinglyLinkedNode::new(), SinglyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<SinglyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = SinglyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.prepend(second); list.prepend(first) };
    /// assert_eq!(list.find_last(), Some(second));
    /// ```
    #[doc(alias = "findLast")]
    #[must_use]
    pub fn find_last(&self) -> Option<NonNull<SinglyLinkedNode>> {
        self.iterator().last()
    }

    /// Counts the nodes, in linear time.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [SinglyLinkedNode::new(), SinglyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<SinglyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = SinglyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.prepend(second); list.prepend(first) };
    /// assert_eq!(list.len(), 2);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.iterator().count()
    }

    /// Returns whether there are no nodes.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// assert!(SinglyLinkedList::new().is_empty());
    /// ```
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Iterates over the nodes from first to last.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode};
    /// # let mut nodes = [SinglyLinkedNode::new(), SinglyLinkedNode::new()];
    /// # let first = NonNull::from(&mut nodes).cast::<SinglyLinkedNode>();
    /// # // SAFETY: inside the array.
    /// # let second = unsafe { first.add(1) };
    /// # let mut list = SinglyLinkedList::new();
    /// # // SAFETY: the array outlives the list, and only the list uses it.
    /// # unsafe { list.prepend(second); list.prepend(first) };
    /// assert!(list.iterator().eq([first, second]));
    /// ```
    pub fn iterator(&self) -> impl Iterator<Item = NonNull<SinglyLinkedNode>> {
        // SAFETY: the nodes of the list are valid, and the list is borrowed.
        core::iter::successors(self.first, |node| unsafe { (*node.as_ptr()).next })
    }
}

impl Default for SinglyLinkedList {
    fn default() -> Self {
        SinglyLinkedList::new()
    }
}

impl fmt::Debug for SinglyLinkedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iterator()).finish()
    }
}
