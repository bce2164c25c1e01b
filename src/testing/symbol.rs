//! Where code addresses come from and what they mean to a human.
//!
//! With the feature `backtrace`, an address is shown as function, file and line, and a stack can be
//! walked. Without it an address is shown as a number and a stack is its first address.

use core::fmt;

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
/// An address has several functions when some are inlined into others; the innermost comes first.
/// The typed methods of `Allocator` are always inlined, so the innermost functions are this
/// crate's own. The first one that is not is the caller; if all are, the outermost must do.
#[cfg(feature = "backtrace")]
fn resolve(address: usize) -> Option<std::string::String> {
    let mut place = None;
    let mut decided = false;
    backtrace::resolve(core::ptr::without_provenance_mut(address), |symbol| {
        if decided {
            return;
        }
        let Some(name) = symbol.name() else { return };
        let name = std::format!("{name:#}");
        decided = !is_own(&name, symbol.filename());
        place = Some(match (symbol.filename(), symbol.lineno()) {
            (Some(file), Some(line)) => std::format!("{name} at {}:{line}", file.display()),
            (Some(file), None) => std::format!("{name} at {}", file.display()),
            _ => name,
        });
    });
    place
}

/// Whether a function is of this crate, which its name says or else its file: where only line tables
/// were compiled, the names of inlined functions are short.
#[cfg(feature = "backtrace")]
fn is_own(name: &str, file: Option<&std::path::Path>) -> bool {
    use std::path::Path;

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

/// The stack of the call that `return_address` came with: first that address, then the return
/// addresses of its function's callers. What is not known is 0.
///
/// Without the feature `backtrace` only the first address is known. With it, this allocates only
/// what the unwinder does.
pub(crate) fn stack_addresses<const N: usize>(return_address: usize) -> [usize; N] {
    let mut addresses = [0; N];
    if let Some(first) = addresses.first_mut() {
        *first = return_address;
    }
    #[cfg(feature = "backtrace")]
    walk_stack(return_address, &mut addresses);
    addresses
}

#[cfg(feature = "backtrace")]
fn walk_stack(return_address: usize, addresses: &mut [usize]) {
    // The frames of the allocators come first; how many there are depends on what was inlined. The
    // caller's is the one whose function begins nearest below `return_address`: no other begins
    // between. Where the unwinder does not know where functions begin (it says so by giving the
    // instruction itself), or the function is not on the stack, all frames are kept.
    let mut caller = 0;
    let mut nearest = 0;
    let mut depth = 0;
    backtrace::trace(|frame| {
        depth += 1;
        let begin = frame.symbol_address().addr();
        if begin != frame.ip().addr() && begin <= return_address && begin > nearest {
            nearest = begin;
            caller = depth;
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
