//! The `Allocator` trait of `allocator-api2` 0.4, in both directions.
//!
//! To Rust it is another trait than that of version 0.2, and just the same to read. The `Vec` and `Box` of
//! the crate, `bump-scope` and `blink-alloc` take it.
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use allocator_api2_04::vec::Vec;
//! use zigalloc::adapters::allocator_api2_04::FromAllocator;
//! use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
//!
//! // A container in an arena.
//! let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
//! let mut numbers = Vec::new_in(arena.allocator());
//! numbers.extend([1, 2, 3]);
//! assert!(arena.query_capacity() > 0);
//!
//! // An arena of another crate as an allocator.
//! let blink = blink_alloc::BlinkAlloc::new();
//! let adapter = FromAllocator::new(&blink);
//! let memory = adapter.allocator().dupe(&numbers)?;
//! assert_eq!(unsafe { memory.as_ref() }, [1, 2, 3]);
//! # Ok::<(), zigalloc::Error>(())
//! ```
//!
//! How its calls become those of the vtable is in [`adapters`](super).

use allocator_api2_04::alloc as api;

#[path = "allocator_trait.rs"]
#[allow(clippy::duplicate_mod, reason = "the same text for another trait")]
mod allocator_trait;

pub use allocator_trait::FromAllocator;
