//! Return addresses identify the calling line of the user's code, in debug and release builds.
//!
//! The tests of the interface would not notice a wrong address, but a leak report would then blame the wrong line. So
//! these tests look addresses up in the debug information of their own binary.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;

use zigalloc::heap::FixedBufferAllocator;
use zigalloc::{Allocator, Sentinel, SentinelSlice, SlicePtr, return_address};
use zigalloc_support::{Call, Recorder};

/// Targets on which the program counter can be read.
const KNOWN: bool =
    cfg!(all(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"), not(miri)));

/// Asserts that `address` is in `function` of this file, on one of `lines`.
#[track_caller]
fn assert_resolves(address: usize, function: &str, lines: &RangeInclusive<u32>) {
    let mut found = Vec::new();
    // One address can be in several functions: an outer one and those inlined into it.
    backtrace::resolve(address as *mut c_void, |symbol| {
        let name = symbol.name().map_or_else(String::new, |name| format!("{name:#}"));
        let file =
            symbol.filename().map(|file| file.to_string_lossy().replace('\\', "/")).unwrap_or_default();
        found.push((name, file, symbol.lineno().unwrap_or(0)));
    });
    let is_caller = |(name, file, line): &(String, String, u32)| {
        name.split("::").any(|part| part == function)
            && file.ends_with("tests/all/return_address.rs")
            && lines.contains(line)
    };
    assert!(
        found.iter().any(is_caller),
        "{address:#x} is not in {function} on line {lines:?} but in {found:#?}"
    );
}

// The tests call the allocator from their own body, not from a closure: inlined functions are found by their bare
// name, and all closures share one.

/// The memory of a test's allocator.
fn buffer() -> [MaybeUninit<u8>; 4096] {
    [const { MaybeUninit::uninit() }; 4096]
}

/// Takes the return addresses of the calls since the last time.
fn ret_addrs(recorder: &Recorder<'_>) -> Vec<usize> {
    recorder.take().iter().map(Call::ret_addr).collect()
}

/// Asserts that there were `count` vtable calls, all with the same address, in `function` on one of `lines`.
#[track_caller]
fn assert_calls(recorder: &Recorder<'_>, count: usize, function: &str, lines: RangeInclusive<u32>) {
    let ret_addrs = ret_addrs(recorder);
    assert_eq!(ret_addrs.len(), count);
    assert!(ret_addrs.iter().all(|address| *address == ret_addrs[0]), "{ret_addrs:x?}");
    match KNOWN {
        true => assert_resolves(ret_addrs[0], function, &lines),
        false => assert_eq!(ret_addrs[0], 0),
    }
}

#[test]
fn return_address_is_in_the_calling_function() {
    let begin = line!();
    let address = return_address();
    let lines = begin..=line!();
    match KNOWN {
        true => assert_resolves(address, "return_address_is_in_the_calling_function", &lines),
        false => assert_eq!(address, 0),
    }
}

/// M-20, M-21, M-23, M-24, M-25, M-27, M-28, M-40: functions that allocate and free.
#[test]
fn alloc_and_free_pass_the_callers_line() {
    let mut buffer = buffer();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    let a = recorder.allocator();
    let check = |count, lines| assert_calls(&recorder, count, "alloc_and_free_pass_the_callers_line", lines);
    // SAFETY: each block is from `a`, with its type and length.
    unsafe {
        let begin = line!();
        let item = a.create::<u32>().unwrap();
        check(1, begin..=line!());

        let begin = line!();
        a.destroy(item);
        check(1, begin..=line!());

        let begin = line!();
        let aligned = a.aligned_create::<u32, 64>().unwrap();
        check(1, begin..=line!());

        let begin = line!();
        a.destroy(aligned);
        check(1, begin..=line!());

        let begin = line!();
        let item = a.create_with(1u8).unwrap();
        check(1, begin..=line!());
        let _ = item;

        let begin = line!();
        let memory = a.alloc::<u32>(3).unwrap();
        check(1, begin..=line!());

        let begin = line!();
        a.free(memory);
        check(1, begin..=line!());

        let begin = line!();
        let memory = a.aligned_alloc::<u32, 64>(3).unwrap();
        check(1, begin..=line!());

        let begin = line!();
        a.free(memory);
        check(1, begin..=line!());

        let begin = line!();
        let memory = a.alloc_sentinel(3, 0u8).unwrap();
        check(1, begin..=line!());

        let begin = line!();
        a.free(memory);
        check(1, begin..=line!());

        let begin = line!();
        let memory: SentinelSlice<u8, 16> = a.alloc_with_options(3, Sentinel(0)).unwrap();
        check(1, begin..=line!());

        let begin = line!();
        a.free(memory);
        check(1, begin..=line!());

        let begin = line!();
        let memory = a.alloc_zeroed::<u8>(3).unwrap();
        check(1, begin..=line!());
        a.free(memory);
    }
}

/// M-31, M-35, M-36, M-37: functions that change a length. All vtable calls of one have the same address; also for a
/// length of 0, where Zig passes an address of its own.
#[test]
fn resize_remap_and_realloc_pass_the_callers_line() {
    let mut buffer = buffer();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    let a = recorder.allocator();
    let check = |count, lines| {
        assert_calls(&recorder, count, "resize_remap_and_realloc_pass_the_callers_line", lines)
    };
    // SAFETY: each block is from `a`, with its type and length.
    unsafe {
        let memory = a.alloc::<u16>(10).unwrap();
        recorder.take();

        let begin = line!();
        assert!(a.resize(memory, 12));
        check(1, begin..=line!());
        let memory = memory.with_len(12);

        let begin = line!();
        let memory = a.remap(memory, 14).unwrap();
        check(1, begin..=line!());

        let begin = line!();
        let memory = a.realloc(memory, 16).unwrap();
        check(1, begin..=line!());
        recorder.refuse_resize.set(true);

        // remap, alloc, free
        let begin = line!();
        let memory = a.realloc(memory, 18).unwrap();
        check(3, begin..=line!());

        let begin = line!();
        assert!(a.resize(memory, 0));
        check(1, begin..=line!());

        let memory = a.alloc::<u16>(10).unwrap();
        recorder.take();
        let begin = line!();
        let memory = a.remap(memory, 0).unwrap();
        check(1, begin..=line!());

        let begin = line!();
        let memory = a.realloc(memory, 10).unwrap();
        check(1, begin..=line!());

        let begin = line!();
        let memory = a.realloc(memory, 0).unwrap();
        check(1, begin..=line!());
        assert_eq!(memory.len(), 0);
    }
}

/// TR-30, M-41, M-42, M-43, M-44, M-45: `dupe` and `print`. In Zig, they pass an address of their own.
#[test]
fn dupe_and_print_pass_the_callers_line() {
    let mut buffer = buffer();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    let a = recorder.allocator();
    let check = |count, lines| assert_calls(&recorder, count, "dupe_and_print_pass_the_callers_line", lines);

    let begin = line!();
    let copy = a.dupe(&[1u8, 2]).unwrap();
    check(1, begin..=line!());
    assert_eq!(copy.len(), 2);

    let begin = line!();
    let copy = a.dupe_str("ab").unwrap();
    check(1, begin..=line!());
    assert_eq!(copy.item_count(), 2);

    let begin = line!();
    let copy = a.dupe_z(b"ab").unwrap();
    check(1, begin..=line!());
    assert_eq!(copy.len(), 2);

    let begin = line!();
    let copy = a.dupe_sentinel(b"ab", b'!').unwrap();
    check(1, begin..=line!());
    assert_eq!(copy.len(), 2);

    recorder.refuse_resize.set(true);
    let number = copy.len();
    // A buffer, then an exact block: alloc, remap, alloc, free.
    let begin = line!();
    let text = a.print(format_args!("{number}")).unwrap();
    check(4, begin..=line!());
    assert_eq!(text.len(), 1);

    let begin = line!();
    let text = a.print_sentinel(format_args!("{number}"), 0).unwrap();
    check(4, begin..=line!());
    assert_eq!(text.len(), 1);
}

/// M-24: the address is in the user's function that allocates, not in its caller.
#[test]
fn allocating_function_is_named() {
    #[inline(never)]
    fn helper(a: Allocator<'_>) -> RangeInclusive<u32> {
        let begin = line!();
        let memory = a.alloc::<u8>(1).unwrap();
        let lines = begin..=line!();
        assert_eq!(memory.len(), 1);
        lines
    }
    #[inline(always)]
    fn inlined_helper(a: Allocator<'_>) -> RangeInclusive<u32> {
        let begin = line!();
        let memory = a.alloc::<u8>(1).unwrap();
        let lines = begin..=line!();
        assert_eq!(memory.len(), 1);
        lines
    }
    let mut buffer = buffer();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    let a = recorder.allocator();
    let lines = helper(a);
    assert_calls(&recorder, 1, "helper", lines);
    let lines = inlined_helper(a);
    assert_calls(&recorder, 1, "inlined_helper", lines);
}

/// M-20, M-24: identical calls have different addresses, even on one line; a loop is one line.
#[cfg_attr(
    any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))),
    ignore = "calls have no return address in Miri and on some processors"
)]
#[test]
fn every_call_site_has_its_own_address() {
    let mut buffer = buffer();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    let a = recorder.allocator();
    let _ = (a.alloc::<u64>(1), a.alloc::<u64>(1), a.create::<u64>(), a.create::<u64>());
    let mut unique = ret_addrs(&recorder);
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), 4, "{unique:x?}");

    let begin = line!();
    for n in 1..4 {
        assert!(a.alloc::<u64>(n).is_ok());
    }
    let lines = begin..=line!();
    // An unrolled loop has several addresses, all of one line.
    for address in ret_addrs(&recorder) {
        assert_resolves(address, "every_call_site_has_its_own_address", &lines);
    }
}

/// M-24: the same in branches, except that optimisation may merge the addresses of two.
#[cfg_attr(
    any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))),
    ignore = "calls have no return address in Miri and on some processors"
)]
#[test]
fn branches_resolve_to_their_function() {
    #[inline(never)]
    fn branches(a: Allocator<'_>, first: bool) -> bool {
        if first { a.alloc::<u64>(1).is_ok() } else { a.alloc::<u64>(3).is_ok() }
    }
    let begin = line!();
    let lines = begin - 8..=begin;
    let mut buffer = buffer();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    let a = recorder.allocator();
    assert!(branches(a, true) && branches(a, false));
    let addresses = ret_addrs(&recorder);
    assert_eq!(addresses.len(), 2);
    addresses.iter().for_each(|address| assert_resolves(*address, "branches", &lines));
    if cfg!(debug_assertions) {
        assert_ne!(addresses[0], addresses[1]);
    }
}
