//! Objects found by a field, and objects that refer to each other.

use std::collections::{BTreeMap, HashSet};

use nam::__private::{Class, Reader, Tracked as Encoded, Writer};
use nam::client::{InProcess, Node, Object};
use nam::document::Document;
use nam::error::Error;
use nam::ids::Version;
use nam::{Change, Ref, Tracked};
use proptest::prelude::*;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "test.Catalogue")]
struct Catalogue {
    prices: BTreeMap<String, u64>,
    /// Who made it: a cycle.
    owner: Option<Ref<Session>>,
}

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "test.Session")]
struct Session {
    #[nam(index)]
    user: String,
    #[nam(index, add)]
    visits: i64,
    catalogue: Option<Ref<Catalogue>>,
    seen: Vec<Ref<Catalogue>>,
    friends: BTreeMap<String, Ref<Session>>,
}

fn of(user: &str) -> Session {
    Session { user: user.to_owned(), ..Session::default() }
}

async fn nodes() -> (InProcess, Node, Node) {
    let repository = InProcess::new().unwrap();
    let (a, b) = (repository.node().await.unwrap(), repository.node().await.unwrap());
    (repository, a, b)
}

async fn keys(node: &Node, user: &str) -> Vec<String> {
    node.find(Session::USER, user).await.unwrap().iter().map(|found| found.key().to_owned()).collect()
}

async fn change(session: &Object<Session>, change: impl Fn(&mut SessionMut<'_>)) {
    let changed = session.update(|session| {
        change(session);
        Ok::<_, Error>(())
    });
    changed.await.unwrap();
}

#[tokio::test]
async fn what_one_node_acknowledged_the_other_finds() {
    let (_repository, a, b) = nodes().await;
    let first = a.create("s1", of("alice")).await.unwrap();
    a.create("s2", of("alice")).await.unwrap();
    b.create("s3", of("bob")).await.unwrap();
    assert_eq!(keys(&b, "alice").await, ["s1", "s2"]);
    change(&first, |session| session.user_mut().set("bob".to_owned())).await;
    assert_eq!(keys(&b, "alice").await, ["s2"]);
    assert_eq!(keys(&b, "bob").await, ["s1", "s3"]);
    change(&first, |session| session.visits_mut().add(-7)).await;
    let found = b.find(Session::VISITS, &-7).await.unwrap();
    assert_eq!(found, [first.reference().unwrap()]);
    assert_eq!(b.resolve(&found[0]).await.unwrap().read().await.unwrap().user, "bob");
    for found in b.find(Session::USER, "bob").await.unwrap() {
        b.destroy::<Session>(found.key()).await.unwrap();
    }
    assert_eq!(keys(&a, "bob").await, [""; 0]);
    let long = "x".repeat(257);
    assert!(matches!(a.find(Session::USER, long.as_str()).await, Err(Error::Invalid { .. })));
}

#[tokio::test]
async fn more_objects_than_a_page_has_are_found_once_each() {
    let (_repository, a, b) = nodes().await;
    let mut made = HashSet::new();
    for n in 0..nam::limits::PAGE_KEYS_MAX + 3 {
        made.insert(a.create(&format!("s{n}"), of("alice")).await.unwrap().reference().unwrap());
    }
    let found = b.find(Session::USER, "alice").await.unwrap();
    assert_eq!(found.len(), made.len());
    assert_eq!(found.into_iter().collect::<HashSet<_>>(), made);
}

#[tokio::test]
async fn many_sessions_share_one_catalogue_and_cycles_are_fine() {
    let (_repository, a, b) = nodes().await;
    let catalogue = a.create("spring", Catalogue::default()).await.unwrap();
    let shared = catalogue.reference().unwrap();
    for n in 0..20 {
        let session = Session { catalogue: Some(shared.clone()), seen: vec![shared.clone(); 2], ..of("alice") };
        a.create(&format!("s{n}"), session).await.unwrap();
    }
    let first = a.open::<Session>("s0").await.unwrap();
    let (me, my) = (first.reference().unwrap(), first.reference().unwrap());
    change(&first, |session| {
        let _is_new = session.friends_mut().insert("me".to_owned(), my.clone());
    })
    .await;
    let owned = catalogue.update(|catalogue| {
        catalogue.owner_mut().set(Some(me.clone()));
        catalogue.prices_mut().insert("tea".to_owned(), 450);
        Ok::<_, Error>(())
    });
    owned.await.unwrap();

    let mut held = Vec::new();
    for n in 0..20 {
        let session = b.open::<Session>(&format!("s{n}")).await.unwrap().read().await.unwrap();
        assert_eq!(session.seen, [shared.clone(), shared.clone()]);
        held.push(b.resolve(session.catalogue.as_ref().unwrap()).await.unwrap());
    }
    let one = held[0].fresh().await.unwrap();
    let same = |held: &Object<Catalogue>| std::ptr::eq(&raw const *held.peek().unwrap(), &raw const *one);
    assert!(held.iter().all(same), "there is one catalogue on a node, however many refer to it");
    let owner = b.resolve(one.owner.as_ref().unwrap()).await.unwrap();
    let friend = owner.fresh().await.unwrap().friends["me"].clone();
    assert_eq!((friend.key(), &friend), ("s0", &owner.reference().unwrap()));
}

#[tokio::test]
async fn a_reference_means_one_birth() {
    let (_repository, a, b) = nodes().await;
    let catalogue = a.create("spring", Catalogue::default()).await.unwrap();
    let reference = catalogue.reference().unwrap();
    let session = a.create("s", Session { catalogue: Some(reference.clone()), ..of("alice") }).await.unwrap();
    let mut changes = catalogue.watch();
    b.destroy::<Catalogue>("spring").await.unwrap();
    assert!(matches!(b.resolve(&reference).await, Err(Error::Gone { .. })));
    assert!(matches!(changes.next().await, Change::Ended(_)), "the other node is told, and no sooner knows it");
    let later = b.create("spring", Catalogue::default()).await.unwrap();
    assert_ne!(later.reference().unwrap(), reference);
    let kept = session.read().await.unwrap().catalogue.clone().unwrap();
    for node in [&a, &b] {
        assert!(matches!(node.resolve(&kept).await, Err(Error::Gone { .. })), "another birth is not followed");
    }
}

#[tokio::test]
async fn a_reference_prints_as_key_and_birth() {
    let (_repository, a, _b) = nodes().await;
    let reference = a.create("spring", Catalogue::default()).await.unwrap().reference().unwrap();
    let session = Session { catalogue: Some(reference.clone()), ..of("alice") };
    let mut w = Writer::new();
    session.encode_root(&mut w);
    let mut document = Document::new(Session::schema());
    document.replay(w.as_slice(), Version(1)).unwrap();
    let (epoch, n) = (reference.birth().0.epoch, reference.birth().0.n);
    let due = format!("\"catalogue\":{{\"key\":\"spring\",\"epoch\":{epoch},\"n\":{n}}}");
    let json = document.json().to_string();
    assert!(json.contains(&due), "{json}");
    assert_eq!(format!("{reference:?}"), format!("Ref(test.Catalogue/spring of {})", reference.birth()));
}

fn written(key: &str, epoch: u64, n: u64) -> Vec<u8> {
    let mut w = Writer::new();
    w.framed(|w| {
        w.varint(1 << 3 | 4);
        w.sized(key.as_bytes());
        w.varint(2 << 3);
        w.varint(epoch);
        w.varint(3 << 3);
        w.varint(n);
    });
    w.into_bytes()
}

proptest! {
    #[test]
    fn references_come_back(key in ".{1,60}", epoch in any::<u64>(), n in any::<u64>()) {
        let bytes = written(&key, epoch, n);
        let reference = <Ref<Session> as Encoded>::decode(&mut Reader::new(&bytes)).unwrap();
        let birth = reference.birth().0;
        prop_assert_eq!((reference.key(), birth.epoch.0, birth.n), (key.as_str(), epoch, n));
        let mut w = Writer::new();
        Encoded::encode(&reference, &mut w);
        prop_assert_eq!(w.as_slice(), &bytes);
    }

    #[test]
    fn no_bytes_make_a_reference_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), at in any::<usize>()) {
        let decode = |bytes: &[u8]| <Ref<Session> as Encoded>::decode(&mut Reader::new(bytes)).is_ok();
        let _refused_or_not = decode(&bytes);
        let mut near = written("k", 7, 9);
        let at = at % near.len();
        near[at] = bytes.first().copied().unwrap_or(0);
        let _refused_or_not = decode(&near);
        prop_assert!(!decode(&written("", 7, 9)) && !decode(&written(&"k".repeat(257), 7, 9)));
    }
}
