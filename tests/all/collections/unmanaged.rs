//! Containers without an allocator.

use zigalloc::collections::{
    ArrayList, ArrayListUnmanaged, AutoArrayHashMapUnmanaged, AutoHashMapUnmanaged, DequeUnmanaged,
    MultiArrayListUnmanaged, StringHashMapUnmanaged,
};
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
use zigalloc::{Error, SyncAllocator};

use super::{Live, assert_panics, checked};

#[test]
fn a_list_is_three_words() {
    assert_eq!(size_of::<ArrayListUnmanaged<u64>>(), 3 * size_of::<usize>());
    fn send_sync<T: Send + Sync>() {}
    send_sync::<ArrayListUnmanaged<u64>>();
    send_sync::<AutoHashMapUnmanaged<u64, u64>>();
    send_sync::<DequeUnmanaged<u64>>();
}

#[test]
fn a_list_is_bound_for_a_while() -> Result<(), Error> {
    checked(|allocator| {
        let mut list = ArrayListUnmanaged::EMPTY;
        // SAFETY: always this allocator, which outlives the list.
        let mut bound = unsafe { list.with(allocator) };
        bound.append(1)?;
        bound.append_slice(&[2, 3])?;
        drop(bound);
        assert_eq!(*list, [1, 2, 3]);
        assert_eq!((list.pop(), list.swap_remove(0)), (Some(3), 1));
        list.append_assume_capacity(5);
        assert_eq!(*list, [2, 5]);
        // SAFETY: as above.
        let owned = unsafe { list.with(allocator) }.to_owned_slice()?;
        assert_eq!((&*owned, list.capacity()), (&[2, 5][..], 0));
        assert_panics("append_assume_capacity", || list.append_assume_capacity(1));
        // SAFETY: as above.
        unsafe { list.with(allocator) }.append(7)?;
        // SAFETY: as above.
        let mut managed = unsafe { list.to_managed(allocator) };
        managed.append(8)?;
        assert!(list.is_empty());
        // SAFETY: the allocator outlives the result.
        let mut list = unsafe { managed.move_to_unmanaged() };
        assert_eq!((&*list, managed.len()), (&[7, 8][..], 0));
        // SAFETY: as above.
        unsafe { list.with(allocator) }.deinit();
        Ok(())
    })
}

/// To exchange two bound lists exchanges what they are bound to: each list keeps its own memory.
#[test]
fn bound_lists_can_be_swapped() -> Result<(), Error> {
    checked(|first| {
        checked(|second| {
            let (mut a, mut b) = (ArrayListUnmanaged::EMPTY, ArrayListUnmanaged::EMPTY);
            // SAFETY: each its own allocator, which outlives it.
            let (mut bound_a, mut bound_b) = unsafe { (a.with(first), b.with(second)) };
            bound_a.append(1)?;
            bound_b.append(2)?;
            std::mem::swap(&mut bound_a, &mut bound_b);
            bound_a.append(20)?;
            bound_b.append(10)?;
            drop((bound_a, bound_b));
            assert_eq!((&*a, &*b), (&[1, 10][..], &[2, 20][..]));
            // SAFETY: as above.
            unsafe { a.with(first) }.deinit();
            // SAFETY: as above.
            unsafe { b.with(second) }.deinit();
            Ok(())
        })
    })
}

/// A binding that is leaked leaves an empty list, and a map that works when it is bound again.
#[test]
fn a_leaked_binding_leaves_something_safe() -> Result<(), Error> {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let mut list = ArrayListUnmanaged::EMPTY;
    // SAFETY: always this arena, which outlives both.
    let mut bound = unsafe { list.with(arena.allocator()) };
    bound.append(1)?;
    std::mem::forget(bound);
    assert_eq!((list.len(), list.capacity()), (0, 0));
    let mut map = AutoHashMapUnmanaged::new();
    // SAFETY: as above.
    let mut bound = unsafe { map.with(arena.allocator()) };
    bound.put(1, 2)?;
    std::mem::forget(bound);
    assert_eq!(map.get(&1), Some(&2));
    // SAFETY: as above.
    unsafe { map.with(arena.allocator()) }.put(3, 4)?;
    assert_eq!(map.count(), 2);
    Ok(())
}

/// Dropping does nothing, as in Zig: elements that are not removed are not dropped.
#[test]
fn dropping_does_nothing() -> Result<(), Error> {
    let live = Live::default();
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    {
        let mut list = ArrayListUnmanaged::EMPTY;
        let mut map = AutoHashMapUnmanaged::new();
        // SAFETY: always this arena, which outlives both.
        unsafe {
            list.with(arena.allocator()).append(live.item(1))?;
            map.with(arena.allocator()).put(1, live.item(2))?;
        }
    }
    assert_eq!(live.count.get(), 2);
    Ok(())
}

/// In a struct with its arena, in any order of the fields.
#[test]
fn beside_its_arena() -> Result<(), Error> {
    struct Interner {
        arena: ArenaAllocator<SyncAllocator<'static>>,
        ids: StringHashMapUnmanaged<u32, &'static [u8]>,
        names: ArrayListUnmanaged<&'static [u8]>,
    }
    impl Interner {
        fn intern(&mut self, name: &[u8]) -> Result<u32, Error> {
            if let Some(id) = self.ids.get(name) {
                return Ok(*id);
            }
            let allocator = self.arena.allocator();
            let name = allocator.dupe(name)?;
            // SAFETY: the arena keeps the copy as long as this struct is there, which gives it out for less.
            let name: &'static [u8] = unsafe { &*name.as_ptr() };
            let id = self.names.len() as u32;
            // SAFETY: always this arena, which is private, never reset, and dropped with the containers.
            unsafe {
                self.names.with(allocator).append(name)?;
                self.ids.with(allocator).put(name, id)?;
            }
            Ok(id)
        }
    }
    let mut interner = Interner {
        arena: ArenaAllocator::init(PAGE_ALLOCATOR),
        ids: StringHashMapUnmanaged::new(),
        names: ArrayListUnmanaged::new(),
    };
    for round in 0..3 {
        interner = std::convert::identity(interner);
        for n in 0..50 {
            assert_eq!(interner.intern(format!("name{n}").as_bytes())?, n, "round {round}");
        }
    }
    assert_eq!((interner.names[7], interner.ids.get("name7")), (&b"name7"[..], Some(&7)));
    Ok(())
}

#[test]
fn other_containers() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoArrayHashMapUnmanaged::new();
        let mut deque = DequeUnmanaged::new();
        let mut fields = MultiArrayListUnmanaged::<(u8, u32)>::new();
        // SAFETY: always this allocator, which outlives them.
        unsafe {
            (0..20).try_for_each(|n| map.with(allocator).put(n, n * 2))?;
            (0..20).try_for_each(|n| deque.with(allocator).push_back(n))?;
            (0..20).try_for_each(|n| fields.with(allocator).append((n, n.into())))?;
            map.with(allocator).sort(|a, b| b.0.cmp(a.0))?;
        }
        assert_eq!((map.keys()[0], map.get(&7)), (19, Some(&14)));
        assert_eq!(map.pop().map(|kv| kv.key), Some(0));
        assert_eq!((deque.pop_front(), deque.back()), (Some(0), Some(&19)));
        assert_eq!((fields.pop(), fields.items::<1>()[3]), (Some((19, 19)), 3));
        map.put_assume_capacity(7, 7);
        // SAFETY: as above.
        unsafe {
            map.with(allocator).deinit();
            deque.with(allocator).deinit();
            fields.with(allocator).deinit();
        }
        Ok(())
    })
}

/// A list of lists: the outer one may move the inner ones, which are three words.
#[test]
fn lists_in_a_list() -> Result<(), Error> {
    checked(|allocator| {
        let mut rows = ArrayList::<ArrayListUnmanaged<u32>>::init(allocator);
        for n in 0..10 {
            rows.append(ArrayListUnmanaged::EMPTY)?;
            for row in &mut rows {
                // SAFETY: always this allocator, which outlives them.
                unsafe { row.with(allocator) }.append(n)?;
            }
        }
        assert_eq!(*rows[7], [7, 8, 9]);
        // SAFETY: as above.
        rows.iter_mut().for_each(|row| unsafe { row.with(allocator) }.deinit());
        Ok(())
    })
}
