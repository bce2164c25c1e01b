//! Pages of the operating system, and how large they are.
//!
//! Each system has a module with these functions. Sizes are multiples of the page size, above zero and at most
//! `isize::MAX`; alignments are [valid](crate::Alignment::is_valid).
//!
//! ```text
//! fn map(size, alignment) -> Option<NonNull<u8>>
//!     Pages, aligned.
//! unsafe fn unmap(memory, size)
//!     Frees the pages that `map` or `remap` returned, all of them.
//! unsafe fn remap(memory, size, new_size, may_move) -> Option<NonNull<u8>>
//!     Another number of pages, at the same address unless they may move; or `None`, and nothing has changed.
//!     Moved pages are aligned to a page.
//! unsafe fn discard(memory, size) -> bool
//!     Releases the memory of pages that stay mapped, and whose content is lost; false if that is not possible.
//! unsafe fn advise_huge_pages(memory, size)
//!     Asks for huge pages, of which each has memory as a whole.
//! fn milliseconds() -> usize
//!     A clock, which wraps; 0 on systems without `discard`.
//! ```
//!
//! The constants `NEW_PAGES_ARE_ZERO`, `CAN_DISCARD` and `DISCARDED_PAGES_ARE_ZERO` say what holds for `map` and
//! `discard`.

pub(crate) mod page_size;

#[cfg(all(feature = "std", unix, not(any(miri, target_os = "emscripten", target_env = "newlib"))))]
#[path = "unix.rs"]
mod system;
#[cfg(all(feature = "std", windows, not(miri)))]
#[path = "windows.rs"]
mod system;
#[cfg(all(feature = "std", target_arch = "wasm32", not(any(miri, target_os = "emscripten"))))]
#[path = "wasm.rs"]
mod system;
#[cfg(all(
    feature = "std",
    not(any(
        all(unix, not(any(miri, target_os = "emscripten", target_env = "newlib"))),
        all(windows, not(miri)),
        all(target_arch = "wasm32", not(any(miri, target_os = "emscripten")))
    ))
))]
use global as system;

// Where a system has its own, only the tests below use these.
#[cfg(feature = "std")]
#[allow(dead_code)]
mod big_pages;
#[cfg(feature = "std")]
#[allow(dead_code)]
mod deferred;
#[cfg(feature = "std")]
#[allow(dead_code)]
mod global;

#[cfg(feature = "std")]
#[allow(dead_code, unused_imports)]
pub(crate) use system::{
    CAN_DISCARD, DISCARDED_PAGES_ARE_ZERO, NEW_PAGES_ARE_ZERO, advise_huge_pages, discard, map, milliseconds,
    remap, unmap,
};

#[cfg(all(test, feature = "std", target_os = "linux", not(miri)))]
mod refusal_tests;
#[cfg(all(test, feature = "std"))]
mod tests;
