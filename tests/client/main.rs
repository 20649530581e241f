//! What an application relies on at a node: slots, the core over a link, the client against an in-process repository.

mod objects;
mod slot;
