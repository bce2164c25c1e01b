//! The lock of the sink, which detects re-entrance from its own thread.

#[cfg(not(feature = "std"))]
pub(super) use one_thread::{Entered, Exclusive};
#[cfg(feature = "std")]
pub(super) use threads::{Entered, Exclusive};

#[cfg(feature = "std")]
mod threads {
    use core::ops::{Deref, DerefMut};
    use core::ptr;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// A value that one thread at a time may use.
    pub(in super::super) struct Exclusive<S> {
        /// The [`this_thread`] that is inside, or 0. A thread reads its own number here only
        /// if it wrote it, so relaxed memory ordering suffices.
        owner: AtomicUsize,
        value: Mutex<S>,
    }

    /// The locked value.
    pub(in super::super) struct Entered<'e, S> {
        owner: &'e AtomicUsize,
        value: MutexGuard<'e, S>,
    }

    /// A number, not 0, that identifies this thread among all running ones: the address of a thread-local variable.
    /// (`thread::current` would allocate.)
    fn this_thread() -> usize {
        std::thread_local! {
            static PLACE: u8 = const { 0 };
        }
        PLACE.with(|place| ptr::from_ref(place).addr())
    }

    impl<S> Exclusive<S> {
        #[inline]
        pub(in super::super) const fn new(value: S) -> Exclusive<S> {
            Exclusive { owner: AtomicUsize::new(0), value: Mutex::new(value) }
        }

        /// Waits until no other thread is inside. Returns `None` if this thread is inside.
        pub(in super::super) fn enter(&self) -> Option<Entered<'_, S>> {
            let this_thread = this_thread();
            if self.owner.load(Ordering::Relaxed) == this_thread {
                return None;
            }
            let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
            self.owner.store(this_thread, Ordering::Relaxed);
            Some(Entered { owner: &self.owner, value })
        }

        #[inline]
        pub(in super::super) fn get_mut(&mut self) -> &mut S {
            self.value.get_mut().unwrap_or_else(PoisonError::into_inner)
        }

        #[inline]
        pub(in super::super) fn into_inner(self) -> S {
            self.value.into_inner().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl<S> Drop for Entered<'_, S> {
        fn drop(&mut self) {
            // The lock is released after this.
            self.owner.store(0, Ordering::Relaxed);
        }
    }

    impl<S> Deref for Entered<'_, S> {
        type Target = S;

        fn deref(&self) -> &S {
            &self.value
        }
    }

    impl<S> DerefMut for Entered<'_, S> {
        fn deref_mut(&mut self) -> &mut S {
            &mut self.value
        }
    }
}

#[cfg(not(feature = "std"))]
mod one_thread {
    use core::cell::{RefCell, RefMut};

    /// The value in use.
    pub(in super::super) type Entered<'e, S> = RefMut<'e, S>;

    /// A value for one thread.
    pub(in super::super) struct Exclusive<S>(RefCell<S>);

    impl<S> Exclusive<S> {
        #[inline]
        pub(in super::super) const fn new(value: S) -> Exclusive<S> {
            Exclusive(RefCell::new(value))
        }

        /// Returns `None` if the value is in use.
        pub(in super::super) fn enter(&self) -> Option<Entered<'_, S>> {
            self.0.try_borrow_mut().ok()
        }

        #[inline]
        pub(in super::super) fn get_mut(&mut self) -> &mut S {
            self.0.get_mut()
        }

        #[inline]
        pub(in super::super) fn into_inner(self) -> S {
            self.0.into_inner()
        }
    }
}
