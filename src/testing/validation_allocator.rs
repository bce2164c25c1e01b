//! A wrapper that asserts the cheapest clauses of the contract.
//!
//! A failed assertion prints its message and aborts the process: the functions are `extern "C"` and must not unwind.
//! The assertions stay on in release builds, since wrapping an allocator in this asks for them.
//! Zig has them only in its two safe modes.
//!
//! Ports `ValidationAllocator` and `validationWrap` of `lib/std/mem.zig` of Zig 0.15.2.

use core::ptr::NonNull;

use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator};
use crate::heap::FixedBufferAllocator;
use crate::vtable::{VTable, block, state};

/// Wraps an allocator and aborts with a message when a length is zero or a result is misaligned.
///
/// `T` is a handle, or any other type that has an allocator. What is checked, in release builds too:
///
/// - `alloc`: the length is not zero ([non-zero](VTable#non-zero)), and the underlying allocator's
///   result is aligned ([new-block](VTable#new-block)).
/// - `resize`, `remap`, `free`: the block's length is not zero.
///
/// Only raw calls can pass a zero length; the typed functions never do. Everything is passed on unchanged. Whether the
/// block exists, and its new length, are not checked; [`LedgerAllocator`](crate::testing::LedgerAllocator) checks that.
///
/// Handles are for one thread. The type has no state of its own, is `Send` if `T` is, and behaves after a fork as `T`
/// does.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{heap::PAGE_ALLOCATOR, testing::validation_wrap};
///
/// let validation = validation_wrap(PAGE_ALLOCATOR);
/// let memory = validation.allocator().alloc::<u8>(100)?;
/// unsafe { validation.allocator().free(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// It takes an allocator of yours by value, and passes everything on unchanged, refusals too:
///
/// ```
/// # use std::mem::MaybeUninit;
/// # use zigalloc::{SlicePtr, heap::FixedBufferAllocator, testing::validation_wrap};
/// let mut buffer = [MaybeUninit::uninit(); 100];
/// let validation = validation_wrap(FixedBufferAllocator::init(&mut buffer));
/// let allocator = validation.allocator();
/// let memory = allocator.alloc::<u8>(60)?;
/// // SAFETY: a live block, which is freed with its new length.
/// assert!(!unsafe { allocator.resize(memory, 101) } && unsafe { allocator.resize(memory, 80) });
/// assert_eq!(validation.underlying_allocator.end_index(), 80);
/// assert!(allocator.alloc::<u8>(21).is_err());
/// unsafe { allocator.free(memory.with_len(80)) };
/// // No bytes: the typed functions make no call that it could complain about.
/// assert!(allocator.alloc::<u8>(0).is_ok());
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.mem.ValidationAllocator")]
#[derive(Debug)]
pub struct ValidationAllocator<T: AsAllocator> {
    /// The allocator that receives the calls.
    pub underlying_allocator: T,
}

/// Wraps `allocator` in a [`ValidationAllocator`].
///
/// Ports `std.mem.validationWrap` of Zig 0.15.2.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{heap::{ArenaAllocator, PAGE_ALLOCATOR}, testing::validation_wrap};
///
/// let validation = validation_wrap(ArenaAllocator::init(PAGE_ALLOCATOR));
/// validation.allocator().alloc::<u8>(100)?;
/// assert!(validation.underlying_allocator.query_capacity() >= 100);
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "validationWrap")]
#[inline]
pub const fn validation_wrap<T: AsAllocator>(allocator: T) -> ValidationAllocator<T> {
    ValidationAllocator::init(allocator)
}

/// An allocator that can free all its blocks at once, without an argument, as
/// [`ValidationAllocator::reset`] requires.
///
/// [`ArenaAllocator`](crate::heap::ArenaAllocator) does not implement it, since its `reset` takes a mode.
///
/// ```
/// use zigalloc::testing::Reset;
///
/// fn twice<T: Reset>(allocator: &mut T) {
///     allocator.reset();
///     allocator.reset();
/// }
/// # let mut fixed_buffer = zigalloc::heap::FixedBufferAllocator::init(&mut []);
/// # twice(&mut fixed_buffer);
/// ```
pub trait Reset {
    /// Frees all blocks at once.
    ///
    /// Implement it for your own allocator:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
    /// use zigalloc::testing::Reset;
    /// use zigalloc::{Allocator, AsAllocator, SyncAllocator};
    ///
    /// struct Scratch(ArenaAllocator<SyncAllocator<'static>>);
    ///
    /// // SAFETY: the arena's handle, whose state is part of this.
    /// unsafe impl AsAllocator for Scratch {
    ///     fn allocator(&self) -> Allocator<'_> {
    ///         self.0.allocator()
    ///     }
    /// }
    ///
    /// impl Reset for Scratch {
    ///     fn reset(&mut self) {
    ///         // Retaining all of one node cannot fail.
    ///         let _ = self.0.reset(ResetMode::RetainCapacity);
    ///     }
    /// }
    ///
    /// let mut validation = zigalloc::testing::validation_wrap(Scratch(ArenaAllocator::init(PAGE_ALLOCATOR)));
    /// let first = validation.allocator().alloc::<u8>(100)?;
    /// validation.reset();
    /// assert_eq!(validation.allocator().alloc::<u8>(100)?, first);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    fn reset(&mut self);
}

impl Reset for FixedBufferAllocator<'_> {
    fn reset(&mut self) {
        FixedBufferAllocator::reset(self);
    }
}

impl<T: AsAllocator + Reset> Reset for ValidationAllocator<T> {
    fn reset(&mut self) {
        ValidationAllocator::reset(self);
    }
}

impl<T: AsAllocator> ValidationAllocator<T> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Wraps `underlying_allocator`.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::{ArenaAllocator, PAGE_ALLOCATOR}, testing::ValidationAllocator};
    /// let validation = ValidationAllocator::init(ArenaAllocator::init(PAGE_ALLOCATOR));
    /// assert_eq!(validation.underlying_allocator.query_capacity(), 0);
    /// ```
    #[inline]
    pub const fn init(underlying_allocator: T) -> ValidationAllocator<T> {
        ValidationAllocator { underlying_allocator }
    }

    /// Returns a handle to this allocator, for one thread.
    ///
    /// A check that a foreign allocator respects alignments:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Allocator, heap::PAGE_ALLOCATOR, testing::validation_wrap};
    /// # let foreign: Allocator<'static> = *PAGE_ALLOCATOR;
    /// let validation = validation_wrap(foreign);
    /// let allocator = validation.allocator();
    /// // This aborts with a message if the address is not a multiple of 64.
    /// let line = allocator.aligned_alloc::<u8, 64>(100)?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { allocator.free(line) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract because the underlying allocator does.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// Resets the underlying allocator.
    ///
    /// ```
    /// use std::mem::MaybeUninit;
    /// use zigalloc::{heap::FixedBufferAllocator, testing::validation_wrap};
    ///
    /// let mut buffer = [const { MaybeUninit::uninit() }; 100];
    /// let mut validation = validation_wrap(FixedBufferAllocator::init(&mut buffer));
    /// validation.allocator().alloc::<u8>(100)?;
    /// validation.reset();
    /// validation.allocator().alloc::<u8>(100)?;
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn reset(&mut self)
    where
        T: Reset,
    {
        self.underlying_allocator.reset();
    }

    /// Asserts what every function except `alloc` asserts.
    #[inline]
    fn check(function: &str, memory: NonNull<[u8]>) {
        assert!(
            !memory.is_empty(),
            "ValidationAllocator: {function} of a block of 0 bytes at {:?}; the minimum is 1",
            memory.cast::<u8>()
        );
    }

    #[inline]
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        assert!(len > 0, "ValidationAllocator: alloc of 0 bytes; the minimum is 1");
        let underlying = this.underlying_allocator.allocator();
        // SAFETY: `len` is not zero. `T` is `Send` and `Sync` exactly if `Self` is, so a thread that may call this
        // allocator may call the underlying one.
        let memory = unsafe { underlying.raw_alloc(len, alignment, ret_addr) }?;
        assert!(
            alignment.check(memory.addr().get()),
            "ValidationAllocator: alloc of {len} bytes returned {memory:?}, which is not aligned to {} bytes",
            alignment.to_byte_units()
        );
        Some(memory)
    }

    #[inline]
    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        Self::check("resize", memory);
        let underlying = this.underlying_allocator.allocator();
        // SAFETY: a live block of that allocator, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
        unsafe { underlying.raw_resize(memory, alignment, new_len, ret_addr) }
    }

    #[inline]
    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        Self::check("remap", memory);
        let underlying = this.underlying_allocator.allocator();
        // SAFETY: a live block of that allocator, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
        unsafe { underlying.raw_remap(memory, alignment, new_len, ret_addr) }
    }

    #[inline]
    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        Self::check("free", memory);
        let underlying = this.underlying_allocator.allocator();
        // SAFETY: a live block of that allocator, not used afterwards, by our caller; one thread, as in `alloc`.
        unsafe { underlying.raw_free(memory, alignment, ret_addr) };
    }
}

// SAFETY: 1. See `allocator`. 2. The state is the underlying allocator's. If this type is `Send`, `T` is, and satisfies
// 2 itself; the only way to it is through `self`. 3. If it is `Sync`, `T` is, and satisfies 3 itself. 4. All handles
// have the same state, `self`, and table.
unsafe impl<T: AsAllocator> AsAllocator for ValidationAllocator<T> {
    fn allocator(&self) -> Allocator<'_> {
        ValidationAllocator::allocator(self)
    }
}
