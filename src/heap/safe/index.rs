//! The buckets and large blocks by address.
//!
//! A call looks its address up here before it reads anything there: memory that is not of this allocator is never
//! touched. Zig has no such table, and reads what is at the caller's address. Its memory comes from the operating
//! system, so that the child gets the same calls as in Zig.
//!
//! It is a hash table with open addressing. Looking up takes no lock. A record that has been removed leaves a mark,
//! which another record may replace. If there are too few records, a longer table takes the place of the old one, which
//! stays until the end, since a thread may be reading it.

use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::memory;

/// In a key, whose address is a multiple of 8: the record was removed.
const REMOVED: usize = 1;
/// The address of a bucket, whose base is the value. Otherwise that of a large block, whose footer is the value.
const BUCKET: usize = 2;
/// The block is being resized by the child.
const IN_FLIGHT: usize = 4;
const FIRST_CAPACITY: usize = 256;

/// 0, or an address with flags; and a pointer, which is written before the key.
struct Record {
    key: AtomicUsize,
    value: AtomicPtr<u8>,
}

/// The header of a table, which its records follow.
struct Header {
    /// A power of two.
    capacity: usize,
    /// 64 minus the log2 of the capacity.
    shift: u32,
    /// How far from its place a record can be.
    longest: AtomicUsize,
    older: *mut Header,
}

/// A table, which stays until [`Index::clear`].
#[derive(Clone, Copy)]
struct Table<'i>(NonNull<Header>, PhantomData<&'i Index>);

/// What changes under a lock.
#[derive(Debug)]
pub(super) struct Writer {
    /// The number of records, and of those that are reserved.
    len: usize,
}

impl Writer {
    pub(super) const fn new() -> Writer {
        Writer { len: 0 }
    }
}

/// What is known of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// A large block starts there, with this footer.
    Large(NonNull<u8>),
    /// A large block starts there that the child is resizing, in another call.
    InFlight,
}

/// All methods that take a [`Writer`] are called by one thread at a time, under the lock that the writer is in.
pub(super) struct Index {
    table: AtomicPtr<Header>,
}

impl Index {
    pub(super) const fn new() -> Index {
        Index { table: AtomicPtr::new(ptr::null_mut()) }
    }

    #[inline(always)]
    fn table(&self) -> Option<Table<'_>> {
        NonNull::new(self.table.load(Ordering::Acquire)).map(|header| Table(header, PhantomData))
    }

    /// The base of the bucket at this address, if there is one.
    #[inline(always)]
    pub(super) fn bucket(&self, address: usize) -> Option<NonNull<u8>> {
        let record = self.table()?.find(address | BUCKET)?;
        let value = NonNull::new(record.value.load(Ordering::Acquire))?;
        // Another record may have replaced it by now.
        (value.addr().get() == address).then_some(value)
    }

    /// The large block that starts at this address.
    pub(super) fn large(&self, address: usize) -> Found {
        if address == 0 || address % 8 != 0 {
            return Found::Nothing;
        }
        let Some(table) = self.table() else { return Found::Nothing };
        if let Some(record) = table.find(address) {
            let value = NonNull::new(record.value.load(Ordering::Acquire));
            return value.filter(|value| value.addr().get() > address).map_or(Found::Nothing, Found::Large);
        }
        if table.find(address | IN_FLIGHT).is_some() { Found::InFlight } else { Found::Nothing }
    }

    /// Makes room for a record, which is then reserved. `None` if there is no memory.
    pub(super) fn reserve(&self, writer: &mut Writer) -> Option<()> {
        let capacity = self.table().map_or(0, |table| table.header().capacity);
        if 2 * (writer.len + 1) > capacity {
            self.grow(capacity)?;
        }
        writer.len += 1;
        Some(())
    }

    /// A reserved record will not be inserted.
    pub(super) fn cancel(&self, writer: &mut Writer) {
        writer.len -= 1;
    }

    #[cold]
    fn grow(&self, capacity: usize) -> Option<()> {
        let capacity = if capacity == 0 { FIRST_CAPACITY } else { capacity.checked_mul(2)? };
        let table = Table::new(capacity, self.table.load(Ordering::Relaxed))?;
        if let Some(old) = self.table() {
            for record in old.records() {
                let key = record.key.load(Ordering::Relaxed);
                if key > REMOVED {
                    table.insert(key, record.value.load(Ordering::Relaxed));
                }
            }
        }
        self.table.store(table.0.as_ptr(), Ordering::Release);
        Some(())
    }

    /// Adds a bucket, for which a record is reserved.
    pub(super) fn insert_bucket(&self, _writer: &mut Writer, base: NonNull<u8>) {
        if let Some(table) = self.table() {
            table.insert(base.addr().get() | BUCKET, base.as_ptr());
        }
    }

    /// Adds a large block, for which a record is reserved.
    pub(super) fn insert_large(&self, _writer: &mut Writer, address: usize, footer: NonNull<u8>) {
        if let Some(table) = self.table() {
            table.insert(address, footer.as_ptr());
        }
    }

    pub(super) fn remove_bucket(&self, writer: &mut Writer, base: usize) {
        self.remove(writer, base | BUCKET);
    }

    pub(super) fn remove_large(&self, writer: &mut Writer, address: usize) {
        self.remove(writer, address);
    }

    fn remove(&self, writer: &mut Writer, key: usize) {
        if self.table().is_some_and(|table| table.remove(key)) {
            writer.len -= 1;
        }
    }

    /// The child is resizing a large block. Its record stays, until it lands.
    pub(super) fn take_off(&self, _writer: &mut Writer, address: usize) {
        if let Some(record) = self.table().and_then(|table| table.find(address)) {
            record.key.store(address | IN_FLIGHT, Ordering::Release);
        }
    }

    /// A large block that was in flight has this footer, and perhaps another address.
    ///
    /// There may be a second record in flight with the old address: the block moved away, the child handed the address
    /// out, and that block is in flight already. Which of the two records this takes makes no difference, since all of
    /// it is written.
    pub(super) fn land(&self, _writer: &mut Writer, old: usize, new: usize, footer: NonNull<u8>) {
        let Some(table) = self.table() else { return };
        if old != new {
            table.remove(old | IN_FLIGHT);
            table.insert(new, footer.as_ptr());
        } else if let Some(record) = table.find(old | IN_FLIGHT) {
            record.value.store(footer.as_ptr(), Ordering::Release);
            record.key.store(new, Ordering::Release);
        }
    }

    /// Forgets all records and frees the tables.
    pub(super) fn clear(&mut self, writer: &mut Writer) {
        writer.len = 0;
        let mut next = core::mem::replace(self.table.get_mut(), ptr::null_mut());
        while let Some(header) = NonNull::new(next) {
            let table = Table(header, PhantomData);
            next = table.header().older;
            // SAFETY: nothing uses it, since the index is borrowed exclusively and has forgotten it.
            unsafe { table.free() };
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.clear(&mut Writer::new());
    }
}

impl<'i> Table<'i> {
    /// In bytes.
    const fn size(capacity: usize) -> Option<usize> {
        match capacity.checked_mul(size_of::<Record>()) {
            Some(records) => records.checked_add(size_of::<Header>()),
            None => None,
        }
    }

    fn new(capacity: usize, older: *mut Header) -> Option<Table<'i>> {
        let table = Table(memory::alloc(Table::size(capacity)?)?.cast(), PhantomData);
        let shift = u64::BITS - capacity.ilog2();
        let header = Header { capacity, shift, longest: AtomicUsize::new(0), older };
        // SAFETY: new memory, aligned to a word at least and long enough.
        unsafe { table.0.write(header) };
        for index in 0..capacity {
            let record = Record { key: AtomicUsize::new(0), value: AtomicPtr::new(ptr::null_mut()) };
            // SAFETY: an index below the capacity; in the new memory.
            unsafe { table.place(index).write(record) };
        }
        Some(table)
    }

    /// # Safety
    /// The table is not used again.
    unsafe fn free(self) {
        if let Some(size) = Table::size(self.header().capacity) {
            // SAFETY: as it was allocated; not used again, by our caller.
            unsafe { memory::free(self.0.cast(), size) };
        }
    }

    #[inline(always)]
    fn header(self) -> &'i Header {
        // SAFETY: a table has an initialised header, of which only the atomic field changes.
        unsafe { self.0.as_ref() }
    }

    /// Where a record is. Indexes from the capacity on start again at 0.
    #[inline(always)]
    fn place(self, index: usize) -> NonNull<Record> {
        let index = index & (self.header().capacity - 1);
        // SAFETY: the records follow the header.
        let first: NonNull<Record> = unsafe { self.0.add(1) }.cast();
        // SAFETY: the index is below the capacity.
        unsafe { first.add(index) }
    }

    #[inline(always)]
    fn at(self, index: usize) -> &'i Record {
        // SAFETY: a record of the table, which is initialised, and whose fields are atomic.
        unsafe { self.place(index).as_ref() }
    }

    fn records(self) -> impl Iterator<Item = &'i Record> {
        (0..self.header().capacity).map(move |index| self.at(index))
    }

    /// Where the search for a key begins: it depends on the address only, so that a record stays when its flags change.
    #[inline(always)]
    fn start(self, key: usize) -> usize {
        (((key & !7) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.header().shift) as usize
    }

    #[inline(always)]
    fn position(self, key: usize) -> Option<usize> {
        let start = self.start(key);
        for index in start..=start + self.header().longest.load(Ordering::Relaxed) {
            match self.at(index).key.load(Ordering::Acquire) {
                found if found == key => return Some(index),
                0 => return None,
                _ => {}
            }
        }
        None
    }

    #[inline(always)]
    fn find(self, key: usize) -> Option<&'i Record> {
        self.position(key).map(|index| self.at(index))
    }

    /// Adds a record. At most half of the table is in use, so there is room.
    fn insert(self, key: usize, value: *mut u8) {
        let start = self.start(key);
        for index in start..start + self.header().capacity {
            let record = self.at(index);
            if record.key.load(Ordering::Relaxed) <= REMOVED {
                self.header().longest.fetch_max(index - start, Ordering::Relaxed);
                record.value.store(value, Ordering::Release);
                record.key.store(key, Ordering::Release);
                return;
            }
        }
    }

    /// Removes a record. False if there was none.
    fn remove(self, key: usize) -> bool {
        let Some(mut index) = self.position(key) else { return false };
        self.at(index).key.store(REMOVED, Ordering::Release);
        // A search ends at a place that was never used. If it would end just after this one, no record is after this.
        if self.at(index + 1).key.load(Ordering::Relaxed) == 0 {
            while self.at(index).key.load(Ordering::Relaxed) == REMOVED {
                self.at(index).key.store(0, Ordering::Release);
                index = index.wrapping_sub(1);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::test_support::Random;

    fn pointer(address: usize) -> NonNull<u8> {
        NonNull::new(ptr::without_provenance_mut(address)).unwrap()
    }

    /// A block moves away, its address is handed out, and the second block is in flight before the first has landed. Both
    /// are found afterwards, whichever lands first.
    #[test]
    fn two_blocks_of_one_address_may_be_in_flight() {
        for first_lands_first in [true, false] {
            let mut index = Index::new();
            let mut writer = Writer::new();
            let insert = |writer: &mut Writer, footer| {
                index.reserve(writer).unwrap();
                index.insert_large(writer, 64, pointer(footer));
                index.take_off(writer, 64);
            };
            insert(&mut writer, 72);
            assert_eq!(index.large(64), Found::InFlight);
            insert(&mut writer, 80);
            let lands = |writer: &mut Writer, is_first: bool| match is_first {
                true => index.land(writer, 64, 640, pointer(648)),
                false => index.land(writer, 64, 64, pointer(80)),
            };
            lands(&mut writer, first_lands_first);
            lands(&mut writer, !first_lands_first);
            assert_eq!(index.large(64), Found::Large(pointer(80)));
            assert_eq!(index.large(640), Found::Large(pointer(648)));
            index.remove_large(&mut writer, 64);
            index.remove_large(&mut writer, 640);
            assert_eq!((writer.len, index.large(64), index.large(640)), (0, Found::Nothing, Found::Nothing));
            index.clear(&mut writer);
        }
    }

    /// The index finds what a map does, through growth, removal and changes of flags.
    #[test]
    fn finds_what_a_map_does() {
        let mut index = Index::new();
        let mut writer = Writer::new();
        let mut model: HashMap<usize, usize> = HashMap::new();
        let mut random = Random::new(7);
        assert_eq!(index.large(64), Found::Nothing);
        for _ in 0..if cfg!(miri) { 400 } else { 20_000 } {
            let address = 64 * (1 + random.below(700));
            let is_known = model.contains_key(&address);
            match random.below(4) {
                _ if !is_known => {
                    index.reserve(&mut writer).unwrap();
                    index.insert_large(&mut writer, address, pointer(address + 8));
                    model.insert(address, address + 8);
                }
                0 => {
                    index.take_off(&mut writer, address);
                    assert_eq!(index.large(address), Found::InFlight);
                    index.land(&mut writer, address, address, pointer(model[&address]));
                }
                1 => {
                    index.take_off(&mut writer, address);
                    let footer = address + 8 * (1 + random.below(6));
                    index.land(&mut writer, address, address, pointer(footer));
                    model.insert(address, footer);
                }
                _ => {
                    index.remove_large(&mut writer, address);
                    model.remove(&address);
                }
            }
            assert_eq!(writer.len, model.len());
            let probe = 64 * (1 + random.below(700));
            let expected = model.get(&probe).map_or(Found::Nothing, |&footer| Found::Large(pointer(footer)));
            assert_eq!(index.large(probe), expected);
            assert_eq!(index.bucket(probe), None);
        }
        index.clear(&mut writer);
        assert_eq!((writer.len, index.large(64)), (0, Found::Nothing));
    }
}
