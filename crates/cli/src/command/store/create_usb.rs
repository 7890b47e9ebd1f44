//! `create-usb`: refs of collections copied to removable media.

use std::path::PathBuf;

use ostler_store::media::{self, MediaOptions};

use crate::command::values::parse_collection_refs;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::progress::ProgressOptions;
use crate::report::usage;

/// Options of `create-usb`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct CreateUsb {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
    /// Leave durability to the system
    #[arg(long)]
    pub(crate) disable_fsync: bool,
    /// Put the repository there on the medium, with a symlink where others look for it
    #[arg(long, value_name = "DEST", default_value = media::DEFAULT_DESTINATION)]
    pub(crate) destination_repo: PathBuf,
    /// Copy this commit instead of the newest (with a single ref)
    #[arg(long, value_name = "COMMIT")]
    pub(crate) commit: Option<String>,
    /// Where the medium is mounted
    #[arg(value_name = "MOUNT-PATH")]
    pub(crate) mount_path: Option<PathBuf>,
    /// Collections and refs in turn
    #[arg(value_name = "COLLECTION-ID REF")]
    pub(crate) refs: Vec<String>,
}

impl Verb for CreateUsb {
    const NAME: &'static str = "create-usb";
    const ABOUT: &'static str = "Copy refs of collections to removable media";
    const OPERANDS: &'static str = "MOUNT-PATH COLLECTION-ID REF [COLLECTION-ID REF...]";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "create-usb --repo=/ostree/repo /run/media/ann/stick org.example.Os os/stable",
        says: "a stick from which hosts without a network upgrade (`find-remotes --finders=mount`)",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.show_progress(&self.progress)?;
        let Some(mount) = &self.mount_path else {
            return Err(usage("A MOUNT-PATH must be specified"));
        };
        let refs = parse_collection_refs(&self.refs)?;
        let repo = self.repo.open(context)?;
        let commit = self.commit.as_deref().map(|text| repo.resolve(text));
        let count = refs.len();
        let options = MediaOptions {
            refs,
            commit: commit.transpose()?,
            destination: self.destination_repo.clone(),
            fsync: self.disable_fsync.then_some(false),
        };
        media::copy_to_medium(&repo, mount, &options, &*context.sink())?;
        context.printer.line(format_args!(
            "Copied {count}/{count} refs successfully from ‘{}’ to ‘{}’ repository in ‘{}’.",
            repo.dir().shown_path().display(),
            self.destination_repo.display(),
            mount.display()
        ))?;
        Ok(Exit::Done)
    }
}
