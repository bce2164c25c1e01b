//! Empty pages that are kept.
//!
//! A program that allocates a block and frees it, again and again, would otherwise cost the child a page each time. A
//! kept page stays in the table with its metadata, so that second frees of its blocks are found, until it is used
//! again. It is then initialised like a new one.

use core::ptr::NonNull;

use super::quarantine::Unused;
use super::small::corrupt;
use super::{Locked, Page};
use crate::heap::report::PendingReport;
use crate::return_address::return_address;

impl Locked<'_> {
    /// Keeps an empty page if none of its class is kept. Otherwise returns it.
    pub(super) fn keep(&mut self, unused: Unused) -> Option<Unused> {
        if !self.config.keep_empty_pages || self.config.never_unmap {
            return Some(unused);
        }
        let Some(Page { class, .. }) = self.state.pages.lookup(unused.memory().addr().get()) else {
            return Some(unused);
        };
        let kept = &mut self.state.kept[class];
        if kept.is_some() {
            return Some(unused);
        }
        *kept = Some(unused);
        None
    }

    /// A page for blocks of a class: the kept one, or else a new one. If the child has no memory, a page that is kept
    /// for another class serves as well.
    pub(super) fn page_for(&mut self, class: usize, pending: &mut PendingReport<'_>) -> Option<NonNull<u8>> {
        if self.state.kept[class].is_some() {
            return self.take_kept(class, pending);
        }
        self.new_page().or_else(|| {
            let class = self.state.kept.iter().position(Option::is_some)?;
            self.take_kept(class, pending)
        })
    }

    /// Takes the kept page of a class. If the program has written over its metadata, the report says so, and the
    /// process aborts when it is made.
    fn take_kept(&mut self, class: usize, pending: &mut PendingReport<'_>) -> Option<NonNull<u8>> {
        let page = self.state.kept[class].as_ref()?.memory().cast();
        // SAFETY: a page of the table, of this class.
        let bucket = unsafe { self.bucket(page, class) };
        if !bucket.is_intact() || !bucket.is_empty() {
            corrupt(bucket, pending);
            return None;
        }
        self.state.kept[class] = None;
        Some(page)
    }

    /// A page of the child, for which the table has room.
    fn new_page(&mut self) -> Option<NonNull<u8>> {
        // SAFETY: always this child, which this thread may call.
        unsafe { self.state.pages.reserve(self.child) }?;
        let (len, alignment) = (self.geometry.page_size, self.geometry.page_alignment());
        // SAFETY: a page's size is not zero (non-zero), and this thread may call the child (one-thread).
        unsafe { self.child.raw_alloc(len, alignment, return_address()) }
    }

    /// Asks the child for memory; if it refuses, frees the kept pages and asks again.
    pub(super) fn ask<T>(&mut self, mut ask: impl FnMut(&mut Self) -> Option<T>) -> Option<T> {
        ask(self).or_else(|| if self.free_kept_pages() { ask(self) } else { None })
    }

    /// Frees the kept pages to the child. Returns whether there were any.
    pub(super) fn free_kept_pages(&mut self) -> bool {
        let mut any = false;
        for class in 0..self.state.kept.len() {
            if let Some(unused) = self.state.kept[class].take() {
                self.free_page(unused);
                any = true;
            }
        }
        any
    }
}
