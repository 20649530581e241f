//! A child process as the demo sees it: orders in, reports out, ended when dropped.
//!
//! Invariants: only processes started here are ended; a child that dies or stays silent is an error, never a wait for
//! ever. Source: own reasoning.

use std::collections::VecDeque;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::DemoError;
use super::messages::{Order, Place, Report};

/// How long a child may stay silent, whatever it was asked.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// The longest time to wait for a daemon's first lines.
const START_MAX: Duration = Duration::from_secs(20);

/// One node process.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    orders: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
    /// Versions seen by the watcher that nobody has asked for yet.
    visible: VecDeque<(u64, u64)>,
}

impl Process {
    /// Starts `nam demo-node` as a child.
    pub(crate) fn start(name: &str) -> Result<Self, DemoError> {
        let mut child = own_program()?
            .arg("demo-node")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| DemoError::Start { name: name.to_owned(), source })?;
        let (Some(orders), Some(reports)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(DemoError::Ended { name: name.to_owned() });
        };
        let reports = BufReader::new(reports).lines();
        Ok(Self { name: name.to_owned(), child, orders, reports, visible: VecDeque::new() })
    }

    /// Gives an order.
    pub(crate) async fn order(&mut self, order: &Order) -> Result<(), DemoError> {
        let mut line = serde_json::to_string(order).map_err(|error| DemoError::Line { text: error.to_string() })?;
        line.push('\n');
        self.orders.write_all(line.as_bytes()).await.map_err(|_| DemoError::Ended { name: self.name.clone() })
    }

    /// The next report that was asked for; what the watcher saw is kept for [`Self::visible_at`].
    pub(crate) async fn report(&mut self) -> Result<Report, DemoError> {
        loop {
            match self.next_line().await? {
                Report::Visible { version, at } => self.visible.push_back((version, at)),
                Report::Failed { why } => return Err(DemoError::Node { name: self.name.clone(), why }),
                report => return Ok(report),
            }
        }
    }

    /// Gives an order and waits for its report.
    pub(crate) async fn ask(&mut self, order: &Order) -> Result<Report, DemoError> {
        self.order(order).await?;
        self.report().await
    }

    /// When the watcher saw `version` or a later one, in nanoseconds since 1970.
    pub(crate) async fn visible_at(&mut self, version: u64) -> Result<u64, DemoError> {
        loop {
            while let Some((seen, at)) = self.visible.pop_front() {
                if seen >= version {
                    self.visible.push_front((seen, at));
                    return Ok(at);
                }
            }
            match self.next_line().await? {
                Report::Visible { version, at } => self.visible.push_back((version, at)),
                Report::Failed { why } => return Err(DemoError::Node { name: self.name.clone(), why }),
                other => return Err(DemoError::Line { text: format!("{other:?} where a version was awaited") }),
            }
        }
    }

    /// Lets the process leave and waits for its end.
    pub(crate) async fn close(mut self) -> Result<(), DemoError> {
        self.order(&Order::Close).await?;
        self.report().await?;
        drop(self.orders);
        let _ended = tokio::time::timeout(SILENCE_MAX, self.child.wait()).await;
        Ok(())
    }

    async fn next_line(&mut self) -> Result<Report, DemoError> {
        let line = tokio::time::timeout(SILENCE_MAX, self.reports.next_line())
            .await
            .map_err(|_| DemoError::Silent { name: self.name.clone(), seconds: SILENCE_MAX.as_secs() })?;
        match line {
            Ok(Some(line)) => serde_json::from_str(&line).map_err(|_| DemoError::Line { text: line }),
            _ => Err(DemoError::Ended { name: self.name.clone() }),
        }
    }
}

/// A server process (the daemon, or the store of the comparison), recognised by its first lines.
#[derive(Debug)]
pub(crate) struct Served {
    /// With its standard input, at whose end it ends.
    _child: Child,
    _lines: Lines<BufReader<ChildStdout>>,
    pub(crate) place: Place,
}

impl Served {
    /// Starts `nam ARGUMENTS…` and reads the lines `listening ADDRESS` and `fingerprint FINGERPRINT` from its first lines.
    pub(crate) async fn start(name: &str, arguments: &[&str]) -> Result<Self, DemoError> {
        let mut child = own_program()?
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| DemoError::Start { name: name.to_owned(), source })?;
        let Some(output) = child.stdout.take() else { return Err(DemoError::Ended { name: name.to_owned() }) };
        let mut lines = BufReader::new(output).lines();
        let first_lines = tokio::time::timeout(START_MAX, async {
            let (mut address, mut trust) = (None, None);
            while let Ok(Some(line)) = lines.next_line().await {
                let words = line.trim();
                address = address.or_else(|| words.strip_prefix("listening").map(first_word));
                trust = trust.or_else(|| words.strip_prefix("fingerprint").map(|rest| rest.trim().to_owned()));
                if let (Some(address), Some(trust)) = (&address, &trust) {
                    return Some(Place { address: address.clone(), trust: trust.clone() });
                }
            }
            None
        });
        match first_lines.await {
            Ok(Some(place)) => Ok(Self { _child: child, _lines: lines, place }),
            Ok(None) => Err(DemoError::Ended { name: name.to_owned() }),
            Err(_) => Err(DemoError::Silent { name: name.to_owned(), seconds: START_MAX.as_secs() }),
        }
    }
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

fn own_program() -> Result<Command, DemoError> {
    let program = std::env::current_exe().map_err(|source| DemoError::Start { name: "nam".to_owned(), source })?;
    Ok(Command::new(program))
}
