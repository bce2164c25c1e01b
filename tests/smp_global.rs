//! `SMP_ALLOCATOR` as the `#[global_allocator]`: the test harness, threads, strings and maps all run on
//! it, and so does whatever the standard library allocates while a thread begins and ends.
//!
//! Not under Miri, where the page allocator itself keeps its books on the global heap.
#![cfg(feature = "std")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use zigalloc::Alignment;
use zigalloc::heap::{SMP_ALLOCATOR, SmpAllocator};

struct Global;

#[cfg_attr(not(miri), global_allocator)]
static GLOBAL: Global = Global;

fn skipped() -> bool {
    if cfg!(miri) {
        println!("skipped: under Miri the page allocator needs another global allocator");
    }
    cfg!(miri)
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

fn memory(ptr: *mut u8, layout: Layout) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(NonNull::new(ptr).expect("a block is not null"), layout.size())
}

// SAFETY: `SMP_ALLOCATOR` keeps the contract of an allocator, which contains that of `GlobalAlloc`. It
// does not unwind and does not allocate.
unsafe impl GlobalAlloc for Global {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: `GlobalAlloc`'s callers ask for more than zero bytes.
        let memory = unsafe { SMP_ALLOCATOR.raw_alloc(layout.size(), Alignment::from(layout), 0) };
        memory.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: a live block with the layout that it was allocated with.
        unsafe { SMP_ALLOCATOR.raw_free(memory(ptr, layout), Alignment::from(layout), 0) };
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let alignment = Alignment::from(layout);
        // SAFETY: as above; `new_size` is more than zero bytes.
        if let Some(memory) = unsafe { SMP_ALLOCATOR.raw_remap(memory(ptr, layout), alignment, new_size, 0) }
        {
            return memory.as_ptr();
        }
        // SAFETY: `new_size` is valid for the alignment, as `GlobalAlloc`'s callers promise.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the new block is not the old one, and both have the bytes that are copied.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                new.copy_from_nonoverlapping(ptr, layout.size().min(new_size));
                self.dealloc(ptr, layout);
            }
            new
        }
    }
}

const SCALE: usize = 1000;

#[test]
fn the_program_runs_on_it() {
    if skipped() {
        return;
    }
    let before = CALLS.load(Ordering::Relaxed);
    let boxed = Box::new([1u64; 4]);
    assert!(CALLS.load(Ordering::Relaxed) > before);
    assert!(SmpAllocator::slab_bytes() > 0);
    drop(boxed);
}

#[test]
fn collections() {
    if skipped() {
        return;
    }
    let mut map = HashMap::new();
    let mut tree = BTreeMap::new();
    let mut text = String::new();
    for n in 0..SCALE {
        map.insert(format!("key {n}"), vec![n; n % 50]);
        tree.insert(n.wrapping_mul(7919) % SCALE, n.to_string().into_boxed_str());
        text.push_str(&n.to_string());
    }
    for n in (0..SCALE).step_by(2) {
        assert_eq!(map.remove(&format!("key {n}")).unwrap(), vec![n; n % 50]);
    }
    assert_eq!(map.len(), SCALE / 2);
    assert!(tree.keys().is_sorted());
    assert!(text.starts_with("0123456789"));
    // Through all classes, and pages behind them.
    let mut long = Vec::new();
    for n in 0..100 * SCALE as u32 {
        long.push(n);
    }
    long.shrink_to(10);
    assert!(long.iter().copied().eq(0..100 * SCALE as u32));
}

#[test]
fn threads() {
    if skipped() {
        return;
    }
    let shared = Arc::new(Mutex::new(HashMap::new()));
    let (sender, receiver) = mpsc::channel::<Vec<String>>();
    let threads = 16;
    let handles: Vec<_> = (0..threads)
        .map(|id| {
            let (shared, sender) = (Arc::clone(&shared), sender.clone());
            thread::Builder::new()
                .name(format!("thread {id}"))
                .spawn(move || {
                    for n in 0..SCALE {
                        sender.send((0..n % 8).map(|i| format!("{id} {n} {i}")).collect()).unwrap();
                        shared.lock().unwrap().insert((id, n), thread::current().name().map(str::to_owned));
                    }
                })
                .unwrap()
        })
        .collect();
    drop(sender);
    assert_eq!(receiver.iter().count(), threads * SCALE);
    handles.into_iter().for_each(|handle| handle.join().unwrap());
    assert_eq!(shared.lock().unwrap().len(), threads * SCALE);
}

/// Thread-locals with destructors, lazy ones too, registered as the first thing a thread does or after
/// its first allocation, which hold memory, and allocate when they go.
#[test]
fn thread_locals() {
    if skipped() {
        return;
    }
    struct AtEnd(Vec<String>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.push("end".to_owned());
            assert_eq!(self.0.concat().len(), self.0.iter().map(String::len).sum());
        }
    }
    thread_local! {
        static CONST: RefCell<AtEnd> = const { RefCell::new(AtEnd(Vec::new())) };
        static LAZY: RefCell<AtEnd> = RefCell::new(AtEnd(vec!["begin".to_owned()]));
    }
    for n in 0..200 {
        thread::spawn(move || {
            if n % 2 == 0 {
                CONST.with(|_| ());
            }
            let text = format!("text {n}");
            if n % 4 < 2 {
                LAZY.with(|lazy| lazy.borrow_mut().0.push(text.clone()));
            }
            CONST.with(|at_end| at_end.borrow_mut().0.push(text));
        })
        .join()
        .unwrap();
    }
}
