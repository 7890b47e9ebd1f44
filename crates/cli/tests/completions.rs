//! Completions in the shells themselves: what becomes of a line when Tab is pressed.

#![expect(
    clippy::unwrap_used,
    reason = "this is test code; a panic is its way to report"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A line that is typed, and what Tab makes of it.
const LINES: &[(&str, &str)] = &[
    ("compl", "completions"),
    ("show --repo=repo os/s", "show --repo=repo os/stable"),
    ("show --repo=repo ori", "show --repo=repo origin:os/next"),
    (
        "show --repo=repo origin:",
        "show --repo=repo origin:os/next",
    ),
    (
        "show --repo=repo --gpg-verify-remote=",
        "show --repo=repo --gpg-verify-remote=origin",
    ),
    (
        "remote show-url --repo=repo ",
        "remote show-url --repo=repo origin",
    ),
    (
        "ls --repo=repo os/stable /u",
        "ls --repo=repo os/stable /usr/",
    ),
    (
        "cat --repo=repo os/stable /usr/",
        "cat --repo=repo os/stable /usr/file",
    ),
    (
        "checkout --repo=repo os/stable ta",
        "checkout --repo=repo os/stable target",
    ),
];

/// A folder with a repository, the completions of each shell, and the program on a path of its own.
struct Ground {
    scratch: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let ground = Self {
            scratch: tempfile::tempdir().unwrap(),
        };
        let root = ground.path();
        for folder in ["bin", "tree/usr"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let program = Path::new(env!("CARGO_BIN_EXE_ostler"));
        std::os::unix::fs::symlink(program, root.join("bin/ostler")).unwrap();
        for file in ["target", "tree/usr/file"] {
            std::fs::write(root.join(file), "x").unwrap();
        }
        for line in [
            "init --repo=repo --mode=archive",
            "commit --repo=repo -b os/stable --tree=dir=tree",
            "refs --repo=repo --create=origin:os/next os/stable",
            "remote add --repo=repo origin http://example.com",
        ] {
            let output = ground.command("ostler").args(line.split(' ')).output();
            assert!(output.unwrap().status.success(), "{line}");
        }
        for shell in ["bash", "zsh", "fish"] {
            let mut command = ground.command("ostler");
            let output = command.args(["completions", shell]).output().unwrap();
            std::fs::write(root.join(format!("for.{shell}")), output.stdout).unwrap();
        }
        ground
    }

    fn path(&self) -> PathBuf {
        self.scratch.path().to_owned()
    }

    fn command(&self, program: &str) -> Command {
        let root = self.path();
        let path = format!("{}:/usr/bin:/bin", root.join("bin").display());
        let found = path
            .split(':')
            .map(|folder| Path::new(folder).join(program))
            .find(|file| file.exists());
        let found = found.unwrap_or_else(|| panic!("`apt-get install {program}`"));
        let mut command = Command::new(found);
        command
            .current_dir(&root)
            .env_clear()
            .env("PATH", path)
            .env("HOME", &root)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "dumb");
        command
    }

    /// Types the lines in an interactive shell on a terminal of its own, with a Tab behind each; then has them printed in place
    /// of run, which Control-A and a word before them do.
    fn type_in(&self, shell: &str, setup: &str) -> Vec<String> {
        let mut typed = format!("{setup}\n");
        for (line, _) in LINES {
            typed += &format!("ostler {line}\t\u{1}echo MADE \n");
        }
        typed += "exit\n";
        let mut command = self.command("script");
        command.args(["-qc", shell, "/dev/null"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let made = text.lines().filter_map(|line| {
            let line = line.trim_end().strip_prefix("MADE ostler ")?;
            Some(line.to_owned())
        });
        made.collect()
    }
}

fn wanted() -> Vec<&'static str> {
    LINES.iter().map(|(_, wanted)| *wanted).collect()
}

#[test]
fn bash_completes_verbs_refs_remotes_and_paths() {
    let made = Ground::new().type_in("bash --norc --noprofile -i", "source ./for.bash");
    assert_eq!(made, wanted());
}

#[test]
fn zsh_completes_verbs_refs_remotes_and_paths() {
    let setup = "autoload -U compinit; compinit -u -D; source ./for.zsh";
    assert_eq!(Ground::new().type_in("zsh -f -i", setup), wanted());
}

#[test]
fn fish_completes_verbs_refs_remotes_and_paths() {
    let ground = Ground::new();
    for (line, wanted) in LINES {
        let mut command = ground.command("fish");
        command.args(["--no-config", "-C", "source for.fish", "-c"]);
        let output = command.arg(format!("complete -C 'ostler {line}'"));
        let text = String::from_utf8(output.output().unwrap().stdout).unwrap();
        let values: Vec<_> = text
            .lines()
            .filter_map(|line| line.split('\t').next())
            .collect();
        // It tells what the last word may be.
        let word = wanted.rsplit(' ').next().unwrap();
        assert_eq!(values, [word], "{line}");
    }
}
