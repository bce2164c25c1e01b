//! One call, as a line of text.

use core::fmt;

use crate::alignment::Alignment;
use crate::symbol::Symbol;

/// A call of an allocator and its result, which a [`Sink`](super::Sink) writes down.
///
/// `Display` is the line, without a line break. The feature `backtrace` looks the caller up in the program's
/// debug information then, which takes its time.
///
/// Addresses are numbers here: memory that is spoken of is not to be touched. Lengths are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoggedCall {
    /// [`VTable::alloc`](crate::VTable::alloc).
    Alloc {
        /// The length asked for.
        len: usize,
        /// The alignment asked for; it may be [invalid](Alignment::is_valid).
        alignment: Alignment,
        /// An address in the function that called, or 0.
        return_address: usize,
        /// The new block's address.
        result: Option<usize>,
    },
    /// [`VTable::resize`](crate::VTable::resize).
    Resize {
        /// The block's address.
        address: usize,
        /// The block's length before.
        len: usize,
        /// The block's alignment.
        alignment: Alignment,
        /// The length asked for.
        new_len: usize,
        /// An address in the function that called, or 0.
        return_address: usize,
        /// Whether the block has that length now.
        result: bool,
    },
    /// [`VTable::remap`](crate::VTable::remap).
    Remap {
        /// The block's address before.
        address: usize,
        /// The block's length before.
        len: usize,
        /// The block's alignment.
        alignment: Alignment,
        /// The length asked for.
        new_len: usize,
        /// An address in the function that called, or 0.
        return_address: usize,
        /// The block's address now; `None` if nothing has changed.
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
        /// An address in the function that called, or 0.
        return_address: usize,
    },
}

impl LoggedCall {
    /// Whether the child said no: null or false. For `alloc` that is a lack of memory; for `resize` and
    /// `remap` it is quite usual, and the caller goes on by itself.
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

/// A number of bytes.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} byte{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// An address, or none.
struct OrNull(Option<usize>);

impl fmt::Display for OrNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "{address:#x}"),
            None => f.write_str("null"),
        }
    }
}
