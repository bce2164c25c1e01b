//! The allocators of Zig's `std.heap`, one file each.

pub mod arena;
pub mod fixed_buffer;
#[cfg(feature = "std")]
pub mod page_allocator;
pub mod shared_arena;

pub use arena::{ArenaAllocator, ResetMode};
pub use fixed_buffer::FixedBufferAllocator;
#[cfg(feature = "std")]
pub use page_allocator::PAGE_ALLOCATOR;
pub use shared_arena::SharedArenaAllocator;
