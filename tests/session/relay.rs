//! A path to a daemon on which the way back can be held up: what goes back waits in order, and nothing is lost.

use std::net::SocketAddr;
use std::sync::Arc;

use nam::Node;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub(crate) struct Relay {
    address: String,
    is_held: watch::Sender<bool>,
    /// One for each packet that left the node.
    left: mpsc::UnboundedReceiver<()>,
    _ways: JoinSet<()>,
}

impl Relay {
    pub(crate) async fn to(daemon: SocketAddr) -> Self {
        let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        far.connect(daemon).await.unwrap();
        let address = near.local_addr().unwrap().to_string();
        let (is_held, mut held) = watch::channel(false);
        let (leaving, left) = mpsc::unbounded_channel();
        let mut ways = JoinSet::new();
        ways.spawn(async move {
            let (node, back) = watch::channel(None);
            let there = async {
                let mut packet = vec![0; 65_536];
                loop {
                    // What the system says of a peer that went away is as good as a packet that was lost.
                    let Ok((count, from)) = near.recv_from(&mut packet).await else { continue };
                    node.send_replace(Some(from));
                    drop(far.send(&packet[..count]).await);
                    let _ = leaving.send(());
                }
            };
            let here = async {
                let mut packet = vec![0; 65_536];
                loop {
                    let Ok(count) = far.recv(&mut packet).await else { continue };
                    held.wait_for(|is_held| !is_held).await.unwrap();
                    let node = back.borrow().unwrap();
                    drop(near.send_to(&packet[..count], node).await);
                }
            };
            tokio::select! {
                () = there => {}
                () = here => {}
            }
        });
        Self { address, is_held, left, _ways: ways }
    }

    /// A node behind it.
    pub(crate) async fn node(&self) -> Node {
        Node::builder().address(&self.address).connect().await.unwrap()
    }

    /// Holds up what comes back.
    pub(crate) fn hold(&self) {
        self.is_held.send_replace(true);
    }

    /// Waits until the node has sent something more.
    pub(crate) async fn sent(&mut self) {
        while self.left.try_recv().is_ok() {}
        self.left.recv().await.unwrap();
    }

    pub(crate) fn release(&self) {
        self.is_held.send_replace(false);
    }
}
