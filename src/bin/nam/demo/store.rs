//! What nam is compared with: bare quinn, an echo, and a store that takes and gives a session as a whole.
//!
//! quinn with its defaults, TLS as everywhere, a process of its own as the daemon has. One byte opens a stream: `e` echoes
//! until its end, `p` puts what follows, `g` gets what was put. Invariant: no other work is hidden in it. Source: own
//! reasoning; quinn's examples.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, ServerConfig};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::messages::Place;

/// The largest session the store takes, in bytes.
const SESSION_BYTES_MAX: usize = 1 << 30;

/// Any failure of the comparison's own plumbing, in words.
#[derive(Debug, thiserror::Error)]
#[error("the bare quinn comparison failed: {0}")]
pub(crate) struct StoreError(String);

fn failed(error: impl ToString) -> StoreError {
    StoreError(error.to_string())
}

/// Serves echo and store until the process is ended.
pub(crate) async fn run() -> Result<(), StoreError> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).map_err(failed)?;
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .map_err(failed)?;
    let config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).map_err(failed)?));
    let endpoint = Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(failed)?;
    println!("listening {}", endpoint.local_addr().map_err(failed)?);
    println!("fingerprint {}", hex(&certificate));
    let kept = Arc::new(Mutex::new(Bytes::new()));
    while let Some(incoming) = endpoint.accept().await {
        let kept = Arc::clone(&kept);
        tokio::spawn(async move {
            let Ok(connection) = incoming.await else { return };
            while let Ok((send, receive)) = connection.accept_bi().await {
                tokio::spawn(serve(send, receive, Arc::clone(&kept)));
            }
        });
    }
    Ok(())
}

async fn serve(mut send: SendStream, mut receive: RecvStream, kept: Arc<Mutex<Bytes>>) -> Result<(), StoreError> {
    let mut verb = [0; 1];
    receive.read_exact(&mut verb).await.map_err(failed)?;
    match &verb {
        b"e" => {
            while let Some(chunk) = receive.read_chunk(64 * 1024, true).await.map_err(failed)? {
                send.write_chunk(chunk.bytes).await.map_err(failed)?;
            }
        }
        b"p" => {
            let session = receive.read_to_end(SESSION_BYTES_MAX).await.map_err(failed)?;
            *kept.lock() = Bytes::from(session);
        }
        b"g" => {
            let session = kept.lock().clone();
            send.write_chunk(session).await.map_err(failed)?;
        }
        _ => return Err(failed("an unknown verb")),
    }
    send.finish().map_err(failed)
}

/// A node's connection to the store.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    echo: (SendStream, RecvStream),
    _endpoint: Endpoint,
}

impl Store {
    /// Connects to the store at `place`, whose certificate is the only one trusted.
    pub(crate) async fn connect(place: &Place) -> Result<Self, StoreError> {
        let address: SocketAddr = place.address.parse().map_err(failed)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(unhex(&place.trust)?)).map_err(failed)?;
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(failed)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).map_err(failed)?));
        let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(failed)?;
        let connecting = endpoint.connect_with(config, address, "localhost").map_err(failed)?;
        let connection = connecting.await.map_err(failed)?;
        let mut echo = connection.open_bi().await.map_err(failed)?;
        echo.0.write_all(b"e").await.map_err(failed)?;
        Ok(Self { connection, echo, _endpoint: endpoint })
    }

    /// Sends `bytes` to the echo and waits until they are back; microseconds.
    pub(crate) async fn echo(&mut self, bytes: usize) -> Result<f64, StoreError> {
        let mut buffer = vec![7; bytes];
        let began = Instant::now();
        self.echo.0.write_all(&buffer).await.map_err(failed)?;
        self.echo.1.read_exact(&mut buffer).await.map_err(failed)?;
        Ok(began.elapsed().as_secs_f64() * 1e6)
    }

    /// Puts a session whole and waits until the store has it.
    pub(crate) async fn put(&self, session: Vec<u8>) -> Result<(), StoreError> {
        let (mut send, mut receive) = self.connection.open_bi().await.map_err(failed)?;
        send.write_all(b"p").await.map_err(failed)?;
        send.write_chunk(Bytes::from(session)).await.map_err(failed)?;
        send.finish().map_err(failed)?;
        receive.read_to_end(1).await.map_err(failed)?;
        Ok(())
    }

    /// Gets the session that was put last.
    pub(crate) async fn get(&self) -> Result<Vec<u8>, StoreError> {
        let (mut send, mut receive) = self.connection.open_bi().await.map_err(failed)?;
        send.write_all(b"g").await.map_err(failed)?;
        send.finish().map_err(failed)?;
        receive.read_to_end(SESSION_BYTES_MAX).await.map_err(failed)
    }

    /// UDP payload bytes of this connection so far, both ways.
    pub(crate) fn udp_bytes(&self) -> u64 {
        let stats = self.connection.stats();
        stats.udp_tx.bytes + stats.udp_rx.bytes
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, StoreError> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).map_err(failed),
            _ => Err(failed("half a byte in a certificate")),
        })
        .collect()
}
