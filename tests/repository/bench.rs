//! One core, some connections, and a journal that is durable when the test says so.

use std::collections::VecDeque;

use bytes::Bytes;
use nam::coding::Writer;
use nam::expiry::Expiry;
use nam::ids::{Alias, Birth, CommitNumber, Epoch, FieldId, NodeId, RequestId, Sequence, ShardId, Version};
use nam::journal::{EncodedFrame, Frame};
use nam::repository::{Caps, Close, ConnectionId, Core, Identity};
use nam::schema::{FieldDef, KeyKind, Kind, Policy, Schema, StructDef, TypeDef, TypeIndex};
use nam::time::Instant;
use nam::wire::{Again, CreationValue, PROTOCOL, Records, Segment, ToNode, ToRepository};

use crate::keeper::Kept;

pub(crate) const CLASS: &str = "test.Account";
pub(crate) const EPOCH: Epoch = Epoch(1_000);

/// `{ 1 cash: u64, 2 name: String, 3 hits: u64 (add), 4 notes: map<u64, String>, 5 rates: map<u64, f64>, 6 curve: list<f64> }`
pub(crate) fn schema() -> Schema {
    let field = |id, name: &str, kind, policy| FieldDef {
        id: FieldId(id),
        name: name.to_owned(),
        aliases: Vec::new(),
        kind,
        policy,
        index: false,
        redact: false,
        optional: true,
    };
    let fields = vec![
        field(1, "cash", Kind::Uint(64), Policy::Retry),
        field(2, "name", Kind::String, Policy::Retry),
        field(3, "hits", Kind::Uint(64), Policy::Add),
        field(4, "notes", Kind::Map(KeyKind::Uint, Box::new(Kind::String)), Policy::Retry),
        field(5, "rates", Kind::Map(KeyKind::Uint, Box::new(Kind::F64)), Policy::Retry),
        field(6, "curve", Kind::List(Box::new(Kind::F64)), Policy::Retry),
    ];
    let def = StructDef { name: "Account".to_owned(), fields, reserved: Vec::new() };
    Schema { class: CLASS.to_owned(), types: vec![TypeDef::Struct(def)], root: TypeIndex(0) }
}

/// `cash = value`
pub(crate) fn cash(value: u64) -> Vec<u8> {
    let mut w = Writer::new();
    w.varint(1 << 3);
    w.varint(value);
    w.into_bytes()
}

/// `name = text`
pub(crate) fn name(text: &str) -> Vec<u8> {
    let mut w = Writer::new();
    w.varint(2 << 3 | 4);
    w.sized(text.as_bytes());
    w.into_bytes()
}

/// `hits += value`
pub(crate) fn add_hits(value: u64) -> Vec<u8> {
    let mut w = Writer::new();
    w.varint(3 << 3 | 5);
    w.framed(|w| w.varint(value));
    w.into_bytes()
}

/// `notes[key] = text`, for ascending single-byte keys
pub(crate) fn notes(entries: impl Iterator<Item = (u64, String)>) -> Vec<u8> {
    let mut w = Writer::new();
    w.varint(4 << 3 | 7);
    for (key, text) in entries {
        w.varint(key);
        w.varint(1);
        w.sized(text.as_bytes());
    }
    w.into_bytes()
}

/// `rates[key] = value`, for keys that ascend by their bytes
pub(crate) fn rates(entries: impl Iterator<Item = (u64, f64)>) -> Vec<u8> {
    let mut w = Writer::new();
    w.varint(5 << 3 | 7);
    for (key, value) in entries {
        w.varint(key);
        w.varint(1);
        w.raw(&value.to_le_bytes());
    }
    w.into_bytes()
}

/// `curve += values`, for a list of `len` elements
pub(crate) fn longer_curve(len: u64, values: &[f64]) -> Vec<u8> {
    let mut w = Writer::new();
    w.varint(6 << 3 | 7);
    if len == 0 {
        w.varint(2);
    } else {
        w.raw(&[3, 0]);
        w.varint(len);
    }
    w.varint((values.len() as u64) << 1 | 1);
    values.iter().for_each(|value| w.raw(&value.to_le_bytes()));
    w.into_bytes()
}

/// `curve[index] = value`
pub(crate) fn point(index: u64, value: f64) -> Vec<u8> {
    let mut w = Writer::new();
    w.varint(6 << 3 | 7);
    w.varint(0);
    w.varint(index);
    w.varint(1);
    w.raw(&value.to_le_bytes());
    w.into_bytes()
}

/// A core and the world around it.
pub(crate) struct Bench {
    pub(crate) core: Core,
    pub(crate) now: Instant,
    pub(crate) appended: VecDeque<EncodedFrame>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) closes: Vec<Close>,
    pub(crate) kept: Kept,
    connections: u64,
}

/// Who a core of this epoch is.
pub(crate) fn identity(epoch: Epoch, last_crc: u32) -> Identity {
    Identity { shard: ShardId(0), epoch, lossy_epoch: EPOCH, last_crc, shards: Vec::new() }
}

/// One connection of a node.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) connection: ConnectionId,
    records: Records,
    /// Bytes received and not confirmed.
    pub(crate) unconfirmed: u64,
    /// Whether it confirms what it receives.
    pub(crate) is_slow: bool,
    pub(crate) segments: Vec<Segment>,
    sequence: u64,
    request: u32,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Caps::default())
    }

    pub(crate) fn with(caps: Caps) -> Self {
        Self {
            core: Core::new(identity(EPOCH, 0), caps),
            now: Instant(0),
            appended: VecDeque::new(),
            frames: Vec::new(),
            closes: Vec::new(),
            kept: Kept::default(),
            connections: 0,
        }
    }

    /// Lets the core do all it can without the journal.
    pub(crate) fn work(&mut self) {
        for step in 0.. {
            assert!(step < 100_000, "work ends");
            while let Some(append) = self.core.poll_append() {
                let (frame, crc) = Frame::decode(&append.frame.bytes).unwrap();
                assert_eq!((frame.previous_crc, crc), (append.expected, append.frame.crc));
                self.frames.push(frame);
                self.appended.push_back(append.frame);
            }
            self.kept.take(&mut self.core);
            self.closes.extend(std::iter::from_fn(|| self.core.poll_close()));
            if !self.core.poll_work() {
                break;
            }
        }
    }

    /// Makes the oldest frame on its way durable.
    pub(crate) fn settle_one(&mut self) -> bool {
        self.work();
        let Some(frame) = self.appended.pop_front() else { return false };
        self.core.handle_durable(self.now, frame.name.number);
        self.work();
        true
    }

    /// Makes everything durable.
    pub(crate) fn settle(&mut self) {
        while self.settle_one() {}
    }

    /// Connects a node that knows the class; swallows the answers.
    pub(crate) fn connect(&mut self, node: u64) -> Peer {
        self.connect_again(node, Epoch(0))
    }

    /// A node greets that was welcomed before.
    pub(crate) fn connect_again(&mut self, node: u64, known: Epoch) -> Peer {
        let mut peer = self.greet(node, known, None);
        self.send(&peer, &ToRepository::Register { schema: &schema().to_bytes() });
        self.settle();
        let answers = self.receive(&mut peer);
        assert!(answers[0].starts_with("Welcome") && answers[1].starts_with("Registered"), "{answers:?}");
        peer
    }

    /// Connects a node and greets.
    pub(crate) fn connect_bare(&mut self, node: u64) -> Peer {
        self.greet(node, Epoch(0), None)
    }

    /// A node greets that has commits without an outcome.
    pub(crate) fn connect_with(&mut self, node: u64, again: Again) -> Peer {
        self.greet(node, EPOCH, Some(again))
    }

    fn greet(&mut self, node: u64, known: Epoch, again: Option<Again>) -> Peer {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.core.handle_connected(self.now, connection);
        let peer = Peer {
            connection,
            records: Records::new(),
            unconfirmed: 0,
            is_slow: false,
            segments: Vec::new(),
            sequence: 0,
            request: 0,
        };
        self.send(&peer, &ToRepository::Hello { protocol: PROTOCOL, node: NodeId(node), known, again });
        peer
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time_ms: u64) {
        self.now = Instant(self.now.0 + time_ms);
        self.core.handle_timeout(self.now);
        self.work();
    }

    pub(crate) fn send(&mut self, peer: &Peer, record: &ToRepository<'_>) {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        self.core.handle_records(self.now, peer.connection, &bytes);
        self.work();
    }

    pub(crate) fn send_segment(&mut self, peer: &Peer, segment: &Segment) {
        self.core.handle_segment(self.now, peer.connection, &segment.clone().encode().concat().into());
        self.work();
    }

    /// What the core lets out to the peer now, printed; segments are kept in the peer.
    pub(crate) fn receive(&mut self, peer: &mut Peer) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let mut bytes = Vec::new();
            self.core.poll_records(peer.connection, &mut bytes);
            while let Some(segment) = self.core.poll_segment(peer.connection) {
                peer.segments.push(Segment::decode(&segment.concat().into()).unwrap());
            }
            if bytes.is_empty() {
                return seen;
            }
            peer.unconfirmed += bytes.len() as u64;
            peer.records.push(&bytes);
            while let Some(raw) = peer.records.next().unwrap() {
                seen.push(format!("{:?}", ToNode::decode(raw).unwrap()));
            }
            if !peer.is_slow {
                self.credit(peer);
            }
        }
    }

    pub(crate) fn credit(&mut self, peer: &mut Peer) {
        let bytes = std::mem::take(&mut peer.unconfirmed);
        self.send(peer, &ToRepository::Credit { bytes });
    }

    pub(crate) fn commit(&mut self, peer: &mut Peer, base: u64, delta: &[u8]) -> Sequence {
        let sequence = peer.next_sequence();
        self.send(peer, &commit(sequence, base, delta));
        sequence
    }

    /// Creates `key` with cash 1; answers its birth. Everything is durable afterwards.
    pub(crate) fn create(&mut self, peer: &mut Peer, key: &str) -> Birth {
        self.create_expiring(peer, key, Expiry::NEVER)
    }

    pub(crate) fn create_expiring(&mut self, peer: &mut Peer, key: &str, expiry: Expiry) -> Birth {
        let sequence = peer.next_sequence();
        let value = cash(1);
        let value = CreationValue::Inline(&value);
        self.send(peer, &ToRepository::Create { sequence, unacked: sequence, class: CLASS, key, expiry, value });
        self.settle();
        let answers = self.receive(peer);
        assert!(answers.iter().any(|answer| answer.starts_with("Created")), "{answers:?}");
        self.core.inspect(CLASS, key).unwrap().birth
    }

    pub(crate) fn open(&mut self, peer: &mut Peer, key: &str) -> Vec<String> {
        let request = peer.next_request();
        self.send(peer, &ToRepository::Open { request, class: CLASS, key, held: None });
        self.settle();
        self.receive(peer)
    }

    pub(crate) fn version(&self, key: &str) -> u64 {
        self.core.inspect(CLASS, key).unwrap().version.0
    }
}

impl Peer {
    pub(crate) fn next_sequence(&mut self) -> Sequence {
        self.sequence += 1;
        Sequence(self.sequence)
    }

    pub(crate) fn next_request(&mut self) -> RequestId {
        self.request += 1;
        RequestId(self.request)
    }
}

/// A commit of object 0, acknowledging nothing.
pub(crate) fn commit(sequence: Sequence, base: u64, delta: &[u8]) -> ToRepository<'_> {
    ToRepository::Commit {
        sequence,
        unacked: Sequence(1),
        alias: Alias(0),
        base: Version(base),
        is_isolated: false,
        fence: None,
        guards: &[],
        delta,
    }
}

/// A printed record, to compare with.
pub(crate) fn printed(record: &ToNode<'_>) -> String {
    format!("{record:?}")
}

pub(crate) fn delta(span: u64, delta: &[u8]) -> String {
    printed(&ToNode::Delta { alias: Alias(0), span, delta })
}

pub(crate) fn birth(epoch: Epoch, n: u64) -> Birth {
    Birth(CommitNumber { epoch, n })
}

/// One segment.
pub(crate) fn segment(transfer: u32, index: u32, is_last: bool, bytes: Vec<u8>) -> Segment {
    Segment { transfer: nam::ids::TransferId(transfer), index, is_last, bytes: Bytes::from(bytes) }
}
