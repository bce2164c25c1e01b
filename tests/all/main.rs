//! All integration tests that need no process of their own, in one binary.
//!
//! The comment above a test names the entries of `docs/surface.toml` that it shows.

#![cfg_attr(feature = "nightly", feature(allocator_api))]

mod adapters_04;
mod adapters_global;
mod adapters_nightly;
mod alignment;
mod allocator_api2;
mod arena;
mod auto_traits;
mod c_allocator;
mod check_failures;
mod conformance;
mod failing;
mod fixed_buffer;
mod interface;
mod mem;
mod page_allocator;
mod return_address;
mod rust_allocator;
mod shared_arena;
mod smp_allocator;
mod thread_safe;
mod util;
mod validation;
mod vtable;
