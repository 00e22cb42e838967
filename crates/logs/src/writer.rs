//! Appending to a log.
//!
//! One writer per log. A batch is written at once and told to readers afterwards; a batch that fails is cut off again
//! before anything else is written.

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::batch::{self, Limit, Owed, Plan};
use crate::disk::{self, Disk, SegmentFile};
use crate::entry::Piece;
use crate::error::LogError;
use crate::gates::{Gate, lock};
use crate::registry::Registry;
use crate::shared::{Claim, Shared, Slot};
use crate::sidecar::{self, Index, SEGMENT_HEADER, Sealed, Sidecar};

/// Appends to the log of one task run. Dropping it leaves the log open; a later writer goes on from the resume point.
pub struct LogWriter {
    shared: Arc<Shared>,
    core: Arc<Mutex<Core>>,
    gate: Gate,
    _claim: Claim,
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWriter").field("task", &self.shared.task).finish_non_exhaustive()
    }
}

impl LogWriter {
    /// Opens a loaded log for appending.
    pub(crate) async fn open(shared: Arc<Shared>, parts: WriterParts, gate: Gate) -> Result<Self, LogError> {
        let claim = Claim::take(&shared)?;
        let slot = claim.slot().await;
        let opened = Arc::clone(&shared);
        let core = gate.run(move || Core::open(opened, parts, slot)).await?;
        Ok(Self { shared, core: Arc::new(Mutex::new(core)), gate, _claim: claim })
    }

    /// Stores the pieces, or counts them if the log has reached its limit. Returns when readers can see them.
    ///
    /// On an error nothing of the batch is stored and the log is valid: the caller either gives the same batch again, or
    /// counts its bytes and appends a gap later, with the cursor of the last piece. A batch holds at most
    /// [`crate::MAX_BATCH`] bytes. Dropping the future leaves open whether the batch is stored;
    /// [`LogWriter::resume_point`] tells after the next call has returned.
    pub async fn append(&mut self, pieces: Vec<Piece>) -> Result<(), LogError> {
        batch::check(&pieces)?;
        let core = Arc::clone(&self.core);
        self.gate.run(move || lock(&core).append(&pieces)).await
    }

    /// The cursor of the last piece of this attempt that is stored, or was dropped behind the limit and counted.
    #[must_use]
    pub fn resume_point(&self, attempt: u32) -> Option<String> {
        lock(&self.shared.state).head.cursor(attempt).cloned()
    }

    /// Whether it knows of dropped output that the log does not tell yet: [`LogWriter::sync`] and [`LogWriter::seal`] make it.
    #[must_use]
    pub fn owes(&self) -> bool {
        lock(&self.core).owed.is_some()
    }

    /// Returns when everything that was appended is on the disk, where a power cut leaves it. May be repeated.
    pub async fn sync(&mut self) -> Result<(), LogError> {
        let core = Arc::clone(&self.core);
        self.gate.run(move || lock(&core).sync()).await
    }

    /// Says that nothing follows: waits for the disk, then followers end. After an error the log is not sealed;
    /// [`crate::LogStore::seal`] tries again.
    pub async fn seal(self) -> Result<(), LogError> {
        let core = Arc::clone(&self.core);
        self.gate.run(move || lock(&core).seal()).await
    }
}

/// What a store gives to each of its writers.
#[derive(Debug, Clone)]
pub(crate) struct WriterParts {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) segment_bytes: u64,
    pub(crate) max_bytes: u64,
}

/// The blocking side of a writer.
#[derive(Debug)]
struct Core {
    shared: Arc<Shared>,
    parts: WriterParts,
    file: Option<Box<dyn SegmentFile>>,
    /// Whether there may be bytes behind the end that the state knows.
    torn: bool,
    owed: Option<Owed>,
    scratch: Vec<u8>,
    _slot: Slot,
}

impl Core {
    /// Opens a loaded log for writing and cuts off what a crash left behind its last whole frame.
    fn open(shared: Arc<Shared>, parts: WriterParts, slot: Slot) -> Result<Self, LogError> {
        disk::make_dirs(&shared.dir).map_err(LogError::io("create", &shared.dir))?;
        let mut core =
            Self { shared, parts, file: None, torn: true, owed: None, scratch: Vec::new(), _slot: slot };
        let (last, unborn) = {
            let state = lock(&core.shared.state);
            if state.sealed {
                return Err(core.shared.sealed_error());
            }
            (state.segments.last().map(|segment| segment.number), state.next_number())
        };
        if let Some(number) = last {
            let path = core.shared.segment_path(number);
            core.file = Some(core.parts.disk.open(&path, false).map_err(LogError::io("open", &path))?);
        }
        let unborn = core.shared.segment_path(unborn);
        disk::remove(&unborn).map_err(LogError::io("remove", &unborn))?;
        core.mend()?;
        Ok(core)
    }

    fn append(&mut self, pieces: &[Piece]) -> Result<(), LogError> {
        let planner = self.planner()?.pieces(pieces);
        self.store(planner.finish())
    }

    fn planner(&mut self) -> Result<batch::Planner, LogError> {
        let state = lock(&self.shared.state);
        if state.deleted {
            return Err(self.shared.deleted_error());
        }
        if state.sealed {
            return Err(self.shared.sealed_error());
        }
        let limit = Limit { max_bytes: self.parts.max_bytes, stored: state.stored() };
        Ok(batch::plan(&state.head, self.owed.clone(), limit, std::mem::take(&mut self.scratch)))
    }

    fn store(&mut self, plan: Plan) -> Result<(), LogError> {
        if !plan.bytes.is_empty() {
            self.mend()?;
            self.make_room(plan.bytes.len() as u64)?;
            self.write(&plan.bytes)?;
        }
        self.publish(plan);
        Ok(())
    }

    /// Cuts off what a failed write left, so that it can never be taken for frames.
    fn mend(&mut self) -> Result<(), LogError> {
        if !self.torn {
            return Ok(());
        }
        if let (Some((number, end)), Some(file)) = (self.end(), &self.file) {
            file.set_len(end).map_err(LogError::io("cut", &self.shared.segment_path(number)))?;
        }
        self.torn = false;
        Ok(())
    }

    /// The last segment and where it ends.
    fn end(&self) -> Option<(u32, u64)> {
        lock(&self.shared.state).segments.last().map(|segment| (segment.number, segment.end))
    }

    /// Begins a segment if there is none, or if the last has frames and would become too long.
    fn make_room(&mut self, size: u64) -> Result<(), LogError> {
        match self.end() {
            Some((_, end)) if end == SEGMENT_HEADER || end + size <= self.parts.segment_bytes => Ok(()),
            Some(_) => {
                self.close_segment()?;
                self.begin_segment()
            }
            None => self.begin_segment(),
        }
    }

    /// Brings the last segment to the disk and writes its index. May be repeated.
    fn close_segment(&self) -> Result<(), LogError> {
        let Some((number, _)) = self.end() else { return Ok(()) };
        if let Some(file) = &self.file {
            file.sync().map_err(LogError::io("sync", &self.shared.segment_path(number)))?;
        }
        let index = {
            let state = lock(&self.shared.state);
            let Some(segment) = state.segments.last().cloned() else { return Ok(()) };
            Index { segment, head: state.head.clone() }
        };
        let path = disk::index_path(&self.shared.dir, number);
        let bytes = sidecar::encode(Sidecar::Index, &index)?;
        self.parts.disk.replace(&path, &bytes, false).map_err(LogError::io("write", &path))
    }

    fn begin_segment(&mut self) -> Result<(), LogError> {
        let (number, first_seq) = {
            let state = lock(&self.shared.state);
            (state.next_number(), state.head.next_seq)
        };
        let path = self.shared.segment_path(number);
        let file = self.parts.disk.open(&path, true).map_err(LogError::io("create", &path))?;
        let header = sidecar::segment_header(number, first_seq);
        file.write_at(&header, 0).map_err(LogError::io("write", &path))?;
        self.file = Some(file);
        lock(&self.shared.state).begin_segment(SEGMENT_HEADER);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        let (Some((number, end)), Some(file)) = (self.end(), &self.file) else {
            return Err(LogError::Stopped);
        };
        let Err(error) = file.write_at(bytes, end) else { return Ok(()) };
        self.torn = true;
        let path = self.shared.segment_path(number);
        // if this fails, too, the next batch begins with it
        self.mend().ok();
        Err(LogError::io("write", &path)(error))
    }

    /// Lets readers see what was written, and wakes them.
    fn publish(&mut self, plan: Plan) {
        let Plan { mut bytes, tally, owed } = plan;
        let end = self.end();
        let mut state = lock(&self.shared.state);
        state.absorb(&bytes, false);
        state.head.tally = tally;
        if let Some(owed) = &owed {
            owed.apply(&mut state.head);
        }
        drop(state);
        self.owed = owed;
        if self.shared.is_followed() && !bytes.is_empty() {
            if let Some((number, end)) = end {
                lock(&self.shared.recent).keep(number, end, bytes);
            }
        } else {
            bytes.clear();
            self.scratch = bytes;
        }
        self.shared.tell();
    }

    fn sync(&mut self) -> Result<(), LogError> {
        // also what is owed: whoever opens the log next does not know of it
        let planner = self.planner()?;
        self.store(planner.settled().finish())?;
        let (Some((number, _)), Some(file)) = (self.end(), &self.file) else { return Ok(()) };
        file.sync().map_err(LogError::io("sync", &self.shared.segment_path(number)))?;
        self.sync_names()
    }

    fn sync_names(&self) -> Result<(), LogError> {
        let (root, dir) = (self.parts.registry.root(), &self.shared.dir);
        self.parts.disk.sync_dirs(root, dir).map_err(LogError::io("sync", dir))
    }

    fn seal(&mut self) -> Result<(), LogError> {
        match self.planner() {
            Ok(planner) => self.store(planner.settled().finish())?,
            Err(LogError::Sealed { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        self.mend()?;
        self.close_segment()?;
        let sealed = {
            let state = lock(&self.shared.state);
            let segments = u32::try_from(state.segments.len()).unwrap_or(u32::MAX);
            Sealed { segments, stored: state.stored(), next_seq: state.head.next_seq }
        };
        let path = disk::sealed_path(&self.shared.dir);
        let bytes = sidecar::encode(Sidecar::Sealed, &sealed)?;
        self.parts.disk.replace(&path, &bytes, true).map_err(LogError::io("write", &path))?;
        self.sync_names()?;
        lock(&self.shared.state).sealed = true;
        self.shared.tell();
        Ok(())
    }
}
