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
    /// Lists the tools of an HTTP API; the API does not page this list.
    ///
    /// `GET /agents/{agent_id}/integrations/custom_api/{integration_id}/tools`. Since 0.3.
    pub fn list(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
    ) -> Request<Vec<IntegrationTool>> {
        let path = path(agent_id, integration_id).then("tools");
        Request::get(&self.client, path)
    }

    /// Defines a tool: one call of an HTTP API that the agent may make.
    ///
    /// The id of an integration of another family is a `bad_request`.
    ///
    /// `POST /agents/{agent_id}/integrations/custom_api/{integration_id}/tools`. Since 0.3.
    pub fn add(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
        body: CustomApiCreateTool,
    ) -> Request<IntegrationTool> {
        let path = path(agent_id, integration_id).then("tools");
        Request::post(&self.client, path, &body)
    }

    /// Takes a tool away.
    ///
    /// `DELETE /agents/{agent_id}/integrations/custom_api/{integration_id}/tools/{tool_id}`.
    /// Since 0.3.
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
    /// A tool: one call of an HTTP API. Since 0.3.
    ///
    /// ```
    /// use bimpeai::agents::{CustomApiCreateTool, ParameterDefinition, ToolHttpMethod};
    /// use serde_json::json;
    ///
    /// let tool = CustomApiCreateTool::new("find_order", ToolHttpMethod::Get, "/orders/{{number}}")
    ///     .url_params([ParameterDefinition::new("number", "string", "As on the receipt.").required(true)])
    ///     .headers_template(json!({"X-Shop": "lagos"}))
    ///     .timeout(10_000);
    /// ```
    pub struct CustomApiCreateTool {
        required {
            /// At most 80 characters.
            name: String,
            /// How it is called.
            http_method: ToolHttpMethod,
            /// Where: relative to the API's base URL, or absolute; `{{name}}` stands for a parameter.
            url_template: String,
        }
        optional {
            /// What it does, for the agent; at most 800 characters.
            description: String,
            /// Headers, an object in whose values `{{name}}` stands for a parameter. Not printed.
            headers_template: SecretValue,
            /// The body, an object in which `{{name}}` stands for a parameter. Not printed.
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
            /// How long one use may take, in milliseconds: 1,000 to 300,000, the server's default
            /// is 30,000.
            timeout: u64,
        }
        list {
            /// The parameters in the URL.
            url_params: ParameterDefinition,
            /// The parameters in the body.
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
