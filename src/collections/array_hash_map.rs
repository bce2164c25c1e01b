//! [`ArrayHashMap`]: keys and values in the order of insertion. See the type.

use core::fmt;
use core::marker::PhantomData;

use allocator_api2_02::alloc as api;
use allocator_api2_02::vec::Vec;
use hashbrown::HashTable;

use super::grow;
use super::hash_context::{AutoContext, HashContext, StringContext};
use super::hash_map::{Entry, KV};
use super::store::{Owned, Store};
use crate::allocator::Allocator;

/// A map whose entries are in the order of insertion, as two slices: Zig's `std.ArrayHashMap(K, V, Context, …)`.
///
/// The keys are one list and the values another, side by side; hashbrown's table finds the index of a key. So there are
/// `keys()[i]` and `values()[i]`, entries have indices, and to go through them is to go through a slice.
///
/// # Guarantees
///
/// - A method that returns an error has changed nothing that can be seen. An entry that exists is found and changed
///   even if there is no memory for another.
/// - A new entry is the last one. `swap_remove` puts the last one in the place of the removed one, `ordered_remove` moves
///   those after it up, and nothing else changes the order.
/// - Dropping the map drops the entries and frees the memory.
/// - A context, a `Hash` or an `Eq` that panics changes nothing, but for [`re_index`](Self::re_index) and
///   [`sort`](Self::sort), which say so.
///
/// # Differences from Zig
///
/// | Zig 0.15.2 | here |
/// |---|---|
/// | up to a few entries are searched without an index | the index is there from the first entry on |
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
#[doc(alias = "std.ArrayHashMap")]
pub struct ArrayHashMap<'a, K, V, C = AutoContext, A = Allocator<'a>, S = Owned<ArrayMapParts<K, V, C, A>>>
where
    A: api::Allocator,
    S: Store<ArrayMapParts<K, V, C, A>>,
{
    pub(super) store: S,
    handle: PhantomData<(&'a (), K, V, C, A)>,
}

/// Zig's `std.AutoArrayHashMap(K, V)`: an [`ArrayHashMap`] whose keys are hashed by Rust's `Hash`.
#[doc(alias = "std.AutoArrayHashMap")]
pub type AutoArrayHashMap<'a, K, V, A = Allocator<'a>> = ArrayHashMap<'a, K, V, AutoContext, A>;

/// Zig's `std.StringArrayHashMap(V)`: an [`ArrayHashMap`] whose keys are strings, borrowed or, with another `K`, owned.
#[doc(alias = "std.StringArrayHashMap")]
pub type StringArrayHashMap<'a, V, K = &'a [u8], A = Allocator<'a>> =
    ArrayHashMap<'a, K, V, StringContext, A>;

/// What an [`ArrayHashMap`] is made of. Opaque.
pub struct ArrayMapParts<K, V, C, A: api::Allocator> {
    /// As many as there are values.
    pub(super) keys: Vec<K, A>,
    pub(super) values: Vec<V, A>,
    /// Of each entry the hash and the index. If user code has panicked it may lack some, or have some too many.
    pub(super) index: HashTable<(u64, usize), A>,
    pub(super) context: C,
}

impl<K, V, C, A: api::Allocator> fmt::Debug for ArrayMapParts<K, V, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrayMapParts").finish_non_exhaustive()
    }
}

/// What [`get_or_put`](ArrayHashMap::get_or_put) found or made: Zig's `GetOrPutResult`.
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
    /// An empty map, which has no memory yet.
    ///
    /// Ports `init`.
    #[inline]
    pub fn init(allocator: A) -> ArrayHashMap<'a, K, V, C, A>
    where
        C: Default,
    {
        ArrayHashMap::init_context(allocator, C::default())
    }

    /// An empty map with a context of its own.
    ///
    /// Ports `initContext`.
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
    /// The keys and the values, in the same order.
    pub fn into_vecs(self) -> (Vec<K, A>, Vec<V, A>) {
        let ArrayMapParts { keys, values, .. } = self.store.0;
        (keys, values)
    }
}

// ---- what needs no allocator ----

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
    #[inline]
    pub fn context(&self) -> &C {
        &self.parts().context
    }

    /// The keys, in order.
    #[inline]
    pub fn keys(&self) -> &[K] {
        &self.parts().keys
    }

    /// The values, in order.
    #[inline]
    pub fn values(&self) -> &[V] {
        &self.parts().values
    }

    /// The values, to be changed.
    #[inline]
    pub fn values_mut(&mut self) -> &mut [V] {
        &mut self.parts_mut().values
    }

    /// How many entries there are.
    #[inline]
    pub fn count(&self) -> usize {
        self.keys().len()
    }

    /// How many entries there is room for.
    pub fn capacity(&self) -> usize {
        let ArrayMapParts { keys, values, index, .. } = self.parts();
        keys.capacity().min(values.capacity()).min(index.capacity())
    }

    /// The entries, in order. Zig: `while (it.next()) |entry|`.
    pub fn iterator(&mut self) -> impl ExactSizeIterator<Item = Entry<'_, K, V>> + DoubleEndedIterator {
        let ArrayMapParts { keys, values, .. } = self.parts_mut();
        keys.iter().zip(values).map(|(key_ptr, value_ptr)| Entry { key_ptr, value_ptr })
    }

    /// The entries, in order, to be read.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> + DoubleEndedIterator {
        self.keys().iter().zip(self.values())
    }

    /// The index of a key.
    ///
    /// Ports `getIndex`.
    #[doc(alias = "getIndex")]
    #[inline]
    pub fn get_index<Q: ?Sized>(&self, key: &Q) -> Option<usize>
    where
        C: HashContext<Q, K>,
    {
        self.parts().find(key, self.context())
    }

    /// [`get_index`](Self::get_index) with a context for what is looked up.
    ///
    /// Ports `getIndexAdapted`.
    #[doc(alias = "getIndexAdapted")]
    pub fn get_index_adapted<Q: ?Sized>(&self, key: &Q, context: &impl HashContext<Q, K>) -> Option<usize> {
        self.parts().find(key, context)
    }

    /// The value of a key.
    #[inline]
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Option<&V>
    where
        C: HashContext<Q, K>,
    {
        self.values().get(self.get_index(key)?)
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
        let i = self.get_index(key)?;
        self.values_mut().get_mut(i)
    }

    /// The key in the map that is equal to `key`.
    ///
    /// Ports `getKey`.
    #[doc(alias = "getKey")]
    pub fn get_key<Q: ?Sized>(&self, key: &Q) -> Option<&K>
    where
        C: HashContext<Q, K>,
    {
        self.keys().get(self.get_index(key)?)
    }

    /// The entry of a key.
    ///
    /// Ports `getEntry`.
    #[doc(alias = "getEntry")]
    pub fn get_entry<Q: ?Sized>(&mut self, key: &Q) -> Option<Entry<'_, K, V>>
    where
        C: HashContext<Q, K>,
    {
        let i = self.get_index(key)?;
        let ArrayMapParts { keys, values, .. } = self.parts_mut();
        Some(Entry { key_ptr: &keys[i], value_ptr: &mut values[i] })
    }

    /// Whether there is an entry of that key.
    #[inline]
    pub fn contains<Q: ?Sized>(&self, key: &Q) -> bool
    where
        C: HashContext<Q, K>,
    {
        self.get_index(key).is_some()
    }

    /// Drops the entries; the capacity stays.
    ///
    /// Ports `clearRetainingCapacity`.
    #[doc(alias = "clearRetainingCapacity")]
    pub fn clear_retaining_capacity(&mut self) {
        let parts = self.parts_mut();
        parts.index.clear();
        parts.truncate(0);
    }
}

// ---- what removes ----

impl<K, V, C, A, S> ArrayHashMap<'_, K, V, C, A, S>
where
    C: HashContext<K, K>,
    A: api::Allocator,
    S: Store<ArrayMapParts<K, V, C, A>>,
{
    /// Removes an entry, whose place the last one takes, and says whether there was one.
    ///
    /// Ports `swapRemove`.
    #[doc(alias = "swapRemove")]
    pub fn swap_remove<Q: ?Sized>(&mut self, key: &Q) -> bool
    where
        C: HashContext<Q, K>,
    {
        self.fetch_swap_remove(key).is_some()
    }

    /// Removes an entry, where those after it move up, and says whether there was one. It takes a time that grows
    /// with the number of entries.
    ///
    /// Ports `orderedRemove`.
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
    #[doc(alias = "fetchOrderedRemove")]
    pub fn fetch_ordered_remove<Q: ?Sized>(&mut self, key: &Q) -> Option<KV<K, V>>
    where
        C: HashContext<Q, K>,
    {
        let i = self.get_index(key)?;
        Some(self.parts_mut().ordered_remove(i))
    }

    /// [`swap_remove`](Self::swap_remove) of the entry at an index.
    ///
    /// # Panics
    /// If the index is not below the number of entries.
    ///
    /// Ports `swapRemoveAt`.
    #[doc(alias = "swapRemoveAt")]
    #[track_caller]
    pub fn swap_remove_at(&mut self, index: usize) -> KV<K, V> {
        if index >= self.count() {
            grow::panic_index("ArrayHashMap::swap_remove_at", index, self.count());
        }
        self.parts_mut().swap_remove(index)
    }

    /// [`ordered_remove`](Self::ordered_remove) of the entry at an index.
    ///
    /// # Panics
    /// If the index is not below the number of entries.
    ///
    /// Ports `orderedRemoveAt`.
    #[doc(alias = "orderedRemoveAt")]
    #[track_caller]
    pub fn ordered_remove_at(&mut self, index: usize) -> KV<K, V> {
        if index >= self.count() {
            grow::panic_index("ArrayHashMap::ordered_remove_at", index, self.count());
        }
        self.parts_mut().ordered_remove(index)
    }

    /// Removes and returns the last entry.
    ///
    /// Ports `pop`.
    pub fn pop(&mut self) -> Option<KV<K, V>> {
        let last = self.count().checked_sub(1)?;
        Some(self.parts_mut().swap_remove(last))
    }

    /// Drops the entries from `new_len` on; the capacity stays.
    ///
    /// # Panics
    /// If `new_len` is above the number of entries.
    ///
    /// Ports `shrinkRetainingCapacity`.
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
