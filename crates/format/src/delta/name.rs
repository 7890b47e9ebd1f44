//! Which commits a delta leads from and to, and where its files are.

use std::fmt;
use std::str::FromStr;

use crate::checksum::{Checksum, ChecksumError, CommitId};

/// What a delta leads from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeltaName {
    /// The commit that it leads to.
    pub to: CommitId,
    /// The commit that it starts from; `None` for one that needs nothing.
    pub from: Option<CommitId>,
}

impl DeltaName {
    /// Its folder in a repository, `deltas/<from[0:2]>/<from[2:]>-<to>` or `deltas/<to[0:2]>/<to[2:]>`.
    pub fn path(&self) -> String {
        let to = self.to.checksum().to_delta_name();
        let whole = match self.from {
            Some(from) => format!("{}-{to}", from.checksum().to_delta_name()),
            None => to,
        };
        format!("deltas/{}/{}", &whole[..2], &whole[2..])
    }

    /// Takes the names of the two folders below `deltas/` apart; `None` if they are no delta's.
    pub fn from_folder_names(prefix: &str, rest: &str) -> Option<Self> {
        let id = |text| Checksum::from_delta_name(text).map(CommitId::new).ok();
        let whole = format!("{prefix}{rest}");
        let (from, to) = match whole.split_once('-') {
            Some((from, to)) => (Some(id(from)?), to),
            None => (None, whole.as_str()),
        };
        Some(Self { to: id(to)?, from })
    }

    /// The path of its superblock.
    pub fn superblock_path(&self) -> String {
        format!("{}/superblock", self.path())
    }

    /// The path of a part, counted from 0; also the key of a part that lies in the superblock.
    pub fn part_path(&self, index: usize) -> String {
        format!("{}/{index}", self.path())
    }

    /// The key in the superblock's metadata of the commit's detached metadata.
    pub fn detached_metadata_key(&self) -> String {
        format!("{}/commitmeta", self.path())
    }
}

/// `FROM-TO` or `TO`, in hexadecimal digits: its key in summaries and indexes.
impl fmt::Display for DeltaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(from) = self.from {
            write!(f, "{}-", from.checksum())?;
        }
        write!(f, "{}", self.to.checksum())
    }
}

impl FromStr for DeltaName {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let id = |hex| Checksum::from_hex(hex).map(CommitId::new);
        Ok(match text.split_once('-') {
            Some((from, to)) => Self {
                from: Some(id(from)?),
                to: id(to)?,
            },
            None => Self {
                from: None,
                to: id(text)?,
            },
        })
    }
}
