//! The five first-party integrations.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::OnboardingUrl;
use crate::client::handle;
use crate::http::path::Path;
use crate::request::Request;
use crate::types::{Secret, body, object, open_enum};

handle! {
    /// The first-party integrations of agents, from
    /// [`Integrations::bimpeai`](super::Integrations::bimpeai). API 0.3+.
    pub struct BimpeaiIntegrations;
}

impl BimpeaiIntegrations {
    /// Lists the five first-party integrations, connected or not. Not paginated.
    ///
    /// Fails with [`workflow_required`](crate::error::ErrorCode::WorkflowRequired) if the agent has no
    /// workflow.
    ///
    /// `GET /agents/{agent_id}/integrations/bimpeai`. API 0.3+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let template = client.workflows().list().first()?.unwrap();
    /// # let body = CreateAgent::new("Ada").workflow_id(template.id);
    /// # let agent = client.agents().create(body.description("Books.")).send()?;
    /// let bimpeai = client.agents().integrations().bimpeai();
    /// for integration in bimpeai.list(&agent.id) {
    ///     let integration = integration?;
    ///     println!("{}: {}", integration.name, integration.status);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<BimpeaiIntegration>> {
        Request::get(&self.client, root(agent_id))
    }

    /// Connects a first-party integration.
    ///
    /// Bumpa, Paystack and Stripe are connected at once. For Google Calendar and Google Sheets the
    /// response has a [URL](BimpeaiConfigureResult::onboarding_url) on which a person authorizes the
    /// connection.
    ///
    /// Fails with [`integration_connection_failed`](crate::error::ErrorCode::IntegrationConnectionFailed)
    /// if the credentials are invalid.
    ///
    /// Fails with [`integration_limit_reached`](crate::error::ErrorCode::IntegrationLimitReached) if
    /// the plan allows no more integrations.
    ///
    /// `POST /agents/{agent_id}/integrations/bimpeai/configure`. API 0.3+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let template = client.workflows().list().first()?.unwrap();
    /// # let body = CreateAgent::new("Ada").workflow_id(template.id);
    /// # let agent = client.agents().create(body.description("Books.")).send()?;
    /// use bimpeai::agents::BimpeaiConfigure;
    ///
    /// let bimpeai = client.agents().integrations().bimpeai();
    /// let calendar = BimpeaiConfigure::google_calendar();
    /// let result = bimpeai.configure(&agent.id, calendar).send()?;
    /// match result.onboarding_url() {
    ///     Some(url) => println!("Continue at {url}"),
    ///     None => println!("Connected."),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn configure(
        &self,
        agent_id: impl AsRef<str>,
        body: BimpeaiConfigure,
    ) -> Request<BimpeaiConfigureResult> {
        Request::post(&self.client, root(agent_id).then("configure"), &body)
    }

    /// Disconnects a first-party integration.
    ///
    /// Fails with `bad_request` if the id belongs to an integration of another kind.
    ///
    /// `DELETE /agents/{agent_id}/integrations/bimpeai/{integration_id}`. API 0.3+.
    pub fn disconnect(
        &self,
        agent_id: impl AsRef<str>,
        integration_id: impl AsRef<str>,
    ) -> Request<()> {
        let path = root(agent_id).id("integration_id", integration_id);
        Request::delete(&self.client, path)
    }
}

fn root(agent_id: impl AsRef<str>) -> Path {
    super::family(agent_id, "bimpeai")
}

open_enum! {
    /// The type of a first-party integration. API 0.3+.
    pub enum BimpeaiIntegrationType ("type of a first-party integration") {
        /// Bumpa, an online shop.
        Bumpa = "bumpa",
        /// Google Calendar.
        GoogleCalendar = "google_calendar",
        /// Google Sheets.
        GoogleSheets = "google_sheets",
        /// Paystack, for payments.
        Paystack = "paystack",
        /// Stripe, for payments.
        Stripe = "stripe",
    }
}

object! {
    /// A first-party integration, connected or not. API 0.3+.
    pub struct BimpeaiIntegration {
        /// Identifier. `None` until the integration is connected.
        id: Option<String>,
        /// Type of the integration, such as `google_calendar`.
        r#type = "type": BimpeaiIntegrationType,
        /// Display name.
        name: String,
        /// Status, such as `enabled`, `paused`, `pending` or `disconnected`.
        status: String,
        /// Whether the integration is connected.
        is_connected: bool,
    }
}

body! {
    /// The settings of a first-party integration, for [`BimpeaiIntegrations::configure`]. API 0.3+.
    ///
    /// Each type has a constructor, such as [`stripe`](Self::stripe). `Debug` does not print the
    /// secrets.
    ///
    /// ```
    /// use bimpeai::agents::BimpeaiConfigure;
    ///
    /// let stripe = BimpeaiConfigure::stripe("pk_1", "sk_1", "USD");
    /// assert!(!format!("{stripe:?}").contains("sk_1"));
    /// ```
    #[doc(alias = "BimpeaiConfigureBody")]
    pub struct BimpeaiConfigure {
        required {
            /// Type of the integration.
            r#type: BimpeaiIntegrationType,
        }
        optional {
            /// Access token of Bumpa.
            token: Secret,
            /// Public key of Paystack or Stripe.
            public_key: String,
            /// Secret key of Paystack or Stripe.
            secret_key: Secret,
            /// Currency for Paystack or Stripe, such as `NGN` or `USD`.
            currency: String,
        }
    }
}

impl BimpeaiConfigure {
    /// Creates the settings of Bumpa from an access token.
    #[must_use]
    pub fn bumpa(token: impl Into<Secret>) -> Self {
        Self::new(BimpeaiIntegrationType::Bumpa).token(token)
    }

    /// Creates the settings of Google Calendar. A person authorizes it at the URL in the response.
    #[must_use]
    pub fn google_calendar() -> Self {
        Self::new(BimpeaiIntegrationType::GoogleCalendar)
    }

    /// Creates the settings of Google Sheets. A person authorizes it at the URL in the response.
    #[must_use]
    pub fn google_sheets() -> Self {
        Self::new(BimpeaiIntegrationType::GoogleSheets)
    }

    /// Creates the settings of Paystack from its keys and a currency, such as `NGN`.
    #[must_use]
    pub fn paystack(
        public_key: impl Into<String>,
        secret_key: impl Into<Secret>,
        currency: impl Into<String>,
    ) -> Self {
        Self::new(BimpeaiIntegrationType::Paystack)
            .public_key(public_key)
            .secret_key(secret_key)
            .currency(currency)
    }

    /// Creates the settings of Stripe from its keys and a currency, such as `USD`.
    #[must_use]
    pub fn stripe(
        public_key: impl Into<String>,
        secret_key: impl Into<Secret>,
        currency: impl Into<String>,
    ) -> Self {
        Self::new(BimpeaiIntegrationType::Stripe)
            .public_key(public_key)
            .secret_key(secret_key)
            .currency(currency)
    }
}

/// The result of [`BimpeaiIntegrations::configure`]. API 0.3+.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum BimpeaiConfigureResult {
    /// A person has to authorize the connection at this URL: Google Calendar, Google Sheets.
    OnboardingUrl(OnboardingUrl),
    /// The integration is connected: Bumpa, Paystack, Stripe.
    Connected(BimpeaiConnectResult),
    /// Any other JSON value.
    Other(Value),
}

impl BimpeaiConfigureResult {
    /// Returns the URL on which a person authorizes the connection, if one is needed.
    pub fn onboarding_url(&self) -> Option<&str> {
        match self {
            BimpeaiConfigureResult::OnboardingUrl(page) => Some(&page.onboarding_url),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for BimpeaiConfigureResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let read = if value.get("onboarding_url").is_some_and(Value::is_string) {
            OnboardingUrl::deserialize(&value).map(Self::OnboardingUrl)
        } else if value.get("success").is_some() {
            BimpeaiConnectResult::deserialize(&value).map(Self::Connected)
        } else {
            return Ok(Self::Other(value));
        };
        Ok(read.unwrap_or(Self::Other(value)))
    }
}

object! {
    /// A connected first-party integration, from [`BimpeaiIntegrations::configure`]. API 0.3+.
    pub struct BimpeaiConnectResult {
        /// Whether the integration is connected.
        success: bool,
        /// Identifier of the integration.
        channel_id: String,
    }
}
