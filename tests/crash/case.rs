//! One command, killed everywhere.

use std::any::Any;
use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use ostler_tests::Scratch;
use ostler_tests::trace::{Call, Fate, Step, Traced, run};

/// Whose state was found after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// That from before the command.
    Old,
    /// That from after it.
    New,
}

/// A command and what must hold around it. The functions get the folder in which the command works.
pub(crate) struct Case<'a> {
    /// The command's name, for messages.
    pub(crate) name: &'a str,
    /// Begins as a copy of this folder, always at the same path.
    pub(crate) template: &'a Path,
    /// What is run, and run again.
    pub(crate) command: &'a dyn Fn(&Path) -> Command,
    /// What finishes the work after a kill; `None` is the same command.
    pub(crate) again: Option<&'a dyn Fn(&Path) -> Command>,
    /// Panics if something is torn; called after a kill. Tells whether the work was done already.
    pub(crate) after_kill: &'a dyn Fn(&Path) -> Seen,
    /// Panics if the command did not do its work; called after an undisturbed run and after a second run.
    pub(crate) after_run: &'a dyn Fn(&Path),
}

impl Case<'_> {
    /// Kills the command before every step.
    ///
    /// # Panics
    /// With all places at which something was wrong.
    pub(crate) fn run(&self) {
        let scratch = Scratch::in_memory();
        let work = scratch.join("work");
        self.copy_to(&work);
        let undisturbed = run(&(self.command)(&work), |_| Fate::Live);
        leave(&work);
        assert!(
            undisturbed.status.success(),
            "{}: {}",
            self.name,
            undisturbed.text
        );
        (self.after_run)(&work);
        let count = undisturbed
            .steps
            .iter()
            .filter(|step| !step.call.is_sync())
            .count();
        assert!(count > 2, "{}: only {count} steps were seen", self.name);
        let mut wrong = Vec::new();
        let mut seen = [0, 0];
        for number in (0..count).step_by(stride()) {
            self.copy_to(&work);
            let killed = kill_at(&(self.command)(&work), number);
            leave(&work);
            if killed.status.success() {
                // Threads share the work differently each time, so a run may have fewer steps.
                continue;
            }
            let checked = catch_unwind(AssertUnwindSafe(|| {
                let state = (self.after_kill)(&work);
                self.again(&work);
                state
            }));
            match checked {
                Ok(state) => seen[usize::from(state == Seen::New)] += 1,
                Err(panic) => {
                    let step = shown(killed.steps.last(), &work);
                    let text = text(&*panic);
                    wrong.push(format!("at {number} of {count}, {step}:\n{text}"));
                }
            }
        }
        let failed = wrong.len();
        wrong.truncate(5);
        assert!(
            failed == 0,
            "{}: {failed} of {count} kills did harm:\n{}",
            self.name,
            wrong.join("\n")
        );
        let [old, new] = seen;
        println!(
            "{}: {count} steps, of {} kills {old} left the old state and {new} the new",
            self.name,
            old + new
        );
        if stride() == 1 {
            assert!(
                old > 0 && new > 0,
                "{}: the work is done in no step",
                self.name
            );
        }
        self.fail(&work, count);
    }

    /// Lets the disk refuse steps: one step alone as broken, and all from one step on as full or read-only.
    fn fail(&self, work: &Path, count: usize) {
        let mut wrong = Vec::new();
        let mut tried = 0;
        for (index, number) in (0..count).step_by(failure_stride()).enumerate() {
            let trouble = TROUBLES[index % TROUBLES.len()];
            self.copy_to(work);
            let failed = fail_at(&(self.command)(work), number, trouble);
            leave(work);
            tried += 1;
            let checked = catch_unwind(AssertUnwindSafe(|| {
                let state = (self.after_kill)(work);
                match failed.status.code() {
                    Some(0) => assert_eq!(state, Seen::New, "it says that it is done"),
                    Some(_) => {
                        let says = |word: &str| failed.text.contains(word);
                        assert!(says("error: ") && says("hint: "), "no cause or no way out");
                    }
                    None => panic!("{}", failed.status),
                }
                self.again(work);
            }));
            if let Err(panic) = checked {
                let (text, said) = (text(&*panic), &failed.text);
                wrong.push(format!(
                    "{trouble:?} at {number} of {count}:\n{text}\nit said: {said}"
                ));
            }
        }
        let harmed = wrong.len();
        wrong.truncate(5);
        assert!(
            harmed == 0,
            "{}: {harmed} of {tried} failures of the disk did harm:\n{}",
            self.name,
            wrong.join("\n")
        );
        println!("{}: {tried} failures of the disk were borne", self.name);
    }

    fn again(&self, work: &Path) {
        let output = self.again.unwrap_or(self.command)(work).output().unwrap();
        leave(work);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", output.status);
        (self.after_run)(work);
    }

    fn copy_to(&self, work: &Path) {
        if work.exists() {
            remove(work);
        }
        copy(self.template, work);
    }
}

/// Takes away what was mounted below a folder.
pub(crate) fn leave(folder: &Path) {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let below: Vec<&Path> = points
        .map(Path::new)
        .filter(|point| point.starts_with(folder))
        .collect();
    for point in below.into_iter().rev() {
        umount2(point, MntFlags::MNT_DETACH).unwrap();
    }
}

/// Copies a folder with its links, owners and xattrs.
pub(crate) fn copy(folder: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(folder).arg(to).status();
    assert!(status.unwrap().success());
}

/// Removes a folder, immutable deployments too.
fn remove(folder: &Path) {
    if fs::remove_dir_all(folder).is_err() {
        let status = Command::new("chattr")
            .args(["-R", "-f", "-i"])
            .arg(folder)
            .status();
        status.unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
}

/// What a disk may answer.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// One step fails, and later ones work.
    Broken,
    /// What takes room fails from here on.
    Full,
    /// Everything fails from here on.
    ReadOnly,
}

const TROUBLES: [Trouble; 3] = [Trouble::Broken, Trouble::Full, Trouble::ReadOnly];

/// Runs a command whose step of that number meets with trouble.
fn fail_at(command: &Command, number: usize, trouble: Trouble) -> Traced {
    let mut count = 0;
    run(command, |step| {
        if step.call.is_sync() {
            return Fate::Live;
        }
        count += 1;
        // What programs say, and lock, is not on the disk in question.
        if step.path.starts_with("/tmp") || step.path.starts_with("/dev/pts") {
            return Fate::Live;
        }
        let takes_room = matches!(
            step.call,
            Call::Create | Call::Make | Call::Link | Call::Write
        );
        match trouble {
            Trouble::Broken if count - 1 == number => Fate::Fail(Errno::EIO),
            Trouble::Full if count > number && takes_room => Fate::Fail(Errno::ENOSPC),
            Trouble::ReadOnly if count > number => Fate::Fail(Errno::EROFS),
            _ => Fate::Live,
        }
    })
}

fn failure_stride() -> usize {
    // Each kind of trouble meets each third of these.
    stride() * 6 + 1
}

fn kill_at(command: &Command, number: usize) -> Traced {
    let mut left = number;
    run(command, |step| {
        if step.call.is_sync() {
            return Fate::Live;
        }
        if left == 0 {
            return Fate::Die;
        }
        left -= 1;
        Fate::Live
    })
}

fn stride() -> usize {
    match env::var("OSTLER_CRASH_STRIDE") {
        Ok(text) => text.parse().expect("OSTLER_CRASH_STRIDE is a number"),
        // Neighbours are often of one kind, such as the writes of one file.
        Err(_) if env::var("OSTLER_TEST_QUICK").is_ok_and(|quick| quick == "yes") => 7,
        Err(_) => 1,
    }
}

fn shown(step: Option<&Step>, work: &Path) -> String {
    let relative = |path: &Path| {
        path.strip_prefix(work)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    match step {
        None => "no step".to_owned(),
        Some(Step {
            call,
            path,
            to: None,
        }) => format!("{call:?} {}", relative(path)),
        Some(Step {
            call,
            path,
            to: Some(to),
        }) => format!("{call:?} {} to {}", relative(path), relative(to)),
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

/// Returns all names below `folder` that programs use for what is not finished, and that a finished command leaves nowhere.
pub(crate) fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let is_leftover = |path: &Path| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let in_tmp = path.parent().is_some_and(|parent| parent.ends_with("tmp")) && name != "cache";
        in_tmp || name.starts_with(".ostler-tmp-") || name.starts_with("staging-")
    };
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| is_leftover(path))
        .collect()
}
