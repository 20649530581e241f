//! `nam backup` and `nam restore`: a copy of what a data directory keeps, and the way back.

use std::future::Future as _;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use nam::store::backup::{BackupError, CopiedShard, Place, Progress, Watcher, backup, restore, verify_backup};

use crate::advice;
use crate::serve::told_to_stop;

/// What a shell is told when a process ends by SIGINT.
const INTERRUPTED: i32 = 130;

/// What `nam backup` is told.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The data directory; its daemon may run.
    #[arg(long, value_name = "DIR", default_value = "nam-data")]
    data: PathBuf,
    /// Where the copy is to be: an empty directory, or one that is made; or s3://BUCKET/PREFIX.
    #[arg(value_name = "PLACE")]
    place: String,
    #[command(flatten)]
    s3: S3,
}

/// What `nam restore` is told.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Where the backup is.
    #[arg(value_name = "PLACE")]
    place: String,
    /// The data directory to be made.
    #[arg(long, value_name = "DIR", default_value = "nam-data")]
    data: PathBuf,
    #[command(flatten)]
    s3: S3,
}

/// Where stores of objects are.
#[derive(Debug, Args)]
pub(crate) struct S3 {
    /// Where s3:// is, if it is not AWS: https://HOST. Credentials and region: AWS_ACCESS_KEY_ID and its like.
    #[arg(long, value_name = "URL")]
    s3_endpoint: Option<String>,
}

impl S3 {
    fn place(&self, text: &str) -> Result<Place, String> {
        Place::parse(text, self.s3_endpoint.as_deref()).map_err(|error| error.to_string())
    }
}

impl Backup {
    pub(crate) fn run(self) -> Result<(), String> {
        let place = self.s3.place(&self.place)?;
        let copied = watched(&mut |watch| backup(&self.data, &place, watch))?;
        copied.map(|shards| told("copied", &shards)).map_err(|error| advice::of_backup(&error))
    }
}

impl Restore {
    pub(crate) fn run(self) -> Result<(), String> {
        let place = self.s3.place(&self.place)?;
        let restored = watched(&mut |watch| restore(&place, &self.data, watch))?;
        told("restored", &restored.map_err(|error| advice::of_copy(&error))?);
        let note = "commits behind these frames are gone, and nodes that saw them are told so";
        let _closed = writeln!(std::io::stdout(), "{note}");
        Ok(())
    }
}

/// Reads a backup whole.
pub(crate) fn verify(place: &str, s3: &S3) -> Result<(), String> {
    let place = s3.place(place)?;
    let read = watched(&mut |watch| verify_backup(&place, watch))?;
    read.map(|shards| told("whole", &shards)).map_err(|error| advice::of_copy(&error))
}

fn told(what: &str, shards: &[CopiedShard]) {
    for CopiedShard { last, frames, images } in shards {
        let shard = last.shard;
        let line = format!("shard {shard}  {what}: {frames} frames, {images} images, last frame {last}");
        let _closed = writeln!(std::io::stdout(), "{line}");
    }
}

/// What became of a copy.
type Copied = Result<Vec<CopiedShard>, BackupError>;

/// Shows how far a copy is, and stops it at the first SIGINT or SIGTERM; at the second the process ends.
fn watched(copy: &mut dyn FnMut(Watcher<'_>) -> Copied) -> Result<Copied, String> {
    let is_stopped = Arc::new(AtomicBool::new(false));
    stop_on_signal(Arc::clone(&is_stopped))?;
    let bar = ProgressBar::new_spinner();
    let style = |template| ProgressStyle::with_template(template).map_err(|error| error.to_string());
    let without_end = style("{spinner} {bytes}, {bytes_per_sec}, {msg}")?;
    let with_end = style("{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left, {msg}")?;
    bar.set_style(without_end);
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut has_end = false;
    let watch = &mut |progress: Progress| {
        if let Some(bytes_all) = progress.bytes_all.filter(|_| !has_end) {
            bar.set_length(bytes_all);
            bar.set_style(with_end.clone());
            has_end = true;
        }
        bar.set_position(progress.bytes);
        if progress.records % 256 == 1 {
            bar.set_message(format!("{} records", progress.records));
        }
        !is_stopped.load(Ordering::Relaxed)
    };
    let done = copy(watch);
    bar.finish_and_clear();
    Ok(done)
}

fn stop_on_signal(is_stopped: Arc<AtomicBool>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the system gives no event queue: {error}"))?;
    let (is_listening, listening) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name("nam-signals".into()).spawn(move || {
        runtime.block_on(async {
            let mut told = std::pin::pin!(told_to_stop());
            // The first look at it begins to listen, before there is anything to leave behind.
            let is_told =
                std::future::poll_fn(|context| std::task::Poll::Ready(told.as_mut().poll(context).is_ready()));
            let is_told = is_told.await;
            let _ = is_listening.send(());
            if !is_told {
                told.await;
            }
            is_stopped.store(true, Ordering::Relaxed);
            told_to_stop().await;
            std::process::exit(INTERRUPTED);
        });
    });
    let _ = listening.recv();
    thread.map(drop).map_err(|error| format!("the system gives no thread: {error}"))
}
