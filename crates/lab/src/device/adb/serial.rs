//! What the serial number of a phone tells about the way to it.

use std::net::IpAddr;

/// Whether the phone with this serial number is reached through the network, which airplane mode would cut off. Such numbers are
/// addresses (`192.168.0.7:5555`, `[fe80::1]:5555`, `phone.local:5555`) and names of services (adb's `adb_mdns.h`):
/// `adb-39071FDJH00DVL-9pQ2xY._adb-tls-connect._tcp` of wireless debugging, `_adb._tcp`.
pub fn over_network(serial: &str) -> bool {
    serial.contains(':') || is_service(serial) || serial.parse::<IpAddr>().is_ok()
}

/// Whether this is the name of a service, with or without the dot and the domain at its end.
pub fn is_service(serial: &str) -> bool {
    let name = serial.trim_end_matches('.');
    let name = name.strip_suffix(".local").unwrap_or(name);
    name.ends_with("._tcp") && name.contains("._adb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_every_spelling() {
        for serial in [
            "192.168.0.7:5555",
            "127.0.0.1:41235",
            "[fe80::1%wlan0]:5555",
            "phone.local:5555",
            "adb-39071FDJH00DVL-9pQ2xY._adb-tls-connect._tcp",
            "adb-39071FDJH00DVL-9pQ2xY._adb-tls-connect._tcp.",
            "adb-39071FDJH00DVL-9pQ2xY (2)._adb-tls-connect._tcp.local.",
            "adb-39071FDJH00DVL._adb._tcp",
            "vsock:3:5555",
        ] {
            assert!(over_network(serial), "{serial}");
        }
        for serial in ["FA8171A00123", "39071FDJH00DVL", "emulator-5554", "RF8M_tcp", "a._tcp"] {
            assert!(!over_network(serial), "{serial}");
        }
    }
}
