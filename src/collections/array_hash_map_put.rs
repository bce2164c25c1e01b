//! What puts entries into an [`ArrayHashMap`], and what gets and gives back its memory.

use allocator_api2_02::alloc as api;
use allocator_api2_02::vec::Vec;
use core::cmp::Ordering;

use super::array_hash_map::{ArrayGetOrPut, ArrayHashMap, ArrayMapParts};
use super::grow;
use super::hash_context::HashContext;
use super::hash_map::KV;
use super::store::{Allocates, Store};
use crate::error::Error;

/// The index of an entry, and whether it was there before; `new` makes it, once `room` has made room for it.
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

/// Room for `additional` more entries in all three parts.
#[inline]
fn reserve<K, V, C, A: api::Allocator>(
    parts: &mut ArrayMapParts<K, V, C, A>,
    additional: usize,
) -> Result<(), Error> {
    grow::ensure_unused(&mut parts.keys, additional)?;
    grow::ensure_unused(&mut parts.values, additional)?;
    Ok(parts.index.try_reserve(additional, |&(hash, _)| hash)?)
}

/// Panics if there is no room for one more entry.
#[inline(always)]
#[track_caller]
fn assert_room<K, V, C, A: api::Allocator>(
    function: &str,
    parts: &ArrayMapParts<K, V, C, A>,
) -> Result<(), Never> {
    let ArrayMapParts { keys, values, index, .. } = parts;
    let capacity = keys.capacity().min(values.capacity()).min(index.capacity());
    // The index has more entries than the map if hashes were not always the same.
    if keys.len().max(index.len()) >= capacity {
        panic!("{function}: the map is full, at its capacity of {capacity}");
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

/// Room in the index for all entries, of which it may lack some if user code has panicked.
fn reserve_index<K, V, C, A: api::Allocator>(parts: &mut ArrayMapParts<K, V, C, A>) -> Result<(), Error> {
    let missing = parts.keys.len().saturating_sub(parts.index.len());
    Ok(parts.index.try_reserve(missing, |&(hash, _)| hash)?)
}

/// The index of the entries that there are, after [`reserve_index`].
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
    /// Sets the value of a key. An entry that exists keeps its key and its index.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `put`.
    #[inline]
    pub fn put(&mut self, key: K, value: V) -> Result<(), Error> {
        self.fetch_put(key, value).map(drop)
    }

    /// Adds an entry, of which there is none yet.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If there is an entry of that key, which stays as it is.
    ///
    /// Ports `putNoClobber`.
    #[doc(alias = "putNoClobber")]
    #[track_caller]
    pub fn put_no_clobber(&mut self, key: K, value: V) -> Result<(), Error> {
        let result = find_or_put_key(self.parts_mut(), key, |parts| reserve(parts, 1), |_| Ok(value))?;
        assert!(!result.found_existing, "ArrayHashMap::put_no_clobber: there is an entry of that key");
        Ok(())
    }

    /// Sets the value of a key, and returns the entry that was.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `fetchPut`.
    #[doc(alias = "fetchPut")]
    pub fn fetch_put(&mut self, key: K, value: V) -> Result<Option<KV<K, V>>, Error> {
        fetch_put(self.parts_mut(), key, value, |parts| reserve(parts, 1))
    }

    /// The entry of a key. If there is none it is made, with `V::default()`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `getOrPut`, whose new value is undefined.
    #[doc(alias = "getOrPut")]
    pub fn get_or_put(&mut self, key: K) -> Result<ArrayGetOrPut<'_, K, V>, Error>
    where
        V: Default,
    {
        find_or_put_key(self.parts_mut(), key, |parts| reserve(parts, 1), |_| Ok(V::default()))
    }

    /// The entry of a key. If there is none it is made, with that value.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `getOrPutValue`.
    #[doc(alias = "getOrPutValue")]
    pub fn get_or_put_value(&mut self, key: K, value: V) -> Result<ArrayGetOrPut<'_, K, V>, Error> {
        find_or_put_key(self.parts_mut(), key, |parts| reserve(parts, 1), |_| Ok(value))
    }

    /// The entry of a key. If there is none it is made, with a value from a closure that may fail: then there is none
    /// afterwards either.
    ///
    /// # Errors
    /// What the closure returns, and [`Error::OutOfMemory`].
    pub fn get_or_put_with<E: From<Error>>(
        &mut self,
        key: K,
        value: impl FnOnce(&K) -> Result<V, E>,
    ) -> Result<ArrayGetOrPut<'_, K, V>, E> {
        find_or_put_key(self.parts_mut(), key, |parts| Ok(reserve(parts, 1)?), value)
    }

    /// The entry of what is looked up with a context of its own. If there is none it is made, with a key and a value
    /// from a closure, which may fail. The key must be equal to what was looked up, and have its hash.
    ///
    /// # Errors
    /// What the closure returns, and [`Error::OutOfMemory`].
    ///
    /// Ports `getOrPutAdapted`.
    #[doc(alias = "getOrPutAdapted")]
    pub fn get_or_put_adapted<Q: ?Sized, E: From<Error>>(
        &mut self,
        key: &Q,
        adapted: &impl HashContext<Q, K>,
        new: impl FnOnce() -> Result<(K, V), E>,
    ) -> Result<ArrayGetOrPut<'_, K, V>, E> {
        let hash = |key: &&Q, _: &C| adapted.hash(*key);
        let eql = |key: &&Q, _: &C, other: &K| adapted.eql(*key, other);
        find_or_put(self.parts_mut(), key, hash, eql, |parts| Ok(reserve(parts, 1)?), |_| new())
    }

    /// Room for `new_capacity` entries in all.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacity`.
    #[doc(alias = "ensureTotalCapacity")]
    pub fn ensure_total_capacity(&mut self, new_capacity: usize) -> Result<(), Error> {
        let additional = new_capacity.saturating_sub(self.count());
        reserve(self.parts_mut(), additional)
    }

    /// Room for `additional_count` entries more than there are.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureUnusedCapacity`.
    #[doc(alias = "ensureUnusedCapacity")]
    pub fn ensure_unused_capacity(&mut self, additional_count: usize) -> Result<(), Error> {
        reserve(self.parts_mut(), additional_count)
    }

    /// Drops the entries from `new_len` on, and gives back what memory can be given back without taking any.
    ///
    /// # Panics
    /// If `new_len` is above the number of entries.
    ///
    /// Ports `shrinkAndFree`.
    #[doc(alias = "shrinkAndFree")]
    #[track_caller]
    pub fn shrink_and_free(&mut self, new_len: usize) {
        self.shrink_retaining_capacity(new_len);
        let ArrayMapParts { keys, values, .. } = self.parts_mut();
        // The capacity is then what it was, which is right too.
        let _ = (grow::shrink(keys, new_len), grow::shrink(values, new_len));
    }

    /// Drops the entries and frees the memory.
    ///
    /// Ports `clearAndFree`.
    #[doc(alias = "clearAndFree")]
    pub fn clear_and_free(&mut self) {
        self.clear_retaining_capacity();
        let ArrayMapParts { keys, values, index, .. } = self.parts_mut();
        index.shrink_to(0, |&(hash, _)| hash);
        // To free takes no memory, so neither can fail.
        let _ = (grow::shrink(keys, 0), grow::shrink(values, 0));
    }

    /// Ends the map: drops the entries and frees the memory. Dropping a managed map does the same.
    ///
    /// Ports `deinit`.
    pub fn deinit(mut self) {
        self.clear_and_free();
    }

    /// Sorts the entries. Equal ones stay in their order.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the order is as it was.
    ///
    /// # Panics
    /// If `compare` panics, nothing has changed. If the context's `hash` panics, keys may not be found until
    /// [`re_index`](Self::re_index).
    ///
    /// Ports `sort`, whose context compares indices.
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

    /// Makes the index again, for keys that have changed.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If the context's `hash` panics, keys may not be found until the next call.
    ///
    /// Ports `reIndex`.
    #[doc(alias = "reIndex")]
    pub fn re_index(&mut self) -> Result<(), Error> {
        let parts = self.parts_mut();
        reserve_index(parts)?;
        rebuild(parts);
        Ok(())
    }

    /// Gives the entry at an index another key, and returns the old one. The map has no other entry of that key.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], where the index must be made again; the new key is dropped then.
    ///
    /// # Panics
    /// If the index is not below the number of entries.
    ///
    /// Ports `setKey`.
    #[doc(alias = "setKey")]
    #[track_caller]
    pub fn set_key(&mut self, index: usize, new_key: K) -> Result<K, Error> {
        if index >= self.count() {
            grow::panic_index("ArrayHashMap::set_key", index, self.count());
        }
        let parts = self.parts_mut();
        let (old_hash, new_hash) = (parts.context.hash(&parts.keys[index]), parts.context.hash(&new_key));
        parts.index.try_reserve(1, |&(hash, _)| hash)?;
        parts.index.insert_unique(new_hash, (new_hash, index), |&(hash, _)| hash);
        if let Ok(entry) = parts.index.find_entry(old_hash, |&(hash, i)| i == index && hash == old_hash) {
            entry.remove();
        }
        Ok(core::mem::replace(&mut parts.keys[index], new_key))
    }

    /// A copy in another allocator.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
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
        reserve(copy.parts_mut(), self.count())?;
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
    /// A copy in the same allocator.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `clone`.
    #[expect(clippy::should_implement_trait, reason = "Zig's, which can fail")]
    pub fn clone(&self) -> Result<ArrayHashMap<'a, K, V, C, A>, Error>
    where
        K: Clone,
        V: Clone,
        C: Clone,
    {
        self.clone_with_allocator(self.parts().keys.allocator().clone())
    }

    /// The map as it is; this one is empty then.
    ///
    /// Ports `move`, which is a word of Rust's.
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

// ---- where there is room ----

impl<K, V, C, A, S> ArrayHashMap<'_, K, V, C, A, S>
where
    C: HashContext<K, K>,
    A: api::Allocator,
    S: Store<ArrayMapParts<K, V, C, A>>,
{
    /// [`put`](ArrayHashMap::put) where there is room, or an entry of that key.
    ///
    /// # Panics
    /// If there is neither.
    ///
    /// Ports `putAssumeCapacity`.
    #[doc(alias = "putAssumeCapacity")]
    #[track_caller]
    pub fn put_assume_capacity(&mut self, key: K, value: V) {
        drop(self.fetch_put_assume_capacity(key, value));
    }

    /// [`fetch_put`](ArrayHashMap::fetch_put) where there is room, or an entry of that key.
    ///
    /// # Panics
    /// If there is neither.
    ///
    /// Ports `fetchPutAssumeCapacity`.
    #[doc(alias = "fetchPutAssumeCapacity")]
    #[track_caller]
    pub fn fetch_put_assume_capacity(&mut self, key: K, value: V) -> Option<KV<K, V>> {
        let room = |parts: &mut _| assert_room("ArrayHashMap::put_assume_capacity", parts);
        always(fetch_put(self.parts_mut(), key, value, room))
    }

    /// [`put_no_clobber`](ArrayHashMap::put_no_clobber) where there is room.
    ///
    /// # Panics
    /// If there is none, or there is an entry of that key.
    ///
    /// Ports `putAssumeCapacityNoClobber`.
    #[doc(alias = "putAssumeCapacityNoClobber")]
    #[track_caller]
    pub fn put_assume_capacity_no_clobber(&mut self, key: K, value: V) {
        let room = |parts: &mut _| assert_room("ArrayHashMap::put_assume_capacity_no_clobber", parts);
        let result = always(find_or_put_key(self.parts_mut(), key, room, |_| Ok(value)));
        assert!(
            !result.found_existing,
            "ArrayHashMap::put_assume_capacity_no_clobber: there is an entry of that key"
        );
    }

    /// [`get_or_put`](ArrayHashMap::get_or_put) where there is room, or an entry of that key.
    ///
    /// # Panics
    /// If there is neither.
    ///
    /// Ports `getOrPutAssumeCapacity`.
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
