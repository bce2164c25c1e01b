//! Searching the documentation for a Zig name finds its counterpart: it has the same spelling, or a `#[doc(alias =
//! "…")]`.

use std::collections::BTreeSet;
use std::path::Path;

/// The public names of Zig 0.15.2 (and newer ones that are ported), by type or file, with prefixes of the files here
/// that may have them.
const NAMES: &[(&str, &[&str], &str)] = &[
    (
        "std.mem.Allocator",
        &["error.rs", "vtable.rs", "allocator.rs", "interface/"],
        "Error VTable noResize noRemap noFree rawAlloc rawResize rawRemap rawFree create destroy alloc \
         allocWithOptions allocWithOptionsRetAddr allocSentinel alignedAlloc allocAdvancedWithRetAddr resize \
         remap realloc reallocAdvanced free dupe dupeZ",
    ),
    (
        "std.mem.Allocator",
        &["error.rs", "vtable.rs", "allocator.rs", "interface/"],
        "noAlloc failing alignedCreate dupeSentinel print printSentinel",
    ),
    (
        "std.mem.Alignment",
        &["alignment.rs"],
        "toByteUnits fromByteUnits of order compare max min forward backward check",
    ),
    ("std.mem.Alignment", &["alignment.rs"], "fromByteUnitsOptional"),
    ("std.mem.Allocator", &["alignment.rs"], "Log2Align"),
    (
        "std.heap",
        &["heap/", "os/page_size.rs", "thread_safe.rs", "testing/"],
        "ArenaAllocator SmpAllocator FixedBufferAllocator PageAllocator ThreadSafeAllocator DebugAllocatorConfig \
         DebugAllocator Check GeneralPurposeAllocator MemoryPool MemoryPoolAligned MemoryPoolExtra page_size_min \
         page_size_max pageSize defaultQueryPageSize c_allocator raw_c_allocator page_allocator smp_allocator \
         stackFallback StackFallbackAllocator testAllocator testAllocatorAligned testAllocatorLargeAlignment \
         testAllocatorAlignedShrink BufferFirstAllocator SbrkAllocator WasmAllocator BrkAllocator \
         GeneralPurposeAllocatorConfig MemoryPoolOptions wasm_allocator brk_allocator SafeAllocator",
    ),
    ("std.heap", &["lib.rs"], "MemoryPoolError"),
    (
        "std.heap.memory_pool",
        &["heap/memory_pool"],
        "Options Aligned Extra Managed AlignedManaged ExtraManaged",
    ),
    ("std.options", &["heap/mod.rs"], "queryPageSize"),
    (
        "std.mem",
        &["mem.rs", "testing/"],
        "alignForward alignForwardAnyAlign alignForwardLog2 alignBackward alignBackwardAnyAlign isValidAlign \
         isValidAlignGeneric isAligned isAlignedGeneric isAlignedLog2 isAlignedAnyAlign alignPointer \
         alignPointerOffset alignInBytes alignInSlice absorbSentinel asBytes sliceAsBytes bytesAsSlice \
         ValidationAllocator validationWrap",
    ),
    (
        "std.testing",
        &["testing/"],
        "allocator allocator_instance failing_allocator FailingAllocator checkAllAllocationFailures",
    ),
    (
        "std.heap.ArenaAllocator",
        &["heap/arena"],
        "State promote init deinit ResetMode queryCapacity reset allocator",
    ),
    (
        "std.heap.FixedBufferAllocator",
        &["heap/fixed_buffer.rs"],
        "init allocator threadSafeAllocator ownsPtr ownsSlice isLastAllocation reset buffer end_index",
    ),
    ("std.heap.PageAllocator", &["heap/page_allocator"], "map unmap realloc"),
    (
        "std.heap.DebugAllocator",
        &["heap/debug/"],
        "init allocator detectLeaks flushRetainedMetadata deinit deinitWithoutLeakChecks",
    ),
    ("std.heap.SafeAllocator", &["heap/safe/"], "Options init allocator deinit deinitLog"),
    (
        "std.heap.MemoryPool",
        &["heap/memory_pool"],
        "init initPreheated initCapacity addCapacity deinit preheat reset create destroy item_size item_alignment",
    ),
    (
        "std.testing.FailingAllocator",
        &["testing/failing_allocator.rs"],
        "Config init allocator getStackTrace",
    ),
    ("std.heap.StackFallbackAllocator", &["heap/stack_fallback.rs"], "get"),
    (
        "std",
        &["collections/"],
        "ArrayList ArrayListUnmanaged HashMap AutoHashMap StringHashMap HashMapUnmanaged AutoHashMapUnmanaged \
         StringHashMapUnmanaged ArrayHashMap AutoArrayHashMap StringArrayHashMap ArrayHashMapUnmanaged \
         AutoArrayHashMapUnmanaged StringArrayHashMapUnmanaged PriorityQueue Deque MultiArrayList DoublyLinkedList \
         SinglyLinkedList BufMap BufSet fieldParentPtr GetOrPutResult KV",
    ),
    (
        "std.ArrayList",
        &["collections/mod.rs", "collections/array_list", "collections/unmanaged_list.rs"],
        "Managed init initCapacity deinit fromOwnedSlice fromOwnedSliceSentinel moveToUnmanaged toManaged \
         toOwnedSlice toOwnedSliceSentinel clone insert insertAssumeCapacity insertBounded addManyAt insertSlice \
         replaceRange replaceRangeAssumeCapacity append appendAssumeCapacity appendBounded orderedRemove \
         orderedRemoveMany swapRemove appendSlice appendSliceAssumeCapacity appendSliceBounded print writer \
         appendNTimes appendNTimesAssumeCapacity resize shrinkAndFree shrinkRetainingCapacity \
         clearRetainingCapacity clearAndFree ensureTotalCapacity ensureTotalCapacityPrecise ensureUnusedCapacity \
         expandToCapacity addOne addOneAssumeCapacity addManyAsArray addManyAsSlice addManyAsSliceAssumeCapacity \
         pop allocatedSlice unusedCapacitySlice getLast getLastOrNull items capacity",
    ),
    (
        "std.HashMap",
        &["collections/hash_map", "collections/hash_context.rs"],
        "init initContext deinit clearRetainingCapacity clearAndFree count iterator keyIterator valueIterator \
         getOrPut getOrPutAdapted getOrPutAssumeCapacity getOrPutValue ensureTotalCapacity ensureUnusedCapacity \
         capacity put putNoClobber putAssumeCapacity putAssumeCapacityNoClobber fetchPut fetchPutAssumeCapacity \
         fetchRemove get getAdapted getPtr getKey getKeyPtr getEntry contains containsAdapted remove clone \
         cloneWithAllocator move AutoContext StringContext",
    ),
    (
        "std.ArrayHashMap",
        &["collections/array_hash_map"],
        "init initContext deinit clearRetainingCapacity clearAndFree count keys values iterator getOrPut \
         getOrPutAdapted getOrPutAssumeCapacity getOrPutValue ensureTotalCapacity ensureUnusedCapacity capacity put \
         putNoClobber putAssumeCapacity putAssumeCapacityNoClobber fetchPut fetchPutAssumeCapacity getEntry getIndex \
         getIndexAdapted get getPtr getKey contains fetchSwapRemove fetchOrderedRemove swapRemove orderedRemove \
         swapRemoveAt orderedRemoveAt setKey clone move reIndex sort shrinkRetainingCapacity shrinkAndFree pop",
    ),
    (
        "std.PriorityQueue",
        &["collections/priority_queue.rs"],
        "init add addSlice peek removeOrNull remove removeIndex count capacity fromOwnedSlice ensureTotalCapacity \
         ensureUnusedCapacity shrinkAndFree clearRetainingCapacity clearAndFree update iterator items",
    ),
    (
        "std.MultiArrayList",
        &["collections/multi_array_list.rs"],
        "items set get append appendAssumeCapacity pop insert insertAssumeCapacity swapRemove orderedRemove resize \
         shrinkAndFree shrinkRetainingCapacity clearRetainingCapacity ensureTotalCapacity ensureUnusedCapacity \
         setCapacity deinit",
    ),
    (
        "std.mem",
        &["mem/"],
        "join joinZ concat concatWithSentinel concatMaybeSentinel replace replacementSize replaceOwned replaceScalar \
         collapseRepeats collapseRepeatsLen indexOf indexOfPos lastIndexOf indexOfScalar indexOfScalarPos \
         lastIndexOfScalar indexOfAny indexOfAnyPos lastIndexOfAny indexOfNone indexOfNonePos lastIndexOfNone \
         indexOfDiff count containsAtLeast containsAtLeastScalar allEqual trim trimStart trimEnd trimLeft trimRight \
         span sliceTo splitScalar splitAny splitSequence splitBackwardsScalar splitBackwardsAny \
         splitBackwardsSequence tokenizeScalar tokenizeAny tokenizeSequence window SplitIterator \
         SplitBackwardsIterator TokenIterator WindowIterator",
    ),
];

/// Names without a counterpart, and the reason.
const NOT_HERE: &[(&str, &str)] = &[
    ("malloc_size", "no caller needs the size of a `malloc` block"),
    ("next_mmap_addr_hint", "it is private since 0.16"),
];

/// Returns each name that the crate's sources declare or have as an alias (the last part of
/// `std.heap.ArenaAllocator`), with the file, relative to `src`.
fn names() -> BTreeSet<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = vec![root.clone()];
    let mut names = BTreeSet::new();
    while let Some(path) = paths.pop() {
        if path.ends_with("capi") || path.ends_with("tests.rs") {
            continue;
        }
        if path.is_dir() {
            paths.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let source = std::fs::read_to_string(&path).unwrap();
        for line in source.lines().map(str::trim_start) {
            let alias = line.split_once("doc(alias = \"").and_then(|(_, rest)| rest.split('"').next());
            // `pub const unsafe fn name(`, and fields.
            let declared = line.strip_prefix("pub ").and_then(|rest| {
                rest.split(|c: char| !c.is_alphanumeric() && c != '_').find(|word| !KEYWORDS.contains(word))
            });
            let alias = alias.and_then(|alias| alias.rsplit('.').next());
            names.extend(alias.into_iter().chain(declared).map(|name| (name.to_owned(), file.clone())));
        }
    }
    names
}

const KEYWORDS: &[&str] = &["const", "unsafe", "fn", "struct", "enum", "type", "trait", "static", ""];

#[test]
#[cfg_attr(
    any(miri, target_family = "wasm"),
    ignore = "it reads files of the repository, which a program in Miri or WebAssembly cannot"
)]
fn every_zig_name_is_found_in_the_documentation() {
    let names = names();
    let has = |name: &str, files: &[&str]| {
        names.iter().any(|(found, file)| found == name && files.iter().any(|begin| file.starts_with(begin)))
    };
    assert!(has("fixed_buffer_allocator", &["heap/"]) && has("rawAlloc", &["allocator.rs"]), "{names:?}");
    let missing: Vec<String> = NAMES
        .iter()
        .flat_map(|(place, files, list)| list.split_whitespace().map(move |name| (place, files, name)))
        .filter(|(_, files, name)| !has(name, files))
        .map(|(place, files, name)| format!("{place}.{name} in {files:?}"))
        .collect();
    assert!(missing.is_empty(), "no item has a name or #[doc(alias = \"…\")] of {missing:#?}");
    for (name, why) in NOT_HERE {
        assert!(!has(name, &[""]), "{name} is here, although {why}");
    }
}
