//! Verbs and groups of verbs.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::context::Context;
use crate::exit::Exit;

/// One call that help texts and man pages show.
pub(crate) struct Example {
    /// The arguments, without the program's name.
    pub(crate) call: &'static str,
    /// What it does, as a sentence without a full stop.
    pub(crate) says: &'static str,
}

/// A verb: its options are the type, its work is [`Verb::run`].
pub(crate) trait Verb: clap::Args {
    /// How it is spelled.
    const NAME: &'static str;
    /// Other spellings, not shown.
    const ALIASES: &'static [&'static str] = &[];
    /// What it does, in one line without a full stop.
    const ABOUT: &'static str;
    /// The arguments that are no options, as the usage line shows them.
    const OPERANDS: &'static str = "";
    /// Calls that teach.
    const EXAMPLES: &'static [Example] = &[];
    /// Whether lists of verbs leave it out.
    const HIDDEN: bool = false;

    /// Does the work.
    ///
    /// # Errors
    /// Whatever stops it; printed as one line.
    fn run(self, context: &Context) -> anyhow::Result<Exit>;
}

/// A verb in the tree.
pub(crate) struct VerbEntry {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) about: &'static str,
    pub(crate) operands: &'static str,
    pub(crate) examples: &'static [Example],
    pub(crate) hidden: bool,
    augment: fn(Command) -> Command,
    run: fn(&ArgMatches, &Context) -> anyhow::Result<Exit>,
}

/// Looks for options that stand for themselves; `None` if there is none among the arguments.
pub(crate) type WithoutVerb = fn(&[OsString], &Context) -> Option<anyhow::Result<Exit>>;

/// A word that is followed by a verb.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// What follows the group's name in its usage line.
    pub(crate) operands: &'static str,
    /// The verbs, in the order in which they are listed.
    pub(crate) sections: &'static [Section],
    /// Handles options without a verb.
    pub(crate) without_verb: Option<WithoutVerb>,
}

/// Verbs that belong together.
pub(crate) struct Section {
    pub(crate) heading: &'static str,
    pub(crate) nodes: &'static [Node],
}

/// A place in the tree.
pub(crate) enum Node {
    /// Options follow.
    Verb(VerbEntry),
    /// Another verb follows.
    Group(&'static Group),
}

/// Returns the place of the verb `V`.
pub(crate) const fn verb<V: Verb>() -> Node {
    Node::Verb(VerbEntry {
        name: V::NAME,
        aliases: V::ALIASES,
        about: V::ABOUT,
        operands: V::OPERANDS,
        examples: V::EXAMPLES,
        hidden: V::HIDDEN,
        augment: V::augment_args,
        run: parse_and_run::<V>,
    })
}

fn parse_and_run<V: Verb>(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    V::from_arg_matches(matches)?.run(context)
}

impl VerbEntry {
    /// Returns the parser of this verb; `path` is the whole name (`ostler remote add`).
    ///
    /// It takes what GOption takes: options between operands, values that begin with a dash, and the last of an option
    /// that is given twice.
    pub(crate) fn command(&self, path: &str) -> Command {
        let command = (self.augment)(Command::new(path.to_owned()))
            .bin_name(path.to_owned())
            .about(self.about)
            .args_override_self(true)
            .disable_help_flag(true)
            .disable_version_flag(true)
            .mut_args(|arg| {
                let takes_value = arg.get_action().takes_values();
                if takes_value && !arg.is_positional() {
                    arg.allow_hyphen_values(true)
                } else {
                    arg
                }
            });
        let short_v_is_free = command
            .get_arguments()
            .all(|arg| arg.get_short() != Some('v'));
        let verbose = Arg::new("verbose")
            .long("verbose")
            .action(ArgAction::SetTrue)
            .help_heading(ALWAYS)
            .help("Print what is being done to stderr");
        command
            .args([
                if short_v_is_free {
                    verbose.short('v')
                } else {
                    verbose
                },
                Arg::new("version")
                    .long("version")
                    .action(ArgAction::Version)
                    .help_heading(ALWAYS)
                    .help("Print version information and exit"),
                Arg::new("help")
                    .long("help")
                    .short('h')
                    .action(ArgAction::Help)
                    .help_heading(ALWAYS)
                    .help("Show help options"),
            ])
            .version(env!("CARGO_PKG_VERSION"))
    }

    /// Runs the verb with what its parser found.
    ///
    /// # Errors
    /// Those of the verb.
    pub(crate) fn run(&self, matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
        (self.run)(matches, context)
    }
}

/// Lets a parser take more operands than its verb has, as `ostree` does; there are scripts that pass some.
pub(super) fn ignoring_excess_operands(command: Command) -> Command {
    let takes_several = |arg: &Arg| matches!(arg.get_action(), ArgAction::Append);
    if command.get_positionals().any(takes_several) {
        return command;
    }
    command.arg(
        Arg::new("excess operands")
            .action(ArgAction::Append)
            .num_args(0..)
            .hide(true),
    )
}

/// The heading of the options that each verb has.
pub(crate) const ALWAYS: &str = "Always there";

impl Node {
    /// Whether `word` is this place's name or one of its other spellings.
    pub(crate) fn is_called(&self, word: &str) -> bool {
        match self {
            Self::Verb(entry) => entry.name == word || entry.aliases.contains(&word),
            Self::Group(group) => group.name == word,
        }
    }

    /// Returns its name, what it does, and whether lists leave it out.
    pub(crate) fn summary(&self) -> (&'static str, &'static str, bool) {
        match self {
            Self::Verb(entry) => (entry.name, entry.about, entry.hidden),
            Self::Group(group) => (group.name, group.about, false),
        }
    }
}

impl Group {
    /// Returns the verbs of all sections.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &'static Node> + use<> {
        self.sections.iter().flat_map(|section| section.nodes)
    }

    /// Returns the whole tree, but for what lists leave out, as one parser, from which completions and man pages are made.
    pub(crate) fn command(&self, path: &str) -> Command {
        let children = self.nodes().filter_map(|node| {
            let (name, _, hidden) = node.summary();
            let child_path = format!("{path} {name}");
            let command = match node {
                Node::Verb(entry) => entry.command(&child_path),
                Node::Group(group) => group.command(&child_path),
            };
            (!hidden).then(|| command.name(name))
        });
        Command::new(path.to_owned())
            .bin_name(path.to_owned())
            .about(self.about)
            .disable_help_subcommand(true)
            .subcommand_required(true)
            .version(env!("CARGO_PKG_VERSION"))
            .subcommands(children)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;

    #[derive(clap::Args, Debug, PartialEq, Eq)]
    struct Sample {
        #[arg(short, long)]
        subject: Option<String>,
        #[arg(short = 'b', long)]
        branch: Option<String>,
        #[arg(long)]
        depth: Option<i32>,
        #[arg(long)]
        tree: Vec<String>,
        #[arg(short = 'U', long)]
        user_mode: bool,
        #[arg(short = 'H', long)]
        require_hardlinks: bool,
        operands: Vec<String>,
    }

    impl Verb for Sample {
        const NAME: &'static str = "sample";
        const ABOUT: &'static str = "";
        fn run(self, _: &Context) -> anyhow::Result<Exit> {
            Ok(Exit::Done)
        }
    }

    fn parse(line: &str) -> Result<Sample, ErrorKind> {
        let Node::Verb(entry) = verb::<Sample>() else {
            panic!("a verb's place is a verb")
        };
        let command = entry.command("ostree sample");
        let arguments = std::iter::once("ostree sample").chain(line.split_whitespace());
        let matches = command
            .try_get_matches_from(arguments)
            .map_err(|e| e.kind())?;
        Ok(<Sample as clap::FromArgMatches>::from_arg_matches(&matches).unwrap())
    }

    fn sample(change: impl FnOnce(&mut Sample)) -> Sample {
        let mut sample = Sample {
            subject: None,
            branch: None,
            depth: None,
            tree: Vec::new(),
            user_mode: false,
            require_hardlinks: false,
            operands: Vec::new(),
        };
        change(&mut sample);
        sample
    }

    #[test]
    fn options_are_taken_as_goption_takes_them() {
        let text = |t: &str| Some(t.to_owned());
        let operands = |list: &[&str]| list.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>();
        for (line, expected) in [
            (
                "--subject=a -b x",
                sample(|s| (s.subject, s.branch) = (text("a"), text("x"))),
            ),
            (
                "--subject a --branch x",
                sample(|s| (s.subject, s.branch) = (text("a"), text("x"))),
            ),
            ("--subject=a --subject=b", sample(|s| s.subject = text("b"))),
            ("-s a --subject b", sample(|s| s.subject = text("b"))),
            ("--subject=", sample(|s| s.subject = text(""))),
            ("--subject=a=b", sample(|s| s.subject = text("a=b"))),
            ("--subject -x", sample(|s| s.subject = text("-x"))),
            ("-s --branch", sample(|s| s.subject = text("--branch"))),
            ("--depth -1", sample(|s| s.depth = Some(-1))),
            ("--depth=-1", sample(|s| s.depth = Some(-1))),
            (
                "--tree=a --tree=b",
                sample(|s| s.tree = operands(&["a", "b"])),
            ),
            ("-U -U", sample(|s| s.user_mode = true)),
            (
                "-UH",
                sample(|s| (s.user_mode, s.require_hardlinks) = (true, true)),
            ),
            (
                "x -U y",
                sample(|s| (s.user_mode, s.operands) = (true, operands(&["x", "y"]))),
            ),
            ("x -- -U", sample(|s| s.operands = operands(&["x", "-U"]))),
            (
                "-- --subject=a",
                sample(|s| s.operands = operands(&["--subject=a"])),
            ),
            ("-", sample(|s| s.operands = operands(&["-"]))),
        ] {
            assert_eq!(parse(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn operands_beyond_those_of_a_verb_can_be_ignored() {
        let command = Command::new("init")
            .arg(Arg::new("name"))
            .arg(Arg::new("mode").long("mode"));
        let matches = ignoring_excess_operands(command)
            .try_get_matches_from(["init", "a", "b", "--mode=c", "d"])
            .unwrap();
        assert_eq!(
            matches.get_one::<String>("name").map(String::as_str),
            Some("a")
        );
        assert_eq!(
            matches.get_one::<String>("mode").map(String::as_str),
            Some("c")
        );
    }

    #[test]
    fn what_goption_refuses_is_refused() {
        for (line, kind) in [
            ("--nosuch", ErrorKind::UnknownArgument),
            ("-x", ErrorKind::UnknownArgument),
            ("--subj=a", ErrorKind::UnknownArgument),
            ("--subject", ErrorKind::InvalidValue),
            ("--depth=x", ErrorKind::ValueValidation),
            ("--help", ErrorKind::DisplayHelp),
            ("x -h y", ErrorKind::DisplayHelp),
            ("--version", ErrorKind::DisplayVersion),
        ] {
            assert_eq!(parse(line), Err(kind), "{line}");
        }
    }
}
