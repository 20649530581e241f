//! What the demo measured, as a table for people and as JSON for programs.
//!
//! Invariant: a figure stands here only if this run measured it. Source: own reasoning.

use std::fmt;

use serde::Serialize;

/// Median and 99th percentile of a set of durations, in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Spread {
    pub p50: f64,
    pub p99: f64,
}

impl Spread {
    /// Sorts the samples and picks; zero if there are none.
    pub(crate) fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let pick = |percent: usize| {
            let at = (samples.len().saturating_sub(1) * percent).div_ceil(100);
            samples.get(at).copied().unwrap_or_default()
        };
        Self { p50: pick(50), p99: pick(99) }
    }
}

/// Everything `--json` writes.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// The session encoded, in bytes.
    pub(crate) object_bytes: u64,
    /// Node processes.
    pub(crate) nodes: usize,
    /// Changes made, alone and in bursts.
    pub(crate) changes: u64,
    /// UDP payload per change when the next starts after the last was visible: the writer's connection plus the mean of the holders'.
    pub(crate) udp_bytes_per_change_alone: f64,
    /// The same per change when ten tasks change ten prices at once.
    pub udp_bytes_per_change_burst10: f64,
    /// The loopback interface's own count over the whole of both windows, per byte counted here (packet headers added): 1.0 is exact.
    pub(crate) interface_ratio: f64,
    /// A delta record, in bytes, header included.
    pub(crate) delta_bytes: u64,
    /// From the start of the update to its acknowledgement.
    pub(crate) commit_us: Spread,
    /// From the start of the update to its visibility on another node; every other node gives a sample.
    pub(crate) visible_us: Spread,
    /// A bare quinn echo of the same size, pacing and process layout, in the same run.
    pub(crate) quinn_echo_us: Spread,
    /// Opening the session on a node that has nothing, until it can be read; the median of several.
    pub(crate) cold_open_ms: f64,
    /// UDP payload of one cold open.
    pub(crate) cold_open_bytes: u64,
    /// The same number of bytes over one bare quinn stream, the first large one of its connection; the median on the same nodes.
    pub(crate) raw_transfer_ms: f64,
    /// Decoding the session from memory into memory of its own; the median on the same nodes.
    pub(crate) decode_ms: f64,
    /// Whole-session replication of one change: bytes on the wire, writer to store and store to one reader.
    pub(crate) whole_bytes: u64,
    /// Its time: encode, send, fetch, decode.
    pub(crate) whole_ms: f64,
    /// Whether every node's session equals every other's and the repository's document, field by field.
    pub(crate) replicas_equal: bool,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, what: &str, value: String, note: &str| {
            writeln!(f, "  {what:<34} {value:>18}   {note}")
        };
        let spread = |s: &Spread| format!("{:.0} / {:.0} µs", s.p50, s.p99);
        writeln!(f)?;
        row(f, "session", bytes(self.object_bytes), "encoded, on each of the nodes")?;
        row(f, "nodes / changes", format!("{} / {}", self.nodes, self.changes), "")?;
        row(
            f,
            "cold open",
            format!("{:.0} ms", self.cold_open_ms),
            &format!("{} on the wire", bytes(self.cold_open_bytes)),
        )?;
        let raw = format!("raw quinn {:.0} ms + decode {:.0} ms", self.raw_transfer_ms, self.decode_ms);
        row(f, "", format!("{:.2} ×", self.cold_open_ms / (self.raw_transfer_ms + self.decode_ms)), &raw)?;
        writeln!(f)?;
        writeln!(f, "  one price changes                                nam   whole session (postcard, same QUIC)")?;
        let ratio = self.whole_bytes as f64 / self.udp_bytes_per_change_alone.max(1.0);
        row(
            f,
            "UDP bytes per change, alone",
            format!("{:.1} B", self.udp_bytes_per_change_alone),
            &format!("{} ({ratio:.0} × as much)", bytes(self.whole_bytes)),
        )?;
        row(f, "UDP bytes per change, ten at once", format!("{:.1} B", self.udp_bytes_per_change_burst10), "")?;
        row(
            f,
            "  counted by the interface",
            format!("{:.3} ×", self.interface_ratio),
            "of what is counted here, headers added",
        )?;
        row(f, "  the delta record itself", format!("{} B", self.delta_bytes), "without packets and acknowledgements")?;
        row(f, "acknowledged, p50 / p99", spread(&self.commit_us), "")?;
        row(f, "visible elsewhere, p50 / p99", spread(&self.visible_us), &format!("{:.0} ms", self.whole_ms))?;
        row(
            f,
            "a bare quinn echo, p50 / p99",
            spread(&self.quinn_echo_us),
            &format!("visible is {:.2} × that", self.visible_us.p50 / self.quinn_echo_us.p50.max(1.0)),
        )?;
        writeln!(f)?;
        row(
            f,
            "replicas and document",
            if self.replicas_equal { "equal".into() } else { "DIFFERENT".into() },
            "field by field",
        )
    }
}

/// Bytes as people read them.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..=9_999 => format!("{count} B"),
        10_000..=9_999_999 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.2} MB", count as f64 / 1e6),
    }
}
