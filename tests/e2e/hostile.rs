//! Bytes that no node sends: each closes its own connection with a number, and the daemon serves the others as before.

use std::sync::Arc;

use nam::ids::{NodeId, RequestId};
use nam::server::{Server, ServerConfig};
use nam::transport::{ALPN, DialError, Dialer, Identity, Link, Trust};
use nam::wire::{Arrival, CloseCode, Inlet, Outlet, PROTOCOL, RawRecord, Records, ToNode, ToRepository};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, ConnectionError, Endpoint, VarInt};

fn server() -> Server {
    Server::start(&ServerConfig::default()).unwrap()
}

fn dialer(server: &Server) -> Dialer {
    Dialer::new(Trust::Fingerprint(server.fingerprint()), None)
}

fn hello(protocol: u32, node: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    ToRepository::Hello { protocol, node: NodeId(node), known: nam::ids::Epoch(0), again: None }.encode(&mut bytes);
    bytes
}

/// The first record that comes to a node.
async fn first_record<T>(link: &mut Link, judge: impl FnOnce(ToNode<'_>) -> T) -> T {
    let mut records = Records::new();
    loop {
        match link.inlet.next().await {
            Arrival::Records(piece) => records.push(&piece),
            other => panic!("{other:?}"),
        }
        let record: Option<RawRecord<'_>> = records.next().unwrap();
        if let Some(record) = record {
            return judge(ToNode::decode(record).unwrap());
        }
    }
}

/// A well-behaved node that is let in: the daemon still serves.
async fn greet(server: &Server, node: u64) -> Link {
    let mut link = dialer(server).dial(&server.addresses()[0].to_string()).await.unwrap();
    link.outlet.send_records(&mut hello(PROTOCOL, node));
    first_record(&mut link, |record| assert!(matches!(record, ToNode::Welcome { .. }), "{record:?}")).await;
    link
}

/// A bare connection, to do what no outlet does.
async fn bare(server: &Server) -> Connection {
    dialer(server).connect(&server.addresses()[0].to_string()).await.unwrap()
}

/// The number by which the daemon closes.
async fn closed_with(connection: &Connection) -> CloseCode {
    match connection.closed().await {
        ConnectionError::ApplicationClosed(close) => {
            CloseCode::from_number(u32::try_from(close.error_code.into_inner()).unwrap())
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn garbage_on_the_control_stream_closes_that_connection_only() {
    let server = server();
    let mut other = greet(&server, 1).await;
    let before_hello: [&[u8]; 3] = [&[0xff; 100], &[0; 100], &[0x9f, 0xff, 0xff, 0xff, 0xff, 0x0f]];
    for (number, garbage) in before_hello.into_iter().enumerate() {
        let connection = bare(&server).await;
        let (mut control, _receive) = connection.open_bi().await.unwrap();
        control.write_all(garbage).await.unwrap();
        let code = closed_with(&connection).await;
        assert!(matches!(code, CloseCode::Malformed | CloseCode::OutOfOrder), "{number}: {code}");
    }
    for (number, garbage) in before_hello.into_iter().enumerate() {
        let connection = bare(&server).await;
        let (mut control, _receive) = connection.open_bi().await.unwrap();
        control.write_all(&hello(PROTOCOL, 100 + number as u64)).await.unwrap();
        control.write_all(garbage).await.unwrap();
        let code = closed_with(&connection).await;
        assert!(matches!(code, CloseCode::Malformed | CloseCode::OutOfOrder), "{number}: {code}");
    }
    still_serves(&mut other).await;
    greet(&server, 2).await;
}

/// Asks for an object of an unknown class, and is answered.
async fn still_serves(link: &mut Link) {
    let mut bytes = Vec::new();
    ToRepository::Open { request: RequestId(9), class: "no.Class", key: "k", held: None }.encode(&mut bytes);
    link.outlet.send_records(&mut bytes);
    first_record(link, |record| {
        assert!(matches!(record, ToNode::Failed { request: RequestId(9), .. }), "{record:?}");
    })
    .await;
}

#[tokio::test]
async fn streams_that_are_reset_or_stopped_close_that_connection_only() {
    let server = server();
    let mut other = greet(&server, 1).await;

    let connection = bare(&server).await;
    let (mut control, _receive) = connection.open_bi().await.unwrap();
    control.write_all(&hello(PROTOCOL, 2)).await.unwrap();
    connection.accept_uni().await.unwrap().read_chunk(1, true).await.unwrap();
    control.reset(VarInt::from_u32(5)).unwrap();
    assert_eq!(closed_with(&connection).await, CloseCode::OutOfOrder);

    let connection = bare(&server).await;
    let (mut control, _receive) = connection.open_bi().await.unwrap();
    control.write_all(&hello(PROTOCOL, 3)).await.unwrap();
    let mut segment = connection.open_uni().await.unwrap();
    segment.write_all(&[1; 10]).await.unwrap();
    segment.reset(VarInt::from_u32(5)).unwrap();
    assert_eq!(closed_with(&connection).await, CloseCode::OutOfOrder);

    let connection = bare(&server).await;
    let (mut control, _receive) = connection.open_bi().await.unwrap();
    control.write_all(&hello(PROTOCOL, 4)).await.unwrap();
    let mut ordered = connection.accept_uni().await.unwrap();
    ordered.stop(VarInt::from_u32(5)).unwrap();
    // The daemon notices with its next record.
    let mut open = Vec::new();
    ToRepository::Open { request: RequestId(9), class: "no.Class", key: "k", held: None }.encode(&mut open);
    let code = loop {
        let _ = control.write_all(&open).await;
        tokio::select! {
            code = closed_with(&connection) => break code,
            () = tokio::task::yield_now() => {}
        }
    };
    assert_eq!(code, CloseCode::OutOfOrder);
    still_serves(&mut other).await;
}

#[tokio::test]
async fn garbage_as_a_segment_closes_that_connection_only() {
    let server = server();
    let mut other = greet(&server, 1).await;
    for garbage in [&[][..], &[0xff; 40]] {
        let mut link = greet(&server, 2).await;
        link.outlet.send_segment([bytes::Bytes::copy_from_slice(garbage), bytes::Bytes::new()]);
        let code = loop {
            if let Arrival::Closed(reason) = link.inlet.next().await {
                break reason;
            }
        };
        assert!(
            matches!(code, nam::wire::CloseReason::Closed { code: CloseCode::Malformed | CloseCode::OutOfOrder, .. }),
            "{garbage:?}: {code}"
        );
    }
    still_serves(&mut other).await;
}

#[tokio::test]
async fn another_version_of_the_protocol_is_refused_by_name() {
    let server = server();
    let mut link = dialer(&server).dial(&server.addresses()[0].to_string()).await.unwrap();
    link.outlet.send_records(&mut hello(PROTOCOL + 1, 1));
    let code = loop {
        match link.inlet.next().await {
            Arrival::Closed(nam::wire::CloseReason::Closed { code, .. }) => break code,
            Arrival::Closed(reason) => panic!("{reason}"),
            _ => {}
        }
    };
    assert_eq!(code, CloseCode::Protocol);
    greet(&server, 2).await;
}

#[tokio::test]
async fn another_application_protocol_is_refused_in_the_handshake() {
    // A node of another protocol dials the daemon.
    let server = server();
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let refused = endpoint.connect_with(config, server.addresses()[0], "localhost").unwrap().await.unwrap_err();
    assert!(
        matches!(&refused, ConnectionError::ConnectionClosed(close) if u64::from(close.error_code) == 0x178),
        "{refused}"
    );
    greet(&server, 1).await;

    // A node dials a daemon of another protocol.
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], certified.signing_key.into())
        .unwrap();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    assert_ne!(tls.alpn_protocols, [ALPN]);
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    let stranger = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = stranger.local_addr().unwrap().to_string();
    let dialer = Dialer::default();
    let accept = async {
        let _ = stranger.accept().await.unwrap().await;
    };
    let (dialled, ()) = tokio::join!(dialer.dial(&address), accept);
    assert!(matches!(dialled, Err(DialError::WrongProtocol { .. })), "{dialled:?}");
}

#[tokio::test]
async fn certificates_are_made_anew_where_nothing_is_kept() {
    let (first, second) = (Identity::development().unwrap(), Identity::development().unwrap());
    assert_ne!(first.fingerprint(), second.fingerprint());
}
