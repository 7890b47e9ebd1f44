//! The kernel that takes over at a restart without firmware.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;

use nix::libc;
use rustix::io::Errno;

use crate::error::{FsError, Result};

/// `KEXEC_FILE_NO_INITRAMFS` of the kernel's interface.
const NO_INITRAMFS: libc::c_ulong = 4;

/// Loads the kernel that `systemctl kexec`, or `reboot(2)` with `LINUX_REBOOT_CMD_KEXEC`, starts next; one that was loaded before is dropped.
///
/// `initrd` is what the boot loader would load: one archive, or several behind each other. Nothing restarts by this. Needs `CAP_SYS_BOOT`.
///
/// # Errors
/// `ENOSYS` of a kernel without `kexec_file_load`, `EPERM` where it is locked down, `ENOEXEC` and `EKEYREJECTED` for an image that it does not take.
pub fn load(kernel: &File, initrd: Option<&File>, command_line: &str) -> Result<()> {
    let failed = |errno| FsError::new("load the kernel of", "the next boot", errno);
    let command_line = CString::new(command_line).map_err(|_| failed(Errno::INVAL))?;
    let length = command_line.as_bytes_with_nul().len() as libc::c_ulong;
    let (initrd, flags) = match initrd {
        Some(initrd) => (initrd.as_raw_fd(), 0),
        None => (-1, NO_INITRAMFS),
    };
    // SAFETY: both descriptors are open for the call (or -1, with the flag that says so), and `command_line` has `length` bytes with its NUL.
    let result = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            kernel.as_raw_fd(),
            initrd,
            length,
            command_line.as_ptr(),
            flags,
        )
    };
    match result {
        -1 => {
            let errno = nix::errno::Errno::last_raw();
            Err(failed(Errno::from_raw_os_error(errno)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_kernel_is_refused_and_nothing_is_loaded() {
        let file = tempfile::tempfile().unwrap();
        let error = load(&file, None, "quiet").unwrap_err();
        assert!(error.to_string().contains("load the kernel"), "{error}");
        assert!(load(&file, None, "qu\0iet").is_err());
    }
}
