//! `namespace`: the borders of tenancy.

use gofer_client::v1 as pb;
use gofer_grammar::resources::Namespace;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::table::pairs;
use gofer_views::{Done, NamespaceView};

use crate::context::Cx;
use crate::remote::incomplete;

/// `namespace`.
pub(super) async fn dispatch(cx: &Cx, command: Namespace) -> Result<Exit, Failure> {
    let remote = cx.remote().await?;
    match command {
        Namespace::List(paging) => {
            let fetch = async |page| {
                let answer = remote.list_namespaces(pb::ListNamespacesRequest { page: Some(page) }).await?;
                Ok((answer.namespaces.into_iter().map(NamespaceView::from).collect(), answer.next_page_token))
            };
            cx.list::<NamespaceView, _>(&paging, ("namespace", cx.again("namespace list")), fetch).await?;
        }
        Namespace::Get(args) => {
            let request = pb::GetNamespaceRequest { name: args.name.to_string() };
            show(cx, remote.get_namespace(request).await?.namespace, "")?;
        }
        Namespace::Create(args) => {
            let request =
                pb::CreateNamespaceRequest { name: args.name.to_string(), description: args.description };
            show(cx, remote.create_namespace(request).await?.namespace, "created")?;
        }
        Namespace::Update(args) => {
            let request =
                pb::UpdateNamespaceRequest { name: args.name.to_string(), description: args.description };
            show(cx, remote.update_namespace(request).await?.namespace, "updated")?;
        }
        Namespace::Delete(args) => {
            let name = args.name.to_string();
            cx.confirm(&format!("Delete the namespace `{name}`?"))?;
            remote.delete_namespace(pb::DeleteNamespaceRequest { name: name.clone() }).await?;
            let done = Done { action: "deleted", names: vec![name] };
            cx.ui.object(&done, |_| format!("{} deleted\n", done.names.concat()))?;
        }
    }
    Ok(Exit::Ok)
}

fn show(cx: &Cx, namespace: Option<pb::Namespace>, verb: &str) -> Result<(), Failure> {
    let view = NamespaceView::from(namespace.ok_or_else(incomplete)?);
    cx.ui.object(&view, |style| {
        if !verb.is_empty() {
            return format!("{} {verb}\n", view.name);
        }
        let created = style.time(view.created.map(|at| at.0));
        let facts = [
            ("namespace", view.name.clone()),
            ("created", created),
            ("description", view.description.clone()),
        ];
        pairs(&facts, style)
    })
}
