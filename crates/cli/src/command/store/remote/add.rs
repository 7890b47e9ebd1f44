//! `remote add`.

use std::path::PathBuf;

use anyhow::bail;
use ostler_format::RemoteName;
use ostler_store::RemoteError;
use ostler_store::remote::{IfExists, RemoteValue};
use ostler_store::sign::BareKind;
use ostler_store::sign::openpgp::{Keyring, trusted};

use super::gpg_import::import;
use crate::command::values::parse_key_value;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, SysrootOption, Verb};

/// Options of `remote add`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Add {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Set another key of the remote's configuration (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Require no OpenPGP signatures
    #[arg(long)]
    pub(crate) no_gpg_verify: bool,
    /// Require no signatures of any kind
    #[arg(long)]
    pub(crate) no_sign_verify: bool,
    /// Require signatures of this kind by this key (repeatable)
    #[arg(long, value_name = "TYPE=inline:KEY|TYPE=file:PATH")]
    pub(crate) sign_verify: Vec<String>,
    /// Trust the OpenPGP keys in this file (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(crate) gpg_import: Vec<PathBuf>,
    /// Do nothing if there is such a remote
    #[arg(long, conflicts_with = "force")]
    pub(crate) if_not_exists: bool,
    /// Replace a remote of this name
    #[arg(long)]
    pub(crate) force: bool,
    /// Fetch content objects from this URL
    #[arg(long, value_name = "URL")]
    pub(crate) contenturl: Option<String>,
    /// Worldwide unique name of the remote's collection of refs
    #[arg(long, value_name = "COLLECTION-ID")]
    pub(crate) collection_id: Option<String>,
    /// Name the other program that fetches this remote's content
    #[arg(long, value_name = "NAME")]
    pub(crate) custom_backend: Option<String>,
    /// How the repository calls it
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
    /// Where it is; `mirrorlist=` before it means a list of such URLs, `metalink=` an XML document that names summaries
    #[arg(value_name = "URL", required_unless_present = "custom_backend")]
    pub(crate) url: Option<String>,
    /// Refs to pull where none is named
    #[arg(value_name = "BRANCH")]
    pub(crate) branches: Vec<String>,
}

impl Verb for Add {
    const NAME: &'static str = "add";
    const ABOUT: &'static str = "Add a remote";
    const OPERANDS: &'static str = "NAME [metalink=|mirrorlist=]URL [BRANCH...]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "remote add --repo=repo --gpg-import=os.asc origin https://example.com/repo",
            says: "add a remote whose commits are signed with the OpenPGP keys in a file",
        },
        Example {
            call: "remote add --repo=repo --no-gpg-verify --sign-verify=ed25519=file:/etc/os.pub origin https://example.com/repo",
            says: "add one whose commits are signed with an Ed25519 key",
        },
        Example {
            call: "remote add --repo=repo --no-gpg-verify origin https://example.com/repo",
            says: "add one whose commits are not signed",
        },
        Example {
            call: "remote add --repo=repo --set=bearer-token-path=/etc/token --set=tls-ca-path=/etc/ca.pem work https://h/repo",
            says: "send a token from a file, trust an authority of one's own (also: proxy, http2, tls-client-cert-path)",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (mut repo, remotes_dir) = super::open(&self.repo, &self.sysroot, context)?;
        let name = RemoteName::new(self.name.as_str())?;
        let if_exists = if self.force {
            IfExists::Replace
        } else {
            IfExists::Refuse
        };
        let keys = self.keys()?;
        // Before the remote is there: one without its keys is of no use.
        let mut keyring = Keyring::default();
        for path in &self.gpg_import {
            keyring.extend(trusted::read_keyring(path)?);
        }
        match repo.add_remote(&name, &keys, if_exists, remotes_dir.as_deref()) {
            // Its keys are imported all the same: they are what this call is sure of.
            Err(RemoteError::Exists { .. }) if self.if_not_exists => {}
            other => other?,
        }
        if !keyring.is_empty() {
            import(context, &repo, &name, keyring)?;
        }
        Ok(Exit::Done)
    }
}

impl Add {
    /// Returns what is written about the remote, in order.
    fn keys(&self) -> anyhow::Result<Vec<(String, RemoteValue)>> {
        let text = |value: &str| RemoteValue::Text(value.to_owned());
        let mut keys = match self.url.as_deref() {
            Some(url) => vec![match url.strip_prefix("metalink=") {
                Some(metalink) => ("metalink".to_owned(), text(metalink)),
                None => ("url".to_owned(), text(url)),
            }],
            None => Vec::new(),
        };
        if !self.branches.is_empty() {
            keys.push((
                "branches".to_owned(),
                RemoteValue::List(self.branches.clone()),
            ));
        }
        if let Some(url) = &self.contenturl {
            keys.push(("contenturl".to_owned(), text(url)));
        }
        if let Some(backend) = &self.custom_backend {
            keys.push(("custom-backend".to_owned(), text(backend)));
        }
        for (key, value) in &self.set {
            keys.retain(|(before, _)| before != key);
            keys.push((key.clone(), text(value)));
        }
        if self.no_gpg_verify || self.no_sign_verify {
            keys.push(("gpg-verify".to_owned(), RemoteValue::Flag(false)));
        }
        if self.no_sign_verify {
            keys.push(("sign-verify".to_owned(), RemoteValue::Flag(false)));
        } else if !self.sign_verify.is_empty() {
            keys.extend(sign_verify_keys(&self.sign_verify)?);
        }
        if let Some(id) = &self.collection_id {
            // As it is: one that no collection can have has no refs.
            keys.push(("collection-id".to_owned(), text(id)));
        }
        Ok(keys)
    }
}

/// The keys that --sign-verify stands for: kinds first, then a key or a file of each.
pub(crate) fn sign_verify_keys(given: &[String]) -> anyhow::Result<Vec<(String, RemoteValue)>> {
    let (mut kinds, mut keys) = (Vec::new(), Vec::new());
    for text in given {
        let Some((name, reference)) = text.split_once('=') else {
            bail!("Failed to parse KEYTYPE=[inline|file]:DATA in {text}");
        };
        let kind: BareKind = name.parse()?;
        let (what, value) = match reference.split_once(':') {
            Some(("inline", key)) => {
                kind.parse_public(key)?;
                ("key", key)
            }
            Some(("file", path)) => ("file", path),
            _ => bail!("Invalid key reference {reference}, expected inline|file"),
        };
        let key = format!("verification-{kind}-{what}");
        keys.retain(|(before, _)| *before != key);
        keys.push((key, RemoteValue::Text(value.to_owned())));
        if !kinds.contains(&name.to_owned()) {
            kinds.push(name.to_owned());
        }
    }
    keys.push(("sign-verify".to_owned(), RemoteValue::List(kinds)));
    Ok(keys)
}
