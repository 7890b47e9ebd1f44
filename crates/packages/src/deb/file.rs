//! A Debian package as a file: what it says of itself, and the files that it brings.
//!
//! ```text
//! !<arch>  debian-binary "2.0\n"  control.tar[.gz|.xz|.zst]  data.tar[.gz|.xz|.zst|.bz2|.lzma]
//! ```
//!
//! Read once from start to end. The members of the control archive are held, each up to [`MAX_CONTROL_FILE`]; of the data one buffer is.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use ostler_format::archive::{ArchiveEntry, ArchiveError, ArchiveReader, EntryKind};
use ostler_store::unpack::{UnpackError, unpacked};

use super::ar::ArReader;
use super::paragraph::{Paragraph, paragraphs};
use crate::error::PackagesError;
use crate::package::Package;

/// Bytes in a member of the control archive, at most.
pub const MAX_CONTROL_FILE: u64 = 32 << 20;
/// Members of the control archive, at most.
const MAX_CONTROL_FILES: usize = 1000;
const BUFFER: usize = 128 * 1024;

/// A file that is no Debian package, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// It begins otherwise.
    #[error("it is no Debian package")]
    NoDeb,
    /// It is of a version that is not known.
    #[error("it is a Debian package of version `{0}`, of which only 2 is known")]
    Version(String),
    /// It ends too soon.
    #[error("it ends early")]
    Truncated,
    /// A member's header makes no sense.
    #[error("the header of one of its members is broken")]
    Member,
    /// A member is not there, or not where it must be.
    #[error("it has no `{0}` where that must be")]
    Missing(&'static str),
    /// A member of the control archive is too large, or there are too many.
    #[error("its control archive has more than is read: `{0}`")]
    TooLarge(String),
    /// It cannot be read on.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// An archive within is broken.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// An archive within cannot be unpacked.
    #[error("{0}")]
    Unpack(#[from] UnpackError),
    /// A file of the control archive is not what it must be.
    #[error("`{file}`: {source}")]
    Control {
        /// The file.
        file: &'static str,
        /// What is wrong.
        source: PackagesError,
    },
}

/// The files of the control archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    files: BTreeMap<String, Vec<u8>>,
}

/// A file that a person may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conffile {
    /// Its absolute path.
    pub path: String,
    /// Whether it goes when the package is upgraded, because later versions have none.
    pub remove_on_upgrade: bool,
}

/// A package that is being read: what it says is known, its files come one after the other.
pub struct DebFile<'a> {
    /// What it says of itself.
    pub control: Control,
    /// The files.
    pub data: ArchiveReader<Box<dyn Read + 'a>>,
}

impl<'a> DebFile<'a> {
    /// Reads up to the first file.
    ///
    /// # Errors
    /// [`DebError`].
    pub fn open(from: impl Read + 'a) -> Result<Self, DebError> {
        let mut ar = ArReader::new(from)?;
        let Some(first) = ar
            .next_member()?
            .filter(|member| member.name == "debian-binary")
        else {
            return Err(DebError::NoDeb);
        };
        let mut version = Vec::new();
        (&mut ar)
            .take(first.size.min(64))
            .read_to_end(&mut version)?;
        if !version.starts_with(b"2.") {
            let version = String::from_utf8_lossy(&version).trim_end().to_owned();
            return Err(DebError::Version(version));
        }
        go_to(&mut ar, "control.tar")?;
        let control = Control::read(&mut ar)?;
        go_to(&mut ar, "data.tar")?;
        let data = unpacked(BufReader::with_capacity(BUFFER, ar))?;
        let data = ArchiveReader::new(data)?;
        Ok(Self { control, data })
    }
}

/// Goes to an archive; what begins with an underscore may be before it.
fn go_to<R: Read>(ar: &mut ArReader<R>, name: &'static str) -> Result<(), DebError> {
    loop {
        let member = ar.next_member()?.ok_or(DebError::Missing(name))?;
        match member.name.strip_prefix(name) {
            Some("" | ".gz" | ".xz" | ".zst" | ".bz2" | ".lzma") => return Ok(()),
            _ if member.name.starts_with('_') => {}
            _ => return Err(DebError::Missing(name)),
        }
    }
}

impl Control {
    fn read(packed: impl Read) -> Result<Self, DebError> {
        let mut archive = ArchiveReader::new(unpacked(BufReader::new(packed))?)?;
        let mut control = Self::default();
        while let Some(entry) = archive.next_entry()? {
            let Some(name) = plain_name(&entry) else {
                continue;
            };
            if entry.size > MAX_CONTROL_FILE || control.files.len() >= MAX_CONTROL_FILES {
                return Err(DebError::TooLarge(name));
            }
            let mut bytes = Vec::new();
            archive.read_to_end(&mut bytes)?;
            control.files.insert(name, bytes);
        }
        match control.files.contains_key("control") {
            true => Ok(control),
            false => Err(DebError::Missing("control")),
        }
    }

    /// Returns a file's content: a script (`postinst`), `md5sums`, or another.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// Returns the names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Reads the fields.
    ///
    /// # Errors
    /// [`DebError::Control`].
    pub fn fields(&self) -> Result<Paragraph<'_>, DebError> {
        let found = paragraphs(self.file("control").unwrap_or_default()).next();
        let found = found.unwrap_or_else(|| Err(PackagesError::at_line(1, "it is empty")));
        found.map_err(in_control)
    }

    /// Says which package it is.
    ///
    /// # Errors
    /// [`DebError::Control`].
    pub fn package(&self) -> Result<Package, DebError> {
        let fields = self.fields()?;
        let required = |name, problem| {
            let text = fields.text(name).map_err(in_control)?;
            let text = text.filter(|text| !text.is_empty() && !text.contains(char::is_whitespace));
            let missing = || in_control(PackagesError::at_line(fields.line(), problem));
            text.map(str::to_owned).ok_or_else(missing)
        };
        Ok(Package {
            name: required("Package", "a package without a name")?,
            architecture: required("Architecture", "a package without an architecture")?,
            version: required("Version", "a package without a version")?,
        })
    }

    /// Lists the files that a person may change.
    ///
    /// # Errors
    /// [`DebError::Control`] at a line that names none.
    pub fn conffiles(&self) -> Result<Vec<Conffile>, DebError> {
        self.lines("conffiles", |(number, line)| {
            let mut words = line.split_whitespace().rev();
            let path = words.next().filter(|path| path.starts_with('/'));
            let flags: Vec<&str> = words.collect();
            let remove_on_upgrade = match flags[..] {
                [] => Some(false),
                ["remove-on-upgrade"] => Some(true),
                _ => None,
            };
            let (Some(path), Some(remove_on_upgrade)) = (path, remove_on_upgrade) else {
                return Err(PackagesError::at_line(number + 1, "no absolute path"));
            };
            Ok(Conffile {
                path: path.to_owned(),
                remove_on_upgrade,
            })
        })
    }

    /// Lists what the package is told of and what it tells: `interest-noawait /usr/share/icons` as those two words.
    ///
    /// # Errors
    /// [`DebError::Control`] at a line that is none.
    pub fn triggers(&self) -> Result<Vec<(String, String)>, DebError> {
        self.lines("triggers", |(number, line)| {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [] => Ok(None),
                [kind, name] => Ok(Some((kind.to_owned(), name.to_owned()))),
                _ => Err(PackagesError::at_line(number + 1, "no trigger")),
            }
        })
        .map(|found| found.into_iter().flatten().collect())
    }

    /// Reads each line of a file that is not empty; a file that is not there has none.
    fn lines<T>(
        &self,
        file: &'static str,
        read: impl Fn((usize, &str)) -> Result<T, PackagesError>,
    ) -> Result<Vec<T>, DebError> {
        let in_file = |source| DebError::Control { file, source };
        let text = std::str::from_utf8(self.file(file).unwrap_or_default());
        let text = text.map_err(|_| in_file(PackagesError::at_line(1, "it is no text")))?;
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty());
        lines.map(read).collect::<Result<_, _>>().map_err(in_file)
    }
}

fn in_control(source: PackagesError) -> DebError {
    let file = "control";
    DebError::Control { file, source }
}

/// The name of a regular file right in the control archive.
fn plain_name(entry: &ArchiveEntry) -> Option<String> {
    let path = std::str::from_utf8(&entry.path).ok()?;
    let name = path.strip_prefix("./").unwrap_or(path);
    let is_plain = entry.kind == EntryKind::File && !name.is_empty() && !name.contains('/');
    is_plain.then(|| name.to_owned())
}
