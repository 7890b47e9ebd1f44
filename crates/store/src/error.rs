//! What can go wrong in the repository itself; verbs wrap it in their own error enums.

use std::path::PathBuf;

use ostler_format::pack::PackIndex;
use ostler_format::{Checksum, CommitId, ObjectError, ObjectKind, ObjectName};
use ostler_fs::FsError;

use crate::config::ConfigError;
use crate::mode::RepoMode;

/// A failure of the repository: its files, its objects or its refs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file-system call failed.
    #[error("{0}")]
    Fs(#[from] FsError),
    /// A lock was not to be had.
    #[error("{0}")]
    Lock(#[from] ostler_fs::lock::LockError),
    /// `ex-integrity.fsverity=yes`, and the file system cannot.
    #[error(
        "the repository's file system has no fs-verity, and `ex-integrity.fsverity` asks for it"
    )]
    VerityUnsupported,
    /// Reading or writing the bytes of something failed.
    #[error("{what}: {source}")]
    Io {
        /// What was read or written.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The path is not a repository.
    #[error("`{path}` is not a repository: it has no `{missing}`")]
    NotARepository {
        /// The path that was opened.
        path: PathBuf,
        /// The first part that is absent.
        missing: &'static str,
    },
    /// `init` met a repository of another mode.
    #[error("`{path}` is a repository of mode `{found}`, not `{wanted}`")]
    OtherMode {
        /// The repository.
        path: PathBuf,
        /// Its mode.
        found: RepoMode,
        /// The mode that was asked for.
        wanted: RepoMode,
    },
    /// The `config` file cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// New content cannot be written in this mode.
    #[error("a repository of mode `{mode}` can only be read")]
    NotWritable {
        /// The mode.
        mode: RepoMode,
    },
    /// No repository in the parent chain has the object.
    #[error("{}", missing(name))]
    ObjectMissing {
        /// The object.
        name: ObjectName,
    },
    /// The object's bytes do not give its name.
    #[error("{name}: Corrupted {} object; checksum expected='{}' actual='{actual}'", name.kind, name.checksum)]
    ChecksumMismatch {
        /// The name it has.
        name: ObjectName,
        /// The checksum of what is there.
        actual: Checksum,
    },
    /// The object cannot be parsed.
    #[error("{name}: {source}")]
    Malformed {
        /// The object.
        name: ObjectName,
        /// What is wrong with it.
        source: ObjectError,
    },
    /// The index of a commit's packs cannot be used.
    #[error("pack index of commit {commit}: {source}")]
    PackIndex {
        /// The commit.
        commit: CommitId,
        /// What is wrong with it.
        source: ObjectError,
    },
    /// The index of content that only packs have cannot be used.
    #[error(
        "`{}`, which says where content is that only packs have: {source}",
        PackIndex::CONTENT_PATH
    )]
    ContentIndex {
        /// What is wrong with it.
        source: ObjectError,
    },
    /// A value cannot be written as an object.
    #[error("{0}")]
    Unwritable(#[from] ObjectError),
    /// The object's file is not what its mode requires.
    #[error("Corrupted {} object `{name}`: {reason}", name.kind)]
    Damaged {
        /// The object.
        name: ObjectName,
        /// What is wrong with its file.
        reason: String,
    },
    /// The disk, or fs-verity, did not give the object's bytes (`EIO`). They may be whole, and another read may give them.
    #[error("{name}: cannot be read: {reason}")]
    Unreadable {
        /// The object.
        name: ObjectName,
        /// What the read said.
        reason: String,
    },
    /// `bare-user-only` cannot keep this file.
    #[error(
        "Content object for a repository of mode `bare-user-only`: invalid mode 0{mode:o} with bits 0{:04o}, \
         only those of 0775 are allowed", mode & 0o7777 & !0o775
    )]
    ModeNotCanonical {
        /// The file's `st_mode`.
        mode: u32,
    },
    /// A fetched file has mode bits that were not to be taken.
    #[error("Content object {}: invalid mode {mode:05o} with bits {bits:05o}", name.checksum)]
    ModeRefused {
        /// The content object.
        name: ObjectName,
        /// Its permission bits.
        mode: u32,
        /// Those of them beyond 0775.
        bits: u32,
    },
    /// Writing would leave less room than `core.min-free-space-*` asks for.
    #[error("{limit} would be exceeded, at least {short} requested")]
    MinFreeSpace {
        /// The key and its value.
        limit: String,
        /// How much more room is needed, as a size for people.
        short: String,
    },
    /// An object could not be written.
    #[error("{name}: {source}")]
    OfObject {
        /// The object.
        name: ObjectName,
        /// Why.
        source: Box<StoreError>,
    },
    /// No ref of that name.
    #[error("Refspec '{refspec}' not found")]
    RefNotFound {
        /// What was looked up.
        refspec: String,
    },
    /// No ref of that name in that collection.
    #[error("Collection–ref {name} not found")]
    CollectionRefNotFound {
        /// The collection and the ref.
        name: String,
    },
    /// The remotes' configuration cannot be used.
    #[error(transparent)]
    Remote(Box<crate::remote::RemoteError>),
    /// An abbreviated commit id fits several commits.
    #[error("Refspec {refspec} not unique")]
    RefAmbiguous {
        /// What was looked up.
        refspec: String,
    },
    /// The repository lacks a folder of refs.
    #[error("Listing refs: opendir({path}): No such file or directory")]
    RefsFolderMissing {
        /// The folder.
        path: &'static str,
    },
    /// A ref's file does not hold a commit id.
    #[error("ref `{name}` holds no commit id")]
    RefMalformed {
        /// The ref.
        name: String,
    },
    /// Text that should be a ref, remote or collection name is not one.
    #[error("{0}")]
    Name(#[from] ostler_format::NameError),
    /// A commit has no parent although `^` asked for one.
    #[error("Commit {commit} has no parent")]
    NoParent {
        /// The commit.
        commit: Checksum,
    },
    /// A ref or alias to be made exists already, or stands in the way of one.
    #[error("cannot write ref `{name}`: {reason}")]
    RefConflict {
        /// The ref.
        name: String,
        /// What is in the way.
        reason: String,
    },
    /// A commit cannot be deleted while a ref points to it.
    #[error("Commit '{commit}' is referenced by {name}")]
    CommitInUse {
        /// The commit.
        commit: Checksum,
        /// The ref.
        name: String,
    },
    /// A file's name or symlink target is not UTF-8, which the format cannot keep.
    #[error("`{name}` is not UTF-8")]
    NameNotUtf8 {
        /// The name, as far as it can be shown.
        name: String,
    },
    /// Something is neither a file, a symlink nor a directory.
    #[error("`{path}` is neither a file, a symlink nor a directory")]
    NotAFile {
        /// The path.
        path: String,
    },
    /// A ref does not lead to a sound commit.
    #[error("Loading commit for ref {name}: {source}")]
    BrokenRef {
        /// The ref.
        name: String,
        /// What is wrong with its commit.
        source: Box<StoreError>,
    },
    /// A commit is not bound to where it was found.
    #[error("{0}")]
    Binding(#[from] crate::bindings::BindingError),
    /// A commit is bound to a ref that does not exist.
    #[error("{} in bindings for commit {commit} does not exist", bound_ref(name, collection.as_deref()))]
    BackRefMissing {
        /// The commit.
        commit: Checksum,
        /// The ref.
        name: String,
        /// The collection that it is in.
        collection: Option<String>,
    },
    /// A check stopped at its first damaged object, or could not read one.
    #[error("{}fsck {name}: {source}", in_commits(commits))]
    FsckStopped {
        /// The object.
        name: ObjectName,
        /// The commits that need it.
        commits: Vec<CommitId>,
        /// What is wrong with it.
        source: Box<StoreError>,
    },
    /// A commit whose objects are not all here was asked for as a whole.
    #[error("commit {commit} is partial: some of its objects have not been fetched")]
    Partial {
        /// The commit.
        commit: Checksum,
    },
    /// `OSTREE_REPO_TEST_ERROR` asked for a failure here, to see what survives it.
    #[error("{name}")]
    FailPoint {
        /// The point.
        name: &'static str,
    },
    /// The parent chain loops or is too deep.
    #[error("parent repositories of `{path}` are nested deeper than {limit}")]
    ParentTooDeep {
        /// The repository that was opened.
        path: PathBuf,
        /// The greatest depth allowed.
        limit: usize,
    },
}

fn missing(name: &ObjectName) -> String {
    if name.kind == ObjectKind::File {
        format!("Couldn't find file object '{}'", name.checksum)
    } else {
        format!("No such metadata object {name}")
    }
}

fn in_commits(commits: &[CommitId]) -> String {
    let names: Vec<_> = commits.iter().map(ToString::to_string).collect();
    match names[..] {
        [] => String::new(),
        _ => format!("In commits {}: ", names.join(", ")),
    }
}

fn bound_ref(name: &str, collection: Option<&str>) -> String {
    match collection {
        Some(collection) => format!("Collection–ref ({collection}, {name})"),
        None => format!("Ref ‘{name}’"),
    }
}

impl From<crate::remote::RemoteError> for StoreError {
    fn from(error: crate::remote::RemoteError) -> Self {
        match error {
            crate::remote::RemoteError::Store(error) => error,
            other => Self::Remote(Box::new(other)),
        }
    }
}

impl StoreError {
    /// Whether it says that an object is damaged, unreadable or missing, not that looking at it failed for a reason beside it.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::ObjectMissing { .. }
                | Self::ChecksumMismatch { .. }
                | Self::Malformed { .. }
                | Self::Damaged { .. }
                | Self::Unreadable { .. }
        )
    }

    /// Whether a disk did not give what it has, or did not take what it was given.
    pub(crate) fn is_disk_error(&self) -> bool {
        match self {
            Self::Unreadable { .. } => true,
            Self::Fs(error) => crate::object::is_unreadable(error),
            Self::Io { source, .. } => source.raw_os_error() == Some(crate::object::EIO),
            _ => false,
        }
    }

    /// Wraps an I/O error with what was being done.
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            what: what.into(),
            source,
        }
    }

    /// Names the object for which there is no room; other errors name it themselves.
    pub(crate) fn of(self, name: ObjectName) -> Self {
        match self {
            Self::MinFreeSpace { .. } => Self::OfObject {
                name,
                source: Box::new(self),
            },
            other => other,
        }
    }

    /// What a person could do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotARepository { path, .. } => Some(format!(
                "make one with `ostler init --repo={} --mode=MODE`, or name another with --repo",
                path.display()
            )),
            Self::OfObject { source, .. } => source.hint(),
            Self::MinFreeSpace { .. } => Some(
                "free some room (`ostler prune --refs-only`), or lower core.min-free-space-size"
                    .into(),
            ),
            Self::ChecksumMismatch { .. }
            | Self::Malformed { .. }
            | Self::Damaged { .. }
            | Self::Unreadable { .. } => Some(
                "`ostler fsck --repair` replaces damaged objects by whole ones, from remotes or other repositories".into(),
            ),
            Self::ContentIndex { .. } => Some(
                "delete that file, and run `ostler pack create --replace-objects` for each commit that `ostler pack list` names".into(),
            ),
            Self::RefNotFound { .. } => Some("`ostler refs` lists the refs that exist".into()),
            Self::CollectionRefNotFound { .. } => {
                Some("`ostler refs --collections` lists the refs of collections".into())
            }
            Self::RefAmbiguous { .. } => Some("give more digits of the commit id".into()),
            Self::Partial { .. } => {
                Some("pull it again without --subpath or --commit-metadata-only".into())
            }
            _ => None,
        }
    }
}
