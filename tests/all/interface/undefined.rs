//! Which memory is filled with 0xAA: Zig's table, in all its build modes.

use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use zigalloc::heap::FixedBufferAllocator;
use zigalloc::{Alignment, Allocator, NoSentinel, SlicePtr, VTable, block, state};

use super::print::Pieces;

/// A child that hands out bytes of 0x11 and records the contents of each block when it is freed.
struct Snapshots<'c> {
    child_allocator: Allocator<'c>,
    freed: RefCell<Vec<Vec<u8>>>,
    refuse_remap: Cell<bool>,
}

impl Snapshots<'_> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions pass everything on, or refuse.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// Takes the contents of the only block freed since the last call.
    fn freed(&self) -> Vec<u8> {
        let mut freed = self.freed.take();
        assert_eq!(freed.len(), 1);
        freed.remove(0)
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: `len` is not zero, by our caller; one thread.
        let memory = unsafe { this.child_allocator.raw_alloc(len, alignment, ret_addr) }.unwrap();
        // SAFETY: new memory of this length.
        unsafe { memory.write_bytes(0x11, len) };
        Some(memory)
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let block = unsafe { block(memory, len) };
        // SAFETY: a live block of the child, by our caller; one thread.
        let resized = unsafe { this.child_allocator.raw_resize(block, alignment, new_len, ret_addr) };
        if resized && new_len > len {
            // SAFETY: the block has `new_len` bytes now.
            let grown = unsafe { memory.add(len) };
            // SAFETY: the block has `new_len` bytes now, so these are inside it.
            unsafe { grown.write_bytes(0x11, new_len - len) };
        }
        resized
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let remapped = !this.refuse_remap.get()
            // SAFETY: passed on as it came.
            && unsafe { Self::resize(ctx, memory, len, alignment, new_len, ret_addr) };
        if remapped { NonNull::new(memory) } else { None }
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, len) };
        // SAFETY: a live block, whose bytes `alloc` and `resize` have initialised.
        this.freed.borrow_mut().push(unsafe { memory.as_ref() }.to_vec());
        // SAFETY: a live block of the child, by our caller; one thread.
        unsafe { this.child_allocator.raw_free(memory, alignment, ret_addr) };
    }
}

fn with_snapshots(test: impl FnOnce(Allocator<'_>, &Snapshots<'_>)) {
    let mut buffer = [const { MaybeUninit::uninit() }; 4096];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let snapshots = Snapshots {
        child_allocator: fixed_buffer.allocator(),
        freed: RefCell::default(),
        refuse_remap: Cell::new(false),
    };
    test(snapshots.allocator(), &snapshots);
}

/// The contents of new memory: 0xAA if the build fills it, otherwise what the allocator left there.
const NEW: u8 = if FILLS { 0xAA } else { 0x11 };
const FILLS: bool = cfg!(all(debug_assertions, not(miri)));

/// The contents of memory when it is freed: 0xAA if the build fills it, otherwise what was written.
fn gone(written: &[u8]) -> Vec<u8> {
    if FILLS { vec![0xAA; written.len()] } else { written.to_vec() }
}

/// Returns the contents of a block.
unsafe fn bytes<A: SlicePtr>(memory: A) -> Vec<u8> {
    // SAFETY: `Snapshots` initialises all memory.
    unsafe { memory.bytes().as_ref().to_vec() }
}

/// TR-20, M-20, M-21, M-30: new memory is filled entirely; M-05: by the typed functions, not by the raw ones.
#[test]
fn new_memory_is_filled() {
    // SAFETY: each block is from `a`, with this length, and `Snapshots` initialises all memory.
    with_snapshots(|a, _| unsafe {
        let item = a.create::<u32>().unwrap();
        assert_eq!(item.read().to_ne_bytes(), [NEW; 4]);
        let item = a.aligned_create::<u32, 16>().unwrap();
        assert_eq!(item.as_ptr().read().to_ne_bytes(), [NEW; 4]);
        assert_eq!(bytes(a.alloc::<u16>(5).unwrap()), [NEW; 10]);
        assert_eq!(bytes(a.aligned_alloc::<u8, 64>(5).unwrap()), [NEW; 5]);
        assert_eq!(bytes(a.alloc_with_options::<u8, 2, _>(5, NoSentinel).unwrap()), [NEW; 5]);
        assert_eq!(bytes(a.alloc_advanced_with_ret_addr::<u8, 0>(5, 0).unwrap()), [NEW; 5]);
        let memory = a.alloc_bytes_aligned(Alignment::_8, 5, 0).unwrap();
        assert_eq!(bytes(NonNull::slice_from_raw_parts(memory, 5)), [NEW; 5]);
        let raw = a.raw_alloc(5, Alignment::_8, 0).unwrap();
        assert_eq!(bytes(NonNull::slice_from_raw_parts(raw, 5)), [0x11; 5]);
    });
}

/// M-26, M-27, M-40: filled before the sentinel is written, and with the sentinel when freed.
#[test]
fn sentinel_blocks_are_filled_whole() {
    // SAFETY: each block is from `a`, with this length, and `Snapshots` initialises all memory.
    with_snapshots(|a, snapshots| unsafe {
        let memory = a.alloc_sentinel(3, 7u8).unwrap();
        assert_eq!(bytes(memory), [NEW, NEW, NEW, 7]);
        a.free(memory);
        assert_eq!(snapshots.freed(), gone(&[0x11, 0x11, 0x11, 7]));
    });
}

/// M-41, M-20: values written afterwards remain.
#[test]
fn copied_bytes_overwrite_the_fill() {
    // SAFETY: each block is from `a`, with this length, and `Snapshots` initialises all memory.
    with_snapshots(|a, _| unsafe {
        assert_eq!(bytes(a.dupe(&[1u8, 2]).unwrap()), [1, 2]);
        assert_eq!(bytes(a.dupe_z(&[1u8, 2]).unwrap()), [1, 2, 0]);
        assert_eq!(bytes(a.dupe_str("ab").unwrap()), *b"ab");
        assert_eq!(bytes(a.alloc_zeroed::<u8>(2).unwrap()), [0, 0]);
        assert_eq!(a.create_with(5u8).unwrap().read(), 5);
    });
}

/// M-40, M-31, M-35, M-37: memory is filled before it is freed, also by a resize to 0.
#[test]
fn freed_memory_is_filled() {
    // SAFETY: each block is from `a`, with this length, and `Snapshots` initialises all memory.
    with_snapshots(|a, snapshots| unsafe {
        a.free(a.dupe(&[1u8, 2, 3]).unwrap());
        assert_eq!(snapshots.freed(), gone(&[1, 2, 3]));
        assert!(a.resize(a.dupe(&[1u8, 2, 3]).unwrap(), 0));
        assert_eq!(snapshots.freed(), gone(&[1, 2, 3]));
        a.remap(a.dupe(&[1u8, 2, 3]).unwrap(), 0).unwrap();
        assert_eq!(snapshots.freed(), gone(&[1, 2, 3]));
        a.realloc(a.dupe(&[1u8, 2, 3]).unwrap(), 0).unwrap();
        assert_eq!(snapshots.freed(), gone(&[1, 2, 3]));
    });
}

/// TR-20, M-23, M-12: `destroy` and `raw_free` fill nothing.
#[test]
fn destroy_and_raw_free_fill_nothing() {
    // SAFETY: each block is from `a`, with this length, and `Snapshots` initialises all memory.
    with_snapshots(|a, snapshots| unsafe {
        a.destroy(a.create_with(0x0102_0304_u32).unwrap());
        assert_eq!(snapshots.freed(), 0x0102_0304_u32.to_ne_bytes());
        a.raw_free(a.dupe(&[1u8, 2]).unwrap(), Alignment::_1, 0);
        assert_eq!(snapshots.freed(), [1, 2]);
    });
}

/// M-31, M-35: neither a tail that is cut off nor a new one is filled.
#[test]
fn resized_tails_are_not_filled() {
    // SAFETY: each block is from `a`, with this length, and `Snapshots` initialises all memory.
    with_snapshots(|a, _| unsafe {
        let memory = a.dupe(&[1u8, 2, 3]).unwrap();
        assert!(a.resize(memory, 1));
        assert_eq!(bytes(memory), [1, 2, 3], "the buffer is still there");
        assert!(a.resize(memory.with_len(1), 5));
        assert_eq!(bytes(memory.with_len(5)), [1, 0x11, 0x11, 0x11, 0x11]);
        let memory = a.remap(memory.with_len(5), 7).unwrap();
        assert_eq!(bytes(memory), [1, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11]);
        let memory = a.realloc(memory, 9).unwrap();
        assert_eq!(bytes(memory)[7..], [0x11, 0x11], "realloc in place");
    });
}

/// M-37: when a block moves by copying, the old one is filled and the new one's tail is not. A block allocated from
/// an empty slice is.
#[test]
fn realloc_fills_the_old_block() {
    // SAFETY: each block is from `a`, with this length, and `Snapshots` initialises all memory.
    with_snapshots(|a, snapshots| unsafe {
        snapshots.refuse_remap.set(true);
        let memory = a.realloc(a.dupe(&[1u8, 2, 3]).unwrap(), 5).unwrap();
        assert_eq!(bytes(memory), [1, 2, 3, 0x11, 0x11]);
        assert_eq!(snapshots.freed(), gone(&[1, 2, 3]));
        assert_eq!(bytes(a.realloc(a.alloc::<u8>(0).unwrap(), 3).unwrap()), [NEW; 3]);
    });
}

/// M-44, M-45: text uses the raw functions, so nothing is filled (0.17.1).
#[test]
fn print_fills_nothing() {
    // SAFETY: each block is from `a`, with this length, and `Snapshots` initialises all memory.
    with_snapshots(|a, snapshots| unsafe {
        snapshots.refuse_remap.set(true);
        let text = a.print(format_args!("{}", Pieces(&["ab", "c"]))).unwrap();
        let buffer = snapshots.freed();
        assert_eq!(buffer[..3], *b"abc");
        assert!(buffer[3..].iter().all(|byte| *byte == 0x11) && buffer.len() > 3);
        a.free(text);
        assert_eq!(snapshots.freed(), gone(b"abc"));
    });
}
