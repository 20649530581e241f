//! The loop around a shard's core: inputs in, frames to the journal, records and segments out.
//!
//! ```text
//!   links ──▶ inputs ──▶ core ──▶ frame ──▶ appender ──▶ journal
//!                         │ ◀─── durable ────────┘
//!                         │ ──▶ images, loads, cuts ──▶ keeper ──▶ done
//!                         └──▶ records, segments, closes ──▶ outlets
//! ```
//! Stands on the daemon's shard threads and on the thread of an in-process repository. Invariants: everything that waits is
//! taken before anything is sent, so that commits share frames and records share packets; nothing is sent but what the core
//! releases, hence nothing before its frame is durable (I6); what has come goes out before the next step of a large object's
//! work, which inputs put off a few turns at most; an append that fails is never retried, its shard refuses and stops; the
//! core gets no more records of a link than it has room for. Source: own reasoning.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::appender::Appender;
use super::committer::Outcome;
use super::gate::Gate;
use super::imager::{self, Imager, LoadedDocument};
use super::inputs::{Input, ShardInputs};
use super::keeper::{ImageLane, Written};
use crate::journal::JournalError;
use crate::limits::{RECORD_BYTES_MAX, SHARD_INPUTS_MAX};
use crate::repository::{Close, ConnectionId, Core};
use crate::time::Instant;
use crate::wire::{Arrival, CloseCode, Outlet};

/// How often in a row the next step of work makes way for inputs.
const STEP_PUT_OFF_MAX: u32 = 4;

/// Turns of the runtime between two steps of work, in each of which links read and write. One would do where nobody waits;
/// four take a fifth off a small commit's wait beside large objects, 16 no more than that, and large objects a tenth longer.
const STEP_TURNS: u32 = 4;

/// A shard's core with all it needs to run.
pub struct Driver {
    core: Core,
    appender: Appender,
    /// An outcome that the loop waited for.
    outcome: Option<Outcome>,
    /// The way of images, where there are any.
    imager: Option<Imager>,
    /// An answer of it that the loop waited for.
    written: Option<Written<LoadedDocument>>,
    links: BTreeMap<ConnectionId, Served>,
    /// Links whose records wait because the core has no room for them.
    held: BTreeSet<ConnectionId>,
    inputs: mpsc::Receiver<Input>,
    started: std::time::Instant,
    /// The shard's time when the driver started.
    began: Instant,
    /// Nodes that were forgotten early, as far as that was said, and when it was.
    dropped: (u64, Instant),
    /// Filled by the core, emptied by an outlet, so that its memory is used again.
    records: Vec<u8>,
}

/// A link as the driver knows it.
struct Served {
    outlet: Box<dyn Outlet>,
    gate: Arc<Gate>,
    /// Records that the core has no room for yet.
    waiting: VecDeque<Bytes>,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("links", &self.links.len()).finish_non_exhaustive()
    }
}

impl Driver {
    /// A driver of `core`, which has replayed what is in the journal behind `appender`, and where its inputs go.
    #[must_use]
    pub fn new(core: Core, appender: Appender) -> (Self, ShardInputs) {
        let (sender, inputs) = mpsc::channel(SHARD_INPUTS_MAX);
        let driver = Self {
            began: core.now(),
            core,
            appender,
            outcome: None,
            imager: None,
            written: None,
            links: BTreeMap::new(),
            held: BTreeSet::new(),
            inputs,
            started: std::time::Instant::now(),
            dropped: (0, Instant(0)),
            records: Vec::new(),
        };
        (driver, ShardInputs::new(sender))
    }

    /// The same with a way for images, from which what is not in memory is loaded.
    #[must_use]
    pub fn with_images(mut self, lane: ImageLane<LoadedDocument>) -> Self {
        self.imager = Some(Imager::new(lane));
        self
    }

    /// Drives the shard until nothing can reach it any more.
    ///
    /// # Errors
    /// Why the journal failed: every link was told that the shard stopped.
    pub async fn run(mut self) -> Result<(), JournalError> {
        let mut arrived = Vec::with_capacity(SHARD_INPUTS_MAX);
        let (mut has_work, mut put_off) = (false, 0);
        loop {
            if has_work {
                for _ in 0..STEP_TURNS {
                    tokio::task::yield_now().await;
                }
                while let Ok(input) = self.inputs.try_recv() {
                    arrived.push(input);
                }
            } else if !self.wait(&mut arrived).await {
                return Ok(());
            }
            // What has just come goes out before the next step, but does not put it off for ever.
            put_off = if arrived.is_empty() || put_off == STEP_PUT_OFF_MAX { 0 } else { put_off + 1 };
            arrived.drain(..).for_each(|input| self.take(input));
            let settled = self.settle();
            self.core.handle_timeout(self.now());
            if put_off == 0 {
                self.core.poll_work();
            }
            self.turn(settled)?;
            self.tell_dropped();
            while self.feed_held() {
                self.turn(Ok(()))?;
            }
            // Asked last: what is sealed, made durable and fed in a turn leaves work behind, too.
            has_work = self.core.has_work();
        }
    }

    /// Waits for inputs, outcomes or the core's time; false when no input can come any more.
    async fn wait(&mut self, arrived: &mut Vec<Input>) -> bool {
        let now = self.now();
        let due = self.core.poll_timeout().map(|at| at.since(now));
        let woken = async {
            tokio::select! {
                biased;
                outcome = self.appender.outcome() => {
                    self.outcome = Some(outcome);
                    true
                }
                written = written_by(self.imager.as_mut()) => {
                    self.written = Some(written);
                    true
                }
                received = self.inputs.recv_many(arrived, SHARD_INPUTS_MAX) => received > 0,
            }
        };
        match due {
            None => woken.await,
            Some(due) => tokio::time::timeout(due.max(Duration::from_millis(1)), woken).await.unwrap_or(true),
        }
    }

    /// Tells the core what has become of its frames.
    fn settle(&mut self) -> Result<(), JournalError> {
        while let Some(outcome) = self.outcome.take().or_else(|| self.appender.poll_outcome()) {
            self.take_outcome(outcome)?;
        }
        while let Some(written) = self.written.take().or_else(|| self.imager.as_mut()?.poll_outcome()) {
            let now = self.now();
            imager::tell(&mut self.core, now, written)?;
        }
        Ok(())
    }

    fn take_outcome(&mut self, outcome: Outcome) -> Result<(), JournalError> {
        let now = self.now();
        match outcome {
            Outcome::Durable(frame) => self.core.handle_durable(now, frame),
            Outcome::Room(has_room) => self.core.handle_room(now, has_room),
            Outcome::Failed(error) => {
                tracing::error!(%error, "the journal failed, the shard stops");
                self.core.handle_append_failed(now);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Says that nodes were forgotten before their time, once a second at most.
    fn tell_dropped(&mut self) {
        let (told, told_at) = self.dropped;
        let (dropped, now) = (self.core.departed_dropped(), self.core.now());
        let more = dropped - told;
        if more > 0 && now.since(told_at) >= Duration::from_secs(1) {
            self.dropped = (dropped, now);
            let shard = self.core.identity().shard;
            tracing::warn!(
                monotonic_counter.nam_forgotten_nodes = more,
                %shard,
                "too much is remembered of nodes that left: what the first of them send again is undecided"
            );
        }
    }

    /// Gives one input to the core.
    fn take(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Connected(connection, outlet, gate) => {
                self.links.insert(connection, Served { outlet, gate, waiting: VecDeque::new() });
                self.core.handle_connected(now, connection);
            }
            Input::Arrived(connection, Arrival::Records(bytes)) => {
                if let Some(link) = self.links.get_mut(&connection) {
                    link.waiting.push_back(bytes);
                    self.feed(connection);
                }
            }
            Input::Arrived(connection, Arrival::Segment(bytes)) => self.core.handle_segment(now, connection, &bytes),
            Input::Arrived(connection, Arrival::Closed(_)) => {
                self.held.remove(&connection);
                if self.links.remove(&connection).is_some() {
                    self.core.handle_disconnected(now, connection);
                }
            }
        }
    }

    /// Gives the waiting records of a link to the core as long as it has room; whether it took any.
    fn feed(&mut self, connection: ConnectionId) -> bool {
        let now = self.now();
        let Some(link) = self.links.get_mut(&connection) else { return false };
        let mut has_fed = false;
        while let Some(mut rest) = link.waiting.pop_front() {
            if !self.core.has_room(connection) {
                link.waiting.push_front(rest);
                link.gate.close();
                self.held.insert(connection);
                return has_fed;
            }
            let piece = rest.split_to(rest.len().min(RECORD_BYTES_MAX));
            if !rest.is_empty() {
                link.waiting.push_front(rest);
            }
            self.core.handle_records(now, connection, &piece);
            has_fed = true;
        }
        link.gate.open();
        has_fed
    }

    /// Feeds the links whose records had to wait; whether the core took any.
    fn feed_held(&mut self) -> bool {
        let mut has_fed = false;
        for connection in std::mem::take(&mut self.held) {
            has_fed |= self.feed(connection);
        }
        has_fed
    }

    /// Does everything the core wants done, and what is left to do when the journal failed.
    fn turn(&mut self, mut settled: Result<(), JournalError>) -> Result<(), JournalError> {
        loop {
            let appended = settled.and_then(|()| self.append());
            let imaged = self.imager.as_mut().map_or(Ok(false), |imager| imager.submit(&mut self.core));
            let has_sent = self.send();
            let has_closed = self.close();
            if !appended? && !imaged? && !has_sent && !has_closed {
                return Ok(());
            }
            settled = Ok(());
        }
    }

    /// Hands sealed frames on; whether anything came of it.
    fn append(&mut self) -> Result<bool, JournalError> {
        let mut has_settled = false;
        while let Some(append) = self.core.poll_append() {
            if let Some(outcome) = self.appender.append(append) {
                self.take_outcome(outcome)?;
                has_settled = true;
            }
        }
        Ok(has_settled)
    }

    /// Sends what is due; whether anything was.
    fn send(&mut self) -> bool {
        let mut has_sent = false;
        while let Some(connection) = self.core.poll_wake() {
            let Some(link) = self.links.get_mut(&connection) else { continue };
            self.core.poll_records(connection, &mut self.records);
            link.outlet.send_records(&mut self.records);
            self.records.clear();
            while let Some(segment) = self.core.poll_segment(connection) {
                link.outlet.send_segment(segment);
            }
            has_sent = true;
        }
        has_sent
    }

    /// Closes the links that the core gave up; whether there was one.
    fn close(&mut self) -> bool {
        let mut has_closed = false;
        while let Some(Close { connection, code, text }) = self.core.poll_close() {
            self.held.remove(&connection);
            if let Some(mut link) = self.links.remove(&connection) {
                tracing::info!(?connection, %code, text, "closing a link");
                link.gate.open();
                link.outlet.close(code, &text);
            }
            has_closed = true;
        }
        has_closed
    }

    fn now(&self) -> Instant {
        self.began.after(self.started.elapsed())
    }
}

/// Waits for the keeper; for ever, if there is none.
async fn written_by(imager: Option<&mut Imager>) -> Written<LoadedDocument> {
    match imager {
        Some(imager) => imager.outcome().await,
        None => std::future::pending().await,
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for link in self.links.values_mut() {
            link.outlet.close(CloseCode::ShuttingDown, "");
        }
    }
}
