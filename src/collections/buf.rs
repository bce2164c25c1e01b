//! [`BufMap`] and [`BufSet`]: containers that own their strings.

use core::fmt;
use core::mem::replace;

use allocator_api2_02::alloc as api;
use allocator_api2_02::boxed::Box;

use super::hash_context::StringContext;
use super::hash_map::StringHashMap;
use crate::allocator::Allocator;
use crate::error::Error;

type Buf<A> = Box<[u8], A>;

/// A map from strings to strings that owns copies of both: Zig's `std.BufMap`.
///
/// A [`StringHashMap`] whose keys and values are boxes of bytes.
///
/// # Guarantees
///
/// - If [`put`](Self::put) returns an error, the map is unchanged.
/// - Dropping the map frees all strings.
///
/// # Differences from Zig
///
/// | Zig 0.15.2 | here |
/// |---|---|
/// | `putMove` takes slices | it takes boxes of the same allocator |
/// | `remove` returns nothing | it returns whether there was an entry |
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
pub struct BufMap<'a, A: api::Allocator + Clone = Allocator<'a>> {
    map: StringHashMap<'a, Buf<A>, Buf<A>, A>,
    allocator: A,
}

fn copy<A: api::Allocator>(bytes: &[u8], allocator: A) -> Result<Buf<A>, Error> {
    let mut copy = Box::try_new_uninit_slice_in(bytes.len(), allocator)?;
    // SAFETY: as many bytes; a new block overlaps nothing.
    unsafe { copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    // SAFETY: the copy above has written all bytes.
    Ok(unsafe { copy.assume_init() })
}

impl<'a, A: api::Allocator + Clone> BufMap<'a, A> {
    /// Creates an empty map, without allocating.
    ///
    /// Ports `init`.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// assert_eq!(BufMap::init(PAGE_ALLOCATOR).count(), 0);
    /// ```
    pub fn init(allocator: A) -> BufMap<'a, A> {
        BufMap { map: StringHashMap::init(allocator.clone()), allocator }
    }

    /// Sets the value of a key, copying both. An existing entry keeps its key.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `put`.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut map = BufMap::init(PAGE_ALLOCATOR);
    /// map.put("HOME", "/root")?;
    /// assert_eq!(map.get("HOME"), Some(&b"/root"[..]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
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

    /// Sets the value of a key, taking ownership of both. An existing entry gets the new key too, as in Zig.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], in which case both are freed.
    ///
    /// Ports `putMove`.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut map = BufMap::init(PAGE_ALLOCATOR);
    /// map.put_move(PAGE_ALLOCATOR.dupe_owned(b"HOME")?, PAGE_ALLOCATOR.dupe_owned(b"/root")?)?;
    /// assert_eq!(map.count(), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
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

    /// The value of a key, or `None`.
    ///
    /// Ports `get`.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut map = BufMap::init(PAGE_ALLOCATOR);
    /// map.put("a", "1")?;
    /// assert_eq!((map.get("a"), map.get("b")), (Some(&b"1"[..]), None));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.map.get(&key).map(|value| &**value)
    }

    /// The value of a key, mutably, or `None`.
    ///
    /// Ports `getPtr`.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut map = BufMap::init(PAGE_ALLOCATOR);
    /// map.put("a", "1")?;
    /// map.get_ptr("a").unwrap()[0] = b'2';
    /// assert_eq!(map.get("a"), Some(&b"2"[..]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getPtr")]
    pub fn get_ptr(&mut self, key: impl AsRef<[u8]>) -> Option<&mut Buf<A>> {
        self.map.get_ptr(&key)
    }

    /// Removes an entry and returns whether there was one.
    ///
    /// Ports `remove`.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut map = BufMap::init(PAGE_ALLOCATOR);
    /// map.put("a", "1")?;
    /// assert!(map.remove("a") && !map.remove("a"));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> bool {
        self.map.remove(&key)
    }

    /// The number of entries.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut map = BufMap::init(PAGE_ALLOCATOR);
    /// map.put("a", "1")?;
    /// assert_eq!(map.count(), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn count(&self) -> usize {
        self.map.count()
    }

    /// Iterates over the keys and values, in an unspecified order.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut map = BufMap::init(PAGE_ALLOCATOR);
    /// map.put("a", "1")?;
    /// assert!(map.iterator().eq([(&b"a"[..], &b"1"[..])]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn iterator(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.map.iter().map(|(key, value)| (&**key, &**value))
    }
}

impl<A: api::Allocator + Clone> fmt::Debug for BufMap<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iterator()).finish()
    }
}

/// A set of strings that owns copies of them: Zig's `std.BufSet`.
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
pub struct BufSet<'a, A: api::Allocator + Clone = Allocator<'a>> {
    map: StringHashMap<'a, (), Buf<A>, A>,
    allocator: A,
}

impl<'a, A: api::Allocator + Clone> BufSet<'a, A> {
    /// Creates an empty set, without allocating.
    ///
    /// Ports `init`.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// assert_eq!(BufSet::init(PAGE_ALLOCATOR).count(), 0);
    /// ```
    pub fn init(allocator: A) -> BufSet<'a, A> {
        BufSet { map: StringHashMap::init(allocator.clone()), allocator }
    }

    /// Adds a copy of a string, unless the set has it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `insert`.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut set = BufSet::init(PAGE_ALLOCATOR);
    /// set.insert("zig")?;
    /// set.insert("zig")?;
    /// assert_eq!(set.count(), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn insert(&mut self, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let (value, allocator) = (value.as_ref(), &self.allocator);
        let new = || Ok::<_, Error>((copy(value, allocator.clone())?, ()));
        self.map.get_or_put_adapted(value, &StringContext, new).map(drop)
    }

    /// Returns whether a string is in the set.
    ///
    /// Ports `contains`.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut set = BufSet::init(PAGE_ALLOCATOR);
    /// set.insert("zig")?;
    /// assert!(set.contains(b"zig") && !set.contains("c"));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn contains(&self, value: impl AsRef<[u8]>) -> bool {
        self.map.contains(&value)
    }

    /// Removes a string and returns whether it was in the set.
    ///
    /// Ports `remove`.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut set = BufSet::init(PAGE_ALLOCATOR);
    /// set.insert("zig")?;
    /// assert!(set.remove("zig") && !set.remove("zig"));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn remove(&mut self, value: impl AsRef<[u8]>) -> bool {
        self.map.remove(&value)
    }

    /// The number of strings.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut set = BufSet::init(PAGE_ALLOCATOR);
    /// set.insert("zig")?;
    /// assert_eq!(set.count(), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn count(&self) -> usize {
        self.map.count()
    }

    /// Iterates over the strings, in an unspecified order.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut set = BufSet::init(PAGE_ALLOCATOR);
    /// set.insert("zig")?;
    /// assert!(set.iterator().eq([b"zig"]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn iterator(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.map.key_iterator().map(|key| &**key)
    }

    /// The allocator.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let set = BufSet::init(PAGE_ALLOCATOR);
    /// assert_eq!(set.allocator().dupe_owned(b"zig")?.len(), 3);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn allocator(&self) -> &A {
        &self.allocator
    }

    /// Copies the set to an allocator.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `cloneWithAllocator`.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut set = BufSet::init(PAGE_ALLOCATOR);
    /// set.insert("zig")?;
    /// assert!(set.clone_with_allocator(PAGE_ALLOCATOR)?.contains("zig"));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
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

    /// Copies the set within its allocator.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `clone`.
    ///
    /// ```
    /// # use zigalloc::{collections::{BufMap, BufSet}, heap::PAGE_ALLOCATOR};
    /// let mut set = BufSet::init(PAGE_ALLOCATOR);
    /// set.insert("zig")?;
    /// assert!(set.clone()?.contains("zig"));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
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
