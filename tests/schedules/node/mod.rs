//! The slot and what it stands on, from the library's own sources.

#[path = "../../../src/node/memory.rs"]
pub(crate) mod memory;
#[path = "../../../src/node/replica.rs"]
pub(crate) mod replica;
#[path = "../../../src/node/slot/mod.rs"]
pub(crate) mod slot;
#[path = "../../../src/node/state.rs"]
pub(crate) mod state;
#[path = "../../../src/node/verdict.rs"]
pub(crate) mod verdict;
