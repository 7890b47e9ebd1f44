//! Verbs of the host, as rpm-ostree has them, on a system root that the real `ostree` reads after each of them.

mod arguments;
mod layers;
mod packages;
mod running;
mod told;
mod updates;
mod versions;

use std::fs;
use std::path::PathBuf;

use ostler_tests::tree::os::{self, Os};
use ostler_tests::{Program, Repo, Scratch};
use serde_json::Value;

/// A system root with one deployment of `testos`, which follows `o:os/stable` in an archive on this machine.
struct Host {
    scratch: Scratch,
    sysroot: PathBuf,
    remote: Repo,
}

impl Host {
    fn new() -> Self {
        let scratch = Scratch::in_memory();
        let sysroot = scratch.join("sysroot");
        let remote = Program::ostler().init_quick(&scratch.join("repo"), "archive");
        let host = Self {
            scratch,
            sysroot,
            remote,
        };
        fs::create_dir(&host.sysroot).unwrap();
        host.publish("1", &[]);
        Program::ostler().run(["admin", "init-fs", host.sysroot.to_str().unwrap()]);
        host.run(&["admin", "stateroot-init", "testos"]);
        let url = format!("file://{}", host.remote.path().display());
        let repo = Program::ostler().repo(&host.sysroot.join("ostree/repo"));
        repo.run("remote", ["add", "--no-gpg-verify", "o", &url]);
        repo.run("pull", ["o", "os/stable"]);
        host.run(&[
            "admin",
            "deploy",
            "--os=testos",
            "--karg=root=LABEL=root",
            "o:os/stable",
        ]);
        host
    }

    fn publish(&self, version: &str, files: &[(&str, &str)]) -> String {
        let tree = self.scratch.join(format!("tree-{version}"));
        let kernel = "one for all";
        os::write(&tree, Os { version, kernel });
        for (path, content) in files {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let version = format!("--add-metadata-string=version={version}");
        self.remote.commit("os/stable", &tree, &[&version])
    }

    fn run(&self, arguments: &[&str]) -> String {
        Program::ostler().run(self.arguments(arguments))
    }

    /// A host verb; the system root is not the running one, so that the stateroot is named.
    fn host(&self, arguments: &[&str]) -> String {
        self.run(&[arguments, &["--stateroot=testos"]].concat())
    }

    fn fail(&self, arguments: &[&str]) -> String {
        Program::ostler().fail(self.arguments(arguments))
    }

    fn code(&self, arguments: &[&str]) -> Option<i32> {
        Program::ostler()
            .output(self.arguments(arguments))
            .status
            .code()
    }

    fn arguments(&self, arguments: &[&str]) -> Vec<String> {
        let all = arguments.iter().map(|&argument| argument.to_owned());
        all.chain([format!("--sysroot={}", self.sysroot.display())])
            .collect()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(arguments)).unwrap()
    }

    /// The deployments, which the real program must be able to tell of, too.
    fn status(&self) -> Vec<Value> {
        let sysroot = format!("--sysroot={}", self.sysroot.display());
        let real = Program::ostree().run(["admin", "status", &sysroot]);
        let status = self.json(&["status", "--json"]);
        let deployments = status["deployments"].as_array().unwrap().clone();
        assert_eq!(real.matches("testos ").count(), deployments.len(), "{real}");
        deployments
    }

    fn root(&self, index: usize) -> PathBuf {
        let deployment = &self.status()[index];
        let commit = deployment["checksum"].as_str().unwrap();
        let name = format!("{commit}.{}", deployment["serial"]);
        self.sysroot.join("ostree/deploy/testos/deploy").join(name)
    }

    fn kargs(&self) -> String {
        let text = self.run(&["kargs"]);
        let words = text.split_whitespace();
        let chosen = words.filter(|word| !word.starts_with("ostree="));
        chosen.collect::<Vec<_>>().join(" ")
    }

    /// The archives that the boot entry of the default deployment loads after its initramfs.
    fn overlays(&self) -> Vec<PathBuf> {
        let entries = self.sysroot.join("boot/loader/entries");
        let mut names: Vec<PathBuf> = fs::read_dir(entries)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        let text = fs::read_to_string(names.last().unwrap()).unwrap();
        let initrds = text.lines().filter_map(|line| line.strip_prefix("initrd "));
        let overlays = initrds.filter(|path| path.contains("initramfs-overlays"));
        overlays
            .map(|path| self.sysroot.join("boot").join(path.trim_start_matches('/')))
            .collect()
    }
}
