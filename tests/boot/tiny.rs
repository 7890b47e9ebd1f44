//! A tree of busybox and the program, and disks with a deployment of it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::{Disk, Mounted};
use crate::initramfs::{self, Init, Kernel};
use crate::{copy_program, ostler, run};

/// Runs what is on the second disk and turns the machine off.
const INIT: &str = "#!/usr/bin/sh\n\
    export PATH=/usr/bin:/usr/sbin\n\
    mount -t proc proc /proc 2>/dev/null\n\
    mount -t sysfs sys /sys 2>/dev/null\n\
    tr -d '\\0' </dev/vdb >/run/script\n\
    sh /run/script\n\
    sync\n\
    poweroff -f\n";

/// All that the program asks of the first program here.
const SYSTEMCTL: &str = "#!/usr/bin/sh\n\
    [ \"$1\" = reboot ] || exit 3\n\
    sync\n\
    reboot -f\n";

/// How the first root is configured.
#[derive(Default)]
pub(crate) struct Config<'a> {
    /// `prepare-root.conf`, of the initramfs and of the tree.
    pub(crate) prepare_root: &'a str,
    /// The initramfs's keys of signed commits.
    pub(crate) keys: Option<&'a str>,
    /// The secret key, in base64, that signs the commit.
    pub(crate) signed_by: Option<&'a str>,
    /// Kernel arguments.
    pub(crate) kargs: &'a [&'a str],
    pub(crate) first_program: bool,
    /// The root's, if it is not ext4.
    pub(crate) file_system: &'a str,
    pub(crate) kernel: Kernel,
}

/// A disk with one deployment of the tiny tree in the stateroot `os`.
pub(crate) struct Tiny {
    pub(crate) disk: Disk,
}

impl Tiny {
    pub(crate) fn new(config: &Config<'_>) -> Self {
        let disk = Disk::new(512);
        let tree = disk.scratch().join("tree");
        write_tree(&tree, disk.scratch(), config);
        let tiny = Self { disk };
        tiny.deploy(&tree, config);
        tiny
    }

    fn deploy(&self, tree: &Path, config: &Config<'_>) {
        let mounted = self.disk.mount();
        let sysroot = format!("--sysroot={}", mounted.path().display());
        let repo = format!("--repo={}", mounted.path().join("ostree/repo").display());
        ostler(&[
            "admin",
            "init-fs",
            "--modern",
            &mounted.path().display().to_string(),
        ]);
        ostler(&["admin", "stateroot-init", &sysroot, "os"]);
        let tree = format!("--tree=dir={}", tree.display());
        let mut commit = vec!["commit", &repo, "-b", "tiny", "-s", "tiny", &tree];
        commit.push("--generate-composefs-metadata");
        ostler(&commit);
        if let Some(secret) = config.signed_by {
            ostler(&["sign", &repo, "tiny", secret]);
        }
        let kargs = config.kargs.iter().map(|arg| format!("--karg={arg}"));
        let kargs: Vec<String> = kargs.collect();
        let mut deploy = vec!["admin", "deploy", &sysroot, "--os=os", "--karg=rw"];
        deploy.extend(kargs.iter().map(String::as_str));
        deploy.push("tiny");
        ostler(&deploy);
    }

    /// Spoils the content of a file of the deployment on the disk, beneath its file system.
    pub(crate) fn flip_a_bit(&self, path: &str) {
        // Not through the file system: a kernel without fs-verity does not open what is sealed.
        let inode = Self::file(&self.disk.mount(), path)
            .unwrap()
            .metadata()
            .unwrap()
            .ino();
        let mut debugfs = Command::new("/sbin/debugfs");
        debugfs.arg("-R").arg(format!("blocks <{inode}>"));
        let blocks = run(debugfs.arg(self.disk.image()));
        let block: u64 = blocks.split_whitespace().next().unwrap().parse().unwrap();
        let offset = block * 4096;
        let image = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.disk.image())
            .unwrap();
        let mut byte = [0];
        image.read_exact_at(&mut byte, offset).unwrap();
        assert_eq!(byte, *b"p", "the file's first byte");
        image.write_all_at(&[byte[0] ^ 1], offset).unwrap();
    }

    /// A file of a deployment on the mounted disk, if any of them has it.
    pub(crate) fn file(mounted: &Mounted, path: &str) -> Option<PathBuf> {
        let deploy = mounted.path().join("ostree/deploy/os/deploy");
        let deployments = fs::read_dir(deploy).unwrap();
        let mut files = deployments.map(|entry| entry.unwrap().path().join(path));
        files.find(|file| file.exists())
    }
}

/// Writes the tree.
pub(crate) fn write_tree(tree: &Path, scratch: &Path, config: &Config<'_>) {
    let kernel = config.kernel.dir();
    let version = kernel.file_name().unwrap();
    let modules = tree.join("usr/lib/modules").join(version);
    for dir in [
        "boot",
        "dev",
        "proc",
        "run",
        "sys",
        "sysroot",
        "tmp",
        "var",
        "usr/bin",
        "usr/lib64",
        "usr/etc",
    ] {
        fs::create_dir_all(tree.join(dir)).unwrap();
    }
    fs::create_dir_all(&modules).unwrap();
    fs::create_dir_all(tree.join("usr/lib/ostree")).unwrap();
    for (link, target) in [
        ("bin", "usr/bin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("sbin", "usr/bin"),
        ("usr/sbin", "bin"),
        ("ostree", "sysroot/ostree"),
    ] {
        symlink(target, tree.join(link)).unwrap();
    }
    fs::write(
        tree.join("usr/etc/os-release"),
        "ID=tiny\nPRETTY_NAME=Tiny\n",
    )
    .unwrap();
    fs::write(
        tree.join("usr/lib/ostree/prepare-root.conf"),
        config.prepare_root,
    )
    .unwrap();
    fs::create_dir(tree.join("usr/share")).unwrap();
    fs::write(tree.join("usr/share/plain"), "plain\n").unwrap();
    write_busybox(&tree.join("usr/bin"));
    write_program(tree);
    let init = tree.join("usr/bin/init");
    fs::remove_file(&init).unwrap();
    fs::write(&init, INIT).unwrap();
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).unwrap();
    let systemctl = tree.join("usr/bin/systemctl");
    fs::write(&systemctl, SYSTEMCTL).unwrap();
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(
        initramfs::prepare_root(),
        tree.join("usr/lib/ostree/ostree-prepare-root"),
    )
    .unwrap();
    fs::copy(kernel.join("vmlinuz"), modules.join("vmlinuz")).unwrap();
    let init = match config.first_program {
        true => Init::First,
        false => Init::Initramfs,
    };
    let image = modules.join("initramfs.img");
    let contents = initramfs::Contents {
        init,
        config: config.prepare_root,
        keys: config.keys,
        file_system: config.file_system,
        kernel: config.kernel,
    };
    initramfs::write(&image, scratch, &contents);
}

fn write_busybox(bin: &Path) {
    fs::copy("/usr/bin/busybox", bin.join("busybox")).unwrap();
    for applet in run(Command::new("/usr/bin/busybox").arg("--list")).lines() {
        if applet != "busybox" {
            symlink("busybox", bin.join(applet)).unwrap();
        }
    }
}

/// The program, without what debuggers read, and its libraries.
fn write_program(tree: &Path) {
    let ostler = tree.join("usr/bin/ostler");
    copy_program(&ostler);
    for line in run(Command::new("ldd").arg(&ostler)).lines() {
        let path = line.split_whitespace().find(|word| word.starts_with('/'));
        let Some(path) = path.map(Path::new) else {
            continue;
        };
        let is_loader = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("ld-"));
        let folder = if is_loader { "usr/lib64" } else { "usr/lib" };
        let name: &OsStr = path.file_name().unwrap();
        fs::copy(path, tree.join(folder).join(name)).unwrap();
    }
}
