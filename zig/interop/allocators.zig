//! Part of `cargo xtask interop`: a library of Zig's allocators for Rust code, loaded by src/main.rs.
//!
//! This source works with Zig 0.14 to 0.17.

const std = @import("std");
const zigalloc = @import("zigalloc");

/// Static, and as large as the one for the fixed buffer in Zig's own tests.
var buffer: [6_400_000]u8 = undefined;
var fixed_buffer: std.heap.FixedBufferAllocator = .init(&buffer);
var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
var debug: std.heap.DebugAllocator(.{}) = .init;

const has_lock = @hasDecl(std.heap, "ThreadSafeAllocator");
var locked_arena: if (has_lock) std.heap.ThreadSafeAllocator else void = undefined;

/// The allocator that the handle points to.
var allocator: std.mem.Allocator = undefined;

/// Stores a handle to an allocator. Returns 0, or 1 if this release of Zig has no allocator with this name. Only one
/// allocator may be in use at a time.
pub export fn zig_open(name: [*:0]const u8, handle: *zigalloc.Allocator) c_int {
    allocator = find(std.mem.span(name)) orelse return 1;
    handle.* = zigalloc.fromZig(&allocator);
    return 0;
}

fn find(name: []const u8) ?std.mem.Allocator {
    const eql = std.mem.eql;
    if (eql(u8, name, "page")) return std.heap.page_allocator;
    if (eql(u8, name, "c")) return std.heap.c_allocator;
    if (eql(u8, name, "smp")) return std.heap.smp_allocator;
    if (eql(u8, name, "arena")) return arena.allocator();
    if (eql(u8, name, "fixed_buffer")) return fixed_buffer.allocator();
    if (eql(u8, name, "shared_fixed_buffer")) return fixed_buffer.threadSafeAllocator();
    if (eql(u8, name, "debug")) return debug.allocator();
    if (has_lock and eql(u8, name, "thread_safe arena")) {
        locked_arena = .{ .child_allocator = arena.allocator() };
        return locked_arena.allocator();
    }
    return null;
}

/// Deinitializes the allocator. Returns 0, or 1 if the debug allocator found leaks.
pub export fn zig_close() c_int {
    arena.deinit();
    return if (debug.deinit() == .ok) 0 else 1;
}
