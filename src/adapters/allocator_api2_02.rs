//! The `Allocator` trait of `allocator-api2` 0.2, in both directions.
//!
//! # Containers in any allocator
//!
//! This is the trait that `hashbrown`, `bumpalo` and the `Vec` and `Box` of `allocator-api2` itself
//! take on stable Rust. [`Allocator`](crate::Allocator) and [`SyncAllocator`](crate::SyncAllocator) implement
//! it. A container keeps a copy of the handle, which borrows the allocator's state, so a container that outlives its
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
//! [`adapters`](super) shows how its calls map to the vtable.
//!
//! # A handle to any such allocator
//!
//! [`FromAllocator`] is the other direction: it turns `bumpalo`'s `&Bump`, and every other type that implements the
//! trait, into an [`Allocator`](crate::Allocator).
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
//! # With the feature `nightly` of allocator-api2
//!
//! That feature makes the crate's trait the compiler's own. If a program enables it, use this crate with its feature
//! `nightly` and without `allocator-api2`: the trait is implemented once, in `adapters::nightly`.

use allocator_api2_02::alloc as api;

#[path = "allocator_trait.rs"]
mod allocator_trait;

pub use allocator_trait::FromAllocator;
