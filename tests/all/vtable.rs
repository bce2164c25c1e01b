//! The raw layer: the C structs, the stock functions that refuse, and the handles.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::mem::{MaybeUninit, offset_of};
use std::ptr::{self, NonNull};

use rstest::rstest;
use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator};
use zigalloc::{
    Alignment, Allocator, AsAllocator, Error, Handle, SlicePtr, SyncAllocator, VTable, no_alloc, no_free,
    no_remap, no_resize, state,
};
use zigalloc_support::{Recorder, Sent, alignment_from_c, alone, assert_aborted, run_alone};

const MAX: usize = usize::MAX;
const WORD: usize = size_of::<usize>();

// ---- an allocator that records calls ----

/// The arguments of one call of a vtable function, as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Alloc(usize, Alignment, usize),
    Resize(usize, usize, Alignment, usize, usize),
    Remap(usize, usize, Alignment, usize, usize),
    Free(usize, usize, Alignment, usize),
}

/// Records its arguments and returns what it is set to return. Never has memory.
#[derive(Default)]
struct Listener {
    heard: RefCell<Vec<Heard>>,
    pointer: Cell<usize>,
    boolean: Cell<bool>,
}

impl Listener {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the pointers that it returns are never dereferenced.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    fn answer(&self) -> Option<NonNull<u8>> {
        NonNull::new(ptr::without_provenance_mut(self.pointer.get()))
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        this.heard.borrow_mut().push(Heard::Alloc(len, alignment, ret_addr));
        this.answer()
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        this.heard.borrow_mut().push(Heard::Resize(memory.addr(), len, alignment, new_len, ret_addr));
        this.boolean.get()
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        this.heard.borrow_mut().push(Heard::Remap(memory.addr(), len, alignment, new_len, ret_addr));
        this.answer()
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        this.heard.borrow_mut().push(Heard::Free(memory.addr(), len, alignment, ret_addr));
    }
}

fn slice_at(address: usize, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(NonNull::new(ptr::without_provenance_mut(address)).unwrap(), len)
}

/// TR-05, M-05, M-06, M-07, M-08, M-12: arguments and results are passed through unchanged.
#[rstest]
fn raw_calls_pass_everything_unchanged(#[values(1, 8, 0x7FFF_FFFF, MAX - 1, MAX)] len: usize) {
    for log2 in [0, 3, 12, WORD as u8 * 8 - 1, 64, 255] {
        for ret_addr in [0, 1, MAX] {
            raw_calls_pass_unchanged(len, log2, ret_addr);
        }
    }
}

fn raw_calls_pass_unchanged(len: usize, log2: u8, ret_addr: usize) {
    let listener = Listener::default();
    let (a, alignment) = (listener.allocator(), alignment_from_c(log2));
    let memory = slice_at(0x1000, len);
    for (pointer, boolean) in [(0, false), (0x2000, true)] {
        listener.pointer.set(pointer);
        listener.boolean.set(boolean);
        let answer = listener.answer();
        // SAFETY: the recorder accepts any arguments.
        unsafe {
            assert_eq!(a.raw_alloc(len, alignment, ret_addr), answer);
            assert_eq!(a.raw_resize(memory, alignment, len - 1, ret_addr), boolean);
            assert_eq!(a.raw_remap(memory, alignment, len - 1, ret_addr), answer);
            a.raw_free(memory, alignment, ret_addr);
        }
        let heard = [
            Heard::Alloc(len, alignment, ret_addr),
            Heard::Resize(0x1000, len, alignment, len - 1, ret_addr),
            Heard::Remap(0x1000, len, alignment, len - 1, ret_addr),
            Heard::Free(0x1000, len, alignment, ret_addr),
        ];
        assert_eq!(listener.heard.take(), heard, "{len}, {log2}, {ret_addr}");
    }
}

/// M-12: the raw calls leave memory unchanged.
#[test]
fn raw_calls_write_nothing() {
    let mut buffer = [0x77u8; 64];
    let bytes = NonNull::from(&mut buffer).cast::<MaybeUninit<u8>>();
    // SAFETY: the buffer is accessed through the allocator only, until it is inspected below.
    let fixed_buffer =
        FixedBufferAllocator::init(unsafe { NonNull::slice_from_raw_parts(bytes, 64).as_mut() });
    let a = fixed_buffer.allocator();
    // SAFETY: live blocks with matching lengths and alignments.
    unsafe {
        let block = |ptr, len| NonNull::slice_from_raw_parts(ptr, len);
        let memory = a.raw_alloc(32, Alignment::_1, 0).unwrap();
        assert!(a.raw_resize(block(memory, 32), Alignment::_1, 48, 0));
        let memory = a.raw_remap(block(memory, 48), Alignment::_1, 16, 0).unwrap();
        a.raw_free(block(memory, 16), Alignment::_1, 0);
    }
    assert_eq!(buffer, [0x77; 64]);
}

// ---- the C view ----

/// `struct { void *ctx; const VTable *vtable; }`, as a C header declares it.
#[repr(C)]
#[derive(Clone, Copy)]
struct CAllocator {
    ctx: *mut c_void,
    vtable: *const CVTable,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CVTable {
    alloc: unsafe extern "C" fn(*mut c_void, usize, u8, usize) -> *mut c_void,
    resize: unsafe extern "C" fn(*mut c_void, *mut c_void, usize, u8, usize, usize) -> bool,
    remap: unsafe extern "C" fn(*mut c_void, *mut c_void, usize, u8, usize, usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void, *mut c_void, usize, u8, usize),
}

/// M-01, M-04: the sizes, offsets and niches of the C structs.
#[test]
fn structs_have_the_c_layout() {
    assert_eq!((size_of::<VTable>(), align_of::<VTable>()), (4 * WORD, align_of::<usize>()));
    assert_eq!(offset_of!(VTable, alloc), offset_of!(CVTable, alloc));
    assert_eq!(offset_of!(VTable, resize), offset_of!(CVTable, resize));
    assert_eq!(offset_of!(VTable, remap), offset_of!(CVTable, remap));
    assert_eq!(offset_of!(VTable, free), offset_of!(CVTable, free));
    assert_eq!(size_of::<CVTable>(), size_of::<VTable>());
    for size in [size_of::<Allocator<'_>>(), size_of::<SyncAllocator<'_>>(), size_of::<CAllocator>()] {
        assert_eq!(size, 2 * WORD);
    }
    assert_eq!(size_of::<Option<Allocator<'_>>>(), 2 * WORD);
    assert_eq!(size_of::<Option<SyncAllocator<'_>>>(), 2 * WORD);
    assert_eq!(align_of::<Allocator<'_>>(), align_of::<CAllocator>());

    // The positions of the two words in memory.
    let listener = Listener::default();
    let a = listener.allocator();
    // SAFETY: an allocator is two initialised pointers.
    let words = unsafe { (&raw const a).cast::<[*const (); 2]>().read() };
    assert_eq!(words, [a.ptr().cast_const(), ptr::from_ref(a.vtable()).cast()]);
    assert_eq!(a.ptr().cast_const().cast(), &raw const listener);
}

/// TR-09, M-02, M-04: there is only one error, so a result is as large as a nullable pointer.
#[test]
fn out_of_memory_is_the_only_error() {
    let Err(Error::OutOfMemory) = Allocator::FAILING.create::<u8>() else { panic!("it must fail") };
    assert_eq!(Error::OutOfMemory.to_string(), "out of memory");
    assert_eq!(size_of::<Error>(), 0);
    assert_eq!(size_of::<Result<NonNull<u8>, Error>>(), WORD);
}

/// M-01, M-04, M-05, M-06, M-07, M-08: C code reads the handle through its own declarations and calls the functions
/// that it finds.
#[test]
fn c_can_call_a_rust_allocator() {
    let mut buffer = [const { MaybeUninit::<u8>::uninit() }; 64];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let handle = fixed_buffer.allocator();
    // SAFETY: the structs have the same layout (see `structs_have_the_c_layout`), and so do the functions' arguments.
    let c = unsafe { (&raw const handle).cast::<CAllocator>().read() };
    // SAFETY: the vtable is static, and the calls keep the contract.
    unsafe {
        let vtable = *c.vtable;
        let memory = (vtable.alloc)(c.ctx, 10, 0, 0);
        memory.cast::<u8>().write_bytes(0x5A, 10);
        assert_eq!(fixed_buffer.end_index(), 10);
        assert!((vtable.resize)(c.ctx, memory, 10, 0, 20, 0));
        assert!(!(vtable.resize)(c.ctx, memory, 20, 0, 65, 0));
        assert_eq!((vtable.remap)(c.ctx, memory, 20, 0, 30, 0), memory);
        assert!((vtable.remap)(c.ctx, memory, 30, 0, 65, 0).is_null());
        assert_eq!(memory.cast::<[u8; 10]>().read(), [0x5A; 10]);
        assert!((vtable.alloc)(c.ctx, 1, 200, 0).is_null(), "no word has this alignment");
        (vtable.free)(c.ctx, memory, 30, 0, 0);
    }
    assert_eq!(fixed_buffer.end_index(), 0);
}

/// M-01, M-04: a struct that C fills in is a handle.
#[test]
fn rust_can_call_a_c_allocator() {
    struct State {
        bytes: [u8; 32],
        lives: bool,
    }
    unsafe extern "C" fn c_alloc(ctx: *mut c_void, len: usize, log2: u8, _: usize) -> *mut c_void {
        let state = ctx.cast::<State>();
        // SAFETY: the state passed below. Only the flag is accessed: a reference to the whole state would invalidate
        // the block in it.
        unsafe {
            if (*state).lives || len > 32 || log2 != 0 {
                return ptr::null_mut();
            }
            (*state).lives = true;
            (&raw mut (*state).bytes).cast()
        }
    }
    unsafe extern "C" fn c_resize(
        _: *mut c_void,
        _: *mut c_void,
        _: usize,
        _: u8,
        new_len: usize,
        _: usize,
    ) -> bool {
        new_len <= 32
    }
    unsafe extern "C" fn c_remap(
        _: *mut c_void,
        memory: *mut c_void,
        _: usize,
        _: u8,
        new_len: usize,
        _: usize,
    ) -> *mut c_void {
        if new_len <= 32 { memory } else { ptr::null_mut() }
    }
    unsafe extern "C" fn c_free(ctx: *mut c_void, _: *mut c_void, _: usize, _: u8, _: usize) {
        // SAFETY: the state passed below, of which only the flag is accessed.
        unsafe { (*ctx.cast::<State>()).lives = false };
    }
    static VTABLE: CVTable = CVTable { alloc: c_alloc, resize: c_resize, remap: c_remap, free: c_free };

    let mut state = State { bytes: [0; 32], lives: false };
    let c = CAllocator { ctx: (&raw mut state).cast(), vtable: &raw const VTABLE };
    // SAFETY: the structs have the same layout, and the functions keep the contract.
    let a = unsafe { (&raw const c).cast::<Allocator<'_>>().read() };
    let memory = a.dupe(b"from Rust").unwrap();
    assert_eq!(a.alloc::<u8>(1), Err(Error::OutOfMemory));
    // SAFETY: the block is from `a`, with this length.
    unsafe {
        assert!(a.resize(memory, 32));
        let memory = memory.with_len(32);
        assert!(!a.resize(memory, 33));
        let memory = a.remap(memory, 9).unwrap();
        assert_eq!(memory.as_ref(), b"from Rust");
        a.free(memory);
    }
    assert!(!state.lives);
}

/// A-01, M-05: an alignment out of range gives null, not an overlong shift; the next request succeeds.
#[rstest]
fn invalid_alignment_returns_null(#[values(WORD as u8 * 8, 65, 100, 128, 200, 255)] log2: u8) {
    let alignment = alignment_from_c(log2.max(WORD as u8 * 8));
    let mut buffer = [const { MaybeUninit::<u8>::uninit() }; 256];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let refuses = |a: Allocator<'_>| {
        for len in [1, 8, MAX] {
            // SAFETY: the length is not zero.
            assert_eq!(unsafe { a.raw_alloc(len, alignment, 0) }, None);
        }
    };
    refuses(fixed_buffer.allocator());
    refuses(*fixed_buffer.thread_safe_allocator());
    assert_eq!(fixed_buffer.end_index(), 0);

    let recorder = Recorder::new(fixed_buffer.allocator());
    let arena = ArenaAllocator::init(recorder.allocator());
    refuses(arena.allocator());
    assert!(arena.allocator().alloc::<u8>(10).is_ok());
    refuses(arena.allocator());
}

// ---- the stock functions ----

/// M-09: they return null, false, null and nothing, whatever the arguments.
#[rstest]
fn stock_functions_refuse_everything(#[values(0, 1, MAX)] number: usize, #[values(0, 255)] log2: u8) {
    let (ctx, memory) = (ptr::without_provenance_mut(number), ptr::without_provenance_mut(number));
    let alignment = alignment_from_c(log2);
    // SAFETY: these accept any arguments.
    unsafe {
        assert!(no_alloc(ctx, number, alignment, number).is_none());
        assert!(!no_resize(ctx, memory, number, alignment, number, number));
        assert!(no_remap(ctx, memory, number, alignment, number, number).is_none());
        no_free(ctx, memory, number, alignment, number);
    }
}

/// M-09: a vtable of all four is an allocator: every request fails, and every free is ignored.
#[test]
fn stock_functions_form_a_vtable() {
    static VTABLE: VTable = VTable { alloc: no_alloc, resize: no_resize, remap: no_remap, free: no_free };
    // SAFETY: it never makes a block.
    let a = unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &VTABLE) };
    assert_eq!(a.alloc::<u8>(1), Err(Error::OutOfMemory));
    // SAFETY: the functions ignore their arguments, and so do these calls.
    unsafe {
        assert!(!a.raw_resize(slice_at(1, 1), Alignment::_1, 2, 0));
        assert_eq!(a.raw_remap(slice_at(1, 1), Alignment::_1, 2, 0), None);
        a.raw_free(slice_at(1, 1), Alignment::_1, 0);
    }
}

/// M-11: the implementation refuses, not the interface, whatever the length.
#[test]
fn failing() {
    let f = Allocator::FAILING;
    assert_eq!(f.alloc::<u8>(123), Err(Error::OutOfMemory));
    assert_eq!(f.alloc::<u8>(MAX), Err(Error::OutOfMemory));
    assert!(f.alloc_sentinel(MAX - 1, 0u8).is_err());
    assert_eq!(f.alloc::<u8>(0).unwrap().len(), 0);
    // SAFETY: an empty slice is no block.
    unsafe { f.free(f.alloc::<u8>(0).unwrap()) };
    assert_eq!(SyncAllocator::FAILING.create::<u64>(), Err(Error::OutOfMemory));
}

/// TR-22, M-10: it has no blocks, so resizing, remapping or freeing one is a bug. It aborts in every build.
#[test]
fn failing_aborts() {
    let name = "vtable::failing_aborts";
    let message = |operation| {
        format!("Allocator::FAILING: {operation} of a block it never allocated (16 bytes at 0x1000)")
    };
    if let Some(operation) = alone() {
        // SAFETY: none; the process must abort here.
        unsafe {
            let (f, memory) = (Allocator::FAILING, slice_at(0x1000, 16));
            match operation.as_str() {
                "resize" => _ = f.resize(memory, 8),
                "remap" => _ = f.remap(memory, 8),
                _ => f.raw_free(memory, Alignment::_1, 0),
            }
        }
        return;
    }
    if cfg!(miri) {
        eprintln!("{name}: skipped, Miri starts no processes");
        return;
    }
    for operation in ["resize", "remap", "free"] {
        assert_aborted(&run_alone(name, operation), &message(operation));
    }
}

// ---- handles ----

/// M-01: copies refer to the same allocator: a block from one can be resized and freed through another.
#[test]
fn copied_handles_are_equivalent() {
    let mut buffer = [const { MaybeUninit::<u8>::uninit() }; 64];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let first = fixed_buffer.allocator();
    let copy = first;
    let second = fixed_buffer.allocator();
    let as_child = Handle::as_allocator(&copy);
    let as_state = AsAllocator::allocator(&second);
    let memory = first.dupe(b"12").unwrap();
    // SAFETY: the block of one allocator, whichever handle is used, with its length.
    unsafe {
        assert!(copy.resize(memory, 4));
        let memory = second.remap(memory.with_len(4), 6).unwrap();
        let memory = as_child.realloc(memory, 2).unwrap();
        assert_eq!(memory.as_ref(), b"12");
        as_state.free(memory);
    }
    assert_eq!(fixed_buffer.end_index(), 0);
}

/// M-01: the same across threads, for the type that allows them.
#[test]
fn copied_handles_are_equivalent_across_threads() {
    let mut buffer = [const { MaybeUninit::<u8>::uninit() }; 64];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let allocator = fixed_buffer.thread_safe_allocator();
    let address = std::thread::scope(|scope| {
        let memory = scope.spawn(move || Sent(allocator.dupe(b"12").unwrap())).join().unwrap();
        let shared = &allocator;
        // SAFETY: a block of this allocator with its length; joining hands it over.
        let longer = scope
            .spawn(move || unsafe { Sent(shared.realloc(memory.received(), 20).unwrap()) })
            .join()
            .unwrap();
        // SAFETY: a live block of this allocator, whose first two bytes are copies.
        assert_eq!(unsafe { &longer.0.as_ref()[..2] }, b"12");
        scope.spawn(move || {
            let memory = longer.received();
            // SAFETY: a live block, not used afterwards.
            unsafe { shared.free(memory) };
            memory.addr()
        });
        allocator.as_allocator().ptr()
    });
    assert_eq!(address.cast_const().cast(), &raw const fixed_buffer);
    assert_eq!(fixed_buffer.end_index(), 0);
}

/// The thread-safe handle has the same two words and converts to the other in four ways.
#[test]
fn sync_allocator_converts_to_allocator() {
    let sync = SyncAllocator::FAILING;
    let parts = |a: Allocator<'_>| (a.ptr(), ptr::from_ref(a.vtable()));
    let expected = parts(sync.as_allocator());
    assert_eq!(parts(*sync), expected);
    assert_eq!(parts(Allocator::from(sync)), expected);
    assert_eq!(parts(Handle::as_allocator(&sync)), expected);
    assert_eq!(parts(AsAllocator::allocator(&sync)), expected);
    // SAFETY: it is thread-safe.
    assert_eq!(parts(*unsafe { SyncAllocator::new_unchecked(sync.as_allocator()) }), expected);
}

/// A handle can be made at compile time and kept in a static.
#[test]
fn handles_can_be_constants() {
    static VTABLE: VTable = VTable { alloc: no_alloc, resize: no_resize, remap: no_remap, free: no_free };
    // SAFETY: it never makes a block, and it has no state.
    static ALLOCATOR: SyncAllocator<'static> =
        unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &VTABLE) };
    const PTR: *mut () = Allocator::FAILING.ptr();
    const TABLE: &VTable = Allocator::FAILING.vtable();
    assert!(ALLOCATOR.alloc::<u8>(1).is_err() && PTR.is_null());
    // SAFETY: `no_alloc` accepts any arguments.
    assert!(unsafe { (TABLE.alloc)(PTR, 1, Alignment::_1, 0) }.is_none());
}

#[test]
fn debug_shows_the_context_and_one_function() {
    // SAFETY: never called.
    let a =
        unsafe { Allocator::from_raw_parts(ptr::without_provenance_mut(0x10), Allocator::FAILING.vtable()) };
    let text = format!("{a:?}");
    assert!(text.starts_with("Allocator { ptr: 0x10, alloc: ") && text.ends_with(", .. }"), "{text}");
    assert!(format!("{:?}", SyncAllocator::FAILING).starts_with("SyncAllocator { ptr: 0x0, alloc: "));
    assert!(format!("{:?}", a.vtable()).starts_with("VTable { alloc: 0x"));
}

/// With the feature `backtrace`, `Debug` identifies the kind of allocator by a function name. Without it, `Debug`
/// shows an address. How much of the function's path is known depends on the program's debug information.
#[test]
#[cfg(feature = "std")]
fn debug_names_the_allocator_type() {
    use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let arena = format!("{:?}", arena.allocator());
    let page = format!("{PAGE_ALLOCATOR:?}");
    let failing = format!("{:?}", Allocator::FAILING);
    if cfg!(all(feature = "backtrace", any(target_os = "linux", windows), not(miri))) {
        // Line tables may have the functions' own names only, which are the same for all allocators.
        for (text, kind) in [(&arena, "ArenaAllocator"), (&page, "PageAllocator")] {
            let own_name_only = text.contains(", alloc: alloc");
            assert!(own_name_only || text.contains(kind), "no {kind} in {text}");
        }
        assert!(failing.contains("no_alloc"), "{failing}");
    } else {
        for text in [arena, page, failing] {
            assert!(text.contains(", alloc: 0x"), "{text}");
        }
    }
}
