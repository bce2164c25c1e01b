//! Zig's containers: lists, maps, queues, with Zig's names and Zig's fallible growth.
//!
//! Each is a thin layer over a well-kept library: the memory of lists and boxes is managed by allocator-api2's `Vec`
//! and `Box`, hashing tables by hashbrown's `HashTable`. What neither has is here: Zig's heap order in
//! [`PriorityQueue`], the ring of [`Deque`], the arrays side by side of [`MultiArrayList`], and the [intrusive
//! lists](linked_list).
//!
//! | Zig 0.15.2 | here |
//! |---|---|
//! | `std.array_list.Managed(T)` | [`ArrayList<T>`](ArrayList) |
//! | `std.ArrayList(T)`, `std.ArrayListUnmanaged(T)` | [`ArrayListUnmanaged<T>`](ArrayListUnmanaged) |
//! | `std.HashMap(K, V, C, …)` | [`HashMap<K, V, C>`](HashMap); `C` is a [`HashContext`] |
//! | `std.AutoHashMap(K, V)`, `std.StringHashMap(V)` | [`AutoHashMap<K, V>`](AutoHashMap), [`StringHashMap<V>`](StringHashMap) |
//! | `std.HashMapUnmanaged` … | [`HashMapUnmanaged`], [`AutoHashMapUnmanaged`], [`StringHashMapUnmanaged`] |
//! | `std.ArrayHashMap(K, V, C, …)` | [`ArrayHashMap<K, V, C>`](ArrayHashMap) |
//! | `std.AutoArrayHashMap`, `std.StringArrayHashMap` | [`AutoArrayHashMap`], [`StringArrayHashMap`] |
//! | `std.ArrayHashMapUnmanaged` … | [`ArrayHashMapUnmanaged`], [`AutoArrayHashMapUnmanaged`], [`StringArrayHashMapUnmanaged`] |
//! | `std.PriorityQueue(T, C, f)` | [`PriorityQueue<T, C>`](PriorityQueue); `C` is a closure or a [`Compare`] |
//! | `std.Deque(T)` (0.16) | [`Deque<T>`](Deque), [`DequeUnmanaged<T>`](DequeUnmanaged) |
//! | `std.MultiArrayList(T)` | [`MultiArrayList<T>`](MultiArrayList), [`MultiArrayListUnmanaged<T>`](MultiArrayListUnmanaged); [`fields!`](crate::fields) |
//! | `std.DoublyLinkedList`, `std.SinglyLinkedList` | [`DoublyLinkedList`], [`SinglyLinkedList`] |
//! | `@fieldParentPtr` | [`field_parent_ptr`] |
//! | `std.BufMap`, `std.BufSet` | [`BufMap`], [`BufSet`] |
//! | `std.SegmentedList`, `std.PriorityDequeue`, `std.Treap` | none |
//!
//! # Where the allocator is
//!
//! | | the container | Zig's form |
//! |---|---|---|
//! | **managed** | carries a handle, and frees its memory when it is dropped: `ArrayList::init(allocator)` | `…Managed` |
//! | **unmanaged** | has no handle and no lifetime, so it can be a field beside its arena; dropping it does nothing | `…Unmanaged` |
//! | **bound** | an unmanaged one with a handle for as long as a value lives: `unsafe { list.with(allocator) }` | an allocator argument |
//!
//! They are one type with another store, so all have the same methods. Those that allocate or free want a store that
//! [`Allocates`]; on an unmanaged container they do not compile:
//!
//! ```compile_fail,E0599
//! # use zigalloc::collections::ArrayListUnmanaged;
//! let mut list = ArrayListUnmanaged::EMPTY;
//! list.append(1)?; // of an unmanaged list: first `with(allocator)`
//! # Ok::<(), zigalloc::Error>(())
//! ```
//!
//! The handle is an [`Allocator`](crate::Allocator) unless said otherwise; with a
//! [`SyncAllocator`](crate::SyncAllocator) a container can be sent to another thread:
//!
//! ```
//! use zigalloc::SyncAllocator;
//! use zigalloc::collections::ArrayList;
//! use zigalloc::heap::PAGE_ALLOCATOR;
//!
//! let mut list: ArrayList<'_, u32, SyncAllocator<'_>> = ArrayList::init(PAGE_ALLOCATOR);
//! list.append(1)?;
//! let list = std::thread::spawn(move || list.append(2).map(|()| list)).join().unwrap()?;
//! assert_eq!(*list, [1, 2]);
//! # Ok::<(), zigalloc::Error>(())
//! ```
//!
//! # Errors and panics
//!
//! What allocates returns `Result<_, Error>`, and a method that fails has changed nothing that can be seen. What Zig
//! asserts (an index, room for `…_assume_capacity`) panics here in every build. A key, an element or a closure of the
//! program's own that panics leaves a container that can be used and dropped.
//!
//! # What is compared with Zig
//!
//! `cargo xtask differential --containers` runs random programs on Zig 0.15.2's containers and on these. For lists,
//! priority queues and `MultiArrayList` the results, the elements and their order, the capacities, the number of
//! allocations, and how many bytes were allocated and freed are equal at each step, with allocations and growth in
//! place failing now and then. For maps the results and the entries are, and for [`ArrayHashMap`] their order.
//!
//! # Without an operating system
//!
//! The feature `collections` needs neither `std` nor a heap, but allocator-api2's `Vec` and hashbrown link the crate
//! `alloc`: a program without `std` must have a `#[global_allocator]`, even one that always fails.

mod array_hash_map;
mod array_hash_map_put;
mod array_list;
mod array_list_add;
mod array_list_memory;
mod buf;
mod deque;
mod fields;
mod grow;
mod hash_context;
mod hash_map;
mod hash_map_put;
pub mod linked_list;
mod multi_array_list;
mod no_allocator;
mod owned;
mod priority_queue;
mod slot;
mod store;
mod unmanaged_list;
mod unmanaged_map;

pub use allocator_api2_02::boxed::Box;
pub use allocator_api2_02::vec::Vec;
pub use array_hash_map::{ArrayGetOrPut, ArrayHashMap, ArrayMapParts, AutoArrayHashMap, StringArrayHashMap};
pub use array_list::ArrayList;
pub use array_list_add::Writer;
pub use buf::{BufMap, BufSet};
pub use deque::{BoundDeque, Deque, DequeParts, DequeUnmanaged};
pub use fields::{Field, FieldLayout, Fields};
pub use hash_context::{AutoContext, HashContext, StringContext};
pub use hash_map::{AutoHashMap, Entry, GetOrPut, HashMap, KV, MapParts, StringHashMap};
pub use linked_list::{
    DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode, field_parent_ptr,
};
pub use multi_array_list::{BoundMultiArrayList, MultiArrayList, MultiArrayListUnmanaged, MultiParts};
pub use no_allocator::NoAllocator;
pub use owned::OwnedBox;
pub use priority_queue::{Compare, ElementNotFound, Natural, PriorityQueue};
pub use slot::Slot;
pub use store::{Allocates, Owned, Store, Unbound};
pub use unmanaged_list::{ArrayListUnmanaged, Bound, BoundArrayList};
pub use unmanaged_map::{
    ArrayHashMapUnmanaged, AutoArrayHashMapUnmanaged, AutoHashMapUnmanaged, BoundArrayHashMap, BoundHashMap,
    BoundSlot, HashMapUnmanaged, StringArrayHashMapUnmanaged, StringHashMapUnmanaged,
};
