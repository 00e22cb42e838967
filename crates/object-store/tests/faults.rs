//! The scripted faults of the fake strike the call that they name, once.

use futures_util::{StreamExt as _, stream};
use gofer_backend::ErrorKind;
use gofer_object_store::fake::{FakeDisk, FakeObjectStore, Operation};
use gofer_object_store::{ByteRange, ByteStream, KeyPrefix, ObjectKey, ObjectStore, PageRequest, Put};
use gofer_types::Timestamp;

fn bytes() -> ByteStream {
    stream::iter([Ok("hello".into())]).boxed()
}

fn put() -> Put {
    Put::new(100, Timestamp::default())
}

#[tokio::test]
async fn the_next_call_fails_and_no_other() {
    let store = FakeObjectStore::open(&FakeDisk::new(), "fake").unwrap();
    let key: ObjectKey = "a".parse().unwrap();
    for operation in [
        Operation::Check,
        Operation::Put,
        Operation::Get,
        Operation::Head,
        Operation::Delete,
        Operation::List,
    ] {
        store.fail_next(operation, ErrorKind::TimedOut);
    }
    for round in 0..2 {
        let answers = [
            store.check().await.err(),
            store.put(&key, bytes(), put()).await.err(),
            if round == 0 { None } else { store.get(&key, ByteRange::WHOLE).await.err() },
            store.list(&KeyPrefix::all(), PageRequest::first(1)).await.err(),
            store.delete(&key).await.err(),
        ];
        let kinds: Vec<_> = answers.iter().flatten().map(|error| (error.kind(), error.backend())).collect();
        let wanted = if round == 0 { 4 } else { 1 };
        assert_eq!(kinds, vec![(ErrorKind::TimedOut, "fake"); wanted], "round {round}");
    }
    assert_eq!(store.head(&key).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(store.head(&key).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_object() {
    let store = FakeObjectStore::open(&FakeDisk::new(), "fake").unwrap();
    let key: ObjectKey = "a".parse().unwrap();
    store.fail_next(Operation::PutAnswer, ErrorKind::TimedOut);
    assert_eq!(store.put(&key, bytes(), put()).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(store.head(&key).await.unwrap().size, 5);
}
