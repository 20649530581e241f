//! Who an endpoint is: a certificate chain and its private key, and whom it trusts, as files hold them.
//!
//! Read once at the start of a process. Invariant: a private key is never printed, its `Debug` elides it. Source: PEM as
//! RFC 7468 has it.

use std::io;
use std::path::{Path, PathBuf};

use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use super::fingerprint::Fingerprint;

/// Why an identity or an authority is not usable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file or directory could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not PEM, or holds no item of the kind that is needed.
    #[error("{path} holds no {what}")]
    Absent {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// A development certificate was kept, and its key is gone.
    #[error(
        "{key} is not there, and {certificates} is of no use without it: put it back, or remove both, and an identity with \
         another fingerprint is made"
    )]
    Alone {
        /// The file of the certificate.
        certificates: PathBuf,
        /// Where its key was.
        key: PathBuf,
    },
    /// The certificate, the key or the authority is refused: it is not understood, or cannot be used.
    #[error("the certificate and key cannot be used: {0}")]
    Unusable(String),
    /// The key is not that of the certificate.
    #[error(
        "{key} is not the private key of the first certificate in {certificates}: give the two that belong together"
    )]
    Mismatch {
        /// The file of the certificates.
        certificates: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

/// A certificate chain, leaf first, and the private key of the leaf.
#[derive(Debug)]
pub struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl Identity {
    /// Reads a PEM certificate chain, leaf first, and a PEM private key (PKCS#8, SEC1 or PKCS#1).
    ///
    /// # Errors
    /// [`IdentityError::Read`] and [`IdentityError::Absent`]; [`IdentityError::Mismatch`] if the key is another's, and
    /// [`IdentityError::Unusable`] if one of them is not understood.
    pub fn read(certificates: &Path, key: &Path) -> Result<Self, IdentityError> {
        let chain = read_certificates(certificates)?;
        let read = PrivateKeyDer::from_pem_file(key).map_err(|error| pem_error(key, "PEM private key", error))?;
        match CertifiedKey::from_der(chain.clone(), read.clone_key(), &ring::default_provider()) {
            Ok(_) => Ok(Self { chain, key: read }),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(IdentityError::Mismatch { certificates: certificates.into(), key: key.into() })
            }
            Err(error) => Err(IdentityError::Unusable(error.to_string())),
        }
    }

    /// The fingerprint of the leaf certificate; `None` for a chain without certificates, which no endpoint accepts.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.chain.first().map(Fingerprint::of)
    }
}

/// The certificates of those who may sign for a peer.
#[derive(Clone, Debug)]
pub struct Authorities {
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// Reads the PEM certificates of one or more authorities.
    ///
    /// # Errors
    /// [`IdentityError::Read`] and [`IdentityError::Absent`].
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        Ok(Self { certificates: read_certificates(path)? })
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem_error(path, "PEM certificate", error))?;
    if certificates.is_empty() {
        return Err(IdentityError::Absent { path: path.into(), what: "PEM certificate" });
    }
    Ok(certificates)
}

fn pem_error(path: &Path, what: &'static str, error: PemError) -> IdentityError {
    match error {
        PemError::Io(source) => IdentityError::Read { path: path.into(), source },
        _ => IdentityError::Absent { path: path.into(), what },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_which_file_lacks_what() {
        let absent = Identity::read(Path::new("no/such/file.pem"), Path::new("key.pem")).unwrap_err();
        assert!(absent.to_string().starts_with("cannot read no/such/file.pem: "), "{absent}");
        let manifest = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let other = Authorities::read(manifest).unwrap_err();
        assert!(other.to_string().ends_with("Cargo.toml holds no PEM certificate"), "{other}");
    }
}
