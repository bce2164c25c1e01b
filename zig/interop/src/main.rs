//! Part of `cargo xtask interop`: runs this crate's conformance functions over Zig's allocators.
//!
//! ```text
//! zigalloc-interop LIBRARY FUNCTION ALLOCATOR
//! ```
//!
//! LIBRARY is the library built from `../allocators.zig`. One process runs one case. The exit code is 0 if it passes,
//! and `ABSENT` if the library has no such allocator.

use std::ffi::{CString, c_char, c_int};
use std::mem::MaybeUninit;
use std::process::ExitCode;

use libloading::{Library, Symbol};
use zigalloc::Allocator;
use zigalloc::testing::{self, StrictConfig};

const ABSENT: u8 = 77;

type Open = unsafe extern "C" fn(name: *const c_char, handle: *mut MaybeUninit<Allocator<'static>>) -> c_int;
type Close = unsafe extern "C" fn() -> c_int;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [library, function, allocator] = args.as_slice() else {
        eprintln!("usage: zigalloc-interop LIBRARY FUNCTION ALLOCATOR");
        return ExitCode::FAILURE;
    };
    // SAFETY: the library has no initialisers, and stays loaded.
    let library = unsafe { Library::new(library) }.unwrap_or_else(|error| panic!("{library}: {error}"));
    // SAFETY: the functions have these types, according to the Zig source.
    let (open, close): (Symbol<'_, Open>, Symbol<'_, Close>) = unsafe {
        (
            library.get(b"zig_open").expect("an exported function"),
            library.get(b"zig_close").expect("an exported function"),
        )
    };

    let name = CString::new(allocator.as_str()).expect("a name without zero bytes");
    let mut handle = MaybeUninit::uninit();
    // SAFETY: `name` is a C string, and `handle` has room for a handle.
    if unsafe { open(name.as_ptr(), &raw mut handle) } != 0 {
        return ExitCode::from(ABSENT);
    }
    // SAFETY: `zig_open` has stored a handle, which is valid until `zig_close`. The allocator keeps the contract, which
    // is what this program tests.
    let handle = unsafe { handle.assume_init() };
    match function.as_str() {
        "test_allocator" => testing::test_allocator(handle),
        "test_allocator_aligned" => testing::test_allocator_aligned(handle),
        "test_allocator_large_alignment" => testing::test_allocator_large_alignment(handle),
        "test_allocator_aligned_shrink" => testing::test_allocator_aligned_shrink(handle),
        "test_allocator_strict" => testing::test_allocator_strict(handle),
        "strict, possible lengths" => {
            let config = StrictConfig { huge_lengths: false, ..StrictConfig::default() };
            testing::test_allocator_strict_with(handle, &config);
        }
        _ => panic!("unknown function {function:?}"),
    }
    // SAFETY: the handle is no longer used.
    if unsafe { close() } != 0 {
        eprintln!("{function} leaked blocks of {allocator}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
