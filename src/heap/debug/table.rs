//! A hash table by address, whose memory comes from an allocator of this crate.
//!
//! A `HashMap` would take its memory from the global heap, where no child could count, limit or fail
//! it. This one has open addressing and linear probing. A slot is an address, which is never 0 in a
//! slot that is taken, a value, and some words more, whose number is the table's.

use core::marker::PhantomData;
use core::ptr::NonNull;

use super::geometry::WORD;
use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::return_address::return_address;

/// A table of `T` and, if it is `TRAILING`, `trailing` words, by address.
///
/// `slots` is a block of `capacity` slots, all of which have an initialised address; where it is not
/// 0, the value and the words are initialised too.
#[derive(Debug)]
pub(super) struct Table<T, const TRAILING: bool> {
    slots: NonNull<u8>,
    /// A power of two, or 0 before there is a block.
    capacity: usize,
    /// 64 minus the log2 of the capacity.
    shift: u32,
    len: usize,
    trailing: usize,
    values: PhantomData<T>,
}

#[repr(C)]
struct Slot<T> {
    address: usize,
    value: T,
}

const ALIGNMENT: Alignment = Alignment::of::<usize>();
const FIRST_CAPACITY: usize = 8;

impl<T: Copy, const TRAILING: bool> Table<T, TRAILING> {
    /// A table without memory.
    pub(super) const fn new(trailing: usize) -> Table<T, TRAILING> {
        assert!(TRAILING || trailing == 0);
        assert!(align_of::<Slot<T>>() == align_of::<usize>());
        Table { slots: NonNull::dangling(), capacity: 0, shift: 0, len: 0, trailing, values: PhantomData }
    }

    const fn stride(&self) -> usize {
        // Where it is a constant, a slot is found without a multiplication.
        if TRAILING { size_of::<Slot<T>>() + self.trailing * WORD } else { size_of::<Slot<T>>() }
    }

    /// Makes room for one entry more, or returns `None`, and nothing has changed.
    ///
    /// # Safety
    /// `child` is the same in every call for this table, and keeps its contract.
    pub(super) unsafe fn reserve(&mut self, child: Allocator<'_>) -> Option<()> {
        // Of large slots a fifth stays free. Of small ones half does, so that most addresses are found where
        // the search begins.
        let (most, of) = if TRAILING { (4, 5) } else { (1, 2) };
        if (self.len + 1) * of <= self.capacity * most {
            return Some(());
        }
        let capacity = if self.capacity == 0 { FIRST_CAPACITY } else { self.capacity.checked_mul(2)? };
        let size = capacity.checked_mul(self.stride())?;
        // SAFETY: the size is not zero.
        let Some(slots) = (unsafe { child.raw_alloc(size, ALIGNMENT, return_address()) }) else {
            // A search ends at a free slot, so one has to stay. Until then, the table only becomes slower.
            return (self.len + 1 < self.capacity).then_some(());
        };
        let shift = u64::BITS - capacity.ilog2();
        let mut bigger =
            Table { slots, capacity, shift, len: 0, trailing: self.trailing, values: PhantomData };
        for index in 0..capacity {
            // SAFETY: the new block has `capacity` slots.
            unsafe { (&raw mut (*bigger.slot(index).as_ptr()).address).write(0) };
        }
        for index in 0..self.capacity {
            let address = self.address(index);
            if address != 0 {
                let free = bigger.probe(address).unwrap_err();
                // SAFETY: slots of two tables with the same stride.
                unsafe { bigger.bytes(free).copy_from_nonoverlapping(self.bytes(index), self.stride()) };
                bigger.len += 1;
            }
        }
        let mut smaller = core::mem::replace(self, bigger);
        // SAFETY: the same child.
        unsafe { smaller.release(child) };
        Some(())
    }

    /// Gives the memory back. The table is empty then.
    ///
    /// # Safety
    /// As [`reserve`](Self::reserve).
    pub(super) unsafe fn release(&mut self, child: Allocator<'_>) {
        let old = core::mem::replace(self, Table::new(self.trailing));
        if old.capacity != 0 {
            let memory = NonNull::slice_from_raw_parts(old.slots, old.capacity * old.stride());
            // SAFETY: the child's block, with matching length and alignment, which is not used again.
            unsafe { child.raw_free(memory, ALIGNMENT, return_address()) };
        }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The index of an address that is in the table.
    pub(super) fn find(&self, address: usize) -> Option<usize> {
        if self.capacity == 0 || address == 0 { None } else { self.probe(address).ok() }
    }

    /// The value of an address that is in the table.
    #[inline(always)]
    pub(super) fn lookup(&self, address: usize) -> Option<T> {
        if self.capacity == 0 {
            return None;
        }
        let mut index = self.home(address);
        loop {
            // SAFETY: `home`, by its shift, and the mask below keep the index below the capacity.
            let slot = unsafe { self.slots.byte_add(index * self.stride()).cast::<Slot<T>>() };
            // SAFETY: a slot of the block; its address is initialised.
            match unsafe { (*slot.as_ptr()).address } {
                0 => return None,
                // SAFETY: a slot with an address has a value.
                found if found == address => return Some(unsafe { (*slot.as_ptr()).value }),
                _ => index = (index + 1) & (self.capacity - 1),
            }
        }
    }

    /// Adds an entry, whose words are 0, and returns its index. There must be room, and no entry of
    /// this address.
    pub(super) fn insert(&mut self, address: usize, value: T) -> usize {
        assert!(self.len < self.capacity && address != 0);
        let index = self.probe(address).expect_err("an address is in the table twice");
        self.len += 1;
        // SAFETY: a slot of the block. Zero is a valid value for the words.
        unsafe {
            self.bytes(index).write_bytes(0, self.stride());
            self.slot(index).write(Slot { address, value });
        }
        index
    }

    /// Removes an entry. Those that stand behind it may move to lower indexes, and those that stand
    /// in front of it do not move.
    pub(super) fn remove(&mut self, index: usize) {
        assert!(self.address(index) != 0);
        self.len -= 1;
        let mask = self.capacity - 1;
        let mut hole = index;
        let mut next = index;
        loop {
            next = (next + 1) & mask;
            let address = self.address(next);
            if address == 0 {
                break;
            }
            // The entry may move into the hole unless that is in front of where its search begins.
            let distance = next.wrapping_sub(self.home(address)) & mask;
            if distance >= next.wrapping_sub(hole) & mask {
                // SAFETY: two slots of the block, which are not the same.
                unsafe { self.bytes(hole).copy_from_nonoverlapping(self.bytes(next), self.stride()) };
                hole = next;
            }
        }
        // SAFETY: a slot of the block.
        unsafe { (*self.slot(hole).as_ptr()).address = 0 };
    }

    pub(super) fn get(&self, index: usize) -> T {
        assert!(self.address(index) != 0);
        // SAFETY: a slot with an address has a value.
        unsafe { (*self.slot(index).as_ptr()).value }
    }

    pub(super) fn set(&mut self, index: usize, value: T) {
        assert!(self.address(index) != 0);
        // SAFETY: a slot of the block.
        unsafe { (*self.slot(index).as_ptr()).value = value };
    }

    /// The words of an entry.
    pub(super) fn words(&self, index: usize) -> &[usize] {
        // SAFETY: `words_place` has so many words, which are borrowed with the table.
        unsafe { core::slice::from_raw_parts(self.words_place(index).as_ptr(), self.trailing) }
    }

    /// The words of an entry.
    pub(super) fn words_mut(&mut self, index: usize) -> &mut [usize] {
        // SAFETY: `words_place` has so many words, which are borrowed exclusively with the table.
        unsafe { core::slice::from_raw_parts_mut(self.words_place(index).as_ptr(), self.trailing) }
    }

    fn words_place(&self, index: usize) -> NonNull<usize> {
        assert!(self.address(index) != 0);
        // SAFETY: behind the value the slot has `trailing` words. They are initialised, as the slot
        // is taken, and aligned, as the value's size is a multiple of a word.
        unsafe { self.bytes(index).byte_add(size_of::<Slot<T>>()) }.cast()
    }

    /// The indexes that may have entries.
    pub(super) fn indexes(&self) -> core::ops::Range<usize> {
        0..self.capacity
    }

    pub(super) fn is_taken(&self, index: usize) -> bool {
        self.address(index) != 0
    }

    fn bytes(&self, index: usize) -> NonNull<u8> {
        assert!(index < self.capacity);
        // SAFETY: the block has `capacity` slots.
        unsafe { self.slots.byte_add(index * self.stride()) }
    }

    fn slot(&self, index: usize) -> NonNull<Slot<T>> {
        self.bytes(index).cast()
    }

    fn address(&self, index: usize) -> usize {
        // SAFETY: a slot of the block; its address is initialised.
        unsafe { (*self.slot(index).as_ptr()).address }
    }

    /// Where the search for an address begins.
    fn home(&self, address: usize) -> usize {
        // The upper bits of a product depend on all bits; the lower ones of an address are mostly 0. By this
        // number, addresses at equal distances are spread evenly.
        let product = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (product >> self.shift) as usize
    }

    /// The index of an address, or that of the free slot where it belongs.
    fn probe(&self, address: usize) -> Result<usize, usize> {
        let mut index = self.home(address);
        loop {
            match self.address(index) {
                0 => return Err(index),
                found if found == address => return Ok(index),
                _ => index = (index + 1) & (self.capacity - 1),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::vec::Vec;

    use super::*;
    use crate::heap::PAGE_ALLOCATOR;
    use crate::testing::LedgerAllocator;
    use zigalloc_support::Random;

    /// Random insertions and removals, compared with a `HashMap`; few addresses, so that they collide.
    #[test]
    fn it_is_a_map() {
        let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
        let child = ledger.allocator();
        let mut table = Table::<u32, true>::new(2);
        let mut model = HashMap::new();
        let mut random = Random::new(1);
        for step in 0..if cfg!(miri) { 80 } else { 20_000 } {
            let address = 4096 * random.within(1..=50);
            match table.find(address) {
                None => {
                    assert!(!model.contains_key(&address));
                    // SAFETY: always the same child.
                    unsafe { table.reserve(child) }.unwrap();
                    let index = table.insert(address, step);
                    assert_eq!(table.words(index), [0, 0]);
                    table.words_mut(index)[1] = step as usize;
                    model.insert(address, step);
                }
                Some(index) if random.below(2) == 0 => {
                    table.remove(index);
                    model.remove(&address).unwrap();
                }
                Some(index) => {
                    table.set(index, step);
                    table.words_mut(index)[1] = step as usize;
                    model.insert(address, step);
                }
            }
            assert_eq!(table.len, model.len());
            if cfg!(miri) && step % 30 != 0 {
                continue;
            }
            for (&address, &value) in &model {
                let index = table.find(address).unwrap();
                assert_eq!((table.get(index), table.words(index)[1]), (value, value as usize));
            }
        }
        let taken: Vec<usize> = table.indexes().filter(|&index| table.is_taken(index)).collect();
        assert_eq!(taken.len(), model.len());
        assert_eq!(ledger.live(), 1);
        // SAFETY: the same child.
        unsafe { table.release(child) };
        ledger.assert_no_leaks();
        assert_eq!((table.find(4096), table.find(0)), (None, None));
    }

    /// A refusal changes nothing, and all slots but one are used before the table is full.
    #[test]
    fn no_memory_for_more() {
        let mut table = Table::<u32, false>::new(0);
        // SAFETY: it refuses, and is asked to free nothing.
        assert_eq!(unsafe { table.reserve(Allocator::FAILING) }, None);
        // SAFETY: always the same child for all that follows, but for refusals.
        unsafe {
            table.reserve(*PAGE_ALLOCATOR).unwrap();
            for address in 1..FIRST_CAPACITY {
                table.reserve(Allocator::FAILING).unwrap();
                table.insert(address, address as u32);
            }
            assert_eq!(table.reserve(Allocator::FAILING), None);
            assert_eq!(table.find(FIRST_CAPACITY), None, "a search ends");
            assert!(
                (1..FIRST_CAPACITY).all(|address| table.get(table.find(address).unwrap()) == address as u32)
            );
            table.reserve(*PAGE_ALLOCATOR).unwrap();
            table.release(*PAGE_ALLOCATOR);
        }
    }
}
