//! The allocators that count calls and log them.

use core::ffi::{c_char, c_void};
use core::fmt::{self, Write as _};

use super::{Owned, RawAllocator, fatal};
use crate::allocator::Allocator;
use crate::trace::{CountingAllocator, LoggedCall, LoggingAllocator, Sink};

pub type Counting = Owned<CountingAllocator<Allocator<'static>>>;
pub type Logging = Owned<LoggingAllocator<Allocator<'static>, Callback>>;

/// `zigalloc_counts`: the numbers of Rust's `Counts`, in a layout for C.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub alloc_calls: u64,
    pub alloc_refused: u64,
    pub resize_calls: u64,
    pub resize_refused: u64,
    pub remap_calls: u64,
    pub remap_refused: u64,
    pub free_calls: u64,
    pub total_bytes: u64,
    pub live_blocks: u64,
    pub live_bytes: u64,
    pub peak_live_bytes: u64,
    pub alloc_sizes: [u64; usize::BITS as usize + 1],
}

/// # Safety
/// `child` is an allocator that outlives this one and is not reset while it exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_counting_create(child: RawAllocator) -> *mut Counting {
    // SAFETY: an allocator, by our caller.
    let child = unsafe { child.check("zigalloc_counting_create", "child") };
    Owned::create(child, CountingAllocator::init(child))
}

/// # Safety
/// `counting` is alive. If more than one thread uses the handle, the child is thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_counting_allocator(counting: *mut Counting) -> Allocator<'static> {
    // SAFETY: `counting` is alive, by our caller.
    unsafe { Owned::handle(counting, "zigalloc_counting_allocator") }
}

/// # Safety
/// `counting` is alive, and `counts` is null or valid for writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_counting_snapshot(counting: *const Counting, counts: *mut Counts) {
    const NAME: &str = "zigalloc_counting_snapshot";
    // SAFETY: `counting` is alive, by our caller.
    let now = unsafe { Owned::get(counting, NAME) }.snapshot();
    if counts.is_null() {
        fatal(NAME, "counts is NULL");
    }
    let now = Counts {
        alloc_calls: now.alloc.calls,
        alloc_refused: now.alloc.refused,
        resize_calls: now.resize.calls,
        resize_refused: now.resize.refused,
        remap_calls: now.remap.calls,
        remap_refused: now.remap.refused,
        free_calls: now.free,
        total_bytes: now.total_bytes,
        live_blocks: now.live_blocks,
        live_bytes: now.live_bytes as u64,
        peak_live_bytes: now.peak_live_bytes as u64,
        alloc_sizes: now.alloc_sizes,
    };
    // SAFETY: valid for writes, by our caller; it may be uninitialised.
    unsafe { counts.write(now) };
}

/// # Safety
/// `counting` is alive or null. Neither it nor a handle to it is used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_counting_destroy(counting: *mut Counting) {
    // SAFETY: `counting` is alive or null, and not used afterwards, by our caller.
    unsafe { Owned::destroy(counting) };
}

type WriteLine = unsafe extern "C" fn(ctx: *mut c_void, line: *const c_char, len: usize);

/// A C function that receives the lines.
#[derive(Debug)]
pub struct Callback {
    write: WriteLine,
    ctx: *mut c_void,
}

/// The maximum length of a line in bytes. Function names are its longest part.
const MAX_LINE: usize = 1024;

/// A line, truncated to the maximum length.
struct Line {
    bytes: [u8; MAX_LINE],
    len: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut end = text.len().min(MAX_LINE - self.len);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.bytes[self.len..self.len + end].copy_from_slice(&text.as_bytes()[..end]);
        self.len += end;
        if end == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

impl Sink for Callback {
    fn write(&mut self, call: &LoggedCall) -> fmt::Result {
        let mut line = Line { bytes: [0; MAX_LINE], len: 0 };
        let whole = write!(line, "{call}");
        // SAFETY: it may be called with any text, by the requirements of `zigalloc_logging_create`.
        unsafe { (self.write)(self.ctx, line.bytes.as_ptr().cast(), line.len) };
        whole
    }
}

/// # Safety
/// `child` is an allocator that outlives this one and is not reset while it exists. Until then, `write` may be called
/// with `ctx` and any text, from the threads that use the allocator, one at a time. It does not unwind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_logging_create(
    child: RawAllocator,
    write: Option<WriteLine>,
    ctx: *mut c_void,
) -> *mut Logging {
    const NAME: &str = "zigalloc_logging_create";
    // SAFETY: an allocator, by our caller.
    let child = unsafe { child.check(NAME, "child") };
    let Some(write) = write else { fatal(NAME, "write is NULL") };
    Owned::create(child, LoggingAllocator::init(child, Callback { write, ctx }))
}

/// # Safety
/// `logging` is alive. If more than one thread uses the handle, the child is thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_logging_allocator(logging: *mut Logging) -> Allocator<'static> {
    // SAFETY: `logging` is alive, by our caller. With the feature `std`, which this module needs, the sink is used
    // under a lock.
    unsafe { Owned::handle(logging, "zigalloc_logging_allocator") }
}

/// # Safety
/// `logging` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_logging_flush(logging: *mut Logging) {
    // SAFETY: `logging` is alive, by our caller.
    unsafe { Owned::get(logging, "zigalloc_logging_flush") }.flush();
}

/// # Safety
/// `logging` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_logging_lost_lines(logging: *const Logging) -> usize {
    // SAFETY: `logging` is alive, by our caller.
    unsafe { Owned::get(logging, "zigalloc_logging_lost_lines") }.lost_lines()
}

/// # Safety
/// `logging` is alive or null. Neither it nor a handle to it is used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_logging_destroy(logging: *mut Logging) {
    // SAFETY: `logging` is alive or null, and not used afterwards, by our caller.
    unsafe { Owned::destroy(logging) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_line_is_cut_between_characters() {
        let mut line = Line { bytes: [0; MAX_LINE], len: 0 };
        assert_eq!(line.write_str(&"x".repeat(MAX_LINE - 1)), Ok(()));
        assert_eq!(line.write_str("ä"), Err(fmt::Error));
        assert_eq!(line.len, MAX_LINE - 1);
        assert_eq!(line.write_str("y"), Ok(()));
        assert_eq!((line.len, line.bytes[MAX_LINE - 1]), (MAX_LINE, b'y'));
        assert_eq!(line.write_str("z"), Err(fmt::Error));
    }
}
