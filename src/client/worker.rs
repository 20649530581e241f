//! The thread that copies and decodes, so that the I/O thread never does.
//!
//! A copy is made only after guards had about as long as it takes to go by themselves. Invariant: a replica that waits
//! for its guards delays no other. Source: own reasoning (R1).

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::node::Replica;

/// How often guards are looked at again.
const LOOK_AGAIN: Duration = Duration::from_micros(500);

/// Starts the thread; it ends when every sender is gone.
pub(super) fn start() -> std::io::Result<Sender<Arc<dyn Replica>>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("nam-worker".to_owned()).spawn(move || run(&receiver))?;
    Ok(sender)
}

fn run(jobs: &Receiver<Arc<dyn Replica>>) {
    let mut waiting: Vec<(Arc<dyn Replica>, Instant)> = Vec::new();
    loop {
        let job = if waiting.is_empty() {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            jobs.recv_timeout(LOOK_AGAIN)
        };
        match job {
            Ok(replica) => match replica.copy_patience() {
                None => replica.work(),
                Some(patience) => waiting.push((replica, Instant::now() + patience)),
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        waiting.retain(|(replica, deadline)| {
            let is_due = now >= *deadline || replica.copy_patience().is_none();
            if is_due {
                replica.work();
            }
            !is_due
        });
    }
}
