//! Images: what an object is at one version, in parts, so that the journal before it can be cut.
//!
//! ```text
//!  head of (shard, birth) ── alias, class, key, version, limits, trunk
//!                         └─ part table: id, checksum   ─▶ part (shard, birth, id) │ part │ part ...
//! ```
//! A part is about a page of the document and is written once: what changes gets a new id. Invariants: parts are stored
//! before the head that names them; a head is replaced in one step, and with it the parts that it does not name go;
//! what is read back is what a head's checksums say, or refused with its name. Source: shadow paging as in System R
//! (Gray et al. 1981); own reasoning.

use bytes::Bytes;

use super::JournalError;
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, PartId, ShardId, Version};

/// Names the image of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    /// The shard that owns the object.
    pub shard: ShardId,
    /// The object's birth.
    pub birth: Birth,
}

/// Names one part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName {
    /// The image.
    pub image: ImageName,
    /// The part.
    pub part: PartId,
}

/// A part as its head knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name within the image.
    pub id: PartId,
    /// CRC32C of its bytes.
    pub crc: u32,
}

/// What a restart must know of an object before anyone asks for its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The object's slot.
    pub alias: Alias,
    /// Its birth.
    pub birth: Birth,
    /// Whether it lives.
    pub body: HeadBody,
}

/// An object that lives, or the memory of one that does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadBody {
    /// It lives, and these are its parts.
    Live {
        /// Its class.
        class: String,
        /// Its key.
        key: String,
        /// The version that the image is of: entries of the journal up to it are contained.
        version: Version,
        /// When it ends by itself.
        expiry: Expiry,
        /// The shard's time, in milliseconds, from which its lifetime counts.
        limited_at_ms: u64,
        /// What the document needs to find its parts.
        trunk: Bytes,
        /// Every part, ids ascending.
        parts: Vec<Part>,
    },
    /// It ended: entries of the journal that mean this birth are to be passed over. Forgotten when the journal is cut
    /// behind its end.
    Ended,
}

/// A place that keeps the images of shards' objects. Calls may block until the device answers.
///
/// # Laws
/// 1. `put_head` replaces a head in one step and is durable when it answers `Ok`, and so are all parts put before it.
/// 2. Parts that the new head does not name are forgotten with it; parts that no head names may be there or not.
/// 3. `part` answers the bytes that were put last under that name, or an error: a checksum is the caller's to compare.
/// 4. `heads` visits every head once, births ascending.
/// 5. A failure leaves the head before in force; it is not tried again.
pub trait Images: Send {
    /// Stores parts of an image that no head names yet.
    ///
    /// # Errors
    /// `InDoubt`: they may be there or not.
    fn put_parts(&mut self, image: ImageName, parts: &[(PartId, Bytes)]) -> Result<(), JournalError>;

    /// Puts a head in force, and forgets the parts named in `dropped`.
    ///
    /// # Errors
    /// `InDoubt`: this head or the one before is in force.
    fn put_head(&mut self, shard: ShardId, head: &Head, dropped: &[PartId]) -> Result<(), JournalError>;

    /// Forgets a head and all parts of its image.
    ///
    /// # Errors
    /// `InDoubt`: they may be there or not.
    fn remove(&mut self, image: ImageName) -> Result<(), JournalError>;

    /// Visits the heads of a shard.
    ///
    /// # Errors
    /// `Unreadable` or `Damaged`.
    fn heads(&mut self, shard: ShardId, visit: &mut dyn FnMut(Head) -> bool) -> Result<(), JournalError>;

    /// Reads a part.
    ///
    /// # Errors
    /// `Unreadable` if it is not there or cannot be read.
    fn part(&mut self, name: PartName) -> Result<Bytes, JournalError>;

    /// Stores what a shard must know besides its objects and frames, durable when it answers `Ok`.
    ///
    /// # Errors
    /// `InDoubt`: this state or the one before is there.
    fn put_state(&mut self, shard: ShardId, state: &Bytes) -> Result<(), JournalError>;

    /// Reads the state of a shard; `None` if none was ever stored.
    ///
    /// # Errors
    /// `Unreadable` or `Damaged`.
    fn state(&mut self, shard: ShardId) -> Result<Option<Bytes>, JournalError>;
}
