//! Records and segments: `docs/wire.md` §6.

use std::time::Duration;

use bytes::Bytes;
use nam::coding::DecodeError;
use nam::event::{EventId, EventKind, Happening};
use nam::expiry::Expiry;
use nam::ids::{
    Alias, Birth, CommitNumber, Epoch, Fence, FieldId, FrameNumber, NodeId, RequestId, Sequence, ShardId, TransferId,
    Version,
};
use nam::wire::{
    Again, CreationValue, Delivery, EventAnswer, EventRequest, FailureCode, Find, Form, Found, GroupAnswer,
    GroupCommit, GroupPart, GroupRead, LockAnswer, LockRequest, PartOutcome, RawRecord, Records, Segment, ShardAddress,
    ToNode, ToRepository,
};
use proptest::prelude::*;

fn birth() -> impl Strategy<Value = Birth> {
    (any::<u64>(), any::<u64>()).prop_map(|(epoch, n)| Birth(CommitNumber { epoch: Epoch(epoch), n }))
}

/// Whatever a test case needs to borrow from.
#[derive(Clone, Debug)]
struct Parts {
    a: u32,
    b: u64,
    c: u64,
    birth: Birth,
    flag: bool,
    bytes: Vec<u8>,
    texts: Vec<String>,
}

fn parts() -> impl Strategy<Value = Parts> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let texts = prop::collection::vec(".{0,20}", 2..5);
    (any::<u32>(), any::<u64>(), any::<u64>(), birth(), any::<bool>(), bytes, texts)
        .prop_map(|(a, b, c, birth, flag, bytes, texts)| Parts { a, b, c, birth, flag, bytes, texts })
}

/// One that travels: there is another behind it, and a bit beside it.
fn version_of(n: u64) -> Version {
    Version(n % ((1 << 63) - 1))
}

fn kind(n: u64) -> EventKind {
    [EventKind::Created, EventKind::Destroyed, EventKind::Expired][n as usize % 3]
}

fn to_node(p: &Parts) -> Vec<ToNode<'_>> {
    let (alias, request, transfer) = (Alias(p.a), RequestId(p.a), TransferId(p.a));
    let (sequence, version, birth) = (Sequence(p.b), version_of(p.c), p.birth);
    let (delta, text) = (p.bytes.as_slice(), p.texts[0].as_str());
    let forms = [
        Form::Same,
        Form::Delta { base: version_of(p.b), delta },
        Form::Loading { transfer, base: p.flag.then_some(version), bytes: p.b },
    ];
    let shards = vec![ShardAddress { shard: ShardId(7), epoch: Epoch(p.b), addresses: p.texts.clone() }];
    let mut records = vec![
        ToNode::Delta { alias, span: p.b.max(1), delta },
        ToNode::Delta { alias, span: 1, delta },
        ToNode::AsSent { sequence },
        ToNode::Accepted { sequence, version },
        ToNode::Stale { alias, version },
        ToNode::Progress { frame: FrameNumber(p.b) },
        ToNode::Conflict { sequence },
        ToNode::Moot { sequence, version },
        ToNode::Welcome {
            protocol: p.a,
            shard: ShardId(3),
            epoch: Epoch(p.b),
            lossy_epoch: Epoch(p.c),
            next: p.b / 3,
            shards,
        },
        ToNode::Registered { class: text },
        ToNode::SchemaRefused { class: text, text: &p.texts[1] },
        ToNode::Missing { request },
        ToNode::Failed { request, code: FailureCode::from_number(p.a), text },
        ToNode::Gone { alias, birth, is_lost: p.flag },
        ToNode::CommitRefused { sequence, code: FailureCode::from_number(p.a), text },
        ToNode::Created { sequence, alias, birth },
        ToNode::Exists { sequence },
        ToNode::KeysPage { request, keys: p.texts.iter().map(String::as_str).collect(), is_last: p.flag },
        ToNode::Resumed,
        ToNode::Idle { alias, limit_ms: p.b },
        ToNode::SegmentTaken { transfer, index: p.a },
        ToNode::Lock(LockAnswer::Granted { request, fence: Fence(birth.0) }),
        ToNode::Lock(LockAnswer::Released { request }),
        ToNode::Event(EventAnswer::Joined { request }),
        ToNode::Event(EventAnswer::Ended { request }),
        ToNode::Event(EventAnswer::Told {
            request,
            event: EventId(birth.0),
            missed: p.b,
            happening: Happening { kind: kind(p.b), birth, key: text, last: p.flag.then_some(delta) },
        }),
        ToNode::Lock(LockAnswer::TimedOut { request, holder: NodeId(p.b), held_ms: p.c }),
        ToNode::Group(GroupAnswer::Committed {
            sequence,
            outcomes: vec![
                PartOutcome::AsSent,
                PartOutcome::Accepted(version_of(p.c >> 1 | 1)),
                PartOutcome::Moot(version_of(p.c >> 1)),
            ],
        }),
        ToNode::Group(GroupAnswer::Read { request, versions: vec![version, version_of(p.b)] }),
        ToNode::Found(Found {
            request,
            found: p.texts.iter().map(|key| (key.as_str(), birth)).collect(),
            next: Some(alias).filter(|alias| alias.0 > 0 && p.flag),
        }),
    ];
    for form in forms {
        records.push(ToNode::Opened { request, alias, birth, version, form });
        records.push(ToNode::Pulled { request, alias, version, form });
    }
    records
}

/// Commits in all their forms.
fn commits(p: &Parts) -> Vec<ToRepository<'_>> {
    let (alias, transfer, bytes, delta) = (Alias(p.a), TransferId(p.a), p.c, p.bytes.as_slice());
    let (sequence, unacked) = (Sequence(p.b.max(p.c)), Sequence(p.b.min(p.c)));
    let (base, is_isolated) = (version_of(p.b >> 1), p.flag);
    let forms = [None, Some(Fence(p.birth.0))].map(|fence| [(fence, &[][..]), (fence, &[2, 8, 0, 1, 1][..])]);
    let records = forms.into_iter().flatten().map(|(fence, guards)| {
        [
            ToRepository::Commit { sequence, unacked, alias, base, is_isolated, fence, guards, delta },
            ToRepository::BulkCommit { sequence, unacked, alias, base, is_isolated, fence, guards, transfer, bytes },
        ]
    });
    records.flatten().collect()
}

/// What is said of several objects at once.
fn groups(p: &Parts) -> [ToRepository<'_>; 2] {
    let (sequence, unacked) = (Sequence(p.b.max(p.c)), Sequence(p.b.min(p.c)));
    let (request, base, birth, fence) = (RequestId(p.a), version_of(p.b >> 1), p.birth, Fence(p.birth.0));
    let delta = p.bytes.as_slice();
    let part = |alias, guards, delta| {
        let fence = p.flag.then_some(fence);
        GroupPart { alias, base, is_isolated: p.flag, fence, guards, delta }
    };
    let pair = (Alias(p.a / 2), Alias(p.a / 2 + 1));
    let parts = vec![part(pair.0, &[], delta), part(pair.1, &[2, 8, 0, 1, 1], &[])];
    let objects = vec![(pair.0, birth), (pair.1, birth)];
    [
        ToRepository::Group(GroupCommit { sequence, unacked, parts }),
        ToRepository::ReadGroup(GroupRead { request, objects }),
    ]
}

impl Parts {
    fn again(&self) -> Option<Again> {
        let since = CommitNumber { epoch: Epoch(self.b), n: self.c / 3 };
        self.a.is_multiple_of(2).then_some(Again { below: Sequence(self.c), since })
    }
}

fn to_repository(p: &Parts) -> Vec<ToRepository<'_>> {
    let (alias, request, transfer) = (Alias(p.a), RequestId(p.a), TransferId(p.a));
    let (sequence, unacked) = (Sequence(p.b.max(p.c)), Sequence(p.b.min(p.c)));
    let (base, birth) = (version_of(p.b >> 1), p.birth);
    let fence = Fence(p.birth.0);
    let (delta, class, key) = (p.bytes.as_slice(), p.texts[0].as_str(), p.texts[1].as_str());
    let expiry = Expiry::after(Duration::from_millis(p.b.max(1)));
    let gaps = p.bytes.iter().scan(p.a / 2, |last, gap| {
        *last += u32::from(*gap) + 1;
        Some(Alias(*last))
    });
    let mut records = commits(p);
    records.extend(groups(p));
    records.extend([
        ToRepository::Credit { bytes: p.b },
        ToRepository::Pull { request, alias, birth, rewind: None },
        ToRepository::Pull { request, alias, birth, rewind: Some(base) },
        ToRepository::SegmentTaken { transfer, index: p.a },
        ToRepository::Read { alias },
        ToRepository::Close { alias, birth },
        ToRepository::Hello { protocol: p.a, node: NodeId(p.b), known: Epoch(p.b / 2), again: p.again() },
        ToRepository::Register { schema: delta },
        ToRepository::Open { request, class, key, held: None },
        ToRepository::Open { request, class, key, held: Some((birth, base)) },
        ToRepository::Create {
            sequence,
            unacked,
            class,
            key,
            expiry: Expiry::NEVER,
            value: CreationValue::Inline(delta),
        },
        ToRepository::Create {
            sequence,
            unacked,
            class,
            key,
            expiry: Expiry::NEVER,
            value: CreationValue::Transfer(transfer),
        },
        ToRepository::Create { sequence, unacked, class, key, expiry, value: CreationValue::Inline(delta) },
        ToRepository::Create { sequence, unacked, class, key, expiry, value: CreationValue::Transfer(transfer) },
        ToRepository::Limit { sequence, unacked, alias, birth, expiry },
        ToRepository::Limit { sequence, unacked, alias, birth, expiry: Expiry::NEVER },
        ToRepository::Touch { aliases: gaps.collect() },
        ToRepository::Lock(LockRequest::Wait { request, alias, birth, wait_ms: p.c }),
        ToRepository::Lock(LockRequest::Release { request, alias, birth, fence }),
        ToRepository::Lock(LockRequest::Join { request, alias, birth, fence }),
        ToRepository::Lock(LockRequest::GiveUp { request }),
        ToRepository::Event(EventRequest::Join { request, class: "c", group: "billing" }),
        ToRepository::Event(EventRequest::End { request, class: "c", group: "billing" }),
        ToRepository::Event(EventRequest::Leave { request }),
        ToRepository::Event(EventRequest::Acknowledge { request, event: EventId(birth.0) }),
        ToRepository::Destroy { sequence, unacked, alias, birth },
        ToRepository::Keys { request, class, prefix: key, after: class },
        ToRepository::Find(Find { request, class, field: FieldId(p.a), value: delta, from: alias }),
        ToRepository::Resume { alias, birth, version: base },
        ToRepository::Deliver {
            alias,
            birth,
            delivery: [Delivery::Adaptive, Delivery::Push, Delivery::Notice][p.a as usize % 3],
        },
        ToRepository::ResumeEnd,
        ToRepository::Goodbye,
    ]);
    records
}

proptest! {
    #[test]
    fn records_to_a_node_come_back(p in parts(), piece in 1_usize..40) {
        let records = to_node(&p);
        let mut stream = Vec::new();
        records.iter().for_each(|record| record.encode(&mut stream));
        let mut buffer = Records::new();
        let mut seen = 0;
        for bytes in stream.chunks(piece) {
            buffer.push(bytes);
            while let Some(raw) = buffer.next().unwrap() {
                prop_assert_eq!(&ToNode::decode(raw).unwrap(), &records[seen]);
                seen += 1;
            }
        }
        prop_assert_eq!((seen, buffer.left()), (records.len(), 0));
    }

    #[test]
    fn records_to_a_repository_come_back(p in parts()) {
        for record in to_repository(&p) {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            let (raw, length) = RawRecord::split(&bytes).unwrap().unwrap();
            prop_assert_eq!((length, raw.encoded_bytes()), (bytes.len(), bytes.len()));
            prop_assert_eq!(ToRepository::decode(raw).unwrap(), record);
        }
    }

    #[test]
    fn a_record_has_one_encoding(kind in 0_u8..8, body in prop::collection::vec(any::<u8>(), 0..60)) {
        let raw = RawRecord { kind, body: &body };
        let mut again = Vec::new();
        if let Ok(record) = ToNode::decode(raw) {
            record.encode(&mut again);
            let (raw_again, _) = RawRecord::split(&again).unwrap().unwrap();
            prop_assert_eq!(raw_again, raw);
        }
        again.clear();
        if let Ok(record) = ToRepository::decode(raw) {
            record.encode(&mut again);
            let (raw_again, _) = RawRecord::split(&again).unwrap().unwrap();
            prop_assert_eq!(raw_again, raw);
        }
    }

    #[test]
    fn a_cut_record_is_never_taken_for_a_whole_one(p in parts()) {
        for record in to_repository(&p) {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            for cut in 0..bytes.len() {
                prop_assert_eq!(RawRecord::split(&bytes[..cut]), Ok(None));
            }
        }
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut records = Records::new();
        records.push(&bytes);
        while let Ok(Some(raw)) = records.next() {
            let _ = ToNode::decode(raw);
            let _ = ToRepository::decode(raw);
        }
        let _ = Segment::decode(&Bytes::from(bytes));
    }
}

fn encoded(record: &ToNode<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

/// `docs/wire.md` §6.2: a change of one f64 in the root struct is 11 bytes.
#[test]
fn golden_delta() {
    let mut delta = vec![1 << 3 | 3];
    delta.extend_from_slice(&101.25_f64.to_le_bytes());
    let bytes = encoded(&ToNode::Delta { alias: Alias(5), span: 1, delta: &delta });
    assert_eq!(bytes, [0x0a, 5, 0x0b, 0, 0, 0, 0, 0, 0x50, 0x59, 0x40]);
    let bytes = encoded(&ToNode::Delta { alias: Alias(5), span: 3, delta: &[8, 1] });
    assert_eq!(bytes, [1 << 5 | 4, 5, 3, 8, 1]);
}

/// `docs/wire.md` §6.2: results and notices.
#[test]
fn golden_results() {
    assert_eq!(encoded(&ToNode::AsSent { sequence: Sequence(9) }), [2 << 5 | 1, 9]);
    assert_eq!(encoded(&ToNode::Accepted { sequence: Sequence(9), version: Version(200) }), [3 << 5 | 3, 9, 200, 1]);
    assert_eq!(encoded(&ToNode::Stale { alias: Alias(1), version: Version(2) }), [4 << 5 | 2, 1, 2]);
    assert_eq!(encoded(&ToNode::Conflict { sequence: Sequence(1) }), [6 << 5 | 1, 1]);
    assert_eq!(encoded(&ToNode::Resumed), [7 << 5 | 1, 13]);
}

/// `docs/wire.md` §6.3: a commit of one f64, sequence 300, base 7.
#[test]
fn golden_commit() {
    let mut bytes = Vec::new();
    ToRepository::Commit {
        sequence: Sequence(300),
        unacked: Sequence(299),
        alias: Alias(5),
        base: Version(7),
        is_isolated: true,
        fence: None,
        guards: &[],
        delta: &[8, 1],
    }
    .encode(&mut bytes);
    assert_eq!(bytes, [7, 0xac, 2, 1, 5, 15, 8, 1]);
}

/// `docs/wire.md` §6.3: the same, and field 2 is required, under a lock or not; at least something is required.
#[test]
fn golden_guarded_commit() {
    let (sequence, unacked, alias, base) = (Sequence(300), Sequence(299), Alias(5), Version(7));
    let sent = |fence, guards, delta| {
        let mut bytes = Vec::new();
        ToRepository::Commit { sequence, unacked, alias, base, is_isolated: true, fence, guards, delta }
            .encode(&mut bytes);
        bytes
    };
    assert_eq!(sent(None, &[2, 16, 0], &[8, 1]), [0xed, 16, 0xac, 2, 1, 5, 15, 0, 3, 2, 16, 0, 8, 1]);
    let fence = Some(Fence(CommitNumber { epoch: Epoch(7), n: 9 }));
    assert_eq!(sent(fence, &[2, 16, 0], &[]), [0xed, 16, 0xac, 2, 1, 5, 15, 1, 7, 9, 3, 2, 16, 0]);
    let mut bytes = Vec::new();
    let (transfer, fence, guards) = (TransferId(4), None, &[2, 16, 0]);
    ToRepository::BulkCommit { sequence, unacked, alias, base, is_isolated: false, fence, guards, transfer, bytes: 9 }
        .encode(&mut bytes);
    assert_eq!(bytes, [0xed, 16, 0xac, 2, 1, 5, 14, 2, 3, 2, 16, 0, 4, 9]);
    let decode = |body| ToRepository::decode(RawRecord { kind: 7, body });
    assert!(decode(&[16, 9, 0, 5, 14, 0, 3, 2, 16, 0, 8, 1]).is_ok());
    assert!(decode(&[16, 9, 0, 5, 14, 0, 0, 8, 1]).is_err(), "nothing is required");
    assert!(decode(&[16, 9, 0, 5, 14, 4, 3, 2, 16, 0, 8, 1]).is_err(), "another form");
    assert!(decode(&[16, 9, 0, 5, 14, 0, 3, 5, 16, 0, 8, 1]).is_err(), "a guard longer than all guards");
    let many = [&[16, 9, 0, 5, 14, 0, 0x81, 32][..], &[0; nam::limits::GUARD_BYTES_MAX + 1]].concat();
    assert!(decode(&many).is_err(), "more than may be required");
}

/// `docs/wire.md` §6.2 and §6.3: limits and touches.
#[test]
fn golden_expiry() {
    assert_eq!(encoded(&ToNode::Idle { alias: Alias(5), limit_ms: 1_800_000 }), [0xe5, 14, 5, 0xc0, 0xee, 0x6d]);
    let sent = |record: &ToRepository<'_>| {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        bytes
    };
    assert_eq!(sent(&ToRepository::Touch { aliases: [5, 6, 9].map(Alias).to_vec() }), [0xc3, 5, 0, 2]);
    let (sequence, unacked, alias) = (Sequence(300), Sequence(299), Alias(5));
    let birth = Birth(CommitNumber { epoch: Epoch(7), n: 9 });
    let expiry = Expiry::idle(Duration::from_secs(60)).or_after(Duration::from_secs(3_600));
    assert_eq!(
        sent(&ToRepository::Limit { sequence, unacked, alias, birth, expiry }),
        [0xee, 10, 0xac, 2, 1, 5, 7, 9, 0xe0, 0xd4, 3, 0x80, 0xdd, 0xdb, 1]
    );
    let value = CreationValue::Inline(&[8, 1]);
    assert_eq!(
        sent(&ToRepository::Create { sequence, unacked, class: "c", key: "k", expiry, value }),
        [0xf2, 3, 0xac, 2, 1, 1, b'c', 1, b'k', 2, 0xe0, 0xd4, 3, 0x80, 0xdd, 0xdb, 1, 8, 1]
    );
}

/// `docs/wire.md` §6.7: a search and a page of its answer.
#[test]
fn golden_searches() {
    let (request, from) = (RequestId(7), Alias(300));
    let mut bytes = Vec::new();
    ToRepository::Find(Find { request, class: "c", field: FieldId(2), value: b"bob", from }).encode(&mut bytes);
    assert_eq!(bytes, [0xeb, 20, 7, 1, b'c', 2, 3, b'b', b'o', b'b', 0xac, 2]);
    let found = vec![("k", Birth(CommitNumber { epoch: Epoch(7), n: 9 }))];
    let page = ToNode::Found(Found { request, found: found.clone(), next: Some(from) });
    assert_eq!(encoded(&page), [0xe9, 20, 7, 0xac, 2, 1, 1, b'k', 7, 9]);
    let last = ToNode::Found(Found { request, found, next: None });
    assert_eq!(encoded(&last), [0xe8, 20, 7, 0, 1, 1, b'k', 7, 9]);
    let mut long = Vec::new();
    let value = &[0; 257];
    ToRepository::Find(Find { request, class: "c", field: FieldId(2), value, from }).encode(&mut long);
    let (raw, _) = RawRecord::split(&long).unwrap().unwrap();
    assert!(matches!(ToRepository::decode(raw), Err(DecodeError::Limit { found: 257, max: 256, .. })));
}

/// `docs/wire.md` §6.9: a commit of two objects, one of which is only required, and a joint read.
#[test]
fn golden_groups() {
    let sent = |record: &ToRepository<'_>| {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        bytes
    };
    let number = |n| CommitNumber { epoch: Epoch(7), n };
    let (request, sequence) = (RequestId(7), Sequence(300));
    let one =
        GroupPart { alias: Alias(5), base: Version(7), is_isolated: false, fence: None, guards: &[], delta: &[8, 1] };
    let other = GroupPart {
        alias: Alias(9),
        base: Version(3),
        fence: Some(Fence(number(300))),
        guards: &[2, 16, 0],
        delta: &[],
        ..one
    };
    let group = |parts: &[GroupPart<'static>]| {
        let commit = GroupCommit { sequence, unacked: Sequence(299), parts: parts.to_vec() };
        sent(&ToRepository::Group(commit))
    };
    let bytes = group(&[one, other]);
    assert_eq!(bytes, [0xf5, 15, 0xac, 2, 1, 5, 14, 0, 2, 8, 1, 9, 6, 3, 7, 0xac, 2, 3, 2, 16, 0, 0]);
    let outcomes = vec![PartOutcome::AsSent, PartOutcome::Moot(Version(3))];
    let committed = ToNode::Group(GroupAnswer::Committed { sequence, outcomes });
    assert_eq!(encoded(&committed), [0xe6, 18, 0, 0xac, 2, 0, 7]);
    let objects = vec![(Alias(5), Birth(number(9))), (Alias(9), Birth(number(300)))];
    let read = ToRepository::ReadGroup(GroupRead { request, objects });
    assert_eq!(sent(&read), [0xe9, 17, 7, 5, 7, 9, 9, 7, 0xac, 2]);
    let versions = ToNode::Group(GroupAnswer::Read { request, versions: vec![Version(7), Version(200)] });
    assert_eq!(encoded(&versions), [0xe6, 18, 1, 7, 7, 0xc8, 1]);

    let is_known = |bytes: &[u8]| ToRepository::decode(RawRecord::split(bytes).unwrap().unwrap().0).is_ok();
    assert!(is_known(&bytes) && is_known(&group(&[one])));
    assert!(!is_known(&group(&[one, one])), "one object twice");
    assert!(!is_known(&group(&[other, one])), "another order");
    assert!(!is_known(&group(&[])), "no object");
    let many = |count| group(&(0..count).map(|alias| GroupPart { alias: Alias(alias), ..one }).collect::<Vec<_>>());
    let max = u32::try_from(nam::limits::GROUP_OBJECTS_MAX).unwrap();
    assert!(is_known(&many(max)) && !is_known(&many(max + 1)));
}

/// `docs/wire.md` §6.6: a lock is waited for, granted, written under, given back.
#[test]
fn golden_locks() {
    let (request, alias) = (RequestId(7), Alias(5));
    let (birth, fence) =
        (Birth(CommitNumber { epoch: Epoch(7), n: 9 }), Fence(CommitNumber { epoch: Epoch(7), n: 300 }));
    let sent = |record: &ToRepository<'_>| {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        bytes
    };
    let wait = LockRequest::Wait { request, alias, birth, wait_ms: 15_000 };
    assert_eq!(sent(&ToRepository::Lock(wait)), [0xe8, 11, 0, 7, 5, 7, 9, 0x98, 0x75]);
    let granted = LockAnswer::Granted { request, fence };
    assert_eq!(encoded(&ToNode::Lock(granted)), [0xe6, 16, 0, 7, 7, 0xac, 2]);
    let (sequence, base, delta) = (Sequence(300), Version(7), &[8, 1]);
    let fence_of = Some(fence);
    let commit = ToRepository::Commit {
        sequence,
        unacked: sequence,
        alias,
        base,
        is_isolated: false,
        fence: fence_of,
        guards: &[],
        delta,
    };
    assert_eq!(sent(&commit), [0xeb, 12, 0xac, 2, 0, 5, 14, 7, 0xac, 2, 8, 1]);
    let release = LockRequest::Release { request: RequestId(8), alias, birth, fence };
    assert_eq!(sent(&ToRepository::Lock(release)), [0xe9, 11, 1, 8, 5, 7, 9, 7, 0xac, 2]);
    assert_eq!(encoded(&ToNode::Lock(LockAnswer::Released { request: RequestId(8) })), [0xe3, 16, 1, 8]);
    let late = LockAnswer::TimedOut { request, holder: NodeId(3), held_ms: 15_000 };
    assert_eq!(encoded(&ToNode::Lock(late)), [0xed, 16, 2, 7, 3, 0, 0, 0, 0, 0, 0, 0, 0x98, 0x75]);
    assert_eq!(sent(&ToRepository::Lock(LockRequest::GiveUp { request })), [0xe3, 11, 3, 7]);
}

/// `docs/wire.md` §6.3: a greeting, with and without commits that have no outcome.
#[test]
fn golden_greeting() {
    let since = CommitNumber { epoch: Epoch(1_000), n: 5 };
    for (again, head, tail) in
        [(None, 0xec, &[][..]), (Some(Again { below: Sequence(9), since }), 0xf0, &[9, 0xe8, 7, 5][..])]
    {
        let mut bytes = Vec::new();
        ToRepository::Hello { protocol: 1, node: NodeId(7), known: Epoch(1_000), again }.encode(&mut bytes);
        assert_eq!(bytes, [&[head, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0xe8, 7], tail].concat());
    }
}

/// `docs/wire.md` §6.3: how changes of an object are to reach a node.
#[test]
fn golden_deliveries() {
    let (alias, birth) = (Alias(5), Birth(CommitNumber { epoch: Epoch(7), n: 9 }));
    for (delivery, number) in [(Delivery::Adaptive, 0), (Delivery::Push, 1), (Delivery::Notice, 2)] {
        let mut bytes = Vec::new();
        ToRepository::Deliver { alias, birth, delivery }.encode(&mut bytes);
        assert_eq!(bytes, [0xe5, 18, 5, 7, 9, number]);
    }
    assert!(ToRepository::decode(RawRecord { kind: 7, body: &[18, 5, 7, 9, 3] }).is_err());
}

/// `docs/wire.md` §6.8: a group is joined, told of an end, done with it, left and ended.
#[test]
fn golden_events() {
    let (request, number) = (RequestId(7), |n| CommitNumber { epoch: Epoch(7), n });
    let (class, group, event) = ("c", "g", EventId(number(300)));
    let sent = |request: EventRequest<'_>| {
        let mut bytes = Vec::new();
        ToRepository::Event(request).encode(&mut bytes);
        bytes
    };
    let answered = |answer: EventAnswer<'_>| encoded(&ToNode::Event(answer));
    assert_eq!(sent(EventRequest::Join { request, class, group }), [0xe7, 14, 0, 7, 1, b'c', 1, b'g']);
    assert_eq!(answered(EventAnswer::Joined { request }), [0xe3, 17, 0, 7]);
    let happening = Happening { kind: EventKind::Expired, birth: Birth(number(9)), key: "k", last: Some(&[8, 1]) };
    let told = EventAnswer::Told { request, event, missed: 0, happening };
    assert_eq!(answered(told), [0xf0, 17, 1, 7, 7, 0xac, 2, 0, 2, 7, 9, 1, b'k', 1, 2, 8, 1]);
    assert_eq!(sent(EventRequest::Acknowledge { request, event }), [0xe6, 14, 2, 7, 7, 0xac, 2]);
    assert_eq!(sent(EventRequest::Leave { request }), [0xe3, 14, 1, 7]);
    assert_eq!(sent(EventRequest::End { request, class, group }), [0xe7, 14, 3, 7, 1, b'c', 1, b'g']);
    assert_eq!(answered(EventAnswer::Ended { request }), [0xe3, 17, 2, 7]);
}

#[test]
fn touches_have_a_cap() {
    let body = [0; nam::limits::TOUCHES_MAX + 1];
    assert!(ToRepository::decode(RawRecord { kind: 6, body: &body[1..] }).is_ok());
    assert!(ToRepository::decode(RawRecord { kind: 6, body: &body }).is_err());
    assert!(ToRepository::decode(RawRecord { kind: 6, body: &[0xff, 0xff, 0xff, 0xff, 15, 0] }).is_err());
}

/// `docs/wire.md` §6.1: a body of 31 bytes or more has its length behind the head.
#[test]
fn golden_long_head() {
    let delta = [0; 40];
    let bytes = encoded(&ToNode::Delta { alias: Alias(1), span: 1, delta: &delta });
    assert_eq!(bytes[..3], [31, 41, 1]);
    assert_eq!(bytes.len(), 2 + 41);
}
