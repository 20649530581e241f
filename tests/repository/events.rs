//! Events: what is kept for groups of consumers, who is told, and when it is told again.

use nam::event::{EventId, EventKind, Happening};
use nam::expiry::Expiry;
use nam::ids::{Alias, Birth, RequestId, Sequence};
use nam::journal::Entry;
use nam::limits::{EVENT_TOLD_MS, EVENTS_TOLD_MAX, GROUPS_MAX};
use nam::repository::{Caps, ImageCaps};
use nam::wire::{EventAnswer, EventRequest, FailureCode, ToNode, ToRepository};

use crate::bench::{Bench, CLASS, Peer, birth, cash, name, printed};

fn joined(request: RequestId) -> String {
    printed(&ToNode::Event(EventAnswer::Joined { request }))
}

/// A told event, as it is printed.
fn told(request: RequestId, n: u64, kind: EventKind, (key, of): (&str, Birth), last: Option<&[u8]>) -> String {
    let event = EventId(birth(crate::bench::EPOCH, n).0);
    let happening = Happening { kind, birth: of, key, last };
    printed(&ToNode::Event(EventAnswer::Told { request, event, missed: 0, happening }))
}

impl Bench {
    fn event(&mut self, peer: &Peer, request: EventRequest<'_>) {
        self.send(peer, &ToRepository::Event(request));
    }

    fn join(&mut self, peer: &mut Peer, group: &str) -> RequestId {
        let request = peer.next_request();
        self.event(peer, EventRequest::Join { request, class: CLASS, group });
        self.settle();
        request
    }

    fn acknowledge(&mut self, peer: &Peer, request: RequestId, n: u64) {
        let event = EventId(birth(crate::bench::EPOCH, n).0);
        self.event(peer, EventRequest::Acknowledge { request, event });
        self.settle();
    }

    fn destroy(&mut self, peer: &mut Peer, alias: u32, birth: Birth) -> Sequence {
        let (sequence, alias) = (peer.next_sequence(), Alias(alias));
        self.send(peer, &ToRepository::Destroy { sequence, unacked: Sequence(1), alias, birth });
        sequence
    }

    /// What the peer is told of events.
    fn events(&mut self, peer: &mut Peer) -> Vec<String> {
        let mut told = self.receive(peer);
        told.retain(|record| record.starts_with("Event"));
        told
    }

    fn happened(&self) -> usize {
        let entries = self.frames.iter().flat_map(|frame| &frame.entries);
        entries.filter(|entry| matches!(entry, Entry::Happened { .. })).count()
    }
}

#[test]
fn what_happens_is_told_once_durable_with_the_last_state_and_once_acknowledged_never_again() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.create(&mut a, "before");
    assert_eq!(bench.happened(), 0, "nobody wants to hear of it");
    let request = bench.join(&mut b, "billing");
    assert_eq!(bench.events(&mut b), [joined(request)]);
    let of = bench.create(&mut a, "k");
    let created = told(request, 4, EventKind::Created, ("k", of), None);
    assert_eq!((of.0.n, bench.events(&mut b)), (3, vec![created]));
    bench.acknowledge(&b, request, 4);
    let sequence = a.next_sequence();
    let (alias, delta) = (Alias(1), cash(9));
    let (unacked, base) = (Sequence(1), nam::ids::Version(1));
    let commit = ToRepository::Commit {
        sequence,
        unacked,
        alias,
        base,
        is_isolated: false,
        fence: None,
        guards: &[],
        delta: &delta,
    };
    bench.send(&a, &commit);
    bench.destroy(&mut a, 1, of);
    bench.work();
    assert!(bench.events(&mut b).is_empty(), "I6: it is not durable");
    bench.settle();
    let end = told(request, 8, EventKind::Destroyed, ("k", of), Some(&cash(9)));
    assert_eq!(bench.events(&mut b), [end]);
    bench.acknowledge(&b, request, 8);
    bench.pass(10 * EVENT_TOLD_MS);
    assert!(bench.events(&mut b).is_empty());
    bench.core.handle_disconnected(bench.now, b.connection);
    let mut c = bench.connect(3);
    let request = bench.join(&mut c, "billing");
    assert_eq!(bench.events(&mut c), [joined(request)], "nothing is left");
}

#[test]
fn what_is_not_acknowledged_goes_to_another_when_its_time_is_over_or_its_consumer_leaves() {
    let mut bench = Bench::new();
    let (mut a, mut b, mut c) = (bench.connect(1), bench.connect(2), bench.connect(3));
    let (first, second) = (bench.join(&mut b, "billing"), bench.join(&mut c, "billing"));
    let of = bench.create(&mut a, "k");
    let event = |request| told(request, 3, EventKind::Created, ("k", of), None);
    assert_eq!(bench.events(&mut b), [joined(first), event(first)]);
    assert_eq!(bench.events(&mut c), [joined(second)]);
    bench.pass(EVENT_TOLD_MS - 1);
    assert!(bench.events(&mut c).is_empty());
    bench.pass(1);
    assert_eq!((bench.events(&mut b), bench.events(&mut c)), (vec![], vec![event(second)]));
    bench.event(&c, EventRequest::Leave { request: second });
    bench.settle();
    assert_eq!(bench.events(&mut b), [event(first)]);
    bench.core.handle_disconnected(bench.now, b.connection);
    bench.settle();
    let third = bench.join(&mut c, "billing");
    assert_eq!(bench.events(&mut c), [joined(third), event(third)]);
    bench.acknowledge(&c, third, 3);
    bench.pass(2 * EVENT_TOLD_MS);
    assert!(bench.events(&mut c).is_empty());
}

#[test]
fn events_of_one_key_wait_for_each_other_and_others_do_not() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let request = bench.join(&mut b, "billing");
    let of = bench.create(&mut a, "k");
    bench.destroy(&mut a, 0, of);
    bench.settle();
    let other = bench.create(&mut a, "other");
    let created = told(request, 3, EventKind::Created, ("k", of), None);
    let beside = told(request, other.0.n + 1, EventKind::Created, ("other", other), None);
    assert_eq!(bench.events(&mut b), [joined(request), created, beside]);
    bench.acknowledge(&b, request, 3);
    assert_eq!(bench.events(&mut b), [told(request, 5, EventKind::Destroyed, ("k", of), Some(&cash(1)))]);
}

#[test]
fn each_group_is_told_and_one_that_ended_is_not() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let (billing, audit) = (bench.join(&mut b, "billing"), bench.join(&mut b, "audit"));
    bench.create(&mut a, "k");
    assert_eq!(bench.events(&mut b).len(), 4, "two have joined and two are told");
    let request = b.next_request();
    bench.event(&b, EventRequest::End { request, class: CLASS, group: "billing" });
    bench.settle();
    let ended = |request| printed(&ToNode::Event(EventAnswer::Ended { request }));
    assert_eq!(bench.events(&mut b), [ended(billing), ended(request)]);
    bench.create(&mut a, "l");
    let heard = bench.events(&mut b);
    assert!(heard.len() == 1 && heard[0].contains(&format!("{audit:?}")), "{heard:?}");
    let again = bench.join(&mut b, "billing");
    assert_eq!(bench.events(&mut b), [joined(again)], "it is another group");
}

#[test]
fn a_consumer_is_told_no_more_than_it_may_hold_and_a_slow_one_no_more_than_it_has_room_for() {
    let mut bench = Bench::new();
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let request = bench.join(&mut b, "billing");
    bench.events(&mut b);
    for n in 0..EVENTS_TOLD_MAX + 5 {
        bench.create(&mut a, &format!("k{n}"));
    }
    assert_eq!(bench.events(&mut b).len(), EVENTS_TOLD_MAX);
    bench.acknowledge(&b, request, 3);
    assert_eq!(bench.events(&mut b).len(), 1);
    // Last states that fill the window of one that confirms nothing.
    let (mut bench, text) = (Bench::new(), "x".repeat(60_000));
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.join(&mut b, "billing");
    b.is_slow = true;
    for n in 0..12 {
        let of = bench.create(&mut a, &format!("k{n}"));
        let alias = bench.core.inspect(CLASS, &format!("k{n}")).unwrap().alias;
        let (sequence, unacked, base) = (a.next_sequence(), Sequence(1), nam::ids::Version(1));
        let delta = name(&text);
        let (is_isolated, fence, guards) = (false, None, &[][..]);
        let commit = ToRepository::Commit { sequence, unacked, alias, base, is_isolated, fence, guards, delta: &delta };
        bench.send(&a, &commit);
        bench.destroy(&mut a, alias.0, of);
        bench.settle();
        bench.receive(&mut a);
    }
    let mut heard = 0;
    for _ in 0..12 {
        let told = bench.events(&mut b);
        let numbers = told.iter().filter_map(|told| told.split("n: ").nth(1)?.split(' ').next()?.parse().ok());
        let numbers: Vec<u64> = numbers.collect();
        heard += numbers.len();
        numbers.into_iter().for_each(|n| bench.acknowledge(&b, RequestId(1), n));
        assert!(bench.core.record_bytes(b.connection) <= nam::limits::UNCONFIRMED_BYTES_MAX + 4_096, "I12");
        bench.credit(&mut b);
    }
    assert_eq!(heard, 24, "each was created and destroyed");
}

#[test]
fn groups_have_a_cap_and_names_of_classes_are_known() {
    let mut bench = Bench::new();
    let mut a = bench.connect(1);
    for n in 0..GROUPS_MAX {
        bench.join(&mut a, &format!("g{n}"));
    }
    assert_eq!(bench.events(&mut a).len(), GROUPS_MAX);
    let request = bench.join(&mut a, "more");
    let failed = bench.receive(&mut a);
    assert!(failed[0].starts_with("Failed") && failed[0].contains("Limit"), "{failed:?}");
    let _ = request;
    let request = a.next_request();
    bench.event(&a, EventRequest::Join { request, class: "nobody's", group: "g" });
    bench.settle();
    let text = "the class was not registered";
    assert_eq!(bench.receive(&mut a), [printed(&ToNode::Failed { request, code: FailureCode::Invalid, text })]);
}

#[test]
fn events_survive_restarts_and_cuts_of_the_journal() {
    let caps = Caps { images: Some(ImageCaps { journal_bytes: 400, memory_max: usize::MAX }), ..Caps::default() };
    let mut bench = Bench::with(caps);
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.create(&mut a, "long");
    let request = bench.join(&mut b, "billing");
    let of = bench.create(&mut a, "k");
    bench.destroy(&mut a, 1, of);
    bench.settle();
    bench.acknowledge(&b, request, 4);
    let end = |request| told(request, 6, EventKind::Destroyed, ("k", of), Some(&cash(1)));
    assert_eq!(bench.events(&mut b).pop(), Some(end(request)));
    bench.receive(&mut a);
    // The other object's commits fill the journal until nothing of that is left in it.
    for base in 1..120 {
        bench.commit(&mut a, base, &cash(base + 10));
        bench.image_all();
        bench.receive(&mut a);
    }
    assert_eq!(bench.happened(), 0, "frames were forgotten: the first is {}", bench.frames[0].number);
    for _ in 0..2 {
        bench.start_again(caps);
        let mut c = bench.connect(3);
        let request = bench.join(&mut c, "billing");
        assert_eq!(bench.events(&mut c), [joined(request), end(request)]);
    }
    let mut c = bench.connect(4);
    let request = bench.join(&mut c, "billing");
    bench.acknowledge(&c, request, 6);
    bench.start_again(caps);
    let mut c = bench.connect(5);
    let request = bench.join(&mut c, "billing");
    assert_eq!(bench.events(&mut c), [joined(request)], "acknowledged is acknowledged");
}

#[test]
fn a_cold_object_that_expires_or_is_destroyed_is_brought_to_memory_for_its_last_state() {
    let caps = Caps { images: Some(ImageCaps { journal_bytes: 1 << 20, memory_max: 1 }), ..Caps::default() };
    let mut bench = Bench::with(caps);
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    bench.join(&mut b, "billing");
    let second = std::time::Duration::from_secs(1);
    bench.create_expiring(&mut a, "k", Expiry::after(60 * second));
    let of = bench.create(&mut a, "l");
    bench.image_all();
    for n in [3, 5] {
        bench.acknowledge(&b, RequestId(1), n);
    }
    bench.events(&mut b);
    assert_eq!(bench.core.heap_bytes(), 0, "both are cold");
    bench.pass(61_000);
    assert!(bench.core.inspect(CLASS, "k").is_some(), "it waits for its value");
    assert!(bench.load_one());
    bench.settle();
    let heard = bench.events(&mut b);
    assert!(heard.len() == 1 && heard[0].contains("Expired") && heard[0].contains("last: Some"), "{heard:?}");
    bench.image_all();
    let sequence = bench.destroy(&mut a, 1, of);
    bench.settle();
    let answer = |told: &[String]| told.iter().any(|told| told.starts_with("Accepted"));
    assert!(!answer(&bench.receive(&mut a)), "it waits for the object");
    assert!(bench.load_one());
    bench.settle();
    let heard = bench.events(&mut b);
    assert!(heard.len() == 1 && heard[0].contains("Destroyed") && heard[0].contains("last: Some"), "{heard:?}");
    assert!(answer(&bench.receive(&mut a)), "{sequence:?}");
}

#[test]
fn while_the_disk_is_full_nothing_ends_and_what_was_acknowledged_is_told_again() {
    let caps = Caps { images: Some(ImageCaps { journal_bytes: 1 << 20, memory_max: 1 }), ..Caps::default() };
    let mut bench = Bench::with(caps);
    let (mut a, mut b) = (bench.connect(1), bench.connect(2));
    let request = bench.join(&mut b, "billing");
    bench.create_expiring(&mut a, "k", Expiry::after(std::time::Duration::from_secs(60)));
    let of = bench.create(&mut a, "l");
    bench.image_all();
    bench.acknowledge(&b, request, 3);
    bench.events(&mut b);
    bench.pass(61_000);
    let sequence = bench.destroy(&mut a, 1, of);
    bench.settle();
    bench.events(&mut b);
    bench.receive(&mut a);
    let frames = bench.frames.len();
    bench.core.handle_room(bench.now, false);
    assert!(bench.load_one() && bench.load_one(), "both ends wait for the object");
    bench.acknowledge(&b, request, 5);
    assert_eq!(bench.frames.len(), frames, "nothing is written");
    let audit = bench.join(&mut b, "audit");
    assert_eq!(bench.events(&mut b), [joined(audit)], "a consumer that comes back is not turned away");
    assert_eq!(bench.frames.len(), frames + 1);
    let refused = bench.receive(&mut a);
    let text = "the disk of the repository is full";
    assert_eq!(refused, [printed(&ToNode::CommitRefused { sequence, code: FailureCode::Unavailable, text })]);
    bench.core.handle_room(bench.now, true);
    bench.pass(EVENT_TOLD_MS);
    while bench.load_one() {
        bench.settle();
    }
    let heard = bench.events(&mut b);
    let is_end = |told: &String| told.contains("Expired") && told.contains("last: Some");
    assert!(heard.len() == 3 && heard[0].contains("\"l\"") && heard[1..].iter().all(is_end), "{heard:?}");
}
