//! Who meets at a slot: tasks that update, read, watch and give up; a link with a repository behind it; a worker.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use nam::Tracked;
use nam::coding::{Reader, Writer};
use nam::ids::{Token, TransferId, Version};
use nam::tracked::{Class as _, Tracked as _};
use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread::{self, JoinHandle};

use crate::node::replica::{Ending, Host, Replica, ReplicaId, Ring, Settlement};
use crate::node::slot::{Change, Scope, Slot, Step, Watcher};
use crate::node::verdict::Settled;

/// Updates of each task.
const UPDATES: i64 = 2;

/// What somebody else adds to the cash, so that the commit in flight overlaps.
const THEIRS: i64 = 1_000;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "schedules.Desk")]
pub(crate) struct Desk {
    cash: i64,
    owner: String,
    visits: i64,
}

/// What a slot asks for, in order.
#[derive(Debug, Default)]
struct Bell {
    rings: Mutex<VecDeque<Option<Ring>>>,
    is_rung: Condvar,
}

impl Bell {
    fn push(&self, ring: Option<Ring>) {
        self.rings.lock().unwrap().push_back(ring);
        self.is_rung.notify_all();
    }

    /// The next ring; `None` when there will be no more.
    fn wait(&self) -> Option<Ring> {
        let mut rings = self.rings.lock().unwrap();
        loop {
            match rings.pop_front() {
                Some(ring) => return ring,
                None => rings = self.is_rung.wait(rings).unwrap(),
            }
        }
    }
}

/// The bells of the link and of the worker.
#[derive(Debug, Default)]
struct Bells {
    link: Bell,
    worker: Bell,
}

impl Host for Bells {
    fn ring(&self, _replica: ReplicaId, ring: Ring) {
        let bell = if ring == Ring::Work { &self.worker } else { &self.link };
        bell.push(Some(ring));
    }
}

/// What the repository has, and how often somebody else was faster.
#[derive(Debug, Default)]
struct Truth {
    desk: Desk,
    version: u64,
    theirs: i64,
    transfers: u32,
}

/// A slot with a current replica and everybody around it.
pub(crate) struct Party {
    slot: Arc<Slot<Desk>>,
    bells: Arc<Bells>,
    tasks: Vec<JoinHandle<i64>>,
    link: JoinHandle<Truth>,
    worker: JoinHandle<()>,
    watcher: JoinHandle<(Version, bool)>,
}

impl Party {
    pub(crate) fn begin() -> Self {
        let bells = Arc::new(Bells::default());
        let slot = Slot::<Desk>::new(ReplicaId(1), "a", Arc::clone(&bells) as _);
        slot.load_whole(Token { version: Version(1), ..Token::default() }, &root(&Desk::default())).unwrap();
        let watcher = slot.watch();
        let with_slot = || Arc::clone(&slot);
        let scopes = [Scope::Shared, Scope::Shared, Scope::Alone, Scope::Isolated];
        let mut tasks: Vec<_> = scopes.map(|scope| (scope, with_slot())).into_iter().map(spawn_updates).collect();
        let (reading, quitting, working, transacting) = (with_slot(), with_slot(), with_slot(), with_slot());
        tasks.push(thread::spawn(move || (0..UPDATES).map(|_| i64::from(transact(&transacting))).sum()));
        tasks.push(thread::spawn(move || read(&reading)));
        tasks.push(thread::spawn(move || give_up(&quitting)));
        let (at_link, at_worker) = (Arc::clone(&bells), Arc::clone(&bells));
        let linked = with_slot();
        let link = thread::spawn(move || serve(&linked, &at_link.link));
        let worker = thread::spawn(move || {
            while at_worker.worker.wait().is_some() {
                working.work();
            }
        });
        let watcher = thread::spawn(move || watch(watcher));
        Self { slot, bells, tasks, link, worker, watcher }
    }

    /// Everybody finishes; then the value is the truth, and nothing was lost or done twice.
    pub(crate) fn run_to_the_end(self) {
        let done: i64 = self.tasks.into_iter().map(|task| task.join().unwrap()).sum();
        // What a task left behind when it gave up may still be in a batch.
        self.bells.link.push(Some(Ring::Batch));
        self.bells.link.push(None);
        let truth = self.link.join().unwrap();
        let guard = block_on(poll_fn(|context| self.slot.poll_reached(Version(truth.version), context))).unwrap();
        assert_eq!((&*guard, guard.version()), (&truth.desk, Version(truth.version)));
        let left = truth.desk.cash + truth.desk.visits - truth.theirs * THEIRS - done;
        assert!((0..=1).contains(&left), "{left} more than was told");
        drop(guard);
        self.slot.end(Ending::Closed);
        self.bells.worker.push(None);
        self.worker.join().unwrap();
        let (seen, is_lagged) = self.watcher.join().unwrap();
        assert!(seen == Version(truth.version) || is_lagged, "the watcher heard of {seen} only");
    }

    /// The node closes in the middle: everybody hears of it.
    pub(crate) fn run_to_the_close(self) {
        let (slot, bells) = (Arc::clone(&self.slot), Arc::clone(&self.bells));
        let closer = thread::spawn(move || {
            for _ in 0..thread_rng().gen_range(0..30) {
                thread::yield_now();
            }
            slot.end(Ending::Closed);
            bells.link.push(None);
            bells.worker.push(None);
        });
        let done: i64 = self.tasks.into_iter().map(|task| task.join().unwrap()).sum();
        closer.join().unwrap();
        self.worker.join().unwrap();
        let truth = self.link.join().unwrap();
        assert!(done <= truth.desk.cash + truth.desk.visits - truth.theirs * THEIRS, "what was told took effect");
        self.watcher.join().unwrap();
        assert!(self.slot.peek().is_err());
    }
}

fn spawn_updates((scope, slot): (Scope, Arc<Slot<Desk>>)) -> JoinHandle<i64> {
    thread::spawn(move || (0..UPDATES).map(|_| i64::from(update(&slot, scope))).sum())
}

/// Adds one to the cash; answers whether that took effect.
fn update(slot: &Arc<Slot<Desk>>, mut scope: Scope) -> bool {
    let mut turn = (scope != Scope::Shared).then(|| slot.queue_alone());
    loop {
        let mut closure = |desk: &mut Desk, changes: &mut <Desk as Tracked>::Changes| {
            *desk.track(changes).cash_mut() += 1;
            Ok::<(), ()>(())
        };
        match block_on(poll_fn(|context| slot.poll_update(scope, context, &mut closure))) {
            Step::Joined((), ticket) => match block_on(ticket) {
                Settled::Committed(_) => return true,
                Settled::Conflict | Settled::Rerun => {}
                Settled::RerunAlone => {
                    scope = Scope::Alone;
                    turn.get_or_insert_with(|| slot.queue_alone());
                }
                Settled::Ended(_) => return false,
                Settled::Refused(refused) => panic!("{refused:?}"),
            },
            Step::Ended(_) => return false,
            step => panic!("{step:?}"),
        }
    }
}

/// Counts a visit in a transaction, which nobody else does; answers whether that took effect.
fn transact(slot: &Arc<Slot<Desk>>) -> bool {
    let Ok(mut steps) = slot.begin() else { return false };
    let mut closure = |desk: &mut Desk, changes: &mut <Desk as Tracked>::Changes| {
        *desk.track(changes).visits_mut() += 1;
        Ok::<(), ()>(())
    };
    match block_on(poll_fn(|context| slot.poll_step(&mut steps, context, &mut closure))) {
        Step::Unchanged(..) => {}
        // The object came anew.
        Step::Overlapped | Step::Ended(_) => return false,
        step => panic!("{step:?}"),
    }
    let mut turn = None;
    loop {
        match block_on(poll_fn(|context| slot.poll_commit(&mut steps, context))) {
            Step::Joined((), ticket) => match block_on(ticket) {
                Settled::Committed(_) => return true,
                Settled::Rerun => {}
                Settled::Conflict if turn.is_some() => return false,
                Settled::Conflict | Settled::RerunAlone => {
                    steps.alone();
                    turn.get_or_insert_with(|| slot.queue_alone());
                }
                Settled::Ended(_) => return false,
                Settled::Refused(refused) => panic!("{refused:?}"),
            },
            Step::Overlapped | Step::Ended(_) => return false,
            step => panic!("{step:?}"),
        }
    }
}

/// Keeps guards for a while; a guard's value never changes.
fn read(slot: &Slot<Desk>) -> i64 {
    for _ in 0..3 {
        let Ok(guard) = block_on(poll_fn(|context| slot.poll_current(context))) else { return 0 };
        let (copy, version) = (Desk::clone(&guard), guard.version());
        thread::yield_now();
        thread::yield_now();
        assert_eq!((&*guard, guard.version()), (&copy, version));
    }
    0
}

/// Asks for a turn and leaves, joins a batch and leaves: nobody waits for it.
fn give_up(slot: &Arc<Slot<Desk>>) -> i64 {
    drop(slot.queue_alone());
    let context = Context::from_waker(Waker::noop());
    let mut closure = |desk: &mut Desk, changes: &mut <Desk as Tracked>::Changes| {
        *desk.track(changes).cash_mut() += 1;
        Ok::<(), ()>(())
    };
    drop(slot.poll_update(Scope::Shared, &context, &mut closure));
    0
}

/// Follows every change; answers the last version it heard of, and whether it was told that it missed some since.
fn watch(mut watcher: Watcher<Desk>) -> (Version, bool) {
    let (mut seen, mut is_lagged) = (Version(1), false);
    loop {
        match block_on(poll_fn(|context| watcher.poll_next(context))) {
            Change::Applied { version, .. } => {
                assert!(version > seen, "{version} after {seen}");
                (seen, is_lagged) = (version, false);
            }
            Change::Lagged => is_lagged = true,
            Change::Unreadable { unknown, .. } => panic!("{unknown}"),
            Change::Ended(_) => return (seen, is_lagged),
        }
    }
}

/// The link and the repository behind it: takes batches, judges them, and now and then is faster with a change of its own.
fn serve(slot: &Slot<Desk>, bell: &Bell) -> Truth {
    let mut truth = Truth { version: 1, ..Truth::default() };
    while let Some(ring) = bell.wait() {
        if ring != Ring::Batch {
            assert!(!matches!(ring, Ring::Broken(_)), "{ring:?}");
            continue;
        }
        let Some(outgoing) = slot.take_batch() else { continue };
        let chance = thread_rng().gen_range(0..6);
        match chance {
            0 => theirs(slot, &mut truth, |desk| desk.cash += THEIRS),
            1 => theirs(slot, &mut truth, |desk| desk.owner.push('!')),
            2 => load(slot, &mut truth),
            _ => {}
        }
        truth.theirs += i64::from(chance == 0);
        let settlement = if outgoing.base == Version(truth.version) {
            truth.take(&outgoing.delta);
            Settlement::AsSent
        } else if chance == 1 && !outgoing.is_isolated {
            truth.take(&outgoing.delta);
            let _ = slot.apply(1, &outgoing.delta);
            Settlement::Accepted(Version(truth.version))
        } else {
            Settlement::Conflict
        };
        if let Err(refusal) = slot.settle(settlement) {
            panic!("{refusal}");
        }
    }
    truth
}

impl Truth {
    fn take(&mut self, delta: &[u8]) {
        self.desk.apply(Reader::new(delta), None).unwrap();
        self.version += 1;
    }
}

/// Somebody else changes the object.
fn theirs(slot: &Slot<Desk>, truth: &mut Truth, change: impl FnOnce(&mut Desk)) {
    let before = truth.desk.clone();
    change(&mut truth.desk);
    let mut w = Writer::new();
    let _ = truth.desk.encode_diff(&before, &mut w);
    truth.version += 1;
    let _ = slot.apply(1, w.as_slice());
}

/// The object comes anew, in a segment that the worker decodes while results queue behind it.
fn load(slot: &Slot<Desk>, truth: &mut Truth) {
    truth.transfers += 1;
    let segment = Bytes::from(root(&truth.desk));
    if slot.begin_load(Token { version: Version(truth.version), ..Token::default() }, segment.len()).is_ok() {
        slot.load_segment(TransferId(truth.transfers), 0, true, segment);
    }
}

fn root(desk: &Desk) -> Vec<u8> {
    let mut w = Writer::new();
    desk.encode_root(&mut w);
    w.into_bytes()
}
