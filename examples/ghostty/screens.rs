//! The comparison of what two terminals show.

/// A line about the screens of two terminals that were put through the same, and whether all is well.
///
/// Two empty screens say nothing about the allocators, so that is a failure, unless `may_be_empty`: a recording of the
/// user's may end with whatever it wants.
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
