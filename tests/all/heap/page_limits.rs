//! The page allocator at a limit of the system: of mappings or of memory. The measurements cover the whole process,
//! so each test runs in a process of its own.

#![cfg(all(feature = "std", target_os = "linux", not(miri)))]

use std::alloc::{GlobalAlloc, Layout};
use std::fs::read_to_string;
use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::heap::{DebugAllocator, PAGE_ALLOCATOR, PageAllocator, SMP_ALLOCATOR, SmpAllocator, page_size};
use zigalloc::{Alignment, Allocator};
use zigalloc_support::{alone, in_emulator, run_alone};

/// Runs the test of that name in a separate process; returns false in that process.
#[must_use]
fn runs_alone(name: &str) -> bool {
    if alone().is_some() {
        return false;
    }
    let output = run_alone(&format!("heap::page_limits::{name}"), "alone");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "no test is called {name}");
    eprint!("{}", text(&output.stderr));
    true
}

/// Returns a line of `/proc/self/status`, in KiB.
fn status(name: &str) -> usize {
    let text = read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

fn mappings() -> usize {
    read_to_string("/proc/self/maps").unwrap().lines().count()
}

/// Allocates many more blocks than the limit of mappings and frees every second one. This leaves each of the others
/// in a mapping of its own, until the kernel refuses. Then the rest is freed.
#[test]
fn pages_are_unmapped_past_the_mapping_limit() {
    if in_emulator("qemu") || runs_alone("pages_are_unmapped_past_the_mapping_limit") {
        return;
    }
    let limit: usize = read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap();
    if limit > 70_000 {
        eprintln!(
            "skipped: with {limit} mappings, this would take gigabytes (src/heap has a test that pretends)"
        );
        return;
    }
    let (count, kib) = (limit * 5 / 2, page_size() / 1024);
    let (maps, resident, mapped) = (mappings(), status("VmRSS"), status("VmSize"));
    let mut blocks: Vec<NonNull<[u8]>> = Vec::with_capacity(count);
    for _ in 0..count {
        let memory = PAGE_ALLOCATOR.alloc::<u8>(page_size()).unwrap();
        // SAFETY: a live block.
        unsafe { memory.cast::<u8>().write(1) };
        blocks.push(memory);
    }
    assert!(status("VmRSS") > resident + count * kib);
    // SAFETY: each block is freed once.
    blocks.iter().step_by(2).for_each(|memory| unsafe { PAGE_ALLOCATOR.free(*memory) });
    let refused = (status("VmSize") - mapped - size_of_val(&blocks[..]) / 1024) / kib - count / 2;
    assert!(refused > limit / 8, "the kernel has refused {refused} times");
    // The other half, one page in 255 of the refused ones, and the vector.
    let half = status("VmRSS") - resident;
    let expected = count / 2 * kib + refused * kib / 255 + size_of_val(&blocks[..]) / 1024;
    assert!(half < expected + 2048, "{half} KiB are resident, not {expected}");

    // SlicePtr still works, because the deferred pages are unmapped to make room.
    let another = PAGE_ALLOCATOR.alloc::<u8>(1 << 20).unwrap();
    // SAFETY: each block is freed once.
    unsafe {
        another.cast::<u8>().write_bytes(1, 1 << 20);
        PAGE_ALLOCATOR.free(another);
        blocks.iter().skip(1).step_by(2).for_each(|memory| PAGE_ALLOCATOR.free(*memory));
    }
    let all = status("VmRSS") - resident;
    let mapped = status("VmSize") - mapped;
    let expected = size_of_val(&blocks[..]) / 1024 + 1024;
    assert!(all < expected + 1024, "{all} KiB are resident, not {expected}");
    assert!(mapped < expected, "{mapped} KiB are mapped, not {expected}");
    let maps = mappings() - maps;
    assert!(maps < 10, "{maps} mappings are left");
    eprintln!("{count} pages, {refused} refused; resident: {half} KiB after half, {all} KiB after all");
}

/// Large blocks of the SMP allocator share mappings: far more of them than the limit, every second one freed, leave room
/// for a thread's stack, and what is free is reused or has no memory.
#[test]
fn large_blocks_share_mappings() {
    if in_emulator("qemu") || runs_alone("large_blocks_share_mappings") {
        return;
    }
    const LEN: usize = 40_000;
    let count = if cfg!(target_pointer_width = "64") { 160_000 } else { 20_000 };
    let alloc = || {
        let memory = NonNull::slice_from_raw_parts(
            // SAFETY: the length is not zero. (A typed request would fill the block in debug builds.)
            unsafe { SMP_ALLOCATOR.raw_alloc(LEN, Alignment::_1, 0) }.unwrap(),
            LEN,
        );
        // SAFETY: a live block.
        unsafe { memory.cast::<u8>().write(1) };
        memory
    };
    let (maps, resident) = (mappings(), status("VmRSS"));
    let mut blocks: Vec<NonNull<[u8]>> = (0..count).map(|_| alloc()).collect();
    let all = status("VmRSS") - resident;
    // SAFETY: each block is freed once.
    blocks.iter().step_by(2).for_each(|memory| unsafe { SMP_ALLOCATOR.raw_free(*memory, Alignment::_1, 0) });
    let added = mappings() - maps;
    assert!(added < 1000, "{added} mappings");
    std::thread::spawn(|| ()).join().unwrap();
    // Of the free half, the limit keeps some.
    let half = status("VmRSS") - resident;
    assert!(half < all / 2 + all / 8, "{half} KiB of {all} are resident");

    blocks = blocks.into_iter().skip(1).step_by(2).collect();
    let size = status("VmSize");
    blocks.extend((0..count / 2).map(|_| alloc()));
    assert!(status("VmSize") <= size + 16 * 1024, "what was free is reused");
    // SAFETY: each block is freed once.
    blocks.iter().for_each(|memory| unsafe { SMP_ALLOCATOR.raw_free(*memory, Alignment::_1, 0) });
    let rest = status("VmRSS") - resident;
    assert!(rest < all / 4, "{rest} KiB of {all} are resident");
}

/// A block of zeros has memory only where it is used: from new pages, from pages that were returned, and, if it is long,
/// from pages that were used.
#[rstest]
#[case::span(1, 1 << 23)]
#[case::long(2, 1 << 27)]
fn zeroed_blocks_have_no_memory_until_they_are_used(#[case] number: usize, #[case] len: usize) {
    let name = ["span", "long"][number - 1];
    let test = format!("zeroed_blocks_have_no_memory_until_they_are_used::case_{number}_{name}");
    if in_emulator("qemu") || runs_alone(&test) {
        return;
    }
    let layout = Layout::from_size_align(len, 8).unwrap();
    let resident = || status("VmRSS");
    let before = resident();
    let globals: [&dyn GlobalAlloc; 2] = [&SmpAllocator, &PageAllocator];
    for global in globals {
        for _ in 0..2 {
            // SAFETY: a block of this layout, used within its length, and freed once.
            unsafe {
                let memory = global.alloc_zeroed(layout);
                assert!(!memory.is_null());
                (0..len).step_by(1 << 20).for_each(|at| assert_eq!(memory.add(at).read(), 0));
                let added = resident() - before;
                assert!(added < 4096, "{added} KiB are resident");
                memory.write_bytes(0xaa, len);
                assert!(resident() - before >= len / 1024);
                global.dealloc(memory, layout);
            }
        }
        SmpAllocator::trim();
        assert!(resident() - before < 4096, "{} KiB are resident", resident() - before);
    }
}

/// A page can have any alignment that addresses allow, and uses no more memory than that page. On x86-64 user
/// addresses have 47 bits, so 2^46 is the largest.
#[cfg(target_pointer_width = "64")]
#[rstest]
#[case::page(1)]
#[case::smp(2)]
#[case::debug(3)]
fn alignment_uses_no_extra_memory(#[case] number: usize) {
    let name = ["page", "smp", "debug"][number - 1];
    if in_emulator("qemu") || runs_alone(&format!("alignment_uses_no_extra_memory::case_{number}_{name}")) {
        return;
    }
    let debug = DebugAllocator::init(PAGE_ALLOCATOR);
    let allocator: Allocator<'_> = [*PAGE_ALLOCATOR, *SMP_ALLOCATOR, *debug.allocator()][number - 1];
    let before = status("VmSize");
    for log2 in [30, 36, 40, 43, 46, 47, 48, 62, 63] {
        let alignment = Alignment::from_log2(log2).unwrap();
        // SAFETY: the length is not zero.
        let memory = unsafe { allocator.raw_alloc(page_size(), alignment, 0) };
        if cfg!(target_arch = "x86_64") {
            assert_eq!(memory.is_some(), log2 < 47, "2^{log2}");
        }
        let Some(memory) = memory else { continue };
        assert!(alignment.check_ptr(memory.as_ptr()));
        // The debug allocator also has a table.
        let mapped = status("VmSize") - before;
        assert!((page_size() / 1024..1024).contains(&mapped), "{mapped} KiB for a block aligned to 2^{log2}");
        // SAFETY: a live block, freed once.
        unsafe {
            memory.write_bytes(1, page_size());
            allocator.raw_free(NonNull::slice_from_raw_parts(memory, page_size()), alignment, 0);
        }
    }
    assert!(status("VmSize") - before < 1024);
}
