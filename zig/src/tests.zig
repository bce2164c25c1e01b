//! The tests of the package: `zig build test`.

const std = @import("std");
const zigalloc = @import("zigalloc");
const testing = std.testing;
const Alignment = std.mem.Alignment;

/// An allocator as a C program would write it. It records its last call, and allocates consecutive blocks from a
/// buffer.
const Recorder = struct {
    buffer: [4096]u8 align(4096) = undefined,
    used: usize = 0,
    /// Whether `resize` and `remap` succeed.
    grants: bool = true,
    /// Added to the address by `remap`, to move the block.
    moves_by: usize = 0,
    calls: [4]usize = .{ 0, 0, 0, 0 },
    last: Call = .{},

    const Call = struct {
        memory: ?[*]u8 = null,
        memory_len: usize = 0,
        alignment_log2: u8 = 0,
        new_len: usize = 0,
        ret_addr: usize = 0,
    };

    const vtable: zigalloc.VTable = .{ .alloc = alloc, .resize = resize, .remap = remap, .free = free };

    fn handle(recorder: *Recorder) zigalloc.Allocator {
        return .{ .ctx = recorder, .vtable = &vtable };
    }

    fn note(ctx: ?*anyopaque, which: usize, call: Call) *Recorder {
        const recorder: *Recorder = @ptrCast(@alignCast(ctx.?));
        recorder.calls[which] += 1;
        recorder.last = call;
        return recorder;
    }

    fn alloc(ctx: ?*anyopaque, len: usize, alignment_log2: u8, ret_addr: usize) callconv(.c) ?[*]u8 {
        const call: Call = .{ .alignment_log2 = alignment_log2, .new_len = len, .ret_addr = ret_addr };
        const recorder = note(ctx, 0, call);
        const start = std.mem.alignForward(usize, recorder.used, @as(usize, 1) << @intCast(alignment_log2));
        if (len > recorder.buffer.len or start > recorder.buffer.len - len) return null;
        recorder.used = start + len;
        return recorder.buffer[start..].ptr;
    }

    fn resize(
        ctx: ?*anyopaque,
        memory: [*]u8,
        memory_len: usize,
        alignment_log2: u8,
        new_len: usize,
        ret_addr: usize,
    ) callconv(.c) bool {
        return note(ctx, 1, .{
            .memory = memory,
            .memory_len = memory_len,
            .alignment_log2 = alignment_log2,
            .new_len = new_len,
            .ret_addr = ret_addr,
        }).grants;
    }

    fn remap(
        ctx: ?*anyopaque,
        memory: [*]u8,
        memory_len: usize,
        alignment_log2: u8,
        new_len: usize,
        ret_addr: usize,
    ) callconv(.c) ?[*]u8 {
        const recorder = note(ctx, 2, .{
            .memory = memory,
            .memory_len = memory_len,
            .alignment_log2 = alignment_log2,
            .new_len = new_len,
            .ret_addr = ret_addr,
        });
        return if (recorder.grants) memory + recorder.moves_by else null;
    }

    fn free(
        ctx: ?*anyopaque,
        memory: [*]u8,
        memory_len: usize,
        alignment_log2: u8,
        ret_addr: usize,
    ) callconv(.c) void {
        _ = note(ctx, 3, .{
            .memory = memory,
            .memory_len = memory_len,
            .alignment_log2 = alignment_log2,
            .ret_addr = ret_addr,
        });
    }
};

/// Converts a C allocator to Zig and back, `layers` times each way, at stable addresses.
const Sandwich = struct {
    c: [3]zigalloc.Allocator = undefined,
    zig: [3]std.mem.Allocator = undefined,

    fn over(sandwich: *Sandwich, bottom: zigalloc.Allocator) std.mem.Allocator {
        var below = bottom;
        for (&sandwich.c, &sandwich.zig) |*c, *zig| {
            c.* = below;
            zig.* = zigalloc.toZig(c);
            below = zigalloc.fromZig(zig);
        }
        return sandwich.zig[sandwich.zig.len - 1];
    }
};

test "every argument and every result of the four calls arrives" {
    var recorder: Recorder = .{};
    const direct = recorder.handle();
    var sandwich: Sandwich = .{};
    for ([_]std.mem.Allocator{ zigalloc.toZig(&direct), sandwich.over(direct) }) |allocator| {
        recorder = .{};
        const memory = allocator.rawAlloc(40, .@"8", 0x1111).?[0..40];
        try testing.expectEqual(Recorder.Call{
            .alignment_log2 = 3,
            .new_len = 40,
            .ret_addr = 0x1111,
        }, recorder.last);
        try testing.expect(memory.ptr == recorder.buffer[0..].ptr);

        var expected: Recorder.Call = .{
            .memory = memory.ptr,
            .memory_len = 40,
            .alignment_log2 = 3,
            .new_len = 50,
            .ret_addr = 0x2222,
        };
        try testing.expect(allocator.rawResize(memory, .@"8", 50, 0x2222));
        try testing.expectEqual(expected, recorder.last);

        recorder.moves_by = 64;
        expected.ret_addr = 0x3333;
        try testing.expect(allocator.rawRemap(memory, .@"8", 50, 0x3333) == memory.ptr + 64);
        try testing.expectEqual(expected, recorder.last);

        recorder.grants = false;
        try testing.expect(!allocator.rawResize(memory, .@"8", 50, 0));
        try testing.expect(allocator.rawRemap(memory, .@"8", 50, 0) == null);
        try testing.expect(allocator.rawAlloc(5000, .@"1", 0) == null);

        allocator.rawFree(memory, .@"8", 0x4444);
        expected.new_len = 0;
        expected.ret_addr = 0x4444;
        try testing.expectEqual(expected, recorder.last);
        try testing.expectEqual([4]usize{ 2, 2, 2, 1 }, recorder.calls);
    }
}

test "every alignment arrives as its logarithm" {
    var recorder: Recorder = .{};
    const direct = recorder.handle();
    var sandwich: Sandwich = .{};
    for ([_]std.mem.Allocator{ zigalloc.toZig(&direct), sandwich.over(direct) }) |allocator| {
        for (0..@bitSizeOf(usize) - 1) |log2| {
            recorder.used = 1;
            const alignment: Alignment = .fromByteUnits(@as(usize, 1) << @intCast(log2));
            const memory = allocator.rawAlloc(1, alignment, 0);
            try testing.expectEqual(log2, recorder.last.alignment_log2);
            try testing.expectEqual(log2 >= 12, memory == null);
            if (memory) |ptr| try testing.expect(alignment.check(@intFromPtr(ptr)));
        }
    }
}

test "lengths and alignments that no block has reach no Zig allocator" {
    const Never = struct {
        fn alloc(_: *anyopaque, _: usize, _: Alignment, _: usize) ?[*]u8 {
            @panic("alloc was called");
        }
        fn resize(_: *anyopaque, _: []u8, _: Alignment, _: usize, _: usize) bool {
            @panic("resize was called");
        }
        fn remap(_: *anyopaque, _: []u8, _: Alignment, _: usize, _: usize) ?[*]u8 {
            @panic("remap was called");
        }
        fn free(_: *anyopaque, _: []u8, _: Alignment, _: usize) void {
            @panic("free was called");
        }
    };
    const never: std.mem.Allocator = .{ .ptr = undefined, .vtable = &.{
        .alloc = Never.alloc,
        .resize = Never.resize,
        .remap = Never.remap,
        .free = Never.free,
    } };
    const a = zigalloc.fromZig(&never);
    var block: [8]u8 = undefined;
    const longest: usize = std.math.maxInt(isize);
    for ([_]usize{ longest - 15, longest, longest + 1, std.math.maxInt(usize) }) |len| {
        try testing.expect(a.vtable.alloc(a.ctx, len, 4, 0) == null);
        try testing.expect(!a.vtable.resize(a.ctx, &block, block.len, 4, len, 0));
        try testing.expect(a.vtable.remap(a.ctx, &block, block.len, 4, len, 0) == null);
    }
    for ([_]u8{ @bitSizeOf(usize) - 1, @bitSizeOf(usize), 255 }) |log2| {
        try testing.expect(a.vtable.alloc(a.ctx, 8, log2, 0) == null);
        try testing.expect(!a.vtable.resize(a.ctx, &block, block.len, log2, 4, 0));
        try testing.expect(a.vtable.remap(a.ctx, &block, block.len, log2, 4, 0) == null);
    }
}

test "lengths of 0 are answered here" {
    var recorder: Recorder = .{};
    const direct = recorder.handle();
    const allocator = zigalloc.toZig(&direct);
    var items: [5]u0 = @splat(0);
    // For zero-sized items, the functions of the table would get lengths of 0.
    try testing.expect(allocator.resize(@as([]u0, &items), 3));
    var block: [8]u8 = undefined;
    try testing.expect(allocator.rawAlloc(0, .@"8", 0) != null);
    try testing.expect(!allocator.rawResize(&block, .@"8", 0, 0));
    try testing.expect(allocator.rawRemap(&block, .@"8", 0, 0) == null);
    try testing.expect(!allocator.rawResize(block[0..0], .@"8", 8, 0));
    try testing.expect(allocator.rawRemap(block[0..0], .@"8", 0, 0) != null);
    allocator.rawFree(block[0..0], .@"8", 0);
    for (recorder.calls) |count| try testing.expect(count == 0);
}

test "the longest block that exists is asked for" {
    var recorder: Recorder = .{};
    const direct = recorder.handle();
    const zig = zigalloc.toZig(&direct);
    const a = zigalloc.fromZig(&zig);
    const longest: usize = std.math.maxInt(isize);
    try testing.expect(a.vtable.alloc(a.ctx, longest - 16, 4, 0) == null);
    try testing.expectEqual(longest - 16, recorder.last.new_len);
}

test "containers of std work and leak nothing" {
    // The testing allocator fails this test if a block leaks or is freed with a wrong length.
    const bottom = testing.allocator;
    const c = zigalloc.fromZig(&bottom);
    var sandwich: Sandwich = .{};
    for ([_]std.mem.Allocator{ zigalloc.toZig(&c), sandwich.over(c) }) |allocator| {
        var list: std.ArrayListUnmanaged(u64) = .empty;
        defer list.deinit(allocator);
        for (0..1000) |i| try list.append(allocator, i);
        for (list.items, 0..) |item, i| try testing.expectEqual(i, item);
        list.shrinkAndFree(allocator, 10);

        var map: std.AutoHashMapUnmanaged(u32, []u8) = .empty;
        defer map.deinit(allocator);
        for (0..300) |i| try map.put(allocator, @intCast(i), try allocator.dupe(u8, "text"));
        var values = map.valueIterator();
        while (values.next()) |value| allocator.free(value.*);

        const text = try std.fmt.allocPrint(allocator, "{d} {s}", .{ 42, "bytes" });
        defer allocator.free(text);
        try testing.expectEqualStrings("42 bytes", text);

        var arena = std.heap.ArenaAllocator.init(allocator);
        defer arena.deinit();
        for (1..100) |n| _ = try arena.allocator().alloc(u32, n);
    }
}

test "Zig's own conformance functions" {
    const bottom = std.heap.page_allocator;
    const c = zigalloc.fromZig(&bottom);
    var sandwich: Sandwich = .{};
    for ([_]std.mem.Allocator{ zigalloc.toZig(&c), sandwich.over(c) }) |allocator| {
        try std.heap.testAllocator(allocator);
        try std.heap.testAllocatorAligned(allocator);
        try std.heap.testAllocatorLargeAlignment(allocator);
        try std.heap.testAllocatorAlignedShrink(allocator);
    }
}

test "every failure of the child is OutOfMemory, and nothing leaks" {
    const Program = struct {
        fn run(bottom: std.mem.Allocator) !void {
            const c = zigalloc.fromZig(&bottom);
            const allocator = zigalloc.toZig(&c);
            var list: std.ArrayListUnmanaged(u8) = .empty;
            defer list.deinit(allocator);
            for (0..200) |_| try list.append(allocator, 1);
            const number = try allocator.create(u32);
            allocator.destroy(number);
        }
    };
    try testing.checkAllAllocationFailures(testing.allocator, Program.run, .{});
}
