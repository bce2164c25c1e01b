//! Reads `docs/surface.toml`. The head of that file says what it means.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::Result;

/// From the root of the repository.
pub(crate) const PATH: &str = "docs/surface.toml";

/// The releases of Zig that a test may be said to be in.
const VERSIONS: &[&str] = &["0.15.2", "0.17.1"];

#[derive(Debug)]
pub(crate) struct Inventory {
    /// By the letters that ids begin with.
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) zig_tests: BTreeMap<String, ZigTests>,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) title: String,
    /// By id.
    pub(crate) entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) text: String,
    /// Why there is no counterpart in Rust.
    pub(crate) not_applicable: Option<String>,
}

/// The tests of one file of Zig's library.
#[derive(Debug)]
pub(crate) struct ZigTests {
    pub(crate) file: String,
    /// Names of the files or directories that may hold the counterparts.
    pub(crate) look_in: Vec<String>,
    /// By the name of the counterpart.
    pub(crate) tests: BTreeMap<String, ZigTest>,
}

#[derive(Debug)]
pub(crate) struct ZigTest {
    /// Zig's name.
    pub(crate) zig: String,
    pub(crate) versions: Vec<String>,
    pub(crate) not_applicable: Option<String>,
}

impl Inventory {
    pub(crate) fn parse(text: &str) -> Result<Inventory> {
        let mut file: Table = text.parse().map_err(|error| format!("{PATH}: {error}"))?;
        let mut inventory = Inventory { groups: BTreeMap::new(), zig_tests: BTreeMap::new() };
        for (name, group) in section(&mut file, "groups")? {
            let group = Group::parse(&name, group).map_err(|error| format!("{PATH}: {name}: {error}"))?;
            inventory.groups.insert(name, group);
        }
        for (name, tests) in section(&mut file, "zig_tests")? {
            let tests = ZigTests::parse(tests).map_err(|error| format!("{PATH}: {name}: {error}"))?;
            if inventory.groups.contains_key(&name) {
                return Err(format!("{PATH}: {name} is both a group of ids and of tests"));
            }
            inventory.zig_tests.insert(name, tests);
        }
        match file.keys().next() {
            Some(key) => Err(format!("{PATH}: unknown section {key}")),
            None => Ok(inventory),
        }
    }

    /// The line with this id, with the id as it is spelled there.
    pub(crate) fn entry(&self, id: &str) -> Option<(&str, &Entry)> {
        let (id, entry) = self.groups.get(group_of(id))?.entries.get_key_value(id)?;
        Some((id, entry))
    }
}

/// The letters that an id begins with.
fn group_of(id: &str) -> &str {
    id.trim_end_matches(|char: char| char.is_ascii_digit() || ('A'..='F').contains(&char))
        .strip_suffix('-')
        .unwrap_or_else(|| id.trim_end_matches(|char: char| char.is_ascii_digit()))
}

impl Group {
    fn parse(name: &str, value: Value) -> Result<Group> {
        let mut table = table(value)?;
        let title = string(&mut table, "title")?;
        let mut entries = BTreeMap::new();
        for (id, value) in table {
            if group_of(&id) != name {
                return Err(format!("{id} is no id of this group"));
            }
            let entry = match value {
                Value::String(text) => Entry { text, not_applicable: None },
                other => Entry::parse(other).map_err(|error| format!("{id}: {error}"))?,
            };
            if entry.text.is_empty() || entry.not_applicable.as_deref() == Some("") {
                return Err(format!("{id}: an empty text"));
            }
            entries.insert(id, entry);
        }
        Ok(Group { title, entries })
    }
}

impl Entry {
    fn parse(value: Value) -> Result<Entry> {
        let mut table = table(value)?;
        let text = string(&mut table, "text")?;
        let not_applicable = Some(string(&mut table, "not_applicable")?);
        nothing_else(table)?;
        Ok(Entry { text, not_applicable })
    }
}

impl ZigTests {
    fn parse(value: Value) -> Result<ZigTests> {
        let mut table = table(value)?;
        let file = string(&mut table, "file")?;
        let look_in = strings(&mut table, "look_in")?;
        let mut tests = BTreeMap::new();
        for (name, value) in table {
            let test = ZigTest::parse(value).map_err(|error| format!("{name}: {error}"))?;
            tests.insert(name, test);
        }
        Ok(ZigTests { file, look_in, tests })
    }
}

impl ZigTest {
    fn parse(value: Value) -> Result<ZigTest> {
        let mut table = table(value)?;
        let zig = string(&mut table, "zig")?;
        let versions = strings(&mut table, "in")?;
        if let Some(version) = versions.iter().find(|version| !VERSIONS.contains(&version.as_str())) {
            return Err(format!("version {version:?} is none of {VERSIONS:?}"));
        }
        let has_reason = table.contains_key("not_applicable");
        let not_applicable = has_reason.then(|| string(&mut table, "not_applicable")).transpose()?;
        nothing_else(table)?;
        Ok(ZigTest { zig, versions, not_applicable })
    }
}

fn section(file: &mut Table, key: &str) -> Result<Table> {
    let value = file.remove(key).ok_or_else(|| format!("{PATH}: no section {key}"))?;
    table(value).map_err(|error| format!("{PATH}: {key}: {error}"))
}

fn table(value: Value) -> Result<Table> {
    match value {
        Value::Table(table) => Ok(table),
        other => Err(format!("a table belongs here, not {}", other.type_str())),
    }
}

fn string(table: &mut Table, key: &str) -> Result<String> {
    match table.remove(key) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("{key}: a string belongs here, not {}", other.type_str())),
        None => Err(format!("{key} is missing")),
    }
}

fn strings(table: &mut Table, key: &str) -> Result<Vec<String>> {
    let Some(Value::Array(values)) = table.remove(key) else {
        return Err(format!("{key}: an array of strings belongs here"));
    };
    let text = |value| match value {
        Value::String(text) => Ok(text),
        other => Err(format!("{key}: a string belongs here, not {}", other.type_str())),
    };
    values.into_iter().map(text).collect()
}

fn nothing_else(table: Table) -> Result<()> {
    table.keys().next().map_or(Ok(()), |key| Err(format!("unknown key {key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(groups: &str, zig_tests: &str) -> String {
        Inventory::parse(&format!("[groups.M]\n{groups}\n[zig_tests.x]\n{zig_tests}\n")).unwrap_err()
    }

    #[test]
    fn groups_of_ids() {
        for (id, group) in [("M-31", "M"), ("AF-01", "AF"), ("SA-1A", "SA"), ("DA-30", "DA"), ("T1", "T")] {
            assert_eq!(group_of(id), group, "{id}");
        }
    }

    #[test]
    fn malformed_files_are_refused() {
        let tests = "file = \"f\"\nlook_in = []";
        let group = "title = \"t\"";
        assert!(Inventory::parse(&format!("[groups.M]\n{group}\n[zig_tests.x]\n{tests}\n")).is_ok());
        assert!(error("", tests).contains("M: title is missing"));
        assert!(error(&format!("{group}\nA-01 = \"x\""), tests).contains("A-01 is no id of this group"));
        assert!(error(&format!("{group}\nM-01 = \"\""), tests).contains("M-01: an empty text"));
        assert!(error(&format!("{group}\nM-01 = 1"), tests).contains("M-01: a table belongs here"));
        assert!(error(&format!("{group}\nM-01 = \"a\"\nM-01 = \"b\""), tests).contains("duplicate key"));
        let unknown = format!("{group}\nM-01 = {{ text = \"a\", not_applicable = \"b\", c = \"d\" }}");
        assert!(error(&unknown, tests).contains("M-01: unknown key c"));
        let version = format!("{tests}\na = {{ zig = \"a\", in = [\"0.15\"] }}");
        assert!(error(group, &version).contains("version \"0.15\" is none of"));
        assert!(error(group, "file = \"f\"").contains("x: look_in"));
    }
}
