//! Pagination: the query that all paged lists share, and the items it selects.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::response::{ErrorResponse, HandlerResult, Object, Response};
use super::schema::{Field, Kind, optional, whole};

pub(super) const PAGE: Field = optional("page", Kind::Whole(1, i64::MAX));
pub(super) const LIMIT: Field = optional("limit", Kind::Whole(1, 100));
pub(super) const SEARCH: Field = optional("search", Kind::Text(255));
pub(super) const SORT: Field = optional("sort", Kind::Text(64));

/// The query of a list that has no filters.
pub(super) const QUERY: &[Field] = &[PAGE, LIMIT, SEARCH, SORT];

/// Returns one page of the items that `search` finds, in the order of `sort`, and its `meta`.
pub(super) fn page<'a>(
    items: impl Iterator<Item = &'a Object>,
    query: &Object,
    searched: &[&str],
    sorted: &[&str],
) -> Result<(Vec<Value>, Value), ErrorResponse> {
    let mut found: Vec<&Object> = match query.get("search").and_then(Value::as_str) {
        None | Some("") => items.collect(),
        Some(words) => {
            let words = words.to_lowercase();
            items
                .filter(|item| {
                    searched
                        .iter()
                        .any(|name| mentions(item.get(*name), &words))
                })
                .collect()
        }
    };
    if let Some(sort) = query.get("sort").and_then(Value::as_str) {
        let (name, descending) = sort
            .strip_prefix('-')
            .map_or((sort, false), |name| (name, true));
        if !sorted.contains(&name) {
            let options = sorted.join(", ");
            return Err(ErrorResponse::invalid(
                "sort",
                format!("must be one of the following values: {options}"),
            ));
        }
        found.sort_by(|a, b| compare(a.get(name), b.get(name)));
        if descending {
            found.reverse();
        }
    }
    let number = |name: &str, default: i64| -> usize {
        let n = query.get(name).and_then(whole).unwrap_or(default);
        usize::try_from(n).unwrap_or(usize::MAX)
    };
    let (current, limit) = (number("page", 1), number("limit", 20));
    let total = found.len();
    let pages = total.div_ceil(limit);
    let start = current.saturating_sub(1).saturating_mul(limit).min(total);
    let data = found
        .iter()
        .skip(start)
        .take(limit)
        .map(|item| Value::Object((*item).clone()));
    let meta = json!({
        "total_count": total,
        "page_count": pages,
        "current_page": current,
        "limit": limit,
        "has_next_page": current < pages,
        "has_previous_page": current > 1 && total > 0,
    });
    Ok((data.collect(), meta))
}

/// Wraps a [`page`] in its envelope.
pub(super) fn response((data, meta): (Vec<Value>, Value)) -> HandlerResult {
    Ok(Response::json(
        200,
        &json!({ "message": "Success", "data": data, "meta": meta }),
    ))
}

fn mentions(value: Option<&Value>, words: &str) -> bool {
    match value {
        Some(Value::String(text)) => text.to_lowercase().contains(words),
        Some(Value::Array(items)) => items.iter().any(|item| mentions(Some(item), words)),
        _ => false,
    }
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::String(a)), Some(Value::String(b))) => a.cmp(b),
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => a.cmp(b),
        (Some(a), Some(b)) if a.is_number() && b.is_number() => a
            .as_f64()
            .partial_cmp(&b.as_f64())
            .unwrap_or(Ordering::Equal),
        (a, b) => a
            .is_some_and(|v| !v.is_null())
            .cmp(&b.is_some_and(|v| !v.is_null())),
    }
}
