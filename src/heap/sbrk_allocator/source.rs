//! Sources of memory that only grows.

use core::ptr::NonNull;

use super::BIG_PAGE;
use crate::alignment::Alignment;
use crate::heap::FixedBufferAllocator;

/// A source of memory that only grows, for a [`SbrkAllocator`](super::SbrkAllocator).
///
/// Zig's `SbrkAllocator` takes a function from a number of bytes to an address, which is 0 for a failure.
///
/// # Safety
///
/// 1. What [`sbrk`](Self::sbrk) returns points to `bytes` bytes that are valid for reads and writes as
///    long as the source exists, even if it is moved meanwhile, or is sent to another thread. They are
///    nobody else's, and no part of what an earlier call has returned.
/// 2. Its address is a multiple of 64 KiB.
/// 3. [`whole`](Self::whole) returns a pointer with the address it is given, which may access everything that
///    the call of `sbrk` returned that the address is part of.
/// 4. Neither function calls the allocator above it.
///
/// ```
/// use std::mem::MaybeUninit;
/// use std::ptr::NonNull;
/// use zigalloc::heap::{FixedBufferAllocator, Sbrk, SbrkAllocator};
///
/// /// A source that says how often it grows.
/// struct Tells<'b>(FixedBufferAllocator<'b>);
///
/// // SAFETY: it does what the fixed buffer does.
/// unsafe impl Sbrk for Tells<'_> {
///     // As many addresses as Zig's: the rest of each 64 KiB is not used.
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
pub unsafe trait Sbrk: Send {
    /// How many bytes of each 64 KiB blocks of up to 32 KiB are made of: when the next one would begin at a
    /// multiple of this address, the allocator begins another 64 KiB. A power of two; anything else does
    /// not compile.
    ///
    /// 64 KiB wastes nothing, as in Zig's `WasmAllocator` and `BrkAllocator`. Zig's `SbrkAllocator` has the
    /// system's page size, which is 4096 on most systems.
    const SLAB_LEN: usize;

    /// `bytes` bytes of new memory, or `None`. They are a multiple of 64 KiB, and at most `isize::MAX`.
    /// They may be uninitialised. They need not lie behind what the last call returned.
    fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>>;

    /// A pointer with the same address that reaches all of the memory around it, where that of a caller may
    /// reach less (a `Box` narrows its pointer). See [`NonNull::with_addr`] and
    /// [`with_exposed_provenance_mut`](core::ptr::with_exposed_provenance_mut).
    ///
    /// # Safety
    /// `memory` is an address inside of what `sbrk` has returned.
    unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8>;
}

// SAFETY: 1. The blocks of a fixed buffer are disjoint, and those that are not given back stay. The buffer is
// borrowed for longer than this exists, so no move of it matters. 2. They are aligned as asked. 3. The
// buffer's pointer reaches all of it. 4. It knows no other allocator.
unsafe impl Sbrk for FixedBufferAllocator<'_> {
    const SLAB_LEN: usize = BIG_PAGE;

    fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        const ALIGNMENT: Alignment = Alignment::from_byte_units(BIG_PAGE);
        if bytes == 0 {
            return None;
        }
        // SAFETY: the length is not zero, and the exclusive borrow keeps other threads out.
        unsafe { FixedBufferAllocator::allocator(self).raw_alloc(bytes, ALIGNMENT, 0) }
    }

    #[inline]
    unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
        self.buffer().cast::<u8>().with_addr(memory.addr())
    }
}

/// The memory of a WebAssembly program, which grows by pages of 64 KiB; a source for a
/// [`SbrkAllocator`](super::SbrkAllocator), which is Zig's `WasmAllocator` then.
///
/// There can be any number of them, beside other users of `memory.grow`: each growth is one's own.
///
/// ```
/// use zigalloc::heap::{MemoryGrow, SbrkAllocator};
///
/// static HEAP: SbrkAllocator<MemoryGrow> = SbrkAllocator::init(MemoryGrow);
/// assert!(HEAP.allocator().alloc::<u8>(100).is_ok());
/// ```
#[cfg(all(target_arch = "wasm32", not(target_os = "emscripten")))]
#[derive(Clone, Copy, Debug)]
pub struct MemoryGrow;

// SAFETY: 1. New pages are nobody else's, and memory never shrinks. 2. They are of 64 KiB. 3. Memory that comes
// from outside of Rust is exposed. 4. No allocator is called.
#[cfg(all(target_arch = "wasm32", not(target_os = "emscripten")))]
unsafe impl Sbrk for MemoryGrow {
    const SLAB_LEN: usize = BIG_PAGE;

    fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        let pages = bytes / BIG_PAGE;
        let first = core::arch::wasm32::memory_grow::<0>(pages);
        // No page may end where addresses do: the address behind it would be 0.
        if first == usize::MAX || first + pages > usize::MAX / BIG_PAGE {
            return None;
        }
        NonNull::new(core::ptr::with_exposed_provenance_mut(first * BIG_PAGE))
    }

    #[inline]
    unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
        // SAFETY: an address that is not null.
        unsafe { NonNull::new_unchecked(core::ptr::with_exposed_provenance_mut(memory.addr().get())) }
    }
}
