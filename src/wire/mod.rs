//! Records: what a node and a repository say to each other, and the links that carry it.
//!
//! The station between a change that was encoded and a repository that judges it, and between a frame that is durable
//! and the replicas it reaches. A link is an ordered stream of records each way and, beside it, segments of bulk
//! transfers that overtake nothing and are overtaken by everything. Invariants: a record is at most
//! [`RECORD_BYTES_MAX`](crate::limits::RECORD_BYTES_MAX) bytes; bytes from a peer are judged before they are believed;
//! frequent records have a one-byte head. Source: `docs/wire.md` §6, normative; golden bytes in `tests/codec/`.

mod codes;
mod commit;
mod delivery;
mod event;
mod find;
mod framing;
mod group;
mod link;
mod lock;
mod segment;
mod shard_address;
mod to_node;
mod to_repository;

pub use codes::{CloseCode, FailureCode};
pub use delivery::Delivery;
pub use event::{EventAnswer, EventRequest};
pub use find::{Find, Found};
pub use framing::{RawRecord, Records};
pub use group::{GroupAnswer, GroupCommit, GroupPart, GroupRead, PartOutcome};
pub use link::{Arrival, CloseReason, Inlet, Outlet};
pub use lock::{LockAnswer, LockRequest};
pub use segment::Segment;
pub use shard_address::ShardAddress;
pub use to_node::{Form, ToNode};
pub use to_repository::{Again, CreationValue, ToRepository};

/// The version of this protocol; both sides must name the same one.
pub const PROTOCOL: u32 = 1;
