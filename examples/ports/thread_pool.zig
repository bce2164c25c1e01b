//! A thread pool: jobs wait in a bounded queue for a worker. Each job has an arena for its own work, and allocates its
//! report with the allocator that all threads share.

const std = @import("std");
const Allocator = std.mem.Allocator;

/// A first-in, first-out queue between threads, whose capacity is fixed.
fn Queue(comptime T: type) type {
    return struct {
        allocator: Allocator,
        mutex: std.Thread.Mutex,
        not_empty: std.Thread.Condition,
        not_full: std.Thread.Condition,
        items: std.ArrayList(T),
        closed: bool,

        const Self = @This();

        fn init(allocator: Allocator, capacity: usize) Allocator.Error!Self {
            return .{
                .allocator = allocator,
                .mutex = .{},
                .not_empty = .{},
                .not_full = .{},
                .items = try .initCapacity(allocator, capacity),
                .closed = false,
            };
        }

        fn deinit(queue: *Self) void {
            queue.items.deinit(queue.allocator);
        }

        /// Waits for room.
        fn push(queue: *Self, item: T) void {
            queue.mutex.lock();
            defer queue.mutex.unlock();
            while (queue.items.items.len == queue.items.capacity) {
                queue.not_full.wait(&queue.mutex);
            }
            queue.items.appendAssumeCapacity(item);
            queue.not_empty.signal();
        }

        /// Waits for an item. Returns null if the queue is closed and empty.
        fn pop(queue: *Self) ?T {
            queue.mutex.lock();
            defer queue.mutex.unlock();
            while (queue.items.items.len == 0) {
                if (queue.closed) {
                    return null;
                }
                queue.not_empty.wait(&queue.mutex);
            }
            queue.not_full.signal();
            return queue.items.orderedRemove(0);
        }

        fn close(queue: *Self) void {
            queue.mutex.lock();
            defer queue.mutex.unlock();
            queue.closed = true;
            queue.not_empty.broadcast();
        }
    };
}

const Job = union(enum) {
    /// Finds the primes up to a limit.
    primes: usize,
    /// Finds the longest Collatz chain from a start below a limit.
    chain: u64,
    /// Finds the most frequent word.
    word: []const u8,
    /// Adds numbers.
    sum: []const u8,

    /// Returns a report, which the caller frees.
    fn run(job: Job, allocator: Allocator) Allocator.Error![]const u8 {
        var arena = std.heap.ArenaAllocator.init(allocator);
        defer arena.deinit();
        switch (job) {
            .primes => |limit| {
                const primes = try findPrimes(arena.allocator(), limit);
                const last = primes[primes.len - 1];
                return std.fmt.allocPrint(allocator, "{d} primes, the last is {d}", .{ primes.len, last });
            },
            .chain => |limit| {
                const longest = try findLongestChain(arena.allocator(), limit);
                return std.fmt.allocPrint(allocator, "{d} has {d} steps", .{ longest.start, longest.steps });
            },
            .word => |text| {
                const word, const count = try findWord(arena.allocator(), text) orelse {
                    return std.fmt.allocPrint(allocator, "no words", .{});
                };
                return std.fmt.allocPrint(allocator, "'{s}' occurs {d} times", .{ word, count });
            },
            .sum => |text| {
                const total = addNumbers(text) catch |err| {
                    return std.fmt.allocPrint(allocator, "{t} in '{s}'", .{ err, text });
                };
                return std.fmt.allocPrint(allocator, "the sum is {d}", .{total});
            },
        }
    }
};

fn findPrimes(arena: Allocator, limit: usize) Allocator.Error![]const usize {
    const composite = try arena.alloc(bool, limit + 1);
    @memset(composite, false);
    var primes: std.ArrayList(usize) = .empty;
    for (2..limit + 1) |n| {
        if (composite[n]) {
            continue;
        }
        try primes.append(arena, n);
        var multiple = n * n;
        while (multiple <= limit) : (multiple += n) {
            composite[multiple] = true;
        }
    }
    return primes.items;
}

const Chain = struct {
    start: u64,
    steps: u32,
};

fn findLongestChain(arena: Allocator, limit: u64) Allocator.Error!Chain {
    var known = std.AutoHashMap(u64, u32).init(arena);
    try known.put(1, 0);
    var path: std.ArrayList(u64) = .empty;
    var longest: Chain = .{ .start = 1, .steps = 0 };
    for (2..limit) |start| {
        var n: u64 = start;
        while (!known.contains(n)) {
            try path.append(arena, n);
            n = if (n % 2 == 0) n / 2 else 3 * n + 1;
        }
        var steps = known.get(n).?;
        while (path.pop()) |passed| {
            steps += 1;
            try known.put(passed, steps);
        }
        if (steps > longest.steps) {
            longest = .{ .start = start, .steps = steps };
        }
    }
    return longest;
}

/// Returns the most frequent word, or the first of them, and how often it occurs.
fn findWord(arena: Allocator, text: []const u8) Allocator.Error!?struct { []const u8, usize } {
    var counts = std.StringArrayHashMap(usize).init(arena);
    var words = std.mem.tokenizeAny(u8, text, " ,.");
    while (words.next()) |word| {
        const result = try counts.getOrPutValue(word, 0);
        result.value_ptr.* += 1;
    }
    if (counts.count() == 0) {
        return null;
    }
    const index = std.mem.indexOfMax(usize, counts.values());
    return .{ counts.keys()[index], counts.values()[index] };
}

fn addNumbers(text: []const u8) error{NotANumber}!i64 {
    var total: i64 = 0;
    var words = std.mem.splitScalar(u8, text, '+');
    while (words.next()) |word| {
        const number = std.fmt.parseInt(i32, std.mem.trim(u8, word, " "), 10);
        total += number catch return error.NotANumber;
    }
    return total;
}

const Ticket = struct {
    index: usize,
    job: Job,
};

const Pool = struct {
    allocator: Allocator,
    queue: Queue(Ticket),
    /// For `reports` and `failure`.
    mutex: std.Thread.Mutex,
    reports: []?[]const u8,
    failure: ?Allocator.Error,

    fn init(allocator: Allocator, job_count: usize) Allocator.Error!Pool {
        const reports = try allocator.alloc(?[]const u8, job_count);
        errdefer allocator.free(reports);
        @memset(reports, null);
        return .{
            .allocator = allocator,
            .queue = try .init(allocator, 2),
            .mutex = .{},
            .reports = reports,
            .failure = null,
        };
    }

    fn deinit(pool: *Pool) void {
        pool.queue.deinit();
        for (pool.reports) |report| {
            if (report) |text| {
                pool.allocator.free(text);
            }
        }
        pool.allocator.free(pool.reports);
    }

    /// Runs the jobs in new threads, and waits for them.
    fn run(pool: *Pool, jobs: []const Job, thread_count: usize) !void {
        const threads = try pool.allocator.alloc(std.Thread, thread_count);
        defer pool.allocator.free(threads);
        {
            var started: usize = 0;
            defer for (threads[0..started]) |thread| thread.join();
            defer pool.queue.close();
            for (threads) |*thread| {
                thread.* = try std.Thread.spawn(.{}, work, .{pool});
                started += 1;
            }
            for (jobs, 0..) |job, index| {
                pool.queue.push(.{ .index = index, .job = job });
            }
        }
        if (pool.failure) |failure| {
            return failure;
        }
    }

    fn work(pool: *Pool) void {
        while (pool.queue.pop()) |ticket| {
            const report = ticket.job.run(pool.allocator);
            pool.mutex.lock();
            defer pool.mutex.unlock();
            if (report) |text| {
                pool.reports[ticket.index] = text;
            } else |failure| {
                pool.failure = failure;
            }
        }
    }
};

const example_jobs = [_]Job{
    .{ .primes = 100 },
    .{ .word = "the cat, the dog and the bird. a cat" },
    .{ .chain = 300 },
    .{ .sum = "1 + 22 + -333" },
    .{ .primes = 2000 },
    .{ .sum = "1 + two" },
    .{ .word = " . " },
    .{ .chain = 30 },
    .{ .word = "to be, or not to be" },
};

fn run(allocator: Allocator, out: *std.Io.Writer) !void {
    var thread_safe: std.heap.ThreadSafeAllocator = .{ .child_allocator = allocator };
    for ([_]usize{ 1, 4 }) |thread_count| {
        var pool = try Pool.init(thread_safe.allocator(), example_jobs.len);
        defer pool.deinit();
        try pool.run(&example_jobs, thread_count);
        try out.print("{d} jobs in {d} threads:\n", .{ example_jobs.len, thread_count });
        for (pool.reports, 0..) |report, index| {
            try out.print("  {d}: {s}\n", .{ index, report.? });
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

test "a closed queue gives what is in it" {
    var queue = try Queue(u8).init(std.testing.allocator, 2);
    defer queue.deinit();
    queue.push(1);
    queue.push(2);
    queue.close();
    try std.testing.expectEqual(1, queue.pop());
    try std.testing.expectEqual(2, queue.pop());
    try std.testing.expectEqual(null, queue.pop());
}

test "every allocation may fail" {
    var out: std.Io.Writer.Discarding = .init(&.{});
    try std.testing.checkAllAllocationFailures(std.testing.allocator, run, .{&out.writer});
}
