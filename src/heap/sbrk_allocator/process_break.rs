//! The program break of a Linux process.

use core::ptr::NonNull;

use super::{BIG_PAGE, Sbrk};

/// The program break of a Linux process; a source for a [`SbrkAllocator`](super::SbrkAllocator), which is
/// Zig's `BrkAllocator` then.
///
/// It moves the break by glibc's `sbrk`, so that glibc knows. Others may move it up between two calls, and
/// glibc's `malloc` does: then this begins anew at the next multiple of 64 KiB above. (Zig makes the system
/// call itself, and assumes that nobody else does.)
///
/// Only with glibc. That of musl refuses every `sbrk`.
#[derive(Debug)]
pub struct ProcessBreak(());

impl ProcessBreak {
    /// The break of this process.
    ///
    /// # Safety
    ///
    /// - While this grows, no other thread calls `brk`, `sbrk`, or a function of C that allocates or frees
    ///   (`malloc` moves the break, and Rust's global allocator is `malloc` by default): glibc's `sbrk` takes
    ///   no lock. In a program with one thread this is so.
    /// - Nobody moves the break below where this has moved it, as long as its memory is in use.
    ///   `malloc` does not.
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

/// Moves the break up, and returns where it was.
///
/// # Safety
/// No other thread moves the break at the same time, which holds while a [`ProcessBreak`] exists.
unsafe fn move_break(bytes: usize) -> Option<*mut u8> {
    let bytes = libc::intptr_t::try_from(bytes).ok()?;
    // SAFETY: the break is moved up, if at all, and by no other thread at the same time, by our caller.
    let old = unsafe { libc::sbrk(bytes) };
    (old.addr() != usize::MAX).then_some(old.cast())
}

// SAFETY: 1. What lies between the old break and the new one is used by nothing else, and stays, by the requirements of
// `new`. 2. The padding ensures it. 3. What `sbrk` returns is exposed. 4. No allocator is called.
unsafe impl Sbrk for ProcessBreak {
    const SLAB_LEN: usize = BIG_PAGE;

    fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: a `ProcessBreak` exists.
        let now = unsafe { move_break(0) }?;
        // After the first time that is 0, unless somebody else has moved the break.
        let padding = now.addr().wrapping_neg() % BIG_PAGE;
        // SAFETY: as above.
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
        // SAFETY: an address that is not null.
        unsafe { NonNull::new_unchecked(core::ptr::with_exposed_provenance_mut(memory.addr().get())) }
    }
}
