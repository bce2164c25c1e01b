//! The `Allocator` trait of `allocator-api2` 0.2, in both directions.
//!
//! # Containers in any allocator
//!
//! It is the trait that `hashbrown`, `bumpalo` and the `Vec` and `Box` of `allocator-api2` itself
//! take on stable Rust. [`Allocator`](crate::Allocator) and [`SyncAllocator`](crate::SyncAllocator) implement
//! it. A container keeps a copy of the handle, so it borrows the allocator's state: one that outlives its
//! arena does not compile.
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use hashbrown::HashMap;
//! use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
//!
//! let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
//! let mut counts = HashMap::new_in(arena.allocator());
//! for word in ["a", "rose", "is", "a", "rose"] {
//!     *counts.entry(word).or_insert(0) += 1;
//! }
//! assert_eq!(counts["rose"], 2);
//! assert!(arena.query_capacity() > 0);
//! ```
//!
//! How its calls become those of the vtable is in [`adapters`](super).
//!
//! # Any allocator behind a handle
//!
//! [`FromAllocator`] is the way back: `bumpalo`'s `&Bump` and whatever else implements the trait, as an
//! [`Allocator`](crate::Allocator).
//!
//! ```
//! use zigalloc::adapters::allocator_api2_02::FromAllocator;
//!
//! let bump = bumpalo::Bump::new();
//! let adapter = FromAllocator::new(&bump);
//! let memory = adapter.allocator().dupe(b"in the bump")?;
//! assert_eq!(unsafe { memory.as_ref() }, b"in the bump");
//! assert!(bump.allocated_bytes() > 0);
//! # Ok::<(), zigalloc::Error>(())
//! ```
//!
//! # With that crate's feature `nightly`
//!
//! Then the crate's trait is the compiler's own. If a program turns that on, use this crate with its feature
//! `nightly` and without `allocator-api2`: the trait is implemented once, in `adapters::nightly`.

use allocator_api2_02::alloc as api;

#[path = "allocator_trait.rs"]
mod allocator_trait;

pub use allocator_trait::FromAllocator;
