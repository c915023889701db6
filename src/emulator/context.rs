//! What the handler of an operation works with.

use serde_json::Value;

use super::options::Options;
use super::response::{Object, Response};
use super::state::State;

pub(super) struct Context<'a> {
    pub(super) state: &'a mut State,
    pub(super) options: &'a Options,
    /// The ids in the path, in order.
    pub(super) ids: Vec<String>,
    pub(super) query: Object,
    pub(super) body: Object,
    /// The request only looks: it must not change what it reads.
    pub(super) is_peek: bool,
}

impl Context<'_> {
    pub(super) fn id(&self, index: usize) -> String {
        self.ids.get(index).cloned().unwrap_or_default()
    }

    /// A success that is documented both with a body and without one.
    pub(super) fn ok_or_bodyless(&self, data: impl Into<Value>) -> Response {
        if self.options.bodyless_successes {
            Response::bodyless()
        } else {
            Response::ok(data)
        }
    }
}
