//! Two ends of a link over QUIC: order, segments, closes, counts.

use bytes::Bytes;
use nam::transport::{Dialer, Fingerprint, Identity, Link, Listener, QuicInlet, QuicOutlet, ResetSecret, Trust};
use nam::wire::{Arrival, CloseCode, CloseReason, Inlet, Outlet};

/// A listener with a development identity on a free port.
pub(crate) fn listener() -> (Listener, Fingerprint) {
    let identity = Identity::development().unwrap();
    let secret = ResetSecret::random().unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &identity, None, &secret).unwrap();
    (listener, identity.fingerprint().unwrap())
}

/// A link's two ends: the node's and the daemon's. The node has said `hello`.
pub(crate) async fn pair() -> (Link, Link, Listener) {
    let (listener, fingerprint) = listener();
    let dialer = Dialer::new(Trust::Fingerprint(fingerprint), None);
    let dial = async {
        let mut link = dialer.dial(&listener.address().to_string()).await.unwrap();
        link.outlet.send_records(&mut b"hello".to_vec());
        link
    };
    let accept = async { listener.accept().await.unwrap().link().await.unwrap() };
    let (node, mut daemon) = tokio::join!(dial, accept);
    assert_eq!(records(&mut daemon, 5).await, b"hello");
    (node, daemon, listener)
}

/// The next `count` bytes of records; panics if anything else arrives.
pub(crate) async fn records(link: &mut Link, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        match link.inlet.next().await {
            Arrival::Records(piece) => bytes.extend_from_slice(&piece),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bytes.len(), count);
    bytes
}

#[tokio::test]
async fn records_keep_their_order_both_ways() {
    let (mut node, mut daemon, _listener) = pair().await;
    let sent: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    for piece in sent.chunks(999) {
        node.outlet.send_records(&mut piece.to_vec());
        daemon.outlet.send_records(&mut piece.to_vec());
    }
    let (up, down) = tokio::join!(records(&mut daemon, sent.len()), records(&mut node, sent.len()));
    assert!(up == sent && down == sent);
}

/// Sends more segments than streams may be open, so that credit has to come back, and checks each.
async fn transfer(from: &mut QuicOutlet, to: &mut QuicInlet) {
    for number in 0..40_u8 {
        from.send_segment([Bytes::from(vec![number]), Bytes::from(vec![number; 49_999 + usize::from(number)])]);
    }
    let mut seen = [false; 40];
    for _ in 0..40 {
        let Arrival::Segment(segment) = to.next().await else { panic!("no segment") };
        assert_eq!(segment.len(), 50_000 + usize::from(segment[0]));
        assert!(segment.iter().all(|byte| *byte == segment[0]));
        assert!(!std::mem::replace(&mut seen[usize::from(segment[0])], true), "a segment came twice");
    }
}

#[tokio::test]
async fn segments_arrive_whole_whatever_their_number() {
    let (mut node, mut daemon, _listener) = pair().await;
    transfer(&mut node.outlet, &mut daemon.inlet).await;
    // The node learns the stream of records as the first that the daemon opens.
    daemon.outlet.send_records(&mut b"welcome".to_vec());
    assert_eq!(records(&mut node, 7).await, b"welcome");
    transfer(&mut daemon.outlet, &mut node.inlet).await;
}

#[tokio::test]
async fn records_overtake_a_large_transfer() {
    let (mut node, mut daemon, _listener) = pair().await;
    for _ in 0..60 {
        daemon.outlet.send_segment([Bytes::new(), Bytes::from(vec![0; 256 * 1024])]);
    }
    let Arrival::Segment(_) = node.inlet.next().await else { panic!("no segment") };
    daemon.outlet.send_records(&mut vec![1; 16]);
    let mut segments = 1;
    let at = loop {
        match node.inlet.next().await {
            Arrival::Segment(_) => segments += 1,
            Arrival::Records(bytes) => break (segments, bytes.len()),
            other @ Arrival::Closed(_) => panic!("{other:?}"),
        }
    };
    assert_eq!(at.1, 16);
    assert!(at.0 < 30, "the record came behind {} segments of 60", at.0);
    while segments < 60 {
        let Arrival::Segment(_) = node.inlet.next().await else { panic!("no segment") };
        segments += 1;
    }
}

#[tokio::test]
async fn a_close_comes_behind_the_records_before_it() {
    let (mut node, mut daemon, _listener) = pair().await;
    daemon.outlet.send_records(&mut vec![7; 30_000]);
    daemon.outlet.close(CloseCode::TooManyNodes, "10000 are connected");
    assert_eq!(records(&mut node, 30_000).await, vec![7; 30_000]);
    let reason = CloseReason::Closed { code: CloseCode::TooManyNodes, text: "10000 are connected".into() };
    assert_eq!(node.inlet.next().await, Arrival::Closed(reason));
}

#[tokio::test]
async fn a_dropped_outlet_says_goodbye_and_the_listener_its_own_code() {
    let (node, mut daemon, listener) = pair().await;
    drop(node.outlet);
    let goodbye = CloseReason::Closed { code: CloseCode::Goodbye, text: String::new() };
    assert_eq!(daemon.inlet.next().await, Arrival::Closed(goodbye));

    let (mut node, _daemon, second) = pair().await;
    second.close(CloseCode::ShuttingDown, "").await;
    let closing = CloseReason::Closed { code: CloseCode::ShuttingDown, text: String::new() };
    assert_eq!(node.inlet.next().await, Arrival::Closed(closing));
    drop(listener);
}

#[tokio::test]
async fn what_is_queued_at_a_wake_up_shares_packets() {
    let (mut node, mut daemon, _listener) = pair().await;
    let before = daemon.traffic.counts();
    for _ in 0..50 {
        daemon.outlet.send_records(&mut vec![3; 16]);
    }
    records(&mut node, 800).await;
    let packets = daemon.traffic.counts().sent_packets - before.sent_packets;
    assert!(packets <= 4, "{packets} packets for one burst of 800 bytes");
    assert!(node.traffic.counts().received_bytes >= 800);
}
