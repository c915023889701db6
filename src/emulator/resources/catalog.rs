//! The five first-party integrations and their actions.

/// A first-party integration.
pub(super) struct FirstParty {
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    pub(super) category: &'static str,
    /// Key, label, input type.
    pub(super) config_fields: &'static [(&'static str, &'static str, &'static str)],
    /// Action name, name, description.
    pub(super) actions: &'static [(&'static str, &'static str, &'static str)],
}

const KEYS: &[(&str, &str, &str)] = &[
    ("public_key", "Public key", "text"),
    ("secret_key", "Secret key", "password"),
    ("currency", "Currency", "text"),
];

pub(super) const FIRST_PARTY: &[FirstParty] = &[
    FirstParty {
        kind: "bumpa",
        name: "Bumpa",
        category: "commerce",
        config_fields: &[("token", "API token", "password")],
        actions: &[
            (
                "search_products",
                "Search products",
                "Find products of the shop by name.",
            ),
            (
                "create_order",
                "Create an order",
                "Place an order for the customer.",
            ),
        ],
    },
    FirstParty {
        kind: "google_calendar",
        name: "Google Calendar",
        category: "calendar",
        config_fields: &[],
        actions: &[
            (
                "find_free_slots",
                "Find free slots",
                "List the free times of a day.",
            ),
            (
                "create_event",
                "Create an event",
                "Put an appointment into the calendar.",
            ),
            (
                "cancel_event",
                "Cancel an event",
                "Remove an appointment from the calendar.",
            ),
        ],
    },
    FirstParty {
        kind: "google_sheets",
        name: "Google Sheets",
        category: "data",
        config_fields: &[],
        actions: &[
            ("read_rows", "Read rows", "Look rows up in a sheet."),
            ("append_row", "Append a row", "Add a row to a sheet."),
        ],
    },
    FirstParty {
        kind: "paystack",
        name: "Paystack",
        category: "payments",
        config_fields: KEYS,
        actions: &[
            (
                "create_payment_link",
                "Create a payment link",
                "Ask the customer for a payment.",
            ),
            (
                "verify_payment",
                "Verify a payment",
                "See whether a payment has arrived.",
            ),
        ],
    },
    FirstParty {
        kind: "stripe",
        name: "Stripe",
        category: "payments",
        config_fields: KEYS,
        actions: &[
            (
                "create_checkout",
                "Create a checkout",
                "Ask the customer for a payment.",
            ),
            ("refund_payment", "Refund a payment", "Give a payment back."),
        ],
    },
];

pub(super) fn find(kind: &str) -> Option<&'static FirstParty> {
    FIRST_PARTY.iter().find(|entry| entry.kind == kind)
}
