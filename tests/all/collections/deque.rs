use std::collections::VecDeque;

use zigalloc::Error;
use zigalloc::collections::Deque;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

use super::{Live, assert_panics, checked, fails_without_effect};
use zigalloc_support::{Random, seeds};

#[test]
fn basic() -> Result<(), Error> {
    checked(|allocator| {
        let mut deque = Deque::<u32>::init(allocator);
        assert_eq!(
            (deque.pop_front(), deque.pop_back(), deque.front(), deque.back()),
            (None, None, None, None)
        );
        deque.push_back(1)?;
        deque.push_back(2)?;
        deque.push_back(3)?;
        deque.push_front(0)?;
        assert_eq!(deque.iterator().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!((deque.front(), deque.back(), deque.at(2)), (Some(&0), Some(&3), &2));
        *deque.at_mut(2) = 7;
        assert_eq!((deque.pop_front(), deque.pop_back(), deque.len()), (Some(0), Some(3), 2));
        assert_eq!(format!("{deque:?}"), "[1, 7]");
        assert_panics("Deque::at: index 2 of a length of 2", || *deque.at(2));
        assert_panics("Deque::at_mut: index 2 of a length of 2", || *deque.at_mut(2));
        Ok(())
    })
}

#[test]
fn assume_capacity() -> Result<(), Error> {
    checked(|allocator| {
        let mut deque = Deque::<u32>::init_capacity(allocator, 2)?;
        deque.push_back_assume_capacity(1);
        deque.push_front_assume_capacity(0);
        assert_panics("push_back_assume_capacity: 1 more than 2", || deque.push_back_assume_capacity(2));
        assert_panics("push_front_assume_capacity: 1 more than 2", || deque.push_front_assume_capacity(2));
        assert_eq!(deque.push_back_bounded(2), Err(Error::OutOfMemory));
        assert_eq!(deque.push_front_bounded(2), Err(Error::OutOfMemory));
        assert_eq!(deque.capacity(), 2);
        Ok(())
    })
}

/// Zig's "fuzz against ArrayList oracle": the same as Rust's deque, wherever the ring's end is when it grows.
#[test]
fn is_as_rusts() -> Result<(), Error> {
    checked(|allocator| {
        for seed in 0..seeds(50) {
            let mut random = Random::new(seed);
            let mut deque = Deque::init_capacity(allocator, random.within(0..=20))?;
            let mut model = VecDeque::new();
            for step in 0..if cfg!(miri) { 50 } else { 200 } {
                match random.within(0..=8) {
                    0..=2 => {
                        deque.push_back(step)?;
                        model.push_back(step);
                    }
                    3..=4 => {
                        deque.push_front(step)?;
                        model.push_front(step);
                    }
                    5 => {
                        let slice = [step, step + 1, step + 2];
                        deque.push_front_slice(&slice)?;
                        slice.iter().rev().for_each(|item| model.push_front(*item));
                        deque.push_back_slice(&slice)?;
                        model.extend(slice);
                    }
                    6 => assert_eq!(deque.pop_front(), model.pop_front()),
                    7 => assert_eq!(deque.pop_back(), model.pop_back()),
                    _ => deque.ensure_total_capacity_precise(deque.capacity() + random.within(0..=3))?,
                }
                assert!(deque.iterator().eq(&model));
                let (first, second) = deque.as_slices();
                assert_eq!(first.len() + second.len(), model.len());
            }
        }
        Ok(())
    })
}

/// In an arena the block grows where it is, and the elements after the ring's end must move.
#[test]
fn grows_in_place() -> Result<(), Error> {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    for head in (0..10).step_by(if cfg!(miri) { 3 } else { 1 }) {
        for len in (0..=10).step_by(if cfg!(miri) { 5 } else { 1 }) {
            for growth in [1, 3, 20] {
                let mut deque = Deque::init_capacity(arena.allocator(), 10)?;
                for _ in 0..head {
                    deque.push_back_assume_capacity(0);
                    deque.pop_front();
                }
                (0..len).for_each(|n| deque.push_back_assume_capacity(n));
                deque.ensure_total_capacity_precise(10 + growth)?;
                deque.push_front_assume_capacity(100);
                assert_eq!((deque.pop_front(), deque.len()), (Some(100), len));
                assert!(deque.iterator().copied().eq(0..len), "head {head}, length {len}, by {growth}");
            }
        }
    }
    Ok(())
}

#[test]
fn elements_are_dropped_once() -> Result<(), Error> {
    checked(|allocator| {
        let live = Live::default();
        let mut deque = Deque::init(allocator);
        for number in 0..10 {
            deque.push_back(live.item(number))?;
            deque.push_front(live.item(number))?;
        }
        drop((deque.pop_front(), deque.pop_back()));
        assert_eq!(live.count.get(), 18);
        deque.clear_retaining_capacity();
        assert_eq!(live.count.get(), 0);
        deque.push_front(live.item(0))?;
        drop(deque);
        assert_eq!(live.count.get(), 0);
        let mut units = Deque::init(allocator);
        (0..3).try_for_each(|_| units.push_front(()))?;
        assert_eq!((units.len(), units.capacity(), units.pop_back()), (3, usize::MAX, Some(())));
        Ok(())
    })
}

#[test]
fn out_of_memory_changes_nothing() {
    type Full = Deque<'static, u32>;
    let full = |allocator| {
        let mut deque = Full::init_capacity(allocator, 4).unwrap();
        deque.push_back_slice(&[1, 2]).unwrap();
        deque.push_front_slice(&[3, 4]).unwrap();
        deque
    };
    let look = |deque: &Full| (deque.iterator().copied().collect::<Vec<_>>(), deque.capacity());
    assert_eq!(fails_without_effect(full, look, |deque| deque.push_back(0)), 1);
    assert_eq!(fails_without_effect(full, look, |deque| deque.push_front(0)), 1);
    assert_eq!(fails_without_effect(full, look, |deque| deque.push_front_slice(&[0; 9])), 1);
    assert_eq!(fails_without_effect(full, look, |deque| deque.ensure_unused_capacity(1)), 1);
}
