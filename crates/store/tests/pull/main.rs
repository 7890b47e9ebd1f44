//! Pulling: from honest servers and from hostile ones, from this machine, in part, again.

mod ground;
mod honest;
mod hostile;
mod local;
mod server;
