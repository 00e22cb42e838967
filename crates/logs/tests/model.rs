//! A task prints, the server dies in any way, the engine resumes: what is stored in the end is what was printed.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use gofer_logs::{LogEntry, LogOptions, LogStore, LogWriter, Piece, PieceItem, StreamKind};
use proptest::prelude::*;

/// What one task prints: the whole output of each attempt, of which any suffix can be fetched again.
#[derive(Debug, Clone)]
struct Output {
    attempts: Vec<Vec<Piece>>,
}

#[derive(Debug, Clone)]
enum Step {
    /// So many further pieces are appended as one batch.
    Feed(usize),
    /// The server is killed: only what memory knew is lost.
    Kill,
    /// The power fails: the end of the last segment is cut, as a part of its length.
    Cut(u8),
    /// The power fails: the end of the last segment is cut and followed by other bytes.
    Garble(u8, Vec<u8>),
    /// The power fails: one byte of the last segment was never written, others behind it were.
    Flip(u8),
    /// The engine goes on with the next attempt, if this one is done.
    NextAttempt,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "([a-z]{0,20}\n){1,5}".prop_map(String::into_bytes),
        2 => proptest::collection::vec(any::<u8>(), 1..200),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"GOFER_EOF\0gofr-log".to_vec()),
        1 => (1_usize..65_536).prop_map(|len| vec![b'x'; len]),
    ]
}

fn piece() -> impl Strategy<Value = Piece> {
    let item = prop_oneof![
        8 => (any::<bool>(), bytes()).prop_map(|(first, bytes)| PieceItem::Data {
            stream: if first { StreamKind::Out } else { StreamKind::Err },
            bytes: bytes.into(),
        }),
        1 => proptest::option::of(0..1_000_u64)
            .prop_map(|bytes| PieceItem::Gap { bytes, cause: "lost".to_owned() }),
    ];
    (item, 0..5_000_i64).prop_map(|(item, time)| Piece {
        attempt: 0,
        at: at(time),
        cursor: String::new(),
        item,
    })
}

fn output() -> impl Strategy<Value = Output> {
    proptest::collection::vec(proptest::collection::vec(piece(), 0..40), 1..4).prop_map(|mut attempts| {
        for (attempt, pieces) in (1..).zip(&mut attempts) {
            for (index, piece) in pieces.iter_mut().enumerate() {
                piece.attempt = attempt;
                piece.cursor = (index + 1).to_string();
            }
        }
        Output { attempts }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_usize..8).prop_map(Step::Feed),
        1 => Just(Step::Kill),
        2 => any::<u8>().prop_map(Step::Cut),
        2 => (any::<u8>(), proptest::collection::vec(any::<u8>(), 1..300)).prop_map(|(at, bytes)| Step::Garble(at, bytes)),
        2 => any::<u8>().prop_map(Step::Flip),
        2 => Just(Step::NextAttempt),
    ]
}

struct Engine {
    root: PathBuf,
    output: Output,
    max_bytes: u64,
    attempt: usize,
    writer: LogWriter,
    store: LogStore,
}

impl Engine {
    async fn start(root: &Path, output: Output, max_bytes: u64) -> Self {
        let (store, writer) = Self::open(root, max_bytes).await;
        Self { root: root.to_owned(), output, max_bytes, attempt: 0, writer, store }
    }

    async fn open(root: &Path, max_bytes: u64) -> (LogStore, LogWriter) {
        let options =
            LogOptions { segment_bytes: 2_000, max_bytes_per_task: max_bytes, ..LogOptions::new(root) };
        let store = LogStore::open(options).await.unwrap();
        let writer = store.writer(&task()).await.unwrap();
        (store, writer)
    }

    /// Where the scheduler goes on, in pieces of this attempt.
    fn place(&self, attempt: usize) -> usize {
        let number = u32::try_from(attempt + 1).unwrap();
        self.writer.resume_point(number).map_or(0, |cursor| cursor.parse().unwrap())
    }

    async fn feed(&mut self, count: usize) {
        let place = self.place(self.attempt);
        let batch: Vec<Piece> =
            self.output.attempts[self.attempt].iter().skip(place).take(count).cloned().collect();
        self.writer.append(batch).await.unwrap();
    }

    fn is_done(&self, attempt: usize) -> bool {
        self.place(attempt) == self.output.attempts[attempt].len()
    }

    fn next_attempt(&mut self) {
        if self.attempt + 1 < self.output.attempts.len() && self.is_done(self.attempt) {
            self.attempt += 1;
        }
    }

    /// The server dies, the disk is changed, the server comes back and goes back to the attempt that is not whole.
    async fn die(&mut self, change: impl FnOnce(&Path)) {
        let before = all(&self.store, &task()).await;
        if let Some(last) = segments(&self.root).last() {
            change(last);
        }
        // a store that shares nothing with the one that died
        let (store, writer) = Self::open(&self.root, self.max_bytes).await;
        (self.store, self.writer) = (store, writer);
        let after = all(&self.store, &task()).await;
        assert!(after.len() <= before.len());
        assert_eq!(after, before[..after.len()], "the log before the crash begins with the log after it");
        self.attempt = (0..=self.attempt).find(|attempt| !self.is_done(*attempt)).unwrap_or(self.attempt);
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Feed(count) => self.feed(count).await,
            Step::NextAttempt => self.next_attempt(),
            Step::Kill => self.die(|_| {}).await,
            Step::Cut(part) => self.die(|last| cut(last, part, &[])).await,
            Step::Flip(part) => self.die(|last| flip(last, part)).await,
            Step::Garble(part, bytes) => self.die(|last| cut(last, part, &bytes)).await,
        }
    }

    async fn finish(mut self) -> Vec<LogEntry> {
        for attempt in 0..self.output.attempts.len() {
            self.attempt = attempt;
            while !self.is_done(attempt) {
                self.feed(7).await;
            }
        }
        self.writer.seal().await.unwrap();
        all(&self.store, &task()).await
    }
}

fn cut(segment: &Path, part: u8, garbage: &[u8]) {
    let bytes = std::fs::read(segment).unwrap();
    let keep = bytes.len() * usize::from(part) / 255;
    std::fs::write(segment, [&bytes[..keep], garbage].concat()).unwrap();
}

fn flip(segment: &Path, part: u8) {
    let mut bytes = std::fs::read(segment).unwrap();
    let at = bytes.len() * usize::from(part) / 256;
    bytes[at] ^= 0x55;
    std::fs::write(segment, bytes).unwrap();
}

async fn play(output: Output, steps: Vec<Step>, max_bytes: u64) -> Vec<LogEntry> {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(dir.path(), output, max_bytes).await;
    for step in steps {
        engine.step(step).await;
    }
    engine.finish().await
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// What one attempt printed to one stream.
fn printed(pieces: &[Piece], wanted: StreamKind) -> Vec<u8> {
    let mut found = Vec::new();
    for piece in pieces {
        match &piece.item {
            PieceItem::Data { stream, bytes } if *stream == wanted => found.extend_from_slice(bytes),
            _ => {}
        }
    }
    found
}

fn sizes(pieces: &[Piece]) -> Option<u64> {
    let size = |piece: &Piece| match &piece.item {
        PieceItem::Data { bytes, .. } => Some(bytes.len() as u64),
        PieceItem::Gap { bytes, .. } => *bytes,
    };
    pieces.iter().map(size).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_stored_is_what_was_printed_whatever_happens(
        output in output(),
        steps in proptest::collection::vec(step(), 0..40),
    ) {
        let entries = block_on(play(output.clone(), steps, 1 << 30));
        prop_assert_eq!(seqs(&entries), (1..=entries.len() as u64).collect::<Vec<u64>>());
        for (number, pieces) in (1..).zip(&output.attempts) {
            let of_attempt: Vec<LogEntry> = entries.iter().filter(|entry| entry.attempt == number).cloned().collect();
            for stream in [StreamKind::Out, StreamKind::Err] {
                prop_assert_eq!(emitted(&of_attempt, stream), printed(pieces, stream));
            }
            let told: Vec<_> = of_attempt.iter().filter_map(|entry| Some(entry.gap.as_ref()?.bytes)).collect();
            let lost: Vec<_> = pieces.iter().filter_map(|piece| match &piece.item {
                PieceItem::Gap { bytes, .. } => Some(*bytes),
                PieceItem::Data { .. } => None,
            }).collect();
            prop_assert_eq!(told, lost);
        }
    }

    #[test]
    fn behind_the_limit_the_bytes_that_are_missing_are_counted_whatever_happens(
        output in output(),
        steps in proptest::collection::vec(step(), 0..40),
        limit in 17_000_u64..120_000,
    ) {
        let entries = block_on(play(output.clone(), steps, limit));
        let all: Vec<Piece> = output.attempts.concat();
        let stored: u64 = entries
            .iter()
            .filter(|entry| entry.gap.is_none())
            .map(|entry| entry.data.len() as u64 + u64::from(!entry.partial))
            .sum();
        let gaps: Option<u64> = entries.iter().filter_map(|entry| Some(entry.gap.as_ref()?.bytes)).sum();
        prop_assert_eq!(gaps.map(|gaps| gaps + stored), sizes(&all));
    }
}
