//! The pages of the examples as people use them: Chromium, HAProxy, three instances and a daemon, all of them processes.
//!
//! Needs Debian's `chromium`, `chromium-driver` and `haproxy`; `tests/run` installs them. What the pages look like is kept as
//! pictures in `target/browser`. Waits on pages, never on time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by panicking")]

mod browser;
mod desk;
mod shop;
mod site;
