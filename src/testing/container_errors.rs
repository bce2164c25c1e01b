//! The errors of containers that run out of memory, for the failure sweep.

/// Always true: a collection's capacity that would overflow is out of memory too.
#[cfg(feature = "alloc")]
impl super::AsOutOfMemory for alloc::collections::TryReserveError {
    fn is_out_of_memory(&self) -> bool {
        true
    }
}

/// Always true.
#[cfg(feature = "allocator-api2-02")]
impl super::AsOutOfMemory for allocator_api2_02::alloc::AllocError {
    fn is_out_of_memory(&self) -> bool {
        true
    }
}

/// Always true: a collection's capacity that would overflow is out of memory too.
#[cfg(all(feature = "allocator-api2-02", any(feature = "alloc", feature = "collections")))]
impl super::AsOutOfMemory for allocator_api2_02::collections::TryReserveError {
    fn is_out_of_memory(&self) -> bool {
        true
    }
}

/// Always true.
#[cfg(feature = "allocator-api2-04")]
impl super::AsOutOfMemory for allocator_api2_04::alloc::AllocError {
    fn is_out_of_memory(&self) -> bool {
        true
    }
}

/// Always true: a collection's capacity that would overflow is out of memory too.
#[cfg(all(feature = "allocator-api2-04", feature = "alloc"))]
impl super::AsOutOfMemory for allocator_api2_04::collections::TryReserveError {
    fn is_out_of_memory(&self) -> bool {
        true
    }
}

/// Always true.
#[cfg(feature = "nightly")]
impl super::AsOutOfMemory for core::alloc::AllocError {
    fn is_out_of_memory(&self) -> bool {
        true
    }
}

/// Always true: a table's capacity that would overflow is out of memory too.
#[cfg(feature = "collections")]
impl super::AsOutOfMemory for hashbrown::TryReserveError {
    fn is_out_of_memory(&self) -> bool {
        true
    }
}

/// Whether an error of unknown type is one of the above. Those of allocator-api2 are errors to Rust with its feature
/// `std` only, which this crate's turns on.
#[cfg(feature = "alloc")]
pub(super) fn is_one(error: &(dyn core::error::Error + 'static)) -> bool {
    [
        error.is::<alloc::collections::TryReserveError>(),
        #[cfg(all(feature = "allocator-api2-02", feature = "std"))]
        error.is::<allocator_api2_02::alloc::AllocError>(),
        #[cfg(all(feature = "allocator-api2-02", feature = "std"))]
        error.is::<allocator_api2_02::collections::TryReserveError>(),
        #[cfg(all(feature = "allocator-api2-04", feature = "std"))]
        error.is::<allocator_api2_04::alloc::AllocError>(),
        #[cfg(all(feature = "allocator-api2-04", feature = "std"))]
        error.is::<allocator_api2_04::collections::TryReserveError>(),
        #[cfg(feature = "nightly")]
        error.is::<core::alloc::AllocError>(),
        #[cfg(feature = "collections")]
        error.is::<hashbrown::TryReserveError>(),
    ]
    .contains(&true)
}
