//! Allocators that watch what is asked of them.

#![allow(dead_code)]

use std::cell::{Cell, RefCell};
use std::ptr::{self, NonNull};

use zigalloc::{Alignment, Allocator, AllocatorState, VTable};

/// One call of a vtable function, with its result. Lengths are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Alloc {
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
        result: Option<usize>,
    },
    Resize {
        address: usize,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
        result: bool,
    },
    Remap {
        address: usize,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
        result: Option<usize>,
    },
    Free {
        address: usize,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    },
}

/// Passes every call on to a child and writes it down.
pub struct Recorder<'c> {
    child_allocator: Allocator<'c>,
    calls: RefCell<Vec<Call>>,
    /// Answer every resize and remap with "no", without asking the child.
    pub refuse_resize: Cell<bool>,
    /// Answer every alloc with null, without asking the child.
    pub refuse_alloc: Cell<bool>,
}

impl<'c> Recorder<'c> {
    const VTABLE: VTable =
        VTable { alloc: recorder_alloc, resize: recorder_resize, remap: recorder_remap, free: recorder_free };

    pub fn new(child: impl Into<Allocator<'c>>) -> Recorder<'c> {
        Recorder {
            child_allocator: child.into(),
            calls: RefCell::default(),
            refuse_resize: Cell::new(false),
            refuse_alloc: Cell::new(false),
        }
    }

    pub fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions pass everything on, or refuse.
        unsafe { Allocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }

    /// The calls since the last `take`.
    pub fn take(&self) -> Vec<Call> {
        self.calls.take()
    }
}

// SAFETY: 1. as `allocator` says. 2. The type is not `Send`.
unsafe impl AllocatorState for Recorder<'_> {
    fn allocator(&self) -> Allocator<'_> {
        Recorder::allocator(self)
    }
}

unsafe fn recorder<'s>(ctx: *mut ()) -> &'s Recorder<'s> {
    // SAFETY: clause 1: the address that `allocator` took.
    unsafe { &*ctx.cast_const().cast() }
}

fn block(memory: *mut u8, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(NonNull::new(memory).expect("a block is never null"), len)
}

unsafe extern "C" fn recorder_alloc(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 1.
    let this = unsafe { recorder(ctx) };
    let result = match this.refuse_alloc.get() {
        true => None,
        // SAFETY: the caller's promises are the child's.
        false => unsafe { this.child_allocator.raw_alloc(len, alignment, ret_addr) },
    };
    let address = result.map(|memory| memory.addr().get());
    this.calls.borrow_mut().push(Call::Alloc { len, alignment, ret_addr, result: address });
    result.map_or(ptr::null_mut(), NonNull::as_ptr)
}

unsafe extern "C" fn recorder_resize(
    ctx: *mut (),
    memory: *mut u8,
    len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> bool {
    // SAFETY: clause 1.
    let this = unsafe { recorder(ctx) };
    let result = !this.refuse_resize.get()
        // SAFETY: the caller's promises are the child's.
        && unsafe { this.child_allocator.raw_resize(block(memory, len), alignment, new_len, ret_addr) };
    let address = memory.addr();
    this.calls.borrow_mut().push(Call::Resize { address, len, alignment, new_len, ret_addr, result });
    result
}

unsafe extern "C" fn recorder_remap(
    ctx: *mut (),
    memory: *mut u8,
    len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 1.
    let this = unsafe { recorder(ctx) };
    let address = memory.addr();
    let result = match this.refuse_resize.get() {
        true => None,
        // SAFETY: the caller's promises are the child's.
        false => unsafe { this.child_allocator.raw_remap(block(memory, len), alignment, new_len, ret_addr) },
    };
    let moved = result.map(|memory| memory.addr().get());
    this.calls.borrow_mut().push(Call::Remap { address, len, alignment, new_len, ret_addr, result: moved });
    result.map_or(ptr::null_mut(), NonNull::as_ptr)
}

unsafe extern "C" fn recorder_free(
    ctx: *mut (),
    memory: *mut u8,
    len: usize,
    alignment: Alignment,
    ret_addr: usize,
) {
    // SAFETY: clause 1.
    let this = unsafe { recorder(ctx) };
    this.calls.borrow_mut().push(Call::Free { address: memory.addr(), len, alignment, ret_addr });
    // SAFETY: the caller's promises are the child's.
    unsafe { this.child_allocator.raw_free(block(memory, len), alignment, ret_addr) };
}

/// What every allocator owes for one alignment: blocks of many lengths that are aligned, distinct and
/// writable, and whose bytes stay when `remap` makes them longer and shorter. Returns how many of the
/// 13 × 6 calls of `remap` did.
pub(crate) fn keeps_contents(allocator: Allocator<'_>, alignment: Alignment) -> usize {
    /// Which bytes to look at: all of a short block, both ends and some of a long one.
    fn places(len: usize) -> impl Iterator<Item = usize> {
        let many = if cfg!(miri) { 10 } else { 500 };
        (0..len).step_by(1 + len / many).chain([len - 1])
    }
    unsafe fn fill(memory: NonNull<u8>, len: usize, seed: usize) {
        // SAFETY: the caller's block is so long.
        places(len).for_each(|n| unsafe { memory.add(n).write((n * 7 + seed) as u8) });
    }
    unsafe fn assert_filled(memory: NonNull<u8>, len: usize, kept: usize, seed: usize) {
        for n in places(len).filter(|n| *n < kept) {
            // SAFETY: `kept` bytes of the caller's block are left of those that `fill` has written.
            assert_eq!(unsafe { memory.add(n).read() }, (n * 7 + seed) as u8, "byte {n} of {len}");
        }
    }

    let lengths = [1, 2, 7, 8, 15, 16, 24, 100, 1000, 4095, 4096, 4097, 10_000];
    let blocks = lengths.map(|len| {
        // SAFETY: `len` is not zero, and a new block is `len` bytes.
        unsafe {
            let memory = allocator.raw_alloc(len, alignment, 0).expect("there is memory");
            assert!(
                alignment.check_ptr(memory.as_ptr()),
                "{memory:?} for {len} bytes aligned to {alignment}"
            );
            fill(memory, len, len);
            memory
        }
    });
    let mut remapped = 0;
    for (mut memory, seed) in blocks.into_iter().zip(lengths) {
        let mut len = seed;
        for new_len in [len + 1, 3 * len, if cfg!(miri) { 5 } else { 50 } * len, len, len.div_ceil(2), 1] {
            // SAFETY: a live block with matching length and alignment, which is followed when it moves.
            unsafe {
                let block = NonNull::slice_from_raw_parts(memory, len);
                let Some(new) = allocator.raw_remap(block, alignment, new_len, 0) else {
                    assert_filled(memory, len, len, seed);
                    continue;
                };
                assert!(
                    alignment.check_ptr(new.as_ptr()),
                    "{new:?} for {new_len} bytes aligned to {alignment}"
                );
                assert_filled(new, len, len.min(new_len), seed);
                (memory, len) = (new, new_len);
                fill(memory, len, seed);
                remapped += 1;
            }
        }
        // SAFETY: a live block with matching length and alignment.
        unsafe { allocator.raw_free(NonNull::slice_from_raw_parts(memory, len), alignment, 0) };
    }
    remapped
}

/// A logarithm that no word has, as a C program could pass it.
pub(crate) fn alignment_from_c(log2: u8) -> Alignment {
    // SAFETY: `Alignment` is a transparent byte for which every value is allowed.
    unsafe { std::mem::transmute(log2) }
}

/// A block on its way to another thread.
pub(crate) struct Sent(pub(crate) NonNull<[u8]>);
// SAFETY: whoever sends it does not keep it.
unsafe impl Send for Sent {}

impl Sent {
    pub(crate) fn received(self) -> NonNull<[u8]> {
        self.0
    }
}
