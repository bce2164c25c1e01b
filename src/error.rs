/// The error of a failed allocation: Zig's error set `Allocator.Error`, which has this one member.
///
/// A byte count that overflows `usize` is reported as `OutOfMemory` too, since no allocator could serve it.
///
/// `?` turns the failure of a container into it: the `AllocError` and the `TryReserveError` of
/// allocator-api2 (0.2, 0.4), of hashbrown 0.17 and of Rust's own libraries. A capacity that would
/// overflow is out of memory too.
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
///
/// An error type of your own converts from it, and `?` does the rest:
///
/// ```
/// use zigalloc::{Allocator, Error};
///
/// #[derive(Debug, PartialEq)]
/// enum ConfigError {
///     OutOfMemory,
///     MissingEquals,
/// }
///
/// impl From<Error> for ConfigError {
///     fn from(_: Error) -> ConfigError {
///         ConfigError::OutOfMemory
///     }
/// }
///
/// fn key(allocator: Allocator<'_>, line: &str) -> Result<usize, ConfigError> {
///     let (key, _) = line.split_once('=').ok_or(ConfigError::MissingEquals)?;
///     Ok(allocator.dupe(key.as_bytes())?.len())
/// }
///
/// assert_eq!(key(Allocator::FAILING, "width"), Err(ConfigError::MissingEquals));
/// assert_eq!(key(Allocator::FAILING, "width=80"), Err(ConfigError::OutOfMemory));
/// assert_eq!(key(Allocator::FAILING, "=80"), Ok(0), "no bytes need no memory");
/// ```
///
/// A size that overflows is out of memory, and so is the error of a container:
///
/// ```
/// # #[cfg(feature = "alloc")] {
/// # use zigalloc::{Allocator, Error};
/// fn grow(numbers: &mut Vec<u64>, by: usize) -> Result<(), Error> {
///     numbers.try_reserve(by)?;
///     Ok(())
/// }
///
/// assert_eq!(grow(&mut vec![], usize::MAX), Err(Error::OutOfMemory));
/// assert_eq!(Allocator::FAILING.alloc::<u64>(usize::MAX), Err(Error::OutOfMemory), "8 * usize::MAX bytes");
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// The allocator cannot serve this request, or no allocator could.
    #[error("out of memory")]
    OutOfMemory,
}

#[cfg(feature = "allocator-api2-02")]
impl From<allocator_api2_02::alloc::AllocError> for Error {
    #[inline]
    fn from(_: allocator_api2_02::alloc::AllocError) -> Error {
        Error::OutOfMemory
    }
}

#[cfg(all(feature = "allocator-api2-02", any(feature = "alloc", feature = "collections")))]
impl From<allocator_api2_02::collections::TryReserveError> for Error {
    #[inline]
    fn from(_: allocator_api2_02::collections::TryReserveError) -> Error {
        Error::OutOfMemory
    }
}

#[cfg(feature = "allocator-api2-04")]
impl From<allocator_api2_04::alloc::AllocError> for Error {
    #[inline]
    fn from(_: allocator_api2_04::alloc::AllocError) -> Error {
        Error::OutOfMemory
    }
}

#[cfg(all(feature = "allocator-api2-04", feature = "alloc"))]
impl From<allocator_api2_04::collections::TryReserveError> for Error {
    #[inline]
    fn from(_: allocator_api2_04::collections::TryReserveError) -> Error {
        Error::OutOfMemory
    }
}

#[cfg(feature = "nightly")]
impl From<core::alloc::AllocError> for Error {
    #[inline]
    fn from(_: core::alloc::AllocError) -> Error {
        Error::OutOfMemory
    }
}

#[cfg(feature = "collections")]
impl From<hashbrown::TryReserveError> for Error {
    #[inline]
    fn from(_: hashbrown::TryReserveError) -> Error {
        Error::OutOfMemory
    }
}

#[cfg(feature = "alloc")]
impl From<alloc::collections::TryReserveError> for Error {
    #[inline]
    fn from(_: alloc::collections::TryReserveError) -> Error {
        Error::OutOfMemory
    }
}
