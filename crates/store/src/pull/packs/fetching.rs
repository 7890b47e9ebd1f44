//! The deciding thread's part: asking for parts of packs, and what is done with what they bring or do not.

use std::sync::Arc;

use ostler_format::{DirMeta, DirTreeRef, FileId, ObjectError, ObjectKind, ObjectName};
use ostler_http::{FetchError, FetchFault, Priority, Request};

use super::segment::Segment;
use super::sink::SegmentSink;
use crate::error::StoreError;
use crate::pull::error::PullError;
use crate::pull::fetch::{Fetch, Message, object_error};

impl Fetch<'_, '_, '_> {
    /// Asks for a part of a pack.
    pub(crate) fn request_segment(&mut self, segment: Arc<Segment>, priority: Priority) {
        self.outstanding += 1;
        let part = segment.part();
        let path = segment.pack.path();
        let mut request = Request::new(self.origin.content.clone(), path, part.length);
        request.part = Some(part);
        request.size_hint_bytes = Some(part.length);
        request.priority = priority;
        let sender = self.sender.clone();
        let sink = SegmentSink::new(
            Arc::clone(&self.shared),
            segment,
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

    /// What a part of a pack did not bring is asked for by itself.
    pub(crate) fn end_segment(
        &mut self,
        sink: &SegmentSink<Message>,
        result: Result<(), FetchError>,
    ) -> Result<(), PullError> {
        let missing = sink.missing();
        let Err(error) = result else {
            return Ok(());
        };
        if let (FetchFault::Sink(_), Some(name)) = (&error.fault, missing.first()) {
            // The fault is on this side: asking for the same bytes otherwise does not help.
            return Err(object_error(*name, error));
        }
        self.progress.notice(format!(
            "a pack cannot be used, what it has is fetched object by object: {error}"
        ));
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
