//! Objects written byte by byte, valid or not, into an archive repository.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use ostler_format::{Type, Value};
use ostler_tests::{Program, Repo};
use sha2::{Digest, Sha256};

pub(crate) type Id = [u8; 32];

pub(crate) const DIRECTORY: u32 = 0o040_755;
pub(crate) const REGULAR: u32 = 0o100_644;
pub(crate) const SYMLINK: u32 = 0o120_777;

/// An archive repository under an enemy's hands.
pub(crate) struct Forge {
    repo: Repo,
}

pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(id: &[u8]) -> Value {
    Value::Bytes(id.to_vec())
}

fn ty(text: &str) -> Type {
    text.parse().unwrap()
}

impl Forge {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            repo: Program::ostree().init_quick(path, "archive"),
        }
    }

    pub(crate) fn repo(&self) -> &Repo {
        &self.repo
    }

    pub(crate) fn object(&self, id: &[u8], extension: &str) -> PathBuf {
        let hex = hex(id);
        self.repo
            .path()
            .join(format!("objects/{}/{}.{extension}", &hex[..2], &hex[2..]))
    }

    /// Writes an object under a name that may be a lie.
    pub(crate) fn put_as(&self, id: &[u8], extension: &str, content: &[u8]) {
        let path = self.object(id, extension);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes a metadata object under its true name.
    pub(crate) fn put(&self, extension: &str, content: &[u8]) -> Id {
        let id: Id = Sha256::digest(content).into();
        self.put_as(&id, extension, content);
        id
    }

    pub(crate) fn dirmeta(&self, mode: u32) -> Id {
        self.put("dirmeta", &dirmeta(mode))
    }

    pub(crate) fn dirtree(&self, files: &[(&str, &[u8])], dirs: &[(&str, &[u8], &[u8])]) -> Id {
        self.put("dirtree", &dirtree(files, dirs))
    }

    /// Writes a true file.
    pub(crate) fn file(&self, content: &[u8]) -> Id {
        let id = file_id(REGULAR, "", content);
        self.put_as(
            &id,
            "filez",
            &filez(REGULAR, "", content.len() as u64, &deflated(content)),
        );
        id
    }

    pub(crate) fn commit(&self, tree: &[u8], meta: &[u8]) -> Id {
        self.put("commit", &commit(tree, meta))
    }

    /// Commits a tree, with a directory of mode 0755 as its root, to `main`; returns the commit.
    pub(crate) fn publish(&self, tree: &[u8]) -> Id {
        let commit = self.commit(tree, &self.dirmeta(DIRECTORY));
        self.set_main(&commit);
        commit
    }

    pub(crate) fn set_main(&self, commit: &[u8]) {
        fs::write(
            self.repo.path().join("refs/heads/main"),
            format!("{}\n", hex(commit)),
        )
        .unwrap();
    }
}

pub(crate) fn dirmeta(mode: u32) -> Vec<u8> {
    let number = |number: u32| Value::Uint32(number.swap_bytes());
    Value::Tuple(vec![
        number(0),
        number(0),
        number(mode),
        Value::Array(ty("(ayay)"), Vec::new()),
    ])
    .to_bytes()
    .unwrap()
}

pub(crate) fn dirtree(files: &[(&str, &[u8])], dirs: &[(&str, &[u8], &[u8])]) -> Vec<u8> {
    let files = files
        .iter()
        .map(|(name, id)| Value::Tuple(vec![Value::Str((*name).into()), bytes(id)]));
    let dirs = dirs.iter().map(|(name, tree, meta)| {
        Value::Tuple(vec![Value::Str((*name).into()), bytes(tree), bytes(meta)])
    });
    let files = Value::Array(ty("(say)"), files.collect());
    Value::Tuple(vec![files, Value::Array(ty("(sayay)"), dirs.collect())])
        .to_bytes()
        .unwrap()
}

pub(crate) fn commit(tree: &[u8], meta: &[u8]) -> Vec<u8> {
    let text = |text: &str| Value::Str(text.into());
    Value::Tuple(vec![
        Value::Array(ty("{sv}"), Vec::new()),
        bytes(&[]),
        Value::Array(ty("(say)"), Vec::new()),
        text("subject"),
        text(""),
        Value::Uint64(1_700_000_000_u64.swap_bytes()),
        bytes(tree),
        bytes(meta),
    ])
    .to_bytes()
    .unwrap()
}

fn header(mode: u32, target: &str, size: Option<u64>) -> Vec<u8> {
    let number = |number: u32| Value::Uint32(number.swap_bytes());
    let mut members: Vec<Value> = size
        .map(|size| Value::Uint64(size.swap_bytes()))
        .into_iter()
        .collect();
    members.extend([
        number(0),
        number(0),
        number(mode),
        number(0),
        Value::Str(target.into()),
        Value::Array(ty("(ayay)"), Vec::new()),
    ]);
    let header = Value::Tuple(members).to_bytes().unwrap();
    let mut prefixed = u32::try_from(header.len()).unwrap().to_be_bytes().to_vec();
    prefixed.extend([0; 4]);
    prefixed.extend(header);
    prefixed
}

/// The checksum that a file with this content has.
pub(crate) fn file_id(mode: u32, target: &str, content: &[u8]) -> Id {
    let mut digest = Sha256::new();
    digest.update(header(mode, target, None));
    digest.update(content);
    digest.finalize().into()
}

/// An archived file with a size that may be a lie.
pub(crate) fn filez(mode: u32, target: &str, size: u64, stream: &[u8]) -> Vec<u8> {
    let mut object = header(mode, target, Some(size));
    object.extend(stream);
    object
}

pub(crate) fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}
