//! Zig's side of `cargo xtask differential`: reads programs, runs them on Zig's own allocators, and prints the result
//! of each step. `src/main.rs` is the other side; driver/src/program.rs defines the format of programs.
//!
//! This source works with Zig 0.15.2 and 0.17.1, which have different subjects. It reads and writes with C functions,
//! which are the same in both.

const std = @import("std");
const Alignment = std.mem.Alignment;
const Allocator = std.mem.Allocator;
const FixedBufferAllocator = std.heap.FixedBufferAllocator;
const ArenaAllocator = std.heap.ArenaAllocator;

/// Whether this release has a lock and a single-threaded arena.
const has_lock = @hasDecl(std.heap, "ThreadSafeAllocator");

const Subject = if (has_lock) enum {
    fixed,
    locked_fixed,
    arena,
    locked_arena,
    arena_over_fixed,
    arena_over_locked_fixed,
    arena_over_arena,
    pool,
    aligned_pool,
    preheated_pool,

    fn hasArena(subject: Subject) bool {
        return switch (subject) {
            .arena, .locked_arena, .arena_over_fixed, .arena_over_locked_fixed, .arena_over_arena => true,
            else => false,
        };
    }

    fn hasFixed(subject: Subject) bool {
        return switch (subject) {
            .fixed, .locked_fixed, .arena_over_fixed, .arena_over_locked_fixed => true,
            else => false,
        };
    }
} else enum {
    shared_fixed,
    shared_arena,
    shared_arena_over_shared_fixed,
    buffer_first,
    safe,
    safe_small,

    fn hasSafe(subject: Subject) bool {
        return subject == .safe or subject == .safe_small;
    }

    fn hasArena(subject: Subject) bool {
        return subject == .shared_arena or subject == .shared_arena_over_shared_fixed;
    }

    fn hasFixed(subject: Subject) bool {
        return subject == .shared_fixed; // the other side cannot inspect a buffer while it is shared
    }
};

/// A pool as an allocator whose blocks are items, whatever length and alignment is requested.
const Pool = struct {
    allocator: Allocator,
    preheat: *const fn (*anyopaque, usize) bool,
    reset: *const fn (*anyopaque, ArenaAllocator.ResetMode) bool,
    deinit: *const fn (*anyopaque) void,

    fn of(comptime Any: type, pool: *Any) Pool {
        const functions = struct {
            fn cast(ctx: *anyopaque) *Any {
                return @ptrCast(@alignCast(ctx));
            }

            fn alloc(ctx: *anyopaque, _: usize, _: Alignment, _: usize) ?[*]u8 {
                return @ptrCast(cast(ctx).create() catch return null);
            }

            fn free(ctx: *anyopaque, memory: []u8, _: Alignment, _: usize) void {
                cast(ctx).destroy(@ptrCast(@alignCast(memory.ptr)));
            }

            fn preheat(ctx: *anyopaque, count: usize) bool {
                cast(ctx).preheat(count) catch return false;
                return true;
            }

            fn reset(ctx: *anyopaque, mode: ArenaAllocator.ResetMode) bool {
                return cast(ctx).reset(mode);
            }

            fn deinit(ctx: *anyopaque) void {
                cast(ctx).deinit();
            }
        };
        return .{
            .allocator = .{ .ptr = pool, .vtable = &.{
                .alloc = functions.alloc,
                .resize = Allocator.noResize,
                .remap = Allocator.noRemap,
                .free = functions.free,
            } },
            .preheat = functions.preheat,
            .reset = functions.reset,
            .deinit = functions.deinit,
        };
    }
};

const Locked = if (has_lock) std.heap.ThreadSafeAllocator else struct { child_allocator: Allocator };

/// Contains all memory; addresses are printed as offsets from its start. It has the same size and alignment as on the
/// other side.
const area_size = 1 << 26;
const area_alignment = 1 << 20;
/// The same on both sides, since checksums depend on addresses.
const area_address = 1 << 40;
var area: [*]u8 = undefined;

fn offset(memory: [*]u8) usize {
    return @intFromPtr(memory) - @intFromPtr(area);
}

fn fromLog2(log2: usize) Alignment {
    return .fromByteUnits(@as(usize, 1) << @intCast(log2));
}

fn toLog2(alignment: Alignment) usize {
    return @ctz(alignment.toByteUnits());
}

/// The child of an arena: a bump allocator that prints its calls and sometimes refuses them.
const Child = struct {
    end: usize,
    /// The percentage of allocations that fail, and of resizes that succeed.
    fails: usize,
    grants: usize,
    random: std.Random.SplitMix64,

    fn allocator(child: *Child) Allocator {
        return .{ .ptr = child, .vtable = &.{ .alloc = alloc, .resize = resize, .remap = remap, .free = free } };
    }

    fn percent(child: *Child) usize {
        return child.random.next() % 100;
    }

    fn alloc(ctx: *anyopaque, len: usize, alignment: Alignment, _: usize) ?[*]u8 {
        const child: *Child = @ptrCast(@alignCast(ctx));
        const refused = child.percent() < child.fails;
        const start = alignment.forward(child.end);
        if (refused or len > area_size or start > area_size - len) {
            print(" A {d}:{d}=null", .{ len, toLog2(alignment) });
            return null;
        }
        child.end = start + len;
        print(" A {d}:{d}={d}", .{ len, toLog2(alignment), start });
        return area + start;
    }

    fn resizes(ctx: *anyopaque, name: u8, memory: []u8, alignment: Alignment, new_len: usize) bool {
        const child: *Child = @ptrCast(@alignCast(ctx));
        const granted = child.percent() < child.grants;
        const start = offset(memory.ptr);
        const is_last = start + memory.len == child.end;
        const done = granted and is_last and new_len <= area_size - start;
        if (done) child.end = start + new_len;
        const bit: u8 = @intFromBool(done);
        print(" {c} {d}+{d}:{d}->{d}={d}", .{ name, start, memory.len, toLog2(alignment), new_len, bit });
        return done;
    }

    fn resize(ctx: *anyopaque, memory: []u8, alignment: Alignment, new_len: usize, _: usize) bool {
        return resizes(ctx, 'R', memory, alignment, new_len);
    }

    fn remap(ctx: *anyopaque, memory: []u8, alignment: Alignment, new_len: usize, _: usize) ?[*]u8 {
        return if (resizes(ctx, 'M', memory, alignment, new_len)) memory.ptr else null;
    }

    fn free(ctx: *anyopaque, memory: []u8, alignment: Alignment, _: usize) void {
        const child: *Child = @ptrCast(@alignCast(ctx));
        const start = offset(memory.ptr);
        if (start + memory.len == child.end) child.end = start;
        print(" F {d}+{d}:{d}", .{ start, memory.len, toLog2(alignment) });
    }
};

const Slot = struct { memory: []u8, alignment: Alignment };

const Safe = if (has_lock) void else std.heap.SafeAllocator;

fn initSafe(subject: Subject, child: Allocator) Safe {
    if (has_lock) return {};
    return .init(child, if (subject == .safe_small) .{
        .stack_trace_frames = 0,
        .check_write_after_free = false,
        .canary = 0x12345678,
        .bucket_size_log2 = 8,
        .block_size_log2 = 8,
    } else .{
        .stack_trace_frames = 0,
        .check_write_after_free = true,
    });
}

/// Prints the footer of a block: its bytes, and, if it is extended, those of the length and of the container.
fn printFooter(memory: [*]u8, len: usize) void {
    const footer = memory + std.mem.alignForward(usize, len, 8);
    const words: [*]const u64 = @ptrCast(@alignCast(footer));
    print(" {x}", .{words[0]});
    if ((words[0] >> 48) & 0x1FFF >= 8176) print(",{x},{x}", .{ words[1], words[2] });
}

fn runProgram(header: *Words) void {
    const subject = std.meta.stringToEnum(Subject, header.word()).?;
    const start = header.number();
    const len = header.number();
    var child: Child = .{ .end = start, .fails = header.number(), .grants = header.number(), .random = .init(header.number()) };

    var fixed: FixedBufferAllocator = .init(area[start..][0..len]);
    // Only one subject has both.
    var buffer_first = if (has_lock) {} else std.heap.BufferFirstAllocator.init(area[start..][0..len], child.allocator());
    if (!has_lock and subject == .buffer_first) child.end += len;
    var locked_fixed: Locked = .{ .child_allocator = fixed.allocator() };
    var inner: ArenaAllocator = .init(child.allocator());
    const below = if (has_lock) switch (subject) {
        .arena_over_fixed => fixed.allocator(),
        .arena_over_locked_fixed => locked_fixed.allocator(),
        .arena_over_arena => inner.allocator(),
        else => child.allocator(),
    } else switch (subject) {
        .shared_arena_over_shared_fixed => fixed.threadSafeAllocator(),
        else => child.allocator(),
    };
    var arena: ArenaAllocator = .init(below);
    var safe: Safe = initSafe(subject, child.allocator());
    const has_safe = !has_lock and subject.hasSafe();
    var locked_arena: Locked = .{ .child_allocator = arena.allocator() };
    var pools = if (has_lock) .{
        std.heap.MemoryPool(u32).init(child.allocator()),
        std.heap.MemoryPoolAligned([40]u8, .@"64").init(child.allocator()),
        std.heap.MemoryPoolExtra([24]u8, .{ .growable = false }).init(child.allocator()),
    } else .{};
    const pool: ?Pool = if (has_lock) switch (subject) {
        .pool => .of(@TypeOf(pools[0]), &pools[0]),
        .aligned_pool => .of(@TypeOf(pools[1]), &pools[1]),
        .preheated_pool => .of(@TypeOf(pools[2]), &pools[2]),
        else => null,
    } else null;
    const allocator = if (pool) |p| p.allocator else if (has_lock) switch (subject) {
        .fixed => fixed.allocator(),
        .locked_fixed => locked_fixed.allocator(),
        .locked_arena => locked_arena.allocator(),
        else => arena.allocator(),
    } else switch (subject) {
        .shared_fixed => fixed.threadSafeAllocator(),
        .buffer_first => buffer_first.allocator(),
        .safe, .safe_small => safe.allocator(),
        else => arena.allocator(),
    };

    var slots: [16]?Slot = @splat(null);
    while (readLine()) |line| {
        var words: Words = .{ .text = line };
        const step = std.meta.stringToEnum(Step, words.word()).?;
        switch (step) {
            .alloc => {
                const slot = &slots[words.number()];
                const block_len = words.number();
                const alignment = fromLog2(words.number());
                if (slot.* == null) {
                    const memory = allocator.rawAlloc(block_len, alignment, 0);
                    printPlace(memory);
                    if (memory) |ptr| slot.* = .{ .memory = ptr[0..block_len], .alignment = alignment };
                    if (has_safe and memory != null) printFooter(memory.?, block_len);
                }
            },
            .resize => if (slots[words.number()]) |*slot| {
                const new_len = words.number();
                const done = allocator.rawResize(slot.memory, slot.alignment, new_len, 0);
                printFlag(done);
                if (done) slot.memory.len = new_len;
                if (has_safe) printFooter(slot.memory.ptr, slot.memory.len);
            },
            .remap => if (slots[words.number()]) |*slot| {
                const new_len = words.number();
                const memory = allocator.rawRemap(slot.memory, slot.alignment, new_len, 0);
                printPlace(memory);
                if (memory) |ptr| slot.memory = ptr[0..new_len];
                if (has_safe) printFooter(slot.memory.ptr, slot.memory.len);
            },
            .free => {
                const slot = &slots[words.number()];
                if (slot.*) |block| allocator.rawFree(block.memory, block.alignment, 0);
                slot.* = null;
            },
            .reset => {
                const mode = words.number();
                const limit = words.number();
                slots = @splat(null);
                const reset_mode: ArenaAllocator.ResetMode = switch (mode) {
                    0 => .free_all,
                    1 => .retain_capacity,
                    else => .{ .retain_with_limit = limit },
                };
                if (pool) |p| {
                    printFlag(p.reset(p.allocator.ptr, reset_mode));
                } else if (subject.hasArena()) {
                    printFlag(arena.reset(reset_mode));
                } else if (has_safe) {
                    if (!has_lock) print(" {d}", .{safe.deinitLog(false)});
                    safe = initSafe(subject, child.allocator());
                } else if (!has_lock and subject == .buffer_first) {
                    buffer_first.fixed_buffer_allocator.reset();
                } else fixed.reset();
            },
            .owns => if (slots[words.number()]) |slot| {
                const reach = words.number();
                if (subject.hasFixed() and !subject.hasArena()) {
                    printFlag(fixed.ownsPtr(slot.memory.ptr + reach));
                    printFlag(fixed.ownsSlice(slot.memory.ptr[0..reach]));
                    printFlag(fixed.isLastAllocation(slot.memory));
                }
            },
            .promote => if (subject.hasArena()) {
                arena = arena.state.promote(below);
            },
            .preheat => if (pool) |p| printFlag(p.preheat(p.allocator.ptr, words.number())),
            .end => break,
        }
        if (subject.hasArena()) print(" cap {d}", .{arena.queryCapacity()});
        if (subject.hasFixed()) print(" end {d}", .{fixed.end_index});
        if (!has_lock and subject == .buffer_first) print(" end {d}", .{buffer_first.fixed_buffer_allocator.end_index});
        print("\n", .{});
    }
    if (pool) |p| p.deinit(p.allocator.ptr);
    if (subject.hasArena()) arena.deinit();
    if (has_safe and !has_lock) print(" {d}", .{safe.deinitLog(false)});
    inner.deinit();
    print("\n", .{});
}

const Step = enum { alloc, resize, remap, free, reset, owns, promote, preheat, end };

fn printPlace(memory: ?[*]u8) void {
    if (memory) |ptr| print(" @{d}", .{offset(ptr)}) else print(" null", .{});
}

fn printFlag(flag: bool) void {
    print(" {s}", .{if (flag) "true" else "false"});
}

pub fn main() void {
    area = c.mmap(area_address, area_size, 3, 0x100022, -1, 0);
    if (@intFromPtr(area) != area_address) @panic("the area's address is taken");
    while (readLine()) |line| {
        var words: Words = .{ .text = line };
        if (!std.mem.eql(u8, words.word(), "program")) @panic("expected a program header");
        runProgram(&words);
    }
    flush();
}

const Words = struct {
    text: []const u8,

    fn word(words: *Words) []const u8 {
        const len = std.mem.indexOfScalar(u8, words.text, ' ') orelse words.text.len;
        defer words.text = words.text[@min(len + 1, words.text.len)..];
        return words.text[0..len];
    }

    fn number(words: *Words) usize {
        return std.fmt.parseInt(usize, words.word(), 10) catch @panic("expected a number");
    }
};

const c = struct {
    extern "c" fn mmap(address: usize, len: usize, protection: c_int, flags: c_int, fd: c_int, offset: i64) [*]u8;
    extern "c" fn read(fd: c_int, buffer: [*]u8, len: usize) isize;
    extern "c" fn write(fd: c_int, buffer: [*]const u8, len: usize) isize;
};

var input: [1 << 16]u8 = undefined;
var input_begin: usize = 0;
var input_end: usize = 0;

/// Returns the next line, which is valid until the next call, or null at the end of the input. Flushes all output
/// before waiting for input.
fn readLine() ?[]const u8 {
    while (true) {
        if (std.mem.indexOfScalar(u8, input[input_begin..input_end], '\n')) |len| {
            defer input_begin += len + 1;
            return input[input_begin..][0..len];
        }
        flush();
        std.mem.copyForwards(u8, &input, input[input_begin..input_end]);
        input_end -= input_begin;
        input_begin = 0;
        const read = c.read(0, input[input_end..].ptr, input.len - input_end);
        if (read <= 0) return null;
        input_end += @intCast(read);
    }
}

var output: [1 << 16]u8 = undefined;
var output_end: usize = 0;

fn print(comptime format: []const u8, args: anytype) void {
    if (output.len - output_end < 256) flush();
    const text = std.fmt.bufPrint(output[output_end..], format, args) catch unreachable;
    output_end += text.len;
}

fn flush() void {
    var written: usize = 0;
    while (written < output_end) {
        const result = c.write(1, output[written..].ptr, output_end - written);
        if (result <= 0) @panic("cannot write the output");
        written += @intCast(result);
    }
    output_end = 0;
}
