//! An environment: variables with names and values of their own. Whatever fails in the middle, for lack of memory or
//! because of the text, the environment stays as it was.

const std = @import("std");
const Allocator = std.mem.Allocator;

const EnvironmentError = error{
    InvalidName,
    MissingEquals,
    MissingBrace,
    UnknownVariable,
    NestedTooDeeply,
    OutOfMemory,
};

const Environment = struct {
    allocator: Allocator,
    variables: std.StringHashMapUnmanaged([]const u8),

    const max_depth = 8;

    fn init(allocator: Allocator) Environment {
        return .{ .allocator = allocator, .variables = .empty };
    }

    fn deinit(environment: *Environment) void {
        var variables = environment.variables.iterator();
        while (variables.next()) |variable| {
            environment.allocator.free(variable.key_ptr.*);
            environment.allocator.free(variable.value_ptr.*);
        }
        environment.variables.deinit(environment.allocator);
    }

    fn clone(environment: *const Environment) EnvironmentError!Environment {
        var copy = Environment.init(environment.allocator);
        errdefer copy.deinit();
        var variables = environment.variables.iterator();
        while (variables.next()) |variable| {
            try copy.put(variable.key_ptr.*, variable.value_ptr.*);
        }
        return copy;
    }

    fn get(environment: *const Environment, name: []const u8) ?[]const u8 {
        return environment.variables.get(name);
    }

    /// Sets a variable to a copy of the value.
    fn put(environment: *Environment, name: []const u8, value: []const u8) EnvironmentError!void {
        const copy = try environment.allocator.dupe(u8, value);
        errdefer environment.allocator.free(copy);
        try environment.putOwned(name, copy);
    }

    /// Sets a variable to a value, which is the environment's from then on, except if this fails.
    fn putOwned(environment: *Environment, name: []const u8, value: []const u8) EnvironmentError!void {
        try checkName(name);
        if (environment.variables.getPtr(name)) |place| {
            environment.allocator.free(place.*);
            place.* = value;
            return;
        }
        const copy = try environment.allocator.dupe(u8, name);
        errdefer environment.allocator.free(copy);
        try environment.variables.put(environment.allocator, copy, value);
    }

    fn remove(environment: *Environment, name: []const u8) bool {
        const variable = environment.variables.fetchRemove(name) orelse return false;
        environment.allocator.free(variable.key);
        environment.allocator.free(variable.value);
        return true;
    }

    /// Puts a text before or after the value of a variable, which may be new.
    fn extend(environment: *Environment, name: []const u8, before: []const u8, after: []const u8) EnvironmentError!void {
        const old = environment.get(name) orelse "";
        const parts = [_][]const u8{ before, old, after };
        const value = try std.mem.concat(environment.allocator, u8, &parts);
        errdefer environment.allocator.free(value);
        try environment.putOwned(name, value);
    }

    /// Replaces each `${NAME}` by the variable's value, itself expanded, and `$$` by one `$`. The caller frees the result.
    fn expand(environment: *const Environment, text: []const u8) EnvironmentError![]u8 {
        var result: std.ArrayList(u8) = .empty;
        errdefer result.deinit(environment.allocator);
        try environment.expandTo(&result, text, 0);
        return result.toOwnedSlice(environment.allocator);
    }

    fn expandTo(
        environment: *const Environment,
        result: *std.ArrayList(u8),
        text: []const u8,
        depth: usize,
    ) EnvironmentError!void {
        if (depth > max_depth) {
            return error.NestedTooDeeply;
        }
        var rest = text;
        while (std.mem.indexOfScalar(u8, rest, '$')) |dollar| {
            try result.appendSlice(environment.allocator, rest[0..dollar]);
            rest = rest[dollar + 1 ..];
            if (std.mem.startsWith(u8, rest, "{")) {
                const end = std.mem.indexOfScalar(u8, rest, '}') orelse return error.MissingBrace;
                const value = environment.get(rest[1..end]) orelse return error.UnknownVariable;
                try environment.expandTo(result, value, depth + 1);
                rest = rest[end + 1 ..];
            } else {
                try result.append(environment.allocator, '$');
                rest = if (std.mem.startsWith(u8, rest, "$")) rest[1..] else rest;
            }
        }
        try result.appendSlice(environment.allocator, rest);
    }

    /// Sets the variables of lines `NAME=value`, in which values are expanded: all of them or, if this fails, none.
    fn load(environment: *Environment, text: []const u8) EnvironmentError!void {
        var copy = try environment.clone();
        errdefer copy.deinit();
        var lines = std.mem.splitScalar(u8, text, '\n');
        while (lines.next()) |line| {
            if (line.len == 0 or line[0] == '#') {
                continue;
            }
            const equals = std.mem.indexOfScalar(u8, line, '=') orelse return error.MissingEquals;
            const value = try copy.expand(line[equals + 1 ..]);
            errdefer copy.allocator.free(value);
            try copy.putOwned(line[0..equals], value);
        }
        environment.deinit();
        environment.* = copy;
    }

    /// Returns the names in order. The caller frees the slice.
    fn sortedNames(environment: *const Environment, allocator: Allocator) Allocator.Error![][]const u8 {
        var names: std.ArrayList([]const u8) = .empty;
        errdefer names.deinit(allocator);
        try names.ensureTotalCapacity(allocator, environment.variables.count());
        var keys = environment.variables.keyIterator();
        while (keys.next()) |key| {
            names.appendAssumeCapacity(key.*);
        }
        std.mem.sort([]const u8, names.items, {}, lessThan);
        return names.toOwnedSlice(allocator);
    }

    fn print(environment: *const Environment, out: *std.Io.Writer) !void {
        const names = try environment.sortedNames(environment.allocator);
        defer environment.allocator.free(names);
        for (names) |name| {
            try out.print("  {s}={s}\n", .{ name, environment.get(name).? });
        }
    }

    /// Returns the variables as `execve` takes them. The block and its strings belong to the arena.
    fn createBlock(environment: *const Environment, arena: Allocator) Allocator.Error![:null]?[*:0]const u8 {
        const names = try environment.sortedNames(arena);
        const block = try arena.allocSentinel(?[*:0]const u8, names.len, null);
        for (block, names) |*entry, name| {
            const value = environment.get(name).?;
            entry.* = try std.fmt.allocPrintSentinel(arena, "{s}={s}", .{ name, value }, 0);
        }
        return block;
    }
};

fn checkName(name: []const u8) error{InvalidName}!void {
    if (name.len == 0 or std.ascii.isDigit(name[0])) {
        return error.InvalidName;
    }
    for (name) |byte| {
        if (!std.ascii.isAlphanumeric(byte) and byte != '_') {
            return error.InvalidName;
        }
    }
}

fn lessThan(_: void, a: []const u8, b: []const u8) bool {
    return std.mem.lessThan(u8, a, b);
}

/// What a C function does with a block: it has only the pointer.
fn printBlock(block: [*:null]const ?[*:0]const u8, out: *std.Io.Writer) std.Io.Writer.Error!void {
    var i: usize = 0;
    while (block[i]) |entry| : (i += 1) {
        const text = std.mem.span(entry);
        try out.print("  {d} bytes: {s}\n", .{ text.len, text });
    }
}

const system_text =
    \\# what a login sets
    \\HOME=/home/zig
    \\SHELL=/bin/sh
    \\PATH=/usr/bin:/bin
    \\PRICE=$$5, or $6
;

const user_text =
    \\BIN=${HOME}/bin
    \\PATH=${BIN}:${PATH}
    \\EMPTY=
    \\PROMPT=${SHELL}=${EMPTY}$
;

const mistaken_texts = [_][]const u8{
    "HOME=/tmp\nPATH",
    "HOME=/tmp\n1ST=1",
    "HOME=/tmp\n=1",
    "HOME=/tmp\nTEMP=${HOME",
    "HOME=/tmp\nTEMP=${HOME}/${NOWHERE}",
    "LOOP=$${LOOP}\nHOME=${LOOP}",
};

fn run(allocator: Allocator, out: *std.Io.Writer) !void {
    var environment = Environment.init(allocator);
    defer environment.deinit();
    try environment.load(system_text);
    try out.print("system:\n", .{});
    try environment.print(out);
    try environment.load(user_text);
    try out.print("user:\n", .{});
    try environment.print(out);

    for (mistaken_texts) |text| {
        if (environment.load(text)) {
            try out.print("no mistake: {s}\n", .{text});
        } else |err| switch (err) {
            error.OutOfMemory => return error.OutOfMemory,
            else => try out.print("{t}; HOME is {s}\n", .{ err, environment.get("HOME").? }),
        }
    }

    try environment.extend("PATH", "/opt/bin:", "");
    try environment.extend("LANG", "", "C");
    try out.print("removed: {} {}\n", .{ environment.remove("EMPTY"), environment.remove("EMPTY") });
    var arena = std.heap.ArenaAllocator.init(allocator);
    defer arena.deinit();
    const block = try environment.createBlock(arena.allocator());
    try out.print("{d} variables for execve:\n", .{block.len});
    try printBlock(block.ptr, out);
}

pub fn main() !void {
    var debug_allocator: std.heap.DebugAllocator(.{}) = .init;
    defer std.debug.assert(debug_allocator.deinit() == .ok);
    var buffer: [1024]u8 = undefined;
    var stdout = std.fs.File.stdout().writerStreaming(&buffer);
    try run(debug_allocator.allocator(), &stdout.interface);
    try stdout.interface.flush();
}

test "a load that fails changes nothing" {
    var fail_index: usize = 0;
    while (true) : (fail_index += 1) {
        var failing = std.testing.FailingAllocator.init(std.testing.allocator, .{});
        var environment = Environment.init(failing.allocator());
        defer environment.deinit();
        try environment.load(system_text);
        failing.fail_index = failing.alloc_index + fail_index;
        environment.load(user_text) catch |err| {
            try std.testing.expectEqual(error.OutOfMemory, err);
            try std.testing.expectEqual(4, environment.variables.count());
            try std.testing.expectEqualStrings("/usr/bin:/bin", environment.get("PATH").?);
            continue;
        };
        try std.testing.expect(fail_index > 10);
        break;
    }
}

test "every allocation may fail" {
    var out: std.Io.Writer.Discarding = .init(&.{});
    try std.testing.checkAllAllocationFailures(std.testing.allocator, run, .{&out.writer});
}
