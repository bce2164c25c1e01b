//! How Zig's containers grow, on the vector of allocator-api2.

use core::ptr::{self, NonNull};

use allocator_api2_02::alloc::{Allocator, Layout};
use allocator_api2_02::vec::Vec;

use crate::error::Error;
use crate::interface::writer::CACHE_LINE;

/// How many elements a list of `T` grows by at least: those that fit in a cache line. Zig's `init_capacity`.
pub(super) const fn init_capacity<T>() -> usize {
    if size_of::<T>() == 0 || size_of::<T>() > CACHE_LINE { 1 } else { CACHE_LINE / size_of::<T>() }
}

/// The capacity for `minimum` elements: `current`, grown by half plus `step` until it suffices.
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

/// Ensures room for `capacity` elements in total, growing to exactly that.
#[inline]
pub(super) fn ensure_precise<T, A: Allocator>(vec: &mut Vec<T, A>, capacity: usize) -> Result<(), Error> {
    if vec.capacity() < capacity {
        let additional = capacity - vec.len();
        vec.try_reserve_exact(additional)?;
    }
    Ok(())
}

/// Ensures room for `additional` more elements. Growth is rare and out of line.
#[inline(always)]
pub(super) fn ensure_unused<T, A: Allocator>(vec: &mut Vec<T, A>, additional: usize) -> Result<(), Error> {
    if additional <= vec.capacity() - vec.len() {
        return Ok(());
    }
    ensure_unused_cold(vec, additional)
}

/// Ensures room for one more element, with one comparison.
#[inline(always)]
pub(super) fn ensure_one<T, A: Allocator>(vec: &mut Vec<T, A>) -> Result<(), Error> {
    if vec.len() != vec.capacity() {
        return Ok(());
    }
    ensure_unused_cold(vec, 1)
}

#[cold]
#[inline(never)]
fn ensure_unused_cold<T, A: Allocator>(vec: &mut Vec<T, A>, additional: usize) -> Result<(), Error> {
    let minimum = vec.len().checked_add(additional).ok_or(Error::OutOfMemory)?;
    ensure_total(vec, minimum)
}

/// Ensures room for `minimum` elements in total, with spare capacity.
pub(super) fn ensure_total<T, A: Allocator>(vec: &mut Vec<T, A>, minimum: usize) -> Result<(), Error> {
    if vec.capacity() >= minimum {
        return Ok(());
    }
    let capacity = grown(vec.capacity(), minimum, init_capacity::<T>());
    ensure_precise(vec, capacity)
}

/// Shrinks the block to `capacity` elements, at least the length. On failure nothing changes.
///
/// Whenever the allocator is called, `vec` owns a live block or none: the call may panic, or exit the process and run
/// the destructor of a thread-local vector.
pub(super) fn shrink<T, A: Allocator>(vec: &mut Vec<T, A>, capacity: usize) -> Result<(), Error> {
    assert!(capacity >= vec.len(), "shrink: a capacity of {capacity} for {} elements", vec.len());
    if size_of::<T>() == 0 || capacity >= vec.capacity() {
        return Ok(());
    }
    // SAFETY: a vector's pointer is not null.
    let block = unsafe { NonNull::new_unchecked(vec.as_mut_ptr()) }.cast::<u8>();
    // SAFETY: the vector has a block of this layout.
    let old_layout = unsafe { Layout::array::<T>(vec.capacity()).unwrap_unchecked() };
    if capacity == 0 {
        // SAFETY: no elements and no capacity.
        unsafe { replace_block(vec, NonNull::dangling(), 0) };
        // SAFETY: a block of this allocator with its layout, which the vector no longer owns.
        unsafe { vec.allocator().deallocate(block, old_layout) };
        return Ok(());
    }
    // SAFETY: `capacity` is below the old one, whose layout exists.
    let new_layout = unsafe { Layout::array::<T>(capacity).unwrap_unchecked() };
    // The allocator is called where it is: it may have state in itself, and a copy of that would be changed instead.
    // SAFETY: the vector's live block and its layout; the new layout is shorter.
    let block = unsafe { vec.allocator().shrink(block, old_layout, new_layout) }?;
    // SAFETY: the block that replaces the old one, with its elements; it has room for `capacity`.
    unsafe { replace_block(vec, block.cast(), capacity) };
    Ok(())
}

/// Replaces a vector's block. The old one is not freed.
///
/// # Safety
/// `block` is a block of the vector's allocator for exactly `capacity` elements (dangling if that is 0), and the
/// vector's length of them are initialised. The elements of the old block are not used as such afterwards.
unsafe fn replace_block<T, A: Allocator>(vec: &mut Vec<T, A>, block: NonNull<T>, capacity: usize) {
    // SAFETY: `vec` is overwritten below, and nothing panics in between.
    let (_, len, _, allocator) = unsafe { ptr::read(vec) }.into_raw_parts_with_alloc();
    // SAFETY: the caller's facts; the allocator is the vector's own.
    let new = unsafe { Vec::from_raw_parts_in(block.as_ptr(), len, capacity, allocator) };
    // SAFETY: a valid reference. `write` does not drop the old vector, whose parts have been taken.
    unsafe { ptr::write(vec, new) };
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
