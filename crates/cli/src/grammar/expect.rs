//! What a command line that is not finished wants next. Pure.

use clap::{Arg, ArgAction, Command};

/// The value that is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// What the grammar calls such a value, as `REF`.
    pub(crate) value_name: String,
    /// What stands before it in the same word: nothing, or `--option=`.
    pub(crate) before: String,
    /// What has been typed of it.
    pub(crate) typed: String,
    /// The operands before it.
    pub(crate) operands: Vec<String>,
}

/// Finds out which value the last of `words`, arguments of the verb that `command` parses, is the beginning of; `None` if it is an
/// option's name, or no value is wanted.
pub(crate) fn expect(command: &Command, words: &[String]) -> Option<Expected> {
    let (last, before) = words.split_last()?;
    let mut operands = Vec::new();
    let mut waiting: Option<&Arg> = None;
    let mut only_operands = false;
    for word in before {
        if waiting.take().is_some() {
            continue;
        }
        if only_operands || !word.starts_with('-') || word == "-" {
            operands.push(word.clone());
        } else if word == "--" {
            only_operands = true;
        } else {
            waiting = wants_next(command, word);
        }
    }
    let named = |arg: &Arg, before: &str, typed: &str, operands| {
        Some(Expected {
            value_name: arg.get_value_names()?.first()?.to_string(),
            before: before.to_owned(),
            typed: typed.to_owned(),
            operands,
        })
    };
    if let Some(arg) = waiting {
        return named(arg, "", last, operands);
    }
    if only_operands || !last.starts_with('-') || last == "-" {
        let positionals: Vec<&Arg> = command.get_positionals().collect();
        let arg = positionals
            .get(operands.len())
            .or_else(|| positionals.last().filter(|arg| takes_several(arg)))?;
        return named(arg, "", last, operands);
    }
    let (option, typed) = last.split_once('=')?;
    let arg = long(command, option)?;
    named(arg, &format!("{option}="), typed, operands)
}

fn takes_several(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

fn long<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    let name = word.strip_prefix("--")?;
    let mut all = command.get_arguments();
    all.find(|arg| arg.get_long() == Some(name) && arg.get_action().takes_values())
}

/// The option whose value is the next word.
fn wants_next<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    if word.starts_with("--") {
        return long(command, word);
    }
    // The first of several letters that takes a value takes the rest of the word.
    let letters: Vec<char> = word.chars().skip(1).collect();
    for (index, letter) in letters.iter().enumerate() {
        let mut all = command.get_arguments();
        let arg = all.find(|arg| arg.get_short() == Some(*letter))?;
        if arg.get_action().takes_values() {
            return (index + 1 == letters.len()).then_some(arg);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> Option<(String, String, String, usize)> {
        let command = Command::new("pull")
            .arg(Arg::new("depth").long("depth").value_name("DEPTH"))
            .arg(Arg::new("branch").short('b').value_name("BRANCH"))
            .arg(
                Arg::new("mirror")
                    .short('m')
                    .long("mirror")
                    .action(ArgAction::SetTrue),
            )
            .arg(Arg::new("remote").value_name("REMOTE"))
            .arg(Arg::new("refs").value_name("REF").action(ArgAction::Append));
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let found = expect(&command, &words)?;
        Some((
            found.value_name,
            found.before,
            found.typed,
            found.operands.len(),
        ))
    }

    #[test]
    fn the_word_that_is_typed_is_known_by_its_place_and_by_what_stands_before_it() {
        for (line, expected) in [
            ("", Some(("REMOTE", "", "", 0))),
            ("or", Some(("REMOTE", "", "or", 0))),
            ("origin os", Some(("REF", "", "os", 1))),
            ("origin a b ", Some(("REF", "", "", 3))),
            ("--depth 1 or", Some(("REMOTE", "", "or", 0))),
            ("--depth ", Some(("DEPTH", "", "", 0))),
            ("--depth=3", Some(("DEPTH", "--depth=", "3", 0))),
            ("-m -mb x", Some(("BRANCH", "", "x", 0))),
            ("-bx or", Some(("REMOTE", "", "or", 0))),
            ("--mirror=x", None),
            ("--dep", None),
            ("-- --x", Some(("REMOTE", "", "--x", 0))),
        ] {
            let text = |(a, b, c, d): (&str, &str, &str, usize)| {
                (a.to_owned(), b.to_owned(), c.to_owned(), d)
            };
            assert_eq!(value(line), expected.map(text), "{line}");
        }
    }
}
