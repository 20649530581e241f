//! Reads a whole data directory: every sum, every image, every frame, every chain.
//!
//! Source: own reasoning.

use std::path::Path;

use bytes::Bytes;

use super::directory::{DataDirectory, check_there};
use super::images::decode;
use super::tables;
use super::{DataError, DiskImages, DiskJournal, DiskSettings};
use crate::ids::ShardId;
use crate::journal::{Frame, FrameName, Head, Images, Journal, JournalError};

/// Something whole, in the order in which a start reads it.
#[derive(Clone, Copy, Debug)]
pub enum Visited<'v> {
    /// The state of a shard.
    State(ShardId, &'v Bytes),
    /// The head of an image of a shard; its parts were read.
    Image(ShardId, &'v Head),
    /// A frame.
    Frame(&'v Frame),
}

/// What was found of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The shard.
    pub shard: ShardId,
    /// Images of objects that live, whole or not.
    pub images: u64,
    /// Parts of them that are whole.
    pub parts: u64,
    /// Frames that are whole and in their place.
    pub frames: u64,
    /// Creations, commits and destructions in them.
    pub commits: u64,
    /// The last of them.
    pub last: FrameName,
    /// What is not as it was written.
    pub damages: Vec<JournalError>,
}

/// What was found in a data directory.
#[derive(Debug)]
pub struct Verification {
    /// What its shards have, as the store reads it.
    pub shards: Vec<Verified>,
    /// Tables of the store that are not as they were written.
    pub tables: Vec<DataError>,
}

/// Reads everything in the data directory `path` and shows what is good to `visit`; no term begins.
///
/// # Errors
/// [`DataError`]: there is none, it is in use, or so damaged that its frames cannot be reached.
pub fn verify(path: &Path, visit: &mut dyn FnMut(Visited<'_>)) -> Result<Verification, DataError> {
    check_there(path)?;
    let tables = {
        let _lock = DataDirectory::lock_of(path)?;
        tables::damages(&path.join("store"))
    };
    let mut journal = DiskJournal::open(path, DiskSettings::default())?;
    let mut images = journal.images_there();
    let mut shards = Vec::new();
    for shard in (0..journal.shards()).map(ShardId) {
        let last = FrameName::before_all(shard);
        let mut verified = Verified { shard, images: 0, parts: 0, frames: 0, commits: 0, last, damages: Vec::new() };
        if let Some(images) = &mut images {
            verified.read_images(images, visit);
        }
        let replayed = journal.replay(shard, &mut |frame| {
            verified.frames += 1;
            verified.commits += frame.entries.iter().filter(|entry| entry.is_commit()).count() as u64;
            verified.last = frame.name();
            visit(Visited::Frame(&frame));
            true
        });
        verified.damages.extend(replayed.err());
        shards.push(verified);
    }
    Ok(Verification { shards, tables })
}

impl Verified {
    /// Reads the state and the images of the shard, all of them, whatever is wrong with one.
    fn read_images(&mut self, images: &mut DiskImages, visit: &mut dyn FnMut(Visited<'_>)) {
        match images.state(self.shard) {
            Ok(state) => state.iter().for_each(|state| visit(Visited::State(self.shard, state))),
            Err(error) => self.damages.push(error),
        }
        for stored in images.stored_heads(self.shard) {
            let head = match stored {
                Ok((image, bytes)) => decode(image, &bytes),
                Err(text) => {
                    self.damages.push(JournalError::Unreadable(format!("the heads of shard {}: {text}", self.shard)));
                    break;
                }
            };
            match head {
                Ok(head) => {
                    if let Some(live) = head.live() {
                        self.images += 1;
                        let image = head.name(self.shard);
                        self.parts += images.check_parts(image, live, &mut |error| self.damages.push(error));
                    }
                    visit(Visited::Image(self.shard, &head));
                }
                Err(error) => self.damages.push(error),
            }
        }
    }
}
