//! The adb server: which phones are attached, and in what state.
//!
//! This module talks to the server itself, because the list of the client library fails as a whole when one phone has no
//! permissions. A request is four hexadecimal digits, its length, followed by its text. The answer is `OKAY` or `FAIL`,
//! and after it, for lists and refusals, again a length and a text.

use super::serial::{is_service, over_network};
use crate::device::remote::{LinkError, PhoneState};
use edgezen_core::foreign::ForeignText;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, ToSocketAddrs};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for an answer of the server.
const PATIENCE: Duration = Duration::from_secs(10);

/// The port of the server, where none is named.
const PORT: u16 = 5037;

/// The host of the server, where none is named.
const LOCAL: &str = "localhost";

/// The first IPv4 address of `host`, a name or an address.
fn resolve(host: &str, port: u16) -> std::io::Result<Option<SocketAddrV4>> {
    if host == LOCAL {
        return Ok(Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)));
    }
    let found = (host, port).to_socket_addrs()?;
    Ok(found.into_iter().find_map(|address| match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    }))
}

/// The adb server, by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    pub address: SocketAddrV4,
}

/// A phone that the server knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedPhone {
    pub serial: ForeignText,
    pub state: PhoneState,
}

impl Server {
    /// The server that the environment names, in the way of adb itself: `ADB_SERVER_SOCKET`, else `ANDROID_ADB_SERVER_ADDRESS`
    /// and `ANDROID_ADB_SERVER_PORT`, else 127.0.0.1:5037. A host may be given by its name.
    ///
    /// # Errors
    /// A variable that holds no address or port, and a host that is not known or has no IPv4 address.
    pub fn from_environment() -> Result<Server, LinkError> {
        Server::of(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn of(set: &dyn Fn(&str) -> Option<String>) -> Result<Server, LinkError> {
        let bad = |name: &str, value: &str, reason: &str| LinkError::NoServer {
            address: format!("{name}={value}"),
            reason: reason.into(),
        };
        let number = |name: &str, value: &str, port: &str| {
            port.parse::<u16>().map_err(|_| bad(name, value, "the port is no number up to 65535"))
        };
        let found = |name: &str, value: &str, host: &str, port: u16| match resolve(host, port) {
            Ok(Some(address)) => Ok(Server { address }),
            Ok(None) => Err(bad(name, value, "this host has no IPv4 address")),
            Err(error) => Err(bad(name, value, &error.to_string())),
        };
        let (socket, address, port) =
            ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_PORT");
        if let Some(value) = set(socket) {
            let Some(tcp) = value.strip_prefix("tcp:") else {
                return Err(bad(socket, &value, "only tcp:PORT and tcp:HOST:PORT are supported"));
            };
            let (host, text) = tcp.rsplit_once(':').unwrap_or((LOCAL, tcp));
            return found(socket, &value, host, number(socket, &value, text)?);
        }
        let port = match set(port) {
            Some(value) => number(port, &value, &value)?,
            None => PORT,
        };
        match set(address) {
            Some(value) => found(address, &value, &value, port),
            None => Ok(Server { address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port) }),
        }
    }

    /// All phones that the server knows of. Starts the server where there is none on this computer.
    ///
    /// # Errors
    /// There is no server, and none could be started.
    pub fn attached(&self) -> Result<Vec<AttachedPhone>, LinkError> {
        let text = self.ask("host:devices")?;
        let phones = text.lines().filter_map(|line| line.split_once('\t')).map(|(serial, state)| {
            AttachedPhone { serial: serial.into(), state: PhoneState::parse(state.trim()) }
        });
        Ok(phones.collect())
    }

    /// The state of the phone `serial`.
    ///
    /// # Errors
    /// There is no server, or it does not know the phone.
    pub fn state_of(&self, serial: &ForeignText) -> Result<PhoneState, LinkError> {
        let attached = self.attached()?;
        match attached.iter().find(|phone| phone.serial == *serial) {
            Some(phone) => Ok(phone.state.clone()),
            None => Err(LinkError::NotFound {
                serial: serial.clone(),
                attached: attached.into_iter().map(|phone| phone.serial).collect(),
            }),
        }
    }

    /// Connects again to a phone on the network. The server's answer is ignored; the phone's state shows whether it worked.
    pub fn reconnect(&self, serial: &ForeignText) {
        let name = serial.raw();
        if !over_network(name) {
            return;
        }
        if matches!(self.state_of(serial), Ok(PhoneState::Offline)) {
            // A service that is disconnected would be forgotten until it announces itself again.
            let request = if is_service(name) {
                "host:reconnect-offline".to_owned()
            } else {
                format!("host:disconnect:{name}")
            };
            let _ = self.ask(&request);
        }
        // The server looks a service up by its name (adb's `socket_spec_connect`).
        let _ = self.ask(&format!("host:connect:{}", name.trim_end_matches('.')));
    }

    /// Sends a request to the server itself, and reads the text that it answers with.
    fn ask(&self, request: &str) -> Result<String, LinkError> {
        let failed = |reason: String| self.no_server(&reason);
        let mut stream = self.connect()?;
        let exchange = |stream: &mut TcpStream| -> std::io::Result<Result<String, String>> {
            let end = Instant::now() + PATIENCE;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.write_all(format!("{:04x}{request}", request.len()).as_bytes())?;
            let mut status = [0; 4];
            read_until(end, stream, &mut status)?;
            let text = read_text(end, stream)?;
            Ok(if &status == b"OKAY" { Ok(text) } else { Err(text) })
        };
        match exchange(&mut stream) {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(refusal)) => Err(failed(format!("it refuses {request:?}: {refusal}"))),
            Err(e) => Err(failed(format!("no adb server: {e}"))),
        }
    }

    fn no_server(&self, reason: &str) -> LinkError {
        LinkError::NoServer { address: self.address.to_string(), reason: ForeignText::message(reason) }
    }

    fn connect(&self) -> Result<TcpStream, LinkError> {
        let address = SocketAddr::V4(self.address);
        let open = || TcpStream::connect_timeout(&address, PATIENCE);
        let failed = |reason: String| self.no_server(&reason);
        match open() {
            Ok(stream) => Ok(stream),
            Err(e) if self.address.ip().is_loopback() => {
                self.start().map_err(|reason| failed(format!("{e}; {reason}")))?;
                let start = Instant::now();
                loop {
                    match open() {
                        Ok(stream) => return Ok(stream),
                        Err(e) if start.elapsed() > PATIENCE => return Err(failed(e.to_string())),
                        Err(_) => std::thread::sleep(Duration::from_millis(100)),
                    }
                }
            }
            Err(e) => Err(failed(e.to_string())),
        }
    }

    /// Starts a server on this computer. Like the one that adb starts, it keeps running when this program ends.
    fn start(&self) -> Result<(), String> {
        let mut adb = Command::new("adb");
        adb.args(["-P", &self.address.port().to_string(), "start-server"]);
        let output = adb.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        match output {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("adb start-server failed: {status}")),
            Err(e) => Err(format!("adb cannot be started: {e}")),
        }
    }
}

/// Fills `bytes`, and gives up at the moment `end`, however slowly the bytes trickle in.
fn read_until(end: Instant, stream: &mut TcpStream, bytes: &mut [u8]) -> std::io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut bytes[filled..])? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            more => filled += more,
        }
    }
    Ok(())
}

/// Reads a length of four hexadecimal digits and a text of that length, so at most 64 KiB.
fn read_text(end: Instant, stream: &mut TcpStream) -> std::io::Result<String> {
    let bad = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let mut length = [0; 4];
    read_until(end, stream, &mut length)?;
    let length = std::str::from_utf8(&length).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    let mut text = vec![0; length.ok_or_else(|| bad("an answer without its length"))?];
    read_until(end, stream, &mut text)?;
    String::from_utf8(text).map_err(|_| bad("an answer that is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(variables: &[(&str, &str)]) -> Result<String, String> {
        let set = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Server::of(&set).map(|server| server.address.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_server_is_the_one_that_adb_would_ask() {
        let (socket, address, port) =
            ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_PORT");
        for (variables, want) in [
            (&[][..], "127.0.0.1:5037"),
            (&[(port, "5038")], "127.0.0.1:5038"),
            (&[(address, "10.0.0.7"), (port, "5038")], "10.0.0.7:5038"),
            (&[(address, "localhost")], "127.0.0.1:5037"),
            (&[(socket, "tcp:5039")], "127.0.0.1:5039"),
            (&[(socket, "tcp:localhost:5039"), (address, "10.0.0.7"), (port, "5038")], "127.0.0.1:5039"),
            (&[(socket, "tcp:172.20.96.1:5037")], "172.20.96.1:5037"),
        ] {
            assert_eq!(server(variables).as_deref(), Ok(want), "{variables:?}");
        }
        for (variables, word) in [
            (&[(port, "none")], "ANDROID_ADB_SERVER_PORT=none"),
            (&[(port, "99999")], "65535"),
            (&[(socket, "localabstract:adb")], "only tcp"),
            (&[(socket, "tcp:host:x")], "ADB_SERVER_SOCKET=tcp:host:x"),
            (&[(address, "no such host")], "no such host"),
        ] {
            let error = server(variables).unwrap_err();
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}
