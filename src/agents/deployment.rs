//! Where an agent is deployed: the test code and the test channels.

use crate::types::object;

object! {
    /// How to test an agent by hand, from [`Agents::get_test_code`](super::Agents::get_test_code). API 0.3+.
    pub struct AgentTestCode {
        /// Code that identifies the agent on the test channels.
        code: String,
        /// Test channels.
        channels: DeploymentChannels,
    }
}

object! {
    /// The channels on which a person can test an agent. API 0.3+.
    pub struct DeploymentChannels {
        /// WhatsApp.
        whatsapp: DeploymentWhatsAppChannel,
        /// Instagram.
        instagram: DeploymentInstagramChannel,
        /// Facebook Messenger.
        messenger: DeploymentMessengerChannel,
        /// Phone.
        telephony: DeploymentTelephonyChannel,
    }
}

object! {
    /// The WhatsApp test channel. API 0.3+.
    pub struct DeploymentWhatsAppChannel {
        /// Whether the channel is available.
        is_enabled: bool,
        /// First message to send; it selects the agent.
        start_message: String,
        /// Phone number to write to.
        phone_number: Option<String>,
        /// Link that opens the chat with the first message filled in.
        url: Option<String>,
    }
}

object! {
    /// The Instagram test channel. API 0.3+.
    pub struct DeploymentInstagramChannel {
        /// Whether the channel is available.
        is_enabled: bool,
        /// First message to send; it selects the agent.
        start_message: String,
        /// Account to write to.
        username: Option<String>,
        /// Link that opens the chat with the first message filled in.
        url: Option<String>,
    }
}

object! {
    /// The Facebook Messenger test channel. API 0.3+.
    pub struct DeploymentMessengerChannel {
        /// Whether the channel is available.
        is_enabled: bool,
        /// First message to send; it selects the agent.
        start_message: String,
        /// Page to write to.
        page: Option<String>,
        /// Link that opens the chat with the first message filled in.
        url: Option<String>,
    }
}

object! {
    /// The phone test channel. API 0.3+.
    pub struct DeploymentTelephonyChannel {
        /// Whether the channel is available.
        is_enabled: bool,
    }
}
