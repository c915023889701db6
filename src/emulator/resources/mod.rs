//! The operations, one module a resource: the rules of its bodies, then what it does.

pub(super) mod actions;
pub(super) mod agents;
pub(super) mod calls;
pub(super) mod catalog;
pub(super) mod channels;
pub(super) mod connectors;
pub(super) mod conversations;
pub(super) mod integrations;
pub(super) mod knowledge_bases;
pub(super) mod messages;
pub(super) mod phone_numbers;
pub(super) mod workflows;
