//! [`HashMap`]: an unordered map.

use core::fmt;
use core::marker::PhantomData;
use core::mem::needs_drop;

use allocator_api2_02::alloc as api;
use hashbrown::HashTable;

use super::hash_context::{AutoContext, HashContext, StringContext};
use super::room;
use super::store::{Owned, Store};
use crate::allocator::Allocator;

/// An unordered map: Zig's `std.HashMap(K, V, Context, …)`.
///
/// A layer over hashbrown's table, with Zig's names, results and contexts, that returns an error where hashbrown's map
/// aborts. Most Zig code uses [`AutoHashMap`] or [`StringHashMap`].
/// [`HashMapUnmanaged`](super::HashMapUnmanaged) is the map without an allocator, which has the methods of this page
/// while it is bound to one.
///
/// # Guarantees
///
/// - A method that returns an error has no visible effect. Updating an existing entry needs no memory.
/// - The order of the entries is unspecified but deterministic: the same operations give the same order in each run.
/// - Dropping the map drops the entries and frees the memory.
/// - A context, `Hash` or `Eq` that panics may lose entries, but the map stays usable.
///
/// # Differences from Zig
///
/// | Zig 0.15.2 | here |
/// |---|---|
/// | at most 80 % full, at least 8 entries | hashbrown's: at most 87.5 % full, at least 3 entries |
/// | `capacity` counts slots | it counts the entries that fit |
/// | a removed entry leaves room for another | within what was reserved; beyond, a removal may lower [`capacity`](Self::capacity), and even `…_assume_capacity` may have to move the table to a new block, and panics if there is none |
/// | a reservation is for the next power of two of slots | for twice as many entries, so that removals leave room |
/// | its own order of entries | hashbrown's |
/// | `getOrPut` leaves the value of a new entry undefined | it is `V::default()`; [`get_or_put_value`](Self::get_or_put_value) and [`get_or_put_with`](Self::get_or_put_with) are for other values |
/// | `getOrPutAdapted` leaves key and value undefined | a closure makes both |
/// | `get` copies the value | it returns a reference |
/// | `fetchPut` returns the key that is in the map | it returns the key that was passed, which is equal; the map keeps its own |
/// | `removeByPtr`, `lockPointers`, `rehash` | none: the borrow checker replaces the first two, hashbrown rehashes on its own |
/// | Wyhash | foldhash, see [`AutoContext`] |
/// | `max_load_percentage` | none |
///
/// Ports `std.hash_map.HashMap` of Zig 0.15.2.
///
/// ```
/// use zigalloc::collections::AutoHashMap;
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let mut map = AutoHashMap::init(arena.allocator());
/// map.put(1, "one")?;
/// assert_eq!(map.fetch_put(1, "eins")?.unwrap().value, "one");
/// assert_eq!((map.get(&1), map.get(&2)), (Some(&"eins"), None));
/// assert!(map.remove(&1) && !map.remove(&1));
///
/// let mut counts = AutoHashMap::init(arena.allocator());
/// for letter in "mississippi".chars() {
///     *counts.get_or_put(letter)?.value_ptr += 1;
/// }
/// assert_eq!((counts.count(), counts.get(&'s')), (4, Some(&4)));
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub struct HashMap<'a, K, V, C = AutoContext, A = Allocator<'a>, S = Owned<MapParts<K, V, C, A>>>
where
    A: api::Allocator,
    S: Store<MapParts<K, V, C, A>>,
{
    pub(super) store: S,
    handle: PhantomData<(&'a (), K, V, C, A)>,
}

/// A map whose keys implement Rust's `Hash` and `Eq`: Zig's `std.AutoHashMap(K, V)`.
///
/// ```
/// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
/// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
/// map.put(1, "one")?;
/// assert_eq!(map.get(&1), Some(&"one"));
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub type AutoHashMap<'a, K, V, A = Allocator<'a>> = HashMap<'a, K, V, AutoContext, A>;

/// A map whose keys are strings: Zig's `std.StringHashMap(V)`.
///
/// The keys are borrowed, as in Zig. For a map that owns them pass another `K`, such as
/// [`OwnedBox<[u8]>`](crate::collections::OwnedBox). Either way, anything that is `AsRef<[u8]>` can be looked up.
///
/// ```
/// use zigalloc::collections::{Box, StringHashMap};
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let allocator = arena.allocator();
/// let mut ages: StringHashMap<'_, u32> = StringHashMap::init(allocator);
/// ages.put(b"zig", 10)?;
/// assert_eq!(ages.get("zig"), Some(&10));
///
/// let mut owned: StringHashMap<'_, u32, Box<[u8], _>> = StringHashMap::init(allocator);
/// owned.put(allocator.dupe_owned(b"rust")?, 15)?;
/// assert_eq!(owned.get(b"rust"), Some(&15));
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub type StringHashMap<'a, V, K = &'a [u8], A = Allocator<'a>> = HashMap<'a, K, V, StringContext, A>;

/// The parts of a [`HashMap`]. Opaque.
pub struct MapParts<K, V, C, A: api::Allocator> {
    pub(super) table: HashTable<(K, V), A>,
    pub(super) context: C,
}

impl<K, V, C, A: api::Allocator> fmt::Debug for MapParts<K, V, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapParts").finish_non_exhaustive()
    }
}

/// The entry that [`get_or_put`](HashMap::get_or_put) found or inserted: Zig's `GetOrPutResult`.
///
/// ```
/// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
/// let mut map = AutoHashMap::<_, u32, _>::init(PAGE_ALLOCATOR);
/// let result = map.get_or_put("key")?;
/// assert_eq!((result.found_existing, *result.key_ptr, *result.value_ptr), (false, "key", 0));
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Debug)]
pub struct GetOrPut<'m, K, V> {
    /// Whether the entry was there before.
    pub found_existing: bool,
    /// The key in the map.
    pub key_ptr: &'m mut K,
    /// The value in the map.
    pub value_ptr: &'m mut V,
}

/// A borrowed key and value of a map: Zig's `Entry`.
///
/// ```
/// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
/// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
/// map.put(1, 10)?;
/// assert!(map.iterator().all(|entry| *entry.value_ptr == 10 * *entry.key_ptr));
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Entry<'m, K, V> {
    /// The key.
    pub key_ptr: &'m K,
    /// The value, which can be changed.
    pub value_ptr: &'m mut V,
}

/// A key and a value that have left a map: Zig's `KV`.
///
/// ```
/// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
/// use zigalloc::collections::KV;
///
/// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
/// map.put(1, "one")?;
/// assert_eq!(map.fetch_remove(&1), Some(KV { key: 1, value: "one" }));
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KV<K, V> {
    /// The key.
    pub key: K,
    /// The value.
    pub value: V,
}

impl<'a, K, V, C, A: api::Allocator> HashMap<'a, K, V, C, A> {
    /// Creates an empty map, without allocating.
    ///
    /// Ports `init`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let map = AutoHashMap::<u32, u32, _>::init(PAGE_ALLOCATOR);
    /// assert_eq!((map.count(), map.capacity()), (0, 0));
    /// ```
    #[inline]
    pub fn init(allocator: A) -> HashMap<'a, K, V, C, A>
    where
        C: Default,
    {
        HashMap::init_context(allocator, C::default())
    }

    /// Creates an empty map with a context value, without allocating. [`HashContext`] has an example of one.
    ///
    /// Ports `initContext`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// use zigalloc::collections::{AutoContext, HashMap};
    ///
    /// let map = HashMap::<u32, u32, _, _>::init_context(PAGE_ALLOCATOR, AutoContext);
    /// assert_eq!(map.count(), 0);
    /// ```
    #[doc(alias = "initContext")]
    #[inline]
    pub const fn init_context(allocator: A, context: C) -> HashMap<'a, K, V, C, A> {
        HashMap::from_store(Owned(MapParts { table: HashTable::new_in(allocator), context }))
    }

    /// Returns hashbrown's table and the context, for methods that this type lacks.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, "one")?;
    /// map.put(2, "two")?;
    /// let (table, _) = map.into_table();
    /// assert_eq!(table.len(), 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn into_table(self) -> (HashTable<(K, V), A>, C) {
        let MapParts { table, context } = self.store.0;
        (table, context)
    }
}

// ---- without an allocator ----

impl<K, V, C, A: api::Allocator, S: Store<MapParts<K, V, C, A>>> HashMap<'_, K, V, C, A, S> {
    #[inline(always)]
    pub(super) const fn from_store(store: S) -> Self {
        HashMap { store, handle: PhantomData }
    }

    #[inline(always)]
    pub(super) fn parts(&self) -> &MapParts<K, V, C, A> {
        self.store.get()
    }

    #[inline(always)]
    pub(super) fn parts_mut(&mut self) -> &mut MapParts<K, V, C, A> {
        self.store.get_mut()
    }

    /// The context.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// use zigalloc::collections::AutoContext;
    ///
    /// let map = AutoHashMap::<u32, u32, _>::init(PAGE_ALLOCATOR);
    /// assert_eq!(*map.context(), AutoContext);
    /// ```
    #[inline]
    pub fn context(&self) -> &C {
        &self.parts().context
    }

    /// The number of entries.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, "one")?;
    /// map.put(2, "two")?;
    /// assert_eq!(map.count(), 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn count(&self) -> usize {
        self.parts().table.len()
    }

    /// The number of entries that fit without allocating.
    ///
    /// A removal may lower it, but not below what [`ensure_total_capacity`](Self::ensure_total_capacity) has reserved:
    /// hashbrown may mark the place of a removed entry as used, until it rehashes the table. With no more entries than
    /// were reserved, it does so in place.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::<u32, u32, _>::init(PAGE_ALLOCATOR);
    /// map.ensure_total_capacity(100)?;
    /// assert!(map.capacity() >= 100);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn capacity(&self) -> usize {
        room::capacity(&self.parts().table)
    }

    /// The value of a key, or `None`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, "one")?;
    /// assert_eq!((map.get(&1), map.get(&2)), (Some(&"one"), None));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Option<&V>
    where
        C: HashContext<Q, K>,
    {
        self.get_adapted(key, self.context())
    }

    /// [`get`](Self::get) with the lookup's own context.
    ///
    /// Ports `getAdapted`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// use zigalloc::collections::StringContext;
    ///
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put("one", 1)?;
    /// assert_eq!(map.get_adapted(b"two", &StringContext), None);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getAdapted")]
    #[inline]
    pub fn get_adapted<Q: ?Sized>(&self, key: &Q, context: &impl HashContext<Q, K>) -> Option<&V> {
        self.find(key, context).map(|(_, value)| value)
    }

    #[inline]
    fn find<Q: ?Sized>(&self, key: &Q, context: &impl HashContext<Q, K>) -> Option<&(K, V)> {
        // An empty map does not hash.
        if self.parts().table.is_empty() {
            return None;
        }
        self.parts().table.find(context.hash(key), |(other, _)| context.eql(key, other))
    }

    #[inline]
    fn find_mut<Q: ?Sized>(&mut self, key: &Q) -> Option<&mut (K, V)>
    where
        C: HashContext<Q, K>,
    {
        let MapParts { table, context } = self.parts_mut();
        if table.is_empty() {
            return None;
        }
        table.find_mut(context.hash(key), |(other, _)| context.eql(key, other))
    }

    /// The value of a key, mutably, or `None`.
    ///
    /// Ports `getPtr`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// *map.get_ptr(&1).unwrap() += 1;
    /// assert_eq!(map.get(&1), Some(&11));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getPtr")]
    #[inline]
    pub fn get_ptr<Q: ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        C: HashContext<Q, K>,
    {
        self.find_mut(key).map(|(_, value)| value)
    }

    /// The map's key that equals `key`, or `None`.
    ///
    /// Ports `getKey`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(String::from("one"), 1)?;
    /// assert_eq!(map.get_key("one").map(String::as_str), Some("one"));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getKey")]
    pub fn get_key<Q: ?Sized>(&self, key: &Q) -> Option<&K>
    where
        C: HashContext<Q, K>,
    {
        self.find(key, self.context()).map(|(key, _)| key)
    }

    /// The map's key that equals `key`, mutably, or `None`. It may be replaced by an equal one.
    ///
    /// Ports `getKeyPtr`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(String::from("one"), 1)?;
    /// *map.get_key_ptr("one").unwrap() = "one".to_owned();
    /// assert!(map.contains("one"));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getKeyPtr")]
    pub fn get_key_ptr<Q: ?Sized>(&mut self, key: &Q) -> Option<&mut K>
    where
        C: HashContext<Q, K>,
    {
        self.find_mut(key).map(|(key, _)| key)
    }

    /// The entry of a key, or `None`.
    ///
    /// Ports `getEntry`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// let entry = map.get_entry(&1).unwrap();
    /// assert_eq!((*entry.key_ptr, *entry.value_ptr), (1, 10));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getEntry")]
    pub fn get_entry<Q: ?Sized>(&mut self, key: &Q) -> Option<Entry<'_, K, V>>
    where
        C: HashContext<Q, K>,
    {
        self.find_mut(key).map(|(key_ptr, value_ptr)| Entry { key_ptr, value_ptr })
    }

    /// Returns whether the map has an entry for a key.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// assert!(map.contains(&1) && !map.contains(&2));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn contains<Q: ?Sized>(&self, key: &Q) -> bool
    where
        C: HashContext<Q, K>,
    {
        self.find(key, self.context()).is_some()
    }

    /// [`contains`](Self::contains) with the lookup's own context.
    ///
    /// Ports `containsAdapted`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// use zigalloc::collections::AutoContext;
    ///
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(String::from("one"), 1)?;
    /// assert!(map.contains_adapted("one", &AutoContext));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "containsAdapted")]
    pub fn contains_adapted<Q: ?Sized>(&self, key: &Q, context: &impl HashContext<Q, K>) -> bool {
        self.find(key, context).is_some()
    }

    /// Removes an entry and returns whether there was one.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// assert!(map.remove(&1) && !map.remove(&1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn remove<Q: ?Sized>(&mut self, key: &Q) -> bool
    where
        C: HashContext<Q, K>,
    {
        self.fetch_remove(key).is_some()
    }

    /// Removes and returns an entry, or returns `None` if there is none.
    ///
    /// Ports `fetchRemove`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// assert_eq!(map.fetch_remove(&1).map(|kv| kv.value), Some(10));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "fetchRemove")]
    #[inline]
    pub fn fetch_remove<Q: ?Sized>(&mut self, key: &Q) -> Option<KV<K, V>>
    where
        C: HashContext<Q, K>,
    {
        let MapParts { table, context } = self.parts_mut();
        if table.is_empty() {
            return None;
        }
        let entry = table.find_entry(context.hash(key), |(other, _)| context.eql(key, other)).ok()?;
        let ((key, value), _) = entry.remove();
        Some(KV { key, value })
    }

    /// Drops all entries and keeps the capacity.
    ///
    /// Ports `clearRetainingCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// let capacity = map.capacity();
    /// map.clear_retaining_capacity();
    /// assert_eq!((map.count(), map.capacity()), (0, capacity));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "clearRetainingCapacity")]
    pub fn clear_retaining_capacity(&mut self) {
        clear(&mut self.parts_mut().table);
    }

    /// Iterates over the entries, with mutable values. Zig: `while (it.next()) |entry|`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// for entry in map.iterator() {
    ///     *entry.value_ptr += *entry.key_ptr;
    /// }
    /// assert_eq!(map.get(&1), Some(&11));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn iterator(&mut self) -> impl ExactSizeIterator<Item = Entry<'_, K, V>> {
        self.parts_mut().table.iter_mut().map(|(key_ptr, value_ptr)| Entry { key_ptr, value_ptr })
    }

    /// Iterates over the entries.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// assert_eq!(map.iter().map(|(key, value)| key * value).sum::<i32>(), 50);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> {
        self.parts().table.iter().map(|(key, value)| (key, value))
    }

    /// Iterates over the keys.
    ///
    /// Ports `keyIterator`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// assert_eq!(map.key_iterator().sum::<i32>(), 3);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "keyIterator")]
    pub fn key_iterator(&self) -> impl ExactSizeIterator<Item = &K> {
        self.parts().table.iter().map(|(key, _)| key)
    }

    /// Iterates over the values, mutably.
    ///
    /// Ports `valueIterator`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// map.value_iterator().for_each(|value| *value += 1);
    /// assert_eq!(map.get(&2), Some(&21));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "valueIterator")]
    pub fn value_iterator(&mut self) -> impl ExactSizeIterator<Item = &mut V> {
        self.parts_mut().table.iter_mut().map(|(_, value)| value)
    }
}

/// Drops the entries; the memory stays.
///
/// `HashTable::clear` drops them while the table still has them, so a destructor that exits the process would have a
/// thread-local map dropped with entries that are already gone. `drain` takes all out first.
pub(super) fn clear<T, A: api::Allocator>(table: &mut HashTable<T, A>) {
    if needs_drop::<T>() {
        // Each on its own: if one panics, dropping the iterator drops the others and puts the memory back.
        table.drain().for_each(drop);
    } else {
        table.clear();
    }
}

impl<K: fmt::Debug, V: fmt::Debug, C, A: api::Allocator, S: Store<MapParts<K, V, C, A>>> fmt::Debug
    for HashMap<'_, K, V, C, A, S>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
