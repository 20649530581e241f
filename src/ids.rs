//! Identities that travel: who, which object, which change.
//!
//! The first station of the path: every later module names things with these types. Each is a newtype, so that a
//! version cannot be taken for a sequence number. Source: own reasoning (glossary in `ARCHITECTURE.md`).

use std::fmt;

macro_rules! number_ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

number_ids! {
    /// Names a piece of an object's image; 1 and up, never used twice within one birth.
    PartId(u32);
    /// Names a field within its struct or variant; 1 and up, 0 is never a field.
    FieldId(u32);
    /// Names a variant within its enum; 0 and up.
    VariantId(u32);
    /// Counts the commits of one object; 0 is "nothing yet", the commit that creates the object makes 1.
    Version(u64);
    /// A shard's term: milliseconds since 1970 at its start, or one more than the last; rises at each start.
    Epoch(u64);
    /// Names a process that holds replicas; random, one per process.
    NodeId(u64);
    /// Names the objects owned by one repository thread.
    ShardId(u16);
    /// The slot of an object in its shard, the same number for every node; reused only when no node can still mean the old object.
    Alias(u32);
    /// Numbers the commits of one node to one shard, 1 and up; the key of exactly-once.
    Sequence(u64);
    /// Numbers the frames of a shard's journal within an epoch, 1 and up.
    FrameNumber(u64);
    /// Numbers the requests of one node to one shard; answers carry it.
    RequestId(u32);
    /// Numbers the bulk transfers of one link in one direction.
    TransferId(u32);
}

impl Version {
    /// The version after this one; of one that was read there always is one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Names one commit of a shard: the epoch it was made in and its place there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitNumber {
    /// The term in which the commit was ordered.
    pub epoch: Epoch,
    /// Its place within the term, 1 and up.
    pub n: u64,
}

impl fmt::Display for CommitNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.n)
    }
}

/// The commit that created an object; tells two objects of the same class and key apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Birth(pub CommitNumber);

impl fmt::Display for Birth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One version of one object, of one history: what a reader has seen, so that no later read shows less.
///
/// A version alone does not say that: what comes back from a backup makes versions of the same numbers again. So a token
/// names the loss before it too; histories of a shard differ only by losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// The last term of the shard that had begun with a loss.
    pub lossy_epoch: Epoch,
    /// The object.
    pub birth: Birth,
    /// Its version.
    pub version: Version,
}

impl Token {
    /// Whether this version was made from what `former` names, or is that itself.
    #[must_use]
    pub fn is_same_or_after(self, former: Self) -> bool {
        (self.lossy_epoch, self.birth) == (former.lossy_epoch, former.birth) && self.version >= former.version
    }
}

/// The commit that granted a lock, its fencing token: what is committed under the lock carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub CommitNumber);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names an object before its birth is known: class and key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The class, by the name its schema gives.
    pub class: String,
    /// The key, chosen by the application.
    pub key: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.class, self.key)
    }
}

/// The part of a key that chooses its shard: what stands between the first `{` and the next `}`, or else the whole key.
#[must_use]
pub fn routing_part(key: &str) -> &str {
    key.split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or(key, |(tag, _)| if tag.is_empty() { key } else { tag })
}

/// The shard of a key among `shards` (FNV-1a 64 of the routing part, modulo): the same on every machine, for ever.
#[must_use]
pub fn shard_of(key: &str, shards: u16) -> ShardId {
    let hash = routing_part(key)
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let shard = hash % u64::from(shards.max(1));
    ShardId(u16::try_from(shard).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_one_tag_share_a_shard() {
        assert_eq!(routing_part("cart:{alice}:1"), "alice");
        assert_eq!(routing_part("{}x"), "{}x");
        assert_eq!(shard_of("cart:{alice}", 16), shard_of("{alice}:orders", 16));
    }

    #[test]
    fn shards_of_keys_are_pinned() {
        assert_eq!(shard_of("alice", 1), ShardId(0));
        assert_eq!(shard_of("", 7), ShardId((0xcbf2_9ce4_8422_2325_u64 % 7) as u16));
        let counts = (0..4_000).fold([0; 4], |mut counts, i| {
            counts[usize::from(shard_of(&format!("key{i}"), 4).0)] += 1;
            counts
        });
        assert!(counts.iter().all(|&n| n > 800), "{counts:?}");
    }
}
