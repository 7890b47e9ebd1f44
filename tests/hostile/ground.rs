//! Where a hostile thing is tried: a folder with things that must not change, and limits.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ostler_tests::{Program, Repo, Scratch, Snapshot, View};

/// Address space of the program: what an object merely claims must not be allocated.
const MEMORY_KIB: u64 = 1 << 20;
/// The largest file that it may write, in blocks of 512 bytes: 160 MiB, as metadata may have 128.
const FILE_BLOCKS: u64 = 320 << 10;
/// How long a refusal may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A scratch folder with a repository that is good, and a canary.
pub(crate) struct Ground {
    scratch: Scratch,
    canary: Snapshot,
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) struct Ending {
    /// Of the process; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// The most memory that it had at once, as far as that was seen while it ran.
    pub(crate) peak_kib: u64,
    /// What it said on stderr.
    pub(crate) stderr: String,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let scratch = Scratch::in_memory();
        let canary = scratch.join("canary");
        fs::create_dir_all(canary.join("dir/below")).unwrap();
        fs::write(canary.join("secret"), "secret").unwrap();
        fs::write(canary.join("dir/file"), "file").unwrap();
        // Looks like a ref.
        fs::write(canary.join("ref"), format!("{}\n", "0".repeat(64))).unwrap();
        let canary = Snapshot::of(&canary, View::ALL);
        Self { scratch, canary }
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// The folder outside which must stay as it is.
    pub(crate) fn canary(&self) -> PathBuf {
        self.scratch.join("canary")
    }

    /// The repository of whoever meets the enemy, which has a commit on `main` of its own; `ostler` works on it.
    pub(crate) fn victim(&self) -> Repo {
        let path = self.scratch.join("victim");
        if !path.exists() {
            let repo = Program::ostree().init_quick(&path, "bare-user");
            let tree = self.scratch.join("tree");
            fs::create_dir_all(tree.join("usr/bin")).unwrap();
            fs::write(tree.join("usr/bin/program"), "program").unwrap();
            fs::write(tree.join("empty"), "").unwrap();
            std::os::unix::fs::symlink("usr/bin", tree.join("bin")).unwrap();
            repo.commit("main", &tree, &["--canonical-permissions"]);
            fs::remove_dir_all(tree).unwrap();
        }
        Program::ostler().repo(&path)
    }

    /// Runs the program within limits.
    ///
    /// # Panics
    /// If it ends by a signal, a panic or not at all, or if the canary changed.
    pub(crate) fn attempt(&self, arguments: &[&str]) -> Ending {
        let program = Program::ostler();
        let mut output = tempfile::tempfile().unwrap();
        let script = format!(
            "ulimit -v {MEMORY_KIB}; ulimit -f {FILE_BLOCKS}; ulimit -c 0; exec \"$0\" \"$@\""
        );
        let mut plain = program.command(arguments);
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &script])
            .arg(program.path())
            .args(arguments)
            .env_clear();
        command.envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))),
        );
        plain.env_clear();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output.try_clone().unwrap());
        let began = Instant::now();
        let mut peak_kib = 0;
        let mut child = command.spawn().unwrap();
        let status = loop {
            peak_kib = peak(child.id()).unwrap_or(peak_kib);
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("{arguments:?} runs for more than {PATIENCE:?}");
            }
            sleep(Duration::from_millis(5));
        };
        output.seek(SeekFrom::Start(0)).unwrap();
        let mut stderr = Vec::new();
        output.read_to_end(&mut stderr).unwrap();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        assert!(
            status.code().is_some_and(|code| code != 101),
            "{arguments:?}: {status}\n{stderr}"
        );
        self.canary.assert_same(
            &Snapshot::of(&self.canary(), View::ALL),
            &format!("what is outside stays as it is ({arguments:?})"),
        );
        Ending {
            code: status.code(),
            peak_kib,
            stderr,
        }
    }

    /// As [`Ground::attempt`], and it must end with status 1 and name one of `culprits`.
    pub(crate) fn refuse(&self, arguments: &[&str], culprits: &[&str]) {
        let ending = self.attempt(arguments);
        assert_eq!(
            ending.code,
            Some(1),
            "{arguments:?} should refuse: {}",
            ending.stderr
        );
        let names_it = culprits
            .iter()
            .any(|culprit| ending.stderr.contains(culprit));
        assert!(
            names_it,
            "{arguments:?} does not name any of {culprits:?}: {}",
            ending.stderr
        );
    }
}

/// The most memory that a process has had at once so far, in KiB.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
