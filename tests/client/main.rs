//! What an application relies on at a node: slots, the core over a link, the client against an in-process repository.

mod closures;
mod crowd;
mod expiry;
mod ledger;
mod looking;
mod objects;
mod references;
mod slot;
mod unreadable;
