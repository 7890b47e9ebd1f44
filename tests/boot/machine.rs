//! Virtual machines.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::disk::{Disk, Mounted};

/// A machine that does nothing for so long hangs; emulation on a busy machine is slow.
const LIMIT: Duration = Duration::from_secs(240);

/// What a boot loader takes from a disk.
struct Choice {
    kernel: PathBuf,
    initramfs: PathBuf,
    options: String,
}

impl Choice {
    /// Reads the first boot entry, as loaders sort them, and copies kernel and initramfs out of the image.
    fn of(mounted: &Mounted, scratch: &Path) -> Self {
        let boot = mounted.path().join("boot");
        let entries = fs::read_dir(boot.join("loader/entries")).unwrap();
        let texts = entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        let version = |text: &str| field(text, "version").parse::<u32>().unwrap();
        let text = texts.max_by_key(|text| version(text)).unwrap();
        let copy = |key, name: &str| {
            let from = boot.join(
                field(&text, key)
                    .trim_start_matches("/boot")
                    .trim_start_matches('/'),
            );
            let to = scratch.join(name);
            fs::copy(from, &to).unwrap();
            to
        };
        Self {
            kernel: copy("linux", "kernel"),
            initramfs: copy("initrd", "initrd"),
            options: field(&text, "options").to_owned(),
        }
    }
}

fn field<'a>(entry: &'a str, key: &str) -> &'a str {
    let line = entry.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("no `{key}` in {entry}"))
        .trim()
}

/// A running machine. It is killed when it is dropped.
pub(crate) struct Machine {
    qemu: Child,
    lines: Receiver<String>,
    console: Vec<String>,
}

impl Machine {
    /// Boots the default deployment of a disk; the first program finds `script` on a second disk.
    pub(crate) fn boot(disk: &Disk, script: &str) -> Self {
        let choice = Choice::of(&disk.mount(), disk.scratch());
        let script_disk = disk.scratch().join("script");
        // Disks are made of sectors.
        let mut padded = script.as_bytes().to_vec();
        padded.resize(padded.len().next_multiple_of(4096), b'\n');
        fs::write(&script_disk, padded).unwrap();
        let drive =
            |path: &Path| format!("file={},format=raw,if=virtio,cache=unsafe", path.display());
        let options = format!("{} console=ttyS0 panic=-1 quiet", choice.options);
        let mut qemu = Command::new("qemu-system-x86_64")
            .args(["-machine", "pc,accel=tcg", "-cpu", "max", "-m", "512"])
            .args(["-display", "none", "-monitor", "none", "-serial", "stdio"])
            .args(["-nic", "none", "-no-reboot"])
            .args([
                "-drive",
                &drive(&disk.image()),
                "-drive",
                &drive(&script_disk),
            ])
            .arg("-kernel")
            .arg(choice.kernel)
            .arg("-initrd")
            .arg(choice.initramfs)
            .args(["-append", &options])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("qemu-system-x86_64: {error}; this suite needs Debian's qemu-system-x86")
            });
        let output = BufReader::new(qemu.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            qemu,
            lines,
            console: Vec::new(),
        }
    }

    /// Waits until the machine turns itself off, and returns what its script said: lines after `:: `, without it.
    pub(crate) fn said(mut self) -> Vec<String> {
        let end = Instant::now() + LIMIT;
        loop {
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.console.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the machine does not end:\n{}", self.console.join("\n"))
                }
            }
        }
        let said = |line: &String| Some(line.split_once(":: ")?.1.to_owned());
        let said: Vec<String> = self.console.iter().filter_map(said).collect();
        assert!(
            !said.is_empty(),
            "the machine says nothing:\n{}",
            self.console.join("\n")
        );
        said
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
