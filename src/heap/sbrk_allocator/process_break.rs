//! The program break of a Linux process.

use core::ptr::NonNull;

use super::{BIG_PAGE, Sbrk};

/// The program break of a Linux process, as a source for a [`SbrkAllocator`](super::SbrkAllocator). Together they are
/// Zig's `BrkAllocator`.
///
/// This source moves the break through glibc's `sbrk`, so that glibc knows about it. Other code may move the break up
/// between two calls, as glibc's `malloc` does: this source then continues at the next multiple of 64 KiB. (Zig makes
/// the system call itself, and assumes that no other code does.)
///
/// Available with glibc only: musl's `sbrk` refuses every request.
///
/// Zig's global `brk_allocator`:
///
/// ```
/// # if cfg!(miri) { return Ok(()) }
/// use zigalloc::SyncAllocator;
/// use zigalloc::heap::{ProcessBreak, SbrkAllocator};
///
/// static SBRK: SbrkAllocator<ProcessBreak> =
///     // SAFETY: this program has one thread.
///     SbrkAllocator::init(unsafe { ProcessBreak::new() });
/// static BRK_ALLOCATOR: SyncAllocator<'static> = SBRK.allocator();
///
/// let text = BRK_ALLOCATOR.dupe(b"below the break")?;
/// assert_eq!(unsafe { text.as_ref() }, b"below the break");
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Debug)]
pub struct ProcessBreak(());

impl ProcessBreak {
    /// Creates the source for this process's break.
    ///
    /// # Safety
    ///
    /// - While this source grows, no other thread calls `brk`, `sbrk`, or a C function that allocates or frees:
    ///   glibc's `sbrk` takes no lock, `malloc` moves the break, and Rust's global allocator is `malloc` by default.
    ///   A program with one thread satisfies this.
    /// - Nothing moves the break below where this source has moved it, as long as its memory is in use. `malloc` does
    ///   not.
    ///
    /// ```
    /// # if cfg!(miri) { return Ok(()) }
    /// use zigalloc::heap::{ProcessBreak, SbrkAllocator};
    ///
    /// // SAFETY: this program has one thread.
    /// let sbrk = SbrkAllocator::init(unsafe { ProcessBreak::new() });
    /// sbrk.allocator().alloc::<u8>(100)?;
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub const unsafe fn new() -> ProcessBreak {
        ProcessBreak(())
    }
}

/// Moves the break up and returns its previous address.
///
/// # Safety
/// No other thread moves the break at the same time, which holds while a [`ProcessBreak`] exists.
unsafe fn move_break(bytes: usize) -> Option<*mut u8> {
    let bytes = libc::intptr_t::try_from(bytes).ok()?;
    // SAFETY: the break only moves up, and no other thread moves it at the same time, by our caller.
    let old = unsafe { libc::sbrk(bytes) };
    (old.addr() != usize::MAX).then_some(old.cast())
}

// SAFETY: 1. The memory between the old break and the new one is used by nothing else and stays valid, by the
// requirements of `new`. 2. The padding ensures it. 3. The memory that `sbrk` returns is exposed. 4. No allocator is
// called.
unsafe impl Sbrk for ProcessBreak {
    const SLAB_LEN: usize = BIG_PAGE;

    fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: while a `ProcessBreak` exists, no other thread moves the break, by the requirements of `new`.
        let now = unsafe { move_break(0) }?;
        // 0 after the first call, unless other code has moved the break.
        let padding = now.addr().wrapping_neg() % BIG_PAGE;
        // SAFETY: while a `ProcessBreak` exists, no other thread moves the break, by the requirements of `new`.
        let old = unsafe { move_break(padding.checked_add(bytes)?) }?;
        if old != now {
            return None;
        }
        let start = old.wrapping_add(padding);
        start.expose_provenance();
        NonNull::new(start)
    }

    #[inline]
    unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
        // SAFETY: the address is not null.
        unsafe { NonNull::new_unchecked(core::ptr::with_exposed_provenance_mut(memory.addr().get())) }
    }
}
