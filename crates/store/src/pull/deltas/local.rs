//! Deltas of another repository on this machine.

use ostler_format::delta::{DELTAS_KEY, DeltaIndex, DeltaName, Superblock};
use ostler_format::{Checksum, CommitId, MAX_METADATA_SIZE, ObjectKind, ObjectName, Summary};
use ostler_fs::Trusted;

use super::super::error::PullError;
use super::{Apply, DeltaSource};
use crate::delta::{DeltaFiles, on_threads};
use crate::error::StoreError;
use crate::repo::Repo;

/// The deltas of another repository on this machine, as its clients find them.
pub(crate) struct LocalDeltas<'r> {
    repo: &'r Repo,
    listed: Option<Vec<(DeltaName, Checksum)>>,
}

impl<'r> LocalDeltas<'r> {
    pub(crate) fn of(repo: &'r Repo) -> Result<Self, PullError> {
        let summary = crate::summary::read_bytes(repo)?;
        let summary = summary.and_then(|bytes| Summary::parse(&bytes).ok());
        Ok(Self {
            repo,
            listed: summary.as_ref().map(listed_in),
        })
    }
}

impl DeltaSource for LocalDeltas<'_> {
    fn to(&self, commit: CommitId) -> Result<Option<Vec<(DeltaName, Checksum)>>, PullError> {
        let path = DeltaIndex::path(commit);
        let dir = self.repo.dir();
        let index = dir.read_optional(Trusted(&path), MAX_METADATA_SIZE);
        let index = index.map_err(StoreError::from)?;
        if let Some(index) = index.and_then(|bytes| DeltaIndex::parse(&bytes).ok()) {
            return Ok(Some(of_commit(&index.deltas, commit)));
        }
        let listed = self.listed.as_ref();
        Ok(listed.map(|listed| of_commit(listed, commit)))
    }

    fn superblock(
        &self,
        name: &DeltaName,
        _expected: Option<Checksum>,
    ) -> Result<Option<Vec<u8>>, PullError> {
        let path = name.superblock_path();
        let read = self
            .repo
            .dir()
            .read_optional(Trusted(&path), MAX_METADATA_SIZE);
        Ok(read.map_err(StoreError::from)?)
    }

    fn detached(&self, commit: CommitId) -> Result<Option<Vec<u8>>, PullError> {
        let name = ObjectName::new(commit.checksum(), ObjectKind::CommitMeta);
        Ok(self.repo.read_metadata_optional(&name)?)
    }

    fn parts(
        &self,
        superblock: &Superblock,
        wanted: &[usize],
        apply: &Apply<'_>,
    ) -> Result<(), PullError> {
        let files = DeltaFiles::of_repo(self.repo, &superblock.name)?;
        on_threads(
            |number: usize| apply(number, &mut files.part(number)?),
            |jobs, done| {
                for number in wanted {
                    let _ = jobs.send(*number);
                }
                drop(jobs);
                done.iter().collect()
            },
        )
    }
}

/// What a summary says of deltas.
pub(crate) fn listed_in(summary: &Summary) -> Vec<(DeltaName, Checksum)> {
    let map = summary.metadata.get(DELTAS_KEY);
    // One that is not as it should be lists nothing: objects can be had anyway.
    let index = map.and_then(|map| DeltaIndex::from_value(map.clone()).ok());
    index.map(|index| index.deltas).unwrap_or_default()
}

/// Those of the listed deltas that lead to a commit.
pub(super) fn of_commit(
    listed: &[(DeltaName, Checksum)],
    commit: CommitId,
) -> Vec<(DeltaName, Checksum)> {
    let to = listed.iter().filter(|(name, _)| name.to == commit);
    to.copied().collect()
}
