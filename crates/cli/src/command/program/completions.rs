//! `completions`: what a shell needs to complete this program's command line.
//!
//! Verbs and options come from the grammar. For refs, remotes and paths in commits, bash, zsh and fish ask the hidden verb `complete`.

use clap_complete::Shell;

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
            context.printer.bytes(values(self.shell).as_bytes())?;
        }
        Ok(Exit::Done)
    }
}

/// What lets a shell ask for values; nothing for a shell that is not taught to.
fn values(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
        _ => "",
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

const FISH: &str = "
complete -c ostler -a '(ostler complete -- (commandline -cp) 2>/dev/null)'
";
