//! SA-01: the table of buckets and large blocks, so that all can be found at the end.
//!
//! It consists of segments, each a block of the child: a link to the segment before it, and entries of one word. An
//! entry is a pointer, and its kind in the pointer's low two bits. A free entry points to the next free one.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::layout::{Layout, WORD};
use crate::alignment::Alignment;

/// An entry.
///
/// At any time one thread has the right to change it: the one that has the slot in whose list it is free, or that is
/// making, resizing or freeing the bucket or block that it refers to.
#[repr(transparent)]
#[derive(Debug)]
pub(super) struct Entry(AtomicPtr<u8>);

const _: () = assert!(size_of::<Entry>() == WORD);

/// What an entry refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: it is free, or what it refers to is about to be made, resized or freed.
    Free,
    /// The bucket with this base.
    Bucket(NonNull<u8>),
    /// The large block with this footer.
    Large(NonNull<u8>),
}

const BUCKET: usize = 1;
const LARGE: usize = 2;

impl Entry {
    fn set(&self, pointer: *mut u8, kind: usize) {
        self.0.store(pointer.map_addr(|address| address | kind), Ordering::Release);
    }

    pub(super) fn set_bucket(&self, base: NonNull<u8>) {
        self.set(base.as_ptr(), BUCKET);
    }

    pub(super) fn set_large(&self, footer: NonNull<u8>) {
        self.set(footer.as_ptr(), LARGE);
    }

    /// What it refers to is not the table's for now.
    pub(super) fn set_free(&self, next: *mut Entry) {
        self.set(next.cast(), 0);
    }

    fn next_free(&self) -> *mut Entry {
        self.0.load(Ordering::Acquire).cast()
    }

    pub(super) fn kind(&self) -> Kind {
        let word = self.0.load(Ordering::Acquire);
        let pointer = NonNull::new(word.map_addr(|address| address & !3));
        match (word.addr() & 3, pointer) {
            (BUCKET, Some(base)) => Kind::Bucket(base),
            (LARGE, Some(footer)) => Kind::Large(footer),
            _ => Kind::Free,
        }
    }
}

/// A segment: a block of the child with this header and [`Layout::entry_count`] entries.
#[repr(C)]
struct Segment {
    next: Option<NonNull<Segment>>,
}

/// The part of the table that one slot has, and the bucket that it fills.
#[derive(Debug)]
pub(super) struct Entries {
    /// The bucket to which blocks are added. It is retired before the slot takes another.
    pub(super) fill_bucket: Option<NonNull<u8>>,
    /// The first of the free entries, which may be in other slots' segments.
    free: *mut Entry,
    /// The index of the first entry of the newest segment that was never used.
    next: usize,
    /// The newest segment.
    first: Option<NonNull<Segment>>,
}

/// The length of a segment in bytes.
pub(super) const fn segment_len(layout: &Layout) -> usize {
    size_of::<Segment>() + layout.entry_count * WORD
}

pub(super) const SEGMENT_ALIGNMENT: Alignment = Alignment::of::<usize>();

impl Entries {
    pub(super) const fn new() -> Entries {
        Entries { fill_bucket: None, free: ptr::null_mut(), next: 0, first: None }
    }

    /// SA-11: a free entry, if there is one.
    pub(super) fn take(&mut self, layout: &Layout) -> Option<NonNull<Entry>> {
        if let Some(entry) = NonNull::new(self.free) {
            // SAFETY: an entry of the list of free ones is in a segment, which stays until the end.
            self.free = unsafe { entry.as_ref() }.next_free();
            return Some(entry);
        }
        let first = self.first.filter(|_| self.next < layout.entry_count)?;
        // SAFETY: the newest segment of this slot, and an index below the number of entries.
        let entry = unsafe { entry_of(first, self.next) };
        // SAFETY: a word of the segment that was never used.
        unsafe { entry.write(Entry(AtomicPtr::new(ptr::null_mut()))) };
        self.next += 1;
        Some(entry)
    }

    /// Adds a segment. Its entries are initialised when they are first used, in order.
    ///
    /// # Safety
    /// `memory` is a block of the child of [`segment_len`] bytes, aligned to [`SEGMENT_ALIGNMENT`], which nothing else
    /// uses. It stays until [`pop_segment`](Self::pop_segment).
    pub(super) unsafe fn push_segment(&mut self, memory: NonNull<u8>) {
        let segment: NonNull<Segment> = memory.cast();
        // SAFETY: the block is long and aligned enough, and nothing else uses it.
        unsafe { segment.write(Segment { next: self.first }) };
        self.first = Some(segment);
        self.next = 0;
    }

    /// Returns an entry to the list of free ones.
    ///
    /// # Safety
    /// An entry that [`take`](Self::take) returned, of this allocator. This thread has the right to change it.
    pub(super) unsafe fn give_back(&mut self, entry: NonNull<Entry>) {
        // SAFETY: an entry is in a segment, which stays until the end.
        unsafe { entry.as_ref() }.set_free(self.free);
        self.free = entry.as_ptr();
    }

    /// Calls `each` with the entries of this slot's segments that have been used, from the newest segment to the
    /// oldest.
    pub(super) fn for_each(&self, layout: &Layout, mut each: impl FnMut(&Entry)) {
        let (mut next, mut count) = (self.first, self.next);
        while let Some(segment) = next {
            for index in 0..count {
                // SAFETY: a segment of this slot, and an index below the number of entries.
                let entry = unsafe { entry_of(segment, index) };
                // SAFETY: an entry that has been used, and so is initialised.
                each(unsafe { entry.as_ref() });
            }
            // SAFETY: a segment of this slot, whose header is initialised.
            next = unsafe { segment.as_ref() }.next;
            count = layout.entry_count;
        }
    }

    /// The entries of the newest segment that have been used.
    pub(super) fn newest(&self) -> impl Iterator<Item = NonNull<Entry>> + use<> {
        let (first, count) = (self.first, if self.first.is_some() { self.next } else { 0 });
        // SAFETY: the newest segment of this slot, and an index below the number of entries.
        (0..count).filter_map(move |index| first.map(|segment| unsafe { entry_of(segment, index) }))
    }

    /// Removes the newest segment and returns its memory, which is the caller's to free. All entries of the next one
    /// count as used.
    ///
    /// # Safety
    /// No entry of the segment is used any more, not even as a free one.
    pub(super) unsafe fn pop_segment(&mut self, layout: &Layout) -> Option<NonNull<[u8]>> {
        let segment = self.first?;
        // SAFETY: a segment of this slot, whose header is initialised.
        self.first = unsafe { segment.as_ref() }.next;
        self.next = layout.entry_count;
        Some(NonNull::slice_from_raw_parts(segment.cast(), segment_len(layout)))
    }

    /// Forgets the bucket and the list of free entries.
    pub(super) fn forget(&mut self) {
        self.fill_bucket = None;
        self.free = ptr::null_mut();
    }
}

/// # Safety
/// The segment is live, and the index is below its number of entries.
unsafe fn entry_of(segment: NonNull<Segment>, index: usize) -> NonNull<Entry> {
    // SAFETY: the header and the entries before it are in the segment.
    unsafe { segment.byte_add(size_of::<Segment>() + index * WORD) }.cast()
}
