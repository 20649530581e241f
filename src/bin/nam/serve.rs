//! `nam serve`: the daemon in the foreground, until SIGINT or SIGTERM.
//!
//! Its first lines say where it listens, by which fingerprint nodes know it, and what survives a restart.

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nam::journal::FrameName;
use nam::server::{Certificates, JournalPlace, Server, ServerConfig};
use nam::store::Durability;
use tokio::signal::unix::{SignalKind, signal};

use crate::advice;

/// Where commits are kept.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum JournalKind {
    /// In memory: nothing survives the daemon.
    Memory,
    /// In the data directory.
    Disk,
}

/// What a commit survives once it is acknowledged.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Survives {
    /// The end of the daemon, at any instant, but not that of the machine: nothing is synced.
    Process,
    /// The end of the machine: every commit is synced.
    Disk,
}

/// What `nam serve` is told.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where the first shard listens, host:port; each further one a port above.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7420", value_parser = address)]
    listen: SocketAddr,
    /// Shards, each a thread and a port; fixed when the data directory is made [default: those it has, or 1].
    #[arg(long, value_name = "N")]
    shards: Option<u16>,
    /// Where the daemon keeps what a restart needs.
    #[arg(long, value_name = "DIR", default_value = "nam-data")]
    data: PathBuf,
    /// Where commits are kept.
    #[arg(long, value_enum, default_value_t = JournalKind::Disk)]
    journal: JournalKind,
    /// What a commit survives once it is acknowledged [default: disk].
    #[arg(long, value_enum, value_name = "LEVEL")]
    durability: Option<Survives>,
    /// Memory for objects, as in 512MiB or 2GiB; beyond it those that were not used for long are left to the disk
    /// [default: no limit].
    #[arg(long, value_name = "BYTES", value_parser = size)]
    memory_max: Option<u64>,
    /// Start although what was acknowledged behind this frame of its shard is damaged or gone, and tell nodes that it is
    /// lost: a frame as `nam verify` and errors name it, 0:0.0 for none; given again for another shard.
    #[arg(long, value_name = "FRAME")]
    accept_loss_after: Vec<FrameName>,
    /// The daemon's certificate chain, PEM, leaf first.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of the certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The authority whose certificates nodes must show, PEM; needed to listen on a network.
    #[arg(long, value_name = "FILE", requires = "cert")]
    client_ca: Option<PathBuf>,
    /// End when standard input does.
    #[arg(long, hide = true)]
    with_parent: bool,
}

impl Serve {
    /// Runs the daemon until it is told to stop or cannot go on.
    pub(crate) fn run(self) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("the system gives no event queue: {error}"))?;
        if self.with_parent {
            crate::parent::follow();
        }
        let config = self.config()?;
        let mut server = Server::start(&config).map_err(|error| advice::of_start(&error))?;
        self.announce(&server, &config);
        let failure = runtime.block_on(async {
            tokio::select! {
                () = told_to_stop() => None,
                error = server.failed() => Some(error),
            }
        });
        server.stop();
        match failure {
            None => Ok(()),
            Some(error) => {
                Err(format!("the daemon stopped because its journal failed: {error}; {}", advice::START_AGAIN))
            }
        }
    }

    fn config(&self) -> Result<ServerConfig, String> {
        let certificates = self.cert.clone().zip(self.key.clone()).map(|(certificate, key)| Certificates {
            certificate,
            key,
            node_authorities: self.client_ca.clone(),
        });
        let journal = match (self.journal, self.durability) {
            (JournalKind::Memory, None) if self.memory_max.is_none() && self.accept_loss_after.is_empty() => {
                JournalPlace::Memory
            }
            (JournalKind::Memory, asked) => {
                let flag = match self.memory_max {
                    _ if asked.is_some() => "--durability",
                    Some(_) => "--memory-max",
                    None => "--accept-loss-after",
                };
                return Err(format!("{flag} needs a journal on disk: leave it out, or --journal memory"));
            }
            (JournalKind::Disk, Some(Survives::Process)) => JournalPlace::Data(Durability::Process),
            (JournalKind::Disk, Some(Survives::Disk) | None) => JournalPlace::Data(Durability::Disk),
        };
        Ok(ServerConfig {
            listen: self.listen,
            shards: self.shards,
            data: Some(self.data.clone()),
            journal,
            accept_loss_after: self.accept_loss_after.clone(),
            memory_max: self.memory_max,
            certificates,
            ..ServerConfig::default()
        })
    }

    /// Prints the first lines; nobody has to read them.
    fn announce(&self, server: &Server, config: &ServerConfig) {
        let (data, mut lines) = (self.data.display(), Vec::new());
        for (shard, address) in server.addresses().iter().enumerate() {
            lines.push(format!("listening  {address} (shard {shard})"));
        }
        lines.push(format!("fingerprint  {}", server.fingerprint()));
        lines.push(match &config.certificates {
            None => format!("identity  development, kept in {data}; this machine only"),
            Some(given) if given.node_authorities.is_none() => "identity  certificate; nodes need none".to_owned(),
            Some(_) => "identity  certificate; nodes must show one".to_owned(),
        });
        lines.push(match config.journal {
            JournalPlace::Memory => "journal  memory; nothing survives the daemon".to_owned(),
            JournalPlace::Data(Durability::Process) => {
                format!("journal  {data}; what is acknowledged survives the daemon, not the machine")
            }
            JournalPlace::Data(Durability::Disk) => format!("journal  {data}; what is acknowledged is synced"),
        });
        lines.extend(config.accept_loss_after.iter().map(|behind| {
            format!(
                "loss  accepted behind frame {behind}; nodes are told, and the next start needs no --accept-loss-after"
            )
        }));
        let _closed = writeln!(std::io::stdout(), "{}", lines.join("\n"));
    }
}

/// Reads where to listen: an address, or a name of this machine.
fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found =
        text.to_socket_addrs().map_err(|error| format!("{error}: give a host and a port, as in localhost:7420"))?;
    found.next().ok_or_else(|| "the host has no address".to_owned())
}

/// Reads a number of bytes, with or without a unit.
fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, bytes) = unit.unwrap_or_else(|| (text.strip_suffix('B').unwrap_or(text), 1));
    let number: u64 = number.trim_end().parse().map_err(|_| "a size is written as in 512MiB or 2GiB".to_owned())?;
    number.checked_mul(bytes).ok_or_else(|| "that is more than there can be".to_owned())
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn told_to_stop() {
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_address_or_a_name() {
        assert_eq!(address("127.0.0.1:7420"), Ok(SocketAddr::from(([127, 0, 0, 1], 7420))));
        assert!(address("localhost:7420").unwrap().ip().is_loopback());
        for wrong in ["", "localhost", "7420", "localhost:port"] {
            assert!(address(wrong).unwrap_err().contains("as in localhost:7420"), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units() {
        let read = ["0", "17", "17B", "3 kB", "512MiB", "2GiB"].map(size);
        assert_eq!(read, [0, 17, 17, 3_000, 512 << 20, 2 << 30].map(Ok));
        for wrong in ["", "GiB", "2Gib", "-1", "1.5GiB", "99999999999TiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
