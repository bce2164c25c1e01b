use zigalloc::Error;
use zigalloc::collections::{Fields as _, MultiArrayList};

use super::{Counted, Live, assert_panics, checked, fails_without_effect};

#[derive(Clone, Copy, Debug, PartialEq)]
struct Foo {
    a: u32,
    b: &'static str,
    c: u8,
}
type Str = &'static str;
zigalloc::fields!(Foo { a: u32 = 0, b: Str = 1, c: u8 = 2 });

#[test]
fn basic_usage() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = MultiArrayList::<Foo>::init(allocator);
        assert!(list.items::<0>().is_empty() && list.pop().is_none());
        list.append(Foo { a: 1, b: "foobar", c: b'a' })?;
        list.append_assume_capacity(Foo { a: 2, b: "zigzag", c: b'b' });
        assert_eq!((list.items::<0>(), list.items::<1>()), (&[1, 2][..], &["foobar", "zigzag"][..]));
        assert_eq!(list.items::<2>(), b"ab");
        for n in 0..6 {
            list.append(Foo { a: n, b: "whatever", c: n as u8 })?;
        }
        assert_eq!(list.get(7), Foo { a: 5, b: "whatever", c: 5 });
        assert_eq!(list.set(0, Foo { a: 9, b: "new", c: b'n' }), Foo { a: 1, b: "foobar", c: b'a' });
        list.shrink_and_free(3);
        assert_eq!((list.len(), list.capacity()), (3, 3));
        assert_eq!((list.items::<0>(), list.items::<2>()), (&[9, 2, 0][..], &b"nb\0"[..]));
        let (a, c) = list.items_mut_both::<0, 2>();
        (a[0], c[0]) = (c[1].into(), a[1] as u8);
        assert_eq!(list.get(0), Foo { a: b'b'.into(), b: "new", c: 2 });
        assert_panics("MultiArrayList::get: index 3 of a length of 3", || list.get(3));
        assert_panics("append_assume_capacity: 1 more than 3", || list.append_assume_capacity(list.get(0)));
        Ok(())
    })
}

#[test]
fn insert_and_remove() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = MultiArrayList::<(u8, u32)>::init(allocator);
        list.insert(0, (1, 10))?;
        list.insert(0, (2, 20))?;
        list.insert(2, (3, 30))?;
        list.insert(1, (4, 40))?;
        assert_eq!((list.items::<0>(), list.items::<1>()), (&[2, 4, 1, 3][..], &[20, 40, 10, 30][..]));
        assert_panics("MultiArrayList::insert: index 5 of a length of 4", || list.insert(5, (0, 0)));
        assert_eq!((list.ordered_remove(1), list.swap_remove(0)), ((4, 40), (2, 20)));
        assert_eq!(list.items::<1>(), [30, 10]);
        assert_eq!((list.swap_remove(1), list.pop(), list.pop()), ((1, 10), Some((3, 30)), None));
        list.resize(5, (7, 70))?;
        assert_eq!(list.items::<0>(), [7; 5]);
        let copy = list.clone_with_allocator(allocator)?;
        list.clear_retaining_capacity();
        assert_eq!((list.len(), copy.items::<1>(), copy.capacity()), (0, &[70; 5][..], 5));
        list.set_capacity(2)?;
        assert_eq!(list.capacity(), 2);
        Ok(())
    })
}

/// Fields of all alignments, some without size: each array is aligned, and keeps what is written.
#[test]
fn arrays_are_aligned() -> Result<(), Error> {
    type Item = (u8, u64, (), u16, [u8; 3], u128, [u64; 0], char);
    checked(|allocator| {
        let mut list = MultiArrayList::<Item>::init(allocator);
        for n in 0..40u8 {
            list.append((n, n.into(), (), n.into(), [n; 3], n.into(), [], n.into()))?;
        }
        for n in 0..40u8 {
            assert_eq!(list.get(n.into()), (n, n.into(), (), n.into(), [n; 3], n.into(), [], n.into()));
        }
        assert_eq!((list.items::<2>().len(), list.items::<6>().len()), (40, 40));
        assert_eq!(Item::FIELDS.len(), 8);
        let mut units = MultiArrayList::<((), [u64; 0])>::init(allocator);
        units.append(((), []))?;
        assert_eq!((units.len(), units.pop()), (1, Some(((), []))));
        Ok(())
    })
}

#[test]
fn items_are_dropped_once() -> Result<(), Error> {
    checked(|allocator| {
        let live = Live::default();
        let mut list = MultiArrayList::<(u8, Counted<'_>)>::init(allocator);
        for number in 0..20 {
            list.append((number as u8, live.item(number)))?;
        }
        drop((list.pop(), list.ordered_remove(3), list.swap_remove(3), list.set(0, (0, live.item(0)))));
        assert_eq!(live.count.get(), 17);
        list.shrink_and_free(10);
        assert_eq!(live.count.get(), 10);
        list.shrink_retaining_capacity(5);
        drop(list);
        assert_eq!(live.count.get(), 0);
        Ok(())
    })
}

#[test]
fn out_of_memory_changes_nothing() {
    type Full = MultiArrayList<'static, (u8, u64)>;
    let full = |allocator| {
        let mut list = Full::init(allocator);
        list.set_capacity(2).unwrap();
        list.append((1, 2)).unwrap();
        list.append((3, 4)).unwrap();
        list
    };
    let look = |list: &Full| (list.items::<0>().to_vec(), list.items::<1>().to_vec(), list.capacity());
    assert_eq!(fails_without_effect(full, look, |list| list.append((0, 0))), 1);
    assert_eq!(fails_without_effect(full, look, |list| list.insert(0, (0, 0))), 1);
    assert_eq!(fails_without_effect(full, look, |list| list.resize(9, (0, 0))), 1);
    assert_eq!(fails_without_effect(full, look, |list| list.ensure_unused_capacity(1)), 1);
    let mut list = full(*zigalloc::heap::PAGE_ALLOCATOR);
    assert_eq!(list.ensure_total_capacity(usize::MAX), Err(Error::OutOfMemory));
    assert_eq!(list.ensure_unused_capacity(usize::MAX), Err(Error::OutOfMemory));
}

/// The arrays of a packed struct are aligned as its fields, not as the struct.
#[test]
fn arrays_of_packed_structs_are_aligned() -> Result<(), Error> {
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(C, packed)]
    struct Packed {
        tag: u8,
        data: u64,
        size: u16,
    }
    zigalloc::fields!(Packed { tag: u8 = 0, data: u64 = 1, size: u16 = 2 });

    checked(|allocator| {
        let mut list = MultiArrayList::<Packed>::init(allocator);
        assert!(list.items::<1>().as_ptr().is_aligned());
        for n in 0..20 {
            // A neighbour, so that the block is at any address.
            let _neighbour = allocator.alloc_owned::<u8>(1)?;
            list.append(Packed { tag: n, data: n.into(), size: n.into() })?;
            assert!(list.items::<1>().as_ptr().is_aligned() && list.items::<2>().as_ptr().is_aligned());
        }
        assert_eq!((list.items::<1>()[7], list.get(7)), (7, Packed { tag: 7, data: 7, size: 7 }));
        Ok(())
    })
}

/// An item that is `Send` and `Sync` by a promise does not make a list so, which lends its fields.
#[test]
fn list_is_sync_only_if_the_fields_are() {
    struct Promise {
        _number: std::cell::Cell<u8>,
    }
    // SAFETY: nothing accesses the number by way of a `Promise`.
    unsafe impl Sync for Promise {}
    type Number = std::cell::Cell<u8>;
    zigalloc::fields!(Promise { _number: Number = 0 });
    static_assertions::assert_impl_all!(Promise: Send, Sync);
    static_assertions::assert_impl_all!(zigalloc::collections::MultiArrayListUnmanaged<Promise>: Send);
    static_assertions::assert_not_impl_any!(zigalloc::collections::MultiArrayListUnmanaged<Promise>: Sync);
    static_assertions::assert_impl_all!(zigalloc::collections::MultiArrayListUnmanaged<Foo>: Send, Sync);
}
