//! Locks: between descriptors, in a stack, and with the real `ostree`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ostler_fs::Dir;
use ostler_fs::lock::{FileLock, LockError, LockMode, LockStack, Timeout};

fn open(dir: &Dir) -> std::fs::File {
    dir.open_or_create_file(".lock", 0o644)
        .expect("the lock file can be made")
}

fn ostree(arguments: &[&str]) -> Option<std::process::Output> {
    let output = Command::new("ostree")
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    output
        .inspect_err(|_| eprintln!("not tested: no `ostree` on this machine"))
        .ok()
}

#[test]
fn shared_locks_go_together_and_an_exclusive_one_alone() {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient(temp.path()).unwrap();
    let mut first = FileLock::acquire(open(&dir), LockMode::Shared, Timeout::Now).unwrap();
    let second = FileLock::acquire(open(&dir), LockMode::Shared, Timeout::Now).unwrap();
    let start = Instant::now();
    let error = first
        .change(
            LockMode::Exclusive,
            Timeout::After(Duration::from_millis(200)),
        )
        .unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(200) && error.is_timed_out());
    assert_eq!(
        first.mode(),
        LockMode::Shared,
        "a failed change keeps what was held"
    );
    let text = error.to_string();
    let me = format!("(pid {})", std::process::id());
    assert!(
        text.starts_with("no exclusive lock on `") && text.contains(&me),
        "{text}"
    );
    drop(second);
    first.change(LockMode::Exclusive, Timeout::Now).unwrap();
    assert!(FileLock::acquire(open(&dir), LockMode::Shared, Timeout::Now).is_err());
    first.change(LockMode::Shared, Timeout::Now).unwrap();
    FileLock::acquire(open(&dir), LockMode::Shared, Timeout::Now).unwrap();
}

#[test]
fn a_waiting_lock_is_had_soon_after_it_is_free() {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient(temp.path()).unwrap();
    let held = FileLock::acquire(open(&dir), LockMode::Exclusive, Timeout::Now).unwrap();
    let waiter = open(&dir);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let lock = FileLock::acquire(waiter, LockMode::Exclusive, Timeout::Never);
            (lock.map(|lock| lock.mode()), Instant::now())
        });
        std::thread::sleep(Duration::from_millis(300));
        let freed = Instant::now();
        drop(held);
        let (mode, had) = waiting.join().unwrap();
        assert_eq!(mode.unwrap(), LockMode::Exclusive);
        assert!(had >= freed && had - freed < Duration::from_secs(2));
    });
}

#[test]
fn a_stack_holds_the_strongest_that_its_guards_want() {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient(temp.path()).unwrap();
    let other = dir.try_clone().unwrap();
    let stack = LockStack::new(move || other.open_or_create_file(".lock", 0o644));
    let outer = stack.lock(LockMode::Shared, Timeout::Now).unwrap();
    let inner = stack.lock(LockMode::Exclusive, Timeout::Now).unwrap();
    let innermost = stack.clone().lock(LockMode::Shared, Timeout::Now).unwrap();
    assert_eq!(stack.held(), Some(LockMode::Exclusive));
    drop(outer);
    assert_eq!(stack.held(), Some(LockMode::Exclusive));
    assert!(FileLock::acquire(open(&dir), LockMode::Shared, Timeout::Now).is_err());
    drop(inner);
    assert_eq!(stack.held(), Some(LockMode::Shared));
    let reader = FileLock::acquire(open(&dir), LockMode::Shared, Timeout::Now).unwrap();
    let refused = stack.lock(LockMode::Exclusive, Timeout::Now);
    assert!(matches!(
        refused,
        Err(LockError::TimedOut {
            mode: LockMode::Exclusive,
            ..
        })
    ));
    assert_eq!(stack.held(), Some(LockMode::Shared));
    drop((innermost, reader));
    assert_eq!(stack.held(), None);
    FileLock::acquire(open(&dir), LockMode::Exclusive, Timeout::Now).unwrap();
}

/// A repository whose locks time out after a second, with one commit.
fn repository() -> Option<(tempfile::TempDir, Dir, String)> {
    let temp = tempfile::tempdir().expect("the temporary directory is writable");
    let repo = format!("--repo={}/repo", temp.path().display());
    ostree(&["init", &repo, "--mode=bare-user"])?;
    std::fs::create_dir(temp.path().join("tree")).expect("it is new");
    let tree = format!("--tree=dir={}/tree", temp.path().display());
    for arguments in [
        &["commit", &repo, "-b", "main", &tree][..],
        &["config", &repo, "set", "core.lock-timeout-secs", "1"],
    ] {
        let output = ostree(arguments)?;
        assert!(output.status.success(), "{output:?}");
    }
    let dir = Dir::open_ambient(temp.path().join("repo")).expect("ostree made it");
    Some((temp, dir, repo))
}

#[test]
fn ostree_waits_for_our_lock_and_gives_up() {
    let Some((_temp, dir, repo)) = repository() else {
        return;
    };
    for (mode, prune_passes) in [(LockMode::Exclusive, false), (LockMode::Shared, false)] {
        let lock = FileLock::acquire(open(&dir), mode, Timeout::Now).unwrap();
        let start = Instant::now();
        let output = ostree(&["prune", &repo, "--refs-only"]).unwrap();
        assert_eq!(
            output.status.success(),
            prune_passes,
            "prune needs the repository to itself: {output:?}"
        );
        assert!(start.elapsed() >= Duration::from_millis(900), "it waited");
        drop(lock);
        assert!(
            ostree(&["prune", &repo, "--refs-only"])
                .unwrap()
                .status
                .success()
        );
    }
    let lock = FileLock::acquire(open(&dir), LockMode::Shared, Timeout::Now).unwrap();
    let reset = ostree(&["commit", &repo, "-b", "other", "--tree=ref=main"]).unwrap();
    assert!(
        reset.status.success(),
        "a commit shares the repository: {reset:?}"
    );
    drop(lock);
}

#[test]
fn our_lock_waits_for_ostree() {
    let Some((temp, dir, repo)) = repository() else {
        return;
    };
    // A commit of a FIFO's reader end would hang in user space; stopping the process while it holds the lock is the same and works everywhere.
    for number in 0..2000 {
        std::fs::write(
            temp.path().join(format!("tree/{number}")),
            number.to_string(),
        )
        .unwrap();
    }
    let tree = format!("--tree=dir={}/tree", temp.path().display());
    let mut commit = Command::new("ostree")
        .args(["commit", &repo, "-b", "big", &tree])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = commit.id().to_string();
    let held = (0..2000).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        FileLock::acquire(open(&dir), LockMode::Exclusive, Timeout::Now).is_err()
    });
    assert!(held, "the commit was never seen with the lock");
    Command::new("kill").args(["-STOP", &pid]).status().unwrap();
    let ours = FileLock::acquire(
        open(&dir),
        LockMode::Exclusive,
        Timeout::After(Duration::from_millis(300)),
    );
    let shared = FileLock::acquire(open(&dir), LockMode::Shared, Timeout::Now);
    Command::new("kill").args(["-CONT", &pid]).status().unwrap();
    let text = ours.unwrap_err().to_string();
    assert!(
        text.contains(&format!("held by `ostree` (pid {pid})")),
        "{text}"
    );
    assert!(shared.is_ok(), "a commit shares the repository");
    drop(shared);
    assert!(commit.wait().unwrap().success());
    FileLock::acquire(
        open(&dir),
        LockMode::Exclusive,
        Timeout::After(Duration::from_secs(10)),
    )
    .unwrap();
}
