//! The iterators of `std.mem`: `split_*`, `split_backwards_*`, `tokenize_*`, `window`.
//!
//! Rust's `split` takes a closure; it has no sequences of elements, no tokens, and no access to the rest. These are
//! Zig's iterators, with `peek`, `rest`, `reset` and, where Zig has it, `first`; `next` is `Iterator`'s.

use super::search::{index_of_any_pos, index_of_pos, index_of_scalar_pos, last_index_of, last_index_of_any};

/// What separates pieces: [`Scalar`], [`Any`] or [`Sequence`]. Sealed.
///
/// A function that takes any of Zig's three ways to separate:
///
/// ```
/// use zigalloc::mem::{self, split::{Delimiter, SplitIterator}};
///
/// fn longest<'b, D: Delimiter<u8>>(pieces: SplitIterator<'b, u8, D>) -> &'b [u8] {
///     pieces.max_by_key(|piece| piece.len()).unwrap_or_default()
/// }
///
/// assert_eq!(longest(mem::split_scalar(b"a,bcd,e", b',')), b"bcd");
/// assert_eq!(longest(mem::split_any(b"a,bc;d", b",;")), b"bc");
/// assert_eq!(longest(mem::split_sequence(b"a->b-c->d", b"->")), b"b-c");
/// ```
pub trait Delimiter<T>: sealed::Sealed {
    /// The index of the first delimiter from `start` on.
    fn find(&self, buffer: &[T], start: usize) -> Option<usize>;
    /// The index of the last delimiter.
    fn find_last(&self, buffer: &[T]) -> Option<usize>;
    /// The number of elements of a delimiter.
    fn count(&self) -> usize;
    /// Returns whether a delimiter starts at `index`, which is below the length.
    fn is_at(&self, buffer: &[T], index: usize) -> bool;
}

/// Separates at one element.
#[derive(Clone, Copy, Debug)]
pub struct Scalar<T>(T);

/// Separates at each element of a set.
#[derive(Clone, Copy, Debug)]
pub struct Any<'d, T>(&'d [T]);

/// Separates at a sequence of elements.
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

/// The pieces between delimiters, one more than there are delimiters: `split_scalar`, `split_any`, `split_sequence`.
///
/// Ports `SplitIterator`.
///
/// ```
/// # use zigalloc::mem;
/// let pieces: Vec<&[u8]> = mem::split_scalar(b"a,,b", b',').collect();
/// assert_eq!(pieces, [&b"a"[..], b"", b"b"]);
/// ```
///
/// A delimiter at an end has an empty piece beside it, and so has an empty slice:
///
/// ```
/// # use zigalloc::mem;
/// assert_eq!(mem::split_scalar(b",a,", b',').map(<[u8]>::len).collect::<Vec<_>>(), [0, 1, 0]);
/// assert_eq!(mem::split_scalar(b"", b',').count(), 1);
/// assert_eq!(mem::split_scalar(&[1, 0, 2, 3], 0).collect::<Vec<_>>(), [&[1][..], &[2, 3]]);
/// ```
#[derive(Clone, Debug)]
pub struct SplitIterator<'b, T, D> {
    buffer: &'b [T],
    index: Option<usize>,
    delimiter: D,
}

/// Splits at elements equal to `delimiter`.
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

/// Splits at elements that are one of `delimiters`.
///
/// Ports `splitAny`.
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::split_any(b"a,b;c", b",;").eq([b"a", b"b", b"c"]));
/// ```
///
/// ```
/// # use zigalloc::mem;
/// // Two delimiters in a row have an empty piece between them: a Windows line ends with both.
/// let lines: Vec<&[u8]> = mem::split_any(b"a\r\nb", b"\r\n").collect();
/// assert_eq!(lines, [&b"a"[..], b"", b"b"]);
/// ```
#[doc(alias = "splitAny")]
pub const fn split_any<'b, 'd, T: PartialEq>(
    buffer: &'b [T],
    delimiters: &'d [T],
) -> SplitIterator<'b, T, Any<'d, T>> {
    SplitIterator { buffer, index: Some(0), delimiter: Any(delimiters) }
}

/// Splits at occurrences of `delimiter`.
///
/// # Panics
/// If the delimiter is empty.
///
/// Ports `splitSequence`.
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::split_sequence(b"a, b, c", b", ").eq([b"a", b"b", b"c"]));
/// ```
///
/// The head and the body of a message:
///
/// ```
/// # use zigalloc::mem;
/// let mut parts = mem::split_sequence(b"Host: a\r\n\r\nbody\r\n\r\nmore", b"\r\n\r\n");
/// assert_eq!((parts.first(), parts.rest()), (&b"Host: a"[..], &b"body\r\n\r\nmore"[..]));
/// ```
#[doc(alias = "splitSequence")]
#[track_caller]
pub fn split_sequence<'b, 'd, T: PartialEq>(
    buffer: &'b [T],
    delimiter: &'d [T],
) -> SplitIterator<'b, T, Sequence<'d, T>> {
    SplitIterator { buffer, index: Some(0), delimiter: sequence("split_sequence", delimiter) }
}

impl<'b, T, D: Delimiter<T>> SplitIterator<'b, T, D> {
    /// The first piece, which always exists.
    ///
    /// # Panics
    /// If iteration has started.
    ///
    /// ```
    /// # use zigalloc::mem;
    /// assert_eq!(mem::split_scalar(b"a,b", b',').first(), b"a");
    /// ```
    #[track_caller]
    pub fn first(&mut self) -> &'b [T] {
        assert!(self.index == Some(0), "SplitIterator::first: iteration has started");
        self.next().unwrap_or_default()
    }

    /// The next piece, without advancing.
    ///
    /// ```
    /// # use zigalloc::mem;
    /// let mut pieces = mem::split_scalar(b"a,b", b',');
    /// assert_eq!((pieces.peek(), pieces.next()), (Some(&b"a"[..]), Some(&b"a"[..])));
    /// ```
    ///
    /// At the end there is nothing to see:
    ///
    /// ```
    /// # use zigalloc::mem;
    /// let mut pieces = mem::split_scalar(b"a", b',');
    /// assert_eq!(pieces.next(), Some(&b"a"[..]));
    /// assert_eq!((pieces.peek(), pieces.next(), pieces.rest()), (None, None, &b""[..]));
    /// ```
    pub fn peek(&self) -> Option<&'b [T]> {
        let start = self.index?;
        let end = self.delimiter.find(self.buffer, start).unwrap_or(self.buffer.len());
        Some(&self.buffer[start..end])
    }

    /// What has not been split yet.
    ///
    /// ```
    /// # use zigalloc::mem;
    /// let mut pieces = mem::split_scalar(b"a,b,c", b',');
    /// pieces.next();
    /// assert_eq!(pieces.rest(), b"b,c");
    /// ```
    ///
    /// A command, and its arguments as they are:
    ///
    /// ```
    /// # use zigalloc::mem;
    /// let mut line = mem::split_scalar(b"say hello, world", b' ');
    /// let command = line.first();
    /// assert_eq!((command, line.rest()), (&b"say"[..], &b"hello, world"[..]));
    /// ```
    #[must_use]
    pub fn rest(&self) -> &'b [T] {
        &self.buffer[self.index.unwrap_or(self.buffer.len())..]
    }

    /// Starts over.
    ///
    /// ```
    /// # use zigalloc::mem;
    /// let mut pieces = mem::split_scalar(b"a,b", b',');
    /// pieces.next();
    /// pieces.reset();
    /// assert_eq!(pieces.next(), Some(&b"a"[..]));
    /// ```
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

/// The pieces between delimiters, last to first: `split_backwards_scalar`, `split_backwards_any`,
/// `split_backwards_sequence`.
///
/// Ports `SplitBackwardsIterator`.
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::split_backwards_scalar(b"a,b", b',').eq([b"b", b"a"]));
/// ```
///
/// The parts of a host name, the most significant first:
///
/// ```
/// # use zigalloc::mem;
/// let name: Vec<&[u8]> = mem::split_backwards_scalar(b"www.example.org", b'.').collect();
/// assert_eq!(name, [&b"org"[..], b"example", b"www"]);
/// assert_eq!(mem::split_backwards_scalar(b"", b'.').count(), 1);
/// ```
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
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::split_backwards_any(b"a,b;c", b",;").eq([b"c", b"b", b"a"]));
/// ```
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
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::split_backwards_sequence(b"a, b, c", b", ").eq([b"c", b"b", b"a"]));
/// ```
///
/// It finds the last occurrence first, which matters where occurrences overlap:
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::split_backwards_sequence(b"a---b", b"--").eq([&b"b"[..], b"a-"]));
/// assert!(mem::split_sequence(b"a---b", b"--").eq([&b"a"[..], b"-b"]));
/// ```
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
    /// The first piece, the slice's last, which always exists.
    ///
    /// # Panics
    /// If iteration has started.
    ///
    /// ```
    /// # use zigalloc::mem;
    /// assert_eq!(mem::split_backwards_scalar(b"a,b", b',').first(), b"b");
    /// ```
    #[track_caller]
    pub fn first(&mut self) -> &'b [T] {
        let begun = self.index != Some(self.buffer.len());
        assert!(!begun, "SplitBackwardsIterator::first: iteration has started");
        self.next().unwrap_or_default()
    }

    /// What has not been split yet.
    ///
    /// ```
    /// # use zigalloc::mem;
    /// let mut pieces = mem::split_backwards_scalar(b"a,b,c", b',');
    /// pieces.next();
    /// assert_eq!(pieces.rest(), b"a,b");
    /// ```
    #[must_use]
    pub fn rest(&self) -> &'b [T] {
        &self.buffer[..self.index.unwrap_or(0)]
    }

    /// Starts over.
    ///
    /// ```
    /// # use zigalloc::mem;
    /// let mut pieces = mem::split_backwards_scalar(b"a,b", b',');
    /// pieces.next();
    /// pieces.reset();
    /// assert_eq!(pieces.next(), Some(&b"b"[..]));
    /// ```
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

/// The non-empty pieces between delimiters: `tokenize_scalar`, `tokenize_any`, `tokenize_sequence`.
///
/// Ports `TokenIterator`.
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::tokenize_scalar(b",a,,b,", b',').eq([b"a", b"b"]));
/// ```
///
/// The words of a text, however much is between them. Without a word, there is no token:
///
/// ```
/// # use zigalloc::mem;
/// let mut longest = 0;
/// for word in mem::tokenize_any(b"  the quick\tbrown\n\nfox ", b" \t\n") {
///     longest = longest.max(word.len());
/// }
/// assert_eq!(longest, 5);
/// assert_eq!(mem::tokenize_any(b" \t ", b" \t\n").next(), None);
/// ```
#[derive(Clone, Debug)]
pub struct TokenIterator<'b, T, D> {
    buffer: &'b [T],
    index: usize,
    delimiter: D,
}

/// The tokens between elements equal to `delimiter`.
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
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::tokenize_any(b" a\tb\n", b" \t\n").eq([b"a", b"b"]));
/// ```
///
/// A line of a file as a key and a list of numbers:
///
/// ```
/// # use zigalloc::mem;
/// let mut tokens = mem::tokenize_any(b"sizes: 640, 480", b":, ");
/// assert_eq!(tokens.next(), Some(&b"sizes"[..]));
/// let numbers = tokens.map(|token| std::str::from_utf8(token).unwrap().parse::<u32>());
/// assert!(numbers.eq([Ok(640), Ok(480)]));
/// ```
#[doc(alias = "tokenizeAny")]
pub const fn tokenize_any<'b, 'd, T: PartialEq>(
    buffer: &'b [T],
    delimiters: &'d [T],
) -> TokenIterator<'b, T, Any<'d, T>> {
    TokenIterator { buffer, index: 0, delimiter: Any(delimiters) }
}

/// The tokens between occurrences of `delimiter`.
///
/// # Panics
/// If the delimiter is empty.
///
/// Ports `tokenizeSequence`.
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::tokenize_sequence(b"<>a<><>b", b"<>").eq([b"a", b"b"]));
/// ```
#[doc(alias = "tokenizeSequence")]
#[track_caller]
pub fn tokenize_sequence<'b, 'd, T: PartialEq>(
    buffer: &'b [T],
    delimiter: &'d [T],
) -> TokenIterator<'b, T, Sequence<'d, T>> {
    TokenIterator { buffer, index: 0, delimiter: sequence("tokenize_sequence", delimiter) }
}

impl<'b, T, D: Delimiter<T>> TokenIterator<'b, T, D> {
    /// The start of the next token, or the end.
    fn start(&self) -> usize {
        let mut index = self.index;
        while index < self.buffer.len() && self.delimiter.is_at(self.buffer, index) {
            index += self.delimiter.count();
        }
        index
    }

    /// The next token, without advancing.
    ///
    /// ```
    /// # use zigalloc::mem;
    /// assert_eq!(mem::tokenize_scalar(b"  a b", b' ').peek(), Some(&b"a"[..]));
    /// ```
    pub fn peek(&self) -> Option<&'b [T]> {
        let start = self.start();
        if start == self.buffer.len() {
            return None;
        }
        let end = self.delimiter.find(self.buffer, start).unwrap_or(self.buffer.len());
        Some(&self.buffer[start..end])
    }

    /// The slice from the next token on.
    ///
    /// ```
    /// # use zigalloc::mem;
    /// let mut tokens = mem::tokenize_scalar(b"  a  b ", b' ');
    /// tokens.next();
    /// assert_eq!(tokens.rest(), b"b ");
    /// ```
    #[must_use]
    pub fn rest(&self) -> &'b [T] {
        &self.buffer[self.start()..]
    }

    /// Starts over.
    ///
    /// ```
    /// # use zigalloc::mem;
    /// let mut tokens = mem::tokenize_scalar(b"a b", b' ');
    /// tokens.next();
    /// tokens.reset();
    /// assert_eq!(tokens.next(), Some(&b"a"[..]));
    /// ```
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

/// Slices of one length at regular distances, made by [`window`].
///
/// Ports `WindowIterator`.
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::window(b"abcd", 2, 1).eq([b"ab", b"bc", b"cd"]));
/// ```
///
/// A moving average, and frames that overlap by half:
///
/// ```
/// # use zigalloc::mem;
/// let samples = [1, 2, 3, 4, 5, 6];
/// let sums: Vec<i32> = mem::window(&samples, 3, 1).map(|window| window.iter().sum()).collect();
/// assert_eq!(sums, [6, 9, 12, 15]);
/// let frames: Vec<&[i32]> = mem::window(&samples, 4, 2).collect();
/// assert_eq!(frames, [[1, 2, 3, 4], [3, 4, 5, 6]]);
/// ```
#[derive(Clone, Debug)]
pub struct WindowIterator<'b, T> {
    buffer: &'b [T],
    index: Option<usize>,
    size: usize,
    advance: usize,
}

/// Slices of `size` elements, each `advance` elements after the previous one. The last reaches to the end of the buffer:
/// it may be shorter, or longer if `advance` is above `size`. It is empty if the buffer is.
///
/// Rust's `windows` is like `advance == 1`, without shorter slices; `chunks` is like `advance == size`.
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
///
/// The last window may be shorter than the others. If elements are skipped, it may be longer:
///
/// ```
/// # use zigalloc::mem;
/// assert!(mem::window(b"abcde", 2, 2).eq([&b"ab"[..], b"cd", b"e"]));
/// assert!(mem::window(b"abcdefgh", 1, 3).eq([&b"a"[..], b"d", b"gh"]), "all of the rest, as in Zig");
/// assert!(mem::window(b"ab", 3, 1).eq([b"ab"]), "shorter than one window");
/// ```
#[track_caller]
pub const fn window<T>(buffer: &[T], size: usize, advance: usize) -> WindowIterator<'_, T> {
    assert!(size != 0, "mem::window: a size of 0; the least is 1");
    assert!(advance != 0, "mem::window: an advance of 0; the least is 1");
    WindowIterator { buffer, index: Some(0), size, advance }
}

impl<'b, T> WindowIterator<'b, T> {
    /// The first window, which always exists.
    ///
    /// # Panics
    /// If iteration has started.
    ///
    /// ```
    /// # use zigalloc::mem;
    /// assert_eq!(mem::window(b"abcd", 2, 1).first(), b"ab");
    /// ```
    #[track_caller]
    pub fn first(&mut self) -> &'b [T] {
        assert!(self.index == Some(0), "WindowIterator::first: iteration has started");
        self.next().unwrap_or_default()
    }

    /// Starts over.
    ///
    /// ```
    /// # use zigalloc::mem;
    /// let mut windows = mem::window(b"abcd", 2, 1);
    /// windows.next();
    /// windows.reset();
    /// assert_eq!(windows.next(), Some(&b"ab"[..]));
    /// ```
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
