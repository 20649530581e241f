//! `nam verify`: reads everything in a data directory and says what is damaged.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use nam::ids::{Epoch, ShardId};
use nam::journal::JournalError;
use nam::repository::{Caps, Core, Identity, ImageCaps};
use nam::store::{DataError, Verified, Visited, verify};

use crate::advice;
use crate::backup::S3;

/// Damages that are told; of more, how many.
const DAMAGES_TOLD_MAX: usize = 20;

/// What `nam verify` is told.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The data directory of a daemon that does not run.
    #[arg(long, value_name = "DIR", default_value = "nam-data")]
    data: PathBuf,
    /// Read a backup instead.
    #[arg(long, value_name = "PLACE", conflicts_with = "data")]
    backup: Option<String>,
    #[command(flatten)]
    s3: S3,
}

/// What a start would make of the frames of a shard.
struct Trial {
    core: Core,
    failed: Option<String>,
}

impl Trial {
    fn new(shard: ShardId) -> Self {
        let (epoch, lossy_epoch) = (Epoch(0), Epoch(0));
        let identity = Identity { shard, epoch, lossy_epoch, last_crc: 0, shards: Vec::new() };
        let caps = Caps { images: Some(ImageCaps::default()), ..Caps::default() };
        Self { core: Core::new(identity, caps), failed: None }
    }

    fn take(&mut self, visited: Visited<'_>) {
        if self.failed.is_some() {
            return;
        }
        self.failed = match visited {
            Visited::State(shard, state) => {
                let failed = self.core.restore_state(state).err();
                failed.map(|error| format!("the state of shard {shard}: {error}"))
            }
            Visited::Image(_, head) => {
                self.core.restore_head(head.clone());
                None
            }
            Visited::Frame(frame) => {
                let failed = self.core.replay(frame).err();
                failed.map(|error| format!("frame {} does not fit: {error}", frame.name()))
            }
        };
    }

    /// Nothing more comes; what was wrong.
    fn end(&mut self, shard: ShardId) -> Option<String> {
        let now = self.core.now();
        self.failed.clone().or_else(|| {
            let failed = self.core.handle_replayed(now).err();
            failed.map(|error| format!("the images of shard {shard} do not fit its journal: {error}"))
        })
    }
}

impl Verify {
    /// Reads the directory; an error if anything in it is damaged.
    pub(crate) fn run(self) -> Result<(), String> {
        if let Some(place) = &self.backup {
            return crate::backup::verify(place, &self.s3);
        }
        let style = ProgressStyle::with_template("{spinner} {pos} frames and images, {per_sec}");
        let progress = ProgressBar::new_spinner().with_style(style.map_err(|error| error.to_string())?);
        let mut trials: BTreeMap<ShardId, Trial> = BTreeMap::new();
        let visit = &mut |visited: Visited<'_>| {
            let shard = match visited {
                Visited::State(shard, _) | Visited::Image(shard, _) => shard,
                Visited::Frame(frame) => frame.shard,
            };
            trials.entry(shard).or_insert_with(|| Trial::new(shard)).take(visited);
            progress.inc(1);
        };
        let found = verify(&self.data, visit).map_err(|error| advice::of_reading(&error))?;
        progress.finish_and_clear();
        let mut damages: Vec<String> = found.tables.iter().map(DataError::to_string).collect();
        for Verified { shard, images, parts, frames, commits, last, damages: found } in found.shards {
            let trial = trials.get_mut(&shard);
            let (failed, objects) = trial.map_or((None, 0), |trial| (trial.end(shard), trial.core.objects()));
            let line = format!(
                "shard {shard}  {frames} frames, {commits} commits, {objects} objects, {images} images of {parts} parts, \
                 last frame {last}"
            );
            let _closed = writeln!(std::io::stdout(), "{line}");
            damages.extend(found.iter().map(JournalError::to_string));
            damages.extend(failed);
        }
        let more = damages.len().saturating_sub(DAMAGES_TOLD_MAX);
        damages.truncate(DAMAGES_TOLD_MAX);
        if more > 0 {
            damages.push(format!("and {more} more"));
        }
        if damages.is_empty() { Ok(()) } else { Err(format!("{}; {}", damages.join("; "), advice::RESTORE)) }
    }
}
