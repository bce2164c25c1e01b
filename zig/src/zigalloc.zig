//! Converts allocators between Zig on the one hand and C and Rust on the other.
//!
//! `Allocator` is a `std.mem.Allocator` with C layout: the `zigalloc_allocator` of zigalloc.h and the
//! `zigalloc::Allocator` of the Rust crate. `toZig` and `fromZig` convert between the two:
//!
//!     extern fn zigalloc_smp_allocator() zigalloc.Allocator;
//!     extern fn parse(allocator: zigalloc.Allocator, text: [*:0]const u8) ?*Document;
//!
//!     const smp = zigalloc_smp_allocator();
//!     const gpa = zigalloc.toZig(&smp); // gpa.alloc(u8, 100), std.ArrayList …
//!
//!     const arena_allocator = arena.allocator();
//!     const document = parse(zigalloc.fromZig(&arena_allocator), "…");
//!
//! Both take a pointer, which is all that the result stores: **the handle that it points to must stay at its
//! address for as long as the result is in use.** So store the handle in a variable that lives long enough;
//! `toZig(&zigalloc_smp_allocator())` in an initializer dangles.
//!
//! The conversion does not allocate, and blocks get no header: a block that one side allocates through a handle may
//! be freed by the other side through it. Each call costs one additional indirect call. Return addresses are forwarded.
//!
//! This source works with Zig 0.14 to 0.17; the interface is the same in all of them.

const std = @import("std");
const Alignment = std.mem.Alignment;

/// The functions of an allocator. `ctx` is the field next to the table; alignments are base-2 logarithms.
///
/// This is `std.mem.Allocator.VTable` for C, which has no slices, error sets or 6-bit integers. To implement an
/// allocator for C in Zig, you do not need this type: implement `std.mem.Allocator` and call `fromZig`.
pub const VTable = extern struct {
    /// Returns `len` bytes, or null. `len` must not be 0.
    alloc: *const fn (ctx: ?*anyopaque, len: usize, alignment_log2: u8, ret_addr: usize) callconv(.c) ?[*]u8,

    /// Changes the length of a block to `new_len` in place, or returns false.
    resize: *const fn (
        ctx: ?*anyopaque,
        memory: [*]u8,
        memory_len: usize,
        alignment_log2: u8,
        new_len: usize,
        ret_addr: usize,
    ) callconv(.c) bool,

    /// Changes the length of a block to `new_len`, possibly moving it, or returns null and changes nothing.
    remap: *const fn (
        ctx: ?*anyopaque,
        memory: [*]u8,
        memory_len: usize,
        alignment_log2: u8,
        new_len: usize,
        ret_addr: usize,
    ) callconv(.c) ?[*]u8,

    /// Frees a block.
    free: *const fn (
        ctx: ?*anyopaque,
        memory: [*]u8,
        memory_len: usize,
        alignment_log2: u8,
        ret_addr: usize,
    ) callconv(.c) void,
};

/// A handle to any allocator: two words, passed to and returned from C functions by value.
///
/// Whether several threads may use it depends on the allocator, as with `std.mem.Allocator`.
pub const Allocator = extern struct {
    /// The allocator's state, or anything if it has none.
    ctx: ?*anyopaque,
    /// The functions. The table must live as long as any copy of this handle.
    vtable: *const VTable,
};

comptime {
    const word = @sizeOf(usize);
    std.debug.assert(@sizeOf(Allocator) == 2 * word and @alignOf(Allocator) == @alignOf(usize));
    std.debug.assert(@offsetOf(Allocator, "ctx") == 0);
    std.debug.assert(@offsetOf(Allocator, "vtable") == word);
    std.debug.assert(@sizeOf(VTable) == 4 * word and @alignOf(VTable) == @alignOf(usize));
    for (.{ "alloc", "resize", "remap", "free" }, 0..) |field, index| {
        std.debug.assert(@offsetOf(VTable, field) == index * word);
    }
    std.debug.assert(toLog2(.@"64") == 6 and fromLog2(6) == .@"64");
}

/// Returns a Zig allocator that forwards all calls to `allocator.*`, which must outlive it.
pub fn toZig(allocator: *const Allocator) std.mem.Allocator {
    return .{ .ptr = @constCast(allocator), .vtable = &to_zig };
}

/// Returns an allocator for C and Rust that forwards calls to `allocator.*`, which must outlive it.
///
/// C and Rust callers may request the impossible: a length that, together with the alignment, exceeds `maxInt(isize)`,
/// or an alignment above the largest. Such requests fail without reaching the Zig allocator, whose additions might
/// overflow, which is illegal behavior.
pub fn fromZig(allocator: *const std.mem.Allocator) Allocator {
    return .{ .ctx = @constCast(allocator), .vtable = &from_zig };
}

// The builtins for this have different names in different releases. These functions compile to no instructions in
// optimized builds.

fn toLog2(alignment: Alignment) u8 {
    return @ctz(alignment.toByteUnits());
}

fn fromLog2(alignment_log2: u8) Alignment {
    return .fromByteUnits(@as(usize, 1) << @intCast(alignment_log2));
}

const to_zig: std.mem.Allocator.VTable = .{
    .alloc = ToZig.alloc,
    .resize = ToZig.resize,
    .remap = ToZig.remap,
    .free = ToZig.free,
};

/// Called by Zig; the context is a `*const Allocator`.
const ToZig = struct {
    fn child(ctx: *anyopaque) Allocator {
        const allocator: *const Allocator = @ptrCast(@alignCast(ctx));
        return allocator.*;
    }

    fn alloc(ctx: *anyopaque, len: usize, alignment: Alignment, ret_addr: usize) ?[*]u8 {
        if (len == 0) return @ptrFromInt(alignment.backward(std.math.maxInt(usize)));
        const a = child(ctx);
        return a.vtable.alloc(a.ctx, len, toLog2(alignment), ret_addr);
    }

    // For zero-sized items, Zig's typed `resize` and `remap` pass a length of 0. That is not a block, so the call must
    // not reach functions in C or Rust.

    fn resize(ctx: *anyopaque, memory: []u8, alignment: Alignment, new_len: usize, ret_addr: usize) bool {
        if (memory.len == 0 or new_len == 0) return memory.len == new_len;
        const a = child(ctx);
        return a.vtable.resize(a.ctx, memory.ptr, memory.len, toLog2(alignment), new_len, ret_addr);
    }

    fn remap(ctx: *anyopaque, memory: []u8, alignment: Alignment, new_len: usize, ret_addr: usize) ?[*]u8 {
        if (memory.len == 0 or new_len == 0) return if (memory.len == new_len) memory.ptr else null;
        const a = child(ctx);
        return a.vtable.remap(a.ctx, memory.ptr, memory.len, toLog2(alignment), new_len, ret_addr);
    }

    fn free(ctx: *anyopaque, memory: []u8, alignment: Alignment, ret_addr: usize) void {
        if (memory.len == 0) return;
        const a = child(ctx);
        a.vtable.free(a.ctx, memory.ptr, memory.len, toLog2(alignment), ret_addr);
    }
};

const from_zig: VTable = .{
    .alloc = FromZig.alloc,
    .resize = FromZig.resize,
    .remap = FromZig.remap,
    .free = FromZig.free,
};

/// Called by C or Rust; the context is a `*const std.mem.Allocator`.
const FromZig = struct {
    fn child(ctx: ?*anyopaque) std.mem.Allocator {
        const allocator: *const std.mem.Allocator = @ptrCast(@alignCast(ctx.?));
        return allocator.*;
    }

    /// Whether such a block can exist, with the padding that it may need.
    fn exists(len: usize, alignment_log2: u8) bool {
        if (alignment_log2 >= @bitSizeOf(usize) - 1) return false;
        return len <= std.math.maxInt(isize) - fromLog2(alignment_log2).toByteUnits();
    }

    fn alloc(ctx: ?*anyopaque, len: usize, alignment_log2: u8, ret_addr: usize) callconv(.c) ?[*]u8 {
        if (!exists(len, alignment_log2)) return null;
        return child(ctx).rawAlloc(len, fromLog2(alignment_log2), ret_addr);
    }

    fn resize(
        ctx: ?*anyopaque,
        memory: [*]u8,
        memory_len: usize,
        alignment_log2: u8,
        new_len: usize,
        ret_addr: usize,
    ) callconv(.c) bool {
        if (!exists(new_len, alignment_log2)) return false;
        return child(ctx).rawResize(memory[0..memory_len], fromLog2(alignment_log2), new_len, ret_addr);
    }

    fn remap(
        ctx: ?*anyopaque,
        memory: [*]u8,
        memory_len: usize,
        alignment_log2: u8,
        new_len: usize,
        ret_addr: usize,
    ) callconv(.c) ?[*]u8 {
        if (!exists(new_len, alignment_log2)) return null;
        return child(ctx).rawRemap(memory[0..memory_len], fromLog2(alignment_log2), new_len, ret_addr);
    }

    fn free(
        ctx: ?*anyopaque,
        memory: [*]u8,
        memory_len: usize,
        alignment_log2: u8,
        ret_addr: usize,
    ) callconv(.c) void {
        child(ctx).rawFree(memory[0..memory_len], fromLog2(alignment_log2), ret_addr);
    }
};
