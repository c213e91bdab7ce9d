//! What an Android phone says of itself beside what every Linux tells.

use crate::device::remote::Machine;

/// Properties of Android that are asked for.
const ASKED: [&str; 10] = [
    "ro.product.device",
    "ro.product.model",
    "ro.product.manufacturer",
    "ro.board.platform",
    "ro.soc.model",
    "ro.product.cpu.abi",
    "ro.build.fingerprint",
    "ro.build.version.release",
    "ro.build.version.sdk",
    "ro.serialno",
];

/// The commands that ask for them.
pub fn questions() -> String {
    format!("for p in {}; do echo \"prop $p=$(getprop $p 2>/dev/null)\"; done", ASKED.join(" "))
}

/// The device name, by which profiles recognise the phone.
pub fn device(phone: &Machine) -> Option<&str> {
    phone.property("ro.product.device")
}

/// The API level of its Android: 30 for Android 11.
pub fn sdk(phone: &Machine) -> Option<u32> {
    phone.property("ro.build.version.sdk")?.parse().ok()
}

/// One line that describes the phone, which can be printed.
pub fn title(phone: &Machine) -> String {
    let text = |name: &str| phone.properties.get(name).map(ToString::to_string);
    let words: Vec<String> =
        ["ro.product.manufacturer", "ro.product.model"].into_iter().filter_map(text).collect();
    match (words.is_empty(), text("ro.product.device")) {
        (false, Some(device)) => format!("{} ({device})", words.join(" ")),
        (false, None) => words.join(" "),
        (true, Some(device)) => device,
        (true, None) => "a phone that does not tell its model".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::remote::machine::PROPERTIES;
    use crate::device::remote::machine::tests::{pixel2, read};

    #[test]
    fn a_phone_tells_its_name() {
        assert_eq!(title(&pixel2()), "Google Pixel 2 (walleye)");
        assert_eq!((device(&pixel2()), sdk(&pixel2())), (Some("walleye"), Some(30)));
        assert!(title(&Machine::default()).contains("does not tell"));
        assert!(ASKED.iter().all(|name| PROPERTIES.contains(name)));
    }

    #[test]
    fn what_a_phone_calls_itself_is_printed_harmlessly() {
        let phone =
            read("prop ro.product.device=wall\u{1b}]0;PWNED\u{7}\nprop ro.product.model=Pix\u{9b}2Jel\n");
        assert_eq!(title(&phone), r"Pix\u{9b}2Jel (wall\u{1b}]0;PWNED\u{7})");
    }
}
