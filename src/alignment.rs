//! The alignment of a block, stored as its base-2 logarithm.
//!
//! Code that aligns memory uses two units: bytes (1, 2, 4, 8 …) and the logarithm of
//! bytes (0, 1, 2, 3 …). A bare integer does not say which of the two it is, and callers eventually confuse
//! them. So the vtable passes this newtype: one byte, the logarithm, and every conversion names its unit.
//!
//! ```text
//!   log2      0   1   2   3    4    5    6  …  63
//!   bytes     1   2   4   8   16   32   64  …  2^63
//! ```
//!
//! Ports `std.mem.Alignment` of Zig 0.15.2 (`lib/std/mem.zig`) and `fromByteUnitsOptional` of 0.16.
//! The older free functions over byte counts are in [`mem`](crate::mem).

use core::alloc::{Layout, LayoutError};
use core::cmp::Ordering;
use core::fmt;

/// A power of two, in bytes, stored as its base-2 logarithm.
///
/// `#[repr(transparent)]` over the `uint8_t alignment_log2` of the C interface. Values from safe code are at most
/// [`Alignment::MAX`]. A C program can pass any byte; the `alloc` functions of this crate return null for one above
/// `MAX` (see [`is_valid`](Self::is_valid)). Passing one to `resize`, `remap` or `free` breaks clause
/// [live-block](crate::VTable#live-block), since no block has such an alignment.
///
/// `Alignment` does not implement `From<usize>`: 6 could mean 64 bytes or an invalid alignment. It has no niche: an
/// `Option<Alignment>` takes two bytes, because C may pass any `uint8_t`.
///
/// ```
/// use zigalloc::Alignment;
///
/// let cache_line = Alignment::from_byte_units(64);
/// assert_eq!(cache_line.log2(), 6);
/// assert_eq!(cache_line.forward(100), 128);
/// assert!(cache_line > Alignment::of::<u64>());
/// ```
///
/// An allocator of records uses it for both numbers, the alignment and the padded length:
///
/// ```
/// # use zigalloc::Alignment;
/// /// The distance of the elements of an array, when each is aligned to `alignment`.
/// const fn stride(size: usize, alignment: Alignment) -> usize {
///     alignment.forward(size)
/// }
///
/// assert_eq!(stride(5, Alignment::_4), 8);
/// assert_eq!(stride(8, Alignment::_4), 8);
/// assert_eq!(stride(1, Alignment::_64), 64, "a counter with a cache line of its own");
/// ```
///
/// It is one byte, the one that C passes, and shows bytes when it is printed:
///
/// ```
/// # use zigalloc::Alignment;
/// assert_eq!((size_of::<Alignment>(), size_of::<Option<Alignment>>()), (1, 2));
/// assert_eq!(Alignment::from_byte_units(4096).to_string(), "4096");
/// assert_eq!(format!("aligned to {:>4}", Alignment::_16), "aligned to   16");
/// ```
#[doc(alias = "std.mem.Alignment")]
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alignment(u8);

const _: () = assert!(size_of::<Alignment>() == 1 && align_of::<Alignment>() == 1);
const _: () = assert!(size_of::<Option<Alignment>>() == 2, "every byte must be receivable from C");

/// A comparison operator as a value, for [`Alignment::compare`].
///
/// Ports `std.math.CompareOperator` of Zig 0.15.2.
///
/// ```
/// use zigalloc::{Alignment, CompareOperator};
///
/// /// Whether a rule of a table, such as `>= 16 bytes`, allows an alignment.
/// fn allows((op, limit): (CompareOperator, Alignment), alignment: Alignment) -> bool {
///     alignment.compare(op, limit)
/// }
///
/// let at_least_16 = (CompareOperator::Gte, Alignment::_16);
/// assert!(allows(at_least_16, Alignment::_64) && !allows(at_least_16, Alignment::_8));
/// ```
///
/// Each operator agrees with Rust's:
///
/// ```
/// # use zigalloc::{Alignment, CompareOperator as Op};
/// let (less, more) = (Alignment::_2, Alignment::_8);
/// assert!(less.compare(Op::Lt, more) && !less.compare(Op::Lt, less));
/// assert!(less.compare(Op::Lte, more) && less.compare(Op::Lte, less));
/// assert!(more.compare(Op::Gt, less) && !more.compare(Op::Gt, more));
/// assert!(more.compare(Op::Gte, less) && more.compare(Op::Gte, more));
/// assert!(less.compare(Op::Neq, more) && less.compare(Op::Eq, less));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOperator {
    /// `<`
    Lt,
    /// `<=`
    Lte,
    /// `==`
    Eq,
    /// `>=`
    Gte,
    /// `>`
    Gt,
    /// `!=`
    Neq,
}

/// The reason why a number is not a valid alignment.
///
/// ```
/// use zigalloc::{Alignment, AlignmentError};
///
/// assert_eq!(Alignment::try_from_byte_units(24), Err(AlignmentError::NotAPowerOfTwo(24)));
/// assert_eq!(Alignment::from_log2(200), Err(AlignmentError::Log2TooLarge(200)));
/// ```
///
/// A function that reads an alignment from a file passes the reason on:
///
/// ```
/// # use zigalloc::{Alignment, AlignmentError};
/// fn section_alignment(bytes: &str) -> Result<Alignment, Box<dyn std::error::Error>> {
///     Ok(Alignment::try_from_byte_units(bytes.parse()?)?)
/// }
///
/// assert_eq!(section_alignment("4096").unwrap().log2(), 12);
/// let error = section_alignment("0").unwrap_err();
/// assert_eq!(error.downcast_ref(), Some(&AlignmentError::NotAPowerOfTwo(0)));
/// assert!(section_alignment("4K").unwrap_err().is::<std::num::ParseIntError>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AlignmentError {
    /// The byte count passed to [`Alignment::try_from_byte_units`] is not a power of two.
    #[error("Alignment::try_from_byte_units: {0} bytes is not a power of two")]
    NotAPowerOfTwo(usize),
    /// The logarithm passed to [`Alignment::from_log2`] is not less than the number of bits in a `usize`.
    #[error("Alignment::from_log2: log2 of {0} is above the limit of {limit}", limit = Alignment::MAX.0)]
    Log2TooLarge(u8),
}

impl Alignment {
    /// 1 byte, which every address satisfies. Zig's `.@"1"`.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// assert_eq!(Alignment::of::<u8>(), Alignment::_1);
    /// assert!(Alignment::_1.check(7));
    /// ```
    pub const _1: Alignment = Alignment(0);
    /// 2 bytes.
    pub const _2: Alignment = Alignment(1);
    /// 4 bytes.
    pub const _4: Alignment = Alignment(2);
    /// 8 bytes.
    pub const _8: Alignment = Alignment(3);
    /// 16 bytes.
    pub const _16: Alignment = Alignment(4);
    /// 32 bytes.
    pub const _32: Alignment = Alignment(5);
    /// 64 bytes.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, return_address, Alignment};
    /// let line = PAGE_ALLOCATOR.alloc_bytes_aligned(Alignment::_64, 100, return_address())?;
    /// assert!(Alignment::_64.check(line.addr().get()));
    /// # let line = std::ptr::NonNull::slice_from_raw_parts(line, 100);
    /// # unsafe { PAGE_ALLOCATOR.raw_free(line, Alignment::_64, 0) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub const _64: Alignment = Alignment(6);
    /// The largest alignment: the highest bit of a `usize`, 2^63 bytes on 64-bit targets.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, return_address, Alignment};
    /// assert_eq!(Alignment::MAX.log2() as u32, usize::BITS - 1);
    /// // Valid, and more than any memory has.
    /// assert!(PAGE_ALLOCATOR.alloc_bytes_aligned(Alignment::MAX, 1, return_address()).is_err());
    /// ```
    ///
    /// Only one address besides 0 is a multiple of it:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// let half = Alignment::MAX.to_byte_units();
    /// assert_eq!(half, 1 << (usize::BITS - 1));
    /// assert_eq!((Alignment::MAX.forward(1), Alignment::MAX.backward(usize::MAX)), (half, half));
    /// assert_eq!(Alignment::MAX.forward_checked(half + 1), None);
    /// ```
    pub const MAX: Alignment = Alignment((usize::BITS - 1) as u8);

    /// The natural alignment of a type. Zig's `Alignment.of`.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// const WORD: Alignment = Alignment::of::<usize>();
    /// assert_eq!(WORD.to_byte_units(), align_of::<usize>());
    /// assert_eq!(Alignment::of::<()>(), Alignment::_1);
    /// ```
    ///
    /// The alignment of a struct is that of its strictest field, unless `repr` says otherwise:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// struct Point(f32, u8);
    /// #[repr(C, packed)]
    /// struct Packed(u32, u8);
    /// #[repr(align(64))]
    /// struct Line([u8; 10]);
    ///
    /// assert_eq!(Alignment::of::<Point>(), Alignment::of::<f32>());
    /// assert_eq!(Alignment::of::<Packed>(), Alignment::_1);
    /// assert_eq!(Alignment::of::<[Line; 3]>(), Alignment::_64);
    /// ```
    #[must_use]
    pub const fn of<T>() -> Alignment {
        Alignment(align_of::<T>().trailing_zeros() as u8)
    }

    /// Converts a number of bytes. Zig's `fromByteUnits`.
    ///
    /// # Panics
    /// If `bytes` is not a power of two, 0 included. [`try_from_byte_units`](Self::try_from_byte_units)
    /// returns an error instead.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// const PAGE: Alignment = Alignment::from_byte_units(4096);
    /// assert_eq!(PAGE.log2(), 12);
    /// ```
    ///
    /// 24 is not a power of two:
    ///
    /// ```should_panic
    /// # use zigalloc::Alignment;
    /// let _ = Alignment::from_byte_units(24);
    /// ```
    ///
    /// In a constant, that is a compile-time error:
    ///
    /// ```compile_fail,E0080
    /// # use zigalloc::Alignment;
    /// const ODD: Alignment = Alignment::from_byte_units(24);
    /// # let _ = ODD;
    /// ```
    #[must_use]
    #[doc(alias = "fromByteUnits")]
    #[track_caller]
    pub const fn from_byte_units(bytes: usize) -> Alignment {
        Alignment::from_byte_units_in("Alignment::from_byte_units", bytes)
    }

    /// [`from_byte_units`](Self::from_byte_units) on behalf of a public function, which the panic message names.
    #[inline(always)]
    #[track_caller]
    pub(crate) const fn from_byte_units_in(function: &str, bytes: usize) -> Alignment {
        match Alignment::try_from_byte_units(bytes) {
            Ok(alignment) => alignment,
            Err(_) => panic_not_a_power_of_two(function, bytes),
        }
    }

    /// Converts a number of bytes, or returns an error that contains it. Not in Zig.
    ///
    /// # Errors
    /// [`AlignmentError::NotAPowerOfTwo`], also for 0.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// let error = Alignment::try_from_byte_units(24).unwrap_err();
    /// assert_eq!(error.to_string(), "Alignment::try_from_byte_units: 24 bytes is not a power of two");
    /// ```
    ///
    /// The boundary values:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// assert_eq!(Alignment::try_from_byte_units(1), Ok(Alignment::_1));
    /// assert_eq!(Alignment::try_from_byte_units(1 << (usize::BITS - 1)), Ok(Alignment::MAX));
    /// assert!(Alignment::try_from_byte_units(0).is_err());
    /// assert!(Alignment::try_from_byte_units(usize::MAX).is_err());
    /// ```
    pub const fn try_from_byte_units(bytes: usize) -> Result<Alignment, AlignmentError> {
        if bytes.is_power_of_two() {
            Ok(Alignment(bytes.trailing_zeros() as u8))
        } else {
            Err(AlignmentError::NotAPowerOfTwo(bytes))
        }
    }

    /// Converts an optional number of bytes; `None` stays `None`.
    ///
    /// Ports `fromByteUnitsOptional`, which is new in Zig 0.16.
    ///
    /// # Panics
    /// As [`from_byte_units`](Self::from_byte_units).
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// assert_eq!(Alignment::from_byte_units_optional(Some(2)), Some(Alignment::_2));
    /// assert_eq!(Alignment::from_byte_units_optional(None), None);
    /// ```
    ///
    /// Zig's `?usize` field of a header, where null stands for the natural alignment:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// struct Field {
    ///     alignment: Option<usize>,
    /// }
    ///
    /// let of = |field: Field| Alignment::from_byte_units_optional(field.alignment).unwrap_or(Alignment::_4);
    /// assert_eq!(of(Field { alignment: Some(64) }), Alignment::_64);
    /// assert_eq!(of(Field { alignment: None }), Alignment::_4);
    /// ```
    #[must_use]
    #[doc(alias = "fromByteUnitsOptional")]
    #[track_caller]
    pub const fn from_byte_units_optional(bytes: Option<usize>) -> Option<Alignment> {
        match bytes {
            Some(bytes) => Some(Alignment::from_byte_units_in("Alignment::from_byte_units_optional", bytes)),
            None => None,
        }
    }

    /// Converts a logarithm, which is the number that crosses the C interface.
    ///
    /// # Errors
    /// [`AlignmentError::Log2TooLarge`] if `2^log2` overflows `usize`.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// assert_eq!(Alignment::from_log2(6).unwrap().to_byte_units(), 64);
    /// assert!(Alignment::from_log2(64).is_err());
    /// ```
    ///
    /// A function that C calls checks the byte before it is used:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// extern "C" fn padded_len(len: usize, alignment_log2: u8) -> usize {
    ///     match Alignment::from_log2(alignment_log2) {
    ///         Ok(alignment) => alignment.forward_checked(len).unwrap_or(0),
    ///         Err(_) => 0,
    ///     }
    /// }
    ///
    /// assert_eq!(padded_len(100, 6), 128);
    /// assert_eq!(padded_len(usize::MAX, 6), 0, "the result overflows");
    /// assert_eq!(padded_len(100, usize::BITS as u8), 0, "one above the largest logarithm");
    /// ```
    pub const fn from_log2(log2: u8) -> Result<Alignment, AlignmentError> {
        if (log2 as u32) < usize::BITS {
            Ok(Alignment(log2))
        } else {
            Err(AlignmentError::Log2TooLarge(log2))
        }
    }

    /// The logarithm: 6 for 64 bytes. Zig's `@intFromEnum`.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// // What a C program passes for 64 bytes.
    /// let alignment_log2: u8 = Alignment::from_byte_units(64).log2();
    /// assert_eq!(alignment_log2, 6);
    /// ```
    #[must_use]
    #[doc(alias = "intFromEnum")]
    #[doc(alias = "Log2Align")]
    #[inline(always)]
    pub const fn log2(self) -> u8 {
        self.0
    }

    /// The alignment in bytes. Zig's `toByteUnits`.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// assert_eq!(Alignment::_16.to_byte_units(), 16);
    /// ```
    #[must_use]
    #[doc(alias = "toByteUnits")]
    #[inline(always)]
    #[track_caller]
    pub const fn to_byte_units(self) -> usize {
        if cfg!(debug_assertions) && !self.is_valid() {
            panic_log2_from_ffi(self.0);
        }
        1usize.wrapping_shl(self.0 as u32)
    }

    /// Whether a `usize` can express the alignment in bytes. False only for a value that a C program passed.
    ///
    /// Allocators check it where an alignment arrives from outside, so that an invalid byte returns null instead of
    /// shifting by more bits than a word has.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, Alignment};
    /// // SAFETY: an `Alignment` has the layout of a `u8` and may have any value. A C program passes it like this.
    /// let from_c: Alignment = unsafe { std::mem::transmute(200u8) };
    /// assert!(!from_c.is_valid());
    /// // SAFETY: the length is not zero.
    /// assert!(unsafe { PAGE_ALLOCATOR.raw_alloc(100, from_c, 0) }.is_none());
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn is_valid(self) -> bool {
        (self.0 as u32) < usize::BITS
    }

    /// Compares two alignments. Logarithms have the same order as byte counts.
    ///
    /// Ports `order`; the operators `<`, `==` and so on agree with it.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// use std::cmp::Ordering;
    /// assert_eq!(Alignment::_8.order(Alignment::_16), Ordering::Less);
    /// ```
    ///
    /// A list of requests, strictest first, packs without padding between them:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// let mut requests = [(1, Alignment::_1), (64, Alignment::_64), (8, Alignment::_8)];
    /// requests.sort_by(|a, b| b.1.order(a.1));
    /// let mut end = 0;
    /// for (len, alignment) in requests {
    ///     assert!(alignment.check(end), "no padding");
    ///     end += len;
    /// }
    /// assert_eq!(end, 73);
    /// ```
    #[must_use]
    #[inline]
    pub const fn order(self, other: Alignment) -> Ordering {
        if self.0 < other.0 {
            Ordering::Less
        } else if self.0 == other.0 {
            Ordering::Equal
        } else {
            Ordering::Greater
        }
    }

    /// Compares two alignments with an operator that is a value.
    ///
    /// ```
    /// # use zigalloc::{Alignment, CompareOperator};
    /// assert!(Alignment::_8.compare(CompareOperator::Lte, Alignment::_16));
    /// ```
    #[must_use]
    #[inline]
    pub const fn compare(self, op: CompareOperator, other: Alignment) -> bool {
        match op {
            CompareOperator::Lt => self.0 < other.0,
            CompareOperator::Lte => self.0 <= other.0,
            CompareOperator::Eq => self.0 == other.0,
            CompareOperator::Gte => self.0 >= other.0,
            CompareOperator::Gt => self.0 > other.0,
            CompareOperator::Neq => self.0 != other.0,
        }
    }

    /// Returns the stricter of two alignments.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// assert_eq!(Alignment::_8.max(Alignment::_16), Alignment::_16);
    /// ```
    ///
    /// A header before a block needs the stricter of both alignments:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// /// Where a block starts after a header of one word, and what both together are aligned to.
    /// const fn with_header(alignment: Alignment) -> (usize, Alignment) {
    ///     (alignment.forward(size_of::<usize>()), alignment.max(Alignment::of::<usize>()))
    /// }
    ///
    /// assert_eq!(with_header(Alignment::_64), (64, Alignment::_64));
    /// assert_eq!(with_header(Alignment::_1), (size_of::<usize>(), Alignment::of::<usize>()));
    /// ```
    #[must_use]
    #[inline]
    pub const fn max(self, other: Alignment) -> Alignment {
        if self.0 >= other.0 { self } else { other }
    }

    /// Returns the weaker of two alignments.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// assert_eq!(Alignment::_8.min(Alignment::_16), Alignment::_8);
    /// ```
    ///
    /// What is known of an address inside a block: no more than the block's alignment, nor than the offset's:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// fn at_offset(block: Alignment, offset: usize) -> Alignment {
    ///     match offset {
    ///         0 => block,
    ///         _ => block.min(Alignment::from_byte_units(1 << offset.trailing_zeros())),
    ///     }
    /// }
    ///
    /// assert_eq!(at_offset(Alignment::_16, 24), Alignment::_8);
    /// assert_eq!(at_offset(Alignment::_16, 32), Alignment::_16);
    /// ```
    #[must_use]
    #[inline]
    pub const fn min(self, other: Alignment) -> Alignment {
        if self.0 <= other.0 { self } else { other }
    }

    /// Rounds `address` up to a multiple of the alignment.
    ///
    /// # Panics
    /// If the result overflows `usize`, which Zig detects in its safe modes only.
    /// [`forward_checked`](Self::forward_checked) returns `None` instead.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// assert_eq!(Alignment::_16.forward(17), 32);
    /// assert_eq!(Alignment::_16.forward(32), 32);
    /// ```
    ///
    /// How a bump allocator places the next block:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// let mut end = 3;
    /// let mut place = |len: usize, alignment: Alignment| {
    ///     let start = alignment.forward(end);
    ///     end = start + len;
    ///     start
    /// };
    /// assert_eq!((place(8, Alignment::_8), place(1, Alignment::_1), place(4, Alignment::_4)), (8, 16, 20));
    /// ```
    #[must_use]
    #[inline]
    #[track_caller]
    pub const fn forward(self, address: usize) -> usize {
        self.forward_in("Alignment::forward", address)
    }

    /// [`forward`](Self::forward) on behalf of a public function, which the panic message names.
    #[inline(always)]
    #[track_caller]
    pub(crate) const fn forward_in(self, function: &str, address: usize) -> usize {
        match self.forward_checked(address) {
            Some(aligned) => aligned,
            None => panic_none_left(function, self.to_byte_units(), address),
        }
    }

    /// [`forward`](Self::forward), or `None` on overflow. Not in Zig.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// assert_eq!(Alignment::_16.forward_checked(17), Some(32));
    /// assert_eq!(Alignment::_16.forward_checked(usize::MAX), None);
    /// ```
    ///
    /// A request that does not fit is out of memory, and nothing wraps:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// fn end_of(start: usize, len: usize, alignment: Alignment, limit: usize) -> Option<usize> {
    ///     let end = alignment.forward_checked(start)?.checked_add(len)?;
    ///     (end <= limit).then_some(end)
    /// }
    ///
    /// assert_eq!(end_of(5, 10, Alignment::_8, 100), Some(18));
    /// assert_eq!(end_of(5, 93, Alignment::_8, 100), None);
    /// assert_eq!(end_of(5, usize::MAX - 4, Alignment::_1, 100), None);
    /// ```
    #[must_use]
    #[inline]
    pub const fn forward_checked(self, address: usize) -> Option<usize> {
        match address.checked_add(self.mask()) {
            Some(sum) => Some(sum & !self.mask()),
            None => None,
        }
    }

    /// Rounds `address` down to a multiple of the alignment. Never fails.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// assert_eq!(Alignment::_16.backward(31), 16);
    /// ```
    ///
    /// The page of an address, and the offset in it:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// const PAGE: Alignment = Alignment::from_byte_units(4096);
    /// let page = PAGE.backward(10_000);
    /// assert_eq!((page, 10_000 - page), (8192, 1808));
    /// assert_eq!((PAGE.backward(0), PAGE.backward(4095), PAGE.backward(4096)), (0, 0, 4096));
    /// ```
    #[must_use]
    #[inline]
    pub const fn backward(self, address: usize) -> usize {
        address & !self.mask()
    }

    /// Whether `address` is a multiple of the alignment. 0 is a multiple of every alignment.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// assert!(Alignment::_8.check(24) && !Alignment::_16.check(24));
    /// ```
    ///
    /// Of ten addresses in a row, the larger the alignment, the fewer satisfy it:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// let satisfied = |alignment: Alignment| (0..10).filter(|address| alignment.check(*address)).count();
    /// assert_eq!([Alignment::_1, Alignment::_2, Alignment::_4, Alignment::_16].map(satisfied), [10, 5, 3, 1]);
    /// ```
    #[must_use]
    #[inline]
    pub const fn check(self, address: usize) -> bool {
        address.trailing_zeros() >= self.0 as u32
    }

    /// [`forward`](Self::forward) for a pointer; the result keeps its provenance. Not in Zig.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// let mut buffer = [0u8; 32];
    /// let start = buffer.as_mut_ptr();
    /// let aligned = Alignment::_16.forward_ptr(start);
    /// assert!(Alignment::_16.check_ptr(aligned) && aligned.addr() - start.addr() < 16);
    /// // SAFETY: at most 15 bytes past the start, so inside the buffer.
    /// unsafe { aligned.write(7) };
    /// ```
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn forward_ptr<T>(self, ptr: *mut T) -> *mut T {
        ptr.with_addr(self.forward_in("Alignment::forward_ptr", ptr.addr()))
    }

    /// [`backward`](Self::backward) for a pointer; the result keeps its provenance.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// #[repr(C, align(64))]
    /// struct Page {
    ///     id: u32,
    ///     items: [u8; 60],
    /// }
    ///
    /// let mut page = Page { id: 7, items: [0; 60] };
    /// let start = &raw mut page;
    /// // From an item to its page, whose address is a multiple of 64.
    /// let item = start.cast::<u8>().wrapping_add(40);
    /// let header = Alignment::_64.backward_ptr(item).cast::<Page>();
    /// assert_eq!(header, start);
    /// // SAFETY: the address of `page`, derived from `start`.
    /// assert_eq!(unsafe { (*header).id }, 7);
    /// ```
    #[must_use]
    #[inline]
    pub fn backward_ptr<T>(self, ptr: *mut T) -> *mut T {
        ptr.map_addr(|address| self.backward(address))
    }

    /// [`check`](Self::check) for a pointer.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// assert!(Alignment::of::<u32>().check_ptr(&7u32));
    /// ```
    ///
    /// A slice of bytes whose address decides whether it can be read as words:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// let words = [0x0102_0304u32.to_be(); 2];
    /// let bytes: &[u8; 8] = unsafe { &*(&raw const words).cast() };
    /// let readable = |bytes: &[u8]| Alignment::of::<u32>().check_ptr(bytes) && bytes.len() % 4 == 0;
    /// assert!(readable(&bytes[..]) && readable(&bytes[4..]));
    /// assert!(!readable(&bytes[1..5]), "the address is odd");
    /// ```
    #[must_use]
    #[inline]
    pub fn check_ptr<T: ?Sized>(self, ptr: *const T) -> bool {
        self.check(ptr.addr())
    }

    /// Makes the `Layout` of `len` bytes with this alignment. Not in Zig.
    ///
    /// # Errors
    /// If `len`, rounded up to the alignment, exceeds `isize::MAX`: a limit of Rust's
    /// that Zig's byte counts do not have.
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// let layout = Alignment::_64.to_layout(100).unwrap();
    /// assert_eq!((layout.size(), layout.align()), (100, 64));
    /// assert_eq!(Alignment::from(layout), Alignment::_64);
    /// ```
    ///
    /// The longest layout is just below `isize::MAX`, and shorter the stricter the alignment:
    ///
    /// ```
    /// # use zigalloc::Alignment;
    /// let longest = isize::MAX as usize;
    /// assert!(Alignment::_1.to_layout(longest).is_ok());
    /// assert!(Alignment::_64.to_layout(longest).is_err());
    /// assert!(Alignment::_64.to_layout(longest - 63).is_ok());
    /// assert!(Alignment::MAX.to_layout(1).is_err());
    /// ```
    #[inline]
    pub const fn to_layout(self, len: usize) -> Result<Layout, LayoutError> {
        Layout::from_size_align(len, self.to_byte_units())
    }

    /// The bits that are 0 in an aligned address.
    #[inline(always)]
    pub(crate) const fn mask(self) -> usize {
        self.to_byte_units().wrapping_sub(1)
    }
}

impl Alignment {
    /// The layout of a request for `len` bytes to one of Rust's allocators, or `None` if no such layout is valid.
    #[inline]
    pub(crate) fn layout_of_request(self, len: usize) -> Option<Layout> {
        if !self.is_valid() || len > MAX_LEN {
            return None;
        }
        self.to_layout(len).ok()
    }

    /// The layout of a live block of `len` bytes.
    ///
    /// # Safety
    /// [`layout_of_request`](Self::layout_of_request) returned a layout for `len` and this alignment when the block was
    /// allocated or got its length.
    #[inline]
    pub(crate) unsafe fn layout_of_block(self, len: usize) -> Layout {
        // SAFETY: this layout was valid when the block was allocated or got this length.
        unsafe { Layout::from_size_align_unchecked(len, self.to_byte_units()) }
    }
}

/// The longest request, in bytes, that is passed to an operating system or to one of Rust's allocators, where no object
/// is longer than `isize::MAX` bytes. Under Miri it is a gibibyte: Miri exits if its host lacks the memory, where an
/// operating system would refuse.
pub(crate) const MAX_LEN: usize = if cfg!(miri) { 1 << 30 } else { isize::MAX as usize };

/// The alignment of a layout; its size is ignored.
impl From<Layout> for Alignment {
    #[inline]
    fn from(layout: Layout) -> Alignment {
        Alignment(layout.align().trailing_zeros() as u8)
    }
}

impl fmt::Debug for Alignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_valid() {
            write!(f, "Alignment({} bytes)", self.to_byte_units())
        } else {
            write!(f, "Alignment(invalid log2 {})", self.0)
        }
    }
}

/// The number of bytes, in decimal.
impl fmt::Display for Alignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_valid() {
            fmt::Display::fmt(&self.to_byte_units(), f)
        } else {
            write!(f, "invalid log2 {}", self.0)
        }
    }
}

#[cold]
#[track_caller]
const fn panic_not_a_power_of_two(function: &str, bytes: usize) -> ! {
    Message::new().text(function).text(": ").number(bytes).text(" bytes is not a power of two").panic()
}

#[cold]
#[track_caller]
const fn panic_log2_from_ffi(log2: u8) -> ! {
    Message::new()
        .text("Alignment::to_byte_units: log2 ")
        .number(log2 as usize)
        .text(", received over FFI, is above the limit of ")
        .number(Alignment::MAX.0 as usize)
        .panic()
}

#[cold]
#[track_caller]
pub(crate) const fn panic_none_left(function: &str, alignment: usize, address: usize) -> ! {
    Message::new()
        .text(function)
        .text(": no multiple of ")
        .number(alignment)
        .text(" at or above ")
        .number(address)
        .text(" fits in a usize")
        .panic()
}

/// A panic message, built by hand, since a `const fn` can only panic with a finished `&str`.
pub(crate) struct Message {
    bytes: [u8; Message::CAPACITY],
    len: usize,
}

impl Message {
    /// Enough for every message of this crate with two 64-bit numbers.
    const CAPACITY: usize = 160;

    pub(crate) const fn new() -> Message {
        Message { bytes: [0; Message::CAPACITY], len: 0 }
    }

    pub(crate) const fn text(mut self, text: &str) -> Message {
        let mut i = 0;
        while i < text.len() {
            self.bytes[self.len] = text.as_bytes()[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    /// Appends a number in decimal.
    pub(crate) const fn number(mut self, number: usize) -> Message {
        let mut place = 1;
        while number / place >= 10 {
            place *= 10;
        }
        while place > 0 {
            self.bytes[self.len] = b'0' + (number / place % 10) as u8;
            self.len += 1;
            place /= 10;
        }
        self
    }

    pub(crate) const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(message) => message,
            Err(_) => unreachable!(),
        }
    }

    #[track_caller]
    pub(crate) const fn panic(&self) -> ! {
        panic!("{}", self.as_str())
    }
}
