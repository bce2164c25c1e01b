//! A small allocator over a "break": a source of memory that only grows.
//!
//! # Layout
//!
//! A block has room for one word more than its length (and is at least its alignment). That is its
//! *need*. A need of up to 32 KiB is rounded up to a power of two, the *slot*:
//!
//! ```text
//!   class        0    1    2    3  …  9     10     11     (64-bit)
//!   slot, B     16   32   64  128  …  8 Ki  16 Ki  32 Ki
//! ```
//!
//! A class cuts its slots from a big page of its own, one after another. Where it stops is the
//! source's [`SLAB_LEN`](Sbrk::SLAB_LEN): when the next slot would begin at a multiple of it, a new big
//! page is begun. A source that says less than 64 KiB leaves the rest of each big page unused, as Zig's
//! `SbrkAllocator` does (see below).
//!
//! A larger need is rounded up to a power of two of big pages. The rounding counts the extra word a second
//! time, so that a block of 65,528 bytes, which with its word fills one big page, takes two.
//!
//! The extra word is the last one of a slot. In a free block it is the link to the next:
//!
//! ```text
//!   free[1] ──▶ ┌───────────────┬──────┐      ┌───────────────┬──────┐
//!               │               │    ──┼─────▶│               │ null │    32 bytes
//!               └───────────────┴──────┘      └───────────────┴──────┘
//! ```
//!
//! There is no header: the class follows from the length and alignment that `free` is told. So a block
//! can be resized in place where the class stays the same, and [`remap`] does no more than that.
//!
//! With one exception. A big block can be resized to any length that takes as many big pages, and that can
//! be a length for which a small slot would do. Freed then, it counts as a small slot, and the rest of its
//! big page is lost.
//!
//! # After a fork
//!
//! A child that is forked while another thread holds the lock waits for it for ever, since that thread does not exist there.
//! Do not allocate from it in such a child before `exec`.
//!
//! # Pointers that reach less than a slot
//!
//! A pointer that a `Box` has held, or that was made from a reference, may access no more than that. The
//! link lies after it, so the source makes a pointer to all of its memory from the address
//! ([`Sbrk::whole`]), which compiles to no instructions.
//!
//! # Differences from Zig
//!
//! - Zig has three files with this algorithm, each with one global state: `SbrkAllocator(sbrk)` over a
//!   function, `WasmAllocator`, and from 0.16 `BrkAllocator`. Here it is one type over a source, and its
//!   state is a value. The last two have no lock and do not compile in a program with threads.
//! - Zig's `SbrkAllocator` begins a new big page at each multiple of the *system's* page: it uses 4 of
//!   64 KiB. Its other two use all. The sources here use all; one that says 4096 has the addresses of
//!   Zig's.
//! - An alignment above 64 KiB is refused. Zig serves it, and the block is aligned by chance.
//! - A length that no object can have is null or false. Zig panics or wraps for some, and reads outside
//!   of a table for others (up to 0.16).
//! - A length of 0 is null. In Zig the class underflows.
//! - A big block that the source refuses is null. Zig makes a pointer of the 0 that may not be null, and safe
//!   modes panic.
//!
//! Ports `lib/std/heap/sbrk_allocator.zig` and `lib/std/heap/WasmAllocator.zig` of Zig 0.15.2, and
//! `lib/std/heap/BrkAllocator.zig` of 0.17.1.
//!
//! [`remap`]: crate::VTable::remap

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
/// One for each power of two of big pages that is at most `isize::MAX` bytes.
const BIG_CLASS_COUNT: usize = (isize::MAX as usize / BIG_PAGE).ilog2() as usize + 1;

/// A small allocator over a source of memory that only grows: for WebAssembly, a microcontroller, a kernel that boots.
///
/// Freed blocks are reused within their size class; they are never split, coalesced or returned. Allocating and freeing
/// take a fixed number of steps. It uses no other allocator and no operating system. Nothing is checked: a block that is
/// freed twice is handed out twice.
///
/// A [`Sbrk`] is called for *big pages* of 64 KiB, a power of two of them at a time. There is a source for a buffer that
/// you lend it ([`FixedBufferAllocator`]), one for the memory of a WebAssembly program (`MemoryGrow`), one for the program
/// break of a Linux process (`ProcessBreak`), and you can write your own.
///
/// Any number of threads may call it. A lock is held in `alloc`, `free` and a successful `remap` for a few instructions,
/// or for as long as the source takes to grow. With the feature `std`, a thread that waits for it yields its time slice;
/// without, it spins. So an interrupt handler must not allocate if the code that it interrupts may.
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
#[doc(alias = "std.heap.SbrkAllocator")]
#[doc(alias = "std.heap.WasmAllocator")]
#[doc(alias = "std.heap.BrkAllocator")]
#[doc(alias = "WasmAllocator")]
#[doc(alias = "BrkAllocator")]
#[doc(alias = "wasm_allocator")]
#[doc(alias = "brk_allocator")]
pub struct SbrkAllocator<S: Sbrk> {
    locked: AtomicBool,
    /// Used under the lock only.
    lists: UnsafeCell<Lists<S>>,
}

// SAFETY: the source may be sent, and the lists are of memory that belongs to this allocator alone.
unsafe impl<S: Sbrk> Send for SbrkAllocator<S> {}
// SAFETY: as above, and both are used under the lock only.
unsafe impl<S: Sbrk> Sync for SbrkAllocator<S> {}

impl<S: Sbrk> SbrkAllocator<S> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// An allocator that has nothing yet, and asks `source` for it.
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

    /// A handle for any number of threads.
    ///
    /// In a program without an operating system, the heap can be a static over another one:
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
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: the functions keep the contract from any thread: they use the lists under the lock, and a
        // block that is handed out is in no list and in no rest of a big page.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    /// The source, when nothing is to be allocated any more. What it has given out stays given out, and
    /// what was free is lost.
    #[inline]
    pub fn into_source(self) -> S {
        self.lists.into_inner().source
    }

    /// Calls `work` with the lists, under the lock. A panic of the source aborts before it would leave the
    /// lock taken: the functions of the table do not unwind.
    #[inline]
    fn with_lists<R>(&self, work: impl FnOnce(&mut Lists<S>) -> R) -> R {
        while self.locked.swap(true, Ordering::Acquire) {
            self.wait();
        }
        // SAFETY: this thread holds the lock, and `work` does not come back here: a `Sbrk` calls no allocator above it.
        let result = work(unsafe { &mut *self.lists.get() });
        self.locked.store(false, Ordering::Release);
        result
    }

    /// The same if the lock is free. `work` must not panic.
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

    /// Whether a block stays where it is with a new length. That depends on nothing but the lengths, so it takes no lock.
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
        // Nothing is aligned to more than a big page.
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
        // SAFETY: a live block is inside of what the source has given out.
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
        // A block has a slot, or it would not exist.
        let Some(slot) = Slot::of(need(memory_len, alignment)) else { return };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, not used afterwards, by our caller. Its length and alignment are those of `alloc`, or
        // give the same slot, or a smaller one that is part of it.
        this.with_lists(|lists| unsafe { lists.free(memory.cast(), slot) });
    }
}

// SAFETY: 1. as `allocator` says. 2. The source and the lists are its own. 3. There is a lock. 4. There is
// one source.
unsafe impl<S: Sbrk> AsAllocator for SbrkAllocator<S> {
    fn allocator(&self) -> Allocator<'_> {
        SbrkAllocator::allocator(self).as_allocator()
    }
}

/// Shows the type of the source, and how many bytes it has given out; `<locked>` if another call is in
/// progress, for which it does not wait.
impl<S: Sbrk> fmt::Debug for SbrkAllocator<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The lock is free again before anything is printed, since printing may allocate.
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

/// Where a block belongs: what its length and alignment say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// The power of two of bytes, counted from the smallest slot.
    Small(usize),
    /// The power of two of big pages.
    Big(usize),
}

/// The bytes that a block takes before rounding: its length and a link, or its alignment.
#[inline]
fn need(len: usize, alignment: Alignment) -> usize {
    len.saturating_add(LINK).max(alignment.to_byte_units())
}

impl Slot {
    /// The slot for so many bytes, or `None` if there is none that an object could have.
    #[inline]
    fn of(need: usize) -> Option<Slot> {
        // Where a length of 0 is resized to or freed, which is a breach, the need is less than the smallest slot.
        let log2 = (need.checked_next_power_of_two()?.ilog2() as usize).max(MIN_CLASS);
        if log2 < MIN_CLASS + CLASS_COUNT {
            return Some(Slot::Small(log2 - MIN_CLASS));
        }
        Slot::big(need)
    }

    /// The same as a big one, even where a small one would do.
    #[inline]
    fn big(need: usize) -> Option<Slot> {
        let pages = need.checked_add(BIG_PAGE + LINK - 1)? / BIG_PAGE;
        let class = pages.next_power_of_two().ilog2() as usize;
        (class < BIG_CLASS_COUNT).then_some(Slot::Big(class))
    }

    /// Whether a block in this slot can have the other need without moving.
    #[inline]
    fn keeps(self, new_need: usize) -> bool {
        let new = match self {
            Slot::Small(_) => Slot::of(new_need),
            Slot::Big(_) => Slot::big(new_need),
        };
        new == Some(self)
    }

    /// Bytes.
    #[inline]
    const fn len(self) -> usize {
        match self {
            Slot::Small(class) => 1 << (MIN_CLASS + class),
            Slot::Big(class) => BIG_PAGE << class,
        }
    }

    /// Where the link is in a free slot.
    ///
    /// # Safety
    /// `memory` is the address of a slot of this length.
    #[inline]
    unsafe fn link(self, memory: NonNull<u8>) -> NonNull<Link> {
        // SAFETY: the slot has that many bytes, and is at least as long as a link. Its last word is aligned, since the
        // slot and its length are.
        unsafe { memory.add(self.len() - LINK) }.cast()
    }
}

/// The next free slot of a list.
type Link = Option<NonNull<u8>>;

/// The source, and the memory from it that is free.
struct Lists<S> {
    source: S,
    /// How many bytes the source has given out.
    taken: usize,
    /// Where the class's next slot will be; at a multiple of `SLAB_LEN`, null included, there is none.
    next: [*mut u8; CLASS_COUNT],
    /// The first free slot of each class. A slot in a list belongs to the list alone.
    free: [Link; CLASS_COUNT],
    /// The same for big pages.
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
            // SAFETY: a slot of the list for this length.
            let link = unsafe { slot.link(memory) };
            // SAFETY: `free` has written the link, and a slot in a list belongs to the list alone.
            *free = unsafe { link.read() };
            return Some(memory);
        }
        match slot {
            Slot::Small(class) => self.cut(class),
            Slot::Big(_) => self.grow(slot.len()),
        }
    }

    /// A slot that was never used.
    fn cut(&mut self, class: usize) -> Option<NonNull<u8>> {
        let mut memory = self.next[class];
        if memory.addr() % S::SLAB_LEN == 0 {
            memory = self.alloc(Slot::Big(0))?.as_ptr();
        }
        // Inside the big page or at its end: that is a multiple of `SLAB_LEN`.
        self.next[class] = memory.wrapping_add(Slot::Small(class).len());
        NonNull::new(memory)
    }

    fn grow(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        let memory = self.source.sbrk(bytes)?;
        // Disjoint memory, so the sum is at most the address space.
        self.taken = self.taken.wrapping_add(bytes);
        debug_assert!(
            memory.addr().get() % BIG_PAGE == 0,
            "Sbrk::sbrk({bytes}) returned {memory:?}, which is not a multiple of 64 KiB"
        );
        Some(memory)
    }

    /// # Safety
    /// `memory` is the address of a slot of this length, inside of what the source has given out. It is not used
    /// afterwards.
    #[inline]
    unsafe fn free(&mut self, memory: NonNull<u8>, slot: Slot) {
        // SAFETY: the slot is inside of what the source has given out, by our caller.
        let memory = unsafe { self.source.whole(memory) };
        // SAFETY: the address of a slot of this length, by our caller.
        let link = unsafe { slot.link(memory) };
        let free = self.list(slot);
        // SAFETY: the pointer reaches all of the slot, which is ours now.
        unsafe { link.write(*free) };
        *free = Some(memory);
    }
}
