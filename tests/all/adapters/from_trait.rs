//! Handles to allocators of a trait. A child module of each module that imports a version of the trait and its
//! `FromAllocator`.

use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use rstest::rstest;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
use zigalloc::testing::{
    StrictConfig, test_allocator, test_allocator_aligned, test_allocator_aligned_shrink,
    test_allocator_large_alignment, test_allocator_strict_with, test_handles_strict,
};
use zigalloc::{Alignment, Allocator, AsAllocator, SyncAllocator, ThreadSafeAllocator};
use zigalloc_support::{Recorder, Sent, alignment_from_c, alone, assert_aborted, keeps_contents, run_alone};

use super::FromAllocator;
use super::api::{AllocError, Allocator as Api, Global};
use super::vec::Vec as ApiVec;

/// A call that reached the trait. Layouts are (size, alignment) in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Allocate((usize, usize)),
    Grow((usize, usize), (usize, usize)),
    Shrink((usize, usize), (usize, usize)),
    Deallocate((usize, usize)),
}

/// An allocator that panics if its caller breaks the trait's rules, and otherwise uses all of its own freedom.
///
/// It is not zero-sized, and every call depends on its contents, so a wrong address is detected.
struct Checking {
    /// Each live block by address, with the least layout that fits it and its real size.
    live: RefCell<BTreeMap<usize, Block>>,
    calls: RefCell<Vec<Call>>,
    /// The number of bytes by which blocks exceed the request.
    excess: usize,
    fails: Cell<bool>,
    panics: Cell<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    memory: NonNull<u8>,
    least: Layout,
    real: usize,
}

// SAFETY: blocks are accessed only by the allocator's owner.
unsafe impl Send for Block {}

impl Checking {
    fn new(excess: usize) -> Checking {
        Checking {
            live: RefCell::default(),
            calls: RefCell::default(),
            excess,
            fails: Cell::new(false),
            panics: Cell::new(false),
        }
    }

    fn record(&self, call: Call) -> Result<(), AllocError> {
        self.calls.borrow_mut().push(call);
        assert!(!self.panics.get(), "this allocator panics");
        if self.fails.get() { Err(AllocError) } else { Ok(()) }
    }

    /// Returns the real size of the block, which `layout` must fit.
    fn fitting(&self, ptr: NonNull<u8>, layout: Layout) -> usize {
        let Block { least, real, .. } = self.live.borrow()[&ptr.addr().get()];
        assert_eq!(layout.align(), least.align(), "allocated with another alignment");
        assert!((least.size()..=real).contains(&layout.size()), "{layout:?} is not from {least:?} to {real}");
        real
    }

    fn new_block(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        assert_ne!(layout.size(), 0, "a length of 0 reached the trait");
        let real =
            Layout::from_size_align(layout.size() + self.excess, layout.align()).or(Err(AllocError))?;
        // SAFETY: the size is not zero.
        let memory = NonNull::new(unsafe { std::alloc::alloc(real) }).ok_or(AllocError)?;
        let block = Block { memory, least: layout, real: real.size() };
        assert_eq!(self.live.borrow_mut().insert(memory.addr().get(), block), None);
        Ok(slice(memory, real.size()))
    }

    /// # Safety
    /// The block is not used afterwards.
    unsafe fn end(&self, ptr: NonNull<u8>, layout: Layout) {
        let real = Layout::from_size_align(self.fitting(ptr, layout), layout.align()).unwrap();
        self.live.borrow_mut().remove(&ptr.addr().get());
        // SAFETY: allocated with this layout.
        unsafe { std::alloc::dealloc(ptr.as_ptr(), real) };
    }

    /// Always returns a different block.
    ///
    /// # Safety
    /// After `Ok`, the old block is not used.
    unsafe fn moved(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.fitting(ptr, old);
        let memory = self.new_block(new)?;
        // SAFETY: both blocks are at least that long.
        unsafe { memory.cast::<u8>().copy_from_nonoverlapping(ptr, old.size().min(new.size())) };
        // SAFETY: the old block is not used afterwards, by our caller.
        unsafe { self.end(ptr, old) };
        Ok(memory)
    }

    fn take(&self) -> Vec<Call> {
        self.calls.take()
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(*self.live.borrow(), BTreeMap::new(), "these blocks leak");
        }
    }
}

fn pair(layout: Layout) -> (usize, usize) {
    (layout.size(), layout.align())
}

// SAFETY: blocks are those of the global allocator, wherever `self` is; it cannot be cloned.
unsafe impl Api for Checking {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.record(Call::Allocate(pair(layout)))?;
        self.new_block(layout)
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        self.calls.borrow_mut().push(Call::Deallocate(pair(layout)));
        // SAFETY: as required of our caller.
        unsafe { self.end(ptr, layout) };
    }

    unsafe fn grow(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.record(Call::Grow(pair(old), pair(new)))?;
        assert!(new.size() >= old.size(), "grow from {old:?} to {new:?}");
        // SAFETY: as required of our caller.
        unsafe { self.moved(ptr, old, new) }
    }

    unsafe fn shrink(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.record(Call::Shrink(pair(old), pair(new)))?;
        assert!(new.size() <= old.size(), "shrink from {old:?} to {new:?}");
        // SAFETY: as required of our caller.
        unsafe { self.moved(ptr, old, new) }
    }
}

fn slice(memory: NonNull<u8>, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(memory, len)
}

// ---- each function ----

#[rstest]
fn calls_are_translated(#[values(0, 1, 100)] excess: usize) {
    let adapter = FromAllocator::new(Checking::new(excess));
    let allocator = adapter.allocator();
    // SAFETY: live blocks with matching length and alignment.
    unsafe {
        let memory = allocator.raw_alloc(100, Alignment::_64, 1).unwrap();
        assert!(Alignment::_64.check_ptr(memory.as_ptr()));
        // The layout of every later call has the requested length.
        let memory = allocator.raw_remap(slice(memory, 100), Alignment::_64, 300, 2).unwrap();
        let memory = allocator.raw_remap(slice(memory, 300), Alignment::_64, 300, 3).unwrap();
        let memory = allocator.raw_remap(slice(memory, 300), Alignment::_64, 5, 4).unwrap();
        allocator.raw_free(slice(memory, 5), Alignment::_64, 5);
    }
    let expected = [
        Call::Allocate((100, 64)),
        Call::Grow((100, 64), (300, 64)),
        Call::Grow((300, 64), (300, 64)),
        Call::Shrink((300, 64), (5, 64)),
        Call::Deallocate((5, 64)),
    ];
    assert_eq!(adapter.into_inner().take(), expected);
}

/// The trait must be passed a shorter length, and growing might move the block, so neither is done in place, even if
/// the block has more bytes than requested.
#[test]
fn resize_is_true_for_the_same_length_only() {
    let adapter = FromAllocator::new(Checking::new(50));
    let allocator = adapter.allocator();
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        let memory = slice(allocator.raw_alloc(100, Alignment::_8, 0).unwrap(), 100);
        assert!(allocator.raw_resize(memory, Alignment::_8, 100, 0));
        for new_len in [1, 99, 101, 150, usize::MAX] {
            assert!(!allocator.raw_resize(memory, Alignment::_8, new_len, 0), "{new_len}");
        }
        allocator.raw_free(memory, Alignment::_8, 0);
    }
    assert_eq!(adapter.into_inner().take(), [Call::Allocate((100, 8)), Call::Deallocate((100, 8))]);
}

#[rstest]
fn failure_leaves_the_block_unchanged(#[values(1, 99, 100, 101, 1000)] new_len: usize) {
    let checking = Checking::new(3);
    let allocator = FromAllocator::from_ref(&checking).allocator();
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        let memory = slice(allocator.raw_alloc(100, Alignment::_2, 0).unwrap(), 100);
        memory.cast::<u8>().write_bytes(7, 100);
        checking.fails.set(true);
        assert_eq!(allocator.raw_alloc(1, Alignment::_1, 0), None);
        assert_eq!(allocator.raw_remap(memory, Alignment::_2, new_len, 0), None);
        assert_eq!(memory.as_ref(), [7; 100]);
        allocator.raw_free(memory, Alignment::_2, 0);
    }
}

#[rstest]
#[case::longest(usize::MAX, Alignment::_1)]
#[case::longer_than_any_object(isize::MAX as usize + 1, Alignment::_1)]
#[case::too_long_when_rounded_up(isize::MAX as usize, Alignment::_16)]
#[case::strictest(isize::MAX as usize, Alignment::MAX)]
#[case::not_an_alignment(1, alignment_from_c(usize::BITS as u8))]
#[case::not_at_all_an_alignment(1, alignment_from_c(255))]
fn invalid_layout_never_reaches_the_trait(#[case] len: usize, #[case] alignment: Alignment) {
    let adapter = FromAllocator::new(Checking::new(0));
    let allocator = adapter.allocator();
    // SAFETY: the length is not zero; then a live block with matching length and alignment.
    unsafe {
        assert_eq!(allocator.raw_alloc(len, alignment, 0), None);
        let memory = slice(allocator.raw_alloc(4, Alignment::_16, 0).unwrap(), 4);
        memory.cast::<u32>().write(0x1234_5678);
        if len > 1 {
            assert_eq!(allocator.raw_remap(memory, Alignment::_16, len, 0), None);
        }
        assert_eq!(memory.cast::<u32>().read(), 0x1234_5678);
        allocator.raw_free(memory, Alignment::_16, 0);
    }
    assert_eq!(adapter.into_inner().take(), [Call::Allocate((4, 16)), Call::Deallocate((4, 16))]);
}

/// Lengths of zero are handled by the typed functions, which call no allocator.
#[test]
fn length_zero_never_reaches_the_trait() {
    let adapter = FromAllocator::new(Checking::new(9));
    let allocator = adapter.allocator();
    // SAFETY: live blocks.
    unsafe {
        allocator.free(allocator.alloc::<u64>(0).unwrap());
        allocator.destroy(allocator.create::<()>().unwrap());
        let numbers = allocator.realloc(allocator.alloc::<u64>(0).unwrap(), 3).unwrap();
        let none = allocator.realloc(numbers, 0).unwrap();
        assert_eq!(none.len(), 0);
    }
    let layout = (24, align_of::<u64>());
    assert_eq!(adapter.into_inner().take(), [Call::Allocate(layout), Call::Deallocate(layout)]);
}

#[rstest]
fn contents_are_kept_with_every_alignment(#[values(0, 3, 12)] log2: u8) {
    let alignment = Alignment::from_log2(log2).unwrap();
    for excess in if cfg!(miri) { &[33][..] } else { &[0, 33] } {
        let checking = Checking::new(*excess);
        assert_eq!(keeps_contents(FromAllocator::new(&checking).allocator(), alignment), 13 * 6);
    }
}

// ---- the conformance kit ----

pub(super) fn kit(allocator: Allocator<'_>) {
    kit_with(allocator, !cfg!(miri));
}

pub(super) fn kit_with(allocator: Allocator<'_>, huge_lengths: bool) {
    // The strict kit makes shorter blocks of all kinds.
    if !cfg!(miri) {
        test_allocator(allocator);
        test_allocator_aligned(allocator);
        test_allocator_large_alignment(allocator);
    }
    test_allocator_aligned_shrink(allocator);
    let config = StrictConfig { huge_lengths, ..StrictConfig::default() };
    test_allocator_strict_with(allocator, &config);
}

/// As the child of an arena, which resizes its nodes.
pub(super) fn in_an_arena(allocator: Allocator<'_>) {
    let mut arena = ArenaAllocator::init(allocator);
    let config =
        StrictConfig { huge_lengths: !cfg!(any(miri, target_arch = "wasm32")), ..StrictConfig::default() };
    test_allocator_strict_with(arena.allocator(), &config);
    assert!(arena.reset(ResetMode::RetainWithLimit(10_000)));
    if !cfg!(miri) {
        test_allocator_strict_with(arena.allocator(), &StrictConfig { seed: 2, ..config });
    }
}

#[rstest]
#[cfg_attr(miri, ignore = "to save time: Miri runs the case `many_more`")]
#[case::exact(0)]
#[cfg_attr(miri, ignore = "to save time: Miri runs the case `many_more`")]
#[case::one_more(1)]
#[case::many_more(500)]
fn checking_conforms(#[case] excess: usize) {
    kit(FromAllocator::new(Checking::new(excess)).allocator());
    in_an_arena(FromAllocator::new(Checking::new(excess)).allocator());
}

#[test]
fn the_crates_own_conforms() {
    kit(FromAllocator::new(Global).allocator());
    kit(*FromAllocator::new(Global).thread_safe_allocator());
}

#[test]
fn handle_over_a_handle_conforms() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    kit(FromAllocator::new(arena.allocator()).allocator());
}

#[test]
fn trait_object_conforms() {
    let checking = Checking::new(8);
    kit(FromAllocator::new(&checking as &dyn Api).allocator());
}

/// All ways to get an adapter give the same allocator.
#[test]
fn handles_are_equivalent() {
    let checking = Checking::new(1);
    let (by_ref, seen) = (FromAllocator::new(&checking), FromAllocator::from_ref(&checking));
    // SAFETY: handles to one allocator.
    unsafe {
        let config = StrictConfig {
            huge_lengths: !cfg!(any(miri, target_arch = "wasm32")),
            ..StrictConfig::default()
        };
        test_handles_strict([by_ref.allocator(), seen.allocator()], &config);
    }
}

/// A round trip: a container's requests arrive as they would without the detour.
#[test]
fn round_trip() {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    let adapter = FromAllocator::new(recorder.allocator());
    let again = FromAllocator::new(adapter.allocator());
    let calls = |allocator: Allocator<'_>| {
        let mut numbers = ApiVec::new_in(allocator);
        numbers.extend(0..100u32);
        numbers.truncate(10);
        numbers.shrink_to_fit();
        assert!(numbers.iter().copied().eq(0..10));
        drop(numbers);
        recorder.take().iter().map(std::mem::discriminant).collect::<Vec<_>>()
    };
    let direct = calls(recorder.allocator());
    assert!(direct.len() > 2);
    assert_eq!(calls(again.allocator()), direct);
}

// ---- where the allocator is ----

/// Uses a handle as a C caller would.
fn use_from_c(allocator: Allocator<'_>) -> NonNull<[u8]> {
    // SAFETY: the length is not zero.
    let memory = unsafe { (allocator.vtable().alloc)(allocator.ptr(), 40, Alignment::_8, 0) };
    let memory = slice(memory.unwrap(), 40);
    // SAFETY: a new block.
    unsafe { memory.cast::<u8>().write_bytes(9, 40) };
    memory
}

/// Overwrites the stack frame of a function that has returned.
#[inline(never)]
fn overwrite_stack() -> usize {
    std::hint::black_box([usize::MAX; 512]).iter().fold(0, |sum, n| sum ^ n)
}

/// An adapter that took an allocator by value and kept a pointer to its own argument would dangle when it returned.
/// This one is a value that contains the allocator, and its handles borrow it.
/// `tests/compile_fail/cases/adapter_by_value.rs` shows what no longer compiles.
#[test]
fn adapter_by_value_holds_its_allocator() {
    #[inline(never)]
    fn adapted<A: Api>(allocator: A) -> FromAllocator<A> {
        let adapter = FromAllocator::new(allocator);
        // It works here, where the allocator was moved to.
        // SAFETY: the block is live.
        unsafe { adapter.allocator().raw_free(use_from_c(adapter.allocator()), Alignment::_8, 0) };
        adapter
    }
    let checking = Checking::new(17);
    let adapter = adapted(checking);
    overwrite_stack();
    let memory = use_from_c(adapter.allocator());

    // Blocks survive a move, as the trait guarantees; handles are made again.
    let boxed = Box::new(adapter);
    overwrite_stack();
    // SAFETY: the same allocator, and a live block of it.
    unsafe {
        assert_eq!(memory.as_ref(), [9; 40]);
        boxed.allocator().raw_free(memory, Alignment::_8, 0);
    }
    let calls = boxed.into_inner().take();
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[2..], [Call::Allocate((40, 8)), Call::Deallocate((40, 8))]);
}

#[test]
fn reference_can_be_cast_to_an_adapter() {
    let mut checking = Checking::new(0);
    let memory = use_from_c(FromAllocator::from_ref(&checking).allocator());
    let adapter = FromAllocator::from_mut(&mut checking);
    let shown = format!("{adapter:?}");
    assert!(shown.starts_with("FromAllocator(") && shown.ends_with("::Checking)"), "{shown}");
    // SAFETY: the same allocator, and a live block of it.
    unsafe { AsAllocator::allocator(adapter).raw_free(memory, Alignment::_8, 0) };
    assert_eq!(checking.take(), [Call::Allocate((40, 8)), Call::Deallocate((40, 8))]);
}

// ---- threads ----

assert_impl_all!(FromAllocator<SyncAllocator<'static>>: Send, Sync);
assert_not_impl_any!(FromAllocator<Allocator<'static>>: Send, Sync);
// Several threads may use it, one at a time: its state is in cells.
assert_impl_all!(FromAllocator<Checking>: Send);
assert_not_impl_any!(FromAllocator<Checking>: Sync);
assert_not_impl_any!(FromAllocator<&'static Checking>: Send, Sync);

/// Threads allocate, exchange blocks, and free each other's.
fn use_from_threads(allocator: SyncAllocator<'_>) {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=4)
            .map(|n| scope.spawn(move || Sent(allocator.alloc_zeroed::<u8>(n * 10).unwrap())))
            .collect();
        for thread in threads {
            let sent = thread.join().unwrap();
            scope.spawn(move || {
                let memory = sent.received();
                // SAFETY: a live block.
                let memory = unsafe { allocator.realloc(memory, memory.len() + 1) }.unwrap();
                // SAFETY: a live block, whose bytes up to the old length are initialised; it is freed with its length.
                unsafe {
                    assert_eq!(memory.cast::<u8>().add(memory.len() - 2).read(), 0);
                    allocator.free(memory);
                }
            });
        }
    });
}

#[test]
fn sync_allocator_from_many_threads() {
    /// Counts calls, so that it is not zero-sized.
    struct Counting(AtomicUsize);
    // SAFETY: forwards to the global allocator.
    unsafe impl Api for Counting {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Global.allocate(layout)
        }

        unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
            self.0.fetch_sub(1, Ordering::Relaxed);
            // SAFETY: as required of our caller.
            unsafe { Global.deallocate(ptr, layout) };
        }
    }
    let adapter = FromAllocator::new(Counting(AtomicUsize::new(0)));
    use_from_threads(adapter.thread_safe_allocator());
    assert_eq!(adapter.into_inner().0.into_inner(), 0);
}

#[test]
fn lock_around_an_allocator_for_one_thread() {
    let mut checking = Checking::new(2);
    use_from_threads(ThreadSafeAllocator::new(FromAllocator::from_mut(&mut checking)).allocator());
    assert_eq!(checking.take().len(), 12);
    let mut adapter = FromAllocator::new(checking);
    use_from_threads(ThreadSafeAllocator::new(&mut adapter).allocator());
}

// ---- panics ----

#[test]
fn trait_panic_aborts() {
    if alone().is_some() {
        let checking = Checking::new(0);
        checking.panics.set(true);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            _ = FromAllocator::from_ref(&checking).allocator().alloc::<u8>(1);
        }));
        unreachable!("a panic came through the table");
    }
    if cfg!(miri) {
        println!("skipped: Miri starts no processes");
        return;
    }
    let module = module_path!().split_once("::").unwrap().1;
    assert_aborted(&run_alone(&format!("{module}::trait_panic_aborts"), "panic"), "this allocator panics");
}
