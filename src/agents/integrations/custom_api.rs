//! Custom APIs: HTTP APIs whose operations are defined as tools.

use serde_json::Value;

use super::{IntegrationAuthConfig, IntegrationAuthType, IntegrationTool};
use crate::client::handle;
use crate::http::path::Path;
use crate::request::Request;
use crate::types::{SecretValue, body, object, open_enum};

handle! {
    /// The HTTP APIs of agents, from
    /// [`Integrations::custom_api`](super::Integrations::custom_api). API 0.3+.
    pub struct CustomApiIntegrations;
}

impl CustomApiIntegrations {
    /// Returns the handle for the tools of HTTP APIs.
    pub fn tools(&self) -> CustomApiTools {
        CustomApiTools::new(&self.client)
    }

    /// Lists the HTTP APIs of an agent. Not paginated.
    ///
    /// Fails with [`workflow_required`](crate::error::ErrorCode::WorkflowRequired) if the agent has no
    /// workflow.
    ///
    /// `GET /agents/{agent_id}/integrations/custom_api`. API 0.3+.
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<CustomApiIntegration>> {
        Request::get(&self.client, root(agent_id))
    }

    /// Connects an HTTP API.
    ///
    /// The agent uses it through the tools that you [add](CustomApiTools::add).
    ///
    /// Fails with [`workflow_required`](crate::error::ErrorCode::WorkflowRequired) if the agent has no
    /// workflow.
    ///
    /// Fails with [`integration_limit_reached`](crate::error::ErrorCode::IntegrationLimitReached) if
    /// the plan allows no more integrations.
    ///
    /// `POST /agents/{agent_id}/integrations/custom_api/configure`. API 0.3+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let template = client.workflows().list().first()?.unwrap();
    /// # let body = CreateAgent::new("Ada").workflow_id(template.id);
    /// # let agent = client.agents().create(body.description("Books.")).send()?;
    /// use bimpeai::agents::{
    ///     CustomApiConfigure, CustomApiCreateTool, IntegrationAuthConfig,
    ///     IntegrationAuthType, ParameterDefinition, ToolHttpMethod,
    /// };
    ///
    /// let apis = client.agents().integrations().custom_api();
    /// let orders = CustomApiConfigure::new("Orders")
    ///     .base_url("https://shop.example.com/api")
    ///     .auth_type(IntegrationAuthType::ApiKey)
    ///     .auth_config(
    ///         IntegrationAuthConfig::new()
    ///             .api_key("k_1")
    ///             .header_name("X-Api-Key"),
    ///     );
    /// let api = apis.configure(&agent.id, orders).send()?;
    ///
    /// let order = ParameterDefinition::new("order", "string", "Order number.");
    /// let status = CustomApiCreateTool::new(
    ///     "order_status",
    ///     ToolHttpMethod::Get,
    ///     "/orders/{{order}}",
    /// )
    /// .description("Returns the status of an order.")
    /// .url_params([order.required(true)]);
    /// apis.tools().add(&agent.id, &api.id, status).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn configure(
        &self,
        agent_id: impl AsRef<str>,
        body: CustomApiConfigure,
    ) -> Request<CustomApiIntegration> {
        Request::post(&self.client, root(agent_id).then("configure"), &body)
    }

    /// Disconnects an HTTP API.
    ///
    /// Fails with `bad_request` if the id belongs to an integration of another kind.
    ///
    /// `DELETE /agents/{agent_id}/integrations/custom_api/{integration_id}`. API 0.3+.
    pub fn disconnect(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
    ) -> Request<()> {
        Request::delete(&self.client, path(agent_id, integration_id))
    }
}

handle! {
    /// The tools of HTTP APIs, from [`CustomApiIntegrations::tools`]. API 0.3+.
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

    /// Adds a tool: a request that the agent can send to the HTTP API.
    ///
    /// [`CustomApiCreateTool`] describes the requests that the HTTP API receives.
    ///
    /// Fails with `bad_request` if the id belongs to an integration of another kind.
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
    /// An HTTP API of an agent. API 0.3+.
    pub struct CustomApiIntegration {
        /// Identifier.
        [required] id: String,
        /// Settings of the API.
        config: CustomApiConfig,
    }
}

object! {
    /// The settings of an HTTP API, without credentials. API 0.3+.
    pub struct CustomApiConfig {
        /// Display name.
        name: String,
        /// Base URL of the tools.
        base_url: Option<String>,
        /// Authentication method.
        auth_type: IntegrationAuthType,
    }
}

body! {
    /// The settings of an HTTP API, for [`CustomApiIntegrations::configure`]. API 0.3+.
    #[doc(alias = "CustomApiConfigureBody")]
    pub struct CustomApiConfigure {
        required {
            /// Display name.
            name: String,
        }
        optional {
            /// Description of the API.
            description: String,
            /// Base URL of the tools.
            base_url: String,
            /// Authentication method. Default of the server: `none`.
            auth_type: IntegrationAuthType,
            /// Credentials for `auth_type`.
            auth_config: IntegrationAuthConfig,
            /// Endpoint for testing the connection.
            test_endpoint: String,
        }
    }
}

open_enum! {
    /// The HTTP method of a tool. API 0.3+.
    pub enum ToolHttpMethod ("HTTP method of a tool") {
        /// `GET`.
        Get = "GET",
        /// `POST`.
        Post = "POST",
        /// `PUT`.
        Put = "PUT",
        /// `DELETE`.
        Delete = "DELETE",
        /// `PATCH`.
        Patch = "PATCH",
    }
}

body! {
    /// A tool: a request that the agent can send to an HTTP API, for [`CustomApiTools::add`].
    /// API 0.3+.
    ///
    /// ```
    /// use bimpeai::agents::{
    ///     CustomApiCreateTool, ParameterDefinition, ToolHttpMethod,
    /// };
    /// use serde_json::json;
    ///
    /// let table = ParameterDefinition::new("table", "string", "Table number.");
    /// let guests = ParameterDefinition::new("guests", "integer", "Guests.");
    /// let tool = CustomApiCreateTool::new(
    ///     "book_table",
    ///     ToolHttpMethod::Post,
    ///     "/tables/{{table}}",
    /// )
    /// .description("Books a table.")
    /// .url_params([table.required(true)])
    /// .body_params([guests.required(true)])
    /// .body_template(json!({"guests": "{{guests}}"}))
    /// .headers_template(json!({"X-Shop": "lagos"}))
    /// .timeout(10_000);
    /// ```
    ///
    /// # Requests to the HTTP API
    ///
    /// * `body_params` only declare parameters. Without a
    ///   [`body_template`](Self::body_template), the request body is empty.
    /// * Booleans and numbers arrive as text: `"true"`, `"4"`.
    /// * An optional parameter that the agent omits arrives as `""` or as the literal `{{name}}`, a
    ///   number as 0.
    /// * The agent's requests carry `User-Agent: Bimpe-AI-Agent/1.0`.
    /// * The agent may use a tool twice for one question, with different arguments. The HTTP API must
    ///   tolerate that.
    #[doc(alias = "CustomApiCreateToolBody")]
    pub struct CustomApiCreateTool {
        required {
            /// Name. Maximum 80 characters.
            name: String,
            /// HTTP method.
            http_method: ToolHttpMethod,
            /// URL, relative to the API's base URL or absolute. `{{name}}` stands for a parameter.
            url_template: String,
        }
        optional {
            /// Description for the agent. Maximum 800 characters.
            description: String,
            /// Request headers: an object. `{{name}}` in a value stands for a parameter. `Debug` hides it.
            headers_template: SecretValue,
            /// Request body: an object in which `{{name}}` stands for a parameter. Required for a tool
            /// that sends a body. `Debug` hides it.
            body_template: SecretValue,
            /// Authentication method. Default: that of the HTTP API.
            auth_type: IntegrationAuthType,
            /// Credentials for `auth_type`: an object or an [`IntegrationAuthConfig`]. `Debug` hides it.
            auth_config: SecretValue,
            /// Part of the response that the agent sees.
            response_mapping: ToolResponseMapping,
            /// Category, free-form. Default of the server: `custom`.
            category: String,
            /// Whether a person has to approve each use. Default of the server: `false`.
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
    /// The part of a tool's response that the agent sees, and the messages about it. API 0.3+.
    pub struct ToolResponseMapping {
        optional {
            /// Path of the result in the response.
            path: String,
            /// Message after a success.
            success_message: String,
            /// Message after a failure.
            error_message: String,
        }
    }
}

open_enum! {
    /// The type of a parameter. API 0.3+.
    pub enum ParameterType ("type of a parameter") {
        /// String.
        String = "string",
        /// Number, with or without a fraction.
        Number = "number",
        /// Integer.
        Integer = "integer",
        /// Boolean.
        Boolean = "boolean",
        /// Array, with its [`items`](ParameterDefinition::items).
        Array = "array",
        /// Object, with its [`properties`](ParameterDefinition::properties).
        Object = "object",
    }
}

body! {
    /// A parameter of a tool. API 0.3+.
    ///
    /// ```
    /// use bimpeai::agents::{ParameterDefinition, ParameterType};
    ///
    /// let dish = ParameterDefinition::new("dish", "string", "Name of a dish.");
    /// let dishes = ParameterDefinition::new(
    ///     "dishes",
    ///     ParameterType::Array,
    ///     "Ordered dishes.",
    /// )
    /// .items(dish)
    /// .required(true);
    /// ```
    pub struct ParameterDefinition {
        required {
            /// Name, as in `{{name}}` of the templates.
            name: String,
            /// JSON type of the value.
            r#type: ParameterType,
            /// Description for the agent.
            description: String,
        }
        optional {
            /// Whether the agent must supply a value. Default of the server: `false`.
            required: bool,
            /// Type of the items of an array.
            items: Box<ParameterDefinition>,
            /// Fields of an object, as a JSON object.
            properties: Value,
        }
    }
}
