//! HTTP servers on loopback.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Program, Scratch};

const TRIVIAL_HTTPD: &str = "/usr/libexec/libostree/ostree-trivial-httpd";

/// A server of one repository, which stops with this value.
#[derive(Debug)]
pub struct Server {
    process: Child,
    port: u16,
    _scratch: Scratch,
}

impl Server {
    /// Serves `repo` with `ostler serve`, or with ostree's own test server.
    pub fn start(program: &Program, repo: &Path) -> Self {
        let scratch = Scratch::new();
        let port_file = scratch.join("port");
        let mut command = if program.name() == "ostler" {
            program.command(["serve", "--port=0"])
        } else {
            Command::new(TRIVIAL_HTTPD)
        };
        let options: [OsString; 2] = if program.name() == "ostler" {
            [joined("--repo=", repo), joined("--port-file=", &port_file)]
        } else {
            [joined("--port-file=", &port_file), repo.into()]
        };
        command
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut process = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let port = wait_for_port(&mut process, &port_file);
        Self {
            process,
            port,
            _scratch: scratch,
        }
    }

    /// Returns the address, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn joined(option: &str, path: &Path) -> OsString {
    let mut text = OsString::from(option);
    text.push(path);
    text
}

fn wait_for_port(process: &mut Child, port_file: &Path) -> u16 {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let text = std::fs::read_to_string(port_file).unwrap_or_default();
        // The newline is written last.
        if let Some(port) = text.strip_suffix('\n').and_then(|text| text.parse().ok()) {
            return port;
        }
        if let Some(status) = process.try_wait().unwrap() {
            panic!("the HTTP server ended at once: {status}");
        }
        assert!(
            Instant::now() < deadline,
            "the HTTP server wrote no port within 10 s"
        );
        sleep(Duration::from_millis(10));
    }
}
