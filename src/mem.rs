//! The free functions of `std.mem` about alignment and bytes.
//!
//! Zig has two generations of them: `std.mem.Alignment`, which is [`Alignment`], and older
//! functions over byte counts, which are here. Zig's take the integer type as an argument
//! (`alignForward(comptime T, …)`); these are for `usize`, the type of addresses.
//!
//! Ports `lib/std/mem.zig` of Zig 0.15.2, with `absorbSentinel` of 0.16.

use core::ptr::NonNull;

use crate::alignment::{Alignment, Message, panic_none_left};
use crate::slice::{AlignedSlice, SlicePtr};

/// The smallest multiple of `alignment` (bytes) that is not below `addr`.
///
/// # Panics
/// If `alignment` is not a power of two, or the result is beyond `usize::MAX`.
///
/// Ports `alignForward`.
///
/// ```
/// assert_eq!(zigalloc::mem::align_forward(17, 8), 24);
/// ```
#[must_use]
#[doc(alias = "alignForward")]
#[track_caller]
pub const fn align_forward(addr: usize, alignment: usize) -> usize {
    Alignment::from_byte_units_in("align_forward", alignment).forward_in("align_forward", addr)
}

/// The largest multiple of `alignment` (bytes) that is not above `addr`.
///
/// # Panics
/// If `alignment` is not a power of two.
///
/// Ports `alignBackward`.
///
/// ```
/// assert_eq!(zigalloc::mem::align_backward(17, 8), 16);
/// ```
#[must_use]
#[doc(alias = "alignBackward")]
#[track_caller]
pub const fn align_backward(addr: usize, alignment: usize) -> usize {
    Alignment::from_byte_units_in("align_backward", alignment).backward(addr)
}

/// [`align_forward`] for any `alignment` but 0: 3, 5, 6 …
///
/// # Panics
/// If `alignment` is 0, or the result is beyond `usize::MAX`.
///
/// Ports `alignForwardAnyAlign`. Zig adds `alignment - 1` first, so it also panics where `addr` is a
/// multiple just below `usize::MAX`, unless `alignment` is 1.
///
/// ```
/// assert_eq!(zigalloc::mem::align_forward_any_align(10, 6), 12);
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

/// [`align_backward`] for any `alignment` but 0.
///
/// # Panics
/// If `alignment` is 0.
///
/// Ports `alignBackwardAnyAlign`.
///
/// ```
/// assert_eq!(zigalloc::mem::align_backward_any_align(10, 6), 6);
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
/// If `2^log2_alignment` does not fit into a `usize`, or the result does not.
///
/// Ports `alignForwardLog2`.
///
/// ```
/// assert_eq!(zigalloc::mem::align_forward_log2(17, 3), 24);
/// ```
#[must_use]
#[doc(alias = "alignForwardLog2")]
#[track_caller]
pub const fn align_forward_log2(addr: usize, log2_alignment: u8) -> usize {
    match Alignment::from_log2(log2_alignment) {
        Ok(alignment) => alignment.forward_in("align_forward_log2", addr),
        Err(_) => Message::new()
            .text("align_forward_log2: a log2 of ")
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
#[must_use]
#[doc(alias = "isAligned")]
#[doc(alias = "isAlignedGeneric")]
#[track_caller]
pub const fn is_aligned(addr: usize, alignment: usize) -> bool {
    Alignment::from_byte_units_in("is_aligned", alignment).check(addr)
}

/// [`is_aligned`] with the alignment as a logarithm. Any logarithm: address 0 is a multiple of 2^64
/// as well.
///
/// Ports `isAlignedLog2`.
///
/// ```
/// assert!(zigalloc::mem::is_aligned_log2(16, 3) && !zigalloc::mem::is_aligned_log2(16, 5));
/// ```
#[must_use]
#[doc(alias = "isAlignedLog2")]
pub const fn is_aligned_log2(addr: usize, log2_alignment: u8) -> bool {
    addr.trailing_zeros() >= log2_alignment as u32
}

/// [`is_aligned`] for any `alignment` but 0.
///
/// # Panics
/// If `alignment` is 0.
///
/// Ports `isAlignedAnyAlign`.
///
/// ```
/// assert!(zigalloc::mem::is_aligned_any_align(12, 6));
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

/// How many elements to add to `ptr` so that its address becomes a multiple of `align_to` (bytes).
///
/// `None` if the address would be beyond `usize::MAX`, or no whole number of elements leads there, as
/// always where elements have no size. An `align_to` of at most `T`'s own alignment is 0 at once: Zig
/// trusts the pointer's type, and so does this.
///
/// # Panics
/// If `align_to` is not a power of two.
///
/// Ports `alignPointerOffset`; in Zig, elements without size do not compile.
///
/// ```
/// use zigalloc::mem::align_pointer_offset;
///
/// let ptr = std::ptr::without_provenance_mut::<u32>(12);
/// assert_eq!(align_pointer_offset(ptr, 16), Some(1));
/// assert_eq!(align_pointer_offset(ptr.cast::<[u8; 3]>(), 16), None);
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

/// The first element at or above `ptr` whose address is a multiple of `align_to` (bytes).
///
/// # Panics
/// As [`align_pointer_offset`], which also says when there is none.
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
#[must_use]
#[doc(alias = "alignPointer")]
#[track_caller]
pub fn align_pointer<T>(ptr: *mut T, align_to: usize) -> Option<*mut T> {
    let alignment = Alignment::from_byte_units_in("align_pointer", align_to);
    Some(ptr.wrapping_add(offset_to(ptr, alignment)?))
}

/// The aligned tail of `bytes`: its start moves up to a multiple of `ALIGN` (bytes; 0 is 1), its end
/// stays.
///
/// `None` if the start would pass the end, or the end is above `usize::MAX` (Zig panics there); a start
/// at the end is an empty slice.
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

/// [`align_in_bytes`] for slices of other elements: the tail's length is cut down to whole elements.
///
/// # Panics
/// If the elements have no size, or are more bytes than a `usize` counts.
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
#[must_use]
#[doc(alias = "alignInSlice")]
#[track_caller]
pub fn align_in_slice<T, const ALIGN: usize>(slice: NonNull<[T]>) -> Option<AlignedSlice<T, ALIGN>> {
    assert!(
        size_of::<T>() != 0,
        "align_in_slice: elements of the type {} have 0 bytes; the least is 1",
        core::any::type_name::<T>()
    );
    let bytes = align_in_bytes::<ALIGN>(bytes_of("align_in_slice", slice))?;
    let ptr = NonNull::new(bytes.as_ptr())?;
    Some(AlignedSlice::from_raw_parts(ptr.cast(), bytes.len() / size_of::<T>()))
}

/// The slice with its sentinel, as a slice without one: the same pointer, one element more. Slices
/// without a sentinel are returned as they are.
///
/// Ports `absorbSentinel`, which is new in Zig 0.16.
///
/// ```
/// # use zigalloc::{heap::PAGE_ALLOCATOR, mem::absorb_sentinel};
/// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
/// assert_eq!(absorb_sentinel(text).len(), 4);
/// unsafe { PAGE_ALLOCATOR.free(text) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[must_use]
#[doc(alias = "absorbSentinel")]
pub fn absorb_sentinel<A: SlicePtr>(slice: A) -> A::Resized {
    slice.with_len(slice.item_count() + A::SENTINEL)
}

/// The bytes of one item.
///
/// Where the item has padding, its bytes are uninitialised.
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
#[must_use]
#[doc(alias = "asBytes")]
pub const fn as_bytes<T>(item: NonNull<T>) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(item.cast(), size_of::<T>())
}

/// The bytes of a slice's elements, without its sentinel.
///
/// # Panics
/// If they are more than a `usize` counts, as those of no slice in memory are.
///
/// Ports `sliceAsBytes`. Where Zig returns a static empty slice (no elements, or elements without
/// size) this returns no bytes at the slice's own address.
///
/// ```
/// use std::ptr::NonNull;
/// let mut numbers = [1u32, 2];
/// let bytes = zigalloc::mem::slice_as_bytes(NonNull::from(&mut numbers[..]));
/// assert_eq!(bytes.len(), 8);
/// ```
#[must_use]
#[doc(alias = "sliceAsBytes")]
#[track_caller]
pub fn slice_as_bytes<A: SlicePtr>(slice: A) -> NonNull<[u8]> {
    bytes_of("slice_as_bytes", slice)
}

/// [`slice_as_bytes`] for a public function, which a panic names.
#[track_caller]
fn bytes_of<A: SlicePtr>(function: &str, slice: A) -> NonNull<[u8]> {
    let (count, size) = (slice.item_count(), size_of::<A::Item>());
    let Some(len) = count.checked_mul(size) else {
        panic!("{function}: {count} elements of {size} bytes are more than the limit of {}", usize::MAX)
    };
    NonNull::slice_from_raw_parts(slice.as_non_null_ptr().cast(), len)
}

/// Bytes as a slice of `T`.
///
/// # Panics
/// If the length is no multiple of `T`'s size.
///
/// Ports `bytesAsSlice`. With no bytes, or a `T` without size, the result is empty.
///
/// ```
/// use std::ptr::NonNull;
/// let mut numbers = [1u32, 2];
/// let bytes = zigalloc::mem::slice_as_bytes(NonNull::from(&mut numbers[..]));
/// assert_eq!(zigalloc::mem::bytes_as_slice::<u16>(bytes).len(), 4);
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
    Message::new().text(function).text(": an alignment of 0 bytes; the least is 1").panic()
}
