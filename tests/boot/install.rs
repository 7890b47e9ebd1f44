//! Disks that `install to-disk` makes, booted by their own boot loaders.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use ostler_tests::{Program, Scratch};

use crate::machine::{Firmware, Hardware, Machine};
use crate::tiny::{self, Config};
use crate::{ostler, run};

/// A repository with the tiny tree, and disks made of it.
struct Site {
    scratch: Scratch,
}

impl Site {
    fn new(file_system: &'static str) -> Self {
        let scratch = Scratch::new();
        let config = Config {
            file_system,
            ..Config::default()
        };
        let site = Self { scratch };
        let tree = site.scratch.join("tree");
        tiny::write_tree(&tree, site.scratch.path(), &config);
        let repo = site.repo();
        ostler(&["init", &repo, "--mode=archive"]);
        let tree = format!("--tree=dir={}", tree.display());
        ostler(&["commit", &repo, "-b", "tiny", "-s", "tiny", &tree]);
        site
    }

    fn repo(&self) -> String {
        format!("--repo={}", self.scratch.join("repo").display())
    }

    fn image(&self) -> PathBuf {
        self.scratch.join("disk.img")
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let source = format!("--source={}", self.scratch.join("repo").display());
        let mut arguments = vec!["install".to_owned(), "to-disk".to_owned(), source];
        let fixed = [
            "--ref=tiny",
            "--stateroot=os",
            "--size=1G",
            "--esp-size=64M",
        ];
        let console = [
            "--karg=console=ttyS0",
            "--karg=no_timer_check",
            "--karg=quiet",
        ];
        let all = fixed.iter().chain(&console).chain(more);
        arguments.extend(all.map(|argument| (*argument).to_owned()));
        arguments.push(self.image().display().to_string());
        arguments
    }

    /// Makes the disk, and returns what the program says of it.
    fn install(&self, more: &[&str]) -> serde_json::Value {
        let arguments = self.arguments(&[more, &["--json"]].concat());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        serde_json::from_str(&ostler(&arguments)).unwrap()
    }

    fn boot(&self, firmware: Firmware, script: &str) -> Vec<String> {
        let scratch = self.scratch.path();
        Machine::boot_image(
            Hardware::default(),
            &self.image(),
            firmware,
            (scratch, script),
        )
        .said()
    }
}

/// Tells of the running system.
const LOOK: &str = r#"
say() { echo ":: $*"; }
try() { touch "$1/probe" 2>/dev/null && say "$1 writable" || say "$1 read-only"; }
say "version $(cat /usr/share/version 2>/dev/null || echo 0), mine $(cat /etc/mine 2>/dev/null || echo none)"
for dir in / /usr /etc /var; do try $dir; done
[ -e /sysroot/ostree/deploy/os/var/probe ] && say "var is the stateroot's"
[ -e /etc/machine-id ] && [ ! -s /etc/machine-id ] && say "no machine id"
"#;

#[track_caller]
fn assert_running(said: &[String], version: &str) {
    let expected = [
        version,
        "/ read-only",
        "/usr read-only",
        "/etc writable",
        "/var writable",
        "var is the stateroot's",
        "no machine id",
    ];
    assert_eq!(said[..7], expected, "{said:?}");
}

/// Commits another version, deploys it, and leaves a mark in `/etc`.
const UPGRADE: &str = r"
mount -o remount,rw /sysroot
repo=--repo=/sysroot/ostree/repo
mkdir -p /run/more/usr/share
echo 1 >/run/more/usr/share/version
echo edited >/etc/mine
ostler commit $repo -b tiny --tree=ref=tiny --tree=dir=/run/more --owner-uid=0 --owner-gid=0 >/run/said 2>&1 &&
  ostler admin deploy --os=os tiny >>/run/said 2>&1 && say deployed || sed 's/^/:: /' /run/said
";

const ROLL_BACK: &str = r"
mount -o remount,rw /sysroot
ostler rollback >/run/said 2>&1 && say rolled back || sed 's/^/:: /' /run/said
";

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_disk_of_ext4_boots_by_bios_and_by_uefi_upgrades_and_rolls_back() {
    let site = Site::new("ext4");
    let made = site.install(&[]);
    assert_eq!(made["firmware"], serde_json::json!(["bios", "uefi"]));
    let upgrade = format!("{LOOK}\n{UPGRADE}");
    let said = site.boot(Firmware::Bios, &upgrade);
    assert_running(&said, "version 0, mine none");
    assert_eq!(said[7..], ["deployed"]);
    let roll_back = format!("{LOOK}\n{ROLL_BACK}");
    let said = site.boot(Firmware::Uefi, &roll_back);
    assert_running(&said, "version 1, mine edited");
    assert_eq!(said[7..], ["rolled back"]);
    let said = site.boot(Firmware::Bios, LOOK);
    assert!(said[0].starts_with("version 0"), "{said:?}");
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_disk_of_xfs_boots() {
    let site = Site::new("xfs");
    site.install(&["--filesystem=xfs"]);
    assert_running(&site.boot(Firmware::Bios, LOOK), "version 0, mine none");
}

#[test]
#[ignore = "boots machines, with the kernel of a whole OS tree"]
fn a_disk_of_btrfs_with_a_boot_partition_boots() {
    let site = Site::new("btrfs");
    site.install(&["--filesystem=btrfs", "--boot-size=200M"]);
    assert_running(&site.boot(Firmware::Uefi, LOOK), "version 0, mine none");
}

/// Runs a program of this machine on the image, and returns what it says.
fn look(program: &str, arguments: &[&str], image: &Path) -> String {
    run(Command::new(program).args(arguments).arg(image))
}

#[test]
#[ignore = "makes disks, with the kernel of a whole OS tree"]
fn a_process_that_is_killed_leaves_no_image_and_the_next_one_cleans_up() {
    let site = Site::new("ext4");
    let arguments = site.arguments(&[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut cuts = 0;
    for milliseconds in [50, 300, 900, 1500, 2500, 4000] {
        let mut command = Program::ostler().command(&arguments);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(milliseconds));
        let is_running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        if !is_running {
            break;
        }
        cuts += 1;
        assert!(!site.image().exists(), "after {milliseconds} ms");
    }
    assert!(cuts > 0, "the first cut is early enough");
    site.install(&["--wipe"]);
    let mut names: Vec<_> = fs::read_dir(site.scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("disk.img"))
        .collect();
    names.sort();
    assert_eq!(names, ["disk.img"], "nothing of earlier runs is left");
    let table = look("/sbin/sgdisk", &["--verify"], &site.image());
    assert!(table.contains("No problems found"), "{table}");
}

#[test]
#[ignore = "makes disks, with the kernel of a whole OS tree"]
fn an_image_that_is_there_stays_unless_it_may_be_lost() {
    let site = Site::new("ext4");
    fs::write(site.image(), "precious").unwrap();
    let arguments = site.arguments(&[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = Program::ostler().command(&arguments).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("is not empty") && said.contains("--wipe"),
        "{said}"
    );
    assert_eq!(fs::read(site.image()).unwrap(), b"precious");
    let made = site.install(&["--wipe"]);
    let root = made["partitions"].as_array().unwrap().last().unwrap();
    assert_eq!(root["filesystem"], "ext4");
    let offset = root["offset"].as_u64().unwrap();
    let root_image = site.scratch.join("root.img");
    let mut extract = Command::new("dd");
    extract
        .arg(format!("if={}", site.image().display()))
        .arg(format!("of={}", root_image.display()))
        .args(["bs=1M", "conv=sparse", "status=none"])
        .arg(format!("skip={}", offset >> 20))
        .arg(format!("count={}", root["bytes"].as_u64().unwrap() >> 20));
    run(&mut extract);
    look("/sbin/e2fsck", &["-fn"], &root_image);
    let deployment = made["deployment"].as_str().unwrap();
    let request = format!("stat /ostree/deploy/os/deploy/{deployment}");
    let stat = look("/sbin/debugfs", &["-R", &request], &root_image);
    assert!(stat.contains("Flags: 0x80010"), "immutable: {stat}");
    let request = format!("stat /ostree/deploy/os/deploy/{deployment}/usr/bin/busybox");
    let stat = look("/sbin/debugfs", &["-R", &request], &root_image);
    assert!(stat.contains("Links: 2"), "the repository's own: {stat}");
}
