//! One of Rust's allocator traits, in both directions.
//!
//! The trait exists three times, in two versions of a crate and in the nightly compiler, with the same
//! functions and guarantees. This file is compiled once for each of them, as a submodule of the module that
//! imports the trait as `api`.

use core::alloc::Layout;
use core::fmt;
use core::ptr::{self, NonNull};

use super::api;
use crate::adapters::blocks;
use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, SyncAllocator};
use crate::return_address::return_address;
use crate::vtable::{VTable, block, state};

// ---- handles implement the trait ----

// SAFETY: the contract of every handle includes what the trait requires.
// 1. Blocks stay valid until all copies of the handle are gone: ending a block early requires exclusive
//    access to the allocator's state (validity), and every copy, in whatever container, borrows it
//    for `'a`. A leaked container lends its memory for at most `'a`.
// 2. Copied and moved handles are the same allocator (copies): two words without state.
// 3. Every live block can be passed to every method. The layout that "fits" it is exactly the one
//    of the last `allocate`, `grow` or `shrink`, since the returned slices are no longer than it;
//    so size and alignment match (live-block).
// 4. The address after a block's last byte exists too (new-block: no block is longer than an object may be); an empty
//    block starts at or below the highest address.
// The methods are inlined even without optimisation, so that their return address is the container's.
unsafe impl api::Allocator for Allocator<'_> {
    #[inline(always)]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, api::AllocError> {
        blocks::allocate(*self, layout, return_address()).ok_or(api::AllocError)
    }

    #[inline(always)]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, api::AllocError> {
        blocks::allocate_zeroed(*self, layout, return_address()).ok_or(api::AllocError)
    }

    #[inline(always)]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: `ptr` is a live block of this allocator that `layout` fits, not used afterwards, by our caller.
        unsafe { blocks::deallocate(*self, ptr, layout, return_address()) };
    }

    #[inline(always)]
    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old_layout: Layout,
        new_layout: Layout,
    ) -> Result<NonNull<[u8]>, api::AllocError> {
        debug_assert!(
            new_layout.size() >= old_layout.size(),
            "grow: the new size {} is below the old one, {}",
            new_layout.size(),
            old_layout.size()
        );
        // SAFETY: `ptr` is a live block of this allocator that `old_layout` fits, not used after a success, by our
        // caller.
        let memory = unsafe { blocks::reallocate(*self, ptr, old_layout, new_layout, return_address()) };
        memory.ok_or(api::AllocError)
    }

    #[inline(always)]
    unsafe fn grow_zeroed(
        &self,
        ptr: NonNull<u8>,
        old_layout: Layout,
        new_layout: Layout,
    ) -> Result<NonNull<[u8]>, api::AllocError> {
        debug_assert!(
            new_layout.size() >= old_layout.size(),
            "grow_zeroed: the new size {} is below the old one, {}",
            new_layout.size(),
            old_layout.size()
        );
        // SAFETY: `ptr` is a live block that `old_layout` fits, not used after a success, and the new size is at least
        // the old one, by our caller.
        let memory = unsafe { blocks::grow_zeroed(*self, ptr, old_layout, new_layout, return_address()) };
        memory.ok_or(api::AllocError)
    }

    #[inline(always)]
    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old_layout: Layout,
        new_layout: Layout,
    ) -> Result<NonNull<[u8]>, api::AllocError> {
        debug_assert!(
            new_layout.size() <= old_layout.size(),
            "shrink: the new size {} is above the old one, {}",
            new_layout.size(),
            old_layout.size()
        );
        // SAFETY: `ptr` is a live block of this allocator that `old_layout` fits, not used after a success, by our
        // caller.
        let memory = unsafe { blocks::reallocate(*self, ptr, old_layout, new_layout, return_address()) };
        memory.ok_or(api::AllocError)
    }
}

/// Implements the trait with the handle of [`AsAllocator`]. (Rust allows no blanket implementation of a trait from
/// another crate.) The functions are then those of `Allocator`, above, except that the last argument makes blocks of
/// zeros; a call states why the trait's first two rules, validity and copies, hold for the type.
macro_rules! implement_with_handle {
    ($type:ty $(, $generic:ident: $bound:path)?; $zeroed:ident) => {
        // SAFETY: validity and copies: see the call of the macro. The others: as for `Allocator`.
        unsafe impl $(<$generic: $bound>)? api::Allocator for $type {
            #[inline(always)]
            fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, api::AllocError> {
                AsAllocator::allocator(self).allocate(layout)
            }

            #[inline(always)]
            fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, api::AllocError> {
                blocks::$zeroed(self, layout, return_address()).ok_or(api::AllocError)
            }

            #[inline(always)]
            unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
                // SAFETY: our caller passes what the same function of the handle, which is the same allocator, requires.
                unsafe { AsAllocator::allocator(self).deallocate(ptr, layout) };
            }

            #[inline(always)]
            unsafe fn grow(
                &self,
                ptr: NonNull<u8>,
                old_layout: Layout,
                new_layout: Layout,
            ) -> Result<NonNull<[u8]>, api::AllocError> {
                // SAFETY: our caller passes what the same function of the handle, which is the same allocator, requires.
                unsafe { AsAllocator::allocator(self).grow(ptr, old_layout, new_layout) }
            }

            #[inline(always)]
            unsafe fn grow_zeroed(
                &self,
                ptr: NonNull<u8>,
                old_layout: Layout,
                new_layout: Layout,
            ) -> Result<NonNull<[u8]>, api::AllocError> {
                // SAFETY: our caller passes what the same function of the handle, which is the same allocator, requires.
                unsafe { AsAllocator::allocator(self).grow_zeroed(ptr, old_layout, new_layout) }
            }

            #[inline(always)]
            unsafe fn shrink(
                &self,
                ptr: NonNull<u8>,
                old_layout: Layout,
                new_layout: Layout,
            ) -> Result<NonNull<[u8]>, api::AllocError> {
                // SAFETY: our caller passes what the same function of the handle, which is the same allocator, requires.
                unsafe { AsAllocator::allocator(self).shrink(ptr, old_layout, new_layout) }
            }
        }
    };
}

// It is a plain handle that any thread may call.
implement_with_handle!(SyncAllocator<'_>; zeroed_by_handle);

// Their blocks stay valid until they are freed, and every value of the type is the same allocator.
#[cfg(feature = "std")]
implement_with_handle!(crate::heap::SmpAllocator; zeroed_by_type);
#[cfg(feature = "std")]
implement_with_handle!(crate::heap::PageAllocator; zeroed_by_type);
#[cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]
implement_with_handle!(crate::heap::CAllocator; zeroed_by_type);
#[cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]
implement_with_handle!(crate::heap::RawCAllocator; zeroed_by_type);
#[cfg(feature = "alloc")]
implement_with_handle!(crate::heap::RustAllocator; zeroed_by_type);

// The owner keeps the allocator where it is, alive, and out of reach of an exclusive borrow, while a clone of the handle
// exists (validity); all clones have the same allocator (copies). A leaked container keeps its clone for ever.
#[cfg(feature = "alloc")]
implement_with_handle!(crate::allocator::OwningHandle<P>, P: crate::allocator::AllocatorOwner; zeroed_by_handle);

// ---- handles to allocators that implement the trait ----

/// Turns an allocator that implements the trait of this [module](super) into one of this crate.
///
/// `A` is the allocator or a reference to it, since references implement the trait too. Handles borrow
/// this value, so it cannot be moved or dropped while one exists. (An adapter that took an allocator by value
/// and returned a handle would return a pointer into its own stack frame.)
///
/// | the [`VTable`] | the trait |
/// |---|---|
/// | `alloc` | `allocate` |
/// | `resize` | none: true for the block's own length, else false |
/// | `remap` | `grow` if the new length is not less than the old one, else `shrink`; null if it fails |
/// | `free` | `deallocate` |
///
/// `resize` refuses even to shrink, because the trait must be told a shorter length and cannot change a block in place.
///
/// By the trait's rules a block may be longer than requested. The vtable cannot return that length, so the block keeps
/// the requested length, which the trait accepts too.
///
/// # Re-entrance
///
/// The trait does not forbid an allocator to call back into the allocator that is calling it
/// ([no-reentry](VTable#no-reentry)), through a hook for example. The allocators above then treat it like any such
/// child: a lock deadlocks, and an arena is out of memory. Blocks stay disjoint, since safe code can do this.
///
/// # Threads
///
/// [`thread_safe_allocator`](Self::thread_safe_allocator) requires that `A` is `Sync`, and
/// [`ThreadSafeAllocator::new`](crate::ThreadSafeAllocator) that it is `Send`.
///
/// # Panics
///
/// The trait's functions may panic, for instance when memory runs out. A panic in one of them aborts the
/// process ([no-unwind](VTable#no-unwind)).
///
/// Not in Zig.
///
/// ```
/// # #[cfg(feature = "allocator-api2-02")]
/// # use {allocator_api2_02::alloc::Global, zigalloc::adapters::allocator_api2_02::FromAllocator};
/// # #[cfg(not(feature = "allocator-api2-02"))]
/// # use {allocator_api2_04::alloc::Global, zigalloc::adapters::allocator_api2_04::FromAllocator};
/// let adapter = FromAllocator::new(Global);
/// let allocator = adapter.allocator();
/// let memory = allocator.dupe(b"a block")?;
/// // SAFETY: a live block, not used afterwards.
/// let memory = unsafe { allocator.realloc(memory, 100) }?; // the trait's `grow`
/// assert_eq!(memory.len(), 100);
/// // SAFETY: the same.
/// unsafe { allocator.free(memory) };
/// let Global = adapter.into_inner();
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "AllocatorApi2")]
#[doc(alias = "allocator_api")]
#[repr(transparent)]
pub struct FromAllocator<A> {
    allocator: A,
}

impl<A: api::Allocator> FromAllocator<A> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Wraps an allocator, or a reference to one.
    ///
    /// ```
    /// # #[cfg(feature = "allocator-api2-02")]
    /// # use {allocator_api2_02::alloc::Global, zigalloc::adapters::allocator_api2_02::FromAllocator};
    /// # #[cfg(not(feature = "allocator-api2-02"))]
    /// # use {allocator_api2_04::alloc::Global, zigalloc::adapters::allocator_api2_04::FromAllocator};
    /// use zigalloc::heap::ArenaAllocator;
    ///
    /// let adapter = FromAllocator::new(&Global); // a reference is an allocator too
    /// let arena = ArenaAllocator::init(adapter.allocator());
    /// arena.allocator().alloc::<u8>(1000)?;
    /// assert!(arena.query_capacity() >= 1000);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn new(allocator: A) -> FromAllocator<A> {
        FromAllocator { allocator }
    }

    /// Wraps a borrowed allocator, which stays where it is.
    ///
    /// The handle borrows the allocator where it is, which stays usable beside it:
    ///
    /// ```
    /// # #[cfg(feature = "allocator-api2-02")]
    /// # use {allocator_api2_02::{alloc::Global, boxed::Box}, zigalloc::adapters::allocator_api2_02::FromAllocator};
    /// # #[cfg(not(feature = "allocator-api2-02"))]
    /// # use {allocator_api2_04::{alloc::Global, boxed::Box}, zigalloc::adapters::allocator_api2_04::FromAllocator};
    /// let global = Global;
    /// let allocator = FromAllocator::from_ref(&global).allocator();
    /// let number = allocator.create_with(42u32)?;
    /// // SAFETY: a block of `global` with the layout of a `u32`, initialised, whose pointer is not used afterwards.
    /// let boxed = unsafe { Box::from_raw_in(number.as_ptr(), global) };
    /// assert_eq!(*boxed, 42);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn from_ref(allocator: &A) -> &FromAllocator<A> {
        // SAFETY: the struct is `repr(transparent)` over `A`.
        unsafe { &*ptr::from_ref(allocator).cast() }
    }

    /// Wraps an exclusively borrowed allocator. The result is what
    /// [`ThreadSafeAllocator::new`](crate::ThreadSafeAllocator) takes.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// # #[cfg(feature = "allocator-api2-02")]
    /// # use {allocator_api2_02::alloc::Global, zigalloc::adapters::allocator_api2_02::FromAllocator};
    /// # #[cfg(not(feature = "allocator-api2-02"))]
    /// # use {allocator_api2_04::alloc::Global, zigalloc::adapters::allocator_api2_04::FromAllocator};
    /// use zigalloc::ThreadSafeAllocator;
    ///
    /// let mut global = Global;
    /// let locked = ThreadSafeAllocator::new(FromAllocator::from_mut(&mut global));
    /// let allocator = locked.allocator();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || unsafe { allocator.free(allocator.dupe(b"in one thread").unwrap()) });
    ///     scope.spawn(move || unsafe { allocator.free(allocator.dupe(b"in another").unwrap()) });
    /// });
    /// # }
    /// ```
    #[inline]
    pub const fn from_mut(allocator: &mut A) -> &mut FromAllocator<A> {
        // SAFETY: the struct is `repr(transparent)` over `A`.
        unsafe { &mut *ptr::from_mut(allocator).cast() }
    }

    /// Returns the allocator. Blocks stay valid as its own type guarantees.
    #[inline]
    pub fn into_inner(self) -> A {
        self.allocator
    }

    /// Returns a handle for one thread.
    ///
    /// `resize` is true for the block's own length only; `remap` grows and shrinks by the trait's functions:
    ///
    /// ```
    /// # #[cfg(feature = "allocator-api2-02")]
    /// # use {allocator_api2_02::alloc::Global, zigalloc::adapters::allocator_api2_02::FromAllocator};
    /// # #[cfg(not(feature = "allocator-api2-02"))]
    /// # use {allocator_api2_04::alloc::Global, zigalloc::adapters::allocator_api2_04::FromAllocator};
    /// let adapter = FromAllocator::new(Global);
    /// let memory = adapter.allocator().dupe(b"shrinks")?;
    /// // SAFETY: a live block; after the `remap`, the old pointer is not used.
    /// unsafe {
    ///     assert!(adapter.allocator().resize(memory, 7) && !adapter.allocator().resize(memory, 6));
    ///     let shorter = adapter.allocator().remap(memory, 6).unwrap();
    ///     assert_eq!(shorter.as_ref(), b"shrink");
    ///     adapter.allocator().free(shorter);
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract. By the trait's rules a block is valid until it is deallocated or the
        // allocator is gone, and the handle borrows `self`, which holds the allocator (validity). The trait does not
        // exclude re-entrance (no-reentry), but the allocators above a child keep its blocks disjoint regardless.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// Returns a handle for any number of threads.
    ///
    /// As a global, like those of Zig's `std.heap`:
    ///
    /// ```
    /// # #[cfg(feature = "allocator-api2-02")]
    /// # use {allocator_api2_02::alloc::Global, zigalloc::adapters::allocator_api2_02::FromAllocator};
    /// # #[cfg(not(feature = "allocator-api2-02"))]
    /// # use {allocator_api2_04::alloc::Global, zigalloc::adapters::allocator_api2_04::FromAllocator};
    /// use zigalloc::SyncAllocator;
    ///
    /// static ADAPTER: FromAllocator<Global> = FromAllocator::new(Global);
    /// static ALLOCATOR: SyncAllocator<'static> = ADAPTER.thread_safe_allocator();
    ///
    /// let thread = std::thread::spawn(|| {
    ///     let memory = ALLOCATOR.dupe(b"of this thread").unwrap();
    ///     // SAFETY: a live block, not used afterwards.
    ///     unsafe { ALLOCATOR.free(memory) };
    /// });
    /// assert!(thread.join().is_ok());
    /// ```
    #[inline]
    pub const fn thread_safe_allocator(&self) -> SyncAllocator<'_>
    where
        A: Sync,
    {
        // SAFETY: the functions keep the contract as for `allocator`, and several threads may call an `A` that is
        // `Sync` at once. Every live block can be passed to every method, so one thread may free a block of another.
        // (`&A` is then an allocator that is `Send`, and a `Vec<T, &A>` does exactly that.)
        unsafe { SyncAllocator::new_unchecked(self.allocator()) }
    }

    #[inline]
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let layout = alignment.layout_of_request(len)?;
        this.allocator.allocate(layout).ok().map(NonNull::cast)
    }

    #[inline]
    unsafe extern "C" fn resize(
        _ctx: *mut (),
        _memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> bool {
        new_len == memory_len
    }

    #[inline]
    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let new_layout = alignment.layout_of_request(new_len)?;
        // SAFETY: the length and alignment of a live block.
        let old_layout = unsafe { alignment.layout_of_block(memory_len) };
        // If the trait's functions fail, the block is unchanged.
        let resized = if new_len >= memory_len {
            // SAFETY: a live block of this allocator. The last requested layout fits; the new one is not shorter.
            unsafe { this.allocator.grow(memory.cast(), old_layout, new_layout) }
        } else {
            // SAFETY: a live block of this allocator. The last requested layout fits; the new one is shorter.
            unsafe { this.allocator.shrink(memory.cast(), old_layout, new_layout) }
        };
        resized.ok().map(NonNull::cast)
    }

    #[inline]
    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the length and alignment of a live block.
        let layout = unsafe { alignment.layout_of_block(memory_len) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block of this allocator, not used afterwards, by our caller; the last requested layout
        // fits.
        unsafe { this.allocator.deallocate(memory.cast(), layout) };
    }
}

// SAFETY: 1. and 4. See `allocator`; by the trait's rules a moved allocator is the same allocator.
// 2. It is `Send` if `A` is. With exclusive access one could move the `A` to any thread and call it
// there, and `Send` means that this is sound even if clones of it exist. 3. It is `Sync` if `A` is: see
// `thread_safe_allocator`.
unsafe impl<A: api::Allocator> AsAllocator for FromAllocator<A> {
    #[inline]
    fn allocator(&self) -> Allocator<'_> {
        FromAllocator::allocator(self)
    }
}

impl<A> fmt::Debug for FromAllocator<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The allocator may not implement `Debug`, so show its type.
        f.debug_tuple("FromAllocator").field(&format_args!("{}", core::any::type_name::<A>())).finish()
    }
}
