//! `object put`.

use futures_util::Stream;
use gofer_client::{Client, PutError, v1 as pb};
use gofer_grammar::ObjectPut;
use gofer_input::object::{Hash, STREAM, Source};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_views::Object;

use super::seen;
use crate::context::Cx;

/// `object put`.
pub(super) async fn put(cx: &Cx, args: &ObjectPut) -> Result<Exit, Failure> {
    let scope = Some(cx.addresses.scope(&args.of.scope)?);
    let key = key(args)?;
    let source = Source::open(&args.file)?;
    let hash = source.hash.clone();
    let header = pb::PutObjectHeader {
        scope,
        key,
        replace: args.force,
        content_type: args.content_type.clone(),
        size: source.size,
        sha256: String::new(),
    };
    let remote = cx.remote().await?;
    let view = send(cx, &remote, header, (source.bytes()?, hash)).await?;
    cx.ui.object(&view, |style| gofer_views::objects::put(&view, style))?;
    Ok(Exit::Ok)
}

/// The key, or the name of the file.
fn key(args: &ObjectPut) -> Result<String, Failure> {
    if let Some(key) = &args.key {
        return Ok(key.clone());
    }
    let name = args.file.file_name().filter(|_| args.file.as_os_str() != STREAM);
    name.and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(|| {
        Failure::usage("E0002", format!("{} has no name that could be a key", args.file.display()))
            .hint("name the key behind it")
    })
}

/// Sends bytes, and looks whether the server has the same.
pub(super) async fn send(
    cx: &Cx,
    remote: &Client,
    header: pb::PutObjectHeader,
    (bytes, hash): (impl Stream<Item = Result<bytes::Bytes, Failure>> + Send + 'static, Hash),
) -> Result<Object, Failure> {
    let answer = remote.put_object(header, bytes).await.map_err(|error| match error {
        PutError::Source(failure) => failure,
        PutError::Call(error) => error.into(),
    })?;
    let mut view = seen(cx, answer.object)?;
    let sent = hash.text();
    if view.sha256.as_deref() != Some(sent.as_str()) {
        let text = format!("the server has other bytes under `{}` than were sent", view.key);
        return Err(Failure::new("E0726", Exit::Invalid, text).hint("put it again with `--force`"));
    }
    view.evicted = Some(answer.evicted);
    Ok(view)
}
