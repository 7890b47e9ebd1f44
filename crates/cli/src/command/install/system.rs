//! Options of the system that is to be.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ostler_deploy::install::{RemoteSettings, Source, System};
use ostler_format::{RefName, RemoteName, StaterootName};
use ostler_store::pull::{NetworkOptions, PullTarget};
use ostler_store::remote::RemoteValue;
use ostler_store::sign::openpgp::{Keyring, trusted};

use crate::command::store::remote::sign_verify_keys;
use crate::command::values::netrc;
use crate::context::Context;
use crate::report::{hinted, usage};
use crate::version;

/// The most that is read of a file that goes into the new system.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// What the new system is, and where it gets its updates.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SystemOptions {
    /// Take the tree from this repository: a directory, or a URL
    #[arg(
        long,
        visible_alias = "repo",
        value_name = "REPO|URL",
        required = true,
        help_heading = "The tree"
    )]
    source: String,
    /// The ref, `REF@COMMIT`, or commit
    #[arg(
        long = "ref",
        value_name = "REF",
        required = true,
        help_heading = "The tree"
    )]
    target: String,
    /// Name of the stateroot, which has the system's /var
    #[arg(
        long,
        value_name = "NAME",
        default_value = "default",
        help_heading = "The tree"
    )]
    stateroot: String,
    /// Append a kernel argument (repeatable); root=UUID=... and rw are there already
    #[arg(long, value_name = "NAME=VALUE", help_heading = "The tree")]
    karg: Vec<String>,
    /// Let the keys in this file log in as root
    #[arg(long, value_name = "FILE", help_heading = "The tree")]
    root_ssh_authorized_keys: Option<PathBuf>,
    /// Hand this configuration to Ignition at the first boot: as /boot/ignition/config.ign, and by the kernel arguments ignition.firstboot and
    /// ignition.platform.id=metal, which a unit removes after it
    #[arg(long, value_name = "FILE", help_heading = "The tree")]
    ignition: Option<PathBuf>,

    /// Where the system gets its updates (defaults to --source, if that is a URL)
    #[arg(long, value_name = "URL", help_heading = "Updates")]
    remote_url: Option<String>,
    /// How the system calls that server
    #[arg(
        long,
        value_name = "NAME",
        default_value = "origin",
        help_heading = "Updates"
    )]
    remote: String,
    /// The ref that updates follow (defaults to --ref)
    #[arg(long, value_name = "REF", help_heading = "Updates")]
    target_ref: Option<String>,
    /// Trust the OpenPGP keys in this file (repeatable)
    #[arg(long, value_name = "FILE", help_heading = "Updates")]
    gpg_import: Vec<PathBuf>,
    /// Require signatures of this kind by this key (repeatable), not OpenPGP ones
    #[arg(
        long,
        value_name = "TYPE=inline:KEY|TYPE=file:PATH",
        help_heading = "Updates"
    )]
    sign_verify: Vec<String>,
    /// Require no signatures of any kind
    #[arg(
        long,
        conflicts_with_all = ["gpg_import", "sign_verify"],
        help_heading = "Updates"
    )]
    no_sign_verify: bool,
}

impl SystemOptions {
    /// Reads the files that are named, and returns what is asked for.
    pub(super) fn system(&self, context: &Context) -> anyhow::Result<System> {
        let source = match self.source.contains("://") {
            true => Source::Url(self.source.clone()),
            false => Source::Local(PathBuf::from(&self.source)),
        };
        let target: PullTarget = self.target.parse()?;
        let remote = self.remote_settings(&source)?;
        Ok(System {
            follow: self.follow(&target)?,
            target,
            remote,
            source,
            stateroot: StaterootName::new(self.stateroot.as_str())?,
            kargs: self.karg.clone(),
            root_ssh_keys: read_optional(self.root_ssh_authorized_keys.as_deref())?,
            ignition: read_optional(self.ignition.as_deref())?,
            network: NetworkOptions {
                user_agent: Some(version::user_agent(context.personality, None)),
                netrc: netrc(),
                ..NetworkOptions::default()
            },
        })
    }

    fn follow(&self, target: &PullTarget) -> anyhow::Result<RefName> {
        match (&self.target_ref, target) {
            (Some(name), _) => Ok(RefName::new(name.as_str())?),
            (None, PullTarget::Ref(name) | PullTarget::RefAt(name, _)) => Ok(name.clone()),
            (None, PullTarget::Commit(_)) => Err(usage(
                "--ref names a commit: say with --target-ref what updates follow",
            )),
        }
    }

    fn remote_settings(&self, source: &Source) -> anyhow::Result<Option<RemoteSettings>> {
        let url = match (&self.remote_url, source) {
            (Some(url), _) | (None, Source::Url(url)) => url.clone(),
            (None, Source::Local(_)) => {
                if !self.gpg_import.is_empty() || !self.sign_verify.is_empty() {
                    return Err(usage(
                        "signatures are those of a server: name it with --remote-url",
                    ));
                }
                return Ok(None);
            }
        };
        let asks = !self.gpg_import.is_empty() || !self.sign_verify.is_empty();
        if !asks && !self.no_sign_verify {
            return Err(hinted(
                format!("nothing says how commits of `{url}` are verified"),
                "name a file of OpenPGP keys with --gpg-import or a key with --sign-verify=ed25519=inline:KEY; --no-sign-verify trusts the server",
            ));
        }
        let mut values = vec![("url".to_owned(), RemoteValue::Text(url))];
        if self.gpg_import.is_empty() {
            values.push(("gpg-verify".to_owned(), RemoteValue::Flag(false)));
        }
        if self.no_sign_verify {
            values.push(("sign-verify".to_owned(), RemoteValue::Flag(false)));
        } else if !self.sign_verify.is_empty() {
            values.extend(sign_verify_keys(&self.sign_verify)?);
        }
        let mut keys = Keyring::default();
        for path in &self.gpg_import {
            keys.extend(trusted::read_keyring(path)?);
        }
        Ok(Some(RemoteSettings {
            name: RemoteName::new(self.remote.as_str())?,
            values,
            keys,
        }))
    }
}

fn read_optional(path: Option<&Path>) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(path) = path else {
        return Ok(None);
    };
    let reading = || format!("reading `{}`", path.display());
    let mut content = Vec::new();
    let file = File::open(path).with_context(reading)?;
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut content)
        .with_context(reading)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        anyhow::bail!(
            "`{}` has more than {} MiB",
            path.display(),
            MAX_FILE_BYTES >> 20
        );
    }
    Ok(Some(content))
}
