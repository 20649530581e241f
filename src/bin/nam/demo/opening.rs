//! Cold opens of the session, each beside its two parts, bare, on the same process.
//!
//! The nodes that stay open it first; then some that come for this alone, until there are enough samples for a median that
//! one busy moment of the machine does not decide. Source: own reasoning.

use super::DemoError;
use super::figures::{Figures, Spread};
use super::messages::{Order, Place, Report};
use super::process::Process;

/// Cold opens that are measured.
const OPENS: usize = 5;

/// What each open and its two parts took, in milliseconds.
#[derive(Default)]
struct Samples {
    open: Vec<f64>,
    transfer: Vec<f64>,
    decode: Vec<f64>,
}

/// Opens the session on every node but the one that has it, and on as many more as the medians need.
pub(crate) async fn everywhere(
    nodes: &mut [Process],
    (daemon, store): (&Place, &Place),
    figures: &mut Figures,
) -> Result<(), DemoError> {
    let Some((first, others)) = nodes.split_first_mut() else { return Ok(()) };
    first.ask(&Order::Open).await?;
    let mut samples = Samples::default();
    for (i, node) in others.iter_mut().enumerate() {
        let ms = samples.take(node, figures).await?;
        println!("node {} opened it cold in {ms:.0} ms", i + 2);
    }
    for _ in others.len()..OPENS {
        let mut guest = Process::start("a node that only opens the session")?;
        guest.ask(&Order::Connect { daemon: daemon.clone(), store: store.clone() }).await?;
        samples.take(&mut guest, figures).await?;
        guest.close().await?;
    }
    figures.cold_open_ms = Spread::of(samples.open).p50;
    figures.raw_transfer_ms = Spread::of(samples.transfer).p50;
    figures.decode_ms = Spread::of(samples.decode).p50;
    Ok(())
}

impl Samples {
    async fn take(&mut self, node: &mut Process, figures: &mut Figures) -> Result<f64, DemoError> {
        let Report::Opened { ms, udp_bytes } = node.ask(&Order::Open).await? else { return Ok(0.0) };
        figures.cold_open_bytes = figures.cold_open_bytes.max(udp_bytes);
        self.open.push(ms);
        if let Report::Baseline { transfer_ms, decode_ms } = node.ask(&Order::Baseline).await? {
            self.transfer.push(transfer_ms);
            self.decode.push(decode_ms);
        }
        Ok(ms)
    }
}
