//! The texts of `--version`.

use crate::personality::Personality;

/// The libostree release whose command line and formats this program follows.
const FOLLOWED_LIBOSTREE: &str = "2022.7";

/// What `ostree --version` lists of itself, as far as this program has it.
const FEATURES: &[&str] = &[
    "composefs",
    "gpgme",
    "initial-var",
    "libarchive",
    "sign-ed25519",
    "sign-spki",
];

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

/// Returns the `User-Agent` of this program's requests: servers know `ostree` by libostree's.
pub(crate) fn user_agent(personality: Personality, appended: Option<&str>) -> String {
    let mut text = match personality {
        Personality::Ostree => format!("libostree/{FOLLOWED_LIBOSTREE}"),
        Personality::Ostler | Personality::RpmOstree => {
            format!("ostler/{}", env!("CARGO_PKG_VERSION"))
        }
    };
    if let Some(appended) = appended {
        text.push(' ');
        text.push_str(appended);
    }
    text
}
