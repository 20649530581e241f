//! A page, and the part of the last image that holds it as it is.
//!
//! Every reference to a page is one of these, and the only way to change the page clears the part, so no change can be
//! missed by the next image. A page that changes is inside of pages that change, up to the root, because they are
//! reached through each other: what is clean is clean below. Source: own reasoning; shadow paging as in System R.

use std::ops::Deref;
use std::sync::Arc;

use crate::ids::PartId;

/// A page that frozen versions may share.
#[derive(Clone, Debug)]
pub(in crate::document) struct Kept<P> {
    page: Arc<P>,
    part: PartId,
    is_parent: bool,
}

/// The part that holds a page as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) struct KeptIn {
    /// Its name.
    pub(in crate::document) part: PartId,
    /// Whether containers stand apart from the page, so that more parts are below it.
    pub(in crate::document) is_parent: bool,
}

/// The part of a page that no part holds.
const NO_PART: PartId = PartId(0);

impl<P> Kept<P> {
    pub(in crate::document) fn new(page: P) -> Self {
        Self { page: Arc::new(page), part: NO_PART, is_parent: false }
    }

    /// The part that holds the page as it is; `None` if it has changed since the last image.
    pub(in crate::document) fn part(&self) -> Option<KeptIn> {
        (self.part != NO_PART).then_some(KeptIn { part: self.part, is_parent: self.is_parent })
    }

    /// Notes the part that holds the page as it is.
    pub(in crate::document) fn keep(&mut self, kept: Option<KeptIn>) {
        (self.part, self.is_parent) = kept.map_or((NO_PART, false), |kept| (kept.part, kept.is_parent));
    }

    /// Whether someone else holds the page, so that a change copies it.
    pub(in crate::document) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.page) > 1
    }

    /// The page, to be held on to.
    pub(in crate::document) fn share(&self) -> Arc<P> {
        Arc::clone(&self.page)
    }
}

impl<P: Clone> Kept<P> {
    /// The page, to be changed; copied if someone else holds it.
    pub(in crate::document) fn make_mut(&mut self) -> &mut P {
        self.part = NO_PART;
        Arc::make_mut(&mut self.page)
    }

    /// The page, copied if someone else holds it.
    pub(in crate::document) fn into_page(self) -> P {
        Arc::unwrap_or_clone(self.page)
    }
}

impl<P> Deref for Kept<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.page
    }
}
