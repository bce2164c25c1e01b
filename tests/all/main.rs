//! The tests of the library: the tree of `src`, with `contract` for what holds for every allocator, and `meta` for what
//! holds for sources and documentation.
//!
//! The comment above a test names the entries of `docs/surface.toml` that it shows.

#![cfg_attr(feature = "nightly", feature(allocator_api))]

mod adapters;
mod alignment;
mod contract;
mod ghostty_screens;
mod heap;
mod interface;
mod mem;
mod meta;
mod return_address;
mod testing;
mod thread_safe;
mod trace;
mod vtable;
