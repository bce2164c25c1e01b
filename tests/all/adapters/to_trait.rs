//! Handles as allocators of a trait: its calls one by one, programs of random calls, `Vec` and `Box`.
//!
//! A child module of each module that imports a version of the trait.

use std::alloc::Layout;
use std::cell::Cell;
use std::collections::HashMap as StdHashMap;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use rstest::rstest;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use zigalloc::heap::{
    ArenaAllocator, C_ALLOCATOR, CAllocator, FixedBufferAllocator, PAGE_ALLOCATOR, PageAllocator,
    RUST_ALLOCATOR, RawCAllocator, RustAllocator, SMP_ALLOCATOR, SharedArenaAllocator, SmpAllocator,
};
use zigalloc::{Alignment, Allocator, Stateless, SyncAllocator, ThreadSafeAllocator};
use zigalloc_support::{Call, Random, Recorder};

use super::api::{AllocError, Allocator as Api};
use super::boxed::Box;
use super::vec::Vec as ApiVec;

assert_impl_all!(ApiVec<u8, SyncAllocator<'static>>: Send, Sync);
assert_not_impl_any!(ApiVec<u8, Allocator<'static>>: Send, Sync);

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn fill(memory: NonNull<[u8]>, byte: u8) {
    // SAFETY: the tests pass live blocks.
    unsafe { memory.cast::<u8>().write_bytes(byte, memory.len()) };
}

fn bytes<'m>(memory: NonNull<[u8]>) -> &'m [u8] {
    // SAFETY: the tests pass live blocks whose bytes are written, and drop the result before the next call that
    // changes the block.
    unsafe { memory.as_ref() }
}

/// Returns the name of each call, to compare sequences.
fn names(calls: &[Call]) -> Vec<&'static str> {
    let name = |call: &Call| match call {
        Call::Alloc { .. } => "alloc",
        Call::Resize { .. } => "resize",
        Call::Remap { .. } => "remap",
        Call::Free { .. } => "free",
    };
    calls.iter().map(name).collect()
}

// ---- the calls, one by one ----

/// A layout of size zero never needs a block, whatever the call.
#[rstest]
fn size_zero_never_reaches_the_vtable(#[values(1, 2, 8, 64, 4096, 1 << 20)] align: usize) {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    let allocator = recorder.allocator();
    let empty = layout(0, align);
    for memory in [allocator.allocate(empty).unwrap(), allocator.allocate_zeroed(empty).unwrap()] {
        assert_eq!(memory.len(), 0);
        // The highest address, where there is no memory.
        assert_eq!(memory.addr().get(), usize::MAX - (align - 1));
        let stricter = layout(0, 2 * align);
        // SAFETY: `empty` fits, and the sizes are equal.
        let grown = unsafe { allocator.grow(memory.cast(), empty, stricter) }.unwrap();
        assert_eq!((grown.len(), grown.addr().get() % (2 * align)), (0, 0));
        // SAFETY: the block is live and its layout fits; the new size is not larger.
        let shrunk = unsafe { allocator.shrink(grown.cast(), stricter, empty) }.unwrap();
        assert_eq!((shrunk.len(), shrunk.addr().get() % align), (0, 0));
        // SAFETY: the block is live and `empty` fits it; it is not used afterwards.
        unsafe { allocator.deallocate(shrunk.cast(), empty) };
    }
    assert_eq!(recorder.take(), []);
}

#[rstest]
fn growing_from_size_zero_allocates(#[values(false, true)] zeroed: bool) {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    let allocator = recorder.allocator();
    let memory = allocator.allocate(layout(0, 1)).unwrap();
    // SAFETY: the old layout fits and is not larger.
    let memory = unsafe {
        match zeroed {
            false => allocator.grow(memory.cast(), layout(0, 1), layout(100, 1)),
            true => allocator.grow_zeroed(memory.cast(), layout(0, 1), layout(100, 1)),
        }
    }
    .unwrap();
    assert_eq!(memory.len(), 100);
    if zeroed {
        assert_eq!(bytes(memory), [0; 100]);
    }
    // SAFETY: the layout fits.
    unsafe { allocator.deallocate(memory.cast(), layout(100, 1)) };
    assert_eq!(names(&recorder.take()), ["alloc", "free"]);
}

/// Shrinking to zero frees, even if no memory is left.
#[rstest]
fn shrinking_to_size_zero_frees(#[values(4, 16, 64)] new_align: usize) {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    let allocator = recorder.allocator();
    let memory = allocator.allocate(layout(100, 16)).unwrap();
    recorder.refuse_alloc.set(true);
    // SAFETY: the old layout fits and is larger.
    let empty = unsafe { allocator.shrink(memory.cast(), layout(100, 16), layout(0, new_align)) }.unwrap();
    assert_eq!((empty.len(), empty.addr().get() % new_align), (0, 0));
    assert_eq!(names(&recorder.take()), ["alloc", "free"]);
}

#[test]
fn zeroed_memory_is_zero() {
    let mut buffer = [MaybeUninit::new(0xFF); 1000];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    zeroed_is_zero(fixed_buffer.allocator());
    fixed_buffer.reset();
    zeroed_is_zero(fixed_buffer.thread_safe_allocator());
}

/// Also where the memory was not zero before.
fn zeroed_is_zero(allocator: impl Api) {
    let memory = allocator.allocate_zeroed(layout(500, 8)).unwrap();
    assert_eq!(bytes(memory), [0; 500]);
    fill(memory, 7);
    // SAFETY: the old layout fits and is smaller.
    let memory = unsafe { allocator.grow_zeroed(memory.cast(), layout(500, 8), layout(900, 8)) }.unwrap();
    assert_eq!(bytes(memory)[..500], [7; 500]);
    assert_eq!(bytes(memory)[500..], [0; 400]);
    fill(memory, 0xFF);
}

/// A new size on the wrong side of the old one is the caller's error, which debug assertions detect.
#[rstest]
#[should_panic(expected = "grow: the new size 99 is below the old one, 100")]
#[case::grow(100, 99, "grow")]
#[should_panic(expected = "grow_zeroed: the new size 0 is below the old one, 1")]
#[case::grow_zeroed(1, 0, "grow_zeroed")]
#[should_panic(expected = "shrink: the new size 101 is above the old one, 100")]
#[case::shrink(100, 101, "shrink")]
#[cfg_attr(not(debug_assertions), ignore = "only builds with debug assertions check this")]
fn wrong_size_order_panics(#[case] old_size: usize, #[case] new_size: usize, #[case] what: &str) {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let allocator = arena.allocator();
    let (old, new) = (layout(old_size, 1), layout(new_size, 1));
    let memory = allocator.allocate(old).unwrap().cast();
    // SAFETY: the old layout fits; the test is about the new one, which does not.
    let _ = unsafe {
        match what {
            "grow" => allocator.grow(memory, old, new),
            "grow_zeroed" => allocator.grow_zeroed(memory, old, new),
            _ => allocator.shrink(memory, old, new),
        }
    };
}

/// `remap` is tried before copying.
#[rstest]
#[case::grow(100, 200)]
#[case::shrink(200, 100)]
fn remap_is_tried_first(#[case] old_size: usize, #[case] new_size: usize) {
    let mut buffer = [MaybeUninit::uninit(); 1000];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    let memory = recorder.allocator().allocate(layout(old_size, 4)).unwrap();
    fill(memory, 7);
    let resized =
        resize(recorder.allocator(), memory.cast(), layout(old_size, 4), layout(new_size, 4)).unwrap();
    assert_eq!((resized.addr(), resized.len()), (memory.addr(), new_size));
    let calls = recorder.take();
    assert_eq!(names(&calls), ["alloc", "remap"]);
    let Call::Remap { len, alignment, new_len, .. } = calls[1] else { unreachable!() };
    assert_eq!((len, alignment, new_len), (old_size, Alignment::_4, new_size));
}

#[rstest]
#[case::grow(100, 200)]
#[case::shrink(200, 100)]
fn refused_remap_copies(#[case] old_size: usize, #[case] new_size: usize) {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    recorder.refuse_resize.set(true);
    let allocator = recorder.allocator();
    let memory = allocator.allocate(layout(old_size, 4)).unwrap();
    fill(memory, 7);
    let moved = resize(allocator, memory.cast(), layout(old_size, 4), layout(new_size, 4)).unwrap();
    assert_ne!(moved.addr(), memory.addr());
    assert_eq!(moved.len(), new_size);
    assert_eq!(bytes(moved)[..100], [7; 100]);
    // SAFETY: the layout fits.
    unsafe { allocator.deallocate(moved.cast(), layout(new_size, 4)) };
    assert_eq!(names(&recorder.take()), ["alloc", "remap", "alloc", "free", "free"]);
}

/// An error leaves the old block unchanged: same address, same contents, same layout.
#[rstest]
#[case::grow(100, 8, 200, 8)]
#[case::shrink(200, 8, 100, 8)]
#[case::grow_stricter(100, 8, 200, 64)]
#[case::shrink_laxer(200, 8, 100, 1)]
#[case::same_size_stricter(100, 8, 100, 16)]
fn failure_leaves_the_block_unchanged(
    #[case] old_size: usize,
    #[case] old_align: usize,
    #[case] new_size: usize,
    #[case] new_align: usize,
) {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    let allocator = recorder.allocator();
    let (old, new) = (layout(old_size, old_align), layout(new_size, new_align));
    let memory = allocator.allocate(old).unwrap();
    fill(memory, 7);
    recorder.refuse_resize.set(true);
    recorder.refuse_alloc.set(true);
    assert!(resize(allocator, memory.cast(), old, new).is_err());
    if new_size >= old_size {
        // SAFETY: the block is still live and the old layout fits it.
        assert!(unsafe { allocator.grow_zeroed(memory.cast(), old, new) }.is_err());
    }
    assert_eq!(bytes(memory), vec![7; old_size]);
    let calls = recorder.take();
    assert!(!names(&calls).contains(&"free"));
    // SAFETY: the block is still live and the old layout fits it; it is not used afterwards.
    unsafe { allocator.deallocate(memory.cast(), old) };
    assert_eq!(names(&recorder.take()), ["free"]);
}

/// Clause live-block identifies a block by the alignment of `alloc`, so `remap` cannot change it.
#[rstest]
#[case::grow_stricter(100, 8, 200, 64)]
#[case::grow_laxer(100, 64, 200, 8)]
#[case::shrink_stricter(200, 8, 100, 64)]
#[case::shrink_laxer(200, 64, 100, 8)]
#[case::same_size_stricter(100, 8, 100, 64)]
#[case::same_size_laxer(100, 64, 100, 8)]
fn changed_alignment_moves_the_block(
    #[case] old_size: usize,
    #[case] old_align: usize,
    #[case] new_size: usize,
    #[case] new_align: usize,
) {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    let allocator = recorder.allocator();
    let (old, new) = (layout(old_size, old_align), layout(new_size, new_align));
    let memory = allocator.allocate(old).unwrap();
    fill(memory, 7);
    let moved = resize(allocator, memory.cast(), old, new).unwrap();
    assert_eq!((moved.len(), moved.addr().get() % new_align), (new_size, 0));
    assert_eq!(bytes(moved)[..100], [7; 100]);
    // SAFETY: the layout fits.
    unsafe { allocator.deallocate(moved.cast(), new) };
    let calls = recorder.take();
    assert_eq!(names(&calls), ["alloc", "alloc", "free", "free"]);
    assert_eq!(ledger(&calls), StdHashMap::new());
}

#[test]
fn equal_layout_does_not_call_the_vtable() {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    let allocator = recorder.allocator();
    let memory = allocator.allocate(layout(100, 8)).unwrap();
    recorder.take();
    assert_eq!(resize(allocator, memory.cast(), layout(100, 8), layout(100, 8)), Ok(memory));
    assert_eq!(recorder.take(), []);
    // SAFETY: the layout fits.
    unsafe { allocator.deallocate(memory.cast(), layout(100, 8)) };
}

#[cfg_attr(
    any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))),
    ignore = "calls have no return address in Miri and on some processors"
)]
#[test]
fn return_addresses_are_provided() {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    recorder.refuse_resize.set(true);
    let mut numbers = ApiVec::new_in(recorder.allocator());
    numbers.extend(0..1000u32);
    numbers.truncate(3);
    numbers.shrink_to_fit();
    drop(numbers);
    drop(Box::new_in(7, recorder.allocator()));
    let mut zeroed = recorder.allocator().allocate_zeroed(layout(8, 8)).unwrap();
    // SAFETY: the layout fits.
    unsafe {
        zeroed = recorder.allocator().grow_zeroed(zeroed.cast(), layout(8, 8), layout(16, 8)).unwrap();
        recorder.allocator().deallocate(zeroed.cast(), layout(16, 8));
    }
    let calls = recorder.take();
    assert!(calls.len() > 9);
    assert!(calls.iter().all(|call| call.ret_addr() != 0), "{calls:?}");
    // They are addresses of the containers' functions, not of the trait's: different for other containers, and for
    // other places in one function.
    let mut allocs: Vec<_> =
        calls.iter().filter(|call| matches!(call, Call::Alloc { .. })).map(Call::ret_addr).collect();
    allocs.sort_unstable();
    allocs.dedup();
    assert!(allocs.len() >= 3, "{calls:?}");
}

/// Calls `grow` or `shrink`, depending on the sizes.
fn resize(
    allocator: impl Api,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    match new.size() >= old.size() {
        // SAFETY: the tests pass live blocks with layouts that fit.
        true => unsafe { allocator.grow(ptr, old, new) },
        // SAFETY: the tests pass live blocks with layouts that fit.
        false => unsafe { allocator.shrink(ptr, old, new) },
    }
}

/// Returns the blocks that are live after `calls`. Panics if a call breaks the contract.
pub(super) fn ledger(calls: &[Call]) -> StdHashMap<usize, (usize, Alignment)> {
    let mut live = StdHashMap::new();
    for call in calls {
        match *call {
            Call::Alloc { len, alignment, result, .. } => {
                assert_ne!(len, 0, "clause non-zero: {call:?}");
                if let Some(address) = result {
                    assert_eq!(live.insert(address, (len, alignment)), None, "clause new-block: {call:?}");
                }
            }
            Call::Resize { .. } => panic!("the adapter has no use for resize: {call:?}"),
            Call::Remap { address, len, alignment, new_len, result, .. } => {
                assert_ne!(new_len, 0, "clause non-zero: {call:?}");
                assert_eq!(live.get(&address), Some(&(len, alignment)), "clause live-block: {call:?}");
                if let Some(moved) = result {
                    live.remove(&address);
                    assert_eq!(
                        live.insert(moved, (new_len, alignment)),
                        None,
                        "clause moved-block: {call:?}"
                    );
                }
            }
            Call::Free { address, len, alignment, .. } => {
                assert_eq!(live.remove(&address), Some((len, alignment)), "clause live-block: {call:?}");
            }
        }
    }
    live
}

// ---- random programs ----

/// Sizes around zero and around powers of two are more likely than others.
fn random_size(random: &mut Random) -> usize {
    match random.below(4) {
        0 => random.below(3),
        1 => (1usize << random.below(10)) - random.below(2),
        _ => random.below(600),
    }
}

fn random_align(random: &mut Random) -> usize {
    1 << random.below(8)
}

struct Block {
    memory: NonNull<[u8]>,
    layout: Layout,
    /// Its expected contents.
    byte: u8,
}

impl Block {
    fn check(&self) {
        assert_eq!(self.memory.len(), self.layout.size());
        assert_eq!(self.memory.addr().get() % self.layout.align(), 0);
        assert_eq!(bytes(self.memory), vec![self.byte; self.layout.size()]);
    }
}

/// Makes random calls of the trait, and checks every block before each call that changes it. The `recorder`, below
/// the `allocator`, refuses memory at times.
fn random_program<A: Api + Copy>(allocator: A, recorder: &Recorder<'_>, seed: u64) {
    let mut random = Random::new(seed);
    let mut blocks: Vec<Block> = Vec::new();
    let mut failures = 0;
    for step in 0..if cfg!(miri) { 60 } else { 600 } {
        recorder.refuse_alloc.set(random.below(8) == 0);
        recorder.refuse_resize.set(random.below(3) == 0);
        let byte = (step % 251 + 1) as u8;
        if blocks.is_empty() || random.below(3) == 0 {
            let layout = layout(random_size(&mut random), random_align(&mut random));
            let zeroed = random.below(2) == 0;
            let result = if zeroed { allocator.allocate_zeroed(layout) } else { allocator.allocate(layout) };
            let Ok(memory) = result else {
                failures += 1;
                continue;
            };
            if zeroed {
                assert_eq!(bytes(memory), vec![0; memory.len()]);
            }
            fill(memory, byte);
            blocks.push(Block { memory, layout, byte });
            continue;
        }
        let index = random.below(blocks.len());
        let block = &mut blocks[index];
        block.check();
        if random.below(3) == 0 {
            // SAFETY: the layout fits.
            unsafe { allocator.deallocate(block.memory.cast(), block.layout) };
            blocks.swap_remove(index);
            continue;
        }
        let align = if random.below(2) == 0 { block.layout.align() } else { random_align(&mut random) };
        let (old, new) = (block.layout, layout(random_size(&mut random), align));
        let zeroed = new.size() >= old.size() && random.below(2) == 0;
        let ptr = block.memory.cast();
        let result = match zeroed {
            // SAFETY: the old layout fits and is not larger.
            true => unsafe { allocator.grow_zeroed(ptr, old, new) },
            false => resize(allocator, ptr, old, new),
        };
        let Ok(memory) = result else {
            failures += 1;
            block.check();
            continue;
        };
        let kept = old.size().min(new.size());
        if zeroed {
            assert_eq!(bytes(memory)[kept..], vec![0; memory.len() - kept]);
        }
        let prefix = NonNull::slice_from_raw_parts(memory.cast::<u8>(), kept);
        assert_eq!(bytes(prefix), vec![block.byte; prefix.len()]);
        fill(memory, byte);
        *block = Block { memory, layout: new, byte };
    }
    assert!(failures > 0, "no call was refused");
    for block in blocks {
        block.check();
        // SAFETY: the layout fits.
        unsafe { allocator.deallocate(block.memory.cast(), block.layout) };
    }
    assert_eq!(ledger(&recorder.take()), StdHashMap::new());
}

#[rstest]
fn random_calls_on_pages(#[values(1, 2, 3, 4)] seed: u64) {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    random_program(recorder.allocator(), &recorder, seed);
}

#[rstest]
fn random_calls_in_an_arena(#[values(5, 6, 7, 8)] seed: u64) {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let recorder = Recorder::new(arena.allocator());
    random_program(recorder.allocator(), &recorder, seed);
}

#[rstest]
fn random_calls_in_a_fixed_buffer(#[values(9, 10, 11, 12)] seed: u64) {
    let mut buffer = [MaybeUninit::uninit(); 8000];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    random_program(recorder.allocator(), &recorder, seed);
}

#[rstest]
fn random_calls_of_a_sync_allocator(#[values(13, 14, 15, 16)] seed: u64) {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    // SAFETY: only this thread uses either.
    let thread_safe = unsafe { ThreadSafeAllocator::from_child(recorder.allocator()) };
    random_program(thread_safe.allocator(), &recorder, seed);
}

// ---- containers ----

/// Counts its live instances.
pub(super) struct Counted<'c> {
    live: &'c Cell<i32>,
    pub(super) value: u32,
}

impl<'c> Counted<'c> {
    pub(super) fn new(live: &'c Cell<i32>, value: u32) -> Counted<'c> {
        live.set(live.get() + 1);
        Counted { live, value }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.live.set(self.live.get() - 1);
    }
}

pub(super) const MANY: u32 = if cfg!(miri) { 40 } else { 10_000 };

/// Fills containers, shrinks and drops them; every element is dropped once.
fn use_containers<A: Api + Copy>(allocator: A) {
    let live = Cell::new(0);

    let mut vec = ApiVec::new_in(allocator);
    for value in 0..MANY {
        vec.push(Counted::new(&live, value));
    }
    assert_eq!(live.get(), MANY as i32);
    assert!(vec.iter().enumerate().all(|(index, counted)| counted.value == index as u32));
    vec.truncate(10);
    vec.shrink_to_fit();
    assert_eq!((live.get(), vec.len()), (10, 10));
    assert!(vec.iter().enumerate().all(|(index, counted)| counted.value == index as u32));

    let boxed = vec.into_boxed_slice();
    assert_eq!(boxed[9].value, 9);
    drop(boxed);
    assert_eq!(live.get(), 0);

    let mut boxes = ApiVec::new_in(allocator);
    for value in 0..MANY {
        boxes.push(Box::new_in(Counted::new(&live, 3 * value), allocator));
    }
    assert_eq!(live.get(), MANY as i32);
    boxes.retain(|counted| counted.value % 2 == 1);
    boxes.shrink_to_fit();
    assert_eq!(live.get(), MANY as i32 / 2);
    assert!(boxes.iter().zip(0..).all(|(counted, index)| counted.value == 3 * (2 * index + 1)));
    // Another copy of the handle is the same allocator.
    let mut sorted = ApiVec::new_in(allocator);
    sorted.extend(boxes.iter().map(|counted| u32::MAX - counted.value));
    sorted.sort_unstable();
    assert!(sorted.is_sorted() && sorted.len() == boxes.len());
    drop(boxes);
    assert_eq!(live.get(), 0);

    let unit = Box::new_in((), allocator);
    assert_eq!(*unit, ());
    let mut units = ApiVec::new_in(allocator);
    units.extend([(); 1000]);
    assert_eq!(units.len(), 1000);
}

#[test]
fn containers_on_pages() {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    use_containers(recorder.allocator());
    assert_eq!(ledger(&recorder.take()), StdHashMap::new());
}

#[test]
fn containers_in_an_arena() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let recorder = Recorder::new(arena.allocator());
    use_containers(recorder.allocator());
    assert_eq!(ledger(&recorder.take()), StdHashMap::new());
}

#[test]
fn containers_in_a_fixed_buffer() {
    let mut buffer = std::boxed::Box::new_uninit_slice(if cfg!(miri) { 64 << 10 } else { 8 << 20 });
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    use_containers(recorder.allocator());
    assert_eq!(ledger(&recorder.take()), StdHashMap::new());
}

#[test]
fn containers_in_one_arena_from_many_threads() {
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let thread_safe_arena = ThreadSafeAllocator::new(&mut arena);
    let allocator = thread_safe_arena.allocator();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4u32)
            .map(|thread| {
                scope.spawn(move || {
                    use_containers(allocator);
                    let mut texts = ApiVec::new_in(allocator);
                    for key in 0..MANY / 4 {
                        let mut text = ApiVec::new_in(allocator);
                        text.extend_from_slice(format!("{thread}/{key}").as_bytes());
                        texts.push(text);
                    }
                    texts
                })
            })
            .collect();
        // Containers made by one thread are read and dropped by another.
        for (thread, worker) in workers.into_iter().enumerate() {
            let texts = worker.join().unwrap();
            let mut texts = texts.iter().enumerate();
            assert!(texts.all(|(key, text)| text[..] == *format!("{thread}/{key}").as_bytes()));
        }
    });
}

/// Containers without memory return an error, and grow once there is memory.
#[test]
fn out_of_memory_is_an_error_and_loses_nothing() {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let allocator = fixed_buffer.allocator();
    let mut vec: ApiVec<u64, _> = ApiVec::new_in(allocator);
    assert!(vec.try_reserve_exact(4096 / 8 + 1).is_err());
    assert_eq!(vec.capacity(), 0);
    assert!(Box::try_new_in([0u8; 4097], allocator).is_err());

    assert!(vec.try_reserve_exact(300).is_ok());
    vec.extend(0..300);
    assert_eq!(vec.iter().sum::<u64>(), 299 * 300 / 2);
}

#[test]
fn refused_growth_keeps_the_vec() {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    let mut vec = ApiVec::with_capacity_in(100, recorder.allocator());
    vec.extend(0..10u32);
    recorder.refuse_alloc.set(true);
    recorder.refuse_resize.set(true);
    assert!(vec.try_reserve(1000).is_err());
    assert!(vec.iter().copied().eq(0..10));
    recorder.refuse_alloc.set(false);
    assert!(vec.try_reserve(1000).is_ok());
    assert!(vec.iter().copied().eq(0..10));
    drop(vec);
    assert_eq!(ledger(&recorder.take()), StdHashMap::new());
}

#[test]
fn failing_allocator_fails_containers() {
    let mut vec: ApiVec<u8, _> = ApiVec::new_in(Allocator::FAILING);
    assert!(vec.try_reserve(1).is_err());
    let mut vec: ApiVec<u8, _> = ApiVec::new_in(SyncAllocator::FAILING);
    assert!(vec.try_reserve(1).is_err());
    assert!(Box::try_new_in(1, Allocator::FAILING).is_err());
    assert!(Box::try_new_in((), Allocator::FAILING).is_ok());
}

// ---- types without state ----

/// A container stores none of the allocator, as with `Global`.
fn stores_nothing<A: Api + Stateless>() {
    const WORD: usize = size_of::<usize>();
    assert_eq!(size_of::<A>(), 0);
    assert_eq!(size_of::<ApiVec<u64, A>>(), 3 * WORD);
    assert_eq!(size_of::<Box<u64, A>>(), WORD);
    assert_eq!(size_of::<Option<Box<u64, A>>>(), WORD);
    assert_impl_all!(ApiVec<u8, SmpAllocator>: Send, Sync);
}

#[test]
fn containers_store_no_stateless_allocator() {
    stores_nothing::<SmpAllocator>();
    stores_nothing::<PageAllocator>();
    stores_nothing::<CAllocator>();
    stores_nothing::<RawCAllocator>();
    stores_nothing::<RustAllocator>();
    assert_eq!(size_of::<ApiVec<u64, SyncAllocator<'static>>>(), 5 * size_of::<usize>());
}

/// A block of the type is a block of its handle, in both directions and for each function.
fn is_its_handle<A: Api + Stateless>() {
    let (value, handle) = (A::default(), A::ALLOCATOR);
    let (small, large) = (layout(24, 8), layout(100, 8));
    let memory = value.allocate_zeroed(small).unwrap();
    assert_eq!(bytes(memory), [0; 24]);
    // SAFETY: live blocks of one allocator, with layouts that fit, in the order that each function requires.
    unsafe {
        let memory = handle.grow(memory.cast(), small, large).unwrap();
        assert_eq!(bytes(memory)[..24], [0; 24]);
        let memory = value.shrink(memory.cast(), large, small).unwrap();
        let memory = value.grow_zeroed(memory.cast(), small, large).unwrap();
        assert_eq!(bytes(memory), [0; 100]);
        let memory = value.grow(memory.cast(), large, layout(200, 8)).unwrap();
        handle.deallocate(memory.cast(), layout(200, 8));
        value.deallocate(handle.allocate(small).unwrap().cast(), small);
        value.deallocate(value.allocate(large).unwrap().cast(), large);
    }
    // An optimiser may remove an allocation that nothing uses, and assume that it succeeds. A 32-bit system may have that
    // much.
    #[cfg(target_pointer_width = "64")]
    assert!(std::hint::black_box(value.allocate(layout(isize::MAX as usize, 1))).is_err());
}

#[test]
fn stateless_types_are_their_handles() {
    is_its_handle::<SmpAllocator>();
    is_its_handle::<PageAllocator>();
    is_its_handle::<RustAllocator>();
    if !cfg!(miri) {
        // Miri's C library cannot tell how long a block is.
        is_its_handle::<CAllocator>();
    }
    is_its_handle::<RawCAllocator>();
}

#[test]
fn containers_in_stateless_types() {
    use_containers(PageAllocator);
    use_containers(RustAllocator);
    use_containers(RawCAllocator);
    if !cfg!(miri) {
        // For the reason that `vector_from_a_box_can_grow` states.
        use_containers(SmpAllocator);
        use_containers(CAllocator);
    }
}

/// A `Box`'s pointer may access its own bytes only, and a vector made from it grows: the block's new pointer must be
/// valid for the whole new length. (Otherwise Miri reports an error.)
#[test]
fn vector_from_a_box_can_grow() {
    let mut buffer = [const { MaybeUninit::uninit() }; 4096];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let grow = |allocator: Allocator<'_>| {
        let mut boxed = ApiVec::new_in(allocator);
        boxed.extend([1u32, 2, 3]);
        let mut numbers = boxed.into_boxed_slice().into_vec();
        numbers.extend(4..100);
        assert!(numbers.iter().copied().eq(1..100));
    };
    grow(fixed_buffer.allocator());
    fixed_buffer.reset();
    grow(*fixed_buffer.thread_safe_allocator());
    grow(arena.allocator());
    grow(*PAGE_ALLOCATOR);
    grow(*SharedArenaAllocator::init(PAGE_ALLOCATOR).allocator());
    grow(*RUST_ALLOCATOR);
    if !cfg!(miri) {
        // A C block that has been shortened is longer than its pointer in a `Box` says, and Miri applies its rule for
        // Rust's blocks to `free`.
        grow(*C_ALLOCATOR);
        // Its strict mode does not know the pointers by which this allocator takes its blocks back either.
        grow(*SMP_ALLOCATOR);
    }
}
