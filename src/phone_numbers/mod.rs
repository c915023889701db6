//! The team's phone numbers, and applications for more of them. Handle: `client.phone_numbers()`.

mod requests;

use crate::client::{Client, handle};
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::types::{Timestamp, body, object};

pub use requests::*;

impl Client {
    /// Returns the handle for the phone numbers of the team. API 0.3+.
    #[doc(alias = "phoneNumbers")]
    pub fn phone_numbers(&self) -> PhoneNumbers {
        PhoneNumbers::new(self)
    }
}

handle! {
    /// The phone numbers of the team, from [`Client::phone_numbers`]. API 0.3+.
    pub struct PhoneNumbers;
}

impl PhoneNumbers {
    /// Returns the handle for requests for phone numbers.
    pub fn requests(&self) -> PhoneNumberRequests {
        PhoneNumberRequests::new(&self.client)
    }

    /// Lists the phone numbers of the team.
    ///
    /// `GET /phone-numbers`. API 0.3+.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # emulator.assign_phone_number("+2348012345678", None);
    /// // Numbers that no agent uses yet.
    /// for number in client.phone_numbers().list() {
    ///     let number = number?;
    ///     if number.agent_id.is_none() {
    ///         println!("{} {}", number.id, number.e164);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "ListPhoneNumbersQuery")]
    pub fn list(&self) -> ListRequest<PhoneNumber> {
        ListRequest::new(&self.client, Path::new("phone-numbers"), |number| {
            &number.id
        })
    }

    /// Returns a phone number.
    ///
    /// `GET /phone-numbers/{phone_number_id}`. API 0.3+.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let id = emulator.assign_phone_number("+2348012345678", None);
    /// let number = client.phone_numbers().retrieve(&id).send()?;
    /// if !number.inbound_enabled {
    ///     println!("{} does not take calls", number.e164);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn retrieve(&self, phone_number_id: impl AsRef<str>) -> Request<PhoneNumberDetail> {
        Request::get(&self.client, path(phone_number_id))
    }

    /// Updates the agent or the label of a phone number.
    ///
    /// `PATCH /phone-numbers/{phone_number_id}`. API 0.3+.
    ///
    /// ```
    /// # use bimpeai::agents::CreateAgent;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// # let agent = client.agents().create(CreateAgent::new("Ada")).send()?;
    /// # let id = emulator.assign_phone_number("+2348012345678", None);
    /// use bimpeai::phone_numbers::UpdatePhoneNumber;
    ///
    /// let assigned = UpdatePhoneNumber::new()
    ///     .agent_id(&agent.id)
    ///     .label("Bookings");
    /// let number = client.phone_numbers().update(&id, assigned).send()?;
    /// assert_eq!(number.agent_id, Some(agent.id));
    /// # Ok(())
    /// # }
    /// ```
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
    /// A phone number, in lists. API 0.3+.
    pub struct PhoneNumber {
        /// Identifier.
        [required] id: String,
        /// Identifier of the agent that uses the number.
        agent_id: Option<String>,
        /// Label given by the team.
        label: Option<String>,
        /// Number (E.164).
        e164: String,
    }
}

object! {
    /// A phone number, from [`PhoneNumbers::retrieve`]. API 0.3+.
    pub struct PhoneNumberDetail {
        /// Identifier.
        [required] id: String,
        /// Identifier of the agent that uses the number.
        agent_id: Option<String>,
        /// Label given by the team.
        label: Option<String>,
        /// Number (E.164).
        e164: String,
        /// Creation time.
        created_at: Timestamp,
        /// Time of the last change.
        updated_at: Timestamp,
        /// Whether the number accepts inbound calls.
        inbound_enabled: bool,
    }
}

body! {
    /// The changes to a phone number, for [`PhoneNumbers::update`]. API 0.3+.
    ///
    /// ```
    /// use bimpeai::phone_numbers::UpdatePhoneNumber;
    ///
    /// let unassigned = UpdatePhoneNumber::new().clear_agent_id();
    /// assert_eq!(serde_json::to_string(&unassigned)?, r#"{"agent_id":null}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[doc(alias = "UpdatePhoneNumberBody")]
    pub struct UpdatePhoneNumber {
        optional {
            /// Label given by the team. Maximum 128 characters.
            label: String,
        }
        nullable {
            /// Identifier of the agent that uses the number. Null unassigns the number.
            agent_id / clear_agent_id: String,
        }
    }
}
