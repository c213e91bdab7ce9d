//! Promises that hold for everything of a kind: every registered or shipped thing, every search, every exported file.

mod documents;
pub mod exports;
pub mod onnx;
mod predictor_files;
mod profiles;
pub mod pytorch;
mod runtimes;
mod searching;
