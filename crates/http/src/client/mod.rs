//! The client: a [`Fetcher`](fetcher::Fetcher) and what it needs.

pub(crate) mod batch;
pub(crate) mod cookies;
pub(crate) mod error;
pub(crate) mod fetcher;
pub(crate) mod mirrors;
pub(crate) mod options;
pub(crate) mod request;

mod ahead;
mod attempt;
mod connect;
mod credentials;
mod hop;
mod lanes;
mod pace;
mod retry;
mod share;
mod transfer;
mod watch;
