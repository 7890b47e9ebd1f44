//! Static deltas in a pull: which one is used for a commit, and applying it before objects are asked for.
//!
//! What a delta brings is an object only if its checksum is right, and whatever it does not bring the walk over the commit finds
//! missing and asks for. The commit in the superblock is held to the same checks as any other, before its parts are
//! fetched.

mod network;

use ostler_format::delta::{DELTAS_KEY, DeltaIndex, DeltaName, PartHeader, Superblock};
use ostler_format::{Checksum, CommitId, Metadata, ObjectKind, ObjectName, Summary};

use super::error::PullError;
use super::options::DeltaUse;
use super::session::{Presence, Session, Turn};
use crate::delta::{DeltaError, DeltaFiles, PartInput, apply_part, parse_superblock};
use crate::error::StoreError;
use crate::mode::RepoMode;
use crate::progress::{Event, Phase, Sink};
use crate::repo::Repo;
pub(crate) use network::NetworkDeltas;

/// What the deltas of a pull came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeltaReport {
    /// Parts that were applied; in a dry run none.
    pub parts: u64,
    /// Bytes of the parts that were applied.
    pub bytes_applied: u64,
    /// Metadata that was asked for beside the parts: of each delta the superblock and the commit's detached metadata.
    pub headers: u64,
    /// Parts that there are.
    pub parts_total: u64,
    /// Parts of which all objects were here before.
    pub parts_present: u64,
    /// Bytes of all parts, and of the objects that are fetched by themselves.
    pub bytes_total: u64,
    /// Bytes of those that were here before.
    pub bytes_present: u64,
    /// Bytes of all these objects, unpacked.
    pub uncompressed_bytes: u64,
}

/// Where deltas come from.
pub(crate) trait DeltaSource {
    /// The deltas that lead to a commit, with the checksums of their superblocks; `None` if nothing says which there are.
    fn to(&self, commit: CommitId) -> Result<Option<Vec<(DeltaName, Checksum)>>, PullError>;

    /// The file of a superblock.
    fn superblock(&self, name: &DeltaName) -> Result<Option<Vec<u8>>, PullError>;

    /// A commit's detached metadata.
    fn detached(&self, commit: CommitId) -> Result<Option<Vec<u8>>, PullError>;

    /// Calls `apply` with each part, in any order: its number and its file.
    fn parts(
        &self,
        superblock: &Superblock,
        wanted: &[usize],
        apply: &mut dyn FnMut(usize, &mut dyn std::io::Read) -> Result<(), PullError>,
    ) -> Result<(), PullError>;
}

/// Checks that the options on deltas can be met; whether deltas are looked for at all.
pub(crate) fn are_wanted(session: &Session<'_>, repo: &Repo) -> Result<bool, PullError> {
    let options = session.options;
    let is_required = options.deltas == DeltaUse::Required;
    if repo.mode() == RepoMode::Archive {
        return match is_required {
            true => Err(PullError::DeltasInArchive),
            false => Ok(false),
        };
    }
    Ok(options.deltas != DeltaUse::Never && !options.commit_only && session.wants_all())
}

/// Uses deltas for the commits that are asked for, as far as there are some; those commits have had their turn then.
pub(crate) fn apply_all(
    session: &mut Session<'_>,
    source: &dyn DeltaSource,
    sink: &dyn Sink,
) -> Result<DeltaReport, PullError> {
    let mut report = DeltaReport::default();
    for turn in session.take_turns() {
        let presence = session.presence(turn.id)?;
        let chosen = match presence {
            Presence::Whole => None,
            Presence::Absent | Presence::Partial => find(session, source, turn.id)?,
        };
        match chosen {
            Some(superblock) => {
                let stage = Stage {
                    session: &mut *session,
                    source,
                    sink,
                };
                stage.use_delta(turn, presence, &superblock, &mut report)?;
            }
            None if presence != Presence::Whole && session.options.deltas == DeltaUse::Required => {
                return Err(PullError::NoDelta { to: turn.id });
            }
            None => session.put_back(turn),
        }
    }
    Ok(report)
}

/// Finds the delta to use, and reads and checks its superblock.
fn find(
    session: &Session<'_>,
    source: &dyn DeltaSource,
    to: CommitId,
) -> Result<Option<Superblock>, PullError> {
    let Some(listed) = source.to(to)? else {
        return guess(session, source, to);
    };
    let Some((name, expected)) = choose(session, listed, to)? else {
        return Ok(None);
    };
    let Some(bytes) = source.superblock(&name)? else {
        return Ok(None);
    };
    let actual = Checksum::of(&bytes);
    if actual != expected {
        return Err(PullError::DeltaChecksum { name, actual });
    }
    open(session, name, bytes)
}

/// Tries, where nothing says which deltas there are, those from what the refs point to, else the one from nothing.
fn guess(
    session: &Session<'_>,
    source: &dyn DeltaSource,
    to: CommitId,
) -> Result<Option<Superblock>, PullError> {
    let current = session.current_of(to)?.into_iter().map(Some);
    let mut starts: Vec<_> = current.collect();
    if session.options.deltas == DeltaUse::Required || !session.has_refs_to(to)? {
        starts.push(None);
    }
    for from in starts {
        let name = DeltaName { to, from };
        if let Some(bytes) = source.superblock(&name)? {
            return open(session, name, bytes);
        }
    }
    Ok(None)
}

/// Parses a superblock and verifies its signatures; `None` if it is not signed as it has to be, and objects do as well.
fn open(
    session: &Session<'_>,
    name: DeltaName,
    bytes: Vec<u8>,
) -> Result<Option<Superblock>, PullError> {
    let actual = Checksum::of(&bytes);
    let (superblock, signed) = parse_superblock(bytes)?;
    if superblock.name != name {
        return Err(PullError::DeltaChecksum { name, actual });
    }
    if !superblock.prerequisites.is_empty() {
        return Err(DeltaError::Prerequisites.into());
    }
    let is_signed = session.verify_delta(signed.as_ref());
    let is_signed = is_signed.map_err(DeltaError::from)?;
    if is_signed || !session.transaction.repo().config().sign_verify_deltas {
        return Ok(Some(superblock));
    }
    match session.options.deltas {
        DeltaUse::Required => Err(DeltaError::NoKey.into()),
        DeltaUse::WherePossible | DeltaUse::Never => Ok(None),
    }
}

/// The delta from the newest commit that is here whole; one from nothing only where nothing is here that the ref had before.
fn choose(
    session: &Session<'_>,
    listed: Vec<(DeltaName, Checksum)>,
    to: CommitId,
) -> Result<Option<(DeltaName, Checksum)>, PullError> {
    let repo = session.transaction.repo();
    let mut newest: Option<(u64, DeltaName, Checksum)> = None;
    let mut from_nothing = None;
    for (name, checksum) in listed {
        let Some(from) = name.from else {
            from_nothing = Some((name, checksum));
            continue;
        };
        if from == to || !repo.has_object(&from.into())? || repo.is_partial(from)? {
            continue;
        }
        let timestamp = repo.read_commit(from)?.timestamp;
        if newest.is_none_or(|(before, _, _)| timestamp > before) {
            newest = Some((timestamp, name, checksum));
        }
    }
    if let Some((_, name, checksum)) = newest {
        return Ok(Some((name, checksum)));
    }
    let is_required = session.options.deltas == DeltaUse::Required;
    let use_it = is_required || !session.has_refs_to(to)?;
    Ok(from_nothing.filter(|_| use_it))
}

/// One commit that comes by a delta.
struct Stage<'s, 'a> {
    session: &'s mut Session<'a>,
    source: &'s dyn DeltaSource,
    sink: &'s dyn Sink,
}

impl Stage<'_, '_> {
    fn use_delta(
        mut self,
        turn: Turn,
        presence: Presence,
        superblock: &Superblock,
        report: &mut DeltaReport,
    ) -> Result<(), PullError> {
        let wanted = self.missing_parts(&superblock.parts)?;
        self.count(superblock, &wanted, report)?;
        if self.session.options.dry_run {
            return Ok(());
        }
        self.accept(turn, presence, superblock)?;
        self.check_room(superblock, &wanted)?;
        let phase = Phase::Delta;
        let sizes = wanted
            .iter()
            .map(|number| superblock.parts[*number].compressed_size);
        let bytes = sizes.fold(0, u64::saturating_add);
        self.sink.event(Event::Begin {
            phase,
            objects: Some(wanted.len() as u64),
            bytes: Some(bytes),
        });
        let transaction = self.session.transaction;
        let bare_user_only_files = self.session.options.bare_user_only_files;
        let sink = self.sink;
        self.source
            .parts(superblock, &wanted, &mut |number, file| {
                let head = &superblock.parts[number];
                let input = PartInput {
                    number,
                    head,
                    file,
                    bare_user_only_files,
                };
                apply_part(transaction, input)?;
                sink.event(Event::Advance {
                    phase,
                    objects: 1,
                    bytes: head.compressed_size,
                });
                Ok(())
            })?;
        sink.event(Event::End { phase });
        report.parts += wanted.len() as u64;
        report.bytes_applied = report.bytes_applied.saturating_add(bytes);
        report.headers += 2;
        Ok(())
    }

    /// Adds what the delta would bring, and what of it is here.
    fn count(
        &self,
        superblock: &Superblock,
        wanted: &[usize],
        report: &mut DeltaReport,
    ) -> Result<(), StoreError> {
        let mut add = |packed: u64, unpacked: u64, is_here: bool| {
            report.bytes_total = report.bytes_total.saturating_add(packed);
            report.uncompressed_bytes = report.uncompressed_bytes.saturating_add(unpacked);
            if is_here {
                report.bytes_present = report.bytes_present.saturating_add(packed);
            }
        };
        for (number, part) in superblock.parts.iter().enumerate() {
            let is_here = !wanted.contains(&number);
            add(part.compressed_size, part.uncompressed_size, is_here);
        }
        for it in &superblock.fallbacks {
            let is_here = self.session.transaction.has(&it.object)?;
            add(it.compressed_size, it.uncompressed_size, is_here);
        }
        report.parts_total += superblock.parts.len() as u64;
        report.parts_present += (superblock.parts.len() - wanted.len()) as u64;
        Ok(())
    }

    /// Refuses a delta whose parts make more than may be written.
    fn check_room(&self, superblock: &Superblock, wanted: &[usize]) -> Result<(), PullError> {
        let sizes = wanted
            .iter()
            .map(|number| superblock.parts[*number].uncompressed_size);
        let needed_bytes = sizes.fold(0, u64::saturating_add);
        let free_bytes = self.session.transaction.free_bytes();
        if needed_bytes <= free_bytes {
            return Ok(());
        }
        Err(PullError::NoRoom {
            commit: superblock.name.to,
            needed_bytes,
            free_bytes,
        })
    }

    /// Holds the commit to all checks, and puts it into the transaction.
    fn accept(
        &mut self,
        turn: Turn,
        presence: Presence,
        superblock: &Superblock,
    ) -> Result<(), PullError> {
        let mut detached = detached_bytes(superblock)?;
        if detached.is_none() {
            detached = self.source.detached(turn.id)?;
        }
        let transaction = self.session.transaction;
        self.session.accept_commit(
            turn,
            presence,
            &superblock.commit,
            detached.as_deref(),
            || transaction.write_metadata_expected(turn.id.into(), &superblock.commit),
        )?;
        // What is no metadata has been judged as such, and is not kept.
        if let Some(detached) = detached.filter(|bytes| Metadata::parse(bytes).is_ok()) {
            transaction.write_detached_metadata_bytes(turn.id, &detached)?;
        }
        Ok(())
    }

    /// The parts that have an object which is not here.
    fn missing_parts(&self, parts: &[PartHeader]) -> Result<Vec<usize>, StoreError> {
        let mut missing = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            for name in &part.objects {
                if !self.session.transaction.has(name)? {
                    missing.push(number);
                    break;
                }
            }
        }
        Ok(missing)
    }
}

/// What a summary says of deltas.
pub(crate) fn listed_in(summary: &Summary) -> Vec<(DeltaName, Checksum)> {
    let map = summary.metadata.get(DELTAS_KEY);
    // One that is not as it should be lists nothing: objects can be had anyway.
    let index = map.and_then(|map| DeltaIndex::from_value(map.clone()).ok());
    index.map(|index| index.deltas).unwrap_or_default()
}

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
        let index = dir.read_optional(ostler_fs::Trusted(&path), ostler_format::MAX_METADATA_SIZE);
        let index = index.map_err(StoreError::from)?;
        if let Some(index) = index.and_then(|bytes| DeltaIndex::parse(&bytes).ok()) {
            return Ok(Some(of_commit(&index.deltas, commit)));
        }
        let listed = self.listed.as_ref();
        Ok(listed.map(|listed| of_commit(listed, commit)))
    }

    fn superblock(&self, name: &DeltaName) -> Result<Option<Vec<u8>>, PullError> {
        let path = name.superblock_path();
        let read = self
            .repo
            .dir()
            .read_optional(ostler_fs::Trusted(&path), ostler_format::MAX_METADATA_SIZE);
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
        apply: &mut dyn FnMut(usize, &mut dyn std::io::Read) -> Result<(), PullError>,
    ) -> Result<(), PullError> {
        let files = DeltaFiles::of_repo(self.repo, &superblock.name)?;
        for number in wanted {
            apply(*number, &mut files.part(*number)?)?;
        }
        Ok(())
    }
}

fn of_commit(listed: &[(DeltaName, Checksum)], commit: CommitId) -> Vec<(DeltaName, Checksum)> {
    let to = listed.iter().filter(|(name, _)| name.to == commit);
    to.copied().collect()
}

/// The detached metadata that travels with a delta, as its bytes.
fn detached_bytes(superblock: &Superblock) -> Result<Option<Vec<u8>>, PullError> {
    let detached = superblock.detached_metadata().map_err(DeltaError::from)?;
    let bytes = detached.map(|detached: Metadata| detached.to_bytes());
    Ok(bytes.transpose().map_err(StoreError::from)?)
}
