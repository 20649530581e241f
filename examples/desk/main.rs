//! A trading desk whose session has 15 MB: one instance of several that have the same sessions.
//!
//! `examples/desk/run` starts a daemon, three instances and HAProxy before them. DESK_INSTRUMENTS may name a catalogue, as for
//! `nam demo`; without it one is made up.

mod app;
#[path = "../site/mod.rs"]
mod site;

use std::error::Error;
use std::path::PathBuf;

use app::{Desk, app};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::var_os("DESK_INSTRUMENTS").map(PathBuf::from);
    site::serve(async |instance, sessions| Ok(app(Desk::open(instance, file.as_deref())?, sessions))).await
}
