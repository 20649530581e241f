//! An example as its own script runs it.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};

/// A daemon, three instances and the balancer; ended when dropped.
pub(crate) struct Site {
    script: Child,
    /// Where browsers come in.
    pub(crate) address: String,
    pub(crate) instances: Vec<Instance>,
    _browsers: TcpListener,
}

#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) address: String,
    process: String,
}

impl Site {
    /// Runs an example's script.
    pub(crate) fn open(example: &str) -> Self {
        // The balancer inherits a socket that listens already: whoever connects waits for it.
        let browsers = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::io::fcntl_setfd(&browsers, rustix::io::FdFlags::empty()).unwrap();
        let mut script = Command::new(format!("{}/../../examples/{example}/run", env!("CARGO_MANIFEST_DIR")));
        script.env("SITE_BIND", format!("fd@{}", browsers.as_raw_fd()));
        script.envs([("PROFILE", "dev"), ("SITE_PORT", "0"), ("SITE_REPOSITORY", "127.0.0.1:0")]);
        let mut script = script.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(script.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut instances = Vec::new();
        for line in lines {
            // `instance one: http://127.0.0.1:40001, process 7`
            let words: Vec<&str> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
            if let ["instance", name, address, "process", process] = words[..] {
                let [name, process] = [name.trim_end_matches(':'), process].map(str::to_owned);
                instances.push(Instance { name, address: address.to_owned(), process });
            }
            if line.starts_with("balancer") {
                break;
            }
        }
        assert_eq!(instances.len(), 3, "the script ended; is HAProxy there? `apt-get install haproxy`");
        Self { script, address: address(browsers.local_addr().unwrap()), instances, _browsers: browsers }
    }

    /// Kills an instance as `kill -9` does.
    pub(crate) fn kill(&mut self, name: &str) {
        let at = self.instances.iter().position(|instance| instance.name == name).unwrap();
        let killed = self.instances.remove(at);
        assert!(Command::new("kill").args(["-9", &killed.process]).status().unwrap().success());
    }
}

fn address(socket: SocketAddr) -> String {
    format!("http://{socket}")
}

impl Drop for Site {
    fn drop(&mut self) {
        // The script ends what it has started.
        drop(Command::new("kill").arg(self.script.id().to_string()).status());
        drop(self.script.wait());
    }
}
