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
mod brk_allocator;
mod buffer_first;
mod c_allocator;
mod check_failures;
mod checkpoint;
mod conformance;
mod counting;
mod debug_allocator;
mod documents;
#[cfg(feature = "std")]
mod exits;
mod failing;
mod fallback_in_buffer;
mod fixed_buffer;
mod ghostty_screens;
mod interface;
mod layers;
#[cfg(all(feature = "std", feature = "lock_api"))]
mod locked;
mod logging;
mod mem;
mod memory_pool;
#[cfg(feature = "std")]
mod out_of_memory;
mod page_allocator;
mod page_limits;
#[cfg(feature = "std")]
mod panic_place;
#[cfg(feature = "std")]
mod reentrance;
mod return_address;
mod rust_allocator;
mod sbrk_allocator;
mod shared_arena;
mod smp_allocator;
mod stack_fallback;
mod thread_safe;
mod tight_memory;
mod util;
mod validation;
mod vtable;
mod zig_names;
