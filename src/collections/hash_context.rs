//! How keys are hashed and compared: Zig's `Context` of a hash map.

use core::borrow::Borrow;
use core::hash::{BuildHasher, Hash};

/// Hashes keys and compares them: the `Context` of Zig's hash maps.
///
/// `Q` is what is looked up and `K` what the map holds. A map needs a context for `K` itself; where it has one for
/// another `Q` too, it can be asked for that without making a `K`. Zig's `…Adapted` functions take such a context for
/// one call, as do the methods here whose names end so.
///
/// Keys that are equal must have equal hashes. If they have not, or a context answers differently from one time to the
/// next, keys are not found; nothing worse comes of it.
///
/// Ports the contexts of `std.HashMap` and `std.ArrayHashMap` (`hash`, `eql`).
///
/// ```
/// use zigalloc::collections::{HashContext, HashMap};
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// /// Letters that differ in case only are equal.
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
    note = "`AutoContext` wants `Hash`, `Eq` and, for a `Q` that is not the key's type, `Borrow<Q>`; \
            `StringContext` wants `AsRef<[u8]>`"
)]
pub trait HashContext<Q: ?Sized, K> {
    /// The hash of a key, which should be different in all its bits.
    fn hash(&self, key: &Q) -> u64;
    /// Whether the keys are the same.
    fn eql(&self, a: &Q, b: &K) -> bool;
}

/// Rust's `Hash` and `Eq`, with a hasher that has a fixed seed: the context of [`AutoHashMap`](super::AutoHashMap).
///
/// The hasher is foldhash's; Zig's is Wyhash. As in Zig the seed is the same in every run, so that the order of a
/// map's entries is too, and as in Zig an attacker who chooses the keys can choose ones with equal hashes; a context
/// of your own can have a seed. Hashes may differ between versions of foldhash.
///
/// Ports `std.hash_map.AutoContext`.
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

/// Strings by their bytes: the context of [`StringHashMap`](super::StringHashMap). A `&str` or `&[u8]`, an array, a
/// `Box` and a list of bytes can all be looked up, whatever the keys are.
///
/// The hasher is that of [`AutoContext`].
///
/// Ports `std.hash_map.StringContext`.
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
