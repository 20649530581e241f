//! What nodes write together while something happens to their daemon, and what it must then be.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nam::Tracked;
use nam::client::{Node, Object};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) const NODES: u64 = 4;

/// What all nodes write.
#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "recovery.Ledger")]
pub(crate) struct Ledger {
    #[nam(add)]
    pub(crate) total: u64,
    pub(crate) last: BTreeMap<u64, u64>,
    pub(crate) lines: Vec<String>,
}

impl Ledger {
    /// Every update that a node was told of is here once, and each that is here wholly.
    pub(crate) fn check(&self) {
        assert_eq!(self.total, self.last.values().sum::<u64>(), "one instant of all cells, and each update once");
        let lines = self.last.iter().flat_map(|(me, mine)| (0..*mine).step_by(16).map(move |n| format!("{me}:{n}")));
        let (mut expected, mut there): (Vec<String>, Vec<String>) = (lines.collect(), self.lines.clone());
        expected.sort();
        there.sort();
        assert_eq!(there, expected, "no line is missing, none is there twice");
    }
}

/// What the nodes were told together.
#[derive(Debug, Default)]
struct Told {
    updates: AtomicU64,
    is_over: AtomicBool,
}

/// Nodes that write until it is over.
pub(crate) struct Load {
    told: Arc<Told>,
    seen: watch::Receiver<u64>,
    writers: Vec<JoinHandle<u64>>,
    _nodes: Vec<Node>,
}

impl Load {
    pub(crate) async fn start(address: &str) -> Self {
        let (told, (progress, seen)) = (Arc::new(Told::default()), watch::channel(0));
        let progress = Arc::new(progress);
        let (mut nodes, mut writers) = (Vec::new(), Vec::new());
        for me in 0..NODES {
            let node = Node::connect([address.to_owned()]).await.unwrap();
            let ledger = node.open_or_create("ledger", Ledger::default).await.unwrap();
            writers.push(tokio::spawn(write(ledger, me, Arc::clone(&told), Arc::clone(&progress))));
            nodes.push(node);
        }
        Self { told, seen, writers, _nodes: nodes }
    }

    /// Updates that were acknowledged so far.
    pub(crate) fn updates(&self) -> u64 {
        self.told.updates.load(Ordering::Relaxed)
    }

    /// Waits until so many were.
    pub(crate) async fn reach(&mut self, updates: u64) {
        self.seen.wait_for(|seen| *seen >= updates).await.unwrap();
    }

    /// Ends it; what each node was told.
    pub(crate) async fn end(self) -> BTreeMap<u64, u64> {
        self.told.is_over.store(true, Ordering::Relaxed);
        let mut acknowledged = BTreeMap::new();
        for (me, writer) in (0..).zip(self.writers) {
            acknowledged.insert(me, writer.await.unwrap());
        }
        acknowledged
    }
}

/// Updates until it is over; answers how many were acknowledged.
async fn write(ledger: Object<Ledger>, me: u64, told: Arc<Told>, progress: Arc<watch::Sender<u64>>) -> u64 {
    let mut mine = 0;
    while !told.is_over.load(Ordering::Relaxed) {
        let update = ledger.update(|ledger| {
            ledger.total_mut().add(1);
            ledger.last_mut().insert(me, mine + 1);
            if mine % 16 == 0 {
                ledger.lines_mut().push(format!("{me}:{mine}"));
            }
            Ok::<_, Infallible>(())
        });
        match update.await {
            Ok(_) => {
                mine += 1;
                progress.send_replace(told.updates.fetch_add(1, Ordering::Relaxed) + 1);
            }
            Err(error) => panic!("node {me} waits until the daemon is back, it does not give up: {error}"),
        }
    }
    mine
}
