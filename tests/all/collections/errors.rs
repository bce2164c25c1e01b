//! The errors of containers, as this crate's.

use hashbrown::HashMap;
use zigalloc::testing::{AsOutOfMemory, check_all_allocation_failures};
use zigalloc::{Allocator, Error};

use super::checked;

/// `?` on every container's failure.
fn uses_all(allocator: Allocator<'_>) -> Result<(), Error> {
    let mut vec = allocator_api2_02::vec::Vec::new_in(allocator);
    vec.try_reserve(10)?;
    vec.push(1);
    let _boxed = allocator_api2_02::boxed::Box::try_new_in(1, allocator)?;
    let mut map = HashMap::new_in(allocator);
    map.try_reserve(1)?;
    map.insert(1, 1);
    #[cfg(feature = "allocator-api2-04")]
    {
        let mut vec = allocator_api2_04::vec::Vec::new_in(allocator);
        vec.try_reserve(10)?;
        vec.push(1);
        let _boxed = allocator_api2_04::boxed::Box::try_new_in(1, allocator)?;
    }
    Ok(())
}

#[test]
fn containers_errors_become_ours() -> Result<(), Error> {
    checked(|allocator| {
        check_all_allocation_failures(allocator, uses_all).unwrap();
        Ok(())
    })?;
    assert_eq!(Error::from(Vec::<u8>::new().try_reserve(usize::MAX).unwrap_err()), Error::OutOfMemory);
    Ok(())
}

#[test]
fn the_sweep_knows_them_all() {
    fn knows(errors: [Box<dyn std::error::Error>; 4]) {
        errors.iter().for_each(|error| assert!(error.is_out_of_memory(), "{error:?}"));
    }
    knows([
        Box::new(Vec::<u8>::new().try_reserve(usize::MAX).unwrap_err()),
        Box::new(allocator_api2_02::vec::Vec::<u8>::new().try_reserve(usize::MAX).unwrap_err()),
        Box::new(allocator_api2_02::alloc::AllocError),
        Box::new(HashMap::<u8, u8>::new().try_reserve(usize::MAX).unwrap_err()),
    ]);
    assert!(allocator_api2_02::alloc::AllocError.is_out_of_memory());
    #[cfg(feature = "allocator-api2-04")]
    {
        assert!(allocator_api2_04::alloc::AllocError.is_out_of_memory());
        let error = allocator_api2_04::vec::Vec::<u8>::new().try_reserve(usize::MAX).unwrap_err();
        assert!(error.is_out_of_memory());
        knows([
            Box::new(error),
            Box::new(Error::OutOfMemory),
            Box::new(Error::OutOfMemory),
            Box::new(Error::OutOfMemory),
        ]);
    }
    let other: Box<dyn std::error::Error> = "another".into();
    assert!(!other.is_out_of_memory());
}

#[test]
fn io_errors_are_looked_into() {
    use std::io;
    let inside = io::Error::other(Error::OutOfMemory);
    assert!(inside.is_out_of_memory());
    assert!(io::Error::from(io::ErrorKind::OutOfMemory).is_out_of_memory());
    assert!(io::Error::other(io::Error::other(Error::OutOfMemory)).is_out_of_memory());
    let boxed: Box<dyn std::error::Error> = Box::new(inside);
    assert!(boxed.is_out_of_memory(), "its source is not the error inside it");
    assert!(!io::Error::from(io::ErrorKind::NotFound).is_out_of_memory());
    assert!(!io::Error::other("another").is_out_of_memory());
}
