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
    /// [`Integrations::bimpeai`](super::Integrations::bimpeai). Since 0.3.
    pub struct BimpeaiIntegrations;
}

impl BimpeaiIntegrations {
    /// Lists the five first-party integrations, connected or not.
    ///
    /// An agent without a workflow answers `workflow_required`.
    ///
    /// `GET /agents/{agent_id}/integrations/bimpeai`. Since 0.3.
    pub fn list(&self, agent_id: impl AsRef<str>) -> Request<Vec<BimpeaiIntegration>> {
        Request::get(&self.client, root(agent_id))
    }

    /// Connects a first-party integration, or tells where a person connects it.
    ///
    /// The Google ones answer a URL to open, the others that they are connected. Credentials that do
    /// not work are an `integration_connection_failed`, a plan that has no integrations left an
    /// `integration_limit_reached`.
    ///
    /// `POST /agents/{agent_id}/integrations/bimpeai/configure`. Since 0.3.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// use bimpeai::agents::BimpeaiConfigure;
    ///
    /// let calendar = BimpeaiConfigure::google_calendar();
    /// let result = client.agents().integrations().bimpeai().configure("agt_1", calendar).send()?;
    /// match result.onboarding_url() {
    ///     Some(url) => println!("Go on at {url}"),
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
    /// The id of an integration of another family is a `bad_request`.
    ///
    /// `DELETE /agents/{agent_id}/integrations/bimpeai/{integration_id}`. Since 0.3.
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
    /// Which first-party integration it is. Since 0.3.
    pub enum BimpeaiIntegrationType ("type of a first-party integration") {
        /// Bumpa, a shop.
        Bumpa = "bumpa",
        /// Google Calendar.
        GoogleCalendar = "google_calendar",
        /// Google Sheets.
        GoogleSheets = "google_sheets",
        /// Paystack, payments.
        Paystack = "paystack",
        /// Stripe, payments.
        Stripe = "stripe",
    }
}

object! {
    /// A first-party integration, connected or not. Since 0.3.
    pub struct BimpeaiIntegration {
        /// Identifier; none while it is not connected.
        id: Option<String>,
        /// Which one it is.
        r#type = "type": BimpeaiIntegrationType,
        /// What it is called.
        name: String,
        /// How it is, as `enabled`, `paused`, `pending` or `disconnected`.
        status: String,
        /// Whether it is connected.
        is_connected: bool,
    }
}

body! {
    /// What a first-party integration is connected with; each has its own constructor. Since 0.3.
    ///
    /// ```
    /// use bimpeai::agents::BimpeaiConfigure;
    ///
    /// let stripe = BimpeaiConfigure::stripe("pk_1", "sk_1", "USD");
    /// assert!(!format!("{stripe:?}").contains("sk_1"));
    /// ```
    pub struct BimpeaiConfigure {
        required {
            /// Which one.
            r#type: BimpeaiIntegrationType,
        }
        optional {
            /// For Bumpa.
            token: Secret,
            /// For Paystack and Stripe.
            public_key: String,
            /// For Paystack and Stripe.
            secret_key: Secret,
            /// For Paystack and Stripe, as `NGN` or `USD`.
            currency: String,
        }
    }
}

impl BimpeaiConfigure {
    /// Bumpa, by its token.
    #[must_use]
    pub fn bumpa(token: impl Into<Secret>) -> Self {
        Self::new(BimpeaiIntegrationType::Bumpa).token(token)
    }

    /// Google Calendar, which a person connects at the URL in the answer.
    #[must_use]
    pub fn google_calendar() -> Self {
        Self::new(BimpeaiIntegrationType::GoogleCalendar)
    }

    /// Google Sheets, which a person connects at the URL in the answer.
    #[must_use]
    pub fn google_sheets() -> Self {
        Self::new(BimpeaiIntegrationType::GoogleSheets)
    }

    /// Paystack, by its keys and a currency such as `NGN`.
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

    /// Stripe, by its keys and a currency such as `USD`.
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

/// What came of configuring a first-party integration. Since 0.3.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum BimpeaiConfigureResult {
    /// A person has to go on at this URL: the Google integrations.
    OnboardingUrl(OnboardingUrl),
    /// It is connected: Bumpa, Paystack, Stripe.
    Connected(BimpeaiConnectResult),
    /// What is neither, as it came.
    Other(Value),
}

impl BimpeaiConfigureResult {
    /// The page on which a person goes on, where there is one.
    pub fn onboarding_url(&self) -> Option<&str> {
        match self {
            BimpeaiConfigureResult::OnboardingUrl(answer) => Some(&answer.onboarding_url),
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
    /// That a first-party integration is connected. Since 0.3.
    pub struct BimpeaiConnectResult {
        /// Whether it is.
        success: bool,
        /// The id of the integration.
        channel_id: String,
    }
}
