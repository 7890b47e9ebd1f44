//! [`Description`]: what a package says of itself, the same for files of both worlds.

use std::io::{self, Read};

use ostler_format::archive::{ArchiveEntry, ArchiveError, EntryKind};
use ostler_store::sign::openpgp::{OpenPgpVerifier, Verdict};
use serde::Serialize;

use crate::deb::file::{DebError, DebFile};
use crate::deb::relation;
use crate::error::PackagesError;
use crate::package::{Package, World};
use crate::rpm::file::{Headers, RpmError, RpmFile};
use crate::rpm::{self, files, header::Header, script, tag};

/// Fields of Debian's packages with relations, in the order in which they are told.
const DEB_RELATIONS: [&str; 9] = [
    "Pre-Depends",
    "Depends",
    "Recommends",
    "Suggests",
    "Enhances",
    "Provides",
    "Conflicts",
    "Breaks",
    "Replaces",
];
/// Members of a control archive that are run.
const DEB_SCRIPTS: [&str; 5] = ["config", "preinst", "postinst", "prerm", "postrm"];

/// A file that is no package, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum PackageFileError {
    /// It begins like none.
    #[error("it is neither a Debian package nor an rpm")]
    Unknown,
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is a broken Debian package.
    #[error("{0}")]
    Deb(#[from] DebError),
    /// It is a broken rpm.
    #[error("{0}")]
    Rpm(#[from] RpmError),
}

impl From<ArchiveError> for PackageFileError {
    fn from(error: ArchiveError) -> Self {
        Self::Deb(error.into())
    }
}

impl From<PackagesError> for PackageFileError {
    fn from(error: PackagesError) -> Self {
        Self::Rpm(error.into())
    }
}

/// What a package says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Whose package it is.
    pub database: World,
    /// Name, architecture and version.
    #[serde(flatten)]
    pub package: Package,
    /// What it is, in a line.
    pub summary: String,
    /// What it is, in words.
    pub description: String,
    /// Bytes that its files take, as it says.
    pub installed_bytes: u64,
    /// Relations to other packages by kind, each as it is written.
    pub relations: Vec<Relations>,
    /// Its scripts.
    pub scripts: Vec<Script>,
    /// Debian's triggers: kind and name.
    pub triggers: Vec<(String, String)>,
    /// Its files, if they were asked for.
    pub files: Option<Vec<ListedFile>>,
}

/// Relations of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Relations {
    /// `Depends`, `Requires`, ...
    pub kind: &'static str,
    /// Each of them; alternatives stand in one.
    pub list: Vec<String>,
}

/// A script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Script {
    /// When it runs: `postinst`, `post`, `trigger`.
    pub when: String,
    /// What it waits for; empty for scripts of the package itself.
    pub on: Vec<String>,
    /// The program with its arguments; empty where the text says it.
    pub program: Vec<String>,
    /// Its text.
    pub text: String,
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedFile {
    /// Its absolute path; what is no UTF-8 is replaced.
    pub path: String,
    /// `file`, `directory`, `symlink`, `hardlink`, or another word.
    pub kind: &'static str,
    /// Permissions.
    pub mode: u32,
    /// Bytes of its content.
    pub size: u64,
    /// Owner, by name or number.
    pub user: String,
    /// Group, by name or number.
    pub group: String,
    /// Where a link leads; empty for others.
    pub target: String,
    /// `config`, `noreplace`, `ghost`, `doc`, ...
    pub flags: Vec<&'static str>,
    /// Capabilities; empty if it has none.
    pub capabilities: String,
}

/// Whether the files are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// They are; of a Debian package all of it is read for that.
    List,
    /// They are not.
    Omit,
}

/// What a check found.
#[derive(Debug)]
pub struct Checked {
    /// The package.
    pub package: Package,
    /// Whose package it is.
    pub database: World,
    /// How many files it brings.
    pub files: u64,
    /// Its signatures; a Debian package has none, its repository is signed.
    pub signatures: Vec<Verdict>,
}

/// Tells the worlds apart by the first bytes; returns all bytes again.
pub(crate) fn begin<R: Read>(mut from: R) -> Result<(World, impl Read), PackageFileError> {
    let mut start = Vec::new();
    (&mut from).take(8).read_to_end(&mut start)?;
    let world = match &start[..] {
        b"!<arch>\n" => World::Dpkg,
        [0xed, 0xab, 0xee, 0xdb, ..] => World::Rpm,
        _ => return Err(PackageFileError::Unknown),
    };
    Ok((world, io::Cursor::new(start).chain(from)))
}

/// Reads what a package says of itself.
///
/// # Errors
/// [`PackageFileError`]. Checksums and signatures are not looked at.
pub fn describe(from: impl Read, files: Files) -> Result<Description, PackageFileError> {
    let (world, from) = begin(from)?;
    match world {
        World::Dpkg => describe_deb(DebFile::open(from)?, files),
        World::Rpm => describe_rpm(&RpmFile::open(from)?.headers, files),
    }
}

/// Reads all of a package: that it is whole, that of an rpm each checksum is right, and what is true of its signatures.
///
/// # Errors
/// [`PackageFileError`].
pub fn check(from: impl Read, verifier: &OpenPgpVerifier) -> Result<Checked, PackageFileError> {
    let (database, from) = begin(from)?;
    if database == World::Dpkg {
        let mut deb = DebFile::open(from)?;
        let (package, _) = (deb.control.package()?, deb.control.conffiles()?);
        let mut files = 0;
        while deb.data.next_entry()?.is_some() {
            files += 1;
        }
        // Beyond the last file are what evens the archive, and the checksum of its compression.
        io::copy(&mut deb.data.into_inner(), &mut io::sink())?;
        let signatures = Vec::new();
        return Ok(Checked {
            package,
            database,
            files,
            signatures,
        });
    }
    let rpm = RpmFile::open(from)?;
    rpm.headers.check()?;
    let signatures = rpm.headers.judge(verifier)?;
    let (headers, payload) = rpm.payload()?;
    let files = rpm::verify::check_payload(&headers, payload)?;
    let package = rpm::package(&headers.main()?)?;
    Ok(Checked {
        package,
        database,
        files,
        signatures,
    })
}

fn describe_deb(mut deb: DebFile<'_>, files: Files) -> Result<Description, PackageFileError> {
    let listed = match files {
        Files::List => Some(deb_files(&mut deb)?),
        Files::Omit => None,
    };
    let control = &deb.control;
    let fields = control.fields()?;
    let text =
        |name: &str| String::from_utf8_lossy(fields.get(name).unwrap_or_default()).into_owned();
    let mut relations = Vec::new();
    for kind in DEB_RELATIONS {
        let file = "control";
        let field = fields
            .text(kind)
            .map_err(|source| DebError::Control { file, source })?;
        let groups = relation::parse(field.unwrap_or_default());
        let groups = groups.map_err(|source| DebError::Control { file, source })?;
        let shown = |group: &Vec<relation::Target<'_>>| {
            let alternatives: Vec<String> = group.iter().map(ToString::to_string).collect();
            alternatives.join(" | ")
        };
        let list: Vec<String> = groups.iter().map(shown).collect();
        if !list.is_empty() {
            relations.push(Relations { kind, list });
        }
    }
    let script = |when: &&str| {
        let text = String::from_utf8_lossy(control.file(when)?).into_owned();
        let (when, on, program) = ((*when).to_owned(), Vec::new(), Vec::new());
        Some(Script {
            when,
            on,
            program,
            text,
        })
    };
    let description = text("Description");
    let (summary, words) = description.split_once('\n').unwrap_or((&description, ""));
    Ok(Description {
        database: World::Dpkg,
        package: control.package()?,
        summary: summary.to_owned(),
        description: unfolded(words),
        installed_bytes: text("Installed-Size")
            .parse::<u64>()
            .unwrap_or(0)
            .saturating_mul(1024),
        relations,
        scripts: DEB_SCRIPTS.iter().filter_map(script).collect(),
        triggers: control.triggers()?,
        files: listed,
    })
}

/// Takes the blank from the start of each line, and the dot from those that are to be empty.
fn unfolded(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.strip_prefix(' ').unwrap_or(line);
        if line == "." { "" } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn deb_files(deb: &mut DebFile<'_>) -> Result<Vec<ListedFile>, PackageFileError> {
    let conffiles = deb.control.conffiles()?;
    let mut files = Vec::new();
    while let Some(entry) = deb.data.next_entry()? {
        let mut file = deb_file(&entry);
        if conffiles.iter().any(|conffile| conffile.path == file.path) {
            file.flags.push("config");
        }
        files.push(file);
    }
    Ok(files)
}

fn deb_file(entry: &ArchiveEntry) -> ListedFile {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (kind, target) = match &entry.kind {
        EntryKind::File | EntryKind::SharedFile { .. } => ("file", String::new()),
        EntryKind::Directory => ("directory", String::new()),
        EntryKind::Symlink(target) => ("symlink", shown(target)),
        EntryKind::HardLink(target) => ("hardlink", absolute(&shown(target))),
        EntryKind::Special(kind) => (*kind, String::new()),
    };
    ListedFile {
        path: absolute(&shown(&entry.path)),
        kind,
        mode: entry.mode,
        size: entry.size,
        user: entry.uid.to_string(),
        group: entry.gid.to_string(),
        target,
        flags: Vec::new(),
        capabilities: String::new(),
    }
}

/// `./usr/bin/` is `/usr/bin`.
fn absolute(path: &str) -> String {
    let path = path.strip_prefix('.').unwrap_or(path);
    format!("/{}", path.trim_matches('/'))
}

fn describe_rpm(headers: &Headers, files: Files) -> Result<Description, PackageFileError> {
    let header = headers.main()?;
    let text = |tag| {
        let texts = header.texts(tag)?;
        Ok::<_, PackagesError>(
            texts
                .first()
                .map_or_else(String::new, |text| text.to_string()),
        )
    };
    let listed = match files {
        Files::List => Some(files::files(&header)?.iter().map(rpm_file).collect()),
        Files::Omit => None,
    };
    let relations = rpm::relation::relations(&header)?.into_iter();
    let scripts = script::scripts(&header)?.into_iter();
    Ok(Description {
        database: World::Rpm,
        package: rpm::package(&header)?,
        summary: text(tag::SUMMARY)?,
        description: text(tag::DESCRIPTION)?,
        installed_bytes: rpm_size(&header)?,
        relations: relations
            .map(|(kind, list)| Relations {
                kind,
                list: list.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        scripts: scripts
            .map(|script| Script {
                when: script.when.to_owned(),
                on: script.on,
                program: script.program,
                text: script.text,
            })
            .collect(),
        triggers: Vec::new(),
        files: listed,
    })
}

fn rpm_size(header: &Header<'_>) -> Result<u64, PackagesError> {
    let long = header.number(tag::LONG_SIZE)?;
    Ok(long.or(header.number(tag::SIZE)?).unwrap_or(0))
}

fn rpm_file(file: &files::RpmFileEntry) -> ListedFile {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ListedFile {
        path: shown(&file.path),
        kind: match file.mode & 0o170_000 {
            0o100_000 => "file",
            0o040_000 => "directory",
            0o120_000 => "symlink",
            0o060_000 => "block device",
            0o020_000 => "character device",
            0o010_000 => "fifo",
            _ => "unknown",
        },
        mode: file.mode & 0o7777,
        size: file.size,
        user: file.user.clone(),
        group: file.group.clone(),
        target: shown(&file.target),
        flags: file.flags.names().collect(),
        capabilities: file.capabilities.clone(),
    }
}
