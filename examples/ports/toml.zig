//! A parser for a part of TOML: tables, strings, integers, booleans and arrays. A document and all that is in it belongs
//! to the caller's arena.

const std = @import("std");
const Allocator = std.mem.Allocator;

const Value = union(enum) {
    string: []const u8,
    integer: i64,
    boolean: bool,
    array: []const Value,

    fn print(value: Value, out: *std.Io.Writer) std.Io.Writer.Error!void {
        switch (value) {
            .string => |text| try out.print("\"{s}\"", .{text}),
            .integer => |number| try out.print("{d}", .{number}),
            .boolean => |boolean| try out.print("{}", .{boolean}),
            .array => |items| {
                try out.print("[", .{});
                for (items, 0..) |item, i| {
                    if (i > 0) {
                        try out.print(", ", .{});
                    }
                    try item.print(out);
                }
                try out.print("]", .{});
            },
        }
    }
};

const Table = std.StringArrayHashMapUnmanaged(Value);

const Document = struct {
    arena: Allocator,
    tables: std.StringArrayHashMapUnmanaged(Table),

    fn get(document: *const Document, table: []const u8, key: []const u8) ?Value {
        const entries = document.tables.get(table) orelse return null;
        return entries.get(key);
    }

    fn getInteger(document: *const Document, table: []const u8, key: []const u8) error{WrongType}!?i64 {
        const value = document.get(table, key) orelse return null;
        return switch (value) {
            .integer => |number| number,
            else => error.WrongType,
        };
    }

    /// Adds the entries of another document. Those that are there already stay.
    fn addDefaults(document: *Document, defaults: *const Document) Allocator.Error!void {
        var tables = defaults.tables.iterator();
        while (tables.next()) |table| {
            const result = try document.tables.getOrPut(document.arena, table.key_ptr.*);
            if (!result.found_existing) {
                result.value_ptr.* = .empty;
            }
            var entries = table.value_ptr.iterator();
            while (entries.next()) |entry| {
                _ = try result.value_ptr.getOrPutValue(document.arena, entry.key_ptr.*, entry.value_ptr.*);
            }
        }
    }

    fn print(document: *const Document, out: *std.Io.Writer) std.Io.Writer.Error!void {
        var tables = document.tables.iterator();
        while (tables.next()) |table| {
            if (table.key_ptr.len > 0) {
                try out.print("[{s}]\n", .{table.key_ptr.*});
            }
            var entries = table.value_ptr.iterator();
            while (entries.next()) |entry| {
                try out.print("{s} = ", .{entry.key_ptr.*});
                try entry.value_ptr.print(out);
                try out.print("\n", .{});
            }
        }
    }
};

const ParseError = error{
    UnexpectedCharacter,
    UnterminatedString,
    InvalidEscape,
    InvalidNumber,
    InvalidUtf8,
    InvalidValue,
    DuplicateKey,
    DuplicateTable,
    OutOfMemory,
};

const Parser = struct {
    arena: Allocator,
    text: []const u8,
    index: usize,

    fn init(arena: Allocator, text: []const u8) Parser {
        return .{ .arena = arena, .text = text, .index = 0 };
    }

    fn parse(parser: *Parser) ParseError!Document {
        var document: Document = .{ .arena = parser.arena, .tables = .empty };
        var name: []const u8 = "";
        var table: Table = .empty;
        while (true) {
            parser.skipLines();
            switch (parser.peek()) {
                0, '[' => {
                    if (document.tables.contains(name)) {
                        return error.DuplicateTable;
                    }
                    try document.tables.put(parser.arena, name, table);
                    if (parser.peek() == 0) {
                        return document;
                    }
                    name = try parser.parseHeader();
                    table = .empty;
                },
                else => try parser.parseEntry(&table),
            }
            try parser.expectEndOfLine();
        }
    }

    fn parseHeader(parser: *Parser) ParseError![]const u8 {
        try parser.expect('[');
        const name = try parser.parseKey();
        try parser.expect(']');
        return name;
    }

    fn parseEntry(parser: *Parser, table: *Table) ParseError!void {
        const key = try parser.parseKey();
        parser.skipBlanks();
        try parser.expect('=');
        parser.skipBlanks();
        const result = try table.getOrPut(parser.arena, key);
        if (result.found_existing) {
            return error.DuplicateKey;
        }
        result.value_ptr.* = try parser.parseValue();
    }

    fn parseKey(parser: *Parser) ParseError![]const u8 {
        const start = parser.index;
        while (isKeyCharacter(parser.peek())) {
            parser.index += 1;
        }
        if (parser.index == start) {
            return error.UnexpectedCharacter;
        }
        return parser.text[start..parser.index];
    }

    fn parseValue(parser: *Parser) ParseError!Value {
        return switch (parser.peek()) {
            '"' => .{ .string = try parser.parseString() },
            '[' => .{ .array = try parser.parseArray() },
            '-', '0'...'9' => .{ .integer = try parser.parseInteger() },
            else => .{ .boolean = try parser.parseBoolean() },
        };
    }

    fn parseString(parser: *Parser) ParseError![]const u8 {
        try parser.expect('"');
        var text: std.ArrayList(u8) = .empty;
        while (true) {
            switch (parser.next()) {
                '"' => break,
                0, '\n' => return error.UnterminatedString,
                '\\' => try text.append(parser.arena, try parser.parseEscape()),
                else => |byte| try text.append(parser.arena, byte),
            }
        }
        if (!std.unicode.utf8ValidateSlice(text.items)) {
            return error.InvalidUtf8;
        }
        return text.toOwnedSlice(parser.arena);
    }

    fn parseEscape(parser: *Parser) ParseError!u8 {
        switch (parser.next()) {
            '"' => return '"',
            '\\' => return '\\',
            'n' => return '\n',
            't' => return '\t',
            'x' => {
                const end = @min(parser.index + 2, parser.text.len);
                const digits = parser.text[parser.index..end];
                parser.index = end;
                return std.fmt.parseInt(u8, digits, 16) catch error.InvalidEscape;
            },
            else => return error.InvalidEscape,
        }
    }

    fn parseArray(parser: *Parser) ParseError![]const Value {
        try parser.expect('[');
        var items: std.ArrayList(Value) = .empty;
        while (true) {
            parser.skipLines();
            if (parser.peek() == ']') {
                break;
            }
            try items.append(parser.arena, try parser.parseValue());
            parser.skipLines();
            if (parser.peek() != ',') {
                break;
            }
            parser.index += 1;
        }
        try parser.expect(']');
        return items.toOwnedSlice(parser.arena);
    }

    fn parseInteger(parser: *Parser) ParseError!i64 {
        const word = try parser.parseKey();
        return std.fmt.parseInt(i64, word, 10) catch error.InvalidNumber;
    }

    fn parseBoolean(parser: *Parser) ParseError!bool {
        const word = parser.parseKey() catch return error.InvalidValue;
        if (std.mem.eql(u8, word, "true")) return true;
        if (std.mem.eql(u8, word, "false")) return false;
        return error.InvalidValue;
    }

    /// The next byte, or 0 at the end of the text.
    fn peek(parser: *const Parser) u8 {
        return if (parser.index < parser.text.len) parser.text[parser.index] else 0;
    }

    fn next(parser: *Parser) u8 {
        const byte = parser.peek();
        parser.index += @intFromBool(byte != 0);
        return byte;
    }

    fn expect(parser: *Parser, byte: u8) ParseError!void {
        if (parser.next() != byte) {
            return error.UnexpectedCharacter;
        }
    }

    fn expectEndOfLine(parser: *Parser) ParseError!void {
        parser.skipBlanks();
        if (std.mem.indexOfScalar(u8, "#\n\x00", parser.peek()) == null) {
            return error.UnexpectedCharacter;
        }
    }

    fn skipBlanks(parser: *Parser) void {
        while (parser.peek() == ' ' or parser.peek() == '\t') {
            parser.index += 1;
        }
    }

    /// Skips blanks, comments and the ends of lines.
    fn skipLines(parser: *Parser) void {
        parser.skipBlanks();
        while (parser.peek() == '#' or parser.peek() == '\n') {
            const rest = parser.text[parser.index..];
            parser.index += (std.mem.indexOfScalar(u8, rest, '\n') orelse rest.len - 1) + 1;
            parser.skipBlanks();
        }
    }

    /// The line of the next byte, counted from 1.
    fn line(parser: *const Parser) usize {
        return std.mem.count(u8, parser.text[0..parser.index], "\n") + 1;
    }
};

fn isKeyCharacter(byte: u8) bool {
    return std.ascii.isAlphanumeric(byte) or byte == '_' or byte == '-';
}

const example_text =
    \\# of no table
    \\title = "TOML \"in\" \x5aig"
    \\[server] # its table
    \\host = "example.org"
    \\ports = [8000, 8001,
    \\    -1, # a comment
    \\]
    \\[limits]
    \\enabled = true
    \\nested = [[1, 2], [], ["a\tb", false]]
;

const default_text =
    \\timeout = 30
    \\[limits]
    \\enabled = false
    \\connections = 1000
    \\[log]
    \\level = "info"
;

const mistaken_texts = [_][]const u8{
    "key",
    "key = ",
    "key = nothing",
    "key = 12x",
    "key = 99999999999999999999",
    "one = 1\ntwo = \"open",
    "key = \"\\q\"",
    "key = \"\\xff\"",
    "key = [1, 2",
    "key = 1\n\nkey = 2",
    "[table]\nkey = 1 2",
    "[table]\n[table]\n",
    "[table",
};

fn run(allocator: Allocator, out: *std.Io.Writer) !void {
    var arena_state = std.heap.ArenaAllocator.init(allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();

    var parser = Parser.init(arena, example_text);
    var document = try parser.parse();
    try document.print(out);
    parser = Parser.init(arena, default_text);
    try document.addDefaults(&try parser.parse());
    try out.print("with defaults:\n", .{});
    try document.print(out);

    for ([_][]const u8{ "connections", "requests", "enabled" }) |key| {
        if (document.getInteger("limits", key)) |number| {
            try out.print("{s}: {?d}\n", .{ key, number });
        } else |err| {
            try out.print("{s}: {t}\n", .{ key, err });
        }
    }
    for (mistaken_texts) |text| {
        parser = Parser.init(arena, text);
        if (parser.parse()) |_| {
            try out.print("no mistake: {s}\n", .{text});
        } else |err| switch (err) {
            error.OutOfMemory => return error.OutOfMemory,
            else => try out.print("line {d}: {t}\n", .{ parser.line(), err }),
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

test "every allocation may fail" {
    var out: std.Io.Writer.Discarding = .init(&.{});
    try std.testing.checkAllAllocationFailures(std.testing.allocator, run, .{&out.writer});
}
