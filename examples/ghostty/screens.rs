//! Compares the screens of two terminals.

/// Compares the screens of two terminals after the same input. Returns a line that describes the result, and whether it
/// is as expected.
///
/// Two empty screens show nothing about the allocators, so they are a failure, unless `may_be_empty`: a user's
/// recording may end with an empty screen.
pub(crate) fn compare(when: &str, own: &[u8], ours: &[u8], may_be_empty: bool) -> (String, bool) {
    if own != ours {
        let text = format!(
            "screen after {when}: NOT THE SAME: {} bytes of text with the library's allocator, {} with ours",
            own.len(),
            ours.len()
        );
        return (text, false);
    }
    match (ours.len(), may_be_empty) {
        (0, true) => (format!("screen after {when}: empty with both allocators"), true),
        (0, false) => (format!("screen after {when}: EMPTY with both allocators; expected some text"), false),
        (len, _) => {
            (format!("screen after {when}: {len} bytes of text, the same with both allocators"), true)
        }
    }
}
