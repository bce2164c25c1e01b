//! Zig's own allocators and containers with a C interface, for comparison with the Rust ones.
//!
//! Each table is specific to one type of allocator, so the compiler inlines `allocator()` and calls the allocator's
//! functions directly: a measurement includes one indirect call from outside, as with ours.

const std = @import("std");

const Table = extern struct {
    alloc: *const fn (*anyopaque, usize, u8, usize) callconv(.c) ?[*]u8,
    resize: *const fn (*anyopaque, [*]u8, usize, u8, usize, usize) callconv(.c) bool,
    remap: *const fn (*anyopaque, [*]u8, usize, u8, usize, usize) callconv(.c) ?[*]u8,
    free: *const fn (*anyopaque, [*]u8, usize, u8, usize) callconv(.c) void,
};

const Handle = extern struct { ptr: *anyopaque, vtable: *const Table };

fn log2(alignment: u8) std.mem.Alignment {
    return @enumFromInt(alignment);
}

/// The table of a type with `fn allocator(*T) std.mem.Allocator`.
fn Of(comptime T: type) type {
    return struct {
        const table: Table = .{ .alloc = alloc, .resize = resize, .remap = remap, .free = free };

        fn of(ctx: *anyopaque) std.mem.Allocator {
            const self: *T = @ptrCast(@alignCast(ctx));
            return self.allocator();
        }
        fn alloc(ctx: *anyopaque, len: usize, alignment: u8, ret_addr: usize) callconv(.c) ?[*]u8 {
            return of(ctx).rawAlloc(len, log2(alignment), ret_addr);
        }
        fn resize(ctx: *anyopaque, p: [*]u8, len: usize, alignment: u8, new_len: usize, ret_addr: usize) callconv(.c) bool {
            return of(ctx).rawResize(p[0..len], log2(alignment), new_len, ret_addr);
        }
        fn remap(ctx: *anyopaque, p: [*]u8, len: usize, alignment: u8, new_len: usize, ret_addr: usize) callconv(.c) ?[*]u8 {
            return of(ctx).rawRemap(p[0..len], log2(alignment), new_len, ret_addr);
        }
        fn free(ctx: *anyopaque, p: [*]u8, len: usize, alignment: u8, ret_addr: usize) callconv(.c) void {
            of(ctx).rawFree(p[0..len], log2(alignment), ret_addr);
        }
        fn handle(self: *T) Handle {
            return .{ .ptr = self, .vtable = &table };
        }
    };
}

/// Wraps a constant allocator in a type without state.
fn Value(comptime value: std.mem.Allocator) type {
    return struct {
        var state: @This() = .{};
        fn allocator(_: *@This()) std.mem.Allocator {
            return value;
        }
    };
}

const Page = Value(std.heap.page_allocator);
const C = Value(std.heap.c_allocator);
const Smp = Value(std.heap.smp_allocator);

export fn zig_page() Handle {
    return Of(Page).handle(&Page.state);
}
export fn zig_c() Handle {
    return Of(C).handle(&C.state);
}
export fn zig_smp() Handle {
    return Of(Smp).handle(&Smp.state);
}

const FixedBuffer = std.heap.FixedBufferAllocator;
var fixed_buffer: FixedBuffer = undefined;

export fn zig_fixed_buffer(buffer: [*]u8, len: usize) Handle {
    fixed_buffer = FixedBuffer.init(buffer[0..len]);
    return Of(FixedBuffer).handle(&fixed_buffer);
}

const ThreadSafe = std.heap.ThreadSafeAllocator;
var thread_safe: ThreadSafe = undefined;

/// A lock around the fixed buffer.
export fn zig_thread_safe(buffer: [*]u8, len: usize) Handle {
    fixed_buffer = FixedBuffer.init(buffer[0..len]);
    thread_safe = .{ .child_allocator = fixed_buffer.allocator() };
    return Of(ThreadSafe).handle(&thread_safe);
}

const Arena = std.heap.ArenaAllocator;
var arena: Arena = Arena.init(std.heap.page_allocator);

export fn zig_arena() Handle {
    return Of(Arena).handle(&arena);
}
export fn zig_arena_reset() void {
    _ = arena.reset(.retain_capacity);
}

/// With the defaults of fast builds: no stack traces, no safety.
const Debug = std.heap.DebugAllocator(.{});
var debug: Debug = .init;

export fn zig_debug() Handle {
    return Of(Debug).handle(&debug);
}

/// Appends `len` numbers to a list, `rounds` times.
export fn zig_list(len: u32, rounds: u64) void {
    for (0..rounds) |_| {
        var list: std.ArrayList(u32) = .empty;
        defer list.deinit(std.heap.smp_allocator);
        for (0..len) |n| list.append(std.heap.smp_allocator, opaqueNumber(n)) catch unreachable;
        std.mem.doNotOptimizeAway(list.items.ptr);
    }
}

/// Puts `len` numbers into a map in an arena and looks each up, `rounds` times.
export fn zig_map(len: u32, rounds: u64) void {
    for (0..rounds) |_| {
        var map = std.AutoHashMap(u32, u32).init(arena.allocator());
        for (0..len) |n| map.put(opaqueNumber(n), opaqueNumber(n)) catch unreachable;
        for (0..len) |n| std.mem.doNotOptimizeAway(map.get(opaqueNumber(n)));
        _ = arena.reset(.retain_capacity);
    }
}

/// A number that the compiler does not know.
inline fn opaqueNumber(n: usize) u32 {
    var number: u32 = @intCast(n);
    std.mem.doNotOptimizeAway(&number);
    return number;
}
