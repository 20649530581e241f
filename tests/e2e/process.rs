//! The daemon as a process: what it prints, refuses and survives.

use std::io::{BufRead, BufReader, Lines, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use nam::transport::{Dialer, Link, Trust};
use nam::wire::{Arrival, CloseCode, CloseReason, Inlet, Outlet, PROTOCOL, ToRepository};
use nam::{ids::NodeId, transport::Fingerprint};

/// A directory of a test's own, removed with it.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nam-e2e-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A daemon process; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) address: String,
    pub(crate) fingerprint: Fingerprint,
}

impl Daemon {
    /// Starts `nam serve` with a journal on disk and reads its first lines.
    pub(crate) fn start(listen: &str, data: &Path) -> Self {
        Self::start_with(listen, data, &[], "; what is acknowledged is synced")
    }

    /// Starts `nam serve` with a journal in memory.
    pub(crate) fn forgetful(listen: &str, data: &Path) -> Self {
        Self::start_with(listen, data, &["--journal", "memory"], "memory; nothing survives the daemon")
    }

    /// The same with further limits.
    pub(crate) fn limited(listen: &str, data: &Path, limits: &[&str]) -> Self {
        Self::start_with(listen, data, limits, "; what is acknowledged is synced")
    }

    fn start_with(listen: &str, data: &Path, more: &[&str], journal: &str) -> Self {
        let serve = ["serve", "--listen", listen, "--data", data.to_str().unwrap()];
        let mut child = nam(&[&serve, more].concat()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut second = |first: &str| {
            let line = lines.next().unwrap().unwrap();
            let (name, rest) = line.split_once("  ").unwrap();
            assert_eq!(name, first);
            rest.to_owned()
        };
        let address = second("listening").strip_suffix(" (shard 0)").unwrap().to_owned();
        let fingerprint = second("fingerprint").parse().unwrap();
        assert!(second("identity").starts_with("development"));
        assert!(second("journal").ends_with(journal));
        Self { child, lines, address, fingerprint }
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal, as `-CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Stops it until it is told to continue; none of its threads runs any more.
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
        let threads = || std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().map(Result::unwrap);
        let is_stopped = |stat: String| stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'));
        while !threads().all(|thread| is_stopped(std::fs::read_to_string(thread.path().join("stat")).unwrap())) {
            std::thread::yield_now();
        }
    }

    fn terminate(mut self) {
        self.signal("-TERM");
        assert!(self.child.wait().unwrap().success(), "SIGTERM is a good end");
        assert!(self.lines.next().is_none());
    }

    /// A link that the daemon has welcomed.
    pub(crate) async fn dial(&self) -> Link {
        let mut link = Dialer::new(Trust::Fingerprint(self.fingerprint), None).dial(&self.address).await.unwrap();
        let mut hello = Vec::new();
        ToRepository::Hello { protocol: PROTOCOL, node: NodeId(7), known: nam::ids::Epoch(0), again: None }
            .encode(&mut hello);
        link.outlet.send_records(&mut hello);
        let welcome = link.inlet.next().await;
        assert!(matches!(welcome, Arrival::Records(_)), "{welcome:?}");
        link
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn nam(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nam"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// What a wrong command line is told: its last line of output; it must fail.
fn refusal(arguments: &[&str]) -> String {
    let mut child = nam(arguments).stderr(Stdio::piped()).spawn().unwrap();
    let told = read(child.stderr.take().unwrap());
    assert!(!child.wait().unwrap().success(), "{arguments:?} must fail");
    assert!(!told.contains("panicked"), "{told}");
    told
}

fn read(mut from: ChildStderr) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn a_killed_daemon_is_known_again_and_resets_at_once() {
    let directory = Directory::new("killed");
    let daemon = Daemon::start("127.0.0.1:0", &directory.0);
    let (address, fingerprint) = (daemon.address.clone(), daemon.fingerprint);
    let mut link = daemon.dial().await;
    daemon.kill();
    let daemon = Daemon::start(&address, &directory.0);
    assert_eq!(daemon.fingerprint, fingerprint, "the identity is kept");
    link.outlet.send_records(&mut vec![1; 40]);
    let reason = loop {
        if let Arrival::Closed(reason) = link.inlet.next().await {
            break reason;
        }
    };
    assert_eq!(reason, CloseReason::Lost("the other side restarted".into()));
    daemon.dial().await;
}

#[tokio::test]
async fn a_terminated_daemon_tells_its_nodes_and_ends_well() {
    let directory = Directory::new("terminated");
    let daemon = Daemon::start("127.0.0.1:0", &directory.0);
    let mut link = daemon.dial().await;
    daemon.terminate();
    let reason = loop {
        if let Arrival::Closed(reason) = link.inlet.next().await {
            break reason;
        }
    };
    assert!(matches!(reason, CloseReason::Closed { code: CloseCode::ShuttingDown, .. }), "{reason}");
}

#[cfg(unix)]
#[test]
fn what_the_daemon_keeps_is_for_its_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new("private");
    let data = directory.0.join("made");
    drop(Daemon::start("127.0.0.1:0", &data));
    let mut names = Vec::new();
    for file in std::fs::read_dir(&data).unwrap().map(Result::unwrap) {
        let metadata = file.metadata().unwrap();
        let private = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, private, "{file:?}");
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    // It was killed: its socket is still there, and in nobody's way.
    let kept = ["acknowledged", "development.crt", "development.key", "format", "lock", "reset.key", "socket", "store"];
    assert_eq!(names, kept);
}

#[test]
fn wrong_command_lines_are_told_what_to_change_in_one_sentence() {
    let directory = Directory::new("wrong");
    let path = |name: &str| directory.0.join(name).to_str().unwrap().to_owned();
    let data = path("data");
    std::fs::write(path("not.pem"), "hello").unwrap();
    std::fs::write(path("latin.txt"), b"K\xf6ln").unwrap();
    for name in ["a", "b"] {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        std::fs::write(path(&format!("{name}.pem")), made.cert.pem()).unwrap();
        std::fs::write(path(&format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
    }
    let daemon = Daemon::start("127.0.0.1:0", &directory.0.join("other"));
    let serve = |more: &[&str]| {
        let place: &[&str] = if more.contains(&"--data") { &[] } else { &["--data", &data] };
        [&["serve"], place, more].concat().join("\u{1f}")
    };
    std::fs::write(path("known.lock"), "class a.B = B\nstruct B\n  1 n: u8\n").unwrap();
    std::fs::write(path("newer.lock"), "class a.B = B\nstruct B\n  1 n: u8\n  2 m: u8, optional\n").unwrap();
    let check = |lock: &str, schemas: &str| ["schema", "check", "--lock", &path(lock), &path(schemas)].join("\u{1f}");
    let cases = [
        (serve(&["--listen", &daemon.address]), "Address already in use (os error 98); give another address or port"),
        (serve(&["--journal", "memory", "--durability", "process"]), "--durability needs a journal on disk"),
        (serve(&["--journal", "memory", "--memory-max", "1GiB"]), "--memory-max needs a journal on disk"),
        (check("known.lock", "not.pem"), "not.pem, line 1: "),
        (check("not.pem", "known.lock"), "not.pem, line 1: "),
        (check("known.lock", "newer.lock"), "known.lock lacks part of class `a.B`: run the same with --update"),
        (serve(&["--listen", "0.0.0.0:0"]), "give a certificate, its key and the authority of the nodes"),
        (serve(&["--listen", "127.0.0.1:0", "--data", &path("other")]), "is in use by another process"),
        (serve(&["--listen", "127.0.0.1:0", "--data", directory.0.to_str().unwrap()]), "which is not nam's"),
        (serve(&["--listen", "127.0.0.1:0", "--shards", "0"]), "0 shards do not fit"),
        (serve(&["--listen", "127.0.0.1:65535", "--shards", "2"]), "2 shards do not fit"),
        (
            serve(&["--listen", "127.0.0.1:0", "--memory-max", "0"]),
            "0 bytes of memory for objects are too few: give 65536",
        ),
        (serve(&["--cert", "none.pem", "--key", "none.pem"]), "cannot read none.pem: No such file"),
        (serve(&["--cert", &path("not.pem"), "--key", &path("not.pem")]), "not.pem holds no PEM certificate"),
        (
            serve(&["--cert", &path("a.pem"), "--key", &path("b.key")]),
            "b.key is not the private key of the first certificate in ",
        ),
        (
            serve(&["--listen", "127.0.0.1:0", "--data", "/proc/foo"]),
            "/proc/foo cannot be made: No such file or directory",
        ),
        (check("known.lock", "latin.txt"), "latin.txt is no text in UTF-8 from byte 1 on"),
        (
            ["verify", "--data", "none"].join("\u{1f}"),
            "none is no data directory of nam: give with --data the one that `nam serve` named when it began",
        ),
        (["verify", "--data", &path("other")].join("\u{1f}"), "is in use by another process"),
        (["schema", "check", "--lock", "none", "none"].join("\u{1f}"), "cannot read none: No such file"),
    ];
    for (arguments, says) in cases {
        let arguments: Vec<&str> = arguments.split('\u{1f}').collect();
        let told = refusal(&arguments);
        assert!(told.contains(says), "{arguments:?}: {told}");
        assert_eq!(told.lines().count(), 1, "{arguments:?}: {told}");
    }
    assert!(!Path::new(&data).exists(), "a daemon that was refused has made no data directory");
    let nonsense: [&[&str]; 4] = [
        &["serve", "--listen", "nowhere"],
        &["serve", "--cert", "c"],
        &["serve", "--journal", "tape"],
        &["serve", "--memory-max", "much"],
    ];
    for arguments in nonsense {
        assert!(refusal(arguments).starts_with("error: "), "{arguments:?}");
    }
}
