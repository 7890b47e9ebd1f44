//! The backend for boot loaders that read the entries themselves.

use crate::backend::{Backend, BootloaderError, NextBoot, TakesEffect, Written};

/// Writes nothing: the boot loader reads the entries of `/boot/loader/entries`.
#[derive(Debug, Clone, Copy)]
pub struct BlsOnly;

impl Backend for BlsOnly {
    fn name(&self) -> &'static str {
        "none"
    }

    fn takes_effect(&self) -> TakesEffect {
        TakesEffect::AtOnce
    }

    fn write(&self, _next: &NextBoot<'_>) -> Result<Written, BootloaderError> {
        Ok(Written::default())
    }
}
