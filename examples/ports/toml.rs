//! A parser for a part of TOML: tables, strings, integers, booleans and arrays. A document and all that is in it belongs
//! to the caller's arena.
//!
//! The port shows a parser without a single free. What the arena keeps is a reference with the arena's lifetime: a
//! list's owned slice that is leaked to the arena. The error set is an enum, and an error's name its `Debug`.

use std::io::{self, Write};

use zigalloc::collections::{ArrayList, OwnedBox, StringArrayHashMap};
use zigalloc::heap::{ArenaAllocator, Check, DebugAllocator, PAGE_ALLOCATOR};
use zigalloc::{Allocator, Error, mem};

#[derive(Clone, Copy)]
enum Value<'a> {
    String(&'a str),
    Integer(i64),
    Boolean(bool),
    Array(&'a [Value<'a>]),
}

impl Value<'_> {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Value::String(text) => write!(out, "\"{text}\""),
            Value::Integer(number) => write!(out, "{number}"),
            Value::Boolean(boolean) => write!(out, "{boolean}"),
            Value::Array(items) => {
                write!(out, "[")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        write!(out, ", ")?;
                    }
                    item.print(out)?;
                }
                write!(out, "]")
            }
        }
    }
}

type Table<'a> = StringArrayHashMap<'a, Value<'a>, &'a str>;

struct Document<'a> {
    arena: Allocator<'a>,
    tables: StringArrayHashMap<'a, Table<'a>, &'a str>,
}

impl<'a> Document<'a> {
    fn get(&self, table: &str, key: &str) -> Option<Value<'a>> {
        let entries = self.tables.get(table)?;
        entries.get(key).copied()
    }

    fn get_integer(&self, table: &str, key: &str) -> Result<Option<i64>, WrongType> {
        match self.get(table, key) {
            None => Ok(None),
            Some(Value::Integer(number)) => Ok(Some(number)),
            Some(_) => Err(WrongType),
        }
    }

    /// Adds the entries of another document. Those that are there already stay.
    fn add_defaults(&mut self, defaults: &Document<'a>) -> Result<(), Error> {
        for (name, table) in defaults.tables.iter() {
            let new = |_: &_| Ok::<_, Error>(Table::init(self.arena));
            let result = self.tables.get_or_put_with(*name, new)?;
            for (key, value) in table.iter() {
                result.value_ptr.get_or_put_value(*key, *value)?;
            }
        }
        Ok(())
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for (name, table) in self.tables.iter() {
            if !name.is_empty() {
                writeln!(out, "[{name}]")?;
            }
            for (key, value) in table.iter() {
                write!(out, "{key} = ")?;
                value.print(out)?;
                writeln!(out)?;
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct WrongType;

#[derive(Debug, thiserror::Error)]
#[error("{self:?}")]
enum ParseError {
    UnexpectedCharacter,
    UnterminatedString,
    InvalidEscape,
    InvalidNumber,
    InvalidUtf8,
    InvalidValue,
    DuplicateKey,
    DuplicateTable,
    OutOfMemory(#[from] Error),
}

struct Parser<'a> {
    arena: Allocator<'a>,
    text: &'a str,
    index: usize,
}

impl<'a> Parser<'a> {
    fn init(arena: Allocator<'a>, text: &'a str) -> Parser<'a> {
        Parser { arena, text, index: 0 }
    }

    fn parse(&mut self) -> Result<Document<'a>, ParseError> {
        let mut document = Document { arena: self.arena, tables: StringArrayHashMap::init(self.arena) };
        let mut name = "";
        let mut table = Table::init(self.arena);
        loop {
            self.skip_lines();
            match self.peek() {
                0 | b'[' => {
                    if document.tables.contains(name) {
                        return Err(ParseError::DuplicateTable);
                    }
                    document.tables.put(name, table)?;
                    if self.peek() == 0 {
                        return Ok(document);
                    }
                    name = self.parse_header()?;
                    table = Table::init(self.arena);
                }
                _ => self.parse_entry(&mut table)?,
            }
            self.expect_end_of_line()?;
        }
    }

    fn parse_header(&mut self) -> Result<&'a str, ParseError> {
        self.expect(b'[')?;
        let name = self.parse_key()?;
        self.expect(b']')?;
        Ok(name)
    }

    fn parse_entry(&mut self, table: &mut Table<'a>) -> Result<(), ParseError> {
        let key = self.parse_key()?;
        self.skip_blanks();
        self.expect(b'=')?;
        self.skip_blanks();
        let result = table.get_or_put_with(key, |_| self.parse_value())?;
        if result.found_existing {
            return Err(ParseError::DuplicateKey);
        }
        Ok(())
    }

    fn parse_key(&mut self) -> Result<&'a str, ParseError> {
        let start = self.index;
        while is_key_character(self.peek()) {
            self.index += 1;
        }
        if self.index == start {
            return Err(ParseError::UnexpectedCharacter);
        }
        Ok(&self.text[start..self.index])
    }

    fn parse_value(&mut self) -> Result<Value<'a>, ParseError> {
        Ok(match self.peek() {
            b'"' => Value::String(self.parse_string()?),
            b'[' => Value::Array(self.parse_array()?),
            b'-' | b'0'..=b'9' => Value::Integer(self.parse_integer()?),
            _ => Value::Boolean(self.parse_boolean()?),
        })
    }

    fn parse_string(&mut self) -> Result<&'a str, ParseError> {
        self.expect(b'"')?;
        let mut text = ArrayList::init(self.arena);
        loop {
            match self.next() {
                b'"' => break,
                0 | b'\n' => return Err(ParseError::UnterminatedString),
                b'\\' => text.append(self.parse_escape()?)?,
                byte => text.append(byte)?,
            }
        }
        std::str::from_utf8(OwnedBox::leak(text.to_owned_slice()?)).map_err(|_| ParseError::InvalidUtf8)
    }

    fn parse_escape(&mut self) -> Result<u8, ParseError> {
        match self.next() {
            b'"' => Ok(b'"'),
            b'\\' => Ok(b'\\'),
            b'n' => Ok(b'\n'),
            b't' => Ok(b'\t'),
            b'x' => {
                let end = (self.index + 2).min(self.text.len());
                let digits = self.text.get(self.index..end).ok_or(ParseError::InvalidEscape)?;
                self.index = end;
                u8::from_str_radix(digits, 16).map_err(|_| ParseError::InvalidEscape)
            }
            _ => Err(ParseError::InvalidEscape),
        }
    }

    fn parse_array(&mut self) -> Result<&'a [Value<'a>], ParseError> {
        self.expect(b'[')?;
        let mut items = ArrayList::init(self.arena);
        loop {
            self.skip_lines();
            if self.peek() == b']' {
                break;
            }
            items.append(self.parse_value()?)?;
            self.skip_lines();
            if self.peek() != b',' {
                break;
            }
            self.index += 1;
        }
        self.expect(b']')?;
        Ok(OwnedBox::leak(items.to_owned_slice()?))
    }

    fn parse_integer(&mut self) -> Result<i64, ParseError> {
        let word = self.parse_key()?;
        word.parse().map_err(|_| ParseError::InvalidNumber)
    }

    fn parse_boolean(&mut self) -> Result<bool, ParseError> {
        match self.parse_key() {
            Ok("true") => Ok(true),
            Ok("false") => Ok(false),
            _ => Err(ParseError::InvalidValue),
        }
    }

    /// The next byte, or 0 at the end of the text.
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.index).copied().unwrap_or(0)
    }

    fn next(&mut self) -> u8 {
        let byte = self.peek();
        self.index += usize::from(byte != 0);
        byte
    }

    fn expect(&mut self, byte: u8) -> Result<(), ParseError> {
        if self.next() != byte {
            return Err(ParseError::UnexpectedCharacter);
        }
        Ok(())
    }

    fn expect_end_of_line(&mut self) -> Result<(), ParseError> {
        self.skip_blanks();
        if !b"#\n\0".contains(&self.peek()) {
            return Err(ParseError::UnexpectedCharacter);
        }
        Ok(())
    }

    fn skip_blanks(&mut self) {
        while self.peek() == b' ' || self.peek() == b'\t' {
            self.index += 1;
        }
    }

    /// Skips blanks, comments and the ends of lines.
    fn skip_lines(&mut self) {
        self.skip_blanks();
        while self.peek() == b'#' || self.peek() == b'\n' {
            let rest = &self.text[self.index..];
            self.index += rest.find('\n').unwrap_or(rest.len() - 1) + 1;
            self.skip_blanks();
        }
    }

    /// The line of the next byte, counted from 1.
    fn line(&self) -> usize {
        mem::count(&self.text.as_bytes()[..self.index], b"\n") + 1
    }
}

fn is_key_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

const EXAMPLE_TEXT: &str = r#"# of no table
title = "TOML \"in\" \x5aig"
[server] # its table
host = "example.org"
ports = [8000, 8001,
    -1, # a comment
]
[limits]
enabled = true
nested = [[1, 2], [], ["a\tb", false]]"#;

const DEFAULT_TEXT: &str = r#"timeout = 30
[limits]
enabled = false
connections = 1000
[log]
level = "info""#;

const MISTAKEN_TEXTS: [&str; 13] = [
    "key",
    "key = ",
    "key = nothing",
    "key = 12x",
    "key = 99999999999999999999",
    "one = 1\ntwo = \"open",
    "key = \"\\q\"",
    "key = \"\\xff\"",
    "key = [1, 2",
    "key = 1\n\nkey = 2",
    "[table]\nkey = 1 2",
    "[table]\n[table]\n",
    "[table",
];

fn run(allocator: Allocator<'_>, out: &mut dyn Write) -> Result<(), Box<dyn std::error::Error>> {
    let arena_state = ArenaAllocator::init(allocator);
    let arena = arena_state.allocator();

    let mut parser = Parser::init(arena, EXAMPLE_TEXT);
    let mut document = parser.parse()?;
    document.print(out)?;
    parser = Parser::init(arena, DEFAULT_TEXT);
    document.add_defaults(&parser.parse()?)?;
    writeln!(out, "with defaults:")?;
    document.print(out)?;

    for key in ["connections", "requests", "enabled"] {
        match document.get_integer("limits", key) {
            Ok(Some(number)) => writeln!(out, "{key}: {number}")?,
            Ok(None) => writeln!(out, "{key}: null")?,
            Err(error) => writeln!(out, "{key}: {error:?}")?,
        }
    }
    for text in MISTAKEN_TEXTS {
        parser = Parser::init(arena, text);
        match parser.parse() {
            Ok(_) => writeln!(out, "no mistake: {text}")?,
            Err(ParseError::OutOfMemory(error)) => return Err(error.into()),
            Err(error) => writeln!(out, "line {}: {error:?}", parser.line())?,
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let debug_allocator = DebugAllocator::init(PAGE_ALLOCATOR);
    run(*debug_allocator.allocator(), &mut io::stdout())?;
    assert_eq!(debug_allocator.deinit(), Check::Ok);
    Ok(())
}

#[test]
fn every_allocation_may_fail() {
    zigalloc::testing::with_allocator(|allocator| {
        zigalloc::testing::check_all_allocation_failures(*allocator, |allocator| {
            run(allocator, &mut io::sink())
        })
    })
    .unwrap();
}
