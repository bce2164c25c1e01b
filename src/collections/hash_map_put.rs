//! Methods of [`HashMap`] that insert entries, allocate or free.

use allocator_api2_02::alloc as api;
use hashbrown::HashTable;

use super::hash_context::HashContext;
use super::hash_map::{Entry, GetOrPut, HashMap, KV, MapParts, clear};
use super::room;
use super::store::{Allocates, Store};
use crate::error::Error;

/// Finds the entry of a key, or inserts the one that `new` makes from what was looked up, after `room` has made room.
#[inline(always)]
fn find_or_put<X, K, V, C: HashContext<K, K>, A: api::Allocator, E>(
    parts: &mut MapParts<K, V, C, A>,
    key: X,
    hash: impl FnOnce(&X, &C) -> u64,
    eql: impl Fn(&X, &C, &K) -> bool,
    room: impl FnOnce(&mut HashTable<(K, V), A>, &C) -> Result<(), E>,
    new: impl FnOnce(X) -> Result<(K, V), E>,
) -> Result<GetOrPut<'_, K, V>, E> {
    let MapParts { table, context } = parts;
    let hash = hash(&key, context);
    match table.find_entry(hash, |(other, _)| eql(&key, context, other)) {
        Ok(entry) => {
            let (key_ptr, value_ptr) = entry.into_mut();
            Ok(GetOrPut { found_existing: true, key_ptr, value_ptr })
        }
        Err(absent) => {
            let table = absent.into_table();
            room(table, context)?;
            let entry = new(key)?;
            let (key_ptr, value_ptr) =
                table.insert_unique(hash, entry, |(key, _)| context.hash(key)).into_mut();
            Ok(GetOrPut { found_existing: false, key_ptr, value_ptr })
        }
    }
}

/// [`find_or_put`] for the map's own keys.
#[inline(always)]
fn find_or_put_key<K, V, C: HashContext<K, K>, A: api::Allocator, E>(
    parts: &mut MapParts<K, V, C, A>,
    key: K,
    room: impl FnOnce(&mut HashTable<(K, V), A>, &C) -> Result<(), E>,
    value: impl FnOnce(&K) -> Result<V, E>,
) -> Result<GetOrPut<'_, K, V>, E> {
    let hash = |key: &K, context: &C| context.hash(key);
    let eql = |key: &K, context: &C, other: &K| context.eql(key, other);
    find_or_put(parts, key, hash, eql, room, |key| {
        let value = value(&key)?;
        Ok((key, value))
    })
}

/// Ensures room for one more entry.
#[inline(always)]
fn grow<K, V, C: HashContext<K, K>, A: api::Allocator>(
    table: &mut HashTable<(K, V), A>,
    context: &C,
) -> Result<(), Error> {
    room::grow(table, |(key, _)| context.hash(key))
}

/// Panics if there is no room for one more entry. Only what removals took, beyond what was reserved, is allocated.
#[inline(always)]
#[track_caller]
fn assert_room<K, V, C: HashContext<K, K>, A: api::Allocator>(
    function: &str,
    table: &mut HashTable<(K, V), A>,
    context: &C,
) -> Result<(), Never> {
    let hash = |(key, _): &(K, V)| context.hash(key);
    if !room::has_room(table, hash) && (table.len() >= room::most(table) || room::grow(table, hash).is_err())
    {
        panic!("{function}: the map is full, at its capacity of {}", room::capacity(table));
    }
    Ok(())
}

/// The error of what cannot fail.
enum Never {}

#[inline(always)]
fn always<T>(result: Result<T, Never>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

impl<K, V, C, A, S> HashMap<'_, K, V, C, A, S>
where
    C: HashContext<K, K>,
    A: api::Allocator,
    S: Allocates<MapParts<K, V, C, A>>,
{
    /// Sets the value of a key. An existing entry keeps its key.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `put`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put("key", 1)?;
    /// map.put("key", 2)?;
    /// assert_eq!((map.get("key"), map.count()), (Some(&2), 1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn put(&mut self, key: K, value: V) -> Result<(), Error> {
        self.fetch_put(key, value).map(drop)
    }

    /// Inserts an entry for a key that has none.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If the map has an entry for the key, which stays unchanged.
    ///
    /// Ports `putNoClobber`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put_no_clobber("key", 1)?;
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "putNoClobber")]
    #[inline]
    #[track_caller]
    pub fn put_no_clobber(&mut self, key: K, value: V) -> Result<(), Error> {
        let result = find_or_put_key(self.parts_mut(), key, grow, |_| Ok(value))?;
        assert!(!result.found_existing, "HashMap::put_no_clobber: the key has an entry already");
        Ok(())
    }

    /// Sets the value of a key and returns the previous entry, if any.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `fetchPut`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// assert_eq!(map.fetch_put("key", 1)?, None);
    /// assert_eq!(map.fetch_put("key", 2)?.map(|kv| kv.value), Some(1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "fetchPut")]
    #[inline]
    pub fn fetch_put(&mut self, key: K, value: V) -> Result<Option<KV<K, V>>, Error> {
        fetch_put(self.parts_mut(), key, value, grow)
    }

    /// Finds the entry of a key, or inserts one with `V::default()`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `getOrPut`, whose new value is undefined.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// let gop = map.get_or_put("key")?;
    /// if !gop.found_existing {
    ///     *gop.value_ptr = 42;
    /// }
    /// assert_eq!(map.get("key"), Some(&42));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getOrPut")]
    #[inline]
    pub fn get_or_put(&mut self, key: K) -> Result<GetOrPut<'_, K, V>, Error>
    where
        V: Default,
    {
        find_or_put_key(self.parts_mut(), key, grow, |_| Ok(V::default()))
    }

    /// Finds the entry of a key, or inserts one with `value`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `getOrPutValue`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// assert_eq!(*map.get_or_put_value("key", 1)?.value_ptr, 1);
    /// assert_eq!(*map.get_or_put_value("key", 2)?.value_ptr, 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getOrPutValue")]
    #[inline]
    pub fn get_or_put_value(&mut self, key: K, value: V) -> Result<Entry<'_, K, V>, Error> {
        let GetOrPut { key_ptr, value_ptr, .. } =
            find_or_put_key(self.parts_mut(), key, grow, |_| Ok(value))?;
        Ok(Entry { key_ptr, value_ptr })
    }

    /// Finds the entry of a key, or inserts one with the value that a closure returns. If the closure fails, nothing
    /// is inserted: in Zig, `getOrPut` with an `errdefer` that removes the entry.
    ///
    /// # Errors
    /// What the closure returns, and [`Error::OutOfMemory`].
    ///
    /// ```
    /// # use zigalloc::{Error, collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut names = AutoHashMap::init(PAGE_ALLOCATOR);
    /// let gop = names.get_or_put_with(7, |id| PAGE_ALLOCATOR.print_owned(format_args!("node {id}")))?;
    /// assert_eq!((gop.found_existing, &**gop.value_ptr), (false, "node 7"));
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn get_or_put_with<E: From<Error>>(
        &mut self,
        key: K,
        value: impl FnOnce(&K) -> Result<V, E>,
    ) -> Result<GetOrPut<'_, K, V>, E> {
        find_or_put_key(self.parts_mut(), key, |table, context| Ok(grow(table, context)?), value)
    }

    /// Finds the entry of what `adapted` looks up, or inserts the key and value that a closure returns. The key must
    /// have the same hash as what was looked up, and equal it. If the closure fails, nothing is inserted.
    ///
    /// # Errors
    /// What the closure returns, and [`Error::OutOfMemory`].
    ///
    /// Ports `getOrPutAdapted`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// use zigalloc::{Error, collections::StringContext, collections::HashMap};
    ///
    /// let mut map = HashMap::<Box<[u8]>, u32, StringContext, _>::init(PAGE_ALLOCATOR);
    /// let new = || Ok::<_, Error>((b"zig"[..].into(), 1)); // called only if the key is new
    /// assert!(!map.get_or_put_adapted("zig", &StringContext, new)?.found_existing);
    /// assert_eq!(map.get("zig"), Some(&1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getOrPutAdapted")]
    #[inline]
    pub fn get_or_put_adapted<Q: ?Sized, E: From<Error>>(
        &mut self,
        key: &Q,
        adapted: &impl HashContext<Q, K>,
        new: impl FnOnce() -> Result<(K, V), E>,
    ) -> Result<GetOrPut<'_, K, V>, E> {
        let hash = |key: &&Q, _: &C| adapted.hash(*key);
        let eql = |key: &&Q, _: &C, other: &K| adapted.eql(*key, other);
        let room = |table: &mut _, context: &C| Ok(grow(table, context)?);
        find_or_put(self.parts_mut(), key, hash, eql, room, |_| new())
    }

    /// Ensures room for `expected_count` entries in total. Removals do not lower it: a map with no more entries than that
    /// does not allocate, whatever is removed and put. For this the table has at least twice the room.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::<u32, u32, _>::init(PAGE_ALLOCATOR);
    /// map.ensure_total_capacity(100)?;
    /// map.put_assume_capacity(1, 10);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureTotalCapacity")]
    pub fn ensure_total_capacity(&mut self, expected_count: usize) -> Result<(), Error> {
        let MapParts { table, context } = self.parts_mut();
        room::reserve(table, expected_count, |(key, _)| context.hash(key))
    }

    /// Ensures room for `additional_count` more entries, as [`ensure_total_capacity`](Self::ensure_total_capacity) does.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureUnusedCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.ensure_unused_capacity(100)?;
    /// assert!(map.capacity() >= 101);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureUnusedCapacity")]
    pub fn ensure_unused_capacity(&mut self, additional_count: usize) -> Result<(), Error> {
        if additional_count == 0 {
            return Ok(());
        }
        let total = self.count().checked_add(additional_count).ok_or(Error::OutOfMemory)?;
        self.ensure_total_capacity(total)
    }

    /// Drops the entries and frees the memory.
    ///
    /// Ports `clearAndFree`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.clear_and_free();
    /// assert_eq!((map.count(), map.capacity()), (0, 0));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "clearAndFree")]
    pub fn clear_and_free(&mut self) {
        let MapParts { table, context } = self.parts_mut();
        clear(table);
        table.shrink_to(0, |(key, _)| context.hash(key));
    }

    /// Drops the entries and frees the memory, as dropping a managed map does.
    ///
    /// Ports `deinit`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn deinit(mut self) {
        self.clear_and_free();
    }

    /// Copies the map to an allocator.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `cloneWithAllocator`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// let copy = map.clone_with_allocator(PAGE_ALLOCATOR)?;
    /// assert_eq!(copy.get(&1), Some(&10));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "cloneWithAllocator")]
    pub fn clone_with_allocator<'b, B: api::Allocator>(
        &self,
        allocator: B,
    ) -> Result<HashMap<'b, K, V, C, B>, Error>
    where
        K: Clone,
        V: Clone,
        C: Clone,
    {
        let MapParts { table, context } = self.parts();
        let mut copy = HashMap::init_context(allocator, context.clone());
        copy.parts_mut().table.try_reserve(table.len(), |(key, _)| context.hash(key))?;
        for (key, value) in table {
            let entry = (key.clone(), value.clone());
            let hash = context.hash(&entry.0);
            copy.parts_mut().table.insert_unique(hash, entry, |(key, _)| context.hash(key));
        }
        Ok(copy)
    }
}

impl<'a, K, V, C: HashContext<K, K>, A: api::Allocator + Clone> HashMap<'a, K, V, C, A> {
    /// Copies the map within its allocator.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `clone`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// assert_eq!(map.clone()?.get(&1), Some(&10));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[expect(clippy::should_implement_trait, reason = "Zig's, which can fail")]
    pub fn clone(&self) -> Result<HashMap<'a, K, V, C, A>, Error>
    where
        K: Clone,
        V: Clone,
        C: Clone,
    {
        self.clone_with_allocator(self.parts().table.allocator().clone())
    }

    /// Moves the entries to a new map. This one is empty afterwards.
    ///
    /// Ports `move`, which is a word of Rust's.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// let moved = map.take();
    /// assert_eq!((moved.count(), map.count()), (1, 0));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "move")]
    #[must_use = "the entries are in the result"]
    pub fn take(&mut self) -> HashMap<'a, K, V, C, A>
    where
        C: Clone,
    {
        let MapParts { table, context } = self.parts();
        let empty = HashMap::init_context(table.allocator().clone(), context.clone());
        core::mem::replace(self, empty)
    }
}

#[inline(always)]
fn fetch_put<K, V, C: HashContext<K, K>, A: api::Allocator, E>(
    parts: &mut MapParts<K, V, C, A>,
    key: K,
    value: V,
    room: impl FnOnce(&mut HashTable<(K, V), A>, &C) -> Result<(), E>,
) -> Result<Option<KV<K, V>>, E> {
    let MapParts { table, context } = parts;
    let hash = context.hash(&key);
    match table.find_entry(hash, |(other, _)| context.eql(&key, other)) {
        Ok(mut entry) => {
            let value = core::mem::replace(&mut entry.get_mut().1, value);
            Ok(Some(KV { key, value }))
        }
        Err(absent) => {
            let table = absent.into_table();
            room(table, context)?;
            table.insert_unique(hash, (key, value), |(key, _)| context.hash(key));
            Ok(None)
        }
    }
}

impl<K, V, C, A, S> HashMap<'_, K, V, C, A, S>
where
    C: HashContext<K, K>,
    A: api::Allocator,
    S: Store<MapParts<K, V, C, A>>,
{
    /// Sets the value of a key without allocating. The exception is a map that must be rebuilt after removals: see the
    /// table of [differences](HashMap#differences-from-zig).
    ///
    /// # Panics
    /// If the map is full and has no entry for the key.
    ///
    /// Ports `putAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.ensure_total_capacity(1)?;
    /// map.put_assume_capacity("key", 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "putAssumeCapacity")]
    #[inline]
    #[track_caller]
    pub fn put_assume_capacity(&mut self, key: K, value: V) {
        let room = |table: &mut _, context: &C| assert_room("HashMap::put_assume_capacity", table, context);
        drop(always(fetch_put(self.parts_mut(), key, value, room)));
    }

    /// Inserts an entry for a key that has none, without allocating.
    /// [`put_assume_capacity`](Self::put_assume_capacity) has the exception.
    ///
    /// # Panics
    /// If the map is full, or has an entry for the key.
    ///
    /// Ports `putAssumeCapacityNoClobber`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.ensure_total_capacity(1)?;
    /// map.put_assume_capacity_no_clobber("key", 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "putAssumeCapacityNoClobber")]
    #[inline]
    #[track_caller]
    pub fn put_assume_capacity_no_clobber(&mut self, key: K, value: V) {
        let room = |table: &mut _, context: &C| {
            assert_room("HashMap::put_assume_capacity_no_clobber", table, context)
        };
        let result = always(find_or_put_key(self.parts_mut(), key, room, |_| Ok(value)));
        assert!(
            !result.found_existing,
            "HashMap::put_assume_capacity_no_clobber: the key has an entry already"
        );
    }

    /// Sets the value of a key without allocating, and returns the previous entry, if any.
    /// [`put_assume_capacity`](Self::put_assume_capacity) has the exception.
    ///
    /// # Panics
    /// If the map is full and has no entry for the key.
    ///
    /// Ports `fetchPutAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::init(PAGE_ALLOCATOR);
    /// map.ensure_total_capacity(1)?;
    /// assert_eq!(map.fetch_put_assume_capacity("key", 1), None);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "fetchPutAssumeCapacity")]
    #[track_caller]
    pub fn fetch_put_assume_capacity(&mut self, key: K, value: V) -> Option<KV<K, V>> {
        let room =
            |table: &mut _, context: &C| assert_room("HashMap::fetch_put_assume_capacity", table, context);
        always(fetch_put(self.parts_mut(), key, value, room))
    }

    /// Finds the entry of a key, or inserts one with `V::default()` without allocating.
    /// [`put_assume_capacity`](Self::put_assume_capacity) has the exception.
    ///
    /// # Panics
    /// If the map is full and has no entry for the key.
    ///
    /// Ports `getOrPutAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMap::<_, u32, _>::init(PAGE_ALLOCATOR);
    /// map.ensure_total_capacity(1)?;
    /// *map.get_or_put_assume_capacity("key").value_ptr += 1;
    /// assert_eq!(map.get("key"), Some(&1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getOrPutAssumeCapacity")]
    #[inline]
    #[track_caller]
    pub fn get_or_put_assume_capacity(&mut self, key: K) -> GetOrPut<'_, K, V>
    where
        V: Default,
    {
        let room =
            |table: &mut _, context: &C| assert_room("HashMap::get_or_put_assume_capacity", table, context);
        always(find_or_put_key(self.parts_mut(), key, room, |_| Ok(V::default())))
    }
}

impl<K, V, C, A: api::Allocator> IntoIterator for HashMap<'_, K, V, C, A> {
    type Item = (K, V);
    type IntoIter = hashbrown::hash_table::IntoIter<(K, V), A>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_table().0.into_iter()
    }
}
