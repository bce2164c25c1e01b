//! [`PriorityQueue`]: the least element first. See the type.

use core::cmp::Ordering;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr;

use allocator_api2_02::alloc as api;
use allocator_api2_02::boxed::Box;
use allocator_api2_02::vec::Vec;

use super::grow;
use crate::allocator::Allocator;
use crate::error::Error;

/// How a [`PriorityQueue`] compares: Zig's `Context` and `compareFn` in one.
///
/// Implemented by closures and functions `Fn(&T, &T) -> Ordering`; [`Natural`] is the order of `Ord`.
///
/// ```
/// use std::cmp::Ordering;
/// use zigalloc::collections::{Compare, PriorityQueue};
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// /// Indices, by the costs that they are of.
/// struct ByCost<'c>(&'c [u32]);
///
/// impl Compare<usize> for ByCost<'_> {
///     fn compare(&self, a: &usize, b: &usize) -> Ordering {
///         self.0[*a].cmp(&self.0[*b])
///     }
/// }
///
/// let costs = [30, 10, 20];
/// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, ByCost(&costs));
/// queue.add_slice(&[0, 1, 2])?;
/// assert_eq!(queue.remove(), 1);
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub trait Compare<T> {
    /// `Less` if `a` is to come before `b`.
    fn compare(&self, a: &T, b: &T) -> Ordering;
}

impl<T, F: Fn(&T, &T) -> Ordering> Compare<T> for F {
    #[inline]
    fn compare(&self, a: &T, b: &T) -> Ordering {
        self(a, b)
    }
}

/// The order of `Ord`: the least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Natural;

impl<T: Ord> Compare<T> for Natural {
    #[inline]
    fn compare(&self, a: &T, b: &T) -> Ordering {
        a.cmp(b)
    }
}

/// A queue that gives out the least element first: Zig's `std.PriorityQueue(T, Context, compareFn)`.
///
/// It is a binary heap in a vector. Rust's libraries have none with a comparison of one's own and an allocator, so the
/// heap is here: with the arrangement of Zig's, so that elements that are equal come out in the same order.
///
/// # Guarantees
///
/// - A method that returns an error has changed nothing that can be seen.
/// - [`items`](Self::items), and the order in which elements come out, are Zig's for the same calls, as is the capacity: it
///   grows by half and 8.
/// - Dropping the queue drops the elements and frees the memory.
/// - If a comparison panics the queue has all its elements, but for one that was being removed, in some order.
///
/// # Differences from Zig
///
/// | Zig 0.15.2 | here |
/// |---|---|
/// | `peek` copies the element | it returns a reference |
/// | `update` returns `error.ElementNotFound` | [`ElementNotFound`], and else the old element |
///
/// Ports `std.PriorityQueue` of Zig 0.15.2.
///
/// ```
/// use zigalloc::collections::{Natural, PriorityQueue};
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let mut queue = PriorityQueue::init(arena.allocator(), Natural);
/// queue.add_slice(&[3, 1, 2])?;
/// assert_eq!((queue.remove(), queue.remove(), queue.remove()), (1, 2, 3));
/// assert_eq!(queue.remove_or_null(), None);
///
/// let mut longest = PriorityQueue::init(arena.allocator(), |a: &&str, b: &&str| b.len().cmp(&a.len()));
/// longest.add("a")?;
/// longest.add("word")?;
/// assert_eq!(longest.peek(), Some(&"word"));
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.PriorityQueue")]
pub struct PriorityQueue<'a, T, C = Natural, A: api::Allocator = Allocator<'a>> {
    vec: Vec<T, A>,
    context: C,
    handle: PhantomData<&'a ()>,
}

/// [`update`](PriorityQueue::update) was asked for an element that is not in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the element is not in the queue")]
pub struct ElementNotFound;

/// An element lifted out of the heap, and the index at which dropping this value puts it back.
///
/// The vector's length is 0 meanwhile. A comparison is the program's code and may exit the process, which drops a
/// thread-local queue in this state: its elements then leak, and the one that is in two places is not dropped twice.
struct Hole<'h, T, A: api::Allocator> {
    vec: &'h mut Vec<T, A>,
    len: usize,
    element: ManuallyDrop<T>,
    at: usize,
}

impl<'h, T, A: api::Allocator> Hole<'h, T, A> {
    #[inline]
    fn new(vec: &'h mut Vec<T, A>, at: usize) -> Hole<'h, T, A> {
        let len = vec.len();
        let place = &raw const vec[at];
        // SAFETY: an element. The vector no longer has it, as of the next line.
        let element = ManuallyDrop::new(unsafe { ptr::read(place) });
        // SAFETY: the elements stay initialised; this value's `drop` makes them the vector's again.
        unsafe { vec.set_len(0) };
        Hole { vec, len, element, at }
    }

    /// The element at `i`.
    ///
    /// # Safety
    /// `i` is below the length, and not the hole.
    #[inline(always)]
    unsafe fn get(&self, i: usize) -> &T {
        debug_assert!(i < self.len && i != self.at);
        // SAFETY: below the length, by our caller.
        let place = unsafe { self.vec.as_ptr().add(i) };
        // SAFETY: initialised, and not written while this value is borrowed.
        unsafe { &*place }
    }

    /// Moves the element at `i` into the hole, which is then at `i`.
    ///
    /// # Safety
    /// `i` is below the length, and not the hole.
    #[inline(always)]
    unsafe fn fill_from(&mut self, i: usize) {
        debug_assert!(i < self.len && i != self.at);
        let items = self.vec.as_mut_ptr();
        // SAFETY: the hole is below the length.
        let hole = unsafe { items.add(self.at) };
        // SAFETY: below the length, by our caller.
        let from = unsafe { items.add(i) };
        // SAFETY: two different places of the block, by our caller.
        unsafe { hole.copy_from_nonoverlapping(from, 1) };
        self.at = i;
    }
}

impl<T, A: api::Allocator> Drop for Hole<'_, T, A> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the hole is below the length.
        let hole = unsafe { self.vec.as_mut_ptr().add(self.at) };
        // SAFETY: the element of the hole has been moved elsewhere or is this one, which is nowhere else.
        unsafe { hole.copy_from_nonoverlapping(&raw const *self.element, 1) };
        // SAFETY: all elements are initialised again, each in one place.
        unsafe { self.vec.set_len(self.len) };
    }
}

impl<'a, T, C: Compare<T>, A: api::Allocator> PriorityQueue<'a, T, C, A> {
    /// An empty queue, which has no memory yet.
    ///
    /// Ports `init`.
    #[inline]
    pub const fn init(allocator: A, context: C) -> PriorityQueue<'a, T, C, A> {
        PriorityQueue { vec: Vec::new_in(allocator), context, handle: PhantomData }
    }

    /// A queue of the elements of a box, in its block.
    ///
    /// Ports `fromOwnedSlice`.
    #[doc(alias = "fromOwnedSlice")]
    pub fn from_owned_slice(items: Box<[T], A>, context: C) -> PriorityQueue<'a, T, C, A> {
        let mut queue = PriorityQueue { vec: items.into_vec(), context, handle: PhantomData };
        for i in (0..queue.vec.len() / 2).rev() {
            queue.sift_down(i);
        }
        queue
    }

    /// Adds an element.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the element is dropped then.
    ///
    /// Ports `add`.
    #[inline]
    pub fn add(&mut self, elem: T) -> Result<(), Error> {
        self.ensure_unused_capacity(1)?;
        self.vec.push(elem);
        self.sift_up(self.vec.len() - 1);
        Ok(())
    }

    /// Adds elements.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; none is added then.
    ///
    /// Ports `addSlice`.
    #[doc(alias = "addSlice")]
    pub fn add_slice(&mut self, items: &[T]) -> Result<(), Error>
    where
        T: Copy,
    {
        self.ensure_unused_capacity(items.len())?;
        for &item in items {
            self.vec.push(item);
            self.sift_up(self.vec.len() - 1);
        }
        Ok(())
    }

    /// The element that is next.
    #[inline]
    pub fn peek(&self) -> Option<&T> {
        self.vec.first()
    }

    /// Removes and returns the element that is next.
    ///
    /// Ports `removeOrNull`.
    #[doc(alias = "removeOrNull")]
    #[inline]
    pub fn remove_or_null(&mut self) -> Option<T> {
        if self.vec.is_empty() { None } else { Some(self.remove_index(0)) }
    }

    /// Removes and returns the element that is next.
    ///
    /// # Panics
    /// If the queue is empty.
    ///
    /// Ports `remove`.
    #[inline]
    #[track_caller]
    pub fn remove(&mut self) -> T {
        assert!(!self.vec.is_empty(), "PriorityQueue::remove: the queue is empty");
        self.remove_index(0)
    }

    /// Removes and returns the element at an index of [`items`](Self::items).
    ///
    /// # Panics
    /// If the index is not below the number of elements.
    ///
    /// Ports `removeIndex`.
    #[doc(alias = "removeIndex")]
    #[inline]
    #[track_caller]
    pub fn remove_index(&mut self, index: usize) -> T {
        if index >= self.vec.len() {
            grow::panic_index("PriorityQueue::remove_index", index, self.vec.len());
        }
        // The last element is where the removed one was, and sinks or rises from there.
        let item = self.vec.swap_remove(index);
        if index < self.vec.len() {
            if index == 0 {
                self.sift_down(0);
            } else {
                let parent = (index - 1) / 2;
                match self.context.compare(&self.vec[index], &self.vec[parent]) {
                    Ordering::Greater => self.sift_down(index),
                    _ => self.sift_up(index),
                }
            }
        }
        item
    }

    /// Moves the element at `at` up to its place.
    #[inline]
    fn sift_up(&mut self, at: usize) {
        Self::rise(&self.context, Hole::new(&mut self.vec, at), 0);
    }

    /// Moves a hole up to the place of its element, at most to `top`.
    #[inline(always)]
    fn rise(context: &C, mut hole: Hole<'_, T, A>, top: usize) {
        while hole.at > top {
            let parent = (hole.at - 1) / 2;
            // SAFETY: a parent is before its child, which is below the length.
            let above = unsafe { hole.get(parent) };
            if context.compare(&hole.element, above) != Ordering::Less {
                break;
            }
            // SAFETY: as above.
            unsafe { hole.fill_from(parent) };
        }
    }

    /// Moves the element at `at` down to its place: down to the bottom, always to the lesser child, and up again. Zig
    /// stops on the way down, at the same place: on that way elements do not become less.
    #[inline]
    fn sift_down(&mut self, at: usize) {
        let len = self.vec.len();
        let mut hole = Hole::new(&mut self.vec, at);
        // Two children while `at` is below this. Nothing overflows: an index is at most half of the length here.
        let with_two = len.saturating_sub(1) / 2;
        while hole.at < with_two {
            let child = 2 * hole.at + 1;
            // SAFETY: children come after the hole; both indices are below the length.
            let first = unsafe { hole.get(child) };
            // SAFETY: as above.
            let second = unsafe { hole.get(child + 1) };
            let child = child + usize::from(self.context.compare(second, first) == Ordering::Less);
            // SAFETY: one of the two children.
            unsafe { hole.fill_from(child) };
        }
        if len % 2 == 0 && hole.at == with_two && len > 1 {
            // SAFETY: the last element is the only child.
            unsafe { hole.fill_from(len - 1) };
        }
        Self::rise(&self.context, hole, at);
    }

    /// Replaces the first of [`items`](Self::items) that is equal to `elem`, and returns it.
    ///
    /// # Errors
    /// [`ElementNotFound`].
    ///
    /// Ports `update`.
    pub fn update(&mut self, elem: &T, new_elem: T) -> Result<T, ElementNotFound> {
        let equal = |item: &T| self.context.compare(item, elem) == Ordering::Equal;
        let i = self.vec.iter().position(equal).ok_or(ElementNotFound)?;
        let order = self.context.compare(&new_elem, &self.vec[i]);
        let old_elem = core::mem::replace(&mut self.vec[i], new_elem);
        match order {
            Ordering::Less => self.sift_up(i),
            Ordering::Greater => self.sift_down(i),
            Ordering::Equal => {}
        }
        Ok(old_elem)
    }

    /// How many elements there are.
    #[inline]
    pub fn count(&self) -> usize {
        self.vec.len()
    }

    /// How many elements there is room for.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.vec.capacity()
    }

    /// The elements, in the order of the heap: the first is next, the others in an unspecified order.
    #[inline]
    pub fn items(&self) -> &[T] {
        &self.vec
    }

    /// [`items`](Self::items), one after the other.
    pub fn iterator(&self) -> core::slice::Iter<'_, T> {
        self.vec.iter()
    }

    /// Room for `new_capacity` elements, and some more if the queue must grow.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacity`.
    #[doc(alias = "ensureTotalCapacity")]
    #[inline]
    pub fn ensure_total_capacity(&mut self, new_capacity: usize) -> Result<(), Error> {
        if self.vec.capacity() >= new_capacity {
            return Ok(());
        }
        let capacity = grow::grown(self.vec.capacity(), new_capacity, 8);
        grow::ensure_precise(&mut self.vec, capacity)
    }

    /// Room for exactly `new_capacity` elements, unless there is more.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacityPrecise`.
    #[doc(alias = "ensureTotalCapacityPrecise")]
    pub fn ensure_total_capacity_precise(&mut self, new_capacity: usize) -> Result<(), Error> {
        grow::ensure_precise(&mut self.vec, new_capacity)
    }

    /// Room for `additional_count` elements more than there are.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureUnusedCapacity`.
    #[doc(alias = "ensureUnusedCapacity")]
    #[inline]
    pub fn ensure_unused_capacity(&mut self, additional_count: usize) -> Result<(), Error> {
        let minimum = self.vec.len().checked_add(additional_count).ok_or(Error::OutOfMemory)?;
        self.ensure_total_capacity(minimum)
    }

    /// Gives back what is beyond `new_capacity`. If that takes memory which there is not, the capacity stays.
    ///
    /// # Panics
    /// If `new_capacity` is above the capacity, or below the number of elements.
    ///
    /// Ports `shrinkAndFree`.
    #[doc(alias = "shrinkAndFree")]
    #[track_caller]
    pub fn shrink_and_free(&mut self, new_capacity: usize) {
        let (len, capacity) = (self.vec.len(), self.vec.capacity());
        assert!(
            (len..=capacity).contains(&new_capacity),
            "PriorityQueue::shrink_and_free: {new_capacity} is not from {len} to {capacity}"
        );
        // The capacity is then what it was, which is right too.
        let _ = grow::shrink(&mut self.vec, new_capacity);
    }

    /// Drops the elements; the capacity stays.
    ///
    /// Ports `clearRetainingCapacity`.
    #[doc(alias = "clearRetainingCapacity")]
    pub fn clear_retaining_capacity(&mut self) {
        self.vec.clear();
    }

    /// Drops the elements and frees the memory.
    ///
    /// Ports `clearAndFree`.
    #[doc(alias = "clearAndFree")]
    pub fn clear_and_free(&mut self) {
        self.vec.clear();
        // To free takes no memory, so it cannot fail.
        let _ = grow::shrink(&mut self.vec, 0);
    }

    /// The elements in the order of the heap.
    pub fn into_vec(self) -> Vec<T, A> {
        self.vec
    }
}

impl<T: fmt::Debug, C, A: api::Allocator> fmt::Debug for PriorityQueue<'_, T, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.vec).finish()
    }
}
