// Uses standard C++ containers with the library's allocators.
//
//     c++ -std=c++17 pmr.cpp $(pkg-config --cflags --libs zigalloc) -o pmr && ./pmr

#include <cstdio>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "zigalloc.hpp"

// Prints what went wrong, and returns the exit code.
static int failed(const char *what)
{
    std::fprintf(stderr, "pmr: %s\n", what);
    return 1;
}

int main()
{
    // Owners are destroyed in reverse order: the debug allocator comes last, and reports leaks.
    zigalloc::debug debug{zigalloc_debug_create(zigalloc_page_allocator())};
    if (!debug) return failed("out of memory creating the debug allocator");
    {
        zigalloc::arena arena{zigalloc_arena_create(debug.allocator())};
        if (!arena) return failed("out of memory creating the arena");
        zigalloc::memory_resource resource{arena.allocator()};

        // The strings are too long to be stored inline, so they are in the arena too.
        std::pmr::vector<std::pmr::string> lines{&resource};
        for (int i = 0; i < 1000; i++) {
            lines.emplace_back("line " + std::to_string(i) + " of a text that is stored in an arena written in Rust");
        }
        std::printf("%zu lines, the last is: %s\n", lines.size(), lines.back().c_str());
        const std::size_t capacity = zigalloc_arena_query_capacity(arena.get());
        std::printf("the arena has %zu bytes\n", capacity);
        if (lines.size() != 1000) return failed("lines are missing");
        if (capacity < 1000 * lines.back().size()) return failed("the lines are not in the arena");
    }

    // A container with an allocator type.
    {
        using allocator = zigalloc::allocator<std::pair<const int, int>>;
        std::map<int, int, std::less<int>, allocator> squares{debug.allocator()};
        for (int i = 0; i < 100; i++) squares[i] = i * i;
        std::printf("%zu squares, the last is %d\n", squares.size(), squares[99]);
        if (squares.size() != 100 || squares[99] != 9801) return failed("a square is wrong");
    }
    if (zigalloc_debug_detect_leaks(debug.get()) != 0) return failed("a container leaked memory");
    if (zigalloc_debug_total_count(debug.get()) != 0) return failed("a container misused the allocator");

    // Running out of memory throws, as C++ expects.
    zigalloc::memory_resource nothing{zigalloc_failing_allocator()};
    try {
        std::pmr::vector<int> numbers(10, &nothing);
    } catch (const std::bad_alloc &) {
        std::printf("out of memory throws std::bad_alloc\n");
        return 0;
    }
    return failed("the failing allocator did not fail");
}
