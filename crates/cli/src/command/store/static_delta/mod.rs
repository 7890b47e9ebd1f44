//! `static-delta`: files that lead from one commit to another.

pub(crate) mod apply_offline;
pub(crate) mod delete;
pub(crate) mod generate;
pub(crate) mod indexes;
pub(crate) mod list;
mod native;
pub(crate) mod reindex;
pub(crate) mod show;
pub(crate) mod verify;

use std::path::PathBuf;

use ostler_format::delta::DeltaName;
use ostler_store::delta::DeltaError;
use ostler_store::sign::{BareKind, PublicKeys, TrustRoots};

use crate::command::signing::public_keys;
use crate::grammar::{Group, Node, Section, verb};
use crate::report::{hinted, usage};

/// The group of these verbs.
pub(crate) static GROUP: Group = Group {
    name: "static-delta",
    about: "Make, apply and look at files that lead from one commit to another",
    operands: "COMMAND",
    sections: &[Section {
        heading: "Verbs",
        nodes: VERBS,
    }],
    without_verb: None,
};

const VERBS: &[Node] = &[
    verb::<list::List>(),
    verb::<show::Show>(),
    verb::<delete::Delete>(),
    verb::<generate::Generate>(),
    verb::<apply_offline::ApplyOffline>(),
    verb::<verify::Verify>(),
    verb::<indexes::Indexes>(),
    verb::<reindex::Reindex>(),
];

/// What a native delta's name ends with, where people read and write it.
const NATIVE: &str = ".native";

/// A delta that somebody named.
enum Named {
    /// One of libostree's.
    Static(DeltaName),
    /// One of Ostler's own.
    Native(DeltaName),
}

/// Parses the name of a delta as `list` shows it, which has to be there.
fn parse_name(text: Option<&str>) -> anyhow::Result<Named> {
    let text = text.ok_or_else(|| usage("DELTA must be specified"))?;
    let bad = |_| {
        let error = DeltaError::Name { text: text.into() };
        hinted(
            error.to_string(),
            "`ostler static-delta list` shows the names",
        )
    };
    match text.strip_suffix(NATIVE) {
        Some(name) => Ok(Named::Native(name.parse().map_err(bad)?)),
        None => Ok(Named::Static(text.parse().map_err(bad)?)),
    }
}

/// Which public keys a superblock's signature is looked for by.
#[derive(clap::Args, Clone, Debug)]
struct VerifyingOptions {
    /// Kind of signature: ed25519 or spki
    #[arg(
        long,
        value_name = "NAME",
        default_value = "ed25519",
        hide_default_value = true
    )]
    sign_type: String,
    /// Take public keys from this file: one in base64 a line, or for spki PEM
    #[arg(long, value_name = "FILE")]
    keys_file: Option<PathBuf>,
    /// Look for trusted and revoked keys in this directory instead of /etc/ostree and /usr/share/ostree
    #[arg(long, value_name = "DIR")]
    keys_dir: Option<PathBuf>,
}

impl VerifyingOptions {
    /// The keys that are named; `None` if none is.
    fn named_keys(&self, keys: &[String]) -> anyhow::Result<Option<PublicKeys>> {
        if keys.is_empty() && self.keys_file.is_none() && self.keys_dir.is_none() {
            return Ok(None);
        }
        let kind: BareKind = self.sign_type.parse()?;
        let mut roots = TrustRoots::of_host();
        let mut public = public_keys(kind, keys, self.keys_file.as_deref())?;
        match &self.keys_dir {
            Some(dir) => {
                roots.key_dirs = vec![dir.clone()];
                public.trust_of(&roots)?;
            }
            None => public.revoke_of(&roots)?,
        }
        Ok(Some(public))
    }

    /// The keys that are named; if none is, those that the host trusts.
    fn keys(&self, keys: &[String]) -> anyhow::Result<PublicKeys> {
        if let Some(named) = self.named_keys(keys)? {
            return Ok(named);
        }
        let mut public = PublicKeys::new(self.sign_type.parse()?);
        public.trust_of(&TrustRoots::of_host())?;
        Ok(public)
    }
}
