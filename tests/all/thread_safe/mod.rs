//! `ThreadSafeAllocator`: it takes the lock, passes the call on unchanged, and does nothing else.
#![cfg(feature = "std")]
#![allow(unreachable_pub)]

#[cfg(feature = "lock_api")]
mod locked;
mod owned;

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use rstest::rstest;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, PAGE_ALLOCATOR};
use zigalloc::{
    Alignment, Allocator, AsAllocator, SlicePtr, SyncAllocator, ThreadSafeAllocator, VTable, state,
};
use zigalloc_support::{
    Bump, Call, Filled, Random, Recorder, alone, assert_aborted, run_alone, run_random_program, seeds,
};

/// TS-01: each of the four calls reaches the child once, with unchanged arguments and result.
#[rstest]
fn calls_are_passed_on_unchanged(#[values(false, true)] grants_growth: bool) {
    let bump = Bump::new(0, 1 << 14);
    bump.grants_growth.set(grants_growth);
    let recorder = Recorder::new(bump.allocator());
    // SAFETY: the recorder is used in this thread only, and through this handle.
    let thread_safe = unsafe { ThreadSafeAllocator::from_child(recorder.allocator()) };
    let allocator = thread_safe.allocator();
    for (log2, ret_addr) in [(0, 0), (3, 1), (6, 0x5157), (12, usize::MAX)] {
        let alignment = Alignment::from_log2(log2).unwrap();
        // SAFETY: a live block with matching length and alignment.
        unsafe {
            let ptr = allocator.raw_alloc(100, alignment, ret_addr).unwrap();
            let address = ptr.addr().get();
            let memory = NonNull::slice_from_raw_parts(ptr, 100);
            assert_eq!(allocator.raw_resize(memory, alignment, 110, ret_addr), grants_growth);
            let memory = memory.with_len(if grants_growth { 110 } else { 100 });
            let remapped = allocator.raw_remap(memory, alignment, 120, ret_addr);
            assert_eq!(remapped, grants_growth.then_some(ptr));
            let len = if grants_growth { 120 } else { 100 };
            allocator.raw_free(memory.with_len(len), alignment, ret_addr);

            let (old, result) = (memory.len(), grants_growth);
            assert_eq!(
                recorder.take(),
                [
                    Call::Alloc { len: 100, alignment, ret_addr, result: Some(address) },
                    Call::Resize { address, len: 100, alignment, new_len: 110, ret_addr, result },
                    Call::Remap {
                        address,
                        len: old,
                        alignment,
                        new_len: 120,
                        ret_addr,
                        result: grants_growth.then_some(address)
                    },
                    Call::Free { address, len, alignment, ret_addr },
                ]
            );
        }
    }
    // SAFETY: the length is not zero.
    let refused = unsafe { allocator.raw_alloc(1 << 20, Alignment::_1, 7) };
    assert_eq!(refused, None);
    assert_eq!(recorder.take().len(), 1);
}

/// TS-01: over an arena and over a fixed buffer, every offset is the child's own.
#[test]
fn offsets_match_the_childs() {
    (1..=seeds(3)).for_each(offsets_of_a_program_are_those_of_the_child);
}

fn offsets_of_a_program_are_those_of_the_child(seed: u64) {
    /// Returns the offsets that a random program gets.
    fn offsets(allocator: Allocator<'_>, base: usize, seed: u64) -> Vec<Option<usize>> {
        let mut random = Random::new(seed);
        let mut last: Option<(NonNull<[u8]>, Alignment)> = None;
        let mut next = || {
            let alignment = Alignment::from_log2(random.within(0..=7) as u8).unwrap();
            let len = random.within(1..=300);
            // SAFETY: the last block is live, with matching length and alignment.
            unsafe {
                if let (Some((memory, alignment)), 0) = (last, random.within(0..=2)) {
                    if !allocator.raw_resize(memory, alignment, len, 0) {
                        allocator.raw_free(memory, alignment, 0);
                        last = None;
                        return None;
                    }
                    last = Some((memory.with_len(len), alignment));
                    return Some(len);
                }
                let ptr = allocator.raw_alloc(len, alignment, 0)?;
                last = Some((NonNull::slice_from_raw_parts(ptr, len), alignment));
                Some(ptr.addr().get() - base)
            }
        };
        (0..if cfg!(miri) { 30 } else { 100 }).map(|_| next()).collect()
    }

    let program = |wrapped: bool| {
        let bump = Bump::new(0, 1 << 17);
        let arena = ArenaAllocator::init(bump.allocator());
        // SAFETY: one thread, and one handle at a time.
        let thread_safe = unsafe { ThreadSafeAllocator::from_child(arena.allocator()) };
        let allocator = if wrapped { thread_safe.allocator().as_allocator() } else { arena.allocator() };
        offsets(allocator, bump.base(), seed)
    };
    assert_eq!(program(true), program(false));

    let program = |wrapped: bool| {
        let mut buffer = vec![MaybeUninit::uninit(); 8192 + 128];
        let base = buffer.as_ptr().addr().next_multiple_of(128);
        let start = base - buffer.as_ptr().addr();
        let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer[start..start + 8192]);
        if wrapped {
            let thread_safe = ThreadSafeAllocator::new(&mut fixed_buffer);
            offsets(thread_safe.allocator().as_allocator(), base, seed)
        } else {
            offsets(fixed_buffer.allocator(), base, seed)
        }
    };
    assert_eq!(program(true), program(false));
}

/// TS-02: the wrapper allocates no memory and has no state but the lock.
#[test]
fn wrapper_is_a_handle_and_a_lock() {
    let bump = Bump::new(0, 1 << 12);
    // SAFETY: one thread, one handle.
    let thread_safe = unsafe { ThreadSafeAllocator::from_child(bump.allocator()) };
    thread_safe.allocator();
    assert_eq!((bump.requests.get(), bump.live()), (0, 0));
    assert!(
        size_of::<ThreadSafeAllocator<'_>>()
            <= size_of::<Allocator<'_>>()
                + size_of::<std::sync::Mutex<()>>().next_multiple_of(size_of::<usize>())
    );
}

/// The wrapper and its handle are thread-safe; the handle can be a child again.
#[test]
fn auto_traits() {
    assert_impl_all!(ThreadSafeAllocator<'static>: Send, Sync, AsAllocator);
    assert_impl_all!(SyncAllocator<'static>: Send, Sync, Copy);
    assert_not_impl_any!(Racy: Sync);

    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let locked = ThreadSafeAllocator::new(&mut arena);
    let mut second = ArenaAllocator::init(locked.allocator());
    let locked = ThreadSafeAllocator::new(&mut second);
    let allocator = locked.allocator();
    thread::scope(|scope| {
        for n in 1..=2 {
            scope.spawn(move || allocator.alloc::<u64>(n).unwrap().len());
        }
    });
}

/// The child can be used after the wrapper, and blocks from before may be freed through it.
#[test]
fn child_can_be_used_before_and_after() {
    let mut buffer = [MaybeUninit::uninit(); 64];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let before = fixed_buffer.allocator().dupe(b"before").unwrap();
    let thread_safe = ThreadSafeAllocator::new(&mut fixed_buffer);
    let during = thread_safe.allocator().dupe(b"during").unwrap();
    // SAFETY: live blocks, freed once.
    unsafe {
        thread_safe.allocator().free(during);
        thread_safe.allocator().free(before);
    }
    assert_eq!(fixed_buffer.end_index(), 0);
}

// ---- the lock ----

/// A child that records how many threads are in it at once.
#[derive(Default)]
pub struct Doorkeeper {
    /// A barrier at which threads wait for each other; without it, each waits briefly.
    meeting: Option<Barrier>,
    inside: AtomicUsize,
    pub most_inside: AtomicUsize,
    pub calls: AtomicUsize,
}

impl Doorkeeper {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    fn stay(&self) {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_inside.fetch_max(inside, Ordering::SeqCst);
        self.calls.fetch_add(1, Ordering::SeqCst);
        match &self.meeting {
            Some(meeting) => _ = meeting.wait(),
            None => thread::sleep(Duration::from_micros(200)),
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    unsafe extern "C" fn alloc(ctx: *mut (), _: usize, _: Alignment, _: usize) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        unsafe { state::<Self>(ctx) }.stay();
        None
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        _: *mut u8,
        _: usize,
        _: Alignment,
        _: usize,
        _: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        unsafe { state::<Self>(ctx) }.stay();
        false
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        _: *mut u8,
        _: usize,
        _: Alignment,
        _: usize,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        unsafe { state::<Self>(ctx) }.stay();
        None
    }

    unsafe extern "C" fn free(ctx: *mut (), _: *mut u8, _: usize, _: Alignment, _: usize) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        unsafe { state::<Self>(ctx) }.stay();
    }
}

// SAFETY: 1. `alloc` always fails, so there is no block. 2. and 3. The state is atomic and its own. 4. All handles have
// the same state and table.
unsafe impl AsAllocator for Doorkeeper {
    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: `alloc` always fails, so there is no block; the state is atomic.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }
}

/// Calls one of the four functions through a handle. The block never existed; the child does not access it.
pub fn call(allocator: Allocator<'_>, function: usize) {
    let memory = NonNull::slice_from_raw_parts(NonNull::<u8>::dangling(), 1);
    // SAFETY: the children used with this ignore their arguments.
    unsafe {
        match function {
            0 => _ = allocator.raw_alloc(1, Alignment::_1, 0),
            1 => _ = allocator.raw_resize(memory, Alignment::_1, 2, 0),
            2 => _ = allocator.raw_remap(memory, Alignment::_1, 2, 0),
            _ => allocator.raw_free(memory, Alignment::_1, 0),
        }
    }
}

/// TS-01: no two threads are in the child at once, whichever functions they call.
#[rstest]
fn one_thread_at_a_time(#[values(false, true)] locked: bool) {
    const CALLS: usize = if cfg!(miri) { 4 } else { 40 };
    let go = |allocator: SyncAllocator<'_>| {
        thread::scope(|scope| {
            for function in 0..4 {
                scope.spawn(move || {
                    (0..CALLS).for_each(|n| call(allocator.as_allocator(), (function + n) % 4))
                });
            }
        });
    };
    let mut child = Doorkeeper::default();
    if locked {
        go(ThreadSafeAllocator::new(&mut child).allocator());
        assert_eq!(child.most_inside.into_inner(), 1);
    } else {
        // Without the lock, all four threads meet inside, so the test can detect a failure.
        child.meeting = Some(Barrier::new(4));
        // SAFETY: the child's state is atomic.
        go(unsafe { SyncAllocator::new_unchecked(child.allocator()) });
        assert_eq!(child.most_inside.into_inner(), 4);
    }
    assert_eq!(child.calls.into_inner(), 4 * CALLS);
}

/// A child that blocks its caller until it is told to return.
struct Gate {
    entered: mpsc::Sender<()>,
    leave: mpsc::Receiver<()>,
    calls: Cell<usize>,
}

impl Gate {
    const VTABLE: VTable = VTable {
        alloc: Self::alloc,
        resize: zigalloc::no_resize,
        remap: zigalloc::no_remap,
        free: zigalloc::no_free,
    };

    unsafe extern "C" fn alloc(ctx: *mut (), _: usize, _: Alignment, _: usize) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        this.calls.set(this.calls.get() + 1);
        this.entered.send(()).unwrap();
        this.leave.recv().unwrap();
        None
    }
}

// SAFETY: 1. `alloc` always fails, so there is no block. 2. The state is its own. 3. It is not `Sync`. 4. All handles
// have the same state and table.
unsafe impl AsAllocator for Gate {
    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: `alloc` always fails, so there is no block.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }
}

/// TS-01: a second caller waits until the first has returned from the child, even if it calls a function in which the
/// child does not wait.
#[rstest]
fn others_wait(#[values(0, 1, 2, 3)] function: usize) {
    let (entered, has_entered) = mpsc::channel();
    let (let_out, leave) = mpsc::channel();
    let mut gate = Gate { entered, leave, calls: Cell::new(0) };
    let thread_safe = ThreadSafeAllocator::new(&mut gate);
    let allocator = thread_safe.allocator();
    let second_is_back = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(move || call(allocator.as_allocator(), 0));
        has_entered.recv().unwrap();
        scope.spawn(|| {
            call(allocator.as_allocator(), function);
            second_is_back.store(true, Ordering::SeqCst);
        });
        thread::sleep(Duration::from_millis(20));
        assert!(!second_is_back.load(Ordering::SeqCst), "the lock did not hold it");
        let_out.send(()).unwrap();
        let_out.send(()).unwrap();
    });
    assert!(second_is_back.into_inner());
    assert_eq!(gate.calls.get(), 1 + usize::from(function == 0));
}

/// TR-45, TS-02: no recovery: a child that panics aborts, in each of the four functions.
#[test]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn child_that_panics_aborts() {
    const VTABLE: VTable = {
        unsafe extern "C" fn alloc(_: *mut (), _: usize, _: Alignment, _: usize) -> Option<NonNull<u8>> {
            panic!("the child panics in function 0")
        }
        unsafe extern "C" fn resize(
            _: *mut (),
            _: *mut u8,
            _: usize,
            _: Alignment,
            _: usize,
            _: usize,
        ) -> bool {
            panic!("the child panics in function 1")
        }
        unsafe extern "C" fn remap(
            _: *mut (),
            _: *mut u8,
            _: usize,
            _: Alignment,
            _: usize,
            _: usize,
        ) -> Option<NonNull<u8>> {
            panic!("the child panics in function 2")
        }
        unsafe extern "C" fn free(_: *mut (), _: *mut u8, _: usize, _: Alignment, _: usize) {
            panic!("the child panics in function 3")
        }
        VTable { alloc, resize, remap, free }
    };
    if let Some(case) = alone() {
        // SAFETY: there is no state, and no function returns.
        let child = unsafe { Allocator::from_raw_parts(ptr::null_mut(), &VTABLE) };
        // SAFETY: there is no state, and no function returns.
        let thread_safe = unsafe { ThreadSafeAllocator::from_child(child) };
        // The panic cannot be caught, so the lock is never seen after it.
        let _ =
            std::panic::catch_unwind(|| call(thread_safe.allocator().as_allocator(), case.parse().unwrap()));
        unreachable!("the panic was caught");
    }
    for function in 0..4 {
        let output = run_alone("thread_safe::child_that_panics_aborts", &function.to_string());
        assert_aborted(&output, &format!("the child panics in function {function}"));
    }
}

/// TR-24, TR-45, TS-02: a thread that panics outside a call leaves the lock free, and so does one that allocates while
/// unwinding.
#[test]
fn lock_is_free_after_a_panic_outside_of_calls() {
    struct FreesWhenDropped<'a>(SyncAllocator<'a>);
    impl Drop for FreesWhenDropped<'_> {
        fn drop(&mut self) {
            let memory = self.0.alloc::<u8>(8).unwrap();
            // SAFETY: a live block.
            unsafe { self.0.free(memory) };
        }
    }
    let mut buffer = [MaybeUninit::uninit(); 64];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let thread_safe = ThreadSafeAllocator::new(&mut fixed_buffer);
    let allocator = thread_safe.allocator();
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let _frees = FreesWhenDropped(allocator);
            allocator.alloc::<u8>(8).unwrap();
            std::panic::resume_unwind(Box::new("a thread that does not come back"));
        });
        assert!(thread.join().is_err());
    });
    assert!(allocator.alloc::<u8>(8).is_ok());
    assert_eq!(fixed_buffer.end_index(), 16);
}

// ---- many threads ----

/// The value of a free slot of [`Racy`].
#[repr(C, align(16))]
struct Slot([MaybeUninit<u8>; 64]);

/// A child that is as far from thread-safe as possible: counters and a free list without any ordering.
///
/// Two threads in it at once are a data race, which Miri reports; otherwise, two threads may get the same slot.
pub struct Racy {
    slots: Box<[UnsafeCell<MaybeUninit<Slot>>]>,
    fresh: Cell<usize>,
    free: Cell<Option<NonNull<Slot>>>,
    pub live: Cell<usize>,
}

impl Racy {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    pub fn new(slots: usize) -> Racy {
        let slots = (0..slots).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect();
        Racy { slots, fresh: Cell::new(0), free: Cell::new(None), live: Cell::new(0) }
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if len > size_of::<Slot>() || alignment > Alignment::of::<Slot>() {
            return None;
        }
        let slot = match this.free.get() {
            Some(slot) => {
                // SAFETY: a free slot starts with the link to the next.
                this.free.set(unsafe { slot.cast().read() });
                slot
            }
            None => {
                let slot = this.slots.get(this.fresh.get())?;
                this.fresh.set(this.fresh.get() + 1);
                NonNull::new(slot.get()).unwrap().cast()
            }
        };
        this.live.set(this.live.get() + 1);
        Some(slot.cast())
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        _: *mut u8,
        _: usize,
        _: Alignment,
        new_len: usize,
        _: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        unsafe { state::<Self>(ctx) }.live.get() > 0 && new_len <= size_of::<Slot>()
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: passed on as it came.
        let resized = unsafe { Self::resize(ctx, memory, len, alignment, new_len, ret_addr) };
        if resized { NonNull::new(memory) } else { None }
    }

    unsafe extern "C" fn free(ctx: *mut (), memory: *mut u8, _: usize, _: Alignment, _: usize) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let slot = NonNull::new(memory).unwrap().cast::<Slot>();
        // SAFETY: the block is a slot, and no longer in use.
        unsafe { slot.cast().write(this.free.replace(Some(slot))) };
        this.live.set(this.live.get() - 1);
    }
}

// SAFETY: the list points to slots of its own.
unsafe impl Send for Racy {}

// SAFETY: 1. Blocks are slots, each of which has one owner. 2. It owns its state. 3. It is not `Sync`. 4. All handles
// have the same state and table.
unsafe impl AsAllocator for Racy {
    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: blocks are slots, each of which has one owner.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }
}

/// Runs a random program on each of many threads.
pub fn hammer(allocator: SyncAllocator<'_>, threads: usize, steps: usize) {
    thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let mut random = Random::new(thread as u64 + 1);
                run_random_program(allocator.as_allocator(), &mut random, steps);
            });
        }
    });
}

pub const STEPS: usize = if cfg!(miri) { 8 } else { 2000 };

/// TS-01: an unsynchronised child called by many threads: no race, and no slot has two owners.
/// `tests/miri_race` shows that Miri reports a race where the lock is missing.
#[rstest]
fn racy_child_is_serialised_many_seeds(#[values(2, 8)] threads: usize) {
    let mut child = Racy::new(threads * STEPS);
    hammer(ThreadSafeAllocator::new(&mut child).allocator(), threads, STEPS);
    assert!(child.live.get() > 0);
}

/// TS-01: the same over an arena and over the plain flavour of a fixed buffer.
#[rstest]
fn arena_and_fixed_buffer_are_serialised_many_seeds(#[values(2, 8)] threads: usize) {
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    hammer(ThreadSafeAllocator::new(&mut arena).allocator(), threads, STEPS);
    assert!(arena.query_capacity() > 0);

    let mut buffer = vec![MaybeUninit::uninit(); threads * STEPS * 16];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    hammer(ThreadSafeAllocator::new(&mut fixed_buffer).allocator(), threads, STEPS);
    assert!(fixed_buffer.end_index() > 0);
}

/// TS-01: a block that one thread has allocated is read, grown and freed by another, through a copy of the handle.
#[test]
fn blocks_change_threads_many_seeds() {
    let mut child = Racy::new(STEPS);
    let thread_safe = ThreadSafeAllocator::new(&mut child);
    let allocator = thread_safe.allocator();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for step in 0..STEPS {
                let memory = allocator.alloc::<u8>(8).unwrap();
                // SAFETY: a new block, which the other thread frees at the end.
                sender.send(unsafe { Filled::new(memory, Alignment::_1, step as u8) }).unwrap();
            }
        });
        let copy = allocator;
        scope.spawn(move || {
            for mut block in receiver {
                block.check();
                // SAFETY: a live block with matching length.
                unsafe {
                    assert!(copy.resize(block.memory(), 64));
                    block.resized(block.memory().cast(), 64);
                    copy.free(block.memory());
                }
            }
        });
    });
    assert_eq!(child.live.get(), 0);
}
