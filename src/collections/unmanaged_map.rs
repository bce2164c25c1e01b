//! [`HashMapUnmanaged`]: a map without an allocator.

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;

use allocator_api2_02::vec::Vec;

use super::array_hash_map::{ArrayHashMap, ArrayMapParts};
use super::hash_context::{AutoContext, StringContext};
use super::hash_map::{HashMap, MapParts};
use super::slot::Slot;
use super::store::{Allocates, Sealed, Unbound};
use crate::allocator::Allocator;

/// A map without an allocator or a lifetime: Zig's `std.HashMapUnmanaged(K, V, Context, …)`.
///
/// It can be a field beside the arena that its entries are in. [`with`](Self::with) binds it to a handle for as long
/// as the result lives: a [`HashMap`] with all its methods. Methods that neither allocate nor free (`get`, `remove`,
/// `put_assume_capacity`) need no binding.
///
/// # Guarantees
///
/// Those of [`HashMap`], except that dropping does nothing, as in Zig, since there is no allocator. Either bind the map
/// and call [`deinit`](HashMap::deinit), or let the arena free it, which does not drop the entries.
///
/// [`ArrayListUnmanaged`](super::ArrayListUnmanaged) says why `with` is unsafe. The map reserves two words for the
/// handle that it is bound to.
///
/// Ports `std.HashMapUnmanaged` of Zig 0.15.2.
///
/// ```
/// use zigalloc::collections::{BoundHashMap, StringContext, StringHashMapUnmanaged};
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::{Error, SyncAllocator};
///
/// struct Config {
///     arena: ArenaAllocator<SyncAllocator<'static>>,
///     values: StringHashMapUnmanaged<i64, &'static str>,
/// }
///
/// impl Config {
///     fn values(&mut self) -> BoundHashMap<'_, &'static str, i64, StringContext> {
///         // SAFETY: always this arena, which is never reset; it is private, and ends with the map.
///         unsafe { self.values.with(self.arena.allocator()) }
///     }
/// }
///
/// let mut config =
///     Config { arena: ArenaAllocator::init(PAGE_ALLOCATOR), values: StringHashMapUnmanaged::new() };
/// config.values().put("port", 80)?;
/// assert_eq!(config.values.get("port"), Some(&80));
/// # Ok::<(), Error>(())
/// ```
pub type HashMapUnmanaged<K, V, C = AutoContext> =
    HashMap<'static, K, V, C, Slot, Unbound<MapParts<K, V, C, Slot>>>;

/// A [`HashMapUnmanaged`] whose keys implement Rust's `Hash` and `Eq`: Zig's `std.AutoHashMapUnmanaged(K, V)`.
///
/// ```
/// # use zigalloc::{collections::{AutoArrayHashMapUnmanaged, AutoHashMapUnmanaged}, heap::PAGE_ALLOCATOR};
/// let map = AutoHashMapUnmanaged::<u32, u32>::new();
/// assert_eq!(map.get(&1), None);
/// ```
pub type AutoHashMapUnmanaged<K, V> = HashMapUnmanaged<K, V, AutoContext>;

/// A [`HashMapUnmanaged`] whose keys are strings: Zig's `std.StringHashMapUnmanaged(V)`.
///
/// ```
/// # use zigalloc::{collections::{AutoArrayHashMapUnmanaged, AutoHashMapUnmanaged}, heap::PAGE_ALLOCATOR};
/// let map = zigalloc::collections::StringHashMapUnmanaged::<u32, &str>::new();
/// assert_eq!(map.get(b"zig"), None);
/// ```
pub type StringHashMapUnmanaged<V, K> = HashMapUnmanaged<K, V, StringContext>;

/// A [`HashMapUnmanaged`] that is bound to an allocator: what [`with`](HashMapUnmanaged::with) returns.
pub type BoundHashMap<'l, K, V, C = AutoContext> =
    HashMap<'l, K, V, C, Slot, BoundSlot<'l, MapParts<K, V, C, Slot>>>;

impl<K, V, C> HashMapUnmanaged<K, V, C> {
    /// An empty map without memory. Zig: `.empty`.
    ///
    /// ```
    /// # use zigalloc::{collections::{AutoArrayHashMapUnmanaged, AutoHashMapUnmanaged}, heap::PAGE_ALLOCATOR};
    /// let map = AutoHashMapUnmanaged::<u32, u32>::new();
    /// assert_eq!(map.capacity(), 0);
    /// ```
    #[must_use]
    pub fn new() -> HashMapUnmanaged<K, V, C>
    where
        C: Default,
    {
        Self::with_context(C::default())
    }

    /// An empty map with a context value, without memory.
    ///
    /// ```
    /// # use zigalloc::{collections::{AutoArrayHashMapUnmanaged, AutoHashMapUnmanaged}, heap::PAGE_ALLOCATOR};
    /// use zigalloc::collections::{AutoContext, HashMapUnmanaged};
    ///
    /// let map = HashMapUnmanaged::<u32, u32, _>::with_context(AutoContext);
    /// assert_eq!(map.capacity(), 0);
    /// ```
    #[must_use]
    pub const fn with_context(context: C) -> HashMapUnmanaged<K, V, C> {
        let table = hashbrown::HashTable::new_in(Slot::empty());
        HashMap::from_store(Unbound(ManuallyDrop::new(MapParts { table, context })))
    }

    /// Binds the map to its allocator until the result is dropped.
    ///
    /// # Safety
    /// - If the map has blocks, they are from `allocator`: the same handle, or another handle to the same state.
    /// - Its blocks stay valid while the map uses them: the allocator is not dropped or reset before the last use of
    ///   the map. (Dropping the map is no use.)
    ///
    /// Zig passes the allocator to each function.
    ///
    /// ```
    /// # use zigalloc::{collections::{AutoArrayHashMapUnmanaged, AutoHashMapUnmanaged}, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoHashMapUnmanaged::new();
    /// // SAFETY: always this allocator, which is never gone.
    /// unsafe { map.with(PAGE_ALLOCATOR) }.put(1, 10)?;
    /// assert_eq!(map.get(&1), Some(&10));
    /// // SAFETY: as above.
    /// unsafe { map.with(PAGE_ALLOCATOR) }.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub unsafe fn with<'l>(&'l mut self, allocator: impl Into<Allocator<'l>>) -> BoundHashMap<'l, K, V, C> {
        // SAFETY: the allocator is that of the map's block, by our caller.
        HashMap::from_store(unsafe { BoundSlot::new(self.parts_mut(), allocator.into()) })
    }
}

impl<K, V, C: Default> Default for HashMapUnmanaged<K, V, C> {
    fn default() -> Self {
        Self::new()
    }
}

/// Parts with slots for a handle. Not nameable outside this module.
pub trait Slots {
    fn slots(&self) -> impl Iterator<Item = &Slot>;
}

impl<K, V, C> Slots for MapParts<K, V, C, Slot> {
    #[inline]
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        core::iter::once(self.table.allocator())
    }
}

/// The store of a bound map; see [`HashMapUnmanaged::with`]. Dropping it clears the map's handle.
pub struct BoundSlot<'l, P: Slots> {
    parts: &'l mut P,
    handle: PhantomData<Allocator<'l>>,
}

impl<'l, P: Slots> BoundSlot<'l, P> {
    /// # Safety
    /// As [`HashMapUnmanaged::with`].
    #[inline]
    pub(super) unsafe fn new(parts: &'l mut P, handle: Allocator<'l>) -> BoundSlot<'l, P> {
        // SAFETY: the handle is there for `'l`, and this value clears the slots before that ends, or is leaked: then no
        // method that uses them is there until they are set again. It is not `Send`, so the thread stays.
        parts.slots().for_each(|slot| unsafe { slot.set(handle) });
        BoundSlot { parts, handle: PhantomData }
    }
}

impl<P: Slots> Drop for BoundSlot<'_, P> {
    #[inline]
    fn drop(&mut self) {
        self.parts.slots().for_each(Slot::clear);
    }
}

impl<P: Slots> Allocates<P> for BoundSlot<'_, P> {}

// SAFETY: the field, which is private.
unsafe impl<P: Slots> Sealed<P> for BoundSlot<'_, P> {
    #[inline(always)]
    fn get(&self) -> &P {
        self.parts
    }
    #[inline(always)]
    fn get_mut(&mut self) -> &mut P {
        self.parts
    }
}

impl<P: Slots> fmt::Debug for BoundSlot<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundSlot").finish_non_exhaustive()
    }
}

// ---- maps in insertion order ----

/// An [`ArrayHashMap`] without an allocator or a lifetime: Zig's `std.ArrayHashMapUnmanaged(K, V, Context,
/// …)`.
///
/// It is to [`ArrayHashMap`] what [`HashMapUnmanaged`] is to [`HashMap`].
///
/// Ports `std.ArrayHashMapUnmanaged` of Zig 0.15.2.
///
/// ```
/// use zigalloc::collections::AutoArrayHashMapUnmanaged;
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// let mut map = AutoArrayHashMapUnmanaged::new();
/// // SAFETY: the page allocator, here and below, which is always there.
/// unsafe { map.with(PAGE_ALLOCATOR) }.put("one", 1)?;
/// assert_eq!(map.get("one"), Some(&1));
/// unsafe { map.with(PAGE_ALLOCATOR) }.deinit();
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub type ArrayHashMapUnmanaged<K, V, C = AutoContext> =
    ArrayHashMap<'static, K, V, C, Slot, Unbound<ArrayMapParts<K, V, C, Slot>>>;

/// An [`ArrayHashMapUnmanaged`] whose keys implement Rust's `Hash` and `Eq`: Zig's `std.AutoArrayHashMapUnmanaged(K,
/// V)`.
///
/// ```
/// # use zigalloc::{collections::{AutoArrayHashMapUnmanaged, AutoHashMapUnmanaged}, heap::PAGE_ALLOCATOR};
/// let map = AutoArrayHashMapUnmanaged::<u32, u32>::new();
/// assert_eq!(map.get(&1), None);
/// ```
pub type AutoArrayHashMapUnmanaged<K, V> = ArrayHashMapUnmanaged<K, V, AutoContext>;

/// An [`ArrayHashMapUnmanaged`] whose keys are strings: Zig's `std.StringArrayHashMapUnmanaged(V)`.
///
/// ```
/// # use zigalloc::{collections::{AutoArrayHashMapUnmanaged, AutoHashMapUnmanaged}, heap::PAGE_ALLOCATOR};
/// let map = zigalloc::collections::StringArrayHashMapUnmanaged::<u32, &str>::new();
/// assert_eq!(map.get(b"zig"), None);
/// ```
pub type StringArrayHashMapUnmanaged<V, K> = ArrayHashMapUnmanaged<K, V, StringContext>;

/// An [`ArrayHashMapUnmanaged`] that is bound to an allocator.
pub type BoundArrayHashMap<'l, K, V, C = AutoContext> =
    ArrayHashMap<'l, K, V, C, Slot, BoundSlot<'l, ArrayMapParts<K, V, C, Slot>>>;

impl<K, V, C> ArrayHashMapUnmanaged<K, V, C> {
    /// An empty map without memory. Zig: `.empty`.
    ///
    /// ```
    /// # use zigalloc::{collections::{AutoArrayHashMapUnmanaged, AutoHashMapUnmanaged}, heap::PAGE_ALLOCATOR};
    /// let map = AutoArrayHashMapUnmanaged::<u32, u32>::new();
    /// assert_eq!(map.capacity(), 0);
    /// ```
    #[must_use]
    pub fn new() -> ArrayHashMapUnmanaged<K, V, C>
    where
        C: Default,
    {
        Self::with_context(C::default())
    }

    /// An empty map with a context value, without memory.
    ///
    /// ```
    /// # use zigalloc::{collections::{AutoArrayHashMapUnmanaged, AutoHashMapUnmanaged}, heap::PAGE_ALLOCATOR};
    /// use zigalloc::collections::{ArrayHashMapUnmanaged, AutoContext};
    ///
    /// let map = ArrayHashMapUnmanaged::<u32, u32, _>::with_context(AutoContext);
    /// assert_eq!(map.capacity(), 0);
    /// ```
    #[must_use]
    pub const fn with_context(context: C) -> ArrayHashMapUnmanaged<K, V, C> {
        ArrayHashMap::from_store(Unbound(ManuallyDrop::new(ArrayMapParts {
            keys: Vec::new_in(Slot::empty()),
            values: Vec::new_in(Slot::empty()),
            index: hashbrown::HashTable::new_in(Slot::empty()),
            context,
        })))
    }

    /// Binds the map to its allocator until the result is dropped.
    ///
    /// # Safety
    /// As [`HashMapUnmanaged::with`].
    ///
    /// ```
    /// # use zigalloc::{collections::{AutoArrayHashMapUnmanaged, AutoHashMapUnmanaged}, heap::PAGE_ALLOCATOR};
    /// let mut map = AutoArrayHashMapUnmanaged::new();
    /// // SAFETY: always this allocator, which is never gone.
    /// unsafe { map.with(PAGE_ALLOCATOR) }.put(1, 10)?;
    /// assert_eq!(map.keys(), [1]);
    /// // SAFETY: as above.
    /// unsafe { map.with(PAGE_ALLOCATOR) }.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub unsafe fn with<'l>(
        &'l mut self,
        allocator: impl Into<Allocator<'l>>,
    ) -> BoundArrayHashMap<'l, K, V, C> {
        // SAFETY: the allocator is that of the map's blocks, by our caller.
        ArrayHashMap::from_store(unsafe { BoundSlot::new(self.parts_mut(), allocator.into()) })
    }
}

impl<K, V, C: Default> Default for ArrayHashMapUnmanaged<K, V, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V, C> Slots for ArrayMapParts<K, V, C, Slot> {
    #[inline]
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        [self.keys.allocator(), self.values.allocator(), self.index.allocator()].into_iter()
    }
}
