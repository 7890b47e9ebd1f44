//! `man`: man pages, made from the same definitions as the help.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, bold, roman};

use crate::command::root;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Group, Node, Verb, VerbEntry};

/// Options of `man`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Man {
    /// Directory for the pages; it is made if it does not exist
    #[arg(value_name = "DIR", required = true)]
    directory: PathBuf,
}

impl Verb for Man {
    const NAME: &'static str = "man";
    const ABOUT: &'static str = "Write man pages, one a verb";
    const OPERANDS: &'static str = "DIR";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "man /usr/local/share/man/man1",
        says: "install the man pages",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        std::fs::create_dir_all(&self.directory)
            .with_context(|| format!("making `{}`", self.directory.display()))?;
        let name = context.personality.name();
        let written = write_group(root(context.personality), name, &self.directory)?;
        context.printer.note(format_args!(
            "{written} man pages in `{}`",
            self.directory.display()
        ));
        Ok(Exit::Done)
    }
}

fn write_group(group: &'static Group, path: &str, directory: &Path) -> anyhow::Result<usize> {
    let mut page = Vec::new();
    let command = group
        .command(path)
        .name(page_name(path))
        .disable_help_flag(true);
    Page::new(command).render(&mut page)?;
    write_page(path, directory, &page)?;
    let mut written = 1;
    for node in group.nodes() {
        let (name, _, hidden) = node.summary();
        let child = format!("{path} {name}");
        written += match node {
            _ if hidden => 0,
            Node::Group(group) => write_group(group, &child, directory)?,
            Node::Verb(entry) => {
                write_page(&child, directory, &verb_page(entry, &child)?)?;
                1
            }
        };
    }
    Ok(written)
}

/// Returns the page of one verb: name, synopsis, options, examples, exit codes.
fn verb_page(entry: &VerbEntry, path: &str) -> anyhow::Result<Vec<u8>> {
    let program = path.split(' ').next().unwrap_or_default();
    let command = entry
        .command(path)
        .name(page_name(path))
        .disable_version_flag(true);
    let page = Page::new(command);
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    let operands = if entry.operands.is_empty() {
        String::new()
    } else {
        format!(" {}", entry.operands)
    };
    synopsis.text([bold(path), roman(format!(" [OPTIONS]{operands}"))]);
    synopsis.to_writer(&mut text)?;
    page.render_options_section(&mut text)?;
    let mut tail = Roff::new();
    if !entry.examples.is_empty() {
        tail.control("SH", ["EXAMPLES"]);
        for example in entry.examples {
            tail.control("TP", []);
            tail.text([roman(format!("{}:", example.says))]);
            tail.text([bold(format!("{program} {}", example.call))]);
        }
    }
    tail.control("SH", ["EXIT STATUS"]);
    tail.text([roman(
        "0 if done, 1 if it failed, 2 if the command line was not understood, 77 if there was nothing to do and an \
         option asked to be told so. Called by the name of another program, usage errors exit with 1.",
    )]);
    tail.to_writer(&mut text)?;
    Ok(text)
}

fn write_page(path: &str, directory: &Path, page: &[u8]) -> anyhow::Result<()> {
    let file = directory.join(format!("{}.1", page_name(path)));
    std::fs::write(&file, page).with_context(|| format!("writing `{}`", file.display()))
}

fn page_name(path: &str) -> String {
    path.replace(' ', "-")
}
