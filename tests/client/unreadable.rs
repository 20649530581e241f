//! Nodes of two versions of a program: what the newer one writes and the older one does not know spoils one object on
//! one node, for as long as it stands there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nam::coding::Writer;
use nam::ids::{Birth, CommitNumber, Epoch, TransferId, Version};
use nam::node::{
    Applied, Host, Replica, ReplicaId, Ring, Scope, Settled, Settlement, Slot, State, Step, Unreadable, Watcher,
};
use nam::tracked::Class;
use nam::{Change, Error, InProcess, Node, Object, Token, Tracked, UpdateError};
use parking_lot::Mutex;

mod old {
    use super::{BTreeMap, Tracked};

    #[derive(Tracked, Clone, Debug, Default, PartialEq)]
    #[nam(name = "test.Job")]
    pub(crate) struct Job {
        pub title: String,
        pub steps: BTreeMap<String, Step>,
        #[nam(leaf)]
        pub mode: Mode,
        pub log: Vec<String>,
    }

    #[derive(Tracked, Clone, Debug, Default, PartialEq)]
    pub(crate) struct Step {
        pub status: Status,
        pub minutes: u64,
    }

    #[derive(Tracked, Clone, Debug, Default, PartialEq)]
    pub(crate) enum Status {
        #[default]
        Open,
        Done,
    }

    #[derive(serde::Serialize, serde::Deserialize, Clone, Debug, Default, PartialEq)]
    pub(crate) enum Mode {
        #[default]
        Fast,
    }
}

mod new {
    use super::{BTreeMap, Tracked};

    #[derive(Tracked, Clone, Debug, Default, PartialEq)]
    #[nam(name = "test.Job")]
    pub(crate) struct Job {
        pub title: String,
        pub steps: BTreeMap<String, Step>,
        #[nam(leaf)]
        pub mode: Mode,
        pub log: Vec<String>,
    }

    #[derive(Tracked, Clone, Debug, Default, PartialEq)]
    pub(crate) struct Step {
        pub status: Status,
        pub minutes: u64,
    }

    #[derive(Tracked, Clone, Debug, Default, PartialEq)]
    pub(crate) enum Status {
        #[default]
        Open,
        Done,
        Paused {
            until: u64,
        },
    }

    #[derive(serde::Serialize, serde::Deserialize, Clone, Debug, Default, PartialEq)]
    pub(crate) enum Mode {
        #[default]
        Fast,
        Careful,
    }
}

/// A repository with a node of each version, and the job `a` on both.
async fn both(log: usize) -> (InProcess, (Node, Object<old::Job>), (Node, Object<new::Job>)) {
    let repository = InProcess::new().unwrap();
    let (older, newer) = (repository.node().await.unwrap(), repository.node().await.unwrap());
    let steps = BTreeMap::from([("build".to_owned(), new::Step::default())]);
    let job = new::Job { steps, log: vec!["x".repeat(1_000); log], ..new::Job::default() };
    let there = newer.create("a", job).await.unwrap();
    let here = older.open::<old::Job>("a").await.unwrap();
    (repository, (older, here), (newer, there))
}

async fn set(job: &Object<new::Job>, status: new::Status) -> Token {
    let done = job.edit(|job| job.steps.get_mut("build").unwrap().status = status.clone()).await;
    done.unwrap();
    job.token().unwrap()
}

/// Asserts that `error` names the status of a step.
fn assert_unreadable(error: &Error) {
    let Error::Unreadable { object, field, variant } = error else { panic!("{error}") };
    assert_eq!((object.to_string().as_str(), field.as_str(), *variant), ("test.Job/a", "steps.status", Some(2)));
    assert!(!error.is_retryable(), "only a deploy helps");
}

#[tokio::test]
async fn a_new_variant_spoils_one_object_on_the_older_node() {
    let (_repository, (older, here), (newer, there)) = both(0).await;
    let other = older.create("b", old::Job::default()).await.unwrap();
    let mut changes = here.watch();
    let token = set(&there, new::Status::Paused { until: 9 }).await;

    let Err(error) = here.read_at(token).await else { panic!("read what is not known") };
    assert_unreadable(&error);
    assert_eq!(
        error.to_string(),
        "test.Job/a cannot be read by this version of the program, which does not know variant 2 of `steps.status`: \
         deploy the newer version on this node; nodes of the newer version are not affected"
    );
    assert_unreadable(&here.read().await.unwrap_err());
    assert_unreadable(&here.fresh().await.unwrap_err());
    assert_unreadable(&here.peek().unwrap_err());
    assert_unreadable(&here.begin().unwrap_err());
    let updated = here.update(|job| {
        job.title_mut().push('x');
        Ok::<_, Error>(())
    });
    let Err(UpdateError::Failed(error)) = updated.await else { panic!("updated what is not known") };
    assert_unreadable(&error);
    let Change::Unreadable { unknown, version } = changes.next().await else { panic!("not told") };
    assert_eq!((unknown.path().as_str(), version), ("steps.status", token.version()));

    assert_eq!(older.state(), nam::NodeState::Ready, "the link does not notice");
    other.edit(|job| job.title.push('b')).await.unwrap();
    assert_eq!(newer.open::<new::Job>("b").await.unwrap().fresh().await.unwrap().title, "b");
    there.edit(|job| job.title.push('n')).await.unwrap();
    assert_eq!(there.read().await.unwrap().title, "n", "nodes of the newer version are not affected");
}

#[tokio::test]
async fn it_is_read_again_once_it_is_known_again() {
    let (_repository, (_older, here), (_newer, there)) = both(0).await;
    let mut changes = here.watch();
    let paused = set(&there, new::Status::Paused { until: 9 }).await;
    assert_unreadable(&here.read_at(paused).await.unwrap_err());
    let done = set(&there, new::Status::Done).await;
    let seen = here.read_at(done).await.unwrap();
    assert_eq!(seen.steps["build"].status, old::Status::Done);
    assert!(matches!(changes.next().await, Change::Lagged), "whoever watches reads again");
    here.edit(|job| job.title.push('o')).await.unwrap();
    assert!(matches!(changes.next().await, Change::Applied { .. }), "and goes on from there");
    assert_eq!(there.fresh().await.unwrap().title, "o");

    let paused = set(&there, new::Status::Paused { until: 10 }).await;
    assert_unreadable(&here.read_at(paused).await.unwrap_err());
    set(&there, new::Status::Open).await;
    let done = here.fresh().await.map(|guard| guard.steps["build"].status.clone());
    assert_eq!(done, Ok(old::Status::Open));
    set(&there, new::Status::Paused { until: 11 }).await;
    assert_unreadable(&here.fresh().await.unwrap_err());
    let open = set(&there, new::Status::Open).await;
    assert!(here.read_at(open).await.is_ok());
    here.edit(|job| job.title.push('!')).await.unwrap();
    assert_eq!(there.fresh().await.unwrap().title, "o!");
}

#[tokio::test]
async fn an_older_node_opens_and_destroys_what_it_cannot_read() {
    for log in [0, 500] {
        let (_repository, (older, here), (newer, there)) = both(log).await;
        set(&there, new::Status::Paused { until: 9 }).await;
        let again = newer.open::<new::Job>("a").await.unwrap();
        drop(here);
        let fresh = _repository.node().await.unwrap();
        let opened = fresh.open::<old::Job>("a").await.unwrap();
        assert_unreadable(&opened.read().await.unwrap_err());
        older.destroy::<old::Job>("a").await.unwrap();
        assert!(matches!(again.fresh().await, Err(Error::Gone { .. })), "gone for all");
        assert!(matches!(opened.fresh().await, Err(Error::Gone { .. })), "there too");
    }
}

#[tokio::test]
async fn a_leaf_that_its_type_refuses_is_unreadable_too() {
    let (_repository, (_older, here), (_newer, there)) = both(0).await;
    there.edit(|job| job.mode = new::Mode::Careful).await.unwrap();
    let Err(Error::Unreadable { field, variant, .. }) = here.read_at(there.token().unwrap()).await else {
        panic!("read what its type refuses")
    };
    assert_eq!((field.as_str(), variant), ("mode", None));
    there.edit(|job| job.mode = new::Mode::Fast).await.unwrap();
    assert!(here.read_at(there.token().unwrap()).await.is_ok());
}

#[derive(Debug, Default)]
struct Rings(Mutex<Vec<Ring>>);

impl Host for Rings {
    fn ring(&self, _replica: ReplicaId, ring: Ring) {
        self.0.lock().push(ring);
    }
}

const BIRTH: Birth = Birth(CommitNumber { epoch: Epoch(7), n: 1 });

fn at(version: Version) -> Token {
    Token { birth: BIRTH, version, ..Token::default() }
}

fn root(job: &new::Job) -> Vec<u8> {
    let mut w = Writer::new();
    job.encode_root(&mut w);
    w.into_bytes()
}

fn paused() -> new::Job {
    let step = new::Step { status: new::Status::Paused { until: 1 }, minutes: 0 };
    new::Job { steps: BTreeMap::from([("build".to_owned(), step)]), ..new::Job::default() }
}

/// The delta between two jobs.
fn delta(from: &new::Job, to: &new::Job) -> Vec<u8> {
    let mut w = Writer::new();
    let _ = to.encode_diff(from, &mut w);
    w.into_bytes()
}

fn slot() -> (Arc<Slot<old::Job>>, Arc<Rings>) {
    let rings = Arc::new(Rings::default());
    (Slot::new(ReplicaId(1), "a", Arc::clone(&rings) as _), rings)
}

fn join(slot: &Slot<old::Job>) -> Poll<Step<(), ()>> {
    let context = Context::from_waker(Waker::noop());
    slot.poll_update(Scope::Shared, &context, &mut |job: &mut old::Job, changes| {
        job.track(changes).title_mut().push('x');
        Ok(())
    })
}

#[test]
fn an_unreadable_slot_follows_versions_and_settles_what_was_sent() {
    let (slot, rings) = slot();
    let mut watcher: Watcher<old::Job> = slot.watch();
    slot.load_whole(at(Version(1)), &root(&new::Job::default())).unwrap();
    let Poll::Ready(Step::Joined((), sent)) = join(&slot) else { panic!("it is current") };
    slot.take_batch().unwrap();
    let Poll::Ready(Step::Joined((), gathering)) = join(&slot) else { panic!("a batch gathers behind it") };

    let bad = delta(&new::Job::default(), &paused());
    assert_eq!(slot.apply(1, &bad), Ok(Applied::Taken));
    assert_eq!((slot.state(), slot.reached()), (State::Unreadable, Some((BIRTH, Version(2)))));
    assert_eq!(slot.unreadable(), Some((Version(2), Version(2))));
    assert!(matches!(slot.peek(), Err(Unreadable::Value(unknown)) if unknown.variant() == Some(2)));
    assert_eq!(gathering.settled(), Some(Settled::Rerun), "what was not sent runs again, and hears why it cannot");
    assert!(matches!(join(&slot), Poll::Ready(Step::Unreadable(_))));

    assert_eq!(slot.apply(1, &bad), Ok(Applied::Dropped), "no version is missed though none is applied");
    slot.settle(Settlement::Accepted(Version(4))).unwrap();
    assert_eq!(sent.settled(), Some(Settled::Committed(Version(4))), "what was sent has its outcome");
    assert_eq!(slot.unreadable(), Some((Version(2), Version(4))));
    assert_eq!(slot.reached(), Some((BIRTH, Version(3))));
    slot.catch_up(Version(3), Version(5), Some(&bad)).unwrap();
    slot.overtake(Version(6)).unwrap();
    slot.disconnect();
    slot.confirm().unwrap();
    assert_eq!((slot.state(), slot.reached()), (State::Unreadable, Some((BIRTH, Version(5)))));
    assert!(!slot.evict(), "there is nothing to let go");
    let asks = rings.0.lock().iter().any(|ring| matches!(ring, Ring::Pull | Ring::Broken(_)));
    assert!(!asks, "nothing is asked for that nobody wants");
    let next = watcher.poll_next(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(next, Poll::Ready(Change::Lagged)), "the load");
    let next = watcher.poll_next(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(next, Poll::Ready(Change::Unreadable { version: Version(2), .. })));

    slot.load_whole(at(Version(6)), &root(&new::Job::default())).unwrap();
    assert_eq!((slot.state(), slot.unreadable()), (State::Current, None));
    assert!(matches!(watcher.poll_next(&mut Context::from_waker(Waker::noop())), Poll::Ready(Change::Lagged)));
}

#[test]
fn a_snapshot_that_is_not_known_is_given_up() {
    let (slot, rings) = slot();
    slot.begin_load(at(Version(3)), 100).unwrap();
    slot.apply(2, &[]).unwrap();
    slot.load_segment(TransferId(8), 0, false, root(&paused()).into());
    slot.work();
    assert_eq!(*rings.0.lock(), [Ring::Work, Ring::GivenUp { transfer: TransferId(8) }]);
    assert_eq!((slot.state(), slot.reached()), (State::Unreadable, Some((BIRTH, Version(5)))));
    assert_eq!(slot.unreadable(), Some((Version(3), Version(5))), "what came behind it may be known");
    slot.load_segment(TransferId(8), 1, true, Vec::new().into());
    slot.work();
    assert_eq!(slot.state(), State::Unreadable);
}
