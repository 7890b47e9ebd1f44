//! Deltas over HTTP: superblocks in memory, parts through files without a name.

use std::fs::File;
use std::io::{Read, Seek, Write};

use crossbeam_channel::unbounded;
use ostler_format::delta::{DeltaIndex, DeltaName, PartHeader, Superblock};
use ostler_format::{Checksum, CommitId, Hasher, MAX_METADATA_SIZE, ObjectKind, ObjectName};
use ostler_fs::TempFile;
use ostler_http::{BodyStart, FetchError, FetchFault, Naming, Priority, Request, Sink, SinkFault};

use super::super::fetch::object_path;
use super::super::origin::Origin;
use super::super::receive;
use super::{DeltaSource, PullError, of_commit};
use crate::delta::DeltaError;
use crate::error::StoreError;
use crate::transaction::Intake;

/// Parts that are fetched or wait to be applied: each takes its size on the disk.
const PARTS_AT_ONCE: usize = 4;

/// The deltas of a remote.
pub(crate) struct NetworkDeltas<'o> {
    pub(crate) origin: &'o Origin,
    /// Whether each commit's deltas are listed in a file of their own.
    pub(crate) indexed: bool,
    /// What the summary lists; `None` without a summary.
    pub(crate) listed: Option<Vec<(DeltaName, Checksum)>>,
    pub(crate) intake: Intake,
}

impl NetworkDeltas<'_> {
    fn document(&self, path: &str) -> Result<Option<Vec<u8>>, PullError> {
        self.origin
            .optional(&self.origin.content, path, MAX_METADATA_SIZE)
    }
}

impl DeltaSource for NetworkDeltas<'_> {
    fn to(&self, commit: CommitId) -> Result<Option<Vec<(DeltaName, Checksum)>>, PullError> {
        let listed = self.listed.as_ref();
        let listed = listed.map(|listed| of_commit(listed, commit));
        if !self.indexed {
            return Ok(listed);
        }
        let index = self.document(&DeltaIndex::path(commit))?;
        // One that is not as it should be lists nothing: objects can be had anyway.
        let index = index.and_then(|bytes| DeltaIndex::parse(&bytes).ok());
        Ok(Some(match index {
            Some(index) => of_commit(&index.deltas, commit),
            None => listed.unwrap_or_default(),
        }))
    }

    fn superblock(&self, name: &DeltaName) -> Result<Option<Vec<u8>>, PullError> {
        self.document(&name.superblock_path())
    }

    fn detached(&self, commit: CommitId) -> Result<Option<Vec<u8>>, PullError> {
        let name = ObjectName::new(commit.checksum(), ObjectKind::CommitMeta);
        // Signatures come from where the refs do, whatever serves the content.
        self.origin
            .optional(&self.origin.metadata, &object_path(name), MAX_METADATA_SIZE)
    }

    fn parts(
        &self,
        superblock: &Superblock,
        wanted: &[usize],
        apply: &mut dyn FnMut(usize, &mut dyn Read) -> Result<(), PullError>,
    ) -> Result<(), PullError> {
        let (sender, receiver) = unbounded();
        let batch = self.origin.fetcher.batch();
        let mut queue = wanted.iter().copied();
        let mut running = 0;
        let mut failure = None;
        loop {
            while failure.is_none() && running < PARTS_AT_ONCE {
                let Some(number) = queue.next() else {
                    break;
                };
                let inline = superblock.inline_part(number).map_err(DeltaError::from)?;
                if let Some((compression, rest)) = inline {
                    apply(number, &mut (&[compression.byte()][..]).chain(rest))?;
                    continue;
                }
                let (request, sink) = self.request(superblock, number);
                let sender = sender.clone();
                batch.submit(request, sink, move |sink, result| {
                    let _ = sender.send((number, result.map(|_| sink)));
                });
                running += 1;
            }
            if running == 0 {
                return failure.map_or(Ok(()), Err);
            }
            let (number, result) = receiver.recv().expect("a sender is here");
            running -= 1;
            match result {
                Ok(mut sink) => apply(number, &mut sink.file()?)?,
                // What is under way is still applied: the next pull need not fetch it again.
                Err(error) => {
                    failure.get_or_insert_with(|| cause(error));
                }
            }
        }
    }
}

impl NetworkDeltas<'_> {
    fn request(&self, superblock: &Superblock, number: usize) -> (Request, PartSink) {
        let head = &superblock.parts[number];
        let path = superblock.name.part_path(number);
        let size = head.compressed_size;
        let mut request = Request::new(self.origin.content.clone(), path, size);
        request.priority = Priority::Delta;
        request.size_hint_bytes = Some(size);
        // A delta that is made anew has other parts of the same names.
        request.naming = Naming::ByName;
        let sink = PartSink {
            intake: self.intake.clone(),
            number,
            head: head.clone(),
            temp: None,
            hasher: Hasher::new(),
            received: 0,
        };
        (request, sink)
    }
}

/// A wrong part and a fault on this side are told as what they are.
fn cause(error: FetchError) -> PullError {
    let FetchError {
        url,
        attempts,
        fault,
    } = error;
    let fault = match fault {
        FetchFault::Wrong(cause) => match cause.downcast::<DeltaError>() {
            Ok(source) => return (*source).into(),
            Err(cause) => FetchFault::Wrong(cause),
        },
        FetchFault::Sink(cause) => match cause.downcast::<StoreError>() {
            Ok(source) => return (*source).into(),
            Err(cause) => FetchFault::Sink(cause),
        },
        other => other,
    };
    PullError::Fetch(FetchError {
        url,
        attempts,
        fault,
    })
}

/// Receives a part's file, and checks it, so that another mirror may be asked for one that is wrong.
struct PartSink {
    intake: Intake,
    number: usize,
    head: PartHeader,
    temp: Option<TempFile>,
    hasher: Hasher,
    /// Bytes so far; room for them was taken.
    received: u64,
}

impl PartSink {
    /// The file from its beginning.
    fn file(&mut self) -> Result<File, StoreError> {
        let unreadable = |error| StoreError::io("reading a part", error);
        let mut file = self.temp()?.file().try_clone().map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        Ok(file)
    }

    fn temp(&mut self) -> Result<&mut TempFile, StoreError> {
        Ok(match &mut self.temp {
            Some(temp) => temp,
            empty => empty.insert(self.intake.new_temp(0o600)?),
        })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.intake.take_space(bytes.len() as u64)?;
        self.received += bytes.len() as u64;
        self.hasher.update(bytes);
        self.temp()?
            .write_all(bytes)
            .map_err(|error| StoreError::io("writing a part", error))
    }

    fn forget(&mut self) {
        self.temp = None;
        self.hasher = Hasher::new();
        self.intake
            .give_space_back(std::mem::take(&mut self.received));
    }
}

impl Sink for PartSink {
    fn start(&mut self, start: &BodyStart) -> Result<(), SinkFault> {
        if start.resumed_at == 0 {
            self.forget();
        }
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SinkFault> {
        self.put(bytes).map_err(receive::fault)
    }

    fn finish(&mut self) -> Result<(), SinkFault> {
        let actual = self.hasher.clone().finish();
        DeltaError::check_part(self.number, &self.head, self.received, actual)
            .map_err(|error| SinkFault::Wrong(Box::new(error)))
    }
}

impl Drop for PartSink {
    fn drop(&mut self) {
        self.forget();
    }
}
