//! `MemoryPool` and its two siblings: every address and every call of the child as in Zig 0.15.2.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::rc::Rc;

use rstest::rstest;
use zigalloc::heap::{
    ArenaAllocator, FixedBufferAllocator, MemoryPool, MemoryPoolAligned, MemoryPoolExtra,
    MemoryPoolUnmanaged, PoolBox, ResetMode,
};
use zigalloc::testing::{CheckError, FAILING_ALLOCATOR, check_all_allocation_failures};
use zigalloc::{Alignment, Allocator, Error};
use zigalloc_support::{Bump, Hash, Lcg, Random, Recorder, text};

/// A pool that cannot grow.
type Fixed<T, C> = MemoryPoolExtra<T, 0, false, C>;

const WORD: usize = size_of::<usize>();

// ---- recorded from the pool of Zig 0.15.2 ----

/// MP-05, MP-06: three u32 are preheated and more are created until a second block is needed: a block of 72 bytes,
/// the preheated items in reverse, then new ones.
#[cfg_attr(not(target_pointer_width = "64"), ignore = "the expected values were recorded on a 64-bit system")]
#[test]
fn preheated_blocks_match_zig() {
    let bump = Bump::new(0, 4096);
    let recorder = Recorder::new(bump.allocator());
    let pool = MemoryPool::<u32, _>::init_preheated(recorder.allocator(), 3).unwrap();
    assert_eq!(text(&recorder.take(), bump.base()), "alloc 72 @0");
    let offset = || pool.create().unwrap().addr().get() - bump.base();
    let offsets: Vec<_> = (0..7).map(|_| offset()).collect();
    assert_eq!(offsets, [32, 24, 16, 40, 48, 56, 64]);
    assert_eq!(text(&recorder.take(), 0), "", "the first block has room for seven");
    assert_eq!(offset(), 72 + 16);
    assert_eq!(text(&recorder.take(), bump.base()), "resize 72→80 (r), alloc 156 @72");
}

/// 3000 calls 3000 random calls; after each, hashes the address and how much of the child's memory is in use.
fn program<T, const ALIGN: usize>() -> (u64, usize) {
    #[repr(align(65536))]
    struct Memory([MaybeUninit<u8>; 16384]);

    let mut memory = Box::new(Memory([MaybeUninit::uninit(); 16384]));
    let base = memory.0.as_ptr().addr();
    let child = FixedBufferAllocator::init(&mut memory.0);
    let mut pool = MemoryPoolAligned::<T, ALIGN, _>::init(child.allocator());
    let (mut lcg, mut hash) = (Lcg::new(), Hash::new());
    let mut live: Vec<NonNull<T>> = Vec::new();
    for _ in 0..3000 {
        match lcg.below(100) {
            0..=54 => {
                let item = pool.create().unwrap();
                assert!(
                    MemoryPoolAligned::<T, ALIGN, Allocator<'_>>::ITEM_ALIGNMENT.check_ptr(item.as_ptr())
                );
                live.push(item);
                hash.add(item.addr().get() - base);
            }
            55..=94 => {
                if live.is_empty() {
                    continue;
                }
                let index = lcg.below(live.len());
                // SAFETY: a live item.
                unsafe { pool.destroy(live.swap_remove(index)) };
            }
            95..=97 => pool.preheat(lcg.below(5)).unwrap(),
            _ => {
                let mode = match lcg.below(3) {
                    0 => ResetMode::FreeAll,
                    1 => ResetMode::RetainCapacity,
                    _ => ResetMode::RetainWithLimit(lcg.below(500)),
                };
                hash.add(usize::from(pool.reset(mode)));
                live.clear();
            }
        }
        hash.add(child.end_index());
    }
    (hash.finish(), child.end_index())
}

/// MP-02, MP-03, MP-05, MP-06, MP-07, MP-08, MP-10: in Zig, the same program gave the same addresses, results of
/// `reset` and use of the child, for items of several sizes and alignments.
#[rstest]
#[case::u8(program::<u8, 0>, 0xeebd_ff91_56d1_45af, 184)]
#[case::u32(program::<u32, 0>, 0xeebd_ff91_56d1_45af, 184)]
#[case::bytes_24(program::<[u8; 24], 0>, 0x61f3_afb8_9f7e_c9d2, 520)]
#[case::u32_3(program::<[u32; 3], 0>, 0x8b7d_b23b_fbba_790e, 348)]
#[case::u64_at_64(program::<u64, 64>, 0xa253_2f0d_9914_0274, 1352)]
#[case::bytes_100_at_256(program::<[u8; 100], 256>, 0x0907_35bd_7016_6e49, 5476)]
#[case::u128_at_1(program::<u128, 1>, 0x4978_6595_724f_fef7, 352)]
#[case::u64_at_1(program::<u64, 1>, 0xeebd_ff91_56d1_45af, 184)]
#[case::nothing(program::<[u8; 0], 0>, 0xeebd_ff91_56d1_45af, 184)]
#[cfg_attr(
    all(miri, target_pointer_width = "64"),
    ignore = "to save time: other tests make the same calls in shorter programs"
)]
#[cfg_attr(not(target_pointer_width = "64"), ignore = "the expected values were recorded on a 64-bit system")]
fn random_programs_match_zig(
    #[case] program: fn() -> (u64, usize),
    #[case] hash: u64,
    #[case] end_index: usize,
) {
    assert_eq!(program(), (hash, end_index));
}

// ---- Zig's own tests ----

/// MP-04, MP-06, MP-07: the counterpart of Zig's test "basic".
#[test]
fn basic() {
    let bump = Bump::new(0, 4096);
    let pool = MemoryPool::<u32, _>::init(bump.allocator());
    let p1 = pool.create().unwrap();
    let p2 = pool.create().unwrap();
    let p3 = pool.create().unwrap();
    assert!(p1 != p2 && p1 != p3 && p2 != p3);
    // SAFETY: a live item.
    unsafe { pool.destroy(p2) };
    let p4 = pool.create().unwrap();
    assert_eq!(p2, p4);
}

/// MP-04: the counterpart of Zig's test "preheating (success)".
#[test]
fn preheating_success() {
    let bump = Bump::new(0, 4096);
    let pool = MemoryPool::<u32, _>::init_preheated(bump.allocator(), 4).unwrap();
    let requests = bump.requests.get();
    for _ in 0..3 {
        pool.create().unwrap();
    }
    assert_eq!(bump.requests.get(), requests);
}

/// MP-04: the counterpart of Zig's test "preheating (failure)".
#[test]
fn preheating_failure() {
    let pool = MemoryPool::<u32, _>::init_preheated(FAILING_ALLOCATOR, 5);
    assert_eq!(pool.unwrap_err(), Error::OutOfMemory);
}

/// MP-04: the counterpart of Zig's test "initCapacity (success)".
#[test]
fn init_capacity_success() {
    let bump = Bump::new(0, 4096);
    let pool = MemoryPool::<u32, _>::init_capacity(bump.allocator(), 4).unwrap();
    let requests = bump.requests.get();
    for _ in 0..3 {
        pool.create().unwrap();
    }
    pool.add_capacity(3).unwrap();
    assert_eq!(bump.requests.get(), requests);
}

/// MP-04: the counterpart of Zig's test "initCapacity (failure)".
#[test]
fn init_capacity_failure() {
    let pool = MemoryPool::<u32, _>::init_capacity(FAILING_ALLOCATOR, 5);
    assert_eq!(pool.unwrap_err(), Error::OutOfMemory);
}

/// MP-06: the counterpart of Zig's test "growable".
#[test]
fn growable() {
    let bump = Bump::new(0, 4096);
    let pool = Fixed::<u32, _>::init_preheated(bump.allocator(), 4).unwrap();
    for _ in 0..4 {
        pool.create().unwrap();
    }
    assert_eq!(pool.create(), Err(Error::OutOfMemory));
}

/// MP-03: the counterpart of Zig's test "greater than pointer default alignment".
#[test]
fn greater_than_pointer_default_alignment() {
    #[repr(align(16))]
    struct Foo {
        _data: u64,
    }
    let bump = Bump::new(8, 4096);
    let pool = MemoryPool::<Foo, _>::init(bump.allocator());
    for _ in 0..5 {
        assert!(Alignment::_16.check_ptr(pool.create().unwrap().as_ptr()));
    }
}

/// MP-03: the counterpart of Zig's test "greater than pointer manual alignment".
#[test]
fn greater_than_pointer_manual_alignment() {
    struct Foo {
        _data: u64,
    }
    let bump = Bump::new(8, 4096);
    let pool = MemoryPoolAligned::<Foo, 16, _>::init(bump.allocator());
    for _ in 0..5 {
        assert!(Alignment::_16.check_ptr(pool.create().unwrap().as_ptr()));
    }
}

// ---- sizes and alignments ----

/// MP-01: a pool is an arena and one word. MP-02, MP-03: the room that an item takes.
#[test]
fn items_have_zigs_layout() {
    type Child = Allocator<'static>;
    assert_eq!(size_of::<MemoryPool<u64, Child>>(), size_of::<ArenaAllocator<Child>>() + WORD);

    fn item<T, const ALIGN: usize>() -> (usize, usize) {
        type Pool<T, const ALIGN: usize> = MemoryPoolAligned<T, ALIGN, Child>;
        (Pool::<T, ALIGN>::ITEM_SIZE, Pool::<T, ALIGN>::ITEM_ALIGNMENT.to_byte_units())
    }
    assert_eq!(item::<u8, 0>(), (WORD, WORD));
    assert_eq!(item::<(), 0>(), (WORD, WORD));
    assert_eq!(item::<u8, 1>(), (WORD, WORD));
    assert_eq!(item::<[u8; 100], 0>(), (100, WORD));
    assert_eq!(item::<u8, 64>(), (WORD, 64));
    assert_eq!(item::<[u64; 3], 4096>(), (24, 4096));
}

/// MP-10: zero-sized items have distinct addresses, and freed ones are reused.
#[test]
fn zero_sized_items_have_distinct_addresses() {
    let bump = Bump::new(0, 4096);
    let pool = MemoryPool::<(), _>::init(bump.allocator());
    let items: Vec<_> = (0..10).map(|_| pool.create().unwrap()).collect();
    assert_eq!(items.iter().collect::<HashSet<_>>().len(), 10);
    assert!(items.windows(2).all(|pair| pair[1].addr().get() - pair[0].addr().get() >= WORD));
    // SAFETY: a live item.
    unsafe { pool.destroy(items[4]) };
    assert_eq!(pool.create(), Ok(items[4]));

    let fixed = Fixed::<(), _>::init(FAILING_ALLOCATOR);
    assert_eq!(fixed.create(), Err(Error::OutOfMemory), "unlike `Allocator::create`");
}

// ---- the list ----

/// MP-07: the item freed last is reused first; MP-06: new items only if there is none.
#[test]
fn freed_items_are_reused_last_in_first_out() {
    let bump = Bump::new(0, 4096);
    let pool = MemoryPool::<u64, _>::init(bump.allocator());
    let items: Vec<_> = (0..6).map(|_| pool.create().unwrap()).collect();
    for index in [2, 0, 5] {
        // SAFETY: a live item.
        unsafe { pool.destroy(items[index]) };
    }
    assert_eq!([(); 3].map(|()| pool.create().unwrap()), [items[5], items[0], items[2]]);
    assert!(!items.contains(&pool.create().unwrap()));
}

/// MP-05: preheated items come before free ones, in reverse.
#[test]
fn preheated_items_come_first() {
    let bump = Bump::new(0, 4096);
    let pool = MemoryPool::<u64, _>::init(bump.allocator());
    let used = pool.create().unwrap();
    // SAFETY: a live item.
    unsafe { pool.destroy(used) };
    pool.preheat(2).unwrap();
    let items = [(); 3].map(|()| pool.create().unwrap());
    let offsets = items.map(|item| (item.addr().get() - used.addr().get()) / size_of::<u64>());
    assert_eq!(offsets, [2, 1, 0]);
    pool.preheat(0).unwrap();
}

/// MP-07: a double free is unchecked in optimised builds; others detect the case that costs nothing to check.
#[test]
#[cfg(debug_assertions)]
fn double_free_in_a_row_panics() {
    let bump = Bump::new(0, 4096);
    let pool = MemoryPool::<u64, _>::init(bump.allocator());
    let item = pool.create().unwrap();
    // SAFETY: a live item.
    unsafe { pool.destroy(item) };
    // SAFETY: it is not live, which the assertion detects first.
    let panic = catch_unwind(AssertUnwindSafe(|| unsafe { pool.destroy(item) })).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains(&format!("{item:p} is destroyed twice in a row")), "{message}");
}

/// MP-06, MP-07: undefined bytes of an item are 0xAA in the builds that fill. Bytes of its slot beyond its type are
/// not written.
#[test]
#[cfg(not(miri))]
fn undefined_bytes_are_filled() {
    let bump = Bump::new(0, 4096);
    let pool = MemoryPool::<[u8; 12], _>::init(bump.allocator());
    let item = pool.create().unwrap();
    // SAFETY: live items, and one whose memory the pool still has.
    unsafe {
        if cfg!(debug_assertions) {
            assert_eq!(item.read(), [0xAA; 12]);
        }
        item.write([1; 12]);
        pool.destroy(item);
        if cfg!(debug_assertions) {
            assert_eq!(item.read()[WORD..], [0xAA; 12][WORD..], "the link is in front of that");
        }
        assert_eq!(pool.create(), Ok(item));
        if cfg!(debug_assertions) {
            assert_eq!(item.read(), [0xAA; 12], "the link is gone");
        }
    }
}

// ---- reset and drop ----

/// MP-08: every mode frees all items and empties the list; the arena decides what it keeps.
#[rstest]
#[case::all(ResetMode::FreeAll, true)]
#[case::capacity(ResetMode::RetainCapacity, false)]
#[case::limit(ResetMode::RetainWithLimit(40), false)]
fn reset_frees_all_items(#[case] mode: ResetMode, #[case] asks_again: bool) {
    let bump = Bump::new(0, 1 << 16);
    let mut pool = MemoryPool::<u64, _>::init(bump.allocator());
    for round in 0..3 {
        let before = bump.requests.get();
        let items: Vec<_> = (0..100).map(|_| pool.create().unwrap()).collect();
        if round > 0 && mode == ResetMode::RetainCapacity {
            assert_eq!(bump.requests.get(), before, "the same work again");
        }
        // SAFETY: live items.
        items[..50].iter().for_each(|item| unsafe { pool.destroy(*item) });
        assert!(pool.reset(mode));
        assert_eq!(bump.live(), usize::from(!asks_again));
    }
    let first = pool.create().unwrap();
    let second = pool.create().unwrap();
    assert_eq!(second.addr().get() - first.addr().get(), size_of::<u64>(), "nothing is on the list");
}

/// MP-08: the arena returns false, and the pool is still usable.
#[test]
fn refused_reset_leaves_the_pool_usable() {
    let bump = Bump::new(0, 1 << 16);
    let recorder = Recorder::new(bump.allocator());
    let mut pool = MemoryPool::<u64, _>::init(recorder.allocator());
    for _ in 0..100 {
        pool.create().unwrap();
    }
    recorder.refuse_alloc.set(true);
    assert!(!pool.reset(ResetMode::RetainCapacity));
    assert_eq!(bump.live(), 1, "the oldest block is still there");
    pool.create().unwrap();
    recorder.refuse_alloc.set(false);
    pool.preheat(100).unwrap();
}

/// MP-08: a pool that cannot grow is empty after a reset, until it is preheated.
#[test]
fn fixed_pool_is_empty_after_a_reset() {
    let bump = Bump::new(0, 4096);
    let mut pool = Fixed::<u64, _>::init_preheated(bump.allocator(), 2).unwrap();
    pool.create().unwrap();
    assert!(pool.reset(ResetMode::RetainCapacity));
    assert_eq!(pool.create(), Err(Error::OutOfMemory));
    pool.preheat(1).unwrap();
    let item = pool.create().unwrap();
    assert_eq!(pool.create(), Err(Error::OutOfMemory));
    // SAFETY: a live item.
    unsafe { pool.destroy(item) };
    assert_eq!(pool.create(), Ok(item), "a freed item can be reused");
}

/// TR-25, MP-09: `deinit` and dropping return all memory to the child.
#[test]
fn deinit_and_drop_free_everything() {
    let bump = Bump::new(0, 1 << 16);
    for explicit in [true, false] {
        let pool = MemoryPool::<[u64; 8], _>::init(bump.allocator());
        let items: Vec<_> = (0..50).map(|_| pool.create().unwrap()).collect();
        // SAFETY: live items.
        items[..20].iter().for_each(|item| unsafe { pool.destroy(*item) });
        assert!(bump.live() > 1);
        if explicit {
            pool.deinit()
        } else {
            drop(pool)
        }
        assert_eq!(bump.live(), 0);
    }
}

/// TR-28: a pool that cannot grow never calls its child.
#[test]
fn fixed_pool_never_calls_the_child() {
    let bump = Bump::new(0, 4096);
    let recorder = Recorder::new(bump.allocator());
    let pool = Fixed::<u64, _>::init_preheated(recorder.allocator(), 3).unwrap();
    recorder.take();
    for _ in 0..4 {
        let _ = pool.create();
    }
    assert_eq!(recorder.take(), []);
}

// ---- out of memory ----

/// MP-05: if every request from the n-th on is refused, preheating keeps the items it has made, for every n, and can
/// be repeated; nothing leaks.
#[test]
fn failed_preheat_keeps_its_items() {
    const ITEMS: usize = 100;
    let mut failures = 0;
    for refused in 0.. {
        let bump = Bump::new(0, 1 << 14);
        bump.refuses_from.set(refused);
        let pool = Fixed::<[u64; 4], _>::init(bump.allocator());
        let result = pool.preheat(ITEMS);
        if bump.requests.get() <= refused {
            break;
        }
        bump.refuses_from.set(usize::MAX);
        let made = std::iter::from_fn(|| pool.create().ok()).count();
        match result {
            Ok(()) => assert_eq!(made, ITEMS),
            Err(Error::OutOfMemory) => {
                failures += 1;
                assert!(made < ITEMS);
                pool.preheat(ITEMS).unwrap();
            }
        }
        pool.deinit();
        assert_eq!(bump.live(), 0);
    }
    assert!(failures >= 3, "{failures} blocks are asked for");
}

/// MP-06: a failing `create` leaves all items unchanged, for every request of the child.
#[test]
fn failed_create_loses_nothing() {
    for refused in 0.. {
        let bump = Bump::new(0, 1 << 14);
        bump.refused_request.set(Some(refused));
        let pool = MemoryPool::<usize, _>::init(bump.allocator());
        let mut items = Vec::new();
        while items.len() < 100 {
            match pool.create() {
                Ok(item) => {
                    // SAFETY: new memory for one item.
                    unsafe { item.write(items.len()) };
                    items.push(item);
                }
                Err(Error::OutOfMemory) => assert_eq!(bump.requests.get(), refused + 1),
            }
        }
        // SAFETY: live items.
        items.iter().enumerate().for_each(|(n, item)| assert_eq!(unsafe { item.read() }, n));
        if bump.requests.get() <= refused {
            break;
        }
    }
}

/// A program that uses every function of the pools and may run out of memory anywhere.
fn all_functions(allocator: Allocator<'_>) -> Result<(), Error> {
    let mut pool = MemoryPool::<[u64; 10], _>::init_preheated(allocator, 3)?;
    for _ in 0..20 {
        pool.create()?;
    }
    let item = pool.create()?;
    // SAFETY: a live item.
    unsafe { pool.destroy(item) };
    {
        let _first = pool.create_box([1; 10])?;
        pool.preheat(30)?;
        PoolBox::leak(pool.create_box([2; 10])?);
    }
    // A failing reset is not an error.
    _ = pool.reset(ResetMode::FreeAll);
    pool.preheat(5)?;
    let over_aligned = MemoryPoolExtra::<u8, 512, false, _>::init_capacity(allocator, 10)?;
    over_aligned.add_capacity(20)?;
    pool.create()?;
    Ok(())
}

/// MP-09: any failing allocation is returned as an error, and nothing leaks.
#[test]
fn every_failing_allocation_is_returned() {
    let bump = Bump::new(0, 1 << 20);
    let result: Result<(), CheckError<Error>> =
        check_all_allocation_failures(bump.allocator(), all_functions);
    result.unwrap();
    assert_eq!(bump.live(), 0);
}

/// The ledger below a pool finds no breach of the contract.
#[cfg(feature = "alloc")]
#[test]
fn pool_keeps_the_contract_with_its_child() {
    use zigalloc::testing::LedgerAllocator;
    let bump = Bump::new(0, 1 << 20);
    bump.grants_growth.set(true);
    let ledger = LedgerAllocator::init(bump.allocator());
    all_functions(ledger.allocator()).unwrap();
    ledger.assert_no_leaks();
}

// ---- random programs ----

/// Items keep what was written to them until they are freed, and no two overlap.
fn random_program<const ALIGN: usize, const N: usize>(seed: u64, steps: usize) {
    let bump = Bump::new(seed as usize % 8 * 8, 1 << 20);
    bump.grants_growth.set(seed % 2 == 0);
    let pool = MemoryPoolAligned::<[u8; N], ALIGN, _>::init(bump.allocator());
    let mut random = Random::new(seed);
    let mut live: Vec<(NonNull<[u8; N]>, u8)> = Vec::new();
    for step in 0..steps {
        if random.within(0..=99) < 55 {
            let item = pool.create().unwrap();
            // SAFETY: new memory for one item.
            unsafe { item.write([step as u8; N]) };
            live.push((item, step as u8));
        } else if !live.is_empty() {
            let (item, tag) = live.swap_remove(random.below(live.len()));
            // SAFETY: a live item.
            unsafe {
                assert_eq!(item.read(), [tag; N]);
                pool.destroy(item);
            }
        }
    }
    let addresses: BTreeSet<_> = live.iter().map(|(item, _)| item.addr().get()).collect();
    assert_eq!(addresses.len(), live.len());
    // SAFETY: live items.
    live.iter().for_each(|(item, tag)| assert_eq!(unsafe { item.read() }, [*tag; N]));
}

#[rstest]
fn random_programs_do_not_overlap(#[values(1, 2, 3)] seed: u64) {
    let steps = if cfg!(miri) { 60 } else { 3000 };
    random_program::<0, 1>(seed, steps);
    random_program::<0, 9>(seed, steps);
    random_program::<64, 40>(seed, steps);
    random_program::<256, 0>(seed, steps);
}

// ---- boxes ----

/// Records when it is dropped.
struct Noisy<'l> {
    name: u32,
    dropped: &'l RefCell<Vec<u32>>,
}

impl Drop for Noisy<'_> {
    fn drop(&mut self) {
        self.dropped.borrow_mut().push(self.name);
    }
}

/// Dropping a box drops its value once and frees its item; the other ways to end a box do not drop.
#[test]
fn boxes_drop_once_and_free_their_item() {
    let bump = Bump::new(0, 4096);
    let dropped = RefCell::default();
    let pool = MemoryPool::init(bump.allocator());
    let noisy = |name| pool.create_box(Noisy { name, dropped: &dropped }).unwrap();

    let (one, mut two, three) = (noisy(1), noisy(2), noisy(3));
    let addresses = [&one, &two, &three].map(|a| std::ptr::from_ref::<Noisy<'_>>(a));
    two.name = 20;
    drop(two);
    assert_eq!(*dropped.borrow(), [20]);
    let four = noisy(4);
    assert!(std::ptr::eq(&*four, addresses[1]), "in the place of 2");

    let value = PoolBox::into_inner(one);
    assert_eq!((value.name, dropped.borrow().len()), (1, 1));
    let five = noisy(5);
    assert!(std::ptr::eq(&*five, addresses[0]), "in the place of 1");
    drop(value);

    let raw = PoolBox::into_raw(three);
    // SAFETY: a live item with a value, which is dropped here.
    unsafe {
        raw.drop_in_place();
        pool.destroy(raw);
    }
    assert_eq!(*dropped.borrow(), [20, 1, 3]);

    let leaked: &mut Noisy<'_> = PoolBox::leak(four);
    leaked.name = 40;
    drop(five);
    drop(pool);
    assert_eq!(*dropped.borrow(), [20, 1, 3, 5], "leaked values are not dropped");
    assert_eq!(bump.live(), 0, "but their memory is freed");
}

/// If there is no memory, the value is dropped and nothing else changes.
#[test]
fn failed_box_drops_its_value() {
    let bump = Bump::new(0, 4096);
    let value = Rc::new(());
    let pool = Fixed::init_preheated(bump.allocator(), 1).unwrap();
    let only = pool.create_box(Rc::clone(&value)).unwrap();
    assert_eq!(pool.create_box(Rc::clone(&value)).unwrap_err(), Error::OutOfMemory);
    assert_eq!(Rc::strong_count(&value), 2);
    drop(only);
    assert!(pool.create_box(value).is_ok());
}

/// If a value's destructor panics, its item is still freed.
#[test]
fn item_is_freed_if_its_destructor_panics() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("as it should");
        }
    }
    let bump = Bump::new(0, 4096);
    let pool = Fixed::init_preheated(bump.allocator(), 1).unwrap();
    for _ in 0..2 {
        let panics = pool.create_box(Panics).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(panics))).is_err());
    }
}

/// A destructor may use the pool that contains its value.
#[test]
fn destructor_may_use_the_pool() {
    struct Chain<'p> {
        pool: &'p dyn Fn() -> usize,
        seen: &'p Cell<usize>,
        next: Option<PoolBox<'p, Chain<'p>>>,
    }
    impl Drop for Chain<'_> {
        fn drop(&mut self) {
            self.seen.set(self.seen.get() + (self.pool)());
            self.next = None;
        }
    }
    let bump = Bump::new(0, 4096);
    let seen = Cell::new(0);
    let numbers = MemoryPool::init(bump.allocator());
    let use_pool = || *numbers.create_box(1).unwrap();
    let pool = MemoryPool::init(bump.allocator());
    let mut chain = None;
    for _ in 0..10 {
        chain = Some(pool.create_box(Chain { pool: &use_pool, seen: &seen, next: chain }).unwrap());
    }
    drop(chain);
    assert_eq!(seen.get(), 10);
}

/// A forgotten box leaks memory but is safe: the pool can be reset, moved and dropped.
#[test]
fn forgotten_boxes_are_safe() {
    let bump = Bump::new(0, 4096);
    let mut pool = MemoryPool::init(bump.allocator());
    std::mem::forget(pool.create_box(String::new()).unwrap());
    _ = pool.reset(ResetMode::RetainCapacity);
    let moved = Box::new(pool);
    assert_eq!(*moved.create_box(String::from("a")).unwrap(), "a");
    drop(moved);
    assert_eq!(bump.live(), 0);
}

/// A boxed value has the pool's alignment and size.
#[test]
fn boxes_are_aligned() {
    let bump = Bump::new(8, 1 << 16);
    let pool = MemoryPoolAligned::<u8, 1024, _>::init(bump.allocator());
    let boxes: Vec<_> = (0..5u8).map(|n| pool.create_box(n).unwrap()).collect();
    for (n, a) in boxes.iter().enumerate() {
        assert_eq!(**a as usize, n);
        assert_eq!(std::ptr::from_ref::<u8>(a).addr() % 1024, 0);
    }
    assert_eq!(format!("{:?} {}", boxes[3], boxes[4]), "3 4");
}

// ---- moves ----

/// A pool with items may be moved, also to another thread if its child is thread-safe.
#[cfg(feature = "std")]
#[test]
fn pool_moves_to_another_thread() {
    let child = zigalloc::heap::PAGE_ALLOCATOR;
    let pool = MemoryPool::<u64, _>::init(child);
    let item = pool.create_box(7).unwrap();
    let item = PoolBox::into_raw(item);
    let address = item.addr();
    // SAFETY: a live item.
    unsafe { pool.destroy(item) };
    let moved = std::thread::spawn(move || {
        assert_eq!(pool.create().unwrap().addr(), address);
        pool
    });
    moved.join().unwrap().create().unwrap();
}

#[test]
fn debug_text() {
    let pool = MemoryPoolExtra::<u16, 32, false, _>::init(FAILING_ALLOCATOR);
    let text = format!("{pool:?}");
    assert!(text.starts_with("MemoryPool { arena: ArenaAllocator {"), "{text}");
    assert!(text.contains("item_size: 8") || WORD != 8, "{text}");
    assert!(text.contains("growable: false"), "{text}");
}

// ---- the form without a handle ----

/// MP-01, MP-04, MP-05, MP-06, MP-07, MP-08: the form of Zig 0.17.1 makes the same calls of its child, and returns the
/// same items, as the pool that stores its child.
#[test]
fn unmanaged_pool_is_the_same_pool() {
    assert_eq!(size_of::<MemoryPoolUnmanaged<u64>>(), 3 * WORD);
    let (bump, other) = (Bump::new(0, 1 << 16), Bump::new(0, 1 << 16));
    let mut managed = MemoryPool::<u32, _>::init_capacity(bump.allocator(), 3).unwrap();
    let mut unmanaged = MemoryPoolUnmanaged::<u32>::init_capacity(other.allocator(), 3).unwrap();
    let offset = |item: NonNull<u32>, start: NonNull<u32>| item.addr().get().wrapping_sub(start.addr().get());
    // SAFETY: one child for each pool, and items that are used once.
    unsafe {
        let (first, other_first) = (managed.create().unwrap(), unmanaged.create(other.allocator()).unwrap());
        for round in 0..20 {
            let (item, other_item) =
                (managed.create().unwrap(), unmanaged.create(other.allocator()).unwrap());
            assert_eq!(offset(item, first), offset(other_item, other_first), "round {round}");
            if round % 3 == 0 {
                managed.destroy(item);
                unmanaged.destroy(other_item);
            }
        }
        managed.add_capacity(5).unwrap();
        unmanaged.add_capacity(other.allocator(), 5).unwrap();
        let (item, other_item) = (managed.create().unwrap(), unmanaged.create(other.allocator()).unwrap());
        assert_eq!(offset(item, first), offset(other_item, other_first));
        assert!(managed.reset(ResetMode::RetainCapacity));
        assert!(unmanaged.reset(other.allocator(), ResetMode::RetainCapacity));
        let (item, other_item) = (managed.create().unwrap(), unmanaged.create(other.allocator()).unwrap());
        assert_eq!(offset(item, first), offset(other_item, other_first), "after the reset");
        unmanaged.deinit(other.allocator());
    }
}

/// MP-09: whichever way it ends, an unmanaged pool gives all memory back, and none before.
#[cfg(feature = "std")]
#[test]
fn unmanaged_pool_frees_its_memory_when_told() {
    let ledger = zigalloc::testing::LedgerAllocator::init(zigalloc::heap::PAGE_ALLOCATOR);
    // SAFETY: always the same child; no items are used.
    unsafe {
        let mut pool = MemoryPoolUnmanaged::<u64, 64>::EMPTY;
        assert_eq!(pool.create(ledger.allocator()).unwrap().addr().get() % 64, 0);
        assert_eq!(ledger.live(), 1);
        drop(pool.promote(ledger.allocator()));
        assert_eq!(ledger.live(), 0);

        let pool = MemoryPool::<u64, _>::init_preheated(ledger.allocator(), 10).unwrap();
        let pool = pool.into_unmanaged();
        assert!(ledger.live() > 0);
        pool.deinit(ledger.allocator());
    }
    ledger.assert_no_leaks();
}

/// MP-04, MP-06: out of memory leaves it as it was.
#[test]
fn unmanaged_pool_out_of_memory_changes_nothing() {
    assert_eq!(
        MemoryPoolUnmanaged::<u32>::init_capacity(FAILING_ALLOCATOR, 5).unwrap_err(),
        Error::OutOfMemory
    );
    let bump = Bump::new(0, 64);
    let mut pool = MemoryPoolUnmanaged::<u64>::EMPTY;
    // SAFETY: always the same child; items that are used once.
    unsafe {
        let item = pool.create(bump.allocator()).unwrap();
        assert_eq!(pool.add_capacity(bump.allocator(), 1000), Err(Error::OutOfMemory));
        pool.destroy(item);
        assert_eq!(pool.create(bump.allocator()), Ok(item));
        pool.deinit(bump.allocator());
    }
}
