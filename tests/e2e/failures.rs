//! A device that fails while nodes write: from then on nothing is acknowledged, and all that was is there.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nam::Tracked;
use nam::client::Node;
use nam::engine::{Appender, Driver, Keeper, Restore, ShardInputs, claim, replay};
use nam::ids::{Epoch, FrameNumber, ShardId};
use nam::journal::{Append, Claim, Entry, Frame, Images, Journal, JournalError};
use nam::repository::{Caps, Core, Identity, ImageCaps};
use nam::store::{ImageCall, MemoryImages, MemoryJournal, TappedImages};
use nam::transport::{Listener, Trust};

use crate::links::listener;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "failures.Counter")]
struct Counter {
    count: u64,
}

/// Counts writes; one of them fails, and all that come after it, as after a sync that failed.
#[derive(Clone, Debug)]
struct Faults {
    left: Arc<AtomicU64>,
    after: Arc<AtomicU64>,
    /// Whether the write that fails is there all the same.
    is_written: bool,
}

impl Faults {
    fn at(writes: u64, is_written: bool) -> Self {
        Self { left: Arc::new(AtomicU64::new(writes)), after: Arc::default(), is_written }
    }

    fn write(&self, write: impl FnOnce() -> Result<(), JournalError>) -> Result<(), JournalError> {
        let fits = |left: u64| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).is_ok() {
            return write();
        }
        if self.after.fetch_add(1, Ordering::SeqCst) == 0 && self.is_written {
            write()?;
        }
        Err(JournalError::InDoubt("Input/output error (os error 5)".to_owned()))
    }
}

/// A journal whose device fails.
struct Failing {
    journal: MemoryJournal,
    faults: Faults,
}

impl Journal for Failing {
    fn claim(&mut self, shard: ShardId, wall_ms: u64) -> Result<Claim, JournalError> {
        self.journal.claim(shard, wall_ms)
    }

    fn append(&mut self, append: &Append) -> Result<(), JournalError> {
        self.faults.write(|| self.journal.append(append))
    }

    fn replay(&mut self, shard: ShardId, visit: &mut dyn FnMut(Frame) -> bool) -> Result<(), JournalError> {
        self.journal.replay(shard, visit)
    }

    fn truncate(&mut self, shard: ShardId, epoch: Epoch, number: FrameNumber) -> Result<(), JournalError> {
        self.journal.truncate(shard, epoch, number)
    }
}

/// Images whose device fails.
fn failing_images(faults: &Faults) -> impl Images + 'static {
    let faults = faults.clone();
    TappedImages::new(MemoryImages::new(), move |images, call| match call {
        ImageCall::Room => call.make(images),
        _ => faults.write(|| call.make(images)),
    })
}

/// The newest version in a journal of one object.
fn newest(journal: &mut MemoryJournal) -> u64 {
    let mut newest = 0;
    journal
        .replay(ShardId(0), &mut |frame| {
            for entry in frame.entries {
                match entry {
                    Entry::Created { .. } => newest = 1,
                    Entry::Committed { version, .. } => newest = version.0,
                    _ => {}
                }
            }
            true
        })
        .unwrap();
    newest
}

/// Serves a shard until its journal fails; answers how it ended.
async fn serve(driver: Driver, inputs: ShardInputs, listener: Listener) -> JournalError {
    let accept = async {
        while let Some(handshake) = listener.accept().await {
            let inputs = inputs.clone();
            tokio::spawn(async move {
                if let Ok(link) = handshake.link().await {
                    inputs.serve(link.outlet, link.inlet).await;
                }
            });
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = driver.run() => ended.unwrap_err(),
        () = accept => unreachable!("pending"),
    }
}

/// Writes until the shard gives up; answers the newest version that anybody was told of, and why the shard ended.
async fn write_until_it_fails(driver: Driver, inputs: ShardInputs) -> (u64, JournalError) {
    let (listener, fingerprint) = listener();
    let (address, trust) = (listener.address().to_string(), Trust::Fingerprint(fingerprint));
    let shard = tokio::spawn(serve(driver, inputs, listener));
    let patience = Duration::from_millis(500);
    let node = || Node::builder().address(&address).trust(trust.clone()).patience(patience).connect();
    let (writer, reader) = (node().await.unwrap(), node().await.unwrap());
    let counter = writer.open_or_create("counter", Counter::default).await.unwrap();
    let watched = reader.open::<Counter>("counter").await.unwrap();
    let mut told = 1;
    loop {
        let update = counter.update(|counter| {
            *counter.count_mut() += 1;
            Ok::<_, Infallible>(())
        });
        match update.await {
            Ok(done) => told = done.version.0,
            Err(_) => break,
        }
        let seen = watched.read().await.map_or(0, |seen| seen.count);
        told = told.max(seen + 1);
    }
    let again = counter.update(|counter| {
        *counter.count_mut() += 1;
        Ok::<_, Infallible>(())
    });
    assert!(again.await.is_err(), "nothing is acknowledged any more");
    let seen = watched.read().await.map_or(0, |seen| seen.count);
    (told.max(seen + 1), shard.await.unwrap())
}

#[tokio::test]
async fn a_write_of_the_journal_that_fails_ends_all_acknowledgement() {
    for (writes, is_written) in [(2, false), (9, true), (24, false)] {
        let (kept, faults) = (MemoryJournal::kept(), Faults::at(writes, is_written));
        let mut journal = Failing { journal: kept.clone(), faults: faults.clone() };
        let Claim { epoch, lossy_epoch, last_crc, .. } = claim(&mut journal, ShardId(0)).unwrap();
        let identity = Identity { shard: ShardId(0), epoch, lossy_epoch, last_crc, shards: Vec::new() };
        let core = Core::new(identity, Caps::default());
        let (driver, inputs) = Driver::new(core, Appender::Here(Box::new(journal)));
        let (told, error) = write_until_it_fails(driver, inputs).await;
        assert_eq!(error, JournalError::InDoubt("Input/output error (os error 5)".to_owned()));
        assert_eq!(faults.after.load(Ordering::SeqCst), 1, "a write that failed is not tried again");
        let there = newest(&mut kept.clone());
        assert_eq!(
            there,
            told + u64::from(is_written),
            "{writes}: what was told is there, and what was in doubt if it was written"
        );
    }
}

#[tokio::test]
async fn a_write_of_an_image_that_fails_ends_all_acknowledgement() {
    for (writes, is_written) in [(0, false), (1, true), (2, false), (7, true)] {
        let (mut journal, faults) = (MemoryJournal::kept(), Faults::at(writes, is_written));
        let mut images = failing_images(&faults);
        let taken = claim(&mut journal, ShardId(0)).unwrap();
        // So short a journal that a few commits make an image and a cut.
        let caps = ImageCaps { journal_bytes: 1_024, ..ImageCaps::default() };
        let restore = Restore { images: &mut images, caps };
        let core = replay(&mut journal, Some(restore), ShardId(0), taken, Vec::new()).unwrap();
        let (keeper, mut lanes) = Keeper::start(images, journal.clone(), 1).unwrap();
        let (driver, inputs) = Driver::new(core, Appender::Here(Box::new(journal.clone())));
        let driver = driver.with_images(lanes.remove(0));
        let (told, error) = write_until_it_fails(driver, inputs).await;
        assert_eq!(error, JournalError::InDoubt("Input/output error (os error 5)".to_owned()));
        drop(keeper);
        assert_eq!(faults.after.load(Ordering::SeqCst), 1, "a write that failed is not tried again");
        let there = newest(&mut journal);
        assert!(there == told || there == told + 1, "{writes}: {told} was told, {there} is there");
    }
}
