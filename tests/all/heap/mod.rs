//! `zigalloc::heap`: a file or directory for each allocator.

mod arena;
mod brk_allocator;
mod buffer_first;
mod c_allocator;
mod checkpoint;
mod debug;
mod debug_or_safe;
mod fallback_in_buffer;
mod fixed_buffer;
mod memory_pool;
mod page_allocator;
mod page_limits;
mod rust_allocator;
mod safe_allocator;
mod sbrk_allocator;
mod shared_arena;
mod smp_allocator;
mod stack_fallback;
mod stateless;
mod tight_memory;
