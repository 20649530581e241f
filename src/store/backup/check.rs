//! What must hold of the records of a backup, checked where they are written and where they are read.
//!
//! ```text
//! shard 0: state? (part* head)* frame*   shard 1: ...
//! ```
//! Invariants: frames of a shard form one chain from the checksum that the first names to the frame that was announced
//! as the last; the parts before a head are those that it names, with its checksums. Source: `docs/backup.md` §2.

use bytes::Bytes;
use thiserror::Error;

use super::CheckError;
use super::record::{Kind, Record};
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::{Birth, Epoch, FrameNumber, PartId, ShardId};
use crate::journal::{
    Append, Chain, DamagedImage, EncodedFrame, FrameName, Head, ImageError, ImageName, JournalError, Part, PartName,
    Term, decode_state,
};

/// What is to come of one shard, and what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Its newest term; none if it was never claimed.
    pub(crate) term: Option<Term>,
    /// What its oldest frame names as the checksum of the one before.
    pub(crate) first_crc: u32,
    /// Its newest frame.
    pub(crate) last: FrameName,
    pub(crate) last_crc: u32,
    pub(crate) frames: u64,
    pub(crate) images: u64,
    /// Bytes in its records.
    pub(crate) bytes: u64,
}

impl Extent {
    pub(super) fn write(&self, w: &mut Writer) {
        w.sized(&self.term.map(Term::encode).unwrap_or_default());
        w.raw(&self.first_crc.to_le_bytes());
        w.varint(self.last.epoch.0);
        w.varint(self.last.number.0);
        w.raw(&self.last_crc.to_le_bytes());
        [self.frames, self.images, self.bytes].into_iter().for_each(|number| w.varint(number));
    }

    pub(super) fn read(shard: ShardId, r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let term = match r.sized()? {
            [] => None,
            bytes => Some(Term::decode(bytes).map_err(|_| DecodeError::Unknown { what: "term", found: 0 })?),
        };
        let first_crc = u32::from_le_bytes(r.array()?);
        let last = FrameName { shard, epoch: Epoch(r.varint()?), number: FrameNumber(r.varint()?) };
        let last_crc = u32::from_le_bytes(r.array()?);
        Ok(Self { term, first_crc, last, last_crc, frames: r.varint()?, images: r.varint()?, bytes: r.varint()? })
    }
}

/// Records that do not follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Disorder {
    /// A record of a shard that is done, or was never announced.
    #[error("a record of shard {shard} stands where none can")]
    Shard {
        /// The shard.
        shard: ShardId,
    },
    /// A record behind others that come after it.
    #[error("a record of shard {shard} stands behind frame {last}, where it cannot")]
    Order {
        /// The shard.
        shard: ShardId,
        /// The last frame.
        last: FrameName,
    },
    /// A part that no head names.
    #[error("there are parts of image {image} without their head")]
    Parts {
        /// The image.
        image: ImageName,
    },
    /// The frames end elsewhere.
    #[error("the last frame is {found}, not {announced}")]
    End {
        /// The last one that came.
        found: FrameName,
        /// The one that was to come.
        announced: FrameName,
    },
    /// The counts of frames or images are others.
    #[error("there are more or fewer records than the manifest says")]
    Counts,
}

/// A record that is right.
#[derive(Debug)]
pub(crate) enum Checked {
    State(ShardId, Bytes),
    Part(PartName, Bytes),
    Head(ShardId, Head),
    Frame(Append),
}

/// Reads the records of a backup in their order.
#[derive(Debug)]
pub(super) struct Checker {
    announced: Vec<Extent>,
    done: Vec<Extent>,
    chain: Chain,
    current: Extent,
    /// The image whose parts come, and their checksums.
    parts: Option<(Birth, Vec<Part>)>,
    /// The image that came last.
    image: Option<Birth>,
}

impl Checker {
    pub(super) fn new(announced: &[Extent]) -> Self {
        let current = Self::begun(announced, ShardId(0));
        let chain = Chain::of(ShardId(0), current.first_crc);
        Self { announced: announced.to_vec(), done: Vec::new(), chain, current, parts: None, image: None }
    }

    /// A shard of which nothing came yet.
    fn begun(announced: &[Extent], shard: ShardId) -> Extent {
        let last = FrameName::before_all(shard);
        let known = announced.get(usize::from(shard.0));
        let (term, first_crc) = known.map_or((None, 0), |known| (known.term, known.first_crc));
        Extent { term, first_crc, last, last_crc: first_crc, frames: 0, images: 0, bytes: 0 }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// It does not belong here, or is damaged.
    pub(super) fn take(&mut self, record: &Record) -> Result<Checked, CheckError> {
        let Record { shard, kind, bytes } = record;
        while self.current.last.shard < *shard {
            self.end_shard()?;
        }
        if self.current.last.shard != *shard || usize::from(shard.0) >= self.announced.len() {
            return Err(Disorder::Shard { shard: *shard }.into());
        }
        if *kind != Kind::Frame && self.current.frames > 0 {
            return Err(Disorder::Order { shard: *shard, last: self.current.last }.into());
        }
        self.current.bytes += bytes.len() as u64;
        match *kind {
            Kind::State => self.state(*shard, bytes),
            Kind::Part(birth, part) => self.part(ImageName { shard: *shard, birth }, part, bytes),
            Kind::Head(birth) => self.head(ImageName { shard: *shard, birth }, bytes),
            Kind::Frame => self.frame(bytes),
        }
    }

    /// Everything came: what it was.
    ///
    /// # Errors
    /// A shard ends before its announced end.
    pub(super) fn finish(mut self) -> Result<Vec<Extent>, CheckError> {
        while self.done.len() < self.announced.len() {
            self.end_shard()?;
        }
        Ok(self.done)
    }

    fn end_shard(&mut self) -> Result<(), CheckError> {
        let shard = self.current.last.shard;
        let Some(announced) = self.announced.get(usize::from(shard.0)) else {
            return Err(Disorder::Shard { shard }.into());
        };
        if let Some((birth, _)) = &self.parts {
            return Err(Disorder::Parts { image: ImageName { shard, birth: *birth } }.into());
        }
        if (self.current.last, self.current.last_crc) != (announced.last, announced.last_crc) {
            return Err(Disorder::End { found: self.current.last, announced: announced.last }.into());
        }
        self.done.push(self.current);
        let next = ShardId(shard.0.saturating_add(1));
        self.current = Self::begun(&self.announced, next);
        self.chain = Chain::of(next, self.current.first_crc);
        self.image = None;
        Ok(())
    }

    fn state(&mut self, shard: ShardId, bytes: &Bytes) -> Result<Checked, CheckError> {
        let damaged = |error| CheckError::Journal(JournalError::State { shard, error });
        Ok(Checked::State(shard, decode_state(bytes).map_err(damaged)?))
    }

    fn part(&mut self, image: ImageName, id: PartId, bytes: &Bytes) -> Result<Checked, CheckError> {
        let (birth, parts) = self.parts.get_or_insert_with(|| (image.birth, Vec::new()));
        if *birth != image.birth {
            return Err(Disorder::Parts { image: ImageName { birth: *birth, ..image } }.into());
        }
        parts.push(Part { id, crc: crc32fast::hash(bytes) });
        Ok(Checked::Part(PartName { image, part: id }, bytes.clone()))
    }

    fn head(&mut self, image: ImageName, bytes: &Bytes) -> Result<Checked, CheckError> {
        let damaged = |error| {
            let damage = DamagedImage { image, object: None, error };
            CheckError::Journal(JournalError::Image(Box::new(damage)))
        };
        let head = Head::decode(image, bytes).map_err(damaged)?;
        let parts = match self.parts.take() {
            Some((birth, _)) if birth != image.birth => {
                return Err(Disorder::Parts { image: ImageName { birth, ..image } }.into());
            }
            Some((_, parts)) => parts,
            None => Vec::new(),
        };
        let named = head.live().map_or(&[][..], |live| &live.parts[..]);
        if let Some(error) = difference(named, &parts) {
            return Err(damaged(error));
        }
        if self.image.is_some_and(|last| last >= image.birth) || named.len() != parts.len() {
            return Err(Disorder::Parts { image }.into());
        }
        self.image = Some(image.birth);
        self.current.images += 1;
        Ok(Checked::Head(image.shard, head))
    }

    fn frame(&mut self, bytes: &Bytes) -> Result<Checked, CheckError> {
        if let Some((birth, _)) = &self.parts {
            let image = ImageName { shard: self.current.last.shard, birth: *birth };
            return Err(Disorder::Parts { image }.into());
        }
        let expected = self.chain.last_crc();
        let frame = self.chain.next(bytes).map_err(CheckError::Journal)?;
        self.current.frames += 1;
        (self.current.last, self.current.last_crc) = (frame.name(), self.chain.last_crc());
        let (name, time_ms, crc) = (frame.name(), frame.time_ms, self.chain.last_crc());
        Ok(Checked::Frame(Append { frame: EncodedFrame { name, time_ms, bytes: bytes.clone(), crc }, expected }))
    }
}

/// The first part that a head names and that did not come as it says.
fn difference(named: &[Part], came: &[Part]) -> Option<ImageError> {
    named.iter().zip(came.iter().map(Some).chain(std::iter::repeat(None))).find_map(|(named, came)| match came {
        Some(came) if came == named => None,
        Some(came) if came.id == named.id => {
            Some(ImageError::Part { part: named.id, found: came.crc, expected: named.crc })
        }
        _ => Some(ImageError::NoPart { part: named.id }),
    })
}
