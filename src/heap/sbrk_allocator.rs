//! A small allocator over a *break*: a source of memory that only grows.
//!
//! # Layout
//!
//! A block needs its length plus one word, or its alignment if that is larger: its *need*. A need of up to 32 KiB is
//! rounded up to a power of two, the *slot*:
//!
//! ```text
//!   class        0    1    2    3  …  9     10     11     (64-bit)
//!   slot, B     16   32   64  128  …  8 Ki  16 Ki  32 Ki
//! ```
//!
//! Each class cuts its slots from a big page of its own, one after another, until the next slot would start at a
//! multiple of the source's [`SLAB_LEN`](Sbrk::SLAB_LEN); then it starts a new big page. With a `SLAB_LEN` below 64
//! KiB, the rest of each big page stays unused.
//!
//! A larger need is rounded up to a power of two of big pages. The rounding counts the extra word a second time, so a
//! block of 65,528 bytes, which with its word fills one big page, takes two.
//!
//! The extra word is the last word of the slot. In a free block it links to the next one:
//!
//! ```text
//!   free[1] ──▶ ┌───────────────┬──────┐      ┌───────────────┬──────┐
//!               │               │    ──┼─────▶│               │ null │    32 bytes
//!               └───────────────┴──────┘      └───────────────┴──────┘
//! ```
//!
//! The caller's pointer may not reach the link (after a `Box`, for example). So `free` asks the source for one that
//! does, by [`Sbrk::whole`], which compiles to no instructions.
//!
//! Blocks have no header: the class follows from the length and alignment that `free` is passed. So a block can be
//! resized in place if its class stays the same, and `remap` does no more than that.
//!
//! There is one exception. A big block can be resized to any length that takes the same number of big pages, which
//! can be a length that fits into a small slot. When such a block is freed, it is treated as a small slot, and the
//! rest of its big page is lost.
//!
//! Ports `lib/std/heap/sbrk_allocator.zig` and `lib/std/heap/WasmAllocator.zig` of Zig 0.15.2, and
//! `lib/std/heap/BrkAllocator.zig` of 0.17.1. See their [differences](crate::guide::differences#sbrkallocator), and
//! [threads and forks](super#threads-and-forks).

#[cfg(all(feature = "std", target_os = "linux", target_env = "gnu"))]
mod process_break;
mod source;

use core::cell::UnsafeCell;
use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

#[cfg(all(feature = "std", target_os = "linux", target_env = "gnu"))]
pub use self::process_break::ProcessBreak;
#[cfg(all(target_arch = "wasm32", not(target_os = "emscripten")))]
pub use self::source::MemoryGrow;
pub use self::source::Sbrk;
#[cfg(doc)]
use super::FixedBufferAllocator;
use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, SyncAllocator};
use crate::vtable::{VTable, block, state};

/// The unit in which a source grows, in bytes.
const BIG_PAGE: usize = 64 * 1024;
/// The length of the link in a free block, in bytes.
const LINK: usize = size_of::<*mut u8>();
/// The log2 of the smallest slot, which has room for a link and a byte.
const MIN_CLASS: usize = (1 + LINK).next_power_of_two().ilog2() as usize;
/// The largest slot is half a big page.
const CLASS_COUNT: usize = BIG_PAGE.ilog2() as usize - MIN_CLASS;
/// One class for each power of two of big pages up to `isize::MAX` bytes.
const BIG_CLASS_COUNT: usize = (isize::MAX as usize / BIG_PAGE).ilog2() as usize + 1;

/// A small allocator over a source of memory that only grows: for WebAssembly, a microcontroller, or a booting
/// kernel.
///
/// Freed blocks are reused within their size class; they are never split, coalesced or returned. Allocating and
/// freeing take a constant number of steps. The allocator uses no other allocator and no operating system. It checks
/// nothing: a block that is freed twice is handed out twice.
///
/// The source, a [`Sbrk`], provides *big pages* of 64 KiB, a power of two of them per call. Sources exist for a
/// buffer ([`FixedBufferAllocator`]), for the memory of a WebAssembly program (`MemoryGrow`) and for the program
/// break of a Linux process (`ProcessBreak`); you can write your own.
///
/// Any number of threads may call it. `alloc`, `free` and a successful `remap` hold a lock for a few instructions, or
/// for as long as the source takes to grow. With the feature `std`, a waiting thread yields its time slice; without
/// it, the thread spins. An interrupt handler must therefore not allocate if the code that it interrupts may.
///
/// Ports `std.heap.SbrkAllocator` of Zig 0.15.2.
///
/// ```
/// use std::mem::MaybeUninit;
/// use zigalloc::heap::{FixedBufferAllocator, SbrkAllocator};
///
/// let mut buffer = vec![MaybeUninit::uninit(); 256 << 10];
/// let sbrk = SbrkAllocator::init(FixedBufferAllocator::init(&mut buffer));
/// let allocator = sbrk.allocator();
///
/// let first = allocator.alloc::<u8>(24)?;
/// let second = allocator.alloc::<u8>(20)?;
/// // 24 bytes and a word are a slot of 32, and so are 20.
/// # #[cfg(target_pointer_width = "64")]
/// assert_eq!(second.addr().get(), first.addr().get() + 32);
/// // A freed block is the next one of its class.
/// unsafe { allocator.free(first) };
/// assert_eq!(allocator.alloc::<u8>(17)?.addr(), first.addr());
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// How much of its memory has a program needed? The source knows:
///
/// ```
/// use std::mem::MaybeUninit;
/// use zigalloc::heap::{FixedBufferAllocator, SbrkAllocator};
///
/// const BIG_PAGE: usize = 64 << 10;
///
/// let mut buffer = vec![MaybeUninit::uninit(); 4 * BIG_PAGE];
/// let padding = buffer.as_ptr().addr().next_multiple_of(BIG_PAGE) - buffer.as_ptr().addr();
/// let sbrk = SbrkAllocator::init(FixedBufferAllocator::init(&mut buffer));
/// let allocator = sbrk.allocator();
/// for _round in 0..100 {
///     let (small, medium) = (allocator.alloc::<u8>(20)?, allocator.alloc::<u8>(5000)?);
///     // SAFETY: live blocks, not used afterwards.
///     unsafe { allocator.free(small) };
///     unsafe { allocator.free(medium) };
/// }
/// assert_eq!(sbrk.into_source().end_index() - padding, 2 * BIG_PAGE, "one for each size class");
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Large blocks are whole powers of two of 64 KiB, and what does not fit leaves the rest usable:
///
/// ```
/// # use std::mem::MaybeUninit;
/// # use zigalloc::{SlicePtr, heap::{FixedBufferAllocator, SbrkAllocator}};
/// let mut buffer = vec![MaybeUninit::uninit(); 256 << 10];
/// let sbrk = SbrkAllocator::init(FixedBufferAllocator::init(&mut buffer));
/// let allocator = sbrk.allocator();
/// let large = allocator.alloc::<u8>(100_000)?;
/// // SAFETY: a live block, used with its new length only.
/// assert!(unsafe { allocator.resize(large, 120_000) }, "two big pages are 131,072 bytes");
/// assert!(!unsafe { allocator.resize(large.with_len(120_000), 140_000) });
/// assert!(allocator.alloc::<u8>(200_000).is_err());
/// assert!(allocator.alloc::<u8>(10).is_ok());
/// assert!(allocator.aligned_alloc::<u8, { 128 << 10 }>(10).is_err(), "above 64 KiB");
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.SbrkAllocator")]
#[doc(alias = "std.heap.WasmAllocator")]
#[doc(alias = "std.heap.BrkAllocator")]
#[doc(alias = "WasmAllocator")]
#[doc(alias = "BrkAllocator")]
#[doc(alias = "wasm_allocator")]
#[doc(alias = "brk_allocator")]
pub struct SbrkAllocator<S: Sbrk> {
    locked: AtomicBool,
    /// Accessed under the lock only.
    lists: UnsafeCell<Lists<S>>,
}

// SAFETY: the source is `Send`, and the lists consist of memory that belongs to this allocator alone.
unsafe impl<S: Sbrk> Send for SbrkAllocator<S> {}
// SAFETY: the source, which is `Send`, and the lists are accessed under the lock only.
unsafe impl<S: Sbrk> Sync for SbrkAllocator<S> {}

impl<S: Sbrk> SbrkAllocator<S> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Creates an allocator without memory, which it requests from `source` as needed.
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::{FixedBufferAllocator, SbrkAllocator};
    /// let mut buffer = vec![MaybeUninit::uninit(); 256 << 10];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let sbrk = SbrkAllocator::init(fixed_buffer);
    /// assert_eq!(sbrk.into_source().end_index(), 0, "nothing was requested yet");
    /// ```
    #[inline]
    pub const fn init(source: S) -> SbrkAllocator<S> {
        const {
            assert!(
                S::SLAB_LEN.is_power_of_two() && S::SLAB_LEN <= BIG_PAGE,
                "Sbrk::SLAB_LEN must be a power of two of at most 64 KiB"
            );
        }
        SbrkAllocator { locked: AtomicBool::new(false), lists: UnsafeCell::new(Lists::new(source)) }
    }

    /// Returns a handle for any number of threads.
    ///
    /// In a program without an operating system, a static can be the heap:
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    /// use zigalloc::SyncAllocator;
    /// use zigalloc::heap::{FixedBufferAllocator, SbrkAllocator};
    ///
    /// static mut MEMORY: [MaybeUninit<u8>; 256 << 10] = [MaybeUninit::uninit(); 256 << 10];
    /// static SBRK: SbrkAllocator<FixedBufferAllocator<'static>> =
    ///     // SAFETY: nothing else uses it.
    ///     SbrkAllocator::init(FixedBufferAllocator::init(unsafe { &mut *(&raw mut MEMORY) }));
    /// static HEAP: SyncAllocator<'static> = SBRK.allocator();
    ///
    /// let memory = HEAP.create_with(5u32)?;
    /// # assert_eq!(unsafe { memory.read() }, 5);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Any number of threads share it:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::{FixedBufferAllocator, SbrkAllocator};
    /// let mut buffer = vec![MaybeUninit::uninit(); 256 << 10];
    /// let sbrk = SbrkAllocator::init(FixedBufferAllocator::init(&mut buffer));
    /// let allocator = sbrk.allocator();
    /// std::thread::scope(|scope| {
    ///     for n in 1..=3u8 {
    ///         scope.spawn(move || {
    ///             let bytes = allocator.dupe(&[n; 100]).unwrap();
    ///             // SAFETY: initialised; then a live block that is not used afterwards.
    ///             assert!(unsafe { bytes.as_ref() }.iter().all(|byte| *byte == n));
    ///             unsafe { allocator.free(bytes) };
    ///         });
    ///     }
    /// });
    /// ```
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: the functions keep the contract from any thread: they access the lists under the lock, and a block
        // that is handed out is neither in a list nor in the uncut rest of a big page.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    /// Returns the source and ends this allocator. Memory that the source has handed out is not returned to it; what
    /// was free is lost.
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::{FixedBufferAllocator, SbrkAllocator};
    /// let mut buffer = vec![MaybeUninit::uninit(); 256 << 10];
    /// let sbrk = SbrkAllocator::init(FixedBufferAllocator::init(&mut buffer));
    /// sbrk.allocator().alloc::<u8>(100)?;
    /// // To use the buffer again from its start.
    /// let mut fixed_buffer = sbrk.into_source();
    /// assert!(fixed_buffer.end_index() >= 64 << 10, "a big page");
    /// fixed_buffer.reset();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Two phases of a program, each with an allocator of its own over the rest of one buffer:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::{FixedBufferAllocator, SbrkAllocator};
    /// let mut buffer = vec![MaybeUninit::uninit(); 256 << 10];
    /// let loading = SbrkAllocator::init(FixedBufferAllocator::init(&mut buffer));
    /// let kept = loading.allocator().create_with(42)?;
    /// let running = SbrkAllocator::init(loading.into_source());
    /// let other = running.allocator().create_with(43)?;
    /// // SAFETY: both are in the buffer, which the source has handed out once.
    /// assert_eq!(unsafe { (kept.read(), other.read()) }, (42, 43));
    /// assert!(other.addr().get() >= kept.addr().get() + (64 << 10), "another big page");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn into_source(self) -> S {
        self.lists.into_inner().source
    }

    /// Calls `work` with the lists, under the lock. A panic of the source cannot leave the lock taken: the functions
    /// of the table do not unwind, so the program aborts.
    #[inline]
    fn with_lists<R>(&self, work: impl FnOnce(&mut Lists<S>) -> R) -> R {
        while self.locked.swap(true, Ordering::Acquire) {
            self.wait();
        }
        // SAFETY: this thread holds the lock, and `work` does not reenter: a `Sbrk` calls no allocator above it.
        let result = work(unsafe { &mut *self.lists.get() });
        self.locked.store(false, Ordering::Release);
        result
    }

    /// Calls `work` as `with_lists` does, or returns `None` if the lock is taken. `work` must not panic.
    fn try_with_lists<R>(&self, work: impl FnOnce(&Lists<S>) -> R) -> Option<R> {
        if self.locked.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: this thread holds the lock.
        let result = work(unsafe { &*self.lists.get() });
        self.locked.store(false, Ordering::Release);
        Some(result)
    }

    #[cold]
    fn wait(&self) {
        while self.locked.load(Ordering::Relaxed) {
            #[cfg(feature = "std")]
            std::thread::yield_now();
            #[cfg(not(feature = "std"))]
            core::hint::spin_loop();
        }
    }

    /// Returns whether a block can be resized in place. That depends on the lengths alone, so it takes no lock.
    #[inline]
    fn keeps_slot(memory_len: usize, alignment: Alignment, new_len: usize) -> bool {
        Slot::of(need(memory_len, alignment)).is_some_and(|slot| slot.keeps(need(new_len, alignment)))
    }

    #[inline]
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // Slots are aligned to at most a big page.
        if len == 0 || u32::from(alignment.log2()) > BIG_PAGE.ilog2() {
            return None;
        }
        let slot = Slot::of(need(len, alignment))?;
        this.with_lists(|lists| lists.alloc(slot))
    }

    #[inline]
    unsafe extern "C" fn resize(
        _ctx: *mut (),
        _memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> bool {
        Self::keeps_slot(memory_len, alignment, new_len)
    }

    #[inline]
    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if !Self::keeps_slot(memory_len, alignment, new_len) {
            return None;
        }
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block lies inside memory that the source has returned.
        Some(this.with_lists(|lists| unsafe { lists.source.whole(memory.cast()) }))
    }

    #[inline]
    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // A live block always has a slot.
        let Some(slot) = Slot::of(need(memory_len, alignment)) else { return };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, not used afterwards, by our caller. Its length and alignment give the slot that
        // `alloc` used, or a smaller one inside it.
        this.with_lists(|lists| unsafe { lists.free(memory.cast(), slot) });
    }
}

// SAFETY: 1. See `allocator`. 2. It owns the source and the lists. 3. There is a lock. 4. All handles have the same
// state, `self`, and table.
unsafe impl<S: Sbrk> AsAllocator for SbrkAllocator<S> {
    fn allocator(&self) -> Allocator<'_> {
        SbrkAllocator::allocator(self).as_allocator()
    }
}

/// Shows the source's type and how many bytes it has handed out, or `<locked>` if another call holds the lock: this
/// does not wait.
impl<S: Sbrk> fmt::Debug for SbrkAllocator<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Release the lock before printing, which may allocate.
        let taken = self.try_with_lists(|lists| lists.taken);
        let mut debug = f.debug_struct("SbrkAllocator");
        debug.field("source", &format_args!("{}", core::any::type_name::<S>()));
        match taken {
            Some(taken) => debug.field("taken", &taken),
            None => debug.field("taken", &format_args!("<locked>")),
        };
        debug.finish_non_exhaustive()
    }
}

/// The slot that a block belongs to, by its length and alignment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// The power of two of bytes, counted from the smallest slot.
    Small(usize),
    /// The power of two of big pages.
    Big(usize),
}

/// The bytes that a block needs before rounding: its length plus a link, or its alignment.
#[inline]
fn need(len: usize, alignment: Alignment) -> usize {
    len.saturating_add(LINK).max(alignment.to_byte_units())
}

impl Slot {
    /// Returns the slot for `need` bytes, or `None` if no object can be that long.
    #[inline]
    fn of(need: usize) -> Option<Slot> {
        // For a length of 0, which only a breach of the contract resizes to or frees, the need is less than the
        // smallest slot.
        let log2 = (need.checked_next_power_of_two()?.ilog2() as usize).max(MIN_CLASS);
        if log2 < MIN_CLASS + CLASS_COUNT {
            return Some(Slot::Small(log2 - MIN_CLASS));
        }
        Slot::big(need)
    }

    /// Returns the big slot for `need` bytes, even where a small one would do.
    #[inline]
    fn big(need: usize) -> Option<Slot> {
        let pages = need.checked_add(BIG_PAGE + LINK - 1)? / BIG_PAGE;
        let class = pages.next_power_of_two().ilog2() as usize;
        (class < BIG_CLASS_COUNT).then_some(Slot::Big(class))
    }

    /// Returns whether a block in this slot can have `new_need` without moving.
    #[inline]
    fn keeps(self, new_need: usize) -> bool {
        let new = match self {
            Slot::Small(_) => Slot::of(new_need),
            Slot::Big(_) => Slot::big(new_need),
        };
        new == Some(self)
    }

    /// The slot's length in bytes.
    #[inline]
    const fn len(self) -> usize {
        match self {
            Slot::Small(class) => 1 << (MIN_CLASS + class),
            Slot::Big(class) => BIG_PAGE << class,
        }
    }

    /// Returns the address of the link in a free slot.
    ///
    /// # Safety
    /// `memory` is the address of a slot of this length.
    #[inline]
    unsafe fn link(self, memory: NonNull<u8>) -> NonNull<Link> {
        // SAFETY: the slot has that many bytes, and is at least as long as a link. Its last word is aligned, since
        // the slot and its length are.
        unsafe { memory.add(self.len() - LINK) }.cast()
    }
}

/// The next free slot of a list.
type Link = Option<NonNull<u8>>;

/// The source, and the free memory from it.
struct Lists<S> {
    source: S,
    /// The bytes that the source has handed out.
    taken: usize,
    /// The address of each class's next slot. A multiple of `SLAB_LEN`, including null, means there is none.
    next: [*mut u8; CLASS_COUNT],
    /// The first free slot of each class. A slot in a list is accessed through the list alone.
    free: [Link; CLASS_COUNT],
    /// The first free block of each power of two of big pages.
    big_free: [Link; BIG_CLASS_COUNT],
}

impl<S: Sbrk> Lists<S> {
    const fn new(source: S) -> Lists<S> {
        Lists {
            source,
            taken: 0,
            next: [ptr::null_mut(); CLASS_COUNT],
            free: [None; CLASS_COUNT],
            big_free: [None; BIG_CLASS_COUNT],
        }
    }

    #[inline]
    fn list(&mut self, slot: Slot) -> &mut Link {
        match slot {
            Slot::Small(class) => &mut self.free[class],
            Slot::Big(class) => &mut self.big_free[class],
        }
    }

    #[inline]
    fn alloc(&mut self, slot: Slot) -> Option<NonNull<u8>> {
        let free = self.list(slot);
        if let Some(memory) = *free {
            // SAFETY: a slot from the list for this length.
            let link = unsafe { slot.link(memory) };
            // SAFETY: `free` wrote the link, and a slot in a list is accessed through the list alone.
            *free = unsafe { link.read() };
            return Some(memory);
        }
        match slot {
            Slot::Small(class) => self.cut(class),
            Slot::Big(_) => self.grow(slot.len()),
        }
    }

    /// Cuts a slot that was never used.
    fn cut(&mut self, class: usize) -> Option<NonNull<u8>> {
        let mut memory = self.next[class];
        if memory.addr() % S::SLAB_LEN == 0 {
            memory = self.alloc(Slot::Big(0))?.as_ptr();
        }
        // Inside the big page or at its end, which is a multiple of `SLAB_LEN`.
        self.next[class] = memory.wrapping_add(Slot::Small(class).len());
        NonNull::new(memory)
    }

    fn grow(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        let memory = self.source.sbrk(bytes)?;
        // The memory is disjoint, so the sum is at most the address space.
        self.taken = self.taken.wrapping_add(bytes);
        debug_assert!(
            memory.addr().get() % BIG_PAGE == 0,
            "Sbrk::sbrk({bytes}) returned {memory:?}, which is not a multiple of 64 KiB"
        );
        Some(memory)
    }

    /// # Safety
    /// `memory` is the address of a slot of this length, inside memory that the source has returned. It is not used
    /// afterwards.
    #[inline]
    unsafe fn free(&mut self, memory: NonNull<u8>, slot: Slot) {
        // SAFETY: the slot lies inside memory that the source has returned, by our caller.
        let memory = unsafe { self.source.whole(memory) };
        // SAFETY: the address of a slot of this length, by our caller.
        let link = unsafe { slot.link(memory) };
        let free = self.list(slot);
        // SAFETY: the pointer covers all of the slot, which is ours now.
        unsafe { link.write(*free) };
        *free = Some(memory);
    }
}
