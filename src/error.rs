/// The error of a failed allocation: Zig's error set `Allocator.Error`, which has this one member.
///
/// A byte count that overflows `usize` is reported as `OutOfMemory` too, since no allocator could serve it.
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
    /// The allocator cannot serve this request, or no allocator could.
    #[error("out of memory")]
    OutOfMemory,
}
