//! The figures of every QUIC endpoint and connection, with their reasons: the profile for a local network.
//!
//! Stands under all links; nodes and the daemon differ in the streams they let the other side open and in their connection
//! ids. Invariant: what one connection may hold in memory is bounded by the windows of `limits.rs`. Source: own measurement on
//! loopback and a simulated wide-area path.

use std::sync::Arc;
use std::time::Duration;

use quinn::{AckFrequencyConfig, EndpointConfig, IdleTimeout, TransportConfig, VarInt};
use quinn_proto::{HashedConnectionIdGenerator, RandomConnectionIdGenerator};
use ring::hmac;

use super::congestion::CappedCubicConfig;
use super::secret::ResetSecret;
use crate::limits::{
    NODE_BULK_STREAMS_MAX, RECEIVE_WINDOW_BYTES, SEGMENTS_UNCONFIRMED_MAX, SEND_WINDOW_BYTES, STREAM_WINDOW_BYTES,
    TRANSFERS_MAX,
};

/// The protocol that TLS negotiates; a peer that speaks another is refused in the handshake.
pub const ALPN: &[u8] = b"nam/1";

/// Bytes in flight on one connection. Twice the bandwidth-delay product of a 10 Gbit/s network at 100 µs; more only moves the queue below the priorities.
const CONGESTION_CAP_BYTES: u64 = 256 * 1024;

/// Bytes in flight before the first acknowledgement: a cold open does not start slowly.
const CONGESTION_INITIAL_BYTES: u64 = 128 * 1024;

/// First guess of the round trip, milliseconds: a lost first packet is sent again after three of them, and the default of 333 stalls a storm of dials for a second.
const INITIAL_RTT_MS: u64 = 50;

/// Milliseconds between a node's signs of life: four within the idle time-out.
const KEEP_ALIVE_MS: u64 = 1_000;

/// Milliseconds of silence after which a connection is lost.
const IDLE_TIMEOUT_MS: u32 = 4_000;

/// Which end of a connection settings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The process that dials.
    Node,
    /// The process that listens.
    Daemon,
}

/// Packets that the other end may leave unacknowledged, within its delay of 25 ms; one in two would be the default. Saves 10 to 15 B of a change of 170 B; the window of a bulk transfer (180 packets) is released early enough.
const ACK_PACKETS: u32 = 10;

/// The settings of the connections of one end.
pub(super) fn connections(end: End) -> TransportConfig {
    let mut acknowledgements = AckFrequencyConfig::default();
    acknowledgements.ack_eliciting_threshold(VarInt::from_u32(ACK_PACKETS));
    let mut config = TransportConfig::default();
    config
        .ack_frequency_config(Some(acknowledgements))
        .congestion_controller_factory(Arc::new(CappedCubicConfig {
            initial_bytes: CONGESTION_INITIAL_BYTES,
            cap_bytes: CONGESTION_CAP_BYTES,
        }))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        // Segments arrive one after the other, not all of them at the end: they are used in that order.
        .send_fairness(false)
        .initial_rtt(Duration::from_millis(INITIAL_RTT_MS))
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_TIMEOUT_MS))));
    match end {
        End::Node => {
            // One ordered stream, and the segments of all transfers at once.
            let bulk = u32::try_from(TRANSFERS_MAX).unwrap_or(1).saturating_mul(SEGMENTS_UNCONFIRMED_MAX);
            config
                .max_concurrent_uni_streams(VarInt::from_u32(bulk.saturating_add(1)))
                .max_concurrent_bidi_streams(VarInt::from_u32(0))
                .keep_alive_interval(Some(Duration::from_millis(KEEP_ALIVE_MS)));
        }
        End::Daemon => {
            // One control stream for the life of the connection.
            config
                .max_concurrent_uni_streams(VarInt::from_u32(NODE_BULK_STREAMS_MAX))
                .max_concurrent_bidi_streams(VarInt::from_u32(1));
        }
    }
    config
}

/// The settings of a node's endpoint: one socket a daemon's port, so packets to it need no connection id, which saves 8 B on each.
pub(super) fn node_endpoint() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    config.cid_generator(|| Box::new(RandomConnectionIdGenerator::new(0)));
    config
}

/// The settings of a daemon's endpoint. Its connection ids are recognised, and its resets believed, across restarts: so a
/// node learns of a restart by its next packet instead of the idle time-out.
pub(super) fn daemon_endpoint(secret: &ResetSecret) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &secret.reset_key())));
    let key = secret.connection_id_key();
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(key)));
    config
}
