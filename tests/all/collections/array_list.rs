use std::fmt::Write as _;

use zigalloc::collections::ArrayList;
use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, PAGE_ALLOCATOR};
use zigalloc::{Allocator, Error};

use super::{Live, Operation, assert_panics, checked, fails_without_effect};

type List<'a, T> = ArrayList<'a, T>;

fn with_numbers(allocator: Allocator<'_>, numbers: std::ops::Range<u32>) -> Result<List<'_, u32>, Error> {
    let mut list = List::init(allocator);
    numbers.into_iter().try_for_each(|number| list.append(number))?;
    Ok(list)
}

#[test]
fn init() -> Result<(), Error> {
    checked(|allocator| {
        let list = List::<i32>::init(allocator);
        assert_eq!((list.len(), list.capacity()), (0, 0));
        Ok(())
    })
}

#[test]
fn init_capacity() -> Result<(), Error> {
    checked(|allocator| {
        let list = List::<i8>::init_capacity(allocator, 200)?;
        assert_eq!((list.len(), list.capacity()), (0, 200));
        Ok(())
    })
}

#[test]
fn clone() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = List::init(allocator);
        list.append_slice(&[-1, 3, 5])?;
        let copy = list.clone()?;
        assert_eq!((copy.items(), copy.capacity()), (&[-1, 3, 5][..], list.capacity()));
        drop(list);
        assert_eq!(*copy, [-1, 3, 5]);
        Ok(())
    })
}

#[test]
fn basic() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = with_numbers(allocator, 1..11)?;
        assert_eq!(list.items(), (1..11).collect::<Vec<_>>());
        assert_eq!((list.pop(), list.len()), (Some(10), 9));
        list.append_slice(&[1, 2, 3])?;
        assert_eq!((list.len(), list.get_last(), list.get_last_or_null()), (12, &3, Some(&3)));
        list.append_slice(&[])?;
        assert_eq!(list.len(), 12);
        list[7] = 33;
        list[8] = 42;
        assert_eq!((list.pop(), list.pop(), list.pop(), list.len()), (Some(3), Some(2), Some(1), 9));
        assert_eq!((list[7], list[8]), (33, 42));
        Ok(())
    })
}

#[test]
fn append_n_times() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = List::init(allocator);
        list.append_n_times(2, 10)?;
        assert_eq!(*list, [2; 10]);
        Ok(())
    })
}

#[test]
fn ordered_remove() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = with_numbers(allocator, 1..8)?;
        assert_eq!((list.ordered_remove(3), list[3], list.len()), (4, 5, 6));
        assert_eq!((list.ordered_remove(5), list.len()), (7, 5));
        assert_eq!((list.ordered_remove(0), list[0], list.len()), (1, 2, 4));
        assert_panics("ArrayList::ordered_remove: index 4 of a length of 4", || list.ordered_remove(4));
        Ok(())
    })
}

#[test]
fn ordered_remove_many() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = with_numbers(allocator, 0..10)?;
        list.ordered_remove_many(&[1, 5, 5, 7, 9]);
        assert_eq!(*list, [0, 2, 3, 4, 6, 8]);
        list.ordered_remove_many(&[0]);
        list.ordered_remove_many(&[]);
        assert_eq!(*list, [2, 3, 4, 6, 8]);
        assert_panics("index 1 is after 2", || list.ordered_remove_many(&[2, 1]));
        assert_panics("index 5 of a length of 5", || list.ordered_remove_many(&[0, 5]));
        list.ordered_remove_many(&[0, 1, 2, 3, 4]);
        assert!(list.is_empty());
        Ok(())
    })
}

#[test]
fn swap_remove() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = with_numbers(allocator, 1..8)?;
        assert_eq!((list.swap_remove(3), list[3], list.len()), (4, 7, 6));
        assert_eq!((list.swap_remove(5), list.len()), (6, 5));
        assert_eq!((list.swap_remove(0), list[0], list.len()), (1, 5, 4));
        Ok(())
    })
}

#[test]
fn insert() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = List::init(allocator);
        list.insert(0, 1)?;
        list.append(2)?;
        list.insert(2, 3)?;
        list.insert(0, 5)?;
        assert_eq!(*list, [5, 1, 2, 3]);
        assert_panics("ArrayList::insert: 0 elements from index 5 of a length of 4", || list.insert(5, 0));
        Ok(())
    })
}

#[test]
fn insert_slice() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = with_numbers(allocator, 1..5)?;
        list.insert_slice(1, &[9, 8])?;
        assert_eq!(*list, [1, 9, 8, 2, 3, 4]);
        list.insert_slice(0, &[])?;
        list.insert_slice(6, &[7])?;
        assert_eq!(*list, [1, 9, 8, 2, 3, 4, 7]);
        Ok(())
    })
}

/// The six cases of Zig's test: no old range, a longer, an equal and a shorter new one, at the end, and all.
#[test]
fn replace_range() -> Result<(), Error> {
    checked(|allocator| {
        for (start, len, new, expected) in [
            (1, 0, &[0, 0, 0][..], &[1, 0, 0, 0, 2, 3, 4, 5][..]),
            (1, 1, &[0, 0, 0], &[1, 0, 0, 0, 3, 4, 5]),
            (1, 2, &[0, 0, 0], &[1, 0, 0, 0, 4, 5]),
            (1, 3, &[0, 0, 0], &[1, 0, 0, 0, 5]),
            (1, 4, &[0, 0, 0], &[1, 0, 0, 0]),
            (0, 5, &[], &[]),
            (5, 0, &[6], &[1, 2, 3, 4, 5, 6]),
        ] {
            let mut list = with_numbers(allocator, 1..6)?;
            list.replace_range(start, len, new)?;
            assert_eq!(*list, *expected);
            let mut list = with_numbers(allocator, 1..6)?;
            list.ensure_unused_capacity(3)?;
            list.replace_range_assume_capacity(start, len, new);
            assert_eq!(*list, *expected);
        }
        let mut list = with_numbers(allocator, 1..6)?;
        assert_panics("5 elements from index 1 of a length of 5", || list.replace_range(1, 5, &[]));
        assert_panics("elements from index 1", || list.replace_range(1, usize::MAX, &[]));
        Ok(())
    })
}

#[test]
fn items_are_made_by_default() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = with_numbers(allocator, 1..3)?;
        *list.add_one()? = 7;
        list.add_many_as_slice(2)?.copy_from_slice(&[8, 9]);
        *list.add_many_as_array::<2>()? = [10, 11];
        assert_eq!(*list, [1, 2, 7, 8, 9, 10, 11]);
        assert_eq!(list.add_many_at(1, 2)?, [0, 0]);
        assert_eq!(*list, [1, 0, 0, 2, 7, 8, 9, 10, 11]);
        list.resize(10, 5)?;
        list.resize(3, 5)?;
        assert_eq!(*list, [1, 0, 0]);
        list.expand_to_capacity();
        assert_eq!((list.len(), list[3]), (list.capacity(), 0));
        Ok(())
    })
}

#[test]
fn what_assumes_capacity_panics_without() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = List::<u32>::init_capacity(allocator, 2)?;
        list.append_assume_capacity(1);
        assert_panics(
            "append_slice_assume_capacity: 2 more than 1 elements are above the capacity of 2",
            || list.append_slice_assume_capacity(&[2, 3]),
        );
        list.insert_assume_capacity(0, 0);
        assert_panics("append_assume_capacity", || list.append_assume_capacity(2));
        assert_panics("insert_assume_capacity", || list.insert_assume_capacity(0, 2));
        assert_panics("add_one_assume_capacity", || list.add_one_assume_capacity());
        assert_panics("add_many_as_slice_assume_capacity", || list.add_many_as_slice_assume_capacity(1));
        assert_panics("append_n_times_assume_capacity", || list.append_n_times_assume_capacity(0, 1));
        assert_panics("append_n_times_assume_capacity", || {
            list.append_n_times_assume_capacity(0, usize::MAX)
        });
        assert_panics("replace_range_assume_capacity", || list.replace_range_assume_capacity(0, 1, &[1, 2]));
        assert_eq!(list.append_bounded(2), Err(Error::OutOfMemory));
        assert_eq!(list.insert_bounded(0, 2), Err(Error::OutOfMemory));
        assert_eq!(list.append_slice_bounded(&[2]), Err(Error::OutOfMemory));
        assert_eq!(*list, [0, 1]);
        Ok(())
    })
}

#[test]
fn to_owned_slice() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = List::init(allocator);
        list.append_slice(b"foobar")?;
        let text = list.to_owned_slice()?;
        assert_eq!((&*text, list.len(), list.capacity()), (&b"foobar"[..], 0, 0));
        drop(list);
        assert_eq!(*text, *b"foobar", "the list that was moved out has freed nothing");
        let mut list = List::from_owned_slice(text);
        list.append(b'!')?;
        assert_eq!(*list, *b"foobar!");
        list.clear_retaining_capacity();
        assert_eq!(list.to_owned_slice()?.len(), 0);
        Ok(())
    })
}

#[test]
fn to_owned_slice_sentinel() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = List::init(allocator);
        list.append_slice(b"foobar")?;
        let text = list.to_owned_slice_sentinel(0)?;
        // SAFETY: initialised, with a zero.
        assert_eq!(unsafe { text.as_c_str() }, c"foobar");
        // SAFETY: a block of this allocator, which the list has given up.
        let list = unsafe { List::from_owned_slice_sentinel(allocator, text) };
        assert_eq!((&*list, list.capacity()), (&b"foobar"[..], 7));
        Ok(())
    })
}

#[test]
fn writer() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = List::init(allocator);
        list.print(format_args!("{}-{:02}", "x", 7))?;
        write!(list.writer(), "!").unwrap();
        std::io::Write::write_all(&mut list.writer(), b"?").unwrap();
        assert_eq!(*list, *b"x-07!?");
        Ok(())
    })
}

#[test]
fn elements_without_size() -> Result<(), Error> {
    let mut list = List::init(Allocator::FAILING);
    list.append(())?;
    list.append_n_times((), 1000)?;
    list.insert(5, ())?;
    assert_eq!((list.len(), list.capacity(), list.pop()), (1002, usize::MAX, Some(())));
    list.shrink_and_free(3);
    assert_eq!(list.clone()?.to_owned_slice()?.len(), 3);
    assert_eq!(list.ensure_unused_capacity(usize::MAX), Err(Error::OutOfMemory));
    assert_panics("0 bytes", || list.expand_to_capacity());
    list.clear_and_free();
    Ok(())
}

/// The capacities of 0.15.2: a cache line's worth at first, then by half and that.
#[test]
#[cfg(target_arch = "x86_64")]
fn capacity_grows_as_in_zig() -> Result<(), Error> {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let mut list = List::<u32>::init(arena.allocator());
    let mut capacities = Vec::new();
    while capacities.len() < 5 {
        list.append(0)?;
        if capacities.last() != Some(&list.capacity()) {
            capacities.push(list.capacity());
        }
    }
    assert_eq!(capacities, [32, 80, 152, 260, 422]);
    let mut large = List::<[u64; 100]>::init(arena.allocator());
    large.ensure_unused_capacity(3)?;
    assert_eq!(large.capacity(), 4);
    Ok(())
}

#[test]
fn too_much_is_out_of_memory() {
    let mut list = List::<u64>::init(*PAGE_ALLOCATOR);
    list.append(1).unwrap();
    for n in [usize::MAX, usize::MAX / 8, isize::MAX as usize] {
        assert_eq!(list.ensure_total_capacity(n), Err(Error::OutOfMemory));
        assert_eq!(list.ensure_total_capacity_precise(n), Err(Error::OutOfMemory));
        assert_eq!(list.ensure_unused_capacity(n), Err(Error::OutOfMemory));
        assert_eq!(list.append_n_times(0, n), Err(Error::OutOfMemory));
    }
    assert_eq!(*list, [1]);
}

/// Every method that allocates, with each of its allocations failing.
#[test]
fn out_of_memory_changes_nothing() {
    let build = |allocator| {
        let mut list = ArrayList::<u8>::init_capacity(allocator, 3).unwrap();
        list.append_slice(b"abc").unwrap();
        list
    };
    let look = |list: &ArrayList<'_, u8>| (list.to_vec(), list.capacity());
    let operations: [(&str, Operation<ArrayList<'static, u8>>); 15] = [
        ("append", |list| list.append(1)),
        ("append_slice", |list| list.append_slice(b"xyz")),
        ("append_n_times", |list| list.append_n_times(1, 5)),
        ("insert", |list| list.insert(1, 1)),
        ("insert_slice", |list| list.insert_slice(1, b"xyz")),
        ("replace_range", |list| list.replace_range(0, 2, b"wxyz")),
        ("resize", |list| list.resize(100, 1)),
        ("add_one", |list| list.add_one().map(drop)),
        ("add_many_as_slice", |list| list.add_many_as_slice(9).map(drop)),
        ("add_many_at", |list| list.add_many_at(0, 9).map(drop)),
        ("ensure_total_capacity", |list| list.ensure_total_capacity(100)),
        ("ensure_total_capacity_precise", |list| list.ensure_total_capacity_precise(100)),
        ("print", |list| list.print(format_args!("{}{}", "a".repeat(100), "b".repeat(200)))),
        ("clone", |list| list.clone().map(drop)),
        ("to_owned_slice_sentinel", |list| {
            let (text, allocator) = (list.to_owned_slice_sentinel(0)?, *list.allocator());
            // SAFETY: its block, which nothing else has.
            unsafe { allocator.free(text) };
            list.append_slice_bounded(b"")
        }),
    ];
    for (name, operation) in operations {
        let failures = match name {
            // The growth of its first piece is not undone, only its text.
            "print" => fails_without_effect(build, |list| list.to_vec(), operation),
            _ => fails_without_effect(build, look, operation),
        };
        assert_eq!(failures, if name == "print" { 2 } else { 1 }, "{name}");
    }
    // A list that is longer than its elements.
    let build = |allocator| {
        let mut list = ArrayList::<u8>::init_capacity(allocator, 10).unwrap();
        list.append_slice(b"abc").unwrap();
        list
    };
    assert_eq!(fails_without_effect(build, look, |list| list.to_owned_slice().map(drop)), 1);
}

/// A list that cannot give its memory back without a copy keeps it.
#[test]
fn shrinking_without_memory_keeps_the_capacity() -> Result<(), Error> {
    let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 100];
    let fixed = FixedBufferAllocator::init(&mut buffer);
    let config = zigalloc::testing::FailingConfig {
        resize_fail_index: 0,
        ..zigalloc::testing::FailingConfig::default()
    };
    let failing = zigalloc::testing::FailingAllocator::init(fixed.allocator(), config);
    let mut list = List::<u8>::init_capacity(failing.allocator(), 90)?;
    list.append_slice(b"0123456789")?;
    failing.set_fail_index(failing.alloc_index());
    list.shrink_and_free(5);
    assert_eq!((&*list, list.capacity()), (&b"01234"[..], 90));
    assert_eq!(list.to_owned_slice().unwrap_err(), Error::OutOfMemory);
    assert_eq!(*list, *b"01234");
    Ok(())
}

#[test]
fn elements_are_dropped_once() -> Result<(), Error> {
    checked(|allocator| {
        let live = Live::default();
        let mut list = List::init(allocator);
        for number in 0..20 {
            list.append(live.item(number))?;
        }
        drop((list.pop(), list.ordered_remove(3), list.swap_remove(3)));
        assert_eq!(live.count.get(), 17);
        list.shrink_and_free(10);
        assert_eq!(live.count.get(), 10);
        list.ordered_remove_many(&[0, 9]);
        assert_eq!(live.count.get(), 8);
        let owned = list.to_owned_slice()?;
        list.append(live.item(0))?;
        drop(list);
        assert_eq!(live.count.get(), 8);
        let mut items = List::from_owned_slice(owned).into_iter();
        assert_eq!(items.next().map(|item| item.number), Some(1));
        drop(items);
        assert_eq!(live.count.get(), 0);
        Ok(())
    })
}

#[test]
fn panics_in_clone_lose_nothing() -> Result<(), Error> {
    checked(|allocator| {
        let live = Live::default();
        let mut list = List::init(allocator);
        for number in 0..5 {
            list.append(live.item(number))?;
        }
        live.panic_in.set(Some(2));
        assert_panics("planned panic", || list.clone());
        assert_eq!(live.count.get(), 5);
        live.panic_in.set(Some(2));
        assert_panics("planned panic", || list.append_n_times(live.item(9), 4));
        live.panic_in.set(None);
        assert_eq!(live.count.get(), list.len());
        drop(list);
        assert_eq!(live.count.get(), 0);
        Ok(())
    })
}
