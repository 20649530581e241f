//! A small shop: one instance of several that have the same sessions.
//!
//! `examples/shop/run` starts a daemon, three instances and HAProxy before them.

mod app;
#[path = "../site/mod.rs"]
mod site;

use std::error::Error;

use app::{Shop, app};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    site::serve(async |instance, sessions| Ok(app(Shop::new(instance), sessions))).await
}
