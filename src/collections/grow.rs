//! How Zig's containers grow, on the vector of allocator-api2.

use core::mem::ManuallyDrop;
use core::ptr;

use allocator_api2_02::alloc::{Allocator, Layout};
use allocator_api2_02::vec::Vec;

use crate::error::Error;
use crate::interface::writer::CACHE_LINE;

/// The least capacity that a list of `T` grows by: a cache line's worth. Zig's `init_capacity`.
pub(super) const fn init_capacity<T>() -> usize {
    if size_of::<T>() == 0 || size_of::<T>() > CACHE_LINE { 1 } else { CACHE_LINE / size_of::<T>() }
}

/// The capacity after `current` with room for `minimum`: by half and `step` more, as often as it takes.
#[inline]
pub(super) const fn grown(current: usize, minimum: usize, step: usize) -> usize {
    let mut new = current;
    loop {
        new = new.saturating_add(new / 2 + step);
        if new >= minimum {
            return new;
        }
    }
}

/// Room for exactly `capacity` elements, if there is less.
#[inline]
pub(super) fn ensure_precise<T, A: Allocator>(vec: &mut Vec<T, A>, capacity: usize) -> Result<(), Error> {
    if vec.capacity() < capacity {
        let additional = capacity - vec.len();
        vec.try_reserve_exact(additional)?;
    }
    Ok(())
}

/// Room for `additional` more elements. Growing is out of line: lists grow seldom.
#[inline(always)]
pub(super) fn ensure_unused<T, A: Allocator>(vec: &mut Vec<T, A>, additional: usize) -> Result<(), Error> {
    if additional <= vec.capacity() - vec.len() {
        return Ok(());
    }
    ensure_unused_cold(vec, additional)
}

#[cold]
#[inline(never)]
fn ensure_unused_cold<T, A: Allocator>(vec: &mut Vec<T, A>, additional: usize) -> Result<(), Error> {
    let minimum = vec.len().checked_add(additional).ok_or(Error::OutOfMemory)?;
    ensure_total(vec, minimum)
}

/// Room for `minimum` elements, and some more if it must grow.
pub(super) fn ensure_total<T, A: Allocator>(vec: &mut Vec<T, A>, minimum: usize) -> Result<(), Error> {
    if vec.capacity() >= minimum {
        return Ok(());
    }
    let capacity = grown(vec.capacity(), minimum, init_capacity::<T>());
    ensure_precise(vec, capacity)
}

/// Gives back what is beyond `capacity` elements, which is not below the length. On failure nothing has changed.
pub(super) fn shrink<T, A: Allocator>(vec: &mut Vec<T, A>, capacity: usize) -> Result<(), Error> {
    debug_assert!(capacity >= vec.len(), "shrink: a capacity of {capacity} for {} elements", vec.len());
    if size_of::<T>() == 0 || capacity >= vec.capacity() {
        return Ok(());
    }
    // SAFETY: `vec` is not used, until it is written; `old` is not dropped. If the allocator panics, `vec` is as it
    // was.
    let mut old = ManuallyDrop::new(unsafe { ptr::read(vec) });
    let (ptr, len) = (old.as_mut_ptr(), old.len());
    // SAFETY: a vector's pointer is not null.
    let block = unsafe { ptr::NonNull::new_unchecked(ptr) }.cast();
    // SAFETY: the vector has a block of this layout.
    let old_layout = unsafe { Layout::array::<T>(old.capacity()).unwrap_unchecked() };
    // SAFETY: `capacity` is not above the old one.
    let new_layout = unsafe { Layout::array::<T>(capacity).unwrap_unchecked() };
    let ptr = if capacity == 0 {
        // SAFETY: the vector's live block, its layout and its allocator.
        unsafe { old.allocator().deallocate(block, old_layout) };
        ptr::NonNull::<T>::dangling().as_ptr()
    } else {
        // SAFETY: the vector's live block, its layout and its allocator; the new layout is not longer.
        unsafe { old.allocator().shrink(block, old_layout, new_layout) }?.cast::<T>().as_ptr()
    };
    // SAFETY: `old` is not dropped, and its allocator is not used after this.
    let allocator = unsafe { ptr::read(old.allocator()) };
    // SAFETY: the block with its new length, and the old vector's elements and allocator.
    let new = unsafe { Vec::from_raw_parts_in(ptr, len, capacity, allocator) };
    // SAFETY: a valid reference; `write` does not drop the old vector, whose parts `new` has.
    unsafe { ptr::write(vec, new) };
    Ok(())
}

#[cold]
#[track_caller]
pub(super) fn panic_capacity(function: &str, additional: usize, len: usize, capacity: usize) -> ! {
    panic!("{function}: {additional} more than {len} elements are above the capacity of {capacity}")
}

#[cold]
#[track_caller]
pub(super) fn panic_index(function: &str, index: usize, len: usize) -> ! {
    panic!("{function}: index {index} of a length of {len}")
}
