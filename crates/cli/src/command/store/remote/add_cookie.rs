//! `remote add-cookie`.

use ostler_store::remote::CookieKey;

use super::with_cookies;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `remote add-cookie`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct AddCookie {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// The remote
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
    /// Host that it is sent to; with a dot before it also the hosts below
    #[arg(value_name = "DOMAIN", required = true)]
    pub(crate) domain: String,
    /// Path that it is sent for, with all below
    #[arg(value_name = "PATH", required = true)]
    pub(crate) path: String,
    /// Name of the cookie
    #[arg(value_name = "COOKIE_NAME", required = true)]
    pub(crate) cookie: String,
    /// What it says
    #[arg(value_name = "VALUE", required = true)]
    pub(crate) value: String,
}

impl Verb for AddCookie {
    const NAME: &'static str = "add-cookie";
    const ABOUT: &'static str = "Add a cookie that pulls from a remote send";
    const OPERANDS: &'static str = "NAME DOMAIN PATH COOKIE_NAME VALUE";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "remote add-cookie --repo=repo origin example.com / session 0123abcd",
        says: "sent with each request to this host; one of the same name is replaced",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (repo, remote) = with_cookies(context, &self.repo, &self.name)?;
        let key = CookieKey {
            domain: self.domain,
            path: self.path,
            name: self.cookie,
        };
        repo.add_cookie(&remote, &key, &self.value)?;
        Ok(Exit::Done)
    }
}
