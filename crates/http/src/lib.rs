//! The HTTP client and the static file server.
