//!
//! The comment above a test names the entries of `docs/surface.toml` that it shows.

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
mod failing;
mod fixed_buffer;
mod interface;
mod logging;
mod mem;
mod memory_pool;
#[cfg(feature = "std")]
mod out_of_memory;
mod page_allocator;
mod return_address;
mod rust_allocator;
mod sbrk_allocator;
mod shared_arena;
mod smp_allocator;
mod stack_fallback;
mod thread_safe;
mod util;
mod validation;
mod vtable;
