//! The adb server: which phones are attached, and in what state.
//!
//! This module talks to the server itself, because the list of the client library fails as a whole when one phone has no
//! permissions. A request is four hexadecimal digits, its length, followed by its text. The answer is `OKAY` or `FAIL`,
//! and after it, for lists and refusals, again a length and a text.

use super::error::LinkError;
use super::phone_state::PhoneState;
use edgezen_core::foreign::ForeignText;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for an answer of the server.
const PATIENCE: Duration = Duration::from_secs(10);

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
    /// The server that the environment names: `ANDROID_ADB_SERVER_ADDRESS` and `ANDROID_ADB_SERVER_PORT`,
    /// else 127.0.0.1:5037.
    ///
    /// # Errors
    /// A variable that holds no address or port.
    pub fn from_environment() -> Result<Server, LinkError> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let bad = |name: &str, value: &str| LinkError::NoServer {
            address: format!("{name}={value}"),
            reason: "not a number of a port, or not an IPv4 address".into(),
        };
        let (address, port) = ("ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_PORT");
        let ip = match set(address) {
            Some(value) if value != "localhost" => value.parse().map_err(|_| bad(address, &value))?,
            _ => Ipv4Addr::LOCALHOST,
        };
        let port = match set(port) {
            Some(value) => value.parse().map_err(|_| bad(port, &value))?,
            None => 5037,
        };
        Ok(Server { address: SocketAddrV4::new(ip, port) })
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

    /// Connects again to a phone on the network, where `serial` is an address. The server's answer is ignored; the phone's
    /// state shows whether it worked.
    pub fn reconnect(&self, serial: &ForeignText) {
        let address = serial.raw();
        if address.parse::<SocketAddr>().is_ok()
            || address.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok())
        {
            if matches!(self.state_of(serial), Ok(PhoneState::Offline)) {
                let _ = self.ask(&format!("host:disconnect:{address}"));
            }
            let _ = self.ask(&format!("host:connect:{address}"));
        }
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
