//! A small initramfs of busybox, the modules for a virtual machine's disk, and `ostree-prepare-root`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use ostler_tests::{debian_tree, recent_kernel};

use crate::run;

/// What the disk, its file system and the layers of a root need.
const MODULES: [&str; 7] = [
    "virtio_pci",
    "virtio_blk",
    "ext4",
    "crc32c_generic",
    "loop",
    "erofs",
    "overlay",
];

/// Which Linux boots.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// That of Debian 12, which is 6.1.
    #[default]
    OfTheTree,
    /// One that checks the files of a composefs image.
    Recent,
}

impl Kernel {
    /// The folder of kernel and modules.
    pub(crate) fn dir(self) -> PathBuf {
        let modules = match self {
            Self::OfTheTree => debian_tree(1).join("usr/lib/modules"),
            Self::Recent => recent_kernel(),
        };
        let mut found = fs::read_dir(modules).unwrap();
        found.next().unwrap().unwrap().path()
    }
}

/// `ostree-prepare-root`, linked statically.
pub(crate) fn prepare_root() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = "x86_64-unknown-linux-gnu";
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args([
                "build",
                "--quiet",
                "--release",
                "--package=ostler-bootloader",
            ])
            .args(["--bin=ostree-prepare-root", "--target", target])
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        run(&mut cargo);
        let mut metadata = Command::new(env!("CARGO"));
        let metadata = run(metadata.args(["metadata", "--no-deps", "--format-version=1"]));
        let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
        let folder = Path::new(metadata["target_directory"].as_str().unwrap());
        folder.join(target).join("release/ostree-prepare-root")
    })
}

/// The modules and those that they need, in the order to load them.
fn module_files(kernel: &Path, file_system: &str) -> Vec<String> {
    let [text, builtin] = ["modules.dep", "modules.builtin"]
        .map(|name| fs::read_to_string(kernel.join(name)).unwrap());
    let mut ordered = Vec::new();
    let mut seen = BTreeSet::new();
    let more = [file_system].into_iter().filter(|name| !name.is_empty());
    for module in MODULES.into_iter().chain(more) {
        let suffix = format!("/{module}.ko");
        if builtin.lines().any(|line| line.ends_with(&suffix)) {
            continue;
        }
        let line = text
            .lines()
            .find(|line| line.split_once(':').unwrap().0.ends_with(&suffix))
            .unwrap_or_else(|| panic!("the kernel has no module {module}"));
        let (file, needs) = line.split_once(':').unwrap();
        // The file that is needed first stands last.
        let needs = needs.split_whitespace().rev();
        for file in needs.chain([file]) {
            if seen.insert(file) {
                ordered.push(file.to_owned());
            }
        }
    }
    ordered
}

/// Who makes the prepared root the system's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Init {
    /// The initramfs.
    Initramfs,
    /// Nobody: `ostree-prepare-root` is the first program, and the physical root its own.
    First,
}

/// What an initramfs has.
pub(crate) struct Contents<'a> {
    pub(crate) init: Init,
    /// Its `prepare-root.conf`.
    pub(crate) config: &'a str,
    /// Its key file.
    pub(crate) keys: Option<&'a str>,
    /// The module of the root's file system, if that is not ext4.
    pub(crate) file_system: &'a str,
    pub(crate) kernel: Kernel,
}

/// Writes an initramfs to `file`.
pub(crate) fn write(file: &Path, scratch: &Path, contents: &Contents<'_>) {
    let root = scratch.join("initramfs");
    if root.exists() {
        fs::remove_dir_all(&root).unwrap();
    }
    for dir in [
        "bin",
        "proc",
        "sys",
        "dev",
        "run",
        "sysroot",
        "lib",
        "etc/ostree",
        "usr/lib/ostree",
    ] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    fs::copy("/usr/bin/busybox", root.join("bin/busybox")).unwrap();
    symlink("busybox", root.join("bin/sh")).unwrap();
    fs::copy(
        prepare_root(),
        root.join("usr/lib/ostree/ostree-prepare-root"),
    )
    .unwrap();
    fs::write(root.join("etc/ostree/prepare-root.conf"), contents.config).unwrap();
    if let Some(keys) = contents.keys {
        fs::write(root.join("etc/ostree/initramfs-root-binding.key"), keys).unwrap();
    }
    let kernel = contents.kernel.dir();
    let mut script = String::from(
        "#!/bin/sh\n\
         export PATH=/bin\n\
         busybox mount -t proc proc /proc\n\
         busybox mount -t devtmpfs dev /dev\n\
         busybox mount -t tmpfs -o mode=755 run /run\n",
    );
    for module in module_files(&kernel, contents.file_system) {
        let name = Path::new(&module).file_name().unwrap().to_str().unwrap();
        fs::copy(kernel.join(&module), root.join("lib").join(name)).unwrap();
        script.push_str(&format!("busybox insmod /lib/{name}\n"));
    }
    script.push_str(
        "while [ ! -b /dev/vda ]; do busybox usleep 20000; done\n\
         case \" $(busybox cat /proc/cmdline) \" in *' ro '*) mode=ro ;; *) mode=rw ;; esac\n\
         device=/dev/vda\n\
         for word in $(busybox cat /proc/cmdline); do\n\
         case $word in root=UUID=*) wanted=${word#root=} ;; esac; done\n\
         if [ \"$wanted\" ]; then\n\
         device=$(busybox findfs $wanted) || { echo ':: no' $wanted; busybox poweroff -f; }\n\
         fi\n\
         busybox mount -o $mode $device /sysroot\n",
    );
    script.push_str(match contents.init {
        Init::Initramfs => {
            "/usr/lib/ostree/ostree-prepare-root /sysroot 2>/run/why ||\n\
             { echo ':: no root:' $(busybox cat /run/why); busybox poweroff -f; }\n\
             busybox mount --move /run /sysroot/run\n\
             busybox umount /proc\n\
             busybox mount --move /dev /sysroot/dev\n\
             exec busybox switch_root /sysroot /sbin/init\n"
        }
        // As the kernel would leave it: nothing is mounted but the root and /dev.
        Init::First => {
            "for word in $(busybox cat /proc/cmdline); do\n\
             case $word in ostree=*) link=${word#ostree=} ;; esac; done\n\
             busybox mkdir -p /sysroot/proc /sysroot/dev /sysroot/run\n\
             busybox mount --move /dev /sysroot/dev\n\
             busybox umount /run /proc\n\
             exec busybox switch_root /sysroot $link/usr/lib/ostree/ostree-prepare-root\n"
        }
    });
    let path = root.join("init");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut pack = Command::new("sh");
    run(pack
        .args([
            "-c",
            "cd \"$1\" && find . | cpio --quiet -o -H newc | gzip -1 >\"$2\"",
            "sh",
        ])
        .arg(&root)
        .arg(file));
}
