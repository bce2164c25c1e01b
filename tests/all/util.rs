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
