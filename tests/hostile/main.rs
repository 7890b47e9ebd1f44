//! Repositories, servers and system roots made by an enemy, given to the program.
//!
//! Whatever it is given, it ends with status 1 within its time and memory, says which object, file or URL was wrong, writes
//! nothing outside, and leaves refs and objects as they were.

#![expect(
    clippy::unwrap_used,
    reason = "this is test code; a panic is its way to report"
)]

mod archives;
mod forge;
mod ground;
mod links;
mod native;
mod objects;
mod repair;
mod server;
mod shapes;
mod sysroot;
mod transfers;
