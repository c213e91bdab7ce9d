//! Why libtorch gives no score for a network.

use super::reason;
use edgezen_core::proxy::exact::ExactError;
use edgezen_core::proxy::exact::forward::ForwardError;
use edgezen_core::proxy::on_graph::Undefined;
use tch::TchError;

/// What can go wrong while libtorch scores a network. The errors of [`edgezen_core::proxy`] are made of it.
#[derive(Debug)]
pub(super) enum Unscored {
    /// libtorch failed.
    Torch(TchError),
    /// The network has no score, whatever computes it.
    Undefined(Undefined),
}

impl From<TchError> for Unscored {
    fn from(error: TchError) -> Unscored {
        Unscored::Torch(error)
    }
}

impl From<Undefined> for Unscored {
    fn from(error: Undefined) -> Unscored {
        Unscored::Undefined(error)
    }
}

impl From<ForwardError> for Unscored {
    fn from(error: ForwardError) -> Unscored {
        Unscored::Undefined(error.into())
    }
}

impl From<Unscored> for ExactError {
    fn from(error: Unscored) -> ExactError {
        match error {
            Unscored::Torch(error) => ExactError::Engine(format!("torch: {}", reason(&error))),
            Unscored::Undefined(Undefined::Forward(error)) => ExactError::Forward(error),
            Unscored::Undefined(error) => ExactError::Engine(format!("torch: {error}")),
        }
    }
}

impl From<Unscored> for Undefined {
    fn from(error: Unscored) -> Undefined {
        match error {
            Unscored::Torch(error) => Undefined::Reason(format!("torch: {}", reason(&error))),
            Unscored::Undefined(error) => error,
        }
    }
}
