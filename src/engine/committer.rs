//! Group commit: one thread a device that makes the frames of all its shards durable together.
//!
//! ```text
//!  shard 0 ──sealed──┐                                ┌──durable──▶ shard 0
//!  shard 1 ──sealed──┼─▶ at most one of each ─▶ sync ─┼──durable──▶ shard 1
//!  shard 2 ──sealed──┘    what came meanwhile waits   └──durable──▶ shard 2
//! ```
//! Invariants: a shard's frame is handed to the device only when the one before it was answered; a failure is told to
//! its shard and nothing of that shard is tried again; what waits is bounded by the frames that a core has on their way.
//! Source: group commit as in DeWitt et al. (SIGMOD 1984).

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::ids::FrameNumber;
use crate::journal::{Append, Journal, JournalError};
use crate::limits::LANE_MAX;

/// How often the device is asked for room while no frame comes: others fill it too, and empty it.
const ROOM_CHECK: Duration = Duration::from_millis(500);

/// What the thread tells a shard.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A frame is durable.
    Durable(FrameNumber),
    /// A frame is not, or nobody knows.
    Failed(JournalError),
    /// Whether the device has room for more than it was given.
    Room(bool),
}

/// A frame and whose it is.
#[derive(Debug)]
struct Sealed {
    lane: usize,
    append: Append,
}

/// The way of one shard's frames to the thread and of the answers back.
#[derive(Debug)]
pub struct Lane {
    lane: usize,
    sealed: SyncSender<Sealed>,
    pub(super) outcomes: mpsc::Receiver<Outcome>,
}

impl Lane {
    /// Hands a frame over.
    pub(super) fn submit(&self, append: Append) -> Result<(), JournalError> {
        let gone = |_| JournalError::InDoubt("the thread that writes the journal ended".to_owned());
        self.sealed.try_send(Sealed { lane: self.lane, append }).map_err(gone)
    }
}

/// The thread; it ends when all lanes are gone, and dropping this waits for it.
#[derive(Debug)]
pub struct Committer {
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread on a journal whose shards were claimed, with a lane for each of `shards`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(journal: impl Journal + 'static, shards: u16) -> io::Result<(Self, Vec<Lane>)> {
        let (sender, sealed) = sync_channel(LANE_MAX * usize::from(shards.max(1)));
        let (mut lanes, mut outcomes) = (Vec::new(), Vec::new());
        for lane in 0..usize::from(shards) {
            let (outcome, receiver) = mpsc::channel(LANE_MAX);
            lanes.push(Lane { lane, sealed: sender.clone(), outcomes: receiver });
            outcomes.push((outcome, true));
        }
        let work = Work { journal: Box::new(journal), sealed, waiting: VecDeque::new(), outcomes, has_room: true };
        let thread = thread::Builder::new().name("nam-committer".into()).spawn(move || work.run())?;
        Ok((Self { thread: Some(thread) }, lanes))
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread works on.
struct Work {
    journal: Box<dyn Journal>,
    sealed: Receiver<Sealed>,
    waiting: VecDeque<Sealed>,
    /// Where each shard listens, and what it was told about room.
    outcomes: Vec<(mpsc::Sender<Outcome>, bool)>,
    has_room: bool,
}

impl Work {
    fn run(mut self) {
        loop {
            self.has_room = self.journal.has_room();
            self.tell_room();
            if self.waiting.is_empty() && !self.wait() {
                return;
            }
            self.waiting.extend(self.sealed.try_iter());
            let (lanes, appends) = self.next_batch();
            if appends.is_empty() {
                continue;
            }
            let answers = self.journal.append_all(&appends);
            for ((lane, append), answer) in lanes.into_iter().zip(&appends).zip(answers) {
                let number = append.frame.name.number;
                let outcome = answer.map_or_else(Outcome::Failed, |()| Outcome::Durable(number));
                if let Some((listener, _)) = self.outcomes.get(lane) {
                    // A shard that is gone needs no answer; one that is there has room for it.
                    let _ = listener.try_send(outcome);
                }
            }
        }
    }

    /// Waits for a frame; false when no more can come.
    fn wait(&mut self) -> bool {
        match self.sealed.recv_timeout(ROOM_CHECK) {
            Ok(sealed) => self.waiting.push_back(sealed),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    /// The oldest frame of each shard.
    fn next_batch(&mut self) -> (Vec<usize>, Vec<Append>) {
        let (mut lanes, mut appends) = (Vec::new(), Vec::new());
        for Sealed { lane, append } in std::mem::take(&mut self.waiting) {
            if lanes.contains(&lane) {
                self.waiting.push_back(Sealed { lane, append });
            } else {
                lanes.push(lane);
                appends.push(append);
            }
        }
        (lanes, appends)
    }

    /// Tells shards that were told otherwise whether there is room; one that has no place for the word is told later.
    fn tell_room(&mut self) {
        for (listener, told) in &mut self.outcomes {
            let is_due = *told != self.has_room && listener.capacity() > LANE_MAX / 2;
            if is_due && listener.try_send(Outcome::Room(self.has_room)).is_ok() {
                *told = self.has_room;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ids::{Epoch, ShardId};
    use crate::journal::{Claim, EncodedFrame, Frame, FrameName};

    /// Keeps what it was given; answers as it is told, when it is told.
    struct Scripted {
        batches: SyncSender<Vec<FrameName>>,
        answers: Receiver<Result<(), JournalError>>,
        room: Vec<bool>,
    }

    impl Journal for Scripted {
        fn claim(&mut self, _: ShardId, _: u64) -> Result<Claim, JournalError> {
            Err(JournalError::Fenced)
        }

        fn append(&mut self, _: &Append) -> Result<(), JournalError> {
            Err(JournalError::Fenced)
        }

        fn append_all(&mut self, appends: &[Append]) -> Vec<Result<(), JournalError>> {
            let names = appends.iter().map(|append| append.frame.name).collect();
            self.batches.send(names).unwrap();
            let answer = self.answers.recv().unwrap();
            appends.iter().map(|_| answer.clone()).collect()
        }

        fn replay(&mut self, _: ShardId, _: &mut dyn FnMut(Frame) -> bool) -> Result<(), JournalError> {
            Ok(())
        }

        fn truncate(&mut self, _: ShardId, _: Epoch, _: FrameNumber) -> Result<(), JournalError> {
            Ok(())
        }

        fn has_room(&mut self) -> bool {
            self.room.pop().unwrap_or(true)
        }
    }

    fn append(shard: u16, number: u64) -> Append {
        let name = FrameName { shard: ShardId(shard), epoch: Epoch(1), number: FrameNumber(number) };
        Append { frame: EncodedFrame { name, time_ms: 0, bytes: Bytes::new(), crc: 0 }, expected: 0 }
    }

    #[test]
    fn one_frame_of_each_shard_is_written_at_a_time() {
        let (batches, written) = sync_channel(8);
        let (answer, answers) = sync_channel(8);
        let (committer, mut lanes) = Committer::start(Scripted { batches, answers, room: Vec::new() }, 2).unwrap();
        lanes[0].submit(append(0, 1)).unwrap();
        assert_eq!(written.recv().unwrap(), [append(0, 1).frame.name]);
        for next in [append(0, 2), append(0, 3)] {
            lanes[0].submit(next).unwrap();
        }
        lanes[1].submit(append(1, 1)).unwrap();
        answer.send(Ok(())).unwrap();
        assert_eq!(written.recv().unwrap(), [append(0, 2).frame.name, append(1, 1).frame.name]);
        answer.send(Ok(())).unwrap();
        assert_eq!(written.recv().unwrap(), [append(0, 3).frame.name]);
        answer.send(Err(JournalError::InDoubt("the disk".into()))).unwrap();
        let outcomes: Vec<_> = (0..3).map(|_| lanes[0].outcomes.blocking_recv().unwrap()).collect();
        assert!(matches!(
            outcomes[..],
            [Outcome::Durable(FrameNumber(1)), Outcome::Durable(FrameNumber(2)), Outcome::Failed(_)]
        ));
        assert!(matches!(lanes[1].outcomes.blocking_recv(), Some(Outcome::Durable(FrameNumber(1)))));
        drop(lanes);
        drop(committer);
    }

    #[test]
    fn a_device_that_others_fill_is_told_before_a_frame_comes_and_so_is_room_again() {
        let (batches, _written) = sync_channel(8);
        let (_answer, answers) = sync_channel(8);
        let room = vec![true, false, false, true];
        let (_committer, mut lanes) = Committer::start(Scripted { batches, answers, room }, 1).unwrap();
        assert!(matches!(lanes[0].outcomes.blocking_recv(), Some(Outcome::Room(false))));
        assert!(matches!(lanes[0].outcomes.blocking_recv(), Some(Outcome::Room(true))));
        drop(lanes);
    }
}
