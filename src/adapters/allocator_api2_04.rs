//! The `Allocator` trait of `allocator-api2` 0.4, in both directions.
//!
//! To Rust it is a different trait from that of version 0.2, although it reads the same. The `Vec` and `Box` of
//! the crate, `bump-scope` and `blink-alloc` take it. Here is an arena over another crate's arena, with a vector
//! in it:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use allocator_api2_04::vec::Vec;
//! use blink_alloc::BlinkAlloc;
//! use zigalloc::adapters::allocator_api2_04::FromAllocator;
//! use zigalloc::heap::ArenaAllocator;
//!
//! let blink = BlinkAlloc::new();
//! let arena = ArenaAllocator::init(FromAllocator::from_ref(&blink).allocator());
//! let mut numbers = Vec::new_in(arena.allocator());
//! numbers.extend(0..100);
//! assert_eq!(numbers.iter().sum::<i32>(), 4950);
//! ```
//!
//! [`adapters`](super) shows how its calls map to the vtable.

use allocator_api2_04::alloc as api;

#[path = "allocator_trait.rs"]
#[allow(clippy::duplicate_mod, reason = "the same text for another trait")]
mod allocator_trait;

pub use allocator_trait::FromAllocator;
