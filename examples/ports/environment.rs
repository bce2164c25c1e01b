//! An environment: variables with names and values of their own. Whatever fails in the middle, for lack of memory or
//! because of the text, the environment stays as it was.
//!
//! The port shows `errdefer`: names and values are owned blocks, so what a failing function has made so far is dropped,
//! and what `put` takes is the map's or is dropped. At the end a block of C strings needs `unsafe` as in any Rust.

use std::ffi::{CStr, c_char};
use std::io::{self, Write};
use std::ptr;

use zigalloc::collections::{ArrayList, AutoHashMap, OwnedBox, str_from_utf8};
use zigalloc::heap::{ArenaAllocator, Check, DebugAllocator, PAGE_ALLOCATOR};
use zigalloc::{Allocator, Error};

#[derive(Debug, thiserror::Error)]
#[error("{self:?}")]
enum EnvironmentError {
    InvalidName,
    MissingEquals,
    MissingBrace,
    UnknownVariable,
    NestedTooDeeply,
    OutOfMemory(#[from] Error),
}

struct Environment<'a> {
    allocator: Allocator<'a>,
    variables: AutoHashMap<'a, OwnedBox<'a, str>, OwnedBox<'a, str>>,
}

impl<'a> Environment<'a> {
    const MAX_DEPTH: usize = 8;

    fn init(allocator: Allocator<'a>) -> Environment<'a> {
        Environment { allocator, variables: AutoHashMap::init(allocator) }
    }

    fn clone(&self) -> Result<Environment<'a>, EnvironmentError> {
        let mut copy = Environment::init(self.allocator);
        for (name, value) in self.variables.iter() {
            copy.put(name, value)?;
        }
        Ok(copy)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| &**value)
    }

    /// Sets a variable to a copy of the value.
    fn put(&mut self, name: &str, value: &str) -> Result<(), EnvironmentError> {
        let copy = self.allocator.dupe_str_owned(value)?;
        self.put_owned(name, copy)
    }

    /// Sets a variable to a value. If this fails, the value is dropped.
    fn put_owned(&mut self, name: &str, value: OwnedBox<'a, str>) -> Result<(), EnvironmentError> {
        check_name(name)?;
        if let Some(place) = self.variables.get_ptr(name) {
            *place = value;
            return Ok(());
        }
        let copy = self.allocator.dupe_str_owned(name)?;
        Ok(self.variables.put(copy, value)?)
    }

    fn remove(&mut self, name: &str) -> bool {
        self.variables.remove(name)
    }

    /// Puts a text before or after the value of a variable, which may be new.
    fn extend(&mut self, name: &str, before: &str, after: &str) -> Result<(), EnvironmentError> {
        let old = self.get(name).unwrap_or_default();
        let value = self.allocator.print_owned(format_args!("{before}{old}{after}"))?;
        self.put_owned(name, value)
    }

    /// Replaces each `${NAME}` by the variable's value, itself expanded, and `$$` by one `$`.
    fn expand(&self, text: &str) -> Result<OwnedBox<'a, str>, EnvironmentError> {
        let mut result = ArrayList::init(self.allocator);
        self.expand_to(&mut result, text, 0)?;
        Ok(str_from_utf8(result.to_owned_slice()?).expect("it is made of strings"))
    }

    fn expand_to(
        &self,
        result: &mut ArrayList<'a, u8>,
        text: &str,
        depth: usize,
    ) -> Result<(), EnvironmentError> {
        if depth > Self::MAX_DEPTH {
            return Err(EnvironmentError::NestedTooDeeply);
        }
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            result.append_slice(&rest.as_bytes()[..dollar])?;
            rest = &rest[dollar + 1..];
            if rest.starts_with('{') {
                let end = rest.find('}').ok_or(EnvironmentError::MissingBrace)?;
                let value = self.get(&rest[1..end]).ok_or(EnvironmentError::UnknownVariable)?;
                self.expand_to(result, value, depth + 1)?;
                rest = &rest[end + 1..];
            } else {
                result.append(b'$')?;
                rest = rest.strip_prefix('$').unwrap_or(rest);
            }
        }
        Ok(result.append_slice(rest.as_bytes())?)
    }

    /// Sets the variables of lines `NAME=value`, in which values are expanded: all of them or, if this fails, none.
    fn load(&mut self, text: &str) -> Result<(), EnvironmentError> {
        let mut copy = self.clone()?;
        for line in text.split('\n') {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = line.split_once('=').ok_or(EnvironmentError::MissingEquals)?;
            let value = copy.expand(value)?;
            copy.put_owned(name, value)?;
        }
        *self = copy;
        Ok(())
    }

    /// Returns the names in order.
    fn sorted_names<'s>(&'s self, allocator: Allocator<'s>) -> Result<OwnedBox<'s, [&'s str]>, Error> {
        let mut names = ArrayList::init(allocator);
        names.ensure_total_capacity(self.variables.count())?;
        for key in self.variables.key_iterator() {
            names.append_assume_capacity(&**key);
        }
        names.sort_unstable();
        names.to_owned_slice()
    }

    fn print(&self, out: &mut dyn Write) -> Result<(), AnyError> {
        let names = self.sorted_names(self.allocator)?;
        for name in names.iter() {
            writeln!(out, "  {name}={}", self.get(name).unwrap())?;
        }
        Ok(())
    }

    /// Returns the variables as `execve` takes them. The strings belong to the arena.
    fn create_block<'b>(&self, arena: Allocator<'b>) -> Result<OwnedBox<'b, [*const c_char]>, Error> {
        let names = self.sorted_names(arena)?;
        let mut block = arena.alloc_filled(names.len() + 1, ptr::null())?;
        for (entry, name) in block.iter_mut().zip(names.iter()) {
            let value = self.get(name).unwrap();
            *entry = arena.print_sentinel(format_args!("{name}={value}"), 0)?.as_ptr().cast();
        }
        Ok(block)
    }
}

fn check_name(name: &str) -> Result<(), EnvironmentError> {
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(EnvironmentError::InvalidName);
    }
    for byte in name.bytes() {
        if !byte.is_ascii_alphanumeric() && byte != b'_' {
            return Err(EnvironmentError::InvalidName);
        }
    }
    Ok(())
}

/// What a C function does with a block: it has only the pointer.
///
/// # Safety
/// `block` points to pointers to C strings, the last of them null.
unsafe fn print_block(block: *const *const c_char, out: &mut dyn Write) -> io::Result<()> {
    let mut i = 0;
    loop {
        // SAFETY: no pointer before this one is null.
        let entry = unsafe { *block.add(i) };
        if entry.is_null() {
            return Ok(());
        }
        // SAFETY: a C string, by our caller.
        let text = unsafe { CStr::from_ptr(entry) };
        writeln!(out, "  {} bytes: {}", text.count_bytes(), text.to_bytes().escape_ascii())?;
        i += 1;
    }
}

const SYSTEM_TEXT: &str = "\
# what a login sets
HOME=/home/zig
SHELL=/bin/sh
PATH=/usr/bin:/bin
PRICE=$$5, or $6";

const USER_TEXT: &str = "\
BIN=${HOME}/bin
PATH=${BIN}:${PATH}
EMPTY=
PROMPT=${SHELL}=${EMPTY}$";

const MISTAKEN_TEXTS: [&str; 6] = [
    "HOME=/tmp\nPATH",
    "HOME=/tmp\n1ST=1",
    "HOME=/tmp\n=1",
    "HOME=/tmp\nTEMP=${HOME",
    "HOME=/tmp\nTEMP=${HOME}/${NOWHERE}",
    "LOOP=$${LOOP}\nHOME=${LOOP}",
];

type AnyError = Box<dyn std::error::Error>;

fn run(allocator: Allocator<'_>, out: &mut dyn Write) -> Result<(), AnyError> {
    let mut environment = Environment::init(allocator);
    environment.load(SYSTEM_TEXT)?;
    writeln!(out, "system:")?;
    environment.print(out)?;
    environment.load(USER_TEXT)?;
    writeln!(out, "user:")?;
    environment.print(out)?;

    for text in MISTAKEN_TEXTS {
        match environment.load(text) {
            Ok(()) => writeln!(out, "no mistake: {text}")?,
            Err(EnvironmentError::OutOfMemory(error)) => return Err(error.into()),
            Err(error) => writeln!(out, "{error}; HOME is {}", environment.get("HOME").unwrap())?,
        }
    }

    environment.extend("PATH", "/opt/bin:", "")?;
    environment.extend("LANG", "", "C")?;
    writeln!(out, "removed: {} {}", environment.remove("EMPTY"), environment.remove("EMPTY"))?;
    let arena = ArenaAllocator::init(allocator);
    let block = environment.create_block(arena.allocator())?;
    writeln!(out, "{} variables for execve:", block.len() - 1)?;
    // SAFETY: the strings of the arena, and a null.
    unsafe { print_block(block.as_ptr(), out)? };
    Ok(())
}

fn main() -> Result<(), AnyError> {
    let debug_allocator = DebugAllocator::init(PAGE_ALLOCATOR);
    run(*debug_allocator.allocator(), &mut io::stdout())?;
    assert_eq!(debug_allocator.deinit(), Check::Ok);
    Ok(())
}

#[test]
fn load_that_fails_changes_nothing() -> Result<(), EnvironmentError> {
    use zigalloc::testing::{FailingAllocator, FailingConfig, with_allocator};
    with_allocator(|allocator| {
        for fail_index in 0.. {
            let failing = FailingAllocator::init(*allocator, FailingConfig::default());
            let mut environment = Environment::init(failing.allocator());
            environment.load(SYSTEM_TEXT)?;
            failing.set_fail_index(failing.alloc_index() + fail_index);
            let Err(error) = environment.load(USER_TEXT) else {
                assert!(fail_index > 10);
                break;
            };
            assert!(matches!(error, EnvironmentError::OutOfMemory(_)));
            assert_eq!(environment.variables.count(), 4);
            assert_eq!(environment.get("PATH"), Some("/usr/bin:/bin"));
        }
        Ok(())
    })
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
