//! `show`: one object, in words or parts.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use ostler_format::{
    Checksum, Commit, CommitId, FileId, Metadata, ObjectKind, ObjectName, SIZES_KEY, SizeEntry,
    Value, parse_sizes,
};
use ostler_store::sign::TrustRoots;
use ostler_store::sign::openpgp::trusted;
use ostler_store::{Repo, StoreError};

use super::ls::print_xattrs;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::text;
use crate::text::variant::Bytes;

/// Options of `show`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Print the object's variant
    #[arg(long, help_heading = "Form")]
    pub(crate) raw: bool,
    /// Leave integers of variants in the order in which they are stored
    #[arg(short = 'B', long, help_heading = "Form")]
    pub(crate) no_byteswap: bool,
    /// Print byte arrays as hexadecimal digits
    #[arg(long, help_heading = "Form")]
    pub(crate) print_hex: bool,
    /// OBJECT is a file that holds a variant of this type
    #[arg(long, value_name = "TYPE", help_heading = "Form")]
    pub(crate) print_variant_type: Option<String>,

    /// List the keys of the commit's metadata
    #[arg(long, help_heading = "Parts")]
    pub(crate) list_metadata_keys: bool,
    /// Print the value of this key of the metadata
    #[arg(long, value_name = "KEY", help_heading = "Parts")]
    pub(crate) print_metadata_key: Option<String>,
    /// List the keys of the commit's detached metadata
    #[arg(long, help_heading = "Parts")]
    pub(crate) list_detached_metadata_keys: bool,
    /// Print the value of this key of the detached metadata
    #[arg(long, value_name = "KEY", help_heading = "Parts")]
    pub(crate) print_detached_metadata_key: Option<String>,
    /// Print the commits that this one names as related
    #[arg(long, help_heading = "Parts")]
    pub(crate) print_related: bool,
    /// Print the sizes that the commit records
    #[arg(long, help_heading = "Parts")]
    pub(crate) print_sizes: bool,

    /// Where more keyrings are, `*.gpg`
    #[arg(long, value_name = "HOMEDIR", help_heading = "Signatures")]
    pub(crate) gpg_homedir: Option<PathBuf>,
    /// Judge OpenPGP signatures by the keys of this remote alone
    #[arg(long, value_name = "REMOTE", help_heading = "Signatures")]
    pub(crate) gpg_verify_remote: Option<String>,

    /// Ref, commit or checksum of a metadata object
    #[arg(value_name = "OBJECT", required = true)]
    pub(crate) object: String,
}

/// The types of metadata objects, in the order in which an object's name is looked up.
const METADATA_KINDS: [(ObjectKind, &str, &str); 3] = [
    (ObjectKind::Commit, "commit", text::commit::SIGNATURE),
    (ObjectKind::DirMeta, "dirmeta", "(uuua(ayay))"),
    (ObjectKind::DirTree, "dirtree", "(a(say)a(sayay))"),
];

/// The largest file that `--print-variant-type` reads.
const MAX_VARIANT_FILE: u64 = ostler_format::MAX_METADATA_SIZE;

impl Verb for Show {
    const NAME: &'static str = "show";
    const ABOUT: &'static str = "Show an object in words, or a part of it";
    const OPERANDS: &'static str = "OBJECT";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "show --repo=repo os/stable",
            says: "who committed what when",
        },
        Example {
            call: "show --repo=repo --print-metadata-key=version os/stable",
            says: "one value of the metadata",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let text = if let Some(signature) = &self.print_variant_type {
            self.variant_file(signature)?
        } else {
            let repo = self.repo.open(context)?;
            self.object(&repo)?
        };
        context.printer.text(&text)?;
        Ok(Exit::Done)
    }
}

impl Show {
    fn bytes(&self) -> Bytes {
        if self.no_byteswap {
            Bytes::AsStored
        } else {
            Bytes::Swapped
        }
    }

    fn variant_file(&self, signature: &str) -> anyhow::Result<String> {
        let path = &self.object;
        let size = fs::metadata(path)
            .with_context(|| format!("`{path}`"))?
            .len();
        if size > MAX_VARIANT_FILE {
            bail!("`{path}` has {size} bytes, at most {MAX_VARIANT_FILE} are read");
        }
        let stored = fs::read(path).with_context(|| format!("`{path}`"))?;
        Ok(self
            .bytes()
            .print_stored(signature, &stored)
            .with_context(|| format!("`{path}`"))?
            + "\n")
    }

    fn object(&self, repo: &Repo) -> anyhow::Result<String> {
        let commit = || -> anyhow::Result<_> {
            let id = repo.resolve(&self.object)?;
            Ok((id, repo.read_commit(id)?))
        };
        let detached = || -> anyhow::Result<_> {
            Ok(repo
                .read_detached_metadata(repo.resolve(&self.object)?)?
                .unwrap_or_default())
        };
        if let Some(key) = &self.print_metadata_key {
            return self.value(&commit()?.1.metadata, key, "metadata");
        }
        if let Some(key) = &self.print_detached_metadata_key {
            return self.value(&detached()?, key, "detached metadata");
        }
        if self.list_metadata_keys {
            return Ok(keys(&commit()?.1.metadata));
        }
        if self.list_detached_metadata_keys {
            return Ok(keys(&detached()?));
        }
        if self.print_related {
            return Ok(related(&commit()?.1));
        }
        if self.print_sizes {
            return sizes(repo, &commit()?.1);
        }
        match Checksum::from_hex(&self.object) {
            Ok(checksum) => self.by_checksum(repo, checksum),
            Err(_) => self.by_checksum(repo, commit()?.0.checksum()),
        }
    }

    /// Describes a commit's OpenPGP signatures, nothing if it has none.
    fn signatures(&self, repo: &Repo, id: CommitId, bytes: &[u8]) -> anyhow::Result<String> {
        let keys = match &self.gpg_verify_remote {
            Some(name) => {
                let remote = repo.remote(name, repo.remotes_dir(None).as_deref())?;
                trusted::of_remote(repo, &remote, &TrustRoots::of_host())?
            }
            None => text::signatures::all_keys(repo, self.gpg_homedir.as_deref())?,
        };
        let detached = repo.read_detached_metadata(id)?.unwrap_or_default();
        text::signatures::describe(bytes, &detached, keys)
    }

    fn value(&self, metadata: &Metadata, key: &str, what: &str) -> anyhow::Result<String> {
        let Some(value) = metadata.get(key) else {
            bail!("No such {what} key '{key}'")
        };
        if self.print_hex {
            let Value::Bytes(bytes) = value else {
                bail!("The value of '{key}' is no byte array")
            };
            return Ok(hex(bytes) + "\n");
        }
        Ok(self.bytes().print(value) + "\n")
    }

    /// Shows the object of this name, whichever kind there is.
    fn by_checksum(&self, repo: &Repo, checksum: Checksum) -> anyhow::Result<String> {
        for (kind, kind_name, signature) in METADATA_KINDS {
            let name = ObjectName::new(checksum, kind);
            let Some(stored) = repo.read_metadata_optional(&name)? else {
                continue;
            };
            if kind == ObjectKind::Commit && !self.raw {
                let commit = Commit::parse(&stored)
                    .map_err(|source| StoreError::Malformed { name, source })?;
                let id = CommitId::new(checksum);
                let described = text::commit::describe(id, &commit)?;
                return Ok(described + &self.signatures(repo, id, &stored)?);
            }
            let mut text = format!("{kind_name} {checksum}\n");
            if self.raw {
                let _ = writeln!(text, "{}", self.bytes().print_stored(signature, &stored)?);
            }
            return Ok(text);
        }
        match repo.open_file_object(FileId::new(checksum)) {
            Ok(object) => Ok(describe_file(checksum, &object)),
            Err(StoreError::ObjectMissing { .. }) => bail!("No such object {checksum}"),
            Err(error) => Err(error.into()),
        }
    }
}

fn describe_file(checksum: Checksum, object: &ostler_store::FileObject) -> String {
    let header = &object.header;
    let mut text = format!("Object: {checksum}\nType: file\n");
    if object.is_symlink() {
        let _ = writeln!(
            text,
            "File Type: symlink\nTarget: {}",
            header.symlink_target
        );
    } else {
        let _ = writeln!(text, "File Type: regular\nSize: {}", object.size);
    }
    let _ = writeln!(
        text,
        "Mode: 0{:o}\nUid: {}\nGid: {}",
        header.mode, header.uid, header.gid
    );
    let _ = writeln!(
        text,
        "Extended Attributes: {{ {} }}",
        print_xattrs(&header.xattrs)
    );
    text
}

fn keys(metadata: &Metadata) -> String {
    let mut keys: Vec<_> = metadata.iter().map(|(key, _)| format!("{key}\n")).collect();
    keys.sort();
    keys.concat()
}

fn related(commit: &Commit) -> String {
    commit
        .related
        .iter()
        .map(|(name, checksum)| format!("{name} {checksum}\n"))
        .collect()
}

/// Sums up the sizes that a commit records, of all objects and of those that are not here yet.
fn sizes(repo: &Repo, commit: &Commit) -> anyhow::Result<String> {
    let Some(value) = commit.metadata.get(SIZES_KEY) else {
        bail!("No metadata key {SIZES_KEY} in commit");
    };
    let (mut all, mut needed) = (Totals::default(), Totals::default());
    for entry in parse_sizes(value)? {
        all.add(&entry);
        let kind = entry.kind.unwrap_or(ObjectKind::File);
        if !repo.has_object(&ObjectName::new(entry.checksum, kind))? {
            needed.add(&entry);
        }
    }
    let size = text::size::decimal;
    Ok(format!(
        "Compressed size (needed/total): {}/{}\nUnpacked size (needed/total): {}/{}\n\
         Number of objects (needed/total): {}/{}\n",
        size(needed.archived),
        size(all.archived),
        size(needed.unpacked),
        size(all.unpacked),
        needed.objects,
        all.objects,
    ))
}

#[derive(Default)]
struct Totals {
    objects: u64,
    archived: u64,
    unpacked: u64,
}

impl Totals {
    fn add(&mut self, entry: &SizeEntry) {
        self.objects += 1;
        // Hostile sizes may add up to more than fits.
        self.archived = self.archived.saturating_add(entry.archived);
        self.unpacked = self.unpacked.saturating_add(entry.unpacked);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
