//! Allocators without state, as types.

use core::fmt::Debug;
use core::hash::Hash;
use core::ptr::NonNull;

use super::{Allocator, AsAllocator, SyncAllocator};
use crate::alignment::Alignment;

/// An allocator without state: a unit struct that names one of the constants of [`heap`](crate::heap).
///
/// A constant such as `SMP_ALLOCATOR` is a handle of two words. Its type, `SmpAllocator`, has no size, so a container
/// that stores it is no larger than one of the global allocator, and `Default` makes one: `collect()` and serde's
/// `Deserialize` build containers in it. It implements the traits of [`adapters`](crate::adapters), and converts to a
/// handle with `allocator()` or `Into`.
///
/// | type | constant | `GlobalAlloc` |
/// |---|---|---|
/// | [`SmpAllocator`](crate::heap::SmpAllocator) | [`SMP_ALLOCATOR`](crate::heap::SMP_ALLOCATOR) | yes |
/// | [`PageAllocator`](crate::heap::PageAllocator) | [`PAGE_ALLOCATOR`](crate::heap::PAGE_ALLOCATOR) | yes |
/// | [`CAllocator`](crate::heap::CAllocator) | [`C_ALLOCATOR`](crate::heap::C_ALLOCATOR) | yes |
/// | [`RawCAllocator`](crate::heap::RawCAllocator) | [`RAW_C_ALLOCATOR`](crate::heap::RAW_C_ALLOCATOR) | no: alignments above two words fail |
/// | [`RustAllocator`](crate::heap::RustAllocator) | [`RUST_ALLOCATOR`](crate::heap::RUST_ALLOCATOR) | no: it would call itself |
///
/// Not in Zig, whose containers store no allocator or a `std.mem.Allocator`. The trait is sealed.
///
#[cfg_attr(all(feature = "std", feature = "allocator-api2-02"), doc = "```")]
#[cfg_attr(not(all(feature = "std", feature = "allocator-api2-02")), doc = "```ignore")]
/// use hashbrown::{DefaultHashBuilder, HashMap};
/// use zigalloc::heap::SmpAllocator;
///
/// type Map<K, V> = HashMap<K, V, DefaultHashBuilder, SmpAllocator>;
///
/// let squares: Map<u32, u32> = (0..100).map(|n| (n, n * n)).collect();
/// assert_eq!(squares[&12], 144);
/// assert_eq!(size_of::<Map<u32, u32>>(), size_of::<HashMap<u32, u32>>());
/// ```
///
/// As a type parameter it costs no space, and every function that takes a handle takes the value:
///
/// ```
/// # #[cfg(feature = "std")] {
/// use zigalloc::heap::{PageAllocator, SmpAllocator};
/// use zigalloc::{Stateless, SyncAllocator, mem};
///
/// struct Text<A: Stateless> {
///     memory: std::ptr::NonNull<[u8]>,
///     allocator: A,
/// }
///
/// fn joined<A: Stateless>(allocator: A, words: &[&[u8]]) -> Result<Text<A>, zigalloc::Error> {
///     Ok(Text { memory: mem::join(allocator, b" ", words)?, allocator })
/// }
///
/// impl<A: Stateless> Drop for Text<A> {
///     fn drop(&mut self) {
///         let allocator: SyncAllocator<'_> = self.allocator.into();
///         // SAFETY: a live block, not used afterwards.
///         unsafe { allocator.free(self.memory) };
///     }
/// }
///
/// let text = joined(SmpAllocator, &[b"no", b"state"])?;
/// assert_eq!(unsafe { text.memory.as_ref() }, b"no state");
/// assert_eq!(size_of::<Text<PageAllocator>>(), 2 * size_of::<usize>());
/// # }
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub trait Stateless: Copy + Debug + Default + Eq + Hash + Send + Sync + Sealed + 'static {
    /// The allocator's handle.
    ///
    /// ```
    /// use zigalloc::{Error, Stateless};
    ///
    /// /// Whether `A` can allocate `len` bytes.
    /// fn serves<A: Stateless>(len: usize) -> bool {
    ///     let memory = A::ALLOCATOR.alloc::<u8>(len);
    ///     // SAFETY: a live block, not used afterwards.
    ///     memory.map(|memory| unsafe { A::ALLOCATOR.free(memory) }).is_ok()
    /// }
    /// # #[cfg(feature = "std")] {
    /// use zigalloc::heap::PageAllocator;
    ///
    /// assert!(serves::<PageAllocator>(100) && !serves::<PageAllocator>(usize::MAX));
    /// # }
    /// ```
    const ALLOCATOR: SyncAllocator<'static>;

    /// Allocates a block whose bytes are zero. Otherwise it is [`raw_alloc`](Allocator::raw_alloc) of
    /// [`ALLOCATOR`](Self::ALLOCATOR), and so is the block.
    ///
    /// Bytes that the allocator knows to be zero are not written to: new pages of the system, with `SmpAllocator` and
    /// `PageAllocator`, and what C's `calloc` or the global allocator's `alloc_zeroed` knows, with the others. So a large
    /// block has memory only where it is used. The vtable has no such function; that is why the adapters ask the type.
    ///
    /// # Safety
    /// `len` is not zero.
    ///
    /// ```
    /// # #[cfg(feature = "std")] {
    /// use std::ptr::NonNull;
    /// use zigalloc::heap::{SMP_ALLOCATOR, SmpAllocator};
    /// use zigalloc::{Alignment, Stateless};
    ///
    /// const LEN: usize = 100_000;
    /// // SAFETY: the length is not zero.
    /// let memory = unsafe { SmpAllocator::raw_alloc_zeroed(LEN, Alignment::_8, 0) }.unwrap();
    /// // SAFETY: a live block of zero bytes, not used after it is freed.
    /// unsafe {
    ///     assert_eq!(memory.add(LEN - 1).read(), 0);
    ///     SMP_ALLOCATOR.raw_free(NonNull::slice_from_raw_parts(memory, LEN), Alignment::_8, 0);
    /// }
    /// # }
    /// ```
    #[inline]
    unsafe fn raw_alloc_zeroed(len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        // SAFETY: the length is not zero, by our caller; any thread may call the handle.
        let memory = unsafe { Self::ALLOCATOR.raw_alloc(len, alignment, ret_addr) }?;
        // SAFETY: a new block of this length.
        unsafe { memory.write_bytes(0, len) };
        Some(memory)
    }
}

/// Only types of this crate implement it.
pub trait Sealed {}

// SAFETY: 1. The handle keeps the contract for as long as the program runs. 2. and 3. Any thread may call it at any
// time. 4. It is a constant.
#[diagnostic::do_not_recommend]
unsafe impl<S: Stateless> AsAllocator for S {
    #[inline(always)]
    fn allocator(&self) -> Allocator<'_> {
        S::ALLOCATOR.as_allocator()
    }
}

impl<S: Stateless> From<S> for SyncAllocator<'static> {
    #[inline(always)]
    fn from(_: S) -> SyncAllocator<'static> {
        S::ALLOCATOR
    }
}

impl<S: Stateless> From<S> for Allocator<'static> {
    #[inline(always)]
    fn from(_: S) -> Allocator<'static> {
        S::ALLOCATOR.as_allocator()
    }
}
