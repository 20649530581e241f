//! Use that a node tells of, record by record; and objects that end by themselves, in process.

use std::sync::Arc;
use std::time::Duration;

use nam::Expiry;
use nam::coding::Writer;
use nam::ids::{Alias, Birth, CommitNumber, Epoch, NodeId, RequestId, ShardId, Version};
use nam::node::{Core, Host, ReplicaId, Ring, Slot};
use nam::time::Instant;
use nam::tracked::Class;
use nam::wire::{Form, PROTOCOL, Records, ToNode, ToRepository};
use parking_lot::Mutex;

use crate::ledger::Ledger;

#[derive(Debug, Default)]
struct Rings(Mutex<Vec<(ReplicaId, Ring)>>);

impl Host for Rings {
    fn ring(&self, replica: ReplicaId, ring: Ring) {
        self.0.lock().push((replica, ring));
    }
}

/// A node whose repository is the test.
struct Node {
    core: Core,
    rings: Arc<Rings>,
    slots: Vec<Arc<Slot<Ledger>>>,
}

const EPOCH: Epoch = Epoch(1);

fn birth(alias: u32) -> Birth {
    Birth(CommitNumber { epoch: EPOCH, n: u64::from(alias) + 1 })
}

impl Node {
    /// Holds `objects`, the aliases of which count from 0.
    fn with(objects: u32) -> Self {
        let mut node = Self { core: Core::new(NodeId(1)), rings: Arc::default(), slots: Vec::new() };
        node.core.handle_connected();
        let mut value = Writer::new();
        Ledger::default().encode_root(&mut value);
        let (shard, shards) = (ShardId(0), Vec::new());
        node.hear(&ToNode::Welcome { protocol: PROTOCOL, shard, epoch: EPOCH, lossy_epoch: EPOCH, next: 1, shards });
        node.hear(&ToNode::Resumed);
        for at in 0..objects {
            let host = Arc::clone(&node.rings) as _;
            let slot = Slot::<Ledger>::new(ReplicaId(u64::from(at)), &format!("k{at}"), host);
            node.core.open(Arc::clone(&slot) as _);
            node.slots.push(slot);
            let (request, alias) = (RequestId(at + 1), Alias(at));
            let form = Form::Delta { base: Version(0), delta: value.as_slice() };
            node.hear(&ToNode::Opened { request, alias, birth: birth(at), version: Version(1), form });
        }
        node.said();
        node
    }

    fn hear(&mut self, record: &ToNode<'_>) {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        self.core.handle_records(&bytes).unwrap();
    }

    fn limit(&mut self, alias: u32, limit_ms: u64) {
        self.hear(&ToNode::Idle { alias: Alias(alias), limit_ms });
    }

    fn read(&mut self, at: usize) {
        assert!(self.slots[at].current().is_some());
    }

    /// What it says at `now`, printed.
    fn says(&mut self, now: u64) -> Vec<String> {
        self.core.handle_timeout(Instant(now));
        for (replica, ring) in std::mem::take(&mut *self.rings.0.lock()) {
            self.core.handle_ring(replica, ring).unwrap();
        }
        self.said()
    }

    fn said(&mut self) -> Vec<String> {
        let (mut bytes, mut records) = (Vec::new(), Records::new());
        self.core.poll_records(&mut bytes);
        records.push(&bytes);
        let mut said = Vec::new();
        while let Some(raw) = records.next().unwrap() {
            said.push(format!("{:?}", ToRepository::decode(raw).unwrap()));
        }
        said
    }
}

fn touch(aliases: &[u32]) -> String {
    format!("{:?}", ToRepository::Touch { aliases: aliases.iter().copied().map(Alias).collect() })
}

#[test]
fn reads_of_an_object_that_does_not_expire_are_told_to_nobody() {
    let mut node = Node::with(1);
    node.read(0);
    assert!(node.says(5_000).is_empty() && node.core.poll_timeout().is_none());
    node.limit(0, 60_000);
    node.limit(0, 0);
    node.read(0);
    assert!(node.says(9_000).is_empty() && node.core.poll_timeout().is_none());
}

#[test]
fn touches_leave_together_and_seldom() {
    let mut node = Node::with(3);
    (0..3).for_each(|alias| node.limit(alias, 300_000));
    for at in [2, 0, 0, 2] {
        node.read(at);
        assert!(node.says(1_500).is_empty(), "within a second they wait for each other");
    }
    assert_eq!(node.core.poll_timeout(), Some(Instant(2_000)));
    assert_eq!(node.says(2_000), [touch(&[0, 2])]);
    assert_eq!(node.core.poll_timeout(), None, "further reads are not there yet");
    for now in (2_100..12_000).step_by(100) {
        node.read(0);
        assert!(node.says(now).is_empty(), "at most one in a thirtieth of 300 s: {now}");
    }
    assert_eq!(node.says(13_000), [touch(&[0])]);
}

#[test]
fn use_that_is_kept_back_is_told_when_the_object_is_about_to_end() {
    let mut node = Node::with(2);
    node.limit(0, 300_000);
    node.limit(1, 300_000);
    node.read(0);
    node.says(1_000);
    node.says(2_000);
    node.read(0);
    assert!(node.says(3_000).is_empty());
    node.limit(0, 300_000);
    node.limit(1, 300_000);
    assert_eq!(node.says(3_000), [touch(&[0])], "and of the other there is nothing to tell");
}

#[test]
fn what_is_kept_back_is_told_before_the_replica_is_given_up_or_the_node_leaves() {
    let mut node = Node::with(3);
    (0..3).for_each(|alias| node.limit(alias, 300_000));
    (0..3).for_each(|at| node.read(at));
    assert!(node.says(100).is_empty());
    node.core.release(ReplicaId(0));
    assert!(node.core.evict(ReplicaId(1)));
    let close = |alias| format!("{:?}", ToRepository::Close { alias: Alias(alias), birth: birth(alias) });
    assert_eq!(node.said(), [touch(&[0]), close(0), touch(&[1]), close(1)]);
    node.core.close();
    assert_eq!(node.said(), [touch(&[2]), format!("{:?}", ToRepository::Goodbye)]);
}

#[test]
fn use_during_an_outage_is_told_after_it() {
    let mut node = Node::with(1);
    node.limit(0, 300_000);
    node.core.handle_disconnected();
    assert!(node.slots[0].peek().unwrap().is_some());
    assert!(node.says(60_000).is_empty() && node.core.poll_timeout().is_none());
    node.core.handle_connected();
    let (shard, shards) = (ShardId(0), Vec::new());
    node.hear(&ToNode::Welcome { protocol: PROTOCOL, shard, epoch: EPOCH, lossy_epoch: EPOCH, next: 1, shards });
    node.limit(0, 300_000);
    node.hear(&ToNode::Resumed);
    assert_eq!(node.says(60_001).last(), Some(&touch(&[0])));
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn an_object_ends_by_itself_on_every_node_and_its_key_is_free() {
    run(async {
        let repository = nam::InProcess::new().unwrap();
        let (a, b) = (repository.node().await.unwrap(), repository.node().await.unwrap());
        let brief = Expiry::idle(Duration::from_secs(60)).or_after(Duration::from_secs(1));
        let here = a.expiring(brief).create("alice", Ledger::default()).await.unwrap();
        let there = b.open::<Ledger>("alice").await.unwrap();
        for object in [&here, &there] {
            let mut changes = object.watch();
            while !matches!(changes.next().await, nam::Change::Ended(_)) {}
            assert!(matches!(object.read().await, Err(nam::Error::Gone { .. })));
            assert!(matches!(object.set_expiry(Expiry::NEVER).await, Err(nam::Error::Gone { .. })));
        }
        assert!(matches!(b.open::<Ledger>("alice").await, Err(nam::Error::Gone { .. })));
        let again = a.create("alice", Ledger { total: 2, ..Ledger::default() }).await.unwrap();
        assert_eq!(again.read().await.unwrap().total, 2);
    });
}

#[test]
fn an_object_that_nobody_uses_ends_although_it_is_held() {
    run(async {
        let node = nam::Node::in_process().await.unwrap();
        let object = node.create("alice", Ledger::default()).await.unwrap();
        object.set_expiry(Expiry::idle(Duration::from_secs(1))).await.unwrap();
        let mut changes = object.watch();
        while !matches!(changes.next().await, nam::Change::Ended(_)) {}
        assert!(matches!(object.read().await, Err(nam::Error::Gone { .. })));
    });
}
