//! What a session store is held to, over one version of tower-sessions.

use super::sessions;

mod caching;
mod ends;
mod hostile;
mod nodes;
mod requests;
mod rotation;
mod routes;
mod values;
