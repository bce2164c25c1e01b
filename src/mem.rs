//! The free functions of `std.mem` about alignment, bytes and slices.
//!
//! Zig has two generations of them: `std.mem.Alignment`, which is [`Alignment`], and older
//! functions over byte counts, which are in this module. Zig's take the integer type as an argument
//! (`alignForward(comptime T, …)`); these take `usize`, the type of addresses.
//!
//! Ports `lib/std/mem.zig` of Zig 0.15.2, with `absorbSentinel` of 0.16.
//!
//! # Slices
//!
//! What Zig code does with slices, and where it is. `T` is compared by `==`; strings are `&[u8]`, and `str` has the
//! same under Rust's names.
//!
//! | Zig | here | or Rust's own |
//! |---|---|---|
//! | `join`, `joinZ` | [`join`], [`join_z`], `Allocator::join_owned` | `[_]::join`, on the global heap |
//! | `concat`, `concatWithSentinel`, `concatMaybeSentinel` | [`concat()`], [`concat_with_sentinel`], [`concat_maybe_sentinel`], `Allocator::concat_owned` | `[_]::concat`, on the global heap |
//! | `replace`, `replacementSize`, `replaceOwned`, `replaceScalar` | [`replace`], [`replacement_size`], [`replace_owned`], [`replace_scalar`], `Allocator::replace_owned` | `str::replace`, on the global heap |
//! | `splitScalar`, `splitAny`, `splitSequence` | [`split_scalar`], [`split_any`], [`split_sequence`] | |
//! | `splitBackwardsScalar` … | [`split_backwards_scalar`], [`split_backwards_any`], [`split_backwards_sequence`] | |
//! | `tokenizeScalar`, `tokenizeAny`, `tokenizeSequence` | [`tokenize_scalar`], [`tokenize_any`], [`tokenize_sequence`] | |
//! | `window` | [`window`] | `windows`, `chunks` |
//! | `trim`, `trimStart`, `trimEnd` | [`trim`], [`trim_start`], [`trim_end`] | `trim_ascii` |
//! | `indexOf`, `indexOfPos`, `lastIndexOf` | [`index_of`], [`index_of_pos`], [`last_index_of`] | `str::find`, `str::rfind` |
//! | `indexOfScalar`, `…Any`, `…None`, `…Pos`, `lastIndexOf…` | [`index_of_scalar`] and so on | `iter().position(…)` |
//! | `indexOfDiff` | [`index_of_diff`] | |
//! | `count`, `containsAtLeast`, `containsAtLeastScalar` | [`count`], [`contains_at_least`], [`contains_at_least_scalar`] | |
//! | `allEqual`, `collapseRepeats` | [`all_equal`], [`collapse_repeats`] | |
//! | `span`, `sliceTo` | [`span`], [`slice_to`] | `CStr::from_ptr` |
//! | `eql`, `order`, `lessThan` | | `==`, `cmp`, `<` |
//! | `startsWith`, `endsWith` | | `starts_with`, `ends_with` |
//! | `reverse`, `rotate`, `swap` | | `reverse`, `rotate_left`, `core::mem::swap` |
//! | `min`, `max`, `indexOfMin`, `indexOfMax` | | `iter().min()`, `iter().enumerate().min_by_key(…)` |
//! | `sort`, `sortUnstable` | | `sort_by`, which may use the global heap; `sort_unstable_by`, which does not |
//! | `copyForwards`, `copyBackwards`, `@memcpy`, `@memset` | | `copy_within`, `copy_from_slice`, `fill` |
//! | `reverseIterator`, `len`, `zeroes` | | `iter().rev()`, `len`, `Default` |
//! | `readInt`, `writeInt`, `nativeToLittle` … | | `from_le_bytes`, `to_le_bytes`, `to_le` |
//!
//! The same in one small program, the fields of a header line:
//!
//! ```
//! use zigalloc::mem;
//!
//! fn fields(line: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
//!     let colon = mem::index_of_scalar(line, &b':')?;
//!     let name = mem::trim(&line[..colon], b" \t");
//!     let values = mem::split_scalar(&line[colon + 1..], b',');
//!     Some((name, values.map(|value| mem::trim(value, b" \t")).collect()))
//! }
//!
//! let (name, values) = fields(b"Accept: text/html,  text/plain ,").unwrap();
//! assert_eq!(name, b"Accept");
//! assert_eq!(values, [&b"text/html"[..], b"text/plain", b""]);
//! assert_eq!(fields(b"no colon"), None);
//! ```

use core::ptr::NonNull;

use crate::alignment::{Alignment, Message, panic_none_left};
use crate::slice::{AlignedSlice, SlicePtr};

pub(crate) mod allocate;
pub mod search;
pub mod split;

pub use allocate::{concat, concat_maybe_sentinel, concat_with_sentinel, join, join_z, replace_owned};
pub use search::{
    all_equal, collapse_repeats, contains_at_least, contains_at_least_scalar, count, index_of, index_of_any,
    index_of_any_pos, index_of_diff, index_of_none, index_of_none_pos, index_of_pos, index_of_scalar,
    index_of_scalar_pos, last_index_of, last_index_of_any, last_index_of_none, last_index_of_scalar, replace,
    replace_scalar, replacement_size, slice_to, span, trim, trim_end, trim_start,
};
pub use split::{
    SplitBackwardsIterator, SplitIterator, TokenIterator, WindowIterator, split_any, split_backwards_any,
    split_backwards_scalar, split_backwards_sequence, split_scalar, split_sequence, tokenize_any,
    tokenize_scalar, tokenize_sequence, window,
};

/// Rounds `addr` up to a multiple of `alignment` (bytes).
///
/// # Panics
/// If `alignment` is not a power of two, or the result overflows `usize`.
///
/// Ports `alignForward`.
///
/// ```
/// assert_eq!(zigalloc::mem::align_forward(17, 8), 24);
/// ```
///
/// Boundary values:
///
/// ```
/// # use zigalloc::mem::align_forward;
/// assert_eq!((align_forward(0, 16), align_forward(1, 16), align_forward(16, 16)), (0, 16, 16));
/// assert_eq!(align_forward(usize::MAX, 1), usize::MAX);
/// // A constant, for the length of a static buffer.
/// const ROOM: usize = align_forward(size_of::<[u8; 100]>(), 64);
/// assert_eq!(ROOM, 128);
/// ```
#[must_use]
#[doc(alias = "alignForward")]
#[track_caller]
pub const fn align_forward(addr: usize, alignment: usize) -> usize {
    Alignment::from_byte_units_in("align_forward", alignment).forward_in("align_forward", addr)
}

/// Rounds `addr` down to a multiple of `alignment` (bytes).
///
/// # Panics
/// If `alignment` is not a power of two.
///
/// Ports `alignBackward`.
///
/// ```
/// assert_eq!(zigalloc::mem::align_backward(17, 8), 16);
/// ```
///
/// It never fails for a valid alignment. The difference is the offset in the aligned unit:
///
/// ```
/// # use zigalloc::mem::align_backward;
/// let address = 0x1234;
/// assert_eq!(address - align_backward(address, 0x1000), 0x234);
/// assert_eq!(align_backward(usize::MAX, 4096), usize::MAX - 4095);
/// ```
///
/// 3 is not a power of two:
///
/// ```should_panic
/// let _ = zigalloc::mem::align_backward(10, 3); // `align_backward_any_align` takes it
/// ```
#[must_use]
#[doc(alias = "alignBackward")]
#[track_caller]
pub const fn align_backward(addr: usize, alignment: usize) -> usize {
    Alignment::from_byte_units_in("align_backward", alignment).backward(addr)
}

/// [`align_forward`] for any `alignment` except 0: 3, 5, 6 …
///
/// # Panics
/// If `alignment` is 0, or the result overflows `usize`.
///
/// Ports `alignForwardAnyAlign`. Zig adds `alignment - 1` first, so unless `alignment` is 1 it also panics for an
/// `addr` that is a multiple just below `usize::MAX`.
///
/// ```
/// assert_eq!(zigalloc::mem::align_forward_any_align(10, 6), 12);
/// ```
///
/// The number of records of 12 bytes that a length takes:
///
/// ```
/// # use zigalloc::mem::align_forward_any_align;
/// const RECORD: usize = 12;
/// let records = |len| align_forward_any_align(len, RECORD) / RECORD;
/// assert_eq!([0, 1, 12, 13].map(records), [0, 1, 1, 2]);
/// ```
#[must_use]
#[doc(alias = "alignForwardAnyAlign")]
#[track_caller]
pub const fn align_forward_any_align(addr: usize, alignment: usize) -> usize {
    if alignment == 0 {
        panic_alignment_of_0("align_forward_any_align");
    }
    match addr.checked_next_multiple_of(alignment) {
        Some(aligned) => aligned,
        None => panic_none_left("align_forward_any_align", alignment, addr),
    }
}

/// [`align_backward`] for any `alignment` except 0.
///
/// # Panics
/// If `alignment` is 0.
///
/// Ports `alignBackwardAnyAlign`.
///
/// ```
/// assert_eq!(zigalloc::mem::align_backward_any_align(10, 6), 6);
/// ```
///
/// The start of the record that an offset is in:
///
/// ```
/// # use zigalloc::mem::align_backward_any_align;
/// assert_eq!([0, 11, 12, 35].map(|offset| align_backward_any_align(offset, 12)), [0, 0, 12, 24]);
/// ```
#[must_use]
#[doc(alias = "alignBackwardAnyAlign")]
#[track_caller]
pub const fn align_backward_any_align(addr: usize, alignment: usize) -> usize {
    if alignment == 0 {
        panic_alignment_of_0("align_backward_any_align");
    }
    addr - addr % alignment
}

/// [`align_forward`] with the alignment as a logarithm.
///
/// # Panics
/// If `2^log2_alignment` or the result overflows `usize`.
///
/// Ports `alignForwardLog2`.
///
/// ```
/// assert_eq!(zigalloc::mem::align_forward_log2(17, 3), 24);
/// ```
///
/// A function of a table gets the logarithm, as C passes it:
///
/// ```
/// # use zigalloc::{Alignment, mem::align_forward_log2};
/// let alignment_log2 = Alignment::_64.log2();
/// assert_eq!(align_forward_log2(100, alignment_log2), Alignment::_64.forward(100));
/// assert_eq!(align_forward_log2(100, 0), 100, "one byte");
/// ```
#[must_use]
#[doc(alias = "alignForwardLog2")]
#[track_caller]
pub const fn align_forward_log2(addr: usize, log2_alignment: u8) -> usize {
    match Alignment::from_log2(log2_alignment) {
        Ok(alignment) => alignment.forward_in("align_forward_log2", addr),
        Err(_) => Message::new()
            .text("align_forward_log2: log2 ")
            .number(log2_alignment as usize)
            .text(" is above the limit of ")
            .number(Alignment::MAX.log2() as usize)
            .panic(),
    }
}

/// Whether `alignment` (bytes) is a power of two. 0 is not.
///
/// Ports `isValidAlign` and `isValidAlignGeneric`.
///
/// ```
/// assert!(zigalloc::mem::is_valid_align(8) && !zigalloc::mem::is_valid_align(0));
/// ```
///
/// The valid ones up to 100 are those with one bit:
///
/// ```
/// # use zigalloc::mem::is_valid_align;
/// let valid: Vec<usize> = (0..=100).filter(|n| is_valid_align(*n)).collect();
/// assert_eq!(valid, [1, 2, 4, 8, 16, 32, 64]);
/// assert!(is_valid_align(1 << (usize::BITS - 1)) && !is_valid_align(usize::MAX));
/// ```
#[must_use]
#[doc(alias = "isValidAlign")]
#[doc(alias = "isValidAlignGeneric")]
pub const fn is_valid_align(alignment: usize) -> bool {
    alignment.is_power_of_two()
}

/// Whether `addr` is a multiple of `alignment` (bytes).
///
/// # Panics
/// If `alignment` is not a power of two.
///
/// Ports `isAligned` and `isAlignedGeneric`.
///
/// ```
/// assert!(zigalloc::mem::is_aligned(16, 8) && !zigalloc::mem::is_aligned(17, 8));
/// ```
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{heap::page_size, mem::is_aligned};
/// assert!(is_aligned(0, 4096), "0 is a multiple of everything");
/// assert!(is_aligned(3 * page_size(), page_size()));
/// assert!((0..100).all(|address| is_aligned(address, 1)));
/// ```
#[must_use]
#[doc(alias = "isAligned")]
#[doc(alias = "isAlignedGeneric")]
#[track_caller]
pub const fn is_aligned(addr: usize, alignment: usize) -> bool {
    Alignment::from_byte_units_in("is_aligned", alignment).check(addr)
}

/// [`is_aligned`] with the alignment as a logarithm. Any logarithm is allowed: address 0 is a multiple of 2^64 too.
///
/// Ports `isAlignedLog2`.
///
/// ```
/// assert!(zigalloc::mem::is_aligned_log2(16, 3) && !zigalloc::mem::is_aligned_log2(16, 5));
/// ```
///
/// ```
/// # use zigalloc::mem::is_aligned_log2;
/// assert!(is_aligned_log2(0, usize::BITS as u8) && !is_aligned_log2(1, 255));
/// assert!(is_aligned_log2(1 << 20, 20) && !is_aligned_log2(1 << 20, 21));
/// ```
#[must_use]
#[doc(alias = "isAlignedLog2")]
pub const fn is_aligned_log2(addr: usize, log2_alignment: u8) -> bool {
    addr.trailing_zeros() >= log2_alignment as u32
}

/// [`is_aligned`] for any `alignment` except 0.
///
/// # Panics
/// If `alignment` is 0.
///
/// Ports `isAlignedAnyAlign`.
///
/// ```
/// assert!(zigalloc::mem::is_aligned_any_align(12, 6));
/// ```
///
/// Whether a length is a whole number of pixels of three bytes:
///
/// ```
/// # use zigalloc::mem::is_aligned_any_align;
/// assert!(is_aligned_any_align(640 * 3, 3) && !is_aligned_any_align(640 * 3 + 1, 3));
/// ```
#[must_use]
#[doc(alias = "isAlignedAnyAlign")]
#[track_caller]
pub const fn is_aligned_any_align(addr: usize, alignment: usize) -> bool {
    if alignment == 0 {
        panic_alignment_of_0("is_aligned_any_align");
    }
    addr % alignment == 0
}

/// Returns how many elements to add to `ptr` so that its address becomes a multiple of `align_to` (bytes).
///
/// `None` if the aligned address overflows `usize`, or is not a whole number of elements away (always so for zero-sized
/// elements that are not aligned yet). If `align_to` is at most `T`'s own alignment the result is 0 without looking at
/// the address: like Zig, this trusts the pointer's type.
///
/// # Panics
/// If `align_to` is not a power of two.
///
/// Ports `alignPointerOffset`; in Zig, zero-sized elements do not compile.
///
/// ```
/// use zigalloc::mem::align_pointer_offset;
///
/// let ptr = std::ptr::without_provenance_mut::<u32>(12);
/// assert_eq!(align_pointer_offset(ptr, 16), Some(1));
/// assert_eq!(align_pointer_offset(ptr.cast::<[u8; 3]>(), 16), None);
/// ```
///
/// What the type aligns needs no look at the address, and an address at the end of the address space cannot be
/// aligned:
///
/// ```
/// # use zigalloc::mem::align_pointer_offset;
/// use std::ptr::without_provenance_mut as at;
///
/// assert_eq!(align_pointer_offset(at::<u8>(13), 8), Some(3), "three bytes");
/// assert_eq!(align_pointer_offset(at::<u32>(20), 8), Some(1), "one element of four bytes");
/// assert_eq!(align_pointer_offset(at::<u32>(20), 4), Some(0), "the type's own alignment");
/// assert_eq!(align_pointer_offset(at::<u8>(usize::MAX), 2), None);
/// assert_eq!(align_pointer_offset(at::<()>(13), 8), None, "no number of empty elements reaches it");
/// ```
#[must_use]
#[doc(alias = "alignPointerOffset")]
#[track_caller]
pub fn align_pointer_offset<T>(ptr: *mut T, align_to: usize) -> Option<usize> {
    offset_to(ptr, Alignment::from_byte_units_in("align_pointer_offset", align_to))
}

fn offset_to<T>(ptr: *mut T, alignment: Alignment) -> Option<usize> {
    if alignment <= Alignment::of::<T>() {
        return Some(0);
    }
    let delta = alignment.forward_checked(ptr.addr())? - ptr.addr();
    if delta == 0 {
        return Some(0);
    }
    if size_of::<T>() == 0 || delta % size_of::<T>() != 0 {
        return None;
    }
    Some(delta / size_of::<T>())
}

/// Returns a pointer to the first element at or above `ptr` whose address is a multiple of `align_to` (bytes).
///
/// `None` as in [`align_pointer_offset`].
///
/// # Panics
/// As [`align_pointer_offset`].
///
/// Ports `alignPointer`. The result has the provenance of `ptr`.
///
/// ```
/// use zigalloc::mem::align_pointer;
///
/// let mut numbers = [0u8; 16];
/// let aligned = align_pointer(numbers.as_mut_ptr(), 8).unwrap();
/// assert_eq!(aligned.addr() % 8, 0);
/// ```
///
/// A parser of binary data skips the padding before the next field:
///
/// ```
/// # use zigalloc::mem::align_pointer;
/// #[repr(align(8))]
/// struct Message([u8; 16]);
/// let mut message = Message([0; 16]);
/// message.0[8..].copy_from_slice(&7u64.to_ne_bytes());
///
/// let after_tag = message.0.as_mut_ptr().wrapping_add(1);
/// let field = align_pointer(after_tag, 8).unwrap().cast::<u64>();
/// assert_eq!(field.addr() - after_tag.addr(), 7);
/// // SAFETY: the last eight bytes of the message, aligned.
/// assert_eq!(unsafe { field.read() }, 7);
/// ```
#[must_use]
#[doc(alias = "alignPointer")]
#[track_caller]
pub fn align_pointer<T>(ptr: *mut T, align_to: usize) -> Option<*mut T> {
    let alignment = Alignment::from_byte_units_in("align_pointer", align_to);
    Some(ptr.wrapping_add(offset_to(ptr, alignment)?))
}

/// Returns the aligned tail of `bytes`: the start moves up to a multiple of `ALIGN` (bytes; 0 means 1), and the end
/// stays.
///
/// A start at the end gives an empty slice. `None` if the start would pass the end, or if the end overflows `usize`
/// (where Zig panics).
///
/// Ports `alignInBytes`.
///
/// ```
/// use std::ptr::NonNull;
/// use zigalloc::mem::align_in_bytes;
///
/// #[repr(align(16))]
/// struct Buffer([u8; 32]);
/// let mut buffer = Buffer([0; 32]);
/// let odd = NonNull::from(&mut buffer.0[1..]);
/// assert_eq!(align_in_bytes::<16>(odd).unwrap().len(), 16);
/// ```
///
/// A buffer of a caller, of which an allocator uses the aligned part. Too short a one has none:
///
/// ```
/// # use std::ptr::NonNull;
/// # use zigalloc::mem::align_in_bytes;
/// #[repr(align(64))]
/// struct Buffer([u8; 200]);
/// let mut buffer = Buffer([0; 200]);
/// let part = |from: usize, to: usize, buffer: &mut Buffer| {
///     align_in_bytes::<64>(NonNull::from(&mut buffer.0[from..to])).map(|aligned| aligned.len())
/// };
/// assert_eq!(part(0, 200, &mut buffer), Some(200), "nothing is lost at an aligned start");
/// assert_eq!(part(1, 200, &mut buffer), Some(136), "and otherwise up to 63 bytes");
/// assert_eq!(part(1, 64, &mut buffer), Some(0), "the aligned address is the end");
/// assert_eq!(part(1, 63, &mut buffer), None, "it is past the end");
/// ```
#[must_use]
#[doc(alias = "alignInBytes")]
pub fn align_in_bytes<const ALIGN: usize>(bytes: NonNull<[u8]>) -> Option<AlignedSlice<u8, ALIGN>> {
    let begin = bytes.addr().get();
    let end = begin.checked_add(bytes.len())?;
    let aligned = AlignedSlice::<u8, ALIGN>::ALIGNMENT.forward_checked(begin)?;
    let len = end.checked_sub(aligned)?;
    let ptr = bytes.as_ptr().cast::<u8>().with_addr(aligned);
    Some(AlignedSlice::from_raw_parts(NonNull::new(ptr)?, len))
}

/// [`align_in_bytes`] for slices of other elements: the tail's length is rounded down to whole elements.
///
/// # Panics
/// If the elements are zero-sized, or their size in bytes overflows `usize`.
///
/// Ports `alignInSlice`.
///
/// ```
/// use std::ptr::NonNull;
/// use zigalloc::mem::align_in_slice;
///
/// #[repr(align(16))]
/// struct Buffer([u32; 8]);
/// let mut buffer = Buffer([0; 8]);
/// let odd = NonNull::from(&mut buffer.0[1..]);
/// assert_eq!(align_in_slice::<u32, 16>(odd).unwrap().len(), 4);
/// ```
///
/// Whole elements only: of 30 bytes after the aligned start, seven elements of four bytes remain.
///
/// ```
/// # use std::ptr::NonNull;
/// # use zigalloc::{SlicePtr, mem::align_in_slice};
/// #[repr(align(16))]
/// struct Buffer([u16; 16]);
/// let mut buffer = Buffer([0; 16]);
/// let slice = NonNull::from(&mut buffer.0[1..]);
/// let aligned = align_in_slice::<u16, 4>(slice).unwrap();
/// assert_eq!((aligned.len(), aligned.as_ptr().addr() % 4), (14, 0));
/// let all = align_in_slice::<u16, 2>(slice).unwrap();
/// assert_eq!((all.len(), all.bytes().len()), (15, 30), "the natural alignment loses nothing");
/// ```
#[must_use]
#[doc(alias = "alignInSlice")]
#[track_caller]
pub fn align_in_slice<T, const ALIGN: usize>(slice: NonNull<[T]>) -> Option<AlignedSlice<T, ALIGN>> {
    assert!(
        size_of::<T>() != 0,
        "align_in_slice: elements of type {} have 0 bytes; the minimum is 1",
        core::any::type_name::<T>()
    );
    let bytes = align_in_bytes::<ALIGN>(bytes_of("align_in_slice", slice))?;
    let ptr = NonNull::new(bytes.as_ptr())?;
    Some(AlignedSlice::from_raw_parts(ptr.cast(), bytes.len() / size_of::<T>()))
}

/// Returns the slice with its sentinel as a plain slice: the same pointer, one element more. A slice without a sentinel
/// is returned unchanged.
///
/// Ports `absorbSentinel`, which is new in Zig 0.16.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{heap::PAGE_ALLOCATOR, mem::absorb_sentinel};
/// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
/// assert_eq!(absorb_sentinel(text).len(), 4);
/// unsafe { PAGE_ALLOCATOR.free(text) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// The result has the block's full length, so it can be freed in the slice's place:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{SlicePtr, heap::SMP_ALLOCATOR, mem::absorb_sentinel};
/// let numbers = SMP_ALLOCATOR.dupe_sentinel(&[1u16, 2], 0xFFFF)?;
/// let all = absorb_sentinel(numbers);
/// // SAFETY: `dupe_sentinel` wrote three elements.
/// assert_eq!(unsafe { all.as_slice() }, [1, 2, 0xFFFF]);
/// assert_eq!(all.bytes().len(), numbers.bytes().len());
/// // SAFETY: a live block of that length and alignment, not used afterwards.
/// unsafe { SMP_ALLOCATOR.free(all) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[must_use]
#[doc(alias = "absorbSentinel")]
pub fn absorb_sentinel<A: SlicePtr>(slice: A) -> A::Resized {
    slice.with_len(slice.item_count() + A::SENTINEL)
}

/// Returns the bytes of one item.
///
/// If the item has padding, the padding bytes are uninitialised.
///
/// Ports `asBytes`, which returns a pointer to an array.
///
/// ```
/// use std::ptr::NonNull;
/// let mut number = 0x01020304u32;
/// let bytes = zigalloc::mem::as_bytes(NonNull::from(&mut number));
/// // SAFETY: the four bytes of `number`, which nothing else uses.
/// assert_eq!(unsafe { bytes.as_ref() }, 0x01020304u32.to_ne_bytes());
/// ```
///
/// A checksum over a struct without padding:
///
/// ```
/// # use std::ptr::NonNull;
/// # use zigalloc::mem::as_bytes;
/// #[repr(C)]
/// struct Header {
///     magic: [u8; 4],
///     version: u16,
///     flags: u16,
/// }
///
/// let mut header = Header { magic: *b"ZIG\0", version: 0, flags: 0 };
/// let bytes = as_bytes(NonNull::from(&mut header));
/// assert_eq!(bytes.len(), size_of::<Header>());
/// // SAFETY: all bytes are initialised, since nothing is padding.
/// let sum: u32 = unsafe { bytes.as_ref() }.iter().map(|byte| u32::from(*byte)).sum();
/// assert_eq!(sum, 90 + 73 + 71);
/// ```
#[must_use]
#[doc(alias = "asBytes")]
pub const fn as_bytes<T>(item: NonNull<T>) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(item.cast(), size_of::<T>())
}

/// Returns the bytes of a slice's elements, without its sentinel.
///
/// # Panics
/// If the size in bytes overflows `usize`, which it does for no slice in memory.
///
/// Ports `sliceAsBytes`. Where Zig returns a static empty slice (no elements, or zero-sized elements)
/// this returns an empty slice at the slice's own address.
///
/// ```
/// use std::ptr::NonNull;
/// let mut numbers = [1u32, 2];
/// let bytes = zigalloc::mem::slice_as_bytes(NonNull::from(&mut numbers[..]));
/// assert_eq!(bytes.len(), 8);
/// ```
///
/// To write numbers to a file as they are in memory, without their sentinel:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{heap::SMP_ALLOCATOR, mem::slice_as_bytes};
/// use std::io::Write;
///
/// let samples = SMP_ALLOCATOR.dupe_sentinel(&[1u16, 256], 0)?;
/// let mut file = vec![];
/// // SAFETY: initialised numbers, which have no padding.
/// file.write_all(unsafe { slice_as_bytes(samples).as_ref() }).unwrap();
/// assert_eq!(file, [1u16.to_ne_bytes(), 256u16.to_ne_bytes()].concat());
/// unsafe { SMP_ALLOCATOR.free(samples) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[must_use]
#[doc(alias = "sliceAsBytes")]
#[track_caller]
pub fn slice_as_bytes<A: SlicePtr>(slice: A) -> NonNull<[u8]> {
    bytes_of("slice_as_bytes", slice)
}

/// [`slice_as_bytes`] on behalf of a public function, which the panic message names.
#[track_caller]
fn bytes_of<A: SlicePtr>(function: &str, slice: A) -> NonNull<[u8]> {
    let (count, size) = (slice.item_count(), size_of::<A::Item>());
    let Some(len) = count.checked_mul(size) else {
        panic!("{function}: {count} elements of {size} bytes exceed the limit of {} bytes", usize::MAX)
    };
    NonNull::slice_from_raw_parts(slice.as_non_null_ptr().cast(), len)
}

/// Reinterprets bytes as a slice of `T`.
///
/// # Panics
/// If the length is not a multiple of `T`'s size.
///
/// Ports `bytesAsSlice`. For no bytes, or a zero-sized `T`, the result is empty.
///
/// ```
/// use std::ptr::NonNull;
/// let mut numbers = [1u32, 2];
/// let bytes = zigalloc::mem::slice_as_bytes(NonNull::from(&mut numbers[..]));
/// assert_eq!(zigalloc::mem::bytes_as_slice::<u16>(bytes).len(), 4);
/// ```
///
/// The bytes may be unaligned for `T`; then the elements are read one by one:
///
/// ```
/// # use std::ptr::NonNull;
/// # use zigalloc::mem::bytes_as_slice;
/// let mut packet = [0xFFu8, 1, 0, 2, 0];
/// let numbers = bytes_as_slice::<u16>(NonNull::from(&mut packet[1..]));
/// assert_eq!(numbers.len(), 2);
/// // SAFETY: two elements of initialised bytes.
/// let second = unsafe { numbers.cast::<u16>().add(1).read_unaligned() };
/// assert_eq!(u16::from_le(second), 2);
/// ```
///
/// A length that is not a multiple of the element's size panics:
///
/// ```should_panic
/// # use std::ptr::NonNull;
/// let mut bytes = [0u8; 5];
/// zigalloc::mem::bytes_as_slice::<u16>(NonNull::from(&mut bytes[..]));
/// ```
#[must_use]
#[doc(alias = "bytesAsSlice")]
#[track_caller]
pub fn bytes_as_slice<T>(bytes: NonNull<[u8]>) -> NonNull<[T]> {
    if bytes.is_empty() || size_of::<T>() == 0 {
        return NonNull::slice_from_raw_parts(bytes.cast(), 0);
    }
    assert!(
        bytes.len() % size_of::<T>() == 0,
        "bytes_as_slice: {} bytes are not a multiple of the element's {}",
        bytes.len(),
        size_of::<T>()
    );
    NonNull::slice_from_raw_parts(bytes.cast(), bytes.len() / size_of::<T>())
}

#[cold]
#[track_caller]
const fn panic_alignment_of_0(function: &str) -> ! {
    Message::new().text(function).text(": alignment is 0 bytes; the minimum is 1").panic()
}
