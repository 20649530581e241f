//! The same records by either kind of link: what a node is told over QUIC, it is told through a pipe, byte for byte.

use nam::coding::Writer;
use nam::engine::{Appender, Driver, ShardInputs, pipe, replay};
use nam::ids::{Alias, Epoch, FieldId, NodeId, RequestId, Sequence, ShardId, Version};
use nam::journal::Journal;
use nam::schema::{FieldDef, Kind, Policy, Schema, StructDef, TypeDef, TypeIndex};
use nam::store::MemoryJournal;
use nam::transport::Dialer;
use nam::wire::{Arrival, CreationValue, Inlet, Outlet, PROTOCOL, Records, ToNode, ToRepository};

use crate::links::listener;

/// `{ 1 cash: u64, 2 hits: u64 (add) }`
fn schema() -> Schema {
    let field = |id, name: &str, policy| FieldDef {
        id: FieldId(id),
        name: name.to_owned(),
        aliases: Vec::new(),
        kind: Kind::Uint(64),
        policy,
        index: false,
        redact: false,
        optional: true,
    };
    let fields = vec![field(1, "cash", Policy::Retry), field(2, "hits", Policy::Add)];
    let root = TypeDef::Struct(StructDef { name: "Account".to_owned(), fields, reserved: Vec::new() });
    Schema { class: "e2e.Account".to_owned(), types: vec![root], root: TypeIndex(0) }
}

/// `cash = value`
fn cash(value: u64) -> Vec<u8> {
    let mut w = Writer::new();
    w.varint(1 << 3);
    w.varint(value);
    w.into_bytes()
}

/// `hits += 1`
fn hit() -> Vec<u8> {
    let mut w = Writer::new();
    w.varint(2 << 3 | 5);
    w.framed(|w| w.varint(1));
    w.into_bytes()
}

/// A shard that begins as every other one does, driven on a task of this runtime.
fn shard() -> ShardInputs {
    let mut journal = MemoryJournal::forgetful();
    let claim = journal.claim(ShardId(0), 1_000).unwrap();
    assert_eq!(claim.epoch, Epoch(1_000));
    let core = replay(&mut journal, None, ShardId(0), claim, Vec::new()).unwrap();
    let (driver, inputs) = Driver::new(core, Appender::Here(Box::new(journal)));
    tokio::spawn(driver.run());
    inputs
}

/// A node's side of one conversation: each record, and how many answers it has.
fn questions() -> Vec<(Vec<u8>, usize)> {
    let (schema, zero, hundred, seven, hit) = (schema().to_bytes(), cash(0), cash(100), cash(7), hit());
    let commit = |sequence, base, delta| ToRepository::Commit {
        sequence: Sequence(sequence),
        unacked: Sequence(sequence),
        alias: Alias(0),
        base: Version(base),
        is_isolated: false,
        fence: None,
        guards: &[],
        delta,
    };
    let create = ToRepository::Create {
        sequence: Sequence(1),
        unacked: Sequence(1),
        class: "e2e.Account",
        key: "alice",
        expiry: nam::Expiry::NEVER,
        value: CreationValue::Inline(&zero),
    };
    let said = [
        (ToRepository::Hello { protocol: PROTOCOL, node: NodeId(7), known: Epoch(0), again: None }, 1),
        (ToRepository::ResumeEnd, 1),
        (ToRepository::Register { schema: &schema }, 1),
        (create, 1),
        (commit(2, 1, &hundred), 1),
        // Behind the head: the delta to the head, then the conflict.
        (commit(3, 1, &seven), 1),
        // An operation comes back as the value it led to, then the result.
        (commit(4, 2, &hit), 2),
        (ToRepository::Open { request: RequestId(1), class: "e2e.Account", key: "bob", held: None }, 1),
    ];
    said.into_iter()
        .map(|(record, answers)| {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            (bytes, answers)
        })
        .collect()
}

/// Has the conversation and gives what the node was told, without the signs of life that depend on the time it took.
async fn told(mut outlet: impl Outlet, mut inlet: impl Inlet) -> Vec<String> {
    let mut told = Vec::new();
    let mut records = Records::new();
    let mut answered = 0;
    for (mut question, answers) in questions() {
        outlet.send_records(&mut question);
        answered += answers;
        while told.len() < answered {
            match inlet.next().await {
                Arrival::Records(piece) => records.push(&piece),
                other => panic!("{other:?} after {told:?}"),
            }
            while let Some(raw) = records.next().unwrap() {
                let record = ToNode::decode(raw).unwrap();
                if !matches!(record, ToNode::Progress { .. }) {
                    told.push(format!("{raw:?} = {record:?}"));
                }
            }
        }
    }
    told
}

#[tokio::test]
async fn quic_and_the_pipe_carry_the_same_records() {
    let (node, end) = pipe();
    let inputs = shard();
    tokio::spawn(async move { inputs.serve(end.outlet, end.inlet).await });
    let piped = told(node.outlet, node.inlet).await;

    let (listener, _) = listener();
    let address = listener.address().to_string();
    let inputs = shard();
    tokio::spawn(async move {
        let link = listener.accept().await.unwrap().link().await.unwrap();
        inputs.serve(link.outlet, link.inlet).await
    });
    let link = Dialer::default().dial(&address).await.unwrap();
    let over_quic = told(link.outlet, link.inlet).await;

    assert_eq!(piped, over_quic);
    assert!(piped.iter().any(|record| record.contains("Conflict")), "{piped:#?}");
}
