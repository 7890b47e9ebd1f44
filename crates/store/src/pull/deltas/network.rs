//! Deltas over HTTP: superblocks in memory, parts through files without a name.

use std::fs::File;
use std::io::{Read, Seek, Write};

use crossbeam_channel::unbounded;
use ostler_format::delta::{DeltaIndex, DeltaName, Superblock};
use ostler_format::{Checksum, CommitId, MAX_METADATA_SIZE, ObjectKind, ObjectName};
use ostler_fs::TempFile;
use ostler_http::{BodyStart, Conditional, Fetched, Priority, Request, Sink, SinkFault};

use super::super::fetch::object_path;
use super::super::origin::Origin;
use super::super::receive;
use super::{DeltaSource, PullError, index_path, of_commit};
use crate::error::StoreError;
use crate::transaction::Intake;

/// The deltas of a remote.
pub(crate) struct NetworkDeltas<'o> {
    pub(crate) origin: &'o Origin,
    /// Whether each commit's deltas are listed in a file of their own.
    pub(crate) indexed: bool,
    /// What the summary lists.
    pub(crate) listed: Vec<(DeltaName, Checksum)>,
    pub(crate) intake: Intake,
}

impl NetworkDeltas<'_> {
    fn document(&self, path: &str) -> Result<Option<Vec<u8>>, PullError> {
        let fetched = self.origin.fetcher.fetch_bytes(
            &self.origin.content,
            path,
            MAX_METADATA_SIZE,
            &Conditional::default(),
        )?;
        match fetched {
            Fetched::Body(document) => Ok(Some(document.bytes)),
            Fetched::NotFound { .. } | Fetched::NotModified => Ok(None),
        }
    }
}

impl DeltaSource for NetworkDeltas<'_> {
    fn to(&self, commit: CommitId) -> Result<Vec<(DeltaName, Checksum)>, PullError> {
        if !self.indexed {
            return Ok(of_commit(&self.listed, commit));
        }
        let index = self.document(&index_path(commit))?;
        // One that is not as it should be lists nothing: objects can be had anyway.
        let index = index.and_then(|bytes| DeltaIndex::parse(&bytes).ok());
        let deltas = index.map(|index| index.deltas).unwrap_or_default();
        Ok(of_commit(&deltas, commit))
    }

    fn superblock(&self, name: &DeltaName) -> Result<Option<Vec<u8>>, PullError> {
        self.document(&name.superblock_path())
    }

    fn detached(&self, commit: CommitId) -> Result<Option<Vec<u8>>, PullError> {
        let name = ObjectName::new(commit.checksum(), ObjectKind::CommitMeta);
        let fetched = self.origin.fetcher.fetch_bytes(
            // Signatures come from where the refs do, whatever serves the content.
            &self.origin.metadata,
            &object_path(name),
            MAX_METADATA_SIZE,
            &Conditional::default(),
        )?;
        match fetched {
            Fetched::Body(document) => Ok(Some(document.bytes)),
            Fetched::NotFound { .. } | Fetched::NotModified => Ok(None),
        }
    }

    fn parts(
        &self,
        superblock: &Superblock,
        wanted: &[usize],
        apply: &mut dyn FnMut(usize, &mut dyn Read) -> Result<(), PullError>,
    ) -> Result<(), PullError> {
        let (sender, receiver) = unbounded();
        let batch = self.origin.fetcher.batch();
        let mut inline = Vec::new();
        for number in wanted {
            if let Some((compression, rest)) = superblock
                .inline_part(*number)
                .map_err(crate::delta::DeltaError::from)?
            {
                inline.push((*number, [&[compression.byte()], rest].concat()));
                continue;
            }
            let size = superblock.parts[*number].compressed_size;
            let path = superblock.name.part_path(*number);
            let mut request = Request::new(self.origin.content.clone(), path, size);
            request.priority = Priority::Delta;
            request.size_hint_bytes = Some(size);
            let sink = PartSink {
                intake: self.intake.clone(),
                temp: None,
                taken: 0,
            };
            let (sender, number) = (sender.clone(), *number);
            batch.submit(request, sink, move |sink, result| {
                let _ = sender.send((number, result.map(|_| sink)));
            });
        }
        drop(sender);
        for (number, bytes) in inline {
            apply(number, &mut &bytes[..])?;
        }
        for (number, result) in receiver {
            let mut sink = result?;
            apply(number, &mut sink.file()?)?;
        }
        Ok(())
    }
}

/// Receives a part's file.
struct PartSink {
    intake: Intake,
    temp: Option<TempFile>,
    /// Room that was taken for it.
    taken: u64,
}

impl PartSink {
    /// The file from its beginning.
    fn file(&mut self) -> Result<File, PullError> {
        let temp = match &mut self.temp {
            Some(temp) => temp,
            None => self.temp.insert(self.intake.new_temp(0o600)?),
        };
        let mut file = temp
            .file()
            .try_clone()
            .map_err(|error| StoreError::io("reading a part", error))?;
        file.rewind()
            .map_err(|error| StoreError::io("reading a part", error))?;
        Ok(file)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.intake.take_space(bytes.len() as u64)?;
        self.taken += bytes.len() as u64;
        let temp = match &mut self.temp {
            Some(temp) => temp,
            None => self.temp.insert(self.intake.new_temp(0o600)?),
        };
        temp.write_all(bytes)
            .map_err(|error| StoreError::io("writing a part", error))
    }
}

impl Sink for PartSink {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        if start.resumed_at == 0 {
            self.temp = None;
        }
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        self.put(bytes).map_err(receive::fault)
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        // Its checksum is looked at where it is unpacked.
        Ok(())
    }
}

impl Drop for PartSink {
    fn drop(&mut self) {
        self.intake.give_space_back(self.taken);
    }
}
