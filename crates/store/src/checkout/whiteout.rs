//! Files that stand for deletions.
//!
//! Layers of container images say with an empty file `.wh.NAME` that NAME is gone. A commit says with `.ostree-wh.NAME` that
//! NAME is an overlayfs whiteout, which as a device no repository could keep.

use ostler_format::FileId;
use ostler_fs::Dir;

use super::directory::Work;
use super::{CheckoutError, CheckoutOptions, Overwrite};

const LAYER_PREFIX: &str = ".wh.";
const QUOTED_PREFIX: &str = ".ostree-wh.";
/// Says that a directory hides all that lower layers have in it.
pub(super) const OPAQUE: &str = ".wh..wh..opq";

const S_IFCHR: u32 = 0o020_000;

/// What a file's name asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whiteout<'n> {
    /// Nothing: the directory was emptied before its first file.
    Opaque,
    /// Remove this name.
    Removes(&'n str),
    /// Make an overlayfs whiteout of this name.
    Device(&'n str),
}

/// Returns what `name` asks for under these options; `None` for an ordinary file.
pub(super) fn recognize<'n>(name: &'n str, options: &CheckoutOptions<'_>) -> Option<Whiteout<'n>> {
    if options.whiteouts {
        if name == OPAQUE {
            return Some(Whiteout::Opaque);
        }
        if let Some(target) = name.strip_prefix(LAYER_PREFIX) {
            return ostler_format::check_name(target)
                .is_ok()
                .then_some(Whiteout::Removes(target));
        }
    }
    if options.passthrough_whiteouts
        && let Some(target) = name.strip_prefix(QUOTED_PREFIX)
    {
        return ostler_format::check_name(target)
            .is_ok()
            .then_some(Whiteout::Device(target));
    }
    None
}

impl Work<'_> {
    /// Makes the character device 0:0 with the owner, mode and xattrs of the file that stands for it.
    pub(super) fn place_device(
        &self,
        dir: &Dir,
        path: &str,
        name: &str,
        id: FileId,
    ) -> Result<(), CheckoutError> {
        let header = self.repo.open_file_object(id)?.header;
        if dir.exists(name)? {
            match self.options.overwrite {
                Overwrite::Add => return Ok(()),
                Overwrite::Union => drop(dir.remove_all(name)?),
                Overwrite::Refuse | Overwrite::Identical => {
                    return Err(CheckoutError::Differs {
                        path: format!("{path}{name}"),
                    });
                }
            }
        }
        dir.make_node(name, S_IFCHR | (header.mode & 0o7777), 0)?;
        if self.keeps_owner() {
            dir.set_owner(name, header.uid, header.gid)?;
        }
        let mode = S_IFCHR | (header.mode & 0o7777);
        let xattrs = self.xattrs(&format!("{path}{name}"), mode, &header.xattrs)?;
        for (key, value) in xattrs.iter() {
            dir.set_xattr(name, key, value)?;
        }
        dir.set_mode(name, header.mode & 0o7777)?;
        self.count_copy(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whiteout_never_names_the_directory_or_its_parent() {
        let options = CheckoutOptions {
            whiteouts: true,
            passthrough_whiteouts: true,
            ..CheckoutOptions::default()
        };
        for name in [
            ".wh.",
            ".wh..",
            ".wh...",
            ".ostree-wh.",
            ".ostree-wh..",
            ".ostree-wh...",
        ] {
            assert_eq!(recognize(name, &options), None, "{name}");
        }
        assert_eq!(recognize(".wh.a", &options), Some(Whiteout::Removes("a")));
        assert_eq!(
            recognize(".ostree-wh.a", &options),
            Some(Whiteout::Device("a"))
        );
        assert_eq!(recognize(".wh..wh..opq", &options), Some(Whiteout::Opaque));
        assert_eq!(recognize(".wh.a", &CheckoutOptions::default()), None);
    }
}
