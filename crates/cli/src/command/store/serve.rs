//! `serve`: a repository over HTTP.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::grammar::RepoOption;

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
    /// Write the port that was taken to this file, once connections are accepted
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,
}
