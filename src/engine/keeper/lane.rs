//! The way of one shard's images to the keeper, and of the answers back.
//!
//! Source: own reasoning.

use std::fmt;
use std::sync::mpsc::SyncSender;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::ImageParts;
use crate::journal::{FrameName, Head, ImageName, Images, JournalError};
use crate::limits::IMAGE_LANE_MAX;

/// Something to be written.
pub enum ImageWrite {
    /// Store the parts of an image, then put its head in force. The keeper fills in the head's trunk and parts.
    Put(Box<Head>, Box<dyn ImageParts>),
    /// Put in force that an object ended, and forget its parts.
    End(Box<Head>),
    /// Forget an image and its head.
    Remove(ImageName),
    /// Store what the shard must know besides.
    State(Bytes),
    /// Forget the frames of the shard's journal before this one; what was written before is durable by then.
    Cut(FrameName),
}

impl fmt::Debug for ImageWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(head, _) => f.debug_tuple("Put").field(head).finish_non_exhaustive(),
            Self::End(head) => f.debug_tuple("End").field(head).finish(),
            Self::Remove(image) => f.debug_tuple("Remove").field(image).finish(),
            Self::State(state) => f.debug_tuple("State").field(&state.len()).finish(),
            Self::Cut(frame) => f.debug_tuple("Cut").field(frame).finish(),
        }
    }
}

/// What the keeper tells a shard.
#[derive(Debug)]
pub enum Written<L> {
    /// The write of this number is done, and durable.
    Done(u64),
    /// A write failed or nobody knows; it and all later ones of the shard are dropped, and the shard must stop.
    Failed(JournalError),
    /// What a load made.
    Loaded(L),
}

/// Reads an image and makes something of it, on the keeper's thread. What is wrong with the image is for what it makes
/// to say: it is no failure of the keeper.
#[expect(clippy::type_complexity, reason = "an alias would only hide it")]
pub struct ImageLoad<L>(Box<dyn FnOnce(&mut dyn Images) -> L + Send>);

impl<L> ImageLoad<L> {
    /// A load that runs this.
    pub fn new(load: impl FnOnce(&mut dyn Images) -> L + Send + 'static) -> Self {
        Self(Box::new(load))
    }

    pub(super) fn run(self, images: &mut dyn Images) -> L {
        (self.0)(images)
    }
}

impl<L> fmt::Debug for ImageLoad<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ImageLoad")
    }
}

/// What is asked of the thread.
pub(super) enum Task<L> {
    Load(ImageLoad<L>),
    Write(u64, ImageWrite),
}

/// A task and whose it is.
pub(super) struct Asked<L> {
    pub(super) lane: usize,
    pub(super) task: Task<L>,
}

/// The lane of one shard.
pub struct ImageLane<L> {
    lane: usize,
    asked: SyncSender<Asked<L>>,
    outcomes: mpsc::Receiver<Written<L>>,
    /// Tasks without an answer.
    waiting: usize,
}

impl<L> fmt::Debug for ImageLane<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageLane").field("lane", &self.lane).field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl<L> ImageLane<L> {
    pub(super) fn new(lane: usize, asked: SyncSender<Asked<L>>, outcomes: mpsc::Receiver<Written<L>>) -> Self {
        Self { lane, asked, outcomes, waiting: 0 }
    }

    /// Whether one more task may be handed over; it is again when an answer was taken.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting < IMAGE_LANE_MAX
    }

    /// Has something written; [`Written::Done`] tells `id` when it is durable.
    ///
    /// # Errors
    /// The lane is full, or the keeper ended.
    pub fn write(&mut self, id: u64, write: ImageWrite) -> Result<(), JournalError> {
        self.submit(Task::Write(id, write))
    }

    /// Has something loaded.
    ///
    /// # Errors
    /// The lane is full, or the keeper ended.
    pub fn load(&mut self, load: ImageLoad<L>) -> Result<(), JournalError> {
        self.submit(Task::Load(load))
    }

    fn submit(&mut self, task: Task<L>) -> Result<(), JournalError> {
        if !self.has_room() {
            return Err(JournalError::InDoubt("more images are on their way than the keeper has room for".to_owned()));
        }
        self.asked.try_send(Asked { lane: self.lane, task }).map_err(|_| gone())?;
        self.waiting += 1;
        Ok(())
    }

    /// An answer, if there is one.
    pub fn poll_outcome(&mut self) -> Option<Written<L>> {
        let written = self.outcomes.try_recv().ok()?;
        Some(self.taken(written))
    }

    /// Waits for an answer. Nothing is lost when it is dropped before it is done.
    pub async fn outcome(&mut self) -> Written<L> {
        match self.outcomes.recv().await {
            Some(written) => self.taken(written),
            None => Written::Failed(gone()),
        }
    }

    fn taken(&mut self, written: Written<L>) -> Written<L> {
        self.waiting = self.waiting.saturating_sub(1);
        written
    }
}

fn gone() -> JournalError {
    JournalError::InDoubt("the thread that keeps images ended".to_owned())
}
