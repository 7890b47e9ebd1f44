//! The sysroot itself: steps are done by a program, and what is there is read without any of the project's code.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;

use ostler_tests::tree::os::{self, Os};
use ostler_tests::{Program, Repo, Scratch, boot_order};

use super::model::{Commit, Deployment, Model, Options, Others, Outcome, Step};

/// A sysroot that no system was booted from, and what it pulls from.
pub(super) struct Host {
    scratch: Scratch,
    published: Repo,
    /// Whether Ostler names boot entries as ostree 2022.7 does.
    old_names: bool,
}

impl Host {
    pub(super) fn new(old_names: bool) -> Self {
        let scratch = Scratch::in_memory();
        let published = Program::ostree().init_quick(&scratch.join("published"), "archive");
        let host = Self {
            scratch,
            published,
            old_names,
        };
        let sysroot = host.sysroot();
        fs::create_dir_all(sysroot.join("boot/loader.0")).unwrap();
        symlink("loader.0", sysroot.join("boot/loader")).unwrap();
        Program::ostree().run(["admin", "init-fs", sysroot.to_str().unwrap()]);
        let url = host.url();
        host.repo()
            .run("remote add", ["--no-gpg-verify", "origin", &url]);
        host.repo().run("config", ["set", "core.fsync", "false"]);
        host
    }

    fn sysroot(&self) -> PathBuf {
        self.scratch.join("sysroot")
    }

    fn repo(&self) -> Repo {
        Program::ostree().repo(&self.sysroot().join("ostree/repo"))
    }

    fn url(&self) -> String {
        format!("file://{}", self.published.path().display())
    }

    /// Commits a new version to a branch.
    pub(super) fn publish(&mut self, model: &mut Model, branch: &'static str, kernel: u64) {
        let version = model.commits.len() + 1;
        let tree = self.scratch.join("tree");
        let os = Os {
            version: &version.to_string(),
            kernel: &kernel.to_string(),
        };
        os::write(&tree, os);
        let id = self.published.run(
            "commit",
            [
                &format!("--branch={branch}"),
                &format!("--timestamp=@{}", 1_700_000_000 + version),
                &format!("--add-metadata-string=version={version}"),
                &format!("--tree=dir={}", tree.display()),
            ],
        );
        fs::remove_dir_all(&tree).unwrap();
        model.commits.push(Commit {
            id,
            branch,
            version,
            kernel,
        });
    }

    fn command(&self, program: &Program, arguments: &[&str]) -> Output {
        let sysroot = format!("--sysroot={}", self.sysroot().display());
        let mut all = vec!["admin"];
        all.extend(arguments);
        all.push(&sysroot);
        let names = match self.old_names {
            true => "skip-sync,bootloader-naming-1",
            false => "skip-sync",
        };
        let mut command = program.command(all);
        command.env("OSTREE_SYSROOT_OPTS", names).output().unwrap()
    }

    /// Does a step, and returns how it went and what was said.
    pub(super) fn take(&self, program: &Program, before: &Model, step: &Step) -> (Outcome, String) {
        if let Step::Write(index, name, _) | Step::Remove(index, name) = step {
            let path = root(&self.sysroot(), before, &before.deployments[*index]);
            self.edit(&path.join("etc").join(name), step);
            return (Outcome::Done, String::new());
        }
        if let Step::Deploy(_, branch, _) = step {
            let repo = self.repo().with(program);
            repo.run("pull", ["origin", branch]);
        }
        let arguments = self.arguments(step);
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = self.command(program, &words);
        let outcome = match output.status.code() {
            Some(0) => Outcome::Done,
            Some(_) => Outcome::Refused,
            None => panic!("{step}: {}", output.status),
        };
        let said = [output.stdout, output.stderr].concat();
        (outcome, String::from_utf8_lossy(&said).into_owned())
    }

    fn edit(&self, path: &Path, step: &Step) {
        match step {
            Step::Write(_, _, text) => {
                // A file may have been removed with its directory's only name.
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                // The default's file is a link to no object, but a new file is what an editor makes.
                fs::remove_file(path).ok();
                fs::write(path, text).unwrap();
            }
            _ => drop(fs::remove_file(path)),
        }
    }

    fn arguments(&self, step: &Step) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match step {
            Step::Init(stateroot) => words(&["os-init", stateroot]),
            Step::Deploy(stateroot, branch, options) => deploy(stateroot, branch, options),
            Step::Upgrade(stateroot) => words(&["upgrade", "--os", stateroot]),
            Step::Switch(stateroot, branch) => {
                words(&["switch", "--os", stateroot, &format!("origin:{branch}")])
            }
            Step::Undeploy(index) => words(&["undeploy", &index.to_string()]),
            Step::SetDefault(index) => words(&["set-default", &index.to_string()]),
            Step::Pin(index) => words(&["pin", &index.to_string()]),
            Step::Unpin(index) => words(&["pin", "--unpin", &index.to_string()]),
            Step::Follow(index, branch) => {
                let index = format!("--index={index}");
                words(&["set-origin", &index, "origin", &self.url(), branch])
            }
            Step::SetKargs(karg) => {
                let append = format!("--append={karg}");
                words(&["instutil", "set-kargs", "--merge", &append])
            }
            Step::KargIfMissing(karg) => {
                let append = format!("--append-if-missing={karg}");
                words(&["kargs", "edit-in-place", &append])
            }
            Step::Cleanup => words(&["cleanup"]),
            Step::Write(..) | Step::Remove(..) => unreachable!("no program does it"),
        }
    }

    /// Checks all that can be seen from outside against the model; `tidied` says that Ostler has just cleaned up.
    pub(super) fn check(&self, model: &Model, tidied: bool, transcript: &str) {
        let sysroot = self.sysroot();
        let order = boot_order::read(&sysroot);
        let name = |deployment: &Deployment| {
            format!(
                "{}.{}",
                model.commits[deployment.commit].id, deployment.serial
            )
        };
        let expected: Vec<String> = model.deployments.iter().map(name).collect();
        let found: Vec<&str> = order.iter().map(|slot| slot.deployment.as_str()).collect();
        assert_eq!(found, expected, "boot order\n{transcript}");
        for (slot, deployment) in order.iter().zip(&model.deployments) {
            assert_eq!(slot.root, root(&sysroot, model, deployment), "{transcript}");
            assert_eq!(
                slot.kargs,
                deployment.kargs.join(" "),
                "arguments\n{transcript}"
            );
            let kernel = model.commits[deployment.commit].kernel;
            assert_eq!(
                slot.kernel,
                format!("kernel {kernel} initramfs {kernel}"),
                "{transcript}"
            );
            check_etc(&slot.root, deployment, transcript);
            check_origin(&slot.root, deployment, transcript);
        }
        self.check_directories(model, &expected, tidied, transcript);
        self.check_refs(model, transcript);
        self.check_views(model, transcript);
    }

    /// Nothing is left of deployments and kernels that are not in the order, and nothing of the order lacks.
    fn check_directories(
        &self,
        model: &Model,
        expected: &[String],
        tidied: bool,
        transcript: &str,
    ) {
        let deploy = self.sysroot().join("ostree/deploy");
        let mut found = BTreeSet::new();
        for stateroot in &model.stateroots {
            let directory = deploy.join(stateroot).join("deploy");
            let directories = names(&directory).into_iter();
            let directories = directories.filter(|name| directory.join(name).is_dir());
            found.extend(directories.map(|name| format!("{stateroot}/{name}")));
        }
        let stateroots = model
            .deployments
            .iter()
            .map(|deployment| deployment.stateroot);
        let pairs = stateroots.zip(expected);
        let wanted: BTreeSet<String> = pairs.map(|(root, name)| format!("{root}/{name}")).collect();
        assert_eq!(found, wanted, "directories\n{transcript}");
        let kernels: BTreeSet<(&str, u64)> = model
            .deployments
            .iter()
            .map(|deployment| {
                let kernel = model.commits[deployment.commit].kernel;
                (deployment.stateroot, kernel)
            })
            .collect();
        let found = names(&self.sysroot().join("boot/ostree"));
        // What another stateroot boots with, too, ostree leaves to a cleanup of Ostler.
        let in_use = |name: &&String| {
            let of = name.rsplit('-').next().unwrap();
            found.iter().filter(|other| other.ends_with(of)).count() > 1
        };
        let right = match tidied {
            true => found.len() == kernels.len(),
            false => found.len() - found.iter().filter(in_use).count() <= kernels.len(),
        };
        assert!(
            right && found.len() >= kernels.len(),
            "kernels: {found:?}\n{transcript}"
        );
    }

    /// The refs of the active boot order hold its commits, and there are no others.
    fn check_refs(&self, model: &Model, transcript: &str) {
        let ostree = self.sysroot().join("ostree");
        let loader = fs::read_link(self.sysroot().join("boot/loader")).unwrap();
        let version = loader
            .to_str()
            .unwrap()
            .strip_prefix("loader.")
            .unwrap()
            .to_owned();
        let links = fs::read_link(ostree.join(format!("boot.{version}")));
        let sub = links.map_or("0".to_owned(), |links| {
            links
                .to_str()
                .unwrap()
                .rsplit('.')
                .next()
                .unwrap()
                .to_owned()
        });
        let refs = ostree.join("repo/refs/heads/ostree");
        let mut found = Vec::new();
        for boot in names(&refs) {
            for of in names(&refs.join(&boot)) {
                for index in names(&refs.join(&boot).join(&of)) {
                    let path = refs.join(&boot).join(&of).join(&index);
                    let commit = fs::read_to_string(path).unwrap().trim().to_owned();
                    found.push((format!("{boot}/{of}/{index}"), commit));
                }
            }
        }
        found.sort();
        let wanted = model
            .deployments
            .iter()
            .enumerate()
            .map(|(index, deployment)| {
                let commit = model.commits[deployment.commit].id.clone();
                (format!("{version}/{sub}/{index}"), commit)
            });
        assert_eq!(found, wanted.collect::<Vec<_>>(), "refs\n{transcript}");
    }

    /// Both programs tell the same.
    fn check_views(&self, model: &Model, transcript: &str) {
        let mut questions = vec![vec!["status"]];
        let first = model
            .deployments
            .first()
            .map(|first| format!("--os={}", first.stateroot));
        if let Some(first) = &first {
            questions.push(vec!["config-diff", first]);
        }
        for question in questions {
            let [theirs, ours] = [Program::ostree(), Program::ostler()].map(|program| {
                let output = self.command(&program, &question);
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(
                    output.status.success(),
                    "{question:?}: {said}\n{transcript}"
                );
                let text = String::from_utf8(output.stdout).unwrap();
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                if question[0] == "config-diff" {
                    // ostree lists names in the order of the directory.
                    lines.sort();
                }
                lines
            });
            assert_eq!(ours, theirs, "{question:?}\n{transcript}");
        }
    }

    /// Every object is whole, for both.
    pub(super) fn check_repository(&self) {
        for program in [Program::ostree(), Program::ostler()] {
            self.repo().with(&program).fsck();
        }
    }
}

fn deploy(stateroot: &str, branch: &str, options: &Options) -> Vec<String> {
    let mut arguments = vec!["deploy".to_owned(), format!("--os={stateroot}")];
    let mut push = |condition: bool, word: &str| {
        if condition {
            arguments.push(word.to_owned());
        }
    };
    push(options.others == Others::All, "--retain");
    push(options.others == Others::Pending, "--retain-pending");
    push(options.others == Others::Rollback, "--retain-rollback");
    push(options.not_as_default, "--not-as-default");
    push(options.no_merge, "--no-merge");
    arguments.extend(options.set_karg.iter().map(|karg| format!("--karg={karg}")));
    let append = options.append_karg.iter();
    arguments.extend(append.map(|karg| format!("--karg-append={karg}")));
    arguments.push(format!("origin:{branch}"));
    arguments
}

fn root(sysroot: &Path, model: &Model, deployment: &Deployment) -> PathBuf {
    let commit = &model.commits[deployment.commit].id;
    let directory = format!("ostree/deploy/{}/deploy", deployment.stateroot);
    let name = format!("{commit}.{}", deployment.serial);
    fs::canonicalize(sysroot)
        .unwrap()
        .join(directory)
        .join(name)
}

fn check_etc(root: &Path, deployment: &Deployment, transcript: &str) {
    for name in super::FILES {
        let found = fs::read_to_string(root.join("etc").join(name)).ok();
        let expected = deployment.etc.get(name).cloned();
        assert_eq!(
            found,
            expected,
            "{}: etc/{name}\n{transcript}",
            root.display()
        );
    }
}

fn check_origin(root: &Path, deployment: &Deployment, transcript: &str) {
    let mut path = root.as_os_str().to_owned();
    path.push(".origin");
    let text = fs::read_to_string(path).unwrap();
    let has = |line: &str| text.lines().any(|found| found == line);
    assert!(
        has(&format!("refspec=origin:{}", deployment.follows)),
        "{text}\n{transcript}"
    );
    assert_eq!(
        has("pinned=true"),
        deployment.pinned,
        "{text}\n{transcript}"
    );
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}
