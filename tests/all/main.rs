//! Tests of the library. The modules follow the tree of `src`. `contract` has the tests that apply to every
//! allocator, and `meta` those of sources and documentation.
//!
//! The comment above a test names the entries of `docs/surface.toml` that it covers.

#![cfg_attr(feature = "nightly", feature(allocator_api))]

mod adapters;
mod alignment;
#[cfg(all(feature = "std", feature = "collections"))]
mod collections;
mod contract;
mod ghostty_screens;
mod heap;
mod interface;
mod mem;
#[cfg(feature = "std")]
mod mem_slices;
mod meta;
mod return_address;
mod testing;
mod thread_safe;
mod trace;
mod vtable;
