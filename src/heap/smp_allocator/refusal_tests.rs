//! Tests of large blocks when the system refuses memory, in a process of their own, whose limit they set.

use std::env;
use std::string::String;
use std::vec::Vec;

use core::ptr::NonNull;

use crate::alignment::Alignment;
use crate::allocator::stateless::Stateless;
use crate::heap::{SMP_ALLOCATOR, SmpAllocator, page_size};
use crate::test_support::this_program;

const MIB: usize = 1 << 20;

/// Runs `test` in a separate process that may map `room` more bytes: starts this program with the name of the test as
/// its filter, so that it calls this function again.
#[track_caller]
fn with_room(name: &str, room: usize, test: fn()) {
    const VARIABLE: &str = "ZIGALLOC_TEST_ALONE";
    if env::var_os(VARIABLE).is_some() {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        let mapped = text.split(' ').next().unwrap().parse::<usize>().unwrap() * page_size();
        let limit = libc::rlimit { rlim_cur: (mapped + room) as libc::rlim_t, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the argument is a valid limit.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
        return test();
    }
    let name = std::format!("heap::smp_allocator::refusal_tests::{name}");
    let mut command = this_program();
    let output = command.args([&name, "--exact", "--test-threads=1"]).env(VARIABLE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{name}: {text}");
}

fn filled(len: usize) -> NonNull<[u8]> {
    let memory = SMP_ALLOCATOR.alloc::<u8>(len).unwrap_or_else(|error| panic!("{len} bytes: {error}"));
    // SAFETY: a new block with this many bytes.
    unsafe { memory.cast::<u8>().write_bytes(1, len) };
    memory
}

fn free(memory: NonNull<[u8]>) {
    // SAFETY: a live block, freed once.
    unsafe { SMP_ALLOCATOR.free(memory) };
}

/// What chunks keep is no reason to refuse a block that the system has room for, once it has them back.
#[test]
fn kept_memory_is_given_up_for_a_long_block() {
    with_room("kept_memory_is_given_up_for_a_long_block", 300 * MIB, || {
        let blocks: Vec<_> = (0..8).map(|_| filled(20 * MIB)).collect();
        blocks.into_iter().for_each(free);
        assert!(SmpAllocator::kept_bytes() > 0, "there is something to give up");
        free(filled(200 * MIB));
        let block = filled(20 * MIB);
        // SAFETY: the length is not zero.
        let zeroed = unsafe { SmpAllocator::raw_alloc_zeroed(150 * MIB, Alignment::_1, 0) };
        assert!(zeroed.is_some());
        free(block);
    });
}

/// The same for a slab of small blocks.
#[test]
fn kept_memory_is_given_up_for_small_blocks() {
    with_room("kept_memory_is_given_up_for_small_blocks", 200 * MIB, || {
        let blocks: Vec<_> = (0..6).map(|_| filled(20 * MIB)).collect();
        let mut small = Vec::with_capacity(1 << 20);
        blocks.into_iter().for_each(free);
        while small.len() < small.capacity() && small.len() < (150 * MIB) / 512 {
            small.push(filled(512));
        }
        assert_eq!(small.len(), (150 * MIB) / 512);
        small.into_iter().for_each(free);
    });
}

/// Without memory for either, a request is refused, and everything else goes on.
#[test]
fn refused_requests_change_nothing() {
    with_room("refused_requests_change_nothing", 200 * MIB, || {
        let block = filled(20 * MIB);
        for len in [400 * MIB, isize::MAX as usize, usize::MAX] {
            assert!(SMP_ALLOCATOR.alloc::<u8>(len).is_err());
        }
        // SAFETY: the first byte of a live block, written above.
        assert_eq!(unsafe { block.cast::<u8>().read() }, 1);
        free(block);
        free(filled(20 * MIB));
    });
}
