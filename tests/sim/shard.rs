//! One shard: its core, its journal, and how it ends and begins again.

use std::collections::{BTreeMap, VecDeque};

use nam::__private::{Class, Reader};
use nam::ids::ShardId;
use nam::journal::{Append, Frame, FrameName, Journal};
use nam::repository::{Caps, ConnectionId, Core, Identity, ImageCaps, ImageTask, Load, Rules};
use nam::store::{MemoryImages, MemoryJournal};

use crate::class::Desk;
use crate::clock::Clock;
use crate::deliveries::Holdings;
use crate::dice::Dice;
use crate::history::{History, Remembered, difference};
use crate::windows::SegmentWindow;

/// A shard and the world's knowledge of it.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) core: Core,
    pub(crate) journal: MemoryJournal,
    pub(crate) is_lossy: bool,
    /// Whether its disk has no room for commits that were not judged yet.
    pub(crate) is_full: bool,
    pub(crate) clock: Clock,
    pub(crate) incarnation: u64,
    /// Frames on their way to the journal.
    pub(crate) appending: VecDeque<Append>,
    /// When the last of them arrives there.
    pub(crate) durable_at: u64,
    pub(crate) images: MemoryImages,
    /// Tasks for the images, and when the last of them is done.
    pub(crate) imaging: VecDeque<ImageTask>,
    pub(crate) imaged_at: u64,
    pub(crate) loading: Vec<Load>,
    pub(crate) cutting: Option<FrameName>,
    pub(crate) history: History,
    /// Connections that the core knows.
    pub(crate) links: BTreeMap<ConnectionId, usize>,
    /// What their nodes have to confirm.
    pub(crate) windows: BTreeMap<ConnectionId, SegmentWindow>,
    /// What their nodes were sent of the objects that they hold.
    pub(crate) holdings: BTreeMap<ConnectionId, Holdings>,
    pub(crate) has_step: bool,
    pub(crate) is_due_planned: bool,
    /// Commits that waited because somebody went first, in this term.
    pub(crate) made_way: u64,
    backup: Backup,
    caps: Caps,
    rules: Rules,
}

/// What a shard may come back from.
#[derive(Debug)]
enum Backup {
    None,
    Made(MemoryJournal, MemoryImages, Remembered),
    /// It is what the shard begins again with.
    Wanted(MemoryJournal, MemoryImages, Remembered),
    /// It came back from one; once is enough.
    Used,
}

impl Shard {
    pub(crate) fn new(dice: &mut Dice, mut caps: Caps, images: ImageCaps, rules: Rules) -> Self {
        let is_lossy = dice.one_in(2);
        caps.images = (!is_lossy).then_some(images);
        let journal = if is_lossy { MemoryJournal::forgetful() } else { MemoryJournal::kept() };
        let mut shard = Self {
            core: Core::new(identity(&mut journal.clone(), 1), caps),
            journal,
            is_lossy,
            is_full: false,
            clock: Clock::draw(dice, 0),
            incarnation: 0,
            appending: VecDeque::new(),
            durable_at: 0,
            images: MemoryImages::new(),
            imaging: VecDeque::new(),
            imaged_at: 0,
            loading: Vec::new(),
            cutting: None,
            history: History::default(),
            links: BTreeMap::new(),
            windows: BTreeMap::new(),
            holdings: BTreeMap::new(),
            has_step: false,
            is_due_planned: false,
            made_way: 0,
            backup: Backup::None,
            caps,
            rules,
        };
        shard.history.events.last_bytes_max = caps.windows.inline_bytes;
        shard.begin(1);
        shard
    }

    /// The process ends at once: what is not durable is lost, and with a forgetful journal everything.
    pub(crate) fn crash(&mut self, now: u64, dice: &mut Dice) {
        self.forget(dice);
        self.links.clear();
        self.has_step = false;
        self.history.crash(self.is_lossy, self.clock.at(now).0);
        self.backup = match std::mem::replace(&mut self.backup, Backup::Used) {
            Backup::Wanted(journal, images, remembered) => {
                (self.journal, self.images) = (journal, images);
                self.history.restore(&remembered, self.clock.at(now).0);
                Backup::Used
            }
            backup => backup,
        };
        self.begin(now);
    }

    /// Copies what is durable.
    pub(crate) fn back_up(&mut self) {
        if !self.is_lossy && !matches!(self.backup, Backup::Used) {
            self.backup = Backup::Made(self.journal.copy(), self.images.copy(), self.history.remember());
        }
    }

    /// Has the shard come back from its backup when it begins again; answers whether it has one.
    pub(crate) fn plan_restore(&mut self) -> bool {
        self.backup = match std::mem::replace(&mut self.backup, Backup::Used) {
            Backup::Made(journal, images, remembered) => Backup::Wanted(journal, images, remembered),
            backup => backup,
        };
        matches!(self.backup, Backup::Wanted(..))
    }

    /// Holds the documents that are at the head of the history against it.
    pub(crate) fn check_documents(&self) {
        for (birth, object) in &self.history.objects {
            let Some((version, value)) = self.history.head(*birth) else { continue };
            let seen = self.core.inspect(Desk::NAME, &object.key);
            let Some(seen) = seen.filter(|seen| (seen.birth, seen.version) == (*birth, version)) else { continue };
            let Some(encoded) = seen.value else { continue };
            let document = Desk::decode_root(Reader::new(&encoded)).unwrap();
            if let Some(differs) = difference(&document, &value) {
                panic!("I2: the document of {} at {version}: {differs}", object.key);
            }
        }
    }

    fn begin(&mut self, now: u64) {
        self.incarnation += 1;
        // Later than any term of what a backup is of.
        let identity = identity(&mut self.journal, 1_000 + now + self.incarnation);
        self.history.lossy_epoch = identity.lossy_epoch;
        self.core = Core::new(identity, self.caps);
        self.made_way = 0;
        #[cfg(feature = "mutants")]
        self.core.set_rules(self.rules);
        let _ = self.rules;
        self.restore();
        let mut frames: Vec<Frame> = Vec::new();
        let keep = &mut |frame| {
            frames.push(frame);
            true
        };
        self.journal.replay(ShardId(0), keep).unwrap();
        for frame in &frames {
            self.core.replay(frame).unwrap();
        }
        self.core.handle_replayed(self.clock.at(now)).unwrap();
        if self.is_full {
            self.core.handle_room(self.clock.at(now), false);
        }
    }
}

fn identity(journal: &mut MemoryJournal, wall_ms: u64) -> Identity {
    let claim = journal.claim(ShardId(0), wall_ms).unwrap();
    Identity {
        shard: ShardId(0),
        epoch: claim.epoch,
        lossy_epoch: claim.lossy_epoch,
        last_crc: claim.last_crc,
        shards: Vec::new(),
    }
}
