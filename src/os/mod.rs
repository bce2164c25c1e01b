//! Pages of the operating system, and how large they are.
//!
//! Each system has a module with three functions. Sizes are multiples of the page size, above zero and at most
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
//! ```

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
pub(crate) use system::{map, remap, unmap};

#[cfg(all(test, feature = "std", target_os = "linux", not(miri)))]
mod refusal_tests;
#[cfg(all(test, feature = "std"))]
mod tests;
