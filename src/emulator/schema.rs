//! The rules of a body or query as a table of fields, and the code that applies them.

use serde_json::Value;

use super::generation::Generation;
use super::response::{ErrorResponse, FieldError, Object};

/// A field and its rules.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    kind: Kind,
    required: bool,
    null: Null,
    /// The generation that the field belongs to.
    generation: Generation,
}

/// Whether a field may be null.
#[derive(Clone, Copy, PartialEq)]
enum Null {
    Never,
    /// To clear the field, in the first generation.
    First,
    Always,
}

impl Field {
    /// Returns the field as one that only this generation has.
    pub(super) const fn only(self, generation: Generation) -> Self {
        Field { generation, ..self }
    }
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Text up to a maximum number of characters.
    Text(usize),
    /// The same, and not only whitespace.
    Filled(usize),
    Choice(&'static [&'static str]),
    /// A choice that differs between the first generation and the current one.
    ChoiceOf(&'static [&'static str], &'static [&'static str]),
    Uri,
    Email,
    /// E.164: a plus and 7 to 15 digits, the first not 0.
    Phone,
    Flag,
    /// A whole number in a range.
    Whole(i64, i64),
    /// Any object.
    Open,
    Object(&'static [Field]),
    List(&'static Kind),
    /// A list that is not empty.
    Some(&'static Kind),
    /// Text, or an object of these fields.
    TextOr(&'static [Field]),
}

/// No documented limit.
pub(super) const ANY_LENGTH: usize = usize::MAX;

pub(super) const fn required(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: true,
        null: Null::Never,
        generation: Generation::Both,
    }
}

pub(super) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
        null: Null::Never,
        generation: Generation::Both,
    }
}

/// An optional field that may be null.
pub(super) const fn nullable(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
        null: Null::Always,
        generation: Generation::Both,
    }
}

/// An optional field that null clears in the first generation.
pub(super) const fn clearable(name: &'static str, kind: Kind) -> Field {
    Field {
        null: Null::First,
        ..optional(name, kind)
    }
}

/// Refuses a body or query that breaks a rule. The error names every such field.
pub(super) fn check(
    fields: &[Field],
    body: &Object,
    generation: Generation,
) -> Result<(), ErrorResponse> {
    let mut errors = Vec::new();
    let rules = Rules { generation };
    rules.fields(fields, body, "", &mut errors);
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ErrorResponse::validation(errors))
    }
}

/// Converts the pairs of a query to the kinds that the table expects.
pub(super) fn typed_query(fields: &[Field], pairs: Vec<(String, String)>) -> Object {
    let mut query = Object::new();
    for (name, text) in pairs {
        let kind = fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.kind);
        let value = match (kind, text.as_str()) {
            (Some(Kind::Flag), "true" | "false") => Value::Bool(text == "true"),
            (Some(Kind::Whole(..)), digits) => digits
                .parse::<i64>()
                .map_or_else(|_| Value::from(digits), Value::from),
            _ => Value::from(text),
        };
        query.insert(name, value);
    }
    query
}

struct Rules {
    generation: Generation,
}

impl Rules {
    fn fields(&self, fields: &[Field], body: &Object, at: &str, errors: &mut Vec<FieldError>) {
        for field in fields {
            let path = if at.is_empty() {
                field.name.to_owned()
            } else {
                format!("{at}.{}", field.name)
            };
            let is_known = self.generation.has(field.generation);
            match body.get(field.name) {
                None if field.required && is_known => {
                    errors.push(wrong(path, self.missing(field.kind)));
                }
                None => {}
                Some(_) if !is_known => errors.push(wrong(path, "should not exist".to_owned())),
                Some(Value::Null) if self.may_be_null(field) => {}
                Some(value) => self.value(field.kind, value, path, errors),
            }
        }
    }

    fn may_be_null(&self, field: &Field) -> bool {
        match field.null {
            Null::Never => false,
            Null::First => self.generation.has(Generation::First),
            Null::Always => true,
        }
    }

    fn value(&self, kind: Kind, value: &Value, path: String, errors: &mut Vec<FieldError>) {
        match (kind, value) {
            (Kind::Object(fields) | Kind::TextOr(fields), Value::Object(inner)) => {
                self.fields(fields, inner, &path, errors);
            }
            (Kind::List(item) | Kind::Some(item), Value::Array(items)) => {
                if matches!(kind, Kind::Some(_)) && items.is_empty() {
                    let message = "must contain at least 1 elements".to_owned();
                    errors.push(wrong(path.clone(), message));
                }
                for (index, value) in items.iter().enumerate() {
                    self.value(*item, value, format!("{path}.{index}"), errors);
                }
            }
            _ => {
                let complaint = self.complaint(kind, value);
                errors.extend(complaint.map(|message| wrong(path, message)));
            }
        }
    }

    /// Why a value does not fit its kind.
    fn complaint(&self, kind: Kind, value: &Value) -> Option<String> {
        let text = value.as_str();
        let refuse = |bad: bool, message: &str| bad.then(|| message.to_owned());
        match kind {
            Kind::Text(_) if text.is_none() => Some("must be a string".to_owned()),
            Kind::Filled(_) if text.is_none() => Some("must be a string".to_owned()),
            Kind::Filled(_) if text.is_some_and(|text| text.trim().is_empty()) => {
                Some("must not be empty".to_owned())
            }
            Kind::Text(max) | Kind::Filled(max) => refuse(
                text.is_some_and(|text| text.chars().count() > max),
                &format!("must be shorter than or equal to {max} characters"),
            ),
            Kind::Choice(options) => one_of(options, value),
            Kind::ChoiceOf(first, current) => match self.generation {
                Generation::First => one_of(first, value),
                Generation::Current => one_of(current, value),
                Generation::Both => {
                    let added = current.iter().filter(|option| !first.contains(option));
                    let options: Vec<&str> = first.iter().chain(added).copied().collect();
                    one_of(&options, value)
                }
            },
            Kind::Uri => refuse(!text.is_some_and(is_uri), "must be a URL address"),
            Kind::Email => refuse(!text.is_some_and(is_email), "must be an email"),
            Kind::Phone => refuse(
                !text.is_some_and(is_phone),
                "must be a phone number in international E.164 form, such as +2348012345678",
            ),
            Kind::Flag => refuse(!value.is_boolean(), "must be a boolean value"),
            Kind::Whole(min, max) => match whole(value) {
                None => Some("must be an integer number".to_owned()),
                Some(n) if n < min => Some(format!("must not be less than {min}")),
                Some(n) if n > max => Some(format!("must not be greater than {max}")),
                Some(_) => None,
            },
            Kind::Open => refuse(!value.is_object(), "must be an object"),
            Kind::Object(_) => Some("must be an object".to_owned()),
            Kind::List(_) | Kind::Some(_) => Some("must be an array".to_owned()),
            Kind::TextOr(_) => refuse(text.is_none(), "must be a string or an object"),
        }
    }

    fn missing(&self, kind: Kind) -> String {
        match kind {
            Kind::Text(_) | Kind::Filled(_) => "must not be empty".to_owned(),
            _ => {
                let complaint = self.complaint(kind, &Value::Null);
                complaint.unwrap_or_else(|| "is required".to_owned())
            }
        }
    }
}

fn one_of(options: &[&str], value: &Value) -> Option<String> {
    let text = value.as_str();
    let is_known = text.is_some_and(|text| options.contains(&text));
    (!is_known).then(|| {
        let options = options.join(", ");
        format!("must be one of the following values: {options}")
    })
}

fn wrong(path: String, message: String) -> FieldError {
    FieldError { path, message }
}

/// Returns a whole number. `12.0` is one.
pub(super) fn whole(value: &Value) -> Option<i64> {
    let float = || {
        value
            .as_f64()
            .filter(|n| n.fract() == 0.0 && n.abs() < 9e15)
            .map(|n| n as i64)
    };
    value.as_i64().or_else(float)
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        && !host.is_empty()
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let labels = domain.split('.').all(|label| !label.is_empty());
    !local.is_empty()
        && !local.contains('@')
        && labels
        && domain.contains('.')
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

pub(super) fn is_phone(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else {
        return false;
    };
    (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit())
}
