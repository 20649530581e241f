//! Images with somebody in between: for tests and benches that count, delay or fail what is written.
//!
//! Invariant: what is read passes through untouched. Source: own reasoning.

use std::fmt;

use bytes::Bytes;

use crate::ids::{PartId, ShardId};
use crate::journal::{Head, ImageName, Images, JournalError, PartName, PutHead};

/// One write of a place of images, or the question for room before it.
#[derive(Clone, Copy, Debug)]
pub enum ImageCall<'c> {
    /// [`Images::put_parts`].
    Parts(ImageName, &'c [(PartId, Bytes)]),
    /// [`Images::put_heads`].
    Heads(&'c [PutHead]),
    /// [`Images::remove`].
    Remove(ImageName),
    /// [`Images::put_state`].
    State(ShardId, &'c Bytes),
    /// [`Images::has_room`]; an error says that there is none.
    Room,
}

impl ImageCall<'_> {
    /// Makes the call.
    ///
    /// # Errors
    /// Those of the call.
    pub fn make(self, images: &mut dyn Images) -> Result<(), JournalError> {
        match self {
            Self::Parts(image, parts) => images.put_parts(image, parts),
            Self::Heads(heads) => images.put_heads(heads),
            Self::Remove(image) => images.remove(image),
            Self::State(shard, state) => images.put_state(shard, state),
            Self::Room if images.has_room() => Ok(()),
            Self::Room => Err(JournalError::InDoubt("there is no room".to_owned())),
        }
    }
}

/// A place of images whose writes, and the question for room, go through a function, which makes the call or does not.
pub struct TappedImages<I, F> {
    images: I,
    tap: F,
}

impl<I: Images, F> TappedImages<I, F>
where
    F: FnMut(&mut I, ImageCall<'_>) -> Result<(), JournalError> + Send,
{
    /// Has `tap` called in the place of every write of `images`.
    ///
    /// ```
    /// use nam::ids::ShardId;
    /// use nam::journal::Images;
    /// use nam::store::{ImageCall, MemoryImages, TappedImages};
    ///
    /// let mut states = 0;
    /// let mut images = TappedImages::new(MemoryImages::new(), |images, call| {
    ///     states += usize::from(matches!(call, ImageCall::State(..)));
    ///     call.make(images)
    /// });
    /// images.put_state(ShardId(0), &"what it knows".into())?;
    /// assert_eq!(images.state(ShardId(0))?, Some("what it knows".into()));
    /// drop(images);
    /// assert_eq!(states, 1);
    /// # Ok::<(), nam::journal::JournalError>(())
    /// ```
    pub fn new(images: I, tap: F) -> Self {
        Self { images, tap }
    }
}

impl<I: fmt::Debug, F> fmt::Debug for TappedImages<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TappedImages").field("images", &self.images).finish_non_exhaustive()
    }
}

impl<I: Images, F> Images for TappedImages<I, F>
where
    F: FnMut(&mut I, ImageCall<'_>) -> Result<(), JournalError> + Send,
{
    fn put_parts(&mut self, image: ImageName, parts: &[(PartId, Bytes)]) -> Result<(), JournalError> {
        (self.tap)(&mut self.images, ImageCall::Parts(image, parts))
    }

    fn put_heads(&mut self, heads: &[PutHead]) -> Result<(), JournalError> {
        (self.tap)(&mut self.images, ImageCall::Heads(heads))
    }

    fn remove(&mut self, image: ImageName) -> Result<(), JournalError> {
        (self.tap)(&mut self.images, ImageCall::Remove(image))
    }

    fn heads(&mut self, shard: ShardId, visit: &mut dyn FnMut(Head) -> bool) -> Result<(), JournalError> {
        self.images.heads(shard, visit)
    }

    fn head(&mut self, image: ImageName) -> Result<Option<Head>, JournalError> {
        self.images.head(image)
    }

    fn part(&mut self, name: PartName) -> Result<Option<Bytes>, JournalError> {
        self.images.part(name)
    }

    fn put_state(&mut self, shard: ShardId, state: &Bytes) -> Result<(), JournalError> {
        (self.tap)(&mut self.images, ImageCall::State(shard, state))
    }

    fn state(&mut self, shard: ShardId) -> Result<Option<Bytes>, JournalError> {
        self.images.state(shard)
    }

    fn has_room(&mut self) -> bool {
        (self.tap)(&mut self.images, ImageCall::Room).is_ok()
    }
}
