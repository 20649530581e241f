//! Where a backup is kept: a directory, or a store of objects.
//!
//! Invariants: a file is there wholly, or not at all; a place that holds anything is not written to; what one place answers,
//! every place answers (`conformance.rs`). Source: own reasoning.

#[cfg(feature = "s3")]
mod bucket;
#[cfg(test)]
mod conformance;
mod directory;
#[cfg(feature = "s3")]
mod https;

use std::fmt;
use std::path::Path;

use bytes::Bytes;

use super::BackupError;
#[cfg(feature = "s3")]
use bucket::Bucket;
use directory::Directory;

/// The name of the manifest.
pub(super) const MANIFEST: &str = "manifest";

/// The name of the draft of a manifest, by which a backup takes its place.
const DRAFT: &str = "manifest.new";

/// The name of a chunk.
pub(super) fn chunk_name(number: u32) -> String {
    format!("chunk-{number:06}")
}

/// What stands in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Backup,
    /// Chunks, and no manifest.
    Chunks,
    /// Something that is not nam's.
    Other(String),
}

impl Found {
    /// Takes one name that stands there: a manifest outweighs chunks, and chunks what is not nam's.
    fn take(&mut self, name: &str) {
        match (&self, name) {
            (Self::Backup, _) => {}
            (_, MANIFEST) => *self = Self::Backup,
            (_, name) if name.starts_with("chunk-") || name == DRAFT => *self = Self::Chunks,
            (Self::Nothing, name) => *self = Self::Other(name.to_owned()),
            _ => {}
        }
    }
}

/// A place for one backup.
#[derive(Clone, Debug)]
pub struct Place(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Directory(Directory),
    #[cfg(feature = "s3")]
    Bucket(Bucket),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Directory(directory) => directory.fmt(f),
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

impl Place {
    /// The place that a text names: a directory, by its path or as `file:///path`, or `s3://bucket/prefix`.
    ///
    /// A bucket is reached at `s3_endpoint`, else at what the environment says (`AWS_ENDPOINT_URL_S3`,
    /// `AWS_ENDPOINT_URL`), else at AWS; credentials and region are those of the environment or of the machine.
    ///
    /// # Errors
    /// A URL of something else; `s3://` without the feature `s3`; an endpoint that is none, or would carry the backup
    /// unencrypted over a network.
    pub fn parse(text: &str, s3_endpoint: Option<&str>) -> Result<Self, BackupError> {
        let refused = |why: &str| BackupError::File { name: text.to_owned(), text: why.to_owned() };
        let kind = match text.split_once("://") {
            None => Kind::Directory(Directory(text.into())),
            Some(("file", path)) if path.starts_with('/') => Kind::Directory(Directory(path.into())),
            #[cfg(feature = "s3")]
            Some(("s3", path)) => return Bucket::s3(path, s3_endpoint).map(|bucket| Self(Kind::Bucket(bucket))),
            #[cfg(not(feature = "s3"))]
            Some(("s3", _)) => return Err(refused("this nam knows directories only: build it with `--features s3`")),
            Some(_) => return Err(refused("not a place for backups: give a path, file:///path or s3://bucket/prefix")),
        };
        if s3_endpoint.is_some() {
            return Err(refused("a directory has no S3 endpoint"));
        }
        Ok(Self(kind))
    }

    /// Whether it is in a directory of this machine.
    pub(super) fn is_in(&self, other: &Path) -> bool {
        matches!(&self.0, Kind::Directory(directory) if directory.is_in(other))
    }

    /// Makes the place and takes it for one backup, if nothing stands there.
    pub(super) fn begin(&self) -> Result<(), BackupError> {
        let place = self.to_string();
        match self.find()? {
            Found::Backup => return Err(BackupError::Taken { place }),
            Found::Chunks => return Err(BackupError::Unfinished { place }),
            Found::Other(found) => return Err(BackupError::NotEmpty { place, found }),
            Found::Nothing => {}
        }
        let is_taken = match &self.0 {
            Kind::Directory(directory) => directory.make()?,
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.take()?,
        };
        if is_taken { Ok(()) } else { Err(BackupError::Unfinished { place }) }
    }

    /// What stands there.
    pub(super) fn find(&self) -> Result<Found, BackupError> {
        match &self.0 {
            Kind::Directory(directory) => directory.find(),
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.find(),
        }
    }

    /// Keeps a file.
    pub(super) fn put(&self, name: &str, bytes: Bytes) -> Result<(), BackupError> {
        match &self.0 {
            Kind::Directory(directory) => directory.put(name, &bytes),
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.put(name, bytes),
        }
    }

    /// Reads a file of at most `bytes_max` bytes; of a longer one, a byte more.
    pub(super) fn read(&self, name: &str, bytes_max: u64) -> Result<Bytes, BackupError> {
        match &self.0 {
            Kind::Directory(directory) => directory.read(name, bytes_max),
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.read(name, bytes_max),
        }
    }

    /// Removes what an unfinished backup of `chunks` chunks left, the manifest first, and the place if nothing else is in it.
    pub(super) fn abandon(&self, chunks: u32) {
        let names: Vec<String> = [MANIFEST.to_owned()].into_iter().chain((1..=chunks).map(chunk_name)).collect();
        match &self.0 {
            Kind::Directory(directory) => directory.remove(&names),
            #[cfg(feature = "s3")]
            Kind::Bucket(bucket) => bucket.remove(&names),
        }
    }
}
