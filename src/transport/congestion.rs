//! The congestion controller of every link: Cubic that never opens its window beyond a cap.
//!
//! Stands between a link's streams and the UDP socket. On a local network Cubic sees no loss and grows its window to tens of
//! megabytes; the queue then moves out of the streams, where priorities count, into the socket, where they do not, and a
//! 16-byte delta waits behind a snapshot. Capped at a few packets more than the path needs, the queue stays where priorities
//! order it: a delta beside a running bulk transfer waits as long as without one, at the same bulk throughput.
//!
//! Invariants: the window is at most the cap; at the cap the inner window does not grow, so that one loss brings the
//! answer down at once. Source: Cubic is RFC 9438 as quinn has it; the cap is own measurement (84 µs against 0.8–7 ms).

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics, Cubic, CubicConfig};
use quinn_proto::RttEstimator;

/// Makes the controllers of an endpoint's connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct CappedCubicConfig {
    /// Bytes in flight before the first acknowledgement.
    pub(super) initial_bytes: u64,
    /// Bytes in flight at most.
    pub(super) cap_bytes: u64,
}

impl ControllerFactory for CappedCubicConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let mut config = CubicConfig::default();
        config.initial_window(self.initial_bytes);
        let inner = Box::new(Cubic::new(Arc::new(config), now, current_mtu));
        Box::new(CappedCubic { inner, cap_bytes: self.cap_bytes })
    }
}

/// Cubic below a cap; one per connection.
struct CappedCubic {
    inner: Box<dyn Controller>,
    cap_bytes: u64,
}

impl CappedCubic {
    /// Whether the inner window must not grow: then it is told that the application is what limits it.
    fn is_at_cap(&self) -> bool {
        self.inner.window() >= self.cap_bytes
    }
}

impl Controller for CappedCubic {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.inner.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        self.inner.on_ack(now, sent, bytes, app_limited || self.is_at_cap(), rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_packet_num_acked: Option<u64>) {
        self.inner.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        self.inner.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.inner.window().min(self.cap_bytes)
    }

    fn metrics(&self) -> ControllerMetrics {
        self.inner.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { inner: self.inner.clone_box(), cap_bytes: self.cap_bytes })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window().min(self.cap_bytes)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn controller(initial_bytes: u64) -> CappedCubic {
        let mut config = CubicConfig::default();
        config.initial_window(initial_bytes);
        let inner = Box::new(Cubic::new(Arc::new(config), Instant::now(), 1_200));
        CappedCubic { inner, cap_bytes: 64_000 }
    }

    #[test]
    fn the_window_grows_below_the_cap_only() {
        assert_eq!(controller(16_000).window(), 16_000);
        assert!(!controller(63_999).is_at_cap());
        assert!(controller(64_000).is_at_cap());
        assert_eq!(controller(900_000).window(), 64_000);
        assert_eq!(controller(900_000).clone_box().window(), 64_000);
    }

    #[test]
    fn one_loss_at_the_cap_shrinks_the_window_at_once() {
        let mut controller = controller(64_000);
        let later = Instant::now() + Duration::from_secs(10);
        controller.on_congestion_event(later, later, false, 1_200);
        assert!(controller.window() < 50_000, "{}", controller.window());
    }
}
