//! Rust's allocator traits, in both directions: handles implement them, and their implementers become handles.
//!
//! | trait | from a handle to the trait | from the trait to a handle |
//! |---|---|---|
//! | `allocator-api2` 0.2: hashbrown, bumpalo | [`Allocator`](crate::Allocator) and [`SyncAllocator`](crate::SyncAllocator) implement it | `allocator_api2_02::FromAllocator` |
//! | `allocator-api2` 0.4: blink-alloc, bump-scope | the same, feature `allocator-api2-04` | `allocator_api2_04::FromAllocator` |
//! | nightly's `core::alloc::Allocator`: `Vec`, `Box` | the same, feature `nightly` | `nightly::FromAllocator` |
//! | `GlobalAlloc`: `#[global_allocator]`, mimalloc | [`GlobalAllocator`] | [`FromGlobalAlloc`] |
//!
//! The [types without state](crate::Stateless) (`SmpAllocator`, `PageAllocator` …) implement the traits too, and those that
//! can be the global allocator `GlobalAlloc`.
//!
//! And C's `malloc` family over any handle: [`Malloc`].
//!
//! `docs/adapters.md` has an example of each.
//!
//! # How the traits map to the vtable
//!
//! | `Allocator` | `GlobalAlloc` | the [`VTable`](crate::VTable) |
//! |---|---|---|
//! | `allocate` | `alloc` | `alloc` |
//! | `allocate_zeroed` | `alloc_zeroed` | `alloc`, then writes zeros |
//! | `deallocate` | `dealloc` | `free` |
//! | `grow`, `shrink` with the same alignment | `realloc` | `remap`; if it refuses: `alloc`, copy, `free` |
//! | `grow`, `shrink` with another alignment | | `alloc`, copy, `free` |
//! | `grow_zeroed` | | as `grow`, then writes zeros after the old length |
//!
//! A layout of size zero is not a block and never reaches the vtable: allocating one returns an aligned
//! address without memory, freeing it does nothing, growing it allocates, and shrinking to
//! it frees. As everywhere in this crate the address is the highest one, so that using it faults.
//!
//! Changing to a smaller alignment moves the block too, although its address would satisfy it. The
//! [contract](crate::VTable#the-contract-of-an-allocator) (clause live-block) matches a block by the
//! alignment that it was allocated with, but the trait passes the new one to `deallocate`.
//!
//! No slice is longer than its layout requested, although the trait allows it: a container may pass the
//! slice's length back, and the allocator must recognise it. For the same reason `shrink`
//! fails, and leaves the block unchanged, if `remap` refuses and there is no memory for a copy.
//!
//! The contract does not promise zeroed memory, so a handle's `allocate_zeroed` writes zeros. The types without state and
//! the constants of [`GlobalAllocator`] do not write to memory that is known to be zero
//! ([`raw_alloc_zeroed`](crate::Stateless::raw_alloc_zeroed)). After a growth, zeros are always written.
//!
//! Nothing is filled with 0xAA, as in the `raw_*` functions. The return address is inside the container's function that
//! these methods are inlined into, or inside the function which that one is inlined into. Under
//! `#[global_allocator]` it is 0, since the caller is always a shim that the compiler generates.
//!
//! Lists, a map and a box of two crates in one arena, which frees them all at once:
//!
#![cfg_attr(all(feature = "std", feature = "allocator-api2-02"), doc = "```")]
#![cfg_attr(not(all(feature = "std", feature = "allocator-api2-02")), doc = "```ignore")]
//! use allocator_api2_02::{boxed::Box, vec::Vec};
//! use hashbrown::HashMap;
//! use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
//!
//! let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
//! {
//!     let allocator = arena.allocator();
//!     let mut index: HashMap<&str, Vec<usize, _>, _, _> = HashMap::new_in(allocator);
//!     for (at, word) in "to be or not to be".split(' ').enumerate() {
//!         index.entry(word).or_insert_with(|| Vec::new_in(allocator)).push(at);
//!     }
//!     assert_eq!((index["be"].as_slice(), index["not"].as_slice()), (&[1, 5][..], &[3][..]));
//!     let longest = Box::new_in(index.keys().map(|word| word.len()).max(), allocator);
//!     assert_eq!(*longest, Some(3));
//! }
//! assert!(arena.reset(ResetMode::RetainCapacity));
//! ```
//!
//! `try_reserve` returns the error, and the insertion after it allocates nothing:
//!
#![cfg_attr(all(feature = "std", feature = "allocator-api2-02"), doc = "```")]
#![cfg_attr(not(all(feature = "std", feature = "allocator-api2-02")), doc = "```ignore")]
//! use hashbrown::HashMap;
//! use zigalloc::{Allocator, Error};
//!
//! fn insert<'a>(map: &mut HashMap<u32, u32, hashbrown::DefaultHashBuilder, Allocator<'a>>) -> Result<(), Error> {
//!     map.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
//!     map.insert(1, 2); // no allocation
//!     Ok(())
//! }
//!
//! let mut map = HashMap::new_in(Allocator::FAILING);
//! assert_eq!(insert(&mut map), Err(Error::OutOfMemory));
//! assert!(map.is_empty(), "and no abort");
//! ```
//!
//! # Out of memory
//!
//! A container's infallible methods (`push`, `insert`) abort or panic when memory runs
//! out, as with any allocator. Call `try_reserve` first; they then need no more memory.
//!
//! Not in Zig, whose containers take a `std.mem.Allocator` directly.

// A build without any of the traits needs only a part of these.
#[cfg_attr(
    not(any(feature = "allocator-api2-02", feature = "allocator-api2-04", feature = "nightly")),
    allow(dead_code)
)]
mod blocks;

// `allocator_trait.rs` is compiled as a submodule of each of the three.
#[cfg(feature = "allocator-api2-02")]
pub mod allocator_api2_02;
#[cfg(feature = "allocator-api2-04")]
pub mod allocator_api2_04;
#[cfg(feature = "nightly")]
pub mod nightly;

pub mod from_global_alloc;
pub mod global_allocator;
#[cfg(feature = "std")]
mod global_stateless;
pub mod malloc;

pub use from_global_alloc::FromGlobalAlloc;
pub use global_allocator::GlobalAllocator;
pub use malloc::{Malloc, MallocError};
