//! A fast allocator for any number of threads, for release builds.
//!
//! # Size classes
//!
//! A block's length is rounded up to a power of two, at least a word and at least its alignment:
//!
//! ```text
//!   class        0    1    2    3  …  10     11     12   (64-bit)
//!   block, B     8   16   32   64  …  8 Ki  16 Ki  32 Ki
//! ```
//!
//! Longer blocks, and those aligned to 64 KiB or more, are [large](#large-blocks). A block has no header: its class
//! follows from the length and alignment that `free` is passed. So a block can be resized in place exactly as long as
//! its class does not change.
//!
//! # Layout
//!
//! Blocks are cut from *slabs* of 64 KiB, aligned to 64 KiB, each with blocks of one class. The alignment shows where
//! a slab ends (the address of the next block is a multiple of 64 KiB) and aligns every block to its length. Slabs
//! are never unmapped.
//!
//! A free block's first word points to the next free block, so a chain of free blocks needs no other memory. Per
//! class, a thread holds:
//!
//! ```text
//!   loaded ──▶ ▢ ─▶ ▢ ─▶ ▢          alloc takes the first, free puts one in front
//!   room                            how many more may be put in front
//!   spare  ──▶ ▢ ─▶ ▢ ─▶ … ─▶ ▢     nothing, or a full chain
//!   fresh  ──▶ (rest of a slab)     never used so far
//! ```
//!
//! A full chain is a *batch*: as many blocks as a slab has, at most 256. Free blocks move between threads in batches
//! only, through a *depot* per class that all threads share:
//!
//! - `free`, with `loaded` full: `loaded` becomes the spare batch, and the previous spare batch goes to the depot.
//! - `alloc`, with `loaded` empty: the spare batch becomes `loaded`. Without a spare batch, the thread takes a batch
//!   from the depot; without that, up to a page of fresh blocks; and only then does it map a new slab.
//!
//! With a single chain, a thread that alternates between `alloc` and `free` at a batch boundary would visit the depot
//! on every call. With two, visits are at least a batch of calls apart. (The idea is from Bonwick and Adams,
//! "Magazines and Vmem", 2001.)
//!
//! To a single thread all of this behaves as one stack of free blocks: the block freed last is allocated next. Zig's
//! allocator does the same and returns the same addresses.
//!
//! # Large blocks
//!
//! On Unix a large block is a *span*: a run of pages that is cut from a *chunk*, a mapping of 64 MiB (4 MiB on 32-bit
//! systems). Freed spans are merged with their free neighbours and used again; a block grows in place as far as the
//! pages after it are free. So a process has few mappings, whatever it frees. Blocks of more than half a chunk, or
//! aligned to more than a 16th of one, have a mapping of their own, from the
//! [page allocator](super::page_allocator), as all large blocks have on other systems.
//!
//! Chunks belong to pools, with a lock each. No thread waits for a lock: it uses another pool, or leaves what it frees to
//! the thread that holds the lock. If the locks of all pools are held, on several attempts, a block has a mapping of
//! its own. The records of spans are at the start of their chunk, so nothing is written to free pages. The
//! documentation of `src/heap/smp_allocator/spans/mod.rs` has the details.
//!
//! Free pages that were used keep their memory, so that the next block has no page faults: up to 128 MiB in the process, 32 MiB on 32-bit systems
//! ([`set_kept_limit`](SmpAllocator::set_kept_limit)), and for one to two seconds without use
//! ([`set_kept_period`](SmpAllocator::set_kept_period)). Then it is returned to the system, and the addresses stay
//! mapped. Both are checked when a large block is freed, since there is no thread for it;
//! [`SmpAllocator::trim`] returns all of it at once. Pages that were never used, or were returned, are known to be zero:
//! [`raw_alloc_zeroed`](crate::Stateless::raw_alloc_zeroed) does not write to them. If a block of zeros has a
//! megabyte or more of used pages, they are exchanged for new ones.
//!
//! # Memory use
//!
//! A thread keeps two batches per class and the rest of a slab. All other free blocks are in the depot, where every
//! thread looks before it maps a slab. So if one thread allocates and another frees, the blocks return to the first
//! thread, and slabs are mapped only for live blocks and for what running threads keep (and, rarely, because another
//! thread held the depot for a long time).
//!
//! Rounding to powers of two wastes up to half of a block. [`SmpAllocator::slab_bytes`] returns how much is mapped.
//! `docs/performance.md` compares speed and memory with glibc's malloc and mimalloc.
//!
//! # Threads and their end
//!
//! A thread's chains are a `thread_local!` without a destructor and without lazy initialisation. They start as all
//! zeroes, which means "no blocks and no room", so the first call of each kind takes the slow path. The slow path
//! registers a second thread-local, whose destructor gives the thread's chains to the depots.
//!
//! Registering may allocate, and destructors that run later may allocate and free. Such calls find a thread whose
//! chains are not yet or no longer in use. They work on empty chains on the stack, which go to the depots at the end
//! of the call. That is slow but correct.
//!
//! This allocator can therefore be the `#[global_allocator]`: it never allocates for itself, panics, or takes a lock
//! of the standard library. (Before Rust 1.93, and on systems other than Linux with glibc, the standard library
//! aborts if a global allocator registers a destructor while another is being registered. Elsewhere than on Linux
//! with glibc, use Rust 1.93.)
//!
//! A child forked while other threads run may use it too. If one of them was taking a batch, that depot stays locked
//! in the child, which works without the batches in it. The same holds for a pool of chunks: the child uses others, and
//! what it frees there is not used again.
//!
//! # Pointers narrower than a block
//!
//! A pointer that was made from a reference, or that a `Box` has held, may access only what it referred to. That is
//! often less than the block, which is rounded up. Yet such a pointer may be freed, and the next `alloc` must return
//! a pointer to the whole block. So the page allocator *exposes* what it maps, and `free` and `remap` recover a
//! pointer to the slab from the address, which compiles to no instructions. Exposed provenance is needed only here,
//! where blocks come in; the chains are ordinary pointers. Miri's strict mode has no exposed provenance and cannot be
//! told apart from its other mode, so under Miri the pointer is used unchanged: Stacked Borrows then reports an error
//! where a container frees a `Box`'s block. To run a program in Miri, use
//! [`RUST_ALLOCATOR`](crate::heap::RUST_ALLOCATOR).
//!
//! # Differences from Zig
//!
//! - Zig has 128 sets of free lists, each with a lock that every call takes. A thread uses a set that is not locked,
//!   and moves to another if it finds its own locked. Zig does not notice when a thread exits. Here each thread has
//!   its own lists and a destructor.
//! - Before it maps a slab, Zig tries one neighbouring set, and stays there. Here a thread tries the depot.
//! - Free blocks in another thread's chains are out of reach until that thread gives them to the depot.
//! - A length of 0 is refused, not undefined.
//! - Zig maps and unmaps each large block. Here freed ones are used again, and their memory is kept for a while. The
//!   addresses are those of pages in both.
//! - `remap` does not move large blocks, except those with a mapping of their own that are aligned to at most a page
//!   (the system would only keep that alignment). Zig moves all of them, with `mremap`.
//!
//! Ports `lib/std/heap/SmpAllocator.zig` of Zig 0.15.2.

mod large;
#[cfg(all(test, target_os = "linux", target_pointer_width = "64", not(miri)))]
mod refusal_tests;
mod spans;
mod stack;
#[cfg(test)]
mod tests;
mod thread_cache;

use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::time::Duration;

use self::thread_cache::{Depots, ThreadCache};
use super::{PAGE_SIZE_MAX, whole_block};
use crate::alignment::Alignment;
use crate::allocator::SyncAllocator;
use crate::allocator::stateless::{Sealed, Stateless};
use crate::vtable::{VTable, block};

/// A fast allocator for any number of threads, for release builds.
///
/// Any thread may allocate, and any thread may free a block of another. Most calls touch no shared data: a thread
/// keeps free blocks of its own, and takes or adds one with a few instructions, none of them atomic. No call blocks
/// on another thread; at worst it yields a few times. When a thread exits, its free blocks go to other threads. There
/// is one instance per process, and it does not detect double frees or wrong lengths; use
/// [`DebugAllocator`](crate::heap::DebugAllocator) for that.
///
/// A block takes the next power of two of bytes; above 32 KiB it takes whole pages. Memory of small blocks stays with the
/// process; that of free large blocks is kept [for a while](self#large-blocks). The allocator can be the `#[global_allocator]`:
/// [`GlobalAllocator::SMP`](crate::adapters::GlobalAllocator::SMP).
///
/// Ports `std.heap.smp_allocator` of Zig 0.15.2.
///
/// ```
/// use zigalloc::heap::SMP_ALLOCATOR;
///
/// let memory = SMP_ALLOCATOR.dupe(b"from one thread")?;
/// let address = memory.addr();
/// // SAFETY: the block is live, and all its bytes are initialised.
/// assert_eq!(unsafe { memory.as_ref() }, b"from one thread");
/// // SAFETY: nothing uses the block afterwards.
/// unsafe { SMP_ALLOCATOR.free(memory) };
/// // 15 and 16 bytes are in the same class, and the block freed last is allocated next.
/// assert_eq!(SMP_ALLOCATOR.alloc::<u8>(16)?.addr(), address);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A block is allocated in one thread and freed in another:
///
/// ```
/// use std::sync::mpsc;
/// use zigalloc::heap::SMP_ALLOCATOR;
///
/// /// A text that one thread writes and another frees.
/// struct Message(*mut [u8]);
/// // SAFETY: any thread may use and free a block that belongs to it alone.
/// unsafe impl Send for Message {}
///
/// let (sender, receiver) = mpsc::channel();
/// std::thread::scope(|scope| {
///     scope.spawn(move || {
///         for n in 0..3 {
///             let text = SMP_ALLOCATOR.print(format_args!("message {n}")).unwrap();
///             sender.send(Message(text.as_ptr())).unwrap();
///         }
///     });
///     let mut bytes = 0;
///     for Message(text) in receiver {
///         let text = std::ptr::NonNull::new(text).unwrap();
///         bytes += text.len();
///         // SAFETY: a live block, which no other thread has.
///         unsafe { SMP_ALLOCATOR.free(text) };
///     }
///     assert_eq!(bytes, 27);
/// });
/// ```
///
/// Lengths are rounded up to a power of two, and a block can be resized within it:
///
/// ```
/// # use zigalloc::{SlicePtr, heap::SMP_ALLOCATOR};
/// let memory = SMP_ALLOCATOR.alloc::<u8>(100)?;
/// assert_eq!(memory.addr().get() % 128, 0, "aligned to its size class");
/// // SAFETY: a live block, used with its new lengths only.
/// unsafe {
///     assert!(SMP_ALLOCATOR.resize(memory, 128) && SMP_ALLOCATOR.resize(memory.with_len(128), 65));
///     let memory = memory.with_len(65);
///     assert!(!SMP_ALLOCATOR.resize(memory, 129) && !SMP_ALLOCATOR.resize(memory, 64));
///     SMP_ALLOCATOR.free(memory);
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.smp_allocator")]
pub const SMP_ALLOCATOR: SyncAllocator<'static> = {
    // SAFETY: the functions keep the contract from any thread: a block that is handed out is in no chain and in no
    // uncut rest of a slab, and only one thread at a time has a chain. The state is static.
    unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &SmpAllocator::VTABLE) }
};

/// [`SMP_ALLOCATOR`] as a type without size (see [`Stateless`]), with its vtable and statistics.
///
/// As the global allocator, which needs Rust 1.93 on systems other than Linux with glibc (see
/// [`GlobalAllocator::SMP`](crate::adapters::GlobalAllocator::SMP)):
///
/// ```standalone_crate
/// use zigalloc::heap::SmpAllocator;
///
/// #[global_allocator]
/// static GLOBAL: SmpAllocator = SmpAllocator;
///
/// let numbers: Vec<u32> = (0..1000).collect();
/// assert_eq!(numbers.iter().sum::<u32>(), 499_500);
/// # if cfg!(miri) { return }
/// assert!(SmpAllocator::slab_bytes() > 0);
/// ```
///
/// A large block takes nothing from a slab:
///
/// ```
/// # use zigalloc::heap::{SMP_ALLOCATOR, SmpAllocator};
/// let before = SmpAllocator::slab_bytes();
/// let large = SMP_ALLOCATOR.alloc::<u8>(1 << 20)?;
/// assert_eq!(SmpAllocator::slab_bytes(), before);
/// # unsafe { SMP_ALLOCATOR.free(large) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A struct whose vectors are in it, each two words smaller than one with a handle:
///
/// ```
/// # #[cfg(feature = "allocator-api2-02")] {
/// use allocator_api2_02::vec::Vec;
/// use zigalloc::SyncAllocator;
/// use zigalloc::heap::{SMP_ALLOCATOR, SmpAllocator};
///
/// struct Frame {
///     vertices: Vec<[f32; 3], SmpAllocator>,
///     indices: Vec<u16, SmpAllocator>,
/// }
///
/// let mut frame = Frame { vertices: Vec::new_in(SmpAllocator), indices: Vec::new_in(SmpAllocator) };
/// frame.vertices.push([0.0; 3]);
/// frame.indices.extend([0, 0, 0]);
/// assert_eq!((frame.vertices.len(), frame.indices.len()), (1, 3));
/// let (with_handle, without) = (size_of::<Vec<u8, SyncAllocator<'_>>>(), size_of::<Vec<u8, SmpAllocator>>());
/// assert_eq!(with_handle - without, size_of_val(&SMP_ALLOCATOR), "two words");
/// # }
/// ```
#[doc(alias = "std.heap.SmpAllocator")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SmpAllocator;

impl Sealed for SmpAllocator {}

impl Stateless for SmpAllocator {
    const ALLOCATOR: SyncAllocator<'static> = SMP_ALLOCATOR;

    #[inline]
    unsafe fn raw_alloc_zeroed(len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        if class_of(len, alignment) >= CLASS_COUNT {
            return THREAD.with(|thread| large::alloc_zeroed(&thread.pool, len, alignment));
        }
        // SAFETY: the length is not zero, by our caller; the function ignores the context.
        let memory = unsafe { Self::alloc(ptr::null_mut(), len, alignment, ret_addr) }?;
        // SAFETY: a new block of this length.
        unsafe { memory.write_bytes(0, len) };
        Some(memory)
    }
}

/// The length and alignment of a slab in bytes.
const SLAB_LEN: usize = if PAGE_SIZE_MAX > 64 * 1024 { PAGE_SIZE_MAX } else { 64 * 1024 };
const SLAB_ALIGNMENT: Alignment = Alignment::from_byte_units(SLAB_LEN);
/// The log2 of the shortest block, which has room for a link.
const MIN_CLASS: usize = size_of::<usize>().ilog2() as usize;
/// The longest block is half a slab.
const CLASS_COUNT: usize = SLAB_LEN.ilog2() as usize - MIN_CLASS;

/// Returns the class of a block. At or above [`CLASS_COUNT`], the block is a large one. So are a length of 0 and an
/// invalid alignment, which are refused there.
#[inline(always)]
const fn class_of(len: usize, alignment: Alignment) -> usize {
    // The bits of the shortest power of two that is at least `len`. For 0, all bits.
    let bits = (usize::BITS - (len.wrapping_sub(1) | (size_of::<usize>() - 1)).leading_zeros()) as usize;
    let log2 = alignment.log2() as usize;
    (if bits > log2 { bits } else { log2 }) - MIN_CLASS
}

/// The class of blocks that are never handed out. They carry chains of blocks of class 0, which are too short to be
/// on a [`stack`] themselves.
const CARRIER_CLASS: usize = CLASS_COUNT;

/// The length of the blocks of a class in bytes.
#[inline(always)]
const fn block_len(class: usize) -> usize {
    if class == CARRIER_CLASS { size_of::<stack::StackNode>() } else { 1 << (class + MIN_CLASS) }
}

/// The state shared by all threads.
static DEPOTS: Depots = Depots::new();

/// The state of one thread.
struct Thread {
    local: ThreadCache,
    state: Cell<State>,
    /// The pool of chunks that the thread used last.
    pool: Cell<usize>,
}

/// Whether a thread's chains are in use. Unless they are [`Ready`](State::Ready), they have neither blocks nor room,
/// so every call takes the slow path, which checks this.
#[derive(Clone, Copy)]
enum State {
    /// The thread has not called yet.
    New,
    /// The destructor is being registered, which may allocate.
    Registering,
    /// In use.
    Ready,
    /// The destructor has run.
    Ended,
}

/// Its destructor runs when the thread exits.
struct AtThreadEnd;

thread_local! {
    static THREAD: Thread =
        const { Thread { local: ThreadCache::new(), state: Cell::new(State::New), pool: Cell::new(0) } };
    static AT_THREAD_END: AtThreadEnd = const { AtThreadEnd };
}

// A destructor would make it unavailable in other destructors, and each access would have to check that.
const _: () = assert!(!core::mem::needs_drop::<Thread>());

impl Drop for AtThreadEnd {
    fn drop(&mut self) {
        THREAD.with(|thread| {
            thread.state.set(State::Ended);
            thread.local.close(&DEPOTS);
        });
    }
}

impl Thread {
    /// Returns whether the chains may be used. Opens them at the thread's first call.
    fn is_ready(&self) -> bool {
        if matches!(self.state.get(), State::New) {
            self.state.set(State::Registering);
            let registered = AT_THREAD_END.try_with(|_| ()).is_ok();
            if registered {
                self.local.open();
            }
            self.state.set(if registered { State::Ready } else { State::Ended });
        }
        matches!(self.state.get(), State::Ready)
    }
}

/// Calls `work` with the thread's chains, or if they are not in use, with empty ones for this call.
fn with_cache<R>(work: impl FnOnce(&ThreadCache) -> R) -> R {
    THREAD.with(|thread| {
        if thread.is_ready() {
            return work(&thread.local);
        }
        let local = ThreadCache::new();
        local.open();
        let result = work(&local);
        local.close(&DEPOTS);
        result
    })
}

#[cold]
#[inline(never)]
fn alloc_slow(class: usize) -> Option<NonNull<u8>> {
    with_cache(|local| local.alloc(&DEPOTS, class))
}

/// # Safety
/// As [`ThreadCache::free`], for the chains of this thread.
#[cold]
#[inline(never)]
unsafe fn free_slow(class: usize, memory: NonNull<u8>) {
    // SAFETY: a block of the class, by our caller; `with_cache` passes open chains.
    with_cache(|local| unsafe { local.free(&DEPOTS, class, memory) });
}

impl SmpAllocator {
    /// Returns [`SMP_ALLOCATOR`].
    ///
    /// ```
    /// use zigalloc::heap::SmpAllocator;
    ///
    /// let memory = SmpAllocator.allocator().dupe(b"a block")?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { SmpAllocator.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn allocator(self) -> SyncAllocator<'static> {
        SMP_ALLOCATOR
    }

    /// The functions of [`SMP_ALLOCATOR`]. They ignore the context.
    ///
    /// A handle made from the table, as C code would build it; the context can be anything:
    ///
    /// ```
    /// # use zigalloc::{SyncAllocator, heap::SmpAllocator};
    /// // SAFETY: the functions of `SMP_ALLOCATOR`, which any thread may call with any context.
    /// let allocator = unsafe { SyncAllocator::from_raw_parts(std::ptr::null_mut(), &SmpAllocator::VTABLE) };
    /// let memory = allocator.alloc::<u8>(100)?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { allocator.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Returns how many bytes of slabs the process has mapped so far. Slabs are never unmapped. Large blocks are not
    /// counted. Not in Zig.
    ///
    /// ```
    /// use zigalloc::heap::{SMP_ALLOCATOR, SmpAllocator};
    ///
    /// let memory = SMP_ALLOCATOR.create::<u64>()?;
    /// assert!(SmpAllocator::slab_bytes() >= 64 * 1024);
    /// unsafe { SMP_ALLOCATOR.destroy(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Freed blocks are used again before another slab is mapped:
    ///
    /// ```
    /// # use zigalloc::heap::{SMP_ALLOCATOR, SmpAllocator};
    /// let warm = SMP_ALLOCATOR.create::<[u8; 500]>()?;
    /// unsafe { SMP_ALLOCATOR.destroy(warm) };
    /// let before = SmpAllocator::slab_bytes();
    /// for _ in 0..1000 {
    ///     let block = SMP_ALLOCATOR.create::<[u8; 500]>()?;
    ///     unsafe { SMP_ALLOCATOR.destroy(block) };
    /// }
    /// assert_eq!(SmpAllocator::slab_bytes(), before);
    /// // Large blocks are pages of their own.
    /// let large = SMP_ALLOCATOR.alloc::<u8>(1 << 20)?;
    /// assert_eq!(large.addr().get() % 4096, 0);
    /// unsafe { SMP_ALLOCATOR.free(large) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn slab_bytes() -> usize {
        DEPOTS.slab_bytes()
    }

    /// Returns how many bytes of free [large blocks](super::smp_allocator#large-blocks) may have memory: those that
    /// were used and have not been returned to the system. 0 where large blocks have mappings of their own. Not in
    /// Zig.
    ///
    /// ```standalone_crate
    /// use zigalloc::heap::{SMP_ALLOCATOR, SmpAllocator};
    ///
    /// let memory = SMP_ALLOCATOR.alloc::<u8>(1 << 20)?;
    /// unsafe { SMP_ALLOCATOR.free(memory) };
    /// # if cfg!(not(all(unix, not(miri)))) { return Ok(()) }
    /// assert!(SmpAllocator::kept_bytes() >= 1 << 20);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn kept_bytes() -> usize {
        large::POOLS.kept_bytes()
    }

    /// Sets how many bytes [`kept_bytes`](Self::kept_bytes) should be at most; 128 MiB at first (32 MiB on 32-bit
    /// systems). When a large block is freed and there are more, what is above and a quarter of the limit are returned
    /// to the system at once, as far as the block's pool has them: threads that contend share out several pools.
    ///
    /// A higher limit saves page faults in a program that frees and allocates more than that at a time. With a limit of
    /// 0, a large block that is freed returns its memory at once. After the limit was lowered, [`trim`](Self::trim)
    /// returns what all pools keep; otherwise a pool does when a block of its own is freed. Any thread may call this at
    /// any time. Not in Zig.
    ///
    /// ```standalone_crate
    /// use zigalloc::heap::{SMP_ALLOCATOR, SmpAllocator};
    ///
    /// SmpAllocator::set_kept_limit(0);
    /// let memory = SMP_ALLOCATOR.alloc::<u8>(10 << 20)?;
    /// unsafe { SMP_ALLOCATOR.free(memory) };
    /// assert_eq!(SmpAllocator::kept_bytes(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn set_kept_limit(bytes: usize) {
        large::POOLS.set_limit(bytes);
    }

    /// Sets after how long free memory is returned to the system; one second at first. `Duration::MAX` is never.
    ///
    /// There is no thread that does it: when a large block is freed, and the period has passed since this was last done,
    /// as much is returned as has been free all the time since then. So memory is returned after one to two
    /// periods, if large blocks are freed that often. Any thread may call this at any time. Not in Zig.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use zigalloc::heap::SmpAllocator;
    ///
    /// SmpAllocator::set_kept_period(Duration::from_millis(100));
    /// ```
    pub fn set_kept_period(period: Duration) {
        large::POOLS.set_period(period.as_millis().try_into().unwrap_or(usize::MAX));
    }

    /// Sets whether chunks that are mapped from now on ask the system for huge pages; false at first.
    ///
    /// On Linux (`MADV_HUGEPAGE`, unless the administrator has disabled it) large blocks then have one page fault for
    /// 2 MiB instead of 512, and fewer misses of the TLB. But the smallest piece of memory is 2 MiB, which a block that
    /// is used sparsely, or a short one, may have to itself. Elsewhere it has no effect. Call it before the first large
    /// block. Not in Zig.
    ///
    /// ```standalone_crate
    /// use zigalloc::heap::SmpAllocator;
    ///
    /// #[global_allocator]
    /// static GLOBAL: SmpAllocator = SmpAllocator;
    ///
    /// SmpAllocator::set_huge_pages(true);
    /// let table = vec![1_u64; 1 << 20];
    /// assert_eq!(table.iter().sum::<u64>(), 1 << 20);
    /// ```
    pub fn set_huge_pages(wants: bool) {
        large::POOLS.set_huge_pages(wants);
    }

    /// Returns the memory of all free large blocks to the system, and unmaps the chunks without blocks. Returns how
    /// many bytes of memory were returned.
    ///
    /// Slabs stay, and so does what other threads are freeing or allocating at this moment. Not in Zig.
    ///
    /// ```standalone_crate
    /// use zigalloc::heap::{SMP_ALLOCATOR, SmpAllocator};
    ///
    /// let memory = SMP_ALLOCATOR.alloc::<u8>(20 << 20)?;
    /// unsafe { SMP_ALLOCATOR.free(memory) };
    /// let kept = SmpAllocator::kept_bytes();
    /// assert_eq!(SmpAllocator::trim(), kept);
    /// assert_eq!(SmpAllocator::kept_bytes(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn trim() -> usize {
        large::POOLS.trim()
    }

    #[inline]
    unsafe extern "C" fn alloc(
        _ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let class = class_of(len, alignment);
        if class >= CLASS_COUNT {
            return THREAD.with(|thread| large::alloc(&thread.pool, len, alignment));
        }
        THREAD.with(|thread| thread.local.pop(class)).or_else(|| alloc_slow(class))
    }

    #[inline]
    unsafe extern "C" fn resize(
        _ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> bool {
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let (class, new_class) = (class_of(memory_len, alignment), class_of(new_len, alignment));
        if class < CLASS_COUNT || new_class < CLASS_COUNT {
            // `free` derives the class from the length alone.
            return class == new_class;
        }
        // SAFETY: a live block of this class is a large one; the bytes cut off are not used, by our caller.
        unsafe { large::resize(memory, new_len) }
    }

    #[inline]
    unsafe extern "C" fn remap(
        _ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let (class, new_class) = (class_of(memory_len, alignment), class_of(new_len, alignment));
        if class < CLASS_COUNT {
            return (class == new_class).then(|| whole_block(memory.cast()));
        }
        if new_class < CLASS_COUNT {
            return None;
        }
        // SAFETY: a live block of this class is a large one; what a success ends is not used, by our caller.
        unsafe { large::remap(memory, alignment, new_len) }
    }

    #[inline]
    unsafe extern "C" fn free(
        _ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let class = class_of(memory_len, alignment);
        if class >= CLASS_COUNT {
            // SAFETY: a live block of this class is a large one; it is not used afterwards, by our caller.
            return unsafe { large::free(memory) };
        }
        let memory = memory.cast::<u8>();
        debug_assert!(
            memory.addr().get() % block_len(class) == 0,
            "SmpAllocator: free({memory:?}) of {memory_len} bytes, aligned to {alignment}: blocks of that \
             length are at multiples of {} bytes",
            block_len(class)
        );
        let memory = whole_block(memory);
        // SAFETY: a live block, not used afterwards, by our caller. Its length and alignment are those of `alloc`, or
        // give the same class.
        let pushed = THREAD.with(|thread| unsafe { thread.local.push(class, memory) });
        if !pushed {
            // SAFETY: a live block of this class, not used afterwards, by our caller, which was not pushed.
            unsafe { free_slow(class, memory) };
        }
    }
}
