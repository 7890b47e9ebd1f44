//! `cleanup`: give room back.

use ostler_deploy::holding::Holding;
use ostler_deploy::order::OrderChange;
use ostler_deploy::plan::Wish;
use ostler_deploy::{cleanup, order};
use ostler_store::transaction::format_size;

use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, SysrootOption, Verb};
use crate::report::usage;

/// Options of `cleanup`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Cleanup {
    #[command(flatten)]
    pub(crate) sysroot: SysrootOption,
    /// Work on this stateroot (defaults to the booted one)
    #[arg(long = "stateroot", visible_alias = "os", value_name = "STATEROOT")]
    pub(crate) stateroot: Option<String>,
    /// Delete what no deployment refers to
    #[arg(short, long)]
    pub(crate) base: bool,
    /// Delete the deployment that would be booted next
    #[arg(short, long)]
    pub(crate) pending: bool,
    /// Delete the deployment to go back to
    #[arg(short, long)]
    pub(crate) rollback: bool,
    /// Delete the metadata of package repositories that rpm-ostree keeps in /var/cache
    #[arg(short = 'm', long)]
    pub(crate) repomd: bool,
    /// Delete deployments that the retention policy in /etc/ostler/host.toml does not hold
    #[arg(long)]
    pub(crate) expired: bool,
    /// Show what holds each deployment, kernel and commit, and how much room they take; delete nothing
    #[arg(long, conflicts_with_all = ["base", "pending", "rollback", "repomd", "expired"])]
    pub(crate) explain: bool,
    /// Print the explanation as JSON
    #[arg(long, requires = "explain")]
    pub(crate) json: bool,
}

impl Verb for Cleanup {
    const NAME: &'static str = "cleanup";
    const ABOUT: &'static str = "Give room back: leftovers, pending or rollback deployments";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "cleanup --pending",
            says: "give up what would boot next but for the booted deployment",
        },
        Example {
            call: "cleanup --rollback",
            says: "give up the previous deployment, to free its kernel's room in /boot",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if self.explain {
            return explain(context, &self);
        }
        if !(self.base || self.pending || self.rollback || self.repomd || self.expired) {
            return Err(usage(
                "at least one of --base, --pending, --rollback, --repomd, --expired and --explain is needed",
            ));
        }
        let stateroot = system::stateroot(self.stateroot.as_deref())?;
        let mut lock = system::lock(context, &self.sysroot)?;
        if self.pending || self.rollback {
            let wish = Wish::Drop {
                stateroot: stateroot.as_ref().map(ToString::to_string),
                pending: self.pending,
                rollback: self.rollback,
            };
            tell(context, &order::change(&mut lock, &wish)?)?;
        }
        if self.expired {
            let stateroot = lock.stateroot_or_booted(stateroot.as_ref())?;
            tell(context, &order::expire(&mut lock, &stateroot)?)?;
        }
        if self.repomd {
            let stateroot = lock.stateroot_or_booted(stateroot.as_ref())?;
            cleanup::package_metadata(&lock, &stateroot)?;
        }
        if self.base {
            system::tell_freed(context, cleanup::full(&lock)?.bytes_freed)?;
        }
        Ok(Exit::Done)
    }
}

fn tell(context: &Context, change: &OrderChange) -> anyhow::Result<()> {
    system::tell_published(context, change.published.as_ref())?;
    for id in &change.removed {
        context
            .printer
            .line(format_args!("Deleted deployment {id}"))?;
    }
    system::tell_freed(context, change.bytes_freed)
}

fn explain(context: &Context, options: &Cleanup) -> anyhow::Result<Exit> {
    let holding = Holding::read(&system::open(&options.sysroot)?)?;
    let printer = &context.printer;
    if options.json {
        printer.line(serde_json::to_string_pretty(&holding)?)?;
        return Ok(Exit::Done);
    }
    let users = |indices: &[usize]| match indices {
        [] => "no deployment".to_owned(),
        _ => {
            let indices: Vec<String> = indices.iter().map(ToString::to_string).collect();
            format!("deployment {}", indices.join(", "))
        }
    };
    printer.line("Deployments:")?;
    for it in &holding.deployments {
        let held = match it.held_by.is_empty() {
            true => "until the next one is deployed".to_owned(),
            false => it.held_by.join(", "),
        };
        let own = format_size(it.own_bytes);
        let (index, stateroot, name) = (it.index, &it.stateroot, &it.name);
        printer.line(format_args!(
            "  {index} {stateroot} {name}: {held}; {own} of its own"
        ))?;
    }
    printer.line("Kernels:")?;
    for it in &holding.kernels {
        let (size, users) = (format_size(it.bytes), users(&it.deployments));
        printer.line(format_args!("  {}: {users}; {size}", it.directory))?;
    }
    printer.line("Commits:")?;
    for it in &holding.commits {
        let (size, users) = (format_size(it.own_bytes), users(&it.deployments));
        let refs = match it.refs.is_empty() {
            true => String::new(),
            false => format!(", ref {}", it.refs.join(", ")),
        };
        printer.line(format_args!(
            "  {}: {users}{refs}; {size} of its own",
            it.commit
        ))?;
    }
    printer.line("Stateroots:")?;
    for it in &holding.stateroots {
        let (size, count) = (format_size(it.var_bytes), it.deployments);
        printer.line(format_args!(
            "  {}: {count} deployments; {size} in /var",
            it.name
        ))?;
    }
    Ok(Exit::Done)
}
