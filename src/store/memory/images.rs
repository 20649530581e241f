//! Images in memory: for tests and the simulator.
//!
//! Heads and states are kept as their bytes, so that what is read went through the codec. Invariant: the same calls
//! leave the same content, and [`MemoryImages::copy`] stands for what a crash finds. Source: own reasoning.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::ids::{Birth, CommitNumber, Epoch, PartId, ShardId};
use crate::journal::{
    DamagedImage, Head, HeadBody, ImageError, ImageName, Images, JournalError, PartName, PutHead, decode_state,
    encode_state,
};

/// Images in memory; clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryImages {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    heads: BTreeMap<ImageName, Bytes>,
    parts: BTreeMap<PartName, Bytes>,
    states: BTreeMap<ShardId, Bytes>,
}

impl Kept {
    fn forget_parts(&mut self, image: ImageName) {
        let names: Vec<PartName> = self.parts.range(part(image, 0)..=part(image, u32::MAX)).map(|(k, _)| *k).collect();
        for name in names {
            self.parts.remove(&name);
        }
    }
}

impl MemoryImages {
    /// A place with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A place of its own with the same content.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { kept: Arc::new(Mutex::new(self.kept.lock().clone())) }
    }

    /// Parts that are there, those that no head names included.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.kept.lock().parts.len()
    }
}

impl Images for MemoryImages {
    fn put_parts(&mut self, image: ImageName, parts: &[(PartId, Bytes)]) -> Result<(), JournalError> {
        let named = parts.iter().map(|(part, bytes)| (PartName { image, part: *part }, bytes.clone()));
        self.kept.lock().parts.extend(named);
        Ok(())
    }

    fn put_heads(&mut self, heads: &[PutHead]) -> Result<(), JournalError> {
        let mut kept = self.kept.lock();
        for PutHead { shard, head, dropped } in heads {
            let image = head.name(*shard);
            kept.heads.insert(image, head.encode(*shard).into());
            for part in dropped {
                kept.parts.remove(&PartName { image, part: *part });
            }
            if matches!(head.body, HeadBody::Ended { .. }) {
                kept.forget_parts(image);
            }
        }
        Ok(())
    }

    fn remove(&mut self, image: ImageName) -> Result<(), JournalError> {
        let mut kept = self.kept.lock();
        kept.forget_parts(image);
        kept.heads.remove(&image);
        Ok(())
    }

    fn heads(&mut self, shard: ShardId, visit: &mut dyn FnMut(Head) -> bool) -> Result<(), JournalError> {
        let last = Birth(CommitNumber { epoch: Epoch(u64::MAX), n: u64::MAX });
        let all = ImageName { shard, birth: Birth::default() }..=ImageName { shard, birth: last };
        let heads: Vec<(ImageName, Bytes)> =
            self.kept.lock().heads.range(all).map(|(name, bytes)| (*name, bytes.clone())).collect();
        for (image, bytes) in heads {
            if !visit(decode(image, &bytes)?) {
                break;
            }
        }
        Ok(())
    }

    fn head(&mut self, image: ImageName) -> Result<Option<Head>, JournalError> {
        let bytes = self.kept.lock().heads.get(&image).cloned();
        bytes.map(|bytes| decode(image, &bytes)).transpose()
    }

    fn part(&mut self, name: PartName) -> Result<Option<Bytes>, JournalError> {
        Ok(self.kept.lock().parts.get(&name).cloned())
    }

    fn put_state(&mut self, shard: ShardId, state: &Bytes) -> Result<(), JournalError> {
        self.kept.lock().states.insert(shard, encode_state(state).into());
        Ok(())
    }

    fn state(&mut self, shard: ShardId) -> Result<Option<Bytes>, JournalError> {
        let bytes = self.kept.lock().states.get(&shard).cloned();
        let damaged = |error: ImageError| JournalError::State { shard, error };
        bytes.map(|bytes| decode_state(&bytes).map_err(damaged)).transpose()
    }
}

fn part(image: ImageName, part: u32) -> PartName {
    PartName { image, part: PartId(part) }
}

fn decode(image: ImageName, bytes: &Bytes) -> Result<Head, JournalError> {
    let damaged = |error| JournalError::Image(Box::new(DamagedImage { image, object: None, error }));
    Head::decode(image, bytes).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;

    #[test]
    fn images_in_memory_keep_the_laws() {
        let images = MemoryImages::new();
        conformance::image_laws(&mut || Box::new(images.clone()));
    }

    #[test]
    fn a_copy_stays_what_it_was() {
        let mut images = MemoryImages::new();
        let copy = images.copy();
        images.put_parts(ImageName::default(), &[(PartId(1), Bytes::new())]).unwrap();
        assert_eq!((images.parts(), copy.parts()), (1, 0));
    }
}
