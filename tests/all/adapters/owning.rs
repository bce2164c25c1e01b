//! Containers that own their allocator, with the trait of the module that includes this file.

use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;

use static_assertions::{assert_impl_all, assert_not_impl_any};
use zigalloc::heap::{
    ArenaAllocator, DebugAllocator, FixedBufferAllocator, PAGE_ALLOCATOR, ResetMode, SharedArenaAllocator,
    StackFallbackAllocator, stack_fallback,
};
use zigalloc::testing::LedgerAllocator;
use zigalloc::{AllocatorOwner, OwnedThreadSafeAllocator, OwningHandle, SyncAllocator};

use super::api::Allocator as Api;
use super::boxed::Box as ApiBox;
use super::vec::Vec as ApiVec;

type Arena = ArenaAllocator<SyncAllocator<'static>>;
type Locked = OwnedThreadSafeAllocator<Arena>;

// An arena is for one thread, also if an `Arc` owns it.
assert_not_impl_any!(ApiVec<u8, OwningHandle<Rc<Arena>>>: Send, Sync);
assert_not_impl_any!(ApiVec<u8, OwningHandle<Arc<Arena>>>: Send, Sync);
assert_not_impl_any!(ApiVec<u8, OwningHandle<Rc<Locked>>>: Send, Sync);
assert_impl_all!(ApiVec<u8, OwningHandle<Arc<Locked>>>: Send, Sync);
assert_impl_all!(ApiVec<u8, OwningHandle<Arc<SharedArenaAllocator<'static>>>>: Send, Sync);

fn arena() -> OwningHandle<Rc<Arena>> {
    OwningHandle::new(Rc::new(ArenaAllocator::init(PAGE_ALLOCATOR)))
}

/// A vector that is all there is of its arena.
fn numbers() -> ApiVec<u32, OwningHandle<Rc<Arena>>> {
    let mut numbers = ApiVec::new_in(arena());
    numbers.extend(0..100);
    numbers
}

#[test]
fn container_owns_its_arena() {
    let mut moved = std::boxed::Box::new(numbers());
    moved.extend(100..1000);
    assert!(moved.iter().copied().eq(0..1000));
    assert_eq!(size_of_val(&*moved), 4 * size_of::<usize>());
}

/// The arena is freed with the last container, and not before.
#[test]
fn last_container_frees_the_arena() {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    {
        let arena = OwningHandle::new(Rc::new(ArenaAllocator::init(ledger.allocator())));
        let owner = Rc::downgrade(&arena.clone().into_inner());
        let mut first = ApiVec::new_in(arena.clone());
        first.extend([1, 2, 3]);
        let second = ApiBox::new_in(4, arena);
        assert_eq!(owner.strong_count(), 2);
        drop(first);
        assert_eq!((*second, owner.strong_count()), (4, 1));
        drop(second);
        assert!(owner.upgrade().is_none());
    }
    ledger.assert_no_leaks();
}

/// What is leaked keeps its clone of the handle, so its memory stays valid after all others are gone.
#[test]
fn leaked_containers_keep_the_arena() {
    let arena = arena();
    let mut owner = arena.clone().into_inner();
    let number: &'static mut u32 = ApiBox::leak(ApiBox::new_in(7, arena.clone()));
    let mut vec = ApiVec::new_in(arena);
    vec.extend(0..50u32);
    let slice: &'static mut [u32] = vec.leak();
    assert_eq!(Rc::strong_count(&owner), 3);
    assert!(Rc::get_mut(&mut owner).is_none());
    let pointer = Rc::into_raw(owner);
    // SAFETY: the clone that is turned into the pointer.
    unsafe { Rc::decrement_strong_count(pointer) };
    // Only what is leaked owns the arena now.
    *number += 1;
    slice[49] += 1;
    assert_eq!((*number, slice[49]), (8, 50));
    // SAFETY: the clones of the two leaked containers, which are not used afterwards. (Miri reports what leaks.)
    unsafe {
        Rc::decrement_strong_count(pointer);
        Rc::decrement_strong_count(pointer);
    }
}

#[test]
fn reset_needs_the_last_owner() {
    let mut vec = numbers();
    let mut owner = vec.allocator().clone().into_inner();
    assert!(Rc::get_mut(&mut owner).is_none());
    let owner = Rc::try_unwrap(owner).expect_err("the vector has a clone");
    vec.push(1);
    drop(vec);
    let mut arena = Rc::try_unwrap(owner).expect("the vector is gone");
    assert!(arena.reset(ResetMode::FreeAll));
    assert_eq!(arena.query_capacity(), 0);
}

/// A block of one clone is freed and grown through another.
#[test]
fn clones_are_the_same_allocator() {
    let mut buffer = [MaybeUninit::uninit(); 1000];
    let fixed = OwningHandle::new(Rc::new(FixedBufferAllocator::init(&mut buffer)));
    let layout = |size| std::alloc::Layout::from_size_align(size, 8).unwrap();
    let clone = fixed.clone();
    let memory = fixed.allocate_zeroed(layout(100)).unwrap();
    // SAFETY: live blocks with layouts that fit.
    unsafe {
        let memory = clone.grow_zeroed(memory.cast(), layout(100), layout(300)).unwrap();
        assert_eq!(memory.as_ref(), [0; 300]);
        assert_eq!(fixed.get().end_index(), clone.get().end_index());
        let memory = fixed.shrink(memory.cast(), layout(300), layout(8)).unwrap();
        let memory = fixed.grow(memory.cast(), layout(8), layout(80)).unwrap();
        clone.deallocate(memory.cast(), layout(80));
    }
    // Less what the first block was padded by.
    assert!(fixed.get().end_index() < 8);
    assert!(format!("{fixed:?}").starts_with("OwningHandle(Allocator {"), "{fixed:?}");
}

/// Blocks are inside the allocator here, which its handles must not move.
#[test]
fn blocks_inside_the_allocator_stay_valid() {
    fn filled<P: AllocatorOwner>(handle: OwningHandle<P>) -> ApiVec<u8, OwningHandle<P>> {
        let mut bytes = ApiVec::new_in(handle);
        bytes.extend_from_slice(b"in the owner");
        bytes
    }
    let fallback: StackFallbackAllocator<64, _> = stack_fallback(PAGE_ALLOCATOR);
    let handle = OwningHandle::new(Rc::new(fallback));
    let inside = handle.get();
    let range = (&raw const *inside).addr()..(&raw const *inside).addr() + size_of_val(inside);
    let bytes = filled(handle);
    assert!(range.contains(&bytes.as_ptr().addr()));
    let mut moved = [bytes];
    moved[0].extend_from_slice(b", also when moved, and when it is too long for it");
    assert!(moved[0].starts_with(b"in the owner, also when moved"));

    // Under a lock, which an `Arc` owns.
    let fallback: StackFallbackAllocator<64, _> = stack_fallback(PAGE_ALLOCATOR);
    let bytes = filled(OwningHandle::new(Arc::new(OwnedThreadSafeAllocator::new(fallback))));
    let bytes = std::thread::spawn(move || bytes).join().unwrap();
    assert_eq!(bytes[..], *b"in the owner");
}

/// Containers made by one thread are read and dropped by another; the last of them frees the arena.
fn crosses_threads<P>(handle: OwningHandle<P>)
where
    P: AllocatorOwner + Send + Sync + 'static,
{
    let threads = [1u32, 2, 3].map(|thread| {
        let handle = handle.clone();
        std::thread::spawn(move || {
            let mut lists = ApiVec::new_in(handle.clone());
            for n in 0..10 {
                let mut list = ApiVec::new_in(handle.clone());
                list.extend((0..n).map(|value| value * thread));
                lists.push(list);
            }
            lists
        })
    });
    drop(handle);
    for (thread, lists) in (1..).zip(threads) {
        let lists = lists.join().unwrap();
        assert!(
            lists
                .iter()
                .zip(0..)
                .all(|(list, n)| list.iter().sum::<u32>() == thread * n * (n.max(1) - 1) / 2)
        );
        std::thread::spawn(move || drop(lists)).join().unwrap();
    }
}

#[test]
fn arcs_cross_threads() {
    crosses_threads(OwningHandle::new(Arc::new(SharedArenaAllocator::init(PAGE_ALLOCATOR))));
    crosses_threads(OwningHandle::new(Arc::new(Locked::new(ArenaAllocator::init(PAGE_ALLOCATOR)))));
    crosses_threads(OwningHandle::new(Arc::new(DebugAllocator::init(PAGE_ALLOCATOR))));
}

/// The pattern of the documentation: the arena's field may even be dropped first.
#[test]
fn arena_and_its_values_in_one_struct() {
    type Owner = OwningHandle<Rc<Arena>>;
    type Line = ApiVec<u8, Owner>;
    struct Parsed {
        arena: Owner,
        lines: ApiVec<Line, Owner>,
    }
    fn parse(text: &str) -> Parsed {
        let arena = arena();
        let mut lines = ApiVec::new_in(arena.clone());
        for line in text.lines() {
            let mut bytes = ApiVec::new_in(arena.clone());
            bytes.extend_from_slice(line.as_bytes());
            lines.push(bytes);
        }
        Parsed { arena, lines }
    }
    let mut all: Vec<Parsed> = ["a\nb", "", "one line"].map(parse).into();
    all.swap(0, 2);
    assert_eq!(all[2].lines[1][..], *b"b");
    assert_eq!(all[1].arena.get().query_capacity(), 0);
    let Parsed { arena, lines } = all.swap_remove(0);
    drop((all, arena));
    assert_eq!(lines[0][..], *b"one line");
}
