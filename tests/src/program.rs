//! The two programs, and repositories with the program that works on them.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// An executable that takes ostree's command line.
#[derive(Clone, Debug)]
pub struct Program {
    name: &'static str,
    path: PathBuf,
}

impl Program {
    /// Returns the project's own program.
    ///
    /// That is `$OSTLER_BIN` if set; otherwise it is built first, so that a suite never tests a stale one.
    pub fn ostler() -> Self {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        let path = BUILT
            .get_or_init(|| env::var_os("OSTLER_BIN").map_or_else(build_ostler, PathBuf::from));
        Self {
            name: "ostler",
            path: path.clone(),
        }
    }

    /// Returns Debian's `ostree`.
    ///
    /// # Panics
    /// If it is not installed: a suite without it would prove nothing.
    pub fn ostree() -> Self {
        let path = PathBuf::from("/usr/bin/ostree");
        assert!(
            path.exists(),
            "this suite compares with the real ostree: `apt-get install ostree ostree-tests`"
        );
        Self {
            name: "ostree",
            path,
        }
    }

    /// Returns `ostler` or `ostree`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the executable.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a command with a plain environment: UTC, no locale, deployments that can be removed again.
    pub fn command<I>(&self, arguments: I) -> Command
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .env_clear()
            .env(
                "PATH",
                env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into()),
            )
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("OSTREE_SYSROOT_DEBUG", "mutable-deployments")
            // Boot entries as ostree 2022.7 calls them.
            .env("OSTREE_SYSROOT_OPTS", "bootloader-naming-1")
            .stdin(Stdio::null());
        command
    }

    /// Runs to the end and returns what it gave, whatever its status.
    pub fn output<I>(&self, arguments: I) -> Output
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut command = self.command(arguments);
        command
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Runs and returns stdout as text; it must succeed.
    pub fn run<I>(&self, arguments: I) -> String
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut command = self.command(arguments);
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{command:?}\n{}\n{stderr}",
            output.status
        );
        String::from_utf8(output.stdout)
            .unwrap_or_else(|_| panic!("{command:?}: stdout is not UTF-8"))
    }

    /// Runs and returns stderr as text; it must fail, and by an exit status rather than a signal.
    pub fn fail<I>(&self, arguments: I) -> String
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut command = self.command(arguments);
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let failed = output.status.code().is_some_and(|code| code != 0);
        assert!(failed, "{command:?} should fail, but: {}", output.status);
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Makes a repository and returns it.
    pub fn init(&self, path: &Path, mode: &str) -> Repo {
        self.run([
            OsString::from("init"),
            repo_option(path),
            format!("--mode={mode}").into(),
        ]);
        self.repo(path)
    }

    /// Makes a repository that does not wait for the disk: `core.fsync` is off.
    pub fn init_quick(&self, path: &Path, mode: &str) -> Repo {
        let repo = self.init(path, mode);
        let file = path.join("config");
        let config = std::fs::read_to_string(&file).unwrap();
        assert!(config.contains("[core]\n"), "{}", file.display());
        std::fs::write(
            &file,
            config.replacen("[core]\n", "[core]\nfsync=false\n", 1),
        )
        .unwrap();
        repo
    }

    /// Returns a repository that is there.
    pub fn repo(&self, path: &Path) -> Repo {
        Repo {
            program: self.clone(),
            path: path.to_owned(),
        }
    }
}

/// Returns the real program; short for [`Program::ostree`].
pub fn real_ostree() -> Program {
    Program::ostree()
}

/// A repository and the program that works on it.
#[derive(Clone, Debug)]
pub struct Repo {
    program: Program,
    path: PathBuf,
}

impl Repo {
    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Returns the same repository, to be worked on by another program.
    pub fn with(&self, program: &Program) -> Self {
        program.repo(&self.path)
    }

    /// Runs `verb` on this repository and returns stdout without the newline at its end; it must succeed.
    pub fn run<I>(&self, verb: &str, arguments: I) -> String
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut stdout = self.program.run(self.arguments(verb, arguments));
        if stdout.ends_with('\n') {
            stdout.pop();
        }
        stdout
    }

    /// Runs `verb` on this repository and returns stderr; it must fail.
    pub fn fail<I>(&self, verb: &str, arguments: I) -> String
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.program.fail(self.arguments(verb, arguments))
    }

    /// Commits the folder `tree` to `branch` at a fixed time and returns the id.
    pub fn commit(&self, branch: &str, tree: &Path, options: &[&str]) -> String {
        let mut arguments = vec![
            OsString::from("--branch"),
            branch.into(),
            "--timestamp=2024-05-06T07:08:09Z".into(),
            "--subject=a subject".into(),
        ];
        arguments.extend(options.iter().map(OsString::from));
        let mut tree_option = OsString::from("--tree=dir=");
        tree_option.push(tree);
        arguments.push(tree_option);
        self.run("commit", arguments)
    }

    /// Returns the commit that `rev` names.
    pub fn rev_parse(&self, rev: &str) -> String {
        self.run("rev-parse", [rev])
    }

    /// Checks every object.
    pub fn fsck(&self) {
        self.run("fsck", ["--quiet"]);
    }

    /// Returns the loose objects by their names, as `ab/cdef.commit`, sorted.
    pub fn objects(&self) -> Vec<String> {
        let mut names = Vec::new();
        for folder in read_dir(&self.path.join("objects")) {
            let prefix = folder.file_name().unwrap().to_string_lossy().into_owned();
            for object in read_dir(&folder) {
                names.push(format!(
                    "{prefix}/{}",
                    object.file_name().unwrap().to_string_lossy()
                ));
            }
        }
        names.sort();
        names
    }

    fn arguments<I>(&self, verb: &str, arguments: I) -> Vec<OsString>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        // Verbs of two words, such as `remote add`.
        let mut all: Vec<OsString> = verb.split(' ').map(OsString::from).collect();
        all.push(repo_option(&self.path));
        all.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        all
    }
}

fn repo_option(path: &Path) -> OsString {
    let mut option = OsString::from("--repo=");
    option.push(path);
    option
}

fn read_dir(path: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Builds the program with the profile of the running test and returns its path.
fn build_ostler() -> PathBuf {
    let test = env::current_exe().expect("a running test has a path");
    // target/PROFILE/deps/TEST
    let profile_dir = test
        .parent()
        .and_then(Path::parent)
        .expect("cargo puts tests two levels down")
        .to_owned();
    let program = profile_dir.join("ostler");
    if let Some(cargo) = env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package=ostler", "--bin=ostler"]);
        if profile_dir.ends_with("release") {
            build.arg("--release");
        }
        build.arg("--target-dir").arg(
            profile_dir
                .parent()
                .expect("a profile is a folder of the target folder"),
        );
        let status = build
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo runs");
        assert!(status.success(), "cargo could not build `ostler`");
    }
    assert!(
        program.exists(),
        "no {}: `cargo build -p ostler` first, or set OSTLER_BIN",
        program.display()
    );
    program
}
