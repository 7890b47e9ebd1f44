//! Freezing a file system for a moment, which writes its journal back: a boot loader that can't replay journals then reads what was written.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::libc;
use rustix::io::Errno;
use rustix::ioctl;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, WaitOptions};

use crate::dir::Dir;
use crate::error::{FsError, Result};
use crate::file::on;

const FREEZE: ioctl::Opcode = ioctl::opcode::read_write::<libc::c_int>(b'X', 119);
const THAW: ioctl::Opcode = ioctl::opcode::read_write::<libc::c_int>(b'X', 120);

impl Dir {
    /// Freezes the file system of this directory and thaws it at once; returns false where the file system can't be frozen.
    ///
    /// Everything written before is then in place, not only in the journal. A frozen file system blocks every writer, so a small child process
    /// stands by that thaws it if this one is killed in between. Needs `CAP_SYS_ADMIN`.
    pub fn freeze_and_thaw(&self) -> Result<bool> {
        let watchdog = Watchdog::start(self)?;
        let frozen = match freeze(self.as_fd()) {
            // EBUSY: another program has frozen it; it is not ours to thaw.
            Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::BUSY) => false,
            result => on(self, "freeze the file system of", || result).map(|()| true)?,
        };
        let thawed = if frozen {
            on(self, "thaw the file system of", || thaw(self.as_fd()))
        } else {
            Ok(())
        };
        watchdog.dismiss();
        thawed.map(|()| frozen)
    }
}

fn freeze(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: FIFREEZE takes no argument that it reads.
    unsafe { ioctl::ioctl(fd, ioctl::NoArg::<FREEZE>::new()) }
}

fn thaw(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: FITHAW takes no argument that it reads.
    unsafe { ioctl::ioctl(fd, ioctl::NoArg::<THAW>::new()) }
}

/// A child process that thaws the file system when this process dies.
struct Watchdog {
    child: Pid,
    /// A byte through it means that all is well; its end means that this process is gone.
    pipe: OwnedFd,
}

impl Watchdog {
    fn start(dir: &Dir) -> Result<Self> {
        let pipe = rustix::pipe::pipe_with(PipeFlags::CLOEXEC);
        let (read_end, write_end) = pipe.map_err(|errno| failed(dir, errno.into()))?;
        // SAFETY: other threads may hold locks at this moment, so the child only makes system calls: `watch` neither allocates nor returns.
        match unsafe { libc::fork() } {
            -1 => Err(failed(dir, std::io::Error::last_os_error())),
            0 => watch(dir.as_fd(), read_end.as_fd(), write_end),
            child => {
                let child =
                    Pid::from_raw(child).expect("fork returns a positive number to the parent");
                Ok(Watchdog {
                    child,
                    pipe: write_end,
                })
            }
        }
    }

    fn dismiss(self) {
        // If the child is gone there is nothing to tell it and nothing to wait for.
        let _ = rustix::io::write(&self.pipe, &[1]);
        while let Err(Errno::INTR) =
            rustix::process::waitpid(Some(self.child), WaitOptions::empty())
        {}
    }
}

/// The child's life.
fn watch(dir: BorrowedFd<'_>, read_end: BorrowedFd<'_>, write_end: OwnedFd) -> ! {
    let mut signals = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initializes the set that sigprocmask then reads. What ends the parent must not end the child first.
    unsafe {
        libc::sigfillset(signals.as_mut_ptr());
        libc::sigprocmask(libc::SIG_BLOCK, signals.as_ptr(), std::ptr::null_mut());
    }
    drop(write_end);
    let mut byte = [0_u8];
    let told = loop {
        match rustix::io::read(read_end, &mut byte) {
            Err(Errno::INTR) => {}
            result => break result,
        }
    };
    if told != Ok(1) {
        let _ = thaw(dir);
    }
    // SAFETY: ends the process without running what the parent registered for its end.
    unsafe { libc::_exit(0) }
}

#[cold]
fn failed(dir: &Dir, error: std::io::Error) -> FsError {
    FsError::new("start the thaw watchdog for", dir.shown_path(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_are_those_of_linux_fs_h() {
        assert_eq!((FREEZE, THAW), (0xc004_5877, 0xc004_5878));
    }
}
