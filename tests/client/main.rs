//! What an application relies on at a node: slots, the core over a link, the client against an in-process repository.

mod budget;
mod closures;
mod crowd;
mod expiry;
mod links;
mod locks;
mod objects;
mod references;
mod requirements;
mod slot;
mod unreadable;
