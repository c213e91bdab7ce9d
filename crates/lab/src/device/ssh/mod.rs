//! Boards through the system's `ssh`, with the user's configuration, agent, keys and jump hosts: a [`Link`](super::remote::Link)
//! to one of them. All commands share one connection (`master`).

mod link;
mod master;
mod process;
mod refusal;

pub use link::SshLink;
