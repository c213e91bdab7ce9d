//! How often a campaign measures each configuration of its plan.

/// The share by which passes over a configuration may differ, and by which its median may be uncertain, where no further pass
/// is needed. Predictors of kernels err by several times as much, so closer labels would not make them better (decision 160).
pub const ENOUGH_WITHIN: f64 = 0.03;

/// How many passes a campaign makes over its plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Passes {
    /// No configuration is measured in more.
    pub most: u32,
    /// After two passes that agree within this share, a configuration is not measured again. `None`: all are measured in every
    /// pass.
    pub enough_within: Option<f64>,
}

impl Passes {
    /// Every configuration is measured in so many passes.
    #[must_use]
    pub fn exactly(passes: u32) -> Passes {
        Passes { most: passes.max(1), enough_within: None }
    }

    /// Two passes, and a third one over what they leave open.
    pub const UNTIL_KNOWN: Passes = Passes { most: 3, enough_within: Some(ENOUGH_WITHIN) };
}
