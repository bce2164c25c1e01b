//! A pool that does not store its child's handle: each call that may need the child takes it, as since Zig 0.16.
//!
//! Such a call makes a pool of the three words and the handle, and takes it apart again. Meanwhile the value is empty:
//! if the child exits the process, destructors that run then find an empty pool.

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem;
use core::ptr::NonNull;

use super::{FreeList, MemoryPoolExtra, destroy};
use crate::allocator::Handle;
use crate::error::Error;
use crate::heap::ResetMode;
use crate::heap::arena::State;

/// A [`MemoryPool`](super::MemoryPool) of three words, without its child's handle. Each call that may need the child
/// takes it.
///
/// For a value that sits in a struct beside its allocator, or of which a program has many. Dropping it frees nothing:
/// call [`deinit`](Self::deinit), or [`promote`](Self::promote) it and drop the pool.
///
/// `ALIGN` and `GROWABLE` are those of [`MemoryPoolExtra`].
///
/// Ports `std.heap.MemoryPool` of Zig 0.17.1; `memory_pool.Aligned` and `memory_pool.Extra` are the same type with
/// other parameters.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{MemoryPoolUnmanaged, PAGE_ALLOCATOR};
///
/// let mut pool = MemoryPoolUnmanaged::<u64>::EMPTY;
/// // SAFETY: always the same allocator.
/// unsafe {
///     let one = pool.create(PAGE_ALLOCATOR)?;
///     let two = pool.create(PAGE_ALLOCATOR)?;
///     pool.destroy(one);
///     assert_eq!(pool.create(PAGE_ALLOCATOR)?, one, "the item freed last is the next one");
///     assert_ne!(one, two);
///     pool.deinit(PAGE_ALLOCATOR);
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.MemoryPool")]
#[doc(alias = "memory_pool.Unmanaged")]
pub struct MemoryPoolUnmanaged<T, const ALIGN: usize = 0, const GROWABLE: bool = true> {
    free_list: FreeList,
    arena: State,
    /// Nothing of type `T` is in the pool itself: it drops no items.
    items: PhantomData<fn() -> T>,
}

impl<T, const ALIGN: usize, const GROWABLE: bool> MemoryPoolUnmanaged<T, ALIGN, GROWABLE> {
    /// A pool without memory. Ports `empty`.
    #[doc(alias = "empty")]
    #[allow(clippy::declare_interior_mutable_const, reason = "each use is a new pool, as intended")]
    pub const EMPTY: Self = MemoryPoolUnmanaged {
        free_list: FreeList { first: Cell::new(None) },
        arena: State::EMPTY,
        items: PhantomData,
    };

    /// A pool with memory for `num` items.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the items allocated until then are freed.
    ///
    /// Ports `initCapacity`.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Error, heap::{MemoryPoolUnmanaged, PAGE_ALLOCATOR}};
    /// let mut pool = MemoryPoolUnmanaged::<u32, 0, false>::init_capacity(PAGE_ALLOCATOR, 2)?;
    /// // SAFETY: the same allocator.
    /// unsafe {
    ///     assert!(pool.create(PAGE_ALLOCATOR).is_ok() && pool.create(PAGE_ALLOCATOR).is_ok());
    ///     assert_eq!(pool.create(PAGE_ALLOCATOR), Err(Error::OutOfMemory), "it may not grow");
    ///     pool.deinit(PAGE_ALLOCATOR);
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    #[doc(alias = "initCapacity")]
    pub fn init_capacity<C: Handle>(child_allocator: C, num: usize) -> Result<Self, Error> {
        Ok(MemoryPoolExtra::init_capacity(child_allocator, num)?.into_unmanaged())
    }

    /// Binds the pool to its child.
    ///
    /// # Safety
    /// `child_allocator` is a handle to the allocator that all calls so far were given, which has not freed the pool's
    /// memory.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};
    /// let pool = MemoryPool::<u64, _>::init(PAGE_ALLOCATOR);
    /// let item = pool.create()?;
    /// let unmanaged = pool.into_unmanaged();
    /// assert_eq!(size_of_val(&unmanaged), 3 * size_of::<usize>());
    /// // SAFETY: the same allocator.
    /// let pool = unsafe { unmanaged.promote(PAGE_ALLOCATOR) };
    /// // SAFETY: an item of the pool, not used afterwards.
    /// unsafe { pool.destroy(item) };
    /// assert_eq!(pool.create()?, item);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use = "dropping the pool frees its memory"]
    #[inline]
    pub unsafe fn promote<C: Handle>(self, child_allocator: C) -> MemoryPoolExtra<T, ALIGN, GROWABLE, C> {
        // SAFETY: the nodes are this child's, by our caller.
        let arena = unsafe { self.arena.promote(child_allocator) };
        MemoryPoolExtra { free_list: self.free_list, arena, items: PhantomData }
    }

    /// Frees the pool's memory, items in use included, without dropping what is in them. Ports `deinit`.
    ///
    /// # Safety
    /// As [`promote`](Self::promote). No item is used afterwards.
    #[inline]
    pub unsafe fn deinit<C: Handle>(self, child_allocator: C) {
        // SAFETY: by our caller.
        drop(unsafe { self.promote(child_allocator) });
    }

    /// Allocates `num` more items, so that as many calls of [`create`](Self::create) cannot fail.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the items allocated until then stay in the pool.
    ///
    /// # Safety
    /// As [`promote`](Self::promote).
    ///
    /// Ports `addCapacity`.
    #[doc(alias = "addCapacity")]
    pub unsafe fn add_capacity<C: Handle>(&mut self, child_allocator: C, num: usize) -> Result<(), Error> {
        // SAFETY: by our caller.
        unsafe { self.with(child_allocator, |pool| pool.add_capacity(num)) }
    }

    /// Frees all items at once; see [`MemoryPoolExtra::reset`]. Ports `reset`.
    ///
    /// # Safety
    /// As [`promote`](Self::promote). No item is used afterwards.
    #[must_use = "if the result is false, the pool has another capacity than was asked for"]
    pub unsafe fn reset<C: Handle>(&mut self, child_allocator: C, mode: ResetMode) -> bool {
        // SAFETY: by our caller.
        unsafe { self.with(child_allocator, |pool| pool.reset(mode)) }
    }

    /// Returns memory for an item, uninitialised.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], if there is no free item and the pool may not grow or the child refuses.
    ///
    /// # Safety
    /// As [`promote`](Self::promote).
    ///
    /// Ports `create`.
    #[inline]
    pub unsafe fn create<C: Handle>(&mut self, child_allocator: C) -> Result<NonNull<T>, Error> {
        // SAFETY: by our caller.
        unsafe { self.with(child_allocator, |pool| pool.create()) }
    }

    /// Frees an item, without dropping what is in it. Ports `destroy`.
    ///
    /// # Safety
    /// As [`MemoryPoolExtra::destroy`].
    #[inline]
    #[track_caller]
    pub unsafe fn destroy(&mut self, item: NonNull<T>) {
        // SAFETY: an item of this pool, by a pointer to all of it, which nothing uses afterwards, by our caller.
        unsafe { destroy(&self.free_list, item) };
    }

    /// Calls a function with the pool bound to its child.
    ///
    /// # Safety
    /// As [`promote`](Self::promote).
    #[inline(always)]
    unsafe fn with<C: Handle, R>(
        &mut self,
        child_allocator: C,
        call: impl FnOnce(&mut MemoryPoolExtra<T, ALIGN, GROWABLE, C>) -> R,
    ) -> R {
        // SAFETY: by our caller.
        let mut pool = unsafe { mem::take(self).promote(child_allocator) };
        let result = call(&mut pool);
        *self = pool.into_unmanaged();
        result
    }
}

impl<T, const ALIGN: usize, const GROWABLE: bool, C: Handle> MemoryPoolExtra<T, ALIGN, GROWABLE, C> {
    /// The pool's three words without its child, for [`MemoryPoolUnmanaged::promote`]. Frees nothing.
    #[must_use = "dropping it leaks the pool's memory"]
    #[inline]
    pub fn into_unmanaged(self) -> MemoryPoolUnmanaged<T, ALIGN, GROWABLE> {
        let MemoryPoolExtra { free_list, arena, items } = self;
        MemoryPoolUnmanaged { free_list, arena: arena.into_state(), items }
    }
}

impl<T, const ALIGN: usize, const GROWABLE: bool> Default for MemoryPoolUnmanaged<T, ALIGN, GROWABLE> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<T, const ALIGN: usize, const GROWABLE: bool> fmt::Debug for MemoryPoolUnmanaged<T, ALIGN, GROWABLE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryPoolUnmanaged").field("arena", &self.arena).finish_non_exhaustive()
    }
}
