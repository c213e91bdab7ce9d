//! Switching the radios off.
//!
//! Since Android 11 (API 30) the shell may switch airplane mode: `cmd connectivity airplane-mode`, in AOSP's
//! `ConnectivityService`. On Android 9 and 10 it may not, and up to 8.1 the command is not there: it prints "No shell command
//! implementation." and ends with success (AOSP's `Binder.onShellCommand`). The setting alone, which the shell may put on all of
//! them, leaves the radios on. So older phones have Wi-Fi and mobile data switched off by `svc`.

use super::settings::Settings;
use crate::device::remote::Plan;

/// The first API level at which the shell may switch airplane mode.
const AIRPLANE: u32 = 30;

/// What switches the radios off, where they are on. `sdk` is the API level; where it is not known, it counts as a new one,
/// because what is set is read back.
pub fn off(settings: &Settings, sdk: Option<u32>) -> Plan {
    let is_on = |key: &str| settings.get("global", key).is_some_and(|value| value != "0" && value != "null");
    if is_on("airplane_mode_on") {
        return Plan::default();
    }
    if has_airplane_mode(sdk) {
        let airplane = |word: &str| vec![format!("cmd connectivity airplane-mode {word}")];
        return Plan { changes: airplane("enable"), undo: airplane("disable") };
    }
    let mut plan = Plan::default();
    for (key, radio) in RADIOS {
        if is_on(key) {
            let change = |word: &str| vec![format!("svc {radio} {word}")];
            plan.then(Plan { changes: change("disable"), undo: change("enable") });
        }
    }
    plan
}

/// Settings that say whether a radio is on, and the names that `svc` has for them.
const RADIOS: [(&str, &str); 2] = [("wifi_on", "wifi"), ("mobile_data", "data")];

fn has_airplane_mode(sdk: Option<u32>) -> bool {
    sdk.is_none_or(|sdk| sdk >= AIRPLANE)
}

/// What `settings`, read after the change, say is still on.
pub fn still_on(settings: &Settings, sdk: Option<u32>) -> Option<String> {
    if settings.get("global", "airplane_mode_on") == Some("1") {
        return None;
    }
    if has_airplane_mode(sdk) {
        return Some("airplane mode could not be switched on; by hand: quick settings".to_owned());
    }
    let on: Vec<&str> = RADIOS
        .into_iter()
        .filter(|(key, _)| settings.get("global", key).is_some_and(|value| value == "1" || value == "2"))
        .map(|(_, radio)| radio)
        .collect();
    (!on.is_empty()).then(|| {
        format!(
            "radios could not be switched off ({}); by hand: airplane mode in the quick settings",
            on.join(", ")
        )
    })
}
