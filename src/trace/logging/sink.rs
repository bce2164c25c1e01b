//! Destinations for the log lines.

use core::fmt;
#[cfg(feature = "std")]
use std::io;

use super::LoggedCall;

/// The destination for a [`LoggingAllocator`](super::LoggingAllocator)'s lines.
///
/// This crate has [`FmtSink`], [`IoSink`] and [`LogSink`]. Here is a sink that keeps only refused calls:
///
/// ```
/// use std::fmt;
/// use zigalloc::Allocator;
/// use zigalloc::trace::{LoggedCall, LoggingAllocator, Sink};
///
/// struct Refusals(Vec<LoggedCall>);
///
/// impl Sink for Refusals {
///     fn write(&mut self, call: &LoggedCall) -> fmt::Result {
///         if call.is_refused() {
///             self.0.push(*call);
///         }
///         Ok(())
///     }
/// }
///
/// let logging = LoggingAllocator::init(Allocator::FAILING, Refusals(Vec::new()));
/// assert!(logging.allocator().alloc::<u8>(100).is_err());
/// let [refused] = logging.into_sink().0[..] else { panic!() };
/// assert!(matches!(refused, LoggedCall::Alloc { len: 100, result: None, .. }));
/// ```
///
#[cfg_attr(not(feature = "std"), doc = "[`IoSink`]: super::FmtSink")]
#[cfg_attr(not(feature = "log"), doc = "[`LogSink`]: super::FmtSink")]
pub trait Sink {
    /// Receives a call: once for each, in their order, from one thread at a time.
    ///
    /// [`LoggingAllocator`](super::LoggingAllocator) states when, and what happens if a sink calls an allocator, panics
    /// or exits.
    ///
    /// # Errors
    /// If the line, or a part of it, is lost. The allocator
    /// [counts](super::LoggingAllocator::lost_lines) it.
    ///
    /// A sink that keeps the first `N` calls and loses the others:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::fmt;
    /// use zigalloc::heap::PAGE_ALLOCATOR;
    /// use zigalloc::trace::{LoggedCall, LoggingAllocator, Sink};
    ///
    /// struct First<const N: usize>(Vec<LoggedCall>);
    ///
    /// impl<const N: usize> Sink for First<N> {
    ///     fn write(&mut self, call: &LoggedCall) -> fmt::Result {
    ///         if self.0.len() == N {
    ///             return Err(fmt::Error);
    ///         }
    ///         self.0.push(*call);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, First::<1>(Vec::new()));
    /// let memory = logging.allocator().create::<u32>()?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { logging.allocator().destroy(memory) };
    /// assert_eq!((logging.lost_lines(), logging.into_sink().0.len()), (1, 1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    fn write(&mut self, call: &LoggedCall) -> fmt::Result;
}

/// A sink that writes to a `String` or any other [`fmt::Write`]. Each line ends with a line break.
///
/// A test that compares the sequence of calls:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{heap::PAGE_ALLOCATOR, trace::{FmtSink, LoggingAllocator}};
/// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, FmtSink(String::new()));
/// let memory = logging.allocator().create::<u32>()?;
/// // SAFETY: a live block, not used afterwards.
/// unsafe { logging.allocator().destroy(memory) };
/// let text = logging.into_sink().0;
/// let functions: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
/// assert_eq!(functions, ["alloc", "free"]);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Any `fmt::Write` does, such as one that keeps the length of the log only:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::fmt;
/// use zigalloc::{heap::PAGE_ALLOCATOR, trace::{FmtSink, LoggingAllocator}};
///
/// #[derive(Default)]
/// struct Length(usize);
///
/// impl fmt::Write for Length {
///     fn write_str(&mut self, text: &str) -> fmt::Result {
///         self.0 += text.len();
///         Ok(())
///     }
/// }
///
/// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, FmtSink(Length::default()));
/// unsafe { logging.allocator().destroy(logging.allocator().create_with(1)?) };
/// assert!(logging.into_sink().0.0 > "alloc 4 bytes, aligned to 4: 0x1\nfree 0x1, 4 bytes\n".len());
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct FmtSink<W: fmt::Write>(pub W);

impl<W: fmt::Write> Sink for FmtSink<W> {
    fn write(&mut self, call: &LoggedCall) -> fmt::Result {
        writeln!(self.0, "{call}")
    }
}

/// A sink that writes to a file, the standard error stream, or any other [`io::Write`]. Each line ends with a line
/// break.
///
/// It collects up to 512 bytes of a line before it writes them, so most lines are written in
/// one piece. It never flushes the writer; if you wrap it in a larger buffer, flush that yourself.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{heap::PAGE_ALLOCATOR, trace::{IoSink, LoggingAllocator}};
/// // Any writer: `std::io::stderr()`, a `File`, or here a `Vec<u8>`.
/// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, IoSink(Vec::new()));
/// let memory = logging.allocator().create::<u32>()?;
/// // SAFETY: a live block, not used afterwards.
/// unsafe { logging.allocator().destroy(memory) };
/// let lines = logging.into_sink().0;
/// assert!(lines.starts_with(b"alloc 4 bytes, aligned to 4: 0x"));
/// assert!(lines.ends_with(b"\n"));
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, Default)]
pub struct IoSink<W: io::Write>(pub W);

#[cfg(feature = "std")]
impl<W: io::Write> Sink for IoSink<W> {
    fn write(&mut self, call: &LoggedCall) -> fmt::Result {
        use fmt::Write;

        let mut pieces = Pieces { writer: &mut self.0, buffer: [0; 512], len: 0 };
        writeln!(pieces, "{call}")?;
        pieces.flush()
    }
}

/// Collects pieces of text into larger ones.
#[cfg(feature = "std")]
struct Pieces<'w, W: io::Write> {
    writer: &'w mut W,
    buffer: [u8; 512],
    len: usize,
}

#[cfg(feature = "std")]
impl<W: io::Write> Pieces<'_, W> {
    fn flush(&mut self) -> fmt::Result {
        let len = core::mem::take(&mut self.len);
        self.writer.write_all(&self.buffer[..len]).map_err(|_| fmt::Error)
    }
}

#[cfg(feature = "std")]
impl<W: io::Write> fmt::Write for Pieces<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let free = &mut self.buffer[self.len..];
            let (now, later) = rest.split_at(rest.len().min(free.len()));
            free[..now.len()].copy_from_slice(now);
            self.len += now.len();
            rest = later;
            if self.len == self.buffer.len() {
                self.flush()?;
            }
        }
        Ok(())
    }
}

/// A sink that writes to the program's logger, through the crate `log`, with the target `zigalloc`.
///
/// [Refused](LoggedCall::is_refused) calls have a level of their own, as in Zig. A logger does not
/// report lost lines. It must not allocate from an allocator above this one.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::trace::{LogSink, LoggingAllocator};
///
/// let sink = LogSink { success: log::Level::Trace, ..LogSink::default() };
/// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, sink);
/// # drop(logging);
/// ```
#[cfg(feature = "log")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSink {
    /// The level of calls that succeed. `Debug` by default.
    pub success: log::Level,
    /// The level of calls that are refused. `Error` by default.
    pub failure: log::Level,
}

#[cfg(feature = "log")]
impl Default for LogSink {
    fn default() -> LogSink {
        LogSink { success: log::Level::Debug, failure: log::Level::Error }
    }
}

#[cfg(feature = "log")]
impl Sink for LogSink {
    fn write(&mut self, call: &LoggedCall) -> fmt::Result {
        let level = if call.is_refused() { self.failure } else { self.success };
        log::log!(target: "zigalloc", level, "{call}");
        Ok(())
    }
}
