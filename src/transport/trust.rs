//! Whom an endpoint trusts, as rustls asks it: the TLS settings of both ends.
//!
//! Stands in the handshake of every link. Invariants: TLS 1.3 only; the cryptography is the one named here, never a default
//! of the process; every connection makes a full handshake, so that a revoked certificate is not resumed; a node that was
//! given neither an authority nor a fingerprint talks to its own machine only. Source: RFC 8446; pinning as SSH does it.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::fingerprint::Fingerprint;
use super::identity::{Authorities, Identity, IdentityError};
use super::settings::ALPN;

/// What makes a node believe that a daemon is the right one.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// Nothing but its address: only daemons on the same machine, and with a warning.
    #[default]
    Loopback,
    /// The fingerprint that the daemon printed.
    Fingerprint(Fingerprint),
    /// A certificate for the daemon's name, signed by one of these.
    Authorities(Authorities),
}

impl Trust {
    /// Whether a daemon at this address may be dialled at all.
    #[must_use]
    pub fn admits(&self, address: SocketAddr) -> bool {
        !matches!(self, Self::Loopback) || address.ip().is_loopback()
    }
}

/// The TLS settings of one dial; `presented` learns the fingerprint that the daemon shows.
pub(super) fn node_tls(
    trust: &Trust,
    identity: Option<&Identity>,
    presented: Arc<OnceLock<Fingerprint>>,
) -> Result<ClientConfig, IdentityError> {
    let provider = Arc::new(ring::default_provider());
    let authorities = match trust {
        Trust::Authorities(authorities) => Some(
            WebPkiServerVerifier::builder_with_provider(roots(authorities)?, provider.clone())
                .build()
                .map_err(unusable)?,
        ),
        Trust::Loopback | Trust::Fingerprint(_) => None,
    };
    let expected = if let Trust::Fingerprint(expected) = trust { Some(*expected) } else { None };
    let verifier = DaemonVerifier { authorities, expected, presented, provider: provider.clone() };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity.cloned() {
        Some(Identity { chain, key }) => builder.with_client_auth_cert(chain, key).map_err(unusable)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The TLS settings of a daemon; with `nodes`, a node must show a certificate signed by one of these.
pub(super) fn daemon_tls(identity: &Identity, nodes: Option<&Authorities>) -> Result<ServerConfig, IdentityError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = match nodes {
        Some(nodes) => {
            WebPkiClientVerifier::builder_with_provider(roots(nodes)?, provider.clone()).build().map_err(unusable)?
        }
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let Identity { chain, key } = identity.clone();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn roots(authorities: &Authorities) -> Result<Arc<RootCertStore>, IdentityError> {
    let mut roots = RootCertStore::empty();
    for certificate in &authorities.certificates {
        roots.add(certificate.clone()).map_err(unusable)?;
    }
    Ok(Arc::new(roots))
}

fn unusable(why: impl ToString) -> IdentityError {
    IdentityError::Unusable(why.to_string())
}

/// Judges the certificate of a daemon: by its chain, by its fingerprint, or (on this machine) not at all. That the daemon
/// holds the certificate's key is verified always.
#[derive(Debug)]
struct DaemonVerifier {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    expected: Option<Fingerprint>,
    presented: Arc<OnceLock<Fingerprint>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for DaemonVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let presented = Fingerprint::of(end_entity);
        let _ = self.presented.set(presented);
        if let Some(authorities) = &self.authorities {
            return authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        }
        match self.expected {
            Some(expected) if expected != presented => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_certificates_only_this_machine_is_trusted() {
        let here = ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"].map(|a| a.parse().unwrap());
        let elsewhere = ["192.168.0.1:1", "0.0.0.0:1", "[::2]:1", "[::ffff:10.0.0.1]:1"].map(|a| a.parse().unwrap());
        assert!(here.iter().all(|&address| Trust::Loopback.admits(address)));
        assert!(!elsewhere.iter().any(|&address| Trust::Loopback.admits(address)));
        let pinned = Trust::Fingerprint(Fingerprint::of(&CertificateDer::from(b"x".to_vec())));
        assert!(elsewhere.iter().all(|&address| pinned.admits(address)));
    }
}
