//! A Huffman coder: a priority queue builds the tree, whose depths are the lengths of a canonical code. A coded text is
//! its length, the lengths of the codes, and the bits.

const std = @import("std");
const Allocator = std.mem.Allocator;
const ArrayList = std.ArrayList;

/// A leaf is a symbol, any other node has two children: indices in the list of nodes.
const Node = union(enum) {
    symbol: u8,
    children: [2]usize,
};

const Candidate = struct {
    weight: usize,
    node: usize,
};

/// The lightest is first; of equals, the older one.
fn compareCandidates(_: void, a: Candidate, b: Candidate) std.math.Order {
    const order = std.math.order(a.weight, b.weight);
    return if (order == .eq) std.math.order(a.node, b.node) else order;
}

const Queue = std.PriorityQueue(Candidate, void, compareCandidates);

/// The longest code.
const max_len = 24;

const Code = struct {
    bits: u32 = 0,
    len: u8 = 0,
};

const CodeError = error{ InvalidCode, TooLong, OutOfMemory };

/// A code for each byte that occurs in a text.
const Table = struct {
    codes: [256]Code,
    /// The symbols that have a code, in the order of their codes.
    symbols: []const u8,

    fn init(allocator: Allocator, text: []const u8) CodeError!Table {
        var lens: [256]u8 = @splat(0);
        try measure(allocator, text, &lens);
        return Table.fromLens(allocator, &lens);
    }

    fn deinit(table: *const Table, allocator: Allocator) void {
        allocator.free(table.symbols);
    }

    /// Makes the canonical code: shorter codes are first, and those of one length are in the order of symbols.
    fn fromLens(allocator: Allocator, lens: *const [256]u8) CodeError!Table {
        var symbols: ArrayList(u8) = .empty;
        defer symbols.deinit(allocator);
        for (lens, 0..) |len, symbol| {
            if (len > max_len) {
                return error.TooLong;
            }
            if (len > 0) {
                try symbols.append(allocator, @intCast(symbol));
            }
        }
        std.mem.sort(u8, symbols.items, lens, struct {
            fn lessThan(context: *const [256]u8, a: u8, b: u8) bool {
                return context[a] < context[b];
            }
        }.lessThan);
        var codes: [256]Code = @splat(.{});
        var next: u64 = 0;
        var previous: u8 = 0;
        for (symbols.items) |symbol| {
            const len = lens[symbol];
            next <<= @intCast(len - previous);
            if (next >> @intCast(len) != 0) {
                return error.InvalidCode;
            }
            codes[symbol] = .{ .bits = @intCast(next), .len = len };
            next += 1;
            previous = len;
        }
        return .{ .codes = codes, .symbols = try symbols.toOwnedSlice(allocator) };
    }

    fn print(table: *const Table, out: *std.Io.Writer) std.Io.Writer.Error!void {
        for (table.symbols) |symbol| {
            const code = table.codes[symbol];
            try out.print("  {x:0>2} ", .{symbol});
            for (0..code.len) |i| {
                const bit = (code.bits >> @intCast(code.len - 1 - i)) & 1;
                try out.print("{d}", .{bit});
            }
            try out.print("\n", .{});
        }
    }
};

/// Sets the length of each symbol's code.
fn measure(allocator: Allocator, text: []const u8, lens: *[256]u8) Allocator.Error!void {
    var weights: [256]usize = @splat(0);
    for (text) |byte| {
        weights[byte] += 1;
    }
    var nodes: ArrayList(Node) = .empty;
    defer nodes.deinit(allocator);
    var queue = Queue.init(allocator, {});
    defer queue.deinit();
    for (weights, 0..) |weight, symbol| {
        if (weight > 0) {
            try queue.add(.{ .weight = weight, .node = nodes.items.len });
            try nodes.append(allocator, .{ .symbol = @intCast(symbol) });
        }
    }
    while (queue.removeOrNull()) |first| {
        const second = queue.removeOrNull() orelse {
            return setLens(nodes.items, first.node, @intFromBool(nodes.items.len == 1), lens);
        };
        try queue.add(.{ .weight = first.weight + second.weight, .node = nodes.items.len });
        try nodes.append(allocator, .{ .children = .{ first.node, second.node } });
    }
}

fn setLens(nodes: []const Node, node: usize, depth: u8, lens: *[256]u8) void {
    switch (nodes[node]) {
        .symbol => |symbol| lens[symbol] = depth,
        .children => |children| {
            for (children) |child| {
                setLens(nodes, child, depth + 1, lens);
            }
        },
    }
}

const BitWriter = struct {
    bytes: ArrayList(u8),
    free: u8,

    fn write(writer: *BitWriter, allocator: Allocator, bits: u32, len: u8) Allocator.Error!void {
        for (0..len) |i| {
            if (writer.free == 0) {
                try writer.bytes.append(allocator, 0);
                writer.free = 8;
            }
            writer.free -= 1;
            const bit: u8 = @intCast((bits >> @intCast(len - 1 - i)) & 1);
            writer.bytes.items[writer.bytes.items.len - 1] |= bit << @intCast(writer.free);
        }
    }
};

const BitReader = struct {
    bytes: []const u8,
    index: usize,

    fn read(reader: *BitReader, len: u8) error{EndOfStream}!u32 {
        var bits: u32 = 0;
        for (0..len) |_| {
            if (reader.index / 8 == reader.bytes.len) {
                return error.EndOfStream;
            }
            const byte = reader.bytes[reader.index / 8];
            bits = (bits << 1) | ((byte >> @intCast(7 - reader.index % 8)) & 1);
            reader.index += 1;
        }
        return bits;
    }
};

/// Returns the coded text, which the caller frees.
fn encode(allocator: Allocator, text: []const u8) CodeError![]u8 {
    const table = try Table.init(allocator, text);
    defer table.deinit(allocator);
    var writer: BitWriter = .{ .bytes = .empty, .free = 0 };
    errdefer writer.bytes.deinit(allocator);
    const len = std.math.cast(u32, text.len) orelse return error.TooLong;
    try writer.write(allocator, len, 32);
    try writer.write(allocator, @intCast(table.symbols.len), 16);
    for (table.symbols) |symbol| {
        try writer.write(allocator, symbol, 8);
        try writer.write(allocator, table.codes[symbol].len, 8);
    }
    for (text) |byte| {
        const code = table.codes[byte];
        try writer.write(allocator, code.bits, code.len);
    }
    return writer.bytes.toOwnedSlice(allocator);
}

/// Returns the text, which the caller frees.
fn decode(allocator: Allocator, coded: []const u8) (CodeError || error{EndOfStream})![]u8 {
    var reader: BitReader = .{ .bytes = coded, .index = 0 };
    const len = try reader.read(32);
    var lens: [256]u8 = @splat(0);
    for (0..try reader.read(16)) |_| {
        const symbol = try reader.read(8);
        lens[symbol] = @intCast(try reader.read(8));
    }
    const table = try Table.fromLens(allocator, &lens);
    defer table.deinit(allocator);
    var text: ArrayList(u8) = .empty;
    errdefer text.deinit(allocator);
    while (text.items.len < len) {
        try text.append(allocator, try decodeSymbol(&table, &reader));
    }
    return text.toOwnedSlice(allocator);
}

fn decodeSymbol(table: *const Table, reader: *BitReader) error{ InvalidCode, EndOfStream }!u8 {
    var code: Code = .{};
    for (table.symbols) |symbol| {
        const candidate = table.codes[symbol];
        const bits = try reader.read(candidate.len - code.len);
        code = .{ .bits = code.bits << @intCast(candidate.len - code.len) | bits, .len = candidate.len };
        if (code.bits == candidate.bits) {
            return symbol;
        }
    }
    return error.InvalidCode;
}

const texts = [_][]const u8{
    "",
    "aaaaaaaa",
    "abracadabra",
    "she sells sea shells by the sea shore",
    "\x00\xff\x00\xff\x00\x7f",
};

const damaged = [_][]const u8{
    "\x00\x00",
    "\x00\x00\x00\x01\x00\x00",
    "\x00\x00\x00\x01\x00\x01a\x21\x00",
    "\x00\x00\x00\x01\x00\x03a\x01b\x01c\x01\x00",
    "\x00\x00\x00\x02\x00\x01a\x01\x40",
};

fn run(allocator: Allocator, out: *std.Io.Writer) !void {
    for (texts) |text| {
        const coded = try encode(allocator, text);
        defer allocator.free(coded);
        const decoded = try decode(allocator, coded);
        defer allocator.free(decoded);
        try out.print("{d} bytes, {d} coded: {x}\n", .{ text.len, coded.len, coded });
        std.debug.assert(std.mem.eql(u8, text, decoded));
    }
    const table = try Table.init(allocator, texts[2]);
    defer table.deinit(allocator);
    try out.print("{s}:\n", .{texts[2]});
    try table.print(out);
    for (damaged) |coded| {
        if (decode(allocator, coded)) |text| {
            defer allocator.free(text);
            try out.print("{x}: {s}\n", .{ coded, text });
        } else |err| switch (err) {
            error.OutOfMemory => return error.OutOfMemory,
            else => try out.print("{x}: {t}\n", .{ coded, err }),
        }
    }
}

pub fn main() !void {
    var debug_allocator: std.heap.DebugAllocator(.{}) = .init;
    defer std.debug.assert(debug_allocator.deinit() == .ok);
    var buffer: [1024]u8 = undefined;
    var stdout = std.fs.File.stdout().writerStreaming(&buffer);
    try run(debug_allocator.allocator(), &stdout.interface);
    try stdout.interface.flush();
}

test "what is decoded is what was encoded" {
    var text: [1000]u8 = undefined;
    for (&text, 0..) |*byte, i| {
        byte.* = @intCast(i * i % 251 / (1 + i % 7));
    }
    const coded = try encode(std.testing.allocator, &text);
    defer std.testing.allocator.free(coded);
    const decoded = try decode(std.testing.allocator, coded);
    defer std.testing.allocator.free(decoded);
    try std.testing.expectEqualSlices(u8, &text, decoded);
}

test "every allocation may fail" {
    var out: std.Io.Writer.Discarding = .init(&.{});
    try std.testing.checkAllAllocationFailures(std.testing.allocator, run, .{&out.writer});
}
