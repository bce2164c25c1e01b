//! The intrusive lists: [`DoublyLinkedList`], [`SinglyLinkedList`].
//!
//! A node is a field of the item that is in the list, wherever that lives: on the stack, in an arena, in a pool. So
//! to put an item into a list allocates nothing and cannot fail, and an item can be in several lists by several
//! nodes. [`field_parent_ptr`] leads from a node to its item.
//!
//! Both are raw: nodes are pointers, and what puts them into a list is unsafe. What the caller owes is:
//!
//! **The contract of a list.** From when a node is put in until it is out, or the list is not used any more,
//! 1. the node stays where it is, and valid;
//! 2. nothing but this module writes it, and no exclusive reference to it or to the item around it exists (shared ones
//!    may, if the node is in an `UnsafeCell` or nothing is put in or taken out meanwhile);
//! 3. it is in no other list;
//! 4. all of that in one thread, or with a lock around.
//!
//! The pointer that is put in is the one that comes out, so derive it from a pointer to the whole item
//! (`&raw mut (*item).node`), and [`field_parent_ptr`] may use what is around it.
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

/// The item that a field is part of: Zig's `@fieldParentPtr`.
///
/// `offset` is the field's, from `offset_of!`, in bytes.
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
#[doc(alias = "fieldParentPtr")]
#[doc(alias = "container_of")]
#[must_use]
#[inline(always)]
pub const unsafe fn field_parent_ptr<Parent, Field>(field: NonNull<Field>, offset: usize) -> NonNull<Parent> {
    // SAFETY: the caller's fact: inside the parent.
    unsafe { field.byte_sub(offset).cast() }
}

// ---- two ways ----

/// The field of an item that makes it fit for a [`DoublyLinkedList`].
#[derive(Debug)]
pub struct DoublyLinkedNode {
    prev: Option<NonNull<DoublyLinkedNode>>,
    next: Option<NonNull<DoublyLinkedNode>>,
}

impl DoublyLinkedNode {
    /// A node in no list.
    #[must_use]
    pub const fn new() -> DoublyLinkedNode {
        DoublyLinkedNode { prev: None, next: None }
    }

    /// The node after this one. Of a node in no list it means nothing.
    #[must_use]
    pub const fn next(&self) -> Option<NonNull<DoublyLinkedNode>> {
        self.next
    }

    /// The node before this one. Of a node in no list it means nothing.
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

/// A list of nodes that are fields of items, linked both ways: Zig's `std.DoublyLinkedList`.
///
/// Nodes are put in and taken out anywhere in constant time. See the [module](self) for the contract and an example;
/// dropping a list does nothing.
///
/// Ports `std.DoublyLinkedList` of Zig 0.15.2.
#[doc(alias = "std.DoublyLinkedList")]
pub struct DoublyLinkedList {
    first: Option<NonNull<DoublyLinkedNode>>,
    last: Option<NonNull<DoublyLinkedNode>>,
}

impl DoublyLinkedList {
    /// A list without nodes.
    #[must_use]
    pub const fn new() -> DoublyLinkedList {
        DoublyLinkedList { first: None, last: None }
    }

    /// The first node.
    #[must_use]
    pub const fn first(&self) -> Option<NonNull<DoublyLinkedNode>> {
        self.first
    }

    /// The last node.
    #[must_use]
    pub const fn last(&self) -> Option<NonNull<DoublyLinkedNode>> {
        self.last
    }

    /// Puts a node after another.
    ///
    /// # Safety
    /// `existing_node` is in this list, `new_node` in none, and the [contract](self#) holds for it from now on.
    ///
    /// Ports `insertAfter`.
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

    /// Puts a node before another.
    ///
    /// # Safety
    /// As [`insert_after`](Self::insert_after).
    ///
    /// Ports `insertBefore`.
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

    /// Puts a node at the end.
    ///
    /// # Safety
    /// `new_node` is in no list, and the contract of the [module](self) holds for it from now on.
    ///
    /// Ports `append`.
    pub unsafe fn append(&mut self, new_node: NonNull<DoublyLinkedNode>) {
        // SAFETY: the caller's facts.
        unsafe { self.link(self.last, new_node, None) };
    }

    /// Puts a node at the start.
    ///
    /// # Safety
    /// As [`append`](Self::append).
    ///
    /// Ports `prepend`.
    pub unsafe fn prepend(&mut self, new_node: NonNull<DoublyLinkedNode>) {
        // SAFETY: the caller's facts.
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
        // SAFETY: all are valid.
        unsafe { node.write(DoublyLinkedNode { prev, next }) };
        // SAFETY: as above.
        unsafe { self.join(prev, Some(node)) };
        // SAFETY: as above.
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
            // SAFETY: the caller's fact.
            Some(left) => unsafe { (*left.as_ptr()).next = right },
            None => self.first = right,
        }
        match right {
            // SAFETY: the caller's fact.
            Some(right) => unsafe { (*right.as_ptr()).prev = left },
            None => self.last = left,
        }
    }

    /// Takes a node out, wherever in the list it is.
    ///
    /// # Safety
    /// It is in this list.
    ///
    /// Ports `remove`.
    pub unsafe fn remove(&mut self, node: NonNull<DoublyLinkedNode>) {
        // SAFETY: the nodes of the list are valid, by its contract.
        let DoublyLinkedNode { prev, next } = unsafe { node.read() };
        // SAFETY: the node's neighbours, which are in the list.
        unsafe { self.join(prev, next) };
    }

    /// Takes the last node out.
    ///
    /// Ports `pop`.
    pub fn pop(&mut self) -> Option<NonNull<DoublyLinkedNode>> {
        let last = self.last?;
        // SAFETY: in the list.
        unsafe { self.remove(last) };
        Some(last)
    }

    /// Takes the first node out.
    ///
    /// Ports `popFirst`.
    #[doc(alias = "popFirst")]
    pub fn pop_first(&mut self) -> Option<NonNull<DoublyLinkedNode>> {
        let first = self.first?;
        // SAFETY: in the list.
        unsafe { self.remove(first) };
        Some(first)
    }

    /// Puts the nodes of another list after those of this one. The other is empty then.
    ///
    /// Ports `concatByMoving`.
    #[doc(alias = "concatByMoving")]
    pub fn concat_by_moving(&mut self, list2: &mut DoublyLinkedList) {
        let Some((first, last)) = list2.first.take().zip(list2.last.take()) else { return };
        // SAFETY: the nodes of both lists are valid, by the contract, which they keep in this one.
        unsafe { self.join(self.last, Some(first)) };
        self.last = Some(last);
    }

    /// How many nodes there are. They are counted, so it takes a time that grows with their number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iterator().count()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The nodes, from the first on. Zig: `while (it) |node| : (it = node.next)`.
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

// ---- one way ----

/// The field of an item that makes it fit for a [`SinglyLinkedList`].
#[derive(Debug)]
pub struct SinglyLinkedNode {
    next: Option<NonNull<SinglyLinkedNode>>,
}

impl SinglyLinkedNode {
    /// A node in no list.
    #[must_use]
    pub const fn new() -> SinglyLinkedNode {
        SinglyLinkedNode { next: None }
    }

    /// The node after this one. Of a node in no list it means nothing.
    #[must_use]
    pub const fn next(&self) -> Option<NonNull<SinglyLinkedNode>> {
        self.next
    }

    /// Puts a node after another.
    ///
    /// # Safety
    /// `node` is in a list that nothing else uses meanwhile, `new_node` in none, and the contract of the [module](self)
    /// holds for it from now on.
    ///
    /// Ports `Node.insertAfter`.
    #[doc(alias = "insertAfter")]
    pub const unsafe fn insert_after(node: NonNull<SinglyLinkedNode>, new_node: NonNull<SinglyLinkedNode>) {
        // SAFETY: `node` is valid, by our caller.
        let next = unsafe { (*node.as_ptr()).next };
        // SAFETY: `new_node` is valid, by our caller.
        unsafe { new_node.write(SinglyLinkedNode { next }) };
        // SAFETY: as above.
        unsafe { (*node.as_ptr()).next = Some(new_node) };
    }

    /// Takes the node after another out.
    ///
    /// # Safety
    /// `node` is in a list that nothing else uses meanwhile.
    ///
    /// Ports `Node.removeNext`.
    #[doc(alias = "removeNext")]
    pub unsafe fn remove_next(node: NonNull<SinglyLinkedNode>) -> Option<NonNull<SinglyLinkedNode>> {
        // SAFETY: `node` is valid, by our caller.
        let next = unsafe { (*node.as_ptr()).next }?;
        // SAFETY: the nodes after a valid one are valid.
        let after = unsafe { (*next.as_ptr()).next };
        // SAFETY: as above.
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
/// See the [module](self) for the contract; dropping a list does nothing.
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
    /// A list without nodes.
    #[must_use]
    pub const fn new() -> SinglyLinkedList {
        SinglyLinkedList { first: None }
    }

    /// The first node.
    #[must_use]
    pub const fn first(&self) -> Option<NonNull<SinglyLinkedNode>> {
        self.first
    }

    /// Puts a node at the start.
    ///
    /// # Safety
    /// `new_node` is in no list, and the contract of the [module](self) holds for it from now on.
    ///
    /// Ports `prepend`.
    pub const unsafe fn prepend(&mut self, new_node: NonNull<SinglyLinkedNode>) {
        // SAFETY: valid.
        unsafe { new_node.write(SinglyLinkedNode { next: self.first }) };
        self.first = Some(new_node);
    }

    /// Takes a node out, which takes a time that grows with the number of those before it.
    ///
    /// # Panics
    /// If it is not in this list.
    ///
    /// # Safety
    /// It is valid: in this list, or in none.
    ///
    /// Ports `remove`.
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

    /// Takes the first node out.
    ///
    /// Ports `popFirst`.
    #[doc(alias = "popFirst")]
    pub fn pop_first(&mut self) -> Option<NonNull<SinglyLinkedNode>> {
        let first = self.first?;
        // SAFETY: the nodes of the list are valid, by its contract.
        self.first = unsafe { (*first.as_ptr()).next };
        Some(first)
    }

    /// Turns the order of the nodes round.
    ///
    /// Ports `Node.reverse`.
    pub fn reverse(&mut self) {
        let mut reversed = SinglyLinkedList::new();
        while let Some(node) = self.pop_first() {
            // SAFETY: just taken out of the list whose contract this one keeps.
            unsafe { reversed.prepend(node) };
        }
        *self = reversed;
    }

    /// The last node, found from the first on.
    ///
    /// Ports `Node.findLast`.
    #[doc(alias = "findLast")]
    #[must_use]
    pub fn find_last(&self) -> Option<NonNull<SinglyLinkedNode>> {
        self.iterator().last()
    }

    /// How many nodes there are. They are counted, so it takes a time that grows with their number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iterator().count()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The nodes, from the first on.
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
