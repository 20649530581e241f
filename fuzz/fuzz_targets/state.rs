//! Any bytes as the records of a shard's state: an error, or a state with which the shard starts, goes on, and writes one
//! that the next start takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nam::event::{EventKind, GroupId};
use nam::ids::{Birth, CommitNumber, Epoch, FrameNumber, ShardId};
use nam::journal::{Entry, Frame};
use nam::repository::{Caps, Core, Identity, ImageCaps, ImageDeed, StateError};

/// Behind whatever the state may name.
const TERM: Epoch = Epoch(u64::MAX / 2);

/// Format 01, and no frame for which it stands.
const HEAD: [u8; 3] = [1, 0, 0];

fn restored(state: &[u8]) -> Result<Core, StateError> {
    let (shard, lossy_epoch) = (ShardId(0), Epoch(0));
    let identity = Identity { shard, epoch: Epoch(TERM.0 + 1), lossy_epoch, last_crc: 0, shards: Vec::new() };
    // The journal is always too long, so that a state is written for the next cut.
    let images = Some(ImageCaps { journal_bytes: 0, ..ImageCaps::default() });
    let mut core = Core::new(identity, Caps { images, ..Caps::default() });
    core.restore_state(state).map(|()| core)
}

/// What a start replays behind the state: a group of consumers of the class `c`, and events of that class.
fn frame(number: u64) -> Frame {
    let birth = Birth(CommitNumber { epoch: TERM, n: number });
    let group = GroupId(CommitNumber { epoch: Epoch(7), n: 4 });
    let (class, key) = ("c".to_owned(), number.to_string());
    let happened = Entry::Happened { kind: EventKind::Created, birth, class: class.clone(), key, last: None };
    let entries = vec![
        Entry::Founded { class, group: "behind".to_owned() },
        happened.clone(),
        Entry::GroupEnded { group },
        happened,
    ];
    let (shard, number) = (ShardId(0), FrameNumber(number));
    Frame { shard, epoch: TERM, number, time_ms: 1, first_commit: 4 * number.0, previous_crc: 0, entries }
}

fuzz_target!(|content: &[u8]| {
    let Ok(mut core) = restored(&[&HEAD, content].concat()) else { return };
    for number in 1..=2 {
        core.replay(&frame(number)).expect("events fit any state");
    }
    let now = core.now();
    core.handle_replayed(now).expect("without images there is nothing that does not fit");
    let saved = loop {
        while core.has_work() {
            core.poll_work();
        }
        let task = core.poll_image();
        // It may have begun to write the state, a step at a time.
        assert!(task.is_some() || core.has_work(), "the journal is too long, so there is a state for the next cut");
        let Some(task) = task else { continue };
        if let ImageDeed::State(state) = task.deed {
            break state;
        }
        core.handle_imaged(now, task.id);
    };
    restored(&saved).expect("a start takes what the one before wrote");
});
