//! Searching, trimming and replacing in slices, as far as Rust's slices cannot.
//!
//! Elements are compared by `==`. The table of the [module](super#slices) lists what Rust's slices already have.

use core::ptr::NonNull;

use crate::slice::SentinelSlice;

/// The index of the first element equal to `value`.
///
/// Ports `indexOfScalar`.
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::index_of_scalar(b"abcb", &b'b'), Some(1));
/// ```
#[doc(alias = "indexOfScalar")]
#[doc(alias = "findScalar")]
#[must_use]
#[inline]
pub fn index_of_scalar<T: PartialEq>(slice: &[T], value: &T) -> Option<usize> {
    slice.iter().position(|item| item == value)
}

/// The index of the last element equal to `value`.
///
/// Ports `lastIndexOfScalar`.
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::last_index_of_scalar(b"abcb", &b'b'), Some(3));
/// ```
#[doc(alias = "lastIndexOfScalar")]
#[must_use]
#[inline]
pub fn last_index_of_scalar<T: PartialEq>(slice: &[T], value: &T) -> Option<usize> {
    slice.iter().rposition(|item| item == value)
}

/// The index of the first element from `start_index` on equal to `value`. `None` if the start is past the end.
///
/// Ports `indexOfScalarPos`.
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::index_of_scalar_pos(b"abcb", 2, &b'b'), Some(3));
/// ```
#[doc(alias = "indexOfScalarPos")]
#[must_use]
#[inline]
pub fn index_of_scalar_pos<T: PartialEq>(slice: &[T], start_index: usize, value: &T) -> Option<usize> {
    Some(start_index + index_of_scalar(slice.get(start_index..)?, value)?)
}

/// The index of the first element that is one of `values`.
///
/// Ports `indexOfAny`.
///
/// ```
/// assert_eq!(zigalloc::mem::index_of_any(b"key = value", b"=:"), Some(4));
/// ```
#[doc(alias = "indexOfAny")]
#[must_use]
#[inline]
pub fn index_of_any<T: PartialEq>(slice: &[T], values: &[T]) -> Option<usize> {
    slice.iter().position(|item| values.contains(item))
}

/// The index of the last element that is one of `values`.
///
/// Ports `lastIndexOfAny`.
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::last_index_of_any(b"usr/lib\\zig", b"/\\"), Some(7));
/// ```
#[doc(alias = "lastIndexOfAny")]
#[must_use]
#[inline]
pub fn last_index_of_any<T: PartialEq>(slice: &[T], values: &[T]) -> Option<usize> {
    slice.iter().rposition(|item| values.contains(item))
}

/// The index of the first element from `start_index` on that is one of `values`.
///
/// Ports `indexOfAnyPos`.
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::index_of_any_pos(b"a+b-c", 2, b"+-"), Some(3));
/// ```
#[doc(alias = "indexOfAnyPos")]
#[must_use]
#[inline]
pub fn index_of_any_pos<T: PartialEq>(slice: &[T], start_index: usize, values: &[T]) -> Option<usize> {
    Some(start_index + index_of_any(slice.get(start_index..)?, values)?)
}

/// The index of the first element that is none of `values`.
///
/// Ports `indexOfNone`.
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::index_of_none(b"  zig", b" "), Some(2));
/// ```
#[doc(alias = "indexOfNone")]
#[must_use]
#[inline]
pub fn index_of_none<T: PartialEq>(slice: &[T], values: &[T]) -> Option<usize> {
    slice.iter().position(|item| !values.contains(item))
}

/// The index of the last element that is none of `values`.
///
/// Ports `lastIndexOfNone`.
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::last_index_of_none(b"zig  ", b" "), Some(2));
/// ```
#[doc(alias = "lastIndexOfNone")]
#[must_use]
#[inline]
pub fn last_index_of_none<T: PartialEq>(slice: &[T], values: &[T]) -> Option<usize> {
    slice.iter().rposition(|item| !values.contains(item))
}

/// The index of the first element from `start_index` on that is none of `values`.
///
/// Ports `indexOfNonePos`.
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::index_of_none_pos(b"a  b", 1, b" "), Some(3));
/// ```
#[doc(alias = "indexOfNonePos")]
#[must_use]
#[inline]
pub fn index_of_none_pos<T: PartialEq>(slice: &[T], start_index: usize, values: &[T]) -> Option<usize> {
    Some(start_index + index_of_none(slice.get(start_index..)?, values)?)
}

/// The index at which `needle` first occurs. An empty needle occurs at 0.
///
/// Ports `indexOf`.
///
/// ```
/// assert_eq!(zigalloc::mem::index_of(b"one two three", b"two"), Some(4));
/// ```
#[doc(alias = "indexOf")]
#[must_use]
#[inline]
pub fn index_of<T: PartialEq>(haystack: &[T], needle: &[T]) -> Option<usize> {
    index_of_pos(haystack, 0, needle)
}

/// The index at which `needle` first occurs from `start_index` on. An empty needle occurs at `start_index`, even past
/// the end, as in Zig.
///
/// Ports `indexOfPos`.
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::index_of_pos(b"one, two, one", 1, b"one"), Some(10));
/// ```
#[doc(alias = "indexOfPos")]
#[must_use]
pub fn index_of_pos<T: PartialEq>(haystack: &[T], start_index: usize, needle: &[T]) -> Option<usize> {
    let Some((first, rest)) = needle.split_first() else { return Some(start_index) };
    let mut at = start_index;
    // To look for one element is what the compiler makes fast.
    loop {
        at = index_of_scalar_pos(haystack, at, first)?;
        if haystack[at + 1..].starts_with(rest) {
            return Some(at);
        }
        if haystack.len() - at < needle.len() {
            return None;
        }
        at += 1;
    }
}

/// The index at which `needle` last occurs. An empty needle occurs at the end.
///
/// Ports `lastIndexOf`.
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::last_index_of(b"one, two, one", b"one"), Some(10));
/// ```
#[doc(alias = "lastIndexOf")]
#[must_use]
pub fn last_index_of<T: PartialEq>(haystack: &[T], needle: &[T]) -> Option<usize> {
    let last_start = haystack.len().checked_sub(needle.len())?;
    (0..=last_start).rev().find(|&at| haystack[at..].starts_with(needle))
}

/// The first index at which two slices differ: the shorter length if one is a prefix of the other, `None` if they are
/// equal.
///
/// Ports `indexOfDiff`.
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::index_of_diff(b"zig", b"zag"), Some(1));
/// assert_eq!(mem::index_of_diff(b"zig", b"ziggy"), Some(3));
/// ```
#[doc(alias = "indexOfDiff")]
#[must_use]
pub fn index_of_diff<T: PartialEq>(a: &[T], b: &[T]) -> Option<usize> {
    let difference = a.iter().zip(b).position(|(a, b)| a != b);
    difference.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

/// Counts the occurrences of `needle` that do not overlap.
///
/// # Panics
/// If the needle is empty.
///
/// Ports `count`.
///
/// ```
/// assert_eq!(zigalloc::mem::count(b"radaradar", b"radar"), 1);
/// ```
#[must_use]
#[track_caller]
pub fn count<T: PartialEq>(haystack: &[T], needle: &[T]) -> usize {
    occurrences("count", haystack, needle).count()
}

/// Returns whether `needle` occurs `expected_count` times or more, without overlaps.
///
/// # Panics
/// If the needle is empty.
///
/// Ports `containsAtLeast`.
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::contains_at_least(b"radaradar", 1, b"radar") && !mem::contains_at_least(b"radaradar", 2, b"radar"));
/// ```
#[doc(alias = "containsAtLeast")]
#[must_use]
#[track_caller]
pub fn contains_at_least<T: PartialEq>(haystack: &[T], expected_count: usize, needle: &[T]) -> bool {
    let mut occurrences = occurrences("contains_at_least", haystack, needle);
    expected_count == 0 || occurrences.nth(expected_count - 1).is_some()
}

/// Returns whether an element occurs `expected_count` times or more.
///
/// Ports `containsAtLeastScalar`.
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::contains_at_least_scalar(b"adadda", 3, &b'd') && !mem::contains_at_least_scalar(b"adadda", 4, &b'd'));
/// ```
#[doc(alias = "containsAtLeastScalar")]
#[must_use]
pub fn contains_at_least_scalar<T: PartialEq>(haystack: &[T], expected_count: usize, needle: &T) -> bool {
    let mut occurrences = haystack.iter().filter(|item| *item == needle);
    expected_count == 0 || occurrences.nth(expected_count - 1).is_some()
}

#[track_caller]
fn occurrences<'h, T: PartialEq>(
    function: &str,
    haystack: &'h [T],
    needle: &'h [T],
) -> impl Iterator<Item = usize> + use<'h, T> {
    assert!(!needle.is_empty(), "mem::{function}: the needle has 0 elements; the least is 1");
    let mut from = 0;
    core::iter::from_fn(move || {
        let at = index_of_pos(haystack, from, needle)?;
        from = at + needle.len();
        Some(at)
    })
}

/// Returns whether all elements equal `scalar`; true for an empty slice.
///
/// Ports `allEqual`.
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::all_equal(&[0, 0, 0], &0) && !mem::all_equal(&[0, 1], &0));
/// ```
#[doc(alias = "allEqual")]
#[must_use]
pub fn all_equal<T: PartialEq>(slice: &[T], scalar: &T) -> bool {
    slice.iter().all(|item| item == scalar)
}

// ---- trimming ----

/// The slice without the elements of `values_to_strip` at its start.
///
/// Ports `trimStart` (`trimLeft`).
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::trim_start(b"  zig ", b" "), b"zig ");
/// ```
#[doc(alias = "trimStart")]
#[doc(alias = "trimLeft")]
#[must_use]
pub fn trim_start<'s, T: PartialEq>(slice: &'s [T], values_to_strip: &[T]) -> &'s [T] {
    &slice[index_of_none(slice, values_to_strip).unwrap_or(slice.len())..]
}

/// The slice without the elements of `values_to_strip` at its end.
///
/// Ports `trimEnd` (`trimRight`).
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::trim_end(b"  zig ", b" "), b"  zig");
/// ```
#[doc(alias = "trimEnd")]
#[doc(alias = "trimRight")]
#[must_use]
pub fn trim_end<'s, T: PartialEq>(slice: &'s [T], values_to_strip: &[T]) -> &'s [T] {
    &slice[..last_index_of_none(slice, values_to_strip).map_or(0, |last| last + 1)]
}

/// The slice without the elements of `values_to_strip` at both ends.
///
/// Ports `trim`.
///
/// ```
/// assert_eq!(zigalloc::mem::trim(b" foo\n ", b" \n"), b"foo");
/// ```
#[must_use]
pub fn trim<'s, T: PartialEq>(slice: &'s [T], values_to_strip: &[T]) -> &'s [T] {
    // The end first, so that nothing is left at the start, as in Zig, if all is stripped.
    let end = trim_end(slice, values_to_strip);
    if end.is_empty() { &slice[slice.len()..] } else { trim_start(end, values_to_strip) }
}

/// The slice up to the first element equal to `end`, or all of it.
///
/// Ports `sliceTo` for slices.
///
/// ```
/// assert_eq!(zigalloc::mem::slice_to(b"zig\0\0\0", &0), b"zig");
/// ```
#[doc(alias = "sliceTo")]
#[must_use]
pub fn slice_to<'s, T: PartialEq>(slice: &'s [T], end: &T) -> &'s [T] {
    &slice[..index_of_scalar(slice, end).unwrap_or(slice.len())]
}

/// The slice from a pointer up to the first element equal to `sentinel`.
///
/// # Safety
/// `ptr` points to initialised elements in one allocation, the last of which equals `sentinel`.
///
/// Ports `span`, and `sliceTo` for pointers.
///
/// ```
/// use std::ptr::NonNull;
///
/// let text = NonNull::from(c"zig".to_bytes_with_nul()).cast::<u8>();
/// // SAFETY: a literal that ends with a zero.
/// assert_eq!(unsafe { zigalloc::mem::span(text, &0).as_slice() }, b"zig");
/// ```
#[must_use]
pub unsafe fn span<T: PartialEq>(ptr: NonNull<T>, sentinel: &T) -> SentinelSlice<T> {
    let mut len = 0;
    loop {
        // SAFETY: the sentinel is at this index or after it.
        let item = unsafe { ptr.add(len) };
        // SAFETY: an initialised element.
        if unsafe { item.as_ref() } == sentinel {
            return SentinelSlice::from_raw_parts(ptr, len);
        }
        len += 1;
    }
}

// ---- replacing ----

/// The number of elements that [`replace`] writes.
///
/// # Panics
/// If the needle is empty, or the number overflows.
///
/// Ports `replacementSize`.
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::replacement_size(b"a-b-c", b"-", b" - "), 9);
/// ```
#[doc(alias = "replacementSize")]
#[must_use]
#[track_caller]
pub fn replacement_size<T: PartialEq>(input: &[T], needle: &[T], replacement: &[T]) -> usize {
    match replacement_size_in("replacement_size", input, needle, replacement) {
        Some(size) => size,
        None => panic!("mem::replacement_size: more than the limit of {} elements", usize::MAX),
    }
}

#[track_caller]
pub(super) fn replacement_size_in<T: PartialEq>(
    function: &str,
    input: &[T],
    needle: &[T],
    replacement: &[T],
) -> Option<usize> {
    let count = occurrences(function, input, needle).count();
    (input.len() - count * needle.len()).checked_add(count.checked_mul(replacement.len())?)
}

/// Gives out `input` with each `needle` replaced, piece by piece, and returns how many there were.
pub(super) fn write_replaced<T: PartialEq>(
    input: &[T],
    needle: &[T],
    replacement: &[T],
    mut write: impl FnMut(&[T]),
) -> usize {
    let (mut from, mut count) = (0, 0);
    while let Some(at) = index_of_pos(input, from, needle) {
        write(&input[from..at]);
        write(replacement);
        from = at + needle.len();
        count += 1;
    }
    write(&input[from..]);
    count
}

/// Copies `input` to `output` with each `needle` replaced, and returns how many were.
///
/// # Panics
/// If the needle is empty, or `output` is shorter than [`replacement_size`]. A longer one is written up to that length.
///
/// Ports `replace`.
///
/// ```
/// let mut output = [0; 9];
/// assert_eq!(zigalloc::mem::replace(b"a-b-c", b"-", b" - ", &mut output), 2);
/// assert_eq!(&output, b"a - b - c");
/// ```
#[track_caller]
pub fn replace<T: Copy + PartialEq>(input: &[T], needle: &[T], replacement: &[T], output: &mut [T]) -> usize {
    assert!(!needle.is_empty(), "mem::replace: the needle has 0 elements; the least is 1");
    let (mut len, capacity) = (0, output.len());
    write_replaced(input, needle, replacement, |items| {
        match output.get_mut(len..len + items.len()) {
            Some(output) => output.copy_from_slice(items),
            None => panic!("mem::replace: the output of {capacity} elements is too short"),
        }
        len += items.len();
    })
}

/// Replaces each element equal to `match_`.
///
/// Ports `replaceScalar`.
///
/// ```
/// # use zigalloc::mem;
/// let mut path = *b"usr\\lib\\zig";
/// mem::replace_scalar(&mut path, b'\\', b'/');
/// assert_eq!(&path, b"usr/lib/zig");
/// ```
#[doc(alias = "replaceScalar")]
pub fn replace_scalar<T: Copy + PartialEq>(slice: &mut [T], match_: T, replacement: T) {
    slice.iter_mut().filter(|item| **item == match_).for_each(|item| *item = replacement);
}

/// Replaces each run of elements equal to `elem` by one of them, and returns the result, at the start of the slice.
///
/// Ports `collapseRepeats` (and `collapseRepeatsLen`, which is its length).
///
/// ```
/// assert_eq!(zigalloc::mem::collapse_repeats(&mut *b"a//b/".to_vec(), b'/'), b"a/b/");
/// ```
#[doc(alias = "collapseRepeats")]
#[doc(alias = "collapseRepeatsLen")]
pub fn collapse_repeats<T: Copy + PartialEq>(slice: &mut [T], elem: T) -> &mut [T] {
    let (mut len, mut previous_is_elem) = (0, false);
    for read in 0..slice.len() {
        let is_elem = slice[read] == elem;
        if !(previous_is_elem && is_elem) {
            slice[len] = slice[read];
            len += 1;
        }
        previous_is_elem = is_elem;
    }
    &mut slice[..len]
}
