//! The configuration as it stands, each value with its origin, secrets hidden.

use toml::Value;

use crate::complaint::Origin;
use crate::config::Config;
use crate::instance::Instance;
use crate::keys::keys;
use crate::layer::{Layer, dotted, quoted};

/// What stands in place of a secret.
pub(crate) const REDACTED: &str = "<redacted>";

/// A backend's key that contains one of these holds a secret...
const SECRET_WORDS: [&str; 9] =
    ["token", "password", "passwd", "passphrase", "secret", "credential", "private", "api_key", "access_key"];
/// ...unless it only says where the secret is.
const NOT_SECRET_ENDINGS: [&str; 4] = ["_file", "_path", "_dir", "_name"];

/// One value as `config show` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The key, such as `server.listen`.
    pub key: String,
    /// The value as TOML; a secret is replaced by `"<redacted>"`.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// All values: ours in the order of the key table, then those of the backends. What was left open (the default of a
/// family, the kind of an instance) is shown as it was decided.
pub(crate) fn show(merged: &Layer, config: &Config) -> Vec<Shown> {
    let families = [&config.storage, &config.scheduler, &config.objects];
    let ours = keys().iter().filter_map(|key| {
        let leaf = merged.leaf(key.section, key.name)?;
        let decided = families.iter().find(|family| family.section == key.section);
        let value =
            decided.map_or_else(|| plain(&leaf.value), |family| plain(&family.default.as_str().into()));
        Some(Shown { key: key.path(), value, origin: leaf.origin.clone() })
    });
    ours.chain(families.into_iter().flat_map(|family| &family.instances).flat_map(instance)).collect()
}

fn instance(instance: &Instance) -> impl Iterator<Item = Shown> {
    let table = [instance.family.to_owned(), instance.name.clone()];
    let kind = Shown {
        key: dotted(&table) + ".kind",
        value: plain(&instance.kind.as_str().into()),
        origin: instance.kind_origin.clone(),
    };
    let settings = instance.leaves().map(move |(path, value, origin)| {
        let value = if is_secret(path) { Value::from(REDACTED).to_string() } else { plain(value) };
        Shown { key: dotted(&[&table, path].concat()), value, origin: origin.clone() }
    });
    std::iter::once(kind).chain(settings)
}

/// The values as a file that could be loaded again, secrets aside; with origins as comments where asked.
pub(crate) fn render(shown: &[Shown], with_origins: bool) -> String {
    let lines: Vec<String> = shown.iter().map(|one| format!("{} = {}", one.key, one.value)).collect();
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (line, one) in lines.iter().zip(shown) {
        if with_origins {
            text.push_str(&format!("{line:width$}  # {}", one.origin));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

/// Whether the value at this place of a backend's table must not be shown.
pub(crate) fn is_secret(path: &[String]) -> bool {
    path.iter().any(|name| {
        let name = name.to_lowercase();
        SECRET_WORDS.iter().any(|word| name.contains(word))
            && !NOT_SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
    })
}

/// A value as TOML; the user and password of a URL are hidden.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => Value::from(without_userinfo(text)).to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) => {
            let entries: Vec<String> = table.iter().map(|(name, value)| entry(name, value)).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn entry(name: &str, value: &Value) -> String {
    let value = if is_secret(&[name.to_owned()]) { format!("{REDACTED:?}") } else { plain(value) };
    format!("{} = {value}", quoted(name))
}

fn without_userinfo(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let authority = rest.find('/').map_or(rest, |end| &rest[..end]);
    match authority.rfind('@') {
        Some(at) => format!("{scheme}://{REDACTED}{}", &rest[at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_sound_like_secrets_are_hidden_and_places_of_secrets_are_not() {
        for (name, secret) in [
            ("token", true),
            ("GITHUB_TOKEN", true),
            ("db_password", true),
            ("token_file", false),
            ("path", false),
            ("client_secret", true),
            ("secret_name", false),
        ] {
            assert_eq!(is_secret(&[name.to_owned()]), secret, "{name}");
        }
    }

    #[test]
    fn a_table_of_secrets_hides_all_that_is_in_it() {
        assert!(is_secret(&["credentials".to_owned(), "user".to_owned()]));
    }

    #[test]
    fn the_password_of_a_url_is_hidden() {
        assert_eq!(without_userinfo("https://me:pw@host/x@y"), "https://<redacted>@host/x@y");
        assert_eq!(without_userinfo("https://host/x@y"), "https://host/x@y");
        assert_eq!(plain(&Value::from(vec!["http://a:b@c"])), "[\"http://<redacted>@c\"]");
    }
}
