//! The contract itself: everything is documented, every call says what it needs, and nothing changes unseen.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the contract has failed")]

use std::fmt::Write;

use prost_reflect::{
    DescriptorPool, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value,
};

fn pool() -> DescriptorPool {
    DescriptorPool::decode(gofer_proto::FILE_DESCRIPTOR_SET).unwrap()
}

fn files(pool: &DescriptorPool) -> Vec<FileDescriptor> {
    pool.files().filter(|file| file.package_name() == "gofer.v1").collect()
}

fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// The messages of the contract with the nested ones, but without the entries of maps.
fn messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    pool.all_messages()
        .filter(|message| message.package_name() == "gofer.v1" && !message.is_map_entry())
        .collect()
}

fn is_documented(file: &FileDescriptor, path: &[i32]) -> bool {
    let source = file.file_descriptor_proto().source_code_info.as_ref();
    source.is_some_and(|info| {
        info.location.iter().any(|place| place.path == path && !place.leading_comments().trim().is_empty())
    })
}

fn option(method: &MethodDescriptor, name: &str) -> Option<Value> {
    let extension = method.parent_pool().get_extension_by_name(name).unwrap();
    let options = method.options();
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

fn resource(method: &MethodDescriptor) -> Option<String> {
    option(method, "gofer.v1.resource").and_then(|value| value.as_str().map(str::to_owned))
}

/// The dotted paths of every field of a request that names a namespace, in nested messages too.
fn namespace_fields(message: &MessageDescriptor, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for field in message.fields() {
        let path = format!("{prefix}{}", field.name());
        match field.kind() {
            Kind::String if field.name() == "namespace" => found.push(path),
            Kind::Message(inner) if inner.package_name() == "gofer.v1" => {
                found.extend(namespace_fields(&inner, &format!("{path}.")));
            }
            _ => {}
        }
    }
    found
}

fn field_at(message: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    match path.split_once('.') {
        None => message.get_field_by_name(path),
        Some((head, rest)) => match message.get_field_by_name(head)?.kind() {
            Kind::Message(inner) => field_at(&inner, rest),
            _ => None,
        },
    }
}

#[test]
fn everything_in_the_contract_is_documented() {
    let pool = pool();
    let mut bare = Vec::new();
    let mut check = |file: &FileDescriptor, path: &[i32], name: &str| {
        if !is_documented(file, path) {
            bare.push(name.to_owned());
        }
    };
    for message in messages(&pool) {
        check(&message.parent_file(), message.path(), message.full_name());
        for field in message.fields() {
            check(&message.parent_file(), field.path(), field.full_name());
        }
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            check(&message.parent_file(), oneof.path(), oneof.full_name());
        }
    }
    for words in pool.all_enums().filter(|words| words.package_name() == "gofer.v1") {
        check(&words.parent_file(), words.path(), words.full_name());
        for value in words.values() {
            check(&words.parent_file(), value.path(), value.full_name());
        }
    }
    for service in pool.services() {
        check(&service.parent_file(), service.path(), service.full_name());
        for method in service.methods() {
            check(&service.parent_file(), method.path(), method.full_name());
        }
    }
    assert_eq!(bare, Vec::<String>::new(), "a comment above each, please");
}

#[test]
fn every_call_says_which_permission_it_needs() {
    let pool = pool();
    assert!(!methods(&pool).is_empty());
    for method in methods(&pool) {
        let permission = option(&method, "gofer.v1.permission").and_then(|value| value.as_enum_number());
        assert!(permission.is_some_and(|number| number > 0), "{}", method.full_name());
    }
}

#[test]
fn every_call_says_which_field_names_the_namespace_and_the_field_is_there() {
    let pool = pool();
    for method in methods(&pool) {
        let path = resource(&method).unwrap_or_else(|| panic!("{} has no resource", method.full_name()));
        if !path.is_empty() && path != "*" {
            let field = field_at(&method.input(), &path);
            assert!(
                field.is_some_and(|field| field.kind() == Kind::String),
                "{}: {path}",
                method.full_name()
            );
        }
    }
}

#[test]
fn no_request_names_a_namespace_beside_the_one_that_is_checked() {
    let pool = pool();
    for method in methods(&pool) {
        let path = resource(&method).unwrap_or_default();
        for found in namespace_fields(&method.input(), "") {
            assert!(found == path || path == "*", "{}: {found} is not {path}", method.full_name());
        }
    }
}

#[test]
fn each_request_and_each_response_belongs_to_one_call() {
    for method in methods(&pool()) {
        assert_eq!(method.input().name(), format!("{}Request", method.name()));
        assert_eq!(method.output().name(), format!("{}Response", method.name()));
    }
}

#[test]
fn every_enum_has_a_zero_that_says_nothing() {
    for words in pool().all_enums().filter(|words| words.package_name() == "gofer.v1") {
        let zero = words.get_value(0).unwrap();
        assert!(zero.name().ends_with("_UNSPECIFIED"), "{}", zero.full_name());
    }
}

/// A change of this snapshot is a change of the contract: additions are fine, everything else breaks somebody.
#[test]
fn the_surface_of_the_contract_changes_only_on_purpose() {
    insta::assert_snapshot!("surface", surface(&pool()));
}

fn surface(pool: &DescriptorPool) -> String {
    let mut lines = Vec::new();
    for file in files(pool) {
        lines.extend(
            file.services()
                .flat_map(|service| service.methods().collect::<Vec<_>>())
                .map(|m| method_line(&m)),
        );
    }
    for message in messages(pool) {
        lines.push(format!("message {}", message.full_name()));
        let mut fields: Vec<FieldDescriptor> = message.fields().collect();
        fields.sort_by_key(FieldDescriptor::number);
        lines.extend(fields.iter().map(|field| format!("message {}", field_line(field))));
    }
    for words in pool.all_enums().filter(|words| words.package_name() == "gofer.v1") {
        lines.extend(words.values().map(|value| format!("enum {} = {}", value.full_name(), value.number())));
    }
    lines.sort();
    lines.join("\n")
}

fn method_line(method: &MethodDescriptor) -> String {
    let permission =
        option(method, "gofer.v1.permission").and_then(|value| value.as_enum_number()).unwrap_or(0);
    let stream = |streams| if streams { "stream " } else { "" };
    let (input, output) = (method.input(), method.output());
    format!(
        "rpc {} ({}{}) -> {}{} permission {permission} resource {:?}",
        method.full_name(),
        stream(method.is_client_streaming()),
        input.name(),
        stream(method.is_server_streaming()),
        output.name(),
        resource(method).unwrap_or_default()
    )
}

fn field_line(field: &FieldDescriptor) -> String {
    let mut line = format!("{} = {}", field.full_name(), field.number());
    let label = match (field.is_map(), field.is_list(), field.field_descriptor_proto().proto3_optional()) {
        (true, ..) => " map",
        (_, true, _) => " repeated",
        (.., true) => " optional",
        _ => "",
    };
    let _ = write!(line, "{label} {:?}", field.kind());
    if let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
        let _ = write!(line, " oneof {}", oneof.name());
    }
    line
}
