//! A daemon of parts, as the server composes them, that counts what it hands to its store.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use nam::engine::{Appender, Committer, Driver, Keeper, Restore, ShardInputs, claim, replay};
use nam::ids::{Epoch, FrameNumber, ShardId};
use nam::journal::{Append, Claim, Frame, Journal, JournalError, PutHead};
use nam::repository::ImageCaps;
use nam::store::{DiskImages, DiskJournal, DiskSettings, ImageCall, TappedImages};
use nam::transport::{Identity, Listener, ResetSecret};
use tokio::sync::oneshot;

use super::one_thread;

const SHARD: ShardId = ShardId(0);

/// Bytes of the keys of a frame, a part and a head.
const FRAME_KEY: u64 = 16;
const PART_KEY: u64 = 22;
const HEAD_KEY: u64 = 18;

/// Bytes handed to the store, keys included.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Handed {
    pub(crate) frames: u64,
    pub(crate) parts: u64,
    pub(crate) heads: u64,
    /// States, and the keys of what is forgotten.
    pub(crate) rest: u64,
}

impl Handed {
    pub(crate) fn all(&self) -> u64 {
        self.frames + self.parts + self.heads + self.rest
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            frames: self.frames - before.frames,
            parts: self.parts - before.parts,
            heads: self.heads - before.heads,
            rest: self.rest - before.rest,
        }
    }
}

/// The counts, shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    frames: Arc<AtomicU64>,
    parts: Arc<AtomicU64>,
    heads: Arc<AtomicU64>,
    rest: Arc<AtomicU64>,
}

impl Counts {
    pub(crate) fn now(&self) -> Handed {
        let now = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Handed { frames: now(&self.frames), parts: now(&self.parts), heads: now(&self.heads), rest: now(&self.rest) }
    }

    fn images(&self, images: &mut DiskImages, call: ImageCall<'_>) -> Result<(), JournalError> {
        let add = |count: &AtomicU64, bytes: u64| _ = count.fetch_add(bytes, Ordering::Relaxed);
        match call {
            ImageCall::Parts(_, parts) => {
                add(&self.parts, parts.iter().map(|(_, bytes)| PART_KEY + bytes.len() as u64).sum());
            }
            ImageCall::Heads(heads) => {
                let bytes = |put: &PutHead| HEAD_KEY + put.head.encode(put.shard).len() as u64;
                add(&self.heads, heads.iter().map(bytes).sum());
                add(&self.rest, heads.iter().map(|put| PART_KEY * put.dropped.len() as u64).sum());
            }
            ImageCall::Remove(_) | ImageCall::Room => {}
            ImageCall::State(_, state) => add(&self.rest, state.len() as u64),
        }
        call.make(images)
    }
}

/// A journal whose frames are counted.
struct Counted {
    journal: DiskJournal,
    counts: Counts,
    /// The first frame that was not forgotten.
    first: FrameNumber,
}

impl Journal for Counted {
    fn claim(&mut self, shard: ShardId, wall_ms: u64) -> Result<Claim, JournalError> {
        self.journal.claim(shard, wall_ms)
    }

    fn append(&mut self, append: &Append) -> Result<(), JournalError> {
        self.counts.frames.fetch_add(FRAME_KEY + append.frame.bytes.len() as u64, Ordering::Relaxed);
        self.journal.append(append)
    }

    fn replay(&mut self, shard: ShardId, visit: &mut dyn FnMut(Frame) -> bool) -> Result<(), JournalError> {
        self.journal.replay(shard, visit)
    }

    fn truncate(&mut self, shard: ShardId, epoch: Epoch, number: FrameNumber) -> Result<(), JournalError> {
        self.counts.rest.fetch_add(FRAME_KEY * number.0.saturating_sub(self.first.0), Ordering::Relaxed);
        self.first = number;
        self.journal.truncate(shard, epoch, number)
    }
}

/// The daemon: one shard on a thread of its own, kept in a directory.
pub(crate) struct Stored {
    pub(crate) address: String,
    pub(crate) handed: Counts,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    behind: (Committer, Keeper),
}

impl Stored {
    pub(crate) fn start(data: &Path, journal_bytes: u64) -> Self {
        let settings = DiskSettings { free_bytes_min: 0, ..DiskSettings::default() };
        let mut journal = DiskJournal::open(data, settings).unwrap();
        let mut images = journal.images().unwrap();
        let taken = claim(&mut journal, SHARD).unwrap();
        let caps = ImageCaps { journal_bytes, ..ImageCaps::default() };
        let restore = Restore { images: &mut images, caps };
        let core = replay(&mut journal, Some(restore), SHARD, taken, Vec::new()).unwrap();
        let handed = Counts::default();
        let counted = || Counted { journal: journal.clone(), counts: handed.clone(), first: FrameNumber(1) };
        let counts = handed.clone();
        let images =
            TappedImages::new(images, move |images: &mut DiskImages, call: ImageCall<'_>| counts.images(images, call));
        let (committer, mut lanes) = Committer::start(counted(), 1).unwrap();
        let (keeper, mut image_lanes) = Keeper::start(images, counted(), 1).unwrap();
        let (driver, inputs) = Driver::new(core, Appender::Committed(lanes.remove(0)));
        let driver = driver.with_images(image_lanes.remove(0));
        let (stop, is_stopped) = oneshot::channel();
        let runtime = one_thread();
        let listener = {
            let _entered = runtime.enter();
            let (identity, secret) = (Identity::development().unwrap(), ResetSecret::random().unwrap());
            Listener::bind("127.0.0.1:0".parse().unwrap(), &identity, None, &secret).unwrap()
        };
        let address = listener.address().to_string();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    ended = driver.run() => ended.unwrap(),
                    () = accept(&listener, &inputs) => {}
                    _ = is_stopped => {}
                }
            });
        });
        Self { address, handed, stop, thread, behind: (committer, keeper) }
    }

    /// Ends it; the directory can be opened then.
    pub(crate) fn stop(self) {
        drop(self.stop);
        self.thread.join().unwrap();
        drop(self.behind);
    }
}

async fn accept(listener: &Listener, inputs: &ShardInputs) {
    while let Some(handshake) = listener.accept().await {
        let inputs = inputs.clone();
        tokio::spawn(async move {
            let link = handshake.link().await.unwrap();
            inputs.serve(link.outlet, link.inlet).await;
        });
    }
}
