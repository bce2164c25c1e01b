//! The chapters of `guide/` have their parts, and all lists of them are the same.
//!
//! That their code runs, and that a picture is what its program prints, is tested by rustdoc.

#![cfg(all(feature = "std", not(miri), not(target_family = "wasm")))]

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

struct Chapter {
    /// The file without its extension, and the module.
    name: String,
    text: String,
}

impl Chapter {
    fn title(&self) -> &str {
        self.text.lines().next().unwrap().trim_start_matches("# ")
    }

    /// The paragraph after the title.
    fn question(&self) -> String {
        let lines = self.text.lines().skip(2).take_while(|line| !line.is_empty());
        let quote: Vec<&str> = lines.map(|line| line.trim_start_matches("> ")).collect();
        quote.join(" ").trim_matches('*').to_owned()
    }

    /// What the chapter lacks.
    fn check(&self, number: usize) -> Result<(), String> {
        let say = |what: String| Err(format!("guide/{}.md: {what}", self.name));
        if !self.text.starts_with(&format!("# {number}. "))
            || !self.name.starts_with(&format!("ch{number:02}_"))
        {
            return say(format!("it is chapter {number}"));
        }
        if !self.text.lines().nth(2).is_some_and(|line| line.starts_with("> **"))
            || !self.question().ends_with('?')
        {
            return say("a chapter opens with its question".into());
        }
        let blocks = blocks(&self.text);
        let compares_itself = format!("/guide/{}.md", self.name);
        if !blocks.iter().any(|(kind, _)| kind == "text")
            || !blocks.iter().any(|(kind, code)| kind == "rust" && code.contains(&compares_itself))
        {
            return say("no program compares its output with the picture".into());
        }
        let Some((_, exercises)) = self.text.split_once("\n## Exercises\n") else {
            return say("no exercises".into());
        };
        let mut parts = exercises.split("<details>\n<summary>Solution ");
        let tasks = parts.next().unwrap_or_default();
        let numbers: Vec<&str> =
            tasks.lines().filter_map(|line| line.split_once(". ")).map(|(number, _)| number).collect();
        if numbers.iter().copied().filter(|number| ["1", "2", "3", "4"].contains(number)).collect::<String>()
            != "123"
        {
            return say(format!("there are three exercises, not {numbers:?}"));
        }
        let solutions: Vec<&str> = parts.collect();
        if solutions.len() != 3 {
            return say(format!("{} solutions", solutions.len()));
        }
        for (i, solution) in solutions.iter().enumerate() {
            let runs = |(kind, code): &(String, String)| {
                (kind == "rust" && code.contains("assert")) || (kind == "zig" && code.contains("expect"))
            };
            if !solution.starts_with(&format!("{}</summary>\n", i + 1))
                || !solution.trim_end().ends_with("</details>")
                || !self::blocks(solution).iter().any(runs)
            {
                return say(format!("solution {} is not tested", i + 1));
            }
        }
        for (kind, _) in blocks {
            let is_checked = ["rust", "zig"].contains(&&*kind) || kind.starts_with("rust,compile_fail,E");
            if !is_checked && !["text", "c", "sh"].contains(&&*kind) {
                return say(format!("a block of {kind:?} is not run"));
            }
        }
        Ok(())
    }
}

/// The blocks of code, with what is written after the opening fence.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(kind) = lines.find_map(|line| line.strip_prefix("```")) {
        let code: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push((kind.to_owned(), code.join("\n")));
    }
    blocks
}

fn chapters() -> Vec<Chapter> {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("guide")).unwrap();
    let mut names: Vec<String> = files
        .filter_map(|file| Some(file.unwrap().file_name().to_str()?.strip_suffix(".md")?.to_owned()))
        .filter(|name| name.starts_with("ch"))
        .collect();
    names.sort();
    names.into_iter().map(|name| Chapter { text: read(&format!("guide/{name}.md")), name }).collect()
}

#[test]
fn chapters_have_a_question_a_picture_and_exercises() {
    let chapters = chapters();
    assert!(!chapters.is_empty());
    for (i, chapter) in chapters.iter().enumerate() {
        chapter.check(i + 1).unwrap();
    }
}

#[test]
fn chapters_without_their_parts_are_reported() {
    let first = &chapters()[0];
    first.check(1).unwrap();
    first.check(2).unwrap_err();
    for (part, instead) in [
        ("?**", "**"),
        ("/guide/ch01_values.md", "/guide/another.md"),
        ("```text\n", "```\n"),
        ("\n2. ", "\nand "),
        ("<summary>Solution 3", "<summary>Solution 4"),
        ("assert", "check"),
        ("```rust\n", "```rust,no_run\n"),
    ] {
        assert!(first.text.contains(part), "{part:?}");
        let spoiled = Chapter { name: first.name.clone(), text: first.text.replace(part, instead) };
        assert!(spoiled.check(1).is_err(), "without {part:?}");
    }
}

#[test]
fn lists_of_chapters_are_complete_and_in_order() {
    let (summary, start, modules) = (read("guide/SUMMARY.md"), read("guide/README.md"), read("src/guide.rs"));
    let chapters = chapters();
    let entries: Vec<&str> = summary.lines().filter(|line| line.starts_with("- [")).collect();
    let mut expected: Vec<String> = chapters
        .iter()
        .map(|chapter| format!("- [{}]({}.md)", chapter.title(), chapter.name))
        .chain(["- [Twelve questions](questions.md)".into(), "- [Answers](answers.md)".into()])
        .collect();
    assert_eq!(entries, expected);

    let rows: Vec<&str> = start.lines().filter(|line| line.starts_with("| [")).collect();
    expected = chapters
        .iter()
        .map(|chapter| format!("| [{}]({}.md) | {} |", chapter.title(), chapter.name, chapter.question()))
        .collect();
    assert_eq!(rows, expected);

    // rustdoc sorts modules by name.
    let mut rest = &*modules;
    for chapter in &chapters {
        let module =
            format!("/// {}\n#[doc = include_str!(\"../guide/{}.md\")]\n", chapter.question(), chapter.name);
        rest = rest.split_once(&module).unwrap_or_else(|| panic!("not in order: {module}")).1;
        let end = rest.split_once("pub mod ").unwrap().1;
        assert!(end.starts_with(&format!("{} {{}}\n", chapter.name)), "{end}");
    }
    assert_eq!(modules.matches("pub mod ch").count(), chapters.len());
}

#[test]
fn twelve_questions_have_answers_from_the_chapters_up_to_pools() {
    let items = |text: String| {
        let paragraphs = text.split("\n\n").find(|paragraph| paragraph.starts_with("1. ")).unwrap();
        let mut items: Vec<String> = Vec::new();
        for line in paragraphs.lines() {
            match line.starts_with(' ') {
                true => *items.last_mut().unwrap() += line,
                false => items.push(line.to_owned()),
            }
        }
        items
    };
    let (questions, answers) = (items(read("guide/questions.md")), items(read("guide/answers.md")));
    assert_eq!((questions.len(), answers.len()), (12, 12));
    for (i, (question, answer)) in questions.iter().zip(&answers).enumerate() {
        let number = format!("{}. ", i + 1);
        assert!(question.starts_with(&number) && question.contains('?'), "{question}");
        assert!(answer.starts_with(&number), "{answer}");
        let places = answer.rsplit_once("(Chapter").unwrap_or_else(|| panic!("no chapter: {answer}")).1;
        let chapters: Vec<usize> =
            places.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
        assert!(!chapters.is_empty() && chapters.iter().all(|chapter| (1..=9).contains(chapter)), "{answer}");
    }
}

/// The chapter shows the allocator that its programs include, and promises sixty lines, blank ones not counted.
#[test]
fn allocator_of_chapter_six_is_shown_whole() {
    let (chapter, code) = (read("guide/ch06_your_own.md"), read("guide/code/shelves.rs"));
    assert!(chapter.contains(&format!("```rust\n{code}")));
    let lines = code.lines().filter(|line| !line.is_empty()).count();
    assert!(chapter.contains("Sixty lines") && (55..=60).contains(&lines), "{lines}");
}

#[test]
fn files_that_chapters_name_exist() {
    let mut names = 0;
    for chapter in chapters() {
        for part in chapter.text.split('`').skip(1).step_by(2) {
            let is_path = ["tests/", "src/", "docs/", "guide/"].iter().any(|folder| part.starts_with(folder));
            if is_path && !part.contains([' ', '\n']) {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(part);
                assert!(path.exists(), "guide/{}.md: {part}", chapter.name);
                names += 1;
            }
        }
    }
    assert!(names > 20, "{names}");
}

#[test]
fn chapter_eighteen_lists_each_mistake_once() {
    let text = read("guide/ch18_soundness.md");
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | ")?.0.parse().ok());
    let mut numbers: Vec<u32> = cells.collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=28).collect::<Vec<_>>());
}
