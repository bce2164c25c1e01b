//! Elements and allocators that panic, hashes that are not always the same, and allocators with state in themselves.

use std::cell::Cell;
use std::ptr::NonNull;

use allocator_api2_02::alloc::{AllocError, Allocator as Api, Layout};
use rstest::rstest;
use zigalloc::collections::{
    ArrayHashMap, ArrayList, AutoArrayHashMap, AutoHashMap, Deque, HashContext, HashMap, MultiArrayList,
    Natural, PriorityQueue,
};
use zigalloc::heap::RUST_ALLOCATOR;
use zigalloc::{Allocator, Error};

use super::{Counted, Live, assert_panics, checked};

/// Runs a test for each element in whose destructor it can panic: nothing is dropped twice or leaked.
#[track_caller]
fn each_drop_panics(test: impl Fn(Allocator<'_>, &Live) -> Result<(), Error>) -> Result<(), Error> {
    (0..10).try_for_each(|number| {
        checked(|allocator| {
            let live = Live::default();
            live.panic_in_drop_of.set(Some(number));
            test(allocator, &live)?;
            assert_eq!((live.count.get(), live.panic_in_drop_of.get()), (0, None));
            Ok(())
        })
    })
}

#[test]
fn list_drops_the_other_elements() -> Result<(), Error> {
    each_drop_panics(|allocator, live| {
        let mut list = ArrayList::init(allocator);
        (0..10).try_for_each(|n| list.append(live.item(n)))?;
        assert_panics("planned panic", || list.clear_and_free());
        assert_eq!(list.len(), 0);
        list.append(live.item(11))
    })?;
    each_drop_panics(|allocator, live| {
        let mut list = ArrayList::init(allocator);
        (0..12).try_for_each(|n| list.append(live.item(n)))?;
        assert_panics("planned panic", || list.ordered_remove_many(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
        assert!(list.iter().all(|item| item.number > 0), "the first is removed in any case");
        Ok(())
    })
}

/// In both pieces of the ring.
#[test]
fn deque_drops_the_other_elements() -> Result<(), Error> {
    each_drop_panics(|allocator, live| {
        let mut deque = Deque::init(allocator);
        (0..5).try_for_each(|n| deque.push_back(live.item(n)))?;
        (5..10).try_for_each(|n| deque.push_front(live.item(n)))?;
        assert!(!deque.as_slices().1.is_empty());
        assert_panics("planned panic", || deque.clear_retaining_capacity());
        assert_eq!((deque.len(), live.count.get()), (0, 0));
        deque.push_front(live.item(11))
    })?;
    each_drop_panics(|allocator, live| {
        let mut deque = Deque::init(allocator);
        (0..10).try_for_each(|n| deque.push_front(live.item(n)))?;
        assert_panics("planned panic", || deque.deinit());
        Ok(())
    })
}

#[test]
fn multi_array_list_drops_the_other_items() -> Result<(), Error> {
    each_drop_panics(|allocator, live| {
        let mut list = MultiArrayList::<(u8, Counted<'_>)>::init(allocator);
        (0..10).try_for_each(|n| list.append((0, live.item(n))))?;
        assert_panics("planned panic", || list);
        Ok(())
    })?;
    each_drop_panics(|allocator, live| {
        let mut list = MultiArrayList::<(u8, Counted<'_>)>::init(allocator);
        (0..10).try_for_each(|n| list.append((n as u8, live.item(n))))?;
        assert_panics("planned panic", || list.clear_and_free());
        let whole = list.items::<0>().iter().zip(list.items::<1>());
        assert!(whole.fold(true, |all, (n, item)| all && u32::from(*n) == item.number));
        list.append((0, live.item(11)))
    })
}

#[test]
fn map_drops_the_other_entries() -> Result<(), Error> {
    each_drop_panics(|allocator, live| {
        let mut map = AutoHashMap::<u32, Counted<'_>>::init(allocator);
        (0..10).try_for_each(|n| map.put(n, live.item(n)))?;
        let capacity = map.capacity();
        assert_panics("planned panic", || map.clear_retaining_capacity());
        assert_eq!((map.count(), map.capacity(), live.count.get()), (0, capacity, 0));
        map.put(11, live.item(11))
    })
}

type Numbered<'c> = AutoArrayHashMap<'c, Counted<'c>, Counted<'c>>;

/// A key that panics does not leave the values of others: there is a value for each key.
#[rstest]
#[case::clear_retaining_capacity(0, |map: &mut Numbered<'_>| map.clear_retaining_capacity())]
#[case::clear_and_free(0, |map: &mut Numbered<'_>| map.clear_and_free())]
#[case::shrink_retaining_capacity(5, |map: &mut Numbered<'_>| map.shrink_retaining_capacity(5))]
#[case::shrink_and_free(5, |map: &mut Numbered<'_>| map.shrink_and_free(5))]
fn array_map_keeps_keys_and_values_together(
    #[case] len: u32,
    #[case] operation: fn(&mut Numbered<'_>),
) -> Result<(), Error> {
    checked(|allocator| {
        for in_key in [true, false] {
            let live = Live::default();
            let mut map = AutoArrayHashMap::init(allocator);
            // Values have other numbers than keys.
            (0..10).try_for_each(|n| map.put(live.item(n), live.item(n + 100)))?;
            live.panic_in_drop_of.set(Some(if in_key { 7 } else { 107 }));
            assert_panics("planned panic", || operation(&mut map));
            map.put(live.item(50), live.item(150))?;
            assert_eq!(map.keys().len(), map.values().len());
            let numbers: Vec<_> = map.iter().map(|(key, value)| (key.number, value.number)).collect();
            assert_eq!(numbers, (0..len).chain([50]).map(|n| (n, n + 100)).collect::<Vec<_>>());
            drop(map);
            assert_eq!(live.count.get(), 0);
        }
        Ok(())
    })
}

/// An allocator with state in itself, which counts the calls, refuses to shrink, and panics in `deallocate` once.
#[derive(Default)]
struct Inline {
    calls: Cell<usize>,
    refuses: Cell<bool>,
    panics: Cell<bool>,
}

// SAFETY: the blocks are the Rust heap's. One that is given back in a call that panics stays live.
unsafe impl Api for &Inline {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.calls.set(self.calls.get() + 1);
        Api::allocate(&*RUST_ALLOCATOR, layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's facts.
        unsafe { Api::deallocate(&*RUST_ALLOCATOR, ptr, layout) };
        assert!(!self.panics.take(), "planned panic");
    }
}

/// The same by value.
#[derive(Default)]
struct ByValue(Inline);

// SAFETY: as above; it is the same allocator wherever it is moved.
unsafe impl Api for ByValue {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        (&&self.0).allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's facts.
        unsafe { (&&self.0).deallocate(ptr, layout) };
    }
    unsafe fn shrink(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.0.calls.set(self.0.calls.get() + 1);
        if self.0.refuses.get() {
            return Err(AllocError);
        }
        // SAFETY: the caller's facts.
        unsafe { Api::shrink(&*RUST_ALLOCATOR, ptr, old, new) }
    }
}

/// What a refused call changes in the allocator stays.
#[test]
fn allocator_with_state_in_itself_is_called_in_place() -> Result<(), Error> {
    let mut list = ArrayList::<u64, _>::init_capacity(ByValue::default(), 100)?;
    list.append(1)?;
    for refuses in [true, false, true] {
        let (calls, capacity) = (list.allocator().0.calls.get(), list.capacity());
        list.allocator().0.refuses.set(refuses);
        list.shrink_and_free(1);
        assert_eq!((list.len(), list.capacity()), (1, if refuses { capacity } else { 1 }));
        let called = usize::from(capacity > 1);
        assert_eq!(list.allocator().0.calls.get(), calls + called, "refuses: {refuses}");
    }
    list.clear_and_free();
    assert_eq!(list.capacity(), 0);
    Ok(())
}

/// When `deallocate` panics the container has its new block, or none.
#[test]
fn containers_are_right_when_deallocate_panics() -> Result<(), Error> {
    let (allocator, live) = (Inline::default(), Live::default());
    let mut fields = MultiArrayList::<(u8, Counted<'_>), _>::init(&allocator);
    fields.append((0, live.item(0)))?;
    allocator.panics.set(true);
    assert_panics("planned panic", || (1..100).try_for_each(|n| fields.append((n as u8, live.item(n)))));
    let len = fields.len();
    assert!(len > 0 && fields.items::<1>().iter().enumerate().all(|(n, item)| item.number as usize == n));
    allocator.panics.set(true);
    assert_panics("planned panic", || fields.clear_and_free());
    assert_eq!((fields.len(), fields.capacity()), (0, 0));

    let mut list = ArrayList::init(&allocator);
    list.append(live.item(0))?;
    allocator.panics.set(true);
    assert_panics("planned panic", || list.clear_and_free());
    assert_eq!((list.len(), list.capacity()), (0, 0));
    list.append(live.item(0))?;

    let mut queue =
        PriorityQueue::init(&allocator, |a: &Counted<'_>, b: &Counted<'_>| a.number.cmp(&b.number));
    queue.add(live.item(0))?;
    allocator.panics.set(true);
    assert_panics("planned panic", || queue.clear_and_free());
    assert_eq!((queue.count(), queue.capacity()), (0, 0));

    let mut map = AutoHashMap::<u32, Counted<'_>, _>::init(&allocator);
    map.put(1, live.item(1))?;
    allocator.panics.set(true);
    assert_panics("planned panic", || map.clear_and_free());
    assert_eq!(map.count(), 0);
    drop((fields, list, queue, map));
    assert_eq!(live.count.get(), 0);
    Ok(())
}

/// A context whose hashes are different each time. Keys are not found, and nothing worse comes of it.
#[derive(Clone, Default)]
struct Unsteady(Cell<u64>);

impl HashContext<u32, u32> for Unsteady {
    fn hash(&self, _: &u32) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
        self.0.get()
    }
    fn eql(&self, a: &u32, b: &u32) -> bool {
        self.0.get() % 7 == 0 || a == b
    }
}

#[test]
fn hashes_that_change_are_harmless() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = HashMap::<u32, u32, Unsteady>::init(allocator);
        let mut array_map = ArrayHashMap::<u32, u32, Unsteady>::init(allocator);
        for n in 0..if cfg!(miri) { 25 } else { 200 } {
            map.put(n % 20, n)?;
            map.remove(&(n % 7));
            array_map.put(n % 20, n)?;
            array_map.swap_remove(&(n % 7));
            if array_map.count() > 3 {
                array_map.swap_remove_at(0);
                array_map.ordered_remove_at(1);
                array_map.set_key(0, n)?;
            }
            array_map.clone()?;
            map.clone()?;
            assert_eq!(array_map.keys().len(), array_map.values().len());
        }
        array_map.sort(|a, b| b.cmp(&a))?;
        array_map.re_index()?;
        array_map.shrink_and_free(1);
        assert_eq!(array_map.count(), 1);
        Ok(())
    })
}

/// A comparison that is not an order: all elements come out, in some order.
#[test]
fn comparisons_that_contradict_themselves_are_harmless() -> Result<(), Error> {
    checked(|allocator| {
        let live = Live::default();
        let flips = Cell::new(0u32);
        let compare = |_: &Counted<'_>, _: &Counted<'_>| {
            flips.set(flips.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
            (flips.get() >> 30).cmp(&1)
        };
        let mut queue = PriorityQueue::init(allocator, compare);
        (0..50).try_for_each(|n| queue.add(live.item(n)))?;
        let mut numbers: Vec<_> =
            std::iter::from_fn(|| queue.remove_or_null()).map(|item| item.number).collect();
        numbers.sort_unstable();
        assert_eq!((numbers, live.count.get()), ((0..50).collect(), 0));
        Ok(())
    })
}

/// A capacity that no allocator can give is out of memory, and nothing overflows on the way there.
#[rstest]
fn huge_capacities_are_out_of_memory(
    #[values(usize::MAX, usize::MAX - 1, usize::MAX / 2, isize::MAX as usize, usize::MAX / 8 + 1, 1 << (usize::BITS - 2))]
    huge: usize,
) -> Result<(), Error> {
    checked(|allocator| {
        let oom = Err(Error::OutOfMemory);
        let mut list = ArrayList::<u64>::init(allocator);
        list.append(1)?;
        assert_eq!(list.ensure_total_capacity(huge), oom);
        assert_eq!(list.ensure_total_capacity_precise(huge), oom);
        assert_eq!(list.ensure_unused_capacity(huge), oom);
        assert_eq!(list.resize(huge, 1), oom);
        assert_eq!(list.append_n_times(1, huge), oom);
        let mut deque = Deque::<u64>::init(allocator);
        deque.push_front(1)?;
        assert_eq!(deque.ensure_total_capacity(huge), oom);
        assert_eq!(deque.ensure_total_capacity_precise(huge), oom);
        assert_eq!(deque.ensure_unused_capacity(huge), oom);
        let mut queue = PriorityQueue::<u64>::init(allocator, Natural);
        queue.add(1)?;
        assert_eq!(queue.ensure_total_capacity(huge), oom);
        assert_eq!(queue.ensure_total_capacity_precise(huge), oom);
        assert_eq!(queue.ensure_unused_capacity(huge), oom);
        let mut fields = MultiArrayList::<(u64, u8)>::init(allocator);
        fields.append((1, 1))?;
        assert_eq!(fields.set_capacity(huge), oom);
        assert_eq!(fields.ensure_total_capacity(huge), oom);
        assert_eq!(fields.ensure_unused_capacity(huge), oom);
        let mut map = AutoHashMap::<u64, u64>::init(allocator);
        map.put(1, 1)?;
        assert_eq!(map.ensure_total_capacity(huge), oom);
        assert_eq!(map.ensure_unused_capacity(huge), oom);
        let mut array_map = AutoArrayHashMap::<u64, u64>::init(allocator);
        array_map.put(1, 1)?;
        assert_eq!(array_map.ensure_total_capacity(huge), oom);
        assert_eq!(array_map.ensure_unused_capacity(huge), oom);
        assert_eq!(
            (list.len(), deque.len(), queue.count(), fields.get(0), map.get(&1), array_map.get(&1)),
            (1, 1, 1, (1, 1), Some(&1), Some(&1))
        );
        Ok(())
    })
}

/// Elements without size take no memory, in any number.
#[test]
fn elements_without_size_take_no_memory() -> Result<(), Error> {
    let allocator = Allocator::FAILING;
    let mut list = ArrayList::<()>::init(allocator);
    list.append_n_times((), 1000)?;
    list.ensure_total_capacity(usize::MAX)?;
    list.shrink_and_free(10);
    assert_eq!((list.len(), list.capacity(), list.to_owned_slice()?.len()), (10, usize::MAX, 10));
    let mut deque = Deque::<()>::init(allocator);
    (0..100).try_for_each(|n| if n % 2 == 0 { deque.push_front(()) } else { deque.push_back(()) })?;
    assert_eq!((deque.len(), deque.as_slices().0.len() + deque.as_slices().1.len()), (100, 100));
    deque.deinit();
    let mut queue = PriorityQueue::<()>::init(allocator, Natural);
    queue.add_slice(&[(); 9])?;
    assert_eq!((queue.remove_or_null(), queue.count()), (Some(()), 8));
    let mut fields = MultiArrayList::<((), [u64; 0])>::init(allocator);
    fields.resize(100, ((), []))?;
    fields.shrink_and_free(3);
    assert_eq!((fields.len(), fields.items::<1>().len()), (3, 3));
    Ok(())
}
