//! [`HashMap`]: keys and values without an order. See the type.

use core::fmt;
use core::marker::PhantomData;
use core::mem::needs_drop;

use allocator_api2_02::alloc as api;
use hashbrown::HashTable;

use super::hash_context::{AutoContext, HashContext, StringContext};
use super::store::{Owned, Store};
use crate::allocator::Allocator;

/// A map from keys to values, without an order: Zig's `std.HashMap(K, V, Context, …)`.
///
/// It is hashbrown's table with Zig's names and results, Zig's contexts, and an error where hashbrown's own map would
/// abort. [`AutoHashMap`] and [`StringHashMap`] are the two that Zig code uses;
/// [`HashMapUnmanaged`](super::HashMapUnmanaged) is the map without an allocator, which has all the methods of this
/// page while it is bound to one.
///
/// # Guarantees
///
/// - A method that returns an error has changed nothing that can be seen. An entry that exists is found and changed
///   even if there is no memory for another.
/// - The order of the entries depends on the keys and on what was done to the map, and is the same in each run.
/// - Dropping the map drops the entries and frees the memory.
/// - A context, a `Hash` or an `Eq` that panics may lose entries, or leave a map with fewer; it never leads to undefined
///   behaviour.
///
/// # Differences from Zig
///
/// | Zig 0.15.2 | here |
/// |---|---|
/// | at most 80 % full, at least 8 entries | hashbrown's: at most 87.5 % full, at least 3 entries |
/// | `capacity` is the number of slots | it is the number of entries there is room for |
/// | another order of the entries | |
/// | `getOrPut` leaves the value of a new entry undefined | it is `V::default()`; [`get_or_put_value`](Self::get_or_put_value) and [`get_or_put_with`](Self::get_or_put_with) are for other values |
/// | `getOrPutAdapted` leaves key and value undefined | a closure makes both |
/// | `get` copies the value | it returns a reference |
/// | `fetchPut` returns the key that is in the map | it returns the key that was passed, which is equal; the map keeps its own |
/// | `removeByPtr`, `lockPointers`, `rehash` | none: the borrow checker has the first two's purpose, hashbrown that of the third |
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
#[doc(alias = "std.HashMap")]
pub struct HashMap<'a, K, V, C = AutoContext, A = Allocator<'a>, S = Owned<MapParts<K, V, C, A>>>
where
    A: api::Allocator,
    S: Store<MapParts<K, V, C, A>>,
{
    pub(super) store: S,
    handle: PhantomData<(&'a (), K, V, C, A)>,
}

/// A map whose keys are hashed by Rust's `Hash`: Zig's `std.AutoHashMap(K, V)`.
#[doc(alias = "std.AutoHashMap")]
pub type AutoHashMap<'a, K, V, A = Allocator<'a>> = HashMap<'a, K, V, AutoContext, A>;

/// A map whose keys are strings: Zig's `std.StringHashMap(V)`.
///
/// The keys are borrowed, as in Zig; whoever wants the map to own them passes another `K`, as
/// [`OwnedBox<[u8]>`](crate::collections::OwnedBox). Either way anything that is bytes can be looked up.
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
#[doc(alias = "std.StringHashMap")]
pub type StringHashMap<'a, V, K = &'a [u8], A = Allocator<'a>> = HashMap<'a, K, V, StringContext, A>;

/// What a [`HashMap`] is made of. Opaque.
pub struct MapParts<K, V, C, A: api::Allocator> {
    pub(super) table: HashTable<(K, V), A>,
    pub(super) context: C,
}

impl<K, V, C, A: api::Allocator> fmt::Debug for MapParts<K, V, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapParts").finish_non_exhaustive()
    }
}

/// What [`get_or_put`](HashMap::get_or_put) found or made: Zig's `GetOrPutResult`.
#[doc(alias = "GetOrPutResult")]
#[derive(Debug)]
pub struct GetOrPut<'m, K, V> {
    /// Whether the entry was there before.
    pub found_existing: bool,
    /// The key in the map.
    pub key_ptr: &'m mut K,
    /// The value in the map.
    pub value_ptr: &'m mut V,
}

/// A key and a value in a map: Zig's `Entry`.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry<'m, K, V> {
    /// The key.
    pub key_ptr: &'m K,
    /// The value, which can be changed.
    pub value_ptr: &'m mut V,
}

/// A key and a value that are in a map no more: Zig's `KV`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KV<K, V> {
    /// The key.
    pub key: K,
    /// The value.
    pub value: V,
}

impl<'a, K, V, C, A: api::Allocator> HashMap<'a, K, V, C, A> {
    /// An empty map, which has no memory yet.
    ///
    /// Ports `init`.
    #[inline]
    pub fn init(allocator: A) -> HashMap<'a, K, V, C, A>
    where
        C: Default,
    {
        HashMap::init_context(allocator, C::default())
    }

    /// An empty map with a context of its own.
    ///
    /// Ports `initContext`.
    #[doc(alias = "initContext")]
    #[inline]
    pub const fn init_context(allocator: A, context: C) -> HashMap<'a, K, V, C, A> {
        HashMap::from_store(Owned(MapParts { table: HashTable::new_in(allocator), context }))
    }

    /// The table that the map is, and its context, for what is not on this page.
    #[inline]
    pub fn into_table(self) -> (HashTable<(K, V), A>, C) {
        let MapParts { table, context } = self.store.0;
        (table, context)
    }
}

// ---- what needs no allocator ----

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
    #[inline]
    pub fn context(&self) -> &C {
        &self.parts().context
    }

    /// How many entries there are.
    #[inline]
    pub fn count(&self) -> usize {
        self.parts().table.len()
    }

    /// How many entries there is room for.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.parts().table.capacity()
    }

    /// The value of a key.
    #[inline]
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Option<&V>
    where
        C: HashContext<Q, K>,
    {
        self.get_adapted(key, self.context())
    }

    /// [`get`](Self::get) with a context for what is looked up.
    ///
    /// Ports `getAdapted`.
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

    /// The value of a key, to be changed.
    ///
    /// Ports `getPtr`.
    #[doc(alias = "getPtr")]
    #[inline]
    pub fn get_ptr<Q: ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        C: HashContext<Q, K>,
    {
        self.find_mut(key).map(|(_, value)| value)
    }

    /// The key in the map that is equal to `key`.
    ///
    /// Ports `getKey`.
    #[doc(alias = "getKey")]
    pub fn get_key<Q: ?Sized>(&self, key: &Q) -> Option<&K>
    where
        C: HashContext<Q, K>,
    {
        self.find(key, self.context()).map(|(key, _)| key)
    }

    /// The key in the map that is equal to `key`, to be replaced by another that is equal to it.
    ///
    /// Ports `getKeyPtr`.
    #[doc(alias = "getKeyPtr")]
    pub fn get_key_ptr<Q: ?Sized>(&mut self, key: &Q) -> Option<&mut K>
    where
        C: HashContext<Q, K>,
    {
        self.find_mut(key).map(|(key, _)| key)
    }

    /// The entry of a key.
    ///
    /// Ports `getEntry`.
    #[doc(alias = "getEntry")]
    pub fn get_entry<Q: ?Sized>(&mut self, key: &Q) -> Option<Entry<'_, K, V>>
    where
        C: HashContext<Q, K>,
    {
        self.find_mut(key).map(|(key_ptr, value_ptr)| Entry { key_ptr, value_ptr })
    }

    /// Whether there is an entry of that key.
    #[inline]
    pub fn contains<Q: ?Sized>(&self, key: &Q) -> bool
    where
        C: HashContext<Q, K>,
    {
        self.find(key, self.context()).is_some()
    }

    /// [`contains`](Self::contains) with a context for what is looked up.
    ///
    /// Ports `containsAdapted`.
    #[doc(alias = "containsAdapted")]
    pub fn contains_adapted<Q: ?Sized>(&self, key: &Q, context: &impl HashContext<Q, K>) -> bool {
        self.find(key, context).is_some()
    }

    /// Removes an entry, and says whether there was one.
    #[inline]
    pub fn remove<Q: ?Sized>(&mut self, key: &Q) -> bool
    where
        C: HashContext<Q, K>,
    {
        self.fetch_remove(key).is_some()
    }

    /// Removes an entry and returns it.
    ///
    /// Ports `fetchRemove`.
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

    /// Drops the entries; the capacity stays.
    ///
    /// Ports `clearRetainingCapacity`.
    #[doc(alias = "clearRetainingCapacity")]
    pub fn clear_retaining_capacity(&mut self) {
        clear(&mut self.parts_mut().table);
    }

    /// The entries. Zig: `while (it.next()) |entry|`.
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

    /// The entries, to be read.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> {
        self.parts().table.iter().map(|(key, value)| (key, value))
    }

    /// The keys.
    ///
    /// Ports `keyIterator`.
    #[doc(alias = "keyIterator")]
    pub fn key_iterator(&self) -> impl ExactSizeIterator<Item = &K> {
        self.parts().table.iter().map(|(key, _)| key)
    }

    /// The values, to be changed.
    ///
    /// Ports `valueIterator`.
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
