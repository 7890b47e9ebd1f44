//! A package becomes a commit: its files where a tree that boots has them, and all that it says of itself in the metadata.
//!
//! The same package gives the same commit, whenever and wherever it is imported. What is decided where is in `place`, what no tree can
//! have becomes a file of tmpfiles.d; scripts are kept, and not run. Owners of an rpm's files are names, which are numbers only in a tree: here
//! they are root's, and the header has the names.

mod entries;
mod place;
mod reference;
mod tmpfiles;

use std::io::Read;
use std::path::Path;

use ostler_format::{Commit, CommitId, Metadata, RefName, Value};
use ostler_store::progress::Sink;
use ostler_store::refs::RefKey;
use ostler_store::sign::openpgp::{OpenPgpVerifier, Verdict, describe_refused};
use ostler_store::transaction::TransactionOptions;
use ostler_store::tree::{TreeBuilder, TreeError, TreeOptions};
use ostler_store::{Repo, StoreError};

use self::entries::{Packed, Placing};
use crate::deb::file::{DebError, DebFile};
use crate::file::{PackageFileError, begin};
use crate::package::{Package, World};
use crate::rpm::file::{RpmError, RpmFile};
use crate::rpm::files::RpmFileEntry;
use crate::rpm::{self, files, tag};

pub use reference::reference;

/// In the metadata: world, name, version, architecture, an `(ssss)`.
pub const PACKAGE_KEY: &str = "ostler.package";
/// In the metadata of a Debian package: the files of its control archive, an `a{sv}` of `ay`.
pub const CONTROL_KEY: &str = "ostler.package.control";
/// In the metadata of an rpm: its header, as rpm's database keeps it, an `ay`.
pub const HEADER_KEY: &str = "ostler.package.header";

/// A package that is in the repository.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Whose package it is.
    pub database: World,
    /// The package.
    pub package: Package,
    /// The ref that leads to it.
    pub reference: RefName,
    /// Its commit.
    pub commit: CommitId,
}

/// A package that was not imported; the repository has no ref of it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is no package, or damaged.
    #[error("{0}")]
    File(#[from] PackageFileError),
    /// No signature of it is believed.
    #[error(
        "it is not signed by a key that is trusted: {}",
        describe_refused(verdicts)
    )]
    NotSigned {
        /// What is true of each signature.
        verdicts: Vec<Verdict>,
    },
    /// Its name is none that a ref can have.
    #[error("`{0}` is no name for a ref")]
    Name(String),
    /// Its files cannot be placed.
    #[error("{0}")]
    Tree(#[from] TreeError),
    /// The repository failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl From<DebError> for ImportError {
    fn from(error: DebError) -> Self {
        Self::File(error.into())
    }
}

impl From<RpmError> for ImportError {
    fn from(error: RpmError) -> Self {
        Self::File(error.into())
    }
}

/// What is known of a package before its files are read.
struct Known {
    database: World,
    package: Package,
    summary: String,
    /// Seconds since 1970; 0 where a package does not say when it was built.
    built: u64,
    /// The metadata key of all that it says, and that.
    says: (&'static str, Value),
}

/// Imports a package; `name` is for errors. An rpm must have a signature that `verifier` believes, if there is one; in any case its checksums must
/// be right.
///
/// When it returns, the commit is complete and durable, and its ref points to it.
///
/// # Errors
/// [`ImportError`].
pub fn import<'a>(
    repo: &Repo,
    (name, from): (&Path, impl Read + 'a),
    verifier: Option<&OpenPgpVerifier>,
    sink: &dyn Sink,
) -> Result<Imported, ImportError> {
    let (database, from) = begin(from)?;
    match database {
        World::Dpkg => {
            let deb = DebFile::open(from)?;
            let control = deb.control.names().map(|name| {
                let bytes = deb.control.file(name).unwrap_or_default().to_vec();
                (name.to_owned(), Value::from(bytes))
            });
            let fields = deb.control.fields()?;
            let words = fields.get("Description").unwrap_or_default();
            let summary = String::from_utf8_lossy(
                words
                    .split(|byte| *byte == b'\n')
                    .next()
                    .unwrap_or_default(),
            );
            let known = Known {
                database,
                package: deb.control.package()?,
                summary: summary.into_owned(),
                built: 0,
                says: (CONTROL_KEY, Value::vardict(control)),
            };
            let packed: Packed<'_, std::io::Empty> = Packed::Deb(Some(deb.data));
            write(repo, (name, packed), Vec::new(), known, sink)
        }
        World::Rpm => {
            let rpm = RpmFile::open(from)?;
            rpm.headers.check()?;
            if let Some(verifier) = verifier {
                let verdicts = rpm.headers.judge(verifier)?;
                if !verdicts.iter().any(Verdict::is_good) {
                    return Err(ImportError::NotSigned { verdicts });
                }
            }
            let (headers, payload) = rpm.payload()?;
            let header = headers.main().map_err(RpmError::from)?;
            let texts = header.texts(tag::SUMMARY).map_err(RpmError::from)?;
            let known = Known {
                database,
                package: rpm::package(&header).map_err(RpmError::from)?,
                summary: texts
                    .first()
                    .map_or_else(String::new, |text| text.to_string()),
                built: header
                    .number(tag::BUILD_TIME)
                    .map_err(RpmError::from)?
                    .unwrap_or(0),
                says: (HEADER_KEY, Value::from(headers.main_bytes().to_vec())),
            };
            let listed = files::files(&header).map_err(RpmError::from)?;
            write(
                repo,
                (name, Packed::Rpm(Some(payload))),
                listed,
                known,
                sink,
            )
        }
    }
}

fn write<R: Read>(
    repo: &Repo,
    (name, packed): (&Path, Packed<'_, R>),
    listed: Vec<RpmFileEntry>,
    known: Known,
    sink: &dyn Sink,
) -> Result<Imported, ImportError> {
    let full_name = known.database.full_name(&known.package);
    let reference = reference(known.database, &known.package);
    // A name that is more than one component would lead out of tmpfiles.d.
    let is_name = !known.package.name.contains('/') && !known.package.name.starts_with('.');
    let reference = reference
        .filter(|_| is_name)
        .ok_or_else(|| ImportError::Name(full_name.clone()))?;
    let transaction = repo.begin(TransactionOptions::default())?;
    let mut builder = TreeBuilder::new(&transaction, TreeOptions::default(), sink)?;
    builder.overlay_entries(name, &mut Placing::new(packed, listed, &known.package.name))?;
    let built = builder.finish()?;
    let package = &known.package;
    let identity = [
        known.database.as_str(),
        &package.name,
        &package.version,
        &package.architecture,
    ];
    let mut metadata = Metadata::default();
    metadata.push(
        PACKAGE_KEY,
        Value::Tuple(identity.map(Value::from).to_vec()),
    );
    metadata.push(known.says.0, known.says.1);
    let commit = transaction.write_commit(&Commit {
        metadata,
        parent: None,
        related: Vec::new(),
        subject: full_name,
        body: known.summary.replace('\0', ""),
        timestamp: known.built,
        tree: built.tree,
        meta: built.meta,
    })?;
    transaction.set_ref(RefKey::Head(reference.clone()), Some(commit));
    transaction.commit()?;
    Ok(Imported {
        database: known.database,
        package: known.package,
        reference,
        commit,
    })
}
