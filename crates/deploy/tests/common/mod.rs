//! A small operating system, a repository of it, and a system root, made by the real `ostree`.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "support of tests, of which each file uses a part"
)]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler_deploy::host::Booted;
use ostler_deploy::{Host, Settings, Sysroot, SysrootLock};
use ostler_fs::mount::{self, MountTable};

pub struct Fixture {
    _temp: tempfile::TempDir,
    pub path: PathBuf,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // What a test has mounted in its own namespace would keep the folder.
        if let Ok(table) = MountTable::read() {
            for mount in table.below(&self.path) {
                let _ = mount::unmount(&mount.mount_point);
            }
        }
    }
}

impl Fixture {
    /// A repository with one version of the system, and an empty system root with the stateroot `os`.
    pub fn new() -> Self {
        let temp = tempfile::Builder::new()
            .prefix("ostler-deploy-")
            .tempdir_in("/var/tmp")
            .unwrap();
        let fixture = Self {
            path: temp.path().to_owned(),
            _temp: temp,
        };
        fixture.write("usr/bin/sh", "sh");
        fixture.write("usr/lib/modules/6.1/vmlinuz", "a kernel");
        fixture.write("usr/lib/modules/6.1/initramfs.img", "an initramfs");
        fixture.write(
            "usr/etc/os-release",
            "ID=testos\nPRETTY_NAME=\"Test OS 42\"\n",
        );
        fixture.write("usr/etc/a", "default a");
        fixture.write("usr/etc/b", "default b");
        fixture.ostree(&["--repo=repo", "init", "--mode=archive"]);
        fixture.ostree(&["--repo=repo", "config", "set", "core.fsync", "false"]);
        fixture.commit("1");
        fs::create_dir(fixture.path.join("sysroot")).unwrap();
        fixture.ostree(&["admin", "init-fs", "sysroot"]);
        fixture.admin(&["os-init", "os"]);
        fixture.ostree(&[
            "--repo=sysroot/ostree/repo",
            "config",
            "set",
            "core.fsync",
            "false",
        ]);
        let url = format!("file://{}", fixture.path.join("repo").display());
        fixture.ostree(&[
            "--repo=sysroot/ostree/repo",
            "remote",
            "add",
            "--set=gpg-verify=false",
            "o",
            &url,
        ]);
        fixture.pull();
        fixture
    }

    /// Writes a file of the tree.
    pub fn write(&self, path: &str, content: &str) {
        let path = self.path.join("tree").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Commits the tree and returns the commit.
    pub fn commit(&self, version: &str) -> String {
        let version = format!("--add-metadata-string=version={version}");
        self.ostree(&[
            "--repo=repo",
            "commit",
            "--bootable",
            &version,
            "-b",
            "os/stable",
            "tree",
        ])
    }

    pub fn pull(&self) {
        self.ostree(&["--repo=sysroot/ostree/repo", "pull", "o", "os/stable"]);
    }

    pub fn sysroot(&self) -> PathBuf {
        self.path.join("sysroot")
    }

    /// Runs `ostree` and returns what it prints.
    pub fn ostree(&self, arguments: &[&str]) -> String {
        let output = Command::new("ostree")
            .args(arguments)
            .current_dir(&self.path)
            .env("OSTREE_SYSROOT_DEBUG", "mutable-deployments")
            .env("OSTREE_SYSROOT_OPTS", "skip-sync")
            .output()
            .expect("the real ostree is installed");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ostree {arguments:?}: {stderr}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    pub fn admin(&self, arguments: &[&str]) -> String {
        self.ostree(&[&["admin", "--sysroot=sysroot"], arguments].concat())
    }

    pub fn real_deploy(&self, arguments: &[&str]) -> String {
        self.admin(&[&["deploy", "--os=os"], arguments, &["o:os/stable"]].concat())
    }

    /// What the real `ostree` says of the deployments.
    pub fn real_status(&self) -> String {
        self.admin(&["status"])
    }

    pub fn settings(&self) -> Settings {
        Settings {
            mutable_deployments: true,
            skip_sync: true,
            ..Settings::default()
        }
    }

    pub fn open(&self) -> Sysroot {
        Sysroot::open_on(self.sysroot(), self.settings(), self.host()).unwrap()
    }

    pub fn lock(&self) -> SysrootLock {
        SysrootLock::acquire_on(self.sysroot(), self.settings(), self.host(), &mut |_| ()).unwrap()
    }

    pub fn lock_on(&self, host: &Host) -> SysrootLock {
        SysrootLock::acquire_on(self.sysroot(), self.settings(), host.clone(), &mut |_| ()).unwrap()
    }

    /// The system root as `/` of a system that runs from the deployment at `index`.
    pub fn running(&self, index: usize) -> Host {
        let sysroot = self.open();
        let id = &sysroot.deployments[index].id;
        let deployment = fs::metadata(sysroot.deployment_path(id)).unwrap();
        let root = fs::metadata(self.sysroot()).unwrap();
        for directory in ["run", "running-var"] {
            fs::create_dir_all(self.path.join(directory)).unwrap();
        }
        Host {
            root: (root.dev(), root.ino()),
            booted: Some(Booted {
                backing_root: Some((deployment.dev(), deployment.ino())),
            }),
            ..self.host()
        }
    }

    /// A running system that was not booted from this system root.
    pub fn host(&self) -> Host {
        Host {
            root: (0, 0),
            booted: None,
            run: self.path.join("run"),
            var: self.path.join("running-var"),
            boot_id: "this boot".to_owned(),
            kernel_command_line: "quiet".to_owned(),
        }
    }

    /// The files and links below a directory, with the links' targets, sorted; empty if it is not there.
    pub fn listing(&self, below: &str) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.path.join(below), below, &mut found);
        found.sort();
        found
    }
}

fn list(path: &Path, shown: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let shown = format!("{shown}/{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => list(&entry.path(), &shown, found),
            kind if kind.is_symlink() => {
                found.push(format!(
                    "{shown} -> {}",
                    fs::read_link(entry.path()).unwrap().display()
                ));
            }
            _ => found.push(shown),
        }
    }
}
