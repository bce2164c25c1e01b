//! An allocator that logs every call.
//!
//! # Locking
//!
//! With the feature `std`, a lock is held during the whole call. So the lines are in the order of the calls, each line
//! is whole, and the line of a free precedes the line of any allocation that reuses the memory. It also means that only
//! one thread at a time calls the child.
//!
//! # When a line is written
//!
//! A sink is safe code and may call `std::process::exit`, which runs the destructors of thread-local values. A
//! container among them, whose call of this allocator then never returns, still has its old block. So the sink runs
//! only while that block is live: before the child frees it, and for a successful `resize` or `remap` not before the
//! next call.
//!
//! # Differences from Zig
//!
//! Zig had `LoggingAllocator`, `ScopedLoggingAllocator` and `logToWriterAllocator` in `std.heap`, and has
//! none of them in 0.15.2; the option `verbose_log` of its debug allocator remains. Theirs logged
//! neither addresses nor callers, and were for one thread.

mod call;
mod exclusive;
mod lines;
mod sink;

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

pub use call::LoggedCall;
use exclusive::{Entered, Exclusive};
use lines::Lines;
#[cfg(feature = "std")]
pub use sink::IoSink;
#[cfg(feature = "log")]
pub use sink::LogSink;
pub use sink::{FmtSink, Sink};

use crate::alignment::Alignment;
#[cfg(feature = "std")]
use crate::allocator::SyncAllocator;
use crate::allocator::{Allocator, AsAllocator, Handle};
use crate::vtable::{VTable, block, state};

/// Passes every call on to its child, and writes one line about each to a [`Sink`].
///
/// Use it to see what a program asks of an allocator, in order. Arguments, return addresses included, and results are
/// passed on unchanged. Lengths and alignments are in bytes:
///
/// ```text
/// alloc 100 bytes, aligned to 8: 0x7f5a0c00, called by parser::parse at src/parser.rs:31
/// resize 0x7f5a0c00, 100 bytes, aligned to 8, to 120 bytes: true, called by parser::grow at src/parser.rs:57
/// remap 0x7f5a0c00, 120 bytes, aligned to 8, to 9000 bytes: null, called by parser::grow at src/parser.rs:57
/// free 0x7f5a0c00, 120 bytes, aligned to 8, called by parser::finish at src/parser.rs:80
/// ```
///
/// The line of a free is written before the memory is freed, and that of an allocation or a refused call after the call.
/// The line of a `resize` or `remap` that succeeds is written by the next call, by [`flush`](Self::flush), or when the
/// allocator is dropped.
///
/// Without the feature `backtrace` the caller is shown as an address, or as "an unknown place" if its address is 0.
/// Writing a line allocates no memory, except in the sink and, with `backtrace`, for reading the debug information,
/// which uses Rust's global allocator.
///
/// `S` is the sink for the lines. `C` is the child's handle, [`Allocator`] or [`SyncAllocator`], and [`allocator`]
/// returns the same kind; a `SyncAllocator` needs the feature `std` and a sink that is `Send`. The sink is then under
/// the standard library's mutex. So, as with [`ThreadSafeAllocator`](crate::thread_safe), this allocator cannot be the
/// `#[global_allocator]`, and if a process forks while another thread holds the lock, the first call in the child
/// process hangs.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::trace::{FmtSink, LoggingAllocator};
///
/// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, FmtSink(String::new()));
/// let memory = logging.allocator().alloc::<u32>(10)?;
/// unsafe { logging.allocator().free(memory) };
///
/// let text = logging.into_sink().0;
/// let lines: Vec<&str> = text.lines().collect();
/// assert!(lines[0].starts_with("alloc 40 bytes, aligned to 4: 0x"), "{text}");
/// assert!(lines[1].starts_with(&format!("free {:#x}, 40 bytes, aligned to 4", memory.addr())), "{text}");
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Logging to the standard error stream:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::trace::{IoSink, LoggingAllocator};
///
/// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, IoSink(std::io::stderr()));
/// # let memory = logging.allocator().alloc::<u32>(10)?;
/// # unsafe { logging.allocator().free(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// # What a sink may do
///
/// - If it **fails**, the line is lost and counted in [`lost_lines`]. The call and its result are not affected.
/// - If it **calls this allocator**, because it keeps its text there, the call is passed on to the child like
///   any other, but gets no line, since logging it would recurse. It counts as a lost line.
/// - If it **calls an allocator above this one** that is in the middle of a call, it breaks
///   [no-reentry](crate::VTable#no-reentry): a lock deadlocks or aborts
///   the process, an arena or a pool reports out of memory, and others may continue. Blocks stay disjoint even
///   then, since sinks are safe code.
/// - If it **panics** in a call of the table, the process aborts: the functions are `extern "C"` and must not unwind.
///   In [`flush`](Self::flush), [`sink_mut`](Self::sink_mut), [`into_sink`](Self::into_sink) and when the allocator is
///   dropped, the panic propagates, and the waiting line is lost.
/// - If it **exits the process** (`std::process::exit`), destructors of thread-local values run while allocators and
///   containers above this one are in the middle of a call. All their blocks are still live then, since a line is
///   written only at the times above. (With debug assertions, [`Allocator::free`](crate::Allocator::free) and
///   [`realloc`](crate::Allocator::realloc) have overwritten the block that they are about to free, so a container of
///   your own that uses them must not read it in its destructor. Containers of allocator-api2 are not affected.)
///
/// [`lost_lines`]: LoggingAllocator::lost_lines
/// [`allocator`]: LoggingAllocator::allocator
///
/// A log that another program reads, with a line of JSON for each call:
///
/// ```
/// use std::fmt::{self, Write};
/// use zigalloc::heap::FixedBufferAllocator;
/// use zigalloc::trace::{LoggedCall, LoggingAllocator, Sink};
/// # use std::mem::MaybeUninit;
///
/// struct Json(String);
///
/// impl Sink for Json {
///     fn write(&mut self, call: &LoggedCall) -> fmt::Result {
///         match call {
///             LoggedCall::Alloc { len, result, .. } => {
///                 writeln!(self.0, r#"{{"call":"alloc","len":{len},"ok":{}}}"#, result.is_some())
///             }
///             LoggedCall::Free { len, .. } => writeln!(self.0, r#"{{"call":"free","len":{len}}}"#),
///             other => writeln!(self.0, r#"{{"call":"change","ok":{}}}"#, !other.is_refused()),
///         }
///     }
/// }
///
/// let mut buffer = [MaybeUninit::uninit(); 100];
/// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
/// let logging = LoggingAllocator::init(fixed_buffer.allocator(), Json(String::new()));
/// let memory = logging.allocator().alloc::<u8>(60)?;
/// // SAFETY: a live block, which stays as it is.
/// assert!(!unsafe { logging.allocator().resize(memory, 101) });
/// assert!(logging.allocator().alloc::<u8>(60).is_err());
/// unsafe { logging.allocator().free(memory) };
/// let lines = logging.into_sink().0;
/// assert_eq!(
///     lines.lines().collect::<Vec<_>>(),
///     [
///         r#"{"call":"alloc","len":60,"ok":true}"#,
///         r#"{"call":"change","ok":false}"#,
///         r#"{"call":"alloc","len":60,"ok":false}"#,
///         r#"{"call":"free","len":60}"#,
///     ]
/// );
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.LoggingAllocator")]
#[doc(alias = "ScopedLoggingAllocator")]
#[doc(alias = "LogToWriterAllocator")]
pub struct LoggingAllocator<C: Handle, S: Sink> {
    child_allocator: C,
    lines: Exclusive<Lines<S>>,
    lost_lines: AtomicUsize,
}

impl<'c, S: Sink> LoggingAllocator<Allocator<'c>, S> {
    /// Returns a handle for one thread, like its child's.
    ///
    /// A sink that is not `Send`:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    /// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// use zigalloc::trace::{LoggedCall, LoggingAllocator, Sink};
    ///
    /// struct Shared(Rc<RefCell<Vec<LoggedCall>>>);
    ///
    /// impl Sink for Shared {
    ///     fn write(&mut self, call: &LoggedCall) -> std::fmt::Result {
    ///         self.0.borrow_mut().push(*call);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let calls = Rc::default();
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let logging = LoggingAllocator::init(arena.allocator(), Shared(Rc::clone(&calls)));
    /// logging.allocator().alloc::<u8>(100)?;
    /// assert!(matches!(calls.borrow()[..], [LoggedCall::Alloc { len: 100, .. }]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

#[cfg(feature = "std")]
impl<'c, S: Sink + Send> LoggingAllocator<SyncAllocator<'c>, S> {
    /// Returns a handle for any number of threads.
    ///
    /// If the sink is not `Send`, or without the feature `std`, wrap a plain
    /// [`Allocator`], such as `*PAGE_ALLOCATOR`, to get a handle for one thread.
    ///
    /// Lines of several threads are not mixed:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, trace::{FmtSink, LoggingAllocator}};
    /// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, FmtSink(String::new()));
    /// let allocator = logging.allocator();
    /// std::thread::scope(|scope| {
    ///     for n in 1..=4 {
    ///         scope.spawn(move || {
    ///             let memory = allocator.alloc::<u8>(n).unwrap();
    ///             // SAFETY: a live block, not used afterwards.
    ///             unsafe { allocator.free(memory) };
    ///         });
    ///     }
    /// });
    /// let text = logging.into_sink().0;
    /// assert_eq!(text.lines().filter(|line| line.starts_with("alloc ")).count(), 4);
    /// assert_eq!(text.lines().filter(|line| line.starts_with("free ")).count(), 4);
    /// ```
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: any thread may call the child. The sink is used under a lock, and any thread may use it, since it
        // is `Send`.
        unsafe { SyncAllocator::new_unchecked(self.handle()) }
    }
}

impl<C: Handle, S: Sink> LoggingAllocator<C, S> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Creates an allocator that writes its calls to `sink`.
    ///
    /// Below an arena, it shows the arena's own calls:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::{ArenaAllocator, PAGE_ALLOCATOR}, trace::{FmtSink, LoggingAllocator}};
    /// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, FmtSink(String::new()));
    /// let arena = ArenaAllocator::init(logging.allocator());
    /// for _ in 0..10 {
    ///     arena.allocator().alloc::<u8>(1)?;
    /// }
    /// arena.deinit();
    /// assert_eq!(logging.into_sink().0.lines().count(), 2, "a node, and its free");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "logToWriterAllocator")]
    #[inline]
    pub const fn init(child_allocator: C, sink: S) -> LoggingAllocator<C, S> {
        LoggingAllocator {
            child_allocator,
            lines: Exclusive::new(Lines::new(sink)),
            lost_lines: AtomicUsize::new(0),
        }
    }

    const fn handle(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract because the child does.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// Returns how many calls have no line, because the sink failed or made the call itself.
    ///
    /// A buffer of 4 bytes is too short for any line:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, trace::{IoSink, LoggingAllocator}};
    /// let mut buffer = [0; 4];
    /// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, IoSink(&mut buffer[..]));
    /// let memory = logging.allocator().create::<u32>()?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { logging.allocator().destroy(memory) };
    /// assert_eq!(logging.lost_lines(), 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// The calls themselves succeed. A sink that fails for a while:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::fmt;
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, trace::{LoggedCall, LoggingAllocator, Sink}};
    /// /// Every second line is lost.
    /// #[derive(Default)]
    /// struct Flaky {
    ///     received: usize,
    /// }
    ///
    /// impl Sink for Flaky {
    ///     fn write(&mut self, _: &LoggedCall) -> fmt::Result {
    ///         self.received += 1;
    ///         if self.received % 2 == 0 { Err(fmt::Error) } else { Ok(()) }
    ///     }
    /// }
    ///
    /// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, Flaky::default());
    /// for _ in 0..3 {
    ///     let number = logging.allocator().create_with(42)?;
    ///     // SAFETY: a live block, not used afterwards.
    ///     unsafe { logging.allocator().destroy(number) };
    /// }
    /// assert_eq!((logging.lost_lines(), logging.into_sink().received), (3, 6));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn lost_lines(&self) -> usize {
        self.lost_lines.load(Ordering::Relaxed)
    }

    /// Writes the line of the last call, if it still waits for the next one.
    ///
    /// Only a `resize` or `remap` that succeeds leaves such a line.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::fmt;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use zigalloc::heap::PAGE_ALLOCATOR;
    /// use zigalloc::trace::{LoggedCall, LoggingAllocator, Sink};
    ///
    /// struct Counted<'c>(&'c AtomicUsize);
    ///
    /// impl Sink for Counted<'_> {
    ///     fn write(&mut self, _: &LoggedCall) -> fmt::Result {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let lines = AtomicUsize::new(0);
    /// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, Counted(&lines));
    /// let memory = logging.allocator().alloc::<u8>(100)?;
    /// // SAFETY: a live block; it is freed below with its new length.
    /// let memory = unsafe { logging.allocator().remap(memory, 200) }.expect("it is still one page");
    /// assert_eq!(lines.load(Ordering::Relaxed), 1, "the line of `alloc`");
    /// logging.flush();
    /// assert_eq!(lines.load(Ordering::Relaxed), 2);
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { logging.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn flush(&self) {
        // Writes what waits. If the sink itself calls this, its line is being written.
        drop(self.enter());
    }

    /// Returns the sink, which has received all lines. The exclusive borrow ensures that none is being written.
    ///
    /// Read and clear the lines after each step:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, trace::{FmtSink, LoggingAllocator}};
    /// let mut logging = LoggingAllocator::init(PAGE_ALLOCATOR, FmtSink(String::new()));
    /// for len in [10, 20] {
    ///     let memory = logging.allocator().alloc::<u8>(len)?;
    ///     // SAFETY: a live block, not used afterwards.
    ///     unsafe { logging.allocator().free(memory) };
    ///     let lines = std::mem::take(&mut logging.sink_mut().0);
    ///     assert!(lines.starts_with(&format!("alloc {len} bytes")));
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// To log one part of a program only, let the sink be off at first:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::fmt;
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, trace::{LoggedCall, LoggingAllocator, Sink}};
    /// struct Switched {
    ///     on: bool,
    ///     lines: Vec<String>,
    /// }
    ///
    /// impl Sink for Switched {
    ///     fn write(&mut self, call: &LoggedCall) -> fmt::Result {
    ///         if self.on {
    ///             self.lines.push(call.to_string());
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut logging = LoggingAllocator::init(PAGE_ALLOCATOR, Switched { on: false, lines: vec![] });
    /// let memory = logging.allocator().create_with(1)?;
    /// logging.sink_mut().on = true;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { logging.allocator().destroy(memory) };
    /// assert!(matches!(&logging.into_sink().lines[..], [line] if line.starts_with("free 0x")));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn sink_mut(&mut self) -> &mut S {
        let lines = self.lines.get_mut();
        let written = lines.write_waiting();
        *self.lost_lines.get_mut() += usize::from(written.is_err());
        &mut lines.sink
    }

    /// Returns the sink, which has received all lines, and drops the allocator.
    ///
    /// ```
    /// # use zigalloc::{Allocator, trace::{FmtSink, LoggingAllocator}};
    /// let logging = LoggingAllocator::init(Allocator::FAILING, FmtSink(String::new()));
    /// assert!(logging.allocator().alloc::<u8>(1).is_err());
    /// let text: String = logging.into_sink().0;
    /// assert!(text.starts_with("alloc 1 byte, aligned to 1: null"));
    /// ```
    #[inline]
    pub fn into_sink(mut self) -> S {
        self.sink_mut();
        self.lines.into_inner().into_sink()
    }

    /// Waits until no other thread is inside, and writes the waiting line. Returns `None` if the sink is calling.
    fn enter(&self) -> Option<Entered<'_, Lines<S>>> {
        let mut lines = self.lines.enter()?;
        self.count(lines.write_waiting());
        Some(lines)
    }

    /// Counts a line that is lost.
    fn count(&self, written: fmt::Result) {
        if written.is_err() {
            self.lost_lines.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Resizes a block of the child. If the child refuses, the line is written at once.
    fn log_resize<R>(&self, resize: impl FnOnce() -> R, line: impl FnOnce(&R) -> LoggedCall) -> R {
        let lines = self.enter();
        let result = resize();
        let written = lines.ok_or(fmt::Error).and_then(|mut lines| {
            let line = line(&result);
            if line.is_refused() {
                return lines.sink.write(&line);
            }
            lines.waiting = Some(line);
            Ok(())
        });
        self.count(written);
        result
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        return_address: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        let child = this.child_allocator.as_allocator();
        // Entered before the call, so that the lines are in the order of the calls.
        let lines = this.enter();
        // SAFETY: `len` is not zero, by our caller, who is in the thread of the child's handle unless that is a
        // `SyncAllocator`.
        let memory = unsafe { child.raw_alloc(len, alignment, return_address) };
        let line = LoggedCall::Alloc { len, alignment, return_address, result: address_of(&memory) };
        this.count(lines.ok_or(fmt::Error).and_then(|mut lines| lines.sink.write(&line)));
        memory
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        return_address: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let child = this.child_allocator.as_allocator();
        let (address, len) = (memory.addr().get(), memory_len);
        this.log_resize(
            // SAFETY: a live block of the child, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
            || unsafe { child.raw_resize(memory, alignment, new_len, return_address) },
            |&result| LoggedCall::Resize { address, len, alignment, new_len, return_address, result },
        )
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        return_address: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let child = this.child_allocator.as_allocator();
        let (address, len) = (memory.addr().get(), memory_len);
        this.log_resize(
            // SAFETY: as in `resize`.
            || unsafe { child.raw_remap(memory, alignment, new_len, return_address) },
            |moved| {
                let result = address_of(moved);
                LoggedCall::Remap { address, len, alignment, new_len, return_address, result }
            },
        )
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        return_address: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let child = this.child_allocator.as_allocator();
        let (address, len) = (memory.addr().get(), memory_len);
        let mut lines = this.enter();
        let line = LoggedCall::Free { address, len, alignment, return_address };
        this.count(lines.as_mut().ok_or(fmt::Error).and_then(|lines| lines.sink.write(&line)));
        // SAFETY: a live block of the child, not used afterwards, by our caller; one thread, as in `alloc`.
        unsafe { child.raw_free(memory, alignment, return_address) };
        // The next line is that of a later call.
        drop(lines);
    }
}

fn address_of(memory: &Option<NonNull<u8>>) -> Option<usize> {
    memory.map(|memory| memory.addr().get())
}

// SAFETY: 1. See `handle`. 2. The sink belongs to `self`. If the type is `Send`, its child is a `SyncAllocator`, which
// any thread may call. 3. If it is `Sync`, the same, and the sink is `Send` and under a lock. 4. All handles have the
// same state, `self`, and table.
unsafe impl<C: Handle, S: Sink> AsAllocator for LoggingAllocator<C, S> {
    fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

impl<C: Handle, S: Sink> fmt::Debug for LoggingAllocator<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggingAllocator")
            .field("child_allocator", &self.child_allocator)
            .field("lost_lines", &self.lost_lines())
            .finish_non_exhaustive()
    }
}
