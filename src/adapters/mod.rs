//! Rust's allocator traits: handles that speak them, and handles to what speaks them.
//!
//! | trait | a handle of this crate as one | one as a handle of this crate |
//! |---|---|---|
//! | `allocator-api2` 0.2: hashbrown, bumpalo | [`Allocator`](crate::Allocator) and [`SyncAllocator`](crate::SyncAllocator) implement it | `allocator_api2_02::FromAllocator` |
//! | `allocator-api2` 0.4: blink-alloc, bump-scope | the same, feature `allocator-api2-04` | `allocator_api2_04::FromAllocator` |
//! | nightly's `core::alloc::Allocator`: `Vec`, `Box` | the same, feature `nightly` | `nightly::FromAllocator` |
//! | `GlobalAlloc`: `#[global_allocator]`, mimalloc | [`GlobalAllocator`] | [`FromGlobalAlloc`] |
//!
//! `docs/adapters.md` shows each of them at work.
//!
//! # How a trait's calls become those of the vtable
//!
//! | `Allocator` | `GlobalAlloc` | the [`VTable`](crate::VTable) |
//! |---|---|---|
//! | `allocate` | `alloc` | `alloc` |
//! | `allocate_zeroed` | `alloc_zeroed` | `alloc`, and zeros are written |
//! | `deallocate` | `dealloc` | `free` |
//! | `grow`, `shrink` with the same alignment | `realloc` | `remap`; if it refuses: `alloc`, copy, `free` |
//! | `grow`, `shrink` with another alignment | | `alloc`, copy, `free` |
//! | `grow_zeroed` | | as `grow`, and zeros are written behind the old length |
//!
//! A layout of size zero is no block and never reaches the vtable: to allocate one gives an aligned
//! address with no memory behind it, to free it does nothing, to grow it allocates, and to shrink to
//! it frees. As everywhere in this crate the address is the highest one, where a wrong use faults.
//!
//! A smaller alignment moves a block too, although its address would do. The
//! [contract](crate::VTable#the-contract-of-an-allocator) (clause live-block) matches a block by the
//! alignment that it was allocated with, and the trait tells the new one when it frees.
//!
//! No slice is longer than its layout asked for, although the trait allows it: the length that a
//! container may give back must be the one that the allocator knows. For the same reason `shrink`
//! fails, with the block as it was, if `remap` refuses and there is no memory for a copy.
//!
//! Zeros are always written: no allocator of the contract promises that its memory is zero.
//!
//! Nothing is filled with 0xAA, as nothing is in the `raw_*` functions. The return address is one in
//! the function of the container that these methods are inlined into, or in what that one is inlined into; it is 0
//! under `#[global_allocator]`, where the caller is always a function that the compiler makes.
//!
//! # Out of memory
//!
//! A container's infallible methods (`push`, `insert`) end the program or panic when memory runs
//! out, as with any allocator. `try_reserve` first, and they have what they need.
//!
//! Not in Zig, whose containers take a `std.mem.Allocator` as it is.

// Of these, a build without any of the traits needs only a part.
#[cfg_attr(
    not(any(feature = "allocator-api2-02", feature = "allocator-api2-04", feature = "nightly")),
    allow(dead_code)
)]
mod blocks;

// `allocator_trait.rs` is the source of a module in each of the three.
#[cfg(feature = "allocator-api2-02")]
pub mod allocator_api2_02;
#[cfg(feature = "allocator-api2-04")]
pub mod allocator_api2_04;
#[cfg(feature = "nightly")]
pub mod nightly;

pub mod from_global_alloc;
pub mod global_allocator;

pub use from_global_alloc::FromGlobalAlloc;
pub use global_allocator::GlobalAllocator;
