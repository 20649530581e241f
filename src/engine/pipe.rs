//! The in-memory link: the same records and segments as over QUIC, between two threads of one process.
//!
//! ```text
//!   outlet ──▶ lane {records, segments, close} ──▶ inlet
//!   inlet  ◀── lane {records, segments, close} ◀── outlet
//! ```
//! Invariants: records arrive in order and before the close that follows them; everything queued since the last arrival
//! comes as one; a close, or a dropped outlet, ends both directions. What a lane holds is bounded by the windows of the
//! cores at its ends. Source: own reasoning.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::wire::{Arrival, CloseCode, CloseReason, Inlet, Outlet};

/// What is on its way in one direction.
#[derive(Debug, Default)]
struct Queue {
    records: Vec<u8>,
    segments: VecDeque<Bytes>,
    closed: Option<CloseReason>,
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    queue: Mutex<Queue>,
    due: Notify,
}

impl Lane {
    fn close(&self, code: CloseCode, text: &str) {
        self.queue.lock().closed.get_or_insert_with(|| CloseReason::Closed { code, text: text.to_owned() });
        self.due.notify_one();
    }

    /// Records first, then segments, then the close.
    fn take(&self) -> Option<Arrival> {
        let mut queue = self.queue.lock();
        if !queue.records.is_empty() {
            return Some(Arrival::Records(std::mem::take(&mut queue.records).into()));
        }
        let segment = queue.segments.pop_front().map(Arrival::Segment);
        segment.or_else(|| queue.closed.clone().map(Arrival::Closed))
    }
}

/// One end of a pipe.
#[derive(Debug)]
pub struct PipeEnd {
    /// Sends; dropping it closes the link.
    pub outlet: PipeOutlet,
    /// Receives.
    pub inlet: PipeInlet,
}

/// The sending part of an end.
#[derive(Debug)]
pub struct PipeOutlet {
    out: Arc<Lane>,
    back: Arc<Lane>,
}

/// The receiving part of an end.
#[derive(Debug)]
pub struct PipeInlet {
    lane: Arc<Lane>,
}

/// Makes a link within the process and gives its two ends.
#[must_use]
pub fn pipe() -> (PipeEnd, PipeEnd) {
    let (there, back) = (Arc::new(Lane::default()), Arc::new(Lane::default()));
    let end = |out: &Arc<Lane>, back: &Arc<Lane>| PipeEnd {
        outlet: PipeOutlet { out: out.clone(), back: back.clone() },
        inlet: PipeInlet { lane: back.clone() },
    };
    (end(&there, &back), end(&back, &there))
}

impl Outlet for PipeOutlet {
    fn send_records(&mut self, bytes: &mut Vec<u8>) {
        let mut queue = self.out.queue.lock();
        if queue.closed.is_some() {
            bytes.clear();
        } else if queue.records.is_empty() {
            std::mem::swap(&mut queue.records, bytes);
        } else {
            queue.records.append(bytes);
        }
        drop(queue);
        self.out.due.notify_one();
    }

    fn send_segment(&mut self, pieces: [Bytes; 2]) {
        let mut queue = self.out.queue.lock();
        if queue.closed.is_none() {
            queue.segments.push_back(pieces.concat().into());
        }
        drop(queue);
        self.out.due.notify_one();
    }

    fn close(&mut self, code: CloseCode, text: &str) {
        self.out.close(code, text);
        self.back.close(code, text);
    }
}

impl Drop for PipeOutlet {
    fn drop(&mut self) {
        self.close(CloseCode::Goodbye, "");
    }
}

impl Inlet for PipeInlet {
    async fn next(&mut self) -> Arrival {
        loop {
            if let Some(arrival) = self.lane.take() {
                return arrival;
            }
            self.lane.due.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn what_was_sent_before_a_close_arrives_before_it() {
        let (mut here, mut there) = pipe();
        here.outlet.send_records(&mut vec![1, 2]);
        here.outlet.send_segment([Bytes::from_static(b"bu"), Bytes::from_static(b"lk")]);
        here.outlet.send_records(&mut vec![3]);
        here.outlet.close(CloseCode::Stopped, "disk");
        here.outlet.send_records(&mut vec![4]);
        let closed = Arrival::Closed(CloseReason::Closed { code: CloseCode::Stopped, text: "disk".into() });
        run(async {
            assert_eq!(there.inlet.next().await, Arrival::Records(Bytes::from_static(&[1, 2, 3])));
            assert_eq!(there.inlet.next().await, Arrival::Segment(Bytes::from_static(b"bulk")));
            assert_eq!(there.inlet.next().await, closed);
            assert_eq!(there.inlet.next().await, closed);
            assert_eq!(here.inlet.next().await, closed);
        });
    }

    #[test]
    fn an_arrival_wakes_a_reader_on_another_thread() {
        let (mut here, mut there) = pipe();
        let reader =
            std::thread::spawn(move || run(async move { (there.inlet.next().await, there.inlet.next().await) }));
        here.outlet.send_segment([Bytes::from_static(b"bu"), Bytes::from_static(b"lk")]);
        drop(here.outlet);
        let goodbye = Arrival::Closed(CloseReason::Closed { code: CloseCode::Goodbye, text: String::new() });
        assert_eq!(reader.join().unwrap(), (Arrival::Segment(Bytes::from_static(b"bulk")), goodbye));
    }
}
