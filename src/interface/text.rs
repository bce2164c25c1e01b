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
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.print(format_args!("{}={}", -1, "hi"))?;
    /// assert_eq!(unsafe { text.as_ref() }, b"-1=hi");
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A message that is built in a buffer, and the block that fits it exactly:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{Error, SlicePtr, heap::FixedBufferAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 200];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let (line, column) = (12, 7);
    /// let message = fixed_buffer.allocator().print(format_args!("{line}:{column}: expected {:?}", ';'))?;
    /// assert_eq!(unsafe { message.as_slice() }, b"12:7: expected ';'");
    /// assert_eq!(fixed_buffer.end_index(), message.len(), "what the text did not need was given back");
    /// // What does not fit leaves nothing behind.
    /// assert_eq!(fixed_buffer.allocator().print(format_args!("{:300}", 1)), Err(Error::OutOfMemory));
    /// assert_eq!(fixed_buffer.end_index(), message.len());
    /// # Ok::<(), Error>(())
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
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.print_sentinel(format_args!("{}={}", -1, "hi"), 0)?;
    /// assert_eq!((text.len(), unsafe { text.sentinel_ptr().read() }), (5, 0));
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A file name for a C function:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Allocator, Error, heap::SMP_ALLOCATOR, SentinelSlice};
    /// fn log_file(allocator: Allocator<'_>, day: u32) -> Result<SentinelSlice<u8>, Error> {
    ///     allocator.print_sentinel(format_args!("server-{day:02}.log"), 0)
    /// }
    ///
    /// let name = log_file(*SMP_ALLOCATOR, 7)?;
    /// // SAFETY: text without a zero, and then a zero.
    /// assert_eq!(unsafe { name.as_c_str() }, c"server-07.log");
    /// unsafe { SMP_ALLOCATOR.free(name) };
    /// # Ok::<(), Error>(())
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
