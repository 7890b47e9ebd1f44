use crate::error::ObjectError;

/// The bits of a mode that tell the file's type.
pub const S_IFMT: u32 = 0o170000;
/// The type of a directory.
pub const S_IFDIR: u32 = 0o040000;
/// The type of a regular file.
pub const S_IFREG: u32 = 0o100000;
/// The type of a symlink.
pub const S_IFLNK: u32 = 0o120000;

/// Refuses a mode of another type than `types`, or with bits that are neither type nor 07777.
pub(crate) fn check_mode(
    object: &'static str,
    mode: u32,
    types: &[u32],
) -> Result<(), ObjectError> {
    if types.contains(&(mode & !0o7777)) {
        Ok(())
    } else {
        Err(ObjectError::Mode { object, mode })
    }
}
