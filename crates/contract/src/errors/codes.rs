//! The codes of refusals. Each has a page in `docs/errors`; a number is never used for something else.

macro_rules! codes {
    ($($name:ident $code:literal $title:literal)*) => {
        $(#[doc = $title] pub const $name: &str = $code;)*

        /// Every code of this module with its title, in order.
        pub const CODES: &[(&str, &str)] = &[$(($code, $title)),*];
    };
}

codes! {
    MALFORMED "E0090" "the request is malformed"
    TOO_LARGE "E0091" "the request or its answer is too large"
    NO_SUCH_CALL "E0102" "client and server do not speak the same API"
    NO_NAMESPACE "E0301" "there is no such namespace"
    NO_PIPELINE "E0302" "there is no such pipeline"
    NO_RUN "E0303" "there is no such run"
    NO_TASK "E0304" "there is no such task"
    NO_VERSION "E0305" "there is no such version"
    NAMESPACE_EXISTS "E0306" "the namespace exists already"
    NAMESPACE_NOT_EMPTY "E0307" "the namespace still holds pipelines"
    NAMESPACE_PROTECTED "E0308" "the default namespace stays"
    PIPELINE_ACTIVE "E0309" "the pipeline has active runs"
    VERSION_MOVED "E0310" "another version became the newest"
    PAGE_TOKEN "E0311" "the page token is not one of this list"
    CURSOR "E0312" "the cursor is not one of this log"
    PIPELINE_DISABLED "E0501" "the pipeline is disabled"
    VARIABLES "E0502" "the variables are not accepted"
    UNKNOWN_SCHEDULER "E0503" "the scheduler is not configured"
    UNSUPPORTED "E0504" "the server cannot run a part of the pipeline"
    INVALID_PIPELINE "E0505" "the pipeline cannot be run"
    TOO_MANY_QUEUED "E0506" "too many runs wait"
    IDEMPOTENCY_KEY "E0507" "the idempotency key is malformed"
    IDEMPOTENCY_MISMATCH "E0508" "the idempotency key stands for another start"
    TOO_MANY_FOLLOWERS "E0509" "too many readers follow"
    QUARANTINED "E0510" "the run was set aside"
    START "E0511" "a part of the start is not accepted"
    PIPELINE_BUSY "E0512" "the pipeline is busy"
    RUN_NOT_ENDED "E0513" "the run has not ended"
    NOTHING_TO_RETRY "E0514" "nothing is left to be tried again"
    LOGGING_OFF "E0515" "the output is not kept"
    LOGS_DELETED "E0516" "the output was deleted"
    NOT_ASKING "E0517" "the task waits for no answer"
    OWN_PART "E0518" "a run would be a part of itself"
    NO_OBJECT "E0720" "there is no such object"
    OBJECT_EXISTS "E0721" "an object is there already"
    OBJECT_TOO_LARGE "E0722" "the object is too large"
    OBJECT_QUOTA "E0723" "the namespace has no room for the object"
    OBJECT_KEY "E0724" "the key of the object is malformed"
    TOO_MANY_OBJECTS "E0725" "the run has too many objects"
    OBJECT_REFUSED "E0726" "the object is not as announced"
    OBJECT_STALLED "E0727" "the upload stood still"
    OBJECTS_GONE "E0728" "the objects are not kept any more"
    OBJECT_REPLACED "E0729" "the object was replaced"
    DEFECT "E0901" "the server failed"
    STORAGE_UNAVAILABLE "E0902" "the storage cannot be reached"
    STORAGE_TIMED_OUT "E0903" "the storage did not answer in time"
    STORAGE_FULL "E0904" "the storage is full"
    STORAGE_REFUSES "E0905" "the storage refuses the server"
    STORAGE_CANNOT "E0906" "the storage cannot do that"
    SHUTTING_DOWN "E0907" "the server is shutting down"
    STOPPED "E0908" "the server can no longer work"
    OVERDUE "E0909" "the server did not finish in time"
    DAMAGED "E0910" "a stored record or log is damaged"
}
