//! Phones over adb, with real parts: a real adb server, and a real adbd for each phone, on the loopback
//! interface. `scripts/setup-adb` installs both; where they cannot be had, these tests say that they were
//! skipped (and fail instead where `EDGEZEN_REQUIRE_ADB` is set, as in `scripts/test`). What a real adbd never says is
//! said by servers of these tests: `fake_server` shows states, and `liar` is a phone that lies.

mod arm;
mod arm_runtimes;
mod fake_server;
mod faults;
pub mod figures;
mod heat;
mod identity;
mod liar;
mod lies;
mod link;
pub mod loopback;
pub mod measuring;
mod runtimes;
mod setup;
