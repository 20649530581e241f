//! A keeper of images that does a task when the test says so.

use std::collections::VecDeque;

use nam::engine::load_document;
use nam::ids::ShardId;
use nam::journal::{FrameName, Head, HeadBody, Images, Part};
use nam::repository::{Caps, Core, ImageDeed, ImageTask, Load};
use nam::store::MemoryImages;

use crate::bench::{Bench, identity};

/// What a core has asked of its images.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) images: MemoryImages,
    pub(crate) tasks: VecDeque<ImageTask>,
    pub(crate) loads: VecDeque<Load>,
    pub(crate) cut: Option<FrameName>,
    /// The newest state that was asked to be stored.
    pub(crate) state: Vec<u8>,
}

impl Kept {
    pub(crate) fn take(&mut self, core: &mut Core) {
        self.tasks.extend(std::iter::from_fn(|| core.poll_image()));
        self.loads.extend(std::iter::from_fn(|| core.poll_load()));
        self.cut = self.cut.or_else(|| core.poll_cut());
    }

    fn write(&mut self, deed: ImageDeed) {
        let shard = ShardId(0);
        match deed {
            ImageDeed::Put(mut head, mut image) => {
                let name = head.name(shard);
                let before = self.images.head(name).unwrap();
                let kept = before.as_ref().and_then(Head::live).into_iter().flat_map(|live| &live.parts);
                let mut parts: Vec<Part> = kept.filter(|part| !image.dropped().contains(&part.id)).copied().collect();
                while let Some((id, bytes)) = image.next_part() {
                    parts.push(Part { id, crc: crc32fast::hash(&bytes) });
                    self.images.put_parts(name, &[(id, bytes)]).unwrap();
                }
                parts.sort_by_key(|part| part.id);
                if let HeadBody::Live(live) = &mut head.body {
                    (live.trunk, live.parts) = (image.trunk(), parts);
                }
                self.images.put_head(shard, &head, image.dropped()).unwrap();
            }
            ImageDeed::End(head) => self.images.put_head(shard, &head, &[]).unwrap(),
            ImageDeed::Remove(image) => self.images.remove(image).unwrap(),
            ImageDeed::State(state) => {
                self.state = state.to_vec();
                self.images.put_state(shard, &state).unwrap();
            }
        }
    }
}

impl Bench {
    /// Does the oldest task of the images; false if there is none.
    pub(crate) fn image_one(&mut self) -> bool {
        self.work();
        let Some(task) = self.kept.tasks.pop_front() else { return false };
        self.kept.write(task.deed);
        self.core.handle_imaged(self.now, task.id);
        self.work();
        true
    }

    /// Brings the oldest document to memory that was asked for.
    pub(crate) fn load_one(&mut self) -> bool {
        self.work();
        let Some(load) = self.kept.loads.pop_front() else { return false };
        let document = load_document(&mut self.kept.images, &load).map_err(|error| error.to_string());
        self.core.handle_loaded(self.now, (load.alias, load.image.birth), document);
        self.work();
        true
    }

    /// Does everything that is asked of the images, cuts included; loads too.
    pub(crate) fn image_all(&mut self) {
        loop {
            self.settle();
            let has_imaged = self.image_one() || self.load_one();
            if let Some(frame) = self.kept.cut.take() {
                self.frames.retain(|known| known.name() >= frame);
                self.core.handle_cut(self.now);
            } else if !has_imaged {
                return;
            }
        }
    }

    /// The core that a start makes of the images and the frames that are there.
    pub(crate) fn restarted(&mut self, caps: Caps) -> Result<Core, String> {
        let mut core = Core::new(identity(nam::ids::Epoch(2_000), 0), caps);
        if let Some(state) = self.kept.images.state(ShardId(0)).unwrap() {
            core.restore_state(&state).map_err(|error| error.to_string())?;
        }
        let mut restore = |head| {
            core.restore_head(head);
            true
        };
        self.kept.images.heads(ShardId(0), &mut restore).unwrap();
        for frame in &self.frames {
            core.replay(frame).map_err(|error| error.to_string())?;
        }
        core.handle_replayed(self.now).map_err(|error| error.to_string())?;
        Ok(core)
    }

    /// Goes on with the core that a start makes; what was on its way is gone.
    pub(crate) fn start_again(&mut self, caps: Caps) {
        self.core = self.restarted(caps).unwrap();
        (self.kept.tasks, self.kept.loads, self.kept.cut) = Default::default();
        self.appended.clear();
    }
}
