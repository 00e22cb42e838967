//! `secret{{ key }}` and its like: recognising them, whole or within other text.

use gofer_types::pipeline::Store;

/// The longest key.
const LONGEST: usize = 256;

const STORES: [(&str, Store); 4] = [
    ("secret", Store::Secret),
    ("global", Store::Global),
    ("pipeline", Store::Pipeline),
    ("run", Store::Run),
];

/// The store and the key that a whole text stands for; the key may be malformed.
pub(crate) fn whole(text: &str) -> Option<(Store, &str)> {
    let (word, rest) = text.trim().split_once("{{")?;
    let (_, store) = STORES.iter().find(|(name, _)| *name == word)?;
    let key = rest.strip_suffix("}}")?;
    (!key.contains("}}") && !key.contains("{{")).then(|| (*store, key.trim()))
}

/// The first reference with a proper key within a text.
pub(crate) fn within(text: &str) -> Option<&str> {
    text.match_indices("{{").find_map(|(at, _)| {
        let before = &text[..at];
        let (word, _) = STORES.iter().find(|(name, _)| before.ends_with(name))?;
        let start = at - word.len();
        let joined =
            text[..start].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let inside = &text[at + 2..];
        let end = inside[..inside.floor_char_boundary(LONGEST + 64)].find("}}")?;
        let found = !joined && key_problem(inside[..end].trim()).is_none();
        found.then(|| &text[start..at + 2 + end + 2])
    })
}

/// What is wrong with a key: keys are paths of safe segments.
pub(crate) fn key_problem(key: &str) -> Option<&'static str> {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = |c: char| first(c) || c == '-' || c == '.';
    if key.is_empty() {
        Some("the key is empty")
    } else if key.len() > LONGEST {
        Some("a key has at most 256 characters")
    } else if key.split('/').all(|segment| segment.starts_with(first) && segment.chars().all(rest)) {
        None
    } else {
        Some(
            "a key consists of letters, digits, `_`, `-` and `.`, in segments separated by `/` that start with a letter, a digit or `_`",
        )
    }
}

/// The word of a store.
pub(crate) fn store_word(store: Store) -> &'static str {
    STORES.iter().find(|(_, known)| *known == store).map_or("secret", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_text_stands_for_a_value() {
        assert_eq!(whole(" secret{{ deploy_token }} "), Some((Store::Secret, "deploy_token")));
        assert_eq!(whole("run{{a/b}}"), Some((Store::Run, "a/b")));
        assert_eq!(whole("secret{{}}"), Some((Store::Secret, "")));
    }

    #[test]
    fn other_texts_stand_for_themselves() {
        for text in ["secret", "{{ x }}", "my secret{{ x }}", "secret{{ a }} secret{{ b }}", "secrets{{ a }}"]
        {
            assert_eq!(whole(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_reference_within_a_text_is_found() {
        assert_eq!(within("curl -H secret{{ a }} x"), Some("secret{{ a }}"));
        assert_eq!(within("a{{ x }} global{{b}}"), Some("global{{b}}"));
    }

    #[test]
    fn templates_of_other_tools_are_left_alone() {
        for text in [
            "{{ .Id }}",
            "docker ps --format '{{ .run }}'",
            "my_secret{{ a }}",
            "run{{ .Values.x }}",
            "run{{",
        ] {
            assert_eq!(within(text), None, "{text:?}");
        }
    }
}
