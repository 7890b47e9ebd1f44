//! Repositories, servers and system roots made by an enemy, given to the program.
//!
//! Whatever it is given, it ends with status 1 within its time and memory, says which object, file or URL was wrong, writes
//! nothing outside, and leaves refs and objects as they were.

mod forge;
mod ground;
mod links;
mod objects;
mod server;
mod sysroot;
