//! Zig's allocator interface as an explicit C-ABI vtable, and Zig's `std.heap` behind it.
#![cfg_attr(not(feature = "std"), no_std)]
#![warn(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod alignment;
mod error;
pub mod heap;
pub mod interface;
pub mod mem;
mod return_address;
pub mod slice;
pub mod testing;
#[cfg(feature = "std")]
pub mod thread_safe;
pub mod vtable;
mod writer;

pub use alignment::{Alignment, AlignmentError, CompareOperator};
pub use error::Error;
pub use return_address::return_address;
pub use slice::{AlignedPtr, AlignedSlice, Allocation, NoSentinel, Sentinel, SentinelSlice, SingleItem};
#[cfg(feature = "std")]
pub use thread_safe::ThreadSafeAllocator;
pub use vtable::{
    Allocator, AllocatorState, ChildAllocator, SyncAllocator, VTable, no_alloc, no_free, no_remap, no_resize,
};
