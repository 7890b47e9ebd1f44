//! `remote delete-cookie`.

use ostler_store::remote::CookieKey;

use super::with_cookies;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `remote delete-cookie`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct DeleteCookie {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// The remote
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
    /// Its domain, as it was added
    #[arg(value_name = "DOMAIN", required = true)]
    pub(crate) domain: String,
    /// Its path, as it was added
    #[arg(value_name = "PATH", required = true)]
    pub(crate) path: String,
    /// Its name
    #[arg(value_name = "COOKIE_NAME", required = true)]
    pub(crate) cookie: String,
    /// Allowed, as scripts repeat what they added; a cookie is deleted whatever it says
    #[arg(value_name = "VALUE")]
    pub(crate) value: Option<String>,
}

impl Verb for DeleteCookie {
    const NAME: &'static str = "delete-cookie";
    const ABOUT: &'static str = "Delete a cookie of a remote";
    const OPERANDS: &'static str = "NAME DOMAIN PATH COOKIE_NAME";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "remote delete-cookie --repo=repo origin example.com / session",
        says: "it is not sent any more",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (repo, remote) = with_cookies(context, &self.repo, &self.name)?;
        let key = CookieKey {
            domain: self.domain,
            path: self.path,
            name: self.cookie,
        };
        repo.delete_cookie(&remote, &key)?;
        Ok(Exit::Done)
    }
}
