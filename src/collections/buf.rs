//! [`BufMap`] and [`BufSet`]: strings that the container owns. See the types.

use core::fmt;
use core::mem::replace;

use allocator_api2_02::alloc as api;
use allocator_api2_02::boxed::Box;

use super::hash_context::StringContext;
use super::hash_map::StringHashMap;
use crate::allocator::Allocator;
use crate::error::Error;

type Buf<A> = Box<[u8], A>;

/// A map from strings to strings that copies both: Zig's `std.BufMap`.
///
/// It is a [`StringHashMap`] whose keys and values are boxes. It works with bytes: `map.put("key", b"value")`.
///
/// # Guarantees
///
/// - If [`put`](Self::put) returns an error, the map has what it had: for an entry that exists, the old value.
/// - Dropping the map frees all of it.
///
/// # Differences from Zig
///
/// | Zig 0.15.2 | here |
/// |---|---|
/// | `putMove` takes slices | it takes boxes of the same allocator |
/// | `remove` returns nothing | it says whether there was one |
///
/// Ports `std.BufMap` of Zig 0.15.2.
///
/// ```
/// use zigalloc::collections::BufMap;
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let mut env = BufMap::init(arena.allocator());
/// env.put("HOME", "/root")?;
/// env.put("HOME", "/home/zig")?;
/// assert_eq!((env.get("HOME"), env.count()), (Some(&b"/home/zig"[..]), 1));
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.BufMap")]
pub struct BufMap<'a, A: api::Allocator + Clone = Allocator<'a>> {
    map: StringHashMap<'a, Buf<A>, Buf<A>, A>,
    allocator: A,
}

fn copy<A: api::Allocator>(bytes: &[u8], allocator: A) -> Result<Buf<A>, Error> {
    let mut copy = Box::try_new_uninit_slice_in(bytes.len(), allocator)?;
    // SAFETY: as many bytes; a new block overlaps nothing.
    unsafe { copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    // SAFETY: all bytes are written.
    Ok(unsafe { copy.assume_init() })
}

impl<'a, A: api::Allocator + Clone> BufMap<'a, A> {
    /// An empty map, which has no memory yet.
    ///
    /// Ports `init`.
    pub fn init(allocator: A) -> BufMap<'a, A> {
        BufMap { map: StringHashMap::init(allocator.clone()), allocator }
    }

    /// Sets the value of a key. The map has copies of both.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `put`.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let key = key.as_ref();
        let mut new = Some(copy(value.as_ref(), self.allocator.clone())?);
        let allocator = &self.allocator;
        let entry = self.map.get_or_put_adapted(key, &StringContext, || {
            let key = copy(key, allocator.clone())?;
            Ok::<_, Error>((key, new.take().unwrap_or_else(|| unreachable!("called once"))))
        })?;
        if let Some(value) = new {
            // The old value is dropped when the map has the new one.
            drop(replace(entry.value_ptr, value));
        }
        Ok(())
    }

    /// [`put`](Self::put) of what the caller owns. An entry that exists gets the new key too, as in Zig.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; both are freed then.
    ///
    /// Ports `putMove`.
    #[doc(alias = "putMove")]
    pub fn put_move(&mut self, key: Buf<A>, value: Buf<A>) -> Result<(), Error> {
        match self.map.get_entry(&key) {
            Some(entry) => drop(replace(entry.value_ptr, value)),
            None => return self.map.put(key, value),
        }
        if let Some(old_key) = self.map.get_key_ptr(&*key) {
            drop(replace(old_key, key));
        }
        Ok(())
    }

    /// The value of a key.
    ///
    /// Ports `get`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.map.get(&key).map(|value| &**value)
    }

    /// The value of a key, to be changed or replaced.
    ///
    /// Ports `getPtr`.
    #[doc(alias = "getPtr")]
    pub fn get_ptr(&mut self, key: impl AsRef<[u8]>) -> Option<&mut Buf<A>> {
        self.map.get_ptr(&key)
    }

    /// Removes an entry, and says whether there was one.
    ///
    /// Ports `remove`.
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> bool {
        self.map.remove(&key)
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.map.count()
    }

    /// The keys and values, in an unspecified order.
    pub fn iterator(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.map.iter().map(|(key, value)| (&**key, &**value))
    }
}

impl<A: api::Allocator + Clone> fmt::Debug for BufMap<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iterator()).finish()
    }
}

/// A set of strings that copies them: Zig's `std.BufSet`.
///
/// # Guarantees
///
/// Those of [`BufMap`].
///
/// Ports `std.BufSet` of Zig 0.15.2.
///
/// ```
/// use zigalloc::collections::BufSet;
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// let mut seen = BufSet::init(PAGE_ALLOCATOR);
/// seen.insert("zig")?;
/// seen.insert(b"zig")?;
/// assert!(seen.contains("zig") && seen.count() == 1 && seen.remove("zig"));
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.BufSet")]
pub struct BufSet<'a, A: api::Allocator + Clone = Allocator<'a>> {
    map: StringHashMap<'a, (), Buf<A>, A>,
    allocator: A,
}

impl<'a, A: api::Allocator + Clone> BufSet<'a, A> {
    /// An empty set, which has no memory yet.
    ///
    /// Ports `init`.
    pub fn init(allocator: A) -> BufSet<'a, A> {
        BufSet { map: StringHashMap::init(allocator.clone()), allocator }
    }

    /// Adds a string, of which the set has a copy. One that is there already stays.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `insert`.
    pub fn insert(&mut self, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let (value, allocator) = (value.as_ref(), &self.allocator);
        let new = || Ok::<_, Error>((copy(value, allocator.clone())?, ()));
        self.map.get_or_put_adapted(value, &StringContext, new).map(drop)
    }

    /// Whether a string is in the set.
    ///
    /// Ports `contains`.
    pub fn contains(&self, value: impl AsRef<[u8]>) -> bool {
        self.map.contains(&value)
    }

    /// Removes a string, and says whether it was there.
    ///
    /// Ports `remove`.
    pub fn remove(&mut self, value: impl AsRef<[u8]>) -> bool {
        self.map.remove(&value)
    }

    /// How many strings there are.
    pub fn count(&self) -> usize {
        self.map.count()
    }

    /// The strings, in an unspecified order.
    pub fn iterator(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.map.key_iterator().map(|key| &**key)
    }

    /// The allocator.
    pub fn allocator(&self) -> &A {
        &self.allocator
    }

    /// A copy in another allocator.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `cloneWithAllocator`.
    #[doc(alias = "cloneWithAllocator")]
    pub fn clone_with_allocator<'b, B: api::Allocator + Clone>(
        &self,
        allocator: B,
    ) -> Result<BufSet<'b, B>, Error> {
        let mut set = BufSet::init(allocator);
        set.map.ensure_total_capacity(self.count())?;
        self.iterator().try_for_each(|value| set.insert(value))?;
        Ok(set)
    }

    /// A copy in the same allocator.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `clone`.
    #[expect(clippy::should_implement_trait, reason = "Zig's, which can fail")]
    pub fn clone(&self) -> Result<BufSet<'a, A>, Error> {
        self.clone_with_allocator(self.allocator.clone())
    }
}

impl<A: api::Allocator + Clone> fmt::Debug for BufSet<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iterator()).finish()
    }
}
