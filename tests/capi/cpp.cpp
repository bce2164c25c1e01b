// Assertions for the behaviour that zigalloc.hpp documents. Also compiled without exceptions, where those about
// std::bad_alloc are left out; with an argument it then runs out of memory, which aborts.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "zigalloc.hpp"

#define CHECK(condition)                                                                \
    do {                                                                                \
        if (!(condition)) {                                                             \
            std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1);                                                               \
        }                                                                               \
    } while (false)

struct alignas(64) wide {
    unsigned char bytes[64];
};

static_assert(sizeof(zigalloc::arena) == sizeof(void *), "an owner is one pointer");
static_assert(!std::is_copy_constructible<zigalloc::arena>::value, "there is one owner");
static_assert(std::is_nothrow_move_constructible<zigalloc::arena>::value, "an owner can be handed on");

// Every owner frees its memory, in a child that counts.
static void owners()
{
    zigalloc::debug debug{zigalloc_debug_create(zigalloc_page_allocator())};
    CHECK(debug);
    {
        alignas(16) unsigned char buffer[1000];
        zigalloc_allocator child = debug.allocator();
        auto no_line = [](void *, const char *, std::size_t) {};
        zigalloc::arena arena{zigalloc_arena_create(child)};
        zigalloc::shared_arena shared_arena{zigalloc_shared_arena_create(zigalloc_smp_allocator())};
        zigalloc::fixed_buffer fixed_buffer{zigalloc_fixed_buffer_create(child, buffer, 500)};
        zigalloc::buffer_first buffer_first{zigalloc_buffer_first_create(child, buffer + 500, 500, child)};
        zigalloc::thread_safe thread_safe{zigalloc_thread_safe_create(arena.allocator())};
        zigalloc::debug inner{zigalloc_debug_create(child)};
        zigalloc::failing_at failing_at{zigalloc_failing_at_create(child, 1, 0)};
        zigalloc::counting counting{zigalloc_counting_create(child)};
        zigalloc::logging logging{zigalloc_logging_create(child, no_line, nullptr)};
        zigalloc::pool pool{zigalloc_pool_create(child, 24, 3)};
        CHECK(zigalloc_pool_alloc(pool.get()) != nullptr);
        for (zigalloc_allocator a : {shared_arena.allocator(), fixed_buffer.allocator(), buffer_first.allocator(),
                                     thread_safe.allocator(), inner.allocator(), failing_at.allocator(),
                                     counting.allocator(), logging.allocator()}) {
            void *memory = zigalloc_alloc(a, 100, 3);
            CHECK(memory != nullptr);
            std::memset(memory, 1, 100);
            zigalloc_free(a, memory, 100, 3);
        }
        zigalloc::arena given{zigalloc_arena_create(child)};
        zigalloc::arena taken = std::move(given);
        CHECK(!given && taken && zigalloc_alloc(taken.allocator(), 100, 0) != nullptr);
    }
    CHECK(zigalloc_debug_detect_leaks(debug.get()) == 0 && zigalloc_debug_total_count(debug.get()) == 0);
}

static void allocators()
{
    zigalloc::debug debug{zigalloc_debug_create(zigalloc_page_allocator())};
    zigalloc::debug other{zigalloc_debug_create(zigalloc_page_allocator())};
    CHECK(debug && other);
    {
        zigalloc::allocator<int> a{debug.allocator()};
        CHECK(a == zigalloc::allocator<int>{a} && a == zigalloc::allocator<wide>{a});
        CHECK(a != zigalloc::allocator<int>{other.allocator()});
        std::vector<int, zigalloc::allocator<int>> numbers{debug.allocator()};
        for (int i = 0; i < 10000; i++) numbers.push_back(i);
        // Moving into a container with another allocator moves the memory and the allocator.
        const int *memory = numbers.data();
        std::vector<int, zigalloc::allocator<int>> taken{other.allocator()};
        taken = std::move(numbers);
        CHECK(taken.data() == memory && taken[9999] == 9999 && taken.get_allocator() == a);
        // A swap exchanges the allocators.
        std::vector<int, zigalloc::allocator<int>> third(3, 7, other.allocator());
        third.swap(taken);
        CHECK(third.size() == 10000 && taken.size() == 3 && third.get_allocator() == a);

        std::list<wide, zigalloc::allocator<wide>> items{debug.allocator()};
        for (int i = 0; i < 10; i++) items.push_back(wide{});
        for (const wide &item : items) CHECK(reinterpret_cast<std::uintptr_t>(&item) % 64 == 0);
    }
    CHECK(zigalloc_debug_total_count(debug.get()) == 0 && zigalloc_debug_total_count(other.get()) == 0);
    CHECK(zigalloc_debug_detect_leaks(debug.get()) == 0 && zigalloc_debug_detect_leaks(other.get()) == 0);
}

#if defined(__cpp_lib_memory_resource)
static void memory_resources()
{
    zigalloc::debug debug{zigalloc_debug_create(zigalloc_page_allocator())};
    CHECK(debug);
    {
        zigalloc::memory_resource resource{debug.allocator()};
        zigalloc::memory_resource same{resource.handle()};
        CHECK(resource == resource && resource != same);
        void *empty = resource.allocate(0, 16);
        CHECK(empty != nullptr);
        resource.deallocate(empty, 0, 16);
        std::pmr::vector<std::pmr::string> lines{&resource};
        for (int i = 0; i < 100; i++) lines.emplace_back(100, 'x');
        std::pmr::vector<std::pmr::string> copy{lines, &same};
        CHECK(copy == lines);
    }
    CHECK(zigalloc_debug_detect_leaks(debug.get()) == 0 && zigalloc_debug_total_count(debug.get()) == 0);
}
#endif

#if defined(__GNUC__)
// An allocator written in C that records its caller.
static std::uintptr_t noted;

static void *note(void *, std::size_t, std::uint8_t, std::uintptr_t ret_addr)
{
    noted = ret_addr;
    return nullptr;
}

static void call_sites()
{
    zigalloc_vtable vtable = *zigalloc_failing_allocator().vtable;
    vtable.alloc = note;
    const zigalloc_allocator a{nullptr, &vtable};
#if defined(__cpp_exceptions)
    try {
        static_cast<void>(zigalloc::allocator<int>{a}.allocate(1));
    } catch (const std::bad_alloc &) {
    }
    CHECK(noted != 0);
#else
    static_cast<void>(a);
#endif
}
#endif

#if defined(__cpp_exceptions)
static void out_of_memory()
{
    int caught = 0;
    zigalloc::allocator<int> nothing{zigalloc_failing_allocator()};
    for (std::size_t count : {std::size_t{1}, SIZE_MAX, SIZE_MAX / sizeof(int), SIZE_MAX / sizeof(int) + 2}) {
        try {
            static_cast<void>(zigalloc::allocator<int>{count == 1 ? nothing : zigalloc_page_allocator()}.allocate(count));
        } catch (const std::bad_alloc &) {
            caught++;
        }
    }
    CHECK(caught == 4);
#if defined(__cpp_lib_memory_resource)
    zigalloc::memory_resource resource{zigalloc_failing_allocator()};
    try {
        static_cast<void>(resource.allocate(1));
    } catch (const std::bad_alloc &) {
        caught++;
    }
    CHECK(caught == 5);
#endif
}
#endif

int main(int argc, char **)
{
    owners();
    allocators();
#if defined(__cpp_lib_memory_resource)
    memory_resources();
#endif
#if defined(__GNUC__)
    call_sites();
#endif
#if defined(__cpp_exceptions)
    static_cast<void>(argc);
    out_of_memory();
#else
    if (argc > 1) {
        std::vector<int, zigalloc::allocator<int>> numbers{zigalloc_failing_allocator()};
        numbers.push_back(1);
    }
#endif
    return 0;
}
