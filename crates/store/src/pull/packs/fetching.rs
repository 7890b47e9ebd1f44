//! The deciding thread's part: asking for parts of packs, and what is done with what they bring or do not.

use std::sync::Arc;

use ostler_format::{DirMeta, DirTreeRef, FileId, ObjectError, ObjectKind, ObjectName};
use ostler_http::{FetchError, FetchFault, Priority, Request};

use super::segment::Segment;
use super::sink::SegmentSink;
use crate::error::StoreError;
use crate::pull::error::PullError;
use crate::pull::fetch::{Fetch, Message, object_error};
use crate::pull::partial::Keeper;

/// Parts of native deltas that are under way at once: each may take 48 MiB while it is unpacked, however many there are.
const DELTA_PARTS: usize = 3;

impl Fetch<'_, '_, '_> {
    /// Asks for a part of a file.
    pub(crate) fn request_segment(&mut self, segment: Arc<Segment>, priority: Priority) {
        self.outstanding += 1;
        if segment.is_of_delta() {
            self.packs.waiting.push_back((segment, priority));
            self.start_waiting();
        } else {
            self.submit_segment(segment, priority);
        }
    }

    /// Asks for parts of deltas, as many as may be under way.
    fn start_waiting(&mut self) {
        while self.packs.delta_parts < DELTA_PARTS
            && let Some((segment, priority)) = self.packs.waiting.pop_front()
        {
            self.packs.delta_parts += 1;
            self.submit_segment(segment, priority);
        }
    }

    fn submit_segment(&mut self, segment: Arc<Segment>, priority: Priority) {
        let part = segment.part();
        let path = segment.file.path.clone();
        let mut request = Request::new(self.origin.content.clone(), path, part.length);
        request.part = Some(part);
        request.size_hint_bytes = Some(part.length);
        request.priority = priority;
        let intake = self.transaction.intake();
        let keeper = match segment.kept_as() {
            Some(name) if self.shared.keeps() => self.partials.keep(intake, name),
            _ => Keeper::off(intake),
        };
        request.resume = keeper.resume(self.origin.content.urls().count() > 1);
        let sender = self.sender.clone();
        let sink = SegmentSink::new(
            Arc::clone(&self.shared),
            (segment, keeper),
            sender.clone(),
            Arc::clone(&self.arrived_in_packs),
        );
        self.batch.submit(request, sink, move |sink, result| {
            let _ = sender.send(Message::Segment(Box::new(sink), result.map(drop)));
        });
    }

    /// Takes a metadata object that came in a pack; some come before a listing has named them.
    pub(crate) fn take_packed(&mut self, name: ObjectName, bytes: &[u8]) -> Result<(), PullError> {
        self.packs.is_settled(&name);
        let roles = self.roles.remove(&name).unwrap_or_default();
        if roles.is_empty() {
            let malformed = |source: ObjectError| StoreError::Malformed { name, source };
            // Before writing, as in `accept`.
            match name.kind {
                ObjectKind::DirTree => drop(DirTreeRef::parse(bytes).map_err(malformed)?),
                _ => drop(DirMeta::parse(bytes).map_err(malformed)?),
            }
            self.transaction.write_metadata_named(name, bytes)?;
        }
        for role in roles {
            self.accept(name, bytes, role)?;
        }
        Ok(())
    }

    /// Takes content from a pack that is not to be had by itself.
    pub(crate) fn take_absent(&mut self, id: FileId, error: FetchError) -> Result<(), PullError> {
        let name = ObjectName::from(id);
        self.packs.open_content(self.origin, self.progress.sink)?;
        match self.packs.want_again(name) {
            true => Ok(()),
            false => Err(object_error(name, error)),
        }
    }

    /// What a part of a file did not bring is asked for by itself.
    pub(crate) fn end_segment(
        &mut self,
        sink: &SegmentSink<Message>,
        result: Result<(), FetchError>,
    ) -> Result<(), PullError> {
        let is_of_delta = sink.segment().is_of_delta();
        if is_of_delta {
            self.packs.delta_parts -= 1;
        }
        if let Err(error) = result {
            self.end_without(sink, error)?;
        }
        self.start_waiting();
        Ok(())
    }

    fn end_without(
        &mut self,
        sink: &SegmentSink<Message>,
        error: FetchError,
    ) -> Result<(), PullError> {
        let missing = sink.missing();
        if let (FetchFault::Sink(_), Some(name)) = (&error.fault, missing.first()) {
            // The fault is on this side: asking for the same bytes otherwise does not help.
            return Err(object_error(*name, error));
        }
        let segment = sink.segment();
        let path = &segment.file.path;
        if self.packs.told.insert(path.clone()) {
            let what = match segment.is_of_delta() {
                true => "native delta",
                false => "pack",
            };
            self.progress.notice(format!(
                "a {what} cannot be used, what it has is fetched object by object: {error}"
            ));
        }
        let is_absent = error.is_not_found();
        self.request_missing(missing)?;
        if is_absent {
            let (absent, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.packs.waiting)
                .into_iter()
                .partition(|(waiting, _)| waiting.file == segment.file);
            self.packs.waiting = rest.into();
            for (segment, _) in absent {
                self.outstanding -= 1;
                self.request_missing(segment.wanted().collect())?;
            }
        }
        Ok(())
    }

    /// Asks for objects by themselves.
    fn request_missing(&mut self, missing: Vec<ObjectName>) -> Result<(), PullError> {
        for name in missing {
            if name.kind == ObjectKind::File {
                self.request_content(FileId::new(name.checksum))?;
            } else {
                self.packs.is_settled(&name);
                if self.roles.contains_key(&name) {
                    self.request_metadata_object(name);
                }
            }
        }
        Ok(())
    }
}
