//! A child that breaks clause no-reentry of the contract, in safe code: the sink of a `LoggingAllocator` calls the
//! arena above it during the arena's own call. Whatever it returns, no two blocks share a byte.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::AtomicPtr;
use std::sync::{LazyLock, Mutex, PoisonError};

use rstest::rstest;
use zigalloc::heap::{
    ArenaAllocator, Check, DebugAllocator, DebugConfig, FixedBufferAllocator, MemoryPool, PAGE_ALLOCATOR,
    PoolBox, RUST_ALLOCATOR, ResetMode, SafeAllocator, SafeOptions, SharedArenaAllocator,
};
use zigalloc::trace::{LoggedCall, LoggingAllocator, Sink};
use zigalloc::{Allocator, Error, SyncAllocator};
use zigalloc_support::{alone, assert_aborted, run_alone};

/// Calls a function once for every logged call, but not for calls that the function itself causes.
struct Calls(Box<dyn FnMut(&LoggedCall)>);

impl Sink for Calls {
    fn write(&mut self, call: &LoggedCall) -> fmt::Result {
        (self.0)(call);
        Ok(())
    }
}

type Arena = ArenaAllocator<Allocator<'static>>;

thread_local! {
    /// The arena above the sink, and the addresses and lengths of the blocks that the sink got from it.
    static ARENA: Cell<Option<&'static Arena>> = const { Cell::new(None) };
    static GOT: RefCell<Vec<Result<(usize, usize), Error>>> = const { RefCell::new(Vec::new()) };
}

/// Leaks a value: in safe code, only this allows such a cycle of references. Miri does not report what a static
/// refers to as a leak.
pub(crate) fn leak<T>(value: T) -> &'static mut T {
    static KEPT: Mutex<Vec<AtomicPtr<()>>> = Mutex::new(Vec::new());
    let value = Box::into_raw(Box::new(value));
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(AtomicPtr::new(value.cast()));
    // SAFETY: a box that nothing else accesses, and that is never freed.
    unsafe { &mut *value }
}

/// A fixed buffer can grow its last block, Rust's allocator never does.
fn child(grows: bool) -> Allocator<'static> {
    if !grows {
        return RUST_ALLOCATOR.into();
    }
    leak(FixedBufferAllocator::init(leak([MaybeUninit::uninit(); 1 << 16]))).allocator()
}

fn overlap(blocks: &[(usize, usize)]) -> bool {
    let mut blocks = blocks.to_vec();
    blocks.sort_unstable();
    blocks.windows(2).any(|pair| pair[0].0 + pair[0].1 > pair[1].0)
}

/// The sink requests as much as the arena's caller did, and less, which the arena has available.
#[rstest]
fn sink_gets_no_memory_from_the_calling_arena(
    #[values(false, true)] grows: bool,
    #[values(1, 8, 100, 400)] len: usize,
) {
    let sink = Calls(Box::new(move |call| {
        if let (Some(arena), LoggedCall::Alloc { .. } | LoggedCall::Resize { .. }) = (ARENA.get(), call) {
            let memory = arena.allocator().alloc::<u8>(len);
            GOT.with_borrow_mut(|got| got.push(memory.map(|memory| (memory.addr().get(), memory.len()))));
            assert_eq!(arena.query_capacity() > 0, !matches!(call, LoggedCall::Alloc { .. }) || !grows);
        }
    }));
    let logging = leak(LoggingAllocator::init(child(grows), sink));
    let arena: &Arena = leak(ArenaAllocator::init(logging.allocator()));
    arena.allocator().alloc::<u8>(1).expect("memory");
    ARENA.set(Some(arena));
    let mut blocks: Vec<(usize, usize)> = Vec::new();
    for len in [400, 401, 1, 3, 2000, 30, 5000] {
        let memory = arena.allocator().alloc::<u8>(len).expect("memory");
        blocks.push((memory.addr().get(), len));
    }
    ARENA.set(None);
    let got = GOT.take();
    assert!(got.len() > 3, "the sink has called the arena {} times", got.len());
    assert!(got.iter().all(|memory| *memory == Err(Error::OutOfMemory)), "{got:?}");
    assert!(!overlap(&blocks), "{blocks:?}");
    arena.allocator().alloc::<u8>(10).expect("the arena is still usable");
}

/// As above, where two blocks at one address would be two boxes in safe code.
#[test]
fn pool_boxes_never_share_an_item() {
    type Pool = MemoryPool<[String; 40], Allocator<'static>>;
    thread_local!(static POOL: Cell<Option<&'static Pool>> = const { Cell::new(None) });

    let sink = Calls(Box::new(|call| {
        if let (Some(pool), LoggedCall::Resize { result: true, .. }) = (POOL.take(), call) {
            assert!(pool.create_box(std::array::from_fn(|_| String::from("of the sink"))).is_err());
            GOT.with_borrow_mut(|got| got.push(Err(Error::OutOfMemory)));
        }
    }));
    let logging = leak(LoggingAllocator::init(child(true), sink));
    let pool: &'static Pool = leak(MemoryPool::init(logging.allocator()));
    let mut boxes: Vec<PoolBox<'static, [String; 40]>> = Vec::new();
    for i in 0..6 {
        POOL.set(Some(pool));
        boxes.push(pool.create_box(std::array::from_fn(|k| format!("box {i}, item {k}"))).expect("memory"));
    }
    assert!(!GOT.take().is_empty(), "the sink has called the pool");
    for (i, items) in boxes.iter().enumerate() {
        assert!(items.iter().enumerate().all(|(k, item)| *item == format!("box {i}, item {k}")));
    }
}

/// While nodes go back to the child, the arena already has the state of the checkpoint.
#[test]
fn sink_may_allocate_during_a_rewind() {
    let sink = Calls(Box::new(|call| {
        if let (Some(arena), LoggedCall::Free { .. }) = (ARENA.get(), call) {
            for len in [1, 100, 1000] {
                let memory = arena.allocator().alloc::<u8>(len).expect("memory");
                GOT.with_borrow_mut(|got| got.push(Ok((memory.addr().get(), len))));
            }
        }
    }));
    let logging = leak(LoggingAllocator::init(child(false), sink));
    let arena: &Arena = leak(ArenaAllocator::init(logging.allocator()));
    let mut blocks = Vec::new();
    let mut keep = |len: usize| blocks.push((arena.allocator().alloc::<u8>(len).unwrap().addr().get(), len));
    keep(100);
    let checkpoint = arena.checkpoint();
    for len in [500, 1000, 4000, 20_000] {
        arena.allocator().alloc::<u8>(len).expect("memory");
    }
    ARENA.set(Some(arena));
    // SAFETY: the blocks since the checkpoint are not used afterwards.
    unsafe { arena.rewind(checkpoint) };
    ARENA.set(None);
    for len in [10, 3000] {
        keep(len);
    }
    let got: Vec<_> = GOT.take().into_iter().map(|block| block.expect("memory")).collect();
    assert!(got.len() >= 6, "{got:?}");
    blocks.extend(got);
    assert!(!overlap(&blocks), "{blocks:?}");
}

/// A checkpoint made during a call would refer to a list that does not exist afterwards. The panic cannot unwind
/// through the arena's function, so it aborts.
#[test]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn checkpoint_inside_a_call_aborts() {
    if alone().is_none() {
        let output = run_alone("contract::reentrance::checkpoint_inside_a_call_aborts", "checkpoint");
        assert_aborted(&output, "ArenaAllocator::checkpoint: called from the arena's own child");
        return;
    }
    let sink = Calls(Box::new(|_| {
        if let Some(arena) = ARENA.get() {
            let _checkpoint = arena.checkpoint();
        }
    }));
    let logging = leak(LoggingAllocator::init(child(false), sink));
    let arena: &Arena = leak(ArenaAllocator::init(logging.allocator()));
    ARENA.set(Some(arena));
    let _ = arena.allocator().alloc::<u8>(1);
}

/// The sink gets memory from another slot of a safe allocator, whatever the call that it interrupts, and may free what
/// it got in an earlier one.
#[test]
fn sink_gets_memory_from_the_calling_safe_allocator() {
    type Safe = SafeAllocator<Allocator<'static>>;
    thread_local!(static SAFE: Cell<Option<&'static Safe>> = const { Cell::new(None) });

    let mut held: Vec<NonNull<[u8]>> = Vec::new();
    let sink = Calls(Box::new(move |_| {
        let Some(safe) = SAFE.take() else { return };
        if let Some(memory) = held.pop() {
            // SAFETY: a live block, which the sink got before.
            unsafe { safe.allocator().free(memory) };
        }
        for len in [100, 6000, 20_000] {
            let memory = safe.allocator().alloc::<u8>(len).expect("memory");
            GOT.with_borrow_mut(|got| got.push(Ok((memory.addr().get(), len))));
            held.push(memory);
        }
        SAFE.set(Some(safe));
    }));
    // Under Miri, the memory for stacks is the child's, which is called under the lock then.
    let stack_trace_frames = if cfg!(miri) { 0 } else { SafeOptions::DEFAULT.stack_trace_frames };
    let options = SafeOptions {
        stack_trace_frames,
        report: |report| panic!("{report}"),
        bucket_size_log2: 13, // also where pages are longer
        ..SafeOptions::DEFAULT
    };
    let logging = leak(LoggingAllocator::init(RUST_ALLOCATOR.into(), sink));
    let safe: &Safe = leak(SafeAllocator::init(logging.allocator(), options));
    let allocator = safe.allocator();
    let mut blocks = vec![allocator.alloc::<u8>(10).expect("memory")];
    SAFE.set(Some(safe));
    for len in [400, 5000, 10_000, 3000, 50_000, 6000] {
        blocks.push(allocator.alloc::<u8>(len).expect("memory"));
    }
    SAFE.set(None);
    let got: Vec<_> = GOT.take().into_iter().flatten().collect();
    assert!(got.len() >= 9, "the sink has called the allocator {} times", got.len());
    for (index, memory) in blocks.iter().enumerate() {
        // SAFETY: a live block.
        unsafe { memory.cast::<u8>().write_bytes(index as u8, memory.len()) };
    }
    for (index, memory) in blocks.into_iter().enumerate() {
        // SAFETY: a live block, all of whose bytes are written.
        assert!(unsafe { memory.as_ref() }.iter().all(|&byte| byte == index as u8));
        // SAFETY: a live block, not used afterwards.
        unsafe { allocator.free(memory) };
    }
}

/// On some systems, `exit` drops thread-locals: allocators, in the middle of a call. What they free is a block of the
/// child, each freed once.
#[rstest]
#[case(1, "alloc")]
#[case(2, "reset")]
#[case(3, "shared alloc")]
#[case(4, "shared reset")]
#[case(5, "debug")]
#[case(6, "debug deinit")]
#[case(7, "safe")]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn exit_inside_a_call_aborts_nothing(#[case] number: usize, #[case] what: &str) {
    type Child = LoggingAllocator<SyncAllocator<'static>, Exits>;
    struct Exits;
    impl Sink for Exits {
        fn write(&mut self, call: &LoggedCall) -> fmt::Result {
            if EXIT.get() && !matches!(call, LoggedCall::Resize { result: false, .. }) {
                println!("exits after: {call}");
                std::process::exit(0);
            }
            Ok(())
        }
    }
    const CONFIG: DebugConfig =
        DebugConfig { safety: true, report: |_| std::process::abort(), ..DebugConfig::DEFAULT };
    static LOWEST: DebugAllocator<SyncAllocator<'static>> =
        DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
    static LOGGING: LazyLock<Child> = LazyLock::new(|| LoggingAllocator::init(LOWEST.allocator(), Exits));
    thread_local! {
        static EXIT: Cell<bool> = const { Cell::new(false) };
        static ARENA: RefCell<ArenaAllocator<SyncAllocator<'static>>> =
            RefCell::new(ArenaAllocator::init(LOGGING.allocator()));
        static SHARED: RefCell<SharedArenaAllocator<'static>> =
            RefCell::new(SharedArenaAllocator::init(LOGGING.allocator()));
        static DEBUG: DebugAllocator<SyncAllocator<'static>> = DebugAllocator::init(LOGGING.allocator());
        static SAFE: SafeAllocator<SyncAllocator<'static>> =
            SafeAllocator::init(LOGGING.allocator(), SafeOptions::DEFAULT);
        static DEINIT: Deinit = Deinit(Some(DebugAllocator::init(LOGGING.allocator())));
    }
    struct Deinit(Option<DebugAllocator<SyncAllocator<'static>>>);
    impl Drop for Deinit {
        fn drop(&mut self) {
            assert_eq!(self.0.take().map(DebugAllocator::deinit), Some(Check::Leak));
        }
    }
    if alone().is_none() {
        let test = format!("contract::reentrance::exit_inside_a_call_aborts_nothing::case_{number}");
        let output = run_alone(&test, what);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("exits after"), "{}: {text}", output.status);
        return;
    }
    let some = |allocator: Allocator<'_>| {
        for len in [100, 5000, 10_000] {
            allocator.alloc::<u8>(len).expect("memory");
        }
    };
    match what {
        "alloc" => ARENA.with_borrow(|arena| {
            some(arena.allocator());
            EXIT.set(true);
            arena.allocator().alloc::<u8>(100_000).expect("memory");
        }),
        "reset" => ARENA.with_borrow_mut(|arena| {
            some(arena.allocator());
            EXIT.set(true);
            _ = arena.reset(ResetMode::RetainWithLimit(20));
        }),
        "shared alloc" => SHARED.with_borrow(|arena| {
            some(*arena.allocator());
            EXIT.set(true);
            arena.allocator().alloc::<u8>(100_000).expect("memory");
        }),
        "shared reset" => SHARED.with_borrow_mut(|arena| {
            some(*arena.allocator());
            EXIT.set(true);
            _ = arena.reset(ResetMode::RetainWithLimit(20));
        }),
        "debug deinit" => DEINIT.with(|Deinit(debug)| {
            let debug = debug.as_ref().expect("it is taken in the destructor");
            some(*debug.allocator());
            EXIT.set(true);
            debug.allocator().alloc::<u8>(100_000).expect("memory");
        }),
        "safe" => SAFE.with(|safe| {
            some(*safe.allocator());
            EXIT.set(true);
            safe.allocator().alloc::<u8>(100_000).expect("memory");
        }),
        _ => DEBUG.with(|debug| {
            some(*debug.allocator());
            EXIT.set(true);
            debug.allocator().alloc::<u8>(100_000).expect("memory");
        }),
    }
    unreachable!("the sink has not been called");
}
