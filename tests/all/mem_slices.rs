//! `std.mem` on slices: the counterparts of Zig 0.15.2's tests, and the cases between.

use std::ptr::NonNull;

use zigalloc::testing::{check_all_allocation_failures, with_allocator};
use zigalloc::{Allocator, Error, SlicePtr as _, mem};

use crate::alignment::panic_of;

/// The message of a panic.
fn message_of<R>(f: impl FnOnce() -> R + std::panic::UnwindSafe) -> String {
    panic_of(|| drop(f()))
}

type Pieces<'p> = Vec<&'p [u8]>;

/// Frees a block, and returns what was in it.
fn freed(allocator: Allocator<'_>, block: NonNull<[u8]>) -> Vec<u8> {
    // SAFETY: an initialised block of this allocator, which nothing uses afterwards.
    unsafe {
        let bytes = block.as_ref().to_vec();
        allocator.free(block);
        bytes
    }
}

/// Slices, and what they are with commas between them.
const JOINED: [(&[&[u8]], &[u8]); 4] = [
    (&[], b""),
    (&[b"a", b"b", b"c"], b"a,b,c"),
    (&[b"a"], b"a"),
    (&[b"a", b"", b"b", b"", b"c"], b"a,,b,,c"),
];

/// MH-01: separators. No slices make no allocation.
#[test]
fn join() -> Result<(), Error> {
    with_allocator(|allocator| {
        for (slices, expected) in JOINED {
            assert_eq!(freed(*allocator, mem::join(allocator, b",", slices)?), expected);
        }
        assert!(mem::join(Allocator::FAILING, b",", &[])?.is_empty());
        Ok(())
    })
}

/// MH-02: the same with a zero, which no slices have too.
#[test]
fn join_z() -> Result<(), Error> {
    with_allocator(|allocator| {
        for (slices, expected) in JOINED {
            let text = mem::join_z(allocator, b",", slices)?;
            // SAFETY: initialised with its zero; then a live block that nothing uses afterwards.
            unsafe {
                assert_eq!((text.as_slice(), text.sentinel_ptr().read()), (expected, 0));
                allocator.free(text);
            }
        }
        assert_eq!(mem::join_z(Allocator::FAILING, b",", &[]).unwrap_err(), Error::OutOfMemory);
        Ok(())
    })
}

/// MH-03, MH-04, MH-05.
#[test]
fn concat() -> Result<(), Error> {
    with_allocator(|allocator| {
        assert_eq!(freed(*allocator, mem::concat(allocator, &[&b"abc"[..], b"def", b"ghi"])?), b"abcdefghi");
        let numbers = mem::concat(allocator, &[&[0u32, 1][..], &[2, 3, 4], &[], &[5]])?;
        // SAFETY: initialised; then a live block that nothing uses afterwards.
        unsafe {
            assert_eq!(numbers.as_ref(), [0, 1, 2, 3, 4, 5]);
            allocator.free(numbers);
        }
        let text = mem::concat_with_sentinel(allocator, &[&b"abc"[..], b"def"], 0)?;
        // SAFETY: as above.
        unsafe {
            assert_eq!(text.as_c_str(), c"abcdef");
            allocator.free(text);
        }
        assert_eq!(freed(*allocator, mem::concat_maybe_sentinel(allocator, &[b"ab"], Some(b'!'))?), b"ab!");
        assert_eq!(freed(*allocator, mem::concat_maybe_sentinel(allocator, &[b"ab"], None)?), b"ab");
        assert!(mem::concat::<u8>(Allocator::FAILING, &[])?.is_empty());
        assert!(mem::concat_maybe_sentinel(Allocator::FAILING, &[], Some(0u8)).is_err());
        let empty = mem::concat_with_sentinel(allocator, &[], 7u8)?;
        // SAFETY: as above.
        unsafe {
            assert_eq!((empty.len(), empty.sentinel_ptr().read()), (0, 7));
            allocator.free(empty);
        }
        Ok(())
    })
}

/// MH-06: exactly as long as it must be.
#[test]
fn replace_owned() -> Result<(), Error> {
    with_allocator(|allocator| {
        for (input, needle, replacement, expected) in [
            ("All your base are belong to us", "base", "Zig", "All your Zig are belong to us"),
            ("Favor reading code over writing code.", "code", "", "Favor reading  over writing ."),
            ("a", "b", "c", "a"),
            ("", "x", "y", ""),
            ("xxx", "xx", "y", "yx"),
        ] {
            let [input, needle, replacement] = [input, needle, replacement].map(str::as_bytes);
            let text = mem::replace_owned(allocator, input, needle, replacement)?;
            assert_eq!(freed(*allocator, text), expected.as_bytes());
            assert_eq!(mem::replacement_size(input, needle, replacement), expected.len());
        }
        Ok(())
    })
}

#[test]
fn failures_leak_nothing() {
    let all = |allocator: Allocator<'_>| -> Result<(), Error> {
        freed(allocator, mem::join(allocator, b",", &[b"a", b"b"])?);
        freed(allocator, mem::concat(allocator, &[b"a", b"b"])?);
        freed(allocator, mem::replace_owned(allocator, b"aba", b"a", b"xx")?);
        Ok(())
    };
    with_allocator(|allocator| check_all_allocation_failures(*allocator, all)).unwrap();
}

#[test]
fn replace() {
    let mut output = [0; 29];
    assert_eq!(mem::replace(b"All your base are belong to us", b"base", b"Zig", &mut output), 1);
    assert_eq!(&output, b"All your Zig are belong to us");
    assert_eq!(mem::replace(b"Favor reading code over writing code.", b"code", b"", &mut output), 2);
    assert_eq!(&output, b"Favor reading  over writing .");
    assert_eq!(mem::replace(b"\\n\\n", b"\\n", b"\n", &mut output), 2);
    assert_eq!(&output[..2], b"\n\n");
    assert_eq!(mem::replacement_size(b"abbba", b"b", b"cd"), 8);
    let short = message_of(|| mem::replace(b"abc", b"b", b"xyz", &mut [0; 3]));
    assert!(short.contains("mem::replace: the output of 3 elements is too short"), "{short}");
    let empty = message_of(|| mem::replacement_size(b"abc", b"", b"x"));
    assert!(empty.contains("mem::replacement_size: the needle has 0 elements"), "{empty}");
    let mut path = *b"a\\b\\c";
    mem::replace_scalar(&mut path, b'\\', b'/');
    assert_eq!(&path, b"a/b/c");
}

#[test]
fn collapse_repeats() {
    for (input, expected) in [
        ("", ""),
        ("a", "a"),
        ("/", "/"),
        ("//", "/"),
        ("/a", "/a"),
        ("//a", "/a"),
        ("a/", "a/"),
        ("a//", "a/"),
        ("a/a", "a/a"),
        ("a//a", "a/a"),
        ("//a///a////", "/a/a/"),
    ] {
        assert_eq!(mem::collapse_repeats(&mut input.as_bytes().to_vec(), b'/'), expected.as_bytes());
    }
}

#[test]
fn index_of() {
    let long = b"one two three four five six seven eight nine ten eleven";
    assert_eq!(
        (mem::index_of(long, b"three four"), mem::last_index_of(long, b"three four")),
        (Some(8), Some(8))
    );
    assert_eq!((mem::index_of(long, b"two two"), mem::last_index_of(long, b"two two")), (None, None));
    assert_eq!((mem::index_of(long, b""), mem::last_index_of(long, b"")), (Some(0), Some(long.len())));
    assert_eq!(mem::last_index_of(b"one two three two four", b"two"), Some(14));
    for (haystack, needle, first, last) in [
        ("foo", "foo", Some(0), Some(0)),
        ("foo", "fool", None, None),
        ("foo foo", "foo", Some(0), Some(4)),
        ("boo, cat", "cat", Some(5), Some(5)),
        ("", "a", None, None),
        ("aab", "ab", Some(1), Some(1)),
        ("aaab", "aab", Some(1), Some(1)),
    ] {
        let (haystack, needle) = (haystack.as_bytes(), needle.as_bytes());
        assert_eq!((mem::index_of(haystack, needle), mem::last_index_of(haystack, needle)), (first, last));
    }
    assert_eq!((mem::index_of_pos(b"abab", 1, b"ab"), mem::index_of_pos(b"abab", 3, b"ab")), (Some(2), None));
    assert_eq!((mem::index_of_pos(b"ab", 9, b"a"), mem::index_of_pos(b"ab", 9, b"")), (None, Some(9)));
    assert_eq!(mem::index_of(&[1u32, 2, 3, 4], &[3, 4]), Some(2));
}

#[test]
fn index_of_scalar_any_none() {
    assert_eq!(
        (mem::index_of_scalar(b"abcb", &b'b'), mem::last_index_of_scalar(b"abcb", &b'b')),
        (Some(1), Some(3))
    );
    assert_eq!(mem::index_of_scalar_pos(b"abcb", 2, &b'b'), Some(3));
    assert_eq!(
        (mem::index_of_scalar_pos(b"ab", 2, &b'b'), mem::index_of_scalar_pos(b"ab", 3, &b'b')),
        (None, None)
    );
    assert_eq!(
        (mem::index_of_any(b"abc123", b"321"), mem::last_index_of_any(b"abc123", b"cb")),
        (Some(3), Some(2))
    );
    assert_eq!(
        (mem::index_of_any_pos(b"abcabc", 3, b"cb"), mem::index_of_any_pos(b"a", 7, b"a")),
        (Some(4), None)
    );
    assert_eq!(
        (mem::index_of_none(b"abc123", b"123"), mem::last_index_of_none(b"abc123", b"123")),
        (Some(0), Some(2))
    );
    assert_eq!(
        (mem::index_of_none(b"123abc", b"123"), mem::last_index_of_none(b"123abc", b"123")),
        (Some(3), Some(5))
    );
    assert_eq!(
        (mem::index_of_none(b"123123", b"123"), mem::last_index_of_none(b"333333", b"123")),
        (None, None)
    );
    assert_eq!(
        (mem::index_of_none_pos(b"abc123", 3, b"321"), mem::index_of_none_pos(b"a", 7, b"")),
        (None, None)
    );
}

#[test]
fn index_of_diff() {
    for (a, b, expected) in [
        ("one", "one", None),
        ("one two", "one", Some(3)),
        ("one", "one two", Some(3)),
        ("one twx", "one two", Some(6)),
        ("xne", "one", Some(0)),
    ] {
        assert_eq!(mem::index_of_diff(a.as_bytes(), b.as_bytes()), expected);
    }
}

#[test]
fn count() {
    for (haystack, needle, expected) in [
        ("", "h", 0),
        ("h", "h", 1),
        ("hh", "h", 2),
        ("world!", "hello", 0),
        ("hello world!", "hello", 1),
        ("   abcabc   abc", "abc", 3),
        ("udexdcbvbruhasdrw", "bruh", 1),
        ("foo bar", "o bar", 1),
        ("foofoofoo", "foo", 3),
        ("fffffff", "ff", 3),
        ("owowowu", "owowu", 1),
    ] {
        assert_eq!(mem::count(haystack.as_bytes(), needle.as_bytes()), expected, "{needle} in {haystack}");
    }
    assert!(message_of(|| mem::count(b"a", b"")).contains("mem::count: the needle has 0 elements"));
}

#[test]
fn contains_at_least() {
    for (haystack, needle, count) in [
        ("aa", "a", 2),
        ("radaradar", "radar", 1),
        ("radarradaradarradar", "radar", 3),
        ("   radar      radar   ", "radar", 2),
    ] {
        let (haystack, needle) = (haystack.as_bytes(), needle.as_bytes());
        assert!((0..=count).all(|n| mem::contains_at_least(haystack, n, needle)));
        assert!(!mem::contains_at_least(haystack, count + 1, needle));
    }
    assert!((0..=2).all(|n| mem::contains_at_least_scalar(b"aba", n, &b'a')));
    assert!(!mem::contains_at_least_scalar(b"aba", 3, &b'a'));
    assert!(mem::all_equal(b"aaa", &b'a') && mem::all_equal(b"", &b'a') && !mem::all_equal(b"ab", &b'a'));
}

#[test]
fn trim() {
    assert_eq!(mem::trim(b" foo\n ", b" \n"), b"foo");
    assert_eq!(
        (mem::trim_start(b" foo\n ", b" \n"), mem::trim_end(b" foo\n ", b" \n")),
        (&b"foo\n "[..], &b" foo"[..])
    );
    assert_eq!((mem::trim(b"foo", b" \n"), mem::trim(b"foo", b"")), (&b"foo"[..], &b"foo"[..]));
    let blank = b"   ";
    let trimmed = mem::trim(blank, b" ");
    assert_eq!((trimmed.len(), trimmed.as_ptr()), (0, blank[3..].as_ptr()), "at the end, as in Zig");
}

#[test]
fn span_and_slice_to() {
    assert_eq!((mem::slice_to(b"ab\0c", &0), mem::slice_to(b"abc", &0)), (&b"ab"[..], &b"abc"[..]));
    let numbers = [1u16, 2, 3, 0, 5];
    // SAFETY: there is a 0 among them.
    let span = unsafe { mem::span(NonNull::from(&numbers).cast::<u16>(), &0) };
    assert_eq!((span.len(), span.item_count()), (3, 3));
}

#[test]
fn split_scalar() {
    let mut it = mem::split_scalar(b"abc|def||ghi", b'|');
    assert_eq!((it.rest(), it.first(), it.peek()), (&b"abc|def||ghi"[..], &b"abc"[..], Some(&b"def"[..])));
    assert_eq!((it.next(), it.next(), it.rest()), (Some(&b"def"[..]), Some(&b""[..]), &b"ghi"[..]));
    assert_eq!(
        (it.peek(), it.next(), it.rest(), it.peek(), it.next()),
        (Some(&b"ghi"[..]), Some(&b"ghi"[..]), &b""[..], None, None)
    );
    it.reset();
    assert_eq!(it.first(), b"abc");
    assert!(message_of(move || it.first().len()).contains("SplitIterator::first: iteration has started"));
    let pieces = |text: &'static [u8]| mem::split_scalar(text, b'|').collect::<Pieces<'_>>();
    assert_eq!(
        (pieces(b""), pieces(b"|"), pieces(b"hello")),
        (vec![&b""[..]], vec![&b""[..], b""], vec![&b"hello"[..]])
    );
}

#[test]
fn split_sequence_and_any() {
    let pieces: Pieces<'_> = mem::split_sequence(b"a, b ,, c, d, e", b", ").collect();
    assert_eq!(pieces, [&b"a"[..], b"b ,", b"c", b"d", b"e"]);
    let pieces: Pieces<'_> = mem::split_any(b"a,b, c d e", b", ").collect();
    assert_eq!(pieces, [&b"a"[..], b"b", b"", b"c", b"d", b"e"]);
    let mut it = mem::split_sequence(&[1u16, 0, 0, 2], &[0, 0]);
    assert_eq!((it.first(), it.peek(), it.rest()), (&[1][..], Some(&[2][..]), &[2][..]));
    for message in [
        message_of(|| mem::split_sequence(b"a", b"").count()),
        message_of(|| mem::split_backwards_sequence(b"a", b"").count()),
        message_of(|| mem::tokenize_sequence(b"a", b"").count()),
    ] {
        assert!(message.contains("the delimiter has 0 elements; the least is 1"), "{message}");
    }
}

#[test]
fn split_backwards() {
    let mut it = mem::split_backwards_scalar(b"abc|def||ghi", b'|');
    assert_eq!((it.rest(), it.first(), it.rest()), (&b"abc|def||ghi"[..], &b"ghi"[..], &b"abc|def|"[..]));
    assert_eq!((it.next(), it.next(), it.rest()), (Some(&b""[..]), Some(&b"def"[..]), &b"abc"[..]));
    assert_eq!((it.next(), it.rest(), it.next()), (Some(&b"abc"[..]), &b""[..], None));
    it.reset();
    assert_eq!(it.count(), 4);
    let pieces: Pieces<'_> = mem::split_backwards_sequence(b"a, b ,, c, d, e", b", ").collect();
    assert_eq!(pieces, [&b"e"[..], b"d", b"c", b"b ,", b"a"]);
    let pieces: Pieces<'_> = mem::split_backwards_any(b"a,b, c d e", b", ").collect();
    assert_eq!(pieces, [&b"e"[..], b"d", b"c", b"", b"b", b"a"]);
    assert_eq!(mem::split_backwards_scalar(b"", b'|').collect::<Pieces<'_>>(), [b""]);
}

#[test]
fn tokenize() {
    let mut it = mem::tokenize_scalar(b"   abc def     ghi  ", b' ');
    assert_eq!(
        (it.peek(), it.next(), it.peek(), it.next()),
        (Some(&b"abc"[..]), Some(&b"abc"[..]), Some(&b"def"[..]), Some(&b"def"[..]))
    );
    assert_eq!(
        (it.rest(), it.next(), it.rest(), it.next(), it.peek()),
        (&b"ghi  "[..], Some(&b"ghi"[..]), &b""[..], None, None)
    );
    it.reset();
    assert_eq!((it.next(), it.rest()), (Some(&b"abc"[..]), &b"def     ghi  "[..]));
    assert_eq!(
        mem::tokenize_any(b"a|b,c/d e", b" /,|").collect::<Pieces<'_>>(),
        [b"a", b"b", b"c", b"d", b"e"]
    );
    assert_eq!(
        mem::tokenize_sequence(b"a<>b<><>c><>d><", b"<>").collect::<Pieces<'_>>(),
        [&b"a"[..], b"b", b"c>", b"d><"]
    );
    assert_eq!((mem::tokenize_scalar(b"", b' ').next(), mem::tokenize_any(b"16", b"").count()), (None, 1));
}

#[test]
fn window() {
    let windows =
        |text: &'static [u8], size, advance| mem::window(text, size, advance).collect::<Pieces<'_>>();
    assert_eq!(windows(b"abcdefg", 3, 3), [&b"abc"[..], b"def", b"g"]);
    assert_eq!(windows(b"abcdefg", 3, 1), [b"abc", b"bcd", b"cde", b"def", b"efg"]);
    assert_eq!(windows(b"abcdefg", 1, 3), [b"a", b"d", b"g"]);
    assert_eq!(windows(b"", 3, 1), [b""]);
    assert_eq!(windows(b"abc", 3, usize::MAX), [b"abc"]);
    assert_eq!(windows(b"abc", usize::MAX, 1), [b"abc"]);
    let mut it = mem::window(b"abcde", 2, 2);
    assert_eq!(
        (it.first(), it.next(), it.next(), it.next()),
        (&b"ab"[..], Some(&b"cd"[..]), Some(&b"e"[..]), None)
    );
    it.reset();
    assert_eq!(it.first(), b"ab");
    assert!(message_of(|| mem::window(b"a", 0, 1).count()).contains("mem::window: a size of 0"));
    assert!(message_of(|| mem::window(b"a", 1, 0).count()).contains("mem::window: an advance of 0"));
}
