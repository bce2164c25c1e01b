//! Capturing code addresses, and displaying them for humans.
//!
//! With the feature `backtrace`, an address is displayed as function, file and line, and whole stacks are
//! captured. Without it, an address is displayed as a number and a stack is its first address only.

use core::fmt;
#[cfg(feature = "backtrace")]
use std::{
    path::Path,
    string::{String, ToString},
    vec::Vec,
};

/// A code address, displayed for humans. 0 means unknown.
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

/// A function, displayed by its name if that can be found, otherwise by its address.
#[derive(Clone, Copy)]
pub(crate) struct Function(pub(crate) *const ());

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Under Miri functions have no symbols.
        #[cfg(all(feature = "backtrace", not(miri)))]
        // A lookup is for the byte before an address, since return addresses follow their call. The outermost
        // function is the one that starts at the address; the others are inlined into it.
        if let Some(place) = places(self.0.addr() + 1, &[]).pop() {
            return f.write_str(&place.name);
        }
        write!(f, "{:?}", self.0)
    }
}

/// The function, file and line of an address, if the program has debug information.
///
/// The typed methods of `Allocator` are always inlined, and a library may inline its own calls of them, so the
/// innermost functions may not be the program's. The result is the first function that belongs to the program;
/// otherwise the first that is not of this crate; otherwise the outermost.
#[cfg(feature = "backtrace")]
fn resolve(address: usize) -> Option<String> {
    let mut places = places(address, SKIP_FRAMES);
    let program = places.iter().position(|place| place.origin == Origin::Program);
    let caller = program.or_else(|| places.iter().position(|place| place.origin != Origin::Own));
    let index = caller.or(places.len().checked_sub(1))?;
    Some(places.swap_remove(index).to_string())
}

/// A function that contains an address, and the line.
#[cfg(feature = "backtrace")]
struct Place {
    name: String,
    location: Option<(std::path::PathBuf, Option<u32>)>,
    origin: Origin,
}

#[cfg(feature = "backtrace")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// This crate.
    Own,
    /// A library whose functions are skipped.
    Skipped,
    Program,
}

/// The functions that contain an address, innermost first. There are several if some are inlined into others.
#[cfg(feature = "backtrace")]
fn places(address: usize, skip: &[&str]) -> Vec<Place> {
    let _looking = Looking::begin();
    let mut places = Vec::new();
    backtrace::resolve(core::ptr::without_provenance_mut(address), |symbol| {
        let Some(name) = symbol.name() else { return };
        let name = std::format!("{name:#}");
        let origin = if is_own(&name, symbol.filename()) {
            Origin::Own
        } else if is_skipped(&name, symbol.filename(), skip) {
            Origin::Skipped
        } else {
            Origin::Program
        };
        let location = symbol.filename().map(|file| (file.to_owned(), symbol.lineno()));
        places.push(Place { name, location, origin });
    });
    places
}

#[cfg(feature = "backtrace")]
std::thread_local! {
    /// Whether this thread is looking up symbols. A lookup allocates thousands of blocks and keeps many of them. If the
    /// global allocator captures the stack for each, that takes minutes, and the leak reports are mostly about the
    /// lookup itself.
    static IS_LOOKING: core::cell::Cell<bool> = const { core::cell::Cell::new(false) };
}

/// While this guard exists, its thread does not walk stacks.
#[cfg(feature = "backtrace")]
struct Looking {
    before: bool,
}

#[cfg(feature = "backtrace")]
impl Looking {
    fn begin() -> Looking {
        Looking { before: IS_LOOKING.replace(true) }
    }
}

#[cfg(feature = "backtrace")]
impl Drop for Looking {
    fn drop(&mut self) {
        IS_LOOKING.set(self.before);
    }
}

#[cfg(feature = "backtrace")]
impl Place {
    /// Whether this is the function of the standard library that calls `main`, a thread's function or a test.
    fn is_runtime(&self) -> bool {
        self.name.contains("__rust_begin_short_backtrace")
    }
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

/// Calls `write` with a line for each function on a stack that [`fill_stack`] captured, for at most `most` addresses.
///
/// Omits, and does not count, functions of this crate, functions that `skip` names, and whatever called `main`, or the
/// thread's or the test's function. If that leaves nothing, writes the lines of the first addresses instead.
#[cfg(feature = "std")]
pub(crate) fn for_each_line(
    addresses: &[usize],
    most: usize,
    skip: &[&str],
    mut write: impl FnMut(&dyn fmt::Display) -> fmt::Result,
) -> fmt::Result {
    #[cfg(feature = "backtrace")]
    {
        let mut left = most;
        let mut is_written = false;
        for &address in addresses {
            let places = places(address, skip);
            if left == 0 || places.iter().any(Place::is_runtime) {
                break;
            }
            if places.is_empty() {
                write(&format_args!("{address:#x}"))?;
            }
            let is_shown = |place: &&Place| place.origin == Origin::Program;
            places.iter().filter(is_shown).try_for_each(|place| write(place))?;
            if places.is_empty() || places.iter().any(|place| is_shown(&place)) {
                is_written = true;
                left -= 1;
            }
        }
        if is_written {
            return Ok(());
        }
        let mut places = addresses.iter().take(most).flat_map(|&address| places(address, &[]));
        places.try_for_each(|place| write(&place))
    }
    #[cfg(not(feature = "backtrace"))]
    {
        let _ = skip;
        addresses.iter().take(most).try_for_each(|&address| write(&Symbol(address)))
    }
}

/// Selects the addresses of a stack that [`for_each_line`] shows, and looks each address up once.
#[cfg(feature = "backtrace")]
pub(crate) struct Shown {
    skip: &'static [&'static str],
    /// The result for each address that was looked up.
    known: std::collections::HashMap<usize, Look>,
}

#[cfg(feature = "backtrace")]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Shown,
    Skipped,
    Runtime,
}

#[cfg(feature = "backtrace")]
impl Shown {
    pub(crate) fn new(skip: &'static [&'static str]) -> Shown {
        Shown { skip, known: std::collections::HashMap::new() }
    }

    /// At most `most` of the addresses: those that are shown, or the first ones if none is.
    pub(crate) fn of(&mut self, addresses: &[usize], most: usize) -> Vec<usize> {
        let mut shown = Vec::new();
        for &address in addresses {
            match self.look_up(address) {
                Look::Runtime => break,
                Look::Skipped => {}
                Look::Shown => shown.push(address),
            }
            if shown.len() == most {
                return shown;
            }
        }
        if shown.is_empty() { addresses[..most.min(addresses.len())].to_vec() } else { shown }
    }

    fn look_up(&mut self, address: usize) -> Look {
        *self.known.entry(address).or_insert_with(|| {
            let places = places(address, self.skip);
            if places.iter().any(Place::is_runtime) {
                Look::Runtime
            } else if places.is_empty() || places.iter().any(|place| place.origin == Origin::Program) {
                Look::Shown
            } else {
                Look::Skipped
            }
        })
    }
}

/// The first addresses of a stack that belong to the program, or the first of all if none does. Unused elements are 0.
pub(crate) fn program_frames<const N: usize>(stack: &[usize]) -> [usize; N] {
    let known = stack.iter().position(|&address| address == 0).unwrap_or(stack.len());
    let stack = &stack[..known];
    #[cfg(feature = "backtrace")]
    let shown = Shown::new(SKIP_FRAMES).of(stack, N);
    #[cfg(not(feature = "backtrace"))]
    let shown = stack;
    let mut frames = [0; N];
    frames.iter_mut().zip(shown.iter().copied()).for_each(|(frame, address)| *frame = address);
    frames
}

/// Whether a function belongs to this crate, by its name or else by its file: in a build with line tables only,
/// the names of inlined functions are short.
#[cfg(feature = "backtrace")]
fn is_own(name: &str, file: Option<&Path>) -> bool {
    // `zigalloc::f`, or `<zigalloc::T>::f` in the newer mangling scheme.
    if name.trim_start_matches('<').starts_with("zigalloc::") {
        return true;
    }
    let Some(file) = file else { return false };
    // `--remap-path-prefix` changes the paths that the compiler writes; `file!` shows one such path.
    // It is relative to the workspace, and a bare `src` would match any crate.
    let written = Path::new(file!()).ancestors().nth(1).filter(|dir| *dir != Path::new("src"));
    file.starts_with(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
        || written.is_some_and(|dir| file.starts_with(dir))
}

/// The crates whose functions are skipped by default; see
/// [`DebugConfig::skip_frames`](crate::heap::DebugConfig::skip_frames).
#[cfg_attr(not(feature = "std"), allow(dead_code))]
pub(crate) const SKIP_FRAMES: &[&str] = &[
    "std",
    "core",
    "alloc",
    "test",
    "allocator_api2",
    "arrayvec",
    "blink_alloc",
    "bump_scope",
    "bumpalo",
    "bytes",
    "hashbrown",
    "indexmap",
    "slab",
    "smallvec",
    "thin_vec",
];

/// Whether a function belongs to one of the crates or paths in `skip`, or is one of them, by its name or else by its
/// file: in a build with line tables only, the names of inlined functions are short.
#[cfg(feature = "backtrace")]
fn is_skipped(name: &str, file: Option<&Path>, skip: &[&str]) -> bool {
    skip.iter().any(|prefix| is_of(name, file, prefix))
}

#[cfg(feature = "backtrace")]
fn is_of(name: &str, file: Option<&Path>, prefix: &str) -> bool {
    const LIBRARY: [&str; 4] = ["core", "alloc", "std", "test"];
    // `hashbrown::map::f`, `<hashbrown::map::T as Trait>::f`.
    let path = name.trim_start_matches(['<', '&']);
    if path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("::")) {
        return true;
    }
    // A function that the program names. Names of the default list are crates only, since a function may have one too.
    if path == prefix && !SKIP_FRAMES.contains(&prefix) {
        return true;
    }
    // The shims that the compiler generates between a program and its global allocator.
    if prefix == "alloc" && ["__rust_", "__rg_", "__rdl_"].iter().any(|shim| name_of(name).starts_with(shim))
    {
        return !name.contains("__rust_begin_short_backtrace");
    }
    let Some(file) = file.filter(|_| !prefix.contains("::")) else { return false };
    let parts: Vec<&str> = file.iter().filter_map(|part| part.to_str()).collect();
    if LIBRARY.contains(&prefix) {
        // `…/library/core/src/…`
        return parts.windows(3).any(|part| *part == ["library", prefix, "src"]);
    }
    // `…/hashbrown-0.15.2/src/…`, or without the version if it is vendored.
    let is_crate = |part: &str| {
        let (name, rest) = part.split_at_checked(prefix.len()).unwrap_or((part, ""));
        let is_version =
            |rest: &str| rest.starts_with('-') && rest[1..].starts_with(|c: char| c.is_ascii_digit());
        name.replace('-', "_") == prefix && (rest.is_empty() || is_version(rest))
    };
    parts.windows(2).any(|part| is_crate(part[0]) && part[1] == "src")
}

/// The last segment of a path.
#[cfg(feature = "backtrace")]
fn name_of(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

/// How many addresses of a stack are captured: enough for the skipped ones and those that are shown.
pub(crate) const STACK: usize = 64;

/// The stack of the call that passed `return_address`: first that address, then the return
/// addresses of its function's callers. Unknown elements are 0.
///
/// Without the feature `backtrace` only the first address is known. With it, only the unwinder allocates.
pub(crate) fn stack_addresses<const N: usize>(return_address: usize) -> [usize; N] {
    let mut addresses = [0; N];
    fill_stack(return_address, (0, 0), &mut addresses);
    addresses
}

/// Writes [`stack_addresses`] to a slice of zeros. While this thread is looking up symbols for this crate, writes only
/// the first address.
///
/// `place` is for a call without a return address: the allocator's function that was called, and an address inside of
/// it. The stack then starts at the caller of that function. But if the function was inlined into its caller, or if
/// another copy of it was called, the stack starts with the function that contains the address.
pub(crate) fn fill_stack(return_address: usize, place: (usize, usize), addresses: &mut [usize]) {
    if let Some(first) = addresses.first_mut() {
        *first = return_address;
    }
    #[cfg(feature = "backtrace")]
    if addresses.len() > 1 && !IS_LOOKING.get() {
        walk_stack(return_address, place, addresses);
    }
    #[cfg(not(feature = "backtrace"))]
    let _ = place;
}

#[cfg(feature = "backtrace")]
#[inline(never)]
fn walk_stack(return_address: usize, (entry, here): (usize, usize), addresses: &mut [usize]) {
    // The frames of the allocators come first; how many depends on inlining. The caller's frame is the one
    // whose function starts nearest below `return_address`: no other function starts in between. Where the
    // unwinder does not know where functions start (on Windows, where it returns the instruction instead), it is
    // the frame whose instruction is nearest to `return_address`. An address whose function is not on the stack
    // (anyone can pass anything) is attributed to another function, and frames may be missing after it.
    // Without any return address, everything up to this function is omitted.
    let this = (walk_stack as *const ()).addr();
    let (entry, inside) = match (return_address, here) {
        (0, 0) => (this, this),
        (0, _) => (entry, here),
        (known, _) => (entry, known),
    };
    let mut caller = 0;
    let mut own = 0;
    let mut nearest = 0;
    // The same without knowing where functions start: the distance, and the frame.
    let mut near_instruction = (usize::MAX, 0);
    let mut knows_beginnings = false;
    let mut depth = 0;
    // The part of the stack that is examined: the allocators' frames, and twice as many as are wanted.
    let mut stack = [0; 2 * STACK];
    trace(|frame| {
        stack[depth] = frame.ip().addr();
        depth += 1;
        let begin = frame.symbol_address().addr();
        if begin == frame.ip().addr() {
            near_instruction = near_instruction.min((begin.abs_diff(inside), depth));
            return depth < stack.len();
        }
        knows_beginnings = true;
        if begin == this {
            own = depth;
        }
        if begin <= inside && begin > nearest {
            nearest = begin;
            // How many frames to omit.
            caller = if return_address != 0 || begin == entry { depth } else { depth - 1 };
        }
        depth < stack.len()
    });
    if !knows_beginnings {
        caller = near_instruction.1;
    }
    // For an address of no function on the stack, omit at least the frames that cannot be its caller.
    caller = caller.max(own);
    let free = addresses.iter_mut().skip(usize::from(return_address != 0));
    free.zip(&stack[caller..depth]).for_each(|(to, from)| *to = *from);
}

/// Calls a function with each frame of the stack, until it returns false.
///
/// Does not use `backtrace::trace`, except on Windows: it has a process-wide lock, which in a forked process may
/// belong to a thread that no longer exists.
#[cfg(feature = "backtrace")]
fn trace(each: impl FnMut(&backtrace::Frame) -> bool) {
    #[cfg(windows)]
    backtrace::trace(each);
    // SAFETY: only Windows' library for stack walking needs synchronisation. Elsewhere this calls the unwinder,
    // which any thread may do, as for a panic.
    #[cfg(not(windows))]
    unsafe {
        backtrace::trace_unsynchronized(each);
    }
}

#[cfg(all(test, feature = "backtrace"))]
mod tests {
    use super::*;

    /// By its crate, its module, its own name, or the directory of its file. A function of the program can have the
    /// name of a library that is skipped by default.
    #[test]
    fn what_a_name_in_the_list_skips() {
        let lua = Some(Path::new("/build/lua-5.4.6/src/lapi.c"));
        for (name, file, prefix, expected) in [
            ("hashbrown::map::f", None, "hashbrown", true),
            ("<hashbrown::map::T as core::fmt::Debug>::f", None, "hashbrown", true),
            ("hashbrowns::f", None, "hashbrown", false),
            ("app::nodes::new", None, "app::nodes", true),
            ("app::nodes::new::{{closure}}", None, "app::nodes::new", true),
            ("app::nodes::new", None, "app::nodes::new", true),
            ("app::nodes::newer", None, "app::nodes::new", false),
            ("xmalloc", None, "xmalloc", true),
            ("xmalloc_array", None, "xmalloc", false),
            ("alloc", None, "alloc", false),
            ("test", None, "test", false),
            ("lua_newstate", lua, "lua", true),
            ("lua_newstate", lua, "lua_newstate", true),
            ("lua_newstate", lua, "luau", false),
        ] {
            assert_eq!(is_of(name, file, prefix), expected, "{name} by {prefix}");
        }
    }
}
