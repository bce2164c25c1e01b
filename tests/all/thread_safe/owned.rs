//! `OwnedThreadSafeAllocator`: the same functions as `ThreadSafeAllocator`, over a child inside it.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use zigalloc::heap::{
    ArenaAllocator, FixedBufferAllocator, PAGE_ALLOCATOR, ResetMode, SharedArenaAllocator, stack_fallback,
};
use zigalloc::testing::{test_allocator, test_allocator_strict};
use zigalloc::{Allocator, AsAllocator, OwnedThreadSafeAllocator, SyncAllocator, ThreadSafeAllocator};
use zigalloc_support::Sent;

const BLOCKS: usize = if cfg!(miri) { 10 } else { 1000 };

/// Allocates and frees in several threads at once; the child's state would race without the lock.
fn hammer(allocator: SyncAllocator<'_>) {
    thread::scope(|scope| {
        for n in 1..5u8 {
            scope.spawn(move || {
                for len in 1..BLOCKS {
                    let memory = allocator.dupe(&[n; 8][..1 + len % 8]).unwrap();
                    // SAFETY: a live block that `dupe` has initialised; not used afterwards.
                    unsafe {
                        assert!(memory.as_ref().iter().all(|byte| *byte == n));
                        allocator.free(memory);
                    }
                }
            });
        }
    });
}

#[test]
fn threads_share_an_owned_arena() {
    let mut lock = OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR));
    hammer(lock.allocator());
    assert!(lock.get_mut().reset(ResetMode::FreeAll));
    hammer(lock.allocator());
    let arena = lock.into_inner();
    assert!(arena.query_capacity() > 0);
}

/// The kit, over a child that has its own kinds of refusal.
#[test]
fn owned_lock_conforms() {
    let lock = OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR));
    test_allocator(*lock.allocator());
    test_allocator_strict(AsAllocator::allocator(&lock));
}

/// The child is moved into the lock, and with it, while nothing borrows it; its blocks inside follow the lock's address.
#[test]
fn child_with_blocks_inside_itself_can_be_locked() {
    let lock = OwnedThreadSafeAllocator::new(stack_fallback::<256, _>(PAGE_ALLOCATOR));
    let lock = Box::new(lock);
    // Before the threads: they free in any order, and the buffer reuses only its last block.
    let memory = lock.allocator().dupe(b"inside").unwrap();
    let inside = (&raw const *lock).addr()..(&raw const *lock).addr() + size_of_val(&*lock);
    assert!(inside.contains(&memory.addr().get()));
    hammer(lock.allocator());
    // SAFETY: a live block.
    assert_eq!(unsafe { memory.as_ref() }, b"inside");
}

/// Blocks of an arena stay valid when the lock is moved and taken apart.
#[test]
fn blocks_survive_moving_the_lock() {
    let lock = OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR));
    let before = lock.allocator().dupe(b"before").unwrap();
    let lock = Box::new(lock);
    let after = lock.allocator().dupe(b"after").unwrap();
    let arena = lock.into_inner();
    // SAFETY: the arena's blocks are live.
    assert_eq!(unsafe { (before.as_ref(), after.as_ref()) }, (&b"before"[..], &b"after"[..]));
    let lock = OwnedThreadSafeAllocator::new(arena);
    // SAFETY: a live block of the arena, not used afterwards.
    unsafe { lock.allocator().free(after) };
    assert_eq!(lock.allocator().dupe(b"AFTER").unwrap(), after, "the arena's last block");
}

/// A child that counts its drops, and stays in whatever thread uses it.
struct Dropped<'d> {
    arena: ArenaAllocator<SyncAllocator<'static>>,
    drops: &'d AtomicUsize,
    /// Not `Sync`.
    calls: Cell<usize>,
}

// SAFETY: 1., 2. and 4. hold for the arena. 3. It is not `Sync`.
unsafe impl AsAllocator for Dropped<'_> {
    fn allocator(&self) -> Allocator<'_> {
        self.calls.set(self.calls.get() + 1);
        self.arena.allocator()
    }
}

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

/// It is dropped once, in the thread that drops the last owner.
#[test]
fn child_is_dropped_once() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let child = Dropped { arena: ArenaAllocator::init(PAGE_ALLOCATOR), drops: &DROPS, calls: Cell::new(0) };
    let lock = Arc::new(OwnedThreadSafeAllocator::new(child));
    let threads = [1, 2, 3].map(|_| {
        let lock = lock.clone();
        thread::spawn(move || hammer(lock.allocator()))
    });
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(DROPS.load(Ordering::Relaxed), 0);
    let mut lock = Arc::try_unwrap(lock).ok().unwrap();
    let calls = lock.get_mut().calls.get();
    assert_eq!(calls, 3 * 4 * (BLOCKS - 1) * 2, "one handle for each `alloc` and `free`");
    drop(lock.into_inner());
    assert_eq!(DROPS.load(Ordering::Relaxed), 1);
}

/// In a constant expression, so that a static needs no `unsafe`; and as the child of other allocators.
#[test]
fn static_lock_is_a_child() {
    static ARENA: OwnedThreadSafeAllocator<ArenaAllocator<SyncAllocator<'static>>> =
        OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR));
    static SHARED: SharedArenaAllocator<'static> = SharedArenaAllocator::init(ARENA.allocator());
    let sent = thread::spawn(|| Sent(SHARED.allocator().dupe(&[1, 2, 3]).unwrap())).join().unwrap();
    // SAFETY: a live block that `dupe` has initialised.
    assert_eq!(unsafe { sent.received().as_ref() }, [1, 2, 3]);
    assert!(
        format!("{ARENA:?}").starts_with("OwnedThreadSafeAllocator(zigalloc::heap::arena::Arena"),
        "{ARENA:?}"
    );
}

/// A lock that owns what borrows: the lifetime is the child's.
#[test]
fn owned_child_may_borrow() {
    let mut buffer = [MaybeUninit::uninit(); 1 << 16]; // more than all blocks together
    let lock = OwnedThreadSafeAllocator::new(FixedBufferAllocator::init(&mut buffer));
    hammer(lock.allocator());
    let arena = ArenaAllocator::init(lock.allocator());
    let mut outer = OwnedThreadSafeAllocator::new(arena);
    hammer(ThreadSafeAllocator::new(outer.get_mut()).allocator());
}
