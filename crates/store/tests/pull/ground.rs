//! Repositories to pull from and into.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use ostler_format::{
    Checksum, Commit, CommitId, DirEntry, DirMeta, DirTree, FileHeader, FileId, Metadata,
    ObjectKind, ObjectName, RefName, RemoteName, S_IFDIR, S_IFLNK, S_IFREG, StorageForm, Value,
    Xattrs,
};
use ostler_store::progress::{Event, Silent, Sink, Way};
use ostler_store::pull::{self, PullError, PullOptions, PullReport, PullTarget};
use ostler_store::remote::{IfExists, RemoteValue};
use ostler_store::{RefKey, Repo, RepoMode, Transaction, TransactionOptions};

/// What a test writes need not survive a power cut.
pub(crate) const UNSYNCED: TransactionOptions = TransactionOptions {
    fsync: Some(false),
    per_object_fsync: None,
};

/// A folder on a file system with user xattrs, which /tmp may lack.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("ostler-pull-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
}

pub(crate) fn header(mode: u32) -> FileHeader {
    FileHeader {
        uid: 0,
        gid: 0,
        mode: S_IFREG | mode,
        symlink_target: String::new(),
        xattrs: Xattrs::new(),
    }
}

/// Bytes that deflate makes little of.
pub(crate) fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u8
    })
    .take(length)
    .collect()
}

/// The server's side: an archive with the ref `main`.
pub(crate) struct Published {
    pub(crate) path: PathBuf,
    pub(crate) repo: Repo,
    pub(crate) commit: CommitId,
    /// A content object of some length.
    pub(crate) large: FileId,
    pub(crate) small: FileId,
    pub(crate) root_tree: Checksum,
}

impl Published {
    /// Publishes a tree of twenty small files, a large one, a symlink and two folders.
    pub(crate) fn new(root: &Path) -> Self {
        Self::with_metadata(root, Metadata::new(), None)
    }

    pub(crate) fn with_metadata(root: &Path, metadata: Metadata, parent: Option<CommitId>) -> Self {
        let path = root.join("server");
        let repo = Repo::create(&path, RepoMode::Archive, None).unwrap();
        let transaction = repo.begin(UNSYNCED).unwrap();
        let large = transaction
            .write_content_bytes(&header(0o755), &noise(3_000_000, 7))
            .unwrap();
        let small = transaction
            .write_content_bytes(&header(0o644), b"small\n")
            .unwrap();
        let link = FileHeader {
            mode: S_IFLNK | 0o777,
            symlink_target: "large".into(),
            ..header(0)
        };
        let link = transaction.write_symlink(&link).unwrap();
        let empty = transaction
            .write_content_bytes(&header(0o600), b"")
            .unwrap();
        let mut many = DirTree::default();
        for number in 0..20 {
            let content = format!("file {number}\n").repeat(number * 50);
            let id = transaction
                .write_content_bytes(&header(0o644), content.as_bytes())
                .unwrap();
            many.files.push((format!("f{number:02}"), id));
        }
        let deep = DirTree {
            files: vec![("small".into(), small)],
            dirs: Vec::new(),
        };
        let meta = DirMeta {
            uid: 0,
            gid: 0,
            mode: S_IFDIR | 0o755,
            xattrs: Xattrs::new(),
        };
        let meta = write(&transaction, ObjectKind::DirMeta, &meta.to_bytes().unwrap());
        let dir = |name: &str, tree: &DirTree| DirEntry {
            name: name.into(),
            tree: write(&transaction, ObjectKind::DirTree, &tree.to_bytes().unwrap()).into(),
            meta: meta.into(),
        };
        let dirs = vec![dir("deep", &deep), dir("many", &many)];
        let files = vec![
            ("empty".into(), empty),
            ("large".into(), large),
            ("link".into(), link),
        ];
        let tree = DirTree { files, dirs };
        let root_tree = write(&transaction, ObjectKind::DirTree, &tree.to_bytes().unwrap());
        let commit = Commit {
            metadata,
            parent,
            related: Vec::new(),
            subject: "published".into(),
            body: String::new(),
            timestamp: 1_700_000_000,
            tree: root_tree.into(),
            meta: meta.into(),
        };
        let commit = transaction.write_commit(&commit).unwrap();
        transaction.set_ref(RefKey::parse("main").unwrap(), Some(commit));
        transaction.commit().unwrap();
        Self {
            path,
            repo,
            commit,
            large,
            small,
            root_tree,
        }
    }

    /// Adds a commit after the newest one, which differs from it in its subject and metadata.
    pub(crate) fn follow(&mut self, metadata: Metadata, timestamp: u64) -> CommitId {
        let transaction = self.repo.begin(UNSYNCED).unwrap();
        let next = Commit {
            metadata,
            parent: Some(self.commit),
            timestamp,
            ..self.repo.read_commit(self.commit).unwrap()
        };
        self.commit = transaction.write_commit(&next).unwrap();
        transaction.set_ref(RefKey::parse("main").unwrap(), Some(self.commit));
        transaction.commit().unwrap();
        self.commit
    }

    /// Where an object lies beneath the repository.
    pub(crate) fn object_path(&self, name: ObjectName) -> String {
        format!("objects/{}", name.loose_path(StorageForm::Archive))
    }

    pub(crate) fn object(&self, name: ObjectName) -> Vec<u8> {
        std::fs::read(self.path.join(self.object_path(name))).unwrap()
    }

    /// Writes a tree that the library would not write, and a commit of it as `main`.
    pub(crate) fn forge_tree(&mut self, tree: &[u8]) -> Checksum {
        let checksum = Checksum::of(tree);
        let forged = self
            .path
            .join(self.object_path(ObjectName::new(checksum, ObjectKind::DirTree)));
        std::fs::create_dir_all(forged.parent().unwrap()).unwrap();
        std::fs::write(forged, tree).unwrap();
        let commit = Commit {
            tree: checksum.into(),
            ..self.repo.read_commit(self.commit).unwrap()
        };
        let transaction = self.repo.begin(UNSYNCED).unwrap();
        self.commit = transaction.write_commit(&commit).unwrap();
        transaction.set_ref(RefKey::parse("main").unwrap(), Some(self.commit));
        transaction.commit().unwrap();
        checksum
    }
}

fn write(transaction: &Transaction<'_>, kind: ObjectKind, bytes: &[u8]) -> Checksum {
    transaction.write_metadata(kind, bytes).unwrap()
}

/// Bindings to refs, as `ostree commit` writes them.
pub(crate) fn bound_to(refs: &[&str]) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.insert("ostree.ref-binding", Value::strings(refs.iter().copied()));
    metadata
}

/// Keeps what is told.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<Event>>);

impl Sink for Told {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Told {
    /// The ways by which objects came, in order, and why.
    pub(crate) fn routes(&self) -> Vec<(Way, String)> {
        let events = self.0.lock().unwrap();
        let routes = events.iter().filter_map(|event| match event {
            Event::Route { way, reason } => Some((*way, reason.clone())),
            _ => None,
        });
        routes.collect()
    }

    pub(crate) fn notices(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let notices = events.iter().filter_map(|event| match event {
            Event::Notice(text) => Some(text.clone()),
            _ => None,
        });
        notices.collect()
    }
}

/// The client's side: a repository with the remote `origin`.
pub(crate) struct Client {
    pub(crate) path: PathBuf,
    pub(crate) repo: Repo,
}

impl Client {
    pub(crate) fn new(root: &Path, name: &str, mode: RepoMode) -> Self {
        let path = root.join(name);
        let repo = Repo::create(&path, mode, None).unwrap();
        Self { path, repo }
    }

    /// Makes `origin` the server at `url`, unverified.
    pub(crate) fn set_origin(&mut self, url: &str) {
        self.configure_origin(&[("url", url)]);
    }

    /// Gives `origin` these keys, and has nothing verified.
    pub(crate) fn configure_origin(&mut self, keys: &[(&str, &str)]) {
        let text = |(key, value): &(&str, &str)| {
            ((*key).to_owned(), RemoteValue::Text((*value).to_owned()))
        };
        let mut keys: Vec<_> = keys.iter().map(text).collect();
        keys.push(("gpg-verify".to_owned(), RemoteValue::Flag(false)));
        let name = RemoteName::new("origin").unwrap();
        self.repo
            .add_remote(&name, &keys, IfExists::Replace, None)
            .unwrap();
    }

    pub(crate) fn pull(&self, options: &PullOptions) -> Result<PullReport, PullError> {
        self.pull_telling(options, &Silent)
    }

    pub(crate) fn pull_telling(
        &self,
        options: &PullOptions,
        sink: &dyn Sink,
    ) -> Result<PullReport, PullError> {
        let remote = self.repo.remote("origin", None).unwrap();
        pull::pull(&self.repo, &remote, options, sink)
    }

    /// The commit of a ref, as a pull would write it.
    pub(crate) fn rev(&self, refspec: &str) -> Option<CommitId> {
        self.repo
            .read_ref(&RefKey::parse(refspec).unwrap())
            .unwrap()
    }

    /// Checks every object that the newest commit needs.
    pub(crate) fn assert_whole(&self, commit: CommitId) {
        use ostler_store::reachable::{Depth, Missing, Reachable};
        assert!(
            !self.repo.is_partial(commit).unwrap(),
            "it is marked partial"
        );
        let mut reachable = Reachable::new(&self.repo, Missing::Error);
        reachable.add_commit(commit, Depth::Parents(0)).unwrap();
        let mut verifier = ostler_store::object::ObjectVerifier::new(&self.repo);
        for name in reachable.set().iter() {
            verifier.verify(name).unwrap();
        }
    }

    /// Whether anything is in `objects/`.
    pub(crate) fn is_empty(&self) -> bool {
        let mut found = false;
        self.repo
            .for_each_object(|_| {
                found = true;
                Ok(())
            })
            .unwrap();
        !found
    }
}

/// A pull of `main` that gives up at once.
pub(crate) fn of_main() -> PullOptions {
    let mut options = PullOptions {
        targets: vec![PullTarget::Ref(RefName::new("main").unwrap())],
        fsync: Some(false),
        ..PullOptions::default()
    };
    options.network.retries = 0;
    options.network.idle_timeout = Duration::from_secs(20);
    options
}
