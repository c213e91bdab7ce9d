//! Data files compiled into the program, as `(name, contents)` sorted by name; the name is that of the
//! file without its extension.
//!
//! * `DEVICE_PROFILES`: `device-profiles/*.toml`, read by [`edgezen_lab::device::profile`];
//! * `PREDICTORS`: `predictors/*.json`;
//! * `ACCURACIES`: `datasets/accuracies/*.csv.gz`.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
