/// What an allocation can fail with: Zig's error set `Allocator.Error`, which has this one member.
///
/// A byte count that does not fit into a `usize` is reported as `OutOfMemory` too, because no
/// allocator could serve it.
///
/// Ports `std.mem.Allocator.Error` of Zig 0.15.2.
///
/// ```
/// use zigalloc::{Allocator, Error};
///
/// let failed = Allocator::FAILING.alloc::<u8>(1);
/// assert_eq!(failed.unwrap_err(), Error::OutOfMemory);
/// assert_eq!(Error::OutOfMemory.to_string(), "out of memory");
/// ```
#[doc(alias = "MemoryPoolError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// The allocator cannot serve this request, or the request is larger than any allocator could serve.
    #[error("out of memory")]
    OutOfMemory,
}
