//! Loop devices: a file as a block device, for file systems that can only be mounted from one.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl;

use crate::error::{Context, FsError, Result};

const CONTROL: &str = "/dev/loop-control";
/// Others may take the device that was free a moment ago; so often another one is asked for.
const MAX_TRIES: u32 = 64;

/// `struct loop_info64` of linux/loop.h.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config` of linux/loop.h.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

const READ_ONLY: u32 = 1;
const AUTOCLEAR: u32 = 4;
const CONFIGURE: ioctl::Opcode = 0x4c0a;
const GET_FREE: ioctl::Opcode = 0x4c82;

/// Asks the loop driver for the number of a device that is free; the answer is the call's result.
struct GetFree;

// SAFETY: LOOP_CTL_GET_FREE takes no argument and touches no memory; its result is the number.
unsafe impl ioctl::Ioctl for GetFree {
    type Output = u32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> ioctl::Opcode {
        GET_FREE
    }

    fn as_ptr(&mut self) -> *mut rustix::ffi::c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(
        result: ioctl::IoctlOutput,
        _: *mut rustix::ffi::c_void,
    ) -> rustix::io::Result<u32> {
        u32::try_from(result).map_err(|_| Errno::INVAL)
    }
}

/// A loop device that goes away by itself once nobody has it open and nothing is mounted from it.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
    _open: File,
}

impl LoopDevice {
    /// The device, to mount it from.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes a block device of a file, for reading only. Needs `CAP_SYS_ADMIN`, the loop driver and its devices in `/dev`.
pub fn attach_read_only(file: &File) -> Result<LoopDevice> {
    attach(file, READ_ONLY | AUTOCLEAR)
}

/// As [`attach_read_only`], for writing, too.
pub fn attach_writable(file: &File) -> Result<LoopDevice> {
    attach(file, AUTOCLEAR)
}

fn attach(file: &File, loop_flags: u32) -> Result<LoopDevice> {
    let control = Path::new(CONTROL);
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, control, flags, Mode::empty()).context("open", control)?;
    for _ in 0..MAX_TRIES {
        // SAFETY: see the implementation of `GetFree`.
        let number = unsafe { ioctl::ioctl(opened.as_fd(), GetFree) }
            .context("ask for a free loop device", control)?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        // Writing is not asked for without need: what may be read only may be given read-only.
        let access = match loop_flags & READ_ONLY {
            0 => OFlags::RDWR,
            _ => OFlags::RDONLY,
        };
        let flags = access | OFlags::CLOEXEC;
        let device = rustix::fs::openat(CWD, &path, flags, Mode::empty()).context("open", &path)?;
        match configure(&device, file, loop_flags) {
            Ok(()) => {
                return Ok(LoopDevice {
                    path,
                    _open: File::from(device),
                });
            }
            Err(Errno::BUSY) => {}
            Err(errno) => return Err(FsError::new("set up", path, errno)),
        }
    }
    Err(FsError::new(
        "find a free device of",
        control.to_owned(),
        Errno::BUSY,
    ))
}

fn configure(device: impl AsFd, file: &File, flags: u32) -> rustix::io::Result<()> {
    let config = LoopConfig {
        fd: u32::try_from(file.as_raw_fd()).map_err(|_| Errno::BADF)?,
        block_size: 0,
        info: LoopInfo {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags,
            file_name: [0; 64],
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
        },
        reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads a `struct loop_config`, which `LoopConfig` mirrors; its descriptor is open during the call.
    unsafe {
        ioctl::ioctl(
            device.as_fd(),
            ioctl::Setter::<CONFIGURE, LoopConfig>::new(config),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_those_of_linux_loop_h() {
        assert_eq!((size_of::<LoopInfo>(), size_of::<LoopConfig>()), (232, 304));
    }
}
