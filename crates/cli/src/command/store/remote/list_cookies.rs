//! `remote list-cookies`.

use ostler_store::remote::Cookie;

use super::with_cookies;
use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};
use crate::text::date;

/// Options of `remote list-cookies`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ListCookies {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// The remote
    #[arg(value_name = "NAME", required = true)]
    pub(crate) name: String,
}

impl Verb for ListCookies {
    const NAME: &'static str = "list-cookies";
    const ABOUT: &'static str = "List the cookies that pulls from a remote send";
    const OPERANDS: &'static str = "NAME";
    const EXAMPLES: &'static [Example] = &[Example {
        call: "remote list-cookies --repo=repo origin",
        says: "each with its domain, path and value",
    }];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (repo, remote) = with_cookies(context, &self.repo, &self.name)?;
        for cookie in repo.cookies(&remote)? {
            context.printer.line(describe(&cookie))?;
        }
        Ok(Exit::Done)
    }
}

fn describe(cookie: &Cookie) -> String {
    let expires = match cookie.expires {
        0 => "never".to_owned(),
        seconds => date::utc(seconds).unwrap_or_else(|| format!("@{seconds}")),
    };
    format!(
        "--\nDomain: {}\nPath: {}\nName: {}\nSecure: {}\nExpires: {expires}\nValue: {}",
        cookie.domain,
        cookie.path,
        cookie.name,
        if cookie.secure { "TRUE" } else { "FALSE" },
        cookie.value
    )
}
