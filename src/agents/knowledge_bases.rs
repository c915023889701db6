//! Knowledge bases: the texts and web pages that an agent replies from.

use crate::client::handle;
use crate::http::path::Path;
use crate::request::Request;
use crate::types::{body, object, open_enum};

handle! {
    /// The knowledge bases of agents, from [`Agents::knowledge_bases`](super::Agents::knowledge_bases).
    ///
    /// A knowledge base is a text of up to 2,500 characters or a web page. Split a longer text into
    /// several knowledge bases.
    pub struct KnowledgeBases;
}

impl KnowledgeBases {
    /// Lists the knowledge bases of an agent. Not paginated.
    ///
    /// `GET /agents/{agent_id}/knowledge_bases`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// for item in client.agents().knowledge_bases().list(&agent.id) {
    ///     let item = item?;
    ///     println!("{} {} ({})", item.id, item.name, item.r#type);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<KnowledgeBaseItem>> {
        Request::get(&self.client, root(agent_id))
    }

    /// Creates a knowledge base.
    ///
    /// `POST /agents/{agent_id}/knowledge_bases`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// use bimpeai::agents::CreateKnowledgeBase;
    ///
    /// let knowledge = client.agents().knowledge_bases();
    ///
    /// let menu = CreateKnowledgeBase::text("Menu", "Jollof rice is 4,500 naira.")
    ///     .description("Dishes and prices.");
    /// knowledge.create(&agent.id, menu).send()?;
    ///
    /// // The server reads the page.
    /// let hours = CreateKnowledgeBase::url("Hours", "https://example.com/hours");
    /// knowledge.create(&agent.id, hours).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create(
        &self,
        agent_id: impl AsRef<str>,
        body: CreateKnowledgeBase,
    ) -> Request<KnowledgeBaseItem> {
        Request::post(&self.client, root(agent_id), &body)
    }

    /// Updates a knowledge base. Fields that are not set keep their values.
    ///
    /// `PATCH /agents/{agent_id}/knowledge_bases/{kb_id}`.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// # use bimpeai::agents::CreateKnowledgeBase;
    /// # let menu = CreateKnowledgeBase::text("Menu", "Jollof rice.");
    /// # client.agents().knowledge_bases().create(&agent.id, menu).send()?;
    /// use bimpeai::agents::UpdateKnowledgeBase;
    ///
    /// let knowledge = client.agents().knowledge_bases();
    /// let items = knowledge.list(&agent.id).send()?;
    /// if let Some(menu) = items.iter().find(|item| item.name == "Menu") {
    ///     let prices = UpdateKnowledgeBase::new()
    ///         .content("Jollof rice is 5,000 naira.");
    ///     knowledge.update(&agent.id, &menu.id, prices).send()?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// # use bimpeai::agents::CreateKnowledgeBase;
    /// # let menu = CreateKnowledgeBase::text("Menu 2025", "Jollof rice.");
    /// # client.agents().knowledge_bases().create(&agent.id, menu).send()?;
    /// let knowledge = client.agents().knowledge_bases();
    /// for item in knowledge.list(&agent.id) {
    ///     let item = item?;
    ///     if item.name.ends_with(" 2025") {
    ///         knowledge.delete(&agent.id, &item.id).send()?;
    ///     }
    /// }
    /// # assert!(knowledge.list(&agent.id).send()?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete(&self, agent_id: impl AsRef<str>, kb_id: impl AsRef<str>) -> Request<()> {
        Request::delete(&self.client, root(agent_id).id("kb_id", kb_id))
    }
}

fn root(agent_id: impl AsRef<str>) -> Path {
    super::path(agent_id).then("knowledge_bases")
}

open_enum! {
    /// The source of a knowledge base.
    pub enum KnowledgeBaseType ("type of a knowledge base") {
        /// Text in the request.
        Text = "text",
        /// Web page that the server reads.
        Url = "url",
    }
}

object! {
    /// A knowledge base.
    pub struct KnowledgeBaseItem {
        /// Identifier.
        [required] id: String,
        /// Source of the content.
        r#type = "type": KnowledgeBaseType,
        /// Display name.
        name: String,
        /// Summary of the content.
        description: Option<String>,
        /// URL of the web page. API 0.2+.
        url: Option<String>,
        /// Content. API 0.2+.
        content: Option<String>,
    }
}

/// Alias of [`KnowledgeBaseItem`], as in the Python SDK of API 0.1, which has no `url` and `content`.
pub type KnowledgeBase = KnowledgeBaseItem;

object! {
    /// A knowledge base without its content, as part of an agent.
    pub struct KnowledgeBaseSummary {
        /// Identifier.
        [required] id: String,
        /// Source of the content.
        r#type = "type": KnowledgeBaseType,
        /// Display name.
        name: String,
        /// Summary of the content.
        description: Option<String>,
    }
}

body! {
    /// A new knowledge base, for [`KnowledgeBases::create`].
    ///
    /// [`text`](Self::text) and [`url`](Self::url) create it with its content.
    ///
    /// ```
    /// use bimpeai::agents::CreateKnowledgeBase;
    ///
    /// let menu = CreateKnowledgeBase::text("Menu", "Margherita pizza £12.")
    ///     .description("Dishes and prices.");
    /// let hours = CreateKnowledgeBase::url("Hours", "https://example.com/hours");
    /// ```
    #[doc(alias = "CreateKnowledgeBaseBody")]
    pub struct CreateKnowledgeBase {
        required {
            /// Source of the content.
            r#type: KnowledgeBaseType,
            /// Display name. Maximum 255 characters.
            name: String,
        }
        plain {
            /// Content. Required for a text. Maximum 2,500 characters.
            content: String,
            /// URL of the web page. Required for a web page.
            url: String,
        }
        nullable {
            /// Summary of the content. Maximum 1,000 characters. The current API does not document
            /// null here.
            description / clear_description: String,
        }
    }
}

impl CreateKnowledgeBase {
    /// Creates a knowledge base from a text of up to 2,500 characters.
    #[doc(alias = "CreateKnowledgeBaseTextBody")]
    #[must_use]
    pub fn text(name: impl Into<String>, content: impl Into<String>) -> Self {
        let mut body = Self::new(KnowledgeBaseType::Text, name);
        body.content = Some(content.into());
        body
    }

    /// Creates a knowledge base from a web page, which the server reads.
    #[doc(alias = "CreateKnowledgeBaseUrlBody")]
    #[must_use]
    pub fn url(name: impl Into<String>, url: impl Into<String>) -> Self {
        let mut body = Self::new(KnowledgeBaseType::Url, name);
        body.url = Some(url.into());
        body
    }
}

body! {
    /// The changes to a knowledge base, for [`KnowledgeBases::update`].
    ///
    /// The current API does not document nulls here.
    #[doc(alias = "UpdateKnowledgeBaseBody")]
    pub struct UpdateKnowledgeBase {
        optional {
            /// Display name. Maximum 255 characters.
            name: String,
        }
        nullable {
            /// Summary of the content. Maximum 1,000 characters.
            description / clear_description: String,
            /// Content. Only for a text. Maximum 2,500 characters.
            content / clear_content: String,
            /// URL of the web page, which the server reads again. Only for a web page.
            url / clear_url: String,
        }
    }
}
