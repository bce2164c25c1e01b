//! Allocators that tell by its address whose a block is, over a child that has its own memory from them. The child
//! keeps its contract, since it hands out what it was given; but an address is then that of two blocks.
//!
//! Everything here but the child's own `unsafe` is safe code, so no two live blocks may share a byte.

#![cfg(feature = "std")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, OnceCell};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::adapters::FromGlobalAlloc;
use zigalloc::heap::{
    BufferFirstAllocator, DebugAllocator, DebugConfig, FixedBufferAllocator, stack_fallback,
};
use zigalloc::{Alignment, Allocator};
use zigalloc_support::{alone, assert_aborted, run_alone};

use crate::contract::reentrance::leak;

/// An allocator that cuts its blocks from one block of another, of which it learns later, as long as there is room,
/// and has the others from the system. It is what an arena is, without a header, so that its first block has the
/// address of the one that it cuts from.
#[derive(Default)]
struct Late<'p> {
    fixed_buffer: OnceCell<FixedBufferAllocator<'p>>,
    frees: Cell<usize>,
}

impl<'p> Late<'p> {
    /// Cuts from `memory` from now on, which the caller gives away.
    ///
    /// # Safety
    /// A live block that nothing else uses for `'p`.
    unsafe fn set(&self, memory: NonNull<[u8]>) {
        // SAFETY: the caller's promise.
        let buffer = unsafe { std::slice::from_raw_parts_mut(memory.as_ptr().cast(), memory.len()) };
        assert!(self.fixed_buffer.set(FixedBufferAllocator::init(buffer)).is_ok());
    }

    /// How many bytes of its block are in use.
    fn used(&self) -> usize {
        self.fixed_buffer.get().unwrap().end_index()
    }
}

// SAFETY: a block is one of the system's, or of a fixed buffer, whose buffer is a live block that nothing else uses
// and that stays where it is.
unsafe impl GlobalAlloc for Late<'_> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let cut = self.fixed_buffer.get().and_then(|buffer| {
            // SAFETY: the length is not zero, the caller says.
            unsafe { buffer.allocator().raw_alloc(layout.size(), layout.into(), 0) }
        });
        // SAFETY: as above.
        cut.map_or_else(|| unsafe { System.alloc(layout) }, NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let block = NonNull::slice_from_raw_parts(NonNull::new(memory).unwrap(), layout.size());
        // By all of the block: a page can begin where the block that this cuts from begins.
        match self.fixed_buffer.get().filter(|buffer| buffer.owns_slice(block)) {
            Some(buffer) => {
                self.frees.set(self.frees.get() + 1);
                // SAFETY: a block of the fixed buffer.
                unsafe { buffer.allocator().raw_free(block, layout.into(), 0) };
            }
            // SAFETY: a block of the system's.
            None => unsafe { System.dealloc(memory, layout) },
        }
    }
}

/// What a wrapper refuses, and what it has then.
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
    // The buffer has no room for these, and the child has; but they would be in the buffer too.
    for len in [60, 128] {
        assert!(wrapper.alloc::<u8>(len).is_err(), "{len} bytes");
    }
    assert_eq!(late.frees.get(), 2, "the child has its blocks back");
    assert_eq!(late.used(), 0);
    // Whatever is freed, the end of the buffer is where it was, and the child's bytes are not handed out again.
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

#[test]
fn stack_fallback_refuses_a_fallbacks_block_in_its_buffer() {
    let late = Late::default();
    let child = FromGlobalAlloc::from_ref(&late);
    let wrapper = stack_fallback::<256, _>(child.allocator());
    assert_refuses_what_is_in_the_buffer(&late, wrapper.allocator(), || wrapper.end_index());
}

/// A debug allocator and its child, which knows it: for ever, as no safe code could drop either first.
fn debug_over_late() -> (&'static DebugAllocator<Allocator<'static>>, &'static Late<'static>) {
    let late: &'static Late<'static> = leak(Late::default());
    (leak(DebugAllocator::init(FromGlobalAlloc::from_ref(late).allocator())), late)
}

const PAGE: usize = DebugConfig::DEFAULT.page_size;
/// Blocks of that alignment are large, however short.
const LARGE: Alignment = Alignment::from_byte_units(PAGE / 2);

/// A small block, of the largest class, that is aligned as only large ones need to be.
fn aligned_small_block(allocator: Allocator<'_>) -> NonNull<[u8]> {
    loop {
        let block = allocator.alloc::<u8>(PAGE / 4).expect("memory");
        if LARGE.check(block.addr().get()) {
            return block;
        }
    }
}

/// A large block, for its alignment, at the address of a small one.
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

/// When a block has been moved, it is too late to refuse.
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
    // SAFETY: live blocks, of which one is given away; the lengths are not zero.
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
