//! The rows: one of Zig's allocators, ours, and the work that both do.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use zigalloc::collections::{ArrayList, AutoHashMap};
use zigalloc::heap::{
    ArenaAllocator, C_ALLOCATOR, DebugAllocator, FixedBufferAllocator, PAGE_ALLOCATOR, ResetMode,
    SMP_ALLOCATOR,
};
use zigalloc::{Allocator, SyncAllocator, ThreadSafeAllocator};

use crate::samples::{Row, row};
use crate::work::{Handle, arena, growth, one_block, producer_and_consumer, random_blocks};

unsafe extern "C" {
    safe fn zig_page() -> Allocator<'static>;
    safe fn zig_c() -> Allocator<'static>;
    safe fn zig_smp() -> Allocator<'static>;
    safe fn zig_arena() -> Allocator<'static>;
    safe fn zig_arena_reset();
    safe fn zig_debug() -> Allocator<'static>;
    /// Of each of the following there is only one allocator; it uses the last buffer passed.
    fn zig_fixed_buffer(buffer: *mut u8, len: usize) -> Allocator<'static>;
    fn zig_thread_safe(buffer: *mut u8, len: usize) -> Allocator<'static>;
    safe fn zig_list(len: u32, rounds: u64);
    safe fn zig_map(len: u32, rounds: u64);
}

/// Up to 5 % slower than Zig counts as equal.
const EQUAL: f64 = 1.05;
const NO_SLOWER: f64 = 1.0;
/// A fixed buffer can reuse only its last block, so with several threads it fills up during a sample.
/// The blocks are never written to, so the memory never becomes resident.
const SHARED_BUFFER: usize = 8 << 30;

struct Table {
    filter: String,
    samples: usize,
    good: bool,
}

impl Table {
    fn row(
        &mut self,
        name: impl Into<String>,
        limit: f64,
        ours: impl FnMut(u64) -> Duration,
        theirs: impl FnMut(u64) -> Duration,
    ) {
        let name = name.into();
        if name.contains(&self.filter) {
            let row = row(name, limit, self.samples, ours, theirs);
            row.print();
            self.good &= row.is_good();
        }
    }

    /// Measures a row for two handles.
    fn handles(
        &mut self,
        name: impl Into<String>,
        ours: SyncAllocator<'static>,
        theirs: Allocator<'static>,
        work: impl Fn(Handle, u64) -> Duration,
    ) {
        let (ours, theirs) = (black_box(Handle(*ours)), black_box(Handle(theirs)));
        self.row(name, EQUAL, |n| work(ours, n), |n| work(theirs, n));
    }
}

/// `bench-zig [FILTER] [SAMPLES]`
pub(crate) fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let filter = args.next().unwrap_or_default();
    let samples = args.next().and_then(|arg| arg.parse().ok()).unwrap_or(51);
    println!("{}", Row::HEADER);
    let mut table = Table { filter, samples, good: true };
    buffers(&mut table);
    arenas(&mut table);
    threads(&mut table);
    table.handles("smp: 64 B", SMP_ALLOCATOR, zig_smp(), |a, n| one_block(a, 64, 1, n));
    for threads in [1, 2] {
        let name = format!("smp: 16-4,096 B, 1,000 live, {threads} threads");
        table.handles(name, SMP_ALLOCATOR, zig_smp(), |a, n| random_blocks(a, 4081, threads, n));
    }
    table.handles("smp: producer and consumer", SMP_ALLOCATOR, zig_smp(), producer_and_consumer);
    table.handles("page: 4 KiB", PAGE_ALLOCATOR, zig_page(), |a, n| one_block(a, 4096, 1, n));
    table.handles("C: 64 B", C_ALLOCATOR, zig_c(), |a, n| one_block(a, 64, 1, n));
    debug(&mut table);
    containers(&mut table);
    table.handles("growth to 1 MiB: page", PAGE_ALLOCATOR, zig_page(), |a, n| growth(a, 1 << 20, || (), n));
    table.handles("growth to 1 MiB: smp", SMP_ALLOCATOR, zig_smp(), |a, n| growth(a, 1 << 20, || (), n));
    table.handles("growth to 16 KiB: C", C_ALLOCATOR, zig_c(), |a, n| growth(a, 16 << 10, || (), n));
    if table.good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Extends the lifetime of a handle.
///
/// # Safety
/// The allocator must live, and must not move, for as long as the handle is used.
unsafe fn unbound(allocator: Allocator<'_>) -> Handle {
    // SAFETY: only the lifetime changes, and the allocator outlives the use of the handle, by our caller.
    black_box(Handle(unsafe { std::mem::transmute::<Allocator<'_>, Allocator<'static>>(allocator) }))
}

fn buffers(table: &mut Table) {
    let (mut a, mut b) = (vec![MaybeUninit::<u8>::uninit(); 4096], vec![MaybeUninit::<u8>::uninit(); 4096]);
    let fixed_buffer = FixedBufferAllocator::init(&mut a);
    // SAFETY: the allocator and both buffers live until the end of the function, as long as the handles.
    let (ours, theirs) = unsafe {
        (unbound(fixed_buffer.allocator()), Handle(zig_fixed_buffer(b.as_mut_ptr().cast(), b.len())))
    };
    for len in [8, 64] {
        let name = format!("fixed buffer: {len} B");
        table.row(name, EQUAL, |n| one_block(ours, len, 1, n), |n| one_block(theirs, len, 1, n));
    }
}

fn arenas(table: &mut Table) {
    type Work = dyn Fn(Handle, &mut dyn FnMut(), u64) -> Duration;
    let ours = |work: &Work, n| {
        let mut arena = Box::new(ArenaAllocator::init(PAGE_ALLOCATOR));
        let arena: *mut ArenaAllocator<_> = &mut *arena;
        // SAFETY: the arena lives until the end of this function. The handle and the reset use the
        // same pointer, alternately.
        unsafe {
            let handle = unbound((*arena).allocator());
            work(handle, &mut || _ = (*arena).reset(ResetMode::RetainCapacity), n)
        }
    };
    let theirs = |work: &Work, n| work(black_box(Handle(zig_arena())), &mut || zig_arena_reset(), n);
    let fill: &Work = &|a, reset, n| arena(a, reset, n);
    table.row("arena: 1,000 x 8-256 B, reset", EQUAL, |n| ours(fill, n), |n| theirs(fill, n));
    let grow: &Work = &|a, reset, n| growth(a, 64 << 10, reset, n);
    table.row("growth to 64 KiB: arena", EQUAL, |n| ours(grow, n), |n| theirs(grow, n));
}

fn threads(table: &mut Table) {
    let mut buffer: Vec<u8> = Vec::with_capacity(SHARED_BUFFER);
    let start = buffer.as_mut_ptr();
    for (threads, limit) in [(1, EQUAL), (2, 0.90), (4, 0.90)] {
        let ours = |n| {
            let mut fixed_buffer = FixedBufferAllocator::init(buffer.spare_capacity_mut());
            let lock = ThreadSafeAllocator::new(&mut fixed_buffer);
            // SAFETY: the lock lives until the end of the closure.
            one_block(unsafe { unbound(*lock.allocator()) }, 16, threads, n)
        };
        let theirs = |n| {
            // SAFETY: the buffer outlives the handle, and nothing else uses it at the same time.
            one_block(black_box(Handle(unsafe { zig_thread_safe(start, SHARED_BUFFER) })), 16, threads, n)
        };
        table.row(format!("thread-safe: 16 B, {threads} threads"), limit, ours, theirs);
    }
}

fn debug(table: &mut Table) {
    // In release builds, the defaults are those of Zig's fast builds: no stack traces, no safety.
    let debug = DebugAllocator::init(PAGE_ALLOCATOR);
    // SAFETY: the allocator lives until the end of the function.
    let (ours, theirs) = (unsafe { unbound(*debug.allocator()) }, black_box(Handle(zig_debug())));
    table.row("debug: 64 B", EQUAL, |n| one_block(ours, 64, 1, n), |n| one_block(theirs, 64, 1, n));
    let random = |a, n| random_blocks(a, 1000, 1, n);
    table.row("debug: 16-1,015 B, 1,000 live", EQUAL, |n| random(ours, n), |n| random(theirs, n));
    debug.deinit_without_leak_checks();
}

/// Both sides use their own allocators.
fn containers(table: &mut Table) {
    const LEN: u32 = 10_000;
    let timed = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    let ours = |rounds| {
        for _ in 0..rounds {
            let mut list = ArrayList::<u32>::init(*SMP_ALLOCATOR);
            (0..LEN).for_each(|n| list.append(black_box(n)).expect("memory"));
            black_box(list.as_ptr());
        }
    };
    table.row(
        "list: 10,000 appends",
        NO_SLOWER,
        |n| timed(&mut || ours(n)),
        |n| timed(&mut || zig_list(LEN, n)),
    );
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let mut ours = |rounds| {
        for _ in 0..rounds {
            let mut map = AutoHashMap::<u32, u32>::init(arena.allocator());
            (0..LEN).for_each(|n| map.put(black_box(n), black_box(n)).expect("memory"));
            (0..LEN).for_each(|n| _ = black_box(map.get(&black_box(n))));
            drop(map);
            let _ = arena.reset(ResetMode::RetainCapacity);
        }
    };
    table.row(
        "map: 10,000 put and get, in an arena",
        NO_SLOWER,
        |n| timed(&mut || ours(n)),
        |n| timed(&mut || zig_map(LEN, n)),
    );
}
