//! How keys are hashed and compared: Zig's `Context` of a hash map.

use core::borrow::Borrow;
use core::hash::{BuildHasher, Hash};

/// Hashes keys and compares them: the `Context` of Zig's hash maps.
///
/// `K` is the type of the map's keys and `Q` what is looked up. A map needs a context for `Q = K`; with other `Q` a
/// lookup need not create a `K`. The `…_adapted` methods take a context for one call, as Zig's `…Adapted` functions do.
///
/// Equal keys must have equal hashes. Otherwise, or if a context is inconsistent, keys may not be found; behaviour
/// stays defined.
///
/// Ports the contexts of `std.HashMap` and `std.ArrayHashMap` (`hash`, `eql`).
///
/// ```
/// use zigalloc::collections::{HashContext, HashMap};
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// /// Ignores the case of ASCII letters.
/// struct IgnoreCase;
///
/// impl HashContext<str, &str> for IgnoreCase {
///     fn hash(&self, key: &str) -> u64 {
///         key.bytes().fold(0, |hash: u64, byte| {
///             hash.wrapping_mul(31).wrapping_add(u64::from(byte.to_ascii_lowercase()))
///         })
///     }
///     fn eql(&self, a: &str, b: &&str) -> bool {
///         a.eq_ignore_ascii_case(b)
///     }
/// }
/// impl HashContext<&str, &str> for IgnoreCase {
///     fn hash(&self, key: &&str) -> u64 {
///         HashContext::<str, &str>::hash(self, key)
///     }
///     fn eql(&self, a: &&str, b: &&str) -> bool {
///         a.eq_ignore_ascii_case(b)
///     }
/// }
///
/// let mut map = HashMap::init_context(PAGE_ALLOCATOR, IgnoreCase);
/// map.put("Content-Length", 5)?;
/// assert_eq!(map.get("content-length"), Some(&5));
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not hash `{Q}` for keys of the type `{K}`",
    note = "`AutoContext` requires `Hash`, `Eq` and, if `Q` is not the key's type, `Borrow<Q>`; \
            `StringContext` requires `AsRef<[u8]>`"
)]
pub trait HashContext<Q: ?Sized, K> {
    /// The hash of a key. All its bits should vary: the table uses both ends.
    fn hash(&self, key: &Q) -> u64;
    /// Whether the keys are the same.
    fn eql(&self, a: &Q, b: &K) -> bool;
}

/// Rust's `Hash` and `Eq`, with a hasher of a fixed seed: the context of [`AutoHashMap`](super::AutoHashMap).
///
/// The hasher is foldhash; Zig's is Wyhash. As in Zig, the seed is fixed, so that the order of a map's entries is
/// reproducible, and an attacker who chooses keys can make hashes collide. For untrusted keys, write a context with a
/// random seed. Hashes may differ between versions of foldhash.
///
/// Ports `std.hash_map.AutoContext`.
///
/// ```
/// # use zigalloc::{collections::*, heap::PAGE_ALLOCATOR};
/// // The same hash, whether the key or what it borrows as is looked up.
/// let key = HashContext::<String, String>::hash(&AutoContext, &"zig".to_owned());
/// assert_eq!(key, HashContext::<str, String>::hash(&AutoContext, "zig"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AutoContext;

impl<Q: Hash + Eq + ?Sized, K: Borrow<Q>> HashContext<Q, K> for AutoContext {
    #[inline]
    fn hash(&self, key: &Q) -> u64 {
        hash_one(key)
    }
    #[inline]
    fn eql(&self, a: &Q, b: &K) -> bool {
        *a == *b.borrow()
    }
}

/// Strings as bytes: the context of [`StringHashMap`](super::StringHashMap). Whatever the type of the keys, a `&str`,
/// a `&[u8]`, an array, a `Box` or a list of bytes can be looked up.
///
/// The hasher is that of [`AutoContext`].
///
/// Ports `std.hash_map.StringContext`.
///
/// ```
/// # use zigalloc::{collections::*, heap::PAGE_ALLOCATOR};
/// let mut map = HashMap::<String, u32, StringContext, _>::init(PAGE_ALLOCATOR);
/// map.put("zig".to_owned(), 1)?;
/// assert_eq!((map.get("zig"), map.get(b"zig")), (Some(&1), Some(&1)));
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StringContext;

impl<Q: AsRef<[u8]> + ?Sized, K: AsRef<[u8]>> HashContext<Q, K> for StringContext {
    #[inline]
    fn hash(&self, key: &Q) -> u64 {
        hash_one(key.as_ref())
    }
    #[inline]
    fn eql(&self, a: &Q, b: &K) -> bool {
        a.as_ref() == b.as_ref()
    }
}

#[inline]
fn hash_one(key: &(impl Hash + ?Sized)) -> u64 {
    foldhash::fast::FixedState::with_seed(0).hash_one(key)
}
