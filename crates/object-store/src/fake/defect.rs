//! One deliberate breach of the contract each, with the case of the suite that sees it.

macro_rules! defects {
    ($($name:ident $doc:literal => $case:literal,)*) => {
        /// What the fake does wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Defect {
            $(#[doc = $doc] $name,)*
        }

        impl Defect {
            /// Every defect, with the case that must catch it.
            pub const ALL: &[(Self, &str)] = &[$((Self::$name, $case),)*];
        }
    };
}

defects! {
    HashIsOfNothing "Gives every object the hash of no bytes." => "what was put is read back, with its size and its hash",
    InventsObjects "Finds an empty object where nothing is." => "a key with nothing under it is not found, by head and by get",
    RefusalsHideTheKey "Refuses without saying which key." => "a refusal names the backend and the key",
    EmptyIsAbsent "Takes an empty object for none." => "an object may be empty",
    TextOnly "Takes bytes for text." => "an object may be any bytes",
    LosesLateChunks "Keeps the first thousand chunks." => "an object that comes in chunks of one byte arrives whole",
    LosesTheEndOfLarge "Keeps the first four MiB." => "an object of 8 MiB arrives whole, put and read in chunks",
    EmptyChunkIsTheEnd "Takes an empty chunk for the end." => "empty chunks add nothing",
    ForgetsTheContentType "Keeps no content type." => "the content type and the time of a put are kept",
    ForgetsTheTime "Keeps no time." => "the content type and the time of a put are kept",
    PutKeepsTheOld "Keeps what was put first." => "a put replaces the object, and its version is another",
    VersionsRepeat "Calls every version the same." => "a put replaces the object, and its version is another",
    AbsentIsIgnored "Replaces what must be absent." => "a put of what must be absent is refused where something is, and changes nothing",
    TombstonesStay "Takes a deleted key for one that is there." => "a deleted key is absent to a put",
    ShowsParts "Shows what has come so far." => "a put is not visible before its stream has ended",
    DroppedPutStays "Keeps what had come when a put was dropped." => "a put that is dropped before its stream has ended leaves what was there",
    FailedStreamIsAnEnd "Takes an error in the stream for its end." => "a put whose stream fails is answered with that error and leaves what was there",
    StreamErrorIsReplaced "Answers an error of its own for one in the stream." => "a put whose stream fails is answered with that error and leaves what was there",
    DeleteDoesNothing "Deletes nothing." => "a deleted object is gone, and deleting what is not there is no error",
    DeleteOfNothingFails "Finds nothing to delete." => "a deleted object is gone, and deleting what is not there is no error",
    DeleteTakesAllBelow "Deletes what lies below, too." => "a deleted object is gone, and deleting what is not there is no error",
    DeleteTakesNeighbours "Deletes what lies beside it, too." => "puts and deletes of keys beside each other do not disturb each other",
    FoldsCase "Keeps keys in lower case." => "keys that differ only by case are different objects",
    ComposesUnicode "Composes an accent with its letter." => "keys that differ only by their Unicode form are different objects",
    FilesAreNotDirectories "Replaces an object by what lies below it." => "keys that are beginnings of each other live side by side",
    DecodesEscapes "Decodes percent escapes." => "keys that look like paths, escapes or devices are plain names",
    TrimsKeys "Trims spaces and dots off the end." => "keys that look like paths, escapes or devices are plain names",
    CutsLongKeys "Keeps the first hundred bytes of a segment." => "keys at their limits are names like any other",
    SizeLimitIsIgnored "Has no limit." => "an object at its limit is accepted, and one byte more is refused and leaves what was there",
    SizeLimitIsOneLess "Refuses the last byte." => "an object at its limit is accepted, and one byte more is refused and leaves what was there",
    CutsAtTheLimit "Refuses, and keeps what was within the limit." => "an object at its limit is accepted, and one byte more is refused and leaves what was there",
    ReadsBeforeItRefuses "Reads the stream to its end and refuses then." => "a stream over its limit is not read on",
    AnnouncedIsReadAnyway "Begins to read what is announced as too long." => "an announced size over the limit is refused before the stream is read",
    AnnouncedSizeIsIgnored "Takes a stream of any length." => "a stream that is shorter or longer than announced is refused and leaves what was there",
    AnnouncedHashIsIgnored "Takes bytes with any hash." => "bytes with another hash than announced are refused and leave what was there",
    AnyContentType "Takes any content type." => "a content type at its limit is kept, and one that is longer or not printable is refused",
    RangeIncludesItsEnd "Gives one byte more." => "a range is exactly the bytes that were asked for",
    RangeMustFit "Refuses a range that passes the end." => "a range is cut at the end of the object, and is empty there",
    RangeBehindIsEmpty "Gives no bytes for a range behind the end." => "a range that begins behind the end is refused with the size",
    SizeIsOfTheRange "Says that the object is as long as the range." => "what get says of an object does not depend on the range",
    OneChunk "Gives all bytes at once." => "chunks are bounded and never empty",
    EmptyChunk "Ends a stream with a chunk of nothing." => "chunks are bounded and never empty",
    ReaderSeesNewBytes "Goes on reading in what replaced the object." => "a reader reads on while the object is replaced",
    DeleteEndsReaders "Ends a stream when its object is deleted." => "a reader reads on while the object is deleted",
    ListIsInOrderOfSegments "Sorts by segments." => "a list is in the byte order of keys",
    PrefixIsText "Takes a prefix for the beginning of a text." => "a list of a prefix is everything below it and nothing else",
    PrefixIncludesItself "Lists the key of the prefix, too." => "a list of a prefix is everything below it and nothing else",
    EmptyPrefixIsNotFound "Refuses to list where nothing is." => "a list of a prefix with nothing below it is empty",
    ListForgetsTheHash "Lists objects with the hash of no bytes." => "a list says of each object what head says",
    PageRepeatsItsCursor "Begins a page with the last key of the page before." => "pages of any size give every key once",
    PageSkipsOne "Skips the first key of a page." => "pages of any size give every key once",
    PageLimitIsIgnored "Gives everything at once." => "a page has no more objects than its limit, and a limit of 0 is refused",
    ZeroLimitIsAccepted "Gives a page of no objects." => "a page has no more objects than its limit, and a limit of 0 is refused",
    CursorMustBeThere "Begins anew when the cursor is gone." => "a cursor need not be there",
    CursorIsANumber "Counts the objects that it has given." => "keys that are there throughout are listed once while others come and go",
    AbsentRaces "Looks once, before the stream." => "of many concurrent puts of what must be absent exactly one wins",
    PutsMix "Writes all puts of a key to one place." => "concurrent puts of one key never mix",
    ConcurrentPutsAreLost "Loses every tenth put." => "concurrent puts of many keys all land",
    MetaLagsBehind "Tells of an object what was true before." => "a reader meets one put whole, whatever is put meanwhile",
    OpeningForgets "Opens with nothing in it." => "answered puts and deletes survive opening anew",
    PutIsNotSynced "Answers puts before they are durable." => "answered puts survive a crash",
    DeleteIsNotSynced "Answers deletes before they are durable." => "answered deletes survive a crash",
    PartsOutliveACrash "Takes for an object what had come before the crash." => "a put that a crash interrupts is never seen",
    VersionsRestart "Counts versions from one again." => "versions differ also after opening anew",
    SecondOpenerIsAdmitted "Lets two stores have one disk." => "a second opener is refused with a conflict that names the place, and the first works on",
    ConflictHidesThePlace "Refuses the second without saying where." => "a second opener is refused with a conflict that names the place, and the first works on",
    InfoIsEmpty "Says nothing of itself." => "an object store says what it is and can do",
    CheckFails "Is never well." => "a healthy object store passes its check, which leaves no trace",
    CheckLeavesAnObject "Puts something to see whether it can." => "a healthy object store passes its check, which leaves no trace",
    FullDiskIsInternal "Takes a full disk for a defect." => "a full disk refuses puts as exhausted and whole, and room makes them work again",
    FullDiskKeepsParts "Keeps what fitted." => "a full disk refuses puts as exhausted and whole, and room makes them work again",
    FullDiskIsForGood "Is full for ever." => "a full disk refuses puts as exhausted and whole, and room makes them work again",
}
