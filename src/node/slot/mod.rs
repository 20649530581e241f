//! Where a node keeps its replica of one object, and the discipline of reading and changing it.
//!
//! ```text
//!            core (I/O thread)                  tasks                          worker thread
//!   delta ─▶ queue ─▶ value (no guard) ◀─ guard: a clone of the Arc ─▶ copy of a value that a guard pins
//!  result ─▶ settle                    ◀─ update: batch applied, run, encode        decode of segments
//! ```
//! Everything stands behind one short lock; readers clone an `Arc` under it. Invariants: the value is always a committed
//! version (I13), a guard's value never changes (R1), deltas and results take effect in the order they came (I4), the
//! version never goes back (I3), and nothing that takes long happens under the lock or on the I/O thread. Source: own
//! reasoning; `Mutex<Arc<T>>` was measured against locks with readers and atomic pointers.

mod apply;
mod batch;
mod group;
mod guards;
mod held;
mod load;
mod mark;
mod orders;
mod path;
mod place;
mod queue;
mod read;
mod rule;
mod steps;
mod trial;
mod unreadable;
mod update;
mod watch;

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use self::batch::{Batch, InFlight};
pub use self::group::Reservation;
pub use self::held::Guard;
pub(crate) use self::held::Held;
use self::held::heap_bytes;
use self::load::Load;
pub use self::mark::Mark;
use self::mark::Target;
pub use self::path::{PathChange, PathWatcher};
use self::place::Place;
use self::queue::Queue;
pub use self::read::Unreadable;
pub use self::rule::Rule;
pub use self::steps::Steps;
use self::steps::Tail;
pub use self::update::{AloneTurn, Scope, Step};

use self::watch::Watchers;
pub use self::watch::{Change, Watcher};
use super::memory::{Memory, Share};
use super::replica::{Ending, Host, ReplicaId, Ring};
use super::state::State;
use crate::coding::UnknownValue;
use crate::ids::{Birth, Epoch, ObjectName, Version};
use crate::tracked::Class;

/// How long a closure that changes one object waits for the lock of another: whoever has that may wait for this one.
const CLOSURE_PATIENCE: Duration = Duration::from_millis(100);

/// Bytes that a slot takes beside itself: its place on the node, what its core knows of it.
const SLOT_BYTES: usize = 400;

thread_local! {
    /// The slot whose closure runs on this thread, by address; 0 for none.
    static RUNNING: Cell<usize> = const { Cell::new(0) };
}

/// A node's replica of one object of class `T`.
pub struct Slot<T: Class> {
    id: ReplicaId,
    name: ObjectName,
    host: Arc<dyn Host>,
    /// What the slot itself takes, and its name.
    _share: Share,
    watchers: Arc<Watchers<T>>,
    /// Updates that need a batch of their own and wait for their turn; no other batch is begun meanwhile.
    alone_waiting: AtomicU32,
    /// Whether it is kept for a group: no update begins.
    is_reserved: AtomicBool,
    /// Whether a closure gave something back, and who waits for that is yet to be woken.
    is_wake_owed: AtomicBool,
    inner: Mutex<Inner<T>>,
}

/// What the lock protects.
pub(crate) struct Inner<T: Class> {
    state: State,
    ending: Option<Ending>,
    birth: Option<Birth>,
    /// The last loss before the object came here; it does not outlive the next.
    lossy_epoch: Epoch,
    held: Place<T>,
    /// The version once everything in the queue has been applied, and once the load that runs has ended.
    reached: Version,
    /// The newest version this node was told of, by a delta, a notice or a result.
    newest: Version,
    /// Bytes of the value when it was last seen whole.
    bytes: usize,
    memory: Arc<Memory>,
    /// When it was used last, by the clock of `memory`.
    used_at: u64,
    /// A value that was dropped to save memory, until it is freed off the I/O thread.
    dropped: Option<Arc<Held<T>>>,
    is_measure_wanted: bool,
    /// Whether the next use is to be told.
    is_use_expected: bool,
    /// Whether deltas are dropped until a pull is answered: too many waited.
    is_dropping: bool,
    /// Whether the value is known to be wrong.
    is_distrusted: bool,
    /// What this program does not know of the value, and the version that was found to hold it.
    unknown: Option<(UnknownValue, Version)>,
    is_pull_rung: bool,
    is_copy_wanted: bool,
    /// A rule that does not hold.
    off: Option<Rule>,
    /// The value of an object that is about to be created, and what it takes.
    draft: Option<(T, usize)>,
    queue: Queue,
    load: Option<Load<T>>,
    /// Counts the loads and the marks.
    serial: u64,
    /// Who waits for marks.
    targets: Vec<Target<T>>,
    in_flight: Option<InFlight>,
    /// Commits of this node that took effect.
    accepted: u64,
    batch: Option<Batch>,
    /// The bytes of a former batch, to be written over.
    scratch: Vec<u8>,
    watchers: Arc<Watchers<T>>,
    /// The transactions that are open.
    tails: Vec<Weak<Tail>>,
    waiting: Vec<Waker>,
    /// Whether somebody waited for the value that came last, and nobody used it since.
    is_awaited: bool,
}

impl<T: Class> Slot<T> {
    /// Makes an empty slot.
    #[must_use]
    pub fn new(id: ReplicaId, key: &str, host: Arc<dyn Host>) -> Arc<Self> {
        let name = ObjectName { class: T::NAME.to_owned(), key: key.to_owned() };
        let memory = host.memory();
        let share = Share::new(&memory, size_of::<Self>() + SLOT_BYTES + T::NAME.len() + key.len());
        let inner = Inner::new(memory);
        let watchers = Arc::clone(&inner.watchers);
        Arc::new(Self {
            id,
            name,
            host,
            _share: share,
            watchers,
            alone_waiting: AtomicU32::new(0),
            is_reserved: AtomicBool::new(false),
            is_wake_owed: AtomicBool::new(false),
            inner: Mutex::new(inner),
        })
    }

    /// Keeps the value of an object that is about to be created.
    pub fn draft(&self, value: T, bytes: usize) {
        let heap_bytes = heap_bytes(&value);
        let mut inner = self.inner.lock();
        inner.draft = Some((value, heap_bytes));
        inner.bytes = bytes;
    }

    /// Switches a rule off, to see what it is for.
    #[cfg(any(test, feature = "mutants"))]
    pub fn switch_off(&self, rule: Rule) {
        self.inner.lock().off = Some(rule);
    }

    /// How many commits of this node took effect: a task that lost although this number rises has a node that does not.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        // An update that goes on within a closure is refused at its next step.
        self.lock().map_or(0, |inner| inner.accepted)
    }

    /// Whether the value was dropped to save memory; a closure that runs on it shows that it was not.
    #[must_use]
    pub fn is_shell(&self) -> bool {
        self.lock().is_some_and(|inner| inner.state == State::Shell)
    }

    /// Locks, unless the lock is held by a closure that runs on this very thread, or for long by one that may wait for it.
    fn lock(&self) -> Option<MutexGuard<'_, Inner<T>>> {
        if let Some(inner) = self.inner.try_lock() {
            return Some(inner);
        }
        match RUNNING.get() {
            0 => Some(self.inner.lock()),
            running if running == std::ptr::from_ref(self).addr() => None,
            _ => self.inner.try_lock_for(CLOSURE_PATIENCE),
        }
    }

    /// Wakes who waits for what was given back. Within a closure the lock may be its own, or that of one which waits for
    /// it: then the worker wakes them.
    fn hand_on(&self) {
        if RUNNING.get() == 0 {
            self.inner.lock().wake();
        } else {
            self.is_wake_owed.store(true, Ordering::Relaxed);
            self.ring(Ring::Work);
        }
    }

    fn ring(&self, ring: Ring) {
        self.host.ring(self.id, ring);
    }
}

impl<T: Class> Inner<T> {
    /// Whether a rule holds here.
    fn heeds(&self, rule: Rule) -> bool {
        self.off != Some(rule)
    }

    fn new(memory: Arc<Memory>) -> Self {
        Self {
            state: State::Absent,
            ending: None,
            birth: None,
            lossy_epoch: Epoch(0),
            held: Place::EMPTY,
            reached: Version(0),
            newest: Version(0),
            bytes: 0,
            used_at: memory.clock(),
            memory,
            dropped: None,
            is_measure_wanted: false,
            is_use_expected: false,
            is_dropping: false,
            is_distrusted: false,
            unknown: None,
            is_pull_rung: false,
            is_copy_wanted: false,
            off: None,
            draft: None,
            queue: Queue::default(),
            load: None,
            serial: 0,
            targets: Vec::new(),
            in_flight: None,
            accepted: 0,
            batch: None,
            scratch: Vec::new(),
            watchers: Arc::default(),
            tails: Vec::new(),
            waiting: Vec::new(),
            is_awaited: false,
        }
    }

    /// Whether the value is the newest this node was told of, with nothing on its way into it.
    fn is_current(&self) -> bool {
        self.state == State::Current && self.queue.is_empty()
    }

    /// Wakes every task that waits for the slot to change.
    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// Notes that the task of `context` waits for the slot to change.
    fn wait(&mut self, context: &Context<'_>) {
        if !self.waiting.iter().any(|known| known.will_wake(context.waker())) {
            self.waiting.push(context.waker().clone());
        }
    }
}

impl<T: Class> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl<T: Class> fmt::Debug for Inner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("state", &self.state).field("reached", &self.reached).finish_non_exhaustive()
    }
}
