//! The receiving end of a QUIC link: records as they come, segments when they are whole.
//!
//! Invariants: records arrive in order and before the close that follows them; one segment is assembled at a time, so a
//! peer can make this end hold one segment and the connection's window, no more; a stream that is reset closes the
//! connection; whoever stops asking stops reading, and the peer's windows fill. Source: own reasoning; RFC 9000, 4.

use bytes::{Bytes, BytesMut};
use quinn::{Connection, ReadError, RecvStream};

use super::refusal::{close_reason, code_number};
use super::settings::End;
use crate::limits::SEGMENT_BYTES_MAX;
use crate::wire::{Arrival, CloseCode, CloseReason, Inlet, Segment};

/// Pieces of a stream taken at once: what a burst of packets brought.
const PIECES: usize = 32;

/// The receiving end of a link over QUIC.
#[derive(Debug)]
pub struct QuicInlet {
    connection: Connection,
    end: End,
    /// The stream of records; a node learns it as the first stream that the daemon opens.
    records: Option<RecvStream>,
    has_records_ended: bool,
    /// The segment that is being assembled.
    segment: Option<(RecvStream, BytesMut)>,
}

/// What one wait brought.
enum Event {
    Records(Result<Option<Bytes>, ReadError>),
    Piece(Result<bool, ReadError>),
    Stream(RecvStream),
    Ended(CloseReason),
}

impl QuicInlet {
    /// The inlet of a connection whose stream of records is known, or will be the first that the other side opens.
    pub(super) fn new(connection: Connection, end: End, records: Option<RecvStream>) -> Self {
        Self { connection, end, records, has_records_ended: false, segment: None }
    }

    /// Waits for one thing to happen; records first, so that none is overtaken by the close behind it.
    async fn event(&mut self) -> Event {
        let reads_records = self.records.is_some() && !self.has_records_ended;
        let accepts = self.records.is_none() || self.segment.is_none();
        tokio::select! {
            biased;
            read = read_some(self.records.as_mut()), if reads_records => Event::Records(read),
            read = read_segment(self.segment.as_mut()), if !accepts => Event::Piece(read),
            stream = self.connection.accept_uni(), if accepts => match stream {
                Ok(stream) => Event::Stream(stream),
                Err(error) => Event::Ended(close_reason(&error, self.end)),
            },
        }
    }

    fn begin(&mut self, stream: RecvStream) {
        if self.records.is_none() {
            self.records = Some(stream);
        } else {
            self.segment = Some((stream, BytesMut::with_capacity(SEGMENT_BYTES_MAX)));
        }
    }

    /// Ends the segment if that was all, or if it became too long.
    fn assemble(&mut self, is_more: bool) -> Option<Arrival> {
        if !is_more {
            let (_, bytes) = self.segment.take()?;
            return Some(Arrival::Segment(bytes.freeze()));
        }
        let is_too_long = self.segment.as_ref().is_some_and(|(_, bytes)| bytes.len() > Segment::bytes_max());
        is_too_long.then(|| self.refuse(CloseCode::Malformed, "a segment is too long"))
    }

    fn failed(&mut self, error: &ReadError) -> Arrival {
        match error {
            ReadError::ConnectionLost(error) => Arrival::Closed(close_reason(error, self.end)),
            _ => self.refuse(CloseCode::OutOfOrder, "a stream was reset"),
        }
    }

    fn refuse(&mut self, code: CloseCode, text: &str) -> Arrival {
        self.connection.close(code_number(code), text.as_bytes());
        Arrival::Closed(CloseReason::Closed { code, text: text.into() })
    }
}

impl Inlet for QuicInlet {
    async fn next(&mut self) -> Arrival {
        loop {
            let arrival = match self.event().await {
                Event::Records(Ok(Some(bytes))) => Some(Arrival::Records(bytes)),
                Event::Records(Ok(None)) => {
                    self.has_records_ended = true;
                    None
                }
                Event::Piece(Ok(is_more)) => self.assemble(is_more),
                Event::Stream(stream) => {
                    self.begin(stream);
                    None
                }
                Event::Records(Err(error)) => Some(self.failed(&error)),
                Event::Piece(Err(error)) => Some(self.failed(&error)),
                Event::Ended(reason) => Some(Arrival::Closed(reason)),
            };
            if let Some(arrival) = arrival {
                return arrival;
            }
        }
    }
}

/// Takes what a stream has, `None` at its end; waits for ever without a stream.
async fn read_some(stream: Option<&mut RecvStream>) -> Result<Option<Bytes>, ReadError> {
    let Some(stream) = stream else { return std::future::pending().await };
    let mut pieces: [Bytes; PIECES] = Default::default();
    let Some(count) = stream.read_chunks(&mut pieces).await? else { return Ok(None) };
    let pieces = pieces.get_mut(..count).unwrap_or_default();
    if let [piece] = pieces {
        return Ok(Some(std::mem::take(piece)));
    }
    Ok(Some(pieces.concat().into()))
}

/// Adds what its stream has to a segment; false at its end. Copies each byte once.
async fn read_segment(segment: Option<&mut (RecvStream, BytesMut)>) -> Result<bool, ReadError> {
    let Some((stream, bytes)) = segment else { return std::future::pending().await };
    let mut pieces: [Bytes; PIECES] = Default::default();
    let Some(count) = stream.read_chunks(&mut pieces).await? else { return Ok(false) };
    pieces.iter().take(count).for_each(|piece| bytes.extend_from_slice(piece));
    Ok(true)
}
