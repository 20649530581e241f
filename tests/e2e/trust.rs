//! Who may talk to whom, and what each is told when it may not.

use std::net::SocketAddr;
use std::process::Command;

use nam::client::Node;
use nam::error::Error;
use nam::transport::{Authorities, DialError, Dialer, Identity, Listener, ResetSecret, Trust};
use nam::wire::{Arrival, CloseCode, CloseReason, Inlet, Outlet};

use crate::links::{listener, records};

/// Accepts one handshake and one link, beside `dial`.
async fn dial_beside_accept(dialer: &Dialer, listener: &Listener) -> Result<nam::transport::Link, DialError> {
    let accept = async {
        if let Some(handshake) = listener.accept().await {
            let _ = handshake.link().await;
        }
        std::future::pending::<()>().await;
    };
    let address = listener.address().to_string();
    tokio::select! {
        dialled = dialer.dial_hello(&address) => dialled,
        () = accept => unreachable!(),
    }
}

trait Hello {
    async fn dial_hello(&self, address: &str) -> Result<nam::transport::Link, DialError>;
}

impl Hello for Dialer {
    async fn dial_hello(&self, address: &str) -> Result<nam::transport::Link, DialError> {
        let mut link = self.dial(address).await?;
        link.outlet.send_records(&mut b"hello".to_vec());
        Ok(link)
    }
}

#[tokio::test]
async fn a_wrong_fingerprint_is_named_beside_the_right_one() {
    let (listener, right) = listener();
    let wrong = Identity::development().unwrap().fingerprint().unwrap();
    let dialer = Dialer::new(Trust::Fingerprint(wrong), None);
    let address = listener.address().to_string();
    let accept = async { listener.accept().await.unwrap().link().await };
    let (dialled, accepted) = tokio::join!(dialer.dial_hello(&address), accept);
    match dialled {
        Err(DialError::WrongFingerprint { expected, presented, .. }) => {
            assert_eq!((expected, presented), (wrong, right))
        }
        other => panic!("{other:?}"),
    }
    let told = accepted.unwrap_err().to_string();
    assert!(told.contains("the node refuses the certificate of this daemon (it is another than"), "{told}");
}

#[tokio::test]
async fn without_trust_only_this_machine_is_dialled() {
    let (listener, _) = listener();
    assert!(dial_beside_accept(&Dialer::default(), &listener).await.is_ok());
    let elsewhere: SocketAddr = "192.0.2.1:7420".parse().unwrap();
    match Dialer::default().dial(&elsewhere.to_string()).await {
        Err(DialError::Untrusted { address }) => assert_eq!(address, elsewhere),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nonsense_addresses_are_refused_with_a_sentence() {
    for (address, says) in [("localhost", "has no port"), ("localhost:x", "invalid port"), ("127.0.0.1:0", "address")] {
        let error = Dialer::default().dial(address).await.unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains('\n'), "{address}: {error}");
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_no_daemon_that_answers() {
    let error = Node::connect(["no-daemon.invalid:7420"]).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("the name no-daemon.invalid has no address ("), "{error}");
}

/// An authority, and identities signed by it, as PEM files in a directory of their own.
pub(crate) struct Certificates(pub(crate) std::path::PathBuf);

impl Certificates {
    pub(crate) fn make(name: &str) -> Self {
        use rcgen::{
            BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
        };
        let directory = std::env::temp_dir().join(format!("nam-e2e-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        std::fs::write(directory.join("ca.crt"), parameters.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::from_params(&parameters, &key);
        for (name, usage) in
            [("daemon", ExtendedKeyUsagePurpose::ServerAuth), ("node", ExtendedKeyUsagePurpose::ClientAuth)]
        {
            let mut parameters = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
            parameters.extended_key_usages = vec![usage];
            let key = KeyPair::generate().unwrap();
            let certificate = parameters.signed_by(&key, &issuer).unwrap();
            std::fs::write(directory.join(format!("{name}.crt")), certificate.pem()).unwrap();
            std::fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Self(directory)
    }

    pub(crate) fn authorities(&self) -> Authorities {
        Authorities::read(&self.0.join("ca.crt")).unwrap()
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        Identity::read(&self.0.join(format!("{name}.crt")), &self.0.join(format!("{name}.key"))).unwrap()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn listen_with(ours: &Certificates, name: &str) -> Listener {
    let (identity, nodes) = (ours.identity(name), ours.authorities());
    let secret = ResetSecret::random().unwrap();
    Listener::bind("127.0.0.1:0".parse().unwrap(), &identity, Some(&nodes), &secret).unwrap()
}

#[tokio::test]
async fn both_sides_show_certificates_of_one_authority() {
    let ours = Certificates::make("mutual");
    let listener = listen_with(&ours, "daemon");
    let dialer = Dialer::new(Trust::Authorities(ours.authorities()), Some(ours.identity("node")));
    let address = listener.address().to_string();
    let accept = async { listener.accept().await.unwrap().link().await.unwrap() };
    let (node, mut daemon) = tokio::join!(dialer.dial_hello(&address), accept);
    assert_eq!(records(&mut daemon, 5).await, b"hello");
    drop(node);
}

#[tokio::test]
async fn both_sides_take_the_certificates_that_the_guide_makes() {
    let blocks = include_str!("../../docs/web.md").split("```sh\n");
    let (script, _) = blocks.filter_map(|block| block.split_once("nam serve --listen 0.0.0.0")).next().unwrap();
    let ours = Certificates(std::env::temp_dir().join(format!("nam-e2e-{}-guide", std::process::id())));
    std::fs::create_dir_all(&ours.0).unwrap();
    // The name of the guide's daemon is none of this machine's.
    let made = Command::new("sh").arg("-ec").arg(script.replace("repo", "localhost")).current_dir(&ours.0).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let listener = listen_with(&ours, "localhost");
    let dialer = Dialer::new(Trust::Authorities(ours.authorities()), Some(ours.identity("instance")));
    let address = format!("localhost:{}", listener.address().port());
    let accept = async { listener.accept().await.unwrap().link().await.unwrap() };
    let (node, mut daemon) = tokio::join!(dialer.dial_hello(&address), accept);
    assert_eq!(records(&mut daemon, 5).await, b"hello");
    drop(node);
}

#[tokio::test]
async fn a_stranger_is_refused_on_both_sides_in_words() {
    let (ours, theirs) = (Certificates::make("ours"), Certificates::make("theirs"));
    let listener = listen_with(&ours, "daemon");

    let dialer = Dialer::new(Trust::Authorities(theirs.authorities()), Some(ours.identity("node")));
    match dial_beside_accept(&dialer, &listener).await {
        Err(DialError::CertificateRefused { why, .. }) => assert!(why.contains("UnknownIssuer"), "{why}"),
        other => panic!("{other:?}"),
    }

    // TLS 1.3 judges the node's certificate after the node is done: the link is there, and ends at once.
    for identity in [None, Some(theirs.identity("node"))] {
        let dialer = Dialer::new(Trust::Authorities(ours.authorities()), identity);
        let address = listener.address().to_string();
        let accept = async { listener.accept().await.unwrap().link().await };
        let (dialled, accepted) = tokio::join!(dialer.dial_hello(&address), accept);
        assert!(accepted.is_err(), "the daemon took a stranger");
        match dialled {
            Err(error) => assert!(matches!(error, DialError::Refused { .. }), "{error}"),
            Ok(mut link) => match link.inlet.next().await {
                Arrival::Closed(CloseReason::Closed { code: CloseCode::Denied, text }) => {
                    assert!(text.starts_with("the daemon refuses this node: "), "{text}");
                }
                other => panic!("{other:?}"),
            },
        }
    }
}

#[tokio::test]
async fn a_node_that_is_refused_is_denied_and_told_why() {
    let (ours, theirs) = (Certificates::make("denying"), Certificates::make("denied"));
    for (identity, fault) in
        [(None, "there is none"), (Some(theirs.identity("node")), "an unknown authority signed it")]
    {
        let listener = listen_with(&ours, "daemon");
        let mut builder = Node::builder().address(listener.address().to_string());
        builder = builder.trust(Trust::Authorities(ours.authorities()));
        if let Some(identity) = identity {
            builder = builder.identity(identity);
        }
        let accept = async { listener.accept().await.unwrap().link().await };
        let (refused, accepted) = tokio::join!(builder.connect(), accept);
        let Err(Error::Denied { why }) = refused else { panic!("{refused:?}") };
        assert!(why.contains(fault) && why.contains("--client-ca"), "{why}");
        assert!(accepted.is_err(), "the daemon took a stranger");
    }
}

#[test]
fn a_key_of_another_certificate_is_refused_when_it_is_read() {
    let ours = Certificates::make("mismatch");
    let error = Identity::read(&ours.0.join("daemon.crt"), &ours.0.join("node.key")).unwrap_err().to_string();
    assert!(error.contains("node.key is not the private key of the first certificate in "), "{error}");
    assert!(error.ends_with("daemon.crt: give the two that belong together"), "{error}");
}
