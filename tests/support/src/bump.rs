//! A child with its own memory that checks the blocks that are freed to it.

use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;

use zigalloc::{Alignment, Allocator, AsAllocator, VTable, state};

use crate::block;

/// The alignment of a [`Bump`]'s memory.
pub const BUMP_ALIGNMENT: usize = 1 << 16;

/// A child with its own memory that never reuses a byte.
///
/// It panics, and so aborts, if a block is freed twice, or with an address, length or alignment that is not the
/// block's. Its memory is not initialised, so Miri detects reads of uninitialised memory.
#[derive(Debug)]
pub struct Bump {
    base: NonNull<u8>,
    layout: Layout,
    end: Cell<usize>,
    /// Offset, length and alignment of each live block, oldest first.
    live: RefCell<Vec<(usize, usize, Alignment)>>,
    /// Whether to resize the last block while there is room; otherwise every resize is refused.
    pub grants_growth: Cell<bool>,
    /// The number of requests for memory: `alloc`, `resize` and `remap` together.
    pub requests: Cell<usize>,
    /// The request that it refuses, counted from 0.
    pub refused_request: Cell<Option<usize>>,
    /// The request from which on it refuses all, counted from 0.
    pub refuses_from: Cell<usize>,
}

impl Bump {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// `len` bytes of memory, of which the first `start` are never used.
    ///
    /// # Panics
    /// If there is not enough memory.
    #[must_use]
    pub fn new(start: usize, len: usize) -> Bump {
        let layout = Layout::from_size_align(len.max(1), BUMP_ALIGNMENT).unwrap();
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { std::alloc::alloc(layout) }).expect("no memory for the test");
        Bump {
            base,
            layout,
            end: Cell::new(start),
            live: RefCell::default(),
            grants_growth: Cell::new(false),
            requests: Cell::new(0),
            refused_request: Cell::new(None),
            refuses_from: Cell::new(usize::MAX),
        }
    }

    /// Returns a handle to this allocator.
    pub fn allocator(&self) -> Allocator<'_> {
        // SAFETY: blocks are disjoint parts of memory that lives as long as `self`.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// The address from which offsets are counted.
    pub fn base(&self) -> usize {
        self.base.addr().get()
    }

    /// How many blocks are live.
    pub fn live(&self) -> usize {
        self.live.borrow().len()
    }

    fn refuses(&self) -> bool {
        let request = self.requests.replace(self.requests.get() + 1);
        self.refused_request.get() == Some(request) || request >= self.refuses_from.get()
    }

    /// The place of a live block in the list, which must have exactly this length and alignment.
    fn find(&self, memory: NonNull<[u8]>, alignment: Alignment) -> usize {
        let block = (memory.addr().get().wrapping_sub(self.base()), memory.len(), alignment);
        let live = self.live.borrow();
        live.iter().position(|other| *other == block).unwrap_or_else(|| {
            panic!("(offset, length, alignment) {block:?} is not a live block; live are {live:?}")
        })
    }

    fn set_len(&self, memory: NonNull<[u8]>, alignment: Alignment, new_len: usize) -> bool {
        assert!(new_len > 0, "a length of 0 reached an allocator");
        let index = self.find(memory, alignment);
        let (start, len, _) = self.live.borrow()[index];
        let room = self.layout.size() - start;
        let last = start + len == self.end.get();
        if self.refuses() || !self.grants_growth.get() || !last || new_len > room {
            return false;
        }
        self.end.set(start + new_len);
        self.live.borrow_mut()[index].1 = new_len;
        true
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        assert!(len > 0, "a length of 0 reached an allocator");
        if this.refuses() || !alignment.is_valid() {
            return None;
        }
        let start = alignment.forward_checked(this.base() + this.end.get())? - this.base();
        let end = start.checked_add(len).filter(|&end| end <= this.layout.size())?;
        this.end.set(end);
        this.live.borrow_mut().push((start, len, alignment));
        // SAFETY: `start` is below the size.
        Some(unsafe { this.base.add(start) })
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        unsafe { state::<Self>(ctx) }.set_len(block(memory, len), alignment, new_len)
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let memory = block(memory, len);
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        unsafe { state::<Self>(ctx) }.set_len(memory, alignment, new_len).then_some(memory.cast())
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let index = this.find(block(memory, len), alignment);
        this.live.borrow_mut().remove(index);
    }
}

impl Drop for Bump {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { std::alloc::dealloc(self.base.as_ptr(), self.layout) };
    }
}

// SAFETY: 1. See `allocator`. 2. and 3. The type is neither `Send` nor `Sync`. 4. All handles have the same state,
// `self`, and table.
unsafe impl AsAllocator for Bump {
    fn allocator(&self) -> Allocator<'_> {
        Bump::allocator(self)
    }
}
