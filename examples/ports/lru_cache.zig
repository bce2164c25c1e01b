//! A cache of pages that drops the least recently used ones. Readers hold references, so a dropped page lives as long
//! as one of them has it.

const std = @import("std");
const Allocator = std.mem.Allocator;
const DoublyLinkedList = std.DoublyLinkedList;

/// A page, which belongs to all who hold a reference. The last of them frees it.
const Page = struct {
    allocator: Allocator,
    references: usize,
    node: DoublyLinkedList.Node,
    name: []const u8,
    body: []const u8,

    /// Returns the first reference.
    fn create(allocator: Allocator, name: []const u8, body: []const u8) Allocator.Error!*Page {
        const page = try allocator.create(Page);
        errdefer allocator.destroy(page);
        const name_copy = try allocator.dupe(u8, name);
        errdefer allocator.free(name_copy);
        const body_copy = try allocator.dupe(u8, body);
        page.* = .{
            .allocator = allocator,
            .references = 1,
            .node = .{},
            .name = name_copy,
            .body = body_copy,
        };
        return page;
    }

    fn retain(page: *Page) *Page {
        page.references += 1;
        return page;
    }

    fn release(page: *Page) void {
        page.references -= 1;
        if (page.references == 0) {
            const allocator = page.allocator;
            allocator.free(page.body);
            allocator.free(page.name);
            allocator.destroy(page);
        }
    }

    fn fromNode(node: *DoublyLinkedList.Node) *Page {
        return @fieldParentPtr("node", node);
    }
};

const Stats = struct {
    hits: usize = 0,
    misses: usize = 0,
    evictions: usize = 0,
};

const Cache = struct {
    allocator: Allocator,
    capacity: usize,
    pages: std.StringHashMapUnmanaged(*Page),
    /// The page used last is first.
    recent: DoublyLinkedList,
    stats: Stats,

    fn init(allocator: Allocator, capacity: usize) Allocator.Error!Cache {
        var pages: std.StringHashMapUnmanaged(*Page) = .empty;
        try pages.ensureTotalCapacity(allocator, @intCast(capacity));
        return .{
            .allocator = allocator,
            .capacity = capacity,
            .pages = pages,
            .recent = .{},
            .stats = .{},
        };
    }

    fn deinit(cache: *Cache) void {
        cache.clear();
        cache.pages.deinit(cache.allocator);
    }

    fn clear(cache: *Cache) void {
        while (cache.recent.pop()) |node| Page.fromNode(node).release();
        cache.pages.clearRetainingCapacity();
    }

    /// Returns a reference to the page of this name, if the cache has it.
    fn get(cache: *Cache, name: []const u8) ?*Page {
        const page = cache.pages.get(name) orelse {
            cache.stats.misses += 1;
            return null;
        };
        cache.stats.hits += 1;
        cache.recent.remove(&page.node);
        cache.recent.prepend(&page.node);
        return page.retain();
    }

    /// Stores a page in the place of the one with its name, and returns a reference to it.
    fn put(cache: *Cache, name: []const u8, body: []const u8) Allocator.Error!*Page {
        const page = try Page.create(cache.allocator, name, body);
        if (!cache.remove(name) and cache.pages.count() == cache.capacity) {
            cache.evict();
        }
        cache.recent.prepend(&page.node);
        cache.pages.putAssumeCapacityNoClobber(page.name, page);
        return page.retain();
    }

    fn remove(cache: *Cache, name: []const u8) bool {
        const entry = cache.pages.fetchRemove(name) orelse return false;
        cache.recent.remove(&entry.value.node);
        entry.value.release();
        return true;
    }

    /// Drops the page that has not been used for the longest time.
    fn evict(cache: *Cache) void {
        const page = Page.fromNode(cache.recent.last orelse return).retain();
        defer page.release();
        _ = cache.remove(page.name);
        cache.stats.evictions += 1;
    }

    fn resize(cache: *Cache, capacity: usize) Allocator.Error!void {
        try cache.pages.ensureTotalCapacity(cache.allocator, @intCast(capacity));
        cache.capacity = capacity;
        while (cache.pages.count() > capacity) {
            cache.evict();
        }
    }

    fn print(cache: *const Cache, out: *std.Io.Writer) std.Io.Writer.Error!void {
        try out.print("  {d} of {d}:", .{ cache.pages.count(), cache.capacity });
        var next = cache.recent.first;
        while (next) |node| : (next = node.next) {
            const page = Page.fromNode(node);
            try out.print(" {s}({d})", .{ page.name, page.references });
        }
        try out.writeByte('\n');
    }
};

/// A site whose pages link to each other.
const Site = struct {
    pages: []const struct { name: []const u8, links: []const u8 },

    const example: Site = .{
        .pages = &.{
            .{ .name = "index", .links = "news about map" },
            .{ .name = "news", .links = "index archive" },
            .{ .name = "archive", .links = "news index map" },
            .{ .name = "about", .links = "index" },
            .{ .name = "map", .links = "index news archive about nowhere" },
        },
    };

    fn find(site: Site, name: []const u8) ?[]const u8 {
        for (site.pages) |page| {
            if (std.mem.eql(u8, page.name, name)) return page.links;
        }
        return null;
    }

    /// Returns a page of the site by way of the cache, if there is one of this name.
    fn fetch(site: Site, cache: *Cache, name: []const u8) Allocator.Error!?*Page {
        if (cache.get(name)) |page| return page;
        const links = site.find(name) orelse return null;
        return try cache.put(name, links);
    }
};

/// Follows the links of a page to a depth, holding the pages on the way, and returns how many it followed.
fn follow(site: Site, cache: *Cache, name: []const u8, depth: usize) Allocator.Error!usize {
    const page = try site.fetch(cache, name) orelse return 0;
    defer page.release();
    if (depth == 0) return 1;
    var visited: usize = 1;
    var links = std.mem.tokenizeScalar(u8, page.body, ' ');
    while (links.next()) |link| {
        visited += try follow(site, cache, link, depth - 1);
    }
    return visited;
}

fn run(allocator: Allocator, out: *std.Io.Writer) !void {
    const site = Site.example;
    var cache = try Cache.init(allocator, 3);
    defer cache.deinit();

    try out.print("one page at a time\n", .{});
    for ([_][]const u8{ "index", "news", "index", "map", "about", "nowhere", "news" }) |name| {
        if (try site.fetch(&cache, name)) |page| {
            defer page.release();
            try out.print("{s}: links to {s}\n", .{ page.name, page.body });
        } else {
            try out.print("{s}: not found\n", .{name});
        }
        try cache.print(out);
    }

    try out.print("a page outlives its place in the cache\n", .{});
    const held = (try site.fetch(&cache, "archive")).?;
    defer held.release();
    const old = try cache.put("archive", "an older text");
    defer old.release();
    try cache.print(out);
    cache.clear();
    try cache.print(out);
    try out.print("{s}: {s} ({d})\n", .{ held.name, held.body, held.references });
    try out.print("{s}: {s} ({d})\n", .{ old.name, old.body, old.references });

    try out.print("following links\n", .{});
    for ([_]usize{ 1, 2, 4, 5 }) |capacity| {
        try cache.resize(capacity);
        cache.stats = .{};
        const visited = try follow(site, &cache, "index", 4);
        const stats = cache.stats;
        try out.print("capacity {d}: {d} pages, {d} hits, {d} misses, {d} evictions\n", .{
            capacity,
            visited,
            stats.hits,
            stats.misses,
            stats.evictions,
        });
        try cache.print(out);
    }
    try out.print("removed: {} {}\n", .{ cache.remove("map"), cache.remove("map") });
}

pub fn main() !void {
    var debug_allocator: std.heap.DebugAllocator(.{}) = .init;
    defer std.debug.assert(debug_allocator.deinit() == .ok);
    var buffer: [1024]u8 = undefined;
    var stdout = std.fs.File.stdout().writerStreaming(&buffer);
    try run(debug_allocator.allocator(), &stdout.interface);
    try stdout.interface.flush();
}

test "a page lives as long as its last reference" {
    var cache = try Cache.init(std.testing.allocator, 1);
    defer cache.deinit();
    const first = try cache.put("first", "1");
    defer first.release();
    (try cache.put("second", "2")).release();
    try std.testing.expectEqual(null, cache.get("first"));
    try std.testing.expectEqual(1, first.references);
    try std.testing.expectEqualStrings("1", first.body);
}

test "every allocation may fail" {
    var out: std.Io.Writer.Discarding = .init(&.{});
    try std.testing.checkAllAllocationFailures(std.testing.allocator, run, .{&out.writer});
}
