//! Phone numbers of the team, and requests for more. `client.phone_numbers()`.

mod requests;

use crate::client::{Client, handle};
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::types::{body, object};

pub use requests::*;

impl Client {
    /// The phone numbers of the team. Since 0.3.
    pub fn phone_numbers(&self) -> PhoneNumbers {
        PhoneNumbers::new(self)
    }
}

handle! {
    /// The phone numbers of the team, from [`Client::phone_numbers`]. Since 0.3.
    pub struct PhoneNumbers;
}

impl PhoneNumbers {
    /// Requests for phone numbers.
    pub fn requests(&self) -> PhoneNumberRequests {
        PhoneNumberRequests::new(&self.client)
    }

    /// Lists the phone numbers of the team.
    ///
    /// `GET /phone-numbers`. Since 0.3.
    pub fn list(&self) -> ListRequest<PhoneNumber> {
        ListRequest::new(&self.client, Path::new("phone-numbers"), |number| {
            &number.id
        })
    }

    /// Reads one phone number.
    ///
    /// `GET /phone-numbers/{phone_number_id}`. Since 0.3.
    pub fn retrieve(&self, phone_number_id: impl AsRef<str>) -> Request<PhoneNumberDetail> {
        Request::get(&self.client, path(phone_number_id))
    }

    /// Gives a phone number to an agent, takes it away, or labels it.
    ///
    /// `PATCH /phone-numbers/{phone_number_id}`. Since 0.3.
    pub fn update(
        &self,
        phone_number_id: impl AsRef<str>,
        body: UpdatePhoneNumber,
    ) -> Request<PhoneNumberDetail> {
        Request::patch(&self.client, path(phone_number_id), &body)
    }
}

fn path(phone_number_id: impl AsRef<str>) -> Path {
    // `phone-numbers/request` is the list of requests.
    Path::new("phone-numbers").id_except("phone_number_id", phone_number_id, &["request"])
}

object! {
    /// A phone number as lists have it. Since 0.3.
    pub struct PhoneNumber {
        /// Identifier.
        [required] id: String,
        /// The agent that it belongs to.
        agent_id: Option<String>,
        /// What the team calls it.
        label: Option<String>,
        /// The number itself, E.164.
        e164: String,
    }
}

object! {
    /// A phone number, from [`PhoneNumbers::retrieve`]. Since 0.3.
    pub struct PhoneNumberDetail {
        /// Identifier.
        [required] id: String,
        /// The agent that it belongs to.
        agent_id: Option<String>,
        /// What the team calls it.
        label: Option<String>,
        /// The number itself, E.164.
        e164: String,
        /// When the team got it.
        created_at: String,
        /// When it was last changed.
        updated_at: String,
        /// Whether it takes calls.
        inbound_enabled: bool,
    }
}

body! {
    /// What is changed on a phone number. Since 0.3.
    ///
    /// ```
    /// use bimpeai::phone_numbers::UpdatePhoneNumber;
    ///
    /// let unassigned = UpdatePhoneNumber::new().clear_agent_id();
    /// assert_eq!(serde_json::to_string(&unassigned)?, r#"{"agent_id":null}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct UpdatePhoneNumber {
        optional {
            /// What the team calls it, at most 128 characters.
            label: String,
        }
        nullable {
            /// The agent that it shall belong to; null takes it away from its agent.
            agent_id / clear_agent_id: String,
        }
    }
}
