//! A snapshot of the store, read record by record while frames are appended and images written.
//!
//! Invariant: it is one instant of all shards; whoever reads it holds nobody up. Source: snapshots of fjall 3.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use fjall::{Guard, Keyspace, Readable, Snapshot};
use parking_lot::Mutex;

use super::images::KEYSPACES;
use super::store::{Store, guarded, options};
use super::{DiskJournal, Open};
use crate::ids::{Birth, CommitNumber, Epoch, PartId, ShardId};
use crate::journal::{DamagedImage, Frame, FrameName, Head, ImageError, ImageName, JournalError, Term};
use crate::store::backup::{Extent, Kind, Record};

/// A snapshot; it holds the directory open.
pub(crate) struct DiskSnapshot {
    snapshot: Snapshot,
    store: Arc<Store>,
    shards: u16,
    _open: Arc<Mutex<Open>>,
}

impl fmt::Debug for DiskSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskSnapshot").field("shards", &self.shards).finish_non_exhaustive()
    }
}

impl DiskJournal {
    /// What the store holds now.
    #[must_use]
    pub(crate) fn snapshot(&self) -> DiskSnapshot {
        let open = self.open.lock();
        let (store, shards) = (Arc::clone(&open.store), open.directory.shards);
        drop(open);
        DiskSnapshot { snapshot: store.database.snapshot(), store, shards, _open: Arc::clone(&self.open) }
    }
}

impl DiskSnapshot {
    /// What it holds of each shard; nothing is counted.
    ///
    /// # Errors
    /// `Unreadable`, or the last frame or a term is damaged.
    pub(crate) fn announced(&self) -> Result<Vec<Extent>, JournalError> {
        (0..self.shards).map(|shard| self.extent(ShardId(shard))).collect()
    }

    fn extent(&self, shard: ShardId) -> Result<Extent, JournalError> {
        let term = self.get(&self.store.terms, &super::store::label(b"term", shard))?;
        let damaged = |error| JournalError::Damaged { last: FrameName::before_all(shard), error };
        let term = term.map(|bytes| Term::decode(&bytes)).transpose().map_err(damaged)?;
        let first = self.get(&self.store.terms, &super::store::label(b"first", shard))?;
        let first = first.map_or(Ok([0; 4]), |bytes| <[u8; 4]>::try_from(&bytes[..]));
        let unreadable = |_| JournalError::Unreadable(format!("the start of shard {shard} is damaged"));
        let first_crc = u32::from_le_bytes(first.map_err(unreadable)?);
        let newest = guarded(|| {
            let frames = self.store.frames.get(usize::from(shard.0));
            let newest = frames.and_then(|frames| self.snapshot.last_key_value(frames));
            newest.map(Guard::value).transpose()
        });
        let (last, last_crc) = match newest.map_err(JournalError::Unreadable)? {
            None => (FrameName::before_all(shard), first_crc),
            Some(bytes) => Frame::decode(&bytes.into()).map(|(frame, crc)| (frame.name(), crc)).map_err(damaged)?,
        };
        Ok(Extent { term, first_crc, last, last_crc, frames: 0, images: 0, bytes: 0 })
    }

    /// Hands on every record: of each shard its state, its images, each behind its parts, its frames.
    ///
    /// # Errors
    /// Those of the store, by `failed`, and those of `take`.
    pub(crate) fn visit<E>(
        &self,
        failed: &dyn Fn(JournalError) -> E,
        take: &mut dyn FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let images = self.image_tables().map_err(failed)?;
        for shard in (0..self.shards).map(ShardId) {
            if let Some([heads, parts, states]) = &images {
                if let Some(bytes) = self.get(states, &shard.0.to_be_bytes()).map_err(failed)? {
                    take(Record { shard, kind: Kind::State, bytes })?;
                }
                let mut stored = self.snapshot.prefix(heads, shard.0.to_be_bytes());
                while let Some((key, bytes)) = next(&mut stored).map_err(failed)? {
                    let image = ImageName { shard, birth: birth(&key) };
                    for part in named(image, &bytes).map_err(failed)? {
                        let key = [&key[..], &part.0.to_be_bytes()].concat();
                        let kept = self.get(parts, &key).map_err(failed)?;
                        let bytes = kept.ok_or_else(|| failed(damaged(image, ImageError::NoPart { part })))?;
                        take(Record { shard, kind: Kind::Part(image.birth, part), bytes })?;
                    }
                    take(Record { shard, kind: Kind::Head(image.birth), bytes })?;
                }
            }
            let Some(frames) = self.store.frames.get(usize::from(shard.0)) else { continue };
            let mut stored = self.snapshot.iter(frames);
            while let Some((_, bytes)) = next(&mut stored).map_err(failed)? {
                take(Record { shard, kind: Kind::Frame, bytes })?;
            }
        }
        Ok(())
    }

    /// Heads, parts and states; none in a directory that has no images.
    fn image_tables(&self) -> Result<Option<[Keyspace; 3]>, JournalError> {
        if self.store.images.is_none() {
            return Ok(None);
        }
        let [heads, parts, states] = KEYSPACES.map(|name| guarded(|| self.store.database.keyspace(name, options)));
        let tables = || Ok([heads?, parts?, states?]);
        tables().map(Some).map_err(JournalError::Unreadable)
    }

    fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Bytes>, JournalError> {
        let value = guarded(|| self.snapshot.get(keyspace, key)).map_err(JournalError::Unreadable)?;
        Ok(value.map(Bytes::from))
    }
}

fn next(stored: &mut fjall::Iter) -> Result<Option<(Bytes, Bytes)>, JournalError> {
    let entry = guarded(|| stored.next().map(Guard::into_inner).transpose()).map_err(JournalError::Unreadable)?;
    Ok(entry.map(|(key, value)| (key.into(), value.into())))
}

/// The parts that a head names.
fn named(image: ImageName, bytes: &Bytes) -> Result<Vec<PartId>, JournalError> {
    let head = Head::decode(image, bytes).map_err(|error| damaged(image, error))?;
    Ok(head.live().map(|live| live.parts.iter().map(|part| part.id).collect()).unwrap_or_default())
}

fn damaged(image: ImageName, error: ImageError) -> JournalError {
    JournalError::Image(Box::new(DamagedImage { image, object: None, error }))
}

/// The birth in the key of a head; no key of ours has another length.
fn birth(key: &[u8]) -> Birth {
    let number = |part: Option<&[u8]>| {
        part.and_then(|part| <[u8; 8]>::try_from(part).ok()).map(u64::from_be_bytes).unwrap_or_default()
    };
    Birth(CommitNumber { epoch: Epoch(number(key.get(2..10))), n: number(key.get(10..)) })
}
