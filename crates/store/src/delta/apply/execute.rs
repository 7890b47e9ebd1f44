//! Executing the operations of a part.

use std::io;

use ostler_format::delta::{FileOwner, Operation, PartHeader, XattrsTable, parse_owners};
use ostler_format::{
    CHECKSUM_LEN, Checksum, DirMeta, DirTreeRef, FileHeader, FileId, MAX_METADATA_SIZE,
    ObjectError, ObjectKind, ObjectName,
};

use super::super::DeltaError;
use super::patch::{self, PatchPort};
use super::payload::Payload;
use super::source::Source;
use super::steps::Steps;
use crate::error::StoreError;
use crate::object::check_bare_user_only;
use crate::transaction::{ContentFile, Hashing, Intake, Transaction};

/// Content that is copied at once.
const CHUNK: usize = 128 << 10;
/// The longest target of a symlink.
const MAX_TARGET: u64 = 64 << 10;

/// Makes the objects of one part.
pub(super) struct Executor<'e> {
    transaction: &'e Transaction<'e>,
    part: usize,
    objects: &'e [ObjectName],
    payload: &'e Payload,
    owners: Vec<FileOwner>,
    xattrs: XattrsTable,
    refuse_odd_modes: bool,
    open: Option<OpenFile>,
    source: Option<Source>,
    buffer: Vec<u8>,
}

/// A file between its first byte and its last.
struct OpenFile {
    /// `None` if the object is here already.
    file: Option<ContentFile>,
    /// Bytes that are still to come.
    left: u64,
}

/// Why an operation was not executed.
enum Trouble {
    Data(io::Error),
    Store(StoreError),
    Format(ObjectError),
    Wrong(&'static str),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Data(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ObjectError> for Trouble {
    fn from(error: ObjectError) -> Self {
        Self::Format(error)
    }
}

impl<'e> Executor<'e> {
    pub(super) fn new(
        transaction: &'e Transaction<'e>,
        part: usize,
        head: &'e PartHeader,
        payload: &'e Payload,
        refuse_odd_modes: bool,
    ) -> Result<Self, DeltaError> {
        let owners = payload.table(&payload.layout.owners);
        let owners = owners.map_err(|error| StoreError::io("reading a delta", error))?;
        let owners = parse_owners(&owners).map_err(|error| DeltaError::Part {
            part,
            problem: error.to_string(),
        })?;
        Ok(Self {
            transaction,
            part,
            objects: &head.objects,
            payload,
            owners,
            xattrs: payload.xattrs_table(part)?,
            refuse_odd_modes,
            open: None,
            source: None,
            buffer: vec![0; CHUNK],
        })
    }

    /// Executes all operations; they must make all objects.
    pub(super) fn run(mut self) -> Result<(), DeltaError> {
        let mut steps = Steps::new(self.payload, self.part, self.objects);
        while let Some((operation, object)) = steps.next()? {
            self.execute(operation, object)
                .map_err(|trouble| self.failed(object, trouble))?;
        }
        if let Some(left) = steps.left().first() {
            let trouble = Trouble::Wrong("the operations end before it is made");
            return Err(self.failed(Some(*left), trouble));
        }
        Ok(())
    }

    fn failed(&self, object: Option<ObjectName>, trouble: Trouble) -> DeltaError {
        let problem = match trouble {
            Trouble::Store(
                error @ (StoreError::ObjectMissing { .. }
                | StoreError::ChecksumMismatch { .. }
                | StoreError::Malformed { .. }),
            ) => error.to_string(),
            Trouble::Store(error) => return error.into(),
            Trouble::Data(error) if error.kind() == io::ErrorKind::InvalidData => error.to_string(),
            Trouble::Data(error) => return StoreError::io("applying a delta", error).into(),
            Trouble::Format(error) => error.to_string(),
            Trouble::Wrong(problem) => problem.to_owned(),
        };
        DeltaError::Operation {
            part: self.part,
            object,
            problem,
        }
    }

    fn execute(
        &mut self,
        operation: Operation,
        current: Option<ObjectName>,
    ) -> Result<(), Trouble> {
        let name = || current.ok_or(Trouble::Wrong("no object is left to be made"));
        match operation {
            Operation::WriteMetadata { size, offset } => self.metadata(name()?, size, offset),
            Operation::WriteFile {
                owner,
                xattrs,
                size,
                offset,
            } => self.whole_file(name()?, (owner, xattrs), size, offset),
            Operation::Open {
                owner,
                xattrs,
                size,
            } => {
                if self.open.is_some() {
                    return Err(Trouble::Wrong("a file is opened while another is open"));
                }
                let header = self.header((owner, xattrs))?;
                if header.is_symlink() {
                    return Err(Trouble::Wrong("a symlink is opened as a file"));
                }
                self.open = Some(self.begin(name()?, header, size)?);
                Ok(())
            }
            Operation::Write { size, offset } => self.write(size, offset),
            Operation::SetSource { offset } => {
                let mut checksum = [0; CHECKSUM_LEN];
                self.payload.data(offset, &mut checksum)?;
                let id = FileId::new(Checksum::new(checksum));
                self.source = Some(Source::open(self.transaction, id)?);
                Ok(())
            }
            Operation::UnsetSource => {
                self.source = None;
                Ok(())
            }
            Operation::Patch { offset, size } => self.patch(offset, size),
            Operation::Close => self.close(name()?),
        }
    }

    fn metadata(&mut self, name: ObjectName, size: u64, offset: u64) -> Result<(), Trouble> {
        if size > MAX_METADATA_SIZE {
            return Err(Trouble::Wrong("it is larger than metadata may be"));
        }
        let mut bytes = vec![0; size as usize];
        self.payload.data(offset, &mut bytes)?;
        let actual = Checksum::of(&bytes);
        if actual != name.checksum {
            return Err(StoreError::ChecksumMismatch { name, actual }.into());
        }
        // Before writing: a listing with hostile names does not come in.
        match name.kind {
            ObjectKind::DirTree => drop(DirTreeRef::parse(&bytes)?),
            ObjectKind::DirMeta => drop(DirMeta::parse(&bytes)?),
            // The commit that the delta leads to is in the superblock; no other has been verified.
            _ => return Err(Trouble::Wrong("a part may not bring a commit")),
        }
        self.transaction.write_metadata_named(name, &bytes)?;
        Ok(())
    }

    fn header(&self, (owner, xattrs): (u64, u64)) -> Result<FileHeader, Trouble> {
        let owner = usize::try_from(owner)
            .ok()
            .and_then(|index| self.owners.get(index))
            .ok_or(Trouble::Wrong(
                "it has an owner that the part does not list",
            ))?;
        Ok(FileHeader {
            uid: owner.uid,
            gid: owner.gid,
            mode: owner.mode,
            symlink_target: String::new(),
            xattrs: self.xattrs.get(xattrs)?,
        })
    }

    fn whole_file(
        &mut self,
        name: ObjectName,
        indexes: (u64, u64),
        size: u64,
        offset: u64,
    ) -> Result<(), Trouble> {
        let mut header = self.header(indexes)?;
        if header.is_symlink() {
            if size > MAX_TARGET {
                return Err(Trouble::Wrong("a symlink's target is too long"));
            }
            let mut target = vec![0; size as usize];
            self.payload.data(offset, &mut target)?;
            header.symlink_target = String::from_utf8(target)
                .map_err(|_| Trouble::Wrong("a symlink's target is not UTF-8"))?;
            Intake::verify_symlink(&header, name)?;
            if !self.transaction.has(&name)? {
                self.transaction.intake().stage_symlink(&header, name)?;
            }
            return Ok(());
        }
        let mut open = self.begin(name, header, size)?;
        self.copy(size, offset, false, &mut open)?;
        end(name, open)
    }

    fn begin(&self, name: ObjectName, header: FileHeader, size: u64) -> Result<OpenFile, Trouble> {
        if self.refuse_odd_modes {
            check_bare_user_only(name, &header)?;
        }
        let file = match self.transaction.has(&name)? {
            true => None,
            false => {
                let intake = self.transaction.intake().clone();
                Some(ContentFile::begin(
                    intake,
                    header,
                    Some(size),
                    Hashing::Sha256,
                )?)
            }
        };
        Ok(OpenFile { file, left: size })
    }

    fn take_open(&mut self) -> Result<OpenFile, Trouble> {
        self.open
            .take()
            .ok_or(Trouble::Wrong("content comes while no file is open"))
    }

    fn write(&mut self, size: u64, offset: u64) -> Result<(), Trouble> {
        let mut open = self.take_open()?;
        self.copy(size, offset, true, &mut open)?;
        self.open = Some(open);
        Ok(())
    }

    /// Copies from the source if one is set and may be used, else from the part's data.
    fn copy(
        &mut self,
        mut size: u64,
        mut offset: u64,
        from_source: bool,
        open: &mut OpenFile,
    ) -> Result<(), Trouble> {
        let source = self.source.as_ref().filter(|_| from_source);
        while size > 0 {
            let now = size.min(CHUNK as u64) as usize;
            let bytes = &mut self.buffer[..now];
            match source {
                Some(source) => source.read(offset, bytes)?,
                None => self.payload.data(offset, bytes)?,
            }
            put(open, bytes)?;
            size -= now as u64;
            offset = offset.saturating_add(now as u64);
        }
        Ok(())
    }

    fn patch(&mut self, offset: u64, size: u64) -> Result<(), Trouble> {
        let mut open = self.take_open()?;
        let source = self
            .source
            .as_ref()
            .ok_or(Trouble::Wrong("a patch comes while no source is set"))?;
        let makes = open.left;
        let mut port = Port {
            payload: self.payload,
            source,
            offset,
            left: size,
        };
        patch::apply(&mut port, makes, |bytes| put(&mut open, bytes))?;
        self.open = Some(open);
        Ok(())
    }

    fn close(&mut self, name: ObjectName) -> Result<(), Trouble> {
        let open = self.take_open()?;
        end(name, open)
    }
}

fn put(open: &mut OpenFile, bytes: &[u8]) -> Result<(), Trouble> {
    open.left = open
        .left
        .checked_sub(bytes.len() as u64)
        .ok_or(Trouble::Wrong("more content comes than the file has"))?;
    if let Some(file) = &mut open.file {
        file.put(bytes)?;
    }
    Ok(())
}

fn end(name: ObjectName, open: OpenFile) -> Result<(), Trouble> {
    if open.left > 0 {
        return Err(Trouble::Wrong("less content comes than the file has"));
    }
    let Some(file) = open.file else {
        return Ok(());
    };
    Ok(file.link_verified(name)?)
}

/// A patch in the part's data.
struct Port<'p> {
    payload: &'p Payload,
    source: &'p Source,
    offset: u64,
    left: u64,
}

impl PatchPort for Port<'_> {
    fn patch(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let length = buffer.len() as u64;
        if length > self.left {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a patch ends early",
            ));
        }
        self.payload.data(self.offset, buffer)?;
        self.offset += length;
        self.left -= length;
        Ok(())
    }

    fn source(&mut self, offset: i64, buffer: &mut [u8]) -> io::Result<()> {
        self.source.read_around(offset, buffer)
    }
}
