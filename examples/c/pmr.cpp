// The standard containers of C++ in an allocator of the library: std::pmr asks a memory_resource, and this one asks
// a zigalloc_allocator.
//
//     c++ -std=c++17 pmr.cpp $(pkg-config --cflags --libs zigalloc) -o pmr && ./pmr

#include <cstdio>
#include <memory>
#include <memory_resource>
#include <new>
#include <string>
#include <vector>

#include "zigalloc.h"

class zigalloc_resource final : public std::pmr::memory_resource {
public:
    explicit zigalloc_resource(zigalloc_allocator allocator) noexcept : allocator_{allocator} {}

private:
    void *do_allocate(std::size_t bytes, std::size_t alignment) override
    {
        if (void *memory = zigalloc_alloc(allocator_, bytes, zigalloc_log2(alignment))) return memory;
        throw std::bad_alloc{};
    }

    void do_deallocate(void *memory, std::size_t bytes, std::size_t alignment) override
    {
        zigalloc_free(allocator_, memory, bytes, zigalloc_log2(alignment));
    }

    // Handles are not compared, so only one resource can be sure to be the same.
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override { return this == &other; }

    zigalloc_allocator allocator_;
};

int main()
{
    struct destroy {
        void operator()(zigalloc_arena *arena) const { zigalloc_arena_destroy(arena); }
    };
    std::unique_ptr<zigalloc_arena, destroy> arena{zigalloc_arena_create(zigalloc_page_allocator())};
    if (!arena) return 1;
    zigalloc_resource resource{zigalloc_arena_allocator(arena.get())};

    // The strings, too long to be without memory of their own, are in the arena as well as the vector.
    std::pmr::vector<std::pmr::string> lines{&resource};
    for (int i = 0; i < 1000; i++) {
        lines.emplace_back("line " + std::to_string(i) + " of a text that is kept in an arena of Rust");
    }
    std::printf("%zu lines, the last is: %s\n", lines.size(), lines.back().c_str());
    const std::size_t capacity = zigalloc_arena_query_capacity(arena.get());
    std::printf("the arena has %zu bytes\n", capacity);
    if (lines.size() != 1000 || capacity < 1000 * lines.back().size()) return 1;

    // Out of memory is what C++ expects it to be.
    zigalloc_resource nothing{zigalloc_failing_allocator()};
    try {
        std::pmr::vector<int> numbers(10, &nothing);
    } catch (const std::bad_alloc &) {
        return 0;
    }
    return 1;
}
