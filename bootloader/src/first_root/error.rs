//! Why the root could not be prepared.

use std::path::PathBuf;

use ostler_format::bootlink::BootNameError;
use ostler_format::keyfile::KeyFileError;
use ostler_format::{ObjectError, VariantError};
use ostler_fs::FsError;

/// The reason why a system does not reach its deployment. It is read on a console, by someone without a shell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirstRootError {
    /// A file, directory or mount.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// The kernel was not told what to boot.
    #[error("the kernel's command line has no `ostree=`")]
    NoTarget,
    /// `ostree=`, or what is behind it, is of another form.
    #[error("the kernel's command line: {0}")]
    Target(#[from] BootNameError),
    /// `androidboot.slot_suffix` is neither of the two.
    #[error("the kernel's argument androidboot.slot_suffix must be _a or _b, not `{0}`")]
    Slot(String),
    /// The bootlink leads somewhere else.
    #[error("`{link}` leads to `{target}`, which is no deployment")]
    NoDeployment {
        /// The link.
        link: String,
        /// What it holds, shortened.
        target: String,
    },
    /// `prepare-root.conf` can't be parsed.
    #[error("`{path}`: {cause}")]
    Syntax {
        /// Which one.
        path: &'static str,
        /// What is wrong.
        cause: KeyFileError,
    },
    /// A setting in `prepare-root.conf` or on the kernel's command line has a value that it can't have.
    #[error("{setting} must be {expected}, not `{found}`")]
    Setting {
        /// The key, or the kernel's argument.
        setting: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Two settings that can't be together, or one without another.
    #[error("{0}")]
    Settings(&'static str),
    /// The deployment has no composefs image, and must have one.
    #[error("composefs is asked for, but `{0}` is missing")]
    NoImage(PathBuf),
    /// The image is not sealed with fs-verity.
    #[error("`{0}` is not sealed with fs-verity")]
    NotSealed(PathBuf),
    /// The image is another one than the signed commit says.
    #[error("`{path}` has the fs-verity digest {found}, and the signed commit says {expected}")]
    WrongImage {
        /// The image.
        path: PathBuf,
        /// What the commit says, in hex.
        expected: String,
        /// What the kernel says, in hex.
        found: String,
    },
    /// An overlay of this kernel cannot refuse files that are not sealed.
    #[error(
        "the kernel cannot check that every file is sealed with fs-verity: that needs Linux 6.6 or newer ({0})"
    )]
    OldKernel(FsError),
    /// The commit object is not what it is called.
    #[error("`{0}` is damaged: it is another commit")]
    WrongCommit(String),
    /// A commit that can't be parsed.
    #[error("`{path}` is damaged: {cause}")]
    DamagedCommit {
        /// The object.
        path: String,
        /// What is wrong.
        cause: ObjectError,
    },
    /// No key fits to a signature.
    #[error("no signature of commit {commit} is by a key of `{keys}`")]
    NotSigned {
        /// The commit.
        commit: String,
        /// The file of keys.
        keys: String,
    },
    /// The signed commit does not say which image it has.
    #[error("commit {0} is signed, but says no digest of its composefs image")]
    NoDigest(String),
    /// A key file without a key.
    #[error("`{path}` has no public key: {reason}")]
    NoKey {
        /// The file.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// What is to be left in `/run` can't be written.
    #[error("cannot write what was done: {0}")]
    Booted(#[from] VariantError),
}
