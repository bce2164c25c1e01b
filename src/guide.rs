//! The pages of `docs/`, to read beside the reference.
//!
//! Their Rust code is compiled, and run where it can run.

/// Zig code and the same program in Rust, side by side: `docs/porting.md`.
#[doc = include_str!("../docs/porting.md")]
// Parts of Zig that have no item here.
#[doc(alias(
    "defer",
    "errdefer",
    "try",
    "catch",
    "orelse",
    "unreachable",
    "comptime",
    "anytype",
    "anyopaque",
    "undefined",
    "@memcpy",
    "@memset",
    "@memmove",
    "memcpy",
    "memset",
    "memmove",
    "@ptrCast",
    "@alignCast",
    "@intCast",
    "@truncate",
    "@bitCast",
    "@intFromPtr",
    "@ptrFromInt",
    "@typeInfo",
    "@panic",
    "std.mem.eql",
    "mem.eql",
    "std.mem.sort",
    "parseInt",
    "bufPrint",
    "std.fmt.bufPrint",
    "std.fmt.parseInt",
    "std.Thread.spawn",
    "std.Thread.Mutex",
    "std.json.Parsed",
))]
pub mod porting {}

/// Passing an allocator to a Zig library: `docs/ffi.md`.
#[doc = include_str!("../docs/ffi.md")]
pub mod ffi {}

/// The C library: `docs/c.md`.
#[doc = include_str!("../docs/c.md")]
pub mod c {}

/// The Zig package: `docs/zig.md`.
#[doc = include_str!("../docs/zig.md")]
pub mod zig {}

/// Containers, global allocators, and allocators of other crates: `docs/adapters.md`.
#[doc = include_str!("../docs/adapters.md")]
pub mod adapters {}

/// Measurements, with the command for each: `docs/performance.md`.
#[doc = include_str!("../docs/performance.md")]
pub mod performance {}

/// Where the tests pass: `docs/platforms.md`.
#[doc = include_str!("../docs/platforms.md")]
pub mod platforms {}

/// Every deliberate difference from Zig 0.15.2: `docs/differences.md`.
#[doc = include_str!("../docs/differences.md")]
pub mod differences {}
