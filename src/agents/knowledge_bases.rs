//! What an agent knows.

use crate::client::handle;
use crate::http::path::Path;
use crate::request::Request;
use crate::types::{body, object, open_enum};

handle! {
    /// The knowledge bases of agents, from [`Agents::knowledge_bases`](super::Agents::knowledge_bases).
    pub struct KnowledgeBases;
}

impl KnowledgeBases {
    /// Lists all that an agent knows; the API does not page this list.
    ///
    /// `GET /agents/{agent_id}/knowledge_bases`. All generations.
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<KnowledgeBaseItem>> {
        Request::get(&self.client, root(agent_id))
    }

    /// Gives an agent something to know.
    ///
    /// `POST /agents/{agent_id}/knowledge_bases`. All generations.
    pub fn create(
        &self,
        agent_id: impl AsRef<str>,
        body: CreateKnowledgeBase,
    ) -> Request<KnowledgeBaseItem> {
        Request::post(&self.client, root(agent_id), &body)
    }

    /// Changes something that an agent knows; what the body leaves out stays as it is.
    ///
    /// `PATCH /agents/{agent_id}/knowledge_bases/{kb_id}`. All generations.
    pub fn update(
        &self,
        agent_id: impl AsRef<str>,
        kb_id: impl AsRef<str>,
        body: UpdateKnowledgeBase,
    ) -> Request<KnowledgeBaseItem> {
        Request::patch(&self.client, root(agent_id).id("kb_id", kb_id), &body)
    }

    /// Deletes a knowledge base.
    ///
    /// [`list`](Self::list) is not paginated, so deleting while iterating over it skips none.
    ///
    /// `DELETE /agents/{agent_id}/knowledge_bases/{kb_id}`.
    pub fn delete(&self, agent_id: impl AsRef<str>, kb_id: impl AsRef<str>) -> Request<()> {
        Request::delete(&self.client, root(agent_id).id("kb_id", kb_id))
    }
}

fn root(agent_id: impl AsRef<str>) -> Path {
    super::path(agent_id).then("knowledge_bases")
}

open_enum! {
    /// Where the content of a knowledge base comes from.
    pub enum KnowledgeBaseType ("type of a knowledge base") {
        /// From a text that is given.
        Text = "text",
        /// From a web page that the server reads.
        Url = "url",
    }
}

object! {
    /// Something that an agent knows.
    pub struct KnowledgeBaseItem {
        /// Identifier.
        [required] id: String,
        /// Where its content comes from.
        r#type = "type": KnowledgeBaseType,
        /// What it is called.
        name: String,
        /// What it is about.
        description: Option<String>,
        /// The web page that it comes from. Since 0.2.
        url: Option<String>,
        /// The content. Since 0.2.
        content: Option<String>,
    }
}

/// The first generation's name for [`KnowledgeBaseItem`], whose `url` and `content` it leaves out.
pub type KnowledgeBase = KnowledgeBaseItem;

object! {
    /// Something that an agent knows, without its content, as the agent itself has it.
    pub struct KnowledgeBaseSummary {
        /// Identifier.
        [required] id: String,
        /// Where its content comes from.
        r#type = "type": KnowledgeBaseType,
        /// What it is called.
        name: String,
        /// What it is about.
        description: Option<String>,
    }
}

body! {
    /// Something for an agent to know.
    ///
    /// ```
    /// use bimpeai::agents::CreateKnowledgeBase;
    ///
    /// let menu = CreateKnowledgeBase::text("Menu", "Margherita pizza £12.")
    ///     .description("What there is to eat.");
    /// let hours = CreateKnowledgeBase::url("Hours", "https://example.com/hours");
    /// ```
    pub struct CreateKnowledgeBase {
        required {
            /// Where the content comes from.
            r#type: KnowledgeBaseType,
            /// At most 255 characters.
            name: String,
        }
        plain {
            /// Needed for a text; at most 2,500 characters.
            content: String,
            /// Needed for a web page: its URL.
            url: String,
        }
        nullable {
            /// At most 1,000 characters. The current API documents no null here.
            description / clear_description: String,
        }
    }
}

impl CreateKnowledgeBase {
    /// A text of at most 2,500 characters.
    #[must_use]
    pub fn text(name: impl Into<String>, content: impl Into<String>) -> Self {
        let mut body = Self::new(KnowledgeBaseType::Text, name);
        body.content = Some(content.into());
        body
    }

    /// A web page, which the server reads.
    #[must_use]
    pub fn url(name: impl Into<String>, url: impl Into<String>) -> Self {
        let mut body = Self::new(KnowledgeBaseType::Url, name);
        body.url = Some(url.into());
        body
    }
}

body! {
    /// What is changed on a knowledge base. The current API documents no nulls here.
    pub struct UpdateKnowledgeBase {
        optional {
            /// At most 255 characters.
            name: String,
        }
        nullable {
            /// At most 1,000 characters.
            description / clear_description: String,
            /// Of a text only; at most 2,500 characters.
            content / clear_content: String,
            /// Of a web page only: its URL, which the server reads anew.
            url / clear_url: String,
        }
    }
}
