//! A commit's subject and body, written in an editor.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// The longest message that is read.
const MAX_MESSAGE: u64 = 1 << 20;

/// Lets a person write a message in their editor; returns subject and body.
pub(super) fn edit(branch: Option<&str>) -> anyhow::Result<(String, String)> {
    let editor = editor(
        |name| std::env::var(name).ok(),
        std::env::var("TERM").ok().as_deref(),
    )?;
    let mut file = Message::create(&template(branch))?;
    let status = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(file.path())
        .status()
        .with_context(|| format!("running the editor `{editor}`"))?;
    if !status.success() {
        bail!("the editor `{editor}` failed ({status})");
    }
    let (subject, body) = split(&file.read()?);
    if subject.is_empty() {
        bail!("Aborting commit due to empty commit subject.");
    }
    Ok((subject, body))
}

/// Chooses the editor: `$OSTREE_EDITOR`, `$VISUAL`, `$EDITOR`, then vi if the terminal can show it.
fn editor(variable: impl Fn(&str) -> Option<String>, term: Option<&str>) -> anyhow::Result<String> {
    let named = ["OSTREE_EDITOR", "VISUAL", "EDITOR"]
        .into_iter()
        .filter_map(variable)
        .find(|editor| !editor.is_empty());
    match (named, term) {
        (Some(editor), _) => Ok(editor),
        (None, None | Some("dumb")) => bail!("Terminal is dumb, but EDITOR unset"),
        (None, Some(_)) => Ok("vi".into()),
    }
}

fn template(branch: Option<&str>) -> String {
    let mut text = "\n\
        # The first line is the subject, the lines after it are the body.\n\
        # Lines that begin with `#` are left out; without a subject nothing is committed.\n"
        .to_owned();
    if let Some(branch) = branch {
        text.push_str(&format!("#\n# Branch: {branch}\n"));
    }
    text
}

/// Takes comments, white space at line ends and empty lines around both parts away.
fn split(text: &str) -> (String, String) {
    let mut lines = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::trim_end)
        .skip_while(|line| line.is_empty());
    let subject = lines.next().unwrap_or_default().to_owned();
    let body: Vec<&str> = lines.skip_while(|line| line.is_empty()).collect();
    (subject, body.join("\n").trim_end().to_owned())
}

/// The file that is edited; removed on drop.
struct Message {
    path: std::path::PathBuf,
    file: std::fs::File,
}

impl Message {
    fn create(text: &str) -> anyhow::Result<Self> {
        let name = format!("ostler-commit-{}", std::process::id());
        for attempt in 0..100 {
            let path = std::env::temp_dir().join(format!("{name}-{attempt}"));
            let created = std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path);
            match created {
                Ok(mut file) => {
                    file.write_all(text.as_bytes())?;
                    return Ok(Self { path, file });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("creating `{}`", path.display()));
                }
            }
        }
        bail!(
            "no free name for the message in `{}`",
            std::env::temp_dir().display()
        )
    }

    fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what is there now: an editor may have put another file in its place.
    fn read(&mut self) -> anyhow::Result<String> {
        let mut text = String::new();
        let mut file = match std::fs::File::open(&self.path) {
            Ok(file) => file,
            Err(_) => {
                self.file.seek(SeekFrom::Start(0))?;
                self.file.try_clone()?
            }
        };
        (&mut file)
            .take(MAX_MESSAGE)
            .read_to_string(&mut text)
            .context("reading the commit message")?;
        Ok(text)
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_around_are_left_out() {
        for (text, subject, body) in [
            (
                "Subj\n\nBody line\nmore\n# comment\n last  \n\n",
                "Subj",
                "Body line\nmore\n last",
            ),
            (
                "\n\n# x\n   Subj two  \nBody at once\n",
                "   Subj two",
                "Body at once",
            ),
            ("a b  \n\n\n c\n\n\nd\n", "a b", " c\n\n\nd"),
            ("# only\n", "", ""),
            ("", "", ""),
        ] {
            assert_eq!(split(text), (subject.into(), body.into()), "{text:?}");
        }
        assert_eq!(split(&template(Some("main"))).0, "");
    }

    #[test]
    fn an_empty_variable_names_no_editor() {
        let of = |pairs: &'static [(&str, &str)], term| {
            editor(
                |name| {
                    let found = pairs.iter().find(|(n, _)| *n == name);
                    found.map(|(_, value)| (*value).to_owned())
                },
                term,
            )
        };
        assert_eq!(
            of(&[("OSTREE_EDITOR", ""), ("EDITOR", "ed")], None).unwrap(),
            "ed"
        );
        assert_eq!(of(&[("VISUAL", "v"), ("EDITOR", "e")], None).unwrap(), "v");
        assert_eq!(of(&[], Some("xterm")).unwrap(), "vi");
        assert!(of(&[], Some("dumb")).is_err() && of(&[], None).is_err());
    }
}
