//! An allocator that writes down every call.
//!
//! # What can go wrong with the sink
//!
//! - It **fails**: the line is lost. It is counted, see [`lost_lines`]. The call and its result are what they
//!   would have been.
//! - It **calls this allocator**, because it keeps its text there. Such a call is passed on to the child like
//!   any other. But a line for it would be written by the same sink, and would lead to the next one. So it
//!   gets none, and counts as a lost line.
//! - It **exits the process** (`std::process::exit`). Destructors of thread-local values may then run, with allocators
//!   above this one in the middle of a call. These use no memory that has been given back. But a container whose own
//!   call has not returned (a thread-local `Vec` that grows in this allocator) still has its old address, and its
//!   destructor uses it: abort the process instead ([`std::process::abort`]), which runs no destructors.
//! - It calls an allocator that is **above** this one, in the middle of that one's own call: that breaks
//!   [no-reentry](crate::VTable#no-reentry). A lock waits for ever, or aborts
//!   the process; an arena or a pool is out of memory; others may go on. Blocks stay disjoint even
//!   then, since sinks are safe code.
//! - It **panics**: the process is aborted. The table's functions are `extern "C"` and must not unwind.
//!
//! # What it assumes of its child
//!
//! The contract. The child may be another logging allocator.
//!
//! # Threads
//!
//! Over an [`Allocator`], [`allocator`] returns an [`Allocator`]. Over a [`SyncAllocator`] it returns a
//! [`SyncAllocator`] if the sink is `Send`, with the feature `std`. Then a lock is held from before the child
//! is called until its line is written. So the lines are in the order of the calls, each is whole, and
//! whoever reads that a block was freed has not yet read that the same memory was given out again. It also
//! means that the child is called by one thread at a time.
//!
//! The lock is the standard library's mutex. As with [`ThreadSafeAllocator`], this allocator cannot be Rust's
//! global allocator.
//!
//! A child that is forked while another thread holds the lock hangs in its first call, as with
//! [`ThreadSafeAllocator`](crate::ThreadSafeAllocator).
//!
//! # Differences from Zig
//!
//! Zig had `LoggingAllocator`, `ScopedLoggingAllocator` and `logToWriterAllocator` in `std.heap`, and has
//! none of them in 0.15.2; what is left is the option `verbose_log` of its debug allocator. Theirs wrote
//! neither addresses nor callers, and were for one thread.
//!
//! [`lost_lines`]: LoggingAllocator::lost_lines
//! [`allocator`]: LoggingAllocator::allocator
//! [`ThreadSafeAllocator`]: crate::thread_safe

mod call;
mod exclusive;
mod sink;

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

pub use call::LoggedCall;
use exclusive::Exclusive;
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

/// Passes every call on to its child, and then writes one line about it to a [`Sink`].
///
/// Arguments, return addresses included, and results are passed on unchanged. Lengths and alignments are in bytes:
///
/// ```text
/// alloc 100 bytes, aligned to 8: 0x7f5a0c00, called by parser::parse at src/parser.rs:31
/// resize 0x7f5a0c00, 100 bytes, aligned to 8, to 120 bytes: true, called by parser::grow at src/parser.rs:57
/// remap 0x7f5a0c00, 120 bytes, aligned to 8, to 9000 bytes: null, called by parser::grow at src/parser.rs:57
/// free 0x7f5a0c00, 120 bytes, aligned to 8, called by parser::finish at src/parser.rs:80
/// ```
///
/// Without the feature `backtrace` the caller is an address, or "an unknown place" if it has none. No memory is allocated
/// for a line, other than by the sink, and with `backtrace` by what reads the debug information, which allocates from
/// Rust's global allocator.
///
/// `C` is the child's handle: [`Allocator`] or [`SyncAllocator`]. It is also what
/// [`allocator`] returns. `S` is where the lines go.
///
/// ```
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
/// To the standard error stream:
///
/// ```
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::trace::{IoSink, LoggingAllocator};
///
/// let logging = LoggingAllocator::init(PAGE_ALLOCATOR, IoSink(std::io::stderr()));
/// # let memory = logging.allocator().alloc::<u32>(10)?;
/// # unsafe { logging.allocator().free(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// [`allocator`]: LoggingAllocator::allocator
#[doc(alias = "std.heap.LoggingAllocator")]
#[doc(alias = "ScopedLoggingAllocator")]
#[doc(alias = "LogToWriterAllocator")]
pub struct LoggingAllocator<C: Handle, S: Sink> {
    child_allocator: C,
    sink: Exclusive<S>,
    lost_lines: AtomicUsize,
}

impl<'c, S: Sink> LoggingAllocator<Allocator<'c>, S> {
    /// A handle to this allocator, for one thread since its child is.
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

#[cfg(feature = "std")]
impl<'c, S: Sink + Send> LoggingAllocator<SyncAllocator<'c>, S> {
    /// A handle to this allocator, for any number of threads.
    ///
    /// If the sink is not `Send`, or without the feature `std`, put the allocator around a plain
    /// [`Allocator`], such as `*PAGE_ALLOCATOR`, for a plain handle.
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: any thread may call the child, and the sink is used under a lock, by any thread since it
        // is `Send`.
        unsafe { SyncAllocator::new_unchecked(self.handle()) }
    }
}

impl<C: Handle, S: Sink> LoggingAllocator<C, S> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// An allocator that writes its calls to `sink`.
    #[doc(alias = "logToWriterAllocator")]
    #[inline]
    pub const fn init(child_allocator: C, sink: S) -> LoggingAllocator<C, S> {
        LoggingAllocator { child_allocator, sink: Exclusive::new(sink), lost_lines: AtomicUsize::new(0) }
    }

    const fn handle(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract, because the child does.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// How many calls have no line: the sink failed, or made the call itself.
    pub fn lost_lines(&self) -> usize {
        self.lost_lines.load(Ordering::Relaxed)
    }

    /// The sink. No lines are written meanwhile, since nobody can call.
    #[inline]
    pub fn sink_mut(&mut self) -> &mut S {
        self.sink.get_mut()
    }

    /// The sink, without the allocator.
    #[inline]
    pub fn into_sink(self) -> S {
        self.sink.into_inner()
    }

    /// Calls the child, and writes the line for that call.
    fn log<R>(&self, call: impl FnOnce() -> R, line: impl FnOnce(&R) -> LoggedCall) -> R {
        // Taken before the call, so that the lines are in the order of the calls. `None` if the sink itself
        // is calling.
        let sink = self.sink.enter();
        let result = call();
        let written = sink.ok_or(fmt::Error).and_then(|mut sink| sink.write(&line(&result)));
        if written.is_err() {
            self.lost_lines.fetch_add(1, Ordering::Relaxed);
        }
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
        this.log(
            // SAFETY: `len` is not zero, by our caller, who is in the thread of the child's handle unless that is a
            // `SyncAllocator`.
            || unsafe { child.raw_alloc(len, alignment, return_address) },
            |memory| LoggedCall::Alloc { len, alignment, return_address, result: address_of(memory) },
        )
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
        this.log(
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
        this.log(
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
        this.log(
            // SAFETY: a live block of the child, not used afterwards, by our caller; one thread, as in `alloc`.
            || unsafe { child.raw_free(memory, alignment, return_address) },
            |()| LoggedCall::Free { address, len, alignment, return_address },
        );
    }
}

fn address_of(memory: &Option<NonNull<u8>>) -> Option<usize> {
    memory.map(|memory| memory.addr().get())
}

// SAFETY: 1. as `handle` says. 2. The sink is its own. If the type is `Send`, its child is a `SyncAllocator`,
// which any thread may call. 3. If it is `Sync`, the same, and the sink is `Send` and behind a lock.
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
