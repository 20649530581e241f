//! What a connection cost: the bytes of its UDP packets, both ways.
//!
//! Counted by quinn at this end, packet payloads as the socket takes and gives them (acknowledgements, handshake and resent
//! packets included, IP and UDP headers not). Source: quinn's connection statistics.

use quinn::Connection;

/// Counts of one connection, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficCounts {
    /// Bytes of UDP payload that left this end.
    pub sent_bytes: u64,
    /// Packets that left this end.
    pub sent_packets: u64,
    /// Bytes of UDP payload that arrived at this end.
    pub received_bytes: u64,
    /// Packets that arrived at this end.
    pub received_packets: u64,
}

impl TrafficCounts {
    /// Adds the counts of another connection.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            sent_bytes: self.sent_bytes.saturating_add(other.sent_bytes),
            sent_packets: self.sent_packets.saturating_add(other.sent_packets),
            received_bytes: self.received_bytes.saturating_add(other.received_bytes),
            received_packets: self.received_packets.saturating_add(other.received_packets),
        }
    }

    /// Bytes both ways.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.sent_bytes.saturating_add(self.received_bytes)
    }
}

/// Reads the counts of one connection, also after it was closed.
#[derive(Clone, Debug)]
pub struct Traffic(pub(super) Connection);

impl Traffic {
    /// The counts since the connection was made.
    #[must_use]
    pub fn counts(&self) -> TrafficCounts {
        let stats = self.0.stats();
        TrafficCounts {
            sent_bytes: stats.udp_tx.bytes,
            sent_packets: stats.udp_tx.datagrams,
            received_bytes: stats.udp_rx.bytes,
            received_packets: stats.udp_rx.datagrams,
        }
    }
}
