//! A network namespace of the demo's own, where the system allows one: then the loopback counters are the demo's alone.
//!
//! Invariant: where none can be made the demo runs all the same, on the loopback interface that everybody shares.
//! Source: unshare(1), ip-link(8).

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Set for the program that already runs inside.
const MARK: &str = "NAM_DEMO_NAMESPACE";

/// What makes the namespace; what follows runs inside it.
const UNSHARE: [&str; 4] = ["--net", "--map-root-user", "sh", "-c"];

/// Starts this program again inside a fresh network namespace; comes back only where that is not possible, or done.
pub(crate) fn enter() {
    if std::env::var_os(MARK).is_some() {
        return;
    }
    let is_allowed = Command::new("unshare")
        .args(UNSHARE)
        .arg("ip link set lo up")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let Ok(program) = std::env::current_exe() else { return };
    if is_allowed {
        let failure = Command::new("unshare")
            .args(UNSHARE)
            .arg("ip link set lo up && exec \"$0\" \"$@\"")
            .arg(program)
            .args(std::env::args_os().skip(1))
            .env(MARK, "1")
            .exec();
        tracing::warn!(%failure, "no network namespace; counting on the shared loopback interface");
    }
}
