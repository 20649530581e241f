//! Between a daemon and a backup of its data: a socket in the data directory, and what goes through it.
//!
//! ```text
//! backup ──▶ daemon   "namK" · format 01
//! daemon ──▶ backup   message*            message: length of the rest: 4 LE · kind · content
//! kinds               00 announced: count · shard*     01 a record     02 that is all     03 refused: text
//! ```
//! Invariants: what comes from the other side is bounded before it is read; the daemon reads a snapshot on the thread that
//! answers, and gives up on a backup that takes nothing for [`BACKUP_STALL_MS`]. Source: own reasoning.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use super::BackupError;
use super::check::Extent;
use super::record::Record;
use crate::coding::{DecodeError, Reader, Writer};
use crate::ids::ShardId;
use crate::journal::JournalError;
use crate::limits::{BACKUP_MESSAGE_BYTES_MAX, BACKUP_STALL_MS, NAME_BYTES_MAX};
use crate::store::disk::DiskJournal;

/// The name of the socket in a data directory.
pub const SOCKET: &str = "socket";

const HELLO: [u8; 5] = *b"namK\x01";
const ANNOUNCED: u8 = 0;
const RECORD: u8 = 1;
const ALL: u8 = 2;
const REFUSED: u8 = 3;

/// How long a side waits for the other.
const STALL: Duration = Duration::from_millis(BACKUP_STALL_MS);

/// How long a daemon waits for the first word.
const GREETING: Duration = Duration::from_secs(10);

/// Answers whoever dialled the socket of a daemon: sends a snapshot of its store, or says why not.
///
/// # Errors
/// The other side went away, takes nothing, or is no backup.
pub fn answer(stream: &UnixStream, journal: Result<&DiskJournal, &str>) -> io::Result<()> {
    answer_within(STALL, stream, journal)
}

fn answer_within(stall: Duration, stream: &UnixStream, journal: Result<&DiskJournal, &str>) -> io::Result<()> {
    stream.set_read_timeout(Some(GREETING))?;
    stream.set_write_timeout(Some(stall))?;
    let mut hello = [0; HELLO.len()];
    let mut from = stream;
    from.read_exact(&mut hello)?;
    let mut to = BufWriter::with_capacity(256 * 1024, stream);
    match journal {
        _ if hello != HELLO => send(&mut to, REFUSED, b"another version of nam runs here: use the same for both")?,
        Err(text) => send(&mut to, REFUSED, text.as_bytes())?,
        Ok(journal) => match copy(&mut to, journal) {
            Ok(()) => send(&mut to, ALL, &[])?,
            Err(Stopped::Link(error)) => return Err(error),
            Err(Stopped::Store(error)) => send(&mut to, REFUSED, error.to_string().as_bytes())?,
        },
    }
    to.flush()
}

/// Why the daemon's half ends early.
enum Stopped {
    Link(io::Error),
    Store(JournalError),
}

fn copy(to: &mut impl Write, journal: &DiskJournal) -> Result<(), Stopped> {
    let snapshot = journal.snapshot();
    let announced = snapshot.announced().map_err(Stopped::Store)?;
    let mut w = Writer::new();
    w.length(announced.len());
    announced.iter().for_each(|extent| extent.write(&mut w));
    send(to, ANNOUNCED, w.as_slice()).map_err(Stopped::Link)?;
    snapshot.visit(&Stopped::Store, &mut |record: Record| {
        let mut w = Writer::new();
        record.write(&mut w);
        send(to, RECORD, w.as_slice()).map_err(Stopped::Link)
    })
}

fn send(to: &mut impl Write, kind: u8, content: &[u8]) -> io::Result<()> {
    let length = u32::try_from(content.len() + 1).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&[kind])?;
    to.write_all(content)
}

/// A backup's half.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) data: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Link {
    /// Dials the daemon that has `data` open, if one does.
    pub(super) fn dial(data: &Path) -> Option<Result<Self, BackupError>> {
        let mut stream = UnixStream::connect(data.join(SOCKET)).ok()?;
        let greeted = stream.set_read_timeout(Some(STALL)).and_then(|()| stream.write_all(&HELLO));
        let link = Self { data: data.into(), stream: BufReader::with_capacity(256 * 1024, stream) };
        Some(match greeted {
            Ok(()) => Ok(link),
            Err(error) => Err(link.broken(error)),
        })
    }

    pub(super) fn announced(&mut self) -> Result<Vec<Extent>, BackupError> {
        let (kind, content) = self.message()?;
        let read = || {
            let mut r = Reader::new(&content);
            if kind != ANNOUNCED {
                return Err(DecodeError::Unknown { what: "announcement", found: u64::from(kind) });
            }
            let shards = u16::try_from(r.count(8)?).map_err(|_| DecodeError::Varint)?;
            let extents = (0..shards).map(|shard| Extent::read(ShardId(shard), &mut r)).collect::<Result<_, _>>()?;
            r.finish().map(|()| extents)
        };
        read().map_err(|error: DecodeError| self.broken(io::Error::other(error)))
    }

    /// The next record; none when all came.
    pub(super) fn next(&mut self) -> Result<Option<Record>, BackupError> {
        let (kind, content) = self.message()?;
        match (kind, Record::read(&content)) {
            (ALL, _) => Ok(None),
            (RECORD, Ok((record, length))) if length == content.len() => Ok(Some(record)),
            (RECORD, Err(error)) => Err(self.broken(io::Error::other(error))),
            _ => Err(self.broken(io::Error::other("a message that is none"))),
        }
    }

    fn message(&mut self) -> Result<(u8, Bytes), BackupError> {
        let (kind, content) = self.receive().map_err(|error| self.broken(error))?;
        if kind != REFUSED {
            return Ok((kind, content));
        }
        let words = content.get(..content.len().min(4 * NAME_BYTES_MAX)).unwrap_or_default();
        let text = String::from_utf8_lossy(words).chars().filter(|c| !c.is_control()).collect();
        Err(BackupError::Daemon { data: self.data.clone(), text })
    }

    fn receive(&mut self) -> io::Result<(u8, Bytes)> {
        let (mut length, mut kind) = ([0; 4], [0; 1]);
        self.stream.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        if length == 0 || length > BACKUP_MESSAGE_BYTES_MAX {
            return Err(io::Error::other(format!("a message of {length} bytes")));
        }
        self.stream.read_exact(&mut kind)?;
        // The length is only believed as far as bytes come.
        let mut content = Vec::new();
        let got = Read::by_ref(&mut self.stream).take(length - 1).read_to_end(&mut content)?;
        if got as u64 != length - 1 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let [kind] = kind;
        Ok((kind, content.into()))
    }

    fn broken(&self, source: io::Error) -> BackupError {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return BackupError::Gone { data: self.data.clone() };
        }
        BackupError::Link { data: self.data.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FrameNumber;
    use crate::journal::{Append, Entry, Frame, Journal};
    use crate::store::disk::{DiskSettings, Scratch};

    /// What a backup makes of the bytes of something that pretends to be a daemon.
    fn told(bytes: &[u8]) -> String {
        let (mut daemon, stream) = UnixStream::pair().unwrap();
        daemon.write_all(bytes).unwrap();
        drop(daemon);
        let mut link = Link { data: "DIR".into(), stream: BufReader::new(stream) };
        let announced = link.announced().and_then(|_| link.next());
        announced.unwrap_err().to_string()
    }

    #[test]
    fn bytes_of_a_stranger_are_refused_in_words() {
        let message = |kind: u8, content: &[u8]| {
            let mut bytes = Vec::new();
            send(&mut bytes, kind, content).unwrap();
            bytes
        };
        for bytes in [
            Vec::new(),
            vec![0xff; 64],
            vec![0; 64],
            message(ANNOUNCED, &[0xff, 0xff, 0x7f]),
            message(ANNOUNCED, &[]),
            message(RECORD, b"a record"),
            [message(ANNOUNCED, &[0]), message(RECORD, b"a record")].concat(),
            [message(ANNOUNCED, &[0]), message(9, &[])].concat(),
            message(RECORD, &[7; 90])[..50].to_vec(),
        ] {
            let told = told(&bytes);
            let is_sentence =
                told.starts_with("the daemon of DIR cannot be understood: ") || told.ends_with("went away");
            assert!(is_sentence, "{told}");
        }
        assert_eq!(told(&message(REFUSED, b"not\x1b now")), "the daemon of DIR answers: not now");
    }

    #[test]
    fn a_backup_that_takes_nothing_is_given_up() {
        let directory = Scratch::new("backup-stalled");
        let settings = DiskSettings { shards: Some(1), free_bytes_min: 0, ..DiskSettings::default() };
        let mut journal = DiskJournal::open(&directory.0, settings).unwrap();
        let claim = journal.claim(ShardId(0), 5).unwrap();
        let mut expected = claim.last_crc;
        // More than the socket and both sides' buffers take.
        for number in 1..=16 {
            let append = Frame {
                shard: ShardId(0),
                epoch: claim.epoch,
                number: FrameNumber(number),
                time_ms: 5,
                first_commit: 1,
                previous_crc: expected,
                entries: vec![Entry::Slice { staging: number, bytes: vec![7; 256 * 1024].into() }],
            };
            let append = Append { frame: append.encode(), expected };
            expected = append.frame.crc;
            journal.append(&append).unwrap();
        }
        let (mut backup, daemon) = UnixStream::pair().unwrap();
        backup.write_all(&HELLO).unwrap();
        let given_up = answer_within(Duration::from_millis(20), &daemon, Ok(&journal)).unwrap_err();
        assert_eq!(given_up.kind(), io::ErrorKind::WouldBlock, "{given_up}");
        drop(daemon);
        let mut link = Link { data: "DIR".into(), stream: BufReader::new(backup) };
        assert_eq!(link.announced().map(|announced| announced.len()).unwrap(), 1);
        let end = std::iter::repeat_with(|| link.next()).find_map(Result::err).unwrap();
        assert_eq!(end.to_string(), "the daemon of DIR went away", "it knows that this was not all");
    }
}
