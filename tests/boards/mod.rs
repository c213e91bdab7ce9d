//! Boards over ssh, with real parts: Debian's sshd as a process of this user, on the loopback interface, with keys of its own.
//! `scripts/setup-sshd` installs it; where it cannot be had, these tests say that they were skipped (and fail instead where
//! `EDGEZEN_REQUIRE_SSHD` is set, as in `scripts/test`).

mod faults;
mod loopback;
pub mod measuring;
mod pools;
mod refusals;
