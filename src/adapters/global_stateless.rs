//! `GlobalAlloc` for the types without state that can be the `#[global_allocator]`.
//!
//! Each is the constant of [`GlobalAllocator`] for the same allocator, whose documentation says what it costs and where
//! it works: under Miri, and where pages are on the heap, that is the system's allocator. So a block that a program got
//! from its global allocator is freed there, and not through a handle or a container's trait.

use core::alloc::{GlobalAlloc, Layout};

use super::GlobalAllocator;
#[cfg(any(unix, windows, target_os = "wasi"))]
use crate::heap::CAllocator;
use crate::heap::{PageAllocator, SmpAllocator};

/// Implements `GlobalAlloc` for a type with the functions of a constant. (Rust allows no blanket implementation of a
/// trait from another crate.)
macro_rules! implement_as {
    ($type:ty, $global:expr) => {
        #[doc = concat!("The functions of `", stringify!($global), "`. Its blocks are not blocks of the handle.")]
        // SAFETY: every value of the type has the functions of one constant, which keeps the contract.
        unsafe impl GlobalAlloc for $type {
            #[inline]
            unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
                // SAFETY: our caller passes what the same function of the constant requires.
                unsafe { $global.alloc(layout) }
            }

            #[inline]
            unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
                // SAFETY: our caller passes what the same function of the constant requires.
                unsafe { $global.alloc_zeroed(layout) }
            }

            #[inline]
            unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
                // SAFETY: our caller passes a live block of the constant, and what else the same function requires.
                unsafe { $global.dealloc(ptr, layout) };
            }

            #[inline]
            unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
                // SAFETY: our caller passes a live block of the constant, and what else the same function requires.
                unsafe { $global.realloc(ptr, layout, new_size) }
            }
        }
    };
}

implement_as!(SmpAllocator, GlobalAllocator::SMP);
implement_as!(PageAllocator, GlobalAllocator::PAGE);
#[cfg(any(unix, windows, target_os = "wasi"))]
implement_as!(CAllocator, GlobalAllocator::C);
