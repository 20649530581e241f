//! An instance is killed while eight connections of one browser use their session; nothing that was acknowledged is lost.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use nam::Node;
use nam::web::Stored;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::balancer::{Connection, visits};
use crate::outage::Daemon;
use crate::scratch::Scratch;
use crate::shop::{Browser, Instance, Visit};

/// Where the process of an instance is told the daemon's address.
const REPOSITORY: &str = "NAM_SESSION_REPOSITORY";

/// Connections of the browser, and acknowledged writes of each before an instance is killed, and after it was.
const CONNECTIONS: usize = 8;
const WRITES: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started and killed by an_instance_that_is_killed_under_load_takes_nothing_with_it"]
async fn instance() {
    let node = Node::connect([std::env::var(REPOSITORY).expect("started by the test below")]).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("\nlistening {}", listener.local_addr().unwrap());
    let router = Instance::new(&node, |builder| builder).router;
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    // Until it is killed, or nobody is left to do that.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
}

/// The process of an instance; killed as `kill -9` does when dropped.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(repository: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "killed::instance", "--ignored", "--nocapture"]).env(REPOSITORY, repository);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| line.strip_prefix("listening ").map(str::parse));
        Self { child, address: address.expect("it listens").unwrap() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

/// A browser, and the most visits that a response showed it.
type Shared = Arc<Mutex<(Browser, u64)>>;

/// What became of the writes of one connection after the other.
#[derive(Debug, Default)]
struct Written {
    visits: u64,
    /// Visits that were sent and not answered: each may have taken effect.
    unanswered: u64,
    items: Vec<String>,
}

impl Written {
    fn acknowledged(&self) -> usize {
        self.visits as usize + self.items.len()
    }

    /// Writes on an instance: counts a visit, or puts something in that nobody else does.
    async fn write(&mut self, address: SocketAddr, item: Option<String>, shared: &Shared) {
        // Nothing was sent to an instance that is gone.
        let Ok(stream) = TcpStream::connect(address).await else { return };
        let (cookies, seen) = {
            let shared = shared.lock().unwrap();
            (shared.0.header(), shared.1)
        };
        let (path, body) = item.as_deref().map_or(("/visit", ""), |item| ("/put", item));
        let outcome = async { Connection::to(stream).await?.try_send(path, body, &cookies).await }.await;
        let Ok(answer) = outcome else {
            self.unanswered += u64::from(item.is_none());
            return;
        };
        let mut shared = shared.lock().unwrap();
        shared.0.keep(&answer);
        match item {
            Some(item) => self.items.push(item),
            None => {
                let shown = visits(&answer);
                assert!(shown > seen, "S2: {shown} with this one, where a response had {seen}");
                shared.1 = shared.1.max(shown);
                self.visits += 1;
            }
        }
    }

    /// Writes on one instance after the other, until so many writes were acknowledged since one was killed.
    async fn go_on(
        mut self,
        number: usize,
        instances: Vec<SocketAddr>,
        shared: Shared,
        is_killed: watch::Receiver<bool>,
        ready: mpsc::Sender<()>,
    ) -> Self {
        let mut before = None;
        for turn in 0.. {
            if before.is_none() && *is_killed.borrow() {
                before = Some(self.acknowledged());
            }
            let item = (turn % 2 == 1).then(|| format!("{number}-{turn}"));
            let had = self.acknowledged();
            self.write(instances[(number + turn) % instances.len()], item, &shared).await;
            match before {
                None if had < WRITES && self.acknowledged() == WRITES => ready.send(()).await.unwrap(),
                Some(before) if self.acknowledged() == before + WRITES => break,
                _ => {}
            }
        }
        self
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_killed_under_load_takes_nothing_with_it() {
    let data = Scratch::new("session-killed");
    let daemon = Daemon::start("127.0.0.1:0", &data.0);
    let mut processes: Vec<Process> = (0..3).map(|_| Process::start(&daemon.address)).collect();
    let instances: Vec<SocketAddr> = processes.iter().map(|process| process.address).collect();
    let shared = Shared::default();
    let mut first = Written::default();
    first.write(instances[0], None, &shared).await;

    let (kill, is_killed) = watch::channel(false);
    let (ready, mut is_ready) = mpsc::channel(CONNECTIONS);
    let mut running = JoinSet::new();
    for number in 0..CONNECTIONS {
        let (instances, shared) = (instances.clone(), Arc::clone(&shared));
        running.spawn(Written::default().go_on(number, instances, shared, is_killed.clone(), ready.clone()));
    }
    for _ in 0..CONNECTIONS {
        is_ready.recv().await.unwrap();
    }
    drop(processes.remove(1));
    kill.send(true).unwrap();
    let mut all = running.join_all().await;
    all.push(first);

    // What the repository has, and what an instance shows that was not there before.
    let node = Node::connect([&daemon.address]).await.unwrap();
    let [key] = &node.keys::<Stored<Visit>>("").await.unwrap()[..] else { panic!("one session") };
    let session = node.open::<Stored<Visit>>(key).await.unwrap().fresh().await.unwrap();
    let acknowledged: u64 = all.iter().map(|written| written.visits).sum();
    let unanswered: u64 = all.iter().map(|written| written.unanswered).sum();
    println!("{acknowledged} visits were acknowledged, {unanswered} not answered");
    let there = session.data.visits;
    assert!((acknowledged..=acknowledged + unanswered).contains(&there), "{there}: {acknowledged} and {unanswered}");
    for item in all.iter().flat_map(|written| &written.items) {
        assert!(session.data.items.contains_key(item), "{item} was acknowledged");
    }
    processes.push(Process::start(&daemon.address));
    let cookies = shared.lock().unwrap().0.header();
    for process in &processes {
        let stream = TcpStream::connect(process.address).await.unwrap();
        let shown = Connection::to(stream).await.unwrap().try_send("/show", "", &cookies).await.unwrap();
        assert_eq!(shown.text, format!("{there}//{}", session.data.items.len()));
    }
}
