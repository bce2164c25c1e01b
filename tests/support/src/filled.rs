//! Blocks whose contents are checked.

use std::ptr::NonNull;

use zigalloc::Alignment;

/// A block that knows its expected bytes.
#[derive(Debug)]
pub struct Filled {
    /// A live block, which only `self` uses: see [`new`](Self::new).
    memory: NonNull<[u8]>,
    alignment: Alignment,
    tag: u8,
}

// SAFETY: bytes that only `self` uses may be used by one thread after another. Which thread may free them is said where
// they are freed, which is `unsafe`.
unsafe impl Send for Filled {}

impl Filled {
    /// Writes every byte of a new block.
    ///
    /// # Safety
    /// `memory` is a live block until the last call of a method of this value, and in between, nothing else uses it.
    #[track_caller]
    #[must_use]
    pub unsafe fn new(memory: NonNull<[u8]>, alignment: Alignment, tag: u8) -> Filled {
        assert!(alignment.check(memory.addr().get()), "{memory:?} is not aligned to {alignment:?}");
        let mut filled = Filled { memory, alignment, tag };
        filled.fill(0);
        filled
    }

    /// The block.
    #[must_use]
    pub fn memory(&self) -> NonNull<[u8]> {
        self.memory
    }

    /// What the block was allocated with.
    #[must_use]
    pub fn alignment(&self) -> Alignment {
        self.alignment
    }

    /// The bytes from `from` up to `to`, of which byte 0 is the tag, in pieces.
    fn content(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, &'static [u8])> {
        // Pieces are copied and compared as a whole, which Miri does at native speed.
        static COUNTING: [u8; 512] = {
            let mut bytes = [0; 512];
            let mut n = 0;
            while n < bytes.len() {
                bytes[n] = n as u8;
                n += 1;
            }
            bytes
        };
        let tag = self.tag;
        (from..to).step_by(256).map(move |index| {
            let first = usize::from(tag.wrapping_add(index as u8));
            (index, &COUNTING[first..][..256.min(to - index)])
        })
    }

    fn fill(&mut self, from: usize) {
        for (index, bytes) in self.content(from, self.memory.len()) {
            // SAFETY: the index is one of the block.
            let piece = unsafe { self.memory.cast::<u8>().add(index) };
            // SAFETY: the piece ends within the block, which is live and nothing else uses.
            unsafe { piece.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        }
    }

    /// Reads every byte of the block.
    ///
    /// # Panics
    /// If one is not the byte that was written there.
    #[track_caller]
    pub fn check(&self) {
        for (index, bytes) in self.content(0, self.memory.len()) {
            // SAFETY: the index is one of the block.
            let piece = unsafe { self.memory.cast::<u8>().add(index) };
            // SAFETY: the piece ends within the block, which is live, was written by `fill` and which nothing else
            // uses.
            let found = unsafe { std::slice::from_raw_parts(piece.as_ptr(), bytes.len()) };
            assert_eq!(found, bytes, "bytes {index}… of {:?}", self.memory);
        }
    }

    /// The block after a resize: checks that it has kept its bytes, and writes the others.
    ///
    /// # Safety
    /// The block is now `new_len` bytes at `ptr`, and fulfils the requirements of [`new`](Self::new).
    #[track_caller]
    pub unsafe fn resized(&mut self, ptr: NonNull<u8>, new_len: usize) {
        let old_len = self.memory.len();
        self.memory = NonNull::slice_from_raw_parts(ptr, new_len.min(old_len));
        self.check();
        self.memory = NonNull::slice_from_raw_parts(ptr, new_len);
        self.fill(old_len.min(new_len));
    }
}
