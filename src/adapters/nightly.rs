//! The `Allocator` trait of the nightly compiler, in both directions.
//!
//! This is `core::alloc::Allocator`, which the standard library's own `Vec`, `Box`, `Rc` and maps take. It is
//! unstable, and so is this module: it follows the newest compiler's version of the trait. Here is the standard
//! library's vector in an arena, over the standard library's allocator:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! #![feature(allocator_api)]
//!
//! use std::alloc::System;
//! use zigalloc::adapters::nightly::FromAllocator;
//! use zigalloc::heap::ArenaAllocator;
//!
//! static SYSTEM: FromAllocator<System> = FromAllocator::new(System);
//! let arena = ArenaAllocator::init(SYSTEM.thread_safe_allocator());
//! let mut numbers = Vec::new_in(arena.allocator());
//! numbers.extend(0..100);
//! assert_eq!(numbers.iter().sum::<i32>(), 4950);
//! ```
//!
//! [`adapters`](super) shows how its calls map to the vtable.

use core::alloc as api;

#[path = "allocator_trait.rs"]
#[allow(clippy::duplicate_mod, reason = "the same text for another trait")]
mod allocator_trait;

pub use allocator_trait::FromAllocator;
