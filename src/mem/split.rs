//! The iterators of `std.mem`: `split_*`, `split_backwards_*`, `tokenize_*`, `window`.
//!
//! Rust's `split` takes a closure and knows no sequence of elements, no tokens, and no rest that is left. These are
//! Zig's: besides `next`, which is that of `Iterator`, they have `peek`, `rest`, `reset` and, where Zig has it,
//! `first`.

use super::search::{index_of_any_pos, index_of_pos, index_of_scalar_pos, last_index_of, last_index_of_any};

/// What divides a slice. Implemented by [`Scalar`], [`Any`] and [`Sequence`]; sealed.
pub trait Delimiter<T>: sealed::Sealed {
    /// Where the first one from `start` on begins.
    fn find(&self, buffer: &[T], start: usize) -> Option<usize>;
    /// Where the last one begins.
    fn find_last(&self, buffer: &[T]) -> Option<usize>;
    /// How many elements it has.
    fn count(&self) -> usize;
    /// Whether one begins at `index`, which is below the length.
    fn is_at(&self, buffer: &[T], index: usize) -> bool;
}

/// One element divides.
#[derive(Clone, Copy, Debug)]
pub struct Scalar<T>(T);

/// Each element of a set divides.
#[derive(Clone, Copy, Debug)]
pub struct Any<'d, T>(&'d [T]);

/// Elements in a row divide.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'d, T>(&'d [T]);

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for super::Scalar<T> {}
    impl<T> Sealed for super::Any<'_, T> {}
    impl<T> Sealed for super::Sequence<'_, T> {}
}

impl<T: PartialEq> Delimiter<T> for Scalar<T> {
    #[inline]
    fn find(&self, buffer: &[T], start: usize) -> Option<usize> {
        index_of_scalar_pos(buffer, start, &self.0)
    }
    #[inline]
    fn find_last(&self, buffer: &[T]) -> Option<usize> {
        buffer.iter().rposition(|item| *item == self.0)
    }
    #[inline]
    fn count(&self) -> usize {
        1
    }
    #[inline]
    fn is_at(&self, buffer: &[T], index: usize) -> bool {
        buffer[index] == self.0
    }
}

impl<T: PartialEq> Delimiter<T> for Any<'_, T> {
    #[inline]
    fn find(&self, buffer: &[T], start: usize) -> Option<usize> {
        index_of_any_pos(buffer, start, self.0)
    }
    #[inline]
    fn find_last(&self, buffer: &[T]) -> Option<usize> {
        last_index_of_any(buffer, self.0)
    }
    #[inline]
    fn count(&self) -> usize {
        1
    }
    #[inline]
    fn is_at(&self, buffer: &[T], index: usize) -> bool {
        self.0.contains(&buffer[index])
    }
}

impl<T: PartialEq> Delimiter<T> for Sequence<'_, T> {
    #[inline]
    fn find(&self, buffer: &[T], start: usize) -> Option<usize> {
        index_of_pos(buffer, start, self.0)
    }
    #[inline]
    fn find_last(&self, buffer: &[T]) -> Option<usize> {
        last_index_of(buffer, self.0)
    }
    #[inline]
    fn count(&self) -> usize {
        self.0.len()
    }
    #[inline]
    fn is_at(&self, buffer: &[T], index: usize) -> bool {
        buffer[index..].starts_with(self.0)
    }
}

#[track_caller]
fn sequence<'d, T>(function: &str, delimiter: &'d [T]) -> Sequence<'d, T> {
    assert!(!delimiter.is_empty(), "mem::{function}: the delimiter has 0 elements; the least is 1");
    Sequence(delimiter)
}

// ---- split ----

/// The pieces of a slice between delimiters, of which there is one more than delimiters: `split_scalar`, `split_any`,
/// `split_sequence`.
///
/// Ports `SplitIterator`.
#[derive(Clone, Debug)]
pub struct SplitIterator<'b, T, D> {
    buffer: &'b [T],
    index: Option<usize>,
    delimiter: D,
}

/// The pieces between elements that are `delimiter`.
///
/// Ports `splitScalar`.
///
/// ```
/// let mut fields = zigalloc::mem::split_scalar(b"a|b||c", b'|');
/// assert_eq!(fields.first(), b"a");
/// assert_eq!(fields.rest(), b"b||c");
/// assert_eq!(fields.collect::<Vec<_>>(), [&b"b"[..], b"", b"c"]);
/// ```
#[doc(alias = "splitScalar")]
pub const fn split_scalar<T: PartialEq>(buffer: &[T], delimiter: T) -> SplitIterator<'_, T, Scalar<T>> {
    SplitIterator { buffer, index: Some(0), delimiter: Scalar(delimiter) }
}

/// The pieces between elements that are one of `delimiters`.
///
/// Ports `splitAny`.
#[doc(alias = "splitAny")]
pub const fn split_any<'b, 'd, T: PartialEq>(
    buffer: &'b [T],
    delimiters: &'d [T],
) -> SplitIterator<'b, T, Any<'d, T>> {
    SplitIterator { buffer, index: Some(0), delimiter: Any(delimiters) }
}

/// The pieces between slices that are `delimiter`.
///
/// # Panics
/// If the delimiter is empty.
///
/// Ports `splitSequence`.
#[doc(alias = "splitSequence")]
#[track_caller]
pub fn split_sequence<'b, 'd, T: PartialEq>(
    buffer: &'b [T],
    delimiter: &'d [T],
) -> SplitIterator<'b, T, Sequence<'d, T>> {
    SplitIterator { buffer, index: Some(0), delimiter: sequence("split_sequence", delimiter) }
}

impl<'b, T, D: Delimiter<T>> SplitIterator<'b, T, D> {
    /// The first piece, which is always there.
    ///
    /// # Panics
    /// If iteration has begun.
    #[track_caller]
    pub fn first(&mut self) -> &'b [T] {
        assert!(self.index == Some(0), "SplitIterator::first: iteration has begun");
        self.next().unwrap_or_default()
    }

    /// The next piece, without going on to it.
    pub fn peek(&self) -> Option<&'b [T]> {
        let start = self.index?;
        let end = self.delimiter.find(self.buffer, start).unwrap_or(self.buffer.len());
        Some(&self.buffer[start..end])
    }

    /// What has not been divided yet.
    #[must_use]
    pub fn rest(&self) -> &'b [T] {
        &self.buffer[self.index.unwrap_or(self.buffer.len())..]
    }

    /// Begins again.
    pub fn reset(&mut self) {
        self.index = Some(0);
    }
}

impl<'b, T, D: Delimiter<T>> Iterator for SplitIterator<'b, T, D> {
    type Item = &'b [T];

    #[inline]
    fn next(&mut self) -> Option<&'b [T]> {
        let start = self.index?;
        let delimiter = self.delimiter.find(self.buffer, start);
        self.index = delimiter.map(|at| at + self.delimiter.count());
        Some(&self.buffer[start..delimiter.unwrap_or(self.buffer.len())])
    }
}

// ---- split backwards ----

/// The pieces of a slice between delimiters, from the last on: `split_backwards_scalar`, `split_backwards_any`,
/// `split_backwards_sequence`.
///
/// Ports `SplitBackwardsIterator`.
#[derive(Clone, Debug)]
pub struct SplitBackwardsIterator<'b, T, D> {
    buffer: &'b [T],
    index: Option<usize>,
    delimiter: D,
}

/// [`split_scalar`] from the end.
///
/// Ports `splitBackwardsScalar`.
///
/// ```
/// let mut names = zigalloc::mem::split_backwards_scalar(b"usr/lib/zig", b'/');
/// assert_eq!((names.next(), names.rest()), (Some(&b"zig"[..]), &b"usr/lib"[..]));
/// ```
#[doc(alias = "splitBackwardsScalar")]
pub const fn split_backwards_scalar<T: PartialEq>(
    buffer: &[T],
    delimiter: T,
) -> SplitBackwardsIterator<'_, T, Scalar<T>> {
    SplitBackwardsIterator { buffer, index: Some(buffer.len()), delimiter: Scalar(delimiter) }
}

/// [`split_any`] from the end.
///
/// Ports `splitBackwardsAny`.
#[doc(alias = "splitBackwardsAny")]
pub const fn split_backwards_any<'b, 'd, T: PartialEq>(
    buffer: &'b [T],
    delimiters: &'d [T],
) -> SplitBackwardsIterator<'b, T, Any<'d, T>> {
    SplitBackwardsIterator { buffer, index: Some(buffer.len()), delimiter: Any(delimiters) }
}

/// [`split_sequence`] from the end.
///
/// # Panics
/// If the delimiter is empty.
///
/// Ports `splitBackwardsSequence`.
#[doc(alias = "splitBackwardsSequence")]
#[track_caller]
pub fn split_backwards_sequence<'b, 'd, T: PartialEq>(
    buffer: &'b [T],
    delimiter: &'d [T],
) -> SplitBackwardsIterator<'b, T, Sequence<'d, T>> {
    let delimiter = sequence("split_backwards_sequence", delimiter);
    SplitBackwardsIterator { buffer, index: Some(buffer.len()), delimiter }
}

impl<'b, T, D: Delimiter<T>> SplitBackwardsIterator<'b, T, D> {
    /// The first piece, which is the slice's last and always there.
    ///
    /// # Panics
    /// If iteration has begun.
    #[track_caller]
    pub fn first(&mut self) -> &'b [T] {
        let begun = self.index != Some(self.buffer.len());
        assert!(!begun, "SplitBackwardsIterator::first: iteration has begun");
        self.next().unwrap_or_default()
    }

    /// What has not been divided yet.
    #[must_use]
    pub fn rest(&self) -> &'b [T] {
        &self.buffer[..self.index.unwrap_or(0)]
    }

    /// Begins again.
    pub fn reset(&mut self) {
        self.index = Some(self.buffer.len());
    }
}

impl<'b, T, D: Delimiter<T>> Iterator for SplitBackwardsIterator<'b, T, D> {
    type Item = &'b [T];

    #[inline]
    fn next(&mut self) -> Option<&'b [T]> {
        let end = self.index?;
        self.index = self.delimiter.find_last(&self.buffer[..end]);
        Some(&self.buffer[self.index.map_or(0, |at| at + self.delimiter.count())..end])
    }
}

// ---- tokens ----

/// The pieces of a slice between delimiters that are not empty: `tokenize_scalar`, `tokenize_any`, `tokenize_sequence`.
///
/// Ports `TokenIterator`.
#[derive(Clone, Debug)]
pub struct TokenIterator<'b, T, D> {
    buffer: &'b [T],
    index: usize,
    delimiter: D,
}

/// The tokens between elements that are `delimiter`.
///
/// Ports `tokenizeScalar`.
///
/// ```
/// let mut words = zigalloc::mem::tokenize_scalar(b"  one   two ", b' ');
/// assert_eq!((words.peek(), words.next()), (Some(&b"one"[..]), Some(&b"one"[..])));
/// assert_eq!((words.rest(), words.next(), words.next()), (&b"two "[..], Some(&b"two"[..]), None));
/// ```
#[doc(alias = "tokenizeScalar")]
pub const fn tokenize_scalar<T: PartialEq>(buffer: &[T], delimiter: T) -> TokenIterator<'_, T, Scalar<T>> {
    TokenIterator { buffer, index: 0, delimiter: Scalar(delimiter) }
}

/// The tokens between elements that are one of `delimiters`.
///
/// Ports `tokenizeAny`.
#[doc(alias = "tokenizeAny")]
pub const fn tokenize_any<'b, 'd, T: PartialEq>(
    buffer: &'b [T],
    delimiters: &'d [T],
) -> TokenIterator<'b, T, Any<'d, T>> {
    TokenIterator { buffer, index: 0, delimiter: Any(delimiters) }
}

/// The tokens between slices that are `delimiter`.
///
/// # Panics
/// If the delimiter is empty.
///
/// Ports `tokenizeSequence`.
#[doc(alias = "tokenizeSequence")]
#[track_caller]
pub fn tokenize_sequence<'b, 'd, T: PartialEq>(
    buffer: &'b [T],
    delimiter: &'d [T],
) -> TokenIterator<'b, T, Sequence<'d, T>> {
    TokenIterator { buffer, index: 0, delimiter: sequence("tokenize_sequence", delimiter) }
}

impl<'b, T, D: Delimiter<T>> TokenIterator<'b, T, D> {
    /// Where the next token begins, or the end.
    fn start(&self) -> usize {
        let mut index = self.index;
        while index < self.buffer.len() && self.delimiter.is_at(self.buffer, index) {
            index += self.delimiter.count();
        }
        index
    }

    /// The next token, without moving past it.
    pub fn peek(&self) -> Option<&'b [T]> {
        let start = self.start();
        if start == self.buffer.len() {
            return None;
        }
        let end = self.delimiter.find(self.buffer, start).unwrap_or(self.buffer.len());
        Some(&self.buffer[start..end])
    }

    /// What is left, from the next token on.
    #[must_use]
    pub fn rest(&self) -> &'b [T] {
        &self.buffer[self.start()..]
    }

    /// Begins again.
    pub fn reset(&mut self) {
        self.index = 0;
    }
}

impl<'b, T, D: Delimiter<T>> Iterator for TokenIterator<'b, T, D> {
    type Item = &'b [T];

    #[inline]
    fn next(&mut self) -> Option<&'b [T]> {
        self.index = self.start();
        let token = self.peek()?;
        self.index += token.len();
        Some(token)
    }
}

// ---- windows ----

/// Slices of one length, a distance apart: what [`window`] returns.
///
/// Ports `WindowIterator`.
#[derive(Clone, Debug)]
pub struct WindowIterator<'b, T> {
    buffer: &'b [T],
    index: Option<usize>,
    size: usize,
    advance: usize,
}

/// Slices of `size` elements, each `advance` elements after the one before. The last may be shorter, and is empty if
/// the buffer is.
///
/// Rust's `windows` is `advance` 1 without a shorter one, its `chunks` `advance == size`.
///
/// # Panics
/// If `size` or `advance` is 0.
///
/// Ports `window`.
///
/// ```
/// let windows = zigalloc::mem::window(b"abcdefg", 3, 2);
/// assert_eq!(windows.collect::<Vec<_>>(), [b"abc", b"cde", b"efg"]);
/// ```
#[track_caller]
pub const fn window<T>(buffer: &[T], size: usize, advance: usize) -> WindowIterator<'_, T> {
    assert!(size != 0, "mem::window: a size of 0; the least is 1");
    assert!(advance != 0, "mem::window: an advance of 0; the least is 1");
    WindowIterator { buffer, index: Some(0), size, advance }
}

impl<'b, T> WindowIterator<'b, T> {
    /// The first window, which is always there.
    ///
    /// # Panics
    /// If iteration has begun.
    #[track_caller]
    pub fn first(&mut self) -> &'b [T] {
        assert!(self.index == Some(0), "WindowIterator::first: iteration has begun");
        self.next().unwrap_or_default()
    }

    /// Begins again.
    pub fn reset(&mut self) {
        self.index = Some(0);
    }
}

impl<'b, T> Iterator for WindowIterator<'b, T> {
    type Item = &'b [T];

    fn next(&mut self) -> Option<&'b [T]> {
        let start = self.index?;
        let (len, next) = (self.buffer.len(), start.saturating_add(self.advance));
        let end = start.saturating_add(self.size);
        let more = end < len && next < len;
        self.index = more.then_some(next);
        Some(&self.buffer[start..if more { end } else { len }])
    }
}
