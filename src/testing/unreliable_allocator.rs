//! An allocator that refuses and moves at random, and otherwise keeps its contract.
//!
//! Each decision takes the next number of a generator: the seed plus how many decisions there have been, mixed as in
//! SplitMix64. (A `remap` decides twice: whether to refuse, and whether to move.) So a program of one thread meets the
//! same refusals with each run. With several threads, the order in which they decide determines who meets which.
//!
//! Zig has such allocators in its own tests only: those of the deque, the lock-free arena and `SafeAllocator`.

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, Handle, SyncAllocator, SyncHandle};
use crate::vtable::{VTable, block, state};

/// What an [`UnreliableAllocator`] does how often: each number is a percentage of the calls, above 100 the same as 100.
///
/// The default refuses a tenth of the allocations, half of all resizes and remaps, and moves half of the remaining
/// remaps.
///
/// ```
/// # use zigalloc::testing::UnreliableConfig;
/// let every_growth_moves = UnreliableConfig { refuse_alloc: 0, refuse_resize: 100, refuse_remap: 0, move_remap: 100, ..UnreliableConfig::default() };
/// # assert!(every_growth_moves.reuse);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UnreliableConfig {
    /// Where the sequence of refusals starts. A test runs with several.
    pub seed: u64,
    /// Percentage of `alloc` calls that return null.
    pub refuse_alloc: u8,
    /// Percentage of `resize` calls that return false.
    pub refuse_resize: u8,
    /// Percentage of `remap` calls that return null.
    pub refuse_remap: u8,
    /// Percentage of the other `remap` calls that move the block, although it may not need to move.
    pub move_remap: u8,
    /// Whether freed blocks go back to the child. If not, no address is used twice as long as the child does not do so
    /// by itself, and the child has to free them all at once: an arena, for example.
    pub reuse: bool,
}

impl Default for UnreliableConfig {
    fn default() -> UnreliableConfig {
        UnreliableConfig {
            seed: 0,
            refuse_alloc: 10,
            refuse_resize: 50,
            refuse_remap: 50,
            move_remap: 50,
            reuse: true,
        }
    }
}

/// Refuses calls and moves blocks at random, as an allocator may, to test a container or an allocator above it.
///
/// What it does is within the [contract](crate::VTable#the-contract-of-an-allocator), so a program that fails over it
/// would fail over some other allocator. [`FailingAllocator`](super::FailingAllocator) refuses from a certain call on;
/// this one refuses now and then, so the program goes on.
///
/// Over a `SyncAllocator`, its handle is one. A forked process has its own copy of the counter; otherwise the child
/// determines what works after a fork.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::testing::{LedgerAllocator, UnreliableAllocator, UnreliableConfig};
///
/// for seed in 0..20 {
///     let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
///     let config = UnreliableConfig { seed, ..UnreliableConfig::default() };
///     let unreliable = UnreliableAllocator::init(ledger.allocator(), config);
///     let allocator = unreliable.allocator();
///
///     let mut text = allocator.alloc::<u8>(0)?;
///     for len in 1..50 {
///         // SAFETY: a live block, or an empty slice, whose old pointer is not used again.
///         let Ok(longer) = (unsafe { allocator.realloc(text, len) }) else { continue };
///         text = longer;
///     }
///     // SAFETY: a live block, or an empty slice.
///     unsafe { allocator.free(text) };
///     assert_eq!(ledger.live(), 0, "seed {seed}");
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub struct UnreliableAllocator<C: Handle> {
    child_allocator: C,
    config: UnreliableConfig,
    calls: AtomicUsize,
    refusals: AtomicUsize,
    moves: AtomicUsize,
}

impl UnreliableAllocator<Allocator<'_>> {
    /// Returns a handle to this allocator, for one thread.
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

impl<C: SyncHandle> UnreliableAllocator<C> {
    /// Returns a handle to this allocator, for any thread.
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: any thread may call the child, and the counters are atomic.
        unsafe { SyncAllocator::new_unchecked(self.handle()) }
    }
}

impl<C: Handle> UnreliableAllocator<C> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Creates an allocator that is as unreliable as `config` says.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, testing::{UnreliableAllocator, UnreliableConfig}};
    /// let config = UnreliableConfig { refuse_alloc: 100, ..UnreliableConfig::default() };
    /// let unreliable = UnreliableAllocator::init(PAGE_ALLOCATOR, config);
    /// assert!(unreliable.allocator().create::<u32>().is_err());
    /// ```
    #[inline]
    pub const fn init(child_allocator: C, config: UnreliableConfig) -> UnreliableAllocator<C> {
        UnreliableAllocator {
            child_allocator,
            config,
            calls: AtomicUsize::new(0),
            refusals: AtomicUsize::new(0),
            moves: AtomicUsize::new(0),
        }
    }

    /// How many calls this allocator has refused. The child's own refusals are not counted.
    ///
    /// A test over it shows by this number that something was refused at all.
    pub fn refusals(&self) -> usize {
        self.refusals.load(Ordering::Relaxed)
    }

    /// How many blocks this allocator has moved. Moves of the child's `remap` are not counted.
    pub fn moves(&self) -> usize {
        self.moves.load(Ordering::Relaxed)
    }

    #[inline]
    const fn handle(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract because the child does: they pass calls on, refuse, or move a block.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// Whether the next event of this percentage happens.
    fn happens(&self, percent: u8) -> bool {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) as u64;
        mix(self.config.seed, call) % 100 < u64::from(percent)
    }

    fn refuses(&self, percent: u8) -> bool {
        let refuses = self.happens(percent);
        self.refusals.fetch_add(usize::from(refuses), Ordering::Relaxed);
        refuses
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        if this.refuses(this.config.refuse_alloc) {
            return None;
        }
        let child = this.child_allocator.as_allocator();
        // SAFETY: `len` is not zero, by our caller, who is in the thread of the child's handle unless that is a
        // `SyncAllocator`.
        unsafe { child.raw_alloc(len, alignment, ret_addr) }
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        if this.refuses(this.config.refuse_resize) {
            return false;
        }
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let child = this.child_allocator.as_allocator();
        // SAFETY: a live block of the child, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
        unsafe { child.raw_resize(memory, alignment, new_len, ret_addr) }
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        if this.refuses(this.config.refuse_remap) {
            return None;
        }
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let child = this.child_allocator.as_allocator();
        if !this.happens(this.config.move_remap) {
            // SAFETY: a live block of the child, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
            return unsafe { child.raw_remap(memory, alignment, new_len, ret_addr) };
        }
        // SAFETY: `new_len` is not zero, by our caller; one thread, as in `alloc`.
        let moved = unsafe { child.raw_alloc(new_len, alignment, ret_addr) }?;
        // SAFETY: both blocks are live and have that many bytes, and two live blocks do not overlap.
        unsafe { moved.copy_from_nonoverlapping(memory.cast(), memory_len.min(new_len)) };
        this.moves.fetch_add(1, Ordering::Relaxed);
        // Last: if the child exits the process before it has freed the block, our caller's still is the old one.
        // SAFETY: a live block of the child, which our caller does not use any more after this call has succeeded.
        unsafe { this.give_back(memory, alignment, ret_addr) };
        Some(moved)
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `handle` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block of the child, not used afterwards, by our caller.
        unsafe { this.give_back(memory, alignment, ret_addr) };
    }

    /// Frees the block, unless its address must not be used again.
    ///
    /// # Safety
    /// `memory` is a live block of the child with this alignment and is not used afterwards. The thread is that of the
    /// child's handle, unless that is a `SyncAllocator`.
    unsafe fn give_back(&self, memory: NonNull<[u8]>, alignment: Alignment, ret_addr: usize) {
        if self.config.reuse {
            // SAFETY: by our caller.
            unsafe { self.child_allocator.as_allocator().raw_free(memory, alignment, ret_addr) };
        }
    }
}

/// SplitMix64's number at this place of the sequence of `seed`.
const fn mix(seed: u64, place: u64) -> u64 {
    let n = seed.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

// SAFETY: 1. See `handle`. 2. The counters belong to `self`. If the type is `Send`, its child is a `SyncHandle`, which
// any thread may call. 3. If it is `Sync`, so is its child's handle, and the counters are atomic. 4. All handles have
// the same state, `self`, and table.
unsafe impl<C: Handle> AsAllocator for UnreliableAllocator<C> {
    fn allocator(&self) -> Allocator<'_> {
        self.handle()
    }
}

impl<C: Handle> fmt::Debug for UnreliableAllocator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnreliableAllocator")
            .field("config", &self.config)
            .field("refusals", &self.refusals())
            .field("moves", &self.moves())
            .finish_non_exhaustive()
    }
}
