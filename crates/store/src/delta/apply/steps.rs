//! Reading the operations of a part as a stream.

use ostler_format::ObjectName;
use ostler_format::delta::{MAX_OPERATION_SIZE, Operation};

use super::super::DeltaError;
use super::payload::Payload;
use crate::error::StoreError;

/// Operations that are read at once.
const WINDOW: usize = 64 << 10;

/// The operations of a part, each with the object at the cursor.
pub(crate) struct Steps<'p> {
    payload: &'p Payload,
    part: usize,
    objects: &'p [ObjectName],
    window: Vec<u8>,
    /// How much of the window is done with.
    at: usize,
    loaded: u64,
}

impl<'p> Steps<'p> {
    pub(crate) fn new(payload: &'p Payload, part: usize, objects: &'p [ObjectName]) -> Self {
        Self {
            payload,
            part,
            objects,
            window: Vec::new(),
            at: 0,
            loaded: 0,
        }
    }

    /// The objects that are not made yet.
    pub(crate) fn left(&self) -> &'p [ObjectName] {
        self.objects
    }

    /// The next operation; what it says of data and tables is not checked.
    ///
    /// # Errors
    /// [`DeltaError::Operation`] for bytes that are none.
    pub(crate) fn next(&mut self) -> Result<Option<(Operation, Option<ObjectName>)>, DeltaError> {
        self.load()?;
        if self.at == self.window.len() {
            return Ok(None);
        }
        let object = self.objects.first().copied();
        let parsed = Operation::parse(&self.window[self.at..], object.map(|name| name.kind));
        let (operation, rest) = parsed.map_err(|error| DeltaError::Operation {
            part: self.part,
            object,
            problem: error.to_string(),
        })?;
        self.at = self.window.len() - rest.len();
        if operation.advances() {
            self.objects = self.objects.get(1..).unwrap_or_default();
        }
        Ok(Some((operation, object)))
    }

    /// Sees to it that a whole operation is in the window, or the end.
    fn load(&mut self) -> Result<(), DeltaError> {
        let operations = &self.payload.layout.operations;
        let left = operations.end - operations.start - self.loaded;
        if left == 0 || self.window.len() - self.at >= MAX_OPERATION_SIZE {
            return Ok(());
        }
        self.window.drain(..self.at);
        self.at = 0;
        let start = self.window.len();
        let more = usize::try_from(left).map_or(WINDOW, |left| left.min(WINDOW));
        self.window.resize(start + more, 0);
        self.payload
            .operations(self.loaded, &mut self.window[start..])
            .map_err(|error| StoreError::io("unpacking a delta", error))?;
        self.loaded += more as u64;
        Ok(())
    }
}
