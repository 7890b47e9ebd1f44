//! The verb `export`: a commit's tree as a tar.
//!
//! The same commit gives the same bytes everywhere: entries come in the order of listings, files before directories, with the
//! commit's time. A regular file that came before is a hard link to its first name, as in the exports of libostree since
//! 2024. Without xattrs the bytes are those of ostree's export. Content is copied from its object as it is read.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use ostler_format::archive::{
    TarHeader, TarKind, TarWriteError, tar_end, tar_padding, write_tar_entry,
};
use ostler_format::{CommitId, DirMetaId, DirTreeId, FileId, S_IFMT, Xattrs};
use ostler_fs::MAX_DEPTH;

use crate::checkout::{CheckoutError, Target, find};
use crate::error::StoreError;
use crate::object::FileObject;
use crate::repo::Repo;

const BUFFER: usize = 128 * 1024;

/// What is exported, and how.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// The directory of the commit that becomes the root; empty for all of it.
    pub subpath: String,
    /// What all paths begin with; nothing is put between it and them.
    pub prefix: String,
    /// Leaves xattrs out.
    pub no_xattrs: bool,
}

/// A tar that was not written whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// An object cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such directory in the commit.
    #[error(transparent)]
    Subpath(CheckoutError),
    /// The subpath is a file.
    #[error("Not a directory: {path}")]
    NotADirectory {
        /// The subpath.
        path: String,
    },
    /// The tree is too deep to be anybody's.
    #[error("`{path}` is more than {MAX_DEPTH} levels deep")]
    TooDeep {
        /// Where.
        path: String,
    },
    /// A name has no place in a tar.
    #[error("`{path}`: {source}")]
    Name {
        /// Where.
        path: String,
        /// What is wrong with it.
        source: TarWriteError,
    },
    /// What is written to failed.
    #[error("writing the tar: {0}")]
    Write(#[source] io::Error),
}

/// Writes the tree of a commit to `out`, and what ends a tar.
///
/// # Errors
/// [`ExportError`]; what was written by then is no whole tar.
pub fn export(
    repo: &Repo,
    commit: CommitId,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let mtime = repo.read_commit(commit)?.timestamp;
    let root = match find(repo, commit, &options.subpath).map_err(ExportError::Subpath)? {
        Target::Directory { tree, meta } => (tree, meta),
        Target::File { .. } => {
            return Err(ExportError::NotADirectory {
                path: options.subpath.clone(),
            });
        }
    };
    let mut exporter = Exporter {
        repo,
        options,
        mtime,
        out,
        header: Vec::new(),
        buffer: vec![0; BUFFER],
        written: HashMap::new(),
    };
    exporter.directory("", root, 0)?;
    exporter.put(&tar_end())
}

struct Exporter<'e> {
    repo: &'e Repo,
    options: &'e ExportOptions,
    mtime: u64,
    out: &'e mut dyn Write,
    header: Vec<u8>,
    buffer: Vec<u8>,
    /// The path in the tar at which a regular file is.
    written: HashMap<FileId, String>,
}

impl Exporter<'_> {
    /// `path` is that below the exported root.
    fn directory(
        &mut self,
        path: &str,
        (tree, meta): (DirTreeId, DirMetaId),
        depth: usize,
    ) -> Result<(), ExportError> {
        if depth > MAX_DEPTH {
            return Err(ExportError::TooDeep { path: path.into() });
        }
        let meta = self.repo.read_dirmeta(meta)?;
        let mut shown = format!("{}{path}", self.options.prefix);
        if shown.is_empty() {
            shown.push('.');
        }
        if !shown.ends_with('/') {
            shown.push('/');
        }
        self.entry(&TarHeader {
            path: &shown,
            kind: TarKind::Directory,
            mode: meta.mode & !S_IFMT,
            uid: meta.uid,
            gid: meta.gid,
            mtime: self.mtime,
            xattrs: &meta.xattrs,
        })?;
        let listing = self.repo.read_dirtree(tree)?;
        let below = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}/{name}"),
        };
        for (name, id) in &listing.files {
            self.file(&below(name), *id)?;
        }
        for dir in &listing.dirs {
            self.directory(&below(&dir.name), (dir.tree, dir.meta), depth + 1)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &str, id: FileId) -> Result<(), ExportError> {
        let object = self.repo.open_file_object(id)?;
        let header = object.header.clone();
        let path = format!("{}{path}", self.options.prefix);
        let first = self.written.get(&id).cloned();
        let kind = match &first {
            _ if header.is_symlink() => TarKind::Symlink(&header.symlink_target),
            Some(first) => TarKind::HardLink(first),
            None => TarKind::File(object.size),
        };
        self.entry(&TarHeader {
            path: &path,
            kind,
            mode: header.mode & !S_IFMT,
            uid: header.uid,
            gid: header.gid,
            mtime: self.mtime,
            xattrs: &header.xattrs,
        })?;
        if matches!(kind, TarKind::File(_)) {
            self.content(object)?;
            self.written.insert(id, path);
        }
        Ok(())
    }

    fn content(&mut self, mut object: FileObject) -> Result<(), ExportError> {
        let size = object.size;
        // The object gives exactly as many bytes as its size says, or an error.
        loop {
            match object.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(got) => self
                    .out
                    .write_all(&self.buffer[..got])
                    .map_err(ExportError::Write)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StoreError::io("reading content", error).into()),
            }
        }
        self.put(&[0; 512][..tar_padding(size)])
    }

    fn entry(&mut self, entry: &TarHeader<'_>) -> Result<(), ExportError> {
        let none = Xattrs::new();
        // Those of the first name are the file's.
        let is_link = matches!(entry.kind, TarKind::HardLink(_));
        let entry = match self.options.no_xattrs || is_link {
            true => &TarHeader {
                xattrs: &none,
                ..entry.clone()
            },
            false => entry,
        };
        self.header.clear();
        write_tar_entry(&mut self.header, entry).map_err(|source| ExportError::Name {
            path: entry.path.to_owned(),
            source,
        })?;
        self.out.write_all(&self.header).map_err(ExportError::Write)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.out.write_all(bytes).map_err(ExportError::Write)
    }
}
