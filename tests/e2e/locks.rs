//! A lock between processes: the one that has it is killed, the next in line gets it, and the dead one's token is void.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use nam::client::Node;
use nam::error::{Error, UpdateError};
use nam::transport::Trust;
use nam::{Lock, LockToken, Tracked};

use crate::process::{Daemon, Directory};

/// What may be paid once.
#[derive(Tracked, Clone, Debug, Default)]
#[nam(name = "e2e.Order")]
struct Order {
    receipt: String,
}

/// Where the process that is killed finds the daemon.
const ADDRESS: &str = "NAM_LOCKS_ADDRESS";

/// The other process of the test below.
#[tokio::test]
#[ignore = "started and killed by the_lock_of_a_killed_process_goes_to_the_next"]
async fn holder() {
    let address = std::env::var(ADDRESS).expect("started by the test below");
    let node = Node::connect([address]).await.unwrap();
    let order = node.open::<Order>("alice").await.unwrap();
    let lock = order.lock().await.unwrap();
    println!("\nlocked {}", lock.token());
    // Until it is killed.
    let _ = std::io::stdin().read(&mut [0]);
    drop(lock);
}

/// A process that has the lock; killed when dropped.
struct Holder {
    child: Child,
    token: LockToken,
}

impl Holder {
    fn start(address: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "locks::holder", "--ignored", "--nocapture"]).env(ADDRESS, address);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let token = lines.find_map(|line| line.strip_prefix("locked ").map(str::parse));
        Self { child, token: token.expect("it has the lock").unwrap() }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn write(lock: &Lock<Order>, by: &str) -> Result<(), UpdateError<Infallible>> {
    let written = lock.update(|order| {
        order.receipt_mut().push_str(by);
        Ok(())
    });
    written.await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_lock_is_told_that_its_link_is_lost() {
    let directory = Directory::new("locks-lost");
    let daemon = Daemon::start("127.0.0.1:0", &directory.0);
    let trust = Trust::Fingerprint(daemon.fingerprint);
    let node = Node::builder().address(&daemon.address).trust(trust).connect().await.unwrap();
    let order = node.create("alice", Order::default()).await.unwrap();
    let lock = std::sync::Arc::new(order.lock().await.unwrap());
    write(&lock, "a").await.unwrap();
    let told = tokio::spawn({
        let lock = std::sync::Arc::clone(&lock);
        async move { lock.lost().await }
    });
    assert!(!lock.is_lost());
    daemon.kill();
    told.await.unwrap();
    let late = write(&lock, "b").await;
    assert!(matches!(late, Err(UpdateError::Failed(Error::LockLost { .. }))), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_of_a_killed_process_goes_to_the_next() {
    let directory = Directory::new("locks");
    let daemon = Daemon::start("127.0.0.1:0", &directory.0);
    let trust = Trust::Fingerprint(daemon.fingerprint);
    let node = Node::builder().address(&daemon.address).trust(trust).connect().await.unwrap();
    let order = node.create("alice", Order::default()).await.unwrap();

    let holder = Holder::start(&daemon.address);
    let joined = order.join_lock(holder.token).await.unwrap();
    write(&joined, "a").await.unwrap();
    assert!(matches!(order.lock_within(std::time::Duration::ZERO).await, Err(Error::LockTimeout { .. })));
    let next = tokio::spawn({
        let order = order.clone();
        async move { order.lock().await }
    });
    drop(holder);

    let next = next.await.unwrap().unwrap();
    let late = write(&joined, "b").await;
    assert!(matches!(late, Err(UpdateError::Failed(Error::LockLost { .. }))), "{late:?}");
    write(&next, "c").await.unwrap();
    assert_eq!(order.fresh().await.unwrap().receipt, "ac");
}
