//! [`ArrayHashMap`]: a map in insertion order.

use core::fmt;
use core::marker::PhantomData;

use allocator_api2_02::alloc as api;
use allocator_api2_02::vec::Vec;
use hashbrown::HashTable;

use super::grow;
use super::hash_context::{AutoContext, HashContext, StringContext};
use super::hash_map::{Entry, KV};
use super::room;
use super::store::{Owned, Store};
use crate::allocator::Allocator;

/// A map in insertion order, with keys and values as slices: Zig's `std.ArrayHashMap(K, V, Context, …)`.
///
/// Keys and values are two parallel lists, and hashbrown's table maps a key to its index. So an entry has an index,
/// with `keys()[i]` and `values()[i]`, and iterating is as fast as over a slice.
///
/// # Guarantees
///
/// - A method that returns an error has no visible effect. Updating an existing entry needs no memory.
/// - New entries go to the end. `swap_remove` replaces the removed entry by the last one, `ordered_remove` shifts those
///   after it, and only [`sort`](Self::sort) changes the order otherwise.
/// - Dropping the map drops the entries and frees the memory.
/// - A context, `Hash` or `Eq` that panics changes nothing, except in [`re_index`](Self::re_index) and
///   [`sort`](Self::sort), whose documentation says what happens, and in `…_assume_capacity` after removals, which may
///   rebuild the index as `re_index` does.
///
/// # Differences from Zig
///
/// | Zig 0.15.2 | here |
/// |---|---|
/// | a removed entry leaves room for another | within what was reserved; beyond, a removal may lower [`capacity`](Self::capacity), and `…_assume_capacity` may rebuild the index |
/// | maps of a few entries have no index | every map has one |
/// | keys, values and hashes are in one block | keys and values are in one each, hashes in the index |
/// | hashes have 32 bits | 64 |
/// | `getOrPut` leaves the value of a new entry undefined | it is `V::default()`; see [`get_or_put_with`](Self::get_or_put_with) |
/// | `fetchPut` returns the key that is in the map | it returns the key that was passed, which is equal |
/// | `swapRemoveAt`, `orderedRemoveAt` return nothing | they return the entry |
/// | `sort` does not allocate and cannot fail | it allocates a number for each entry |
/// | `keys()` can be written | [`set_key`](Self::set_key), or the map is taken apart |
///
/// Ports `std.array_hash_map.ArrayHashMap` of Zig 0.15.2.
///
/// ```
/// use zigalloc::collections::AutoArrayHashMap;
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let mut map = AutoArrayHashMap::init(arena.allocator());
/// for (n, name) in ["zero", "one", "two", "three"].into_iter().enumerate() {
///     map.put(name, n)?;
/// }
/// assert_eq!((map.keys(), map.get_index("two")), (&["zero", "one", "two", "three"][..], Some(2)));
/// assert!(map.swap_remove("zero"));
/// assert_eq!(map.keys(), ["three", "one", "two"]);
/// assert!(map.ordered_remove("three"));
/// assert_eq!(map.values(), [1, 2]);
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub struct ArrayHashMap<'a, K, V, C = AutoContext, A = Allocator<'a>, S = Owned<ArrayMapParts<K, V, C, A>>>
where
    A: api::Allocator,
    S: Store<ArrayMapParts<K, V, C, A>>,
{
    pub(super) store: S,
    handle: PhantomData<(&'a (), K, V, C, A)>,
}

/// An [`ArrayHashMap`] whose keys implement Rust's `Hash` and `Eq`: Zig's `std.AutoArrayHashMap(K, V)`.
///
/// ```
/// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
/// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
/// map.put(2, "two")?;
/// map.put(1, "one")?;
/// assert_eq!(map.keys(), [2, 1]);
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub type AutoArrayHashMap<'a, K, V, A = Allocator<'a>> = ArrayHashMap<'a, K, V, AutoContext, A>;

/// An [`ArrayHashMap`] whose keys are strings, borrowed or (with another `K`) owned: Zig's
/// `std.StringArrayHashMap(V)`.
///
/// ```
/// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
/// use zigalloc::collections::StringArrayHashMap;
///
/// let mut map = StringArrayHashMap::<u32, _, _>::init(PAGE_ALLOCATOR);
/// map.put("zig", 1)?;
/// assert_eq!(map.get(b"zig"), Some(&1));
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub type StringArrayHashMap<'a, V, K = &'a [u8], A = Allocator<'a>> =
    ArrayHashMap<'a, K, V, StringContext, A>;

/// The parts of an [`ArrayHashMap`]. Opaque.
pub struct ArrayMapParts<K, V, C, A: api::Allocator> {
    /// As many as `values`.
    pub(super) keys: Vec<K, A>,
    pub(super) values: Vec<V, A>,
    /// The hash and the index of each entry. After a panic of the program's code, entries may be missing or
    /// superfluous.
    pub(super) index: HashTable<(u64, usize), A>,
    pub(super) context: C,
}

impl<K, V, C, A: api::Allocator> fmt::Debug for ArrayMapParts<K, V, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrayMapParts").finish_non_exhaustive()
    }
}

/// The entry that [`get_or_put`](ArrayHashMap::get_or_put) found or inserted: Zig's `GetOrPutResult`.
///
/// ```
/// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
/// let mut map = AutoArrayHashMap::<_, u32, _>::init(PAGE_ALLOCATOR);
/// let result = map.get_or_put("key")?;
/// assert_eq!((result.found_existing, result.index, *result.value_ptr), (false, 0, 0));
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Debug)]
pub struct ArrayGetOrPut<'m, K, V> {
    /// Whether the entry was there before.
    pub found_existing: bool,
    /// The key in the map.
    pub key_ptr: &'m mut K,
    /// The value in the map.
    pub value_ptr: &'m mut V,
    /// The index of both.
    pub index: usize,
}

impl<K, V, C, A: api::Allocator> ArrayMapParts<K, V, C, A> {
    #[inline]
    pub(super) fn find<Q: ?Sized>(&self, key: &Q, context: &impl HashContext<Q, K>) -> Option<usize> {
        if self.keys.is_empty() {
            return None;
        }
        let found = |&(_, i): &(u64, usize)| self.keys.get(i).is_some_and(|other| context.eql(key, other));
        self.index.find(context.hash(key), found).map(|&(_, i)| i)
    }

    /// Drops the keys and values from `len` on, also if dropping a key panics: there are as many of both at any time.
    fn truncate(&mut self, len: usize) {
        struct Truncate<'v, V, A: api::Allocator>(&'v mut Vec<V, A>, usize);
        impl<V, A: api::Allocator> Drop for Truncate<'_, V, A> {
            fn drop(&mut self) {
                self.0.truncate(self.1);
            }
        }
        let _values = Truncate(&mut self.values, len);
        self.keys.truncate(len);
    }

    /// Removes the index's entry for the map's entry at `i`, which has this hash.
    #[inline]
    pub(super) fn unlink(&mut self, hash: u64, i: usize) {
        if let Ok(entry) = self.index.find_entry(hash, |&(_, other)| other == i) {
            entry.remove();
        }
    }

    /// Removes the entry at `i`, which is below the length; the last one takes its place.
    #[inline]
    pub(super) fn swap_remove(&mut self, i: usize) -> KV<K, V>
    where
        C: HashContext<K, K>,
    {
        let last = self.keys.len() - 1;
        // What may panic is first.
        let hash = self.context.hash(&self.keys[i]);
        let hash_of_last = self.context.hash(&self.keys[last]);
        self.unlink(hash, i);
        if let Some((_, place)) = self.index.find_mut(hash_of_last, |&(_, other)| other == last) {
            *place = i;
        }
        KV { key: self.keys.swap_remove(i), value: self.values.swap_remove(i) }
    }

    /// Removes the entry at `i`, which is below the length; those after it move up.
    pub(super) fn ordered_remove(&mut self, i: usize) -> KV<K, V>
    where
        C: HashContext<K, K>,
    {
        let hash = self.context.hash(&self.keys[i]);
        self.unlink(hash, i);
        if i + 1 < self.keys.len() {
            self.index.iter_mut().filter(|(_, other)| *other > i).for_each(|(_, other)| *other -= 1);
        }
        KV { key: self.keys.remove(i), value: self.values.remove(i) }
    }
}

impl<'a, K, V, C, A: api::Allocator + Clone> ArrayHashMap<'a, K, V, C, A> {
    /// Creates an empty map, without allocating.
    ///
    /// Ports `init`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let map = AutoArrayHashMap::<u32, u32, _>::init(PAGE_ALLOCATOR);
    /// assert_eq!((map.count(), map.capacity()), (0, 0));
    /// ```
    #[inline]
    pub fn init(allocator: A) -> ArrayHashMap<'a, K, V, C, A>
    where
        C: Default,
    {
        ArrayHashMap::init_context(allocator, C::default())
    }

    /// Creates an empty map with a context value, without allocating. [`HashContext`] has an example of one.
    ///
    /// Ports `initContext`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// use zigalloc::collections::{ArrayHashMap, AutoContext};
    ///
    /// let map = ArrayHashMap::<u32, u32, _, _>::init_context(PAGE_ALLOCATOR, AutoContext);
    /// assert_eq!(map.count(), 0);
    /// ```
    #[doc(alias = "initContext")]
    pub fn init_context(allocator: A, context: C) -> ArrayHashMap<'a, K, V, C, A> {
        ArrayHashMap::from_store(Owned(ArrayMapParts {
            keys: Vec::new_in(allocator.clone()),
            values: Vec::new_in(allocator.clone()),
            index: HashTable::new_in(allocator),
            context,
        }))
    }
}

impl<'a, K, V, C, A: api::Allocator> ArrayHashMap<'a, K, V, C, A> {
    /// Returns the keys and the values, in the same order.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(2, "two")?;
    /// map.put(1, "one")?;
    /// let (keys, values) = map.into_vecs();
    /// assert_eq!((&*keys, &*values), (&[2, 1][..], &["two", "one"][..]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn into_vecs(self) -> (Vec<K, A>, Vec<V, A>) {
        let ArrayMapParts { keys, values, .. } = self.store.0;
        (keys, values)
    }
}

// ---- without an allocator ----

impl<K, V, C, A: api::Allocator, S: Store<ArrayMapParts<K, V, C, A>>> ArrayHashMap<'_, K, V, C, A, S> {
    #[inline(always)]
    pub(super) const fn from_store(store: S) -> Self {
        ArrayHashMap { store, handle: PhantomData }
    }

    #[inline(always)]
    pub(super) fn parts(&self) -> &ArrayMapParts<K, V, C, A> {
        self.store.get()
    }

    #[inline(always)]
    pub(super) fn parts_mut(&mut self) -> &mut ArrayMapParts<K, V, C, A> {
        self.store.get_mut()
    }

    /// The context.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// use zigalloc::collections::AutoContext;
    ///
    /// let map = AutoArrayHashMap::<u32, u32, _>::init(PAGE_ALLOCATOR);
    /// assert_eq!(*map.context(), AutoContext);
    /// ```
    #[inline]
    pub fn context(&self) -> &C {
        &self.parts().context
    }

    /// The keys, in order.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(2, "two")?;
    /// map.put(1, "one")?;
    /// assert_eq!(map.keys(), [2, 1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn keys(&self) -> &[K] {
        &self.parts().keys
    }

    /// The values, in order.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(2, "two")?;
    /// map.put(1, "one")?;
    /// assert_eq!(map.values(), ["two", "one"]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn values(&self) -> &[V] {
        &self.parts().values
    }

    /// The values, in order, mutably.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// map.values_mut()[1] = 7;
    /// assert_eq!(map.get(&2), Some(&7));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn values_mut(&mut self) -> &mut [V] {
        &mut self.parts_mut().values
    }

    /// The number of entries.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// assert_eq!(map.count(), 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn count(&self) -> usize {
        self.keys().len()
    }

    /// The number of entries that fit without allocating. A removal may lower it, but not below what
    /// [`ensure_total_capacity`](Self::ensure_total_capacity) has reserved.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::<u32, u32, _>::init(PAGE_ALLOCATOR);
    /// map.ensure_total_capacity(100)?;
    /// assert!(map.capacity() >= 100);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn capacity(&self) -> usize {
        let ArrayMapParts { keys, values, index, .. } = self.parts();
        keys.capacity().min(values.capacity()).min(room::capacity(index))
    }

    /// Iterates over the entries in order, with mutable values. Zig: `while (it.next()) |entry|`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// map.iterator().for_each(|entry| *entry.value_ptr += *entry.key_ptr);
    /// assert_eq!(map.values(), [11, 22]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn iterator(&mut self) -> impl ExactSizeIterator<Item = Entry<'_, K, V>> + DoubleEndedIterator {
        let ArrayMapParts { keys, values, .. } = self.parts_mut();
        keys.iter().zip(values).map(|(key_ptr, value_ptr)| Entry { key_ptr, value_ptr })
    }

    /// Iterates over the entries in order.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// assert!(map.iter().eq([(&1, &10), (&2, &20)]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> + DoubleEndedIterator {
        self.keys().iter().zip(self.values())
    }

    /// The index of a key, or `None`.
    ///
    /// Ports `getIndex`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// assert_eq!((map.get_index(&2), map.get_index(&3)), (Some(1), None));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getIndex")]
    #[inline]
    pub fn get_index<Q: ?Sized>(&self, key: &Q) -> Option<usize>
    where
        C: HashContext<Q, K>,
    {
        self.parts().find(key, self.context())
    }

    /// [`get_index`](Self::get_index) with the lookup's own context.
    ///
    /// Ports `getIndexAdapted`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// use zigalloc::collections::AutoContext;
    ///
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(String::from("one"), 1)?;
    /// assert_eq!(map.get_index_adapted("one", &AutoContext), Some(0));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getIndexAdapted")]
    pub fn get_index_adapted<Q: ?Sized>(&self, key: &Q, context: &impl HashContext<Q, K>) -> Option<usize> {
        self.parts().find(key, context)
    }

    /// The value of a key, or `None`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// assert_eq!((map.get(&1), map.get(&2)), (Some(&10), None));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Option<&V>
    where
        C: HashContext<Q, K>,
    {
        self.values().get(self.get_index(key)?)
    }

    /// The value of a key, mutably, or `None`.
    ///
    /// Ports `getPtr`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
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
        let i = self.get_index(key)?;
        self.values_mut().get_mut(i)
    }

    /// The map's key that equals `key`, or `None`.
    ///
    /// Ports `getKey`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(String::from("one"), 1)?;
    /// assert_eq!(map.get_key("one").map(String::as_str), Some("one"));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getKey")]
    pub fn get_key<Q: ?Sized>(&self, key: &Q) -> Option<&K>
    where
        C: HashContext<Q, K>,
    {
        self.keys().get(self.get_index(key)?)
    }

    /// The entry of a key, or `None`.
    ///
    /// Ports `getEntry`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
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
        let i = self.get_index(key)?;
        let ArrayMapParts { keys, values, .. } = self.parts_mut();
        Some(Entry { key_ptr: &keys[i], value_ptr: &mut values[i] })
    }

    /// Returns whether the map has an entry for a key.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// assert!(map.contains(&1) && !map.contains(&2));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn contains<Q: ?Sized>(&self, key: &Q) -> bool
    where
        C: HashContext<Q, K>,
    {
        self.get_index(key).is_some()
    }

    /// Drops all entries and keeps the capacity.
    ///
    /// Ports `clearRetainingCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// let capacity = map.capacity();
    /// map.clear_retaining_capacity();
    /// assert_eq!((map.count(), map.capacity()), (0, capacity));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "clearRetainingCapacity")]
    pub fn clear_retaining_capacity(&mut self) {
        let parts = self.parts_mut();
        parts.index.clear();
        parts.truncate(0);
    }
}

// ---- removing ----

impl<K, V, C, A, S> ArrayHashMap<'_, K, V, C, A, S>
where
    C: HashContext<K, K>,
    A: api::Allocator,
    S: Store<ArrayMapParts<K, V, C, A>>,
{
    /// Removes an entry, replacing it by the last one, and returns whether there was one.
    ///
    /// Ports `swapRemove`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// map.put(3, 30)?;
    /// assert!(map.swap_remove(&1));
    /// assert_eq!(map.keys(), [3, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "swapRemove")]
    pub fn swap_remove<Q: ?Sized>(&mut self, key: &Q) -> bool
    where
        C: HashContext<Q, K>,
    {
        self.fetch_swap_remove(key).is_some()
    }

    /// Removes an entry, shifting those after it, and returns whether there was one. Takes linear time.
    ///
    /// Ports `orderedRemove`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// map.put(3, 30)?;
    /// assert!(map.ordered_remove(&1));
    /// assert_eq!(map.keys(), [2, 3]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "orderedRemove")]
    pub fn ordered_remove<Q: ?Sized>(&mut self, key: &Q) -> bool
    where
        C: HashContext<Q, K>,
    {
        self.fetch_ordered_remove(key).is_some()
    }

    /// [`swap_remove`](Self::swap_remove) that returns the entry.
    ///
    /// Ports `fetchSwapRemove`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// assert_eq!(map.fetch_swap_remove(&1).map(|kv| kv.value), Some(10));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "fetchSwapRemove")]
    pub fn fetch_swap_remove<Q: ?Sized>(&mut self, key: &Q) -> Option<KV<K, V>>
    where
        C: HashContext<Q, K>,
    {
        let i = self.get_index(key)?;
        Some(self.parts_mut().swap_remove(i))
    }

    /// [`ordered_remove`](Self::ordered_remove) that returns the entry.
    ///
    /// Ports `fetchOrderedRemove`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// assert_eq!(map.fetch_ordered_remove(&1).map(|kv| kv.value), Some(10));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "fetchOrderedRemove")]
    pub fn fetch_ordered_remove<Q: ?Sized>(&mut self, key: &Q) -> Option<KV<K, V>>
    where
        C: HashContext<Q, K>,
    {
        let i = self.get_index(key)?;
        Some(self.parts_mut().ordered_remove(i))
    }

    /// Removes and returns the entry at an index, replacing it by the last one.
    ///
    /// # Panics
    /// If the index is not below the number of entries.
    ///
    /// Ports `swapRemoveAt`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// map.put(3, 30)?;
    /// assert_eq!(map.swap_remove_at(0).key, 1);
    /// assert_eq!(map.keys(), [3, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "swapRemoveAt")]
    #[track_caller]
    pub fn swap_remove_at(&mut self, index: usize) -> KV<K, V> {
        if index >= self.count() {
            grow::panic_index("ArrayHashMap::swap_remove_at", index, self.count());
        }
        self.parts_mut().swap_remove(index)
    }

    /// Removes and returns the entry at an index, shifting those after it. Takes linear time.
    ///
    /// # Panics
    /// If the index is not below the number of entries.
    ///
    /// Ports `orderedRemoveAt`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// map.put(3, 30)?;
    /// assert_eq!(map.ordered_remove_at(0).key, 1);
    /// assert_eq!(map.keys(), [2, 3]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "orderedRemoveAt")]
    #[track_caller]
    pub fn ordered_remove_at(&mut self, index: usize) -> KV<K, V> {
        if index >= self.count() {
            grow::panic_index("ArrayHashMap::ordered_remove_at", index, self.count());
        }
        self.parts_mut().ordered_remove(index)
    }

    /// Removes and returns the last entry, or returns `None` if there is none.
    ///
    /// Ports `pop`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// assert_eq!(map.pop().map(|kv| kv.key), Some(2));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn pop(&mut self) -> Option<KV<K, V>> {
        let last = self.count().checked_sub(1)?;
        Some(self.parts_mut().swap_remove(last))
    }

    /// Drops the entries from index `new_len` on and keeps the capacity.
    ///
    /// # Panics
    /// If `new_len` is above the number of entries.
    ///
    /// Ports `shrinkRetainingCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// map.shrink_retaining_capacity(1);
    /// assert_eq!(map.keys(), [1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "shrinkRetainingCapacity")]
    #[track_caller]
    pub fn shrink_retaining_capacity(&mut self, new_len: usize) {
        if new_len > self.count() {
            grow::panic_index("ArrayHashMap::shrink_retaining_capacity", new_len, self.count());
        }
        let parts = self.parts_mut();
        parts.index.retain(|(_, i)| *i < new_len);
        parts.truncate(new_len);
    }
}

impl<K: fmt::Debug, V: fmt::Debug, C, A: api::Allocator, S: Store<ArrayMapParts<K, V, C, A>>> fmt::Debug
    for ArrayHashMap<'_, K, V, C, A, S>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
