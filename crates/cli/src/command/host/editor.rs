//! Text that a person changes in their editor.

use std::io::{Read as _, Seek as _, Write as _};
use std::process::Command;

use anyhow::Context as _;

/// Returns what the editor of `$VISUAL` or `$EDITOR` made of a text.
pub(crate) fn edit(text: &str) -> anyhow::Result<String> {
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let path = std::env::temp_dir().join(format!("ostler-edit-{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    let edited = (|| {
        file.write_all(text.as_bytes())?;
        // The value may hold arguments, as `code --wait`.
        let status = Command::new("sh")
            .arg("-c")
            .arg(format!("{editor} \"$1\""))
            .arg("editor")
            .arg(&path)
            .status();
        let status = status.with_context(|| format!("running `{editor}`"))?;
        anyhow::ensure!(status.success(), "`{editor}` failed: {status}");
        // Some editors replace the file.
        file = std::fs::File::open(&path)?;
        file.rewind()?;
        let mut edited = String::new();
        file.read_to_string(&mut edited)?;
        Ok(edited)
    })();
    std::fs::remove_file(&path)?;
    edited
}
