//! The daemon is killed under load and stays away for five seconds; nothing that was acknowledged is lost.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::http::{StatusCode, header};
use nam::Node;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::scratch::Scratch;
use crate::shop::{Answer, Browser, Instance};

/// How long the impatient instances wait for the daemon, and how many writes in a row of one more browser wait so long and
/// are refused before it comes back: five seconds.
const PATIENCE: Duration = Duration::from_millis(500);
const REFUSED: usize = 10;

/// Writes of each browser before the daemon is killed, and after it is back.
const WRITES: u64 = 50;

/// A daemon on a data directory.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: String,
}

impl Daemon {
    /// Starts `nam serve` with a journal on disk.
    pub(crate) fn start(listen: &str, data: &Path) -> Self {
        let mut serve = Command::new(env!("CARGO_BIN_EXE_nam"));
        serve.args(["serve", "--listen", listen, "--data"]).arg(data).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = serve.spawn().unwrap();
        let first = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        Self { child, address: first.split_whitespace().nth(1).unwrap().to_owned() }
    }
}

impl Drop for Daemon {
    /// As `kill -9` does.
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

/// How the load goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    Away,
    Back,
}

/// What became of one browser's requests.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    acknowledged: u64,
    /// Writes that were answered 503: each may have taken effect.
    refused: u64,
    /// Reads while the daemon was away, by whether they were answered.
    shown: u64,
    unshown: u64,
}

/// One person, who clicks on, on one instance after the other.
struct Person {
    instances: Vec<Instance>,
    browser: Browser,
    seen: Seen,
}

impl Person {
    /// Sends a request: it is answered, or refused in words with the time to try again.
    async fn send(&mut self, turn: usize, path: &str) -> Option<Answer> {
        let answer = self.browser.send(&self.instances[turn % 3], path, "").await;
        if answer.status == StatusCode::OK {
            return Some(answer);
        }
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", answer.text);
        assert!(answer.headers.contains_key(header::RETRY_AFTER) && !answer.text.is_empty(), "never a bare error");
        None
    }

    async fn write(&mut self, turn: usize) {
        match self.send(turn, "/visit").await {
            Some(answer) => self.seen.acknowledged = answer.text.parse().unwrap(),
            None => self.seen.refused += 1,
        }
    }

    async fn read(&mut self, turn: usize, phase: Phase) {
        let answer = self.send(turn, "/show").await;
        if phase == Phase::Away {
            *(if answer.is_some() { &mut self.seen.shown } else { &mut self.seen.unshown }) += 1;
        }
        let Some(answer) = answer else { return };
        let shown: u64 = answer.text.split('/').next().unwrap().parse().unwrap();
        assert!(shown >= self.seen.acknowledged, "{shown} of {:?}", self.seen);
    }

    /// Reads and writes until the daemon has been away and so many writes went well after it was back.
    async fn go_on(mut self, phase: watch::Receiver<Phase>, ready: mpsc::Sender<()>) -> Self {
        let (mut done, mut last) = (0, Phase::Before);
        for turn in 0.. {
            let now = *phase.borrow();
            if now != last {
                (done, last) = (0, now);
            }
            let before = self.seen.acknowledged;
            self.write(turn).await;
            self.read(turn + 1, now).await;
            done += u64::from(self.seen.acknowledged > before);
            match now {
                Phase::Before if done == WRITES => ready.send(()).await.unwrap(),
                Phase::Back if done == WRITES => return self,
                _ => {}
            }
        }
        self
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_killed_under_load_loses_nothing_that_was_acknowledged() {
    let data = Scratch::new("session-outage");
    let daemon = Daemon::start("127.0.0.1:0", &data.0);
    let address = daemon.address.clone();
    let mut instances = Vec::new();
    for _ in 0..3 {
        let node = Node::builder().address(&address).patience(PATIENCE).connect().await.unwrap();
        instances.push(Instance::new(&node, |builder| builder));
    }
    let patient = Instance::new(&Node::connect([&address]).await.unwrap(), |builder| builder);
    let (tell, phase) = watch::channel(Phase::Before);
    let (ready, mut is_ready) = mpsc::channel(6);
    let mut people = JoinSet::new();
    for _ in 0..6 {
        let person = Person { instances: instances.clone(), browser: Browser::default(), seen: Seen::default() };
        people.spawn(person.go_on(phase.clone(), ready.clone()));
    }
    let (mut waiting, mut refused_to) = (Browser::default(), Browser::default());
    waiting.send(&patient, "/visit", "").await;
    refused_to.send(&instances[0], "/visit", "").await;
    for _ in 0..6 {
        is_ready.recv().await.unwrap();
    }

    drop(daemon);
    tell.send(Phase::Away).unwrap();
    let waits = tokio::spawn(async move { (waiting.send(&patient, "/visit", "").await, waiting) });
    for _ in 0..REFUSED {
        let refused = refused_to.send(&instances[0], "/visit", "").await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.text);
    }
    let _daemon = Daemon::start(&address, &data.0);
    tell.send(Phase::Back).unwrap();

    let (answer, _) = waits.await.unwrap();
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "2"), "a write with the patience waits");
    while let Some(person) = people.join_next().await {
        let Person { browser, seen, .. } = person.unwrap();
        println!("{seen:?}");
        // An instance that was not told of the last write before the daemon went cannot show it; the one that wrote can.
        assert!(seen.shown > seen.unshown, "reads went on: {seen:?}");
        for instance in &instances {
            let answer = browser.clone().send(instance, "/show", "").await;
            let shown: u64 = answer.text.split('/').next().unwrap().parse().unwrap();
            assert!((seen.acknowledged..=seen.acknowledged + seen.refused).contains(&shown), "{shown} of {seen:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_waits_for_a_silent_daemon_goes_on_once_that_is_noticed() {
    let data = Scratch::new("session-silence");
    let daemon = Daemon::start("127.0.0.1:0", &data.0);
    // Whoever waited for as long as the node is patient would wait here for ever.
    let patience = Duration::from_secs(24 * 60 * 60);
    let node = Node::builder().address(&daemon.address).patience(patience).connect().await.unwrap();
    let (instance, mut browser) = (Instance::new(&node, |builder| builder), Browser::default());
    browser.send(&instance, "/visit", "").await;
    let stopped = Command::new("kill").args(["-STOP", &daemon.child.id().to_string()]).status();
    assert!(stopped.unwrap().success());
    let read = browser.send(&instance, "/show", "").await;
    assert_eq!((read.status, read.text.as_str()), (StatusCode::OK, "1//0"), "from the local copy");
}
