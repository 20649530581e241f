//! What an application sees: nodes, objects, guards, tokens, transactions.
//!
//! Both ends of a change's path meet here: a task's closure changes an [`Object`], a guard or a watcher shows what came
//! back. Beneath, one thread of the node drives every shard link (never a thread of the application's runtime), and one
//! more copies and decodes. Invariants: a call that waits has a time limit and says what it waited for; dropping a call
//! takes nothing back that was sent. Source: own reasoning.

mod chance;
mod connector;
mod delivery;
mod driver;
mod events;
mod expiry;
mod find;
mod group;
#[cfg(feature = "in-process")]
mod in_process;
mod lock;
mod node;
mod object;
mod port;
mod read_group;
mod reading;
mod registry;
mod settings;
mod shared;
mod token;
mod transaction;

mod updating;
mod watch;
mod watch_path;
mod worker;

pub use crate::ids::Token;
pub use events::{Event, Events};
pub use group::{Group, GroupCommitted};
#[cfg(feature = "in-process")]
pub use in_process::InProcess;
pub use lock::{Lock, LockToken};
pub use node::{Node, NodeState};
pub use object::Object;
pub use read_group::ObjectGroup;
pub use settings::NodeBuilder;
pub use transaction::Transaction;

pub use updating::Committed;
pub use watch::Watch;
pub use watch_path::PathWatch;

pub use crate::node::{Change, Guard, PathChange};
pub use crate::wire::Delivery;
