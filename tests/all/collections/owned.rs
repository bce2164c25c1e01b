//! Blocks that free themselves, and slices of raw blocks.

use zigalloc::collections::{Box, str_from_utf8};
use zigalloc::testing::check_all_allocation_failures;
use zigalloc::{Allocator, Error, SentinelSlice, SlicePtr, mem};

use super::{Live, assert_panics, checked};

#[test]
fn blocks_free_themselves() -> Result<(), Error> {
    checked(|allocator| {
        let live = Live::default();
        let item = allocator.create_owned(live.item(1))?;
        let items = allocator.alloc_with(5, |i| live.item(i as u32))?;
        let copies = allocator.alloc_filled(3, item.clone())?;
        assert_eq!((item.number, items[4].number, copies[2].number, live.count.get()), (1, 4, 1, 9));
        drop((item, items, copies));
        assert_eq!(live.count.get(), 0);
        assert_eq!(*allocator.dupe_owned(&[1, 2])?, [1, 2]);
        assert_eq!(&*allocator.dupe_str_owned("zig")?, "zig");
        assert_eq!(&*allocator.print_owned(format_args!("{}", 42))?, "42");
        assert_eq!(&*allocator.print_owned(format_args!(""))?, "");
        assert_eq!(*allocator.alloc_zeroed_owned::<[u32; 2]>(3)?, [[0, 0]; 3]);
        assert_eq!(allocator.alloc_owned::<u64>(7)?.len(), 7);
        assert_eq!((allocator.alloc_owned::<u8>(0)?.len(), allocator.alloc_filled(4, ())?.len()), (0, 4));
        Ok(())
    })
}

/// The box is the same block; one that is no text is freed.
#[test]
fn bytes_become_a_string() -> Result<(), Error> {
    checked(|allocator| {
        let bytes = allocator.dupe_owned("füu".as_bytes())?;
        let block = bytes.as_ptr();
        let text = str_from_utf8(bytes).unwrap();
        assert_eq!((&*text, text.as_ptr()), ("füu", block));
        assert_eq!(&*str_from_utf8(allocator.dupe_owned(b"")?).unwrap(), "");
        assert_eq!(str_from_utf8(allocator.dupe_owned(b"a\xff")?).unwrap_err().valid_up_to(), 1);
        Ok(())
    })
}

#[test]
fn boxes_are_raw_blocks_and_back() -> Result<(), Error> {
    checked(|allocator| {
        let (raw, _) = Box::into_non_null(allocator.create_owned(5)?);
        // SAFETY: the block of the box.
        unsafe { allocator.destroy(raw) };
        let raw = allocator.dupe(b"zig")?;
        // SAFETY: an initialised block of this allocator, which nothing else has.
        assert_eq!(*unsafe { Box::from_raw_in(raw.as_ptr(), allocator) }, *b"zig");
        let owned = allocator.dupe_owned(b"zig")?;
        let (raw, _) = Box::into_non_null(owned);
        // SAFETY: the block of the box.
        unsafe { allocator.free(raw) };
        Ok(())
    })
}

/// A closure that fails or panics leaks nothing.
#[test]
fn half_filled_blocks_are_freed() -> Result<(), Error> {
    checked(|allocator| {
        let live = Live::default();
        let failed = allocator
            .try_alloc_with(5, |i| if i == 3 { Err(Error::OutOfMemory) } else { Ok(live.item(i as u32)) });
        assert_eq!((failed.is_err(), live.count.get()), (true, 0));
        assert_panics("three", || {
            allocator.alloc_with(5, |i| if i == 3 { panic!("three") } else { live.item(i as u32) })
        });
        assert_eq!(live.count.get(), 0);
        live.panic_in.set(Some(2));
        assert_panics("planned panic", || allocator.alloc_filled(5, live.item(0)));
        live.panic_in.set(None);
        assert_eq!(live.count.get(), 0);
        Ok(())
    })
}

#[test]
fn failures_leak_nothing() {
    let all = |allocator: Allocator<'_>| -> Result<(), Error> {
        let _item = allocator.create_owned(1u32)?;
        let _rows = allocator.try_alloc_with(3, |i| allocator.alloc_filled(i + 1, i))?;
        let _zeros = allocator.alloc_zeroed_owned::<u64>(3)?;
        let _copy = allocator.dupe_owned(&[1, 2, 3])?;
        let _text = allocator.print_owned(format_args!("{}{}", "a".repeat(200), 1))?;
        let _joined = allocator.join_owned(b",", &[b"a", b"b"])?;
        let _replaced = allocator.replace_owned(b"aba", b"a", b"xx")?;
        Ok(())
    };
    checked(|allocator| {
        check_all_allocation_failures(allocator, all).unwrap();
        Ok(())
    })
    .unwrap();
    assert!(Allocator::FAILING.alloc_owned::<u64>(usize::MAX).is_err());
}

/// TR-21: a new block is a slice of `MaybeUninit` first.
#[test]
fn raw_blocks_are_slices() -> Result<(), Error> {
    checked(|allocator| {
        let memory = allocator.alloc::<u32>(3)?;
        // SAFETY: a new block; what is read has been written; then it is freed.
        unsafe {
            memory.as_maybe_uninit().iter_mut().for_each(|number| {
                number.write(7);
            });
            SlicePtr::as_mut_slice(memory)[1] = 8;
            assert_eq!(SlicePtr::as_slice(memory), [7, 8, 7]);
            allocator.free(memory);
        }
        let text = allocator.dupe_z(b"zig")?;
        // SAFETY: initialised with its zero, and freed afterwards.
        unsafe {
            text.as_mut_slice()[0] = b'Z';
            assert_eq!((text.as_slice(), text.as_c_str()), (&b"Zig"[..], c"Zig"));
            text.as_mut_slice()[1] = 0;
            assert_panics("the first 0 of 4 bytes is not the sentinel at index 3", || {
                text.as_c_str().count_bytes()
            });
            allocator.free(text);
        }
        let literal = SentinelSlice::from(c"zig");
        // SAFETY: a literal.
        assert_eq!((unsafe { literal.as_c_str() }, mem::absorb_sentinel(literal).len()), (c"zig", 4));
        Ok(())
    })
}
