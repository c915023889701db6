//! Patterns that select requests by method and path.

use percent_encoding::percent_decode_str;

use super::http::PREFIX;

const METHODS: [&str; 9] = [
    "*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
];

/// The paths on which streams open: today's, and that of the first releases of the API.
pub(super) const STREAM_PATHS: [&str; 2] = [
    "/agents/*/conversations/*/stream",
    "/agents/*/conversations/*/messages/stream",
];

/// Any path.
const ANY: &str = "/**";

/// A method and a path below the API's prefix, either with wildcards.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    method: String,
    path: String,
}

impl Pattern {
    pub(super) fn any() -> Self {
        Pattern {
            method: "*".to_owned(),
            path: ANY.to_owned(),
        }
    }

    /// Returns the pattern, or why it can never match a request and what to write instead.
    pub(super) fn new(method: &str, path: &str) -> Result<Self, String> {
        let method = method.to_ascii_uppercase();
        if !METHODS.contains(&method.as_str()) {
            let known = METHODS.join(", ");
            return Err(format!(
                "method {method:?} can never match: expected one of {known}"
            ));
        }
        if let Some(problem) = problem(path) {
            let instead = repaired(path);
            return Err(format!(
                "path {path:?} can never match: {problem}; write {instead:?}"
            ));
        }
        let path = path.to_owned();
        Ok(Pattern { method, path })
    }

    /// Returns whether a request with this method and path, as sent but without the API's prefix,
    /// is selected.
    pub(super) fn matches(&self, method: &str, path: &str) -> bool {
        self.is_for(method)
            && (self.path == ANY
                || fits(&self.path, path, |wanted, segment| {
                    wanted == segment || percent_decode_str(segment).decode_utf8_lossy() == wanted
                }))
    }

    /// Returns whether some request of a route is selected; a segment `*` of the route is an id.
    pub(super) fn overlaps(&self, method: &str, route: &str) -> bool {
        self.is_for(method)
            && fits(&self.path, route, |wanted, segment| {
                segment == "*" || wanted == segment
            })
    }

    fn is_for(&self, method: &str) -> bool {
        self.method == "*" || self.method.eq_ignore_ascii_case(method)
    }
}

/// Whether each segment of a pattern fits its segment of a path.
fn fits(pattern: &str, path: &str, same: impl Fn(&str, &str) -> bool) -> bool {
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        if wanted == "**" {
            return segments.next().is_some();
        }
        let Some(segment) = segments.next() else {
            return false;
        };
        if wanted != "*" && !same(wanted, segment) {
            return false;
        }
    }
    segments.next().is_none()
}

/// Why a path can never match a request below the API's prefix.
fn problem(path: &str) -> Option<&'static str> {
    if path.contains("://") {
        return Some("it is a URL, and only the path below the API's prefix is compared");
    }
    if path.contains(['?', '#']) {
        return Some("the query is not compared");
    }
    let Some(inner) = path.strip_prefix('/') else {
        return Some("it does not start with \"/\"");
    };
    if below_prefix(path).is_some() {
        return Some("it is compared without the API's prefix");
    }
    let segments: Vec<&str> = inner.split('/').collect();
    let (last, before) = segments.split_last()?;
    if last.is_empty() {
        return Some("no path of the API ends with \"/\"");
    }
    if before.contains(&"") {
        return Some("it has an empty segment");
    }
    if before.contains(&"**") {
        return Some("\"**\" is only allowed at the end");
    }
    if segments.iter().any(|segment| is_partial(segment)) {
        return Some("\"*\" stands for a whole segment");
    }
    if segments.iter().any(|segment| is_placeholder(segment)) {
        return Some("an id of any value is written \"*\"");
    }
    None
}

/// A wildcard inside a segment.
fn is_partial(segment: &str) -> bool {
    segment.contains('*') && !matches!(segment, "*" | "**")
}

/// `{agent_id}` or `:agent_id`, as documents and routers write an id.
fn is_placeholder(segment: &str) -> bool {
    let name = segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .or_else(|| segment.strip_prefix(':'));
    name.is_some_and(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

/// The path that was probably meant.
fn repaired(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = match path.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => path,
    };
    let path = below_prefix(path).unwrap_or(path);
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let mut repaired = String::new();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        repaired.push('/');
        repaired.push_str(match *segment {
            // On its own it means any path.
            "*" if segments.len() == 1 && !path.starts_with('/') => "**",
            "**" if is_last => "**",
            segment if segment.contains('*') || is_placeholder(segment) => "*",
            segment => segment,
        });
    }
    if repaired.is_empty() {
        ANY.to_owned()
    } else {
        repaired
    }
}

/// What follows the API's prefix, if the path has it.
fn below_prefix(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, met) in [
            ("/**", "/agents/a/calls", true),
            ("/**", "*", true),
            ("/agents", "/agents", true),
            ("/agents", "/agents/a", false),
            ("/agents/*", "/agents/a", true),
            ("/agents/*", "/agents", false),
            ("/agents/*/calls", "/agents/a%2Fb/calls", true),
            ("/agents/a b", "/agents/a%20b", true),
            ("/agents/a%20b", "/agents/a%20b", true),
            ("/agents/**", "/agents/a/calls", true),
            ("/agents/**", "/agents", false),
            ("/agents/**", "/workflows", false),
        ] {
            let pattern = Pattern::new("*", pattern).unwrap();
            assert_eq!(pattern.matches("GET", path), met, "{pattern:?} {path}");
        }
    }

    #[test]
    fn an_unmatchable_path_is_refused_with_a_suggestion() {
        for (path, instead) in [
            ("", "/**"),
            ("/", "/**"),
            ("*", "/**"),
            ("**", "/**"),
            ("agents", "/agents"),
            ("agents/*", "/agents/*"),
            (" /agents", "/ /agents"),
            ("/agents/", "/agents"),
            ("/agents//calls", "/agents/calls"),
            ("/agents?page=1", "/agents"),
            ("/agents#top", "/agents"),
            ("/agents*", "/*"),
            ("/agents/agt_*", "/agents/*"),
            ("/agents/***", "/agents/*"),
            ("/agents/**/calls", "/agents/*/calls"),
            ("/**/calls", "/*/calls"),
            ("/agents/{agent_id}/calls", "/agents/*/calls"),
            ("/agents/:agent_id", "/agents/*"),
            ("/api/v1/console", "/**"),
            ("/api/v1/console/agents", "/agents"),
            ("/api/v1/console/**", "/**"),
            ("http://127.0.0.1:8080/api/v1/console/agents", "/agents"),
            ("https://api.bimpe.ai", "/**"),
        ] {
            let refused = Pattern::new("GET", path).unwrap_err();
            assert!(
                refused.starts_with(&format!("path {path:?} can never match: ")),
                "{refused}"
            );
            assert!(
                refused.ends_with(&format!("; write {instead:?}")),
                "{refused}"
            );
            if path != " /agents" {
                assert!(Pattern::new("GET", instead).is_ok(), "{instead}");
            }
        }
    }

    #[test]
    fn a_method_that_does_not_exist_is_refused() {
        for method in ["", "GETS", "POST|PATCH", "GET /agents", "**"] {
            let refused = Pattern::new(method, "/agents").unwrap_err();
            assert!(refused.contains("expected one of *, GET, "), "{refused}");
        }
        for method in ["get", "Patch", "*"] {
            assert!(Pattern::new(method, "/agents").is_ok(), "{method}");
        }
    }
}
