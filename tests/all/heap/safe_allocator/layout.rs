//! The addresses of blocks, and the requests to the child, as Zig 0.17.1 has them.

use rstest::rstest;
use zigalloc::heap::SafeAllocator;
use zigalloc_support::{Bump, Call, Recorder};

use super::*;

const MIB: usize = 1 << 20;

/// The bytes of a block that is written to and read by these tests.
fn bytes(memory: NonNull<[u8]>) -> Vec<u8> {
    // SAFETY: a live block, all of whose bytes are written.
    unsafe { memory.as_ref() }.to_vec()
}

fn write(memory: NonNull<[u8]>) {
    for index in 0..memory.len() {
        // SAFETY: within the block's length.
        unsafe { memory.cast::<u8>().add(index).write(index as u8) };
    }
}

/// SA-02, SA-03, SA-04, SA-05, SA-06, SA-07, SA-13, SA-18, SA-19, TR-26, TR-56: the recorded addresses and answers, in safe and in fast modes.
#[cfg(target_pointer_width = "64")]
#[rstest]
fn results_match_zig(#[values(true, false)] safe: bool) {
    let bump = Bump::new(0, MIB);
    let recorder = Recorder::new(bump.allocator());
    let options = SafeOptions { safe_mode_footers: safe, ..PLAIN };
    let allocator = SafeAllocator::init(recorder.allocator(), options);
    let a = allocator.allocator();
    let base = bump.base();
    let pick = |in_safe: usize, in_fast: usize| if safe { in_safe } else { in_fast };
    let offset = |memory: NonNull<[u8]>| address(memory) - base;
    let alloc_at = |len, alignment, in_safe, in_fast| {
        let memory = alloc(a, len, alignment);
        assert_eq!(offset(memory), pick(in_safe, in_fast), "{len} bytes, aligned to {alignment}");
        memory
    };

    let first = alloc_at(1, 1, 8208, 8208);
    let second = alloc_at(8, 8, 8224, 8224);
    let third = alloc_at(9, 1, 8240, 8240);
    let fourth = alloc_at(16, 16, 8272, 8272);
    // The segment of the table, and the bucket.
    let requests = [(4104, 8, 0), (8192, 8192, 8192)].map(|(len, alignment, offset)| Call::Alloc {
        len,
        alignment: align(alignment),
        ret_addr: 0xA110C,
        result: Some(base + offset),
    });
    assert_eq!(recorder.take(), requests);
    let fifth = alloc_at(1, 1, 8320, 8312);
    let sixth = alloc_at(100, 64, 8384, 8384);
    let seventh = alloc_at(5, 4, 8520, 8512);
    let x = alloc_at(10, 1, 8536, 8528);
    assert!(!resize(a, x, 1, 10) && !resize(a, x, 1, 16));
    assert!(resize(a, x, 1, 17));
    let x = block(x.cast(), 17);
    assert!(!resize(a, x, 1, 5));
    let y = alloc_at(1, 1, 8568, 8560);
    assert!(!resize(a, x, 1, 40));
    assert_eq!(remap(a, x, 1, 5), None);
    let z = alloc_at(30, 1, 8584, 8576);
    write(z);
    let z = remap(a, z, 1, 5).expect("the last block");
    assert_eq!((offset(z), bytes(z)), (pick(8608, 8600), vec![0, 1, 2, 3, 4]));
    let z = remap(a, z, 1, 2).expect("in the same word");
    assert_eq!((offset(z), bytes(z)), (pick(8608, 8600), vec![0, 1]));
    let e = alloc_at(64, 16, 8656, 8640);
    let n = alloc_at(1, 1, 8752, 8728);
    write(e);
    let e = remap(a, e, 16, 32).expect("its footer is extended");
    assert_eq!((offset(e), bytes(e)), (pick(8688, 8672), (0..32).collect()));
    assert_eq!(remap(a, e, 16, 20), None, "the footer would move");
    let e = remap(a, e, 16, 10).expect("its footer stays");
    assert_eq!((offset(e), bytes(e)), (pick(8704, 8688), (0..10).collect()));
    assert_eq!(recorder.take(), []);

    let big = alloc(a, 7000, 1);
    let whole = pick(7032, 7024);
    let [Call::Alloc { len, alignment, result, .. }] = recorder.take()[..] else { panic!("one request") };
    assert_eq!((len, alignment, result), (whole, align(8), Some(address(big))));
    // The child refuses both; the second is forgotten by it.
    bump.grants_growth.set(true);
    assert!(resize(a, big, 1, 6999));
    let big = block(big.cast(), 6999);
    let [Call::Resize { len, new_len, .. }] = recorder.take()[..] else { panic!("one request") };
    assert_eq!((len, new_len), (whole, whole));
    let big = remap(a, big, 1, 6500).expect("the child grants it");
    let [Call::Remap { len, new_len, .. }] = recorder.take()[..] else { panic!("one request") };
    assert_eq!((len, new_len), (whole, pick(6536, 6528)));
    assert_eq!((remap(a, big, 1, 100), remap(a, big, 1, usize::MAX)), (None, None));
    assert_eq!(try_alloc(a, 300, 1).map(|memory| free(a, memory, 1)), Some(()));
    // SAFETY: the length is not zero.
    assert_eq!(unsafe { a.raw_alloc(usize::MAX, Alignment::_1, 0) }, None);
    for (memory, alignment) in [
        (first, 1),
        (second, 8),
        (third, 1),
        (fourth, 16),
        (fifth, 1),
        (sixth, 64),
        (seventh, 4),
        (x, 1),
        (y, 1),
        (z, 1),
        (e, 16),
        (n, 1),
        (big, 1),
    ] {
        free(a, memory, alignment);
    }
    assert_eq!(reports(), []);
    assert_eq!(allocator.deinit(), 0);
    assert_eq!(bump.live(), 0);
}
