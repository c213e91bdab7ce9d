//! A link to a phone through the adb server, with the library adb_client.
//!
//! This module adds what the library lacks: the exit status of commands, time limits, and the distinction between a
//! command that ended and a link that broke.

use super::server::Server;
use crate::device::remote::{
    Address, Bounded, Finished, Link, LinkError, MOST_BYTES, PhoneState, Way, is_too_much, marked, unmarked,
};
use adb_client::server_device::ADBServerDevice;
use adb_client::{ADBDeviceExt, RustADBError};
use edgezen_core::foreign::ForeignText;
use std::io::Cursor;
use std::sync::mpsc;
use std::time::Duration;

/// A phone behind the adb server.
#[derive(Debug)]
pub struct AdbLink {
    server: Server,
    serial: Address,
}

impl AdbLink {
    /// A link to the phone `serial`; nothing is sent yet.
    pub fn new(server: Server, serial: &ForeignText) -> AdbLink {
        AdbLink { server, serial: Address::new(serial.clone(), Way::Adb) }
    }

    /// Runs `work` with a new connection in a thread of its own, which is abandoned after `limit`: the library itself waits
    /// for ever.
    fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        what: &str,
        work: impl FnOnce(&mut ADBServerDevice) -> Result<T, RustADBError> + Send + 'static,
    ) -> Result<T, LinkError> {
        let mut device = ADBServerDevice::new(self.serial.raw().to_owned(), Some(self.server.address));
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            // After the time limit nobody receives the result any more.
            let _ = send.send(work(&mut device));
        });
        match receive.recv_timeout(limit) {
            Ok(result) => result.map_err(|error| self.error(what, &error)),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                Err(LinkError::TooLong { serial: self.serial.clone(), what: what.to_owned(), limit })
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(self.broken("the client gave up")),
        }
    }

    fn broken(&self, reason: impl std::fmt::Display) -> LinkError {
        LinkError::Broken { serial: self.serial.clone(), reason: ForeignText::message(reason) }
    }

    /// What an error of the library means. The server's refusals differ in their text only.
    fn error(&self, what: &str, error: &RustADBError) -> LinkError {
        let serial = self.serial.clone();
        match error {
            RustADBError::ADBRequestFailed(text) | RustADBError::DeviceNotFound(text) => {
                if text.contains("not found") {
                    return LinkError::NotFound { serial: (*serial).clone(), attached: Vec::new() };
                }
                if let Some(state) = text.strip_prefix("device ") {
                    let word = state.split(['.', ' ', '\n']).next().unwrap_or_default();
                    return LinkError::NotReady { serial, state: PhoneState::parse(word) };
                }
                if ["closed", "protocol fault", "no devices", "connection reset"]
                    .iter()
                    .any(|t| text.contains(t))
                {
                    return self.broken(text);
                }
                LinkError::Refused {
                    serial,
                    what: what.to_owned(),
                    reason: ForeignText::message(text.trim()),
                }
            }
            RustADBError::IOError(e) if is_too_much(e) => {
                LinkError::TooMuch { serial, what: what.to_owned(), limit: MOST_BYTES }
            }
            // The library reports a refused file as an I/O error of kind `Other`.
            RustADBError::IOError(e) if e.kind() == std::io::ErrorKind::Other => {
                LinkError::Refused { serial, what: what.to_owned(), reason: ForeignText::message(e) }
            }
            RustADBError::IOError(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
                LinkError::NoServer {
                    address: self.server.address.to_string(),
                    reason: ForeignText::message(e),
                }
            }
            error => self.broken(error),
        }
    }
}

impl Link for AdbLink {
    fn name(&self) -> &Address {
        &self.serial
    }

    fn state(&mut self) -> Result<PhoneState, LinkError> {
        self.server.state_of(&self.serial)
    }

    fn shell(&mut self, command: &str, limit: Duration) -> Result<Finished, LinkError> {
        let text = marked(command);
        let (stdout, stderr) = self.within(limit, "a command", move |device| {
            let (mut stdout, mut stderr) = (Bounded::default(), Bounded::default());
            device.shell_command(&text, Some(&mut stdout), Some(&mut stderr))?;
            Ok((stdout.bytes, stderr.bytes))
        })?;
        unmarked(&stdout, &stderr).ok_or_else(|| self.broken("the command did not end"))
    }

    fn push(&mut self, bytes: &[u8], remote: &str, limit: Duration) -> Result<(), LinkError> {
        let (mut bytes, path) = (Cursor::new(bytes.to_vec()), remote.to_owned());
        self.within(limit, &format!("writing {remote}"), move |device| device.push(&mut bytes, &path))
    }

    fn pull(&mut self, remote: &str, limit: Duration) -> Result<Vec<u8>, LinkError> {
        let path = remote.to_owned();
        self.within(limit, &format!("reading {remote}"), move |device| {
            let mut file = Bounded::default();
            device.pull(&path, &mut file)?;
            Ok(file.bytes)
        })
    }

    fn revive(&mut self) {
        self.server.reconnect(&self.serial);
    }
}
