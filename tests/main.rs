//! All integration tests in one binary: linking one is quicker than linking twenty.

mod golden;
mod onnx;
mod profiling;
mod runner;
mod scores;
mod structures;
