//! The generations of the API.

/// Which generation of the API an emulator speaks.
///
/// The first generation is API 0.1, and the current one is API 0.2 to 0.4. The live API speaks the
/// current one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Generation {
    /// Serves the operations and fields of both generations. A request body follows the rules of
    /// the generation that its fields belong to.
    #[default]
    Both,
    /// Serves API 0.1 only.
    First,
    /// Serves API 0.2 to 0.4 only, and refuses what the live API refuses: an agent without
    /// workflow or description, a workflow without system prompt, null to clear a field, and
    /// operations and fields of the first generation.
    Current,
}

impl Generation {
    /// Returns whether an emulator of this generation has what belongs to `part`.
    pub(super) fn has(self, part: Generation) -> bool {
        self == Generation::Both || part == Generation::Both || self == part
    }
}
