//! The sending end of a QUIC link: an outlet that never blocks, and the two tasks that write what it cannot.
//!
//! ```text
//!   driver ── send_records ──▶ its stream, priority +1   what the stream does not take waits for the records task
//!          ── send_segment ──▶ a queue ──▶ segments task ══ a stream each, priority −1
//! ```
//! Invariants: records are handed to the connection at once and leave when the driver rests, so that a burst shares packets
//! and nothing waits for another task; a close comes after the records before it (segments that have not left are dropped);
//! an outlet that is dropped says goodbye, which also ends its tasks. What is queued is bounded by the windows of the core
//! that sends. Source: own measurement (20 B of UDP a 16-byte record in one write, 49 B in many).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quinn::{Connection, SendStream, WriteError};
use tokio::sync::Notify;

use super::refusal::code_number;
use crate::limits::INLINE_BYTES_MAX;
use crate::wire::{CloseCode, Outlet};

/// Precedence of records over everything else on the connection.
const RECORDS_PRIORITY: i32 = 1;

/// Bulk goes when nothing else is due.
const SEGMENTS_PRIORITY: i32 = -1;

/// Milliseconds that a close waits until the other side has what was sent before it.
const FAREWELL_MS: u64 = 1_000;

/// What waits for the connection.
#[derive(Debug)]
struct Queue {
    stream: SendStream,
    /// Records that the stream did not take yet.
    records: Vec<u8>,
    segments: VecDeque<[Bytes; 2]>,
    close: Option<(CloseCode, String)>,
}

impl Queue {
    /// Hands records to the connection, as far as it takes them.
    fn poll_records(&mut self, context: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        while !self.records.is_empty() {
            let taken = ready!(Pin::new(&mut self.stream).poll_write(context, &self.records))?;
            self.records.drain(..taken);
        }
        self.records.shrink_to(INLINE_BYTES_MAX);
        Poll::Ready(Ok(()))
    }
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    records_due: Notify,
    segments_due: Notify,
}

impl Shared {
    fn close(&self, code: CloseCode, text: &str) {
        self.queue.lock().close.get_or_insert_with(|| (code, text.to_owned()));
        self.records_due.notify_one();
        self.segments_due.notify_one();
    }
}

/// The sending end of a link over QUIC.
///
/// Dropping it sends what is queued, then closes the link with [`CloseCode::Goodbye`].
#[derive(Debug)]
pub struct QuicOutlet {
    shared: Arc<Shared>,
}

impl QuicOutlet {
    /// Starts the writers of a connection; `stream` is the one that carries its records.
    pub(super) fn start(connection: &Connection, stream: SendStream) -> Self {
        let _ = stream.set_priority(RECORDS_PRIORITY);
        let queue = Queue { stream, records: Vec::new(), segments: VecDeque::new(), close: None };
        let (queue, records_due, segments_due) = (Mutex::new(queue), Notify::new(), Notify::new());
        let shared = Arc::new(Shared { queue, records_due, segments_due });
        tokio::spawn(write_records(shared.clone(), connection.clone()));
        tokio::spawn(write_segments(shared.clone(), connection.clone()));
        Self { shared }
    }
}

impl Outlet for QuicOutlet {
    fn send_records(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let mut queue = self.shared.queue.lock();
        if queue.records.is_empty() {
            std::mem::swap(&mut queue.records, bytes);
        } else {
            queue.records.append(bytes);
        }
        if !matches!(queue.poll_records(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(()))) {
            // The task goes on when the stream takes more, and closes a link that broke.
            self.shared.records_due.notify_one();
        }
    }

    fn send_segment(&mut self, pieces: [Bytes; 2]) {
        self.shared.queue.lock().segments.push_back(pieces);
        self.shared.segments_due.notify_one();
    }

    fn close(&mut self, code: CloseCode, text: &str) {
        self.shared.close(code, text);
    }
}

impl Drop for QuicOutlet {
    fn drop(&mut self) {
        self.shared.close(CloseCode::Goodbye, "");
    }
}

/// Writes the records that had to wait, until the link is closed or lost.
async fn write_records(shared: Arc<Shared>, connection: Connection) {
    loop {
        shared.records_due.notified().await;
        if poll_fn(|context| shared.queue.lock().poll_records(context)).await.is_err() {
            connection.close(code_number(CloseCode::OutOfOrder), b"the stream of records was stopped");
            return;
        }
        let close = shared.queue.lock().close.clone();
        if let Some((code, text)) = close {
            return farewell(&connection, &shared, code, &text).await;
        }
    }
}

/// Closes a connection once the other side has all records, or after a short wait.
async fn farewell(connection: &Connection, shared: &Shared, code: CloseCode, text: &str) {
    let stopped = {
        let stream = &mut shared.queue.lock().stream;
        let _ = stream.finish();
        stream.stopped()
    };
    let _ = tokio::time::timeout(Duration::from_millis(FAREWELL_MS), stopped).await;
    connection.close(code_number(code), text.as_bytes());
}

/// Writes segments, each on a stream of its own, until the link is closed or lost.
async fn write_segments(shared: Arc<Shared>, connection: Connection) {
    loop {
        let (segment, is_closing) = {
            let mut queue = shared.queue.lock();
            (queue.segments.pop_front(), queue.close.is_some())
        };
        match segment {
            _ if is_closing => return,
            None => shared.segments_due.notified().await,
            Some(segment) => {
                if write_segment(&connection, segment).await.is_err() {
                    connection.close(code_number(CloseCode::OutOfOrder), b"the stream of a segment was stopped");
                    return;
                }
            }
        }
    }
}

async fn write_segment(connection: &Connection, mut pieces: [Bytes; 2]) -> Result<(), WriteError> {
    let mut stream = connection.open_uni().await?;
    stream.set_priority(SEGMENTS_PRIORITY)?;
    stream.write_all_chunks(&mut pieces).await?;
    stream.finish()?;
    Ok(())
}
