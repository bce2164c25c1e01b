//! A hash table by address, whose memory comes from an allocator of this crate.
//!
//! A `HashMap` would take its memory from the global heap, where no child could count it, limit it or let it fail. This
//! one has open addressing and linear probing. A slot is an address (0 if it is free), a value, and a number of
//! trailing words that is the same for all slots.

use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::heap::debug::pages::WORD;
use crate::return_address::return_address;

/// A table of `T` and, if it is `TRAILING`, `trailing` words, by address.
///
/// `slots` is a block of `capacity` slots. All addresses are initialised; where the address is not 0, the value and the
/// words are initialised too.
#[derive(Debug)]
pub(crate) struct Table<T, const TRAILING: bool> {
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
    pub(crate) const fn new(trailing: usize) -> Table<T, TRAILING> {
        assert!(TRAILING || trailing == 0);
        assert!(align_of::<Slot<T>>() == align_of::<usize>());
        Table { slots: NonNull::dangling(), capacity: 0, shift: 0, len: 0, trailing, values: PhantomData }
    }

    const fn stride(&self) -> usize {
        // If it is a constant, finding a slot needs no multiplication.
        if TRAILING { size_of::<Slot<T>>() + self.trailing * WORD } else { size_of::<Slot<T>>() }
    }

    /// Makes room for one more entry. If the child has no memory for it, returns `None`, and nothing has changed.
    ///
    /// # Safety
    /// `child` is the same in every call for this table, and this thread may call it (one-thread).
    pub(crate) unsafe fn reserve(&mut self, child: Allocator<'_>) -> Option<()> {
        // A fifth of large slots stays free. Of small ones, half do, so that most addresses are found where the search
        // begins.
        let (most, of) = if TRAILING { (4, 5) } else { (1, 2) };
        if (self.len + 1) * of <= self.capacity * most {
            return Some(());
        }
        let capacity = if self.capacity == 0 { FIRST_CAPACITY } else { self.capacity.checked_mul(2)? };
        let size = capacity.checked_mul(self.stride())?;
        // SAFETY: the size is not zero (non-zero); this thread may call the child, by our caller.
        let Some(slots) = (unsafe { child.raw_alloc(size, ALIGNMENT, return_address()) }) else {
            // A search ends at a free slot, so one must remain. Until then, the table only gets slower.
            return (self.len + 1 < self.capacity).then_some(());
        };
        let shift = u64::BITS - capacity.ilog2();
        let mut bigger =
            Table { slots, capacity, shift, len: 0, trailing: self.trailing, values: PhantomData };
        for index in 0..capacity {
            bigger.set_address(index, 0);
        }
        for index in 0..self.capacity {
            let address = self.address(index);
            if address != 0 {
                let free = bigger.probe(address).unwrap_err();
                // SAFETY: slots of two blocks, with the same stride.
                unsafe { bigger.bytes(free).copy_from_nonoverlapping(self.bytes(index), self.stride()) };
                bigger.len += 1;
            }
        }
        let mut smaller = core::mem::replace(self, bigger);
        // SAFETY: the same child, by our caller.
        unsafe { smaller.release(child) };
        Some(())
    }

    /// Frees the memory. The table is empty afterwards.
    ///
    /// # Safety
    /// As [`reserve`](Self::reserve).
    pub(crate) unsafe fn release(&mut self, child: Allocator<'_>) {
        let old = core::mem::replace(self, Table::new(self.trailing));
        if old.capacity != 0 {
            let memory = NonNull::slice_from_raw_parts(old.slots, old.capacity * old.stride());
            // SAFETY: a live block of the child, with matching length and alignment (live-block), which is not used
            // again (dead-pointer); this thread may call the child, by our caller.
            unsafe { child.raw_free(memory, ALIGNMENT, return_address()) };
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The index of an address that is in the table.
    pub(crate) fn find(&self, address: usize) -> Option<usize> {
        if self.capacity == 0 || address == 0 { None } else { self.probe(address).ok() }
    }

    /// The value of an address that is in the table.
    #[inline(always)]
    pub(crate) fn lookup(&self, address: usize) -> Option<T> {
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
                // SAFETY: a slot with an address has a value, too.
                found if found == address => return Some(unsafe { (*slot.as_ptr()).value }),
                _ => index = (index + 1) & (self.capacity - 1),
            }
        }
    }

    /// Adds an entry, whose words are 0, and returns its index. There must be room, and no entry with this address.
    pub(crate) fn insert(&mut self, address: usize, value: T) -> usize {
        assert!(self.len < self.capacity && address != 0);
        let index = self.probe(address).expect_err("an address is in the table twice");
        self.len += 1;
        // SAFETY: a slot of the block, whose length is the stride. Zero is a valid value for the words.
        unsafe { self.bytes(index).write_bytes(0, self.stride()) };
        // SAFETY: a slot of the block, which is free.
        unsafe { self.slot(index).write(Slot { address, value }) };
        index
    }

    /// Removes an entry. Later ones may move to lower indexes; earlier ones do not move.
    pub(crate) fn remove(&mut self, index: usize) {
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
            // The entry may move into the hole unless its search starts after the hole.
            let distance = next.wrapping_sub(self.home(address)) & mask;
            if distance >= next.wrapping_sub(hole) & mask {
                // SAFETY: two slots of the block, which are not the same.
                unsafe { self.bytes(hole).copy_from_nonoverlapping(self.bytes(next), self.stride()) };
                hole = next;
            }
        }
        self.set_address(hole, 0);
    }

    pub(crate) fn get(&self, index: usize) -> T {
        assert!(self.address(index) != 0);
        // SAFETY: a slot with an address has a value.
        unsafe { (*self.slot(index).as_ptr()).value }
    }

    pub(crate) fn set(&mut self, index: usize, value: T) {
        assert!(self.address(index) != 0);
        // SAFETY: a slot of the block, with an address and a value.
        unsafe { (*self.slot(index).as_ptr()).value = value };
    }

    /// The words of an entry.
    pub(crate) fn words(&self, index: usize) -> &[usize] {
        // SAFETY: there are `trailing` words, which are initialised and borrowed with the table.
        unsafe { core::slice::from_raw_parts(self.words_place(index).as_ptr(), self.trailing) }
    }

    /// The words of an entry.
    pub(crate) fn words_mut(&mut self, index: usize) -> &mut [usize] {
        // SAFETY: there are `trailing` words, which are initialised and borrowed exclusively with the table.
        unsafe { core::slice::from_raw_parts_mut(self.words_place(index).as_ptr(), self.trailing) }
    }

    /// The place of the `trailing` words of an entry. They are initialised.
    fn words_place(&self, index: usize) -> NonNull<usize> {
        assert!(self.address(index) != 0);
        // SAFETY: the words come after the value, in the same slot, and are aligned as it is.
        unsafe { self.bytes(index).byte_add(size_of::<Slot<T>>()) }.cast()
    }

    /// All indexes; [`is_taken`](Self::is_taken) says which have entries.
    pub(crate) fn indexes(&self) -> core::ops::Range<usize> {
        0..self.capacity
    }

    pub(crate) fn is_taken(&self, index: usize) -> bool {
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

    /// Sets a slot's address; 0 makes it free.
    fn set_address(&mut self, index: usize, address: usize) {
        let slot = self.slot(index);
        // SAFETY: a slot of the block.
        unsafe { (*slot.as_ptr()).address = address };
    }

    fn address(&self, index: usize) -> usize {
        // SAFETY: a slot of the block; its address is initialised.
        unsafe { (*self.slot(index).as_ptr()).address }
    }

    /// Where the search for an address begins.
    fn home(&self, address: usize) -> usize {
        // The upper bits of a product depend on all bits; the lower bits of an address are mostly 0. This factor
        // spreads addresses at equal distances evenly.
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
    use crate::test_support::Random;
    use crate::testing::LedgerAllocator;

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
        /// Makes room, from the same child in every call but for refusals.
        fn reserve(table: &mut Table<u32, false>, child: Allocator<'_>) -> Option<()> {
            // SAFETY: one child, and one that makes no blocks and is not asked to free any.
            unsafe { table.reserve(child) }
        }
        assert_eq!(reserve(&mut table, Allocator::FAILING), None);
        reserve(&mut table, *PAGE_ALLOCATOR).unwrap();
        for address in 1..FIRST_CAPACITY {
            reserve(&mut table, Allocator::FAILING).unwrap();
            table.insert(address, address as u32);
        }
        assert_eq!(reserve(&mut table, Allocator::FAILING), None);
        assert_eq!(table.find(FIRST_CAPACITY), None, "a search ends");
        assert!((1..FIRST_CAPACITY).all(|address| table.get(table.find(address).unwrap()) == address as u32));
        reserve(&mut table, *PAGE_ALLOCATOR).unwrap();
        // SAFETY: the child of all of its memory.
        unsafe { table.release(*PAGE_ALLOCATOR) };
    }
}
