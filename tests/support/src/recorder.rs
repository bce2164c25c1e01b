//! A child that records its calls.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;

use zigalloc::{Alignment, Allocator, AsAllocator, VTable, state};

use crate::block;

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

impl Call {
    /// The return address that the function got.
    #[must_use]
    pub fn ret_addr(&self) -> usize {
        match *self {
            Call::Alloc { ret_addr, .. }
            | Call::Resize { ret_addr, .. }
            | Call::Remap { ret_addr, .. }
            | Call::Free { ret_addr, .. } => ret_addr,
        }
    }
}

/// Forwards every call to a child and records it.
#[derive(Debug)]
pub struct Recorder<'c> {
    child_allocator: Allocator<'c>,
    calls: RefCell<Vec<Call>>,
    /// Whether to refuse every resize and remap without calling the child.
    pub refuse_resize: Cell<bool>,
    /// Whether to refuse every alloc without calling the child.
    pub refuse_alloc: Cell<bool>,
}

impl<'c> Recorder<'c> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// A recorder over `child`.
    pub fn new(child: impl Into<Allocator<'c>>) -> Recorder<'c> {
        Recorder {
            child_allocator: child.into(),
            calls: RefCell::default(),
            refuse_resize: Cell::new(false),
            refuse_alloc: Cell::new(false),
        }
    }

    /// Returns a handle to this allocator, whose calls are recorded.
    pub fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions pass everything on, or refuse.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// The calls since the last `take`.
    pub fn take(&self) -> Vec<Call> {
        self.calls.take()
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let result = match this.refuse_alloc.get() {
            true => None,
            // SAFETY: the length is what our caller passed; the handles stay in one thread.
            false => unsafe { this.child_allocator.raw_alloc(len, alignment, ret_addr) },
        };
        let address = result.map(|memory| memory.addr().get());
        this.calls.borrow_mut().push(Call::Alloc { len, alignment, ret_addr, result: address });
        result
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
        let result = !this.refuse_resize.get()
            // SAFETY: a live block of the child, by our caller; one thread.
            && unsafe { this.child_allocator.raw_resize(block(memory, len), alignment, new_len, ret_addr) };
        let address = memory.addr();
        this.calls.borrow_mut().push(Call::Resize { address, len, alignment, new_len, ret_addr, result });
        result
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
        let address = memory.addr();
        let result = match this.refuse_resize.get() {
            true => None,
            // SAFETY: a live block of the child, by our caller; one thread.
            false => unsafe {
                this.child_allocator.raw_remap(block(memory, len), alignment, new_len, ret_addr)
            },
        };
        let moved = result.map(|memory| memory.addr().get());
        this.calls.borrow_mut().push(Call::Remap {
            address,
            len,
            alignment,
            new_len,
            ret_addr,
            result: moved,
        });
        result
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
        this.calls.borrow_mut().push(Call::Free { address: memory.addr(), len, alignment, ret_addr });
        // SAFETY: a live block of the child, by our caller; one thread.
        unsafe { this.child_allocator.raw_free(block(memory, len), alignment, ret_addr) };
    }
}

// SAFETY: 1. See `allocator`. 2. and 3. The type is neither `Send` nor `Sync`. 4. All handles have the same state,
// `self`, and table.
unsafe impl AsAllocator for Recorder<'_> {
    fn allocator(&self) -> Allocator<'_> {
        Recorder::allocator(self)
    }
}

/// Calls in one line, in the form of the tables of expected calls: `alloc 51 @0`, `alloc 51 null`,
/// `resize 51→134 (r)` if refused and `(R)` if granted, `free 51`. Offsets count from `base`.
#[must_use]
pub fn text(calls: &[Call], base: usize) -> String {
    let text = calls.iter().map(|call| match *call {
        Call::Alloc { len, result: Some(address), .. } => format!("alloc {len} @{}", address - base),
        Call::Alloc { len, result: None, .. } => format!("alloc {len} null"),
        Call::Resize { len, new_len, result, .. } => {
            format!("resize {len}→{new_len} ({})", if result { 'R' } else { 'r' })
        }
        Call::Remap { len, new_len, result: Some(address), .. } => {
            format!("remap {len}→{new_len} @{}", address - base)
        }
        Call::Remap { len, new_len, result: None, .. } => format!("remap {len}→{new_len} null"),
        Call::Free { len, .. } => format!("free {len}"),
    });
    text.collect::<Vec<_>>().join(", ")
}
