//! Zig's side of `cargo xtask differential --containers`: runs random programs on Zig's containers and prints what
//! each step did. `src/bin/containers/` is the other side, step for step. Arguments: the first seed, and how many.
//!
//! Memory is a fixed buffer under an allocator that fails now and then, so which calls are made, with how many bytes,
//! and which fail is part of what is printed.

const std = @import("std");
const Allocator = std.mem.Allocator;
const FailingAllocator = std.testing.FailingAllocator;

extern fn printf(format: [*:0]const u8, ...) c_int;

/// The generator of `tests/support`.
const Random = struct {
    state: std.Random.SplitMix64,

    fn init(seed: u64) Random {
        return .{ .state = .init(seed) };
    }

    fn below(random: *Random, end: usize) usize {
        return @intCast(random.state.next() % end);
    }
};

fn say(name: [*:0]const u8, result: usize) void {
    _ = printf("%s %zu", name, result);
}

/// A result that is an error is the greatest number.
const oom = std.math.maxInt(usize);

fn orOom(result: anytype) usize {
    _ = result catch return oom;
    return 0;
}

const Memory = struct {
    fixed: std.heap.FixedBufferAllocator,
    failing: FailingAllocator,
    random: Random,
    refuses: bool,

    fn begin(memory: *Memory, bytes: []align(64) u8, seed: u64) void {
        memory.random = .init(seed);
        memory.fixed = .init(bytes);
        memory.refuses = memory.random.below(2) == 0;
        memory.failing = .init(memory.fixed.allocator(), .{
            .resize_fail_index = if (memory.refuses) 0 else oom,
        });
    }

    /// Now and then the next allocation will fail, or the one after it.
    fn maybeFail(memory: *Memory) void {
        memory.failing.fail_index = switch (memory.random.below(4)) {
            0 => memory.failing.alloc_index + memory.random.below(2),
            else => oom,
        };
    }

    fn end(memory: *Memory) void {
        memory.failing.fail_index = oom;
        _ = printf(" | %zu %zu %zu\n", memory.failing.alloc_index, memory.failing.allocated_bytes, memory.failing.freed_bytes);
    }
};

fn list(comptime T: type, memory: *Memory, steps: usize) !void {
    const random = &memory.random;
    const gpa = memory.failing.allocator();
    var items: std.array_list.Managed(T) = .init(gpa);
    defer items.deinit();
    var buffer: [20]T = undefined;
    for (0..steps) |_| {
        const value: T = @intCast(random.below(100));
        const len = items.items.len;
        const slice = buffer[0..random.below(20)];
        for (slice) |*item| item.* = @intCast(random.below(100));
        const at = random.below(len + 1);
        memory.maybeFail();
        switch (random.below(19)) {
            0, 1 => say("append", orOom(items.append(value))),
            2 => say("appendSlice", orOom(items.appendSlice(slice))),
            3 => say("insert", orOom(items.insert(at, value))),
            4 => say("insertSlice", orOom(items.insertSlice(at, slice))),
            5 => say("appendNTimes", orOom(items.appendNTimes(value, slice.len))),
            6 => say("orderedRemove", if (at < len) @intCast(items.orderedRemove(at)) else oom),
            7 => say("swapRemove", if (at < len) @intCast(items.swapRemove(at)) else oom),
            8 => say("pop", if (items.pop()) |item| @intCast(item) else oom),
            9 => {
                items.shrinkRetainingCapacity(at);
                say("shrinkRetainingCapacity", at);
            },
            10 => {
                if (!memory.refuses or at != items.capacity) items.shrinkAndFree(at);
                say("shrinkAndFree", at);
            },
            11 => {
                if (value > 50) items.clearAndFree() else items.clearRetainingCapacity();
                say("clear", 0);
            },
            12 => say("ensureTotalCapacity", orOom(items.ensureTotalCapacity(@intCast(value)))),
            13 => say("ensureTotalCapacityPrecise", orOom(items.ensureTotalCapacityPrecise(@intCast(value)))),
            14 => say("ensureUnusedCapacity", orOom(items.ensureUnusedCapacity(slice.len))),
            15 => {
                // When it fails, Zig has written a part.
                memory.failing.fail_index = oom;
                const count = random.below(len - at + 1);
                say("replaceRange", orOom(items.replaceRange(at, count, slice)));
            },
            16 => if (!memory.refuses or len != items.capacity) {
                if (items.toOwnedSlice()) |owned| {
                    say("toOwnedSlice", owned.len);
                    gpa.free(owned);
                } else |_| say("toOwnedSlice", oom);
            } else say("toOwnedSlice", 0),
            17 => if (items.clone()) |copy| {
                say("clone", copy.capacity);
                copy.deinit();
            } else |_| say("clone", oom),
            18 => {
                const count = @min(len, 3);
                var indexes: [3]usize = undefined;
                for (indexes[0..count]) |*index| index.* = random.below(len);
                std.mem.sort(usize, indexes[0..count], {}, std.sort.asc(usize));
                var unmanaged = items.moveToUnmanaged();
                unmanaged.orderedRemoveMany(indexes[0..count]);
                items = unmanaged.toManaged(gpa);
                say("orderedRemoveMany", count);
            },
            else => unreachable,
        }
        _ = printf(" : %zu %zu :", items.items.len, items.capacity);
        for (items.items) |item| _ = printf(" %u", @as(c_uint, @intCast(item)));
        memory.end();
    }
}

const Item = struct { priority: u32, id: u32 };

fn compare(_: void, a: Item, b: Item) std.math.Order {
    return std.math.order(a.priority, b.priority);
}

fn queue(memory: *Memory, steps: usize) !void {
    const random = &memory.random;
    const gpa = memory.failing.allocator();
    var items: std.PriorityQueue(Item, void, compare) = .init(gpa, {});
    defer items.deinit();
    var buffer: [20]Item = undefined;
    var id: u32 = 0;
    for (0..steps) |_| {
        const slice = buffer[0..random.below(20)];
        for (slice) |*item| {
            id += 1;
            item.* = .{ .priority = @intCast(random.below(8)), .id = id };
        }
        const value: Item = .{ .priority = @intCast(random.below(8)), .id = id + 1 };
        id += 1;
        const at = random.below(items.items.len + 1);
        memory.maybeFail();
        switch (random.below(10)) {
            0, 1, 2 => say("add", orOom(items.add(value))),
            3 => say("addSlice", orOom(items.addSlice(slice))),
            4, 5 => say("remove", if (items.removeOrNull()) |item| item.id else oom),
            6 => say("removeIndex", if (at < items.items.len) items.removeIndex(at).id else oom),
            7 => say("update", orOom(items.update(.{ .priority = value.priority ^ 1, .id = 0 }, value))),
            8 => say("ensureTotalCapacity", orOom(items.ensureTotalCapacity(slice.len * 3))),
            9 => {
                const capacity = items.items.len + random.below(items.cap - items.items.len + 1);
                if (!memory.refuses or capacity != items.cap) items.shrinkAndFree(capacity);
                say("shrinkAndFree", capacity);
            },
            else => unreachable,
        }
        _ = printf(" : %zu %zu :", items.items.len, items.cap);
        for (items.items) |item| _ = printf(" %u", item.id);
        memory.end();
    }
    while (items.removeOrNull()) |item| _ = printf(" %u", item.id);
    _ = printf("\n");
}

const Fields = struct { a: u8, b: u64, c: u16 };

fn multi(memory: *Memory, steps: usize) !void {
    const random = &memory.random;
    const gpa = memory.failing.allocator();
    var items: std.MultiArrayList(Fields) = .empty;
    defer items.deinit(gpa);
    for (0..steps) |_| {
        const value: Fields = .{
            .a = @intCast(random.below(100)),
            .b = random.below(100),
            .c = @intCast(random.below(100)),
        };
        const at = random.below(items.len + 1);
        memory.maybeFail();
        switch (random.below(9)) {
            0, 1, 2 => say("append", orOom(items.append(gpa, value))),
            3 => say("insert", orOom(items.insert(gpa, at, value))),
            4 => if (at < items.len) {
                items.orderedRemove(at);
                say("orderedRemove", at);
            } else say("orderedRemove", oom),
            5 => if (at < items.len) {
                items.swapRemove(at);
                say("swapRemove", at);
            } else say("swapRemove", oom),
            6 => say("pop", if (items.pop()) |item| item.b else oom),
            7 => say("ensureTotalCapacity", orOom(items.ensureTotalCapacity(gpa, value.a))),
            8 => {
                items.shrinkAndFree(gpa, at);
                say("shrinkAndFree", at);
            },
            else => unreachable,
        }
        _ = printf(" : %zu %zu :", items.len, items.capacity);
        for (items.items(.a), items.items(.b), items.items(.c)) |a, b, c| _ = printf(" %u/%zu/%u", @as(c_uint, a), b, @as(c_uint, c));
        if (items.capacity > 0) {
            const base = @intFromPtr(items.bytes);
            _ = printf(" @ %zu %zu %zu", @intFromPtr(items.items(.a).ptr) - base, @intFromPtr(items.items(.b).ptr) - base, @intFromPtr(items.items(.c).ptr) - base);
        }
        memory.end();
    }
}

/// The keys of maps: numbers, or strings of them.
const names = blk: {
    @setEvalBranchQuota(100_000);
    var all: [64][]const u8 = undefined;
    for (&all, 0..) |*name, n| name.* = std.fmt.comptimePrint("key{}", .{n});
    break :blk all;
};

fn keyOf(comptime K: type, n: usize) K {
    return if (K == u32) @intCast(n) else names[n];
}

fn number(key: anytype) usize {
    return if (@TypeOf(key) == u32) key else std.fmt.parseInt(usize, key[3..], 10) catch unreachable;
}

fn hashMap(comptime K: type, comptime Map: type, memory: *Memory, steps: usize) !void {
    const random = &memory.random;
    var map: Map = .init(std.heap.page_allocator);
    defer map.deinit();
    for (0..steps) |_| {
        const key = keyOf(K, random.below(64));
        const value: u32 = @intCast(random.below(1000));
        switch (random.below(11)) {
            0, 1 => {
                try map.put(key, value);
                say("put", 0);
            },
            2, 3 => if (try map.fetchPut(key, value)) |old| {
                say("fetchPut", number(old.key) * 1000 + old.value);
            } else say("fetchPut", oom),
            4 => {
                const gop = try map.getOrPut(key);
                if (!gop.found_existing) gop.value_ptr.* = 0;
                gop.value_ptr.* += 1;
                say("getOrPut", @intFromBool(gop.found_existing));
            },
            5 => say("getOrPutValue", (try map.getOrPutValue(key, value)).value_ptr.*),
            6 => say("get", map.get(key) orelse oom),
            7 => say("remove", @intFromBool(map.remove(key))),
            8 => if (map.fetchRemove(key)) |old| {
                say("fetchRemove", number(old.key) * 1000 + old.value);
            } else say("fetchRemove", oom),
            9 => {
                if (map.getPtr(key)) |ptr| ptr.* = value;
                say("contains", @intFromBool(map.contains(key)));
            },
            10 => if (value < 100) {
                if (value < 50) map.clearRetainingCapacity() else map.clearAndFree();
                say("clear", 0);
            } else if (!map.contains(key)) {
                try map.putNoClobber(key, value);
                say("putNoClobber", 0);
            } else say("getKey", number(map.getKey(key).?)),
            else => unreachable,
        }
        // In no order.
        var sum: usize = 0;
        var it = map.iterator();
        while (it.next()) |entry| sum += (number(entry.key_ptr.*) + 1) * 1000003 * (entry.value_ptr.* + 1);
        _ = printf(" : %zu %zu\n", @as(usize, map.count()), sum);
    }
}

fn arrayMap(comptime K: type, comptime Map: type, memory: *Memory, steps: usize) !void {
    const random = &memory.random;
    var map: Map = .init(std.heap.page_allocator);
    defer map.deinit();
    for (0..steps) |_| {
        const n = random.below(64);
        const key = keyOf(K, n);
        const value: u32 = @intCast(random.below(1000));
        const at = random.below(map.count() + 1);
        switch (random.below(16)) {
            0, 1 => {
                try map.put(key, value);
                say("put", 0);
            },
            2, 3 => if (try map.fetchPut(key, value)) |old| {
                say("fetchPut", number(old.key) * 1000 + old.value);
            } else say("fetchPut", oom),
            4, 5 => {
                const gop = try map.getOrPut(key);
                if (!gop.found_existing) gop.value_ptr.* = 0;
                gop.value_ptr.* += 1;
                say("getOrPut", gop.index * 2 + @intFromBool(gop.found_existing));
            },
            6 => say("getOrPutValue", (try map.getOrPutValue(key, value)).value_ptr.*),
            7 => say("getIndex", map.getIndex(key) orelse oom),
            8 => say("swapRemove", @intFromBool(map.swapRemove(key))),
            9 => say("orderedRemove", @intFromBool(map.orderedRemove(key))),
            10 => if (map.fetchSwapRemove(key)) |old| {
                say("fetchSwapRemove", number(old.key) * 1000 + old.value);
            } else say("fetchSwapRemove", oom),
            11 => if (map.fetchOrderedRemove(key)) |old| {
                say("fetchOrderedRemove", number(old.key) * 1000 + old.value);
            } else say("fetchOrderedRemove", oom),
            12 => if (at < map.count()) {
                if (value < 500) map.swapRemoveAt(at) else map.orderedRemoveAt(at);
                say("removeAt", at);
            } else if (map.pop()) |old| {
                say("pop", number(old.key) * 1000 + old.value);
            } else say("pop", oom),
            13 => {
                const Context = struct {
                    values: []u32,
                    pub fn lessThan(context: @This(), a: usize, b: usize) bool {
                        return context.values[a] % 4 < context.values[b] % 4;
                    }
                };
                map.sort(Context{ .values = map.values() });
                say("sort", 0);
            },
            14 => if (at < map.count() and !map.contains(key)) {
                try map.unmanaged.setKey(std.heap.page_allocator, at, key);
                say("setKey", at);
            } else say("setKey", oom),
            15 => if (value < 200) {
                map.shrinkRetainingCapacity(at);
                say("shrinkRetainingCapacity", at);
            } else say("contains", @intFromBool(map.contains(key))),
            else => unreachable,
        }
        _ = printf(" : %zu :", map.count());
        for (map.keys(), map.values()) |k, v| _ = printf(" %zu=%u", number(k), v);
        // Every key is found where it is.
        for (map.keys(), 0..) |k, i| if (map.getIndex(k) != i) @panic("a key is not found");
        _ = printf("\n");
    }
}

var area: [1 << 20]u8 align(64) = undefined;

pub fn main() !void {
    var args = std.process.args();
    _ = args.next();
    const first = try std.fmt.parseInt(u64, args.next() orelse "0", 10);
    const count = try std.fmt.parseInt(u64, args.next() orelse "1", 10);
    const steps = 80;
    for (first..first + count) |seed| {
        var memory: Memory = undefined;
        memory.begin(&area, seed);
        const kind = seed % 11;
        _ = printf("program %zu\n", seed);
        switch (kind) {
            0 => try list(u8, &memory, steps),
            1 => try list(u32, &memory, steps),
            2 => try list(u64, &memory, steps),
            3 => try list(u128, &memory, steps),
            4, 5 => try queue(&memory, steps),
            6 => try multi(&memory, steps),
            7 => try hashMap(u32, std.AutoHashMap(u32, u32), &memory, steps),
            8 => try hashMap([]const u8, std.StringHashMap(u32), &memory, steps),
            9 => try arrayMap(u32, std.AutoArrayHashMap(u32, u32), &memory, steps),
            10 => try arrayMap([]const u8, std.StringArrayHashMap(u32), &memory, steps),
            else => unreachable,
        }
    }
}
