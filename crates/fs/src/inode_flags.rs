//! Inode flags and fs-verity: what `chattr` and `fsverity` do.

use std::os::fd::AsFd;

use rustix::fs::IFlags;
use rustix::io::Errno;
use rustix::ioctl;

use crate::error::Result;
use crate::file::on;

/// What to do with the immutable flag of an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Immutable {
    /// Leave it.
    Keep,
    /// Set it: nobody, root neither, changes the inode until it is cleared.
    Set,
    /// Clear it.
    Clear,
}

/// Whether an inode has the immutable flag; false where the file system has no flags.
pub fn is_immutable(fd: impl AsFd) -> Result<bool> {
    match rustix::fs::ioctl_getflags(&fd) {
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL) => Ok(false),
        result => {
            on(&fd, "read inode flags of", || result).map(|flags| flags.contains(IFlags::IMMUTABLE))
        }
    }
}

/// Sets or clears the immutable flag; returns false where the file system has no flags. Needs `CAP_LINUX_IMMUTABLE`.
pub fn set_immutable(fd: impl AsFd, immutable: Immutable) -> Result<bool> {
    let flags = match rustix::fs::ioctl_getflags(&fd) {
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL) => return Ok(false),
        result => on(&fd, "read inode flags of", || result)?,
    };
    let wanted = match immutable {
        Immutable::Keep => flags,
        Immutable::Set => flags | IFlags::IMMUTABLE,
        Immutable::Clear => flags - IFlags::IMMUTABLE,
    };
    if wanted == flags {
        return Ok(true);
    }
    match rustix::fs::ioctl_setflags(&fd, wanted) {
        Err(Errno::NOTTY | Errno::OPNOTSUPP) => Ok(false),
        result => on(&fd, "change inode flags of", || result).map(|()| true),
    }
}

/// How enabling fs-verity ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verity {
    /// The file is sealed: reads are checked, writes refused.
    Enabled,
    /// It was sealed before.
    AlreadyEnabled,
    /// The kernel or the file system has no fs-verity.
    Unsupported,
}

/// `struct fsverity_enable_arg` of linux/fsverity.h.
#[repr(C)]
#[derive(Default)]
struct EnableArg {
    version: u32,
    hash_algorithm: u32,
    block_size: u32,
    salt_size: u32,
    salt_ptr: u64,
    sig_size: u32,
    reserved1: u32,
    sig_ptr: u64,
    reserved2: [u64; 11],
}

/// `struct fsverity_digest` of linux/fsverity.h with room for SHA-512.
#[repr(C)]
struct DigestArg {
    algorithm: u16,
    size: u16,
    digest: [u8; 64],
}

const SHA256: u16 = 1;
const ENABLE_VERITY: ioctl::Opcode = ioctl::opcode::write::<EnableArg>(b'f', 133);
/// The opcode holds the size of the header alone; the digest follows it.
const MEASURE_VERITY: ioctl::Opcode = ioctl::opcode::read_write::<[u16; 2]>(b'f', 134);

/// Seals a file with fs-verity: SHA-256, 4096-byte blocks, no salt, no signature. `fd` must be open for reading only, and by nobody for writing.
pub fn enable_verity(fd: impl AsFd) -> Result<Verity> {
    let argument = EnableArg {
        version: 1,
        hash_algorithm: u32::from(SHA256),
        block_size: 4096,
        ..EnableArg::default()
    };
    // SAFETY: FS_IOC_ENABLE_VERITY reads a `struct fsverity_enable_arg`, which `EnableArg` mirrors; its pointers are null with sizes of 0.
    let result = unsafe {
        ioctl::ioctl(
            fd.as_fd(),
            ioctl::Setter::<ENABLE_VERITY, EnableArg>::new(argument),
        )
    };
    match result {
        Ok(()) => Ok(Verity::Enabled),
        Err(Errno::EXIST) => Ok(Verity::AlreadyEnabled),
        Err(Errno::NOTTY | Errno::OPNOTSUPP) => Ok(Verity::Unsupported),
        Err(errno) => on(&fd, "enable fs-verity on", || Err(errno)),
    }
}

/// Returns the SHA-256 fs-verity digest that the kernel enforces; `None` if the file is not sealed, or by another algorithm.
pub fn measure_verity(fd: impl AsFd) -> Result<Option<[u8; 32]>> {
    let mut argument = DigestArg {
        algorithm: 0,
        size: 64,
        digest: [0; 64],
    };
    // SAFETY: FS_IOC_MEASURE_VERITY writes a `struct fsverity_digest` with at most `size` bytes of digest, for which `DigestArg` has room.
    let result = unsafe {
        ioctl::ioctl(
            fd.as_fd(),
            ioctl::Updater::<MEASURE_VERITY, DigestArg>::new(&mut argument),
        )
    };
    match result {
        Ok(()) if argument.algorithm == SHA256 && argument.size == 32 => {
            Ok(argument.digest.first_chunk::<32>().copied())
        }
        Ok(()) | Err(Errno::NODATA | Errno::NOTTY | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => on(&fd, "measure fs-verity of", || Err(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_and_layouts_are_those_of_linux_fsverity_h() {
        assert_eq!((size_of::<EnableArg>(), size_of::<DigestArg>()), (128, 68));
        assert_eq!(ENABLE_VERITY, 0x4080_6685);
        assert_eq!(MEASURE_VERITY, 0xc004_6686);
    }
}
