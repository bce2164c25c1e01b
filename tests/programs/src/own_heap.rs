//! A heap that makes errors visible without a sanitizer.
//!
//! A block has guard bytes on both sides, starts at an address with exactly the requested alignment, and is filled
//! with arbitrary bytes. When it is freed it is poisoned and kept, and finally checked for writes. The guarded
//! flavour places the end of each block at an inaccessible page, and makes freed blocks inaccessible. Under Miri and
//! AddressSanitizer, which detect all this themselves, blocks are the system's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::rc::Rc;

use zigalloc::Alignment;
use zigalloc_support::Random;

use crate::log::Log;
use crate::table::Functions;

/// Whether blocks are plain blocks of the system.
const PLAIN: bool = cfg!(any(miri, fuzzing));
/// The number of guard bytes on each side, and their value.
const ZONE: usize = 64;
const GUARD: u8 = 0xB7;
const POISON: u8 = 0xDD;
/// The bytes that may fill new memory.
const RUBBISH: [u8; 4] = [0xC3, 0x00, 0xFF, 0x01];
/// How many bytes of a long block are poisoned at each end.
const POISONED: usize = 32 << 10;
/// How many freed bytes are kept.
const KEPT: usize = 64 << 20;
const MAX_LEN: usize = if cfg!(miri) { 1 << 20 } else { 1 << 28 };
const MAX_ALIGNMENT_LOG2: u8 = if cfg!(miri) { 16 } else { 22 };

/// Memory of the system.
#[derive(Clone, Copy)]
enum Region {
    Heap(NonNull<u8>, Layout),
    #[cfg(unix)]
    Pages(NonNull<u8>, usize),
}

#[derive(Clone, Copy)]
struct Block {
    region: Region,
    memory: NonNull<u8>,
    len: usize,
    /// The maximum length that it can have.
    capacity: usize,
}

pub(crate) struct OwnHeap {
    pub(crate) log: Rc<Log>,
    pub(crate) guarded: bool,
    pub(crate) random: RefCell<Random>,
    live: RefCell<BTreeMap<usize, Block>>,
    freed: RefCell<Vec<Block>>,
    kept: Cell<usize>,
}

impl OwnHeap {
    pub(crate) fn new(log: Rc<Log>, guarded: bool, seed: u64) -> OwnHeap {
        OwnHeap {
            log,
            guarded: guarded && cfg!(unix) && !cfg!(miri),
            random: RefCell::new(Random::new(seed)),
            live: RefCell::default(),
            freed: RefCell::default(),
            kept: Cell::new(0),
        }
    }

    /// Checks everything that was freed, and frees all memory. Live blocks are leaks.
    pub(crate) fn end(&self) {
        let live = std::mem::take(&mut *self.live.borrow_mut());
        if let Some((address, block)) = live.first_key_value() {
            let len = block.len;
            self.log.fail(format_args!("the heap: {} blocks leak: {len} bytes at {address:#x}…", live.len()));
        }
        self.forget(0);
    }

    /// Frees the oldest kept blocks until at most `limit` bytes are kept.
    fn forget(&self, limit: usize) {
        let mut freed = self.freed.borrow_mut();
        let mut count = 0;
        for block in freed.iter().take_while(|_| self.kept.get() > limit) {
            self.kept.set(self.kept.get() - block.capacity);
            count += 1;
            if !self.guarded {
                self.check_filled(block, 0, block.len.min(POISONED), POISON, "freed block");
                let last = block.len.saturating_sub(POISONED).max(block.len.min(POISONED));
                self.check_filled(block, last, block.len - last, POISON, "freed block");
                self.check_guards(block);
            }
            match block.region {
                // SAFETY: memory of the system with this layout, not used afterwards.
                Region::Heap(start, layout) => unsafe { System.dealloc(start.as_ptr(), layout) },
                #[cfg(unix)]
                // SAFETY: a mapping of this heap, not used afterwards.
                Region::Pages(start, len) => unsafe {
                    libc::munmap(start.as_ptr().cast(), len);
                },
            }
        }
        freed.drain(..count);
    }

    fn check_filled(&self, block: &Block, offset: usize, len: usize, byte: u8, what: &str) {
        // SAFETY: the region has these bytes, all of which were written.
        let bytes = unsafe { std::slice::from_raw_parts(block.memory.add(offset).as_ptr(), len) };
        // Usually nothing is wrong, and comparing slices is fast.
        let expected = [byte; 1024];
        if bytes.chunks(expected.len()).all(|chunk| *chunk == expected[..chunk.len()]) {
            return;
        }
        if let Some(index) = bytes.iter().position(|found| *found != byte) {
            self.log.fail(format_args!(
                "the heap: a {what} of {} bytes was written to at byte {}",
                block.len,
                offset + index
            ));
        }
    }

    fn check_guards(&self, block: &Block) {
        if PLAIN || self.guarded {
            return;
        }
        let end = block.capacity - block.len + ZONE;
        self.check_filled(block, block.len, end.min(4 * ZONE), GUARD, "end of a block");
        let before =
            Block { memory: NonNull::new(block.memory.as_ptr().wrapping_sub(ZONE)).unwrap(), ..*block };
        self.check_filled(&before, 0, ZONE, GUARD, "beginning of a block");
    }

    fn set_guard(block: &Block) {
        let len = (block.capacity - block.len + ZONE).min(4 * ZONE);
        // SAFETY: the region has these bytes, which no block uses.
        unsafe { block.memory.add(block.len).write_bytes(GUARD, len) };
    }

    fn reserve(&self, len: usize, alignment: Alignment) -> Option<Block> {
        let align = alignment.to_byte_units();
        if PLAIN && !self.guarded {
            let layout = Layout::from_size_align(len, align).ok()?;
            // SAFETY: the length is not zero.
            let memory = NonNull::new(unsafe { System.alloc(layout) })?;
            return Some(Block { region: Region::Heap(memory, layout), memory, len, capacity: len });
        }
        #[cfg(unix)]
        if self.guarded {
            return map_guarded(len, align);
        }
        let mut random = self.random.borrow_mut();
        let slack = [0, 0, 16, 200, (len / 2).min(100_000)][random.below(5)];
        let capacity = len + slack;
        let layout = Layout::from_size_align(capacity + 2 * align + 2 * ZONE, 16).ok()?;
        // SAFETY: the length is not zero.
        let start = NonNull::new(unsafe { System.alloc(layout) })?;
        let first = (start.addr().get() + ZONE).next_multiple_of(align);
        let address = if first % (2 * align) == 0 { first + align } else { first };
        // SAFETY: there is room for an address with exactly the requested alignment.
        let memory = unsafe { start.add(address - start.addr().get()) };
        let block = Block { region: Region::Heap(start, layout), memory, len, capacity };
        // SAFETY: there are at least that many bytes before the block.
        unsafe { memory.sub(ZONE).write_bytes(GUARD, ZONE) };
        OwnHeap::set_guard(&block);
        // SAFETY: the block has these bytes.
        unsafe { memory.write_bytes(RUBBISH[random.below(4)], len.min(1 << 20)) };
        Some(block)
    }
}

/// Maps pages with the block at their end, and an inaccessible page after it.
#[cfg(unix)]
fn map_guarded(len: usize, align: usize) -> Option<Block> {
    const PAGE: usize = 64 << 10;
    let size = (len + align).next_multiple_of(PAGE) + PAGE;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, at an address that the system chooses.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return None;
    }
    let start = NonNull::new(start.cast::<u8>())?;
    // The mapping starts at a multiple of the system's page size, and so does its end minus 64 KiB.
    // SAFETY: the last 64 KiB of the mapping.
    unsafe { libc::mprotect(start.add(size - PAGE).as_ptr().cast(), PAGE, libc::PROT_NONE) };
    let end = start.addr().get() + size - PAGE;
    let address = (end - len) & !(align - 1);
    // SAFETY: inside the mapping, which is longer than the length and the alignment.
    let memory = unsafe { start.add(address - start.addr().get()) };
    // SAFETY: the block has these bytes.
    unsafe { memory.write_bytes(RUBBISH[0], len.min(1 << 20)) };
    Some(Block { region: Region::Pages(start, size), memory, len, capacity: end - address })
}

impl Functions for OwnHeap {
    fn alloc(&self, len: usize, alignment: Alignment, _ret_addr: usize) -> Option<NonNull<u8>> {
        if len > MAX_LEN || alignment.log2() > MAX_ALIGNMENT_LOG2 {
            return None;
        }
        let block = self.reserve(len, alignment)?;
        self.live.borrow_mut().insert(block.memory.addr().get(), block);
        Some(block.memory)
    }

    fn resize(&self, memory: NonNull<[u8]>, _alignment: Alignment, new_len: usize, _ret_addr: usize) -> bool {
        let mut live = self.live.borrow_mut();
        let Some(block) = live.get_mut(&memory.addr().get()) else { return false };
        if new_len > block.capacity || (PLAIN && !self.guarded) {
            return false;
        }
        self.check_guards(block);
        block.len = new_len;
        if !self.guarded {
            OwnHeap::set_guard(block);
        }
        true
    }

    fn remap(
        &self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let whole = self.live.borrow().get(&memory.addr().get())?.memory;
        self.resize(memory, alignment, new_len, ret_addr).then_some(whole)
    }

    fn free(&self, memory: NonNull<[u8]>, _alignment: Alignment, _ret_addr: usize) {
        let Some(block) = self.live.borrow_mut().remove(&memory.addr().get()) else { return };
        self.check_guards(&block);
        match block.region {
            // SAFETY: the block's mapping, which nothing may use any more.
            #[cfg(unix)]
            Region::Pages(start, len) => unsafe {
                libc::mprotect(start.as_ptr().cast(), len, libc::PROT_NONE);
            },
            // SAFETY: memory of the system with this layout, not used afterwards.
            Region::Heap(start, layout) if PLAIN => unsafe {
                return System.dealloc(start.as_ptr(), layout);
            },
            // SAFETY: the block's bytes.
            Region::Heap(..) => unsafe {
                let first = block.len.min(POISONED);
                block.memory.write_bytes(POISON, first);
                let last = block.len.saturating_sub(POISONED).max(first);
                block.memory.add(last).write_bytes(POISON, block.len - last);
            },
        }
        self.kept.set(self.kept.get() + block.capacity);
        self.freed.borrow_mut().push(block);
        self.forget(KEPT);
    }
}

impl Drop for OwnHeap {
    fn drop(&mut self) {
        self.forget(0);
    }
}
