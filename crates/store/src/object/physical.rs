//! What a mode makes of a file's metadata on disk.

use ostler_format::FileHeader;

use crate::error::StoreError;
use crate::mode::RepoMode;

/// The xattr in which `bare-user` keeps owner, mode and xattrs.
pub(crate) const USER_META_XATTR: &str = "user.ostreemeta";

/// Returns the permission bits that the object's file gets.
///
/// # Errors
/// [`StoreError::ModeNotCanonical`] if `bare-user-only` cannot keep the mode.
pub(crate) fn physical_mode(mode: RepoMode, header: &FileHeader) -> Result<u32, StoreError> {
    let is_symlink = header.is_symlink();
    Ok(match mode {
        RepoMode::Bare | RepoMode::BareSplitXattrs => header.mode & 0o7777,
        RepoMode::BareUser if is_symlink => 0o644,
        // No setuid bits for content that anyone can own, and always readable by the owner.
        RepoMode::BareUser => (header.mode & 0o775) | 0o400,
        RepoMode::BareUserOnly if is_symlink => 0o777,
        RepoMode::BareUserOnly => {
            let permissions = header.mode & 0o7777;
            if permissions & !0o775 != 0 {
                return Err(StoreError::ModeNotCanonical { mode: header.mode });
            }
            permissions
        }
        RepoMode::Archive => 0o644,
    })
}
