//! `Alignment` against its definition, computed in 128 bits.

use std::alloc::Layout;
use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

use rstest::rstest;
use zigalloc::{Alignment, AlignmentError, CompareOperator};
use zigalloc_support::alignment_from_c;

const WORD: u8 = usize::BITS as u8;

/// Every valid alignment.
fn all() -> impl Iterator<Item = Alignment> {
    (0..WORD).map(|log2| Alignment::from_log2(log2).unwrap())
}

/// The same for tests with nested loops: a sample under Miri, which is slow.
fn many() -> impl Iterator<Item = Alignment> {
    all().step_by(if cfg!(miri) { 9 } else { 1 })
}

/// Addresses around every power of two, and at both ends of the address space.
fn addresses() -> impl Iterator<Item = usize> {
    let around = (0..WORD).flat_map(|log2| {
        let power = 1usize << log2;
        [power - 1, power, power + 1, power | power >> 1, power.wrapping_neg()]
    });
    let around = around.step_by(if cfg!(miri) { 7 } else { 1 });
    around.chain([0, 3, 100, 0x1234_5678, usize::MAX - 3, usize::MAX - 1, usize::MAX])
}

/// an alignment is one byte, its logarithm, and sorts as that byte.
#[test]
fn alignment_is_stored_as_its_log2() {
    assert_eq!((size_of::<Alignment>(), align_of::<Alignment>()), (1, 1));
    let named = [
        (Alignment::_1, 0),
        (Alignment::_2, 1),
        (Alignment::_4, 2),
        (Alignment::_8, 3),
        (Alignment::_16, 4),
        (Alignment::_32, 5),
        (Alignment::_64, 6),
        (Alignment::MAX, WORD - 1),
    ];
    for (alignment, log2) in named {
        assert_eq!((alignment.log2(), alignment), (log2, Alignment::from_log2(log2).unwrap()));
    }
    for alignment in all() {
        // SAFETY: one byte, always initialised.
        assert_eq!(unsafe { (&raw const alignment).cast::<u8>().read() }, alignment.log2());
    }
    assert!(all().is_sorted_by(|a, b| a < b && a.to_byte_units() < b.to_byte_units()));
}

/// bytes convert to a logarithm and back, up to the highest bit.
#[test]
fn byte_units_round_trip() {
    for (log2, alignment) in all().enumerate() {
        assert_eq!(alignment.to_byte_units(), 1usize << log2);
        assert_eq!(Alignment::from_byte_units(1 << log2), alignment);
        assert_eq!(Alignment::try_from_byte_units(1 << log2), Ok(alignment));
    }
    assert_eq!(Alignment::MAX.to_byte_units(), 1usize << (WORD - 1));
}

/// 0 and other numbers that are not powers of two are errors.
#[test]
fn non_powers_of_two_are_errors() {
    for bytes in addresses().filter(|bytes| !bytes.is_power_of_two()) {
        let error = AlignmentError::NotAPowerOfTwo(bytes);
        assert_eq!(Alignment::try_from_byte_units(bytes), Err(error));
    }
}

/// the panic message names the function and the number, however many digits it has.
#[rstest]
#[case::zero(0)]
#[case::three(3)]
#[case::ten(10)]
#[case::max(usize::MAX)]
fn from_byte_units_panics_for_non_powers_of_two(#[case] bytes: usize) {
    assert_eq!(
        panic_of(|| {
            let _ = Alignment::from_byte_units(bytes);
        }),
        format!("Alignment::from_byte_units: {bytes} bytes is not a power of two")
    );
    assert_eq!(
        panic_of(|| {
            let _ = Alignment::from_byte_units_optional(Some(bytes));
        }),
        format!("Alignment::from_byte_units_optional: {bytes} bytes is not a power of two")
    );
}

/// `None` stays `None`; a number becomes its alignment.
#[test]
fn from_byte_units_optional_maps_none_to_none() {
    assert_eq!(Alignment::from_byte_units_optional(None), None);
    for alignment in all() {
        assert_eq!(Alignment::from_byte_units_optional(Some(alignment.to_byte_units())), Some(alignment));
    }
}

/// the natural alignment, for zero-sized types too.
#[test]
fn of_is_the_natural_alignment() {
    #[repr(align(4096))]
    struct Page;
    const WORDS: Alignment = Alignment::of::<usize>();
    assert_eq!(WORDS.to_byte_units(), align_of::<usize>());
    assert_eq!(Alignment::of::<()>(), Alignment::_1);
    assert_eq!(Alignment::of::<u8>(), Alignment::_1);
    assert_eq!(Alignment::of::<u16>(), Alignment::_2);
    assert_eq!(Alignment::of::<[u64; 0]>().to_byte_units(), align_of::<u64>());
    assert_eq!(Alignment::of::<Page>().to_byte_units(), 4096);
}

/// comparisons agree with those of the byte counts, and with each other.
#[test]
fn comparisons_agree_with_byte_counts() {
    for a in many() {
        for b in many() {
            let (x, y) = (a.to_byte_units(), b.to_byte_units());
            assert_eq!(a.order(b), x.cmp(&y));
            assert_eq!((a.cmp(&b), a == b), (x.cmp(&y), x == y));
            assert_eq!(a.compare(CompareOperator::Lt, b), x < y);
            assert_eq!(a.compare(CompareOperator::Lte, b), x <= y);
            assert_eq!(a.compare(CompareOperator::Eq, b), x == y);
            assert_eq!(a.compare(CompareOperator::Gte, b), x >= y);
            assert_eq!(a.compare(CompareOperator::Gt, b), x > y);
            assert_eq!(a.compare(CompareOperator::Neq, b), x != y);
            assert_eq!(a.max(b).to_byte_units(), x.max(y));
            assert_eq!(a.min(b).to_byte_units(), x.min(y));
        }
    }
    assert_eq!(Alignment::_8.order(Alignment::_16), Ordering::Less);
}

/// rounding agrees with the multiples around every address.
#[test]
fn forward_backward_and_check_agree_with_multiples() {
    let limit = 1u128 << WORD;
    for alignment in many() {
        let step = alignment.to_byte_units() as u128;
        for address in addresses() {
            let wide = address as u128;
            let (below, above) = (wide / step * step, wide.div_ceil(step) * step);
            assert_eq!(alignment.backward(address) as u128, below, "{alignment} {address:#x}");
            assert_eq!(alignment.check(address), below == wide, "{alignment} {address:#x}");
            let checked = alignment.forward_checked(address);
            assert_eq!(
                checked.map(|a| a as u128),
                (above < limit).then_some(above),
                "{alignment} {address:#x}"
            );
            if above < limit {
                assert_eq!(alignment.forward(address) as u128, above, "{alignment} {address:#x}");
            }
        }
        assert!(alignment.check(0), "0 is a multiple of everything");
    }
}

/// `forward` panics in every build if no multiple is left, and reports the numbers.
#[rstest]
#[case(Alignment::_16, usize::MAX - 3)]
#[case(Alignment::_2, usize::MAX)]
#[case(Alignment::MAX, Alignment::MAX.to_byte_units() + 1)]
fn forward_panics_on_overflow(#[case] alignment: Alignment, #[case] address: usize) {
    let message = panic_of(|| {
        let _ = alignment.forward(address);
    });
    assert_eq!(
        message,
        format!("Alignment::forward: no multiple of {alignment} at or above {address} fits in a usize")
    );
    let message = panic_of(|| {
        let _ = alignment.forward_ptr(std::ptr::without_provenance_mut::<u8>(address));
    });
    assert_eq!(
        message,
        format!("Alignment::forward_ptr: no multiple of {alignment} at or above {address} fits in a usize")
    );
    assert_eq!(alignment.forward_checked(address), None);
}

/// with debug assertions, using an alignment outside the word's range panics.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "only builds with debug assertions check this")]
fn invalid_alignment_from_c_panics_with_its_log2() {
    let message = panic_of(|| _ = alignment_from_c(200).to_byte_units());
    assert_eq!(
        message,
        format!("Alignment::to_byte_units: log2 200, received over FFI, is above the limit of {}", WORD - 1)
    );
}

/// rounding a pointer keeps its provenance.
#[test]
fn rounding_pointers_keeps_provenance() {
    #[repr(align(64))]
    struct Aligned([u8; 128]);
    let mut buffer = Aligned([0; 128]);
    let begin = buffer.0.as_mut_ptr();
    let inside = begin.wrapping_add(5);
    let forward = Alignment::_64.forward_ptr(inside);
    let backward = Alignment::_64.backward_ptr(inside);
    assert_eq!((forward, backward), (begin.wrapping_add(64), begin));
    assert!(Alignment::_64.check_ptr(forward) && !Alignment::_2.check_ptr(inside));
    // SAFETY: both are inside the buffer; Miri would reject a pointer made from an integer.
    unsafe { (forward.write(1), backward.write(2)) };
    assert_eq!((buffer.0[64], buffer.0[0]), (1, 2));
}

/// C may pass any byte; those outside the word's range are distinguishable.
#[test]
fn every_byte_is_a_valid_ffi_value() {
    for byte in 0..=u8::MAX {
        let alignment = alignment_from_c(byte);
        assert_eq!((alignment.log2(), alignment.is_valid()), (byte, byte < WORD));
        match Alignment::from_log2(byte) {
            Ok(same) => assert_eq!((same, byte < WORD), (alignment, true)),
            Err(error) => {
                assert_eq!(error, AlignmentError::Log2TooLarge(byte));
                if cfg!(miri) && byte % 20 != 0 {
                    continue; // Miri takes long over text.
                }
                assert_eq!(
                    format!("{alignment} {alignment:?}"),
                    format!("invalid log2 {byte} Alignment(invalid log2 {byte})")
                );
            }
        }
    }
}

#[test]
fn errors_name_function_value_and_limit() {
    let error = Alignment::from_log2(200).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("Alignment::from_log2: log2 of 200 is above the limit of {}", WORD - 1)
    );
    let error = Alignment::try_from_byte_units(24).unwrap_err();
    assert_eq!(error.to_string(), "Alignment::try_from_byte_units: 24 bytes is not a power of two");
}

#[test]
fn layout_conversions_round_trip() {
    for alignment in all() {
        match alignment.to_layout(1) {
            Ok(layout) => {
                assert_eq!((layout.size(), layout.align()), (1, alignment.to_byte_units()));
                assert_eq!(Alignment::from(layout), alignment);
            }
            Err(_) => assert_eq!(alignment, Alignment::MAX, "a layout is at most isize::MAX long"),
        }
    }
    assert!(Alignment::_1.to_layout(isize::MAX as usize + 1).is_err());
    assert_eq!(Alignment::from(Layout::new::<u32>()), Alignment::of::<u32>());
}

#[test]
fn display_shows_bytes() {
    assert_eq!(
        format!("{}|{:>6}|{:?}", Alignment::_64, Alignment::_16, Alignment::_8),
        "64|    16|Alignment(8 bytes)"
    );
    let hash = |alignment: Alignment| {
        let mut hasher = DefaultHasher::new();
        alignment.hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(hash(Alignment::_4), hash(Alignment::of::<u32>()));
}

/// The message that `f` panics with.
pub(crate) fn panic_of(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(f).expect_err("it must panic");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().expect("a text").to_string(),
    }
}
