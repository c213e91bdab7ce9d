//! States that a real adbd cannot show: a server that speaks the protocol of the real one, and says what
//! it is told to.

use super::loopback::errors;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// Answers the list of phones with `list`, and every transport with `refusal`.
fn serve(list: &'static str, refusal: &'static str) -> u16 {
    serve_and_listen(list, refusal).0
}

/// The same, with the requests that arrived.
fn serve_and_listen(list: &'static str, refusal: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || answer(stream, list, refusal, &log));
        }
    });
    (port, heard)
}

fn answer(mut stream: TcpStream, list: &str, refusal: &str, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let length = usize::from_str_radix(std::str::from_utf8(&length).ok()?, 16).ok()?;
    let mut request = vec![0; length];
    stream.read_exact(&mut request).ok()?;
    log.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    let (status, text) = match std::str::from_utf8(&request).ok()? {
        "host:devices" => ("OKAY", list),
        _ => ("FAIL", refusal),
    };
    stream.write_all(format!("{status}{:04x}{text}", text.len()).as_bytes()).ok()
}

fn edgezen(port: u16, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
    command.args(arguments).current_dir(folder.path()).env("ANDROID_ADB_SERVER_PORT", port.to_string());
    command.env("XDG_RUNTIME_DIR", folder.path()).env("PATH", "").env_remove("ANDROID_SERIAL");
    command.env_remove("ADB_SERVER_SOCKET");
    command.output().unwrap()
}

const ROWS: [(&str, &str, &str, &str); 5] = [
    (
        "S1\tunauthorized\n",
        "device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set",
        "unauthorized",
        "accept",
    ),
    ("S1\toffline\n", "device offline", "offline", "reconnect"),
    ("S1\trecovery\n", "closed", "recovery", "reboot"),
    (
        "S1\tno permissions (missing udev rules? user is in the plugdev group); see [docs]\n",
        "insufficient permissions for device",
        "no permissions",
        "udev",
    ),
    ("", "no devices/emulators found", "no phone", "USB debugging"),
];

#[test]
fn every_state_says_what_to_do() {
    std::thread::scope(|scope| {
        for (list, refusal, word, remedy) in ROWS {
            scope.spawn(move || {
                let port = serve(list, refusal);
                let output = edgezen(port, &["measure", "--device", "pixel2", "resnet18"]);
                let text = errors(&output);
                assert_eq!(output.status.code(), Some(4), "{text}");
                assert!(text.contains(word) && text.contains(remedy), "{word}, {remedy}: {text}");
                assert!(!text.contains("panicked"), "{text}");
            });
        }
    });
}

#[test]
fn wireless_debugging_is_connected_again() {
    // As mDNS names it, and as an address.
    for (list, requests) in [
        (
            "adb-39071FDJH00DVL-9pQ2xY._adb-tls-connect._tcp\toffline\n",
            ["host:reconnect-offline", "host:connect:adb-39071FDJH00DVL-9pQ2xY._adb-tls-connect._tcp"],
        ),
        (
            "192.168.0.7:5555\toffline\n",
            ["host:disconnect:192.168.0.7:5555", "host:connect:192.168.0.7:5555"],
        ),
    ] {
        let (port, heard) = serve_and_listen(list, "device offline");
        let output = edgezen(port, &["measure", "--device", "pixel2", "resnet18"]);
        assert_eq!(output.status.code(), Some(4), "{}", errors(&output));
        let heard = heard.lock().unwrap();
        for request in requests {
            assert!(heard.iter().any(|said| said == request), "{request}: {heard:?}");
        }
    }
    // A phone on a cable is not connected.
    let (port, heard) = serve_and_listen("39071FDJH00DVL\toffline\n", "device offline");
    edgezen(port, &["measure", "--device", "pixel2", "resnet18"]);
    assert!(!heard.lock().unwrap().iter().any(|said| said.contains("connect")));
}

#[test]
fn a_server_elsewhere_is_found_as_adb_finds_it() {
    let port = serve("S1\tunauthorized\n", "device unauthorized.");
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in
        [("ADB_SERVER_SOCKET", format!("tcp:localhost:{port}")), ("ADB_SERVER_SOCKET", format!("tcp:{port}"))]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
        command.args(["devices", "--json"]).current_dir(folder.path()).env(name, value);
        command.env("ANDROID_ADB_SERVER_PORT", "1").env("PATH", "");
        let output = command.output().unwrap();
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(list["phones"][0]["state"], "unauthorized", "{list}");
    }
}

#[test]
fn one_bad_phone_does_not_hide_the_others() {
    let port = serve(
        "\u{3f}\u{3f}\u{3f}\tno permissions (user in plugdev group; are your udev rules wrong?); see [docs]\nS1\tunauthorized\n",
        "device unauthorized.",
    );
    let output = edgezen(port, &["devices", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let phones = list["phones"].as_array().unwrap();
    assert_eq!(phones.len(), 2, "{phones:?}");
    assert_eq!(phones[1]["state"], "unauthorized");
    let doctor = edgezen(port, &["devices", "doctor"]);
    let text = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(text.contains("accept this computer's key") && text.contains("plugdev"), "{text}");
    // Two are attached, and none is named.
    let output = edgezen(port, &["measure", "--device", "pixel2", "resnet18"]);
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(errors(&output).contains("--serial"));
    let output = edgezen(port, &["measure", "--device", "pixel2", "--serial", "S9", "resnet18"]);
    assert_eq!(output.status.code(), Some(4), "{}", errors(&output));
    assert!(errors(&output).contains("S9") && errors(&output).contains("S1"), "{}", errors(&output));
}

#[test]
fn without_a_server_the_tools_are_asked_for() {
    let output = edgezen(1, &["profile", "--device", "pixel2"]);
    assert_eq!(output.status.code(), Some(4), "{}", errors(&output));
    assert!(errors(&output).contains("apt install adb"), "{}", errors(&output));
    for bad in ["none", "99999"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
        command.args(["measure", "--device", "pixel2", "resnet18"]).env("ANDROID_ADB_SERVER_PORT", bad);
        command.env_remove("ADB_SERVER_SOCKET");
        let output = command.output().unwrap();
        assert!(errors(&output).contains(bad), "{}", errors(&output));
    }
}
