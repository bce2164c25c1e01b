//! Formatting text into new memory.

use core::fmt;
use core::ptr::NonNull;

use super::writer::AllocatingWriter;
use crate::allocator::Allocator;
use crate::error::Error;
use crate::return_address::return_address;
use crate::slice::SentinelSlice;

impl Allocator<'_> {
    /// Formats text into new memory. [`free`](Self::free) frees it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// As `format!` does, if a `Display` implementation returns an error.
    ///
    /// Ports `print` of Zig 0.17.1 (`std.fmt.allocPrint` before).
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.print(format_args!("{}={}", -1, "hi"))?;
    /// assert_eq!(unsafe { text.as_ref() }, b"-1=hi");
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "allocPrint")]
    #[inline(always)]
    #[track_caller]
    pub fn print(self, args: fmt::Arguments<'_>) -> Result<NonNull<[u8]>, Error> {
        AllocatingWriter::format(self, args, return_address(), "Allocator::print")?.into_owned_slice()
    }

    /// Formats text into new memory and appends a sentinel.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// As [`print`](Self::print).
    ///
    /// Ports `printSentinel` of Zig 0.17.1 (`std.fmt.allocPrintSentinel` before).
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.print_sentinel(format_args!("{}={}", -1, "hi"), 0)?;
    /// assert_eq!((text.len(), unsafe { text.sentinel_ptr().read() }), (5, 0));
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "printSentinel")]
    #[doc(alias = "allocPrintSentinel")]
    #[inline(always)]
    #[track_caller]
    pub fn print_sentinel(self, args: fmt::Arguments<'_>, sentinel: u8) -> Result<SentinelSlice<u8>, Error> {
        AllocatingWriter::format(self, args, return_address(), "Allocator::print_sentinel")?
            .into_owned_slice_sentinel(sentinel)
    }
}
