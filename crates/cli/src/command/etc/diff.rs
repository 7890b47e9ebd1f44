//! `etc diff`: what a person changed in /etc, and what a pending deployment makes of it.

use ostler_deploy::etc_merge::{
    self, Change, ChangeKind, Conflict, Content, Node, Sides, Survey, is_beneath, read_text,
    split_path,
};
use ostler_deploy::{Deployment, Sysroot};
use ostler_fs::Dir;
use serde_json::{Value as Json, json};

use super::{Which, lines, paths_in_etc};
use crate::command::admin::system;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};

/// Longer files are said to differ, and no more.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Options of `etc diff`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print one line a path, also where paths are given
    #[arg(long)]
    pub(crate) list: bool,
    /// Show the lines that differ in these files, and below these directories; `/etc` is all of it
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
}

impl Verb for Diff {
    const NAME: &'static str = "diff";
    const ABOUT: &'static str = "Show what was changed in /etc against the default, and conflicts with a pending deployment";
    const OPERANDS: &'static str = "[PATH...]";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "etc diff",
            says: "list changed paths (M), removed ones (D) and added ones (A)",
        },
        Example {
            call: "etc diff /etc/ssh",
            says: "show the lines that differ below a directory",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let paths = paths_in_etc(&self.paths)?;
        let sysroot = system::open(&self.which.sysroot)?;
        let deployment = self.which.deployment(&sysroot)?;
        let root = sysroot.open_deployment(&deployment.id)?;
        let (default, etc) = (root.open_dir_in_root("usr/etc")?, root.open_dir("etc")?);
        let mut survey = etc_merge::survey(&default, &etc)?;
        let asked =
            |change: &Change| paths.is_empty() || paths.iter().any(|path| change.is_beneath(path));
        survey.changes.retain(|change| asked(change));
        let pending = Pending::find(context, &sysroot, deployment, &default, &etc, &paths)?;
        let texts = !self.list && !paths.is_empty();
        if self.json {
            let json = as_json(deployment, &survey, pending.as_ref());
            context.printer.line(serde_json::to_string_pretty(&json)?)?;
            return Ok(Exit::Done);
        }
        for change in &survey.changes {
            print_change(context, change)?;
            if texts {
                let old = text_of(&default, &change.path)?;
                let new = text_of(&etc, &change.path)?;
                let path = change.shown_path();
                let names = [format!("/usr/etc/{path}"), format!("/etc/{path}")];
                print_texts(context, [&old, &new], &names)?;
            }
        }
        if let Some(pending) = &pending {
            pending.print(context, texts.then_some((&default, &etc)))?;
        }
        if !survey.unreadable.is_empty() {
            context.printer.warning(format_args!(
                "{} could not be compared, only root may read them: {}",
                survey.unreadable.len(),
                survey.unreadable.join(", ")
            ));
        }
        Ok(Exit::Done)
    }
}

/// The deployment that boots next, and what of `/etc` is in conflict with it.
struct Pending {
    name: String,
    default: Dir,
    conflicts: Vec<Conflict>,
}

impl Pending {
    fn find(
        context: &Context,
        sysroot: &Sysroot,
        deployment: &Deployment,
        default: &Dir,
        etc: &Dir,
        paths: &[Vec<u8>],
    ) -> anyhow::Result<Option<Self>> {
        let before = sysroot
            .deployments
            .iter()
            .take_while(|other| other.id != deployment.id)
            .find(|other| other.id.stateroot == deployment.id.stateroot);
        let Some(next) = before else { return Ok(None) };
        let root = sysroot.open_deployment(&next.id)?;
        let Some(new_default) = root.open_dir_in_root_optional("usr/etc")? else {
            return Ok(None);
        };
        let sides = Sides {
            old_default: default,
            person: etc,
            new_default: &new_default,
        };
        let plan = match etc_merge::plan(sides, etc_merge::FileAgainstDirectory::Keep) {
            Err(etc_merge::EtcMergeError::Fs(error))
                if error.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                context.printer.warning(
                    "only root can tell which paths are in conflict with the pending deployment",
                );
                return Ok(None);
            }
            plan => plan?,
        };
        let mut conflicts = plan.report.conflicts;
        let asked = |conflict: &Conflict| {
            let path = conflict.path.as_bytes();
            paths.is_empty() || paths.iter().any(|asked| is_beneath(path, asked))
        };
        conflicts.retain(asked);
        Ok(Some(Self {
            name: next.id.name(),
            default: new_default,
            conflicts,
        }))
    }

    /// Prints the conflicts; with the two trees of the deployment, what both sides changed in each file.
    fn print(&self, context: &Context, trees: Option<(&Dir, &Dir)>) -> anyhow::Result<()> {
        if self.conflicts.is_empty() {
            return Ok(());
        }
        context
            .printer
            .line(format_args!("In conflict with the pending {}:", self.name))?;
        for conflict in &self.conflicts {
            context.printer.line(format_args!("C    {conflict}"))?;
            let Some((default, etc)) = trees else {
                continue;
            };
            let path = &conflict.path;
            let old = text_of(default, path.as_bytes())?;
            for (tree, name) in [
                (&self.default, format!("/usr/etc/{path} (new default)")),
                (etc, format!("/etc/{path} (yours)")),
            ] {
                let new = text_of(tree, path.as_bytes())?;
                let names = [format!("/usr/etc/{path} (old default)"), name];
                print_texts(context, [&old, &new], &names)?;
            }
        }
        Ok(())
    }
}

/// What there is to compare at a path.
enum Text {
    Nothing,
    Lines(String),
    /// A link, a directory, or a file that is long or no text.
    Opaque,
}

fn text_of(root: &Dir, path: &[u8]) -> anyhow::Result<Text> {
    let (parent, name) = split_path(path);
    let there = match root.open_dir_beneath_optional(parent)? {
        Some(parent) => parent.metadata_optional(name)?,
        None => None,
    };
    match there {
        None => Ok(Text::Nothing),
        Some(metadata) if !metadata.is_file() => Ok(Text::Opaque),
        Some(_) => Ok(read_text(root, path, MAX_TEXT_BYTES)?.map_or(Text::Opaque, Text::Lines)),
    }
}

fn print_texts(context: &Context, texts: [&Text; 2], names: &[String; 2]) -> anyhow::Result<()> {
    let (old, new) = match texts {
        [Text::Opaque, _] | [_, Text::Opaque] | [Text::Nothing, Text::Nothing] => return Ok(()),
        [Text::Nothing, Text::Lines(new)] => ("", new.as_str()),
        [Text::Lines(old), Text::Nothing] => (old.as_str(), ""),
        [Text::Lines(old), Text::Lines(new)] => (old.as_str(), new.as_str()),
    };
    let text = lines::unified(old, new, &names[0], &names[1]);
    context.printer.text(&text)?;
    Ok(())
}

fn letter(kind: ChangeKind) -> char {
    match kind {
        ChangeKind::Modified => 'M',
        ChangeKind::Removed => 'D',
        ChangeKind::Added => 'A',
    }
}

fn print_change(context: &Context, change: &Change) -> anyhow::Result<()> {
    let mut differences = Vec::new();
    if let (Some(old), Some(new)) = (&change.default, &change.person) {
        let mut differs = |name: &str, old: String, new: String| {
            if old != new {
                differences.push(format!("{name} {old} -> {new}"));
            }
        };
        let owner = |node: &Node| format!("{}:{}", node.uid, node.gid);
        let mode = |node: &Node| format!("{:04o}", node.mode);
        differs("kind", kind(old).to_owned(), kind(new).to_owned());
        if !matches!(old.content, Content::Symlink { .. }) && old.same_kind(new) {
            differs("mode", mode(old), mode(new));
        }
        differs("owner", owner(old), owner(new));
        match (&old.content, &new.content) {
            (Content::File { size: old, .. }, Content::File { size: new, .. }) => {
                differs("size", old.to_string(), new.to_string());
            }
            (Content::Symlink { target: old }, Content::Symlink { target: new }) => {
                let text = |target: &[u8]| String::from_utf8_lossy(target).into_owned();
                differs("target", text(old), text(new));
            }
            _ => {}
        }
    }
    let line = format!("{}    {}", letter(change.kind), change.shown_path());
    match differences.is_empty() {
        true => context.printer.line(line)?,
        false => context
            .printer
            .line(format_args!("{line} ({})", differences.join(", ")))?,
    }
    Ok(())
}

fn kind(node: &Node) -> &'static str {
    match node.content {
        Content::File { .. } => "file",
        Content::Symlink { .. } => "symlink",
        Content::Directory { .. } => "directory",
        Content::Special(_) => "special",
    }
}

fn node_json(node: &Node) -> Json {
    let mut json = json!({
        "kind": kind(node),
        "mode": node.mode,
        "uid": node.uid,
        "gid": node.gid,
    });
    match &node.content {
        Content::File { size, .. } => json["size"] = (*size).into(),
        Content::Symlink { target } => {
            json["target"] = String::from_utf8_lossy(target).into_owned().into();
        }
        Content::Directory { .. } | Content::Special(_) => {}
    }
    json
}

fn as_json(deployment: &Deployment, survey: &Survey, pending: Option<&Pending>) -> Json {
    let change = |change: &Change| {
        json!({
            "path": change.shown_path(),
            "change": match change.kind {
                ChangeKind::Modified => "modified",
                ChangeKind::Removed => "removed",
                ChangeKind::Added => "added",
            },
            "default": change.default.as_ref().map(node_json),
            "yours": change.person.as_ref().map(node_json),
        })
    };
    json!({
        "stateroot": deployment.id.stateroot.as_str(),
        "deployment": deployment.id.name(),
        "changes": survey.changes.iter().map(change).collect::<Vec<_>>(),
        "unreadable": survey.unreadable,
        "pending": pending.map(|pending| pending.name.as_str()),
        "conflicts": pending.map_or(json!([]), |pending| json!(pending.conflicts)),
    })
}
