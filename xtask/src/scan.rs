//! Finds the test functions of a Rust source file, and the comments directly above them.
//!
//! This is no parser. It separates each line into code and comment (strings are blanked, so that
//! nothing inside them counts), and then looks for what stands directly above a `fn`: comments and
//! attributes, in any order, without a blank line between.

/// A function with `#[test]` or `#[rstest]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TestFn {
    /// Path from the root of the repository, with forward slashes.
    pub(crate) file: String,
    /// Line of the `fn`, from 1.
    pub(crate) line: usize,
    pub(crate) name: String,
    /// The ids that the comment names, in order.
    pub(crate) ids: Vec<String>,
    /// Ids that are written as a range, such as `M-31..33`.
    pub(crate) ranges: Vec<String>,
    /// Whether it has `#[ignore]`: then it shows nothing.
    pub(crate) ignored: bool,
}

impl TestFn {
    /// `tests/all/arena.rs::first_node`.
    pub(crate) fn path(&self) -> String {
        format!("{}::{}", self.file, self.name)
    }

    /// Whether the file, or the directory it is in, is called `name`.
    pub(crate) fn is_in(&self, name: &str) -> bool {
        let mut parts = self.file.rsplit('/');
        let file = parts.next().unwrap_or_default();
        file.strip_suffix(".rs") == Some(name) || parts.next() == Some(name)
    }
}

/// What stands above the next item.
#[derive(Default)]
struct Above {
    comments: Vec<String>,
    /// The text of each attribute, from after `#[`.
    attributes: Vec<String>,
    /// Brackets that the last attribute still has to close.
    open_brackets: usize,
}

/// The test functions of `source`, which is the text of `file`.
pub(crate) fn test_functions(file: &str, source: &str) -> Vec<TestFn> {
    let mut found = Vec::new();
    let mut above = Above::default();
    for (index, Line { code, comment }) in split_lines(source).into_iter().enumerate() {
        let rest = above.take_attributes(code.trim());
        if above.open_brackets > 0 {
            continue;
        }
        match (rest, comment) {
            ("", Some(comment)) if code.trim().is_empty() => above.comments.push(comment),
            ("", None) if code.trim().is_empty() => above = Above::default(),
            ("", _) => {}
            (item, _) => {
                let above = std::mem::take(&mut above);
                let Some(name) = function_name(item) else { continue };
                if above.has("test") || above.has("rstest") {
                    let (ids, ranges) = ids_in(&above.comments.join("\n"));
                    let (file, name) = (file.to_owned(), name.to_owned());
                    let ignored = above.has("ignore");
                    found.push(TestFn { file, line: index + 1, name, ids, ranges, ignored });
                }
            }
        }
    }
    found
}

impl Above {
    /// Moves the attributes that `code` begins with, or goes on with, to `attributes`; returns the rest.
    fn take_attributes<'c>(&mut self, mut code: &'c str) -> &'c str {
        loop {
            if self.open_brackets == 0 {
                let Some(text) = code.strip_prefix("#[") else { return code };
                self.attributes.push(String::new());
                self.open_brackets = 1;
                code = text;
            }
            let mut end = code.len();
            for (at, char) in code.char_indices() {
                match char {
                    '[' => self.open_brackets += 1,
                    ']' => self.open_brackets -= 1,
                    _ => {}
                }
                if self.open_brackets == 0 {
                    end = at;
                    break;
                }
            }
            if let Some(attribute) = self.attributes.last_mut() {
                attribute.push_str(&code[..end]);
            }
            if self.open_brackets > 0 {
                return "";
            }
            code = code[end + 1..].trim_start();
        }
    }

    /// Whether an attribute's path ends with `name`: `test`, `tokio::test`, `rstest(…)`.
    fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|attribute| {
            let is_path = |char: char| char.is_alphanumeric() || char == '_' || char == ':';
            let path = attribute.trim().split(|char| !is_path(char)).next().unwrap_or_default();
            path.rsplit("::").next() == Some(name)
        })
    }
}

/// The name in `pub async fn name(…`.
fn function_name(item: &str) -> Option<&str> {
    let mut words = item.split_whitespace();
    let qualifier = |word: &str| {
        matches!(word, "async" | "const" | "unsafe" | "extern" | "\"\"") || word.starts_with("pub")
    };
    if words.find(|word| !qualifier(word)) != Some("fn") {
        return None;
    }
    let name = words.next()?;
    let end = name.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(name.len());
    (end > 0).then(|| &name[..end])
}

/// The ids that a comment names, and those that it names as the begin of a range.
///
/// An id is one or two capitals, a hyphen and two or more digits (the last can be a capital letter);
/// or a capital T and one digit.
fn ids_in(comment: &str) -> (Vec<String>, Vec<String>) {
    let (mut ids, mut ranges) = (Vec::new(), Vec::new());
    let in_word = |char: char| char.is_alphanumeric() || char == '_';
    let mut previous = ' ';
    let mut skip_to = 0;
    for (at, char) in comment.char_indices() {
        let starts_word = !in_word(previous) && previous != '-';
        previous = char;
        if at < skip_to || !starts_word {
            continue;
        }
        let rest = &comment[at..];
        let end = rest.find(|char| !in_word(char) && char != '-').unwrap_or(rest.len());
        let word = &rest[..end];
        let Some(id) = id_at_start(word) else { continue };
        skip_to = at + end;
        previous = '-';
        if goes_on(&rest[id.len()..]) {
            ranges.push(word.to_owned());
        } else {
            ids.push(id.to_owned());
        }
    }
    (ids, ranges)
}

/// The id that a word of letters, digits and hyphens begins with.
fn id_at_start(word: &str) -> Option<&str> {
    let mut parts = word.splitn(3, '-');
    let (group, number) = (parts.next()?, parts.next());
    let Some(number) = number else {
        let digit = group.strip_prefix('T')?;
        return (digit.len() == 1 && digit.as_bytes()[0].is_ascii_digit()).then_some(group);
    };
    let is_group = matches!(group.len(), 1 | 2) && group.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_number = number.len() >= 2
        && number.as_bytes()[0].is_ascii_digit()
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    (is_group && is_number).then(|| &word[..group.len() + 1 + number.len()])
}

/// Whether what follows an id makes a range or a list in short form of it: `..33`, `–33`, `/32`.
fn goes_on(after: &str) -> bool {
    ["..=", "..", "…", "–", "-", "/", " to ", " – "].iter().any(|mark| {
        let Some(next) = after.strip_prefix(mark) else { return false };
        let end = next.find(|char: char| !char.is_alphanumeric() && char != '-').unwrap_or(next.len());
        let word = &next[..end];
        id_at_start(word).is_some() || (word.len() == 2 && word.as_bytes()[0].is_ascii_digit())
    })
}

/// A line of source: its code, with the contents of strings left out, and its comment.
struct Line {
    code: String,
    comment: Option<String>,
}

/// Where the scanner is between two characters.
enum Inside {
    Code,
    /// A string, with the number of `#` that end a raw one; `None` for one with escapes.
    String(Option<usize>),
    LineComment,
    BlockComment(usize),
}

/// Separates code from comments. Inner comments (`//!`) belong to no item and are left out as code
/// of their own kind, so that they separate items.
fn split_lines(source: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut inside = Inside::Code;
    for text in source.lines() {
        let mut line = Line { code: String::new(), comment: None };
        let chars: Vec<char> = text.chars().collect();
        let starts = |at: usize, what: &str| what.chars().eq(chars[at..].iter().copied().take(what.len()));
        let mut at = 0;
        while at < chars.len() {
            match inside {
                Inside::Code if starts(at, "//!") => {
                    line.code.push_str("//!");
                    break;
                }
                Inside::Code if starts(at, "//") => {
                    inside = Inside::LineComment;
                    line.comment.get_or_insert_default();
                    at += 2;
                }
                Inside::Code if starts(at, "/*") => {
                    inside = Inside::BlockComment(1);
                    line.comment.get_or_insert_default();
                    at += 2;
                }
                Inside::Code if chars[at] == '"' => {
                    let (before, hashes) = trim_hashes(&line.code);
                    let raw = before.ends_with('r');
                    inside = Inside::String(raw.then_some(hashes));
                    line.code.push('"');
                    at += 1;
                }
                Inside::Code if chars[at] == '\'' => {
                    // A character's literal, or else a lifetime.
                    let escaped = chars.get(at + 1) == Some(&'\\');
                    let close = if escaped { at + 3 } else { at + 2 };
                    let end = (close..chars.len()).find(|&end| chars[end] == '\'');
                    at = match end {
                        Some(end) if escaped || end == at + 2 => end + 1,
                        _ => at + 1,
                    };
                }
                Inside::Code => {
                    line.code.push(chars[at]);
                    at += 1;
                }
                Inside::String(None) if chars[at] == '\\' => at += 2,
                Inside::String(hashes) => {
                    let count = hashes.unwrap_or(0);
                    if chars[at] == '"' && starts(at + 1, &"#".repeat(count)) {
                        inside = Inside::Code;
                        line.code.push('"');
                        at += count;
                    }
                    at += 1;
                }
                Inside::LineComment => {
                    line.comment.get_or_insert_default().push(chars[at]);
                    at += 1;
                }
                Inside::BlockComment(depth) if starts(at, "*/") => {
                    inside = if depth == 1 { Inside::Code } else { Inside::BlockComment(depth - 1) };
                    at += 2;
                }
                Inside::BlockComment(depth) if starts(at, "/*") => {
                    inside = Inside::BlockComment(depth + 1);
                    at += 2;
                }
                Inside::BlockComment(_) => {
                    line.comment.get_or_insert_default().push(chars[at]);
                    at += 1;
                }
            }
        }
        match inside {
            Inside::LineComment => inside = Inside::Code,
            // Lines inside a comment or a string are not blank.
            Inside::BlockComment(_) => drop(line.comment.get_or_insert_default()),
            Inside::String(_) => line.code.push('"'),
            Inside::Code => {}
        }
        lines.push(line);
    }
    lines
}

/// Code without the `#` at its end, and how many there were.
fn trim_hashes(code: &str) -> (&str, usize) {
    let before = code.trim_end_matches('#');
    (before, code.len() - before.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(source: &str) -> TestFn {
        let mut found = test_functions("tests/all/sample.rs", source);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn ids_of_the_comment_above() {
        let found = only("/// AR-01, M-31: text.\n/// More of it (TR-7A).\n#[test]\nfn first_node() {\n");
        assert_eq!(found.ids, ["AR-01", "M-31", "TR-7A"]);
        assert_eq!((found.name.as_str(), found.line, found.ignored), ("first_node", 4, false));
        assert_eq!(found.path(), "tests/all/sample.rs::first_node");
        assert!(found.is_in("sample") && found.is_in("all") && !found.is_in("tests"));
    }

    #[test]
    fn plain_comments_and_block_comments_count() {
        assert_eq!(only("// FB-01\n#[test]\nfn a() {}\n").ids, ["FB-01"]);
        assert_eq!(only("/* FB-01\n\n * FB-02 */\n#[test]\nfn a() {}\n").ids, ["FB-01", "FB-02"]);
    }

    #[test]
    fn attributes_between_comment_and_function() {
        let source = "/// FB-01\n#[cfg(unix)]\n#[test]\n#[should_panic(expected = \"]fn x() { // FB-02\")]\n\
                      #[cfg_attr(miri, ignore)]\nfn a() {}\n";
        let found = only(source);
        assert_eq!((found.ids.as_slice(), found.ignored), (&["FB-01".to_owned()][..], false));
        assert_eq!(only("/// FB-01\n#[test] fn a() {}\n").ids, ["FB-01"]);
    }

    #[test]
    fn rstest_with_cases() {
        let source = "/// T1, AR-03: all of them.\n#[rstest]\n#[case::one(1, [2, 3])]\n\
                      // FB-02: a case\n#[case::many(\n    1, // M-01: no comment above the function\n    \
                      &[4, 5],\n)]\nfn table(#[case] n: usize) {\n";
        assert_eq!(only(source).ids, ["T1", "AR-03", "FB-02"]);
    }

    #[test]
    fn a_blank_line_or_another_item_ends_the_comment() {
        assert_eq!(only("/// FB-01\n\n#[test]\nfn a() {}\n").ids, [""; 0]);
        assert_eq!(only("// FB-01\nconst X: u8 = 0;\n#[test]\nfn a() {}\n").ids, [""; 0]);
        assert_eq!(only("//! FB-01\n#[test]\nfn a() {}\n").ids, [""; 0]);
    }

    #[test]
    fn functions_that_are_no_tests_are_left_out() {
        let source = "/// FB-01\nfn helper() {}\n/// FB-02\n#[inline]\nfn other() {}\n";
        assert_eq!(test_functions("a.rs", source), []);
        assert_eq!(test_functions("a.rs", "let s = r#\"\n/// FB-01\n#[test]\nfn a() {}\n\"#;\n"), []);
        assert_eq!(test_functions("a.rs", "/*\n#[test]\nfn a() {}\n*/\n"), []);
    }

    #[test]
    fn ignored_tests_are_marked() {
        assert!(only("/// FB-01\n#[test]\n#[ignore = \"slow\"]\nfn a() {}\n").ignored);
    }

    #[test]
    fn characters_and_lifetimes_do_not_confuse() {
        let source = "fn x<'a>(c: &'a str) { c.find('\"'); c.find('\\''); c.find('\\u{22}'); }\n\
                      /// FB-01\n#[test]\npub(crate) async unsafe fn a() {}\n";
        assert_eq!(only(source).ids, ["FB-01"]);
    }

    #[test]
    fn what_is_an_id() {
        let ids = |text| ids_in(text).0;
        assert_eq!(ids("(AR-01), SA-1A; T4. x"), ["AR-01", "SA-1A", "T4"]);
        // A wrong number is an id too, so that it is reported as unknown.
        assert_eq!(ids("M-311 and Q-99"), ["M-311", "Q-99"]);
        assert_eq!(ids("UTF-16, x86-64, N-1, 2P-20, T, T12, AT1, a-01, M-, M-x"), [""; 0]);
    }

    #[test]
    fn ranges_are_told() {
        for text in ["M-31..33", "M-31..=M-33", "M-31–33", "M-31-33", "M-31/32", "M-31 to M-33", "T1–T4"]
        {
            let (ids, ranges) = ids_in(text);
            assert_eq!(ranges.len(), 1, "{text}");
            assert!(!ids.iter().any(|id| id == "M-31" || id == "T1"), "{text}: {ids:?}");
        }
        assert_eq!(ids_in("M-31: 33 bytes, M-32 - some, M-33... so").1, [""; 0]);
    }
}
