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

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::JournalError;
use crate::coding::DecodeError;
use crate::expiry::Expiry;
use crate::ids::{Alias, Birth, CommitNumber, FieldId, ObjectName, PartId, ShardId, Version};

/// Names the image of one object: `shard:birth`, as in `0:17.4`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    /// The shard that owns the object.
    pub shard: ShardId,
    /// The object's birth.
    pub birth: Birth,
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.shard, self.birth)
    }
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
    /// CRC-32 (IEEE) of its bytes.
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
    /// It lives.
    Live(Box<LiveHead>),
    /// It ended: entries of the journal that mean this birth are to be passed over. Forgotten when the journal is cut
    /// behind its end.
    Ended {
        /// The commit that ended it.
        at: CommitNumber,
    },
}

/// What the image of an object that lives is of, and where its parts are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveHead {
    /// Its class.
    pub class: String,
    /// Its key.
    pub key: String,
    /// The version that the image is of: entries of the journal up to it are contained.
    pub version: Version,
    /// When it ends by itself.
    pub expiry: Expiry,
    /// The shard's time, in milliseconds, from which its lifetime counts.
    pub limited_at_ms: u64,
    /// What the fields hold that its class had marked `index` when the image was made, so that it is found without being
    /// loaded; ids ascending.
    pub indexed: Vec<IndexedValue>,
    /// What the document needs to find its parts.
    pub trunk: Bytes,
    /// Every part, ids ascending.
    pub parts: Vec<Part>,
}

/// What an object holds in one indexed field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedValue {
    /// The field of its root.
    pub field: FieldId,
    /// The value as encoded, a sized one without its length; `None` if there is none, or if it is longer than
    /// [`INDEXED_BYTES_MAX`](crate::limits::INDEXED_BYTES_MAX).
    pub value: Option<Arc<[u8]>>,
}

impl Head {
    /// The name of the image in `shard`.
    #[must_use]
    pub fn name(&self, shard: ShardId) -> ImageName {
        ImageName { shard, birth: self.birth }
    }

    /// What the image is of, if its object lives.
    #[must_use]
    pub fn live(&self) -> Option<&LiveHead> {
        match &self.body {
            HeadBody::Live(live) => Some(live),
            HeadBody::Ended { .. } => None,
        }
    }
}

impl LiveHead {
    /// Whose image it is.
    #[must_use]
    pub fn object(&self) -> ObjectName {
        ObjectName { class: self.class.clone(), key: self.key.clone() }
    }

    /// The error that this is wrong with the image.
    #[must_use]
    pub fn damaged(&self, image: ImageName, error: ImageError) -> JournalError {
        JournalError::Image(Box::new(DamagedImage { image, object: Some(self.object()), error }))
    }

    /// Checks that these are the bytes of a part.
    ///
    /// # Errors
    /// `Image`: they are not.
    pub fn check(&self, image: ImageName, part: Part, bytes: &[u8]) -> Result<(), JournalError> {
        match crc32fast::hash(bytes) {
            found if found == part.crc => Ok(()),
            found => Err(self.damaged(image, ImageError::Part { part: part.id, found, expected: part.crc })),
        }
    }
}

/// Says why an image is not what it claims to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It does not start with the magic of a head or a state.
    #[error("there is nothing of nam here")]
    Magic,
    /// It was written by a version with another format.
    #[error("its format is {found}, this version reads {known}")]
    Format {
        /// The format found.
        found: u8,
        /// The format of this version.
        known: u8,
    },
    /// Its bytes changed after they were written.
    #[error("checksum {found:#010x} where {computed:#010x} was expected")]
    Checksum {
        /// The checksum in it.
        found: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// Its content does not decode.
    #[error("its content: {0}")]
    Content(#[from] DecodeError),
    /// It is that of another object.
    #[error("the head of {found} stands in its place")]
    Elsewhere {
        /// Whose it is.
        found: ImageName,
    },
    /// The image has no head, or one that says that its object ended.
    #[error("its head is not there")]
    NoHead,
    /// A part that the head names is not there.
    #[error("part {part} is not there")]
    NoPart {
        /// The part.
        part: PartId,
    },
    /// A part cannot be read.
    #[error("part {part} cannot be read: {what}")]
    Unreadable {
        /// The part.
        part: PartId,
        /// What the store said.
        what: String,
    },
    /// A part is not the one that the head names.
    #[error("part {part} has checksum {found:#010x} where {expected:#010x} was expected")]
    Part {
        /// The part.
        part: PartId,
        /// The checksum of its bytes.
        found: u32,
        /// The checksum in the head.
        expected: u32,
    },
}

/// An image that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedImage {
    /// The image.
    pub image: ImageName,
    /// Whose it is, if its head says so.
    pub object: Option<ObjectName>,
    /// What is wrong.
    pub error: ImageError,
}

impl fmt::Display for DamagedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Some(object) => write!(f, "the image {} of {object} is damaged: {}", self.image, self.error),
            None => write!(f, "the image {} is damaged: {}", self.image, self.error),
        }
    }
}

/// A head to be put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutHead {
    /// The shard that owns the object.
    pub shard: ShardId,
    /// The head.
    pub head: Head,
    /// Parts of the head before that this one does not name.
    pub dropped: Vec<PartId>,
}

/// A place that keeps the images of shards' objects. Calls may block until the device answers.
///
/// # Laws
/// 1. `put_heads` replaces each head in one step; all are durable when it answers `Ok`, and so are all parts put before.
/// 2. Parts that are named in `dropped` are forgotten with their head, all of an image if the head says that the object ended;
///    parts that no head names may be there or not.
/// 3. `part` answers the bytes that were put last under that name, or none.
/// 4. `heads` visits every head once, births ascending; a head that is damaged ends the visit with its name.
/// 5. A failure leaves the head before in force, or puts the new one there; it is not tried again, and nothing is
///    written after it.
/// 6. `put_state` replaces a state in one step and is durable when it answers `Ok`.
pub trait Images: Send {
    /// Stores parts of an image that no head names yet.
    ///
    /// # Errors
    /// `InDoubt`: they may be there or not.
    fn put_parts(&mut self, image: ImageName, parts: &[(PartId, Bytes)]) -> Result<(), JournalError>;

    /// Puts heads in force, of different images, and forgets the parts named in `dropped`.
    ///
    /// # Errors
    /// `InDoubt`: of each image this head or the one before is in force.
    fn put_heads(&mut self, heads: &[PutHead]) -> Result<(), JournalError>;

    /// Puts one head in force.
    ///
    /// # Errors
    /// `InDoubt`: this head or the one before is in force.
    fn put_head(&mut self, shard: ShardId, head: &Head, dropped: &[PartId]) -> Result<(), JournalError> {
        self.put_heads(&[PutHead { shard, head: head.clone(), dropped: dropped.to_vec() }])
    }

    /// Forgets all parts of an image, and then its head.
    ///
    /// # Errors
    /// `InDoubt`: they may be there or not.
    fn remove(&mut self, image: ImageName) -> Result<(), JournalError>;

    /// Visits the heads of a shard; stops early when `visit` answers false.
    ///
    /// # Errors
    /// `Unreadable` or `Image`.
    fn heads(&mut self, shard: ShardId, visit: &mut dyn FnMut(Head) -> bool) -> Result<(), JournalError>;

    /// Reads a head, if there is one.
    ///
    /// # Errors
    /// `Unreadable` or `Image`.
    fn head(&mut self, image: ImageName) -> Result<Option<Head>, JournalError>;

    /// Reads a part, if it is there; the checksum is the caller's to compare, or [`Images::checked_part`]'s.
    ///
    /// # Errors
    /// `Unreadable`.
    fn part(&mut self, name: PartName) -> Result<Option<Bytes>, JournalError>;

    /// Stores what a shard must know besides its objects and frames.
    ///
    /// # Errors
    /// `InDoubt`: this state or the one before is there.
    fn put_state(&mut self, shard: ShardId, state: &Bytes) -> Result<(), JournalError>;

    /// Reads the state of a shard; `None` if none was ever stored.
    ///
    /// # Errors
    /// `Unreadable` or `State`.
    fn state(&mut self, shard: ShardId) -> Result<Option<Bytes>, JournalError>;

    /// Whether there is room for an image that nobody waits for.
    fn has_room(&mut self) -> bool {
        true
    }

    /// Reads a part that the head of an image names.
    ///
    /// # Errors
    /// `Image`: it is not there, not readable, or another.
    fn checked_part(&mut self, image: ImageName, head: &LiveHead, part: Part) -> Result<Bytes, JournalError> {
        let id = part.id;
        match self.part(PartName { image, part: id }) {
            Ok(Some(bytes)) => head.check(image, part, &bytes).map(|()| bytes),
            Ok(None) => Err(head.damaged(image, ImageError::NoPart { part: id })),
            Err(JournalError::Unreadable(what)) => Err(head.damaged(image, ImageError::Unreadable { part: id, what })),
            Err(error) => Err(error),
        }
    }
}
