//! Requests about objects to checked values, and the places in a list to tokens and back.

use std::fmt::Write;

use gofer_contract::Problem;
use gofer_engine::EngineError;
use gofer_engine::objects::{ObjectPath, PutObject, Sha256};
use gofer_proto::v1::object_scope::Run;
use gofer_proto::v1::{self, run_ref::Selector};
use gofer_types::PipelineRef;
use gofer_types::refs::RunSelector;
use tonic::Status;

use crate::fields::Fields;

/// How long a content type may be.
const CONTENT_TYPE: usize = 255;

/// What is meant, before it is looked up which run that is.
pub(super) type Scope = (PipelineRef, Option<RunSelector>);

/// A pipeline, or one of its runs.
pub(super) fn scope(fields: &mut Fields, field: &str, scope: Option<&v1::ObjectScope>) -> Option<Scope> {
    let Some(scope) = scope else { return fields.refuse(field, "it must be set") };
    let pipeline = v1::PipelineRef { namespace: scope.namespace.clone(), pipeline: scope.pipeline.clone() };
    let Some(run) = scope.run else {
        return fields.pipeline(field, Some(&pipeline)).map(|found| (found, None));
    };
    let selector = match run {
        Run::Number(number) => Selector::Number(number),
        Run::Latest(latest) => Selector::Latest(latest),
    };
    let v1::PipelineRef { namespace, pipeline } = pipeline;
    let run = v1::RunRef { namespace, pipeline, selector: Some(selector) };
    fields.run(field, Some(&run)).map(|(found, selector)| (found, Some(selector)))
}

/// Where one object is.
pub(super) fn place(from: Option<&v1::ObjectScope>, key: &str) -> Result<(Scope, ObjectPath), Status> {
    let mut fields = Fields::default();
    let scope = scope(&mut fields, "scope", from);
    let path = fields.object_key("key", key);
    fields.finish(scope.zip(path))
}

/// What is to be put.
pub(super) fn put(header: v1::PutObjectHeader) -> Result<(Scope, ObjectPath, PutObject), Status> {
    let mut fields = Fields::default();
    let scope = scope(&mut fields, "header.scope", header.scope.as_ref());
    let path = fields.object_key("header.key", &header.key);
    let content_type = content_type(&mut fields, header.content_type);
    let sha256 = sha256(&mut fields, &header.sha256);
    let (((scope, path), content_type), sha256) =
        fields.finish(scope.zip(path).zip(content_type).zip(sha256))?;
    let wish = PutObject { replace: header.replace, content_type, expected_size: header.size, sha256 };
    Ok((scope, path, wish))
}

fn content_type(fields: &mut Fields, text: String) -> Option<String> {
    if text.len() > CONTENT_TYPE || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        let rule = format!("it has at most {CONTENT_TYPE} printable ASCII characters");
        return fields.refuse("header.content_type", rule);
    }
    Some(text)
}

fn sha256(fields: &mut Fields, text: &str) -> Option<Option<Sha256>> {
    match text {
        "" => Some(None),
        text => match text.parse() {
            Ok(hash) => Some(Some(hash)),
            Err(_) => fields.refuse("header.sha256", "a SHA-256 is 64 hex digits"),
        },
    }
}

/// The place behind a key, as a token. Plain hex: it is pasted into shells.
pub(super) fn token(path: &ObjectPath) -> String {
    path.as_str().bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The key that a token was made of.
pub(super) fn after(token: &str) -> Result<ObjectPath, Status> {
    let refused = || Status::from(Problem::from(EngineError::InvalidPageToken));
    let (pairs, rest) = token.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    let text = bytes.filter(|_| rest.is_empty()).and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok()).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt;

    use super::*;

    fn of(pipeline: &str, run: Option<Run>) -> v1::ObjectScope {
        v1::ObjectScope { namespace: String::new(), pipeline: pipeline.to_owned(), run }
    }

    /// The code and the fields of a refusal.
    fn refused<T>(outcome: Result<T, Status>) -> (String, Vec<String>) {
        let Err(status) = outcome else { return (String::new(), Vec::new()) };
        assert_eq!(status.code(), Code::InvalidArgument);
        let fields = status.get_details_bad_request().unwrap().field_violations;
        let code = status.get_details_error_info().unwrap().reason;
        (code, fields.into_iter().map(|violation| violation.field).collect())
    }

    #[test]
    fn without_a_run_the_pipeline_is_meant() {
        let ((pipeline, run), path) = place(Some(&of("p", None)), "a/b").unwrap();
        assert_eq!((pipeline.to_string().as_str(), run, path.as_str()), ("p", None, "a/b"));
        let ((_, run), _) = place(Some(&of("p", Some(Run::Latest(0)))), "a").unwrap();
        assert_eq!(run, Some(RunSelector::Latest));
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let header = v1::PutObjectHeader {
            scope: Some(of("a b", Some(Run::Number(0)))),
            key: "../x".to_owned(),
            content_type: "text\n".to_owned(),
            sha256: "12".to_owned(),
            ..v1::PutObjectHeader::default()
        };
        let fields = ["scope.pipeline", "scope.number", "key", "content_type", "sha256"];
        let fields = fields.map(|field| format!("header.{field}")).to_vec();
        assert_eq!(refused(put(header)), ("E0090".to_owned(), fields));
        assert_eq!(refused(place(None, "a")), ("E0090".to_owned(), vec!["scope".to_owned()]));
    }

    #[test]
    fn a_key_that_is_wrong_alone_has_a_code_of_its_own() {
        for key in
            ["", "/", "../x", "a/..", "a//b", "a/", "/a", "a\\b", "a\0b", "a\u{202e}b", &"x".repeat(129)]
        {
            let (code, fields) = refused(place(Some(&of("p", None)), key));
            assert_eq!(
                (code.as_str(), fields.as_slice()),
                ("E0724", ["key".to_owned()].as_slice()),
                "{key:?}"
            );
        }
        assert!(place(Some(&of("p", None)), "%2e%2e/a b").is_ok(), "nothing is decoded");
    }

    #[test]
    fn a_token_reads_back_and_another_text_is_none() {
        for key in ["a", "out/a b.tar", "ü/%2e%2e"] {
            let path: ObjectPath = key.parse().unwrap();
            assert_eq!(after(&token(&path)).unwrap(), path);
        }
        for wrong in ["a", "zz", "é", "2e2e", "ff", "+a"] {
            assert_eq!(
                after(wrong).unwrap_err().get_details_error_info().unwrap().reason,
                "E0311",
                "{wrong}"
            );
        }
    }
}
