//! A path so slow that a large object takes longer than any call may wait, and yet arrives.

use std::net::SocketAddr;
use std::time::Duration;

use nam::Tracked;
use nam::client::Node;
use nam::server::{Server, ServerConfig};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Bytes a second that the path carries each way.
const RATE: u32 = 1024 * 1024;

/// Half of what the object takes on that path, and four times what a segment of it takes.
const PATIENCE: Duration = Duration::from_secs(1);

/// Notes of 1 KiB.
const NOTES: usize = 2_000;

#[derive(Tracked, Clone, Debug, Default, PartialEq)]
#[nam(name = "test.Archive")]
struct Archive {
    notes: Vec<String>,
}

/// Passes one node's packets on to a daemon and back.
pub(crate) struct Path {
    pub(crate) address: String,
    _ways: JoinSet<()>,
}

impl Path {
    pub(crate) async fn to(daemon: SocketAddr) -> Self {
        let near = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let far = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        far.connect(daemon).await.unwrap();
        let address = near.local_addr().unwrap().to_string();
        let mut ways = JoinSet::new();
        let (from, to) = (near.clone(), far.clone());
        ways.spawn(async move {
            // The first packet tells who the node is.
            let mut packet = vec![0; 65_536];
            let (count, node) = from.recv_from(&mut packet).await.unwrap();
            from.connect(node).await.unwrap();
            to.send(&packet[..count]).await.unwrap();
            let back = carry(to.clone(), from.clone());
            tokio::join!(carry(from, to), back);
        });
        Self { address, _ways: ways }
    }
}

/// Carries packets from one socket to the other, no faster than the path.
async fn carry(from: std::sync::Arc<UdpSocket>, to: std::sync::Arc<UdpSocket>) {
    let mut packet = vec![0; 65_536];
    let mut free_at = Instant::now();
    // What the system says of a peer that went away is as good as a packet that was lost.
    loop {
        let Ok(count) = from.recv(&mut packet).await else { continue };
        let takes = Duration::from_secs(1) * u32::try_from(count).unwrap() / RATE;
        free_at = free_at.max(Instant::now()) + takes;
        sleep_until(free_at).await;
        let _ = to.send(&packet[..count]).await;
    }
}

#[tokio::test]
async fn a_large_object_that_moves_is_not_given_up() {
    let server = Server::start(&ServerConfig::default()).unwrap();
    let (up, down) = (Path::to(server.addresses()[0]).await, Path::to(server.addresses()[0]).await);
    let node = async |path: &Path| Node::builder().patience(PATIENCE).address(&path.address).connect().await.unwrap();
    let (writer, reader) = (node(&up).await, node(&down).await);
    let archive = Archive { notes: vec!["x".repeat(1_024); NOTES] };
    let begun = Instant::now();
    writer.create("archive", archive.clone()).await.unwrap();
    assert!(begun.elapsed() > PATIENCE, "the path is not slow");
    assert_eq!(*reader.open::<Archive>("archive").await.unwrap().read().await.unwrap(), archive);
}
