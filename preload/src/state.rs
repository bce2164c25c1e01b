//! The chosen allocator, made at the first call.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};
use std::sync::OnceLock;

use zigalloc::adapters::Malloc;
use zigalloc::heap::debug::{DebugConfig, Report, ReportKind};
use zigalloc::heap::{DebugAllocator, PAGE_ALLOCATOR, PageAllocator, SMP_ALLOCATOR, SmpAllocator};
use zigalloc::trace::CountingAllocator;
use zigalloc::{Alignment, SyncAllocator};

use crate::early;
use crate::next::Next;
use crate::options::{Child, Kind, Options};
use crate::output::{self, line, refuse};

/// What serves the program's calls.
pub(crate) struct State {
    kind: Kind,
    /// Blocks with a header, for all kinds but `Early` and `C`.
    malloc: Malloc<SyncAllocator<'static>>,
    log_file: c_int,
    options: Options,
}

static EARLY: State = State {
    kind: Kind::Early,
    malloc: Malloc::new(SyncAllocator::FAILING),
    log_file: -1,
    options: Options::DEFAULT,
};

static STATE: AtomicPtr<State> = AtomicPtr::new(ptr::null_mut());
static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
static NEXT: OnceLock<Next> = OnceLock::new();
static DEBUG: OnceLock<DebugAllocator<PageAllocator>> = OnceLock::new();
static COUNTING: OnceLock<CountingAllocator<SyncAllocator<'static>>> = OnceLock::new();
/// The file for reports.
static OUTPUT: AtomicI32 = AtomicI32::new(2);
static ABORTS: AtomicBool = AtomicBool::new(false);

/// What reports leave out: this library's functions, by its name and by the directory of its files, and those that call
/// `main`.
const SKIPPED: &[&str] = &[
    "zigalloc_preload",
    "preload",
    "std",
    "core",
    "alloc",
    "__libc_start_call_main",
    "__libc_start_main_impl",
    "_start",
    "start_thread",
    "clone3",
];

struct Place(UnsafeCell<MaybeUninit<State>>);

// SAFETY: written once, before `STATE` is set to it, and only read after.
unsafe impl Sync for Place {}

static PLACE: Place = Place(UnsafeCell::new(MaybeUninit::uninit()));

unsafe extern "C" {
    /// Null until the C library has the environment.
    static environ: *const *const c_char;
}

/// The state, or that of early calls.
#[inline]
pub(crate) fn state() -> &'static State {
    let state = STATE.load(Ordering::Acquire);
    if state.is_null() {
        return begin();
    }
    // SAFETY: written before it was stored there, and never changed.
    unsafe { &*state }
}

/// Makes the state, unless it is too early for that, or it is being made by a caller of this function.
#[cold]
fn begin() -> &'static State {
    // SAFETY: the C library changes it before there are threads, or while they must not read it.
    if unsafe { environ }.is_null() || HAS_BEGUN.swap(true, Ordering::AcqRel) {
        return &EARLY;
    }
    // SAFETY: a string that ends with a zero.
    let value = unsafe { libc::getenv(c"ZIGALLOC".as_ptr()) };
    let value = match value.is_null() {
        true => c"",
        // SAFETY: the variable's value, a string that ends with a zero, and that nobody changes during this call.
        false => unsafe { CStr::from_ptr(value) },
    };
    let place = PLACE.0.get().cast::<State>();
    // SAFETY: only one call gets here, and nothing refers to the place yet.
    unsafe { place.write(State::make(Options::parse(value.to_bytes()))) };
    STATE.store(place, Ordering::Release);
    // SAFETY: it has just been written, and is never changed.
    unsafe { &*place }
}

/// Before `main`, so that the state does not depend on what the program does to its environment.
#[used]
#[unsafe(link_section = ".init_array")]
static INIT: extern "C" fn() = {
    extern "C" fn init() {
        let state = state();
        if state.options.signal {
            state.listen();
        }
    }
    init
};

/// After the program's own functions for the exit.
#[used]
#[unsafe(link_section = ".fini_array")]
static FINI: extern "C" fn() = {
    extern "C" fn fini() {
        state().at_exit();
    }
    fini
};

impl State {
    fn make(options: Options) -> State {
        let output = match options.report_file {
            Some(name) => output::open(name)
                .unwrap_or_else(|| refuse(format_args!("cannot open {}", name.to_bytes().escape_ascii()))),
            None if matches!(options.kind, Kind::Debug | Kind::Counting) => output::standard_error(),
            None => 2,
        };
        OUTPUT.store(output, Ordering::Relaxed);
        ABORTS.store(options.abort, Ordering::Relaxed);
        if options.kind == Kind::C || options.child == Child::C {
            match Next::find() {
                Some(next) => _ = NEXT.set(next),
                None => refuse(format_args!("there is no other malloc")),
            }
        }
        let child = match (options.child, NEXT.get()) {
            (Child::Page, _) => PAGE_ALLOCATOR,
            (Child::C, Some(next)) => next.allocator(),
            _ => SMP_ALLOCATOR,
        };
        let allocator = match options.kind {
            Kind::Early | Kind::C => SyncAllocator::FAILING,
            Kind::Smp => SMP_ALLOCATOR,
            Kind::Page => PAGE_ALLOCATOR,
            Kind::Logging => child,
            Kind::Counting => COUNTING.get_or_init(|| CountingAllocator::init(child)).allocator(),
            Kind::Debug => {
                let config = DebugConfig {
                    safety: true,
                    stack_trace_frames: options.frames,
                    quarantine: options.quarantine,
                    leak_limit: options.leaks,
                    skip_frames: SKIPPED,
                    report,
                    ..DebugConfig::DEFAULT
                };
                DEBUG.get_or_init(|| DebugAllocator::with_config(PageAllocator, config)).allocator()
            }
        };
        let log_file = match options.log_file {
            Some(name) => output::open(name)
                .unwrap_or_else(|| refuse(format_args!("cannot open {}", name.to_bytes().escape_ascii()))),
            None => -1,
        };
        State { kind: options.kind, malloc: Malloc::new(allocator), log_file, options }
    }

    #[inline]
    pub(crate) fn logs(&self) -> bool {
        self.kind == Kind::Logging
    }

    pub(crate) fn log_file(&self) -> c_int {
        self.log_file
    }

    /// The functions of the next `malloc`, if they serve the calls.
    #[inline]
    fn next(&self) -> Option<&'static Next> {
        if self.kind == Kind::C { NEXT.get() } else { None }
    }

    #[inline]
    pub(crate) fn alloc(&self, alignment: Alignment, size: usize) -> Option<NonNull<u8>> {
        if let Some(next) = self.next() {
            let memory = if alignment <= Alignment::_16 {
                // SAFETY: no preconditions.
                unsafe { (next.malloc)(size) }
            } else {
                // SAFETY: the alignment is a power of two.
                unsafe { (next.memalign)(alignment.to_byte_units(), size) }
            };
            return NonNull::new(memory.cast());
        }
        if self.kind == Kind::Early {
            return early::alloc(alignment.to_byte_units(), size);
        }
        self.malloc.alloc_with_ret_addr(alignment, size, 0).ok()
    }

    #[inline]
    pub(crate) fn alloc_zeroed(&self, size: usize) -> Option<NonNull<u8>> {
        if let Some(next) = self.next() {
            // SAFETY: no preconditions.
            return NonNull::new(unsafe { (next.calloc)(1, size) }.cast());
        }
        let memory = self.alloc(Alignment::_16, size)?;
        // SAFETY: a new block of this size.
        unsafe { memory.write_bytes(0, size) };
        Some(memory)
    }

    /// # Safety
    /// `memory` is a live block, not used afterwards.
    #[inline]
    pub(crate) unsafe fn free(&self, memory: NonNull<u8>) {
        if early::owns(memory) {
            return;
        }
        if let Some(next) = self.next() {
            // SAFETY: a live block of `next`, not used afterwards, by our caller.
            return unsafe { (next.free)(memory.as_ptr().cast()) };
        }
        // SAFETY: a live block, by our caller.
        if unsafe { self.child_block(memory) }.is_some() {
            // SAFETY: a live block with a header, not used afterwards, by our caller.
            unsafe { self.malloc.free_with_ret_addr(memory.as_ptr(), 0) };
        } else {
            self.not_a_block(memory, "free");
        }
    }

    /// # Safety
    /// As for [`free`](Self::free).
    pub(crate) unsafe fn free_sized(&self, memory: NonNull<u8>, alignment: usize, size: usize) {
        if !early::owns(memory) && self.next().is_none() {
            // SAFETY: a live block, by our caller.
            if let Some((whole, front)) = unsafe { self.child_block(memory) } {
                let len = whole.len() - front.to_byte_units();
                if len != size || front.to_byte_units() != alignment.max(16) {
                    mistake(format_args!(
                        "zigalloc: free_sized: the block at {memory:p} has {len} bytes, aligned to {}; it is freed \
                         with {size}, aligned to {alignment}",
                        front.to_byte_units()
                    ));
                }
            }
        }
        // SAFETY: a live block, not used afterwards, by our caller.
        unsafe { self.free(memory) };
    }

    /// # Safety
    /// `memory` is a live block, whose old pointer is not used after a success. `size` is not zero.
    pub(crate) unsafe fn realloc(&self, memory: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
        if early::owns(memory) {
            let moved = self.alloc(Alignment::_16, size)?;
            // SAFETY: a block of `early`.
            let len = unsafe { early::size(memory) };
            // SAFETY: both blocks are at least that long, and disjoint.
            unsafe { moved.copy_from_nonoverlapping(memory, len.min(size)) };
            return Some(moved);
        }
        if let Some(next) = self.next() {
            // SAFETY: a live block of `next`, by our caller.
            return NonNull::new(unsafe { (next.realloc)(memory.as_ptr().cast(), size) }.cast());
        }
        // SAFETY: a live block, by our caller.
        if unsafe { self.child_block(memory) }.is_none() {
            self.not_a_block(memory, "realloc");
            return None;
        }
        // SAFETY: a live block with a header, whose old pointer is not used after a success, by our caller.
        unsafe { self.malloc.realloc_with_ret_addr(memory.as_ptr(), size, 0) }.ok().flatten()
    }

    /// # Safety
    /// `memory` is a live block.
    pub(crate) unsafe fn usable_size(&self, memory: NonNull<u8>) -> usize {
        if early::owns(memory) {
            // SAFETY: a block of `early`.
            return unsafe { early::size(memory) };
        }
        if let Some(next) = self.next() {
            // SAFETY: a live block of `next`, by our caller.
            return unsafe { (next.usable_size)(memory.as_ptr().cast()) };
        }
        // SAFETY: a live block, by our caller.
        match unsafe { self.child_block(memory) } {
            Some((whole, front)) => whole.len() - front.to_byte_units(),
            None => {
                self.not_a_block(memory, "malloc_usable_size");
                0
            }
        }
    }

    /// The block of the allocator, or `None` if there is no header.
    ///
    /// # Safety
    /// `memory` is a live block; if the program is mistaken about that, a segmentation fault is possible, as with any
    /// `malloc`.
    #[inline]
    unsafe fn child_block(&self, memory: NonNull<u8>) -> Option<(NonNull<[u8]>, Alignment)> {
        if memory.addr().get() % 16 != 0 {
            return None;
        }
        // SAFETY: a live block has its header there. Otherwise the program has made a mistake.
        unsafe { self.malloc.child_block(memory) }
    }

    /// The program has passed a pointer that is not a block, or has overwritten the bytes in front of one.
    #[cold]
    fn not_a_block(&self, memory: NonNull<u8>, function: &str) {
        if let Some(debug) = DEBUG.get().filter(|_| self.kind == Kind::Debug) {
            // It knows all its blocks, and reports the address, with the block that it is inside of.
            let none = NonNull::slice_from_raw_parts(memory, 1);
            // SAFETY: a mistake of the program, which this allocator looks up and does not touch.
            return unsafe { debug.allocator().raw_free(none, Alignment::_1, 0) };
        }
        mistake(format_args!(
            "zigalloc: {function}: {memory:p} is not a block, or the 16 bytes in front of it have been overwritten"
        ));
        // As glibc does.
        std::process::abort();
    }

    // ---- reports ----

    fn at_exit(&self) {
        if let Some(debug) = DEBUG.get() {
            if self.options.leaks > 0 {
                debug.detect_leaks();
            }
            let leaks = debug.count(ReportKind::Leak);
            let mistakes = mistakes(debug);
            if leaks > 0 || mistakes > 0 {
                self.print(format_args!("zigalloc: debug: {mistakes} mistakes, {leaks} blocks not freed"));
            }
        }
        self.write_counts();
    }

    /// Only atomics are read, and nothing is allocated, so a signal handler may call this.
    fn write_counts(&self) {
        if let Some(counting) = COUNTING.get() {
            let now = counting.snapshot();
            self.print(format_args!(
                "zigalloc: counting: {} allocated, {} refused, {} remaps, {} refused, {} freed; \
                 {} bytes in total, {} at most at once; {} blocks, {} bytes live",
                now.alloc.calls,
                now.alloc.refused,
                now.remap.calls,
                now.remap.refused,
                now.free,
                now.total_bytes,
                now.peak_live_bytes,
                now.live_blocks,
                now.live_bytes
            ));
        }
    }

    fn print(&self, text: fmt::Arguments<'_>) {
        line(OUTPUT.load(Ordering::Relaxed), text);
    }

    /// Writes the counts at each SIGUSR1.
    fn listen(&self) {
        extern "C" fn handle(_signal: c_int) {
            let before = crate::errno().get();
            let state = state();
            if let Some(debug) = DEBUG.get() {
                state.print(format_args!("zigalloc: debug: {} mistakes", mistakes(debug)));
            } else if COUNTING.get().is_none() {
                state.print(format_args!("zigalloc: smp: {} bytes of slabs", SmpAllocator::slab_bytes()));
            }
            state.write_counts();
            crate::errno().set(before);
        }
        // SAFETY: all zeros is a valid value.
        let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
        action.sa_sigaction = handle as extern "C" fn(c_int) as *const c_void as usize;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: a handler that does only what a handler may.
        unsafe { libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()) };
    }
}

/// All reports except of leaks.
fn mistakes(debug: &DebugAllocator<PageAllocator>) -> usize {
    use ReportKind::{Corruption, DoubleFree, InvalidFree, Overrun, WrongAlignment, WrongLength};
    let kinds = [DoubleFree, InvalidFree, WrongLength, WrongAlignment, Overrun, Corruption];
    kinds.iter().map(|&kind| debug.count(kind)).sum()
}

/// A report of the debug allocator. Its text is made in glibc's heap.
fn report(report: &Report) {
    let text = format!("zigalloc: {report}\n");
    output::write(OUTPUT.load(Ordering::Relaxed), text.as_bytes());
    if ABORTS.load(Ordering::Relaxed) && !matches!(report.kind, ReportKind::Leak | ReportKind::MoreLeaks) {
        std::process::abort();
    }
}

/// A mistake that this library finds itself.
#[cold]
fn mistake(text: fmt::Arguments<'_>) {
    line(OUTPUT.load(Ordering::Relaxed), text);
    if ABORTS.load(Ordering::Relaxed) {
        std::process::abort();
    }
}
