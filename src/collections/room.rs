//! Room in hashbrown's table. A removal may leave a place that no entry can take until the table is rehashed.

use core::mem::MaybeUninit;
use core::{hint, ptr};

use allocator_api2_02::alloc::Allocator;
use hashbrown::HashTable;

use crate::error::Error;

/// The number of entries that fit if none was removed.
pub(super) fn most<T, A: Allocator>(table: &HashTable<T, A>) -> usize {
    // As hashbrown has it: one free place in small tables, 12.5 % in the others. No block is one place.
    match table.num_buckets() {
        small @ 0..=8 => small.saturating_sub(1),
        buckets => buckets / 8 * 7,
    }
}

/// The number of entries up to which there is always room without allocating, whatever was removed: half of what fits
/// at most. Up to that many, hashbrown rehashes a table in place.
pub(super) fn kept<T, A: Allocator>(table: &HashTable<T, A>) -> usize {
    most(table) / 2
}

/// The number of entries that fit without allocating.
#[inline]
pub(super) fn capacity<T, A: Allocator>(table: &HashTable<T, A>) -> usize {
    table.capacity().max(kept(table))
}

/// Reserves room for `total` entries that removals do not lower.
pub(super) fn reserve<T, A: Allocator>(
    table: &mut HashTable<T, A>,
    total: usize,
    hasher: impl Fn(&T) -> u64,
) -> Result<(), Error> {
    if total <= kept(table) {
        return Ok(());
    }
    // That is more than fits at most, so hashbrown allocates, and hashes while the old table is whole.
    let most = total.checked_mul(2).ok_or(Error::OutOfMemory)?;
    Ok(table.try_reserve(most - table.len(), hasher)?)
}

/// Makes room for one more entry, if need be by rehashing in place or by allocating.
#[inline(always)]
pub(super) fn grow<T, A: Allocator>(
    table: &mut HashTable<T, A>,
    hasher: impl Fn(&T) -> u64,
) -> Result<(), Error> {
    if table.len() < table.capacity() {
        return Ok(());
    }
    grow_cold(table, hasher)
}

#[cold]
#[inline(never)]
fn grow_cold<T, A: Allocator>(table: &mut HashTable<T, A>, hasher: impl Fn(&T) -> u64) -> Result<(), Error> {
    if table.len() < kept(table) {
        return rehash_in_place(table, hasher);
    }
    Ok(table.try_reserve(1, hasher)?)
}

/// Makes room for one more entry without allocating. Returns whether there is any.
#[inline(always)]
pub(super) fn has_room<T, A: Allocator>(table: &mut HashTable<T, A>, hasher: impl Fn(&T) -> u64) -> bool {
    table.len() < table.capacity() || has_room_cold(table, hasher)
}

#[cold]
#[inline(never)]
fn has_room_cold<T, A: Allocator>(table: &mut HashTable<T, A>, hasher: impl Fn(&T) -> u64) -> bool {
    table.len() < kept(table) && rehash_in_place(table, hasher).is_ok()
}

/// Rehashes a table with fewer than [`kept`] entries and no room, which calls no allocator and cannot fail.
///
/// If `hasher` panics, hashbrown drops the entries that it has not rehashed. While it runs, hashbrown's count of the
/// entries is wrong. `hasher` is the program's code and may exit the process, which drops or even uses a thread-local
/// map in this state: so an empty table is in the map's place meanwhile, and the entries leak.
fn rehash_in_place<T, A: Allocator>(
    table: &mut HashTable<T, A>,
    hasher: impl Fn(&T) -> u64,
) -> Result<(), Error> {
    /// The table, and where it is put back when this is dropped.
    struct Aside<T, A: Allocator> {
        table: MaybeUninit<HashTable<T, A>>,
        place: *mut HashTable<T, A>,
    }
    impl<T, A: Allocator> Drop for Aside<T, A> {
        fn drop(&mut self) {
            // SAFETY: `place` is the exclusive reference below. The empty table there is overwritten, not dropped: it
            // has no block, and its allocator is a copy of the one that comes back.
            unsafe { ptr::copy_nonoverlapping(self.table.as_ptr(), self.place, 1) };
        }
    }

    // SAFETY: a valid reference. One of the two allocators is dropped: see `Aside`.
    let allocator = unsafe { ptr::read(table.allocator()) };
    // The compiler must not conclude that the empty table is never seen.
    let place = hint::black_box(ptr::from_mut(table));
    // SAFETY: an exclusive reference. Of the table and its copy only `aside` is used until it puts the table back,
    // except when the process exits: then only the copy in `place` is.
    let copy = unsafe { ptr::read(place.cast::<MaybeUninit<HashTable<T, A>>>()) };
    let mut aside = Aside { table: copy, place };
    // SAFETY: an exclusive reference. The table that is overwritten is in `aside`.
    unsafe { ptr::write(place, HashTable::new_in(allocator)) };
    // SAFETY: the table that was read above.
    let table = unsafe { aside.table.assume_init_mut() };
    Ok(table.try_reserve(1, hasher)?)
}
