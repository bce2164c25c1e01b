//! An allocator that uses up a buffer before it asks another allocator.
//!
//! # Guarantees
//!
//! A request that fits into the buffer is served from it and costs no more than with a
//! [`FixedBufferAllocator`]; any other goes to the fallback, unchanged. So a function that mostly needs
//! little memory makes no call of a general allocator, and works when it needs more.
//!
//! A block stays where it is from: one in the buffer can grow there, and is never moved to the fallback by
//! [`remap`]. ([`realloc`] moves it, as it does with any block that cannot grow in its place.)
//!
//! # Layout
//!
//! ```text
//!   the buffer, yours                       the fallback's memory
//!   ├── block ──┤pad├── block ──┼─ free ─┤   ┌───────┐   ┌─────────┐
//!   0                       end_index  len   │ block │   │  block  │
//!                                            └───────┘   └─────────┘
//! ```
//!
//! There is no header. Which of the two a block is from is told by its address alone.
//!
//! # What it assumes of its fallback
//!
//! The [contract](crate::VTable#the-contract-of-an-allocator). It is given the caller's arguments as they are,
//! return address included.
//!
//! A fallback may even get its own memory from this allocator, as an arena over it does. What such a fallback hands out
//! can begin in the buffer, and then its address says that it is the buffer's: `free` would go to the wrong one. So a
//! block of the fallback that begins in the buffer goes back to the fallback at once, and the request is refused. If
//! the fallback's `remap` moves a block into the buffer, there is no way back, and the process aborts.
//!
//! # Threads
//!
//! One at a time; it is `Send` if the fallback's handle is.
//!
//! After a `fork` in its thread, the child has a copy of the buffer that works on, and what holds for the fallback holds
//! for the rest. If another thread was in the middle of a call, the copy must not be used.
//!
//! # Differences from Zig
//!
//! Those of the [fixed buffer](super::fixed_buffer). And Zig hands out a block of the fallback that begins in the
//! buffer, and frees it to the buffer.
//!
//! Ports `lib/std/heap/BufferFirstAllocator.zig` of Zig 0.17.1. Up to 0.16 Zig had
//! [`StackFallbackAllocator`](super::StackFallbackAllocator) instead, whose buffer is a part of it.
//!
//! [`remap`]: crate::VTable::remap
//! [`realloc`]: crate::Allocator::realloc

use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use super::fixed_buffer::FixedBufferAllocator;
use crate::alignment::Alignment;
use crate::allocator::{Allocator, AllocatorState, ChildAllocator};
use crate::vtable::{VTable, block};

/// An allocator that uses up a buffer before it asks another allocator; see the [module](self).
///
/// `C` is the fallback's handle: [`Allocator`] or [`SyncAllocator`](crate::SyncAllocator).
///
/// Ports `std.heap.BufferFirstAllocator` of Zig 0.17.1.
///
/// ```
/// use std::mem::MaybeUninit;
/// use zigalloc::heap::{BufferFirstAllocator, PAGE_ALLOCATOR};
///
/// let mut buffer = [const { MaybeUninit::uninit() }; 100];
/// let buffer_first = BufferFirstAllocator::init(&mut buffer, PAGE_ALLOCATOR);
/// let allocator = buffer_first.allocator();
///
/// let small = allocator.alloc::<u8>(80)?;
/// let large = allocator.alloc::<u8>(80)?; // no room is left for it
/// assert!(buffer_first.fixed_buffer_allocator().owns_slice(small));
/// assert!(!buffer_first.fixed_buffer_allocator().owns_slice(large));
/// unsafe { allocator.free(large) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.BufferFirstAllocator")]
pub struct BufferFirstAllocator<'b, C: ChildAllocator> {
    fallback_allocator: C,
    fixed_buffer_allocator: FixedBufferAllocator<'b>,
}

impl<'b, C: ChildAllocator> BufferFirstAllocator<'b, C> {
    const VTABLE: VTable = VTable {
        alloc: buffer_first_alloc::<C>,
        resize: buffer_first_resize::<C>,
        remap: buffer_first_remap::<C>,
        free: buffer_first_free::<C>,
    };

    /// An allocator over an empty `buffer` and a fallback.
    #[inline]
    pub const fn init(
        buffer: &'b mut [MaybeUninit<u8>],
        fallback_allocator: C,
    ) -> BufferFirstAllocator<'b, C> {
        let fixed_buffer_allocator = FixedBufferAllocator::init(buffer);
        BufferFirstAllocator { fallback_allocator, fixed_buffer_allocator }
    }

    /// A handle to this allocator. It can be taken any number of times, and resets nothing.
    #[inline]
    pub fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract, because the fixed buffer and the fallback do, and each
        // block goes back to the one that it is from. The handle borrows `self`.
        unsafe { Allocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }

    /// The buffer's allocator: how much is in use, and what is in it. Zig's field of that name.
    #[inline]
    pub fn fixed_buffer_allocator(&self) -> &FixedBufferAllocator<'b> {
        &self.fixed_buffer_allocator
    }

    /// Forgets all blocks in the buffer. Those of the fallback stay as they are: free them, or they leak.
    ///
    /// Zig's `fixed_buffer_allocator.reset()`.
    #[inline]
    pub fn reset(&mut self) {
        self.fixed_buffer_allocator.reset();
    }

    /// Whether the block begins in the buffer. No block of the fallback that was handed out does.
    #[inline]
    fn is_inside(&self, memory: NonNull<[u8]>) -> bool {
        self.fixed_buffer_allocator.owns_ptr(memory.as_ptr().cast())
    }

    /// A block of the fallback. Its address must not say that it is the buffer's.
    ///
    /// # Safety
    /// Clauses 2 and 5 of the contract.
    #[inline]
    unsafe fn alloc_outside(&self, len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        let fallback = self.fallback_allocator.handle();
        // SAFETY: the caller's promises.
        let memory = unsafe { fallback.raw_alloc(len, alignment, ret_addr) }?;
        let block = NonNull::slice_from_raw_parts(memory, len);
        if self.is_inside(block) {
            // SAFETY: a new block of the fallback, which nothing has used.
            unsafe { fallback.raw_free(block, alignment, ret_addr) };
            return None;
        }
        Some(memory)
    }

    /// # Safety
    /// Clauses 2 to 5 of the contract, for a block of the fallback.
    #[inline]
    unsafe fn remap_outside(
        &self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let fallback = self.fallback_allocator.handle();
        // SAFETY: the caller's promises.
        let moved = unsafe { fallback.raw_remap(memory, alignment, new_len, ret_addr) }?;
        // The old block is gone, so it is too late to refuse.
        assert!(
            !self.is_inside(NonNull::slice_from_raw_parts(moved, new_len)),
            "BufferFirstAllocator: the fallback's remap moved a block of {} bytes from {:?} to {moved:?}, into the \
             buffer of {} bytes",
            memory.len(),
            memory.cast::<u8>(),
            self.fixed_buffer_allocator.buffer().len()
        );
        Some(moved)
    }

    /// # Safety
    /// Clauses 2 and 5 of the contract.
    #[inline]
    unsafe fn alloc(&self, len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promises.
        let inside = unsafe { self.fixed_buffer_allocator.allocator().raw_alloc(len, alignment, ret_addr) };
        // SAFETY: as above.
        inside.or_else(|| unsafe { self.alloc_outside(len, alignment, ret_addr) })
    }

    /// # Safety
    /// Clauses 2 to 5 of the contract.
    #[inline]
    unsafe fn resize(
        &self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        // SAFETY: the block is one of the allocator that is asked.
        unsafe {
            if self.is_inside(memory) {
                self.fixed_buffer_allocator.allocator().raw_resize(memory, alignment, new_len, ret_addr)
            } else {
                self.fallback_allocator.handle().raw_resize(memory, alignment, new_len, ret_addr)
            }
        }
    }

    /// # Safety
    /// Clauses 2 to 5 of the contract.
    #[inline]
    unsafe fn remap(
        &self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: the block is one of the allocator that is asked.
        unsafe {
            if self.is_inside(memory) {
                self.fixed_buffer_allocator.allocator().raw_remap(memory, alignment, new_len, ret_addr)
            } else {
                self.remap_outside(memory, alignment, new_len, ret_addr)
            }
        }
    }

    /// # Safety
    /// Clauses 2 to 5 of the contract.
    #[inline]
    unsafe fn free(&self, memory: NonNull<[u8]>, alignment: Alignment, ret_addr: usize) {
        // SAFETY: the block is one of the allocator that is asked.
        unsafe {
            if self.is_inside(memory) {
                self.fixed_buffer_allocator.allocator().raw_free(memory, alignment, ret_addr);
            } else {
                self.fallback_allocator.handle().raw_free(memory, alignment, ret_addr);
            }
        }
    }
}

// SAFETY: 1. as `allocator` says. 2. The fixed buffer is its own, and the fallback is a handle: if it is
// `Send`, any thread may call it.
unsafe impl<C: ChildAllocator> AllocatorState for BufferFirstAllocator<'_, C> {
    fn allocator(&self) -> Allocator<'_> {
        BufferFirstAllocator::allocator(self)
    }
}

impl<C: ChildAllocator> fmt::Debug for BufferFirstAllocator<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferFirstAllocator")
            .field("fallback_allocator", &self.fallback_allocator)
            .field("fixed_buffer_allocator", &self.fixed_buffer_allocator)
            .finish()
    }
}

// ---- the functions of the table ----

/// # Safety
/// Clause 1 of the contract: `ctx` is the address that `allocator` took, whose borrow lasts.
#[inline(always)]
unsafe fn context<'s, C: ChildAllocator>(ctx: *mut ()) -> &'s BufferFirstAllocator<'s, C> {
    // SAFETY: the caller's promise; shared references are all that is ever made from it.
    unsafe { &*ctx.cast_const().cast() }
}

#[inline]
unsafe extern "C" fn buffer_first_alloc<C: ChildAllocator>(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    ret_addr: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: clauses 1, 2 and 5 of the contract.
    unsafe { context::<C>(ctx).alloc(len, alignment, ret_addr) }
}

#[inline]
unsafe extern "C" fn buffer_first_resize<C: ChildAllocator>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> bool {
    // SAFETY: clauses 1 to 5 of the contract.
    unsafe { context::<C>(ctx).resize(block(memory, memory_len), alignment, new_len, ret_addr) }
}

#[inline]
unsafe extern "C" fn buffer_first_remap<C: ChildAllocator>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: clauses 1 to 5 of the contract.
    unsafe { context::<C>(ctx).remap(block(memory, memory_len), alignment, new_len, ret_addr) }
}

#[inline]
unsafe extern "C" fn buffer_first_free<C: ChildAllocator>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    ret_addr: usize,
) {
    // SAFETY: clauses 1 to 5 of the contract.
    unsafe { context::<C>(ctx).free(block(memory, memory_len), alignment, ret_addr) };
}
