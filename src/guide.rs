//! A guide to allocators in chapters, and pages to read beside the reference.
//!
//! Their Rust code is compiled, and run where it can run.
//!
//! The chapters (`ch01_values`, `ch02_two_words` …) are for reading in order: each answers one question, has a picture
//! that its own program prints, and ends with exercises. In the repository they are the folder `guide/`, which mdBook
//! turns into a book. The other modules are the pages of `docs/`.

// ---- the guide ----

/// Why does a function take its allocator as an argument?
#[doc = include_str!("../guide/ch01_values.md")]
///
/// ---
///
/// Reference: [`Allocator`](crate::Allocator)
///
/// [next: 2. Two words and four functions](crate::guide::ch02_two_words)
pub mod ch01_values {}

/// What is in an allocator, and what happens when you call it?
#[doc = include_str!("../guide/ch02_two_words.md")]
///
/// ---
///
/// Reference: [`VTable`](crate::VTable), [`interface`](crate::interface)
///
/// [back: 1. Why allocators are values](crate::guide::ch01_values) · [next: 3. Alignment](crate::guide::ch03_alignment)
pub mod ch02_two_words {}

/// Why does a request have two numbers, and why is the second one an exponent?
#[doc = include_str!("../guide/ch03_alignment.md")]
///
/// ---
///
/// Reference: [`Alignment`](crate::Alignment)
///
/// [back: 2. Two words and four functions](crate::guide::ch02_two_words) · [next: 4. resize, remap, and who copies](crate::guide::ch04_resize)
pub mod ch03_alignment {}

/// A block is too short. Who makes it longer, and who copies what was in it?
#[doc = include_str!("../guide/ch04_resize.md")]
///
/// ---
///
/// Reference: [`interface`](crate::interface#choosing-between-resize-remap-and-realloc)
///
/// [back: 3. Alignment](crate::guide::ch03_alignment) · [next: 5. Return addresses](crate::guide::ch05_return_addresses)
pub mod ch04_resize {}

/// How can an allocator know which line of your program called it?
#[doc = include_str!("../guide/ch05_return_addresses.md")]
///
/// ---
///
/// Reference: [`return_address`](crate::return_address()), [`trace`](crate::trace)
///
/// [back: 4. resize, remap, and who copies](crate::guide::ch04_resize) · [next: 6. Your own allocator](crate::guide::ch06_your_own)
pub mod ch05_return_addresses {}

/// How much code is an allocator of your own?
#[doc = include_str!("../guide/ch06_your_own.md")]
///
/// ---
///
/// Reference: [`VTable`](crate::VTable), [`testing`](crate::testing)
///
/// [back: 5. Return addresses](crate::guide::ch05_return_addresses) · [next: 7. Fixed buffer](crate::guide::ch07_fixed_buffer)
pub mod ch06_your_own {}

/// How little does an allocator need to know?
#[doc = include_str!("../guide/ch07_fixed_buffer.md")]
///
/// ---
///
/// Reference: [`fixed_buffer`](crate::heap::fixed_buffer)
///
/// [back: 6. Your own allocator](crate::guide::ch06_your_own) · [next: 8. Arena](crate::guide::ch08_arena)
pub mod ch07_fixed_buffer {}

/// What if nothing had to be freed one by one?
#[doc = include_str!("../guide/ch08_arena.md")]
///
/// ---
///
/// Reference: [`arena`](crate::heap::arena)
///
/// [back: 7. Fixed buffer](crate::guide::ch07_fixed_buffer) · [next: 9. Pools](crate::guide::ch09_pools)
pub mod ch08_arena {}

/// What becomes easy if all blocks have the same size?
#[doc = include_str!("../guide/ch09_pools.md")]
///
/// ---
///
/// Reference: [`memory_pool`](crate::heap::memory_pool)
///
/// [back: 8. Arena](crate::guide::ch08_arena) · [next: 10. Pages](crate::guide::ch10_pages)
pub mod ch09_pools {}

/// Where does memory come from in the end?
#[doc = include_str!("../guide/ch10_pages.md")]
///
/// ---
///
/// Reference: [`page_allocator`](crate::heap::page_allocator)
///
/// [back: 9. Pools](crate::guide::ch09_pools) · [next: 11. General purpose](crate::guide::ch11_general_purpose)
pub mod ch10_pages {}

/// How does an allocator serve requests of all lengths, in any order, from any thread, and fast?
#[doc = include_str!("../guide/ch11_general_purpose.md")]
///
/// ---
///
/// Reference: [`smp_allocator`](crate::heap::smp_allocator)
///
/// [back: 10. Pages](crate::guide::ch10_pages) · [next: 12. Finding leaks and double frees](crate::guide::ch12_leaks)
pub mod ch11_general_purpose {}

/// How can an allocator find mistakes that the program does not notice?
#[doc = include_str!("../guide/ch12_leaks.md")]
///
/// ---
///
/// Reference: [`debug`](crate::heap::debug)
///
/// [back: 11. General purpose](crate::guide::ch11_general_purpose) · [next: 13. Thread safety](crate::guide::ch13_threads)
pub mod ch12_leaks {}

/// Which allocators may several threads use, and who checks it?
#[doc = include_str!("../guide/ch13_threads.md")]
///
/// ---
///
/// Reference: [`thread_safe`](crate::thread_safe)
///
/// [back: 12. Finding leaks and double frees](crate::guide::ch12_leaks) · [next: 14. Lock-free arenas](crate::guide::ch14_lock_free)
pub mod ch13_threads {}

/// How can threads share an arena without a lock?
#[doc = include_str!("../guide/ch14_lock_free.md")]
///
/// ---
///
/// Reference: [`shared_arena`](crate::heap::shared_arena)
///
/// [back: 13. Thread safety](crate::guide::ch13_threads) · [next: 15. Out of memory, as a test](crate::guide::ch15_out_of_memory)
pub mod ch14_lock_free {}

/// How do you test what a program does when it runs out of memory?
#[doc = include_str!("../guide/ch15_out_of_memory.md")]
///
/// ---
///
/// Reference: [`testing`](crate::testing)
///
/// [back: 14. Lock-free arenas](crate::guide::ch14_lock_free) · [next: 16. Over FFI](crate::guide::ch16_ffi)
pub mod ch15_out_of_memory {}

/// How does a library in another language use an allocator of yours?
#[doc = include_str!("../guide/ch16_ffi.md")]
///
/// ---
///
/// Reference: [`ffi`], [`c`]
///
/// [back: 15. Out of memory, as a test](crate::guide::ch15_out_of_memory) · [next: 17. From Zig 0.14 to 0.17](crate::guide::ch17_versions)
pub mod ch16_ffi {}

/// What has changed in Zig's allocators, and why is `ThreadSafeAllocator` gone?
#[doc = include_str!("../guide/ch17_versions.md")]
///
/// ---
///
/// Reference: [`differences`]
///
/// [back: 16. Over FFI](crate::guide::ch16_ffi) · [next: 18. Soundness: twenty-eight mistakes](crate::guide::ch18_soundness)
pub mod ch17_versions {}

/// What do people get wrong when they write allocators, and what stops them here?
#[doc = include_str!("../guide/ch18_soundness.md")]
///
/// ---
///
/// Reference: [`VTable`](crate::VTable#the-contract-of-an-allocator)
///
/// [back: 17. From Zig 0.14 to 0.17](crate::guide::ch17_versions) · [the twelve questions](crate::guide::questions)
pub mod ch18_soundness {}

/// What a reader of chapters 1 to 9 can answer.
#[doc = include_str!("../guide/questions.md")]
///
/// ---
///
/// [Answers](crate::guide::answers)
pub mod questions {}

/// The answers to the twelve questions.
#[doc = include_str!("../guide/answers.md")]
pub mod answers {}

// ---- the pages ----

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
