//! Methods of [`ArrayHashMap`] that insert entries, allocate or free.

use allocator_api2_02::alloc as api;
use allocator_api2_02::vec::Vec;
use core::cmp::Ordering;
use hashbrown::HashTable;

use super::array_hash_map::{ArrayGetOrPut, ArrayHashMap, ArrayMapParts};
use super::grow;
use super::hash_context::HashContext;
use super::hash_map::KV;
use super::room;
use super::store::{Allocates, Store};
use crate::error::Error;

/// Finds the entry of a key, or inserts the one that `new` makes, after `room` has made room.
#[inline(always)]
fn find_or_put<X, K, V, C: HashContext<K, K>, A: api::Allocator, E>(
    parts: &mut ArrayMapParts<K, V, C, A>,
    key: X,
    hash: impl FnOnce(&X, &C) -> u64,
    eql: impl Fn(&X, &C, &K) -> bool,
    room: impl FnOnce(&mut ArrayMapParts<K, V, C, A>) -> Result<(), E>,
    new: impl FnOnce(X) -> Result<(K, V), E>,
) -> Result<ArrayGetOrPut<'_, K, V>, E> {
    let hash = hash(&key, &parts.context);
    let (keys, context) = (&parts.keys, &parts.context);
    let found = |&(_, i): &(u64, usize)| keys.get(i).is_some_and(|other| eql(&key, context, other));
    let found = parts.index.find(hash, found).map(|&(_, i)| i);
    let index = match found {
        Some(i) => i,
        None => {
            room(parts)?;
            let (key, value) = new(key)?;
            let i = parts.keys.len();
            // There is room in all three: none of these fails.
            parts.keys.push(key);
            parts.values.push(value);
            parts.index.insert_unique(hash, (hash, i), |&(hash, _)| hash);
            i
        }
    };
    let (key_ptr, value_ptr) = (&mut parts.keys[index], &mut parts.values[index]);
    Ok(ArrayGetOrPut { found_existing: found.is_some(), key_ptr, value_ptr, index })
}

#[inline(always)]
fn find_or_put_key<K, V, C: HashContext<K, K>, A: api::Allocator, E>(
    parts: &mut ArrayMapParts<K, V, C, A>,
    key: K,
    room: impl FnOnce(&mut ArrayMapParts<K, V, C, A>) -> Result<(), E>,
    value: impl FnOnce(&K) -> Result<V, E>,
) -> Result<ArrayGetOrPut<'_, K, V>, E> {
    let hash = |key: &K, context: &C| context.hash(key);
    let eql = |key: &K, context: &C, other: &K| context.eql(key, other);
    find_or_put(parts, key, hash, eql, room, |key| {
        let value = value(&key)?;
        Ok((key, value))
    })
}

#[inline(always)]
fn fetch_put<K, V, C: HashContext<K, K>, A: api::Allocator, E>(
    parts: &mut ArrayMapParts<K, V, C, A>,
    key: K,
    value: V,
    room: impl FnOnce(&mut ArrayMapParts<K, V, C, A>) -> Result<(), E>,
) -> Result<Option<KV<K, V>>, E> {
    if let Some(i) = parts.find(&key, &parts.context) {
        let value = core::mem::replace(&mut parts.values[i], value);
        return Ok(Some(KV { key, value }));
    }
    find_or_put_key(parts, key, room, |_| Ok(value))?;
    Ok(None)
}

/// Ensures room for `additional` more entries in all three parts. Removals may lower that of the index.
#[inline]
fn grow_parts<K, V, C, A: api::Allocator>(
    parts: &mut ArrayMapParts<K, V, C, A>,
    additional: usize,
) -> Result<(), Error> {
    grow::ensure_unused(&mut parts.keys, additional)?;
    grow::ensure_unused(&mut parts.values, additional)?;
    Ok(parts.index.try_reserve(additional, |&(hash, _)| hash)?)
}

/// Ensures room for `total` entries that removals do not lower.
fn reserve<K, V, C, A: api::Allocator>(
    parts: &mut ArrayMapParts<K, V, C, A>,
    total: usize,
) -> Result<(), Error> {
    let ArrayMapParts { keys, values, index, .. } = parts;
    let additional = total.saturating_sub(keys.len());
    grow::ensure_unused(keys, additional)?;
    grow::ensure_unused(values, additional)?;
    // The index has more entries than the map if hashes were not always the same.
    let superfluous = index.len().saturating_sub(keys.len());
    let total = total.checked_add(superfluous).ok_or(Error::OutOfMemory)?;
    room::reserve(index, total, |&(hash, _)| hash)
}

/// Panics if there is no room for one more entry. Removals beyond what was reserved take room from the index, which is
/// then rebuilt.
#[inline(always)]
#[track_caller]
fn assert_room<K, V, C: HashContext<K, K>, A: api::Allocator>(
    function: &str,
    parts: &mut ArrayMapParts<K, V, C, A>,
) -> Result<(), Never> {
    let ArrayMapParts { keys, values, index, .. } = parts;
    let lists = keys.capacity().min(values.capacity());
    if keys.len() < lists && room::has_room(index, |&(hash, _)| hash) {
        return Ok(());
    }
    if keys.len() < lists.min(room::most(index)) {
        rebuild(parts);
    } else {
        panic!("{function}: the map is full, at its capacity of {}", lists.min(room::capacity(index)));
    }
    Ok(())
}

enum Never {}

#[inline(always)]
fn always<T>(result: Result<T, Never>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

/// Ensures room in the index for all entries. It may lack some if the program's code has panicked.
fn reserve_index<K, V, C, A: api::Allocator>(parts: &mut ArrayMapParts<K, V, C, A>) -> Result<(), Error> {
    let missing = parts.keys.len().saturating_sub(parts.index.len());
    Ok(parts.index.try_reserve(missing, |&(hash, _)| hash)?)
}

/// Rebuilds the index, after [`reserve_index`].
fn rebuild<K, V, C: HashContext<K, K>, A: api::Allocator>(parts: &mut ArrayMapParts<K, V, C, A>) {
    parts.index.clear();
    for (i, key) in parts.keys.iter().enumerate() {
        let hash = parts.context.hash(key);
        parts.index.insert_unique(hash, (hash, i), |&(hash, _)| hash);
    }
}

impl<K, V, C, A, S> ArrayHashMap<'_, K, V, C, A, S>
where
    C: HashContext<K, K>,
    A: api::Allocator,
    S: Allocates<ArrayMapParts<K, V, C, A>>,
{
    /// Sets the value of a key. An existing entry keeps its key and its index.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `put`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
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
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put_no_clobber("key", 1)?;
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "putNoClobber")]
    #[track_caller]
    pub fn put_no_clobber(&mut self, key: K, value: V) -> Result<(), Error> {
        let result = find_or_put_key(self.parts_mut(), key, |parts| grow_parts(parts, 1), |_| Ok(value))?;
        assert!(!result.found_existing, "ArrayHashMap::put_no_clobber: the key has an entry already");
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
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// assert_eq!(map.fetch_put("key", 1)?, None);
    /// assert_eq!(map.fetch_put("key", 2)?.map(|kv| kv.value), Some(1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "fetchPut")]
    pub fn fetch_put(&mut self, key: K, value: V) -> Result<Option<KV<K, V>>, Error> {
        fetch_put(self.parts_mut(), key, value, |parts| grow_parts(parts, 1))
    }

    /// Finds the entry of a key, or inserts one with `V::default()`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `getOrPut`, whose new value is undefined.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::<_, u32, _>::init(PAGE_ALLOCATOR);
    /// *map.get_or_put("key")?.value_ptr += 1;
    /// assert_eq!(map.values(), [1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getOrPut")]
    pub fn get_or_put(&mut self, key: K) -> Result<ArrayGetOrPut<'_, K, V>, Error>
    where
        V: Default,
    {
        find_or_put_key(self.parts_mut(), key, |parts| grow_parts(parts, 1), |_| Ok(V::default()))
    }

    /// Finds the entry of a key, or inserts one with `value`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `getOrPutValue`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// assert_eq!(*map.get_or_put_value("key", 1)?.value_ptr, 1);
    /// assert_eq!(*map.get_or_put_value("key", 2)?.value_ptr, 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getOrPutValue")]
    pub fn get_or_put_value(&mut self, key: K, value: V) -> Result<ArrayGetOrPut<'_, K, V>, Error> {
        find_or_put_key(self.parts_mut(), key, |parts| grow_parts(parts, 1), |_| Ok(value))
    }

    /// Finds the entry of a key, or inserts one with the value that a closure returns. If the closure fails, nothing
    /// is inserted.
    ///
    /// # Errors
    /// What the closure returns, and [`Error::OutOfMemory`].
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// use zigalloc::Error;
    ///
    /// let mut map = AutoArrayHashMap::<_, usize, _>::init(PAGE_ALLOCATOR);
    /// assert!(map.get_or_put_with("key", |_| Err(Error::OutOfMemory)).is_err());
    /// assert_eq!(*map.get_or_put_with("key", |key| Ok::<_, Error>(key.len()))?.value_ptr, 3);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn get_or_put_with<E: From<Error>>(
        &mut self,
        key: K,
        value: impl FnOnce(&K) -> Result<V, E>,
    ) -> Result<ArrayGetOrPut<'_, K, V>, E> {
        find_or_put_key(self.parts_mut(), key, |parts| Ok(grow_parts(parts, 1)?), value)
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
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// use zigalloc::{Error, collections::{ArrayHashMap, StringContext}};
    ///
    /// let mut map = ArrayHashMap::<Box<[u8]>, u32, StringContext, _>::init(PAGE_ALLOCATOR);
    /// let new = || Ok::<_, Error>((b"zig"[..].into(), 1)); // called only if the key is new
    /// assert!(!map.get_or_put_adapted("zig", &StringContext, new)?.found_existing);
    /// assert_eq!(map.get("zig"), Some(&1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getOrPutAdapted")]
    pub fn get_or_put_adapted<Q: ?Sized, E: From<Error>>(
        &mut self,
        key: &Q,
        adapted: &impl HashContext<Q, K>,
        new: impl FnOnce() -> Result<(K, V), E>,
    ) -> Result<ArrayGetOrPut<'_, K, V>, E> {
        let hash = |key: &&Q, _: &C| adapted.hash(*key);
        let eql = |key: &&Q, _: &C, other: &K| adapted.eql(*key, other);
        find_or_put(self.parts_mut(), key, hash, eql, |parts| Ok(grow_parts(parts, 1)?), |_| new())
    }

    /// Ensures room for `new_capacity` entries in total. Removals do not lower it: a map with no more entries than that
    /// does not allocate, whatever is removed and put. For this the index has at least twice the room.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::<u32, u32, _>::init(PAGE_ALLOCATOR);
    /// map.ensure_total_capacity(100)?;
    /// map.put_assume_capacity(1, 10);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureTotalCapacity")]
    pub fn ensure_total_capacity(&mut self, new_capacity: usize) -> Result<(), Error> {
        reserve(self.parts_mut(), new_capacity)
    }

    /// Ensures room for `additional_count` more entries, as [`ensure_total_capacity`](Self::ensure_total_capacity) does.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureUnusedCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
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
        reserve(self.parts_mut(), total)
    }

    /// Drops the entries from index `new_len` on and shrinks the blocks of keys and values to the rest. If the
    /// allocator cannot shrink one, its capacity stays. The index is not shrunk.
    ///
    /// # Panics
    /// If `new_len` is above the number of entries.
    ///
    /// Ports `shrinkAndFree`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.put(2, 20)?;
    /// map.shrink_and_free(1);
    /// assert_eq!(map.keys(), [1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "shrinkAndFree")]
    #[track_caller]
    pub fn shrink_and_free(&mut self, new_len: usize) {
        self.shrink_retaining_capacity(new_len);
        let ArrayMapParts { keys, values, .. } = self.parts_mut();
        // On failure the capacity stays.
        let _ = (grow::shrink(keys, new_len), grow::shrink(values, new_len));
    }

    /// Drops the entries and frees the memory.
    ///
    /// Ports `clearAndFree`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.clear_and_free();
    /// assert_eq!((map.count(), map.capacity()), (0, 0));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "clearAndFree")]
    pub fn clear_and_free(&mut self) {
        self.clear_retaining_capacity();
        let ArrayMapParts { keys, values, index, .. } = self.parts_mut();
        index.shrink_to(0, |&(hash, _)| hash);
        // To free takes no memory, so neither can fail.
        let _ = (grow::shrink(keys, 0), grow::shrink(values, 0));
    }

    /// Drops the entries and frees the memory, as dropping a managed map does.
    ///
    /// Ports `deinit`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn deinit(mut self) {
        self.clear_and_free();
    }

    /// Sorts the entries. The sort is stable.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the order is as it was.
    ///
    /// # Panics
    /// If `compare` panics, nothing has changed. If the context's `hash` panics, keys may not be found until
    /// [`re_index`](Self::re_index).
    ///
    /// Ports `sort`, whose context compares indices.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 20)?;
    /// map.put(2, 10)?;
    /// map.sort(|a, b| a.1.cmp(b.1))?;
    /// assert_eq!((map.keys(), map.get_index(&1)), (&[2, 1][..], Some(1)));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn sort(&mut self, mut compare: impl FnMut((&K, &V), (&K, &V)) -> Ordering) -> Result<(), Error> {
        reserve_index(self.parts_mut())?;
        let ArrayMapParts { keys, values, index, .. } = self.parts_mut();
        let len = keys.len();
        let mut order = Vec::new_in(index.allocator());
        order.try_reserve_exact(len)?;
        order.extend(0..len);
        // The index decides between equal ones: that is stable.
        order.sort_unstable_by(|&a: &usize, &b: &usize| {
            compare((&keys[a], &values[a]), (&keys[b], &values[b])).then(a.cmp(&b))
        });
        for target in 0..len {
            // What belongs here may have been swapped away, to where its old place points.
            let mut source = order[target];
            while source < target {
                source = order[source];
            }
            keys.swap(target, source);
            values.swap(target, source);
        }
        drop(order);
        rebuild(self.parts_mut());
        Ok(())
    }

    /// Rebuilds the index, after keys or the context have changed.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If the context's `hash` panics, keys may not be found until the next call.
    ///
    /// Ports `reIndex`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// map.re_index()?;
    /// assert_eq!(map.get(&1), Some(&10));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "reIndex")]
    pub fn re_index(&mut self) -> Result<(), Error> {
        let parts = self.parts_mut();
        reserve_index(parts)?;
        rebuild(parts);
        Ok(())
    }

    /// Replaces the key of the entry at an index and returns the old key. No other entry may have the new key.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], where the index must be made again; the new key is dropped then.
    ///
    /// # Panics
    /// If the index is not below the number of entries.
    ///
    /// Ports `setKey`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// assert_eq!(map.set_key(0, 7)?, 1);
    /// assert_eq!((map.get(&7), map.get(&1)), (Some(&10), None));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "setKey")]
    #[track_caller]
    pub fn set_key(&mut self, index: usize, new_key: K) -> Result<K, Error> {
        if index >= self.count() {
            grow::panic_index("ArrayHashMap::set_key", index, self.count());
        }
        let parts = self.parts_mut();
        let (old_hash, new_hash) = (parts.context.hash(&parts.keys[index]), parts.context.hash(&new_key));
        let is_old = |&(hash, i): &(u64, usize)| i == index && hash == old_hash;
        let unlink_old = |table: &mut HashTable<(u64, usize), A>| {
            if let Ok(entry) = table.find_entry(old_hash, is_old) {
                entry.remove();
            }
        };
        // Without room for both, the old one goes first if the new one fits then: up to what is kept, one does.
        let has_old = parts.index.find(old_hash, is_old).is_some();
        let is_first = has_old && parts.index.len() <= room::kept(&parts.index);
        if is_first {
            unlink_old(&mut parts.index);
        }
        room::grow(&mut parts.index, |&(hash, _)| hash)?;
        parts.index.insert_unique(new_hash, (new_hash, index), |&(hash, _)| hash);
        if !is_first {
            unlink_old(&mut parts.index);
        }
        Ok(core::mem::replace(&mut parts.keys[index], new_key))
    }

    /// Copies the map to an allocator.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// let copy = map.clone_with_allocator(PAGE_ALLOCATOR)?;
    /// assert_eq!(copy.get(&1), Some(&10));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn clone_with_allocator<'b, B: api::Allocator + Clone>(
        &self,
        allocator: B,
    ) -> Result<ArrayHashMap<'b, K, V, C, B>, Error>
    where
        K: Clone,
        V: Clone,
        C: Clone,
    {
        let mut copy = ArrayHashMap::init_context(allocator, self.context().clone());
        grow_parts(copy.parts_mut(), self.count())?;
        let parts = copy.parts_mut();
        parts.keys.extend_from_slice(self.keys());
        parts.values.extend_from_slice(self.values());
        // If hashes were not always the same, the index has more entries than the map.
        parts.index.try_reserve(self.parts().index.len(), |&(hash, _)| hash)?;
        for &(hash, i) in &self.parts().index {
            parts.index.insert_unique(hash, (hash, i), |&(hash, _)| hash);
        }
        Ok(copy)
    }
}

impl<'a, K, V, C: HashContext<K, K>, A: api::Allocator + Clone> ArrayHashMap<'a, K, V, C, A> {
    /// Copies the map within its allocator.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `clone`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// assert_eq!(map.clone()?.keys(), [1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[expect(clippy::should_implement_trait, reason = "Zig's, which can fail")]
    pub fn clone(&self) -> Result<ArrayHashMap<'a, K, V, C, A>, Error>
    where
        K: Clone,
        V: Clone,
        C: Clone,
    {
        self.clone_with_allocator(self.parts().keys.allocator().clone())
    }

    /// Moves the entries to a new map. This one is empty afterwards.
    ///
    /// Ports `move`, which is a word of Rust's.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.put(1, 10)?;
    /// let moved = map.take();
    /// assert_eq!((moved.count(), map.count()), (1, 0));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "move")]
    #[must_use = "the entries are in the result"]
    pub fn take(&mut self) -> ArrayHashMap<'a, K, V, C, A>
    where
        C: Clone,
    {
        let allocator = self.parts().keys.allocator().clone();
        let empty = ArrayHashMap::init_context(allocator, self.context().clone());
        core::mem::replace(self, empty)
    }
}

// ---- within the capacity ----

impl<K, V, C, A, S> ArrayHashMap<'_, K, V, C, A, S>
where
    C: HashContext<K, K>,
    A: api::Allocator,
    S: Store<ArrayMapParts<K, V, C, A>>,
{
    /// Sets the value of a key without allocating.
    ///
    /// # Panics
    /// If the map is full and has no entry for the key.
    ///
    /// Ports `putAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.ensure_total_capacity(1)?;
    /// map.put_assume_capacity("key", 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "putAssumeCapacity")]
    #[track_caller]
    pub fn put_assume_capacity(&mut self, key: K, value: V) {
        drop(self.fetch_put_assume_capacity(key, value));
    }

    /// Sets the value of a key without allocating, and returns the previous entry, if any.
    ///
    /// # Panics
    /// If the map is full and has no entry for the key.
    ///
    /// Ports `fetchPutAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.ensure_total_capacity(1)?;
    /// assert_eq!(map.fetch_put_assume_capacity("key", 1), None);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "fetchPutAssumeCapacity")]
    #[track_caller]
    pub fn fetch_put_assume_capacity(&mut self, key: K, value: V) -> Option<KV<K, V>> {
        let room = |parts: &mut _| assert_room("ArrayHashMap::put_assume_capacity", parts);
        always(fetch_put(self.parts_mut(), key, value, room))
    }

    /// Inserts an entry for a key that has none, without allocating.
    ///
    /// # Panics
    /// If the map is full, or has an entry for the key.
    ///
    /// Ports `putAssumeCapacityNoClobber`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::init(PAGE_ALLOCATOR);
    /// map.ensure_total_capacity(1)?;
    /// map.put_assume_capacity_no_clobber("key", 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "putAssumeCapacityNoClobber")]
    #[track_caller]
    pub fn put_assume_capacity_no_clobber(&mut self, key: K, value: V) {
        let room = |parts: &mut _| assert_room("ArrayHashMap::put_assume_capacity_no_clobber", parts);
        let result = always(find_or_put_key(self.parts_mut(), key, room, |_| Ok(value)));
        assert!(
            !result.found_existing,
            "ArrayHashMap::put_assume_capacity_no_clobber: the key has an entry already"
        );
    }

    /// Finds the entry of a key, or inserts one with `V::default()` without allocating.
    ///
    /// # Panics
    /// If the map is full and has no entry for the key.
    ///
    /// Ports `getOrPutAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::AutoArrayHashMap, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMap::<_, u32, _>::init(PAGE_ALLOCATOR);
    /// map.ensure_total_capacity(1)?;
    /// *map.get_or_put_assume_capacity("key").value_ptr += 1;
    /// assert_eq!(map.values(), [1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getOrPutAssumeCapacity")]
    #[track_caller]
    pub fn get_or_put_assume_capacity(&mut self, key: K) -> ArrayGetOrPut<'_, K, V>
    where
        V: Default,
    {
        let room = |parts: &mut _| assert_room("ArrayHashMap::get_or_put_assume_capacity", parts);
        always(find_or_put_key(self.parts_mut(), key, room, |_| Ok(V::default())))
    }
}
