//! A panic for a caller's mistake points to the caller's line, not to a line of this crate.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, Location, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
use zigalloc::{Alignment, Allocator, mem};

thread_local! {
    /// File and line of the panic, in a thread that records it.
    static PLACE: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
}

/// Returns where `f` panics.
fn place_of(f: impl FnOnce()) -> (String, u32) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let other = take_hook();
        set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            let place = info.location().map(|place| (place.file().to_owned(), place.line()));
            PLACE.with(|it| *it.borrow_mut() = place);
            other(info);
        }));
    });
    catch_unwind(AssertUnwindSafe(f)).expect_err("it must panic");
    PLACE.take().unwrap()
}

#[track_caller]
fn here(f: impl FnOnce()) {
    let expected = Location::caller();
    let (file, line) = place_of(f);
    assert_eq!((file.as_str(), line), (expected.file(), expected.line()));
}

#[test]
#[rustfmt::skip] // The place is compared by its line.
fn panics_point_to_the_callers_line() {
    here(|| _ = Alignment::from_byte_units_optional(Some(0)));
    here(|| _ = Alignment::_2.forward(usize::MAX));
    here(|| _ = Alignment::_2.forward_ptr(std::ptr::without_provenance_mut::<u8>(usize::MAX)));
    here(|| _ = mem::align_forward(1, 3));
    here(|| _ = mem::align_forward_any_align(1, 0));
    here(|| _ = mem::align_forward_log2(1, 200));
    here(|| _ = mem::is_aligned(4, 3));
    here(|| _ = mem::align_pointer(std::ptr::null_mut::<u8>(), 3));

    let wrong = DebugConfig { page_size: 5, ..DebugConfig::DEFAULT };
    here(|| _ = DebugAllocator::with_config(PAGE_ALLOCATOR, wrong));
    let small = DebugConfig { page_size: 64, stack_trace_frames: 32, ..DebugConfig::DEFAULT };
    here(|| _ = DebugAllocator::with_config(PAGE_ALLOCATOR, small));
    let alone = DebugConfig { thread_safe: false, ..DebugConfig::DEFAULT };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, alone);
    here(|| _ = debug.allocator());
    here(|| debug.set_requested_memory_limit(100));

    struct Fails;
    impl std::fmt::Display for Fails {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    here(|| _ = Allocator::FAILING.print(format_args!("{Fails}")));
}

/// MP-07: the panic points to the caller that freed the item, not to the pool.
#[test]
#[cfg(debug_assertions)]
fn second_destroy_panics_at_its_own_line() {
    let pool = zigalloc::heap::MemoryPool::<u64, _>::init(PAGE_ALLOCATOR);
    let item = pool.create().unwrap();
    // SAFETY: a live item.
    unsafe { pool.destroy(item) };
    // SAFETY: it is not live, which the assertion detects first.
    here(|| unsafe { pool.destroy(item) });
}
