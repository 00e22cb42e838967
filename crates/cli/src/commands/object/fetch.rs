//! An object on its way from the server: also over losses of the connection, and looked at whether it came whole.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use gofer_client::v1::get_object_response::Part;
use gofer_client::{Client, ClientError, Followed, Following, v1 as pb};
use gofer_input::object::Hash;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;

use crate::remote::incomplete;

/// A download.
pub(super) struct Fetch {
    parts: Following<pb::GetObjectResponse>,
    /// What it is.
    pub(super) object: pb::Object,
    /// Of what has come.
    pub(super) hash: Hash,
    /// How many bytes have come.
    size: u64,
}

/// What comes next.
pub(super) enum Next {
    /// Bytes.
    Bytes(Bytes),
    /// The connection was lost, and is made again.
    Interrupted(ClientError),
    /// It goes on.
    Resumed,
}

impl Fetch {
    /// Begins a download, and reads what it is.
    pub(super) async fn begin(remote: &Client, scope: pb::ObjectScope, key: &str) -> Result<Self, Failure> {
        let request = pb::GetObjectRequest {
            scope: Some(scope),
            key: key.to_owned(),
            ..pb::GetObjectRequest::default()
        };
        let mut parts = remote.get_object(request).await?;
        loop {
            match parts.next().await.ok_or_else(incomplete)?? {
                Followed::Item(pb::GetObjectResponse { part: Some(Part::Header(object)) }) => {
                    return Ok(Self { parts, object, hash: Hash::default(), size: 0 });
                }
                Followed::Item(_) => return Err(incomplete()),
                Followed::Interrupted(_) | Followed::Resumed { .. } => {}
            }
        }
    }

    /// What comes next; at the end nothing, if everything has come.
    pub(super) async fn next(&mut self) -> Result<Option<Next>, Failure> {
        loop {
            match self.parts.next().await.transpose()? {
                None => return self.whole().map(|()| None),
                Some(Followed::Interrupted(error)) => return Ok(Some(Next::Interrupted(error))),
                Some(Followed::Resumed { .. }) => return Ok(Some(Next::Resumed)),
                Some(Followed::Item(pb::GetObjectResponse { part: Some(Part::Chunk(bytes)) })) => {
                    self.hash.add(&bytes);
                    self.size += bytes.len() as u64;
                    return Ok(Some(Next::Bytes(bytes)));
                }
                Some(Followed::Item(_)) => {}
            }
        }
    }

    fn whole(&self) -> Result<(), Failure> {
        if self.size == self.object.size && self.hash.text() == self.object.sha256 {
            return Ok(());
        }
        let text = format!("`{}` has not come as it is at the server", self.object.key);
        Err(Failure::new("E0726", Exit::Invalid, text).hint("fetch it again; nothing of it is to be used"))
    }

    /// Nothing but the bytes. It ends with a failure unless everything has come.
    pub(super) fn bytes(self) -> impl Stream<Item = Result<Bytes, Failure>> + Send + 'static {
        stream::unfold(Some(self), |fetch| async move {
            let mut fetch = fetch?;
            loop {
                match fetch.next().await {
                    Ok(None) => return None,
                    Ok(Some(Next::Bytes(bytes))) => return Some((Ok(bytes), Some(fetch))),
                    Ok(Some(Next::Interrupted(_) | Next::Resumed)) => {}
                    Err(failure) => return Some((Err(failure), None)),
                }
            }
        })
    }
}
