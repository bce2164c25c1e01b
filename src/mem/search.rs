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
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::index_of_scalar(b"abcb", &b'd'), None);
/// assert_eq!(mem::index_of_scalar(&["x", "y"], &"y"), Some(1), "elements of any type with `==`");
/// assert_eq!(mem::index_of_scalar(&[f32::NAN], &f32::NAN), None, "which a NaN does not equal");
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
///
/// The extension of a file name:
///
/// ```
/// # use zigalloc::mem;
/// fn extension(name: &[u8]) -> Option<&[u8]> {
///     let dot = mem::last_index_of_scalar(name, &b'.')?;
///     (dot > 0).then(|| &name[dot + 1..])
/// }
///
/// assert_eq!(extension(b"archive.tar.gz"), Some(&b"gz"[..]));
/// assert_eq!(extension(b".profile"), None);
/// assert_eq!(extension(b"Makefile"), None);
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
///
/// All positions, each search after the last hit:
///
/// ```
/// # use zigalloc::mem;
/// let (text, mut from, mut found) = (b"banana", 0, vec![]);
/// while let Some(at) = mem::index_of_scalar_pos(text, from, &b'a') {
///     found.push(at);
///     from = at + 1;
/// }
/// assert_eq!(found, [1, 3, 5]);
/// assert_eq!(mem::index_of_scalar_pos(text, 100, &b'a'), None);
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
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::index_of_any(b"key = value", b"[]"), None);
/// assert_eq!(mem::index_of_any(b"key = value", b""), None, "one of nothing");
/// assert_eq!(mem::index_of_any(&[10, 20, 30], &[30, 20]), Some(1), "the first in the slice");
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
///
/// A path of either system without its last part:
///
/// ```
/// # use zigalloc::mem;
/// let parent = |path: &'static [u8]| mem::last_index_of_any(path, b"/\\").map(|at| &path[..at]);
/// assert_eq!(parent(b"usr/lib/zig"), Some(&b"usr/lib"[..]));
/// assert_eq!(parent(b"C:\\zig"), Some(&b"C:"[..]));
/// assert_eq!(parent(b"zig"), None);
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
///
/// The end of a word that starts somewhere:
///
/// ```
/// # use zigalloc::mem;
/// let line = b"if (x) return;";
/// let end = |start| mem::index_of_any_pos(line, start, b" ();").unwrap_or(line.len());
/// assert_eq!((&line[7..end(7)], &line[4..end(4)]), (&b"return"[..], &b"x"[..]));
/// assert_eq!(end(14), 14, "no delimiter from there on");
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
///
/// The number of leading zeros, and of an indentation:
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::index_of_none(b"00042", b"0"), Some(3));
/// assert_eq!(mem::index_of_none(b" \t return", b" \t"), Some(3));
/// assert_eq!(mem::index_of_none(b"    ", b" "), None, "a blank line");
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
///
/// The length of a line without what is blank at its end:
///
/// ```
/// # use zigalloc::mem;
/// let used = |line: &[u8]| mem::last_index_of_none(line, b" \t\r").map_or(0, |last| last + 1);
/// assert_eq!((used(b"a = b; \r"), used(b"a"), used(b"\t \r")), (6, 1, 0));
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
///
/// A number in a text, from its first digit to the first byte that is not a digit:
///
/// ```
/// # use zigalloc::mem;
/// let text = b"width=1280px";
/// let start = mem::index_of_any(text, b"0123456789").unwrap();
/// let end = mem::index_of_none_pos(text, start, b"0123456789").unwrap_or(text.len());
/// assert_eq!(&text[start..end], b"1280");
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
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::index_of(b"one two three", b"four"), None);
/// assert_eq!(mem::index_of(b"aaab", b"aab"), Some(1), "a match may start in a failed one");
/// assert_eq!((mem::index_of(b"", b""), mem::index_of(b"", b"a")), (Some(0), None));
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
///
/// What is between two markers:
///
/// ```
/// # use zigalloc::mem;
/// let page = b"<b>bold</b> and <b>bolder</b>";
/// let start = mem::index_of_pos(page, 12, b"<b>").unwrap() + 3;
/// let end = mem::index_of_pos(page, start, b"</b>").unwrap();
/// assert_eq!(&page[start..end], b"bolder");
/// assert_eq!(mem::index_of_pos(page, 100, b""), Some(100), "past the end, as in Zig");
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
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::last_index_of(b"aaa", b"aa"), Some(1), "occurrences may overlap");
/// assert_eq!(mem::last_index_of(b"aaa", b""), Some(3));
/// assert_eq!(mem::last_index_of(b"a", b"aa"), None);
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
///
/// A test that says where two outputs differ:
///
/// ```
/// # use zigalloc::mem;
/// fn first_difference(expected: &str, actual: &str) -> Option<(usize, usize)> {
///     let at = mem::index_of_diff(expected.as_bytes(), actual.as_bytes())?;
///     let before = &expected.as_bytes()[..at];
///     let line_start = mem::last_index_of_scalar(before, &b'\n').map_or(0, |newline| newline + 1);
///     Some((mem::count(before, b"\n") + 1, at - line_start + 1))
/// }
///
/// assert_eq!(first_difference("a\nbcd\n", "a\nbxd\n"), Some((2, 2)), "line and column");
/// assert_eq!(first_difference("a\n", "a\n"), None);
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
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::count(b"one, two, three", b", "), 2);
/// assert_eq!(mem::count(b"aaaa", b"aa"), 2, "without overlaps");
/// assert_eq!(mem::count(&[1, 2, 1, 2, 1], &[1, 2]), 2);
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
///
/// It stops as soon as there are enough. No occurrence at all is enough for 0:
///
/// ```
/// # use zigalloc::mem;
/// let is_table = |line: &[u8]| mem::contains_at_least(line, 2, b"|");
/// assert!(is_table(b"| a | b |") && !is_table(b"a | b"));
/// assert!(mem::contains_at_least(b"", 0, b"x"));
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
///
/// Whether a block was wiped:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{SlicePtr, heap::SMP_ALLOCATOR, mem};
/// let key = SMP_ALLOCATOR.dupe(&[7u8; 32])?;
/// // SAFETY: a live block, which nothing else uses.
/// let bytes = unsafe { key.as_mut_slice() };
/// assert!(mem::all_equal(bytes, &7));
/// bytes.fill(0);
/// assert!(mem::all_equal(bytes, &0) && mem::all_equal(&[], &0));
/// unsafe { SMP_ALLOCATOR.free(key) };
/// # Ok::<(), zigalloc::Error>(())
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
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::trim_start(b"-- zig", b"- "), b"zig", "a set, not a prefix");
/// assert!(mem::trim_start(b"    ", b" ").is_empty());
/// assert_eq!(mem::trim_start(&[0, 0, 4, 0], &[0]), [4, 0]);
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
///
/// A line as it is read, whatever it ends with:
///
/// ```
/// # use zigalloc::mem;
/// let lines = [&b"unix\n"[..], b"windows\r\n", b"none"].map(|line| mem::trim_end(line, b"\r\n"));
/// assert_eq!(lines, [&b"unix"[..], b"windows", b"none"]);
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
///
/// A name in a field of fixed length, which is full if there is no zero:
///
/// ```
/// # use zigalloc::mem;
/// let name = |field: &'static [u8; 8]| mem::slice_to(&field[..], &0);
/// assert_eq!((name(b"zig\0\0\0\0\0"), name(b"zigalloc")), (&b"zig"[..], &b"zigalloc"[..]));
/// assert_eq!(mem::slice_to(&[3, 4, -1, 5], &-1), [3, 4]);
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
///
/// A list that C ends with -1:
///
/// ```
/// # use std::ptr::NonNull;
/// # use zigalloc::mem::span;
/// let mut from_c = [640, 480, -1, 99];
/// // SAFETY: initialised numbers in one array, one of which is -1.
/// let sizes = unsafe { span(NonNull::from(&mut from_c).cast::<i32>(), &-1) };
/// assert_eq!((sizes.len(), unsafe { sizes.as_slice() }), (2, &[640, 480][..]));
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
///
/// It is the input's length if nothing is found, and 0 if everything is removed:
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::replacement_size(b"abc", b"x", b"long"), 3);
/// assert_eq!(mem::replacement_size(b"xxx", b"x", b""), 0);
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
///
/// Into memory of exactly the right length, from any allocator:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{SlicePtr, heap::SMP_ALLOCATOR, mem};
/// let (input, needle, replacement) = (b"a<b", b"<", b"&lt;");
/// let len = mem::replacement_size(input, needle, replacement);
/// let output = SMP_ALLOCATOR.alloc_zeroed::<u8>(len)?;
/// // SAFETY: zeros are initialised bytes, and nothing else uses them.
/// let bytes = unsafe { output.as_mut_slice() };
/// assert_eq!(mem::replace(input, needle, replacement, bytes), 1);
/// assert_eq!(bytes, b"a&lt;b");
/// unsafe { SMP_ALLOCATOR.free(output) };
/// # Ok::<(), zigalloc::Error>(())
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
///
/// Other elements stay as they are, runs included; what is after the result is the slice's old content:
///
/// ```
/// # use zigalloc::mem;
/// let mut line = *b"a   bb  c";
/// assert_eq!(mem::collapse_repeats(&mut line, b' '), b"a bb c");
/// let mut none: [u8; 0] = [];
/// assert!(mem::collapse_repeats(&mut none, b' ').is_empty());
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
