//! A daemon that dies without a word is missed at the node's next packet, not after the idle time-out.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use nam::transport::{Dialer, Identity, Link, Listener, ResetSecret};
use nam::wire::{Arrival, CloseReason, Inlet, Outlet};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A daemon on a runtime of its own, with one link; it dies with the runtime, as a killed process does.
struct Daemon {
    runtime: Runtime,
    listener: Listener,
    _links: Vec<Link>,
}

impl Daemon {
    fn start(address: SocketAddr, secret: &ResetSecret) -> Self {
        let runtime = runtime();
        let identity = Identity::development().unwrap();
        let listener = runtime.block_on(async { Listener::bind(address, &identity, None, secret) }).unwrap();
        Self { runtime, listener, _links: Vec::new() }
    }

    /// Takes one link and dies while it is open.
    fn serve_one_and_die(self) {
        let link = self.runtime.block_on(async { self.listener.accept().await.unwrap().link().await.unwrap() });
        drop(self.runtime);
        drop((self.listener, link));
    }
}

/// What a node is told whose daemon died, once another one with `second` as its secret listens in its place.
fn told_after_restart(first: &ResetSecret, second: &ResetSecret) -> Arrival {
    let daemon = Daemon::start("127.0.0.1:0".parse().unwrap(), first);
    let address = daemon.listener.address();
    let (restarted, is_restarted) = mpsc::channel();
    let (done, is_done) = mpsc::channel::<()>();
    let second = second.clone();
    let daemons = thread::spawn(move || {
        daemon.serve_one_and_die();
        let daemon = Daemon::start(address, &second);
        restarted.send(()).unwrap();
        daemon.runtime.block_on(async {
            let closed = tokio::task::spawn_blocking(move || is_done.recv());
            tokio::select! {
                _ = closed => {}
                _ = daemon.listener.accept() => panic!("nobody dials again"),
            }
        });
    });
    let told = runtime().block_on(async move {
        let mut link = Dialer::default().dial(&address.to_string()).await.unwrap();
        link.outlet.send_records(&mut b"hello".to_vec());
        tokio::task::spawn_blocking(move || is_restarted.recv()).await.unwrap().unwrap();
        link.outlet.send_records(&mut vec![1; 40]);
        link.inlet.next().await
    });
    drop(done);
    daemons.join().unwrap();
    told
}

#[test]
fn a_restarted_daemon_resets_the_connections_of_its_predecessor() {
    let secret = ResetSecret::random().unwrap();
    let told = told_after_restart(&secret, &secret);
    assert_eq!(told, Arrival::Closed(CloseReason::Lost("the other side restarted".into())));
}

#[test]
fn nobody_else_can_reset_them() {
    let told = told_after_restart(&ResetSecret::random().unwrap(), &ResetSecret::random().unwrap());
    assert_eq!(told, Arrival::Closed(CloseReason::Lost("no sign of life from the other side".into())));
}
