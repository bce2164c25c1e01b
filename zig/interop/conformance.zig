//! Part of `cargo xtask interop`: runs Zig's conformance functions over the allocators of the C library.
//!
//!     conformance FUNCTION ALLOCATOR
//!
//! ALLOCATOR is one or more words. The last one is an allocator without state, of the library or, with the prefix
//! `zig_`, of Zig; the words before it are layers over it, the outermost first. `thread_safe arena smp` is the
//! library's lock around the library's arena over the library's smp allocator.
//!
//! One process runs one case. The exit code is 0 if it passes, and `absent` if this release of Zig has no such
//! function. This source works with Zig 0.14 to 0.17.

const std = @import("std");
const zigalloc = @import("zigalloc");

const absent = 77;

const c = struct {
    extern "c" fn zigalloc_page_allocator() zigalloc.Allocator;
    extern "c" fn zigalloc_c_allocator() zigalloc.Allocator;
    extern "c" fn zigalloc_raw_c_allocator() zigalloc.Allocator;
    extern "c" fn zigalloc_smp_allocator() zigalloc.Allocator;
    extern "c" fn zigalloc_rust_allocator() zigalloc.Allocator;

    extern "c" fn zigalloc_arena_create(child: zigalloc.Allocator) ?*anyopaque;
    extern "c" fn zigalloc_arena_allocator(arena: *anyopaque) zigalloc.Allocator;
    extern "c" fn zigalloc_arena_destroy(arena: *anyopaque) void;

    extern "c" fn zigalloc_shared_arena_create(child: zigalloc.Allocator) ?*anyopaque;
    extern "c" fn zigalloc_shared_arena_allocator(arena: *anyopaque) zigalloc.Allocator;
    extern "c" fn zigalloc_shared_arena_destroy(arena: *anyopaque) void;

    extern "c" fn zigalloc_fixed_buffer_create(state: zigalloc.Allocator, buffer: [*]u8, len: usize) ?*anyopaque;
    extern "c" fn zigalloc_fixed_buffer_allocator(fixed_buffer: *anyopaque) zigalloc.Allocator;
    extern "c" fn zigalloc_fixed_buffer_thread_safe_allocator(fixed_buffer: *anyopaque) zigalloc.Allocator;
    extern "c" fn zigalloc_fixed_buffer_destroy(fixed_buffer: *anyopaque) void;

    extern "c" fn zigalloc_buffer_first_create(
        state: zigalloc.Allocator,
        buffer: [*]u8,
        len: usize,
        fallback: zigalloc.Allocator,
    ) ?*anyopaque;
    extern "c" fn zigalloc_buffer_first_allocator(buffer_first: *anyopaque) zigalloc.Allocator;
    extern "c" fn zigalloc_buffer_first_destroy(buffer_first: *anyopaque) void;

    extern "c" fn zigalloc_counting_create(child: zigalloc.Allocator) ?*anyopaque;
    extern "c" fn zigalloc_counting_allocator(counting: *anyopaque) zigalloc.Allocator;
    extern "c" fn zigalloc_counting_destroy(counting: *anyopaque) void;

    extern "c" fn zigalloc_thread_safe_create(child: zigalloc.Allocator) ?*anyopaque;
    extern "c" fn zigalloc_thread_safe_allocator(thread_safe: *anyopaque) zigalloc.Allocator;
    extern "c" fn zigalloc_thread_safe_destroy(thread_safe: *anyopaque) void;

    extern "c" fn zigalloc_debug_create(child: zigalloc.Allocator) ?*anyopaque;
    extern "c" fn zigalloc_debug_allocator(debug: *anyopaque) zigalloc.Allocator;
    extern "c" fn zigalloc_debug_destroy(debug: *anyopaque) usize;
};

const Function = enum { testAllocator, testAllocatorAligned, testAllocatorLargeAlignment, testAllocatorAlignedShrink };

/// As large as the one for the fixed buffer in Zig's own test.
var buffer: [6_400_000]u8 = undefined;

var debug_allocator: std.heap.DebugAllocator(.{}) = .init;

// The handles that `fromZig` points to.
const zig_page = std.heap.page_allocator;
const zig_smp = std.heap.smp_allocator;
var zig_debug: std.mem.Allocator = undefined;

const Layer = enum { arena, shared_arena, fixed_buffer, shared_fixed_buffer, buffer_first, thread_safe, debug, counting };

const Made = struct {
    layer: Layer,
    state: *anyopaque,

    fn over(layer: Layer, child: zigalloc.Allocator) !Made {
        const state = switch (layer) {
            .arena => c.zigalloc_arena_create(child),
            .shared_arena => c.zigalloc_shared_arena_create(child),
            .fixed_buffer, .shared_fixed_buffer => c.zigalloc_fixed_buffer_create(child, &buffer, buffer.len),
            // A short buffer, so that some blocks are in it and some in the child.
            .buffer_first => c.zigalloc_buffer_first_create(child, &buffer, 1000, child),
            .thread_safe => c.zigalloc_thread_safe_create(child),
            .debug => c.zigalloc_debug_create(child),
            .counting => c.zigalloc_counting_create(child),
        };
        return .{ .layer = layer, .state = state orelse return error.OutOfMemory };
    }

    fn allocator(made: Made) zigalloc.Allocator {
        return switch (made.layer) {
            .arena => c.zigalloc_arena_allocator(made.state),
            .shared_arena => c.zigalloc_shared_arena_allocator(made.state),
            .fixed_buffer => c.zigalloc_fixed_buffer_allocator(made.state),
            .shared_fixed_buffer => c.zigalloc_fixed_buffer_thread_safe_allocator(made.state),
            .buffer_first => c.zigalloc_buffer_first_allocator(made.state),
            .thread_safe => c.zigalloc_thread_safe_allocator(made.state),
            .debug => c.zigalloc_debug_allocator(made.state),
            .counting => c.zigalloc_counting_allocator(made.state),
        };
    }

    fn destroy(made: Made) !void {
        switch (made.layer) {
            .arena => c.zigalloc_arena_destroy(made.state),
            .shared_arena => c.zigalloc_shared_arena_destroy(made.state),
            .fixed_buffer, .shared_fixed_buffer => c.zigalloc_fixed_buffer_destroy(made.state),
            .buffer_first => c.zigalloc_buffer_first_destroy(made.state),
            .thread_safe => c.zigalloc_thread_safe_destroy(made.state),
            .counting => c.zigalloc_counting_destroy(made.state),
            .debug => if (c.zigalloc_debug_destroy(made.state) != 0) return error.LeakInTheDebugAllocator,
        }
    }
};

fn withoutState(name: []const u8) ?zigalloc.Allocator {
    const eql = std.mem.eql;
    if (eql(u8, name, "page")) return c.zigalloc_page_allocator();
    if (eql(u8, name, "c")) return c.zigalloc_c_allocator();
    if (eql(u8, name, "raw_c")) return c.zigalloc_raw_c_allocator();
    if (eql(u8, name, "smp")) return c.zigalloc_smp_allocator();
    if (eql(u8, name, "rust")) return c.zigalloc_rust_allocator();
    if (eql(u8, name, "zig_page")) return zigalloc.fromZig(&zig_page);
    if (eql(u8, name, "zig_smp")) return zigalloc.fromZig(&zig_smp);
    if (eql(u8, name, "zig_debug")) return zigalloc.fromZig(&zig_debug);
    return null;
}

fn call(function: Function, allocator: std.mem.Allocator) !void {
    switch (function) {
        inline else => |known| {
            const name = @tagName(known);
            if (!@hasDecl(std.heap, name)) std.process.exit(absent);
            try @field(std.heap, name)(allocator);
        },
    }
}

fn run(function: Function, words: []const [*:0]const u8) !void {
    zig_debug = debug_allocator.allocator();
    var handle = withoutState(std.mem.span(words[words.len - 1])) orelse return error.NoSuchAllocator;
    var layers: [4]Made = undefined;
    const count = words.len - 1;
    for (layers[0..count], 0..) |*made, index| {
        const name = std.mem.span(words[count - 1 - index]);
        made.* = try .over(std.meta.stringToEnum(Layer, name) orelse return error.NoSuchLayer, handle);
        handle = made.allocator();
    }
    try call(function, zigalloc.toZig(&handle));
    for (1..count + 1) |above| try layers[count - above].destroy();
    if (debug_allocator.deinit() == .leak) return error.LeakInZigsDebugAllocator;
}

pub export fn main(argc: c_int, argv: [*][*:0]const u8) c_int {
    if (argc < 3) @panic("usage: conformance FUNCTION ALLOCATOR");
    const name = std.mem.span(argv[1]);
    const function = std.meta.stringToEnum(Function, name) orelse @panic("unknown function");
    run(function, argv[2..@intCast(argc)]) catch |err| {
        std.debug.print("{s}: error.{s}\n", .{ name, @errorName(err) });
        return 1;
    };
    return 0;
}
