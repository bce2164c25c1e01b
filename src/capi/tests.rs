//! Memory safety on the Rust side: borrows that end handles, and leaks.

use core::mem::MaybeUninit;

use super::arena::*;
use super::buffer_first::*;
use super::debug::*;
use super::failing_at::*;
use super::fixed_buffer::*;
use super::malloc::*;
use super::pool::*;
use super::thread_safe::*;
use super::trace::*;
use super::*;
use crate::alignment::Alignment;
use crate::heap::FixedBufferAllocator;
use crate::testing::LedgerAllocator;

pub(super) const EIGHT: Alignment = Alignment::_8;

/// Returns the handle as C would pass it.
pub(super) fn raw(allocator: Allocator<'_>) -> RawAllocator {
    RawAllocator { ctx: allocator.ptr(), vtable: allocator.vtable() }
}

/// Allocates a block, writes all of it, and returns its address.
pub(super) fn alloc(allocator: Allocator<'_>, len: usize) -> usize {
    // SAFETY: the length is not zero; no test calls one allocator from two threads at once.
    let memory = unsafe { allocator.raw_alloc(len, EIGHT, 0) }.expect("there is room");
    // SAFETY: a new block of this length.
    unsafe { memory.write_bytes(0x5A, len) };
    memory.addr().get()
}

/// Calls `test` with a child that records what it hands out, then checks that all of it was freed.
pub(super) fn with_ledger(test: impl FnOnce(RawAllocator)) {
    let ledger = LedgerAllocator::init(crate::heap::PAGE_ALLOCATOR);
    test(raw(ledger.allocator()));
    ledger.assert_no_leaks();
}

#[test]
fn arena_handle_survives_a_reset() {
    with_ledger(|child| {
        // SAFETY: used as the header says.
        unsafe {
            let arena = zigalloc_arena_create(child);
            let allocator = zigalloc_arena_allocator(arena);
            alloc(allocator, 1000);
            assert!(zigalloc_arena_reset(arena, 1, 0));
            let first = alloc(allocator, 100);
            assert_ne!(alloc(zigalloc_arena_allocator(arena), 100), first);
            assert!(zigalloc_arena_query_capacity(arena) >= 1000);
            assert!(zigalloc_arena_reset(arena, 2, 200));
            assert_eq!(zigalloc_arena_query_capacity(arena), 200);
            alloc(allocator, 5000);
            assert!(zigalloc_arena_reset(arena, 0, 0));
            assert_eq!(zigalloc_arena_query_capacity(arena), 0);
            alloc(allocator, 1);
            zigalloc_arena_destroy(arena);
        }
    });
}

#[test]
fn shared_arena_handle_survives_a_reset() {
    with_ledger(|child| {
        // SAFETY: used as the header says; there is one thread.
        unsafe {
            let arena = zigalloc_shared_arena_create(child);
            let allocator = zigalloc_shared_arena_allocator(arena);
            alloc(allocator, 1000);
            assert!(zigalloc_shared_arena_query_capacity(arena) >= 1000);
            assert!(zigalloc_shared_arena_reset(arena, 1, 0));
            alloc(allocator, 100);
            assert!(zigalloc_shared_arena_reset(arena, 0, 0));
            assert_eq!(zigalloc_shared_arena_query_capacity(arena), 0);
            alloc(allocator, 1);
            zigalloc_shared_arena_destroy(arena);
        }
    });
}

#[test]
fn fixed_buffer_handles_survive_a_reset() {
    with_ledger(|state| {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 100];
        // SAFETY: used as the header says: one flavour at a time.
        unsafe {
            let fixed_buffer = zigalloc_fixed_buffer_create(state, buffer.as_mut_ptr().cast(), 100);
            let allocator = zigalloc_fixed_buffer_allocator(fixed_buffer);
            let first = alloc(allocator, 20);
            assert!(zigalloc_fixed_buffer_end_index(fixed_buffer) >= 20);
            zigalloc_fixed_buffer_reset(fixed_buffer);
            assert_eq!(alloc(allocator, 20), first);
            zigalloc_fixed_buffer_reset(fixed_buffer);

            // Two handles of the other flavour: the first stays valid when the second is requested.
            let one = zigalloc_fixed_buffer_thread_safe_allocator(fixed_buffer);
            assert_eq!(alloc(one, 8), first);
            let two = zigalloc_fixed_buffer_thread_safe_allocator(fixed_buffer);
            assert_eq!((alloc(one, 8), alloc(two, 8)), (first + 8, first + 16));
            zigalloc_fixed_buffer_reset(fixed_buffer);
            assert_eq!((alloc(two, 8), alloc(one, 8)), (first, first + 8));
            zigalloc_fixed_buffer_destroy(fixed_buffer);
        }
    });
}

#[test]
fn full_buffer_uses_the_fallback() {
    with_ledger(|child| {
        // On some processors a u64 is aligned to 4 bytes.
        #[repr(align(8))]
        struct Buffer([MaybeUninit<u8>; 80]);
        let mut buffer = Buffer([MaybeUninit::uninit(); 80]);
        // From here on, the buffer belongs to the allocator.
        let buffer = buffer.0.as_mut_ptr();
        // SAFETY: used as the header says.
        unsafe {
            let buffer_first = zigalloc_buffer_first_create(child, buffer.cast(), 80, child);
            let allocator = zigalloc_buffer_first_allocator(buffer_first);
            let inside = alloc(allocator, 60);
            let outside = allocator.raw_alloc(60, EIGHT, 0).expect("the child has room");
            assert!(inside == buffer.addr() && outside.addr().get() != inside + 64);
            allocator.raw_free(NonNull::slice_from_raw_parts(outside, 60), EIGHT, 0);
            assert_eq!(zigalloc_buffer_first_end_index(buffer_first), 60);
            zigalloc_buffer_first_reset(buffer_first);
            assert_eq!(alloc(allocator, 60), inside);
            zigalloc_buffer_first_destroy(buffer_first);
        }
    });
}

#[test]
fn lock_around_an_arena_allocates() {
    with_ledger(|child| {
        // SAFETY: used as the header says.
        unsafe {
            let arena = zigalloc_arena_create(child);
            let thread_safe = zigalloc_thread_safe_create(raw(zigalloc_arena_allocator(arena)));
            let allocator = zigalloc_thread_safe_allocator(thread_safe);
            assert_ne!(alloc(allocator, 8), alloc(zigalloc_thread_safe_allocator(thread_safe), 8));
            zigalloc_thread_safe_destroy(thread_safe);
            zigalloc_arena_destroy(arena);
        }
    });
}

#[test]
fn debug_allocator_counts_and_frees_leaks() {
    with_ledger(|child| {
        // SAFETY: used as the header says; leaks are allowed.
        unsafe {
            let debug = zigalloc_debug_create(child);
            let allocator = zigalloc_debug_allocator(debug);
            assert_eq!(zigalloc_debug_detect_leaks(debug), 0);
            alloc(allocator, 100);
            alloc(allocator, 100_000);
            assert_eq!(zigalloc_debug_detect_leaks(debug), 2);
            alloc(allocator, 100);
            assert_eq!(zigalloc_debug_destroy(debug), 3);
        }
    });
}

/// Items are allocated in Zig's order: the last one freed first, preheated ones in reverse.
#[test]
fn pool_items_are_reused_in_zigs_order() {
    for (item_size, alignment_log2) in [(0, 0), (1, 0), (8, 3), (24, 3), (100, 6)] {
        with_ledger(|child| {
            // SAFETY: used as the header says.
            unsafe {
                let pool = zigalloc_pool_create(child, item_size, alignment_log2);
                let one = zigalloc_pool_alloc(pool);
                let two = zigalloc_pool_alloc(pool);
                assert_ne!(one, two);
                assert!(one.addr() % (1 << alignment_log2) == 0 && two.addr() % (1 << alignment_log2) == 0);
                one.write_bytes(1, item_size);
                two.write_bytes(2, item_size);
                zigalloc_pool_free(pool, one);
                zigalloc_pool_free(pool, two);
                assert_eq!((zigalloc_pool_alloc(pool), zigalloc_pool_alloc(pool)), (two, one));

                assert!(zigalloc_pool_reset(pool, 1, 0));
                assert!(zigalloc_pool_preheat(pool, 3));
                let items = [(); 3].map(|()| zigalloc_pool_alloc(pool).addr());
                assert!(items[0] > items[1] && items[1] > items[2], "{items:x?}");
                assert!(zigalloc_pool_reset(pool, 0, 0));
                assert!(!zigalloc_pool_alloc(pool).is_null());
                zigalloc_pool_destroy(pool);
            }
        });
    }
}

/// The existing items are kept and reused.
#[test]
fn exhausted_pool_serves_its_items() {
    let mut buffer = [MaybeUninit::<u64>::uninit(); 100];
    // SAFETY: the bytes of the array.
    let bytes = unsafe { core::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), 800) };
    let child = FixedBufferAllocator::init(bytes);
    // SAFETY: used as the header says.
    unsafe {
        let pool = zigalloc_pool_create(raw(child.allocator()), 16, 3);
        assert!(!zigalloc_pool_preheat(pool, 1000));
        let mut count = 0;
        while !zigalloc_pool_alloc(pool).is_null() {
            count += 1;
        }
        assert!((20..50).contains(&count), "{count}");
        zigalloc_pool_destroy(pool);

        let endless = zigalloc_pool_create(raw(*crate::heap::PAGE_ALLOCATOR), usize::MAX, 3);
        assert!(zigalloc_pool_alloc(endless).is_null() && !zigalloc_pool_preheat(endless, 1));
        zigalloc_pool_destroy(endless);
    }
}

#[test]
fn calls_are_counted() {
    with_ledger(|child| {
        // SAFETY: used as the header says.
        unsafe {
            let counting = zigalloc_counting_create(child);
            let allocator = zigalloc_counting_allocator(counting);
            let memory = allocator.raw_alloc(100, EIGHT, 0).expect("there is room");
            let mut counts = MaybeUninit::uninit();
            zigalloc_counting_snapshot(counting, counts.as_mut_ptr());
            let counts = counts.assume_init();
            assert_eq!((counts.alloc_calls, counts.live_blocks, counts.live_bytes), (1, 1, 100));
            assert_eq!((counts.alloc_sizes[7], counts.alloc_sizes.iter().sum::<u64>()), (1, 1));
            allocator.raw_free(NonNull::slice_from_raw_parts(memory, 100), EIGHT, 0);
            zigalloc_counting_destroy(counting);
        }
    });
}

/// OT-06: C's `malloc` family.
#[test]
fn blocks_that_know_their_size() {
    with_ledger(|a| {
        // SAFETY: used as the header says.
        unsafe {
            let memory = zigalloc_calloc(a, 3, 7);
            assert!((0..21).all(|n| memory.add(n).read() == 0));
            memory.write_bytes(0x5A, 21);
            let memory = zigalloc_malloc_realloc(a, memory, 5000);
            assert!((0..21).all(|n| memory.add(n).read() == 0x5A));
            assert_eq!(zigalloc_malloc_usable_size(a, memory), 5000);
            let memory = zigalloc_reallocarray(a, memory, 2, 8);
            zigalloc_free_sized(a, memory, 16);
            zigalloc_malloc_free(a, zigalloc_malloc(a, 0));
            zigalloc_malloc_free(a, ptr::null_mut());
            let aligned = zigalloc_aligned_alloc(a, 64, 10);
            assert_eq!(aligned.addr() % 64, 0);
            zigalloc_free_aligned_sized(a, aligned, 64, 10);
            let mut other = ptr::null_mut();
            assert_eq!(zigalloc_posix_memalign(a, &mut other, 128, 1), 0);
            assert!(zigalloc_malloc_realloc(a, other, 0).is_null());
            zigalloc_malloc_free(a, zigalloc_memalign(a, 32, 1));
            zigalloc_malloc_free(a, zigalloc_valloc(a, 1));
        }
    });
}

/// Appends the line to the `String` at `ctx`.
unsafe extern "C" fn note_line(ctx: *mut core::ffi::c_void, line: *const core::ffi::c_char, len: usize) {
    // SAFETY: the tests pass a string, and the line is text of this length.
    unsafe {
        let line = core::slice::from_raw_parts(line.cast::<u8>(), len);
        let text = &mut *ctx.cast::<std::string::String>();
        text.push_str(core::str::from_utf8(line).expect("it is cut between characters"));
        text.push('\n');
    }
}

#[test]
fn calls_are_logged() {
    let mut text = std::string::String::new();
    let ctx = (&raw mut text).cast();
    with_ledger(|child| {
        // SAFETY: used as the header says.
        unsafe {
            let logging = zigalloc_logging_create(child, Some(note_line), ctx);
            let allocator = zigalloc_logging_allocator(logging);
            let memory = allocator.raw_alloc(100, EIGHT, 0).expect("there is room");
            let memory = NonNull::slice_from_raw_parts(memory, 100);
            let moved = allocator.raw_remap(memory, EIGHT, 90, 0).expect("the Rust heap can shrink a block");
            assert_eq!((*ctx.cast::<std::string::String>()).lines().count(), 1, "the second line waits");
            zigalloc_logging_flush(logging);
            assert_eq!((*ctx.cast::<std::string::String>()).lines().count(), 2);
            allocator.raw_free(NonNull::slice_from_raw_parts(moved, 90), EIGHT, 0);
            assert_eq!(zigalloc_logging_lost_lines(logging), 0);
            zigalloc_logging_destroy(logging);
        }
    });
    let lines: std::vec::Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("alloc 100 bytes, aligned to 8: 0x"), "{text}");
    assert!(lines[1].starts_with("remap 0x") && lines[1].contains(", 100 bytes, aligned to 8"), "{text}");
    assert!(lines[2].starts_with("free 0x") && lines[2].contains(", 90 bytes, aligned to 8"), "{text}");
}

/// A buffer length from C can be any number.
#[test]
fn impossible_buffer_lengths_return_null() {
    with_ledger(|state| {
        let mut byte = MaybeUninit::<u8>::uninit();
        // SAFETY: nothing is written, since there is no buffer.
        unsafe {
            for len in [usize::MAX, isize::MAX as usize + 1] {
                assert!(zigalloc_fixed_buffer_create(state, byte.as_mut_ptr(), len).is_null());
            }
            let empty = zigalloc_fixed_buffer_create(state, ptr::null_mut(), 0);
            assert!(zigalloc_fixed_buffer_allocator(empty).raw_alloc(1, Alignment::_1, 0).is_none());
            zigalloc_fixed_buffer_destroy(empty);
        }
    });
}

#[test]
fn create_without_memory_returns_null() {
    let failing = raw(Allocator::FAILING);
    let mut small = [MaybeUninit::<u8>::uninit(); 8];
    let no_room = FixedBufferAllocator::init(&mut small);
    for child in [failing, raw(no_room.allocator())] {
        // SAFETY: used as the header says. Destroying null is allowed.
        unsafe {
            let arena = zigalloc_arena_create(child);
            let shared_arena = zigalloc_shared_arena_create(child);
            let fixed_buffer = zigalloc_fixed_buffer_create(child, ptr::null_mut(), 0);
            let thread_safe = zigalloc_thread_safe_create(child);
            let debug = zigalloc_debug_create(child);
            let pool = zigalloc_pool_create(child, 8, 3);
            let buffer_first = zigalloc_buffer_first_create(child, ptr::null_mut(), 0, child);
            let counting = zigalloc_counting_create(child);
            let logging = zigalloc_logging_create(child, Some(note_line), ptr::null_mut());
            let failing_at = zigalloc_failing_at_create(child, 0, 0);
            let with_options = zigalloc_debug_create_with(child, ptr::null());
            assert!(buffer_first.is_null() && counting.is_null() && logging.is_null());
            assert!(failing_at.is_null() && with_options.is_null());
            assert!(arena.is_null() && shared_arena.is_null() && fixed_buffer.is_null());
            assert!(thread_safe.is_null() && debug.is_null() && pool.is_null());
            zigalloc_arena_destroy(arena);
            zigalloc_shared_arena_destroy(shared_arena);
            zigalloc_fixed_buffer_destroy(fixed_buffer);
            zigalloc_thread_safe_destroy(thread_safe);
            assert_eq!(zigalloc_debug_destroy(debug), 0);
            zigalloc_pool_destroy(pool);
            zigalloc_buffer_first_destroy(buffer_first);
            zigalloc_counting_destroy(counting);
            zigalloc_logging_destroy(logging);
            zigalloc_failing_at_destroy(failing_at);
        }
    }
}

#[test]
fn version_matches_the_package() {
    // SAFETY: a literal that ends with a zero.
    let version = unsafe { core::ffi::CStr::from_ptr(zigalloc_version()) };
    assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
}
