//! What follows each block: its length and alignment, its state, and a checksum.
//!
//! ```text
//!   0          4        6      8     8 + WORD    8 + 2 * WORD
//!   ┌──────────┬────────┬──────┬─────┬───────────┬───────┬────────┐
//!   │ checksum │ modify │ data │ len │ container │ (tag) │ traces │
//!   └──────────┴────────┴──────┴─────┴───────────┴───────┴────────┘
//!                                └──── if extended ──────┘
//! ```
//!
//! `data` has the length in 13 bits, the two low bits of the alignment's log2, and whether the footer before is
//! extended. The checksum covers the data, the extension and the footer's own address, so a copied footer is not
//! valid. `modify` is the block's state, combined with a hash of its address.
//!
//! Every field is atomic: misuse in one thread may read a footer that another thread writes.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU16, AtomicU32, AtomicUsize, Ordering};

use super::hash;
use super::layout::{EXTENDED_START, FOOTER, Layout, WORD, round};
use crate::alignment::Alignment;

/// The state of a block. The numbers are Zig's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Modify {
    /// Live, and no call is changing it.
    None,
    /// Being resized; or it has been, and this footer is the old one.
    Resized,
    /// As above, with `remap`.
    Remapped,
    /// Being freed.
    Freeing,
    /// Freed. Traces and data are valid.
    Freed,
    /// No state: this is not a footer, or it has been overwritten.
    Unknown,
}

impl Modify {
    const fn number(self) -> u16 {
        match self {
            Modify::None => 0x2962,
            Modify::Resized => 0x0030,
            Modify::Remapped => 0x9068,
            Modify::Freeing => 0x7f3d,
            Modify::Freed => 0xb98b,
            Modify::Unknown => 0,
        }
    }

    fn of(number: u16) -> Modify {
        use Modify::*;
        [None, Resized, Remapped, Freeing, Freed]
            .into_iter()
            .find(|state| state.number() == number)
            .unwrap_or(Unknown)
    }
}

/// What a footer is in, and refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a bucket: `container` is the footer before, if there is one.
    Bucket,
    /// After a large block: `container` is the block's entry.
    Large,
}

/// What a new footer says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    pub(super) len: usize,
    pub(super) alignment: Alignment,
    pub(super) is_extended: bool,
    pub(super) is_prev_extended: bool,
    pub(super) container: *mut u8,
    /// The word that stands for the trace of the allocation.
    pub(super) trace: usize,
}

/// A footer, which may be invalid: what it says is to be trusted only after [`is_intact`](Self::is_intact).
#[derive(Clone, Copy, Debug)]
pub(super) struct Footer<'l> {
    /// Aligned to 8. At least `room` bytes from here on, and no less than 8, are in a bucket or a large block.
    at: NonNull<u8>,
    room: usize,
    place: Place,
    layout: &'l Layout,
}

impl<'l> Footer<'l> {
    /// # Safety
    /// `at` is aligned to 8, and `room` bytes from there on, at least 8, are valid for reads and writes for as long as
    /// this value is used.
    #[inline(always)]
    pub(super) unsafe fn new(at: NonNull<u8>, room: usize, place: Place, layout: &'l Layout) -> Footer<'l> {
        debug_assert!(at.addr().get() % FOOTER == 0 && room >= FOOTER);
        Footer { at, room, place, layout }
    }

    pub(super) fn at(&self) -> NonNull<u8> {
        self.at
    }

    #[inline(always)]
    fn checksum(&self) -> &AtomicU32 {
        // SAFETY: aligned to 8, in memory that is valid, by `new`; a footer is accessed by atomic operations only.
        unsafe { AtomicU32::from_ptr(self.at.as_ptr().cast()) }
    }

    #[inline(always)]
    fn modify(&self) -> &AtomicU16 {
        // SAFETY: a footer has at least 8 bytes.
        let at = unsafe { self.at.byte_add(4) };
        // SAFETY: as for `checksum`; 4 after an address that is a multiple of 8.
        unsafe { AtomicU16::from_ptr(at.as_ptr().cast()) }
    }

    #[inline(always)]
    fn data(&self) -> &AtomicU16 {
        // SAFETY: a footer has at least 8 bytes.
        let at = unsafe { self.at.byte_add(6) };
        // SAFETY: as for `checksum`; 6 after an address that is a multiple of 8.
        unsafe { AtomicU16::from_ptr(at.as_ptr().cast()) }
    }

    /// A word of the footer, if it is within the room that there is.
    #[inline(always)]
    fn word(&self, offset: usize) -> Option<&AtomicUsize> {
        if offset + WORD > self.room {
            return None;
        }
        // SAFETY: within the room.
        let at = unsafe { self.at.byte_add(offset) };
        // SAFETY: as for `checksum`; all offsets are multiples of a word.
        Some(unsafe { AtomicUsize::from_ptr(at.as_ptr().cast()) })
    }

    fn extended_len(&self) -> Option<&AtomicUsize> {
        self.word(FOOTER)
    }

    fn container_word(&self) -> Option<&AtomicPtr<u8>> {
        let at = self.word(FOOTER + WORD)?.as_ptr();
        // SAFETY: a word that is valid and aligned; a pointer has the size of a word.
        Some(unsafe { AtomicPtr::from_ptr(at.cast()) })
    }

    /// What belongs to the address of `modify`.
    #[inline(always)]
    fn modify_mask(&self) -> u16 {
        hash::int(self.at.addr().get() + 4) as u16
    }

    /// The state.
    pub(super) fn state(&self) -> Modify {
        Modify::of(self.modify().load(Ordering::Acquire) ^ self.modify_mask())
    }

    /// SA-15: marks a live block as being changed. Otherwise returns the state, and nothing has changed. (Zig swaps the
    /// state in any case, which would write to memory that is not a footer.)
    #[inline(always)]
    pub(super) fn begin(&self, mark: Modify) -> Result<(), Modify> {
        let mask = self.modify_mask();
        let (none, mark) = (Modify::None.number() ^ mask, mark.number() ^ mask);
        match self.modify().compare_exchange(none, mark, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(found) => Err(Modify::of(found ^ mask)),
        }
    }

    /// Sets the state. What was written before can be read by those who read it.
    #[inline(always)]
    pub(super) fn set_state(&self, state: Modify) {
        self.modify().store(state.number() ^ self.modify_mask(), Ordering::Release);
    }

    #[inline(always)]
    fn data_len(&self) -> u16 {
        self.data().load(Ordering::Relaxed) & 0x1FFF
    }

    #[inline(always)]
    pub(super) fn is_extended(&self) -> bool {
        self.data_len() >= EXTENDED_START
    }

    pub(super) fn is_prev_extended(&self) -> bool {
        self.data().load(Ordering::Relaxed) & 0x8000 != 0
    }

    /// The block's length, or 0 if an extended footer does not fit.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        let len = self.data_len();
        if len < EXTENDED_START {
            return len as usize;
        }
        self.extended_len().map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// The log2 of the block's alignment.
    #[inline(always)]
    fn alignment_log2(&self) -> u8 {
        let data = self.data().load(Ordering::Relaxed);
        let high = (data & 0x1FFF).saturating_sub(EXTENDED_START) << 2;
        (high | (data >> 13 & 3)) as u8
    }

    #[inline(always)]
    pub(super) fn alignment(&self) -> Alignment {
        Alignment::from_log2(self.alignment_log2()).unwrap_or(Alignment::_1)
    }

    /// The pointer to the footer before, or to the entry. Null if the footer is not extended.
    pub(super) fn container(&self) -> *mut u8 {
        let word = self.container_word().filter(|_| self.is_extended());
        word.map_or(core::ptr::null_mut(), |word| word.load(Ordering::Relaxed))
    }

    /// Whether the checksum is right: then this is the footer of a block, with its length and alignment.
    #[inline(always)]
    pub(super) fn is_intact(&self) -> bool {
        let stored = self.checksum().load(Ordering::Relaxed) ^ self.layout.canary;
        self.actual_checksum() == Some(stored)
    }

    /// `None` if an extended footer does not fit.
    #[inline(always)]
    fn actual_checksum(&self) -> Option<u32> {
        let data = self.data().load(Ordering::Relaxed);
        let address = self.at.addr().get();
        if data & 0x1FFF < EXTENDED_START {
            return Some(hash::int(data as usize ^ address) as u32);
        }
        self.extended_checksum(data, address)
    }

    #[cold]
    fn extended_checksum(&self, data: u16, address: usize) -> Option<u32> {
        let len = self.extended_len()?.load(Ordering::Relaxed);
        let container = self.container_word()?.load(Ordering::Relaxed).addr();
        Some(hash::wyhash(address as u64, len, container, data) as u32)
    }

    /// Where the block starts: this far before the footer.
    #[inline(always)]
    pub(super) fn distance(&self) -> usize {
        round(self.len()).unwrap_or(0)
    }

    /// The trace of the allocation, or of the free; 0 if none is stored.
    pub(super) fn trace(&self, is_of_free: bool) -> usize {
        self.trace_word(is_of_free).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    pub(super) fn set_trace(&self, is_of_free: bool, trace: usize) {
        if let Some(word) = self.trace_word(is_of_free) {
            word.store(trace, Ordering::Relaxed);
        }
    }

    fn trace_word(&self, is_of_free: bool) -> Option<&AtomicUsize> {
        if !self.layout.has_traces || (is_of_free && self.place == Place::Large) {
            return None;
        }
        self.word(self.layout.trace_offset(self.is_extended(), is_of_free))
    }

    /// Writes a new footer, whose state is [`Modify::None`].
    ///
    /// # Safety
    /// No one else uses the footer's memory. There is room for it.
    #[inline(always)]
    pub(super) unsafe fn write(&self, content: &Content) {
        let Content { len, alignment, is_extended, is_prev_extended, container, trace } = *content;
        let log2 = u16::from(alignment.log2());
        let flags = (log2 & 3) << 13 | u16::from(is_prev_extended) << 15;
        if cfg!(miri) {
            // An old footer may have been in the way of this one. Miri does not support atomic accesses of different
            // sizes to one place without a plain write in between.
            // SAFETY: the footer's memory, which no one else uses, by our caller.
            unsafe { self.at.write_bytes(0, self.room) };
        }
        if is_extended {
            // SAFETY: by our caller.
            unsafe { self.write_extension(len, container) };
            self.data().store((EXTENDED_START + (log2 >> 2)) | flags, Ordering::Relaxed);
        } else {
            self.data().store(len as u16 | flags, Ordering::Relaxed);
        }
        if self.layout.has_traces {
            self.set_trace(false, trace);
            self.set_trace(true, 0);
        }
        self.seal();
        self.set_state(Modify::None);
    }

    /// Changes the length of an extended footer. Its state stays as it is.
    ///
    /// # Safety
    /// This call is the one that has marked the block with [`begin`](Self::begin), and the footer is extended.
    pub(super) unsafe fn set_extended_len(&self, len: usize, trace: usize) {
        if let Some(word) = self.extended_len() {
            word.store(len, Ordering::Relaxed);
        }
        self.set_trace(false, trace);
        self.seal();
    }

    /// # Safety
    /// As for [`write`](Self::write).
    #[cold]
    unsafe fn write_extension(&self, len: usize, container: *mut u8) {
        if let (Some(to), Some(place)) = (self.extended_len(), self.container_word()) {
            to.store(len, Ordering::Relaxed);
            place.store(container, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn seal(&self) {
        if let Some(checksum) = self.actual_checksum() {
            self.checksum().store(checksum ^ self.layout.canary, Ordering::Relaxed);
        }
    }
}
