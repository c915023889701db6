//! Requests for phone numbers.

use crate::client::handle;
use crate::http::path::Path;
use crate::pagination::ListRequest;
use crate::request::Request;
use crate::types::{body, object, open_enum};

handle! {
    /// Requests for phone numbers, from [`PhoneNumbers::requests`](super::PhoneNumbers::requests).
    /// Since 0.3.
    pub struct PhoneNumberRequests;
}

impl PhoneNumberRequests {
    /// Lists the team's requests for phone numbers.
    ///
    /// `GET /phone-numbers/request`. Since 0.3.
    pub fn list(&self) -> ListRequest<PhoneNumberRequest> {
        ListRequest::new(&self.client, root(), |request| &request.id)
    }

    /// Asks for phone numbers; a person answers later, and [`list`](Self::list) shows how far it is.
    ///
    /// The API documents a success without a body, so there is nothing to give.
    ///
    /// `POST /phone-numbers/request`. Since 0.3.
    // The writer of the body is compiled by who needs it.
    #[inline]
    pub fn create(&self, body: CreatePhoneNumberRequest) -> Request<()> {
        Request::post(&self.client, root(), &body).ignoring_data()
    }
}

fn root() -> Path {
    Path::new("phone-numbers").then("request")
}

open_enum! {
    /// Where a phone number is from. Since 0.3.
    pub enum PhoneNumberRegion ("region of a phone number") {
        /// The United States.
        Us = "us",
        /// The United Kingdom.
        Uk = "uk",
        /// The European Union.
        Eu = "eu",
        /// Nigeria.
        Ng = "ng",
    }
}

object! {
    /// A request for phone numbers; only its id is certain. Since 0.4.
    pub struct PhoneNumberRequest {
        /// Identifier.
        [required] id: String,
        /// How far it is, as `under_review`.
        status: Option<String>,
        /// The business that asks.
        business_name: Option<String>,
        /// What the numbers are for.
        intended_use: Option<String>,
        /// Where they shall be from.
        region: Option<PhoneNumberRegion>,
        /// How many agents shall have one.
        agent_count: Option<u64>,
        /// How long they will call, in minutes.
        outbound_minutes: Option<u64>,
        /// The number that was given, E.164.
        e164: Option<String>,
        /// The agent that it belongs to.
        agent_id: Option<String>,
        /// What the team calls it.
        label: Option<String>,
        /// When it was made.
        created_at: Option<String>,
        /// When it was last changed.
        updated_at: Option<String>,
    }
}

body! {
    /// A request for phone numbers. Since 0.3.
    ///
    /// ```
    /// use bimpeai::phone_numbers::{CreatePhoneNumberRequest, PhoneNumberRegion};
    ///
    /// let request = CreatePhoneNumberRequest::new(
    ///     "Mama's Kitchen",
    ///     "Confirming table bookings",
    ///     PhoneNumberRegion::Ng,
    ///     2,
    ///     300,
    /// );
    /// ```
    pub struct CreatePhoneNumberRequest {
        required {
            /// The business that asks, at most 191 characters.
            business_name: String,
            /// What the numbers are for.
            intended_use: String,
            /// Where they shall be from.
            region: PhoneNumberRegion,
        }
        required_number {
            /// How many agents shall have one, 1 to 50.
            agent_count: u64,
            /// How long they will call, in minutes, 0 to 10,000.
            outbound_minutes: u64,
        }
        optional {
            /// The agent that asks, by its id.
            submitted_by_agent_id: String,
        }
    }
}
