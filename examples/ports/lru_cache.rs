//! A cache of pages that drops the least recently used ones. Readers hold references, so a dropped page lives as long
//! as one of them has it.
//!
//! The port shows an intrusive list, which is raw in both languages. A reference is a type whose `Drop` is Zig's
//! `release`, so `defer` and `errdefer` disappear. The page itself is the map's key, since safe Rust has no key that is
//! a slice of its own value.

use std::cell::{Cell, UnsafeCell};
use std::io::{self, Write};
use std::mem::{ManuallyDrop, offset_of};
use std::ops::Deref;
use std::ptr::NonNull;

use zigalloc::collections::{DoublyLinkedList, DoublyLinkedNode, OwnedBox, StringHashMap, field_parent_ptr};
use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR};
use zigalloc::{Allocator, Error};

/// A page, which belongs to all who hold a reference. The last of them frees it.
struct Page<'a> {
    allocator: Allocator<'a>,
    references: Cell<usize>,
    node: UnsafeCell<DoublyLinkedNode>,
    name: OwnedBox<'a, str>,
    body: OwnedBox<'a, str>,
}

/// A reference: one of the page's `references`. The pointer may access the whole page.
struct PageRef<'a>(NonNull<Page<'a>>);

impl<'a> PageRef<'a> {
    /// Returns the first reference.
    fn create(allocator: Allocator<'a>, name: &str, body: &str) -> Result<PageRef<'a>, Error> {
        let page = allocator.create_with(Page {
            allocator,
            references: Cell::new(1),
            node: UnsafeCell::default(),
            name: allocator.dupe_str_owned(name)?,
            body: allocator.dupe_str_owned(body)?,
        })?;
        Ok(PageRef(page))
    }

    fn retain(&self) -> PageRef<'a> {
        self.references.set(self.references.get() + 1);
        PageRef(self.0)
    }

    fn node(&self) -> NonNull<DoublyLinkedNode> {
        // SAFETY: a field of a live page.
        unsafe { self.0.byte_add(offset_of!(Page<'a>, node)).cast() }
    }

    /// # Safety
    /// It is the [`node`](Self::node) of a live page.
    unsafe fn from_node(node: NonNull<DoublyLinkedNode>) -> PageRef<'a> {
        // SAFETY: the field of a page, by way of a pointer to the page.
        let page = unsafe { field_parent_ptr::<Page<'a>, _>(node, offset_of!(Page<'a>, node)) };
        ManuallyDrop::new(PageRef(page)).retain()
    }
}

impl<'a> Deref for PageRef<'a> {
    type Target = Page<'a>;

    fn deref(&self) -> &Page<'a> {
        // SAFETY: a reference keeps its page alive, and what changes in a page is in cells.
        unsafe { self.0.as_ref() }
    }
}

/// Zig's `release`.
impl Drop for PageRef<'_> {
    fn drop(&mut self) {
        self.references.set(self.references.get() - 1);
        if self.references.get() == 0 {
            // SAFETY: a live block of this allocator, and this was the last reference.
            drop(unsafe { OwnedBox::from_raw_in(self.0.as_ptr(), self.allocator) });
        }
    }
}

impl AsRef<[u8]> for PageRef<'_> {
    fn as_ref(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

#[derive(Default)]
struct Stats {
    hits: usize,
    misses: usize,
    evictions: usize,
}

struct Cache<'a> {
    allocator: Allocator<'a>,
    capacity: usize,
    pages: StringHashMap<'a, (), PageRef<'a>>,
    /// The page used last is first. Nodes of `pages`, and nothing else.
    recent: DoublyLinkedList,
    stats: Stats,
}

impl<'a> Cache<'a> {
    fn init(allocator: Allocator<'a>, capacity: usize) -> Result<Cache<'a>, Error> {
        let mut pages = StringHashMap::init(allocator);
        pages.ensure_total_capacity(capacity)?;
        Ok(Cache { allocator, capacity, pages, recent: DoublyLinkedList::new(), stats: Stats::default() })
    }

    fn clear(&mut self) {
        self.recent = DoublyLinkedList::new();
        self.pages.clear_retaining_capacity();
    }

    /// Returns a reference to the page of this name, if the cache has it.
    fn get(&mut self, name: &str) -> Option<PageRef<'a>> {
        let Some(page) = self.pages.get_key(name) else {
            self.stats.misses += 1;
            return None;
        };
        self.stats.hits += 1;
        // SAFETY: a page of the map, so its node is in the list.
        unsafe { self.recent.remove(page.node()) };
        // SAFETY: in no list now, and kept by the map.
        unsafe { self.recent.prepend(page.node()) };
        Some(page.retain())
    }

    /// Stores a page in the place of the one with its name, and returns a reference to it.
    fn put(&mut self, name: &str, body: &str) -> Result<PageRef<'a>, Error> {
        let page = PageRef::create(self.allocator, name, body)?;
        if !self.remove(name) && self.pages.count() == self.capacity {
            self.evict();
        }
        self.pages.put_assume_capacity_no_clobber(page.retain(), ());
        // SAFETY: a new page, kept by the map.
        unsafe { self.recent.prepend(page.node()) };
        Ok(page)
    }

    fn remove(&mut self, name: &str) -> bool {
        let Some(entry) = self.pages.fetch_remove(name) else { return false };
        // SAFETY: a page of the map, so its node is in the list.
        unsafe { self.recent.remove(entry.key.node()) };
        true
    }

    /// Drops the page that has not been used for the longest time.
    fn evict(&mut self) {
        let Some(last) = self.recent.last() else { return };
        // SAFETY: a node of the list.
        let page = unsafe { PageRef::from_node(last) };
        self.remove(&page.name);
        self.stats.evictions += 1;
    }

    fn resize(&mut self, capacity: usize) -> Result<(), Error> {
        self.pages.ensure_total_capacity(capacity)?;
        self.capacity = capacity;
        while self.pages.count() > capacity {
            self.evict();
        }
        Ok(())
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "  {} of {}:", self.pages.count(), self.capacity)?;
        for node in self.recent.iterator() {
            // SAFETY: a node of the list.
            let page = unsafe { PageRef::from_node(node) };
            write!(out, " {}({})", page.name, page.references.get() - 1)?;
        }
        writeln!(out)
    }
}

/// A site whose pages link to each other.
struct Site {
    pages: &'static [(&'static str, &'static str)],
}

impl Site {
    const EXAMPLE: Site = Site {
        pages: &[
            ("index", "news about map"),
            ("news", "index archive"),
            ("archive", "news index map"),
            ("about", "index"),
            ("map", "index news archive about nowhere"),
        ],
    };

    fn find(&self, name: &str) -> Option<&'static str> {
        self.pages.iter().find(|page| page.0 == name).map(|page| page.1)
    }

    /// Returns a page of the site by way of the cache, if there is one of this name.
    fn fetch<'a>(&self, cache: &mut Cache<'a>, name: &str) -> Result<Option<PageRef<'a>>, Error> {
        if let Some(page) = cache.get(name) {
            return Ok(Some(page));
        }
        let Some(links) = self.find(name) else { return Ok(None) };
        Ok(Some(cache.put(name, links)?))
    }
}

/// Follows the links of a page to a depth, holding the pages on the way, and returns how many it followed.
fn follow(site: &Site, cache: &mut Cache<'_>, name: &str, depth: usize) -> Result<usize, Error> {
    let Some(page) = site.fetch(cache, name)? else { return Ok(0) };
    if depth == 0 {
        return Ok(1);
    }
    let mut visited = 1;
    for link in page.body.split_ascii_whitespace() {
        visited += follow(site, cache, link, depth - 1)?;
    }
    Ok(visited)
}

fn run(allocator: Allocator<'_>, out: &mut dyn Write) -> Result<(), Box<dyn std::error::Error>> {
    let site = Site::EXAMPLE;
    let mut cache = Cache::init(allocator, 3)?;

    writeln!(out, "one page at a time")?;
    for name in ["index", "news", "index", "map", "about", "nowhere", "news"] {
        if let Some(page) = site.fetch(&mut cache, name)? {
            writeln!(out, "{}: links to {}", page.name, page.body)?;
        } else {
            writeln!(out, "{name}: not found")?;
        }
        cache.print(out)?;
    }

    writeln!(out, "a page outlives its place in the cache")?;
    let held = site.fetch(&mut cache, "archive")?.unwrap();
    let old = cache.put("archive", "an older text")?;
    cache.print(out)?;
    cache.clear();
    cache.print(out)?;
    writeln!(out, "{}: {} ({})", held.name, held.body, held.references.get())?;
    writeln!(out, "{}: {} ({})", old.name, old.body, old.references.get())?;

    writeln!(out, "following links")?;
    for capacity in [1, 2, 4, 5] {
        cache.resize(capacity)?;
        cache.stats = Stats::default();
        let visited = follow(&site, &mut cache, "index", 4)?;
        let Stats { hits, misses, evictions } = cache.stats;
        writeln!(
            out,
            "capacity {capacity}: {visited} pages, {hits} hits, {misses} misses, {evictions} evictions"
        )?;
        cache.print(out)?;
    }
    writeln!(out, "removed: {} {}", cache.remove("map"), cache.remove("map"))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let debug_allocator = DebugAllocator::init(PAGE_ALLOCATOR);
    run(*debug_allocator.allocator(), &mut io::stdout())?;
    assert_eq!(debug_allocator.deinit(), Check::Ok);
    Ok(())
}

#[test]
fn page_lives_as_long_as_its_last_reference() -> Result<(), Error> {
    zigalloc::testing::with_allocator(|allocator| {
        let mut cache = Cache::init(*allocator, 1)?;
        let first = cache.put("first", "1")?;
        cache.put("second", "2")?;
        assert!(cache.get("first").is_none());
        assert_eq!(first.references.get(), 1);
        assert_eq!(&*first.body, "1");
        Ok(())
    })
}

#[test]
fn every_allocation_may_fail() {
    zigalloc::testing::with_allocator(|allocator| {
        zigalloc::testing::check_all_allocation_failures(*allocator, |allocator| {
            run(allocator, &mut io::sink())
        })
    })
    .unwrap();
}
