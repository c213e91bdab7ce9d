//! Who runs a command that takes long, where it is another program in its own process.

use edgezen_core::predictor::pricing::WholePredictor;
use edgezen_core::proxy::Proxy;
use edgezen_core::search::SearchProgress;
use std::sync::Arc;

/// What a running command tells the program that called it, and asks of it.
pub trait Caller: Sync {
    /// How far a search is.
    fn progress(&self, progress: &SearchProgress);

    /// Whether the command is to stop, as after Ctrl-C. Asked often: must be quick.
    fn wants_to_stop(&self) -> bool;

    /// A function of the caller's own that a search maximises in the place of a proxy. `se`: the networks have squeeze-excite.
    fn proxy(&self, _se: bool) -> Option<Own<Arc<dyn Proxy>>> {
        None
    }

    /// A function of the caller's own that gives the latencies of networks on the device of this name, in the place of a predictor.
    fn predictor(&self, _device: &str) -> Option<Arc<dyn WholePredictor>> {
        None
    }
}

/// A function of the caller's own.
#[derive(Clone)]
pub struct Own<T> {
    /// What it is called, with the language before it: `python:mine`. No other proxy has such a name.
    pub name: String,
    pub function: T,
}

/// Whether a run of this name of a proxy maximised a function of a caller's own.
pub fn is_own(proxy: &str) -> bool {
    proxy.contains(':')
}
