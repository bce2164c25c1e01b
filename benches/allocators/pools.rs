//! The memory pool compared with general-purpose allocators: the same items are created and destroyed.
//!
//! The smp allocator appears twice: through a handle that the compiler does not know, as in a function
//! that takes an allocator, and by name, so that it is inlined into the loop like the pool.
//!
//! # What the rows measure
//!
//! The rows with one item, destroyed immediately, measure only the instructions. With a thousand items,
//! the times of both sides include two more costs. One is the loop with its array and index: two rows
//! compare the loop alone with the smp allocator, so that it can be subtracted. The other is the free list,
//! whose links are in the items: taking an item requires reading the link of the previous one, a load from
//! the first-level cache each time, in whatever order the items were freed. So `create` takes equally long
//! in both, and the pool can save time only in `destroy`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::ptr::NonNull;
use std::time::Duration;

use criterion::Criterion;
use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR, SMP_ALLOCATOR};
use zigalloc::{Allocator, SyncAllocator};

use crate::pairs::{Pairs, time};

/// The type of the items. The smp allocator has a size class of exactly this size.
type Item = [u64; 4];

/// The number of live items in the rows with many items.
const LIVE: usize = 1000;

/// A source of items.
trait Items {
    fn create(&self) -> NonNull<Item>;
    /// # Safety
    /// `item` must be a live item of this source.
    unsafe fn destroy(&self, item: NonNull<Item>);
}

type Pool = MemoryPool<Item, SyncAllocator<'static>>;

impl Items for Pool {
    #[inline(always)]
    fn create(&self) -> NonNull<Item> {
        Pool::create(self).expect("enough memory")
    }

    #[inline(always)]
    unsafe fn destroy(&self, item: NonNull<Item>) {
        // SAFETY: a live item of this source, by our caller.
        unsafe { Pool::destroy(self, item) };
    }
}

/// A handle that is known only at run time.
impl Items for Allocator<'_> {
    #[inline(always)]
    fn create(&self) -> NonNull<Item> {
        Allocator::create(*self).expect("enough memory")
    }

    #[inline(always)]
    unsafe fn destroy(&self, item: NonNull<Item>) {
        // SAFETY: a live item of this source, by our caller.
        unsafe { Allocator::destroy(*self, item) };
    }
}

/// The smp allocator by name.
struct Smp;

impl Items for Smp {
    #[inline(always)]
    fn create(&self) -> NonNull<Item> {
        SMP_ALLOCATOR.create().expect("enough memory")
    }

    #[inline(always)]
    unsafe fn destroy(&self, item: NonNull<Item>) {
        // SAFETY: a live item of this source, by our caller.
        unsafe { SMP_ALLOCATOR.destroy(item) };
    }
}

impl Items for System {
    #[inline(always)]
    fn create(&self) -> NonNull<Item> {
        // SAFETY: the size is not zero.
        let item = unsafe { self.alloc(Layout::new::<Item>()) };
        NonNull::new(item.cast()).expect("enough memory")
    }

    #[inline(always)]
    unsafe fn destroy(&self, item: NonNull<Item>) {
        // SAFETY: a live item of this source, by our caller.
        unsafe { self.dealloc(item.as_ptr().cast(), Layout::new::<Item>()) };
    }
}

/// Allocates nothing, to measure the loop alone.
struct Loop;

impl Items for Loop {
    #[inline(always)]
    fn create(&self) -> NonNull<Item> {
        NonNull::dangling()
    }

    #[inline(always)]
    unsafe fn destroy(&self, item: NonNull<Item>) {
        black_box(item);
    }
}

fn one(items: &impl Items, n: u64) -> Duration {
    time(n, || {
        let item = black_box(items.create());
        // SAFETY: a live item.
        unsafe { items.destroy(item) };
    })
}

/// The step through a thousand items, in an order different from that of the addresses. It is coprime to
/// 1,000, so each item is visited once.
const MIXED: usize = 377;
const IN_ORDER: usize = 1;

/// Creates many items and destroys them all, moving on by `STEP` each time.
fn many<const STEP: usize>(items: &impl Items, n: u64) -> Duration {
    let mut live = [NonNull::dangling(); LIVE];
    time(n, || {
        live.fill_with(|| items.create());
        black_box(&mut live);
        for index in 0..LIVE {
            // SAFETY: a live item; each is destroyed once.
            unsafe { items.destroy(live[index * STEP % LIVE]) };
        }
    })
}

fn rows(criterion: &mut Criterion, pairs: &mut Pairs, peer: &impl Items, name: &str) {
    let pool = black_box(Pool::init(PAGE_ALLOCATOR));
    let row = format!("create + destroy 32 B: pool / {name}");
    pairs.row(criterion, &row, |n| one(&pool, n), |n| one(peer, n));
    let row = format!("create + destroy 1,000 x 32 B: pool / {name}");
    pairs.row(criterion, &row, |n| many::<MIXED>(&pool, n), |n| many::<MIXED>(peer, n));
    let row = format!("create + destroy 1,000 x 32 B in order: pool / {name}");
    pairs.row(criterion, &row, |n| many::<IN_ORDER>(&pool, n), |n| many::<IN_ORDER>(peer, n));
}

pub(crate) fn bench(criterion: &mut Criterion, pairs: &mut Pairs) {
    rows(criterion, pairs, &black_box(SMP_ALLOCATOR).as_allocator(), "smp through a handle");
    rows(criterion, pairs, &Smp, "smp by name");
    rows(criterion, pairs, &System, "System");
    let row = "create + destroy 1,000 x 32 B: the loop alone / smp by name";
    pairs.row(criterion, row, |n| many::<MIXED>(&Loop, n), |n| many::<MIXED>(&Smp, n));
    let row = "create + destroy 1,000 x 32 B in order: the loop alone / smp by name";
    pairs.row(criterion, row, |n| many::<IN_ORDER>(&Loop, n), |n| many::<IN_ORDER>(&Smp, n));
}
