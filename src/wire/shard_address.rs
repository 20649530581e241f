//! Where each shard of a repository is, as a welcome names it: nodes make a link to every one.
//!
//! Invariant: no room is made for what is not there. Source: `docs/wire.md` §6.2.

use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::{Epoch, ShardId};

/// Where a shard is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardAddress {
    /// The shard.
    pub shard: ShardId,
    /// Its term, as far as known.
    pub epoch: Epoch,
    /// Host and port, each.
    pub addresses: Vec<String>,
}

impl ShardAddress {
    pub(super) fn write(&self, w: &mut Writer) {
        w.varint(u64::from(self.shard.0));
        w.varint(self.epoch.0);
        w.length(self.addresses.len());
        self.addresses.iter().for_each(|address| w.sized(address.as_bytes()));
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let shard = read_shard(r)?;
        let epoch = Epoch(r.varint()?);
        let count = r.count(1)?;
        let addresses = (0..count).map(|_| r.text().map(str::to_owned)).collect::<Result<_, _>>()?;
        Ok(Self { shard, epoch, addresses })
    }
}

pub(super) fn read_shard(r: &mut Reader<'_>) -> Result<ShardId, DecodeError> {
    u16::try_from(r.varint()?).map(ShardId).map_err(|_| DecodeError::Varint)
}
