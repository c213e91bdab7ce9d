//! The adb server: which phones are attached, and in what state.
//!
//! Asked directly rather than through the client library, whose list fails as a whole when one phone has
//! no permissions. The protocol: four hexadecimal digits of length and a text; `OKAY` or `FAIL`, and for
//! lists again a length and a text.

use super::link::LinkError;
use std::fmt;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for any answer of the server.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    pub address: SocketAddrV4,
}

/// A phone that the server knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    pub serial: String,
    pub state: State,
}

/// What the server says of a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Ready,
    /// The phone asks its owner whether this computer may.
    Unauthorized,
    /// Being set up; wait.
    Connecting,
    Offline,
    /// The operating system does not let the server open the USB device.
    NoPermissions {
        says: String,
    },
    /// Started into something else than Android: recovery, sideload, bootloader, rescue.
    NotAndroid {
        mode: String,
    },
    Other(String),
}

impl State {
    /// The state by the server's word for it.
    pub fn parse(word: &str) -> State {
        match word {
            "device" => State::Ready,
            "unauthorized" => State::Unauthorized,
            "offline" | "detached" => State::Offline,
            "connecting" | "authorizing" => State::Connecting,
            "recovery" | "sideload" | "bootloader" | "rescue" => State::NotAndroid { mode: word.to_owned() },
            word if word.starts_with("no permissions") => State::NoPermissions { says: word.to_owned() },
            word => State::Other(word.to_owned()),
        }
    }

    /// What brings the phone `serial` from this state to readiness.
    pub fn remedy(&self, serial: &str) -> String {
        match self {
            State::Ready => "nothing to do".into(),
            State::Unauthorized => {
                "unlock the phone and accept this computer's key (Allow USB debugging); if nothing is asked: \
                 revoke the authorizations in the developer options, and plug the cable in again"
                    .into()
            }
            State::Connecting => "wait a moment; unlock the phone if it asks".into(),
            State::Offline => format!(
                "plug the cable in again, or: adb -s {serial} reconnect; if that does not help, start the phone anew"
            ),
            State::NoPermissions { .. } => {
                "let your user open the USB device: sudo apt install android-sdk-platform-tools-common (udev \
                 rules), be in the group plugdev, plug the cable in again, then: adb kill-server"
                    .into()
            }
            State::NotAndroid { .. } => format!("start Android: adb -s {serial} reboot"),
            State::Other(_) => format!("look at: adb -s {serial} get-state"),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Ready => f.write_str("ready"),
            State::Unauthorized => f.write_str("unauthorized"),
            State::Connecting => f.write_str("still connecting"),
            State::Offline => f.write_str("offline"),
            State::NoPermissions { says } => f.write_str(says),
            State::NotAndroid { mode } => write!(f, "in {mode} mode"),
            State::Other(word) => write!(f, "in state {word:?}"),
        }
    }
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
            reason: "not a number of a port, or not an IPv4 address".to_owned(),
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
    /// No server, and none that could be started.
    pub fn attached(&self) -> Result<Vec<Attached>, LinkError> {
        let text = self.ask("host:devices")?;
        let phones = text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(serial, state)| Attached { serial: serial.to_owned(), state: State::parse(state.trim()) });
        Ok(phones.collect())
    }

    /// The state of the phone `serial`.
    ///
    /// # Errors
    /// No server, or a phone that it does not know of.
    pub fn state_of(&self, serial: &str) -> Result<State, LinkError> {
        let attached = self.attached()?;
        match attached.iter().find(|phone| phone.serial == serial) {
            Some(phone) => Ok(phone.state.clone()),
            None => Err(LinkError::NotFound {
                serial: serial.to_owned(),
                attached: attached.into_iter().map(|phone| phone.serial).collect(),
            }),
        }
    }

    /// Connects to a phone on the network anew, where `serial` is an address; the answer of the server
    /// does not matter, the phone's state tells.
    pub fn reconnect(&self, serial: &str) {
        if serial.parse::<SocketAddr>().is_ok()
            || serial.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok())
        {
            if matches!(self.state_of(serial), Ok(State::Offline)) {
                let _ = self.ask(&format!("host:disconnect:{serial}"));
            }
            let _ = self.ask(&format!("host:connect:{serial}"));
        }
    }

    /// Sends a request to the server itself, and reads the text that it answers with.
    fn ask(&self, request: &str) -> Result<String, LinkError> {
        let failed = |reason: String| LinkError::NoServer { address: self.address.to_string(), reason };
        let mut stream = self.connect()?;
        let exchange = |stream: &mut TcpStream| -> std::io::Result<Result<String, String>> {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.write_all(format!("{:04x}{request}", request.len()).as_bytes())?;
            let mut status = [0; 4];
            stream.read_exact(&mut status)?;
            let text = read_text(stream)?;
            Ok(if &status == b"OKAY" { Ok(text) } else { Err(text) })
        };
        match exchange(&mut stream) {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(refusal)) => Err(failed(format!("it refuses {request:?}: {refusal}"))),
            Err(e) => Err(failed(format!("no adb server: {e}"))),
        }
    }

    fn connect(&self) -> Result<TcpStream, LinkError> {
        let address = SocketAddr::V4(self.address);
        let open = || TcpStream::connect_timeout(&address, PATIENCE);
        let failed = |reason: String| LinkError::NoServer { address: self.address.to_string(), reason };
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

    /// Starts a server on this computer; it stays when this program ends, as adb's own does.
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

fn read_text(stream: &mut TcpStream) -> std::io::Result<String> {
    let bad = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = std::str::from_utf8(&length).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    let mut text = vec![0; length.ok_or_else(|| bad("an answer without its length"))?];
    stream.read_exact(&mut text)?;
    String::from_utf8(text).map_err(|_| bad("an answer that is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_remedy() {
        for (word, state) in [
            ("device", State::Ready),
            ("unauthorized", State::Unauthorized),
            ("authorizing", State::Connecting),
            ("offline", State::Offline),
            ("recovery", State::NotAndroid { mode: "recovery".into() }),
            ("weird", State::Other("weird".into())),
        ] {
            assert_eq!(State::parse(word), state);
            assert!(!state.remedy("S").is_empty());
        }
        let row = "no permissions (missing udev rules? user is in the plugdev group); see [http://x]";
        let state = State::parse(row);
        assert!(matches!(state, State::NoPermissions { .. }));
        assert!(state.to_string().contains("udev") && state.remedy("S").contains("plugdev"));
    }
}
