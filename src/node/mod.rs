//! The node core: replicas, and the half of the protocol that keeps them true.
//!
//! Deterministic and without I/O: a [`Core`] for each link to a shard is told what arrived and says what to send; a
//! [`Slot`] for each object is where tasks read and update. The core orders what happens to a slot through [`Replica`]
//! and never holds a user's struct. Invariants: I2–I5, I8, I13 of `ARCHITECTURE.md`. Source: own reasoning.

mod core;
mod memory;
mod replica;
mod slot;
mod state;
mod verdict;

pub use self::core::{Answer, Core, CoreEvent, LinkState, Told, Violation, Welcome};
pub use memory::Memory;
pub use replica::{
    Applied, Ending, Host, MarkId, Outgoing, Refusal, RefusedCommit, Replica, ReplicaId, Ring, Settlement,
};
pub use slot::{
    AloneTurn, Change, Guard, Mark, PathChange, PathWatcher, Reservation, Rule, Scope, Slot, Step, Steps, Unreadable,
    Watcher,
};
pub use state::{Event, State};
pub use verdict::{Settled, Ticket};
