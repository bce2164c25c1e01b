//! A program's use of its global allocator: collections, strings, threads and their exit, and crates with unusual
//! allocation patterns. Each test program of this directory includes this module and sets another
//! `#[global_allocator]`, on which the test harness runs too.

use std::alloc::Layout;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use rayon::prelude::*;
use regex::Regex;

use crate::{GLOBAL, SCALE, is_ours};

#[test]
fn blocks_come_from_this_allocator() {
    let numbers: Vec<_> = (0..100u64).map(Box::new).collect();
    assert!(numbers.iter().filter(|number| is_ours(&raw const ***number)).count() > 50);
}

#[test]
fn every_alignment_is_zeroed_and_resized() {
    for log2 in 0..=14 {
        for size in [1, 24, 1000, 5000] {
            let layout = Layout::from_size_align(size, 1 << log2).unwrap();
            // SAFETY: the size is not zero; a live block and its layout.
            unsafe {
                let memory = std::alloc::alloc_zeroed(layout);
                assert!(!memory.is_null() && memory.addr() % layout.align() == 0, "{layout:?}");
                assert!(std::slice::from_raw_parts(memory, size).iter().all(|byte| *byte == 0));
                memory.write_bytes(7, size);
                let memory = std::alloc::realloc(memory, layout, 3 * size);
                assert!(!memory.is_null() && memory.addr() % layout.align() == 0, "{layout:?}");
                assert!(std::slice::from_raw_parts(memory, size).iter().all(|byte| *byte == 7));
                let layout = Layout::from_size_align(3 * size, 1 << log2).unwrap();
                let memory = std::alloc::realloc(memory, layout, 1);
                assert_eq!(memory.read(), 7);
                std::alloc::dealloc(memory, Layout::from_size_align(1, 1 << log2).unwrap());
            }
        }
    }
}

#[test]
fn collections_keep_their_contents() {
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
    // Through all sizes.
    let mut long = Vec::new();
    for n in 0..100 * SCALE as u32 {
        long.push(n);
    }
    long.shrink_to(10);
    assert!(long.iter().copied().eq(0..100 * SCALE as u32));
}

/// Nearly half of the address space: with 64 bits it is unavailable, with 32 bits it is unavailable three times.
const HALF: usize = isize::MAX as usize - (1 << 20);

#[test]
fn out_of_memory_is_returned() {
    let mut held: Vec<Vec<u8>> = Vec::new();
    let refused = (0..3).filter(|_| {
        held.push(vec![1, 2, 3]);
        held.last_mut().is_some_and(|bytes| bytes.try_reserve_exact(HALF).is_err())
    });
    let refused = refused.count();
    assert!(refused == 3 || refused > 0 && cfg!(target_pointer_width = "32"), "{refused} of 3");
    assert!(held.iter().all(|bytes| *bytes == [1, 2, 3]));
    // Held memory is not handed out again.
    if refused == 3 {
        assert!(GLOBAL.allocator().alloc::<u8>(HALF).is_err());
    }
}

#[test]
fn threads_allocate_at_once() {
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

/// Thread-locals with destructors, also lazy ones, registered as a thread's first action or after its first
/// allocation. They hold memory and allocate when dropped.
#[test]
fn thread_locals_allocate_in_destructors() {
    struct AtEnd(Vec<String>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.push("end".to_owned());
            assert_eq!(self.0.concat().len(), self.0.iter().map(String::len).sum::<usize>());
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

/// A panic allocates its message, and unwinding frees.
#[test]
fn panics_unwind_and_free() {
    let handle = thread::spawn(|| {
        let held = vec![1; 100];
        std::panic::resume_unwind(Box::new(format!("{} elements", held.len())));
    });
    let payload = handle.join().unwrap_err();
    assert_eq!(payload.downcast_ref::<String>().unwrap(), "100 elements");
}

#[test]
fn serde_json_reads_and_writes() {
    let text = format!(
        "[{}]",
        (0..SCALE)
            .map(|n| format!(r#"{{"n":{n},"name":"entry \"{n}\"","list":[{n},null,true,-1.5]}}"#))
            .collect::<Vec<_>>()
            .join(",")
    );
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let entries = value.as_array().unwrap();
    assert_eq!(entries.len(), SCALE);
    assert!(entries.iter().zip(0u64..).all(|(entry, n)| entry["n"] == n && entry["list"][0] == n));
    let again: serde_json::Value =
        serde_json::from_str(&serde_json::to_string_pretty(&value).unwrap()).unwrap();
    assert_eq!(again, value);
    assert!(serde_json::from_str::<serde_json::Value>(&text[..text.len() - 1]).is_err());
}

#[test]
fn regex_finds_and_replaces() {
    let pattern = Regex::new(r"(?<key>[a-z]+\d*)=(?<value>\d+)").unwrap();
    let text: String = (0..SCALE).map(|n| format!("key{n}={} ", n * n)).collect();
    let sum: usize = pattern.captures_iter(&text).map(|found| found["value"].parse::<usize>().unwrap()).sum();
    assert_eq!(sum, (0..SCALE).map(|n| n * n).sum::<usize>());
    assert!(pattern.replace_all(&text, "$value=$key").starts_with("0=key0 1=key1 4=key2 "));
    let unclosed = pattern.as_str().trim_end_matches(')');
    assert!(Regex::new(unclosed).unwrap_err().to_string().contains("unclosed group"));
}

#[test]
fn rayon_sorts_and_collects() {
    let mut numbers: Vec<u64> =
        (0..20 * SCALE as u64).into_par_iter().map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20).collect();
    let mut expected = numbers.clone();
    expected.sort_unstable();
    numbers.par_sort();
    assert_eq!(numbers, expected);
    let texts: HashMap<usize, String> = (0..SCALE).into_par_iter().map(|n| (n, n.to_string())).collect();
    assert!((0..SCALE).all(|n| texts[&n] == n.to_string()));
}
