//! The texts of `--version`.

use crate::personality::Personality;

/// The libostree release whose command line and formats this program follows.
const FOLLOWED_LIBOSTREE: &str = "2022.7";

/// What `ostree --version` lists of itself, as far as this program has it.
const FEATURES: &[&str] = &[];

/// Returns the text of `--version`, with its line end.
pub(crate) fn text(personality: Personality) -> String {
    let own = env!("CARGO_PKG_VERSION");
    match personality {
        Personality::Ostler => format!("ostler {own}\n"),
        // YAML with these keys; scripts parse it.
        Personality::Ostree => {
            let mut text = format!(
                "libostree:\n Version: '{FOLLOWED_LIBOSTREE}'\n Ostler: '{own}'\n Features:"
            );
            match FEATURES {
                [] => text.push_str(" []\n"),
                features => {
                    text.push('\n');
                    features
                        .iter()
                        .for_each(|f| text.push_str(&format!("  - {f}\n")));
                }
            }
            text
        }
        Personality::RpmOstree => format!("rpm-ostree:\n Ostler: '{own}'\n Features: []\n"),
    }
}
