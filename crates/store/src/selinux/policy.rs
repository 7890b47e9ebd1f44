//! Finding a tree's policy, and asking it for labels.

use std::io::Read;
use std::path::Path;

use ostler_format::{Checksum, CommitId, Hasher, Xattrs};
use ostler_fs::{Dir, FsError};

use super::aliases::Aliases;
use super::contexts::{ContextsError, FileContexts};
use crate::checkout::{CheckoutError, Target, find};
use crate::error::StoreError;
use crate::repo::Repo;

/// The xattr that holds a label and a NUL.
pub const SELINUX_XATTR: &[u8] = b"security.selinux";
/// The longest file of a policy that is read.
const MAX_FILE: u64 = 64 << 20;
/// Where a tree may have its policy.
const PLACES: [&str; 2] = ["etc/selinux", "usr/etc/selinux"];
/// The rules, later ones before earlier ones.
const CONTEXTS: [&str; 3] = ["", ".homedirs", ".local"];

/// Labels that cannot be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// A file of the policy cannot be read.
    #[error("SELinux policy: {0}")]
    Store(#[from] StoreError),
    /// The tree that is to have the policy cannot be opened.
    #[error("opendir({path}): {reason}", path = path.display())]
    Source {
        /// As it was given.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
    /// The configuration names no policy.
    #[error("SELinux policy: `{config}` is enabled and has no SELINUXTYPE")]
    NoType {
        /// The configuration's path in the tree.
        config: String,
    },
    /// The policy has no rules for files.
    #[error("SELinux policy: there is no `{path}`")]
    NoContexts {
        /// The absent file's path in the tree.
        path: String,
    },
    /// A file of the policy is not UTF-8.
    #[error("SELinux policy: `{path}` is not UTF-8")]
    NotUtf8 {
        /// Its path in the tree.
        path: String,
    },
    /// A line of the rules cannot be used.
    #[error("SELinux policy: {path}: {source}")]
    Contexts {
        /// The file's path in the tree.
        path: String,
        /// Which line, and why.
        source: ContextsError,
    },
    /// An expression of the rules cannot be used.
    #[error("SELinux label of `{path}`: {source}")]
    Lookup {
        /// The path that was looked up.
        path: String,
        /// The expression that does not compile.
        source: ContextsError,
    },
}

/// What a policy labels files.
#[derive(Debug)]
pub struct Labels {
    contexts: FileContexts,
    local: Aliases,
    distributed: Aliases,
    defaults: DefaultConfiguration,
    fingerprint: Checksum,
}

/// How the default configuration is labelled, which lies in `/usr/etc` and becomes `/etc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultConfiguration {
    /// As the policy labels `/usr/etc`.
    #[default]
    WhereItLies,
    /// As the policy labels `/etc`.
    WhereItGoes,
}

impl Labels {
    /// Reads the policy of the tree at `path`; `None` if SELinux is off there, or absent.
    ///
    /// # Errors
    /// [`LabelError`].
    pub fn of_directory(path: &Path) -> Result<Option<Self>, LabelError> {
        let root = Dir::open_ambient(path).map_err(|error| LabelError::Source {
            path: path.to_owned(),
            reason: error.io().to_string(),
        })?;
        Self::read(&root)
    }

    /// Reads the policy of a commit's tree; `None` if SELinux is off there, or absent.
    ///
    /// # Errors
    /// [`LabelError`].
    pub fn of_commit(repo: &Repo, commit: CommitId) -> Result<Option<Self>, LabelError> {
        Self::read(&CommitTree { repo, commit })
    }

    /// The same policy for a tree whose default configuration is labelled so.
    #[must_use]
    pub fn with_default_configuration(mut self, defaults: DefaultConfiguration) -> Self {
        self.defaults = defaults;
        self
    }

    /// The label of a file of that `st_mode` at an absolute path, without a slash at the end; `None` if it has none.
    ///
    /// # Errors
    /// [`LabelError::Lookup`].
    pub fn label(&self, path: &str, mode: u32) -> Result<Option<&str>, LabelError> {
        let path = match path {
            // What is mounted there brings its own labels; the directory is a mount point as others are.
            "/proc" => "/mnt",
            path if self.defaults == DefaultConfiguration::WhereItGoes => as_etc(path),
            path => path,
        };
        let local = self.local.resolve(path);
        let path = local.as_deref().unwrap_or(path);
        let distributed = self.distributed.resolve(path);
        let path = distributed.as_deref().unwrap_or(path);
        self.contexts
            .label(path, mode)
            .map_err(|source| LabelError::Lookup {
                path: path.to_owned(),
                source,
            })
    }

    /// Gives the xattrs of a file the label that it should have; those of one that should have none stay.
    ///
    /// # Errors
    /// [`LabelError::Lookup`].
    pub fn apply(&self, path: &str, mode: u32, xattrs: &mut Xattrs) -> Result<(), LabelError> {
        if let Some(label) = self.label(path, mode)? {
            let mut value = label.as_bytes().to_vec();
            value.push(0);
            xattrs
                .insert(SELINUX_XATTR, &value)
                .expect("a label's length was checked");
        }
        Ok(())
    }

    /// The same text for two policies only if all labels are the same.
    pub(crate) fn index_key(&self) -> String {
        format!("{} {:?}", self.fingerprint, self.defaults)
    }

    fn read(tree: &dyn PolicyTree) -> Result<Option<Self>, LabelError> {
        let mut config = None;
        for place in PLACES {
            if let Some(text) = read_text(tree, &format!("{place}/config"))? {
                config = Some((place, text));
                break;
            }
        }
        let Some((place, config)) = config else {
            return Ok(None);
        };
        let value = |key: &str| {
            let mut lines = config.lines().rev();
            lines.find_map(|line| Some(line.strip_prefix(key)?.strip_prefix('=')?.trim()))
        };
        if !matches!(value("SELINUX"), Some("enforcing" | "permissive")) {
            return Ok(None);
        }
        let policy = value("SELINUXTYPE").filter(|policy| !policy.is_empty());
        let policy = policy.ok_or_else(|| LabelError::NoType {
            config: format!("{place}/config"),
        })?;
        Self::read_contexts(
            tree,
            &format!("{place}/{policy}/contexts/files/file_contexts"),
        )
        .map(Some)
    }

    fn read_contexts(tree: &dyn PolicyTree, base: &str) -> Result<Self, LabelError> {
        let mut hasher = Hasher::new();
        let mut read = |suffix: &str| {
            let path = format!("{base}{suffix}");
            let text = read_text(tree, &path)?;
            // Each with its length: no two sets of files give the same bytes.
            let bytes = text.as_deref().unwrap_or_default().as_bytes();
            hasher.update(&(bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
            Ok::<_, LabelError>((path, text))
        };
        let mut contexts = FileContexts::default();
        for suffix in CONTEXTS {
            let (path, text) = read(suffix)?;
            match text {
                None if suffix.is_empty() => return Err(LabelError::NoContexts { path }),
                None => {}
                Some(text) => contexts
                    .add(&text)
                    .map_err(|source| LabelError::Contexts { path, source })?,
            }
        }
        let mut aliases = |suffix| {
            let (_, text) = read(suffix)?;
            Ok::<_, LabelError>(Aliases::parse(&text.unwrap_or_default()))
        };
        let local = aliases(".subs")?;
        let distributed = aliases(".subs_dist")?;
        Ok(Self {
            contexts,
            local,
            distributed,
            defaults: DefaultConfiguration::default(),
            fingerprint: hasher.finish(),
        })
    }
}

/// Where a path of the default configuration will be, other paths as they are.
fn as_etc(path: &str) -> &str {
    match path.strip_prefix("/usr") {
        Some(etc) if etc == "/etc" || etc.starts_with("/etc/") => etc,
        _ => path,
    }
}

/// A tree that may have a policy.
trait PolicyTree {
    /// The bytes of a regular file at a relative path, `None` if there is none; links stay within the tree.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError>;
}

impl PolicyTree for Dir {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.read_in_root_optional(path, MAX_FILE) {
            Err(error) if is_no_directory(&error) => Ok(None),
            read => Ok(read?),
        }
    }
}

fn is_no_directory(error: &FsError) -> bool {
    error.kind() == std::io::ErrorKind::NotADirectory
}

struct CommitTree<'r> {
    repo: &'r Repo,
    commit: CommitId,
}

impl PolicyTree for CommitTree<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let id = match find(self.repo, self.commit, path) {
            Ok(Target::File { id, .. }) => id,
            Ok(Target::Directory { .. })
            | Err(CheckoutError::NoSuchPath { .. } | CheckoutError::NotADirectory { .. }) => {
                return Ok(None);
            }
            Err(CheckoutError::Store(error)) => return Err(error),
            Err(error) => return Err(StoreError::io(path, std::io::Error::other(error))),
        };
        let mut bytes = Vec::new();
        let object = self.repo.open_file_object(id)?;
        object
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| StoreError::io(path, error))?;
        if bytes.len() as u64 > MAX_FILE {
            let error = std::io::Error::other("it is longer than 64 MiB");
            return Err(StoreError::io(path, error));
        }
        Ok(Some(bytes))
    }
}

fn read_text(tree: &dyn PolicyTree, path: &str) -> Result<Option<String>, LabelError> {
    let bytes = tree.read(path)?;
    let text = bytes.map(String::from_utf8).transpose();
    text.map_err(|_| LabelError::NotUtf8 {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_format::{S_IFDIR, S_IFREG};

    const CONTEXT_FILES: &str = "etc/selinux/targeted/contexts/files";

    fn tree(config: &str) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let files = tree.path().join(CONTEXT_FILES);
        std::fs::create_dir_all(&files).unwrap();
        std::fs::write(tree.path().join("etc/selinux/config"), config).unwrap();
        let write = |suffix: &str, text: &str| {
            std::fs::write(files.join(format!("file_contexts{suffix}")), text).unwrap();
        };
        write("", "/.* any\n/mnt mount\n/w(/.*)? w\n/home/[^/]+ home\n");
        write(".homedirs", "/home/u user\n");
        write(".local", "/w/l.* local\n");
        write(".subs", "/s /t\n");
        write(".subs_dist", "/t /w\n");
        tree
    }

    #[test]
    fn rules_come_from_three_files_and_aliases_from_two() {
        let tree = tree("SELINUX=permissive\n#SELINUXTYPE=x\nSELINUXTYPE=targeted \n");
        let labels = Labels::of_directory(tree.path()).unwrap().unwrap();
        let label = |path| labels.label(path, S_IFDIR).unwrap();
        assert_eq!(label("/s/x"), Some("w"));
        assert_eq!(label("/s/local"), Some("local"));
        assert_eq!(label("/home/u"), Some("user"));
        assert_eq!(label("/home/v"), Some("home"));
        assert_eq!(label("/proc"), Some("mount"));
        let mut xattrs = Xattrs::new();
        labels.apply("/x", S_IFREG, &mut xattrs).unwrap();
        assert_eq!(xattrs.get(SELINUX_XATTR), Some(&b"any\0"[..]));
        let before = labels.index_key();
        let local = tree.path().join(CONTEXT_FILES).join("file_contexts.local");
        std::fs::write(local, "/w/l.* other\n").unwrap();
        let after = Labels::of_directory(tree.path()).unwrap().unwrap();
        assert_ne!(before, after.index_key());
    }

    #[test]
    fn the_default_configuration_may_be_labelled_as_what_it_becomes() {
        assert_eq!(as_etc("/usr/etc"), "/etc");
        assert_eq!(as_etc("/usr/etc/x"), "/etc/x");
        assert_eq!(as_etc("/usr/etcetera"), "/usr/etcetera");
        let tree = tree("SELINUX=permissive\nSELINUXTYPE=targeted\n");
        let local = tree.path().join(CONTEXT_FILES).join("file_contexts.local");
        std::fs::write(local, "/etc/shadow -- shadow\n").unwrap();
        let labels = Labels::of_directory(tree.path()).unwrap().unwrap();
        let lies = labels.label("/usr/etc/shadow", S_IFREG).unwrap();
        assert_eq!(lies, Some("any"));
        let labels = labels.with_default_configuration(DefaultConfiguration::WhereItGoes);
        let goes = labels.label("/usr/etc/shadow", S_IFREG).unwrap();
        assert_eq!(goes, Some("shadow"));
    }

    #[test]
    fn a_policy_that_is_off_or_absent_labels_nothing() {
        let empty = tempfile::tempdir().unwrap();
        assert!(Labels::of_directory(empty.path()).unwrap().is_none());
        for config in [
            "SELINUX=disabled\nSELINUXTYPE=targeted\n",
            "SELINUXTYPE=targeted\n",
        ] {
            let tree = tree(config);
            assert!(Labels::of_directory(tree.path()).unwrap().is_none());
        }
    }

    #[test]
    fn a_policy_that_is_on_and_incomplete_is_an_error() {
        let without_type = tree("SELINUX=enforcing\n");
        let error = Labels::of_directory(without_type.path()).unwrap_err();
        assert!(matches!(error, LabelError::NoType { .. }), "{error}");
        let other = tree("SELINUX=enforcing\nSELINUXTYPE=mls\n");
        let error = Labels::of_directory(other.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "SELinux policy: there is no `etc/selinux/mls/contexts/files/file_contexts`"
        );
    }
}
