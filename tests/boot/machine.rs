//! Virtual machines.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use ostler_format::EntryName;
use ostler_format::bls::Tries;

use crate::disk::Disk;

/// A machine that does nothing for so long hangs; emulation on a busy machine is slow.
const LIMIT: Duration = Duration::from_secs(600);

/// What a machine has.
#[derive(Clone, Copy)]
pub(crate) struct Hardware {
    pub(crate) memory_mib: u32,
    /// A network in which 10.0.2.2 is this machine's loopback.
    pub(crate) network: bool,
    /// The kernel is told to restart the machine when it panics.
    pub(crate) restarts_after_panic: bool,
    pub(crate) loader: Loader,
}

/// What chooses a boot entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loader {
    /// The first one is booted, always.
    Simple,
    /// Counts in the names of entries, as the Boot Loader Specification says.
    Counts,
}

impl Default for Hardware {
    fn default() -> Self {
        Self {
            memory_mib: 512,
            network: false,
            restarts_after_panic: true,
            loader: Loader::Simple,
        }
    }
}

/// What starts the boot loader of a disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Firmware {
    Bios,
    Uefi,
}

/// What a boot loader takes from a disk.
struct Choice {
    kernel: PathBuf,
    initramfs: PathBuf,
    options: String,
}

impl Choice {
    /// Reads the first boot entry, as loaders sort them, and copies kernel and initramfs out of the image.
    fn of(disk: &Disk, loader: Loader) -> Self {
        let mounted = disk.mount();
        let boot = mounted.path().join("boot");
        let entries = boot.join("loader/entries");
        let found = fs::read_dir(&entries).unwrap();
        let found = found.map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            (fs::read_to_string(entries.join(&name)).unwrap(), name)
        });
        let tries = |name: &str| EntryName::parse(name).unwrap().tries;
        let is_bad = |name: &str| tries(name).is_some_and(|tries| tries.left == 0);
        let (text, name) = found
            .max_by_key(|(text, name)| {
                let last = loader == Loader::Counts && is_bad(name);
                (!last, field(text, "version").parse::<u32>().unwrap())
            })
            .unwrap();
        if loader == Loader::Counts
            && let Some(Tries { left, done }) = tries(&name)
            && left > 0
        {
            let counted = EntryName {
                tries: Some(Tries {
                    left: left - 1,
                    done: Some(done.unwrap_or(0) + 1),
                }),
                ..EntryName::parse(&name).unwrap()
            };
            fs::rename(entries.join(&name), entries.join(counted.to_string())).unwrap();
        }
        let copy = |key, name: &str| {
            let field = field(&text, key);
            let path = field.trim_start_matches("/boot").trim_start_matches('/');
            let to = disk.scratch().join(name);
            disk.copy_out(&mounted, &format!("boot/{path}"), &to);
            to
        };
        Self {
            kernel: copy("linux", "kernel"),
            initramfs: copy("initrd", "initrd"),
            options: field(&text, "options").to_owned(),
        }
    }
}

/// A machine with a disk, and a second one that has a script; the folder is for that.
fn qemu(hardware: Hardware, image: &Path, (scratch, script): (&Path, &str)) -> Command {
    let script_disk = scratch.join("script");
    // Disks are made of sectors.
    let mut padded = script.as_bytes().to_vec();
    padded.resize(padded.len().next_multiple_of(4096), b'\n');
    fs::write(&script_disk, padded).unwrap();
    let drive = |path: &Path| format!("file={},format=raw,if=virtio,cache=unsafe", path.display());
    let network = match hardware.network {
        true => "user,model=virtio-net-pci",
        false => "none",
    };
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-machine", "pc,accel=tcg", "-cpu", "max"])
        .args(["-m", &hardware.memory_mib.to_string()])
        .args(["-display", "none", "-monitor", "none", "-serial", "stdio"])
        .args(["-nic", network, "-no-reboot"])
        .args(["-drive", &drive(image), "-drive", &drive(&script_disk)]);
    qemu
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
    /// As [`Machine::boot_on`], on a small machine.
    pub(crate) fn boot(disk: &Disk, script: &str) -> Self {
        Self::boot_on(Hardware::default(), disk, script)
    }

    /// Boots the default deployment of a disk, which finds `script` on a second disk.
    pub(crate) fn boot_on(hardware: Hardware, disk: &Disk, script: &str) -> Self {
        let choice = Choice::of(disk, hardware.loader);
        let panic = match hardware.restarts_after_panic {
            true => "panic=-1",
            false => "",
        };
        // Of a machine that is starved of time the kernel thinks that its timer is broken.
        let options = format!(
            "{} console=ttyS0 {panic} no_timer_check quiet",
            choice.options
        );
        let mut qemu = qemu(hardware, &disk.image(), (disk.scratch(), script));
        qemu.arg("-kernel")
            .arg(choice.kernel)
            .arg("-initrd")
            .arg(choice.initramfs)
            .args(["-append", &options]);
        Self::start(qemu)
    }

    /// Boots a disk as a real machine does, by what is on it; `script` is a folder for the second disk, and what stands on that.
    pub(crate) fn boot_image(
        hardware: Hardware,
        image: &Path,
        firmware: Firmware,
        script: (&Path, &str),
    ) -> Self {
        let mut qemu = qemu(hardware, image, script);
        if firmware == Firmware::Uefi {
            let variables = script.0.join("variables");
            fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", &variables).unwrap();
            let flash = "if=pflash,format=raw";
            qemu.args([
                "-drive",
                &format!("{flash},readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"),
            ])
            .args(["-drive", &format!("{flash},file={}", variables.display())]);
        }
        Self::start(qemu)
    }

    fn start(mut qemu: Command) -> Self {
        let mut qemu = qemu
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

    /// Waits until the script has said `text`, or the machine is off: then it is false.
    pub(crate) fn wait_for(&mut self, text: &str) -> bool {
        let end = Instant::now() + LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let is_it = said(&line) == Some(text);
                    self.console.push(line);
                    if is_it {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the machine does not end:\n{}", self.console.join("\n"))
                }
            }
        }
    }

    /// Waits until the machine turns itself off, and returns what its script said: lines after `:: `, without it.
    pub(crate) fn said(mut self) -> Vec<String> {
        let said = self.wait_for_end();
        assert!(
            !said.is_empty(),
            "the machine says nothing:\n{}",
            self.console.join("\n")
        );
        said
    }

    /// As [`Machine::said`], of a machine that may come to nothing.
    pub(crate) fn ended(mut self) -> Vec<String> {
        self.wait_for_end()
    }

    fn wait_for_end(&mut self) -> Vec<String> {
        assert!(!self.wait_for("\0"), "nobody says that");
        let said = self.console.iter().filter_map(|line| said(line));
        said.map(str::to_owned).collect()
    }

    /// Cuts the power, and returns what the script had said.
    pub(crate) fn cut(mut self) -> Vec<String> {
        self.qemu.kill().unwrap();
        self.qemu.wait().unwrap();
        self.said()
    }
}

fn said(line: &str) -> Option<&str> {
    Some(line.split_once(":: ")?.1)
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
