//! Searching, trimming and replacing in slices, as far as Rust's slices cannot.
//!
//! Comparison is `==`. What a slice of Rust has itself is in the table of the [module](super#slices).

use core::ptr::NonNull;

use crate::slice::SentinelSlice;

/// The index of the first element that is `value`.
///
/// Ports `indexOfScalar`.
#[doc(alias = "indexOfScalar")]
#[doc(alias = "findScalar")]
#[must_use]
#[inline]
pub fn index_of_scalar<T: PartialEq>(slice: &[T], value: &T) -> Option<usize> {
    slice.iter().position(|item| item == value)
}

/// The index of the last element that is `value`.
///
/// Ports `lastIndexOfScalar`.
#[doc(alias = "lastIndexOfScalar")]
#[must_use]
#[inline]
pub fn last_index_of_scalar<T: PartialEq>(slice: &[T], value: &T) -> Option<usize> {
    slice.iter().rposition(|item| item == value)
}

/// The index of the first element from `start_index` on that is `value`. A start beyond the end finds none.
///
/// Ports `indexOfScalarPos`.
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
#[doc(alias = "lastIndexOfAny")]
#[must_use]
#[inline]
pub fn last_index_of_any<T: PartialEq>(slice: &[T], values: &[T]) -> Option<usize> {
    slice.iter().rposition(|item| values.contains(item))
}

/// The index of the first element from `start_index` on that is one of `values`.
///
/// Ports `indexOfAnyPos`.
#[doc(alias = "indexOfAnyPos")]
#[must_use]
#[inline]
pub fn index_of_any_pos<T: PartialEq>(slice: &[T], start_index: usize, values: &[T]) -> Option<usize> {
    Some(start_index + index_of_any(slice.get(start_index..)?, values)?)
}

/// The index of the first element that is not among `values`.
///
/// Ports `indexOfNone`.
#[doc(alias = "indexOfNone")]
#[must_use]
#[inline]
pub fn index_of_none<T: PartialEq>(slice: &[T], values: &[T]) -> Option<usize> {
    slice.iter().position(|item| !values.contains(item))
}

/// The index of the last element that is not among `values`.
///
/// Ports `lastIndexOfNone`.
#[doc(alias = "lastIndexOfNone")]
#[must_use]
#[inline]
pub fn last_index_of_none<T: PartialEq>(slice: &[T], values: &[T]) -> Option<usize> {
    slice.iter().rposition(|item| !values.contains(item))
}

/// The index of the first element from `start_index` on that is not among `values`.
///
/// Ports `indexOfNonePos`.
#[doc(alias = "indexOfNonePos")]
#[must_use]
#[inline]
pub fn index_of_none_pos<T: PartialEq>(slice: &[T], start_index: usize, values: &[T]) -> Option<usize> {
    Some(start_index + index_of_none(slice.get(start_index..)?, values)?)
}

/// Where a slice first begins in another. An empty one does at 0.
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

/// Where a slice first begins in another, from `start_index` on. An empty one does there, even beyond the end, as in
/// Zig.
///
/// Ports `indexOfPos`.
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

/// Where a slice last begins in another. An empty one does at the end.
///
/// Ports `lastIndexOf`.
#[doc(alias = "lastIndexOf")]
#[must_use]
pub fn last_index_of<T: PartialEq>(haystack: &[T], needle: &[T]) -> Option<usize> {
    let last_start = haystack.len().checked_sub(needle.len())?;
    (0..=last_start).rev().find(|&at| haystack[at..].starts_with(needle))
}

/// The first index at which two slices differ: `None` if they are equal, the shorter length if one begins the other.
///
/// Ports `indexOfDiff`.
#[doc(alias = "indexOfDiff")]
#[must_use]
pub fn index_of_diff<T: PartialEq>(a: &[T], b: &[T]) -> Option<usize> {
    let difference = a.iter().zip(b).position(|(a, b)| a != b);
    difference.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

/// How often a slice is in another, without overlaps.
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

/// Whether a slice is in another `expected_count` times or more, without overlaps.
///
/// # Panics
/// If the needle is empty.
///
/// Ports `containsAtLeast`.
#[doc(alias = "containsAtLeast")]
#[must_use]
#[track_caller]
pub fn contains_at_least<T: PartialEq>(haystack: &[T], expected_count: usize, needle: &[T]) -> bool {
    let mut occurrences = occurrences("contains_at_least", haystack, needle);
    expected_count == 0 || occurrences.nth(expected_count - 1).is_some()
}

/// Whether an element is in a slice `expected_count` times or more.
///
/// Ports `containsAtLeastScalar`.
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

/// Whether all elements are `scalar`; true if there are none.
///
/// Ports `allEqual`.
#[doc(alias = "allEqual")]
#[must_use]
pub fn all_equal<T: PartialEq>(slice: &[T], scalar: &T) -> bool {
    slice.iter().all(|item| item == scalar)
}

// ---- trimming ----

/// The slice without the elements at its start that are among `values_to_strip`.
///
/// Ports `trimStart` (`trimLeft`).
#[doc(alias = "trimStart")]
#[doc(alias = "trimLeft")]
#[must_use]
pub fn trim_start<'s, T: PartialEq>(slice: &'s [T], values_to_strip: &[T]) -> &'s [T] {
    &slice[index_of_none(slice, values_to_strip).unwrap_or(slice.len())..]
}

/// The slice without the elements at its end that are among `values_to_strip`.
///
/// Ports `trimEnd` (`trimRight`).
#[doc(alias = "trimEnd")]
#[doc(alias = "trimRight")]
#[must_use]
pub fn trim_end<'s, T: PartialEq>(slice: &'s [T], values_to_strip: &[T]) -> &'s [T] {
    &slice[..last_index_of_none(slice, values_to_strip).map_or(0, |last| last + 1)]
}

/// The slice without the elements at both its ends that are among `values_to_strip`.
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

/// The slice up to the first element that is `end`, or all of it.
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

/// The slice from a pointer up to the first element that is `sentinel`.
///
/// # Safety
/// At `ptr` are initialised elements, aligned and in one block, up to and with one that is `sentinel`.
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

/// How many elements [`replace`] writes.
///
/// # Panics
/// If the needle is empty, or the number overflows.
///
/// Ports `replacementSize`.
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

/// Copies `input` to `output` with each `needle` replaced, and returns how many there were.
///
/// # Panics
/// If the needle is empty, or `output` is shorter than [`replacement_size`]; what is beyond that is not written.
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

/// Replaces each element that is `match_`.
///
/// Ports `replaceScalar`.
#[doc(alias = "replaceScalar")]
pub fn replace_scalar<T: Copy + PartialEq>(slice: &mut [T], match_: T, replacement: T) {
    slice.iter_mut().filter(|item| **item == match_).for_each(|item| *item = replacement);
}

/// Makes each run of elements that are `elem` one of them, and returns what is left, at the start of the slice.
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
