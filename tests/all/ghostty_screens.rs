//! The messages of the example `ghostty` about the screens that it compares. The example itself needs Ghostty's
//! library.

#[path = "../../examples/ghostty/screens.rs"]
mod screens;

use rstest::rstest;
use screens::compare;

/// On failure, the line says what was expected or what differs.
#[rstest]
#[case("ab", "ab", false, "2 bytes of text, the same with both allocators", true)]
#[case("ab", "ab", true, "2 bytes of text, the same with both allocators", true)]
#[case("", "", true, "empty with both allocators", true)]
#[case("", "", false, "EMPTY with both allocators; expected some text", false)]
#[case("ab", "ac", false, "NOT THE SAME: 2 bytes of text with the library's allocator, 2 with ours", false)]
#[case("", "a", true, "NOT THE SAME: 0 bytes of text with the library's allocator, 1 with ours", false)]
fn empty_screen_is_reported(
    #[case] own: &str,
    #[case] ours: &str,
    #[case] may_be_empty: bool,
    #[case] expected: &str,
    #[case] good: bool,
) {
    let (line, is_good) = compare("it", own.as_bytes(), ours.as_bytes(), may_be_empty);
    assert_eq!((line, is_good), (format!("screen after it: {expected}"), good));
}
