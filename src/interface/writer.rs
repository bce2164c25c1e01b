//! The growing buffer of [`Allocator::print`](crate::Allocator::print).
//!
//! It uses the raw functions, so nothing is filled with 0xAA, and it grows to one and a half times the needed length
//! plus a cache line, as Zig 0.17.1's `std.Io.Writer.Allocating` does. If that is refused, it grows to the needed
//! length, where Zig fails. Zig starts with the length of the format string; `fmt::Arguments` does not reveal it unless
//! there is nothing to format, so here the first piece of text decides.

use core::fmt;
use core::ptr::NonNull;

use super::highest;
use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::error::Error;
use crate::slice::SentinelSlice;

/// What growing adds: Zig's `std.atomic.cache_line`.
pub(crate) const CACHE_LINE: usize =
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "powerpc64")) {
        128
    } else if cfg!(any(
        target_arch = "arm",
        target_arch = "mips",
        target_arch = "mips64",
        target_arch = "sparc"
    )) {
        32
    } else if cfg!(target_arch = "m68k") {
        16
    } else if cfg!(target_arch = "s390x") {
        256
    } else {
        64
    };

pub(crate) struct AllocatingWriter<'a> {
    allocator: Allocator<'a>,
    /// A live block with alignment 1, or, with length 0, no block.
    buffer: NonNull<[u8]>,
    /// How many bytes of the buffer are text.
    end: usize,
    out_of_memory: bool,
    return_address: usize,
}

impl<'a> AllocatingWriter<'a> {
    #[track_caller]
    pub(crate) fn format(
        allocator: Allocator<'a>,
        args: fmt::Arguments<'_>,
        return_address: usize,
        function: &str,
    ) -> Result<AllocatingWriter<'a>, Error> {
        let buffer = NonNull::slice_from_raw_parts(highest(Alignment::_1), 0);
        let mut writer = AllocatingWriter { allocator, buffer, end: 0, out_of_memory: false, return_address };
        if let Some(text) = args.as_str() {
            writer.set_capacity(text.len())?;
        }
        let result = fmt::write(&mut writer, args);
        // Checked first: a Display implementation may have ignored the error, and then text is missing.
        if writer.out_of_memory {
            return Err(Error::OutOfMemory);
        }
        match result {
            Ok(()) => Ok(writer),
            Err(fmt::Error) => panic!("{function}: a Display implementation returned an error"),
        }
    }

    /// The text in a block of exactly its length.
    pub(crate) fn into_owned_slice(mut self) -> Result<NonNull<[u8]>, Error> {
        self.set_capacity(self.end)?;
        Ok(self.take_buffer())
    }

    /// The text and a sentinel in a block of exactly their length.
    pub(crate) fn into_owned_slice_sentinel(mut self, sentinel: u8) -> Result<SentinelSlice<u8>, Error> {
        let len = self.end;
        let needed = len.checked_add(1).ok_or(Error::OutOfMemory)?;
        if self.buffer.len() < needed {
            self.set_capacity(needed)?;
        }
        // SAFETY: an index into the buffer, which has at least `len + 1` bytes.
        let last = unsafe { self.buffer.cast::<u8>().add(len) };
        // SAFETY: a byte of the buffer.
        unsafe { last.write(sentinel) };
        self.end = needed;
        self.set_capacity(needed)?;
        Ok(SentinelSlice::from_raw_parts(self.take_buffer().cast(), len))
    }

    /// Moves the buffer out, so that it is not freed with the writer.
    fn take_buffer(&mut self) -> NonNull<[u8]> {
        let buffer = self.buffer;
        self.buffer = NonNull::slice_from_raw_parts(buffer.cast(), 0);
        buffer
    }

    /// Changes the buffer's length, which is not below `end`. On failure nothing has changed.
    fn set_capacity(&mut self, capacity: usize) -> Result<(), Error> {
        debug_assert!(capacity >= self.end, "the text must fit: {capacity} < {}", self.end);
        let (allocator, old, ra) = (self.allocator, self.buffer, self.return_address);
        let moved = if capacity == 0 {
            highest(Alignment::_1)
        } else if old.is_empty() {
            // SAFETY: the length is not zero (non-zero); a plain handle is not `Send`, so this is its thread
            // (one-thread).
            unsafe { allocator.raw_alloc(capacity, Alignment::_1, ra) }.ok_or(Error::OutOfMemory)?
        } else {
            // SAFETY: the buffer is a live block with alignment 1 (live-block), not used again if it moves
            // (dead-pointer), and the new length is not zero (non-zero); one thread, as above.
            match unsafe { allocator.raw_remap(old, Alignment::_1, capacity, ra) } {
                Some(memory) => {
                    self.buffer = NonNull::slice_from_raw_parts(memory, capacity);
                    return Ok(());
                }
                None => {
                    // SAFETY: the length is not zero (non-zero); one thread, as above.
                    let memory = unsafe { allocator.raw_alloc(capacity, Alignment::_1, ra) }
                        .ok_or(Error::OutOfMemory)?;
                    // SAFETY: both have room for `end` bytes, and live blocks do not overlap.
                    unsafe { memory.copy_from_nonoverlapping(old.cast(), self.end) };
                    memory
                }
            }
        };
        self.buffer = NonNull::slice_from_raw_parts(moved, capacity);
        if !old.is_empty() {
            // SAFETY: the old buffer is a live block with alignment 1 (live-block), not used again as its text has
            // been copied (dead-pointer); one thread, as above.
            unsafe { allocator.raw_free(old, Alignment::_1, ra) };
        }
        Ok(())
    }
}

impl fmt::Write for AllocatingWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > self.buffer.len() - self.end {
            // A `str` is at most half the address space, and so is the buffer: no overflow.
            let end = self.end + text.len();
            let needed = end + 1;
            let capacity = needed.saturating_add(needed / 2).saturating_add(CACHE_LINE);
            // If there is no memory for more, what is needed now will do.
            if self.set_capacity(capacity).or_else(|_| self.set_capacity(end)).is_err() {
                self.out_of_memory = true;
                return Err(fmt::Error);
            }
        }
        // SAFETY: an index into the buffer, or its end.
        let end = unsafe { self.buffer.cast::<u8>().add(self.end) };
        // SAFETY: `text.len()` bytes fit after `end`; the buffer is ours alone, so `text` does not overlap it.
        unsafe { end.as_ptr().copy_from_nonoverlapping(text.as_ptr(), text.len()) };
        self.end += text.len();
        Ok(())
    }
}

impl Drop for AllocatingWriter<'_> {
    fn drop(&mut self) {
        if !self.buffer.is_empty() {
            // SAFETY: the buffer is a live block with alignment 1 (live-block), not used again (dead-pointer); a plain
            // handle is not `Send`, so this is its thread (one-thread).
            unsafe { self.allocator.raw_free(self.buffer, Alignment::_1, self.return_address) };
        }
    }
}
