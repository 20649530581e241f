//! The keeper: one thread a device that writes images and reads them back, beside the one that commits frames.
//!
//! ```text
//!  shard 0 ──loads──┐     ┌─▶ loads, all that wait ─────────────────────┐            ┌──▶ shard 0
//!  shard 1 ─────────┼─────┤          then one step of the writes        ├─ answers ──┤
//!  shard 2 ─images──┘     └─▶ parts, 256 KiB a batch ─▶ heads, one sync ┘            └──▶ shard 2
//! ```
//! Invariants: loads go before writes, and a write gets its step however many loads there are; writes are done in the
//! order in which they came; heads that are finished together are put in force by one sync; a write that failed is told
//! to its shard, whose further writes are dropped; what waits is bounded by what a core has on its way. Source: own
//! reasoning (a frame's sync must not wait for a whole image, so batches are small).

mod lane;
mod write;

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

pub use self::lane::{ImageLane, ImageLoad, ImageWrite, Written};
pub use self::write::ImageParts;

use self::lane::{Asked, Task};
use self::write::{Step, Writes};
use crate::journal::{Images, Journal};
use crate::limits::IMAGE_LANE_MAX;

/// How often a full device is asked whether there is room for images again.
const ROOM_CHECK: Duration = Duration::from_millis(500);

/// The thread; it ends when all lanes are gone, between two batches, and dropping this waits for it.
#[derive(Debug)]
pub struct Keeper {
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread on a place of images and the journal that is cut behind them, with a lane for each of `shards`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start<L: Send + 'static>(
        images: impl Images + 'static,
        journal: impl Journal + 'static,
        shards: u16,
    ) -> io::Result<(Self, Vec<ImageLane<L>>)> {
        let (sender, asked) = sync_channel(IMAGE_LANE_MAX * usize::from(shards.max(1)));
        let (mut lanes, mut listeners) = (Vec::new(), Vec::new());
        for lane in 0..usize::from(shards) {
            let (listener, outcomes) = mpsc::channel(IMAGE_LANE_MAX);
            lanes.push(ImageLane::new(lane, sender.clone(), outcomes));
            listeners.push(listener);
        }
        let (images, journal): (Box<dyn Images>, Box<dyn Journal>) = (Box::new(images), Box::new(journal));
        let writes = Writes::new(journal, usize::from(shards));
        let work = Work { images, asked, loads: VecDeque::new(), writes, listeners, has_room: true };
        let thread = thread::Builder::new().name("nam-keeper".into()).spawn(move || work.run())?;
        Ok((Self { thread: Some(thread) }, lanes))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread works on.
struct Work<L> {
    images: Box<dyn Images>,
    asked: Receiver<Asked<L>>,
    loads: VecDeque<(usize, ImageLoad<L>)>,
    writes: Writes,
    listeners: Vec<mpsc::Sender<Written<L>>>,
    has_room: bool,
}

impl<L> Work<L> {
    fn run(mut self) {
        loop {
            let is_idle = self.loads.is_empty() && !self.can_write();
            if is_idle && !self.wait() || !self.take() {
                return;
            }
            for (lane, load) in std::mem::take(&mut self.loads) {
                let loaded = load.run(self.images.as_mut());
                self.tell(lane, Written::Loaded(loaded));
            }
            if self.can_write() {
                let done = self.writes.step(self.images.as_mut(), self.has_room);
                self.tell_done(done);
            }
        }
    }

    /// Whether a step of the writes is due; what needs room waits for it.
    fn can_write(&mut self) -> bool {
        match self.writes.next() {
            Step::None => false,
            Step::Any => true,
            Step::NeedsRoom => {
                let has_room = self.images.has_room();
                if has_room != self.has_room {
                    self.has_room = has_room;
                    tracing::warn!(has_room, "room for images on the device");
                }
                has_room || self.writes.has_finished()
            }
        }
    }

    /// Waits for something to do; false when no more can come.
    fn wait(&mut self) -> bool {
        if matches!(self.writes.next(), Step::None) {
            return self.asked.recv().map(|asked| self.sort(asked)).is_ok();
        }
        match self.asked.recv_timeout(ROOM_CHECK) {
            Ok(asked) => self.sort(asked),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    /// Takes what came meanwhile; false when all lanes are gone and nobody waits for an answer.
    fn take(&mut self) -> bool {
        loop {
            match self.asked.try_recv() {
                Ok(asked) => self.sort(asked),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn sort(&mut self, Asked { lane, task }: Asked<L>) {
        match task {
            Task::Load(load) => self.loads.push_back((lane, load)),
            Task::Write(id, write) => self.writes.push(lane, id, write),
        }
    }

    fn tell_done(&mut self, done: Vec<(usize, write::Outcome)>) {
        for (lane, outcome) in done {
            let written = match outcome {
                Ok(id) => Written::Done(id),
                Err(error) => Written::Failed(error),
            };
            self.tell(lane, written);
        }
    }

    fn tell(&mut self, lane: usize, written: Written<L>) {
        if let Some(listener) = self.listeners.get(lane) {
            // A shard that is gone needs no answer; one that is there has room for it.
            let _ = listener.try_send(written);
        }
    }
}

#[cfg(test)]
mod tests;
