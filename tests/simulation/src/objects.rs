//! Objects of pipelines: put, and read again.
//!
//! An acknowledged object reads back as it was until something else was put under its key, or the ring let it go.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gofer_proto::v1;

use crate::chance::keyed;
use crate::clients::{Visitor, pipeline_at};

/// What is put under a key by a call: bytes that belong to it.
fn content(key: u32, nth: u64) -> Vec<u8> {
    let size = keyed(u64::from(key), "size", nth) % 5_000;
    (0..size).map(|at| keyed(nth, "byte", at).to_le_bytes()[0]).collect()
}

impl Visitor {
    fn scope(&self, place: usize) -> Option<v1::ObjectScope> {
        let pipeline = pipeline_at(&self.plan, place)?;
        Some(v1::ObjectScope {
            namespace: pipeline.namespace.to_string(),
            pipeline: pipeline.pipeline.to_string(),
            run: None,
        })
    }

    /// Puts an object.
    pub(crate) async fn put(&self, place: usize, key: u32) {
        let Some(scope) = self.scope(place) else { return };
        let nth = self.court.case().claims.tick();
        let bytes = content(key, nth);
        let name = format!("k{key}");
        let of = (format!("{}/{}", scope.namespace, scope.pipeline), name.clone());
        // from here on nobody knows what is there, until it is acknowledged
        self.court.case().claims.objects.insert(of.clone(), None);
        let header = v1::PutObjectHeader {
            scope: Some(scope),
            key: name,
            replace: true,
            size: Some(bytes.len() as u64),
            ..v1::PutObjectHeader::default()
        };
        let source = stream::iter([Ok::<_, std::io::Error>(Bytes::from(bytes.clone()))]);
        let Ok(answer) = self.client.put_object(header, source).await else { return };
        let mut case = self.court.case();
        let evicted: Vec<_> = answer.evicted.iter().map(|key| (of.0.clone(), key.clone())).collect();
        for gone in evicted {
            case.claims.objects.remove(&gone);
        }
        // two that put at once: whose came last is not known here
        let alone = case.claims.puts.insert(of.clone(), nth).is_none_or(|before| before < nth);
        case.claims.objects.insert(of, alone.then_some(bytes));
    }

    /// Reads one that was acknowledged.
    pub(crate) async fn get(&self, place: usize, key: u32) {
        let Some(scope) = self.scope(place) else { return };
        let of = (format!("{}/{}", scope.namespace, scope.pipeline), format!("k{key}"));
        let Some(Some(put)) = self.court.case().claims.objects.get(&of).cloned() else { return };
        let request =
            v1::GetObjectRequest { scope: Some(scope), key: of.1.clone(), ..v1::GetObjectRequest::default() };
        let mut found = Vec::new();
        let Ok(mut parts) = self.client.get_object_once(request).await else { return };
        while let Some(part) = parts.next().await {
            let Ok(part) = part else { return };
            if let Some(v1::get_object_response::Part::Chunk(chunk)) = part.part {
                found.extend_from_slice(&chunk);
            }
        }
        let mut case = self.court.case();
        if case.claims.objects.get(&of).is_some_and(|now| now.as_ref() == Some(&put)) {
            let sizes = (put.len(), found.len());
            case.tally.holds(62, found == put, || format!("{of:?} is not what was put: {sizes:?} bytes"));
        }
    }
}
