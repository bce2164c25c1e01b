use std::cmp::Ordering;

use zigalloc::Error;
use zigalloc::collections::{ElementNotFound, Natural, PriorityQueue};

use super::{Counted, Live, assert_panics, checked, fails_without_effect};

type Queue<'a> = PriorityQueue<'a, u32>;

fn drained<C: zigalloc::collections::Compare<u32>>(queue: &mut PriorityQueue<'_, u32, C>) -> Vec<u32> {
    std::iter::from_fn(|| queue.remove_or_null()).collect()
}

#[test]
fn add_and_remove_min_heap() -> Result<(), Error> {
    checked(|allocator| {
        let mut queue = Queue::init(allocator, Natural);
        for number in [54, 12, 7, 23, 25, 13] {
            queue.add(number)?;
        }
        assert_eq!(queue.peek(), Some(&7));
        assert_eq!((queue.remove(), queue.remove()), (7, 12));
        assert_eq!(drained(&mut queue), [13, 23, 25, 54]);
        assert_panics("PriorityQueue::remove: the queue is empty", || queue.remove());
        assert_eq!(queue.peek(), None);
        assert_eq!(queue.remove_or_null(), None);
        Ok(())
    })
}

#[test]
fn add_and_remove_max_heap() -> Result<(), Error> {
    checked(|allocator| {
        let mut queue = PriorityQueue::init(allocator, |a: &u32, b: &u32| b.cmp(a));
        queue.add_slice(&[54, 12, 7, 23, 25, 13])?;
        assert_eq!(drained(&mut queue), [54, 25, 23, 13, 12, 7]);
        Ok(())
    })
}

#[test]
fn edge_cases() -> Result<(), Error> {
    checked(|allocator| {
        let mut queue = Queue::init(allocator, Natural);
        queue.add_slice(&[9, 3, 2])?;
        assert_eq!(drained(&mut queue), [2, 3, 9]);
        queue.add_slice(&[1, 1, 2, 2, 1, 2])?;
        assert_eq!(drained(&mut queue), [1, 1, 1, 2, 2, 2]);
        queue.add_slice(&[])?;
        assert_eq!(queue.count(), 0);
        Ok(())
    })
}

#[test]
fn from_owned_slice() -> Result<(), Error> {
    checked(|allocator| {
        for numbers in
            [&[15, 7, 21, 14, 13, 22, 12, 6, 7, 25, 5, 24, 11, 16, 15, 24, 2, 1][..], &[1], &[], &[2, 1]]
        {
            let mut queue = PriorityQueue::from_owned_slice(allocator.dupe_owned(numbers)?, Natural);
            let mut expected = numbers.to_vec();
            expected.sort_unstable();
            assert_eq!(drained(&mut queue), expected);
        }
        Ok(())
    })
}

#[test]
fn remove_at_index() -> Result<(), Error> {
    checked(|allocator| {
        let mut queue = Queue::init(allocator, Natural);
        queue.add_slice(&[1, 21, 2, 22, 3, 23])?;
        let two = queue.iterator().position(|number| *number == 2).unwrap();
        assert_eq!(queue.remove_index(two), 2);
        assert_panics("remove_index: index 5 of a length of 5", || queue.remove_index(5));
        assert_eq!(drained(&mut queue), [1, 3, 21, 22, 23]);
        Ok(())
    })
}

#[test]
fn update() -> Result<(), Error> {
    checked(|allocator| {
        let mut queue = Queue::init(allocator, Natural);
        queue.add_slice(&[55, 44, 11])?;
        assert_eq!(
            (queue.update(&55, 5), queue.update(&44, 4), queue.update(&11, 100)),
            (Ok(55), Ok(44), Ok(11))
        );
        assert_eq!(queue.update(&1, 2), Err(ElementNotFound));
        assert_eq!(drained(&mut queue), [4, 5, 100]);
        Ok(())
    })
}

#[test]
fn shrink_and_free() -> Result<(), Error> {
    checked(|allocator| {
        let mut queue = Queue::init(allocator, Natural);
        queue.ensure_total_capacity(4)?;
        assert_eq!(queue.capacity(), 8);
        queue.add_slice(&[3, 1, 2])?;
        queue.shrink_and_free(3);
        assert_eq!((queue.capacity(), queue.count()), (3, 3));
        assert_panics("2 is not from 3 to 3", || queue.shrink_and_free(2));
        assert_panics("4 is not from 3 to 3", || queue.shrink_and_free(4));
        queue.ensure_total_capacity_precise(20)?;
        assert_eq!((queue.capacity(), queue.remove()), (20, 1));
        queue.clear_retaining_capacity();
        assert_eq!((queue.capacity(), queue.count()), (20, 0));
        queue.clear_and_free();
        assert_eq!(queue.capacity(), 0);
        Ok(())
    })
}

#[test]
fn out_of_memory_changes_nothing() {
    type Full = PriorityQueue<'static, u32>;
    let full = |allocator| {
        let mut queue = Full::init(allocator, Natural);
        queue.add_slice(&[8, 7, 6, 5, 4, 3, 2, 1]).unwrap();
        queue
    };
    let look = |queue: &Full| (queue.items().to_vec(), queue.capacity());
    assert_eq!(fails_without_effect(full, look, |queue| queue.add(0)), 1);
    assert_eq!(fails_without_effect(full, look, |queue| queue.add_slice(&[0; 10])), 1);
    assert_eq!(fails_without_effect(full, look, |queue| queue.ensure_unused_capacity(1)), 1);
    let too_many = |queue: &mut Full| match queue.ensure_unused_capacity(usize::MAX) {
        Err(Error::OutOfMemory) => Ok(()),
        Ok(()) => panic!("room for usize::MAX"),
    };
    assert_eq!(fails_without_effect(full, look, too_many), 0);
}

/// A comparison that panics loses no element, and none is there twice.
#[test]
fn panics_in_compare() -> Result<(), Error> {
    checked(|allocator| {
        let mut seen = 0;
        for panic_in in (0..200).step_by(if cfg!(miri) { 9 } else { 1 }) {
            let live = Live::default();
            let compare = |a: &Counted<'_>, b: &Counted<'_>| -> Ordering {
                a.live.tick();
                a.number.cmp(&b.number)
            };
            let mut queue = PriorityQueue::init(allocator, compare);
            live.panic_in.set(Some(panic_in));
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for number in 0..20 {
                    queue.add(live.item(number * 7 % 20))?;
                }
                drop((queue.remove_index(3), queue.remove(), queue.remove()));
                drop(queue.update(&live.item(10), live.item(0)));
                Ok::<(), Error>(())
            }));
            live.panic_in.set(None);
            seen |= u8::from(result.is_err()) + 1;
            assert_eq!(live.count.get(), queue.count());
            drop(queue);
            assert_eq!(live.count.get(), 0);
        }
        assert_eq!(seen, 3, "some runs panic, and some do not");
        Ok(())
    })
}
