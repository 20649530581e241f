//! The identity of a daemon that was given none: self-signed, for this machine, kept in its directory.
//!
//! Made at the first start and read at the later ones, so that the fingerprint that was given to nodes stays true, with the
//! secret that makes a restart known at once. Invariants: the files are readable by their owner only; they are written under
//! another name and renamed, so that a crash leaves the old ones or none. Source: own reasoning.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::identity::{Identity, IdentityError};
use super::secret::{ResetSecret, SECRET_BYTES};

/// The names the development certificate is for: this machine and nothing else.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

impl Identity {
    /// Makes a self-signed identity for this machine, in memory.
    ///
    /// # Errors
    /// [`IdentityError::Unusable`] when the system has no randomness.
    pub fn development() -> Result<Self, IdentityError> {
        let (certificate, key) = self_signed().map_err(unusable)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Self { chain: vec![certificate.der().clone()], key })
    }

    /// Reads the development identity kept in `directory`; makes and keeps it when there is none.
    ///
    /// # Errors
    /// [`IdentityError`], naming the file.
    pub fn development_in(directory: &Path) -> Result<Self, IdentityError> {
        let (certificates, key) = (directory.join("development.crt"), directory.join("development.key"));
        if !certificates.exists() {
            let (made, made_key) = self_signed().map_err(unusable)?;
            keep(&key, made_key.serialize_pem().as_bytes())?;
            keep(&certificates, made.pem().as_bytes())?;
        } else if !key.exists() {
            return Err(IdentityError::Alone { certificates, key });
        }
        Self::read(&certificates, &key)
    }
}

impl ResetSecret {
    /// Reads the secret kept in `directory`; draws and keeps one when there is none.
    ///
    /// # Errors
    /// [`IdentityError`], naming the file.
    pub fn kept_in(directory: &Path) -> Result<Self, IdentityError> {
        let path = directory.join("reset.key");
        match fs::read(&path) {
            Ok(bytes) => <[u8; SECRET_BYTES]>::try_from(bytes).map(Self::from_bytes).map_err(|_| {
                IdentityError::Absent { path, what: "reset secret (64 bytes; delete it and one is made)" }
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = Self::random().ok_or_else(|| unusable("the system has no randomness"))?;
                keep(&path, secret.as_bytes())?;
                Ok(secret)
            }
            Err(source) => Err(IdentityError::Read { path, source }),
        }
    }
}

fn self_signed() -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
    let mut parameters = CertificateParams::new(NAMES.map(String::from))?;
    parameters.distinguished_name.push(DnType::CommonName, "nam development");
    let key = KeyPair::generate()?;
    Ok((parameters.self_signed(&key)?, key))
}

fn unusable(why: impl ToString) -> IdentityError {
    IdentityError::Unusable(why.to_string())
}

/// Writes a file that only its owner reads, wholly or not at all, making its directory when there is none.
fn keep(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| IdentityError::Write { path, source }
    };
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed(directory))?;
    }
    let mut draft: PathBuf = path.into();
    draft.set_extension("new");
    let mut file = private().open(&draft).map_err(failed(&draft))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed(&draft))?;
    fs::rename(&draft, path).map_err(failed(path))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
