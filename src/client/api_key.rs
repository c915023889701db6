//! What is not an API key: the mistakes of programs and of people who copy one.

/// With `Bearer ` before it, it has to fit into a header.
const LONGEST_KEY: usize = 4096;

/// Checks an API key; the error says what is wrong with it, and never shows it.
///
/// An invalid key would end in a 401 that says nothing about its cause.
pub(super) fn check_key(key: &str) -> Result<(), &'static str> {
    const QUOTES: [char; 9] = ['"', '\'', '`', '“', '”', '„', '‘', '’', '«'];
    let lower = key.to_ascii_lowercase();
    let faults = [
        (
            key.is_empty(),
            "is empty; an API key looks like sk_…, and usually is in BIMPEAI_API_KEY",
        ),
        (
            key.contains('\u{feff}'),
            "has a byte order mark in it; save the file that it is read from without one",
        ),
        (
            key.trim() != key,
            "starts or ends with whitespace or a line end; trim what is read from a file",
        ),
        (
            ["export ", "set ", "setx "]
                .iter()
                .any(|start| lower.starts_with(start)),
            "starts with a shell command such as `export`; use the API key alone",
        ),
        (
            lower.starts_with("authorization") || lower.starts_with("bearer"),
            "starts with \"Bearer\" or the name of the header; use the API key alone",
        ),
        (
            is_assignment(&lower),
            "starts with a name, as in NAME=sk_…; use the API key alone",
        ),
        (
            key.contains(QUOTES),
            "has quotes around or in it; remove them (some programs keep the quotes of a .env file)",
        ),
        (
            key.contains('\\') || lower.ends_with("%0a") || lower.ends_with("%0d"),
            "has an escape such as \\n in it instead of a line end; remove it",
        ),
        (
            key.chars().any(char::is_control),
            "has a control character, such as a line end, in it",
        ),
        (key.chars().any(char::is_whitespace), "has whitespace in it"),
        (!key.is_ascii(), "has a character in it that is not ASCII"),
        (
            key.starts_with(['$', '%', '<', '{']),
            "is a placeholder or a variable that was not expanded; use the API key itself",
        ),
        (
            key.ends_with([',', ';']),
            "ends with a comma or semicolon; remove it",
        ),
        (
            key.len() > LONGEST_KEY,
            "is longer than any API key; is it read from the right place?",
        ),
    ];
    let found = faults.into_iter().find(|(is_found, _)| *is_found);
    found.map_or(Ok(()), |(_, why)| Err(why))
}

/// Whether a key in lower case is a line of a file, such as `BIMPEAI_API_KEY=sk_1`.
fn is_assignment(lower: &str) -> bool {
    let Some((name, value)) = lower.split_once(['=', ':']) else {
        return false;
    };
    let (name, value) = (name.trim(), value.trim_matches(['=', ' ']));
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_of_key = (name.contains("key") || name.contains("token")) && !name.starts_with("sk_");
    is_name && (value.starts_with("sk_") || is_of_key && !value.is_empty())
}
