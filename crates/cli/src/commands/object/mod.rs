//! `object`: bytes under a key, of a pipeline or of a run. Where bytes go is in the files below.

mod copy;
mod fetch;
mod get;
mod put;

use gofer_client::{Client, v1 as pb};
use gofer_grammar::{Object, ObjectList, ObjectPlace};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_types::Namespace;
use gofer_views::follow::Memory;
use gofer_views::human::quoted;
use gofer_views::objects::{object, usage};
use gofer_views::{Done, ObjectUsage};

use crate::context::Cx;
use crate::remote::incomplete;

/// `object`.
pub(super) async fn dispatch(cx: &Cx, command: Object) -> Result<Exit, Failure> {
    match command {
        Object::List(args) => list(cx, &args).await,
        Object::Get(args) => get::get(cx, &args).await,
        Object::Put(args) => put::put(cx, &args).await,
        Object::Delete(place) => delete(cx, &place).await,
        Object::Cp(args) => copy::copy(cx, args).await,
        Object::Stat(place) => stat(cx, &place).await,
        Object::Usage => used(cx).await,
    }
}

/// What the server says that an object is. A run that it belongs to was touched.
fn seen(cx: &Cx, object: Option<pb::Object>) -> Result<gofer_views::Object, Failure> {
    let object = object.ok_or_else(incomplete)?;
    if object.run > 0 {
        cx.addresses.remember(&object.namespace, &object.pipeline, object.run);
    }
    Ok(object.into())
}

async fn list(cx: &Cx, args: &ObjectList) -> Result<Exit, Failure> {
    let scope = cx.addresses.scope(&args.of.scope)?;
    let remote = cx.remote().await?;
    let below = args.below.clone().unwrap_or_default();
    let mut again = "object list".to_owned();
    again.extend(args.below.iter().map(|key| format!(" {}", quoted(key))));
    again.push_str(&format!(" --scope {}", quoted(&args.of.scope.to_string())));
    let fetch = async |page| {
        let (scope, below) = (Some(scope.clone()), below.clone());
        let answer = remote.list_objects(pb::ListObjectsRequest { scope, below, page: Some(page) }).await?;
        Ok((answer.objects.into_iter().map(Into::into).collect(), answer.next_page_token))
    };
    cx.list::<gofer_views::Object, _>(&args.paging, ("object", cx.again(&again)), fetch).await?;
    Ok(Exit::Ok)
}

async fn stat(cx: &Cx, place: &ObjectPlace) -> Result<Exit, Failure> {
    let scope = cx.addresses.scope(&place.of.scope)?;
    let found = head(&cx.remote().await?, scope, &place.key).await?;
    let view = seen(cx, Some(found))?;
    cx.ui.object(&view, |style| object(&view, style))?;
    Ok(Exit::Ok)
}

async fn head(remote: &Client, scope: pb::ObjectScope, key: &str) -> Result<pb::Object, Failure> {
    let request = pb::HeadObjectRequest { scope: Some(scope), key: key.to_owned() };
    remote.head_object(request).await?.object.ok_or_else(incomplete)
}

async fn delete(cx: &Cx, place: &ObjectPlace) -> Result<Exit, Failure> {
    let scope = cx.addresses.scope(&place.of.scope)?;
    let remote = cx.remote().await?;
    let of = format!("`{}` of {}", place.key, place.of.scope);
    cx.confirm(&format!("Delete {of}? It cannot be brought back."))?;
    let request = pb::DeleteObjectRequest { scope: Some(scope), key: place.key.clone() };
    let existed = remote.delete_object(request).await?.existed;
    let (action, names) = if existed { ("deleted", vec![place.key.clone()]) } else { ("absent", Vec::new()) };
    cx.ui.object(&Done { action, names }, |_| match existed {
        true => format!("deleted {of}\n"),
        false => format!("there is no {of}; nothing was changed\n"),
    })?;
    Ok(Exit::Ok)
}

async fn used(cx: &Cx) -> Result<Exit, Failure> {
    let named = cx.addresses.namespace();
    let request = pb::GetObjectUsageRequest { namespace: named.clone() };
    let answer = cx.remote().await?.get_object_usage(request).await?;
    let namespace = if named.is_empty() { Namespace::default_name().to_string() } else { named };
    let pb::GetObjectUsageResponse { used, reserved, limit } = answer;
    let view = ObjectUsage { namespace, used, reserved, limit };
    cx.ui.object(&view, |style| usage(&view, style))?;
    Ok(Exit::Ok)
}
