//! `LockedAllocator`: the properties of `ThreadSafeAllocator`, with other locks.
//!
//! Under Miri's strict provenance, which parking_lot's table of waiting threads does not keep, no test waits for that
//! lock.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lock_api::{GuardNoSend, RawMutex};
use rstest::rstest;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::{
    LedgerAllocator, StrictConfig, test_allocator, test_allocator_aligned, test_allocator_aligned_shrink,
    test_allocator_large_alignment, test_allocator_strict_with,
};
use zigalloc::{Alignment, AsAllocator, Handle, LockedAllocator, SlicePtr};
use zigalloc_support::{Bump, Call, Random, Recorder, alone, assert_aborted, run_alone, run_random_program};

use super::{Doorkeeper, Racy, STEPS, call, hammer};

type Spin = spin::Mutex<()>;
/// A ticket lock is passed on in order. Waiting threads yield: if they spun while the next one in line has no
/// processor, each would use up its time slice first, and the tests would take minutes instead of milliseconds.
type Ticket = spin::mutex::TicketMutex<(), spin::relax::Yield>;
type ParkingLot = parking_lot::RawMutex;

/// A lock for one thread: it implements `RawMutex` but is not `Sync`.
#[derive(Debug)]
struct CellLock(Cell<bool>);

// SAFETY: it is held once at a time: a second `lock` does not return, and no other thread can call it.
unsafe impl RawMutex for CellLock {
    #[allow(clippy::declare_interior_mutable_const, reason = "the trait wants it")]
    const INIT: CellLock = CellLock(Cell::new(false));
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        assert!(self.try_lock(), "the only thread waits for itself");
    }

    fn try_lock(&self) -> bool {
        !self.0.replace(true)
    }

    unsafe fn unlock(&self) {
        self.0.set(false);
    }
}

/// A lock for any thread that counts how often it is taken, and records whether it is.
struct Counted(Spin);

static LOCKED: AtomicUsize = AtomicUsize::new(0);
thread_local! { static HOLDS: Cell<bool> = const { Cell::new(false) } }

// SAFETY: forwards to the lock inside it.
unsafe impl RawMutex for Counted {
    #[allow(clippy::declare_interior_mutable_const, reason = "the trait wants it")]
    const INIT: Counted = Counted(<Spin as RawMutex>::INIT);
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        RawMutex::lock(&self.0);
        LOCKED.fetch_add(1, Ordering::Relaxed);
        HOLDS.set(true);
    }

    fn try_lock(&self) -> bool {
        unreachable!("an allocator waits, it does not try")
    }

    unsafe fn unlock(&self) {
        HOLDS.set(false);
        // SAFETY: the caller holds it.
        unsafe { RawMutex::unlock(&self.0) };
    }
}

/// Only a lock that any thread may lock makes a thread-safe allocator. `RawMutex` does not guarantee that, and
/// whether a guard is `Send` is irrelevant.
#[test]
fn auto_traits() {
    assert_impl_all!(LockedAllocator<'static, Spin>: Send, Sync, AsAllocator);
    assert_impl_all!(LockedAllocator<'static, ParkingLot>: Send, Sync, AsAllocator);
    assert_impl_all!(LockedAllocator<'static, Counted>: Send, Sync, AsAllocator);
    assert_impl_all!(LockedAllocator<'static, CellLock>: Send);
    assert_not_impl_any!(LockedAllocator<'static, CellLock>: Sync, AsAllocator);
}

/// A child that must only be called by a holder of the lock.
const WATCHFUL: zigalloc::VTable = {
    fn look() {
        assert!(HOLDS.get(), "the child is called without the lock");
    }
    unsafe extern "C" fn alloc(_: *mut (), _: usize, _: Alignment, _: usize) -> Option<NonNull<u8>> {
        look();
        None
    }
    unsafe extern "C" fn resize(_: *mut (), _: *mut u8, _: usize, _: Alignment, _: usize, _: usize) -> bool {
        look();
        false
    }
    unsafe extern "C" fn remap(
        _: *mut (),
        _: *mut u8,
        _: usize,
        _: Alignment,
        _: usize,
        _: usize,
    ) -> Option<NonNull<u8>> {
        look();
        None
    }
    unsafe extern "C" fn free(_: *mut (), _: *mut u8, _: usize, _: Alignment, _: usize) {
        look();
    }
    zigalloc::VTable { alloc, resize, remap, free }
};

/// TS-01: the lock is held while the child is called, taken once per call, and free afterwards.
#[test]
fn lock_is_held_during_each_call_only() {
    // SAFETY: the functions have no state and return no block; nothing unwinds out of them.
    let child = unsafe { zigalloc::Allocator::from_raw_parts(std::ptr::null_mut(), &WATCHFUL) };
    // SAFETY: there is no state.
    let locked: LockedAllocator<'_, Counted> = unsafe { LockedAllocator::from_child(child) };
    for function in 0..4 {
        let before = LOCKED.load(Ordering::Relaxed);
        call(locked.allocator().as_allocator(), function);
        assert_eq!(LOCKED.load(Ordering::Relaxed) - before, 1);
        assert!(!HOLDS.get());
    }
}

/// TS-01: each of the four calls reaches the child once, with unchanged arguments and result.
#[rstest]
fn calls_are_passed_on_unchanged(#[values(false, true)] grants_growth: bool) {
    let bump = Bump::new(0, 1 << 14);
    bump.grants_growth.set(grants_growth);
    let recorder = Recorder::new(bump.allocator());
    // SAFETY: one thread, one handle.
    let locked = unsafe { LockedAllocator::<Spin>::from_child(recorder.allocator()) };
    let allocator = locked.allocator();
    for (log2, ret_addr) in [(0, 0), (3, 1), (12, usize::MAX)] {
        let alignment = Alignment::from_log2(log2).unwrap();
        // SAFETY: a live block with matching length and alignment.
        unsafe {
            let ptr = allocator.raw_alloc(100, alignment, ret_addr).unwrap();
            let address = ptr.addr().get();
            let memory = NonNull::slice_from_raw_parts(ptr, 100);
            assert_eq!(allocator.raw_resize(memory, alignment, 110, ret_addr), grants_growth);
            let len = if grants_growth { 110 } else { 100 };
            let memory = memory.with_len(len);
            let remapped = allocator.raw_remap(memory, alignment, 120, ret_addr);
            assert_eq!(remapped, grants_growth.then_some(ptr));
            let last = if grants_growth { 120 } else { 100 };
            allocator.raw_free(memory.with_len(last), alignment, ret_addr);
            let moved = grants_growth.then_some(address);
            assert_eq!(
                recorder.take(),
                [
                    Call::Alloc { len: 100, alignment, ret_addr, result: Some(address) },
                    Call::Resize {
                        address,
                        len: 100,
                        alignment,
                        new_len: 110,
                        ret_addr,
                        result: grants_growth
                    },
                    Call::Remap { address, len, alignment, new_len: 120, ret_addr, result: moved },
                    Call::Free { address, len: last, alignment, ret_addr },
                ]
            );
        }
    }
}

/// The conformance kit over every lock and several children.
#[rstest]
#[case::spin(conforms_with::<Spin>)]
#[cfg_attr(miri, ignore = "to save time: Miri runs the same with a spin lock")]
#[case::ticket(conforms_with::<Ticket>)]
#[cfg_attr(miri, ignore = "to save time: Miri runs the same with a spin lock")]
#[case::parking_lot(conforms_with::<ParkingLot>)]
fn conforms(#[case] test: fn()) {
    test();
}

fn conforms_with<R: RawMutex + Sync>() {
    if !cfg!(miri) {
        // Its own records take Miri most of a minute.
        let mut ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
        kit(LockedAllocator::<R>::new(&mut ledger));
        ledger.assert_no_leaks();
    }
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    kit(LockedAllocator::<R>::new(&mut arena));
    let mut buffer = Box::new_uninit_slice(16 << 20);
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    kit(LockedAllocator::<R>::new(&mut fixed_buffer));
}

fn kit<R: RawMutex + Sync>(locked: LockedAllocator<'_, R>) {
    let allocator = locked.allocator();
    test_allocator(*allocator);
    test_allocator_aligned(*allocator);
    test_allocator_large_alignment(*allocator);
    test_allocator_aligned_shrink(*allocator);
    let config = StrictConfig { huge_lengths: !cfg!(miri), ..StrictConfig::default() };
    test_allocator_strict_with(*allocator, &config);
}

// ---- threads ----

/// TS-01: no two threads are in the child at once, whichever functions they call. (The test of this name in
/// `thread_safe/mod.rs` shows that the child would detect it.)
#[rstest]
#[case::spin(one_at_a_time::<Spin>)]
#[case::ticket(one_at_a_time::<Ticket>)]
#[cfg_attr(not(miri), case::parking_lot(one_at_a_time::<ParkingLot>))]
fn one_thread_at_a_time(#[case] test: fn()) {
    test();
}

fn one_at_a_time<R: RawMutex + Sync>() {
    const CALLS: usize = if cfg!(miri) { 4 } else { 40 };
    let mut child = Doorkeeper::default();
    let locked = LockedAllocator::<R>::new(&mut child);
    let allocator = locked.allocator();
    thread::scope(|scope| {
        for function in 0..4 {
            scope.spawn(move || (0..CALLS).for_each(|n| call(allocator.as_allocator(), (function + n) % 4)));
        }
    });
    assert_eq!(child.most_inside.into_inner(), 1);
    assert_eq!(child.calls.into_inner(), 4 * CALLS);
}

/// TS-01: an unsynchronised child called by many threads: no race, and no slot has two owners.
#[rstest]
#[case::spin(racy::<Spin>)]
#[case::ticket(racy::<Ticket>)]
#[cfg_attr(not(miri), case::parking_lot(racy::<ParkingLot>))]
fn racy_child_is_serialised(#[case] test: fn(usize), #[values(2, 8)] threads: usize) {
    test(threads);
}

fn racy<R: RawMutex + Sync>(threads: usize) {
    let mut child = Racy::new(threads * STEPS);
    hammer(LockedAllocator::<R>::new(&mut child).allocator(), threads, STEPS);
    assert!(child.live.get() > 0);
}

/// A static for the whole program, constructed at compile time from a buffer, an arena in it and a lock around that.
#[test]
#[allow(clippy::deref_addrof, reason = "that it proposes would be a reference to a mutable static")]
fn locks_and_allocators_can_be_constants() {
    static mut BUFFER: [MaybeUninit<u8>; 1 << 16] = [MaybeUninit::uninit(); 1 << 16];
    // SAFETY: nothing else uses the buffer.
    static mut FIXED_BUFFER: FixedBufferAllocator<'static> =
        FixedBufferAllocator::init(unsafe { &mut *(&raw mut BUFFER) });
    // SAFETY: nothing else uses the fixed buffer. The arena is under a lock, and so is its child.
    static LOCKED: LockedAllocator<'static, Spin> =
        unsafe { LockedAllocator::from_child((*(&raw const FIXED_BUFFER)).allocator()) };
    let steps = STEPS / 8;
    thread::scope(|scope| {
        for seed in 1..=2 {
            scope.spawn(move || {
                run_random_program(LOCKED.allocator().as_allocator(), &mut Random::new(seed), steps);
            });
        }
    });
    let memory = LOCKED.allocator().create_with(7).unwrap();
    assert!(memory.addr().get().wrapping_sub((&raw const BUFFER).addr()) < 1 << 16);
}

/// The child can be used after the wrapper, and a handle of the wrapper can be a child.
#[test]
fn wrappers_stack() {
    fn child<C: Handle + Send>(_: &ArenaAllocator<C>) {}
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let before = fixed_buffer.allocator().dupe(b"before").unwrap();
    {
        let locked = LockedAllocator::<Spin>::new(&mut fixed_buffer);
        let mut arena = ArenaAllocator::init(locked.allocator());
        child(&arena);
        arena.allocator().alloc::<u64>(3).unwrap();
        let outer = LockedAllocator::<Ticket>::new(&mut arena);
        outer.allocator().alloc::<u64>(3).unwrap();
    }
    // SAFETY: a live block.
    unsafe {
        assert_eq!(before.as_ref(), b"before");
        fixed_buffer.allocator().free(before);
    }
    // Nothing is left but the padding of the arena's nodes.
    assert!(fixed_buffer.end_index() < 6 + align_of::<usize>());
}

/// TS-02: no recovery: a child that panics aborts.
#[test]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn child_that_panics_aborts() {
    unsafe extern "C" fn alloc(_: *mut (), _: usize, _: Alignment, _: usize) -> Option<NonNull<u8>> {
        panic!("the child panics")
    }
    const VTABLE: zigalloc::VTable = zigalloc::VTable {
        alloc,
        resize: zigalloc::no_resize,
        remap: zigalloc::no_remap,
        free: zigalloc::no_free,
    };
    if alone().is_some() {
        // SAFETY: there is no state, and no function returns a block.
        let child = unsafe { zigalloc::Allocator::from_raw_parts(std::ptr::null_mut(), &VTABLE) };
        // SAFETY: there is no state, and no function returns a block.
        let locked = unsafe { LockedAllocator::<ParkingLot>::from_child(child) };
        let _ = std::panic::catch_unwind(|| call(locked.allocator().as_allocator(), 0));
        unreachable!("the panic was caught");
    }
    let output = run_alone("thread_safe::locked::child_that_panics_aborts", "0");
    assert_aborted(&output, "the child panics");
}

/// TS-02: the wrapper allocates no memory and has no state but the lock.
#[test]
fn wrapper_is_a_handle_and_a_lock() {
    let bump = Bump::new(0, 1 << 12);
    // SAFETY: one thread, one handle.
    let locked = unsafe { LockedAllocator::<Spin>::from_child(bump.allocator()) };
    locked.allocator();
    assert_eq!((bump.requests.get(), bump.live()), (0, 0));
    assert_eq!(size_of::<LockedAllocator<'_, Spin>>(), 3 * size_of::<usize>());
}
