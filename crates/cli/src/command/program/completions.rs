//! `completions`: what a shell needs to complete this program's command line.

use clap_complete::Shell;

use crate::command::root;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};

/// Options of `completions`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL", required = true)]
    shell: Shell,
}

impl Verb for Completions {
    const NAME: &'static str = "completions";
    const ABOUT: &'static str = "Print completions for a shell";
    const OPERANDS: &'static str = "SHELL";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "completions bash > /usr/share/bash-completion/completions/ostler",
        says: "complete in bash",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let name = context.personality.name();
        let mut command = root(context.personality).command(name);
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut text);
        context.printer.bytes(&text)?;
        Ok(Exit::Done)
    }
}
