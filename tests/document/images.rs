//! Images: what is written, what is dropped, what comes back, and what damage does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use nam::document::{Document, Image, RestoreError, Tuning};
use nam::ids::PartId;
use nam::schema::Schema;

/// Where parts are kept, as strict as a store may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) trunk: Bytes,
    pub(crate) parts: BTreeMap<PartId, Bytes>,
    written: BTreeSet<PartId>,
    /// Bytes that the last image wrote, its trunk included.
    pub(crate) bytes: usize,
}

impl Shelf {
    pub(crate) fn put(&mut self, mut image: Image, at: &str) {
        self.trunk = image.trunk();
        self.bytes = self.trunk.len();
        let mut fresh = Vec::new();
        while let Some((part, bytes)) = image.next_part() {
            assert!(self.written.insert(part), "{at}: part {part} is written twice");
            self.bytes += bytes.len();
            self.parts.insert(part, bytes);
            fresh.push(part);
        }
        fresh.sort();
        assert_eq!(fresh, image.fresh(), "{at}: what is written is what was said");
        for part in image.dropped() {
            assert!(self.parts.remove(part).is_some(), "{at}: part {part} is dropped and was not there");
        }
        assert!(self.parts.keys().eq(image.parts()), "{at}: what is left is what the image names");
    }

    pub(crate) fn restore(&self, schema: &Arc<Schema>, tuning: Tuning) -> Result<Document, RestoreError<String>> {
        let mut asked = BTreeSet::new();
        let document = Document::restore(Arc::clone(schema), tuning, &self.trunk, &mut |part| {
            assert!(asked.insert(part), "part {part} is read twice");
            self.parts.get(&part).cloned().ok_or_else(|| "it is not there".to_owned())
        });
        if document.is_ok() {
            assert!(asked.iter().eq(self.parts.keys()), "every part of an image is read");
        }
        document
    }
}
