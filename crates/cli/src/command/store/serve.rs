//! `serve`: a repository over HTTP.

use std::net::IpAddr;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ostler_store::serve::{self, Access, ServeOptions, Stopped};
use ostler_store::{Repo, RepoMode, summary};

use crate::context::Context;
use crate::exit::Exit;
use crate::grammar::{Example, RepoOption, Verb};

/// Options of `serve`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) repo: RepoOption,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) address: IpAddr,
    /// Port to listen on (0 takes a free one)
    #[arg(short, long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Print each request to stderr
    #[arg(long)]
    pub(crate) log: bool,
    /// Write the port that was taken to this file, once connections are accepted
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,
}

/// How long answers that have begun may take after the server was asked to stop.
const GRACE: Duration = Duration::from_secs(10);

impl Verb for Serve {
    const NAME: &'static str = "serve";
    const ABOUT: &'static str = "Serve a repository over HTTP until interrupted";
    const EXAMPLES: &'static [Example] = &[
        Example {
            call: "serve --repo=repo",
            says: "for clients on this machine",
        },
        Example {
            call: "serve --repo=repo --address=0.0.0.0 --port=80",
            says: "for everybody who reaches this machine",
        },
    ];

    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let repo = self.repo.open(context)?;
        warn_of_what_clients_miss(context, &repo)?;
        let listener = TcpListener::bind((self.address, self.port))
            .with_context(|| format!("cannot listen on {}:{}", self.address, self.port))?;
        let mut options = ServeOptions::default();
        if self.log {
            options.access_log = Some(Arc::new(|access| eprintln!("{}", log_line(access))));
        }
        let server = serve::serve(&repo, listener, options)?;
        let address = server.address();
        context.printer.line(format_args!("http://{address}/"))?;
        context.printer.flush()?;
        if let Some(file) = &self.port_file {
            std::fs::write(file, format!("{}\n", address.port()))
                .with_context(|| format!("writing `{}`", file.display()))?;
        }
        server
            .wait_for_signal()
            .context("cannot wait for signals")?;
        match server.stop(GRACE) {
            Stopped::Clean => context.printer.note("stopped"),
            Stopped::Cut => context
                .printer
                .warning("stopped while clients were still reading"),
        }
        Ok(Exit::Done)
    }
}

fn warn_of_what_clients_miss(context: &Context, repo: &Repo) -> anyhow::Result<()> {
    if repo.mode() != RepoMode::Archive {
        context.printer.warning(format_args!(
            "clients can pull from a repository of mode `archive` only; this one is `{}`",
            repo.mode()
        ));
    }
    if summary::read_bytes(repo)?.is_none() {
        context
            .printer
            .note("there is no summary: `ostler summary -u` lets clients list the refs");
    }
    Ok(())
}

fn log_line(access: &Access) -> String {
    let Access {
        peer,
        method,
        target,
        status,
        bytes,
        ..
    } = access;
    format!("{peer} {method} {target} {status} {bytes}")
}
