//! The typed interface: the vtable calls that each function makes, and its result.
//!
//! The traces are those of Zig 0.15.2 for the same calls over the same allocator, or of 0.17.1 where a comment says so.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::heap::FixedBufferAllocator;
use zigalloc::{
    AlignedPtr, AlignedSlice, Alignment, Allocator, Error, NoSentinel, Sentinel, SentinelSlice, SlicePtr,
};
use zigalloc_support::{Call, Recorder, alignment_from_c};

mod print;
mod undefined;
mod zero_cases;

const MAX: usize = usize::MAX;

/// A recorder that also checks its callers: only live blocks are resized or freed, with their own length and
/// alignment, and no length is zero.
struct Watch<'c> {
    recorder: Recorder<'c>,
    /// Address, length and alignment.
    live: RefCell<Vec<(usize, usize, Alignment)>>,
}

impl Watch<'_> {
    /// Returns the calls since the last trace: lengths in bytes, the alignment after a colon, and the result.
    fn trace(&self) -> String {
        let calls = self.recorder.take();
        calls.iter().for_each(|call| self.account(call));
        let text = calls.iter().map(|call| match *call {
            Call::Alloc { len, alignment, result: Some(_), .. } => format!("alloc {len}:{alignment}"),
            Call::Alloc { len, alignment, result: None, .. } => format!("alloc {len}:{alignment} null"),
            Call::Resize { len, alignment, new_len, result, .. } => {
                format!("resize {len}:{alignment} to {new_len} {result}")
            }
            Call::Remap { len, alignment, new_len, result, .. } => {
                format!("remap {len}:{alignment} to {new_len} {}", result.is_some())
            }
            Call::Free { len, alignment, .. } => format!("free {len}:{alignment}"),
        });
        text.collect::<Vec<_>>().join(", ")
    }

    fn account(&self, call: &Call) {
        let take = |block| {
            let mut live = self.live.borrow_mut();
            let position = live.iter().position(|live| *live == block);
            live.swap_remove(position.unwrap_or_else(|| panic!("no live block is {block:x?}")))
        };
        let new = match *call {
            Call::Alloc { len, alignment, result, .. } => result.map(|address| (address, len, alignment)),
            Call::Resize { address, len, alignment, new_len, result, .. } => {
                take((address, len, alignment));
                Some((address, if result { new_len } else { len }, alignment))
            }
            Call::Remap { address, len, alignment, new_len, result, .. } => {
                let old = take((address, len, alignment));
                Some(result.map_or(old, |moved| (moved, new_len, alignment)))
            }
            Call::Free { address, len, alignment, .. } => {
                take((address, len, alignment));
                None
            }
        };
        if let Some((address, len, alignment)) = new {
            assert!(len > 0 && alignment.check(address));
            self.live.borrow_mut().push((address, len, alignment));
        }
    }

    /// Takes the return addresses of the calls since the last trace.
    fn ret_addrs(&self) -> Vec<usize> {
        let calls = self.recorder.take();
        calls.iter().for_each(|call| self.account(call));
        calls.iter().map(Call::ret_addr).collect()
    }

    /// Sets whether every resize and remap is refused from now on.
    fn refuse_resize(&self, refuse: bool) {
        self.recorder.refuse_resize.set(refuse);
    }

    fn refuse_alloc(&self, refuse: bool) {
        self.recorder.refuse_alloc.set(refuse);
    }
}

/// Runs `test` with an allocator over its own buffer, and checks that nothing leaks.
fn watched(test: impl FnOnce(Allocator<'_>, &Watch<'_>)) {
    #[repr(align(4096))]
    struct Buffer([MaybeUninit<u8>; 16384]);
    let mut buffer = Buffer([const { MaybeUninit::uninit() }; 16384]);
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer.0);
    let watch = Watch { recorder: Recorder::new(fixed_buffer.allocator()), live: RefCell::default() };
    test(watch.recorder.allocator(), &watch);
    watch.trace();
    assert_eq!(*watch.live.borrow(), [], "leaked");
}

/// Converts a trace in elements, `alloc 10, free 10`, to one in bytes.
fn in_bytes<T>(elements: &str, alignment: usize) -> String {
    let calls = elements.split(", ").map(|call| {
        let mut words = call.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (n, word) in words.iter_mut().enumerate() {
            if let Ok(count) = word.parse::<usize>() {
                let bytes = count * size_of::<T>();
                *word = if n == 1 { format!("{bytes}:{alignment}") } else { bytes.to_string() };
            }
        }
        words.join(" ")
    });
    calls.collect::<Vec<_>>().join(", ")
}

/// Calls a function for several types: small, odd-sized, and larger than their alignment.
macro_rules! for_types {
    ($function:ident) => {
        $function::<u8>();
        $function::<u16>();
        $function::<[u8; 3]>();
        $function::<u64>();
        $function::<[u32; 3]>();
    };
}

/// M-20, M-23: they pass the type's size and natural alignment.
#[test]
fn create_and_destroy_pass_size_and_alignment() {
    fn of<T>() {
        // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
        watched(|a, watch| unsafe {
            a.destroy(a.create::<T>().unwrap());
            assert_eq!(watch.trace(), in_bytes::<T>("alloc 1, free 1", align_of::<T>()));
            watch.refuse_alloc(true);
            assert_eq!(a.create::<T>(), Err(Error::OutOfMemory));
            assert_eq!(watch.trace(), in_bytes::<T>("alloc 1 null", align_of::<T>()));
        });
    }
    for_types!(of);
}

/// TR-01, M-21, M-22, M-23: the alignment of the pointer type is passed, above or below the natural one (0.17.1).
#[test]
fn aligned_create_passes_the_given_alignment() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        a.destroy(a.aligned_create::<u32, 16>().unwrap());
        assert_eq!(watch.trace(), "alloc 4:16, free 4:16");
        a.destroy(a.aligned_create::<u32, 1>().unwrap());
        assert_eq!(watch.trace(), "alloc 4:1, free 4:1");
        a.destroy(a.aligned_create::<u32, 0>().unwrap());
        assert_eq!(watch.trace(), format!("alloc 4:{0}, free 4:{0}", align_of::<u32>()));
        let line: AlignedPtr<u8, 4096> = a.create_advanced_with_ret_addr(0x1234).unwrap();
        assert_eq!(line.as_ptr().addr() % 4096, 0);
        assert_eq!(watch.ret_addrs(), [0x1234]);
        a.destroy(line);
    });
}

/// TR-7B, M-20, M-21, M-23: a zero-sized type gets the highest aligned address without a call of the vtable. With a
/// given alignment, the stricter of both applies.
#[test]
fn create_of_zero_sized_type_does_not_call_the_vtable() {
    #[repr(align(4096))]
    struct Page;
    let a = Allocator::FAILING;
    assert_eq!(a.create::<()>().unwrap().addr().get(), MAX);
    assert_eq!(a.create::<[u64; 0]>().unwrap().addr().get(), MAX - (align_of::<u64>() - 1));
    assert_eq!(a.create::<Page>().unwrap().addr().get(), MAX - 4095);
    assert_eq!(a.aligned_create::<(), 16>().unwrap().as_ptr().addr(), MAX - 15);
    assert_eq!(a.aligned_create::<Page, 16>().unwrap().as_ptr().addr(), MAX - 4095);
    // SAFETY: the pointers are from `a`.
    unsafe {
        a.destroy(a.create::<Page>().unwrap());
        a.destroy(a.aligned_create::<(), 16>().unwrap());
    }
    assert_eq!(a.create_with(()).map(|_| ()), Ok(()));
}

/// M-20: the value is written; if there is no memory, it is dropped.
#[test]
fn create_with_writes_the_value() {
    struct Counted<'d>(&'d Cell<usize>, u64);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let drops = Cell::new(0);
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let item = a.create_with(Counted(&drops, 42)).unwrap();
        assert_eq!(item.read().1, 42);
        assert_eq!(drops.get(), 1, "only the copy that was read is dropped");
        a.destroy(item);
        assert_eq!(drops.get(), 1, "destroy does not drop");
        watch.refuse_alloc(true);
        assert!(a.create_with(Counted(&drops, 42)).is_err());
        assert_eq!(drops.get(), 2);
    });
}

/// TR-01, M-24, M-28, M-30, M-40: size times count, with the type's alignment or the given one.
#[test]
fn alloc_and_free_pass_byte_length_and_alignment() {
    fn of<T>() {
        // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
        watched(|a, watch| unsafe {
            let memory = a.alloc::<T>(10).unwrap();
            assert_eq!(memory.len(), 10);
            a.free(memory);
            assert_eq!(watch.trace(), in_bytes::<T>("alloc 10, free 10", align_of::<T>()));
            let line = a.aligned_alloc::<T, 64>(3).unwrap();
            assert_eq!((line.len(), line.as_ptr().addr() % 64), (3, 0));
            a.free(line);
            assert_eq!(watch.trace(), in_bytes::<T>("alloc 3, free 3", 64));
            a.free(a.aligned_alloc::<T, 1>(3).unwrap());
            assert_eq!(watch.trace(), in_bytes::<T>("alloc 3, free 3", 1));
            watch.refuse_alloc(true);
            assert_eq!(a.alloc::<T>(10), Err(Error::OutOfMemory));
            assert_eq!(watch.trace(), in_bytes::<T>("alloc 10 null", align_of::<T>()));
        });
    }
    for_types!(of);
}

/// TR-04, M-29, M-30: no elements, or zero-sized ones, give a slice of that length at the highest aligned address
/// without a call of the vtable.
#[test]
fn alloc_of_zero_bytes_does_not_call_the_vtable() {
    let a = Allocator::FAILING;
    assert_eq!(a.alloc::<u8>(0).map(|s| (s.len(), s.addr().get())), Ok((0, MAX)));
    assert_eq!(a.alloc::<u16>(0).map(|s| (s.len(), s.addr().get())), Ok((0, MAX - 1)));
    assert_eq!(a.alloc::<()>(5).map(|s| (s.len(), s.addr().get())), Ok((5, MAX)));
    assert_eq!(a.alloc::<()>(MAX).map(|s| (s.len(), s.addr().get())), Ok((MAX, MAX)));
    let page = a.aligned_alloc::<u8, 4096>(0).unwrap();
    assert_eq!((page.len(), page.as_ptr().addr()), (0, MAX - 4095));
    for alignment in (0..usize::BITS as u8).map(|log2| Alignment::from_log2(log2).unwrap()) {
        let address = a.alloc_bytes_aligned(alignment, 0, 0).unwrap().addr().get();
        assert_eq!(address, alignment.backward(MAX));
    }
    // SAFETY: the slices are from `a`.
    unsafe {
        a.free(a.alloc::<u16>(0).unwrap());
        a.free(a.alloc::<()>(MAX).unwrap());
        a.free(page);
    }
}

/// TR-23, M-29: a byte count that overflows `usize` is out of memory, without a call of the vtable.
#[test]
fn alloc_overflow_is_out_of_memory() {
    watched(|a, watch| {
        assert_eq!(a.alloc::<u16>(MAX / 2 + 1), Err(Error::OutOfMemory));
        assert_eq!(a.alloc::<[u32; 3]>(MAX), Err(Error::OutOfMemory));
        assert!(a.aligned_alloc::<u64, 1>(MAX / 8 + 1).is_err());
        assert_eq!(watch.trace(), "");
        assert_eq!(a.alloc::<u16>(MAX / 2), Err(Error::OutOfMemory), "this one reaches the allocator");
        assert_eq!(watch.trace(), format!("alloc {}:{} null", MAX - 1, align_of::<u16>()));
    });
}

/// TR-05, M-30: the alignment is known only at run time; one out of range is out of memory, even for zero bytes,
/// without a call of the vtable.
#[test]
fn alloc_bytes_aligned_takes_a_runtime_alignment() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        for alignment in [Alignment::_1, Alignment::_8, Alignment::_64] {
            let memory = a.alloc_bytes_aligned(alignment, 10, 0x77).unwrap();
            assert!(alignment.check(memory.addr().get()));
            a.raw_free(NonNull::slice_from_raw_parts(memory, 10), alignment, 0x77);
            assert_eq!(watch.trace(), format!("alloc 10:{alignment}, free 10:{alignment}"));
        }
        let invalid = alignment_from_c(64);
        assert_eq!(a.alloc_bytes_aligned(invalid, 10, 0), Err(Error::OutOfMemory));
        assert_eq!(a.alloc_bytes_aligned(invalid, 0, 0), Err(Error::OutOfMemory));
        assert_eq!(watch.trace(), "");
    });
}

/// TR-02, M-25, M-26, M-27, M-40: the block has one more element than the slice: the sentinel.
#[test]
fn alloc_sentinel_adds_one_element() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let memory = a.alloc_sentinel(4, 7u16).unwrap();
        assert_eq!((memory.len(), memory.sentinel_ptr().read()), (4, 7));
        a.free(memory);
        assert_eq!(watch.trace(), format!("alloc 10:{0}, free 10:{0}", align_of::<u16>()));
        let empty = a.alloc_sentinel(0, 7u16).unwrap();
        assert_eq!((empty.len(), empty.as_ptr().read()), (0, 7));
        a.free(empty);
        assert_eq!(watch.trace(), format!("alloc 2:{0}, free 2:{0}", align_of::<u16>()));
        let line: SentinelSlice<u16, 64> = a.alloc_with_options(4, Sentinel(7)).unwrap();
        assert_eq!((line.len(), line.as_ptr().addr() % 64), (4, 0));
        a.free(line);
        assert_eq!(watch.trace(), "alloc 10:64, free 10:64");
        // Weaker than natural alignment: the sentinel may straddle a boundary.
        let odd: SentinelSlice<u32, 1> = a.alloc_with_options(1, Sentinel(0x0102_0304)).unwrap();
        assert_eq!(odd.sentinel_ptr().read_unaligned(), 0x0102_0304);
        a.free(odd);
        let plain: AlignedSlice<u8, 0> = a.alloc_with_options(3, NoSentinel).unwrap();
        a.free(plain);
        assert_eq!(watch.trace(), "alloc 8:1, free 8:1, alloc 3:1, free 3:1");
        let passed_on = a.alloc_with_options_ret_addr::<u8, 0, _>(3, Sentinel(0), 0x55).unwrap();
        assert_eq!(watch.ret_addrs(), [0x55]);
        a.free(passed_on);
    });
}

/// TR-7C, M-26, M-42, M-43: a count that overflows because of the sentinel is out of memory; Zig panics.
#[test]
fn sentinel_overflow_is_out_of_memory() {
    watched(|a, watch| {
        assert!(a.alloc_sentinel(MAX, 0u8).is_err());
        assert!(a.alloc_sentinel(MAX, ()).is_err());
        assert!(a.dupe_sentinel(&[(); MAX], ()).is_err());
        assert!(a.dupe_z(&[(); MAX]).is_err());
        assert_eq!(watch.trace(), "");
    });
}

/// M-31: it resizes in place or returns false; a length of 0 frees.
#[test]
fn resize_is_in_place_or_false() {
    fn of<T>() {
        // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
        watched(|a, watch| unsafe {
            let memory = a.alloc::<T>(10).unwrap();
            let trace = |text| assert_eq!(watch.trace(), in_bytes::<T>(text, align_of::<T>()));
            trace("alloc 10");
            assert!(a.resize(memory, 20));
            let memory = memory.with_len(20);
            assert!(a.resize(memory, 5));
            let memory = memory.with_len(5);
            watch.refuse_resize(true);
            assert!(!a.resize(memory, 5));
            trace("resize 10 to 20 true, resize 20 to 5 true, resize 5 to 5 false");
            assert!(a.resize(memory, 0), "freeing is never refused");
            trace("free 5");
        });
    }
    for_types!(of);
}

/// M-31, M-35: an empty slice cannot grow but can be freed, both without a call of the vtable.
#[test]
fn resize_and_remap_of_empty_slices_do_not_call_the_vtable() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let empty = a.alloc::<u32>(0).unwrap();
        assert!(!a.resize(empty, 1));
        assert!(a.resize(empty, 0));
        assert_eq!(a.remap(empty, 1), None);
        assert_eq!(a.remap(empty, 0), Some(empty));
        assert_eq!(watch.trace(), "");
    });
}

/// TR-23, M-31, M-35, M-37: a byte count that overflows `usize` is refused without a call of the vtable, and changes
/// nothing.
#[test]
fn overflowing_resize_remap_and_realloc_change_nothing() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let memory = a.dupe(&[1u32, 2]).unwrap();
        watch.trace();
        for new_len in [MAX, MAX / 2, MAX / 4 + 1] {
            assert!(!a.resize(memory, new_len));
            assert_eq!(a.remap(memory, new_len), None);
            assert_eq!(a.realloc(memory, new_len), Err(Error::OutOfMemory));
        }
        assert_eq!((watch.trace(), memory.as_ref()), (String::new(), &[1, 2][..]));
        a.free(memory);
    });
}

/// TR-73, M-32, M-35, M-39, M-40: the passed length counts the sentinel, the requested one does not (0.17.1; 0.15.2
/// passes a length that the block does not have).
#[test]
fn resizing_sentinel_slices_counts_the_sentinel() {
    let align = align_of::<u16>();
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let memory = a.alloc_sentinel(4, 7u16).unwrap();
        assert!(a.resize(memory, 5));
        a.free(memory.with_len(5));
        assert_eq!(watch.trace(), format!("alloc 10:{align}, resize 10:{align} to 10 true, free 10:{align}"));

        let memory = a.alloc_sentinel(4, 7u16).unwrap();
        let shorter: AlignedSlice<u16, 0> = a.remap(memory, 2).unwrap();
        a.free(shorter);
        assert_eq!(watch.trace(), format!("alloc 10:{align}, remap 10:{align} to 4 true, free 4:{align}"));

        let memory = a.alloc_sentinel(4, 7u16).unwrap();
        a.free(a.realloc(memory, 9).unwrap());
        assert_eq!(watch.trace(), format!("alloc 10:{align}, remap 10:{align} to 18 true, free 18:{align}"));

        watch.refuse_resize(true);
        let memory = a.alloc_sentinel(4, 7u16).unwrap();
        a.free(a.realloc(memory, 9).unwrap());
        let moved =
            "remap 10:2 to 18 false, alloc 18:2, free 10:2, free 18:2".replace(":2", &format!(":{align}"));
        assert_eq!(watch.trace(), format!("alloc 10:{align}, {moved}"));
    });
}

/// TR-74, M-32, M-37: an empty sentinel slice owns an element. `resize` frees it, and `realloc` does not leak it,
/// unlike in every release of Zig.
#[test]
fn empty_sentinel_slices_own_an_element() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let empty = a.alloc_sentinel(0, 7u8).unwrap();
        assert!(!a.resize(empty, 5));
        assert!(a.remap(empty, 5).is_none());
        assert!(a.resize(empty, 0));
        assert_eq!(watch.trace(), "alloc 1:1, free 1:1");
        let empty = a.alloc_sentinel(0, 7u8).unwrap();
        assert_eq!(a.remap(empty, 0).unwrap().len(), 0);
        assert_eq!(watch.trace(), "alloc 1:1, free 1:1");
        let empty = a.alloc_sentinel(0, 7u8).unwrap();
        a.free(a.realloc(empty, 5).unwrap());
        assert_eq!(watch.trace(), "alloc 1:1, remap 1:1 to 5 true, free 5:1");
        let empty = a.alloc_sentinel(0, 7u8).unwrap();
        assert_eq!(a.realloc(empty, 0).unwrap().len(), 0);
        assert_eq!(watch.trace(), "alloc 1:1, free 1:1");
    });
}

/// TR-11, TR-75, M-33, M-35, M-38: zero-sized elements change their count without a call of the vtable.
#[test]
fn zero_sized_elements_resize_without_a_call() {
    let a = Allocator::FAILING;
    let units = a.alloc::<()>(10).unwrap();
    // SAFETY: the slices are from `a`.
    unsafe {
        assert!(a.resize(units, MAX) && a.resize(units, 0));
        assert_eq!(a.remap(units, 200).unwrap().len(), 200);
        assert_eq!(a.remap(units, 0).unwrap().len(), 0);
        assert_eq!(a.realloc(units, MAX).unwrap().len(), MAX);
        assert_eq!(a.realloc(units, 0).unwrap().len(), 0);
        let none = a.alloc::<()>(0).unwrap();
        assert!(!a.resize(none, 5) && a.remap(none, 5).is_none());
        assert_eq!(a.realloc(none, 5).unwrap().len(), 5);
    }
}

/// TR-03, TR-76, M-34: a pointer to an array acts as a slice of its elements (0.17.1).
#[test]
fn array_pointers_act_as_slices() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let array: NonNull<[u8; 8]> = a.dupe(b"12345678").unwrap().cast();
        assert!(a.resize(array, 16));
        let slice: NonNull<[u8]> = array.with_len(16);
        let array: NonNull<[u8; 4]> = a.remap(slice, 4).unwrap().cast();
        let slice = a.realloc(array, 6).unwrap();
        a.free(slice.cast::<[u8; 6]>());
        assert_eq!(
            watch.trace(),
            "alloc 8:1, resize 8:1 to 16 true, remap 16:1 to 4 true, remap 4:1 to 6 true, free 6:1"
        );
    });
}

/// M-34, M-40: Zig's four ways to free an array of 127 elements and a sentinel.
#[test]
fn free_single_pointer_to_array() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, _| unsafe {
        // Rust's array types have no sentinel, so the pointer is to 128 elements.
        let allocate = || {
            let allocation = a.alloc::<u32>(128).unwrap();
            allocation.cast::<u32>().add(127).write(0);
            allocation.cast::<[u32; 128]>()
        };
        a.free(allocate());
        let ptr = allocate();
        match a.resize(ptr, 16) {
            true => a.free(ptr.with_len(16)),
            false => a.free(ptr),
        }
        let ptr = allocate();
        match a.remap(ptr, 16) {
            Some(new) => a.free(new),
            None => a.free(ptr),
        }
        let ptr = allocate();
        match a.realloc(ptr, 16) {
            Ok(new) => a.free(new),
            Err(_) => a.free(ptr),
        }
    });
}

/// M-35: like `resize`, but the address may change; a length of 0 gives an empty slice at the old address.
#[test]
fn remap_may_change_the_address() {
    fn of<T>() {
        // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
        watched(|a, watch| unsafe {
            let memory = a.alloc::<T>(10).unwrap();
            let trace = |text| assert_eq!(watch.trace(), in_bytes::<T>(text, align_of::<T>()));
            trace("alloc 10");
            let memory = a.remap(memory, 20).unwrap();
            let memory = a.remap(memory, 5).unwrap();
            assert_eq!(memory.len(), 5);
            watch.refuse_resize(true);
            assert_eq!(a.remap(memory, 5), None);
            trace("remap 10 to 20 true, remap 20 to 5 true, remap 5 to 5 false");
            let empty = a.remap(memory, 0).unwrap();
            assert_eq!((empty.len(), empty.addr()), (0, memory.addr()));
            trace("free 5");
        });
    }
    for_types!(of);
}

/// TR-09, M-36, M-37: first `remap`, then allocate, copy and free, also for the same length; from and to empty slices.
#[test]
fn realloc_remaps_or_copies() {
    fn of<T>() {
        // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
        watched(|a, watch| unsafe {
            let trace = |text| assert_eq!(watch.trace(), in_bytes::<T>(text, align_of::<T>()));
            let mut memory = a.alloc::<T>(0).unwrap();
            for n in [10, 20, 5, 0] {
                memory = a.realloc(memory, n).unwrap();
                assert_eq!(memory.len(), n);
            }
            trace("alloc 10, remap 10 to 20 true, remap 20 to 5 true, free 5");
            assert_eq!(memory.addr().get(), Alignment::of::<T>().backward(MAX));

            watch.refuse_resize(true);
            for n in [10, 20, 20, 5, 0] {
                memory = a.realloc(memory, n).unwrap();
            }
            let refused = [
                "alloc 10",
                "remap 10 to 20 false, alloc 20, free 10",
                "remap 20 to 20 false, alloc 20, free 20",
                "remap 20 to 5 false, alloc 5, free 20",
                "free 5",
            ];
            trace(&refused.join(", "));
        });
    }
    for_types!(of);
}

/// M-36, M-37: with the slice's alignment.
#[test]
fn realloc_keeps_the_alignment() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let mut line = a.aligned_alloc::<[u32; 3], 64>(3).unwrap();
        line = a.realloc(line, 6).unwrap();
        watch.refuse_resize(true);
        line = a.realloc(line, 2).unwrap();
        line = a.realloc(line, 0).unwrap();
        assert_eq!(line.as_ptr().addr(), MAX - 63);
        line = a.realloc_advanced(line, 2, 0).unwrap();
        a.free(line);
        assert_eq!(
            watch.trace(),
            "alloc 36:64, remap 36:64 to 72 true, remap 72:64 to 24 false, alloc 24:64, free 72:64, free 24:64, \
             alloc 24:64, free 24:64"
        );
    });
}

/// TR-56, M-37: the common prefix is copied; nothing else is written.
#[rstest]
fn realloc_copies_the_common_prefix(#[values(true, false)] refuse: bool) {
    for old in [1, 3, 8, 100] {
        for new in [1, 3, 8, 100] {
            realloc_copies_from(old, new, refuse);
        }
    }
}

fn realloc_copies_from(old: usize, new: usize, refuse: bool) {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let numbers = (0..old as u32).collect::<Vec<_>>();
        let memory = a.dupe(&numbers).unwrap();
        watch.refuse_resize(refuse);
        let memory = a.realloc(memory, new).unwrap();
        let kept = old.min(new);
        let copied = NonNull::slice_from_raw_parts(memory.cast::<u32>(), kept).as_ref();
        assert_eq!((memory.len(), copied), (new, &numbers[..kept]));
        a.free(memory);
    });
}

/// M-37: on out of memory the block is intact, even when shrinking.
#[rstest]
fn realloc_out_of_memory_keeps_the_block(#[values(1, 4, 5, MAX / 4)] new: usize) {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let memory = a.dupe(&[1u32, 2, 3, 4]).unwrap();
        watch.trace();
        watch.refuse_resize(true);
        watch.refuse_alloc(true);
        assert_eq!(a.realloc(memory, new), Err(Error::OutOfMemory));
        let (align, bytes) = (align_of::<u32>(), new * 4);
        assert_eq!(watch.trace(), format!("remap 16:{align} to {bytes} false, alloc {bytes}:{align} null"));
        assert_eq!(memory.as_ref(), [1, 2, 3, 4]);
        a.free(memory);
    });
}

/// M-41: allocates the same length; an empty slice gives an empty slice.
#[test]
fn dupe_copies_to_a_new_block() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let copy = a.dupe(&[1u16, 2]).unwrap();
        assert_eq!(copy.as_ref(), [1, 2]);
        a.free(copy);
        assert_eq!(watch.trace(), format!("alloc 4:{0}, free 4:{0}", align_of::<u16>()));
        let empty = a.dupe::<u16>(&[]).unwrap();
        assert_eq!((empty.len(), empty.addr().get()), (0, MAX - 1));
        assert_eq!(a.dupe(&[(); 3]).unwrap().len(), 3);
        a.free(empty);
        assert_eq!(watch.trace(), "");
        let text = a.dupe_str("zig").unwrap();
        assert_eq!(text.as_ref(), "zig");
        a.free(text);
        assert_eq!(watch.trace(), "alloc 3:1, free 3:1");
        watch.refuse_alloc(true);
        assert!(a.dupe(&[1u8]).is_err() && a.dupe_str("a").is_err() && a.dupe_z(b"a").is_err());
    });
}

/// M-42, M-43: the block has one more element, the sentinel.
#[test]
fn dupe_sentinel_adds_the_sentinel() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let copy = a.dupe_sentinel(&[1i16, 2], -1).unwrap();
        assert_eq!(zigalloc::mem::absorb_sentinel(copy).as_non_null().as_ref(), [1, 2, -1]);
        a.free(copy);
        let copy = a.dupe_z(&[1u16, 2]).unwrap();
        assert_eq!((copy.len(), copy.sentinel_ptr().read()), (2, 0));
        a.free(copy);
        let both = format!("alloc 6:{0}, free 6:{0}, alloc 6:{0}, free 6:{0}", align_of::<u16>());
        assert_eq!(watch.trace(), both);
    });
}

/// M-40, M-42: an empty string still has one byte to free.
#[test]
fn freeing_empty_string_with_null_terminated_sentinel() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let empty_string = a.dupe_z(b"").unwrap();
        assert_eq!(empty_string.as_ptr().read(), 0);
        a.free(empty_string);
        assert_eq!(watch.trace(), "alloc 1:1, free 1:1");
    });
}

/// M-24, M-27: with an allocator without memory.
#[test]
fn allocator_basics() {
    assert_eq!(Allocator::FAILING.alloc::<u8>(1), Err(Error::OutOfMemory));
    assert!(Allocator::FAILING.alloc_sentinel(1, 0u8).is_err());
}

/// M-31: 100 elements of every primitive type grow to 110 in place and keep their values.
#[test]
fn allocator_resize() {
    fn of<T: Copy + PartialEq + fmt::Debug>(value: impl Fn(u8) -> T) {
        // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
        watched(|a, _| unsafe {
            let expected = (0..100).map(value).collect::<Vec<_>>();
            let mut values = a.dupe(&expected).unwrap();
            assert!(a.resize(values, values.len() + 10), "the last block of a buffer can grow");
            values = values.with_len(values.len() + 10);
            assert_eq!(values.len(), 110);
            assert_eq!(NonNull::slice_from_raw_parts(values.cast::<T>(), 100).as_ref(), expected);
            a.free(values);
        });
    }
    of(|n| n as i8);
    of(u8::from);
    of(i16::from);
    of(u16::from);
    of(i32::from);
    of(u32::from);
    of(i64::from);
    of(u64::from);
    of(i128::from);
    of(u128::from);
    of(|n| n as isize);
    of(usize::from);
    of(f32::from);
    of(f64::from);
}

/// M-35: ten zero-sized elements become two hundred.
#[test]
fn allocator_alloc_and_remap_with_zero_bit_type() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let mut values = a.alloc::<()>(10).unwrap();
        assert_eq!(values.len(), 10);
        values = a.remap(values, 200).unwrap();
        assert_eq!(values.len(), 200);
        a.free(values);
        assert_eq!(watch.trace(), "");
    });
}

/// M-29: every byte is 0, whatever the memory held before.
#[test]
fn alloc_zeroed_writes_zeros() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let dirty = a.dupe(&[0xFFu8; 12]).unwrap();
        a.free(dirty);
        let zeros = a.alloc_zeroed::<u32>(3).unwrap();
        assert_eq!(zeros.as_ref(), [0, 0, 0]);
        a.free(zeros);
        assert_eq!(a.alloc_zeroed::<u32>(0).unwrap().len(), 0);
        assert_eq!(a.alloc_zeroed::<u32>(MAX), Err(Error::OutOfMemory));
        assert_eq!(
            watch.trace(),
            format!("alloc 12:1, free 12:1, alloc 12:{0}, free 12:{0}", align_of::<u32>())
        );
    });
}

/// M-22, M-26, M-29, M-30, M-37: a given return address arrives unchanged, also at the `free` of a `realloc` to 0
/// (where Zig passes its own).
#[test]
fn given_return_addresses_are_passed_on() {
    // SAFETY: each block is from `a`, and `Watch` checks its length and alignment.
    watched(|a, watch| unsafe {
        let memory = a.alloc_advanced_with_ret_addr::<u32, 0>(3, 0x11).unwrap();
        watch.refuse_resize(true);
        let memory = a.realloc_advanced(memory, 5, 0x22).unwrap();
        let memory = a.realloc_advanced(memory, 0, 0x33).unwrap();
        let memory = a.realloc_advanced(memory, 2, 0x44).unwrap();
        let memory = a.realloc_advanced(memory, 0, 0).unwrap();
        assert_eq!(memory.len(), 0);
        assert_eq!(watch.ret_addrs(), [0x11, 0x22, 0x22, 0x22, 0x33, 0x44, 0]);
    });
}
