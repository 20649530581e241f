//! A shard in the process of its nodes: the daemon's driver on a thread, reached through pipes.
//!
//! The same core, journal and records as a daemon, without a network. Invariant: the thread ends when the shard is dropped.
//! Source: own reasoning.

use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::appender::Appender;
use super::driver::Driver;
use super::inputs::ShardInputs;
use super::open::{OpenError, claim, replay};
use super::pipe::{PipeEnd, pipe};
use crate::ids::ShardId;
use crate::journal::Journal;
use crate::store::MemoryJournal;
use crate::wire::ShardAddress;

/// A shard on a thread of this process; dropping it stops it and closes its links.
#[derive(Debug)]
pub struct LocalShard {
    runtime: Handle,
    inputs: ShardInputs,
    _alive: oneshot::Sender<()>,
}

impl LocalShard {
    /// Starts the only shard of a repository on the journal, with what the journal has.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open<J: Journal + 'static>(mut journal: J) -> Result<Self, OpenError> {
        let shard = ShardId(0);
        let claim = claim(&mut journal, shard)?;
        let shards = vec![ShardAddress { shard, epoch: claim.epoch, addresses: Vec::new() }];
        let core = replay(&mut journal, None, shard, claim, shards)?;
        let (driver, inputs) = Driver::new(core, Appender::Here(Box::new(journal)));
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (alive, is_dropped) = oneshot::channel::<()>();
        thread::Builder::new().name("nam-shard".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    ended = driver.run() => if let Err(error) = ended {
                        tracing::error!(%error, "the shard of this process stopped");
                    },
                    _ = is_dropped => {}
                }
            });
        })?;
        Ok(Self { runtime: handle, inputs, _alive: alive })
    }

    /// Starts the only shard of a repository that keeps nothing beyond its own life.
    ///
    /// # Errors
    /// [`OpenError::Thread`].
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::open(MemoryJournal::forgetful())
    }

    /// Makes a link to the shard and gives the node's end.
    #[must_use]
    pub fn connect(&self) -> PipeEnd {
        let (node, shard) = pipe();
        let inputs = self.inputs.clone();
        self.runtime.spawn(async move { inputs.serve(shard.outlet, shard.inlet).await });
        node
    }
}
