/* Runs Lua on an allocator of the library, to find memory errors in a script or in Lua itself.
 *
 *     cc -O2 -g lua.c $(pkg-config --cflags --libs zigalloc lua5.4) -o lua
 *     ./lua                   the debug allocator with its default options
 *     ./lua 0                 without stack traces; any number of addresses up to 32
 *     ./lua smp               without the debug allocator
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <lauxlib.h>
#include <lualib.h>

#include "zigalloc.h"

/* Lua passes the length of a block and expects malloc's alignment. */
#define ALIGNMENT_LOG2 (sizeof(void *) == 8 ? 4 : 3)

/* A lua_Alloc. Without a block, `osize` is not a length. */
static void *lua_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
    const zigalloc_allocator *a = (const zigalloc_allocator *)ud;
    void *memory;
    if (ptr == NULL) osize = 0;
    memory = zigalloc_realloc(*a, ptr, osize, ALIGNMENT_LOG2, nsize);
    return nsize == 0 ? NULL : memory;
}

static const char script[] =
    "local words = {}\n"
    "for i = 1, 200000 do\n"
    "  local word = 'word' .. i % 1000\n"
    "  words[word] = (words[word] or 0) + 1\n"
    "  local pair = {word, i}\n"
    "end\n"
    "local count = 0\n"
    "for _, n in pairs(words) do count = count + n end\n"
    "assert(count == 200000)\n";

static int run(zigalloc_allocator *a)
{
    clock_t start = clock();
    lua_State *lua = lua_newstate(lua_alloc, a);
    int failed = 1;
    if (lua == NULL) {
        fprintf(stderr, "lua: out of memory\n");
        return 1;
    }
    luaL_openlibs(lua);
    if (luaL_dostring(lua, script) == LUA_OK) failed = 0;
    else fprintf(stderr, "lua: %s\n", lua_tostring(lua, -1));
    lua_close(lua);
    printf("%ld ms of CPU time\n", (long)((clock() - start) * 1000 / CLOCKS_PER_SEC));
    return failed;
}

int main(int argc, char **argv)
{
    zigalloc_debug_options options = {0};
    zigalloc_debug *debug;
    zigalloc_allocator a;
    int failed;
    if (argc > 1 && strcmp(argv[1], "smp") == 0) {
        a = zigalloc_smp_allocator();
        return run(&a);
    }
    options.size = sizeof options;
    if (argc > 1) {
        size_t frames = strtoul(argv[1], NULL, 10);
        options.stack_trace_frames = frames == 0 ? ZIGALLOC_NO_FRAMES : frames;
    }
    debug = zigalloc_debug_create_with(zigalloc_page_allocator(), &options);
    if (debug == NULL) {
        fprintf(stderr, "lua: out of memory creating the debug allocator\n");
        return 1;
    }
    a = zigalloc_debug_allocator(debug);
    failed = run(&a);
    /* The reports have already been printed. */
    if (zigalloc_debug_total_count(debug) != 0) failed = 1;
    if (zigalloc_debug_destroy(debug) != 0) failed = 1;
    return failed;
}
