//! A Debian with systemd, with an initramfs that initramfs-tools made with the project's hook: pulled from a server outside, staged, finished at
//! shutdown, booted, rolled back, and upgraded once more by a restart straight into the new kernel.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_tests::{Program, Repo, Scratch, Server, debian_tree};

use crate::disk::Disk;
use crate::initramfs::prepare_root;
use crate::machine::{Hardware, Loader, Machine};
use crate::{copy_program, ostler, run};

/// What a machine that only boots has no use for.
const LEFT_OUT: [&str; 22] = [
    "usr/include",
    "usr/lib/gcc",
    "usr/lib/git-core",
    "usr/lib/jvm",
    "usr/lib/python3",
    "usr/share/doc",
    "usr/share/fonts",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/ostler-tree",
    "usr/share/vim",
    "usr/share/zsh",
    "sound",
    "drivers/gpu",
    "drivers/infiniband",
    "drivers/media",
    "drivers/net/ethernet",
    "drivers/net/usb",
    "drivers/net/wireless",
    "drivers/scsi",
    "drivers/staging",
    "drivers/usb",
];

const UNIT: &str = "[Unit]\n\
    Description=Does what the second disk says\n\
    [Service]\n\
    ExecStart=/bin/sh -c 'tr -d \"\\\\0\" </dev/vdb >/run/script; sh /run/script >/dev/ttyS0 2>&1'\n";

const NETWORK: &str = "[Match]\nType=ether\n[Network]\nDHCP=yes\n";

const MACHINE: Hardware = Hardware {
    memory_mib: 1024,
    network: true,
    restarts_after_panic: true,
    loader: Loader::Simple,
};

/// Mounts that go away in reverse order.
#[derive(Default)]
struct Mounts(Vec<PathBuf>);

impl Mounts {
    fn mount(&mut self, arguments: &[&str], at: PathBuf) {
        run(Command::new("mount").args(arguments).arg(&at));
        self.0.push(at);
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for at in self.0.iter().rev() {
            let status = Command::new("umount").arg(at).status().unwrap();
            assert!(status.success() || std::thread::panicking());
        }
    }
}

/// A tree over Debian's, which stays as it is.
struct Tree {
    root: PathBuf,
    _mounts: Mounts,
}

impl Tree {
    fn new(scratch: &Path) -> Self {
        let [root, upper, work] = ["tree", "upper", "work"].map(|name| scratch.join(name));
        for folder in [&root, &upper, &work] {
            fs::create_dir(folder).unwrap();
        }
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            debian_tree(1).display(),
            upper.display(),
            work.display()
        );
        let mut mounts = Mounts::default();
        mounts.mount(&["-t", "overlay", "overlay", "-o", &layers], root.clone());
        let tree = Self {
            root,
            _mounts: mounts,
        };
        tree.prepare(scratch);
        tree.make_initramfs();
        tree
    }

    fn kernel(&self) -> PathBuf {
        let mut kernels = fs::read_dir(self.root.join("usr/lib/modules")).unwrap();
        kernels.next().unwrap().unwrap().path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn prepare(&self, scratch: &Path) {
        for path in LEFT_OUT {
            let from = match path.starts_with("usr/") {
                true => self.root.clone(),
                false => self.kernel().join("kernel"),
            };
            fs::remove_dir_all(from.join(path)).unwrap();
        }
        let ostler = scratch.join("ostler");
        copy_program(&ostler);
        let mut install = Command::new(&ostler);
        install.arg("install-files").arg("--root").arg(&self.root);
        run(install.arg("--prepare-root").arg(prepare_root()));
        self.write("usr/lib/systemd/system/from-disk.service", UNIT);
        self.write("usr/etc/systemd/network/all.network", NETWORK);
        self.write("usr/share/version", "1\n");
        let wants = self
            .root
            .join("usr/lib/systemd/system/multi-user.target.wants");
        for unit in ["from-disk.service", "systemd-networkd.service"] {
            symlink(format!("../{unit}"), wants.join(unit)).unwrap();
        }
    }

    fn make_initramfs(&self) {
        self.write(
            "usr/etc/initramfs-tools/conf.d/small",
            "MODULES=list\nCOMPRESS=gzip\n",
        );
        self.write(
            "usr/etc/initramfs-tools/modules",
            "virtio_pci\nvirtio_blk\next4\n",
        );
        let etc = self.root.join("etc");
        fs::create_dir(&etc).unwrap();
        {
            let mut mounts = Mounts::default();
            let usr_etc = self.root.join("usr/etc");
            mounts.mount(&["--bind", usr_etc.to_str().unwrap()], etc.clone());
            mounts.mount(&["-t", "proc", "proc"], self.root.join("proc"));
            mounts.mount(&["-t", "tmpfs", "var"], self.root.join("var"));
            mounts.mount(&["-t", "tmpfs", "boot"], self.root.join("boot"));
            fs::create_dir(self.root.join("var/tmp")).unwrap();
            let kernel = self.kernel();
            let version = kernel.file_name().unwrap().to_str().unwrap();
            // There it is looked for.
            let config = self.root.join(format!("boot/config-{version}"));
            fs::copy(kernel.join("config"), config).unwrap();
            let mut make = Command::new("chroot");
            make.arg(&self.root)
                .args(["mkinitramfs", "-o"])
                .arg(format!("/usr/lib/modules/{version}/initramfs.img"))
                .arg(version)
                .env("TMPDIR", "/var/tmp")
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            run(&mut make);
        }
        fs::remove_dir(etc).unwrap();
    }
}

/// A server outside of the machine, and the machine's disk.
struct Site {
    disk: Disk,
    tree: Tree,
    published: Repo,
    server: Server,
    _scratch: Scratch,
}

impl Site {
    /// The machine has version 1.
    fn new() -> Self {
        let scratch = Scratch::new();
        let tree = Tree::new(scratch.path());
        let published = Program::ostler().init_quick(&scratch.join("published"), "archive");
        let server = Server::start(&Program::ostler(), published.path());
        let site = Self {
            disk: Disk::new(3072),
            tree,
            published,
            server,
            _scratch: scratch,
        };
        site.publish("1");
        site.deploy();
        site
    }

    fn publish(&self, version: &str) {
        let metadata = format!("--add-metadata-string=version={version}");
        let options = [metadata.as_str(), "--generate-composefs-metadata"];
        self.published
            .commit("os/stable", &self.tree.root, &options);
        self.published.run("summary", ["-u"]);
    }

    fn deploy(&self) {
        let mounted = self.disk.mount();
        let root = mounted.path().to_str().unwrap();
        let sysroot = format!("--sysroot={root}");
        let repo = format!("--repo={root}/ostree/repo");
        let url = self.server.url().replace("127.0.0.1", "10.0.2.2");
        let from = self.published.path().to_str().unwrap();
        ostler(&["admin", "init-fs", "--modern", root]);
        ostler(&["admin", "stateroot-init", &sysroot, "os"]);
        ostler(&["remote", "add", &repo, "--no-gpg-verify", "origin", &url]);
        ostler(&["pull-local", &repo, "--remote=origin", from, "os/stable"]);
        let deploy = ["admin", "deploy", &sysroot, "--os=os"];
        // A getty hangs up the line that the script writes to.
        let kargs = [
            "--karg=root=/dev/vda",
            "--karg=rw",
            "--karg=systemd.getty_auto=no",
        ];
        ostler(&[&deploy[..], &kargs, &["origin:os/stable"]].concat());
    }

    fn boot(&self, script: &str) -> Vec<String> {
        Machine::boot_on(MACHINE, &self.disk, script).said()
    }
}

/// Tells of the running system.
const LOOK: &str = r#"
say() { echo ":: $*"; }
try() { touch "$1/probe" 2>/dev/null && say "$1 writable" || say "$1 read-only"; }
say "version $(cat /usr/share/version)"
for dir in / /usr /etc /var; do try $dir; done
[ -e /sysroot/ostree/deploy/os/var/probe ] && say "var is the stateroot's"
say "$(systemctl is-active ostree-remount.service var.mount ostler-finalize-staged.path | tr '\n' ' ')"
"#;

const SYSTEM: [&str; 6] = [
    "/ read-only",
    "/usr read-only",
    "/etc writable",
    "/var writable",
    "var is the stateroot's",
    "active active active",
];

#[track_caller]
fn assert_system(said: &[String], version: &str) {
    assert_eq!(said[0], format!("version {version}"), "{said:?}");
    assert_eq!(said[1..7], SYSTEM, "{said:?}");
}

#[test]
#[ignore = "boots machines, with a whole OS tree"]
fn a_debian_upgrades_over_http_finishes_at_shutdown_rolls_back_and_restarts_by_kexec() {
    let site = Site::new();
    site.tree.write("usr/share/version", "2\n");
    site.tree.write("usr/etc/of-version-2", "new\n");
    site.publish("2");
    let upgrade = format!(
        "{LOOK}\n\
         echo mine >/etc/mine\n\
         systemctl start systemd-networkd-wait-online.service\n\
         ostler upgrade >/run/said 2>&1 || sed 's/^/:: /' /run/said\n\
         say \"$(ostler status --json | grep -c '\"staged\": true') staged\"\n\
         systemctl reboot\n"
    );
    let said = site.boot(&upgrade);
    assert_system(&said, "1");
    assert_eq!(said[7..], ["1 staged"]);

    let roll_back = format!(
        "{LOOK}\n\
         say \"$(cat /etc/mine /etc/of-version-2 | tr '\\n' ' ')\"\n\
         ostler rollback >/run/said 2>&1 || sed 's/^/:: /' /run/said\n\
         systemctl reboot\n"
    );
    let said = site.boot(&roll_back);
    assert_system(&said, "2");
    assert_eq!(said[7..], ["mine new"]);

    // The machine is not reset in between.
    let restart = format!(
        "{LOOK}\n\
         [ \"$(cat /usr/share/version)\" = 1 ] || exec systemctl poweroff\n\
         systemctl start systemd-networkd-wait-online.service\n\
         ostler admin upgrade --kexec >/run/said 2>&1 || sed 's/^/:: /' /run/said\n"
    );
    let said = site.boot(&restart);
    assert_system(&said, "1");
    assert_system(&said[7..], "2");
}
