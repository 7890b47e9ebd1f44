//! The files that a header lists.

use std::borrow::Cow;

use super::{header::Header, tag};
use crate::error::PackagesError;

/// What a file is to rpm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileFlags(pub u32);

const FLAGS: [(u32, &str); 9] = [
    (1, "config"),
    (1 << 1, "doc"),
    (1 << 3, "missingok"),
    (1 << 4, "noreplace"),
    (1 << 6, "ghost"),
    (1 << 7, "license"),
    (1 << 8, "readme"),
    (1 << 11, "pubkey"),
    (1 << 12, "artifact"),
];

impl FileFlags {
    /// A person may change it.
    #[must_use]
    pub fn is_config(self) -> bool {
        self.0 & 1 != 0
    }

    /// The package owns the path and does not bring the file.
    #[must_use]
    pub fn is_ghost(self) -> bool {
        self.0 & 1 << 6 != 0
    }

    /// Returns the names of those that are known.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        FLAGS
            .iter()
            .filter(move |(bit, _)| self.0 & bit != 0)
            .map(|(_, name)| *name)
    }
}

/// A file that a header lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpmFileEntry {
    /// Its absolute path, as bytes.
    pub path: Vec<u8>,
    /// Type and permissions.
    pub mode: u32,
    /// Bytes of its content.
    pub size: u64,
    /// The name of its owner.
    pub user: String,
    /// The name of its group.
    pub group: String,
    /// What it is to rpm.
    pub flags: FileFlags,
    /// Where a symlink leads; empty for others.
    pub target: Vec<u8>,
    /// The checksum of a regular file's content, in hexadecimal; empty for others.
    pub digest: String,
    /// Its capabilities, `cap_net_raw=p`; empty if it has none.
    pub capabilities: String,
}

/// Lists the files of a package.
///
/// # Errors
/// [`PackagesError`] if a list is shorter than that of the names, or a path is not absolute.
pub fn files(header: &Header<'_>) -> Result<Vec<RpmFileEntry>, PackagesError> {
    let paths = paths(header)?;
    let sizes = match header.has(tag::LONG_FILE_SIZES) {
        true => header.numbers(tag::LONG_FILE_SIZES)?,
        false => header.numbers(tag::FILE_SIZES)?,
    };
    let (modes, flags) = (
        header.numbers(tag::FILE_MODES)?,
        header.numbers(tag::FILE_FLAGS)?,
    );
    let (users, groups) = (
        header.texts(tag::FILE_USERS)?,
        header.texts(tag::FILE_GROUPS)?,
    );
    let (links, digests) = (
        header.byte_strings(tag::FILE_LINKS)?,
        header.texts(tag::FILE_DIGESTS)?,
    );
    let capabilities = header.texts(tag::FILE_CAPS)?;
    let lengths = [
        sizes.len(),
        modes.len(),
        flags.len(),
        users.len(),
        groups.len(),
        links.len(),
        digests.len(),
    ];
    if lengths.iter().any(|length| *length != paths.len()) {
        return Err(PackagesError::at_byte(
            0,
            "lists of files that are not of one length",
        ));
    }
    let text = |list: &[Cow<'_, str>], at: usize| {
        list.get(at)
            .map_or_else(String::new, |text| text.to_string())
    };
    let entries = paths.into_iter().enumerate();
    Ok(entries
        .map(|(at, path)| RpmFileEntry {
            path,
            // Of 16 bits in the header, and of 32 in those of some builders.
            mode: (modes[at] & 0xffff) as u32,
            size: sizes[at],
            user: text(&users, at),
            group: text(&groups, at),
            flags: FileFlags((flags[at] & 0xffff_ffff) as u32),
            target: links[at].to_vec(),
            digest: text(&digests, at),
            capabilities: text(&capabilities, at),
        })
        .collect())
}

fn paths(header: &Header<'_>) -> Result<Vec<Vec<u8>>, PackagesError> {
    let paths: Vec<Vec<u8>> = if header.has(tag::BASE_NAMES) {
        let names = header.byte_strings(tag::BASE_NAMES)?;
        let directories = header.byte_strings(tag::DIR_NAMES)?;
        let indexes = header.numbers(tag::DIR_INDEXES)?;
        if indexes.len() != names.len() {
            return Err(PackagesError::at_byte(
                0,
                "names of files without their directories",
            ));
        }
        let path = |(name, index): (&[u8], u64)| {
            let directory = usize::try_from(index)
                .ok()
                .and_then(|index| directories.get(index));
            directory.map(|directory| [directory, name].concat())
        };
        let paths = names
            .into_iter()
            .zip(indexes)
            .map(path)
            .collect::<Option<_>>();
        paths
            .ok_or_else(|| PackagesError::at_byte(0, "a file in a directory that is not listed"))?
    } else {
        let names = header.byte_strings(tag::OLD_FILE_NAMES)?;
        names.into_iter().map(<[u8]>::to_vec).collect()
    };
    match paths.iter().all(|path| path.starts_with(b"/")) {
        true => Ok(paths),
        false => Err(PackagesError::at_byte(0, "a path that is not absolute")),
    }
}
