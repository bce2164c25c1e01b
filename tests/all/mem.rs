//! The free functions of `std.mem`. The tables of values are Zig 0.15.2's results.

use std::ptr::{self, NonNull};

use rstest::rstest;
use zigalloc::{AlignedSlice, Alignment, SentinelSlice, mem};

use crate::alignment::panic_of;

const MAX: usize = usize::MAX;
const WORD: usize = usize::BITS as usize;

/// Memory at a known alignment.
#[repr(align(64))]
struct Aligned<T>(T);

/// AF-01: the next multiple, or the address itself.
#[rstest]
#[case(0, 1, 0)]
#[case(1, 1, 1)]
#[case(1, 2, 2)]
#[case(2, 2, 2)]
#[case(3, 4, 4)]
#[case(4, 4, 4)]
#[case(5, 8, 8)]
#[case(8, 8, 8)]
#[case(9, 8, 16)]
#[case(4095, 4096, 4096)]
#[case(4097, 4096, 8192)]
#[case(1, 1 << (WORD - 1), 1 << (WORD - 1))]
#[case(MAX, 1, MAX)]
#[case(MAX - 15, 16, MAX - 15)]
fn align_forward_values(#[case] address: usize, #[case] alignment: usize, #[case] expected: usize) {
    assert_eq!(mem::align_forward(address, alignment), expected);
    assert_eq!(mem::align_forward_any_align(address, alignment), expected);
    assert_eq!(mem::align_forward_log2(address, alignment.trailing_zeros() as u8), expected);
}

/// AF-01: every address between two multiples.
#[test]
fn align_forward() {
    for alignment in [1, 2, 4, 8, 64] {
        for address in 0..200 {
            let expected = (address..).find(|a| a % alignment == 0).unwrap();
            assert_eq!(mem::align_forward(address, alignment), expected);
        }
    }
}

/// AF-02: the previous multiple, or the address itself. It cannot fail.
#[rstest]
#[case(0, 8, 0)]
#[case(7, 8, 0)]
#[case(8, 8, 8)]
#[case(15, 8, 8)]
#[case(17, 1, 17)]
#[case(MAX, 16, MAX - 15)]
#[case(MAX, 1 << (WORD - 1), 1 << (WORD - 1))]
fn align_backward_values(#[case] address: usize, #[case] alignment: usize, #[case] expected: usize) {
    assert_eq!(mem::align_backward(address, alignment), expected);
    assert_eq!(mem::align_backward_any_align(address, alignment), expected);
}

/// AF-03, AF-04, AF-10: alignments that are powers of two, and others.
#[rstest]
#[case(0, 0, 0, true)]
#[case(1, 6, 0, false)]
#[case(5, 6, 0, false)]
#[case(6, 6, 6, true)]
#[case(7, 12, 6, false)]
#[case(11, 12, 6, false)]
#[case(12, 12, 12, true)]
#[case(13, 18, 12, false)]
fn any_align_values(
    #[case] address: usize,
    #[case] forward: usize,
    #[case] backward: usize,
    #[case] is_aligned: bool,
) {
    assert_eq!(mem::align_forward_any_align(address, 6), forward);
    assert_eq!(mem::align_backward_any_align(address, 6), backward);
    assert_eq!(mem::is_aligned_any_align(address, 6), is_aligned);
}

/// AF-03, AF-04, AF-10: against the definition.
#[test]
fn any_align_matches_its_definition() {
    let step = if cfg!(miri) { 13 } else { 1 };
    for alignment in (1..40).step_by(step) {
        for address in (0..200).step_by(step) {
            assert_eq!(
                mem::align_forward_any_align(address, alignment),
                address.div_ceil(alignment) * alignment
            );
            assert_eq!(mem::align_backward_any_align(address, alignment), address / alignment * alignment);
            assert_eq!(mem::is_aligned_any_align(address, alignment), address % alignment == 0);
        }
    }
    assert_eq!(mem::align_forward_any_align(MAX, 5), MAX, "2^32 - 1 and 2^64 - 1 are multiples of five");
    assert_eq!(mem::align_forward_any_align(MAX - 2, 3), MAX);
    assert_eq!(mem::align_backward_any_align(MAX, 7), MAX - MAX % 7);
}

/// AF-05: any logarithm below the bits of a word.
#[test]
fn align_forward_log2_values() {
    for log2 in 0..WORD as u8 {
        assert_eq!(mem::align_forward_log2(1, log2), 1 << log2);
        assert_eq!(mem::align_forward_log2(0, log2), 0);
    }
}

/// AF-06: 0 is not a valid alignment, but can be checked.
#[test]
fn is_valid_align_accepts_powers_of_two_only() {
    assert!(!mem::is_valid_align(0));
    for log2 in 0..WORD {
        assert!(mem::is_valid_align(1 << log2));
    }
    for alignment in [3, 5, 6, 7, 12, 24, 4095, 4097, MAX, MAX - 1] {
        assert!(!mem::is_valid_align(alignment), "{alignment}");
    }
}

/// AF-07: Zig's table.
#[test]
fn is_aligned() {
    assert!(mem::is_aligned(0, 4));
    assert!(mem::is_aligned(1, 1));
    assert!(mem::is_aligned(2, 1));
    assert!(mem::is_aligned(2, 2));
    assert!(!mem::is_aligned(2, 4));
    assert!(mem::is_aligned(3, 1));
    assert!(!mem::is_aligned(3, 2));
    assert!(!mem::is_aligned(3, 4));
    assert!(mem::is_aligned(4, 4));
    assert!(mem::is_aligned(4, 2));
    assert!(mem::is_aligned(4, 1));
    assert!(!mem::is_aligned(4, 8));
    assert!(!mem::is_aligned(4, 16));
    assert!(mem::is_aligned(0, 1 << (WORD - 1)) && !mem::is_aligned(MAX, 2));
}

/// AF-09: address 0 is aligned to every power of two, even one that does not fit into a word; no logarithm panics.
#[rstest]
fn is_aligned_log2_values(#[values(0, 1, 8, 1 << (WORD - 1))] address: usize) {
    for log2 in 0..=u8::MAX {
        let expected =
            if address == 0 { log2 as usize <= WORD } else { address.trailing_zeros() >= log2.into() };
        assert_eq!(mem::is_aligned_log2(address, log2), expected, "{address} {log2}");
    }
}

fn odd() -> *mut u8 {
    ptr::without_provenance_mut(5)
}

/// AF-01, AF-02, AF-03, AF-04, AF-05, AF-07, AF-10, AF-11, AF-12: Zig's assertions are panics in every build. The
/// message names the function and the numbers.
#[rstest]
#[case(|| _ = mem::align_forward(1, 3), "align_forward: 3 bytes is not a power of two")]
#[case(|| _ = mem::align_forward(1, 0), "align_forward: 0 bytes is not a power of two")]
#[case(|| _ = mem::align_backward(1, 6), "align_backward: 6 bytes is not a power of two")]
#[case(|| _ = mem::is_aligned(4, 3), "is_aligned: 3 bytes is not a power of two")]
#[case(|| _ = mem::align_pointer(odd(), 3), "align_pointer: 3 bytes is not a power of two")]
#[case(|| _ = mem::align_pointer_offset(odd(), 3), "align_pointer_offset: 3 bytes is not a power of two")]
#[case(|| _ = mem::is_aligned(1, 0), "is_aligned: 0 bytes is not a power of two")]
#[case(|| _ = mem::align_forward_any_align(1, 0), "align_forward_any_align: alignment is 0 bytes; the minimum is 1")]
#[case(|| _ = mem::align_backward_any_align(1, 0), "align_backward_any_align: alignment is 0 bytes; the minimum is 1")]
#[case(|| _ = mem::is_aligned_any_align(1, 0), "is_aligned_any_align: alignment is 0 bytes; the minimum is 1")]
#[case(
    || _ = mem::align_forward(MAX - 2, 16),
    &format!("align_forward: no multiple of 16 at or above {} fits in a usize", MAX - 2)
)]
#[case(
    || _ = mem::align_forward_any_align(MAX, 7),
    &format!("align_forward_any_align: no multiple of 7 at or above {MAX} fits in a usize")
)]
#[case(
    || _ = mem::align_forward_log2(1, 200),
    &format!("align_forward_log2: log2 200 is above the limit of {}", WORD - 1)
)]
#[case(|| _ = mem::align_forward_log2(MAX, 1), &format!("align_forward_log2: no multiple of 2 at or above {MAX} fits in a usize"))]
fn invalid_arguments_panic(#[case] f: fn(), #[case] message: &str) {
    assert_eq!(panic_of(f), message);
}

/// AF-11: the offset is in elements, not bytes; null if no whole number of elements fits, or past the last address.
#[test]
fn align_pointer_offsets() {
    const NULL: usize = MAX;
    fn row<T>(alignments: [usize; 5], address: usize, expected: [usize; 5]) {
        let ptr = ptr::without_provenance_mut::<T>(address);
        let offsets = alignments.map(|alignment| mem::align_pointer_offset(ptr, alignment).unwrap_or(NULL));
        assert_eq!(offsets, expected, "{} at {address}", std::any::type_name::<T>());
    }
    let alignments = [1, 4, 8, 16, 64];
    row::<u8>(alignments, 9, [0, 3, 7, 7, 55]);
    row::<u8>(alignments, 12, [0, 0, 4, 4, 52]);
    row::<u8>(alignments, MAX - 7, [0, 0, 0, NULL, NULL]);
    row::<u8>(alignments, MAX - 15, [0, 0, 0, 0, NULL]);
    row::<[u8; 3]>(alignments, 8, [0, 0, 0, NULL, NULL]);
    row::<[u8; 3]>(alignments, 9, [0, 1, NULL, NULL, NULL]);
    row::<[u8; 3]>(alignments, 16, [0, 0, 0, 0, 16]);
    row::<[u8; 3]>(alignments, 40, [0, 0, 0, NULL, 8]);
    row::<u16>(alignments, 12, [0, 0, 2, 2, 26]);
    row::<u32>(alignments, 12, [0, 0, 1, 1, 13]);
    row::<u32>(alignments, MAX - 7, [0, 0, 0, NULL, NULL]);
    row::<u64>(alignments, 24, [0, 0, 0, 1, 5]);
    row::<[u8; 24]>(alignments, 16, [0, 0, 0, 0, 2]);
    row::<[u8; 24]>(alignments, 40, [0, 0, 0, NULL, 1]);
    // Zero-sized elements never reach another address.
    row::<()>(alignments, 8, [0, 0, 0, NULL, NULL]);
}

/// AF-11: a pointer is assumed to have its type's alignment.
#[test]
fn align_pointer_offset_trusts_the_type() {
    let odd = ptr::without_provenance_mut::<u32>(13);
    assert_eq!(mem::align_pointer_offset(odd, align_of::<u32>()), Some(0));
}

/// AF-11, AF-12: Zig's table of offsets, misfits and overflows.
#[test]
fn align_pointer() {
    fn fits<T>(address: usize, alignment: usize, expected: usize) {
        let ptr = ptr::without_provenance_mut::<T>(address);
        assert_eq!(mem::align_pointer(ptr, alignment).unwrap().addr(), expected);
    }
    fn does_not<T>(address: usize, alignment: usize) {
        assert_eq!(mem::align_pointer(ptr::without_provenance_mut::<T>(address), alignment), None);
    }
    fits::<u8>(0x123, 0x200, 0x200);
    fits::<u32>(0x10, 2, 0x10);
    fits::<u32>(0x4, 16, 0x10);
    fits::<u32>(0x4, 1, 0x4);
    // In Zig, `[*]align(1) u32`.
    does_not::<[u8; 4]>(0x3, 2);
    does_not::<u32>(MAX - 3, 8);
}

/// AF-12: the result can be dereferenced, so it has kept its provenance.
#[test]
fn align_pointer_keeps_provenance() {
    let mut buffer = Aligned([0u8; 128]);
    let inside = buffer.0.as_mut_ptr().wrapping_add(3);
    // SAFETY: byte 64 of the buffer.
    unsafe { mem::align_pointer(inside, 64).unwrap().write(7) };
    assert_eq!(buffer.0[64], 7);
}

/// AF-13: for every start and length: the start moves up, the end stays, and an empty result is not null.
#[test]
fn align_in_bytes_moves_the_start() {
    let mut buffer = Aligned([0u8; 64]);
    let base = NonNull::from(&mut buffer.0).cast::<u8>();
    let step = if cfg!(miri) { 5 } else { 1 };
    for begin in (0..34).step_by(step) {
        for len in (0..31).step_by(step) {
            // SAFETY: `begin` is inside the buffer.
            let bytes = NonNull::slice_from_raw_parts(unsafe { base.add(begin) }, len);
            let aligned_begin = begin.next_multiple_of(16);
            let expected = (begin + len).checked_sub(aligned_begin).map(|len| (aligned_begin, len));
            let tail = mem::align_in_bytes::<16>(bytes);
            let found = tail.map(|tail| (tail.as_ptr().addr() - base.addr().get(), tail.len()));
            assert_eq!(found, expected, "{begin}+{len}");
            for n in 0..tail.map_or(0, AlignedSlice::len) {
                // SAFETY: a byte of the tail, which is part of the buffer.
                unsafe { tail.unwrap().as_ptr().add(n).write(1) };
            }
        }
    }
}

/// AF-13: no tail is left at the end of the address space.
#[test]
fn align_in_bytes_without_a_tail_is_none() {
    let at = |address| NonNull::new(ptr::without_provenance_mut::<u8>(address)).unwrap();
    let bytes = NonNull::slice_from_raw_parts(at(MAX - 20), 20);
    assert_eq!(mem::align_in_bytes::<16>(bytes).map(AlignedSlice::len), Some(15));
    assert!(mem::align_in_bytes::<64>(bytes).is_none(), "no multiple of 64 is left");
    assert!(mem::align_in_bytes::<16>(NonNull::slice_from_raw_parts(at(MAX - 20), 22)).is_none(), "no end");
}

/// AF-14: whole elements only.
#[test]
fn align_in_slice_cuts_to_whole_elements() {
    let mut buffer = Aligned([0u32; 16]);
    let base = NonNull::from(&mut buffer.0).cast::<u32>();
    for begin in 0..6 {
        for len in 0..7 {
            // SAFETY: `begin` is inside the buffer.
            let slice = NonNull::slice_from_raw_parts(unsafe { base.add(begin) }, len);
            let first = begin.next_multiple_of(4);
            let expected = (begin + len).checked_sub(first).map(|len| (first * 4, len));
            let tail: Option<AlignedSlice<u32, 16>> = mem::align_in_slice(slice);
            assert_eq!(tail.map(|tail| (tail.as_ptr().addr() - base.addr().get(), tail.len())), expected);
        }
    }
    // Elements of six bytes, starting at address 2: 10 of the 24 bytes lie past the boundary.
    let base = NonNull::from(&mut buffer).cast::<u8>();
    // SAFETY: inside the buffer.
    let slice = NonNull::slice_from_raw_parts(unsafe { base.add(2) }.cast::<[u16; 3]>(), 4);
    assert_eq!(mem::align_in_slice::<_, 16>(slice).unwrap().len(), 1);
}

/// AF-14: zero-sized elements cannot be counted.
#[test]
fn align_in_slice_of_zero_sized_elements_panics() {
    let units = NonNull::slice_from_raw_parts(NonNull::<()>::dangling(), 3);
    assert_eq!(
        panic_of(|| _ = mem::align_in_slice::<_, 16>(units)),
        "align_in_slice: elements of type () have 0 bytes; the minimum is 1"
    );
}

/// AF-15: one more element at the same address, in a slice type without sentinel; other slices are unchanged.
#[test]
fn absorb_sentinel() {
    let mut buffer = [1u8, 2, 3, 0];
    let first = NonNull::from(&mut buffer).cast::<u8>();
    let foo = SentinelSlice::<u8>::from_raw_parts(first, 3);
    let bar = NonNull::slice_from_raw_parts(first, 3);
    let absorbed: AlignedSlice<u8, 0> = mem::absorb_sentinel(foo);
    let unchanged: NonNull<[u8]> = mem::absorb_sentinel(bar);
    // SAFETY: the four bytes of the buffer, and the first three.
    unsafe {
        assert_eq!(absorbed.as_non_null().as_ref(), [1, 2, 3, 0]);
        assert_eq!(unchanged.as_ref(), [1, 2, 3]);
    }
    let over_aligned: AlignedSlice<u8, 64> =
        mem::absorb_sentinel(SentinelSlice::<u8, 64>::from_raw_parts(first, 0));
    assert_eq!(over_aligned.len(), 1);
    let array: NonNull<[u8]> = mem::absorb_sentinel(first.cast::<[u8; 3]>());
    assert_eq!(array.len(), 3);
}

/// The bytes of an item, in native order, which can be written.
#[test]
fn as_bytes() {
    let mut number = 0xC0DE_FACE_u32;
    let bytes = mem::as_bytes(NonNull::from(&mut number));
    // SAFETY: the bytes of `number`, which nothing else accesses in between.
    unsafe {
        assert_eq!(bytes.as_ref(), 0xC0DE_FACE_u32.to_ne_bytes());
        bytes.cast::<u8>().write_bytes(0, bytes.len());
    }
    assert_eq!(number, 0);
    #[repr(C)]
    struct Packed(u8, u8, u8, u8);
    let mut item = Packed(0xBE, 0xEF, 0xDE, 0xA1);
    // SAFETY: as above; the type has no padding.
    assert_eq!(unsafe { mem::as_bytes(NonNull::from(&mut item)).as_ref() }, b"\xBE\xEF\xDE\xA1");
    assert_eq!((item.0, item.1, item.2, item.3), (0xBE, 0xEF, 0xDE, 0xA1));
    assert_eq!(mem::as_bytes(NonNull::<()>::dangling()).len(), 0);
}

/// AF-17: the length divides exactly.
#[test]
fn bytes_as_slice() {
    let mut bytes = Aligned([0xDE_u8, 0xAD, 0xBE, 0xEF]);
    let slice = mem::bytes_as_slice::<u16>(NonNull::from(&mut bytes.0[..]));
    // SAFETY: the buffer is aligned and has two numbers.
    let numbers = unsafe { slice.as_ref() };
    assert_eq!(numbers.iter().map(|n| u16::from_be(*n)).collect::<Vec<_>>(), [0xDEAD, 0xBEEF]);
}

/// AF-17: the elements start where the bytes do, even at an unaligned address.
#[test]
fn bytes_as_slice_keeps_pointer_alignment() {
    let mut bytes = Aligned([0u8, 1, 2, 3, 4]);
    let odd = NonNull::from(&mut bytes.0[1..]);
    let numbers = mem::bytes_as_slice::<u32>(odd);
    assert_eq!((numbers.addr(), numbers.len()), (odd.addr(), 1));
    // SAFETY: four bytes, read without alignment.
    assert_eq!(unsafe { numbers.cast::<u32>().read_unaligned() }, u32::from_ne_bytes([1, 2, 3, 4]));
}

/// AF-17: elements of one byte.
#[test]
fn bytes_as_slice_on_a_packed_struct() {
    #[repr(C, packed)]
    struct F {
        a: u8,
    }
    let mut bytes = [9u8];
    // SAFETY: one byte.
    assert_eq!(unsafe { mem::bytes_as_slice::<F>(NonNull::from(&mut bytes[..])).as_ref() }[0].a, 9);
}

/// AF-17: aligned bytes can be read as elements that need the alignment.
#[test]
fn bytes_as_slice_with_specified_alignment() {
    let mut bytes = Aligned([0x33u8; 4]);
    let slice = mem::bytes_as_slice::<u32>(NonNull::from(&mut bytes.0[..]));
    // SAFETY: the buffer is aligned and has one number.
    assert_eq!(unsafe { slice.as_ref() }, [0x3333_3333]);
}

/// AF-17: zero-sized elements, or no bytes, give an empty slice.
#[test]
fn bytes_as_slice_with_zero_bit_element_type() {
    let mut bytes = [1u8, 2, 3, 4];
    assert_eq!(mem::bytes_as_slice::<()>(NonNull::from(&mut bytes[..])).len(), 0);
    assert_eq!(mem::bytes_as_slice::<()>(NonNull::from(&mut [][..])).len(), 0);
    assert_eq!(mem::bytes_as_slice::<u32>(NonNull::from(&mut [][..])).len(), 0);
}

/// AF-17: a length that is not a multiple panics.
#[test]
fn bytes_as_slice_of_a_partial_element_panics() {
    let bytes = NonNull::slice_from_raw_parts(NonNull::<u8>::dangling(), 5);
    let message = panic_of(|| _ = mem::bytes_as_slice::<u16>(bytes));
    assert_eq!(message, "bytes_as_slice: 5 bytes are not a multiple of the element's 2");
}

/// AF-16: the bytes of all elements.
#[test]
fn slice_as_bytes() {
    let mut numbers = [0xDEAD_u16.to_be(), 0xBEEF_u16.to_be()];
    let bytes = mem::slice_as_bytes(NonNull::from(&mut numbers[..]));
    // SAFETY: the bytes of `numbers`.
    assert_eq!(unsafe { bytes.as_ref() }, b"\xDE\xAD\xBE\xEF");
}

/// AF-16: the sentinel is not an element; an empty slice keeps its address.
#[test]
fn slice_as_bytes_with_sentinel_slice() {
    let mut buffer = [7u16, 0];
    let first = NonNull::from(&mut buffer).cast::<u16>();
    let empty = mem::slice_as_bytes(SentinelSlice::<u16>::from_raw_parts(first, 0));
    assert_eq!((empty.len(), empty.addr()), (0, first.addr()));
    assert_eq!(mem::slice_as_bytes(SentinelSlice::<u16>::from_raw_parts(first, 1)).len(), 2);
}

/// AF-16: zero-sized elements have no bytes.
#[test]
fn slice_as_bytes_with_zero_bit_element_type() {
    let mut lots_of_nothing = [(); 10_000];
    assert_eq!(mem::slice_as_bytes(NonNull::from(&mut lots_of_nothing)).len(), 0);
}

/// AF-16, AF-17: a round trip over the same memory.
#[test]
fn slice_as_bytes_and_bytes_as_slice_back() {
    let mut numbers = [1i32, 2, 3, 4];
    let slice = NonNull::from(&mut numbers[..]);
    let bytes = mem::slice_as_bytes(slice);
    assert_eq!(bytes.len(), 4 * 4);
    let again = mem::bytes_as_slice::<i32>(bytes);
    // SAFETY: all three are the same sixteen bytes, accessed one after another.
    unsafe {
        bytes.cast::<u8>().add(4).write_bytes(0, 4);
        assert_eq!(slice.as_ref(), [1, 0, 3, 4]);
        again.cast::<i32>().add(2).write(-1);
        assert_eq!(bytes.as_ref()[8..12], [0xFF; 4]);
    }
}

/// AF-16: a byte count that overflows the address space panics.
#[test]
fn slice_as_bytes_overflow_panics() {
    let slice = NonNull::slice_from_raw_parts(NonNull::<u16>::dangling(), MAX);
    let message = panic_of(|| _ = mem::slice_as_bytes(slice));
    assert_eq!(message, format!("slice_as_bytes: {MAX} elements of 2 bytes exceed the limit of {MAX} bytes"));
    assert_eq!(
        panic_of(|| _ = mem::align_in_slice::<_, 16>(slice)),
        format!("align_in_slice: {MAX} elements of 2 bytes exceed the limit of {MAX} bytes")
    );
}

/// The functions over bytes agree with those of `Alignment`.
#[test]
fn free_functions_agree_with_alignment() {
    for address in (0..300).chain([MAX - 63, MAX / 2, MAX / 2 + 1]) {
        for alignment in [Alignment::_1, Alignment::_4, Alignment::_64] {
            let bytes = alignment.to_byte_units();
            assert_eq!(mem::align_forward(address, bytes), alignment.forward(address));
            assert_eq!(mem::align_backward(address, bytes), alignment.backward(address));
            assert_eq!(mem::is_aligned(address, bytes), alignment.check(address));
            assert_eq!(mem::is_aligned_log2(address, alignment.log2()), alignment.check(address));
        }
    }
}
