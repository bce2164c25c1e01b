use std::{cell::Cell, marker::PhantomData, mem::MaybeUninit, ptr::NonNull};
use zigalloc::{Alignment, Allocator, VTable, state};

/// Blocks are powers of two, taken from a buffer. A freed one waits on the shelf for its size.
pub struct Shelves<'b> {
    buffer: NonNull<u8>,
    len: usize,
    end: Cell<usize>,
    heads: [Cell<Option<NonNull<Link>>>; usize::BITS as usize],
    borrow: PhantomData<&'b mut [MaybeUninit<u8>]>,
}
/// The first word of a free block: the next one on its shelf.
struct Link(Option<NonNull<Link>>);
type Block = Option<NonNull<u8>>;

impl<'b> Shelves<'b> {
    const VTABLE: VTable = VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    pub fn init(buffer: &'b mut [MaybeUninit<u8>]) -> Shelves<'b> {
        let (len, buffer) = (buffer.len(), NonNull::from(buffer).cast());
        Shelves { buffer, len, end: Cell::new(0), heads: std::array::from_fn(|_| Cell::new(None)), borrow: PhantomData }
    }
    pub fn allocator(&self) -> Allocator<'_> {
        // SAFETY: blocks are disjoint parts of the buffer, which `self` borrows; those on shelves are free.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }
    fn shelf(len: usize, align: Alignment) -> Option<usize> {
        let least = if align.is_valid() { align.to_byte_units() } else { return None };
        Some(len.max(least).max(size_of::<Link>()).checked_next_power_of_two()?.trailing_zeros() as usize)
    }
    unsafe extern "C" fn alloc(ctx: *mut (), len: usize, align: Alignment, _: usize) -> Block {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed. (So it is below.)
        let this = unsafe { state::<Self>(ctx) };
        let shelf = Self::shelf(len, align)?;
        if let Some(link) = this.heads[shelf].get() {
            // SAFETY: a block on a shelf begins with its link.
            this.heads[shelf].set(unsafe { link.read() }.0);
            return Some(link.cast());
        }
        let size = 1 << shelf;
        let padding = (this.buffer.addr().get() + this.end.get()).wrapping_neg() & (size - 1);
        let end = this.end.get().checked_add(padding)?.checked_add(size).filter(|end| *end <= this.len)?;
        this.end.set(end);
        // SAFETY: the block ends at `end`, inside the buffer.
        Some(unsafe { this.buffer.add(end - size) })
    }
    unsafe extern "C" fn resize(_: *mut (), _: *mut u8, len: usize, align: Alignment, new: usize, _: usize) -> bool {
        Self::shelf(len, align) == Self::shelf(new, align)
    }
    unsafe extern "C" fn remap(ctx: *mut (), at: *mut u8, len: usize, align: Alignment, new: usize, _: usize) -> Block {
        let this = unsafe { state::<Self>(ctx) };
        let fits = Self::shelf(len, align) == Self::shelf(new, align);
        fits.then(|| this.buffer.with_addr(NonNull::new(at).unwrap().addr()))
    }
    unsafe extern "C" fn free(ctx: *mut (), at: *mut u8, len: usize, align: Alignment, _: usize) {
        let this = unsafe { state::<Self>(ctx) };
        let Some(shelf) = Self::shelf(len, align) else { return };
        let link = this.buffer.with_addr(NonNull::new(at).unwrap().addr()).cast::<Link>();
        // SAFETY: a block of this shelf's size and aligned to it, which nothing uses any more.
        unsafe { link.write(Link(this.heads[shelf].replace(Some(link)))) };
    }
}
