//! Allocating one item.

use core::ptr::NonNull;

use super::highest;
use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::error::Error;
use crate::return_address::return_address;
use crate::slice::{AlignedPtr, ItemPtr};

impl Allocator<'_> {
    /// Allocates memory for one `T` and leaves it uninitialised. [`destroy`](Self::destroy) frees it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]. Never for a zero-sized type.
    ///
    /// Ports `create` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let number = PAGE_ALLOCATOR.create::<u64>()?;
    /// unsafe { number.write(42) };
    /// unsafe { PAGE_ALLOCATOR.destroy(number) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A zero-sized type takes no memory, and every pointer to it is aligned:
    ///
    /// ```
    /// # use zigalloc::Allocator;
    /// #[repr(align(16))]
    /// struct Marker;
    ///
    /// let marker = Allocator::FAILING.create::<Marker>()?;
    /// assert_eq!(marker.addr().get() % 16, 0);
    /// // SAFETY: a zero-sized type: there is nothing to free.
    /// unsafe { Allocator::FAILING.destroy(marker) };
    /// assert!(Allocator::FAILING.create::<u8>().is_err());
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn create<T>(self) -> Result<NonNull<T>, Error> {
        let ptr = self.create_advanced_with_ret_addr::<T, 0>(return_address())?;
        Ok(ptr.as_non_null())
    }

    /// Allocates memory for one `T` with an alignment in bytes, which may be above or below `T`'s own.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `alignedCreate` of Zig 0.17.1.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let line = PAGE_ALLOCATOR.aligned_create::<[u8; 10], 64>()?;
    /// assert_eq!(line.as_ptr().addr() % 64, 0);
    /// unsafe { PAGE_ALLOCATOR.destroy(line) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// An alignment below the natural one packs items, which are then read unaligned:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::FixedBufferAllocator;
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let allocator = fixed_buffer.allocator();
    /// let _tag = allocator.create_with(1u8)?;
    /// let number = allocator.aligned_create::<u64, 1>()?;
    /// assert_eq!(fixed_buffer.end_index(), 9, "no padding after the byte");
    /// // SAFETY: memory for a `u64`, perhaps unaligned.
    /// unsafe { number.as_ptr().write_unaligned(42) };
    /// assert_eq!(unsafe { number.as_ptr().read_unaligned() }, 42);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "alignedCreate")]
    #[inline(always)]
    pub fn aligned_create<T, const ALIGN: usize>(self) -> Result<AlignedPtr<T, ALIGN>, Error> {
        self.create_advanced_with_ret_addr(return_address())
    }

    /// [`aligned_create`](Self::aligned_create) with a given return address.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `createAdvancedWithRetAddr` of Zig 0.17.1.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// use zigalloc::testing::{FailingAllocator, FailingConfig};
    ///
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig { fail_index: 0, ..Default::default() });
    /// assert!(failing.allocator().create_advanced_with_ret_addr::<u64, 64>(0x1234).is_err());
    /// assert_eq!(failing.return_address(), Some(0x1234));
    /// ```
    #[doc(alias = "createAdvancedWithRetAddr")]
    #[inline(always)]
    pub fn create_advanced_with_ret_addr<T, const ALIGN: usize>(
        self,
        return_address: usize,
    ) -> Result<AlignedPtr<T, ALIGN>, Error> {
        let alignment = AlignedPtr::<T, ALIGN>::ALIGNMENT;
        if size_of::<T>() == 0 {
            return Ok(AlignedPtr::new(highest(alignment.max(Alignment::of::<T>()))));
        }
        let memory = self.alloc_bytes_aligned(alignment, size_of::<T>(), return_address)?;
        Ok(AlignedPtr::new(memory.cast()))
    }

    /// Allocates memory for a value and moves the value there. Not in Zig.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the value is dropped.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let number = PAGE_ALLOCATOR.create_with(42)?;
    /// assert_eq!(unsafe { number.read() }, 42);
    /// unsafe { PAGE_ALLOCATOR.destroy(number) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// If there is no memory, the value is dropped:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::rc::Rc;
    /// # use zigalloc::{Allocator, heap::SMP_ALLOCATOR};
    /// let shared = Rc::new(());
    /// assert!(Allocator::FAILING.create_with(shared.clone()).is_err());
    /// assert_eq!(Rc::strong_count(&shared), 1);
    ///
    /// let copy = SMP_ALLOCATOR.create_with(shared.clone())?;
    /// assert_eq!(Rc::strong_count(&shared), 2);
    /// // SAFETY: `destroy` does not drop the value, so it is moved out first.
    /// drop(unsafe { copy.read() });
    /// unsafe { SMP_ALLOCATOR.destroy(copy) };
    /// assert_eq!(Rc::strong_count(&shared), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn create_with<T>(self, value: T) -> Result<NonNull<T>, Error> {
        let ptr = self.create_advanced_with_ret_addr::<T, 0>(return_address())?.as_non_null();
        // SAFETY: new memory for a `T`, or a well-aligned address for a zero-sized type.
        unsafe { ptr.write(value) };
        Ok(ptr)
    }

    /// Frees what [`create`](Self::create) or [`aligned_create`](Self::aligned_create) returned. It does not drop the
    /// value.
    ///
    /// # Safety
    /// - `ptr` is a [live block](crate::VTable#live-block) of this allocator, or points to a zero-sized type.
    /// - Its type, alignment included, is the one that it was created with.
    /// - It is not used afterwards.
    ///
    /// Ports `destroy` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let number = PAGE_ALLOCATOR.create_with(42)?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { PAGE_ALLOCATOR.destroy(number) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// The nodes of a list, freed one by one:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::ptr::NonNull;
    /// use zigalloc::{Allocator, Error, heap::PAGE_ALLOCATOR, testing::LedgerAllocator};
    ///
    /// struct Node {
    ///     number: u32,
    ///     next: Option<NonNull<Node>>,
    /// }
    ///
    /// /// Takes the first number, and frees its node.
    /// fn pop(allocator: Allocator<'_>, first: &mut Option<NonNull<Node>>) -> Option<u32> {
    ///     let node = (*first)?;
    ///     // SAFETY: a live node, which is read before it is freed and then no longer in the list.
    ///     let Node { number, next } = unsafe { node.read() };
    ///     unsafe { allocator.destroy(node) };
    ///     *first = next;
    ///     Some(number)
    /// }
    ///
    /// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    /// let mut first = None;
    /// for number in 1..=3 {
    ///     first = Some(ledger.allocator().create_with(Node { number, next: first })?);
    /// }
    /// assert_eq!(std::iter::from_fn(|| pop(ledger.allocator(), &mut first)).collect::<Vec<_>>(), [3, 2, 1]);
    /// ledger.assert_no_leaks();
    /// # Ok::<(), Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn destroy<P: ItemPtr>(self, ptr: P) {
        let memory = NonNull::slice_from_raw_parts(ptr.as_non_null_ptr().cast(), size_of::<P::Item>());
        if memory.is_empty() {
            return;
        }
        // SAFETY: a live block with matching length and alignment, not used afterwards, by our caller. `Allocator` is
        // not `Send`, so one thread uses this handle, or it is thread-safe.
        unsafe { self.raw_free(memory, P::ALIGNMENT, return_address()) };
    }
}
