//! One commit that comes by a delta.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

use ostler_format::Metadata;
use ostler_format::delta::{PartHeader, Superblock};

use super::super::error::PullError;
use super::super::session::{Presence, Session, Turn};
use super::{ByDeltas, DeltaReport, DeltaSource, pass_over};
use crate::delta::{DeltaError, PartInput, apply_part};
use crate::error::StoreError;
use crate::progress::{Event, Phase, Sink, Way};

pub(super) struct Stage<'s, 'a> {
    pub(super) session: &'s mut Session<'a>,
    pub(super) source: &'s dyn DeltaSource,
    pub(super) sink: &'s dyn Sink,
}

impl Stage<'_, '_> {
    pub(super) fn use_delta(
        mut self,
        turn: Turn,
        presence: Presence,
        superblock: &Superblock,
        done: &mut ByDeltas,
    ) -> Result<(), PullError> {
        let wanted = self.missing_parts(&superblock.parts)?;
        self.count(superblock, &wanted, &mut done.report)?;
        self.tell_route(superblock, &wanted)?;
        if self.session.options.dry_run {
            return Ok(());
        }
        self.accept(turn, presence, superblock)?;
        let applied = self
            .check_room(superblock, &wanted)
            .and_then(|()| self.apply(superblock, &wanted, &mut done.report));
        if let Err(error) = applied {
            pass_over(self.session, error, self.sink)?;
            done.why_not = Some("the static delta to the commit cannot be used".to_owned());
            done.incomplete.push(turn.id);
        } else if !superblock.fallbacks.is_empty() {
            done.incomplete.push(turn.id);
        }
        done.report.headers += 2;
        Ok(())
    }

    /// Fetches and applies the parts; what is applied counts also where another part fails.
    fn apply(
        &self,
        superblock: &Superblock,
        wanted: &[usize],
        report: &mut DeltaReport,
    ) -> Result<(), PullError> {
        let phase = Phase::Delta;
        self.sink.event(Event::Begin {
            phase,
            objects: Some(wanted.len() as u64),
            bytes: Some(packed_bytes(superblock, wanted)),
        });
        let (parts, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let (sink, transaction) = (self.sink, self.session.transaction);
        let bare_user_only_files = self.session.options.bare_user_only_files;
        let apply = |number: usize, file: &mut dyn Read| {
            let head = &superblock.parts[number];
            let input = PartInput {
                number,
                head,
                file,
                bare_user_only_files,
            };
            apply_part(transaction, input)?;
            parts.fetch_add(1, Ordering::Relaxed);
            bytes.fetch_add(head.compressed_size, Ordering::Relaxed);
            sink.event(Event::Advance {
                phase,
                objects: 1,
                bytes: head.compressed_size,
            });
            Ok(())
        };
        let applied = self.source.parts(superblock, wanted, &apply);
        report.parts += parts.into_inner();
        report.bytes_applied = report.bytes_applied.saturating_add(bytes.into_inner());
        sink.event(Event::End { phase });
        applied
    }

    fn tell_route(&self, superblock: &Superblock, wanted: &[usize]) -> Result<(), StoreError> {
        let from = match superblock.name.from {
            Some(_) => "a static delta leads to the commit from what is here",
            None => "a static delta brings the commit, and none of it is here",
        };
        let mut alone = 0_u64;
        for it in &superblock.fallbacks {
            alone += u64::from(!self.session.transaction.has(&it.object)?);
        }
        let (parts, bytes) = (wanted.len(), packed_bytes(superblock, wanted));
        let mut reason = format!("{from}: {parts} parts, {bytes} bytes");
        if alone > 0 {
            reason.push_str(&format!("; {alone} objects come by themselves"));
        }
        let way = Way::Deltas;
        self.sink.event(Event::Route { way, reason });
        Ok(())
    }

    /// Adds what the delta would bring, and what of it is here.
    fn count(
        &self,
        superblock: &Superblock,
        wanted: &[usize],
        report: &mut DeltaReport,
    ) -> Result<(), StoreError> {
        let mut add = |packed: u64, unpacked: u64, is_here: bool| {
            report.bytes_total = report.bytes_total.saturating_add(packed);
            report.uncompressed_bytes = report.uncompressed_bytes.saturating_add(unpacked);
            if is_here {
                report.bytes_present = report.bytes_present.saturating_add(packed);
            }
        };
        for (number, part) in superblock.parts.iter().enumerate() {
            let is_here = !wanted.contains(&number);
            add(part.compressed_size, part.uncompressed_size, is_here);
        }
        for it in &superblock.fallbacks {
            let is_here = self.session.transaction.has(&it.object)?;
            add(it.compressed_size, it.uncompressed_size, is_here);
        }
        report.parts_total += superblock.parts.len() as u64;
        report.parts_present += (superblock.parts.len() - wanted.len()) as u64;
        Ok(())
    }

    /// Refuses a delta that makes, or leaves to others, more than may be written.
    fn check_room(&self, superblock: &Superblock, wanted: &[usize]) -> Result<(), PullError> {
        let sizes = wanted
            .iter()
            .map(|number| superblock.parts[*number].uncompressed_size);
        let mut needed_bytes = sizes.fold(0, u64::saturating_add);
        for it in &superblock.fallbacks {
            if !self.session.transaction.has(&it.object)? {
                needed_bytes = needed_bytes.saturating_add(it.uncompressed_size);
            }
        }
        let free_bytes = self.session.transaction.free_bytes();
        if needed_bytes <= free_bytes {
            return Ok(());
        }
        Err(PullError::NoRoom {
            commit: superblock.name.to,
            needed_bytes,
            free_bytes,
        })
    }

    /// Holds the commit to all checks, and puts it into the transaction.
    fn accept(
        &mut self,
        turn: Turn,
        presence: Presence,
        superblock: &Superblock,
    ) -> Result<(), PullError> {
        let mut detached = detached_bytes(superblock)?;
        if detached.is_none() {
            detached = self.source.detached(turn.id)?;
        }
        let transaction = self.session.transaction;
        self.session.accept_commit(
            turn,
            presence,
            &superblock.commit,
            detached.as_deref(),
            || transaction.write_metadata_expected(turn.id.into(), &superblock.commit),
        )?;
        // What is no metadata has been judged as such, and is not kept.
        if let Some(detached) = detached.filter(|bytes| Metadata::parse(bytes).is_ok()) {
            transaction.write_detached_metadata_bytes(turn.id, &detached)?;
        }
        Ok(())
    }

    /// The parts that have an object which is not here.
    fn missing_parts(&self, parts: &[PartHeader]) -> Result<Vec<usize>, StoreError> {
        let mut missing = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            for name in &part.objects {
                if !self.session.transaction.has(name)? {
                    missing.push(number);
                    break;
                }
            }
        }
        Ok(missing)
    }
}

fn packed_bytes(superblock: &Superblock, parts: &[usize]) -> u64 {
    let sizes = parts
        .iter()
        .map(|part| superblock.parts[*part].compressed_size);
    sizes.fold(0, u64::saturating_add)
}

/// The detached metadata that travels with a delta, as its bytes.
fn detached_bytes(superblock: &Superblock) -> Result<Option<Vec<u8>>, PullError> {
    let detached = superblock.detached_metadata().map_err(DeltaError::from)?;
    let bytes = detached.map(|detached: Metadata| detached.to_bytes());
    Ok(bytes.transpose().map_err(StoreError::from)?)
}
