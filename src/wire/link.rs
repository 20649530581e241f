//! The two ends of a link: what arrives, and where to send.
//!
//! QUIC and an in-memory pipe are its two kinds; the drivers of the cores know only this. Invariants: records arrive
//! complete and in order or the link is closed; an outlet never blocks, because what a core sends is bounded by its
//! windows. Source: own reasoning.

use bytes::Bytes;

use super::CloseCode;

/// Something that came out of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next piece of the stream of records, cut anywhere.
    Records(Bytes),
    /// One whole segment.
    Segment(Bytes),
    /// The last thing that arrives.
    Closed(CloseReason),
}

/// Says why a link ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// One side closed it and said why.
    #[error("{code}: {text}")]
    Closed {
        /// The reason by number.
        code: CloseCode,
        /// More about it, for people.
        text: String,
    },
    /// It broke, or was silent for too long.
    #[error("the link was lost: {0}")]
    Lost(String),
}

/// The sending end of a link.
pub trait Outlet: Send {
    /// Sends records, in order behind all earlier ones; leaves `bytes` empty.
    fn send_records(&mut self, bytes: &mut Vec<u8>);

    /// Sends one segment, given in two pieces; it may arrive after later records and segments.
    fn send_segment(&mut self, pieces: [Bytes; 2]);

    /// Closes the link after what was sent; nothing can be sent afterwards.
    fn close(&mut self, code: CloseCode, text: &str);
}

/// The receiving end of a link.
pub trait Inlet: Send {
    /// Waits for what comes next; after [`Arrival::Closed`] that comes again and again. A dropped future loses nothing.
    fn next(&mut self) -> impl Future<Output = Arrival> + Send;
}
