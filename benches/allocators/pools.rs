//! The memory pool beside allocators for anything: the same items, made and given back.
//!
//! The smp allocator is there twice: through a handle that the compiler does not know, as a function that
//! takes an allocator has it, and by name, when it is compiled into the loop as the pool is.
//!
//! # What the rows measure
//!
//! One item, made and given back at once, is the instructions alone. With a thousand, two things more are
//! in the time of both sides. One is the loop, with its array and its index: two rows have the loop alone
//! beside the smp allocator, so that it can be subtracted. The other is that the free items of both are a
//! list whose links are in the items: an item cannot be taken before the link of the last one has been
//! read, which is a load from the first-level cache each, in whichever order they came back. So
//! `create` takes as long in both, and what the pool can save is in `destroy`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::ptr::NonNull;
use std::time::Duration;

use criterion::Criterion;
use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR, SMP_ALLOCATOR};
use zigalloc::{Allocator, SyncAllocator};

use crate::pairs::{Pairs, time};

/// What is made. The smp allocator has a class of just this size.
type Item = [u64; 4];

/// How many items the rows with many have at once.
const LIVE: usize = 1000;

/// Where items come from.
trait Items {
    fn create(&self) -> NonNull<Item>;
    /// # Safety
    /// `item` is live and from here.
    unsafe fn destroy(&self, item: NonNull<Item>);
}

type Pool = MemoryPool<Item, SyncAllocator<'static>>;

impl Items for Pool {
    #[inline(always)]
    fn create(&self) -> NonNull<Item> {
        Pool::create(self).expect("there is memory")
    }

    #[inline(always)]
    unsafe fn destroy(&self, item: NonNull<Item>) {
        // SAFETY: the caller's promise.
        unsafe { Pool::destroy(self, item) };
    }
}

/// A handle that is known at run time.
impl Items for Allocator<'_> {
    #[inline(always)]
    fn create(&self) -> NonNull<Item> {
        Allocator::create(*self).expect("there is memory")
    }

    #[inline(always)]
    unsafe fn destroy(&self, item: NonNull<Item>) {
        // SAFETY: the caller's promise.
        unsafe { Allocator::destroy(*self, item) };
    }
}

/// The smp allocator by name.
struct Smp;

impl Items for Smp {
    #[inline(always)]
    fn create(&self) -> NonNull<Item> {
        SMP_ALLOCATOR.create().expect("there is memory")
    }

    #[inline(always)]
    unsafe fn destroy(&self, item: NonNull<Item>) {
        // SAFETY: the caller's promise.
        unsafe { SMP_ALLOCATOR.destroy(item) };
    }
}

impl Items for System {
    #[inline(always)]
    fn create(&self) -> NonNull<Item> {
        // SAFETY: the size is not zero.
        let item = unsafe { self.alloc(Layout::new::<Item>()) };
        NonNull::new(item.cast()).expect("there is memory")
    }

    #[inline(always)]
    unsafe fn destroy(&self, item: NonNull<Item>) {
        // SAFETY: the caller's promise.
        unsafe { self.dealloc(item.as_ptr().cast(), Layout::new::<Item>()) };
    }
}

/// Nothing: what is left is the loop.
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

/// Steps through a thousand items, in an order that is not that of the addresses. It has no factor in common
/// with 1,000, so each comes once.
const MIXED: usize = 377;
const IN_ORDER: usize = 1;

/// Makes many and gives them all back, each time the one that is `STEP` further.
fn many<const STEP: usize>(items: &impl Items, n: u64) -> Duration {
    let mut live = [NonNull::dangling(); LIVE];
    time(n, || {
        live.fill_with(|| items.create());
        black_box(&mut live);
        for index in 0..LIVE {
            // SAFETY: a live item; each comes once.
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
