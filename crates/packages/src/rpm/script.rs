//! Scripts that rpm runs, and when.

use super::header::Header;
use crate::error::PackagesError;

/// Scripts of the package itself: when they run, their text, the program that runs it.
const OWN: [(&str, u32, u32); 9] = [
    ("pretrans", 1151, 1153),
    ("pre", 1023, 1085),
    ("post", 1024, 1086),
    ("preun", 1025, 1087),
    ("postun", 1026, 1088),
    ("posttrans", 1152, 1154),
    ("preuntrans", 5104, 5106),
    ("postuntrans", 5105, 5107),
    ("verify", 1079, 1091),
];
/// Scripts that run when others are installed or removed: what they wait for, then text, program, and for each name the place of its script.
const TRIGGERS: [(&str, Trigger); 3] = [
    (
        "trigger",
        Trigger {
            names: 1066,
            texts: 1065,
            programs: 1092,
            indexes: 1069,
        },
    ),
    (
        "filetrigger",
        Trigger {
            names: 5069,
            texts: 5066,
            programs: 5067,
            indexes: 5070,
        },
    ),
    (
        "transfiletrigger",
        Trigger {
            names: 5079,
            texts: 5076,
            programs: 5077,
            indexes: 5080,
        },
    ),
];

struct Trigger {
    names: u32,
    texts: u32,
    programs: u32,
    indexes: u32,
}

/// A script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// When it runs: `post`, or `trigger` for those that wait for others.
    pub when: &'static str,
    /// What it waits for; empty for scripts of the package itself.
    pub on: Vec<String>,
    /// The program with its arguments, `/bin/sh` or `<lua>`.
    pub program: Vec<String>,
    /// Its text; empty if the program alone is run.
    pub text: String,
}

/// Lists the scripts of a package.
///
/// # Errors
/// [`PackagesError`].
pub fn scripts(header: &Header<'_>) -> Result<Vec<Script>, PackagesError> {
    let mut found = Vec::new();
    for (when, text, program) in OWN {
        if !(header.has(text) || header.has(program)) {
            continue;
        }
        let texts = header.texts(text)?.into_iter();
        let program = header.texts(program)?.into_iter();
        let program: Vec<String> = program.map(|word| word.into_owned()).collect();
        found.push(Script {
            when,
            on: Vec::new(),
            program: if program.is_empty() {
                vec!["/bin/sh".to_owned()]
            } else {
                program
            },
            text: texts.collect::<String>(),
        });
    }
    for (when, tags) in &TRIGGERS {
        triggers(header, when, tags, &mut found)?;
    }
    Ok(found)
}

fn triggers(
    header: &Header<'_>,
    when: &'static str,
    tags: &Trigger,
    found: &mut Vec<Script>,
) -> Result<(), PackagesError> {
    let texts = header.texts(tags.texts)?;
    let programs = header.texts(tags.programs)?;
    let (names, indexes) = (header.texts(tags.names)?, header.numbers(tags.indexes)?);
    if programs.len() != texts.len() || names.len() != indexes.len() {
        return Err(PackagesError::at_byte(
            0,
            "lists of triggers that are not of one length",
        ));
    }
    let mut on = vec![Vec::new(); texts.len()];
    for (name, index) in names.into_iter().zip(indexes) {
        let list = usize::try_from(index)
            .ok()
            .and_then(|index| on.get_mut(index));
        let list = list.ok_or_else(|| PackagesError::at_byte(0, "a trigger without a script"))?;
        list.push(name.into_owned());
    }
    for ((text, program), on) in texts.into_iter().zip(programs).zip(on) {
        found.push(Script {
            when,
            on,
            program: vec![program.into_owned()],
            text: text.into_owned(),
        });
    }
    Ok(())
}
