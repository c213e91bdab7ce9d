//! All integration tests in one binary: linking one is quicker than linking twenty.

mod cli;
mod devices;
mod exact;
mod golden;
mod networks;
mod onnx;
mod onnx_files;
mod phones;
mod predictors;
mod profiles;
mod profiling;
mod proxies;
mod pytorch;
mod score_cli;
mod scores;
mod search_cli;
mod searching;
mod spaces;
mod structures;
#[cfg(feature = "torch")]
mod torch;
