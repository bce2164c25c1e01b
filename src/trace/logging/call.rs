//! One call, as a line of text.

use core::fmt;

use crate::alignment::Alignment;
use crate::symbol::Symbol;

/// A call of an allocator and its result, which a [`Sink`](super::Sink) receives.
///
/// `Display` is the log line, without a line break. With the feature `backtrace` it looks the caller up in the
/// program's debug information, which is slow.
///
/// Addresses are plain numbers, since the memory may already be freed. Lengths are in bytes.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::fmt;
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::trace::{LoggedCall, LoggingAllocator, Sink};
///
/// /// Finds the longest block that was requested.
/// struct Longest(usize);
///
/// impl Sink for Longest {
///     fn write(&mut self, call: &LoggedCall) -> fmt::Result {
///         if let LoggedCall::Alloc { len, .. } = call {
///             self.0 = self.0.max(*len);
///         }
///         Ok(())
///     }
/// }
///
/// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, Longest(0));
/// for n in [10, 300, 20] {
///     let memory = logging.allocator().alloc::<u8>(n)?;
///     // SAFETY: a live block, not used afterwards.
///     unsafe { logging.allocator().free(memory) };
/// }
/// assert_eq!(logging.into_sink().0, 300);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Each call as a value, to compare it with what a test expects:
///
/// ```
/// use zigalloc::Alignment;
/// use zigalloc::trace::LoggedCall;
///
/// let (alignment, return_address) = (Alignment::_8, 0);
/// let calls = [
///     LoggedCall::Alloc { len: 100, alignment, return_address, result: Some(0x1000) },
///     LoggedCall::Resize { address: 0x1000, len: 100, alignment, new_len: 120, return_address, result: false },
///     LoggedCall::Remap { address: 0x1000, len: 100, alignment, new_len: 120, return_address, result: Some(0x2000) },
///     LoggedCall::Free { address: 0x2000, len: 120, alignment, return_address },
/// ];
/// assert_eq!(calls.map(|call| call.is_refused()), [false, true, false, false]);
/// assert!(calls[1].to_string().starts_with("resize 0x1000, 100 bytes, aligned to 8, to 120 bytes: false"));
/// assert!(calls[3].to_string().starts_with("free 0x2000, 120 bytes, aligned to 8"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoggedCall {
    /// [`VTable::alloc`](crate::VTable::alloc).
    Alloc {
        /// The requested length.
        len: usize,
        /// The requested alignment, which may be [invalid](Alignment::is_valid).
        alignment: Alignment,
        /// An address in the calling function, or 0.
        return_address: usize,
        /// The new block's address.
        result: Option<usize>,
    },
    /// [`VTable::resize`](crate::VTable::resize).
    Resize {
        /// The block's address.
        address: usize,
        /// The block's length before the call.
        len: usize,
        /// The block's alignment.
        alignment: Alignment,
        /// The requested length.
        new_len: usize,
        /// An address in the calling function, or 0.
        return_address: usize,
        /// Whether the block now has the requested length.
        result: bool,
    },
    /// [`VTable::remap`](crate::VTable::remap).
    Remap {
        /// The block's address before the call.
        address: usize,
        /// The block's length before the call.
        len: usize,
        /// The block's alignment.
        alignment: Alignment,
        /// The requested length.
        new_len: usize,
        /// An address in the calling function, or 0.
        return_address: usize,
        /// The block's new address, or `None` if nothing changed.
        result: Option<usize>,
    },
    /// [`VTable::free`](crate::VTable::free).
    Free {
        /// The block's address.
        address: usize,
        /// The block's length.
        len: usize,
        /// The block's alignment.
        alignment: Alignment,
        /// An address in the calling function, or 0.
        return_address: usize,
    },
}

impl LoggedCall {
    /// Whether the child returned null or false. For `alloc` that means out of memory; for `resize` and
    /// `remap` it is common, and the caller falls back on another way.
    ///
    /// ```
    /// # use zigalloc::{Alignment, trace::LoggedCall};
    /// let alignment = Alignment::_8;
    /// let refused = LoggedCall::Alloc { len: 100, alignment, return_address: 0, result: None };
    /// assert!(refused.is_refused());
    /// assert_eq!(refused.to_string(), "alloc 100 bytes, aligned to 8: null, called by an unknown place");
    /// ```
    ///
    /// A refused `resize` is not an error of the program, so a report of failures leaves it out:
    ///
    /// ```
    /// # use zigalloc::{Alignment, trace::LoggedCall};
    /// let is_failure = |call: &LoggedCall| matches!(call, LoggedCall::Alloc { .. }) && call.is_refused();
    /// let (alignment, return_address) = (Alignment::_1, 0);
    /// let resize = LoggedCall::Resize { address: 16, len: 1, alignment, new_len: 2, return_address, result: false };
    /// assert!(resize.is_refused() && !is_failure(&resize));
    /// assert!(is_failure(&LoggedCall::Alloc { len: 1, alignment, return_address, result: None }));
    /// ```
    #[must_use]
    pub fn is_refused(&self) -> bool {
        match self {
            LoggedCall::Alloc { result, .. } | LoggedCall::Remap { result, .. } => result.is_none(),
            LoggedCall::Resize { result, .. } => !result,
            LoggedCall::Free { .. } => false,
        }
    }
}

impl fmt::Display for LoggedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            LoggedCall::Alloc { len, alignment, return_address, result } => {
                let (result, caller) = (OrNull(result), Symbol(return_address));
                write!(f, "alloc {}, aligned to {alignment}: {result}, called by {caller}", Bytes(len))
            }
            LoggedCall::Resize { address, len, alignment, new_len, return_address, result } => {
                let (len, new_len, caller) = (Bytes(len), Bytes(new_len), Symbol(return_address));
                write!(
                    f,
                    "resize {address:#x}, {len}, aligned to {alignment}, to {new_len}: {result}, called by {caller}"
                )
            }
            LoggedCall::Remap { address, len, alignment, new_len, return_address, result } => {
                let (len, new_len, caller) = (Bytes(len), Bytes(new_len), Symbol(return_address));
                let result = OrNull(result);
                write!(
                    f,
                    "remap {address:#x}, {len}, aligned to {alignment}, to {new_len}: {result}, called by {caller}"
                )
            }
            LoggedCall::Free { address, len, alignment, return_address } => {
                let (len, caller) = (Bytes(len), Symbol(return_address));
                write!(f, "free {address:#x}, {len}, aligned to {alignment}, called by {caller}")
            }
        }
    }
}

/// A number of bytes, displayed with its unit.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} byte{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// An address, or null.
struct OrNull(Option<usize>);

impl fmt::Display for OrNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "{address:#x}"),
            None => f.write_str("null"),
        }
    }
}
