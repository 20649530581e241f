//! The way of a shard's images: what its core wants, to the keeper, and the answers back.
//!
//! Invariant: a core is told of every task in the order in which the keeper did them. Source: own reasoning.

use crate::document::Document;
use crate::ids::{Alias, Birth, ObjectName};
use crate::journal::JournalError;
use crate::repository::{Core, ImageDeed};
use crate::time::Instant;

use super::keeper::{ImageLane, ImageLoad, ImageWrite, Written};
use super::load::{LoadError, load_document};

/// Names cuts to the keeper; the tasks of a core begin at 1.
const CUT: u64 = 0;

/// What became of a load.
#[derive(Debug)]
pub struct LoadedDocument {
    place: (Alias, Birth),
    object: ObjectName,
    document: Result<Box<Document>, LoadError>,
}

/// A shard's side of the keeper.
#[derive(Debug)]
pub(super) struct Imager {
    lane: ImageLane<LoadedDocument>,
}

impl Imager {
    pub(super) fn new(lane: ImageLane<LoadedDocument>) -> Self {
        Self { lane }
    }

    /// Hands on what the core wants; whether there was anything.
    pub(super) fn submit(&mut self, core: &mut Core) -> Result<bool, JournalError> {
        let mut has_any = false;
        while self.lane.has_room()
            && let Some(task) = core.poll_image()
        {
            let write = match task.deed {
                ImageDeed::Put(head, image) => ImageWrite::Put(head, image),
                ImageDeed::End(head) => ImageWrite::End(head),
                ImageDeed::Remove(image) => ImageWrite::Remove(image),
                ImageDeed::State(state) => ImageWrite::State(state),
            };
            self.lane.write(task.id, write)?;
            has_any = true;
        }
        while self.lane.has_room()
            && let Some(load) = core.poll_load()
        {
            self.lane.load(ImageLoad::new(move |images| LoadedDocument {
                place: (load.alias, load.image.birth),
                document: load_document(images, &load),
                object: load.object,
            }))?;
            has_any = true;
        }
        if self.lane.has_room()
            && let Some(frame) = core.poll_cut()
        {
            self.lane.write(CUT, ImageWrite::Cut(frame))?;
            has_any = true;
        }
        Ok(has_any)
    }

    /// An answer, if there is one.
    pub(super) fn poll_outcome(&mut self) -> Option<Written<LoadedDocument>> {
        self.lane.poll_outcome()
    }

    /// Waits for an answer.
    pub(super) async fn outcome(&mut self) -> Written<LoadedDocument> {
        self.lane.outcome().await
    }
}

/// Tells a core what the keeper did.
pub(super) fn tell(core: &mut Core, now: Instant, written: Written<LoadedDocument>) -> Result<(), JournalError> {
    match written {
        Written::Done(CUT) => core.handle_cut(now),
        Written::Done(task) => core.handle_imaged(now, task),
        Written::Loaded(LoadedDocument { place, object, document }) => {
            let document = document.map_err(|error| {
                tracing::error!(%object, %error, "an object cannot be brought to memory, it is refused");
                format!("{object} cannot be read: {error}; `nam verify` tells all that is damaged, a backup mends it")
            });
            core.handle_loaded(now, place, document);
        }
        Written::Failed(error) => {
            tracing::error!(%error, "an image could not be stored, the shard stops");
            core.handle_image_failed(now);
            return Err(error);
        }
    }
    Ok(())
}
