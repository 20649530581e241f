//! A shard's images: they come late, are forgotten when nobody waited for them, and fail half written.

use nam::__private::Class;
use nam::document::Image;
use nam::engine::load_document;
use nam::ids::ShardId;
use nam::journal::{Head, HeadBody, Images, Journal, JournalError, Part};
use nam::repository::{ImageDeed, ImageTask};
use nam::store::TappedImages;

use crate::class::Desk;
use crate::dice::Dice;
use crate::network::Event;
use crate::shard::Shard;
use crate::world::World;

/// Does a task, part by part.
fn write_image(images: &mut dyn Images, task: ImageTask) -> Result<(), JournalError> {
    let shard = ShardId(0);
    match task.deed {
        ImageDeed::Put(mut head, mut image) => {
            let name = head.name(shard);
            let before = images.head(name)?;
            let kept = before.as_ref().and_then(Head::live).into_iter().flat_map(|live| &live.parts);
            let mut parts: Vec<Part> = kept.filter(|part| !image.dropped().contains(&part.id)).copied().collect();
            while let Some((id, bytes)) = image.next_part() {
                parts.push(Part { id, crc: crc32fast::hash(&bytes) });
                images.put_parts(name, &[(id, bytes)])?;
            }
            parts.sort_by_key(|part| part.id);
            assert_eq!(parts.iter().map(|part| part.id).collect::<Vec<_>>(), image.parts(), "every part is there");
            if let HeadBody::Live(live) = &mut head.body {
                (live.trunk, live.parts) = (image.trunk(), parts);
            }
            images.put_head(shard, &head, image.dropped())
        }
        ImageDeed::End(head) => images.put_head(shard, &head, &[]),
        ImageDeed::Remove(image) => images.remove(image),
        ImageDeed::State(state) => images.put_state(shard, &state),
    }
}

impl Shard {
    /// What the images say is taken over before the journal is replayed.
    pub(crate) fn restore(&mut self) {
        if let Some(state) = self.images.state(ShardId(0)).unwrap() {
            self.core.restore_state(&state).unwrap();
        }
        let (images, core) = (&mut self.images, &mut self.core);
        let mut restore = |head| {
            core.restore_head(head);
            true
        };
        images.heads(ShardId(0), &mut restore).unwrap();
    }

    /// The process ends: of what was on its way the oldest task may have been begun or done.
    pub(crate) fn forget_images(&mut self, dice: &mut Dice) {
        if let Some(task) = self.imaging.pop_front() {
            self.fail_image(task, dice);
        }
        if let Some(frame) = self.cutting.take().filter(|_| dice.one_in(2)) {
            self.journal.truncate(ShardId(0), frame.epoch, frame.number).unwrap();
        }
        self.imaging.clear();
        self.loading.clear();
    }

    fn fail_image(&mut self, task: ImageTask, dice: &mut Dice) {
        let mut writes = dice.below(3);
        // So many writes more; the next one is there or not, and fails.
        let mut failing = TappedImages::new(self.images.clone(), |images, call| {
            let fails = writes == 0;
            writes = writes.saturating_sub(1);
            if !fails || dice.one_in(2) {
                call.make(images)?;
            }
            if fails { Err(JournalError::InDoubt("the disk fails".to_owned())) } else { Ok(()) }
        });
        let _ = write_image(&mut failing, task);
    }

    /// Brings the oldest document to memory for which that was asked.
    fn load(&mut self, at: usize, now: u64) {
        let load = self.loading.remove(at);
        let name = (load.alias, load.image.birth);
        let loaded = load_document(&mut self.images, &load).map_err(|error| error.to_string());
        if let Err(error) = &loaded {
            // It may have ended meanwhile.
            let known = self.core.inspect(&load.object.class, &load.object.key);
            let is_there = known.is_some_and(|known| known.birth == load.image.birth);
            assert!(!is_there, "I2: {} cannot be loaded: {error}", load.object);
        }
        self.core.handle_loaded(self.clock.at(now), name, loaded);
    }

    /// Has the document of an object in memory.
    pub(crate) fn fetch(&mut self, key: &str) {
        while !self.core.fetch(Desk::NAME, key) {
            self.loading.extend(self.core.poll_load());
            self.load(0, 0);
        }
    }
}

impl World {
    /// Plans what a shard wants of its images.
    pub(crate) fn settle_images(&mut self, at: usize) {
        let now = self.now;
        let shard = &mut self.shards[at];
        let incarnation = shard.incarnation;
        while let Some(task) = shard.core.poll_image() {
            let what = match &task.deed {
                ImageDeed::Put(head, image) => format!("{head:?} {:?} {:?}", image.version(), image.parts()),
                deed => format!("{deed:?}"),
            };
            if self.is_traced {
                println!("{now:6} shard {at} images: {}", what.chars().take(200).collect::<String>());
            }
            self.effects.add(now, 6, what.as_bytes());
            let takes = if self.dice.one_in(40) { 300 } else { 15 };
            shard.imaged_at = shard.imaged_at.max(now) + self.dice.below(takes);
            shard.imaging.push_back(task);
            self.agenda.plan(shard.imaged_at, Event::Imaged { shard: at, incarnation });
        }
        while let Some(load) = shard.core.poll_load() {
            self.effects.add(now, 7, format!("{load:?}").as_bytes());
            shard.loading.push(load);
            let takes = if self.dice.one_in(20) { 400 } else { 20 };
            self.agenda.plan(now + self.dice.below(takes), Event::Loaded { shard: at, incarnation });
        }
        if let Some(frame) = shard.core.poll_cut() {
            if self.is_traced {
                println!("{now:6} shard {at} cuts before {frame}");
            }
            self.effects.add(now, 8, frame.to_string().as_bytes());
            shard.cutting = Some(frame);
            self.agenda.plan(now + self.dice.below(30), Event::Cut { shard: at, incarnation });
        }
    }

    pub(crate) fn imaged(&mut self, at: usize, incarnation: u64) {
        let shard = &mut self.shards[at];
        if shard.incarnation != incarnation {
            return;
        }
        let task = shard.imaging.pop_front().unwrap();
        if self.dice.one_in(400) {
            shard.fail_image(task, &mut self.dice);
            self.report.failures += 1;
            let shard = &mut self.shards[at];
            shard.core.handle_image_failed(shard.clock.at(self.now));
            self.settle_shard(at);
            self.crash(at);
            return;
        }
        let id = task.id;
        let is_tail = |image: &Image| image.fresh().len() == 1 && image.dropped().is_empty();
        self.report.tails += u64::from(matches!(&task.deed, ImageDeed::Put(_, image) if is_tail(image)));
        write_image(&mut shard.images, task).unwrap();
        shard.core.handle_imaged(shard.clock.at(self.now), id);
        self.report.imaged += 1;
    }

    pub(crate) fn loaded(&mut self, at: usize, incarnation: u64) {
        let shard = &mut self.shards[at];
        if shard.incarnation == incarnation {
            let which = self.dice.index(shard.loading.len());
            shard.load(which, self.now);
            self.report.loaded += 1;
        }
    }

    pub(crate) fn forgotten(&mut self, at: usize, incarnation: u64) {
        let shard = &mut self.shards[at];
        if shard.incarnation == incarnation {
            let frame = shard.cutting.take().unwrap();
            shard.journal.truncate(ShardId(0), frame.epoch, frame.number).unwrap();
            shard.core.handle_cut(shard.clock.at(self.now));
            self.report.forgotten += 1;
        }
    }
}
