//! Sources of memory that only grows.

use core::ptr::NonNull;

use super::BIG_PAGE;
use crate::alignment::Alignment;
use crate::heap::FixedBufferAllocator;

/// A source of memory that only grows, for a [`SbrkAllocator`](super::SbrkAllocator).
///
/// In Zig's `SbrkAllocator`, it is a function from a number of bytes to an address, with 0 for failure.
///
/// # Safety
///
/// 1. [`sbrk`](Self::sbrk) returns a pointer to `bytes` bytes that are valid for reads and writes as long as the
///    source exists, even if the source is moved or sent to another thread. The bytes are used by nothing else and do
///    not overlap those of an earlier call.
/// 2. The pointer's address is a multiple of 64 KiB.
/// 3. [`whole`](Self::whole) returns a pointer to the address it is given, valid for everything that the call of
///    `sbrk` returned that the address is part of.
/// 4. Neither function calls the allocator above it.
///
/// ```
/// use std::mem::MaybeUninit;
/// use std::ptr::NonNull;
/// use zigalloc::heap::{FixedBufferAllocator, Sbrk, SbrkAllocator};
///
/// /// A source that reports each growth.
/// struct Tells<'b>(FixedBufferAllocator<'b>);
///
/// // SAFETY: forwards to the fixed buffer.
/// unsafe impl Sbrk for Tells<'_> {
///     // Returns Zig's addresses: the rest of each 64 KiB is not used.
///     const SLAB_LEN: usize = 4096;
///
///     fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
///         println!("{bytes} bytes more");
///         self.0.sbrk(bytes)
///     }
///
///     unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
///         unsafe { self.0.whole(memory) }
///     }
/// }
///
/// let mut buffer = vec![MaybeUninit::uninit(); 128 << 10];
/// let sbrk = SbrkAllocator::init(Tells(FixedBufferAllocator::init(&mut buffer)));
/// assert!(sbrk.allocator().alloc::<u8>(100).is_ok()); // 65536 bytes more
/// ```
///
/// A source with a limit, so that one part of a program cannot take all of it:
///
/// ```
/// use std::mem::MaybeUninit;
/// use std::ptr::NonNull;
/// use zigalloc::heap::{FixedBufferAllocator, Sbrk, SbrkAllocator};
///
/// struct Limited<S> {
///     source: S,
///     left: usize,
/// }
///
/// // SAFETY: the memory is that of `source`, which keeps the rules.
/// unsafe impl<S: Sbrk> Sbrk for Limited<S> {
///     const SLAB_LEN: usize = S::SLAB_LEN;
///
///     fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
///         let left = self.left.checked_sub(bytes)?;
///         let memory = self.source.sbrk(bytes)?;
///         self.left = left;
///         Some(memory)
///     }
///
///     unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
///         // SAFETY: an address in memory of `source`, by our caller.
///         unsafe { self.source.whole(memory) }
///     }
/// }
///
/// let mut buffer = vec![MaybeUninit::uninit(); 256 << 10];
/// let source = Limited { source: FixedBufferAllocator::init(&mut buffer), left: 64 << 10 };
/// let sbrk = SbrkAllocator::init(source);
/// assert!(sbrk.allocator().alloc::<u8>(100).is_ok());
/// assert!(sbrk.allocator().alloc::<u8>(10_000).is_err(), "another size class needs another 64 KiB");
/// assert_eq!(sbrk.into_source().left, 0);
/// ```
pub unsafe trait Sbrk: Send {
    /// How many bytes of each 64 KiB are cut into blocks of up to 32 KiB. When the next block would start at a
    /// multiple of `SLAB_LEN`, the allocator starts another 64 KiB. Must be a power of two of at most 64 KiB;
    /// anything else does not compile.
    ///
    /// 64 KiB wastes nothing, as in Zig's `WasmAllocator` and `BrkAllocator`. Zig's `SbrkAllocator` uses the system's
    /// page size, 4096 on most systems.
    ///
    /// ```
    /// # use zigalloc::heap::{FixedBufferAllocator, Sbrk};
    /// assert_eq!(FixedBufferAllocator::SLAB_LEN, 64 << 10);
    /// ```
    const SLAB_LEN: usize;

    /// Returns `bytes` bytes of new memory, or `None`. `bytes` is a multiple of 64 KiB and at most `isize::MAX`. The
    /// memory may be uninitialised. It need not follow that of the previous call.
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::{FixedBufferAllocator, Sbrk};
    /// let mut buffer = vec![MaybeUninit::uninit(); 256 << 10];
    /// let mut source = FixedBufferAllocator::init(&mut buffer);
    /// let memory = source.sbrk(64 << 10).unwrap();
    /// assert_eq!(memory.addr().get() % (64 << 10), 0);
    /// assert!(source.sbrk(256 << 10).is_none(), "there is less left");
    /// ```
    fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>>;

    /// Returns a pointer to the same address that is valid for all of the memory around it. The provenance of
    /// `memory` may be narrower (after a `Box`, for example). See [`NonNull::with_addr`] and
    /// [`with_exposed_provenance_mut`](core::ptr::with_exposed_provenance_mut).
    ///
    /// # Safety
    /// `memory` is an address inside memory that `sbrk` has returned.
    ///
    /// A source over a fixed region, as on a microcontroller, derives it from its pointer to the whole region:
    ///
    /// ```
    /// use std::ptr::NonNull;
    /// use zigalloc::heap::{Sbrk, SbrkAllocator};
    ///
    /// const BIG_PAGE: usize = 64 << 10;
    ///
    /// /// A region that starts at a multiple of 64 KiB.
    /// struct Region {
    ///     start: NonNull<u8>,
    ///     len: usize,
    ///     used: usize,
    /// }
    ///
    /// // SAFETY: only this source has the region.
    /// unsafe impl Send for Region {}
    /// // SAFETY: `used` only grows, in steps of 64 KiB; the start is a multiple of that, and its pointer reaches
    /// // all of the region.
    /// unsafe impl Sbrk for Region {
    ///     const SLAB_LEN: usize = BIG_PAGE;
    ///
    ///     fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
    ///         if bytes > self.len - self.used {
    ///             return None;
    ///         }
    ///         // SAFETY: `used` is inside the region.
    ///         let memory = unsafe { self.start.add(self.used) };
    ///         self.used += bytes;
    ///         Some(memory)
    ///     }
    ///
    ///     unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
    ///         self.start.with_addr(memory.addr())
    ///     }
    /// }
    ///
    /// #[repr(align(0x10000))]
    /// struct Memory([u8; 2 * BIG_PAGE]);
    /// static mut MEMORY: Memory = Memory([0; 2 * BIG_PAGE]);
    ///
    /// let start = NonNull::new((&raw mut MEMORY).cast()).unwrap();
    /// let sbrk = SbrkAllocator::init(Region { start, len: 2 * BIG_PAGE, used: 0 });
    /// let memory = sbrk.allocator().alloc::<u8>(100)?;
    /// assert_eq!(memory.addr(), start.addr());
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8>;
}

// SAFETY: 1. The blocks of a fixed buffer are disjoint and stay until they are freed. The buffer is borrowed for
// longer than this exists, so moving this does not matter. 2. They have the requested alignment. 3. The buffer's
// pointer covers all of it. 4. It uses no other allocator.
unsafe impl Sbrk for FixedBufferAllocator<'_> {
    const SLAB_LEN: usize = BIG_PAGE;

    fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        const ALIGNMENT: Alignment = Alignment::from_byte_units(BIG_PAGE);
        if bytes == 0 {
            return None;
        }
        // SAFETY: the length is not zero, and the exclusive borrow rules out other threads.
        unsafe { FixedBufferAllocator::allocator(self).raw_alloc(bytes, ALIGNMENT, 0) }
    }

    #[inline]
    unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
        self.buffer().cast::<u8>().with_addr(memory.addr())
    }
}

/// The memory of a WebAssembly program, which grows by pages of 64 KiB, as a source for a
/// [`SbrkAllocator`](super::SbrkAllocator). Together they are Zig's `WasmAllocator`.
///
/// Any number of them can exist, beside other users of `memory.grow`: each growth belongs to its caller.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{MemoryGrow, SbrkAllocator};
///
/// static HEAP: SbrkAllocator<MemoryGrow> = SbrkAllocator::init(MemoryGrow);
/// assert!(HEAP.allocator().alloc::<u8>(100).is_ok());
/// ```
#[cfg(all(target_arch = "wasm32", not(target_os = "emscripten")))]
#[derive(Clone, Copy, Debug)]
pub struct MemoryGrow;

// SAFETY: 1. New pages are used by nothing else, and memory never shrinks. 2. Pages are 64 KiB long. 3. Memory from
// outside Rust is exposed. 4. No allocator is called.
#[cfg(all(target_arch = "wasm32", not(target_os = "emscripten")))]
unsafe impl Sbrk for MemoryGrow {
    const SLAB_LEN: usize = BIG_PAGE;

    fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        let pages = bytes / BIG_PAGE;
        let first = core::arch::wasm32::memory_grow::<0>(pages);
        // No page may end at the end of the address space: the address after it would wrap to 0.
        if first == usize::MAX || first + pages > usize::MAX / BIG_PAGE {
            return None;
        }
        NonNull::new(core::ptr::with_exposed_provenance_mut(first * BIG_PAGE))
    }

    #[inline]
    unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
        // SAFETY: the address is not null.
        unsafe { NonNull::new_unchecked(core::ptr::with_exposed_provenance_mut(memory.addr().get())) }
    }
}
