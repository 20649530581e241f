//! Objects of a store that speaks S3, under one prefix, that keep a backup.
//!
//! Invariants: an object is there wholly or not at all, also one that was sent in parts: a store shows it when the last
//! word was said; one backup writes, as far as the store keeps to a condition; secrets come from the environment and are in
//! no text that leaves here. Source: the contract of `object_store`, and own reasoning.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload,
    RetryConfig, WriteMultipart,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::https::Https;
use super::{BackupError, DRAFT, Found, MANIFEST};
use crate::limits::{BACKUP_PART_BYTES, BACKUP_PARTS_IN_FLIGHT_MAX};

/// Characters of what a store answers that are told.
const TOLD_MAX: usize = 300;

/// Bytes by which a backup knows its own draft of a manifest.
const MARK_BYTES: usize = 16;

/// Where a machine of a cloud tells its own credentials; asked when none are set.
const CREDENTIALS_OF_MACHINE: &str = "http://169.254.169.254/";

/// Tries of a request after the first, within a minute; then the backup ends.
const TRIES: RetryConfig = RetryConfig {
    backoff: BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(5), base: 2.0 },
    max_retries: 6,
    retry_timeout: Duration::from_secs(60),
};

/// The objects under one prefix.
#[derive(Clone)]
pub(super) struct Bucket {
    /// As it was named, without any secret.
    name: String,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Arc<Runtime>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.name).finish()
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Bucket {
    /// The objects that `bucket/prefix` names.
    pub(super) fn s3(path: &str, endpoint: Option<&str>) -> Result<Self, BackupError> {
        let name = format!("s3://{path}");
        let refused = |text: String| BackupError::File { name: name.clone(), text };
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        if bucket.is_empty() {
            return Err(refused("give a bucket: s3://bucket/prefix".to_owned()));
        }
        let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|error| refused(error.to_string()))?;
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_disable_bulk_delete(true)
            .with_retry(TRIES)
            .with_http_connector(Https);
        if let Some(endpoint) = endpoint {
            builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
        }
        let told = |key| builder.get_config_value(&key);
        let is_plain_allowed =
            told(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp)).is_some_and(|allowed| allowed == "true");
        let endpoint = told(AmazonS3ConfigKey::S3Endpoint).or_else(|| told(AmazonS3ConfigKey::Endpoint));
        if let Some(endpoint) = endpoint {
            judged(&endpoint, is_plain_allowed).map_err(refused)?;
        }
        let store = builder.build().map_err(|error| refused(sentence(&error)))?;
        Self::new(name.clone(), Arc::new(store), prefix)
    }

    /// The objects of `store` under `prefix`.
    pub(super) fn new(name: String, store: Arc<dyn ObjectStore>, prefix: Path) -> Result<Self, BackupError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let text = |error| format!("the system gives no event queue: {error}");
        let runtime = runtime.map_err(|error| BackupError::File { name: name.clone(), text: text(error) })?;
        Ok(Self { name, store, prefix, runtime: Arc::new(runtime) })
    }

    pub(super) fn find(&self) -> Result<Found, BackupError> {
        let listed = self.runtime.block_on(self.store.list_with_delimiter(Some(&self.prefix)));
        let listed = listed.map_err(|error| BackupError::File { name: self.name.clone(), text: sentence(&error) })?;
        let mut found = Found::Nothing;
        let paths = listed.objects.iter().map(|object| &object.location).chain(&listed.common_prefixes);
        paths.filter_map(Path::filename).for_each(|name| found.take(name));
        Ok(found)
    }

    /// Takes the prefix for one backup by the draft of its manifest; false if another has it. A store that refuses the
    /// condition is asked without one, and takes everybody.
    pub(super) fn take(&self) -> Result<bool, BackupError> {
        let refused = |text: &str| BackupError::File { name: self.name.clone(), text: text.to_owned() };
        // By its content one that an answer was lost of is known.
        let mut own = vec![0; MARK_BYTES];
        SystemRandom::new().fill(&mut own).map_err(|_| refused("the system has no randomness to give"))?;
        let (path, own) = (self.path(DRAFT), Bytes::from(own));
        let put = || PutPayload::from_bytes(own.clone());
        let take = async {
            match self.store.put_opts(&path, put(), PutMode::Create.into()).await {
                Ok(_) => Ok(true),
                Err(Error::AlreadyExists { .. }) => match self.store.get(&path).await {
                    Ok(there) => there.bytes().await.map(|there| there == own),
                    Err(Error::NotFound { .. }) => Ok(false),
                    Err(error) => Err(error),
                },
                Err(_) => self.store.put(&path, put()).await.map(|_| true),
            }
        };
        self.runtime.block_on(take).map_err(|error| self.failed(DRAFT, &error))
    }

    /// Keeps an object; a long one is sent in parts, some of them at a time.
    pub(super) fn put(&self, name: &str, bytes: Bytes) -> Result<(), BackupError> {
        let path = self.path(name);
        let put = async {
            if bytes.len() <= BACKUP_PART_BYTES {
                return self.store.put(&path, PutPayload::from_bytes(bytes)).await.map(drop);
            }
            let upload = self.store.put_multipart(&path).await?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, BACKUP_PART_BYTES);
            let mut rest = bytes;
            while !rest.is_empty() {
                if let Err(error) = parts.wait_for_capacity(BACKUP_PARTS_IN_FLIGHT_MAX).await {
                    parts.abort().await?;
                    return Err(error);
                }
                parts.put(rest.split_to(rest.len().min(BACKUP_PART_BYTES)));
            }
            parts.finish().await.map(drop)
        };
        self.runtime.block_on(put).map_err(|error| self.failed(name, &error))?;
        if name == MANIFEST {
            // Beside a manifest it means nothing.
            self.remove(&[]);
        }
        Ok(())
    }

    pub(super) fn read(&self, name: &str, bytes_max: u64) -> Result<Bytes, BackupError> {
        let read = self.read_parts(self.path(name), bytes_max.saturating_add(1));
        self.runtime.block_on(read).map_err(|error| self.failed(name, &error))
    }

    /// The first `bytes_max` bytes of an object; a long one is read in parts, some of them at a time.
    async fn read_parts(&self, path: Path, bytes_max: u64) -> object_store::Result<Bytes> {
        let part = (BACKUP_PART_BYTES as u64).min(bytes_max);
        let options = GetOptions { range: Some(GetRange::Bounded(0..part)), ..GetOptions::default() };
        // Its answer says how long the object is.
        let first = self.store.get_opts(&path, options).await?;
        let bytes = first.meta.size.min(bytes_max);
        if bytes <= part {
            return first.bytes().await;
        }
        let mut reading: JoinSet<object_store::Result<(u64, Bytes)>> = JoinSet::new();
        reading.spawn(async move { Ok((0, first.bytes().await?)) });
        let (mut read, mut from) = (BTreeMap::new(), part);
        loop {
            while from < bytes && reading.len() < BACKUP_PARTS_IN_FLIGHT_MAX {
                let (store, path, range) = (Arc::clone(&self.store), path.clone(), from..bytes.min(from + part));
                from = range.end;
                reading.spawn(async move { Ok((range.start, store.get_range(&path, range).await?)) });
            }
            match reading.join_next().await {
                Some(Ok(part)) => {
                    let (from, bytes) = part?;
                    read.insert(from, bytes);
                }
                Some(Err(error)) => return Err(Error::JoinError { source: error }),
                None => return Ok(read.into_values().collect::<Vec<Bytes>>().concat().into()),
            }
        }
    }

    /// Removes the objects of these names, and at last the draft by which the prefix was taken.
    pub(super) fn remove(&self, names: &[String]) {
        for name in names.iter().map(String::as_str).chain([DRAFT]) {
            let _ = self.runtime.block_on(self.store.delete(&self.path(name)));
        }
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    fn failed(&self, name: &str, error: &Error) -> BackupError {
        BackupError::File { name: format!("{}/{name}", self.name), text: sentence(error) }
    }
}

/// Whether an endpoint may be used: what a backup holds crosses no network in the clear unless somebody said so.
fn judged(endpoint: &str, is_plain_allowed: bool) -> Result<(), String> {
    let address = match endpoint.split_once("://") {
        Some(("https", _)) => return Ok(()),
        Some(("http", rest)) => rest.split('/').next().unwrap_or_default(),
        _ => return Err("the S3 endpoint must be https://host or http://host".to_owned()),
    };
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
    if is_here || is_plain_allowed {
        return Ok(());
    }
    Err("the S3 endpoint would carry the backup in the clear: use https, or set AWS_ALLOW_HTTP=true".to_owned())
}

/// What a store answered, on one line and not at length.
fn sentence(error: &Error) -> String {
    let words = error.to_string();
    let advice = match words.contains(CREDENTIALS_OF_MACHINE) {
        true => "no credentials are set and the machine has none: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: ",
        false => "",
    };
    let words: Vec<&str> = words.split_whitespace().collect();
    format!("{advice}{}", words.join(" ")).chars().take(TOLD_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_are_missing_are_told_as_such() {
        let told = |source: &str| sentence(&Error::Generic { store: "S3", source: source.into() });
        assert_eq!(told("one\n  two"), "Generic S3 error: one two");
        let none = told("PUT http://169.254.169.254/latest/api/token: refused");
        assert!(none.starts_with("no credentials are set") && none.ends_with("token: refused"), "{none}");
    }

    #[test]
    fn only_the_loopback_is_reached_in_the_clear() {
        for endpoint in ["https://s3.example.org", "http://127.0.0.1:9000", "http://localhost", "http://[::1]:9000/x"] {
            assert_eq!(judged(endpoint, false), Ok(()), "{endpoint}");
        }
        for endpoint in ["http://10.0.0.1:9000", "http://127.0.0.1.example.org", "http://minio:9000"] {
            assert!(judged(endpoint, false).unwrap_err().contains("AWS_ALLOW_HTTP"), "{endpoint}");
            assert_eq!(judged(endpoint, true), Ok(()), "{endpoint}");
        }
        assert!(judged("minio:9000", true).unwrap_err().contains("must be"));
    }
}
