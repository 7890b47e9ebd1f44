//! An rpm as a file: what it says of itself, who signed that, and the files that it brings.
//!
//! ```text
//! lead (96 bytes)   header of signatures, padded to 8 bytes   header   cpio, compressed
//! ```
//!
//! Read once from start to end. The headers are held; of the files one buffer is. Everything is believed by the header: it has the checksum of the
//! archive, the signatures are of it alone, and so nothing more than it need be read before it is known who made the package.

use std::cell::RefCell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ostler_format::archive::{ArchiveError, ArchiveReader};
use ostler_store::sign::openpgp::{OpenPgpVerifier, Verdict};
use ostler_store::unpack::{UnpackError, unpacked};
use sha2::{Digest as _, Sha256};

use super::header::{self, Header};
use super::tag;
use crate::error::PackagesError;

const LEAD_BYTES: usize = 96;
const LEAD_MAGIC: &[u8] = &[0xed, 0xab, 0xee, 0xdb];
/// What a header begins with in a file: magic, version 1, four bytes that are reserved.
const HEADER_MAGIC: &[u8; 8] = &[0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
/// The largest header of signatures, rpm's own limit.
const MAX_SIGNATURES: u64 = 64 << 20;
/// What numbers SHA-256 among OpenPGP's hashes.
const SHA256: u64 = 8;
const BUFFER: usize = 128 * 1024;

/// A file that is no rpm, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum RpmError {
    /// It begins otherwise.
    #[error("it is no rpm")]
    NoRpm,
    /// It has sources, not something to install.
    #[error("it is an rpm of sources")]
    Source,
    /// It ends too soon.
    #[error("it ends early")]
    Truncated,
    /// It is larger than is read.
    #[error("a header of {found} bytes, more than {max}")]
    TooLarge {
        /// Bytes that it says it has.
        found: u64,
        /// Bytes that are read.
        max: u64,
    },
    /// A header is broken.
    #[error("a header: {0}")]
    Header(#[from] PackagesError),
    /// It has no checksum that is worth anything.
    #[error("it has no SHA-256 of its {0}")]
    NoDigest(&'static str),
    /// It is not what it was.
    #[error("its {what} is damaged: its SHA-256 is {found}, and should be {expected}")]
    Damaged {
        /// The part.
        what: &'static str,
        /// What it has.
        found: String,
        /// What it should have.
        expected: String,
    },
    /// The archive has a file of which the header says nothing.
    #[error("`{path}` is in its archive, and not in its header")]
    Unlisted {
        /// The file.
        path: String,
    },
    /// A file is not what the header says.
    #[error("`{path}` in its archive is not what its header says")]
    Differs {
        /// The file.
        path: String,
    },
    /// A file of which the header speaks is not in the archive.
    #[error("`{path}` is in its header, and not in its archive")]
    NotThere {
        /// The file.
        path: String,
    },
    /// It cannot be read on.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Its archive is broken.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// Its archive cannot be unpacked.
    #[error("{0}")]
    Unpack(#[from] UnpackError),
}

/// What precedes the archive.
#[derive(Clone, Debug)]
pub struct Headers {
    signatures: Vec<u8>,
    main: Vec<u8>,
}

/// A package of which the headers are read, and the archive is not.
pub struct RpmFile<R> {
    /// The headers.
    pub headers: Headers,
    /// The archive, compressed.
    pub rest: R,
}

impl<R: Read> RpmFile<R> {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`RpmError`]; what the headers say is not yet checked.
    pub fn open(mut from: R) -> Result<Self, RpmError> {
        let lead = exactly(&mut from, LEAD_BYTES as u64)?;
        if !lead.starts_with(LEAD_MAGIC) {
            return Err(RpmError::NoRpm);
        }
        if lead[6..8] == [0, 1] {
            return Err(RpmError::Source);
        }
        let signatures = read_header(&mut from, MAX_SIGNATURES)?;
        exactly(&mut from, (8 - signatures.len() as u64 % 8) % 8)?;
        let main = read_header(&mut from, header::MAX_BYTES)?;
        let headers = Headers { signatures, main };
        headers.main()?;
        headers.signatures()?;
        Ok(Self {
            headers,
            rest: from,
        })
    }

    /// Goes on to the files, which end with a check of the archive's checksum: [`Payload::finish`].
    ///
    /// # Errors
    /// The archive cannot be unpacked.
    pub fn payload<'a>(self) -> Result<(Headers, Payload<'a, R>), RpmError>
    where
        R: 'a,
    {
        let expected = self.headers.payload_sha256()?;
        let hashed = Rc::new(RefCell::new(Hashed {
            inner: self.rest,
            hash: Sha256::new(),
        }));
        let packed = BufReader::with_capacity(BUFFER, Shared(Rc::clone(&hashed)));
        let entries = ArchiveReader::new(unpacked(packed)?)?;
        let payload = Payload {
            entries,
            hashed,
            expected,
        };
        Ok((self.headers, payload))
    }
}

/// Reads a header in a file; what is returned is without magic, as databases keep it.
fn read_header(from: &mut impl Read, max: u64) -> Result<Vec<u8>, RpmError> {
    let magic = exactly(from, HEADER_MAGIC.len() as u64)?;
    if magic[..4] != HEADER_MAGIC[..4] {
        return Err(RpmError::NoRpm);
    }
    let mut bytes = exactly(from, 8)?;
    let number = |at: usize| {
        u64::from(u32::from_be_bytes([
            bytes[at],
            bytes[at + 1],
            bytes[at + 2],
            bytes[at + 3],
        ]))
    };
    let length = number(0) * 16 + number(4);
    if length > max {
        return Err(RpmError::TooLarge { found: length, max });
    }
    bytes.extend(exactly(from, length)?);
    Ok(bytes)
}

/// Reads so many bytes; memory is taken as they come.
fn exactly(from: &mut impl Read, length: u64) -> Result<Vec<u8>, RpmError> {
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == length {
        true => Ok(bytes),
        false => Err(RpmError::Truncated),
    }
}

impl Headers {
    /// What the package says of itself.
    ///
    /// # Errors
    /// The header is broken.
    pub fn main(&self) -> Result<Header<'_>, PackagesError> {
        Header::parse(&self.main)
    }

    /// The header as a database keeps it.
    #[must_use]
    pub fn main_bytes(&self) -> &[u8] {
        &self.main
    }

    fn signatures(&self) -> Result<Header<'_>, PackagesError> {
        Header::parse(&self.signatures)
    }

    /// Returns the header as its checksum and signatures are of it.
    fn signed(&self) -> Vec<u8> {
        [HEADER_MAGIC.as_slice(), &self.main].concat()
    }

    /// Compares the header with its checksum. That finds damage; whoever made it, made the checksum, too.
    ///
    /// # Errors
    /// [`RpmError::NoDigest`], [`RpmError::Damaged`].
    pub fn check(&self) -> Result<(), RpmError> {
        let expected = self.signatures()?.text(tag::SIGNATURE_SHA256)?;
        let expected = expected.ok_or(RpmError::NoDigest("header"))?;
        compare("header", &Sha256::digest(self.signed()), expected)
    }

    /// Judges all signatures of the header, whether good or not.
    ///
    /// # Errors
    /// The header of signatures is broken.
    pub fn judge(&self, verifier: &OpenPgpVerifier) -> Result<Vec<Verdict>, RpmError> {
        let header = self.signatures()?;
        let mut packets: Vec<Vec<u8>> = Vec::new();
        for text in header.texts(tag::SIGNATURE_OPENPGP)? {
            packets.extend(BASE64.decode(text.as_bytes()));
        }
        if packets.is_empty() {
            for tag in [tag::SIGNATURE_RSA, tag::SIGNATURE_DSA] {
                packets.extend(header.bytes(tag)?.map(<[u8]>::to_vec));
            }
        }
        let packets: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
        Ok(verifier.judge(&self.signed(), &packets))
    }

    /// The checksum that the archive must have; `None` of old packages, and of those without files.
    fn payload_sha256(&self) -> Result<Option<String>, RpmError> {
        let header = self.main()?;
        if header.number(tag::PAYLOAD_DIGEST_KIND)? != Some(SHA256) {
            return Ok(None);
        }
        let digests = header.texts(tag::PAYLOAD_DIGEST)?;
        Ok(digests.first().map(|digest| digest.to_string()))
    }
}

fn compare(what: &'static str, found: &[u8], expected: &str) -> Result<(), RpmError> {
    let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
    match found.eq_ignore_ascii_case(expected) {
        true => Ok(()),
        false => Err(RpmError::Damaged {
            what,
            found,
            expected: expected.to_owned(),
        }),
    }
}

/// The files of a package, one after the other.
pub struct Payload<'a, R> {
    /// The archive.
    pub entries: ArchiveReader<Box<dyn Read + 'a>>,
    hashed: Rc<RefCell<Hashed<R>>>,
    expected: Option<String>,
}

impl<R: Read> Payload<'_, R> {
    /// Reads what is left, and compares the archive with its checksum.
    ///
    /// # Errors
    /// [`RpmError::NoDigest`], [`RpmError::Damaged`]: whatever was made of the files must go.
    pub fn finish(self) -> Result<(), RpmError> {
        drop(self.entries);
        let expected = self.expected.ok_or(RpmError::NoDigest("archive"))?;
        let mut hashed = self.hashed.borrow_mut();
        io::copy(&mut *hashed, &mut io::sink())?;
        let found = std::mem::take(&mut hashed.hash).finalize();
        compare("archive", &found, &expected)
    }
}

struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hash.update(&buffer[..got]);
        Ok(got)
    }
}

/// The archive as the unpacker reads it; its checksum is asked for once that is gone.
struct Shared<R>(Rc<RefCell<Hashed<R>>>);

impl<R: Read> Read for Shared<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}
