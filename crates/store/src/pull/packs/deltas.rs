//! Which native delta is used for a commit: its list and its index.

use std::sync::Arc;

use crossbeam_channel::bounded;
use ostler_format::CommitId;
use ostler_format::delta::{DeltaGroup, MAX_NATIVE_LIST, NativeDelta, NativeEntry, NativeList};
use ostler_format::pack::PackIndex;
use ostler_http::{BodyStart, FetchError, Part, Priority, Request, Sink as Body, SinkFault};

use super::segment::PartFile;
use super::{Found, Packs, is_part_of_tree};
use crate::delta::native::{OldObjects, groups};
use crate::error::StoreError;
use crate::progress::{Event, Sink};
use crate::pull::deltas::DeltaReport;
use crate::pull::error::PullError;
use crate::pull::origin::{Origin, OriginConfig};
use crate::pull::session::{Presence, Session};

impl Packs {
    /// Looks for native deltas that lead to the commits that are not whole here, from commits that are.
    ///
    /// # Errors
    /// None for a delta that is absent, or of no use, which `sink` is told.
    pub(crate) fn open_deltas(
        &mut self,
        session: &Session<'_>,
        origin: &Origin,
        config: &OriginConfig,
        sink: &dyn Sink,
    ) -> Result<(), PullError> {
        for commit in session.missing_commits()? {
            let better =
                |delta: &Found| is_pack_better(session, origin, (config, sink), commit, delta);
            match find(session, origin, commit)? {
                Ok(Some(delta)) if !better(&delta)? => {
                    self.found.insert(commit, delta);
                }
                Ok(_) => {}
                Err(problem) => sink.event(Event::Notice(format!(
                    "the native delta to {commit} cannot be used: {problem}"
                ))),
            }
        }
        Ok(())
    }

    /// Adds to a report what the deltas would bring.
    pub(crate) fn count_deltas(
        &self,
        session: &Session<'_>,
        report: &mut DeltaReport,
    ) -> Result<(), StoreError> {
        for found in self.found.values().filter(|found| found.is_delta) {
            for (_, group) in &found.groups {
                let names = group.members.iter().filter_map(|member| member.name);
                let mut is_here = true;
                for name in names.filter(|name| is_part_of_tree(name.kind)) {
                    is_here &= session.transaction.has(&name)?;
                }
                report.parts_total += 1;
                report.parts_present += u64::from(is_here);
                report.bytes_total = report.bytes_total.saturating_add(group.packed);
                if is_here {
                    report.bytes_present = report.bytes_present.saturating_add(group.packed);
                }
                let sizes = group.members.iter().map(|member| member.size);
                report.uncompressed_bytes =
                    sizes.fold(report.uncompressed_bytes, u64::saturating_add);
            }
        }
        Ok(())
    }
}

/// Finds the shortest delta to a commit, and reads its index; the inner error says why it cannot be used.
fn find(
    session: &Session<'_>,
    origin: &Origin,
    to: CommitId,
) -> Result<Result<Option<Found>, String>, PullError> {
    let list = match origin.optional(&origin.content, &NativeList::path(to), MAX_NATIVE_LIST) {
        Ok(None) => return Ok(Ok(None)),
        Ok(Some(list)) => list,
        Err(PullError::Fetch(error)) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error),
    };
    let list = match NativeList::parse(&list) {
        Ok(list) => list,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut usable = Vec::new();
    for entry in list.deltas {
        if session.presence(entry.from)? == Presence::Whole {
            usable.push(entry);
        }
    }
    let Some(entry) = usable.into_iter().min_by_key(|entry| entry.file.size) else {
        return Ok(Ok(None));
    };
    let index = match fetch_index(origin, &entry) {
        Ok(index) => index,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let delta = match NativeDelta::parse(&index) {
        Ok(delta) => delta,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let packed: u64 = delta.groups.iter().map(DeltaGroup::packed).sum();
    let is_listed = delta.from == entry.from && delta.to == to;
    if !is_listed || entry.index_size + packed != entry.file.size {
        return Ok(Err("it is not what the list says".to_owned()));
    }
    let old = OldObjects::of(session.transaction.repo(), delta.sources)?;
    let file = Arc::new(PartFile {
        path: entry.path(),
        size: entry.file.size,
    });
    let groups = groups(delta.groups, entry.index_size, &old);
    Ok(Ok(Some(Found {
        groups: groups
            .into_iter()
            .map(|group| (Arc::clone(&file), group))
            .collect(),
        is_delta: true,
    })))
}

/// Whether less would have to be fetched of the remote's packs, which is so where most of what the delta brings is here: its groups
/// are larger. The index of the packs is fetched only then.
fn is_pack_better(
    session: &Session<'_>,
    origin: &Origin,
    (config, sink): (&OriginConfig, &dyn Sink),
    commit: CommitId,
    delta: &Found,
) -> Result<bool, PullError> {
    if !(config.packs && session.takes_packs()) {
        return Ok(false);
    }
    let has = |name: &_| session.transaction.has(name);
    let needed_bytes = delta.needed_bytes(has)?;
    let (mut missing, mut along) = (0_u64, 0_u64);
    for (_, group) in &delta.groups {
        let mut of_group = 0_u64;
        for member in &group.members {
            let name = member.name.filter(|name| is_part_of_tree(name.kind));
            if let Some(name) = name
                && !has(&name)?
            {
                of_group = of_group.saturating_add(member.size);
            }
        }
        if of_group > 0 {
            missing = missing.saturating_add(of_group);
            let sizes = group.members.iter().map(|member| member.size);
            along = sizes.fold(along, u64::saturating_add);
        }
    }
    if missing >= along / 2 {
        return Ok(false);
    }
    let Some(index) = Packs::index(origin, &PackIndex::path(commit), sink)? else {
        return Ok(false);
    };
    Ok(Found::of(index).needed_bytes(has)? < needed_bytes)
}

/// Fetches the beginning of a delta's file.
fn fetch_index(origin: &Origin, entry: &NativeEntry) -> Result<Vec<u8>, FetchError> {
    let part = Part {
        first: 0,
        length: entry.index_size,
        whole: entry.file.size,
    };
    let mut request = Request::new(origin.content.clone(), entry.path(), part.length);
    request.part = Some(part);
    request.size_hint_bytes = Some(part.length);
    request.priority = Priority::Metadata;
    let (sender, receiver) = bounded(1);
    let batch = origin.fetcher.batch();
    batch.submit(request, InMemory::default(), move |body, result| {
        let _ = sender.send(result.map(|_| body.0));
    });
    receiver.recv().expect("each request is answered once")
}

/// A body of no more bytes than were asked for.
#[derive(Default)]
struct InMemory(Vec<u8>);

impl Body for InMemory {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        if start.resumed_at == 0 {
            self.0.clear();
        }
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        Ok(())
    }
}
