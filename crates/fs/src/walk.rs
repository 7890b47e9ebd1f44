//! An ordered walk: every entry below a directory, each directory's by the bytes of their names, with metadata.

use std::ffi::{CStr, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::dir::{Dir, Entries, open_dir_at};
use crate::error::{FsError, Result};
use crate::metadata::Metadata;
use rustix::io::Errno;

/// Levels below which a tree is refused: each holds a descriptor, and no system's tree comes near.
pub const MAX_DEPTH: usize = 256;

/// What the walk has come to.
#[derive(Debug)]
pub enum Step<'a> {
    /// An entry that is not a directory.
    Entry(Visited<'a>),
    /// A directory, before what is in it.
    Enter(Visited<'a>),
    /// The same directory, after what is in it; not after [`Next::Skip`].
    Leave(Visited<'a>),
}

/// Where the walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// With the next entry.
    Continue,
    /// Past the content of the directory just entered; the same as `Continue` for other steps.
    Skip,
    /// Nowhere: the walk ends, with success.
    Stop,
}

/// One entry and where it was found.
#[derive(Debug)]
pub struct Visited<'a> {
    path: &'a [u8],
    name_start: usize,
    parent: &'a Dir,
    dir: Option<&'a Dir>,
    /// The attributes; of a directory, read from its open handle.
    pub metadata: &'a Metadata,
    /// 0 for the entries of the walk's root.
    pub depth: usize,
}

impl<'a> Visited<'a> {
    /// The path from the walk's root, without a leading `/`.
    pub fn path_bytes(&self) -> &'a [u8] {
        &self.path[..self.path.len() - 1]
    }

    /// The path from the walk's root, without a leading `/`.
    pub fn path(&self) -> &'a Path {
        Path::new(OsStr::from_bytes(self.path_bytes()))
    }

    /// The name's bytes.
    pub fn name(&self) -> &'a [u8] {
        &self.path_bytes()[self.name_start..]
    }

    /// The name, ready for the kernel.
    pub fn c_name(&self) -> &'a CStr {
        CStr::from_bytes_with_nul(&self.path[self.name_start..])
            .expect("the walk ends each path with a NUL")
    }

    /// The directory that the entry is in.
    pub fn parent(&self) -> &'a Dir {
        self.parent
    }

    /// The open directory, if it is one.
    pub fn dir(&self) -> Option<&'a Dir> {
        self.dir
    }
}

struct Level {
    dir: Dir,
    metadata: Metadata,
    entries: Entries,
    next: usize,
    /// Length of this directory's path with its `/`.
    path_length: usize,
}

/// Visits everything below `root`, depth first and in order; never follows a symlink.
///
/// An entry that vanishes between listing and stat is left out. Mount points are entered: their [`Metadata::mount_root`] says so to a visitor that wants
/// to skip them. The visitor's error ends the walk.
///
/// # Errors
/// What a directory's opening or listing answers, and `Unsupported` below [`MAX_DEPTH`] levels.
pub fn walk<E: From<FsError>>(
    root: &Dir,
    mut visit: impl FnMut(Step<'_>) -> Result<Next, E>,
) -> Result<(), E> {
    let mut buffer = Vec::new();
    let mut spare: Vec<Entries> = Vec::new();
    let mut path: Vec<u8> = Vec::with_capacity(256);
    let top = root.open_dir_beneath(".")?;
    let metadata = top.self_metadata()?;
    let mut levels = vec![list(top, metadata, 0, Entries::new(), &mut buffer)?];
    while let Some(level) = levels.last_mut() {
        path.truncate(level.path_length);
        if level.next == level.entries.len() {
            let left = levels.pop().expect("the loop's condition saw a level");
            if let Some(parent) = levels.last() {
                path[left.path_length - 1] = 0;
                let depth = levels.len() - 1;
                let step = visited(&path, parent, Some(&left.dir), &left.metadata, depth);
                if visit(Step::Leave(step))? == Next::Stop {
                    return Ok(());
                }
            }
            spare.push(left.entries);
            continue;
        }
        let entry = level.entries.at(level.next);
        level.next += 1;
        path.extend_from_slice(entry.c_name().to_bytes_with_nul());
        let is_dir = entry.file_type.is_dir();
        let Some((metadata, opened)) = examine(&level.dir, entry.c_name(), is_dir)? else {
            continue;
        };
        let depth = levels.len() - 1;
        let Some(dir) = opened else {
            let step = visited(&path, &levels[depth], None, &metadata, depth);
            match visit(Step::Entry(step))? {
                Next::Stop => return Ok(()),
                Next::Continue | Next::Skip => continue,
            }
        };
        let step = visited(&path, &levels[depth], Some(&dir), &metadata, depth);
        match visit(Step::Enter(step))? {
            Next::Stop => return Ok(()),
            Next::Skip => continue,
            Next::Continue => {}
        }
        if levels.len() >= MAX_DEPTH {
            let error = FsError::new(
                "walk",
                dir.shown_path(),
                std::io::Error::from(std::io::ErrorKind::Unsupported),
            );
            return Err(error
                .because("the tree is more than 256 levels deep")
                .into());
        }
        *path.last_mut().expect("a path ends with its NUL") = b'/';
        let level = list(
            dir,
            metadata,
            path.len(),
            spare.pop().unwrap_or_default(),
            &mut buffer,
        )?;
        levels.push(level);
    }
    Ok(())
}

fn visited<'a>(
    path: &'a [u8],
    parent: &'a Level,
    dir: Option<&'a Dir>,
    metadata: &'a Metadata,
    depth: usize,
) -> Visited<'a> {
    Visited {
        path,
        name_start: parent.path_length,
        parent: &parent.dir,
        dir,
        metadata,
        depth,
    }
}

fn list(
    dir: Dir,
    metadata: Metadata,
    path_length: usize,
    mut entries: Entries,
    buffer: &mut Vec<u8>,
) -> Result<Level> {
    // The handle was opened by this walk and nobody else reads it, so that its offset is at the start.
    dir.on_self("list", |fd| entries.fill(fd, buffer))?;
    Ok(Level {
        dir,
        metadata,
        entries,
        next: 0,
        path_length,
    })
}

/// Reads the attributes, of a directory through the handle that the walk goes on with; `None` if the entry has vanished.
fn examine(parent: &Dir, name: &CStr, is_dir: bool) -> Result<Option<(Metadata, Option<Dir>)>> {
    if is_dir {
        match open_dir_at(parent.as_fd(), name) {
            Ok(fd) => {
                let dir = Dir::from_fd(fd);
                let metadata = dir.self_metadata()?;
                return Ok(Some((metadata, Some(dir))));
            }
            Err(Errno::NOENT) => return Ok(None),
            // Replaced by something else since it was listed.
            Err(Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => return Err(parent.failed("open directory", &name, errno)),
        }
    }
    Ok(parent
        .metadata_optional(name)?
        .map(|metadata| (metadata, None)))
}
