//! `remote gpg-import`.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;

use anyhow::Context as _;
use ostler_format::RemoteName;
use ostler_store::Repo;
use ostler_store::sign::openpgp::{Keyring, gpg, keyring::MAX_KEYRING, trusted};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, SysrootOption, Verb};
use crate::report::{hinted, usage};

/// Options of `remote gpg-import`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct GpgImport {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Import from this file, binary or in armor (repeatable)
    #[arg(short = 'k', long, value_name = "FILE")]
    pub(crate) keyring: Vec<PathBuf>,
    /// Import from standard input
    #[arg(long)]
    pub(crate) stdin: bool,
    /// The remote
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
    /// Import these keys alone, by fingerprint, key id or mail address
    #[arg(value_name = "KEY-ID")]
    pub(crate) keys: Vec<String>,
}

impl Verb for GpgImport {
    const NAME: &'static str = "gpg-import";
    const ABOUT: &'static str = "Trust OpenPGP keys to sign a remote's commits";
    const OPERANDS: &'static str = "NAME [KEY-ID...]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "remote gpg-import --repo=repo -k os.asc origin",
            says: "trust the keys in a file",
        },
        Example {
            call: "remote gpg-import --repo=repo origin 472CDAFA",
            says: "trust one of the keys that your own gpg knows",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if self.stdin && !self.keyring.is_empty() {
            return Err(usage("--keyring and --stdin are mutually exclusive"));
        }
        let (repo, remotes_dir) = super::open(&self.repo, &self.sysroot, context)?;
        // A remote that is not configured has nobody who would look at its keys.
        repo.remote(&self.name, remotes_dir.as_deref())?;
        let name = RemoteName::new(self.name.as_str())?;
        let keys = self.keys()?;
        import(context, &repo, &name, keys)?;
        Ok(Exit::Done)
    }
}

impl GpgImport {
    fn keys(&self) -> anyhow::Result<Keyring> {
        if self.stdin {
            return self.selected(Keyring::parse(&read_stdin()?)?);
        }
        if !self.keyring.is_empty() {
            let mut keyring = Keyring::default();
            for path in &self.keyring {
                keyring.extend(trusted::read_keyring(path)?);
            }
            return self.selected(keyring);
        }
        if self.keys.is_empty() {
            return Err(hinted(
                "there is nothing to import from",
                "name a file with --keyring, use --stdin, or name keys that your own gpg has",
            ));
        }
        Ok(Keyring::parse(&gpg::export(&self.keys)?)?)
    }

    fn selected(&self, keyring: Keyring) -> anyhow::Result<Keyring> {
        if self.keys.is_empty() {
            return Ok(keyring);
        }
        Ok(keyring.select(&self.keys)?)
    }
}

fn read_stdin() -> anyhow::Result<Vec<u8>> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(usage("--stdin needs keys on standard input"));
    }
    let mut bytes = Vec::new();
    // One byte more than may be, so that a keyring that is too large is not cut short.
    let cap = MAX_KEYRING as u64 + 1;
    stdin
        .take(cap)
        .read_to_end(&mut bytes)
        .context("reading standard input")?;
    Ok(bytes)
}

/// Adds keys to a remote's keyring and says how many are new.
pub(super) fn import(
    context: &Context,
    repo: &Repo,
    name: &RemoteName,
    keys: Keyring,
) -> anyhow::Result<()> {
    let imported = trusted::import(repo, name, keys)?;
    let plural = if imported == 1 { "" } else { "s" };
    context.printer.line(format_args!(
        "Imported {imported} GPG key{plural} to remote \"{name}\""
    ))?;
    Ok(())
}
