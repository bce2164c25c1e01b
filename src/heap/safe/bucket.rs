//! A block of the child that small blocks are in.
//!
//! ```text
//!   0       8             12     16
//!   ┌───────┬─────────────┬──────┬─────────┬────────┬─────────┬────────┬┈┈┈┈┈┈┐
//!   │ entry │ alloc_count │ fill │ block 1 │ footer │ block 2 │ footer │      │
//!   └───────┴─────────────┴──┬───┴─────────┴────────┴─────────┴────────┴┈┈┈┈┈┈┘
//!                            └───────────── offset ────────────────────▲
//! ```
//!
//! Blocks are added at the fill, which never goes back: no address is used twice. One thread at a time adds blocks,
//! that which has the slot whose bucket this is; but a resize of the last block, by any thread, moves the fill too.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::entries::Entry;
use super::footer::{Content, Footer, Modify, Place};
use super::layout::{FOOTER, HEADER, Layout, block_alignment, requires_extended, round};
use crate::alignment::Alignment;

/// The header.
#[repr(C, align(8))]
struct Header {
    entry: AtomicPtr<Entry>,
    /// The number of live blocks, and [`FILLING`].
    alloc_count: AtomicU32,
    /// The offset of the end of the last footer, and [`LAST_IS_EXTENDED`].
    fill: AtomicU32,
}

const _: () = assert!(size_of::<Header>() == HEADER);

/// In `alloc_count`: a slot adds blocks to this bucket.
const FILLING: u32 = 1 << 31;
/// In `fill`.
const LAST_IS_EXTENDED: u32 = 1 << 31;

/// A bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket<'l> {
    /// A live block of the child of the layout's bucket size, aligned to that, with an initialised header.
    base: NonNull<u8>,
    layout: &'l Layout,
}

/// The metadata of the bucket has been overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Corrupt;

impl<'l> Bucket<'l> {
    /// Makes a block of the child an empty bucket, which the caller's slot fills.
    ///
    /// # Safety
    /// `base` is a live block of the child of the layout's bucket size, aligned to that, which nothing else uses.
    pub(super) unsafe fn init(base: NonNull<u8>, entry: *mut Entry, layout: &'l Layout) -> Bucket<'l> {
        let header = Header {
            entry: AtomicPtr::new(entry),
            alloc_count: AtomicU32::new(FILLING),
            fill: AtomicU32::new(HEADER as u32),
        };
        // SAFETY: the block is aligned to at least 256 and as long, and nothing else uses it.
        unsafe { base.cast::<Header>().write(header) };
        Bucket { base, layout }
    }

    /// # Safety
    /// `base` is a bucket that [`init`](Self::init) made with this layout. While the value is used, the child's block
    /// stays live.
    #[inline(always)]
    pub(super) unsafe fn new(base: NonNull<u8>, layout: &'l Layout) -> Bucket<'l> {
        Bucket { base, layout }
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    #[inline(always)]
    fn header(&self) -> &Header {
        // SAFETY: a bucket has an initialised header, whose fields are atomic.
        unsafe { self.base.cast::<Header>().as_ref() }
    }

    pub(super) fn entry(&self) -> *mut Entry {
        self.header().entry.load(Ordering::Relaxed)
    }

    /// The number of live blocks.
    pub(super) fn live(&self) -> usize {
        (self.header().alloc_count.load(Ordering::Acquire) & !FILLING) as usize
    }

    #[inline(always)]
    pub(super) fn fill(&self) -> u32 {
        self.header().fill.load(Ordering::Relaxed) & !LAST_IS_EXTENDED
    }

    /// The offset of an address in the bucket.
    #[inline(always)]
    pub(super) fn offset_of(&self, address: usize) -> u32 {
        address.wrapping_sub(self.base.addr().get()) as u32
    }

    #[inline(always)]
    pub(super) fn memory_at(&self, offset: u32) -> NonNull<u8> {
        debug_assert!(offset <= self.layout.bucket_size);
        // SAFETY: at most the bucket's size: offsets come from the fill, or are below one.
        unsafe { self.base.byte_add(offset as usize) }
    }

    /// The footer at an offset; what it says may be anything.
    ///
    /// # Safety
    /// A multiple of 8 from [`HEADER`] on; `offset + FOOTER <= end`, and `end` is at most a value that the fill has had.
    #[inline(always)]
    unsafe fn footer_at(&self, offset: u32, end: u32) -> Footer<'l> {
        // SAFETY: within the bucket, as `end` is; it is a live block of the child.
        unsafe { Footer::new(self.memory_at(offset), (end - offset) as usize, Place::Bucket, self.layout) }
    }

    /// Where the footer of a block with this address and length would be. `None` if that is outside of what has been
    /// filled.
    #[inline(always)]
    pub(super) fn footer_of(&self, address: usize, len: usize) -> Option<Footer<'l>> {
        let start = self.offset_of(address) & !(FOOTER as u32 - 1);
        let end = self.fill();
        let offset = (start as usize).checked_add(round(len)?)?;
        if (start as usize) < HEADER || offset > (end as usize).checked_sub(FOOTER)? {
            return None;
        }
        // SAFETY: both parts are multiples of 8, and the sum is within the fill, as was just checked.
        Some(unsafe { self.footer_at(offset as u32, end) })
    }

    /// SA-13: adds a block after the last one. `None` if there is no room.
    ///
    /// # Safety
    /// This thread has the slot that fills this bucket. The alignment is valid, and the block is not
    /// [large](Layout::is_large).
    #[inline(always)]
    pub(super) unsafe fn take(&self, len: usize, alignment: Alignment, trace: usize) -> Option<NonNull<u8>> {
        let is_extended = requires_extended(len, alignment);
        // No overflow: it is below a bucket's size, since the block is not large.
        let footer = round(len)? as u32;
        let size = footer + self.layout.footer_len(is_extended);
        let align_mask = block_alignment(alignment).to_byte_units() as u32 - 1;
        let mut fill = self.header().fill.load(Ordering::Relaxed);
        loop {
            let start = ((fill & !LAST_IS_EXTENDED) + align_mask) & !align_mask;
            let end = start + size;
            if end > self.layout.bucket_size {
                return None;
            }
            let new = end | if is_extended { LAST_IS_EXTENDED } else { 0 };
            // SA-14: a resize may have moved it.
            match self.header().fill.compare_exchange_weak(fill, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    let content = Content {
                        len,
                        alignment,
                        is_extended,
                        is_prev_extended: fill & LAST_IS_EXTENDED != 0,
                        container: if is_extended { self.last_before(fill) } else { core::ptr::null_mut() },
                        trace,
                    };
                    // SAFETY: `start + footer` is a multiple of 8, before `end`, which the fill has now.
                    let footer = unsafe { self.footer_at(start + footer, end) };
                    // SAFETY: the exchange has made this part of the bucket ours; the footer fits, as `size` says.
                    unsafe { footer.write(&content) };
                    self.header().alloc_count.fetch_add(1, Ordering::AcqRel);
                    return Some(self.memory_at(start));
                }
                Err(found) => fill = found,
            }
        }
    }

    /// The last footer before a fill; null if there is none.
    fn last_before(&self, fill: u32) -> *mut u8 {
        let at = fill & !LAST_IS_EXTENDED;
        if at as usize == HEADER {
            return core::ptr::null_mut();
        }
        let offset = at - self.layout.footer_len(fill & LAST_IS_EXTENDED != 0);
        self.memory_at(offset).as_ptr()
    }

    /// SA-18, SA-19: gives the last block of the bucket another length, and moves it to `new_start`, which needs a new
    /// footer after the old one. False if it is not the last or does not fit; nothing has changed then. The contents
    /// are not moved.
    ///
    /// # Safety
    /// `old` is the intact footer of a live block, which this call has marked. `new_start` is aligned for the block, in
    /// the block or its start, and the new block ends after the old one. The bytes of the old footer are not used any
    /// more if this succeeds.
    #[allow(clippy::too_many_arguments, reason = "a block, its new place, and a trace")]
    pub(super) unsafe fn advance(
        &self,
        old: Footer<'l>,
        new_start: u32,
        is_moved: bool,
        alignment: Alignment,
        new_len: usize,
        trace: usize,
    ) -> bool {
        let was_extended = old.is_extended();
        let is_extended = was_extended || is_moved || requires_extended(new_len, alignment);
        let Some(rounded) = round(new_len) else { return false };
        let footer_len = self.layout.footer_len(is_extended);
        // No overflow: the new length is not large, and the start is in the bucket.
        let new_footer = new_start + rounded as u32;
        let end = new_footer + footer_len;
        let old_end = self.offset_of(old.at().addr().get()) + self.layout.footer_len(was_extended);
        if end > self.layout.bucket_size || end <= old_end {
            return false;
        }
        let Ok(prev) = self.prev(old) else { return false };
        let container = prev.map_or(core::ptr::null_mut(), |prev| prev.at().as_ptr());
        let flag = |is_set: bool| if is_set { LAST_IS_EXTENDED } else { 0 };
        let (from, to) = (old_end | flag(was_extended), end | flag(is_extended));
        let exchange = self.header().fill.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
        if exchange.is_err() {
            return false;
        }
        let is_prev_extended = old.is_prev_extended();
        let content = Content { len: new_len, alignment, is_extended, is_prev_extended, container, trace };
        // SAFETY: a multiple of 8, before `end`, which the fill has now.
        let footer = unsafe { self.footer_at(new_footer, end) };
        // SAFETY: from the old end on, the exchange has made the memory ours; before that it is this block's, which
        // the call has marked, or its old footer's.
        unsafe { footer.write(&content) };
        self.publish();
        true
    }

    /// Lets those who read the count afterwards see the footers that were written before.
    pub(super) fn publish(&self) {
        self.header().alloc_count.fetch_or(0, Ordering::AcqRel);
    }

    /// The block's slot does not add blocks any more. True if there is no live block: the bucket is then the caller's.
    pub(super) fn retire(&self) -> bool {
        self.header().alloc_count.fetch_sub(FILLING, Ordering::AcqRel) == FILLING
    }

    /// A block has been freed. True if it was the last live one of a retired bucket, which is then the caller's.
    #[inline(always)]
    pub(super) fn release_block(&self) -> bool {
        self.header().alloc_count.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// The last footer, or `None` if there is no block.
    pub(super) fn last(&self) -> Result<Option<Footer<'l>>, Corrupt> {
        let fill = self.header().fill.load(Ordering::Relaxed);
        self.footer_before(fill & !LAST_IS_EXTENDED, fill & LAST_IS_EXTENDED != 0)
    }

    fn footer_before(&self, at: u32, is_extended: bool) -> Result<Option<Footer<'l>>, Corrupt> {
        if at as usize == HEADER {
            return Ok(None);
        }
        let offset = at.checked_sub(self.layout.footer_len(is_extended)).ok_or(Corrupt)?;
        if (offset as usize) <= HEADER || offset as usize % FOOTER != 0 || at > self.fill() {
            return Err(Corrupt);
        }
        // SAFETY: a multiple of 8, after the header, and a footer's length before `at`, which is within the fill.
        Ok(Some(unsafe { self.footer_at(offset, at) }))
    }

    /// The footer before an intact one, or `None` if it is the first.
    pub(super) fn prev(&self, footer: Footer<'l>) -> Result<Option<Footer<'l>>, Corrupt> {
        let offset = self.offset_of(footer.at().addr().get());
        if !footer.is_extended() {
            let start = self.start_of(footer).ok_or(Corrupt)?;
            return self.footer_before(start, footer.is_prev_extended());
        }
        let container = footer.container();
        if container.is_null() {
            return Ok(None);
        }
        let prev = self.offset_of(container.addr());
        let len = self.layout.footer_len(footer.is_prev_extended());
        match prev.checked_add(len) {
            Some(at) if at <= offset => self.footer_before(at, footer.is_prev_extended()),
            _ => Err(Corrupt),
        }
    }

    /// The offset of the block that a footer belongs to; `None` if it would be before the first.
    #[inline(always)]
    pub(super) fn start_of(&self, footer: Footer<'l>) -> Option<u32> {
        let offset = self.offset_of(footer.at().addr().get()) as usize;
        let start = offset.checked_sub(footer.distance()).filter(|&start| start >= HEADER)?;
        Some(start as u32)
    }

    /// SA-30, SA-28: whether all blocks are freed and were not written to after that. `found` gets the first
    /// mistake: the footer if it is known, and the index of the byte that was written to if that is the mistake.
    ///
    /// # Safety
    /// The bucket is the caller's: all of its blocks are freed, and no call uses it.
    pub(super) unsafe fn check(
        &self,
        is_filled: bool,
        mut found: impl FnMut(Option<Footer<'l>>, Option<usize>),
    ) {
        let mut next = self.last();
        loop {
            let footer = match next {
                Ok(Some(footer)) => footer,
                Ok(None) => return,
                Err(Corrupt) => return found(None, None),
            };
            if footer.state() != Modify::Freed || !footer.is_intact() {
                return found(Some(footer), None);
            }
            if is_filled {
                // SAFETY: a freed block of this bucket, which was filled when it was freed.
                if let Some(index) = unsafe { self.first_write(footer) } {
                    return found(Some(footer), Some(index));
                }
            }
            next = self.prev(footer);
        }
    }

    /// Fills a block that is being freed.
    ///
    /// # Safety
    /// `footer` is the intact footer of a block that this call has marked, and that nothing uses.
    #[inline(always)]
    pub(super) unsafe fn fill_freed(&self, footer: Footer<'l>) {
        let Some(start) = self.start_of(footer) else { return };
        // SAFETY: the block's own bytes, which are in the bucket.
        unsafe { self.memory_at(start).write_bytes(FREED, footer.len()) };
    }

    /// The index of the first byte of a freed block that was written to.
    ///
    /// # Safety
    /// `footer` is the intact footer of a freed block that was [filled](Self::fill_freed), and no call uses the bucket.
    pub(super) unsafe fn first_write(&self, footer: Footer<'l>) -> Option<usize> {
        let start = self.memory_at(self.start_of(footer)?);
        let len = footer.len();
        let whole = len / 8;
        for index in 0..whole {
            // SAFETY: within the block's length.
            let word = unsafe { start.byte_add(8 * index) };
            // SAFETY: bytes of the block, all of which were filled.
            let word = unsafe { word.cast::<u64>().read_unaligned() };
            if word != u64::from_ne_bytes([FREED; 8]) {
                let byte = word.to_ne_bytes().iter().position(|&byte| byte != FREED);
                return byte.map(|byte| 8 * index + byte);
            }
        }
        (8 * whole..len).find(|&index| {
            // SAFETY: within the block's length.
            let byte = unsafe { start.byte_add(index) };
            // SAFETY: a byte of the block, all of which were filled.
            (unsafe { byte.read() }) != FREED
        })
    }
}

/// What freed blocks are filled with.
const FREED: u8 = 0x55;
