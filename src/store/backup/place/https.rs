//! How a store of objects is reached: HTTP/1.1 over TLS 1.3, with the cryptography that QUIC uses here.
//!
//! Invariants: the provider is named, whatever the process installed as its default; roots are those of the system
//! (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others); a peer that falls silent ends the request. Source: own reasoning.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector as Connector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};
use rustls::{ClientConfig, RootCertStore};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a request may take until its answer begins: a part over a slow line.
const ANSWER: Duration = Duration::from_secs(300);

/// After how much silence a connection is asked whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Makes clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Https;

impl Connector for Https {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
        let config = config.map_err(|error| object_store::Error::Generic { store: "S3", source: error.into() })?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1();
        Ok(HttpClient::new(Service(Client::builder(TokioExecutor::new()).build(tls.wrap_connector(tcp)))))
    }
}

/// A client with its connections.
#[derive(Debug)]
struct Service(Client<HttpsConnector<HttpConnector>, HttpRequestBody>);

#[async_trait::async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answered = tokio::time::timeout(ANSWER, self.0.request(request)).await;
        let answered = answered.map_err(|silent| HttpError::new(HttpErrorKind::Timeout, silent))?;
        let answer = answered.map_err(|error| {
            let source = error.source().and_then(|source| source.downcast_ref());
            let kind =
                if error.is_connect() { HttpErrorKind::Connect } else { source.map_or(HttpErrorKind::Unknown, kind) };
            HttpError::new(kind, error)
        })?;
        let (head, body) = answer.into_parts();
        let body = body.map_err(|error| HttpError::new(kind(&error), error));
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}

/// Whether to try again.
fn kind(error: &hyper::Error) -> HttpErrorKind {
    if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_closed() || error.is_incomplete_message() || error.is_body_write_aborted() {
        HttpErrorKind::Request
    } else {
        HttpErrorKind::Interrupted
    }
}
