//! Formatting into new memory: the text, every call of the growing buffer, and every failure.

use std::cell::Cell;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::{Alignment, Allocator, Error, VTable, block, state};

use super::{Watch, watched};
use crate::alignment::panic_of;

/// The constant by which a text buffer grows.
const C: usize = if cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "powerpc64")) {
    128
} else if cfg!(target_arch = "s390x") {
    256
} else if cfg!(target_arch = "arm") {
    32
} else {
    64
};

/// Written in several pieces.
pub(super) struct Pieces<'p>(pub(super) &'p [&'p str]);

impl fmt::Display for Pieces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| f.write_str(piece))
    }
}

/// M-44
#[test]
fn print() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, _| unsafe {
        let (x, y) = (-1, "hi");
        let text = a.print(format_args!("{x}={y}")).unwrap();
        assert_eq!(text.as_ref(), b"-1=hi");
        a.free(text);
    });
}

/// M-45
#[test]
fn print_sentinel() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, _| unsafe {
        let (x, y) = (-1, "hi");
        let text = a.print_sentinel(format_args!("{x}={y}"), 0).unwrap();
        assert_eq!(std::ffi::CStr::from_ptr(text.as_ptr().cast()), c"-1=hi");
        assert_eq!(text.len(), 5);
        a.free(text);
    });
}

/// M-44: text without arguments gets a buffer of exactly its length; empty text gets none (0.17.1).
#[test]
fn print_of_literal_allocates_its_length() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let text = a.print(format_args!("hello")).unwrap();
        assert_eq!(watch.trace(), "alloc 5:1, remap 5:1 to 5 true");
        a.free(text);
        assert_eq!(watch.trace(), "free 5:1");
        watch.refuse_resize(true);
        let text = a.print(format_args!("hello")).unwrap();
        assert_eq!(text.as_ref(), b"hello");
        assert_eq!(watch.trace(), "alloc 5:1, remap 5:1 to 5 false, alloc 5:1, free 5:1");
        a.free(text);
        watch.trace();
        let empty = a.print(format_args!("")).unwrap();
        assert_eq!(empty.as_ref(), b"");
        a.free(empty);
        a.free(a.print(format_args!("{}", Pieces(&["", ""]))).unwrap());
        assert_eq!(watch.trace(), "");
    });
}

/// M-45: room for the sentinel is made after the text is complete (0.17.1).
#[test]
fn print_sentinel_of_literal_grows_once() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let text = a.print_sentinel(format_args!("abc"), b'!').unwrap();
        assert_eq!(watch.trace(), "alloc 3:1, remap 3:1 to 4 true, remap 4:1 to 4 true");
        assert_eq!((text.len(), text.sentinel_ptr().read()), (3, b'!'));
        a.free(text);
        assert_eq!(watch.trace(), "free 4:1");
        let empty = a.print_sentinel(format_args!(""), 0).unwrap();
        assert_eq!((empty.len(), empty.as_ptr().read()), (0, 0));
        assert_eq!(watch.trace(), "alloc 1:1, remap 1:1 to 1 true");
        a.free(empty);
        assert_eq!(watch.trace(), "free 1:1");
    });
}

/// M-44: the buffer grows to what is needed, plus half of that and a cache line; finally it is cut to length.
#[rstest]
fn print_buffer_grows_by_half(#[values(false, true)] refuse: bool) {
    let long = "x".repeat(300);
    let pieces = ["abc", &long];
    let pieces = Pieces(&pieces);
    let (first, second) = (4 + 2 + C, 304 + 152 + C);
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        watch.refuse_resize(refuse);
        let text = a.print(format_args!("{pieces}")).unwrap();
        assert_eq!(text.as_ref(), pieces.to_string().as_bytes());
        let expected = match refuse {
            false => {
                format!("alloc {first}:1, remap {first}:1 to {second} true, remap {second}:1 to 303 true")
            }
            true => format!(
                "alloc {first}:1, remap {first}:1 to {second} false, alloc {second}:1, free {first}:1, \
                 remap {second}:1 to 303 false, alloc 303:1, free {second}:1"
            ),
        };
        assert_eq!(watch.trace(), expected);
        a.free(text);
    });
}

/// Refuses the `n`-th `alloc` and every resize.
struct Refusing<'c, 'w> {
    watch: &'w Watch<'c>,
    left: Cell<usize>,
}

impl Refusing<'_, '_> {
    const VTABLE: VTable = VTable {
        alloc: Self::alloc,
        resize: zigalloc::no_resize,
        remap: zigalloc::no_remap,
        free: Self::free,
    };

    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions pass everything on, or refuse.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let left = this.left.get().checked_sub(1)?;
        this.left.set(left);
        // SAFETY: `len` is not zero, by our caller; one thread.
        unsafe { this.watch.recorder.allocator().raw_alloc(len, alignment, ret_addr) }
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
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, len) };
        // SAFETY: a live block of the child, by our caller; one thread.
        unsafe { this.watch.recorder.allocator().raw_free(memory, alignment, ret_addr) };
    }
}

/// M-44, M-45: any failing allocation is reported and nothing leaks.
#[test]
fn print_out_of_memory_leaks_nothing() {
    let long = "x".repeat(300);
    let pieces = ["abc", &long, "def"];
    let pieces = Pieces(&pieces);
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|_, watch| unsafe {
        // The buffer, the larger buffer, and the exact block.
        for allocations in 0..=3 {
            let refusing = Refusing { watch, left: Cell::new(allocations) };
            let a = refusing.allocator();
            let text = a.print(format_args!("{pieces}"));
            assert_eq!(text.is_ok(), allocations == 3, "{allocations}");
            text.into_iter().for_each(|text| a.free(text));
            refusing.left.set(allocations);
            let text = a.print_sentinel(format_args!("{pieces}"), 0);
            assert_eq!(text.is_ok(), allocations == 3, "{allocations}");
            text.into_iter().for_each(|text| a.free(text));
            watch.trace();
            assert_eq!(*watch.live.borrow(), []);
        }
    });
}

/// M-44: a `Display` that ignores write errors cannot produce text with a gap.
#[test]
fn print_reports_ignored_out_of_memory() {
    struct Careless;
    impl fmt::Display for Careless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let _ = f.write_str(&"x".repeat(300));
            Ok(())
        }
    }
    watched(|_, watch| {
        let refusing = Refusing { watch, left: Cell::new(1) };
        let text = refusing.allocator().print(format_args!("{}{Careless}", Pieces(&["a"])));
        assert_eq!(text, Err(Error::OutOfMemory));
    });
}

/// M-44: a `Display` that returns an error makes `print` panic, as `format!` does. Nothing leaks, even if the `Display`
/// itself panics.
#[test]
fn print_panics_leak_nothing() {
    struct Fails;
    impl fmt::Display for Fails {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("a bad day")
        }
    }
    watched(|a, watch| {
        let start = Pieces(&["abc"]);
        let message = panic_of(AssertUnwindSafe(|| _ = a.print(format_args!("{start}{Fails}"))));
        assert_eq!(message, "Allocator::print: a Display implementation returned an error");
        let message = panic_of(AssertUnwindSafe(|| _ = a.print_sentinel(format_args!("{start}{Fails}"), 0)));
        assert_eq!(message, "Allocator::print_sentinel: a Display implementation returned an error");
        let message = panic_of(AssertUnwindSafe(|| _ = a.print(format_args!("{start}{Panics}"))));
        assert_eq!(message, "a bad day");
        let buffer = 4 + 2 + C;
        assert_eq!(watch.trace(), vec![format!("alloc {buffer}:1, free {buffer}:1"); 3].join(", "));
    });
}

/// A `Display` may use the same allocator while it is printed.
#[test]
fn print_is_reentrant() {
    struct Nested<'a>(Allocator<'a>);
    impl fmt::Display for Nested<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let text = self.0.print(format_args!("in{}", Pieces(&["ner"]))).map_err(|_| fmt::Error)?;
            // SAFETY: `print` has written UTF-8.
            let result = f.write_str(std::str::from_utf8(unsafe { text.as_ref() }).unwrap());
            // SAFETY: it is from this allocator, and not used afterwards.
            unsafe { self.0.free(text) };
            result
        }
    }
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, _| unsafe {
        let text = a.print(format_args!("<{}>", Nested(a))).unwrap();
        assert_eq!(text.as_ref(), b"<inner>");
        a.free(text);
    });
}
