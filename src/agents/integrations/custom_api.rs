//! HTTP APIs, whose calls are defined as tools.

use serde_json::Value;

use super::{IntegrationAuthConfig, IntegrationAuthType, IntegrationTool};
use crate::client::handle;
use crate::http::path::Path;
use crate::request::Request;
use crate::types::{SecretValue, body, object, open_enum};

handle! {
    /// The HTTP APIs of agents, from
    /// [`Integrations::custom_api`](super::Integrations::custom_api). Since 0.3.
    pub struct CustomApiIntegrations;
}

impl CustomApiIntegrations {
    /// The tools of HTTP APIs.
    pub fn tools(&self) -> CustomApiTools {
        CustomApiTools::new(&self.client)
    }

    /// Lists the HTTP APIs of an agent.
    ///
    /// An agent without a workflow answers `workflow_required`.
    ///
    /// `GET /agents/{agent_id}/integrations/custom_api`. Since 0.3.
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<CustomApiIntegration>> {
        Request::get(&self.client, root(agent_id))
    }

    /// Connects an HTTP API.
    ///
    /// An agent without a workflow answers `workflow_required`, a plan that has no integrations left
    /// `integration_limit_reached`.
    ///
    /// `POST /agents/{agent_id}/integrations/custom_api/configure`. Since 0.3.
    pub fn configure(
        &self,
        agent_id: impl AsRef<str>,
        body: CustomApiConfigure,
    ) -> Request<CustomApiIntegration> {
        Request::post(&self.client, root(agent_id).then("configure"), &body)
    }

    /// Disconnects an HTTP API.
    ///
    /// The id of an integration of another family is a `bad_request`.
    ///
    /// `DELETE /agents/{agent_id}/integrations/custom_api/{integration_id}`. Since 0.3.
    pub fn disconnect(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
    ) -> Request<()> {
        Request::delete(&self.client, path(agent_id, integration_id))
    }
}

handle! {
    /// The tools of HTTP APIs, from [`CustomApiIntegrations::tools`]. Since 0.3.
    pub struct CustomApiTools;
}

impl CustomApiTools {
    /// Lists the tools of an HTTP API, without their definitions. Not paginated.
    ///
    /// `GET /agents/{agent_id}/integrations/custom_api/{integration_id}/tools`. API 0.3+.
    pub fn list(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
    ) -> Request<Vec<IntegrationTool>> {
        let path = path(agent_id, integration_id).then("tools");
        Request::get(&self.client, path)
    }

    /// Adds a tool: a request to an HTTP API that the agent may make.
    ///
    /// [`CustomApiCreateTool`] describes what that HTTP API receives. The id of an integration of
    /// another kind is a `bad_request`.
    ///
    /// `POST /agents/{agent_id}/integrations/custom_api/{integration_id}/tools`. API 0.3+.
    pub fn add(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
        body: CustomApiCreateTool,
    ) -> Request<IntegrationTool> {
        let path = path(agent_id, integration_id).then("tools");
        Request::post(&self.client, path, &body)
    }

    /// Deletes a tool.
    ///
    /// [`list`](Self::list) is not paginated, so deleting while iterating over it skips none.
    ///
    /// `DELETE /agents/{agent_id}/integrations/custom_api/{integration_id}/tools/{tool_id}`.
    /// API 0.3+.
    pub fn delete(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
        tool_id: impl AsRef<str>,
    ) -> Request<()> {
        let path = path(agent_id, integration_id)
            .then("tools")
            .id("tool_id", tool_id);
        Request::delete(&self.client, path)
    }
}

fn root(agent_id: impl AsRef<str>) -> Path {
    super::family(agent_id, "custom_api")
}

fn path(agent_id: impl AsRef<str>, integration_id: impl AsRef<str>) -> Path {
    root(agent_id).id("integration_id", integration_id)
}

object! {
    /// An HTTP API of an agent. Since 0.3.
    pub struct CustomApiIntegration {
        /// Identifier.
        [required] id: String,
        /// How it is reached.
        config: CustomApiConfig,
    }
}

object! {
    /// How an HTTP API is reached; without its secrets. Since 0.3.
    pub struct CustomApiConfig {
        /// What it is called.
        name: String,
        /// What the URLs of its tools start with.
        base_url: Option<String>,
        /// How it is told who asks.
        auth_type: IntegrationAuthType,
    }
}

body! {
    /// How an HTTP API is reached. Since 0.3.
    pub struct CustomApiConfigure {
        required {
            /// What it is called.
            name: String,
        }
        optional {
            /// What it is for.
            description: String,
            /// What the URLs of its tools start with.
            base_url: String,
            /// How it is told who asks; the server's default is none.
            auth_type: IntegrationAuthType,
            /// What it is told.
            auth_config: IntegrationAuthConfig,
            /// What is called to try it out.
            test_endpoint: String,
        }
    }
}

open_enum! {
    /// The HTTP method of a tool. Since 0.3.
    pub enum ToolHttpMethod ("HTTP method of a tool") {
        /// Reads.
        Get = "GET",
        /// Creates, or acts.
        Post = "POST",
        /// Replaces.
        Put = "PUT",
        /// Deletes.
        Delete = "DELETE",
        /// Changes.
        Patch = "PATCH",
    }
}

body! {
    /// A tool: a request to an HTTP API that the agent may make. API 0.3+.
    ///
    /// ```
    /// use bimpeai::agents::{CustomApiCreateTool, ParameterDefinition, ToolHttpMethod};
    /// use serde_json::json;
    ///
    /// let table = ParameterDefinition::new("table", "string", "Table number.").required(true);
    /// let guests = ParameterDefinition::new("guests", "integer", "Number of guests.").required(true);
    /// let tool = CustomApiCreateTool::new("book_table", ToolHttpMethod::Post, "/tables/{{table}}")
    ///     .description("Books a table.")
    ///     .url_params([table])
    ///     .body_params([guests])
    ///     .body_template(json!({"guests": "{{guests}}"}))
    ///     .headers_template(json!({"X-Shop": "lagos"}))
    ///     .timeout(10_000);
    /// ```
    ///
    /// # What the HTTP API receives
    ///
    /// * `body_params` only declare parameters. Without a
    ///   [`body_template`](Self::body_template), the request body is empty.
    /// * Booleans and numbers arrive as text: `"true"`, `"4"`.
    /// * An optional parameter that the agent omits arrives as `""` or as the literal `{{name}}`, a
    ///   number as 0.
    /// * The agent's requests carry `User-Agent: Bimpe-AI-Agent/1.0`.
    /// * The agent may use a tool twice for one question, with different arguments. The HTTP API must
    ///   tolerate that.
    pub struct CustomApiCreateTool {
        required {
            /// At most 80 characters.
            name: String,
            /// How it is called.
            http_method: ToolHttpMethod,
            /// URL, relative to the API's base URL or absolute. `{{name}}` stands for a parameter.
            url_template: String,
        }
        optional {
            /// Description for the agent. Maximum 800 characters.
            description: String,
            /// Request headers: an object. `{{name}}` in a value stands for a parameter. Not printed.
            headers_template: SecretValue,
            /// Request body: an object in which `{{name}}` stands for a parameter. Required for a tool
            /// that sends a body. Not printed.
            body_template: SecretValue,
            /// How the API is told who asks, where that differs from the API's own way.
            auth_type: IntegrationAuthType,
            /// What it is told: an object, or an [`IntegrationAuthConfig`]. Not printed.
            auth_config: SecretValue,
            /// What of the answer the agent sees.
            response_mapping: ToolResponseMapping,
            /// Free grouping; the server's default is `custom`.
            category: String,
            /// Whether a person has to approve each use; the server's default is `false`.
            require_human_approval: bool,
        }
        number {
            /// Maximum duration of one use, in milliseconds. Range: 1,000–300,000. Default: 30,000.
            timeout: u64,
        }
        list {
            /// Parameters of the URL.
            url_params: ParameterDefinition,
            /// Parameters of the request body. They are sent only where
            /// [`body_template`](Self::body_template) names them.
            body_params: ParameterDefinition,
        }
    }
}

body! {
    /// What of a tool's answer the agent sees. Since 0.3.
    pub struct ToolResponseMapping {
        optional {
            /// Where in the answer the result is.
            path: String,
            /// What is said when it works.
            success_message: String,
            /// What is said when it does not.
            error_message: String,
        }
    }
}

open_enum! {
    /// The type of a parameter. Since 0.3.
    pub enum ParameterType ("type of a parameter") {
        /// A text.
        String = "string",
        /// A number.
        Number = "number",
        /// A whole number.
        Integer = "integer",
        /// True or false.
        Boolean = "boolean",
        /// A list, whose items are `items`.
        Array = "array",
        /// An object, whose fields are `properties`.
        Object = "object",
    }
}

body! {
    /// A parameter of a tool. Since 0.3.
    pub struct ParameterDefinition {
        required {
            /// What it is called.
            name: String,
            /// What it is.
            r#type: ParameterType,
            /// What it means, for the agent.
            description: String,
        }
        optional {
            /// Whether it must be given; the server's default is `false`.
            required: bool,
            /// The items of an array.
            items: Box<ParameterDefinition>,
            /// The fields of an object: an object itself.
            properties: Value,
        }
    }
}
