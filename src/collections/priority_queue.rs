//! [`PriorityQueue`]: a binary heap.

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

/// How a [`PriorityQueue`] compares elements: Zig's `Context` and `compareFn` in one.
///
/// Implemented by closures and functions `Fn(&T, &T) -> Ordering`; [`Natural`] is the order of `Ord`.
///
/// ```
/// use std::cmp::Ordering;
/// use zigalloc::collections::{Compare, PriorityQueue};
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// /// Orders indices by their cost.
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
    /// Compares two elements; the lesser one comes out first.
    fn compare(&self, a: &T, b: &T) -> Ordering;
}

impl<T, F: Fn(&T, &T) -> Ordering> Compare<T> for F {
    #[inline]
    fn compare(&self, a: &T, b: &T) -> Ordering {
        self(a, b)
    }
}

/// The order of `Ord`: the least element comes out first.
///
/// ```
/// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
/// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
/// queue.add_slice(&[2, 1])?;
/// assert_eq!(queue.remove(), 1);
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Natural;

impl<T: Ord> Compare<T> for Natural {
    #[inline]
    fn compare(&self, a: &T, b: &T) -> Ordering {
        a.cmp(b)
    }
}

/// A priority queue, whose least element comes out first: Zig's `std.PriorityQueue(T, Context, compareFn)`.
///
/// A binary heap in an allocator-api2 `Vec`. No maintained library has one with a custom comparison and an allocator.
/// Elements are arranged as in Zig's heap, so equal ones come out in the same order.
///
/// # Guarantees
///
/// - A method that returns an error has no visible effect.
/// - For the same calls, [`items`](Self::items), the order in which elements come out and the capacity are Zig's. The
///   queue grows by half plus 8.
/// - Dropping the queue drops the elements and frees the memory.
/// - If a comparison panics, the queue keeps all elements, in some order, except one that was being removed.
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
pub struct PriorityQueue<'a, T, C = Natural, A: api::Allocator = Allocator<'a>> {
    vec: Vec<T, A>,
    context: C,
    handle: PhantomData<&'a ()>,
}

/// The error of [`update`](PriorityQueue::update) for an element that is not in the queue.
///
/// ```
/// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
/// use zigalloc::collections::ElementNotFound;
///
/// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
/// queue.add_slice(&[2, 1])?;
/// assert_eq!(queue.update(&7, 8), Err(ElementNotFound));
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the element is not in the queue")]
pub struct ElementNotFound;

/// An element lifted out of the heap, and the index at which dropping this value puts it back.
///
/// Until then the vector's length is 0. A comparison is the program's code and may exit the process, which drops a
/// thread-local queue in this state: its elements leak, and none that is in two places is dropped twice.
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
    /// Creates an empty queue, without allocating.
    ///
    /// Ports `init`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let queue = PriorityQueue::<u8, _, _>::init(PAGE_ALLOCATOR, Natural);
    /// assert_eq!((queue.count(), queue.capacity()), (0, 0));
    /// ```
    #[inline]
    pub const fn init(allocator: A, context: C) -> PriorityQueue<'a, T, C, A> {
        PriorityQueue { vec: Vec::new_in(allocator), context, handle: PhantomData }
    }

    /// Turns a box into a queue with the same block, in linear time.
    ///
    /// Ports `fromOwnedSlice`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::from_owned_slice(PAGE_ALLOCATOR.dupe_owned(&[3, 1, 2])?, Natural);
    /// assert_eq!(queue.remove(), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
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
    /// [`Error::OutOfMemory`], in which case the element is dropped.
    ///
    /// Ports `add`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add(2)?;
    /// queue.add(1)?;
    /// assert_eq!(queue.peek(), Some(&1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn add(&mut self, elem: T) -> Result<(), Error> {
        self.ensure_unused_capacity(1)?;
        self.vec.push(elem);
        self.sift_up(self.vec.len() - 1);
        Ok(())
    }

    /// Adds the elements of a slice.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], in which case none is added.
    ///
    /// Ports `addSlice`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[3, 1, 2])?;
    /// assert_eq!(queue.count(), 3);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
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

    /// The next element, or `None` if the queue is empty.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[2, 1])?;
    /// assert_eq!(queue.peek(), Some(&1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn peek(&self) -> Option<&T> {
        self.vec.first()
    }

    /// Removes and returns the next element, or returns `None` if the queue is empty.
    ///
    /// Ports `removeOrNull`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[2, 1])?;
    /// assert_eq!((queue.remove_or_null(), queue.remove_or_null(), queue.remove_or_null()), (Some(1), Some(2), None));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "removeOrNull")]
    #[inline]
    pub fn remove_or_null(&mut self) -> Option<T> {
        if self.vec.is_empty() { None } else { Some(self.remove_index(0)) }
    }

    /// Removes and returns the next element.
    ///
    /// # Panics
    /// If the queue is empty.
    ///
    /// Ports `remove`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[2, 1])?;
    /// assert_eq!(queue.remove(), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
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
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[1, 2, 3])?;
    /// assert_eq!(queue.remove_index(1), 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
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

    /// Moves the element at `at` down to its place: to the bottom, along the lesser children, and then up. Zig stops on
    /// the way down, at the same place, since elements on that path ascend.
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

    /// Replaces the first of [`items`](Self::items) that compares equal to `elem`, and returns it.
    ///
    /// # Errors
    /// [`ElementNotFound`].
    ///
    /// Ports `update`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[1, 2, 3])?;
    /// assert_eq!(queue.update(&3, 0), Ok(3));
    /// assert_eq!(queue.peek(), Some(&0));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
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

    /// The number of elements.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[2, 1])?;
    /// assert_eq!(queue.count(), 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn count(&self) -> usize {
        self.vec.len()
    }

    /// The number of elements that fit without allocating; `usize::MAX` for elements of 0 bytes.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[2, 1])?;
    /// assert_eq!(queue.capacity(), 8);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn capacity(&self) -> usize {
        self.vec.capacity()
    }

    /// The elements in heap order: the first is next, the others are unordered.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[3, 1, 2])?;
    /// assert_eq!(queue.items(), [1, 3, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn items(&self) -> &[T] {
        &self.vec
    }

    /// Iterates over [`items`](Self::items).
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[3, 1, 2])?;
    /// assert_eq!(queue.iterator().max(), Some(&3));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn iterator(&self) -> core::slice::Iter<'_, T> {
        self.vec.iter()
    }

    /// Ensures room for `new_capacity` elements in total. If the queue grows, it grows by at least half and 8.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::<u8, _, _>::init(PAGE_ALLOCATOR, Natural);
    /// queue.ensure_total_capacity(9)?;
    /// assert_eq!(queue.capacity(), 20); // 8, then half of it and 8 more
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureTotalCapacity")]
    #[inline]
    pub fn ensure_total_capacity(&mut self, new_capacity: usize) -> Result<(), Error> {
        if self.vec.capacity() >= new_capacity {
            return Ok(());
        }
        let capacity = grow::grown(self.vec.capacity(), new_capacity, 8);
        grow::ensure_precise(&mut self.vec, capacity)
    }

    /// Ensures room for `new_capacity` elements in total. If the queue grows, it grows to exactly that.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacityPrecise`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::<u8, _, _>::init(PAGE_ALLOCATOR, Natural);
    /// queue.ensure_total_capacity_precise(9)?;
    /// assert_eq!(queue.capacity(), 9);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureTotalCapacityPrecise")]
    pub fn ensure_total_capacity_precise(&mut self, new_capacity: usize) -> Result<(), Error> {
        grow::ensure_precise(&mut self.vec, new_capacity)
    }

    /// Ensures room for `additional_count` more elements, as [`ensure_total_capacity`](Self::ensure_total_capacity).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureUnusedCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[1, 2])?;
    /// queue.ensure_unused_capacity(100)?;
    /// assert!(queue.capacity() >= 102);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureUnusedCapacity")]
    #[inline]
    pub fn ensure_unused_capacity(&mut self, additional_count: usize) -> Result<(), Error> {
        let minimum = self.vec.len().checked_add(additional_count).ok_or(Error::OutOfMemory)?;
        self.ensure_total_capacity(minimum)
    }

    /// Shrinks the block to `new_capacity` elements. If the allocator cannot shrink it, the capacity stays.
    ///
    /// # Panics
    /// If `new_capacity` is above the capacity, or below the number of elements.
    ///
    /// Ports `shrinkAndFree`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[1, 2])?;
    /// queue.shrink_and_free(2);
    /// assert_eq!(queue.capacity(), 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "shrinkAndFree")]
    #[track_caller]
    pub fn shrink_and_free(&mut self, new_capacity: usize) {
        let (len, capacity) = (self.vec.len(), self.vec.capacity());
        assert!(
            (len..=capacity).contains(&new_capacity),
            "PriorityQueue::shrink_and_free: {new_capacity} is not from {len} to {capacity}"
        );
        // On failure the capacity stays.
        let _ = grow::shrink(&mut self.vec, new_capacity);
    }

    /// Drops all elements and keeps the capacity.
    ///
    /// Ports `clearRetainingCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[1, 2])?;
    /// queue.clear_retaining_capacity();
    /// assert_eq!((queue.count(), queue.capacity()), (0, 8));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "clearRetainingCapacity")]
    pub fn clear_retaining_capacity(&mut self) {
        self.vec.clear();
    }

    /// Drops the elements and frees the memory.
    ///
    /// Ports `clearAndFree`.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[1, 2])?;
    /// queue.clear_and_free();
    /// assert_eq!(queue.capacity(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "clearAndFree")]
    pub fn clear_and_free(&mut self) {
        self.vec.clear();
        // Freeing cannot fail.
        let _ = grow::shrink(&mut self.vec, 0);
    }

    /// Returns the elements as a vector, in heap order.
    ///
    /// ```
    /// # use zigalloc::{collections::{Natural, PriorityQueue}, heap::PAGE_ALLOCATOR};
    /// let mut queue = PriorityQueue::init(PAGE_ALLOCATOR, Natural);
    /// queue.add_slice(&[2, 1])?;
    /// assert_eq!(queue.into_vec(), [1, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn into_vec(self) -> Vec<T, A> {
        self.vec
    }
}

impl<T: fmt::Debug, C, A: api::Allocator> fmt::Debug for PriorityQueue<'_, T, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.vec).finish()
    }
}
