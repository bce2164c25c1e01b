//! Where a container's parts are: in itself, with or without an allocator, or in an unmanaged one that it is bound to.

use core::fmt;
use core::mem::ManuallyDrop;

/// Where a container stores its parts: [`Owned`], [`Unbound`], or one of the bound stores. Sealed, because containers
/// rely on it to return the same parts each time.
pub trait Store<C>: sealed::Sealed<C> {}

impl<C, S: sealed::Sealed<C>> Store<C> for S {}

/// A store with an allocator, required by methods that allocate or free. Sealed.
#[diagnostic::on_unimplemented(
    message = "this container has no allocator",
    note = "bind an unmanaged container first, by its method `with(allocator)`"
)]
pub trait Allocates<C>: Store<C> {}

pub(super) mod sealed {
    /// # Safety
    /// Both return the same value, which no safe code can replace by one with another allocator.
    pub unsafe trait Sealed<C> {
        fn get(&self) -> &C;
        fn get_mut(&mut self) -> &mut C;
    }
}

pub(super) use sealed::Sealed;

/// The container's own parts, with its allocator: a managed container.
pub struct Owned<C>(pub(super) C);

impl<C> Allocates<C> for Owned<C> {}

// SAFETY: the field, which is private.
unsafe impl<C> Sealed<C> for Owned<C> {
    #[inline(always)]
    fn get(&self) -> &C {
        &self.0
    }
    #[inline(always)]
    fn get_mut(&mut self) -> &mut C {
        &mut self.0
    }
}

/// The container's own parts without an allocator: an unmanaged container. Dropping it does nothing.
pub struct Unbound<C>(pub(super) ManuallyDrop<C>);

// SAFETY: the field, which is private.
unsafe impl<C> Sealed<C> for Unbound<C> {
    #[inline(always)]
    fn get(&self) -> &C {
        &self.0
    }
    #[inline(always)]
    fn get_mut(&mut self) -> &mut C {
        &mut self.0
    }
}

impl<C> fmt::Debug for Owned<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owned").finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for Unbound<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unbound").finish_non_exhaustive()
    }
}
