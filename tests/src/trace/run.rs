//! Runs a program under ptrace.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{self, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::call::{Step, at_entry};

/// What becomes of a program that is about to make a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Live,
    /// It is killed, and the step is not made.
    Die,
    /// The step is not made, and the program is told this error.
    Fail(Errno),
}

/// How a traced program went.
#[derive(Debug)]
pub struct Traced {
    /// The steps in the order in which they began; the last one was not made if the program was killed at it.
    pub steps: Vec<Step>,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to stdout and stderr.
    pub text: String,
}

/// Runs `command` and asks `decide` before each step; stdin and both outputs are set here.
#[expect(
    clippy::zombie_processes,
    reason = "the tracer waits for it, as it sees all of its stops"
)]
pub fn run(command: &Command, mut decide: impl FnMut(&Step) -> Fate) -> Traced {
    let mut output = tempfile::tempfile().unwrap();
    // A shell that waits, so that the tracer is there before the program's first call.
    let mut held = Command::new("/bin/sh");
    held.args(["-c", "read -r line; exec \"$0\" \"$@\" </dev/null"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::piped())
        .stdout(output.try_clone().unwrap())
        .stderr(output.try_clone().unwrap())
        .env_clear();
    let set = |(name, value): (&OsStr, Option<&OsStr>)| Some((name.to_owned(), value?.to_owned()));
    held.envs(command.get_envs().filter_map(set));
    if let Some(directory) = command.get_current_dir() {
        held.current_dir(directory);
    }
    let mut child = held.spawn().unwrap();
    let leader = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let options =
        Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options)
        .unwrap_or_else(|error| panic!("ptrace is not allowed here: {error}"));
    ptrace::interrupt(leader).unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let mut steps = Vec::new();
    let status = follow(leader, |thread| {
        let Some(step) = at_entry(thread) else {
            return Fate::Live;
        };
        let fate = decide(&step);
        steps.push(step);
        fate
    });
    output.seek(SeekFrom::Start(0)).unwrap();
    let mut text = Vec::new();
    output.read_to_end(&mut text).unwrap();
    Traced {
        steps,
        status,
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

/// Lets all threads run until the process ends; `entered` is called when one is about to make a system call.
fn follow(leader: Pid, mut entered: impl FnMut(Pid) -> Fate) -> ExitStatus {
    // Without the last flag children of other tests would be waited for, too.
    let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    let mut dead = false;
    let mut failing = HashMap::new();
    loop {
        let resume = match waitpid(Pid::from_raw(-1), Some(flags)) {
            Err(Errno::EINTR) => continue,
            Err(error) => panic!("waiting for {leader}: {error}"),
            Ok(WaitStatus::Exited(pid, code)) if pid == leader => {
                return ExitStatus::from_raw(code << 8);
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == leader => {
                return ExitStatus::from_raw(signal as i32);
            }
            Ok(WaitStatus::PtraceSyscall(thread)) => {
                let entry = ptrace::syscall_info(thread)
                    .is_ok_and(|info| info.op == libc::PTRACE_SYSCALL_INFO_ENTRY);
                if let Some(errno) = failing.remove(&thread).filter(|_| !entry) {
                    give_error(thread, errno);
                } else if entry && !dead {
                    match entered(thread) {
                        Fate::Live => {}
                        Fate::Die => {
                            dead = true;
                            signal::kill(leader, Signal::SIGKILL).unwrap();
                        }
                        Fate::Fail(errno) => {
                            skip_call(thread);
                            failing.insert(thread, errno);
                        }
                    }
                }
                Some((thread, None))
            }
            Ok(WaitStatus::PtraceEvent(thread, ..)) => Some((thread, None)),
            Ok(WaitStatus::Stopped(thread, signal)) => Some((thread, Some(signal))),
            Ok(_) => None,
        };
        if let Some((thread, signal)) = resume {
            match ptrace::syscall(thread, signal) {
                // It was killed meanwhile.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => panic!("resuming {thread}: {error}"),
            }
        }
    }
}

/// Has the kernel look for a system call that does not exist, at whose entry the thread has stopped.
#[cfg(target_arch = "x86_64")]
fn skip_call(thread: Pid) {
    let mut registers = ptrace::getregs(thread).unwrap();
    registers.orig_rax = u64::MAX;
    ptrace::setregs(thread, registers).unwrap();
}

/// Puts an error in the place of a system call's result, at whose exit the thread has stopped.
#[cfg(target_arch = "x86_64")]
fn give_error(thread: Pid, errno: Errno) {
    let mut registers = ptrace::getregs(thread).unwrap();
    registers.rax = i64::from(-(errno as i32)).cast_unsigned();
    ptrace::setregs(thread, registers).unwrap();
}

#[cfg(not(target_arch = "x86_64"))]
fn skip_call(_: Pid) {
    panic!("errors are injected on x86_64 alone");
}

#[cfg(not(target_arch = "x86_64"))]
fn give_error(_: Pid, _: Errno) {}
