//! `completions`: what a shell needs to complete this program's command line.
//!
//! Verbs and options come from the grammar. For refs, remotes and paths in commits, bash, zsh and fish ask the hidden verb `complete`.

use std::collections::BTreeSet;

use clap::Command;
use clap_complete::Shell;

use super::complete::is_known;
use crate::command::root;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, Verb};
use crate::personality::Personality;

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
        if context.personality == Personality::Ostler {
            context
                .printer
                .bytes(values(self.shell, &command).as_bytes())?;
        }
        Ok(Exit::Done)
    }
}

/// What lets a shell ask for values; nothing for a shell that is not taught to.
fn values(shell: Shell, command: &Command) -> String {
    match shell {
        Shell::Bash => BASH.to_owned(),
        Shell::Zsh => ZSH.to_owned(),
        Shell::Fish => fish(command),
        _ => String::new(),
    }
}

/// Fish completes the value of an option by what it was told of that option alone.
fn fish(command: &Command) -> String {
    let mut options = BTreeSet::new();
    add_options(command, &mut options);
    let line =
        |option: &String| format!("complete -c ostler -l {option} -x -a '(__ostler_values)'\n");
    FISH.to_owned() + &options.iter().map(line).collect::<String>()
}

/// Adds the options below `command` of which the values can be asked for.
fn add_options(command: &Command, options: &mut BTreeSet<String>) {
    for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
        let mut names = arg.get_value_names().unwrap_or_default().iter();
        if let Some(long) = arg.get_long().filter(|_| names.any(|name| is_known(name))) {
            options.insert(long.to_owned());
        }
    }
    for child in command.get_subcommands() {
        add_options(child, options);
    }
}

/// Bash takes `:` and `=` for ends of words, so what stands before them is taken off.
const BASH: &str = r#"
_ostler_values() {
    local line=${COMP_LINE:0:COMP_POINT} current=${COMP_WORDS[COMP_CWORD]} found IFS=$'\n'
    found=($(ostler complete -- "$line" 2>/dev/null))
    if [ ${#found[@]} = 0 ]; then
        unset IFS
        _ostler "$@"
        return
    fi
    case $current in :|=) current= ;; esac
    local word=${line##* }
    COMPREPLY=("${found[@]#"${word%"$current"}"}")
    case ${COMPREPLY[0]} in */) compopt -o nospace ;; esac
}
complete -F _ostler_values -o bashdefault -o default ostler
"#;

const ZSH: &str = r#"
_ostler_values() {
    local -a found
    found=(${(f)"$(ostler complete -- "$LBUFFER" 2>/dev/null)"})
    if (( ${#found} )); then
        compadd -S '' -- $found
    else
        _ostler "$@"
    fi
}
compdef _ostler_values ostler
"#;

/// Where there are values, files of this machine are none.
const FISH: &str = "
function __ostler_values
    ostler complete -- (commandline -cp) 2>/dev/null | string replace -r -- '^--[^=]*=' ''
end
complete -c ostler -n 'count (__ostler_values) >/dev/null' -f -a '(__ostler_values)'
";
