/* zigalloc for C++17: adapters for standard containers, and owners that destroy allocators.
 *
 *     zigalloc::arena arena{zigalloc_arena_create(zigalloc_page_allocator())};
 *     if (!arena) return OUT_OF_MEMORY;
 *     zigalloc::memory_resource resource{arena.allocator()};
 *     std::pmr::vector<std::pmr::string> lines{&resource};
 *     std::vector<int, zigalloc::allocator<int>> numbers{arena.allocator()};
 *
 * The conventions are those of zigalloc.h, which this header includes. A container that runs out of memory throws
 * std::bad_alloc; in a program without exceptions, it calls abort().
 */
#ifndef ZIGALLOC_HPP
#define ZIGALLOC_HPP

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#if __has_include(<memory_resource>)
#include <memory_resource>
#endif

#include "zigalloc.h"

#if defined(__GNUC__)
#define ZIGALLOC_NOINLINE __attribute__((noinline)) /* so that the return address is in the caller */
#else
#define ZIGALLOC_NOINLINE
#endif

namespace zigalloc {

namespace detail {

[[noreturn]] inline void out_of_memory()
{
#if defined(__cpp_exceptions)
    throw std::bad_alloc{};
#else
    std::abort();
#endif
}

/* `ret_addr` is the address that reports name. */
inline void *allocate(zigalloc_allocator a, std::size_t len, std::uint8_t alignment_log2, std::uintptr_t ret_addr)
{
    if (len == 0) return zigalloc_no_bytes(alignment_log2);
    if (void *memory = a.vtable->alloc(a.ctx, len, alignment_log2, ret_addr)) return memory;
    out_of_memory();
}

inline void deallocate(zigalloc_allocator a, void *memory, std::size_t len, std::uint8_t alignment_log2,
                       std::uintptr_t ret_addr) noexcept
{
    if (len != 0) a.vtable->free(a.ctx, memory, len, alignment_log2, ret_addr);
}

template <auto destroy_function>
struct destroy {
    template <typename T>
    void operator()(T *state) const noexcept
    {
        destroy_function(state);
    }
};

} // namespace detail

/* ---- owners ----
 *
 * An owner is a std::unique_ptr to an allocator's state; pass get() to the functions of zigalloc.h. It is empty if the
 * create function ran out of memory. Declare an owner after its child's owner, so that it is destroyed first. */

template <typename T, auto allocator_function, auto destroy_function>
class owner : public std::unique_ptr<T, detail::destroy<destroy_function>> {
public:
    using std::unique_ptr<T, detail::destroy<destroy_function>>::unique_ptr;

    /* Returns a handle to the allocator. The owner must not be empty. */
    zigalloc_allocator allocator() const noexcept { return allocator_function(this->get()); }
};

using arena = owner<zigalloc_arena, zigalloc_arena_allocator, zigalloc_arena_destroy>;
using shared_arena = owner<zigalloc_shared_arena, zigalloc_shared_arena_allocator, zigalloc_shared_arena_destroy>;
using fixed_buffer = owner<zigalloc_fixed_buffer, zigalloc_fixed_buffer_allocator, zigalloc_fixed_buffer_destroy>;
using buffer_first = owner<zigalloc_buffer_first, zigalloc_buffer_first_allocator, zigalloc_buffer_first_destroy>;
using thread_safe = owner<zigalloc_thread_safe, zigalloc_thread_safe_allocator, zigalloc_thread_safe_destroy>;
/* Reports leaks when it is destroyed. To get their number, call zigalloc_debug_detect_leaks before that. */
using debug = owner<zigalloc_debug, zigalloc_debug_allocator, zigalloc_debug_destroy>;
using failing_at = owner<zigalloc_failing_at, zigalloc_failing_at_allocator, zigalloc_failing_at_destroy>;
using counting = owner<zigalloc_counting, zigalloc_counting_allocator, zigalloc_counting_destroy>;
using logging = owner<zigalloc_logging, zigalloc_logging_allocator, zigalloc_logging_destroy>;
using pool = std::unique_ptr<zigalloc_pool, detail::destroy<zigalloc_pool_destroy>>;

/* ---- allocator: for containers that take an allocator type ----
 *
 * Move assignment and swap also transfer the allocator; a container that is copy-assigned keeps its own. */

template <typename T>
class allocator {
public:
    using value_type = T;
    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;

    /* Implicit, so that a container's constructor accepts a handle. */
    allocator(zigalloc_allocator handle) noexcept : handle_{handle} {}

    template <typename U>
    allocator(const allocator<U> &other) noexcept : handle_{other.handle()}
    {
    }

    [[nodiscard]] ZIGALLOC_NOINLINE T *allocate(std::size_t count)
    {
        if (count > SIZE_MAX / sizeof(T)) detail::out_of_memory();
        const std::uint8_t alignment_log2 = zigalloc_log2(alignof(T));
        return static_cast<T *>(detail::allocate(handle_, count * sizeof(T), alignment_log2, ZIGALLOC_CALL_SITE));
    }

    ZIGALLOC_NOINLINE void deallocate(T *memory, std::size_t count) noexcept
    {
        detail::deallocate(handle_, memory, count * sizeof(T), zigalloc_log2(alignof(T)), ZIGALLOC_CALL_SITE);
    }

    zigalloc_allocator handle() const noexcept { return handle_; }

private:
    zigalloc_allocator handle_;
};

/* Copies of a handle are equal, and equal handles call the same functions with the same state. Two handles to one
 * allocator that zigalloc.h returned at different times may differ; containers then move their elements one by one. */
template <typename T, typename U>
bool operator==(const allocator<T> &a, const allocator<U> &b) noexcept
{
    return a.handle().vtable == b.handle().vtable && a.handle().ctx == b.handle().ctx;
}

template <typename T, typename U>
bool operator!=(const allocator<T> &a, const allocator<U> &b) noexcept
{
    return !(a == b);
}

/* ---- memory_resource: for the std::pmr containers ---- */

#if defined(__cpp_lib_memory_resource)

class memory_resource final : public std::pmr::memory_resource {
public:
    explicit memory_resource(zigalloc_allocator handle) noexcept : handle_{handle} {}

    zigalloc_allocator handle() const noexcept { return handle_; }

private:
    ZIGALLOC_NOINLINE void *do_allocate(std::size_t bytes, std::size_t alignment) override
    {
        return detail::allocate(handle_, bytes, zigalloc_log2(alignment), ZIGALLOC_CALL_SITE);
    }

    ZIGALLOC_NOINLINE void do_deallocate(void *memory, std::size_t bytes, std::size_t alignment) override
    {
        detail::deallocate(handle_, memory, bytes, zigalloc_log2(alignment), ZIGALLOC_CALL_SITE);
    }

    /* Without RTTI, the type of `other` is unknown, so a resource is equal only to itself. */
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override { return this == &other; }

    zigalloc_allocator handle_;
};

#endif

} // namespace zigalloc

#endif // ZIGALLOC_HPP
