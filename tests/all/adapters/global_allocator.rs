//! `GlobalAlloc`, in both directions. `tests/global` has whole programs that use it.
#![cfg(feature = "std")]
#![allow(clippy::deref_addrof, reason = "that it proposes would be a reference to a mutable static")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

#[cfg(not(any(target_family = "wasm", miri)))]
use mimalloc::MiMalloc;
use rstest::rstest;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use zigalloc::adapters::{FromGlobalAlloc, GlobalAllocator};
use zigalloc::heap::{
    C_ALLOCATOR, CAllocator, FixedBufferAllocator, PAGE_ALLOCATOR, PageAllocator, RawCAllocator,
    RustAllocator, SMP_ALLOCATOR, SmpAllocator,
};
use zigalloc::testing::{
    StrictConfig, test_allocator, test_allocator_aligned, test_allocator_aligned_shrink,
    test_allocator_large_alignment, test_allocator_strict_with,
};
use zigalloc::{Alignment, Allocator, AsAllocator, SyncAllocator, ThreadSafeAllocator};
use zigalloc_support::{Call, Recorder, Sent, alignment_from_c, keeps_contents};

/// The function, its layout as (size, alignment) in bytes, and `realloc`'s new size.
type Record = (&'static str, (usize, usize), usize);

/// Records the calls. For one thread.
#[derive(Default)]
struct Watched {
    calls: RefCell<Vec<Record>>,
    fails: Cell<bool>,
}

impl Watched {
    fn record(&self, call: &'static str, layout: Layout, new_size: usize) {
        self.calls.borrow_mut().push((call, (layout.size(), layout.align()), new_size));
    }
}

// SAFETY: forwards to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.record("alloc", layout, 0);
        // SAFETY: as required of our caller.
        if self.fails.get() { ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        self.record("dealloc", layout, 0);
        // SAFETY: as required of our caller.
        unsafe { System.dealloc(ptr, layout) };
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        self.record("realloc", layout, new_size);
        // SAFETY: as required of our caller.
        if self.fails.get() { ptr::null_mut() } else { unsafe { System.realloc(ptr, layout, new_size) } }
    }
}

fn slice(memory: NonNull<u8>, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(memory, len)
}

fn kit(allocator: Allocator<'_>) {
    test_allocator(allocator);
    test_allocator_aligned(allocator);
    test_allocator_large_alignment(allocator);
    test_allocator_aligned_shrink(allocator);
    let config = StrictConfig { huge_lengths: !cfg!(miri), ..StrictConfig::default() };
    test_allocator_strict_with(allocator, &config);
}

// ---- handles to a `GlobalAlloc` ----

#[test]
fn calls_are_translated() {
    let watched = Watched::default();
    let allocator = FromGlobalAlloc::from_ref(&watched).allocator();
    // SAFETY: live blocks with matching length and alignment.
    unsafe {
        let memory = allocator.raw_alloc(100, Alignment::_64, 1).unwrap();
        assert!(Alignment::_64.check_ptr(memory.as_ptr()));
        assert!(allocator.raw_resize(slice(memory, 100), Alignment::_64, 100, 2));
        assert!(!allocator.raw_resize(slice(memory, 100), Alignment::_64, 99, 2));
        assert!(!allocator.raw_resize(slice(memory, 100), Alignment::_64, 101, 2));
        let memory = allocator.raw_remap(slice(memory, 100), Alignment::_64, 300, 3).unwrap();
        let memory = allocator.raw_remap(slice(memory, 300), Alignment::_64, 5, 4).unwrap();
        allocator.raw_free(slice(memory, 5), Alignment::_64, 5);
    }
    let expected = [
        ("alloc", (100, 64), 0),
        ("realloc", (100, 64), 300),
        ("realloc", (300, 64), 5),
        ("dealloc", (5, 64), 0),
    ];
    assert_eq!(watched.calls.take(), expected);
}

#[rstest]
#[case::longest(usize::MAX, Alignment::_1)]
#[case::too_long_when_rounded_up(isize::MAX as usize, Alignment::_16)]
#[case::strictest(isize::MAX as usize, Alignment::MAX)]
#[case::not_an_alignment(1, alignment_from_c(usize::BITS as u8))]
fn invalid_layout_never_reaches_the_trait(#[case] len: usize, #[case] alignment: Alignment) {
    let watched = Watched::default();
    let allocator = FromGlobalAlloc::from_ref(&watched).allocator();
    // SAFETY: the length is not zero; then a live block with matching length and alignment.
    unsafe {
        assert_eq!(allocator.raw_alloc(len, alignment, 0), None);
        let memory = slice(allocator.raw_alloc(4, Alignment::_16, 0).unwrap(), 4);
        if len > 1 {
            assert_eq!(allocator.raw_remap(memory, Alignment::_16, len, 0), None);
        }
        allocator.raw_free(memory, Alignment::_16, 0);
    }
    assert_eq!(watched.calls.take(), [("alloc", (4, 16), 0), ("dealloc", (4, 16), 0)]);
}

#[test]
fn failure_leaves_the_block_unchanged() {
    let watched = Watched::default();
    let allocator = FromGlobalAlloc::from_ref(&watched).allocator();
    let memory = allocator.dupe(&[7u8; 100]).unwrap();
    watched.fails.set(true);
    assert!(allocator.alloc::<u8>(1).is_err());
    // SAFETY: a live block.
    unsafe {
        assert!(allocator.realloc(memory, 200).is_err());
        assert_eq!(memory.as_ref(), [7; 100]);
        allocator.free(memory);
    }
}

#[test]
fn system_conforms() {
    kit(FromGlobalAlloc::from_ref(&System).allocator());
    assert_eq!(keeps_contents(FromGlobalAlloc::from_ref(&System).allocator(), Alignment::_16), 13 * 6);
}

/// Miri runs no C code.
#[cfg(not(any(target_family = "wasm", miri)))]
#[test]
fn mimalloc_conforms() {
    const MIMALLOC: SyncAllocator<'static> = FromGlobalAlloc::from_ref(&MiMalloc).thread_safe_allocator();
    kit(*MIMALLOC);
    kit(zigalloc::heap::ArenaAllocator::init(MIMALLOC).allocator());
}

/// An allocator with its memory inside itself must not move while blocks are live; a handle ensures that.
#[test]
fn allocator_with_inline_memory_stays_in_place() {
    #[repr(align(64))]
    struct Within {
        memory: UnsafeCell<[MaybeUninit<u8>; 4096]>,
        remaining: Cell<usize>,
    }
    // SAFETY: blocks are disjoint parts of the memory, which is aligned to 64 bytes.
    unsafe impl GlobalAlloc for Within {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let Some(start) = self.remaining.get().checked_sub(layout.size()) else {
                return ptr::null_mut();
            };
            if layout.align() > 64 {
                return ptr::null_mut();
            }
            self.remaining.set(start & !(layout.align() - 1));
            // SAFETY: an index into the memory.
            unsafe { self.memory.get().cast::<u8>().add(self.remaining.get()) }
        }

        unsafe fn dealloc(&self, _ptr: *mut u8, _layout: Layout) {}
    }
    let mut within =
        Within { memory: UnsafeCell::new([MaybeUninit::uninit(); 4096]), remaining: Cell::new(4096) };
    let copy = FromGlobalAlloc::from_ref(&within).allocator().dupe(&[1u64, 2, 3]).unwrap();
    // SAFETY: it has not moved.
    assert_eq!(unsafe { copy.as_ref() }, [1, 2, 3]);
    within.remaining.set(4096);
    let config = StrictConfig {
        max_alignment: Alignment::_64,
        must_serve: 500,
        huge_lengths: true,
        ..StrictConfig::default()
    };
    test_allocator_strict_with(FromGlobalAlloc::from_ref(&within).allocator(), &config);
    within.remaining.set(4096);
    test_allocator_strict_with(
        *ThreadSafeAllocator::new(FromGlobalAlloc::from_mut(&mut within)).allocator(),
        &config,
    );
}

assert_impl_all!(FromGlobalAlloc<System>: Send, Sync);
assert_impl_all!(FromGlobalAlloc<Watched>: Send);
assert_not_impl_any!(FromGlobalAlloc<Watched>: Sync);

#[test]
fn lock_lets_threads_share_a_single_threaded_allocator() {
    let mut watched = Watched::default();
    {
        let lock = ThreadSafeAllocator::new(FromGlobalAlloc::from_mut(&mut watched));
        let allocator = lock.allocator();
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (1..5).map(|n| scope.spawn(move || Sent(allocator.dupe(&[7u8; 10][..n]).unwrap()))).collect();
            for thread in threads {
                let sent = thread.join().unwrap();
                // SAFETY: a live block.
                scope.spawn(move || unsafe { allocator.free(sent.received()) });
            }
        });
    }
    assert_eq!(watched.calls.take().len(), 8);
    let seen = FromGlobalAlloc::from_ref(&watched);
    assert!(format!("{seen:?}").ends_with("::Watched)"), "{seen:?}");
    assert!(AsAllocator::allocator(seen).alloc::<u8>(0).is_ok());
}

// ---- a handle as a `GlobalAlloc` ----

/// A global allocator that is not installed.
///
/// # Safety
/// `recorder` outlives it and stays in the thread.
unsafe fn global(recorder: &Recorder<'_>) -> GlobalAllocator {
    let (ptr, vtable) = (recorder.allocator().ptr(), recorder.allocator().vtable());
    // SAFETY: as required of our caller.
    unsafe { GlobalAllocator::new(SyncAllocator::from_raw_parts(ptr, vtable)) }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// The alignment that LLVM's unwinder, on systems that have it, assumes of the standard library's blocks.
const LEAST: Alignment =
    if cfg!(any(all(target_os = "linux", target_env = "gnu"), windows, target_family = "wasm")) {
        Alignment::_1
    } else {
        Alignment::from_byte_units(2 * size_of::<usize>())
    };

/// Otherwise, a panic in a program on such an allocator would be a segmentation fault.
#[test]
fn blocks_are_aligned_for_unwinders() {
    let mut buffer = [MaybeUninit::uninit(); 1000];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    // SAFETY: only used here; live blocks and their layouts.
    unsafe {
        let global = global(&recorder);
        for len in [1, 24, 40] {
            let memory = global.alloc(layout(len, 1));
            let zeroed = global.alloc_zeroed(layout(len, 1));
            assert!(LEAST.check_ptr(memory) && LEAST.check_ptr(zeroed), "{memory:?} {zeroed:?}");
            let grown = global.realloc(memory, layout(len, 1), 2 * len);
            assert!(LEAST.check_ptr(grown), "{grown:?}");
            global.dealloc(zeroed, layout(len, 1));
            global.dealloc(grown, layout(2 * len, 1));
        }
        // A length without a layout is out of memory, and the block stays.
        let memory = global.alloc(layout(1, 1));
        if LEAST != Alignment::_1 {
            assert!(global.alloc(layout(isize::MAX as usize, 1)).is_null());
            assert!(global.alloc_zeroed(layout(isize::MAX as usize, 1)).is_null());
        }
        assert!(global.realloc(memory, layout(1, 1), isize::MAX as usize).is_null());
        global.dealloc(memory, layout(1, 1));
    }
    for call in recorder.take() {
        let (Call::Alloc { alignment, .. }
        | Call::Resize { alignment, .. }
        | Call::Remap { alignment, .. }
        | Call::Free { alignment, .. }) = call;
        assert_eq!(alignment, LEAST, "{call:?}");
    }
}

#[test]
fn calls_reach_the_handle() {
    let mut buffer = [MaybeUninit::uninit(); 1000];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    // SAFETY: only used here; live blocks and their layouts.
    unsafe {
        let global = global(&recorder);
        let memory = global.alloc(layout(100, 8));
        memory.write_bytes(7, 100);
        // The last block of a fixed buffer grows and shrinks in place.
        assert_eq!(global.realloc(memory, layout(100, 8), 200), memory);
        assert_eq!(global.realloc(memory, layout(200, 8), 50), memory);
        recorder.refuse_resize.set(true);
        let moved = global.realloc(memory, layout(50, 8), 300);
        assert_ne!(moved, memory);
        assert_eq!(std::slice::from_raw_parts(moved, 50), [7; 50]);
        global.dealloc(moved, layout(300, 8));
    }
    let calls = recorder.take();
    // The caller would always be the same.
    assert!(calls.iter().all(|call| call.ret_addr() == 0), "{calls:?}");
    let short: Vec<_> = calls
        .iter()
        .map(|call| match *call {
            Call::Alloc { len, alignment, .. } => ("alloc", len, alignment),
            Call::Resize { new_len, alignment, .. } => ("resize", new_len, alignment),
            Call::Remap { new_len, alignment, .. } => ("remap", new_len, alignment),
            Call::Free { len, alignment, .. } => ("free", len, alignment),
        })
        .collect();
    let a = Alignment::_8.max(LEAST);
    let expected = [
        ("alloc", 100, a),
        ("remap", 200, a),
        ("remap", 50, a),
        ("remap", 300, a),
        ("alloc", 300, a),
        ("free", 50, a),
        ("free", 300, a),
    ];
    assert_eq!(short, expected);
}

/// Whatever the memory held before.
#[test]
fn zeroed_memory_is_zero() {
    let mut buffer = [MaybeUninit::new(0xFF); 1000];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    // SAFETY: only used here; a new block.
    unsafe {
        let memory = global(&recorder).alloc_zeroed(layout(500, 4));
        assert_eq!(std::slice::from_raw_parts(memory, 500), [0; 500]);
    }
}

#[test]
fn out_of_memory_is_null_and_loses_nothing() {
    let mut buffer = [MaybeUninit::uninit(); 100];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    // SAFETY: only used here; live blocks and their layouts.
    unsafe {
        let global = global(&recorder);
        let memory = global.alloc_zeroed(layout(60, 1));
        assert!(global.alloc(layout(60, 1)).is_null());
        assert!(global.alloc_zeroed(layout(60, 1)).is_null());
        assert!(global.realloc(memory, layout(60, 1), 200).is_null());
        assert_eq!(std::slice::from_raw_parts(memory, 60), [0; 60]);
        global.dealloc(memory, layout(60, 1));
    }
}

#[test]
fn round_trip_conforms() {
    kit(FromGlobalAlloc::from_ref(&GlobalAllocator::SMP).allocator());
    if cfg!(miri) {
        println!("skipped the other two: under Miri all three are the system's");
        return;
    }
    kit(FromGlobalAlloc::from_ref(&GlobalAllocator::PAGE).allocator());
    #[cfg(any(unix, windows, target_os = "wasi"))]
    kit(FromGlobalAlloc::from_ref(&GlobalAllocator::C).allocator());
}

// These would fail for most alignments, and call itself.
assert_not_impl_any!(RawCAllocator: GlobalAlloc);
assert_not_impl_any!(RustAllocator: GlobalAlloc);

/// A block of the type is one of the constant: each function is that of the other.
fn is_its_constant(of_type: impl GlobalAlloc, constant: GlobalAllocator) {
    // SAFETY: live blocks and their layouts; the sizes are not zero.
    unsafe {
        let memory = of_type.alloc(layout(100, 16));
        memory.write_bytes(7, 100);
        let memory = constant.realloc(memory, layout(100, 16), 200);
        let memory = of_type.realloc(memory, layout(200, 16), 50);
        assert_eq!(std::slice::from_raw_parts(memory, 50), [7; 50]);
        constant.dealloc(memory, layout(50, 16));
        let memory = of_type.alloc_zeroed(layout(5000, 1));
        assert_eq!(std::slice::from_raw_parts(memory, 5000), [0; 5000]);
        constant.dealloc(memory, layout(5000, 1));
        let memory = constant.alloc(layout(8, 8));
        of_type.dealloc(memory, layout(8, 8));
        assert!(of_type.alloc(layout(isize::MAX as usize, 1)).is_null());
    }
}

#[test]
fn stateless_types_are_the_constants() {
    is_its_constant(SmpAllocator, GlobalAllocator::SMP);
    is_its_constant(PageAllocator, GlobalAllocator::PAGE);
    #[cfg(any(unix, windows, target_os = "wasi"))]
    is_its_constant(CAllocator, GlobalAllocator::C);
    kit(FromGlobalAlloc::from_ref(&SmpAllocator).allocator());
}

/// Not under Miri and the like, where pages are on the heap and a global allocator over them would recurse.
#[test]
fn constants_use_their_allocators() {
    let same = |global: &GlobalAllocator, allocator: SyncAllocator<'_>| {
        ptr::fn_addr_eq(global.allocator().vtable().alloc, allocator.vtable().alloc)
    };
    assert_eq!(same(&GlobalAllocator::SMP, SMP_ALLOCATOR), cfg!(not(miri)));
    assert_eq!(same(&GlobalAllocator::PAGE, PAGE_ALLOCATOR), cfg!(not(miri)));
    assert_eq!(same(&GlobalAllocator::C, C_ALLOCATOR), cfg!(not(miri)));
    assert!(!same(&GlobalAllocator::C, SMP_ALLOCATOR));
    assert!(format!("{:?}", GlobalAllocator::SMP).starts_with("GlobalAllocator {"));
}

/// In a constant, a static can be an allocator's state.
#[test]
fn statics_have_handles() {
    static mut BUFFER: [MaybeUninit<u8>; 1000] = [MaybeUninit::uninit(); 1000];
    // SAFETY: nothing else uses the buffer.
    static mut FIXED_BUFFER: FixedBufferAllocator<'static> =
        FixedBufferAllocator::init(unsafe { &mut *(&raw mut BUFFER) });
    // SAFETY: nothing else uses the fixed buffer. It is lock-free, and its memory is a static's.
    static GLOBAL: GlobalAllocator =
        unsafe { GlobalAllocator::new((*(&raw mut FIXED_BUFFER)).thread_safe_allocator()) };
    let threads: Vec<_> = (0..4)
        // SAFETY: the size is not zero.
        .map(|_| std::thread::spawn(|| unsafe { GLOBAL.alloc(layout(200, 8)) }.addr()))
        .collect();
    let mut addresses: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    addresses.sort_unstable();
    assert!(addresses.windows(2).all(|pair| pair[1] - pair[0] >= 200), "{addresses:?}");
    assert!(addresses[0] >= (&raw const BUFFER).addr());
    assert!(GLOBAL.allocator().alloc::<u8>(300).is_err());
}
