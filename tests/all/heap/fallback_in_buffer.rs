//! Allocators that identify a block's owner by its address, over a child whose memory is from them. The child keeps
//! its contract, since it hands out its own memory; but one address can then belong to two blocks.
//!
//! Everything here except the child's own `unsafe` is safe code, so no two live blocks may share a byte.

#![cfg(feature = "std")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, OnceCell};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::adapters::FromGlobalAlloc;
use zigalloc::heap::{
    BufferFirstAllocator, DebugAllocator, DebugConfig, FixedBufferAllocator, SafeAllocator, SafeOptions,
    stack_fallback,
};
use zigalloc::{Alignment, Allocator};
use zigalloc_support::{alone, assert_aborted, run_alone};

use crate::contract::reentrance::leak;

/// An allocator that cuts its blocks from one block of another allocator, set later, as long as there is room, and
/// gets the others from the system. It is like an arena without a header, so its first block has the address of the
/// block that it cuts from.
#[derive(Default)]
struct Late<'p> {
    fixed_buffer: OnceCell<FixedBufferAllocator<'p>>,
    frees: Cell<usize>,
}

impl<'p> Late<'p> {
    /// Cuts from `memory` from now on, and takes ownership of it.
    ///
    /// # Safety
    /// `memory` is a live block that nothing else uses for `'p`.
    unsafe fn set(&self, memory: NonNull<[u8]>) {
        // SAFETY: a live block that nothing else uses, by our caller.
        let buffer = unsafe { std::slice::from_raw_parts_mut(memory.as_ptr().cast(), memory.len()) };
        assert!(self.fixed_buffer.set(FixedBufferAllocator::init(buffer)).is_ok());
    }

    /// Returns how many bytes of its block are in use.
    fn used(&self) -> usize {
        self.fixed_buffer.get().unwrap().end_index()
    }
}

// SAFETY: a block is one of the system, or of a fixed buffer whose buffer is a live block that nothing else uses and
// that does not move.
unsafe impl GlobalAlloc for Late<'_> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let cut = self.fixed_buffer.get().and_then(|buffer| {
            // SAFETY: the length is not zero, by our caller.
            unsafe { buffer.allocator().raw_alloc(layout.size(), layout.into(), 0) }
        });
        // SAFETY: as above.
        cut.map_or_else(|| unsafe { System.alloc(layout) }, NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let block = NonNull::slice_from_raw_parts(NonNull::new(memory).unwrap(), layout.size());
        // Compare the whole block: a page can start where the block that this cuts from starts.
        match self.fixed_buffer.get().filter(|buffer| buffer.owns_slice(block)) {
            Some(buffer) => {
                self.frees.set(self.frees.get() + 1);
                // SAFETY: a block of the fixed buffer.
                unsafe { buffer.allocator().raw_free(block, layout.into(), 0) };
            }
            // SAFETY: a block of the system.
            None => unsafe { System.dealloc(memory, layout) },
        }
    }
}

/// Checks which blocks a wrapper refuses, and its state afterwards.
fn assert_refuses_what_is_in_the_buffer<'p>(
    late: &Late<'p>,
    wrapper: Allocator<'p>,
    end_index: impl Fn() -> usize,
) {
    // The buffer has 256 bytes; the child takes 128 of them.
    // SAFETY: a live block that is given away.
    unsafe { late.set(wrapper.alloc(128).expect("memory")) };
    assert_eq!(end_index(), 128);
    let rest = wrapper.alloc::<u8>(100).expect("memory");
    // The buffer has no room for these but the child does, inside the same buffer.
    for len in [60, 128] {
        assert!(wrapper.alloc::<u8>(len).is_err(), "{len} bytes");
    }
    assert_eq!(late.frees.get(), 2, "the child has its blocks back");
    assert_eq!(late.used(), 0);
    // Whatever is freed, the end of the buffer stays, and the child's bytes are not handed out again.
    // SAFETY: a live block.
    unsafe { wrapper.free(rest) };
    assert_eq!(end_index(), 128);
}

#[test]
fn buffer_first_refuses_a_fallbacks_block_in_its_buffer() {
    let late = Late::default();
    let child = FromGlobalAlloc::from_ref(&late);
    let mut buffer = [MaybeUninit::uninit(); 256];
    let wrapper = BufferFirstAllocator::init(&mut buffer, child.allocator());
    assert_refuses_what_is_in_the_buffer(&late, wrapper.allocator(), || {
        wrapper.fixed_buffer_allocator().end_index()
    });
}

/// TR-53: ownership is decided by address, which such a fallback would break.
#[test]
fn stack_fallback_refuses_a_fallbacks_block_in_its_buffer() {
    let late = Late::default();
    let child = FromGlobalAlloc::from_ref(&late);
    let wrapper = stack_fallback::<256, _>(child.allocator());
    assert_refuses_what_is_in_the_buffer(&late, wrapper.allocator(), || wrapper.end_index());
}

/// A debug allocator and its child, which refer to each other; leaked, since no safe code could drop either first.
fn debug_over_late() -> (&'static DebugAllocator<Allocator<'static>>, &'static Late<'static>) {
    let late: &'static Late<'static> = leak(Late::default());
    (leak(DebugAllocator::init(FromGlobalAlloc::from_ref(late).allocator())), late)
}

const PAGE: usize = DebugConfig::DEFAULT.page_size;
/// Blocks of that alignment are large, however short they are.
const LARGE: Alignment = Alignment::from_byte_units(PAGE / 2);

/// Allocates a small block of the largest class, at an address aligned as only large blocks need.
fn aligned_small_block(allocator: Allocator<'_>) -> NonNull<[u8]> {
    loop {
        let block = allocator.alloc::<u8>(PAGE / 4).expect("memory");
        if LARGE.check(block.addr().get()) {
            return block;
        }
    }
}

/// A block that is large because of its alignment, at the address of a small one.
#[test]
fn debug_refuses_a_childs_block_in_its_page() {
    let (debug, late) = debug_over_late();
    let allocator = debug.allocator();
    // The tables have room, so that they do not come from the block.
    allocator.alloc::<u8>(PAGE).expect("memory");
    let block = aligned_small_block(allocator);
    // SAFETY: a live block that is given away. The length is not zero.
    unsafe {
        late.set(block);
        assert_eq!(allocator.raw_alloc(1, LARGE, 0), None);
    }
    assert_eq!((late.frees.get(), late.used()), (1, 0), "the child has its block back");
    // SAFETY: a live block, freed once.
    unsafe { allocator.free(block) };
    assert_eq!(debug.first_report().map(|report| report.kind), None);
}

/// A safe allocator and its child, as above. Blocks from 6 KiB on are large.
fn safe_over_late() -> (Allocator<'static>, &'static Late<'static>) {
    let late: &'static Late<'static> = leak(Late::default());
    let options = SafeOptions { bucket_size_log2: 13, stack_trace_frames: 0, ..SafeOptions::DEFAULT };
    (leak(SafeAllocator::init(FromGlobalAlloc::from_ref(late).allocator(), options)).allocator(), late)
}

/// A large block at the address of another one.
#[test]
fn safe_refuses_a_childs_block_in_its_own() {
    let (allocator, late) = safe_over_late();
    let outer = allocator.alloc::<u8>(40_000).expect("memory");
    // SAFETY: a live block that is given away.
    unsafe { late.set(outer) };
    assert!(allocator.alloc::<u8>(7000).is_err());
    assert_eq!((late.frees.get(), late.used()), (1, 0), "the child has its block back");
    // A bucket may be in the block.
    let small = allocator.alloc::<u8>(10).expect("memory");
    assert!(late.used() > 0);
    // A double free would abort.
    // SAFETY: live blocks, freed once.
    unsafe { allocator.free(small) };
}

#[test]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn remap_into_a_block_of_a_safe_allocator_aborts() {
    if alone().is_none() {
        let test = "heap::fallback_in_buffer::remap_into_a_block_of_a_safe_allocator_aborts";
        assert_aborted(&run_alone(test, "safe"), "SafeAllocator: the child's remap moved a block to 0x");
        return;
    }
    let (allocator, late) = safe_over_late();
    let outside = allocator.alloc::<u8>(20_000).expect("memory");
    // SAFETY: live blocks, one of which is given away.
    let moved = unsafe {
        late.set(allocator.alloc(40_000).expect("memory"));
        allocator.remap(outside, 30_000)
    };
    unreachable!("moved to {moved:?}");
}

/// After a block has moved, it is too late to refuse.
#[rstest]
#[case::buffer_first(1, "BufferFirstAllocator: the fallback's remap moved a block of 300 bytes")]
#[case::stack_fallback(2, "StackFallbackAllocator: the fallback's remap moved a block of 300 bytes")]
#[case::debug(3, "DebugAllocator: the child's remap moved a block to 0x")]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn remap_into_the_buffer_aborts(#[case] number: usize, #[case] message: &str) {
    let name = ["buffer_first", "stack_fallback", "debug"][number - 1];
    if alone().is_none() {
        let test = format!("heap::fallback_in_buffer::remap_into_the_buffer_aborts::case_{number}_{name}");
        assert_aborted(&run_alone(&test, name), message);
        return;
    }
    let (debug, late) = debug_over_late();
    let child = FromGlobalAlloc::from_ref(late).allocator();
    let (allocator, len, alignment) = match number {
        1 => {
            let buffer = leak([MaybeUninit::uninit(); 256]);
            (leak(BufferFirstAllocator::init(buffer, child)).allocator(), 300, Alignment::_1)
        }
        2 => (leak(stack_fallback::<256, _>(child)).allocator(), 300, Alignment::_1),
        _ => (debug.allocator(), 1, LARGE),
    };
    // SAFETY: live blocks, one of which is given away; the lengths are not zero.
    unsafe {
        let outside = allocator.raw_alloc(len, alignment, 0).expect("memory");
        late.set(if number == 3 {
            aligned_small_block(allocator)
        } else {
            allocator.alloc(128).expect("memory")
        });
        let outside = NonNull::slice_from_raw_parts(outside, len);
        let moved = allocator.raw_remap(outside, alignment, 100, 0);
        unreachable!("moved to {moved:?}");
    }
}
