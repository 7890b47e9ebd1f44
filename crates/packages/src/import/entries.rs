//! The files of a package on their way to their places: [`Placing`] stands between the package and the tree builder.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, Cursor, Read};

use ostler_format::Xattrs;
use ostler_format::archive::{ArchiveEntry, ArchiveError, ArchiveReader, EntryKind};
use ostler_store::tree::Entries;

use super::place::{Misplaced, Place, place};
use super::tmpfiles::{Made, Tmpfiles};
use crate::rpm::capabilities;
use crate::rpm::file::{Payload, RpmError};
use crate::rpm::files::RpmFileEntry;

/// Owner, group and mode of what no package describes.
const DIRECTORY_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// The files of a package as it has them.
pub(super) enum Packed<'a, R> {
    /// Debian's. `None` once it has been read.
    Deb(Option<ArchiveReader<Box<dyn Read + 'a>>>),
    /// rpm's, whose checksum is compared at the end.
    Rpm(Option<Payload<'a, R>>),
}

impl<R: Read> Packed<'_, R> {
    /// The next file; at the end, that nothing is damaged.
    fn next_entry(&mut self) -> Result<Option<ArchiveEntry>, ArchiveError> {
        let found = match self {
            Self::Deb(Some(archive)) => archive.next_entry()?,
            Self::Rpm(Some(payload)) => payload.entries.next_entry()?,
            _ => return Ok(None),
        };
        if found.is_none() {
            self.finish()?;
        }
        Ok(found)
    }

    fn finish(&mut self) -> Result<(), ArchiveError> {
        match self {
            Self::Deb(archive) => {
                if let Some(archive) = archive.take() {
                    // Beyond the last file is the checksum of its compression.
                    io::copy(&mut archive.into_inner(), &mut io::sink())?;
                }
                Ok(())
            }
            Self::Rpm(payload) => match payload.take().map(Payload::finish) {
                None | Some(Ok(())) => Ok(()),
                Some(Err(RpmError::Io(error))) => Err(error.into()),
                Some(Err(error)) => {
                    Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string()).into())
                }
            },
        }
    }
}

impl<R: Read> Read for Packed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Deb(Some(archive)) => archive.read(buffer),
            Self::Rpm(Some(payload)) => payload.entries.read(buffer),
            _ => Ok(0),
        }
    }
}

/// Hands on each file with the path that it has in a tree, after the directories that it is in, and last what is to be made at boot.
pub(super) struct Placing<'a, R> {
    packed: Packed<'a, R>,
    /// What rpm's header says of each absolute path.
    listed: HashMap<Vec<u8>, RpmFileEntry>,
    /// The file in `tmpfiles.d`.
    tmpfiles_path: String,
    tmpfiles: Tmpfiles,
    waiting: VecDeque<(ArchiveEntry, Option<Vec<u8>>)>,
    /// The content of what was handed on last, if it is not the package's.
    memory: Option<Cursor<Vec<u8>>>,
    directories: HashSet<String>,
    ended: bool,
}

impl<'a, R: Read> Placing<'a, R> {
    pub(super) fn new(packed: Packed<'a, R>, listed: Vec<RpmFileEntry>, package: &str) -> Self {
        let listed = listed.into_iter().map(|file| (file.path.clone(), file));
        Self {
            packed,
            listed: listed.collect(),
            tmpfiles_path: format!("usr/lib/tmpfiles.d/pkg-{package}.conf"),
            tmpfiles: Tmpfiles::default(),
            waiting: VecDeque::new(),
            memory: None,
            directories: HashSet::new(),
            ended: false,
        }
    }

    fn take(&mut self, mut entry: ArchiveEntry) -> Result<(), ArchiveError> {
        let path = normal(&entry.path)?;
        let found = place(&path).map_err(|Misplaced(why)| refused(&path, why))?;
        let is_link_into_usr = matches!(&found, Place::Tree(to) if *to == format!("usr/{path}"))
            && !path.contains('/')
            && matches!(entry.kind, EntryKind::Symlink(_));
        if is_link_into_usr {
            return Ok(());
        }
        if let EntryKind::HardLink(target) = &entry.kind {
            entry.kind = EntryKind::HardLink(in_tree(&normal(target)?)?.into_bytes());
        }
        let (user, group) = self.describe(&path, &mut entry)?;
        match found {
            Place::Everywhere => match entry.kind {
                EntryKind::Directory | EntryKind::Symlink(_) => Ok(()),
                _ => Err(refused(&path, "it is a directory on each machine")),
            },
            Place::Tree(to) => self.put(to, entry),
            Place::Linked { link, tree } => {
                self.link(&link, &tree, &entry);
                self.put(tree, entry)
            }
            Place::Machine { path, factory } => self.make(path, factory, entry, (user, group)),
        }
    }

    /// Gives an entry what rpm's header says of it, and returns the names of its owner and group.
    fn describe(
        &self,
        path: &str,
        entry: &mut ArchiveEntry,
    ) -> Result<(String, String), ArchiveError> {
        let Packed::Rpm(_) = self.packed else {
            let name = |id: u32| {
                if id == 0 {
                    "root".to_owned()
                } else {
                    id.to_string()
                }
            };
            return Ok((name(entry.uid), name(entry.gid)));
        };
        let listed = self.listed.get(format!("/{path}").as_bytes());
        let listed = listed.ok_or_else(|| refused(path, "it is not in the package's header"))?;
        // Names become numbers where the tree's users are known; until then it is root's.
        (entry.uid, entry.gid) = (0, 0);
        if matches!(entry.kind, EntryKind::File | EntryKind::SharedFile { .. }) {
            let xattr = capabilities::parse(&listed.capabilities);
            let xattr = xattr.map_err(|_| refused(path, "its capabilities are not known"))?;
            let pairs = xattr.map(|value| (capabilities::XATTR.to_vec(), value));
            let xattrs = Xattrs::from_pairs(pairs.into_iter().collect());
            entry.xattrs = xattrs.map_err(|_| refused(path, "its capabilities are no xattr"))?;
        }
        Ok((listed.user.clone(), listed.group.clone()))
    }

    /// Puts an entry to its place, after the directories that it is in.
    fn put(&mut self, to: String, mut entry: ArchiveEntry) -> Result<(), ArchiveError> {
        self.put_parents(&to);
        if entry.kind == EntryKind::Directory {
            self.directories.insert(to.clone());
        }
        entry.path = to.into_bytes();
        self.waiting.push_back((entry, None));
        Ok(())
    }

    fn put_parents(&mut self, path: &str) {
        let ends = path.match_indices('/').map(|(end, _)| end);
        let parents: Vec<&str> = std::iter::once(0)
            .chain(ends)
            .map(|end| &path[..end])
            .collect();
        for parent in parents {
            if self.directories.insert(parent.to_owned()) {
                self.waiting
                    .push_back((plain(parent, EntryKind::Directory, DIRECTORY_MODE, 0), None));
            }
        }
    }

    /// What leads to a file of `/opt` or `/usr/local`, which are the machine's.
    fn link(&mut self, link: &str, tree: &str, entry: &ArchiveEntry) {
        const OPT: &str = "/var/opt/";
        if let Some(rest) = link.strip_prefix(OPT) {
            // One link is enough for all below it.
            let name = rest.split('/').next().unwrap_or_default();
            let target = format!("/usr/lib/opt/{name}");
            self.tmpfiles
                .add(format!("{OPT}{name}"), Made::Symlink { target });
            return;
        }
        let root = || "root".to_owned();
        let made = match entry.kind {
            EntryKind::Directory => Made::Directory {
                mode: entry.mode,
                user: root(),
                group: root(),
            },
            _ => Made::Symlink {
                target: format!("/{tree}"),
            },
        };
        self.tmpfiles.add(link.to_owned(), made);
    }

    /// What is to be made at boot.
    fn make(
        &mut self,
        path: String,
        factory: String,
        entry: ArchiveEntry,
        (user, group): (String, String),
    ) -> Result<(), ArchiveError> {
        let mode = entry.mode;
        let made = match &entry.kind {
            EntryKind::Directory => Made::Directory { mode, user, group },
            EntryKind::Symlink(target) => Made::Symlink {
                target: text(target)?.to_owned(),
            },
            EntryKind::Special("fifo") => Made::Fifo { mode, user, group },
            EntryKind::Special(kind) => return Err(refused(&path, &format!("it is a {kind}"))),
            EntryKind::File | EntryKind::SharedFile { .. } | EntryKind::HardLink(_) => {
                self.put(factory, entry)?;
                Made::Copy { mode, user, group }
            }
        };
        self.tmpfiles.add(path, made);
        Ok(())
    }

    /// What comes after the package's own files.
    fn end(&mut self) {
        self.ended = true;
        self.put_parents("");
        if let Some(text) = self.tmpfiles.text() {
            let path = self.tmpfiles_path.clone();
            self.put_parents(&path);
            let entry = plain(&path, EntryKind::File, FILE_MODE, text.len() as u64);
            self.waiting.push_back((entry, Some(text.into_bytes())));
        }
    }
}

impl<R: Read> Entries for Placing<'_, R> {
    fn next_entry(&mut self) -> Result<Option<ArchiveEntry>, ArchiveError> {
        loop {
            if let Some((entry, content)) = self.waiting.pop_front() {
                self.memory = content.map(Cursor::new);
                return Ok(Some(entry));
            }
            if self.ended {
                return Ok(None);
            }
            match self.packed.next_entry()? {
                Some(entry) => self.take(entry)?,
                None => self.end(),
            }
        }
    }
}

impl<R: Read> Read for Placing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.memory {
            Some(memory) => memory.read(buffer),
            None => self.packed.read(buffer),
        }
    }
}

fn plain(path: &str, kind: EntryKind, mode: u32, size: u64) -> ArchiveEntry {
    ArchiveEntry {
        path: path.as_bytes().to_vec(),
        kind,
        mode,
        uid: 0,
        gid: 0,
        size,
        xattrs: Xattrs::new(),
    }
}

fn refused(path: &str, problem: &str) -> ArchiveError {
    ArchiveError::Entry {
        name: path.to_owned(),
        problem: problem.to_owned(),
    }
}

fn text(bytes: &[u8]) -> Result<&str, ArchiveError> {
    std::str::from_utf8(bytes)
        .map_err(|_| refused(&String::from_utf8_lossy(bytes), "it is no UTF-8"))
}

/// A path without slashes at its ends; one that leads upwards is refused.
fn normal(path: &[u8]) -> Result<String, ArchiveError> {
    let path = text(path)?;
    let names: Vec<&str> = path
        .split('/')
        .filter(|name| !matches!(*name, "" | "."))
        .collect();
    match names.contains(&"..") {
        true => Err(refused(path, "it leads upwards")),
        false => Ok(names.join("/")),
    }
}

/// Where the content of a path is.
fn in_tree(path: &str) -> Result<String, ArchiveError> {
    match place(path).map_err(|Misplaced(why)| refused(path, why))? {
        Place::Tree(tree) | Place::Linked { tree, .. } | Place::Machine { factory: tree, .. } => {
            Ok(tree)
        }
        Place::Everywhere => Err(refused(path, "it is a directory on each machine")),
    }
}
