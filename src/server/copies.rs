//! The socket by which `nam backup` asks a running daemon for a snapshot of its store.
//!
//! Invariants: one backup at a time, on a thread of its own, so that no shard waits for it; only the owner of the data
//! directory can dial; when this is dropped its threads have ended and the socket is gone. Source: own reasoning.

use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::store::DiskJournal;
use crate::store::backup::{SOCKET, answer};

const IN_MEMORY: &str = "its journal is in memory, there is nothing to back up";
const TOO_LONG: &str =
    "a socket has no such long path: give --data a shorter one, as through a link, here and to the backup";
const BUSY: &str = "another backup is under way";

/// The thread that waits for backups.
#[derive(Debug)]
pub(super) struct Copies {
    socket: PathBuf,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Copies {
    /// Offers backups of `journal` in the data directory; a daemon that cannot does without, and says so.
    pub(super) fn offered(data: &Path, journal: Option<DiskJournal>) -> Option<Self> {
        let offered = Self::start(data, journal);
        offered.inspect_err(|error| tracing::warn!(%error, "backups of the running daemon are not to be had")).ok()
    }

    fn start(data: &Path, journal: Option<DiskJournal>) -> io::Result<Self> {
        let socket = data.join(SOCKET);
        if journal.is_none() && UnixStream::connect(&socket).is_ok() {
            return Err(io::Error::other("another daemon answers for this directory"));
        }
        let listener = bind(data, &socket)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let accepting = Accepting { listener, journal, is_over: Arc::clone(&is_over) };
        let thread = thread::Builder::new().name("nam-copies".into()).spawn(move || accepting.run())?;
        Ok(Self { socket, is_over, thread: Some(thread) })
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread. If the socket is not ours any more, the thread is left to the end of the process.
        let is_woken = UnixStream::connect(&self.socket).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| is_woken) {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.socket);
    }
}

/// Binds where only the owner can dial, from the first moment on.
fn bind(data: &Path, socket: &Path) -> io::Result<UnixListener> {
    let draft = data.join("socket.new");
    let _ = fs::remove_dir_all(&draft);
    fs::create_dir(&draft)?;
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o700))?;
    let bound = draft.join(SOCKET);
    let listener = UnixListener::bind(&bound).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => io::Error::other(format!("{}: {TOO_LONG}", bound.display())),
        _ => error,
    })?;
    fs::set_permissions(&bound, fs::Permissions::from_mode(0o600))?;
    fs::rename(&bound, socket)?;
    fs::remove_dir(&draft)?;
    Ok(listener)
}

/// What the thread has.
struct Accepting {
    listener: UnixListener,
    journal: Option<DiskJournal>,
    is_over: Arc<AtomicBool>,
}

impl Accepting {
    fn run(self) {
        let mut current: Option<(UnixStream, JoinHandle<()>)> = None;
        for stream in self.listener.incoming() {
            if self.is_over.load(Ordering::SeqCst) {
                break;
            }
            let Ok(stream) = stream else { continue };
            if current.as_ref().is_some_and(|(_, thread)| !thread.is_finished()) {
                let _ = answer(&stream, Err(BUSY));
                continue;
            }
            current = self.serve(stream).inspect_err(|error| tracing::warn!(%error, "no thread for a backup")).ok();
        }
        if let Some((stream, thread)) = current {
            let _ = stream.shutdown(Shutdown::Both);
            let _ = thread.join();
        }
    }

    fn serve(&self, stream: UnixStream) -> io::Result<(UnixStream, JoinHandle<()>)> {
        let (ours, journal) = (stream.try_clone()?, self.journal.clone());
        let thread = thread::Builder::new().name("nam-copy".into()).spawn(move || {
            match answer(&stream, journal.as_ref().ok_or(IN_MEMORY)) {
                Ok(()) => tracing::info!("a backup was answered"),
                Err(error) => tracing::warn!(%error, "a backup ended early"),
            }
        })?;
        Ok((ours, thread))
    }
}
