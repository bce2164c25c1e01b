//! Where code addresses come from and what they mean to a human.
//!
//! With the feature `backtrace`, an address is shown as function, file and line, and a stack can be
//! walked. Without it an address is shown as a number and a stack is its first address.

use core::fmt;
#[cfg(feature = "backtrace")]
use std::{
    path::Path,
    string::{String, ToString},
    vec::Vec,
};

/// An address in some function, displayed for humans. 0 means that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Symbol(pub(crate) usize);

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("an unknown place");
        }
        #[cfg(feature = "backtrace")]
        if let Some(place) = resolve(self.0) {
            return f.write_str(&place);
        }
        write!(f, "{:#x}", self.0)
    }
}

/// The function, file and line of an address, if the program has debug information.
///
/// The typed methods of `Allocator` are always inlined, so the innermost functions are this
/// crate's own. The first one that is not is the caller; if all are, the outermost must do.
#[cfg(feature = "backtrace")]
fn resolve(address: usize) -> Option<String> {
    let mut places = places(address);
    let caller = places.iter().position(|place| place.origin != Origin::Own);
    let index = caller.or(places.len().checked_sub(1))?;
    Some(places.swap_remove(index).to_string())
}

/// A function that an address is in, and the line.
#[cfg(feature = "backtrace")]
struct Place {
    name: String,
    location: Option<(std::path::PathBuf, Option<u32>)>,
    origin: Origin,
}

#[cfg(feature = "backtrace")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Own,
    Std,
    Program,
}

/// The functions of an address. There are several if some are inlined into others; the innermost
/// comes first.
#[cfg(feature = "backtrace")]
fn places(address: usize) -> Vec<Place> {
    let mut places = Vec::new();
    backtrace::resolve(core::ptr::without_provenance_mut(address), |symbol| {
        let Some(name) = symbol.name() else { return };
        let name = std::format!("{name:#}");
        let origin = if is_own(&name, symbol.filename()) {
            Origin::Own
        } else if is_std(&name, symbol.filename()) {
            Origin::Std
        } else {
            Origin::Program
        };
        let location = symbol.filename().map(|file| (file.to_owned(), symbol.lineno()));
        places.push(Place { name, location, origin });
    });
    places
}

#[cfg(feature = "backtrace")]
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.location {
            Some((file, Some(line))) => write!(f, " at {}:{line}", file.display()),
            Some((file, None)) => write!(f, " at {}", file.display()),
            None => Ok(()),
        }
    }
}

/// Calls `write` with a line for each function on a stack, as [`stack_addresses`] or [`fill_stack`]
/// return one.
///
/// This crate's functions are left out. The first line is of the program's own code; functions of the
/// standard library that it has called on the way come after it. What called `main`, or the thread's
/// or the test's function, is left out, too.
#[cfg(feature = "std")]
pub(crate) fn for_each_line(
    addresses: &[usize],
    mut write: impl FnMut(&dyn fmt::Display) -> fmt::Result,
) -> fmt::Result {
    #[cfg(feature = "backtrace")]
    {
        let mut lines: Vec<Place> = Vec::new();
        for &address in addresses {
            let places = places(address);
            if places.is_empty() {
                let name = std::format!("{address:#x}");
                lines.push(Place { name, location: None, origin: Origin::Program });
            }
            lines.extend(places);
        }
        if let Some(runtime) = lines.iter().position(|l| l.name.contains("__rust_begin_short_backtrace")) {
            lines.truncate(runtime);
        }
        if lines.iter().any(|line| line.origin != Origin::Own) {
            lines.retain(|line| line.origin != Origin::Own);
        }
        if let Some(first) = lines.iter().position(|line| line.origin == Origin::Program) {
            lines[..=first].rotate_right(1);
        }
        lines.iter().try_for_each(|line| write(line))
    }
    #[cfg(not(feature = "backtrace"))]
    addresses.iter().try_for_each(|&address| write(&Symbol(address)))
}

/// Whether a function is of this crate, which its name says or else its file: where only line tables
/// were compiled, the names of inlined functions are short.
#[cfg(feature = "backtrace")]
fn is_own(name: &str, file: Option<&Path>) -> bool {
    // `zigalloc::f`, or `<zigalloc::T>::f` in the newer scheme of names.
    if name.trim_start_matches('<').starts_with("zigalloc::") {
        return true;
    }
    let Some(file) = file else { return false };
    // The compiler can be told to write other paths than there are; `file!` is one that it wrote.
    // It is relative to the workspace, and `src` alone would be everybody's.
    let written = Path::new(file!()).ancestors().nth(2).filter(|dir| *dir != Path::new("src"));
    file.starts_with(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
        || written.is_some_and(|dir| file.starts_with(dir))
}

/// Whether a function is of the standard library, by its file, or else by its name.
#[cfg(feature = "backtrace")]
fn is_std(name: &str, file: Option<&Path>) -> bool {
    const CRATES: [&str; 4] = ["core", "alloc", "std", "test"];
    if let Some(file) = file {
        // `…/library/core/src/…`
        let parts: Vec<_> = file.iter().collect();
        return parts.windows(3).any(|part| {
            part[0] == "library" && CRATES.iter().any(|name| part[1] == *name) && part[2] == "src"
        });
    }
    let name = name.trim_start_matches('<');
    CRATES.iter().any(|prefix| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("::")))
}

/// The stack of the call that `return_address` came with: first that address, then the return
/// addresses of its function's callers. What is not known is 0.
///
/// Without the feature `backtrace` only the first address is known. With it, this allocates only
/// what the unwinder does.
pub(crate) fn stack_addresses<const N: usize>(return_address: usize) -> [usize; N] {
    let mut addresses = [0; N];
    fill_stack(return_address, (0, 0), &mut addresses);
    addresses
}

/// [`stack_addresses`] into a slice of zeros.
///
/// `place` is for where there is no return address: the function of the allocator that was called, and
/// an address inside of it. The stack begins at the caller of that function. But the function may be
/// inlined into its caller, or there may be several copies of it, of which another is called; then it
/// begins with whatever function that address is in.
pub(crate) fn fill_stack(return_address: usize, place: (usize, usize), addresses: &mut [usize]) {
    if let Some(first) = addresses.first_mut() {
        *first = return_address;
    }
    #[cfg(feature = "backtrace")]
    if addresses.len() > 1 {
        walk_stack(return_address, place, addresses);
    }
    #[cfg(not(feature = "backtrace"))]
    let _ = place;
}

#[cfg(feature = "backtrace")]
#[inline(never)]
fn walk_stack(return_address: usize, (entry, here): (usize, usize), addresses: &mut [usize]) {
    // The frames of the allocators come first; how many there are depends on what was inlined. The
    // caller's is the one whose function begins nearest below `return_address`: no other begins
    // between. Where the unwinder does not know where functions begin (it says so by giving the
    // instruction itself), all frames are kept. An address whose function is not on the stack (anyone
    // can pass anything) is taken for one of another function, and frames may be missing behind it.
    // Where there are no return addresses at all, it is this function that everything up to is left out.
    let this = (walk_stack as *const ()).addr();
    let (entry, inside) = match (return_address, here) {
        (0, 0) => (this, this),
        (0, _) => (entry, here),
        (known, _) => (entry, known),
    };
    let mut caller = 0;
    let mut nearest = 0;
    let mut depth = 0;
    backtrace::trace(|frame| {
        depth += 1;
        let begin = frame.symbol_address().addr();
        if begin == frame.ip().addr() {
            return true;
        }
        if begin <= inside && begin > nearest {
            nearest = begin;
            // How many frames to leave out.
            caller = if return_address != 0 || begin == entry { depth } else { depth - 1 };
        }
        true
    });
    let mut free = addresses.iter_mut().skip(usize::from(return_address != 0));
    let mut depth = 0;
    backtrace::trace(|frame| {
        depth += 1;
        if depth <= caller {
            return true;
        }
        match free.next() {
            Some(address) => *address = frame.ip().addr(),
            None => return false,
        }
        true
    });
}
