//! The requests of the demo, and the windows in which bytes and latencies are measured.
//!
//! Three windows: round robin (latencies, in turn with the bare echo), one change at a time by one writer (bytes), ten
//! changes at once by one writer (bytes). Invariants: the next change starts when the last was visible everywhere; a
//! bytes window opens after a second of quiet; every request checks the price that the one before it wrote, on whatever
//! node that was. Source: own reasoning.

use std::time::Duration;

use super::DemoError;
use super::figures::{Figures, Spread};
use super::interface::{HEADER_BYTES, loopback_bytes};
use super::messages::{Order, Report};
use super::process::Process;

/// Silence before a bytes window opens: late acknowledgements of the time before have passed.
const QUIET: Duration = Duration::from_secs(1);

/// Silence before a bytes window closes: delayed acknowledgements (25 ms) belong to it.
const TAIL: Duration = Duration::from_millis(60);

/// Prices changed at once in the burst window.
const BURST: usize = 10;

/// Bytes of the echo: those of a commit with its record.
const ECHO_BYTES: usize = 28;

/// The requests to come, over the session's symbols in turn.
#[derive(Debug)]
pub(crate) struct Rounds<'n> {
    nodes: &'n mut [Process],
    prices: Vec<(String, f64)>,
    next: usize,
}

/// UDP bytes and packets of all nodes, and the interface's bytes, at one moment.
struct Counts {
    of_nodes: Vec<(u64, u64)>,
    of_interface: Option<u64>,
}

impl<'n> Rounds<'n> {
    /// Prepares requests over `prices`, the symbols and what they cost now.
    pub(crate) fn new(nodes: &'n mut [Process], prices: Vec<(String, f64)>) -> Self {
        Self { nodes, prices, next: 0 }
    }

    /// Runs all windows; a tenth of the requests each for the two bytes windows, at least a hundred.
    pub(crate) async fn measure(&mut self, requests: u32, figures: &mut Figures) -> Result<(), DemoError> {
        let counted = (requests / 10).clamp(100, 1_000);
        self.round_robin(requests, figures).await?;
        let mut interface = Vec::new();
        let (alone, ratio) = self.window(counted, 1).await?;
        interface.extend(ratio);
        let (burst, ratio) = self.window(counted / 5, BURST).await?;
        interface.extend(ratio);
        figures.udp_bytes_per_change_alone = alone;
        figures.udp_bytes_per_change_burst10 = burst;
        figures.interface_ratio = interface.iter().copied().fold(0.0, |worst: f64, ratio| {
            if (ratio - 1.0).abs() >= (worst - 1.0).abs() || worst == 0.0 { ratio } else { worst }
        });
        figures.changes = u64::from(requests) + u64::from(counted) + u64::from(counted / 5) * BURST as u64;
        Ok(())
    }

    async fn round_robin(&mut self, requests: u32, figures: &mut Figures) -> Result<(), DemoError> {
        let bar = super::progress_bar();
        bar.set_length(u64::from(requests));
        bar.set_style(
            indicatif::ProgressStyle::with_template("{msg:<28} {wide_bar} {pos} of {len} {elapsed}")
                .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()),
        );
        bar.set_message("requests, round robin");
        let (mut commit, mut visible, mut echo) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..requests as usize {
            let writer = i % self.nodes.len();
            let (began, acknowledged, seen) = self.change_alone(writer).await?;
            commit.push(microseconds(began, acknowledged));
            visible.extend(seen.into_iter().map(|at| microseconds(began, at)));
            let reader = (i + 1) % self.nodes.len();
            if let Some(node) = self.nodes.get_mut(reader)
                && let Report::Echoed { us } = node.ask(&Order::Echo { bytes: ECHO_BYTES }).await?
            {
                echo.push(us);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        figures.commit_us = Spread::of(commit);
        figures.visible_us = Spread::of(visible);
        figures.quinn_echo_us = Spread::of(echo);
        Ok(())
    }

    /// One request on node `writer`, until its change is visible on every other node: when it began, when it was
    /// acknowledged, and when each other node saw it.
    async fn change_alone(&mut self, writer: usize) -> Result<(u64, u64, Vec<u64>), DemoError> {
        let [(symbol, expected, price)] = self.take_changes::<1>();
        let order = Order::Request { symbol, expected, price };
        let Some(node) = self.nodes.get_mut(writer) else { return Ok((0, 0, Vec::new())) };
        let Report::Answered { began, acknowledged, version } = node.ask(&order).await? else {
            return Err(DemoError::Line { text: "no answer to a request".to_owned() });
        };
        Ok((began, acknowledged, self.visible_everywhere(version, writer).await?))
    }

    /// Ten requests at once on node `writer`, until all are visible on every other node.
    async fn change_burst(&mut self, writer: usize) -> Result<(), DemoError> {
        let prices = self.take_changes::<BURST>().into_iter().map(|(symbol, _, price)| (symbol, price)).collect();
        let Some(node) = self.nodes.get_mut(writer) else { return Ok(()) };
        if let Report::Answered { version, .. } = node.ask(&Order::Burst { prices }).await? {
            self.visible_everywhere(version, writer).await?;
        }
        Ok(())
    }

    /// When each node other than `writer` saw `version`; returns once all did.
    async fn visible_everywhere(&mut self, version: u64, writer: usize) -> Result<Vec<u64>, DemoError> {
        let mut seen = Vec::new();
        for (i, node) in self.nodes.iter_mut().enumerate() {
            let at = node.visible_at(version).await?;
            if i != writer {
                seen.push(at);
            }
        }
        Ok(seen)
    }

    /// UDP payload bytes per change (writer plus mean holder), and the interface's count over ours.
    async fn window(&mut self, rounds: u32, at_once: usize) -> Result<(f64, Option<f64>), DemoError> {
        tokio::time::sleep(QUIET).await;
        let before = self.count().await?;
        for _ in 0..rounds {
            if at_once == 1 {
                self.change_alone(0).await?;
            } else {
                self.change_burst(0).await?;
            }
        }
        tokio::time::sleep(TAIL).await;
        let after = self.count().await?;
        let mut shares = Vec::new();
        let mut with_headers = 0;
        for ((bytes, packets), (bytes_before, packets_before)) in after.of_nodes.iter().zip(&before.of_nodes) {
            shares.push((bytes - bytes_before) as f64);
            with_headers += bytes - bytes_before + (packets - packets_before) * HEADER_BYTES;
        }
        let changes = f64::from(rounds) * at_once as f64;
        let writer = shares.first().copied().unwrap_or_default();
        let holders = shares.get(1..).unwrap_or_default();
        let mean = holders.iter().sum::<f64>() / holders.len().max(1) as f64;
        let ratio = match (after.of_interface, before.of_interface) {
            (Some(after), Some(before)) => Some((after - before) as f64 / with_headers.max(1) as f64),
            _ => None,
        };
        Ok(((writer + mean) / changes, ratio))
    }

    async fn count(&mut self) -> Result<Counts, DemoError> {
        let mut of_nodes = Vec::new();
        for node in self.nodes.iter_mut() {
            if let Report::Counted { bytes, packets } = node.ask(&Order::Count).await? {
                of_nodes.push((bytes, packets));
            }
        }
        Ok(Counts { of_nodes, of_interface: loopback_bytes() })
    }

    /// The next `N` changes: symbol, the price it has, the price it gets.
    fn take_changes<const N: usize>(&mut self) -> [(String, f64, f64); N] {
        std::array::from_fn(|_| {
            let count = self.prices.len().max(1);
            // A stride that is odd and large visits the whole catalogue before it repeats.
            self.next = (self.next + 7_919) % count;
            match self.prices.get_mut(self.next) {
                Some((symbol, price)) => {
                    let expected = *price;
                    *price = ((expected * 100.0).round() + 25.0) / 100.0;
                    (symbol.clone(), expected, *price)
                }
                None => (String::new(), 0.0, 0.0),
            }
        })
    }
}

fn microseconds(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1_000.0
}
