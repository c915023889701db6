//! The operations, one module for each resource: the fields of its request bodies, then its
//! handlers.

pub(super) mod actions;
pub(super) mod agents;
pub(super) mod calls;
mod capabilities;
mod catalog;
pub(super) mod channels;
pub(super) mod conversation_flows;
pub(super) mod conversations;
pub(super) mod integrations;
pub(super) mod knowledge_bases;
pub(super) mod library;
pub(super) mod messages;
pub(super) mod phone_numbers;
pub(super) mod workflows;
