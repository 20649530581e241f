//! Data directories that cannot be used: one sentence, exit code 1, and nothing in them is touched.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nam::store::{DiskJournal, DiskSettings};

use crate::process::{Daemon, Directory};

/// Every file below a directory, and what is in it.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.append(&mut contents(&path));
            found.insert(path, Vec::new());
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

/// The ways to use a directory; each must be refused alike.
fn uses(data: &Path) -> [Vec<String>; 2] {
    let data = data.to_str().unwrap();
    [&["serve", "--listen", "127.0.0.1:0", "--data", data][..], &["verify", "--data", data]]
        .map(|arguments| arguments.iter().map(|argument| (*argument).to_owned()).collect())
}

/// The way to copy one, to a place beside it.
fn backup_of(data: &Path) -> Vec<String> {
    let place = data.with_file_name("backup");
    ["backup", "--data", data.to_str().unwrap(), place.to_str().unwrap()].map(str::to_owned).to_vec()
}

/// What the command says when it fails as it must.
fn told(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
    assert_eq!(output.stdout, b"", "{command:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    text.strip_prefix("nam: ").and_then(|text| text.strip_suffix('\n')).unwrap_or(&text).to_owned()
}

fn nam() -> Command {
    Command::new(env!("CARGO_BIN_EXE_nam"))
}

fn made(path: &Path) {
    let settings = DiskSettings { shards: Some(1), free_bytes_min: 0, ..DiskSettings::default() };
    drop(DiskJournal::open(path, settings).unwrap());
}

#[test]
fn a_directory_that_is_not_as_nam_left_it_is_refused_in_one_sentence() {
    let directory = Directory::new("directories");
    let newer = "nam data directory\nformat 9\nshards 1\nwhatever 9 has\n";
    let cases: [(&str, &str, &[u8], &str); 6] = [
        (
            "foreign",
            "letter.txt",
            b"dear",
            "{} holds letter.txt, which is not nam's: give an empty directory, or one that nam made",
        ),
        (
            "other",
            "format",
            b"PostgreSQL 15\n",
            "{} holds a file `format`, which is not nam's: give an empty directory, or one that nam made",
        ),
        (
            "newer",
            "format",
            newer.as_bytes(),
            "{} has format 9, this version of nam reads 2: use the version that made it",
        ),
        (
            "flipped",
            "format",
            b"nam data directory\nformat 2\nshards 2\ncrc 00000000\n",
            "{}/format is damaged: its checksum does not fit; restore a backup",
        ),
        (
            "short",
            "acknowledged",
            &[0; 100],
            "{}/acknowledged is damaged: 100 bytes where 128 belong; restore a backup, or copy the directory and go on \
             without what is lost (`nam serve --accept-loss-after`)",
        ),
        (
            "list",
            "store/keyspaces/1/current",
            b"",
            "{}/store/keyspaces/1/current is damaged: it names no list of tables; restore a backup",
        ),
    ];
    for (name, file, content, says) in cases {
        let data = directory.0.join(name);
        match name {
            "foreign" | "other" => fs::create_dir_all(&data).unwrap(),
            _ => made(&data),
        }
        fs::write(data.join(file), content).unwrap();
        let before = contents(&data);
        for arguments in uses(&data) {
            // A directory without the marks of nam is none to `verify`.
            let is_none = name == "foreign" && arguments[0] == "verify";
            let says = if is_none {
                "{} is no data directory of nam: give with --data the one that `nam serve` named when it began"
            } else {
                says
            };
            assert_eq!(told(nam().args(&arguments)), says.replace("{}", data.to_str().unwrap()));
            assert!(contents(&data) == before, "{name}: something was touched");
        }
    }
}

#[test]
fn a_directory_that_lost_a_file_is_called_damaged_and_not_somebody_elses() {
    let directory = Directory::new("lost-files");
    for (lost, says) in [("format", "; restore a backup"), ("acknowledged", "; restore a backup, or copy")] {
        let data = directory.0.join(format!("without-{lost}"));
        made(&data);
        fs::remove_file(data.join(lost)).unwrap();
        let before = contents(&data);
        let place = directory.0.join("backup");
        for arguments in uses(&data).into_iter().chain([backup_of(&data)]) {
            let told = told(nam().args(&arguments));
            assert!(told.contains(" is damaged: ") && told.contains(says), "{arguments:?}: {told}");
            assert!(contents(&data) == before && !place.exists(), "{lost}: something was touched");
        }
    }
}

#[test]
fn a_backup_into_the_directory_itself_is_refused_by_whatever_names_both_go() {
    let directory = Directory::new("inside");
    let data = directory.0.join("data");
    made(&data);
    std::os::unix::fs::symlink(&data, directory.0.join("link")).unwrap();
    let before = contents(&data);
    let backup =
        |data: &str, place: &str| told(nam().args(["backup", "--data", data, place]).current_dir(&directory.0));
    let whole = data.to_str().unwrap();
    for place in ["data", "data/copy", "./data/copy", "data/copy/of", "link/copy", "data/../data/copy", whole] {
        for data in ["data", "./data", "link", whole] {
            let says =
                format!("{place} is in the data directory {data}, and would be lost with it: give a place outside");
            assert_eq!(backup(data, place), says);
        }
    }
    assert!(contents(&data) == before, "something was touched");
    assert!(
        nam()
            .args(["backup", "data-copy"])
            .arg("--data")
            .arg(&data)
            .current_dir(&directory.0)
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_development_certificate_without_its_key_is_refused_with_what_to_do() {
    let directory = Directory::new("alone");
    let daemon = Daemon::start("127.0.0.1:0", &directory.0);
    let (address, fingerprint) = (daemon.address.clone(), daemon.fingerprint);
    daemon.kill();
    let [certificate, key] = ["development.crt", "development.key"].map(|name| directory.0.join(name));
    fs::remove_file(&key).unwrap();
    let says = format!(
        "{} is not there, and {} is of no use without it: put it back, or remove both, and an identity with another \
         fingerprint is made",
        key.display(),
        certificate.display()
    );
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", directory.0.to_str().unwrap()];
    assert_eq!(told(nam().args(serve)), says);
    fs::remove_file(&certificate).unwrap();
    let again = Daemon::start(&address, &directory.0);
    assert_ne!(again.fingerprint, fingerprint);
}

#[test]
fn a_loss_that_cannot_be_accepted_is_refused_in_words() {
    let directory = Directory::new("accepted");
    let data = directory.0.join("data");
    made(&data);
    let before = contents(&data);
    let serve = |more: &[&str]| {
        let mut command = nam();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).args(more);
        command
    };
    let whole = told(&mut serve(&["--accept-loss-after", "0:17.4"]));
    assert!(whole.contains("the last one there is 0:0.0"), "{whole}");
    let whole = told(&mut serve(&["--accept-loss-after", "0:0.0"]));
    assert!(whole.contains("lost nothing that was acknowledged behind frame 0:0.0"), "{whole}");
    let stranger = told(&mut serve(&["--accept-loss-after", "3:0.0"]));
    assert!(stranger.contains("has 1 shards, numbered from 0"), "{stranger}");
    let memory = told(&mut serve(&["--accept-loss-after", "0:0.0", "--journal", "memory"]));
    assert!(memory.contains("--accept-loss-after needs a journal on disk"), "{memory}");
    let nonsense = serve(&["--accept-loss-after", "yesterday"]).output().unwrap();
    let text = String::from_utf8(nonsense.stderr).unwrap();
    assert!(nonsense.status.code() == Some(2) && text.contains("shard:epoch.number, as in 0:17.4"), "{text}");
    assert!(contents(&data) == before);
}

/// What to do where nothing may be written.
fn advice(arguments: &[String]) -> &'static str {
    match &arguments[0][..] {
        "serve" => "give a data directory where this process may write",
        _ => "the log is mended before it is read, so copy the directory to where this process may write",
    }
}

#[test]
fn a_directory_that_may_not_be_written_is_refused_by_the_name_of_the_file() {
    const NOBODY: u32 = 65_534;
    let directory = Directory::new("permissions");
    let data = directory.0.join("data");
    made(&data);
    let is_root = fs::metadata(&data).unwrap().uid() == 0;
    fs::set_permissions(&data, PermissionsExt::from_mode(0o555)).unwrap();
    fs::set_permissions(data.join("format"), PermissionsExt::from_mode(0o444)).unwrap();
    fs::set_permissions(data.join("lock"), PermissionsExt::from_mode(0o444)).unwrap();
    // Who builds as root may stand where others cannot look. Copied by another process: a file that this one has open for
    // writing would be open in every process that a test beside this one starts meanwhile, and could not be run.
    let binary = directory.0.join("nam");
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_nam")).arg(&binary).status().unwrap().success());
    fs::set_permissions(&directory.0, PermissionsExt::from_mode(0o755)).unwrap();
    for arguments in uses(&data).into_iter().chain([backup_of(&data)]) {
        let mut command = Command::new(&binary);
        if is_root {
            // Permissions do not bind root.
            command.uid(NOBODY).gid(NOBODY);
        }
        let says = format!("{}/lock: Permission denied (os error 13); {}", data.display(), advice(&arguments));
        assert_eq!(told(command.args(&arguments).current_dir("/")), says);
    }
    fs::set_permissions(&data, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Needs a mount of its own, which not every system grants: then it says so.
#[test]
fn a_directory_on_a_device_for_reading_only_is_refused_by_the_name_of_the_file() {
    let directory = Directory::new("read-only");
    let data = directory.0.join("data");
    made(&data);
    let before = contents(&data);
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        if fs::metadata(&data).unwrap().uid() != 0 {
            command.args(["--user", "--map-root-user"]);
        }
        command
            .args(["--mount", "sh", "-c"])
            .arg(format!("mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && {script}"));
        command.arg(&data);
        command
    };
    if !unshare("exit 0").status().is_ok_and(|status| status.success()) {
        println!("SKIPPED: this system grants no mount of one's own");
        return;
    }
    for arguments in uses(&data).into_iter().chain([backup_of(&data)]) {
        let mut command = unshare("shift && exec \"$@\"");
        command.arg("shifted").arg(env!("CARGO_BIN_EXE_nam")).args(&arguments);
        let says = format!("{}/lock: Read-only file system (os error 30); {}", data.display(), advice(&arguments));
        assert_eq!(told(&mut command), says);
    }
    assert!(contents(&data) == before);
}
