//! `object cp`: through this program, as the server has no copy of its own.

use gofer_client::v1 as pb;
use gofer_grammar::ObjectCopy;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;

use super::fetch::Fetch;
use super::put::send;
use crate::context::Cx;

/// `object cp`.
pub(super) async fn copy(cx: &Cx, args: ObjectCopy) -> Result<Exit, Failure> {
    let from = cx.addresses.scope(&args.place.of.scope)?;
    let to = args.to_scope.as_ref().map(|scope| cx.addresses.scope(scope)).transpose()?;
    let remote = cx.remote().await?;
    let fetch = Fetch::begin(&remote, from.clone(), &args.place.key).await?;
    let header = pb::PutObjectHeader {
        scope: Some(to.unwrap_or(from)),
        key: args.to.unwrap_or(args.place.key),
        replace: args.force,
        content_type: fetch.object.content_type.clone(),
        size: Some(fetch.object.size),
        sha256: fetch.object.sha256.clone(),
    };
    let hash = fetch.hash.clone();
    let view = send(cx, &remote, header, (fetch.bytes(), hash)).await?;
    cx.ui.object(&view, |style| gofer_views::objects::put(&view, style))?;
    Ok(Exit::Ok)
}
