//! Requests for phone numbers.

use crate::client::handle;
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::types::{Timestamp, body, object, open_enum};

handle! {
    /// Requests for phone numbers, from [`PhoneNumbers::requests`](super::PhoneNumbers::requests).
    /// API 0.3+.
    pub struct PhoneNumberRequests;
}

impl PhoneNumberRequests {
    /// Lists the team's requests for phone numbers.
    ///
    /// `GET /phone-numbers/request`. API 0.3+.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// for request in client.phone_numbers().requests().list() {
    ///     let request = request?;
    ///     let status = request.status.unwrap_or_default();
    ///     println!("{}: {status}", request.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self) -> ListRequest<PhoneNumberRequest> {
        ListRequest::new(&self.client, root(), |request| &request.id)
    }

    /// Requests phone numbers for the team.
    ///
    /// A person at the vendor decides later. [`list`](Self::list) shows the status. The result is
    /// empty, because the API documents a success without a body.
    ///
    /// `POST /phone-numbers/request`. API 0.3+.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// use bimpeai::phone_numbers::{
    ///     CreatePhoneNumberRequest, PhoneNumberRegion,
    /// };
    ///
    /// let request = CreatePhoneNumberRequest::new(
    ///     "Mama's Kitchen",
    ///     "Confirming table bookings",
    ///     PhoneNumberRegion::Ng,
    ///     2,   // agents
    ///     300, // minutes of outbound calls
    /// );
    /// client.phone_numbers().requests().create(request).send()?;
    /// # Ok(())
    /// # }
    /// ```
    // Inlined so that only a crate that uses it compiles the serialization of the body.
    #[inline]
    pub fn create(&self, body: CreatePhoneNumberRequest) -> Request<()> {
        Request::post(&self.client, root(), &body).ignoring_data()
    }
}

fn root() -> Path {
    Path::new("phone-numbers").then("request")
}

open_enum! {
    /// The region of a phone number. API 0.3+.
    pub enum PhoneNumberRegion ("region of a phone number") {
        /// United States.
        Us = "us",
        /// United Kingdom.
        Uk = "uk",
        /// European Union.
        Eu = "eu",
        /// Nigeria.
        Ng = "ng",
    }
}

object! {
    /// A request for phone numbers. Only its `id` is always present. API 0.4+.
    pub struct PhoneNumberRequest {
        /// Identifier.
        [required] id: String,
        /// Status, such as `under_review`.
        status: Option<String>,
        /// Name of the business.
        business_name: Option<String>,
        /// Intended use of the numbers.
        intended_use: Option<String>,
        /// Region of the numbers.
        region: Option<PhoneNumberRegion>,
        /// Number of agents that need a phone number.
        agent_count: Option<u64>,
        /// Expected outbound calls, in minutes.
        outbound_minutes: Option<u64>,
        /// Assigned number (E.164).
        e164: Option<String>,
        /// Identifier of the agent that uses the number.
        agent_id: Option<String>,
        /// Label given by the team.
        label: Option<String>,
        /// Creation time.
        created_at: Option<Timestamp>,
        /// Time of the last change.
        updated_at: Option<Timestamp>,
    }
}

body! {
    /// A request for phone numbers, for [`PhoneNumberRequests::create`]. API 0.3+.
    ///
    /// [`PhoneNumberRequests::create`] has an example.
    #[doc(alias = "CreatePhoneNumberRequestBody")]
    pub struct CreatePhoneNumberRequest {
        required {
            /// Name of the business. Maximum 191 characters.
            business_name: String,
            /// Intended use of the numbers.
            intended_use: String,
            /// Region of the numbers.
            region: PhoneNumberRegion,
        }
        required_number {
            /// Number of agents that need a phone number. Range: 1–50.
            agent_count: u64,
            /// Expected outbound calls, in minutes. Range: 0–10,000.
            outbound_minutes: u64,
        }
        optional {
            /// Identifier of the agent for which the request is made.
            submitted_by_agent_id: String,
        }
    }
}
