//! The name of a device on the command line: `host`, `pixel2@tract`, `cuda:1@torch@fp32`, `host@onnxruntime@2t`,
//! `raspberrypi4@sustained`.

use edgezen_core::measurement::SUSTAINED;

/// The parts of `device@runtime@precision@2t@sustained`; all but the first may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceName<'a> {
    /// The whole name.
    pub text: &'a str,
    /// What comes before the first `@`.
    pub device: &'a str,
    pub runtime: Option<&'a str>,
    pub precision: Option<&'a str>,
    /// Number of threads: 2 for `2t`.
    pub threads: Option<u32>,
    /// Whether the device is heated up to its plateau before it is measured.
    pub sustained: bool,
    /// Whether further parts follow the precision.
    pub has_more: bool,
}

impl<'a> DeviceName<'a> {
    /// Splits `text` at each `@`; empty parts after the first are left out. The number of threads and the
    /// sustained state may stand anywhere after the device.
    pub fn parse(text: &'a str) -> DeviceName<'a> {
        let (device, rest) = text.split_once('@').unwrap_or((text, ""));
        let parts = || rest.split('@').filter(|part| !part.is_empty());
        let mut names = parts().filter(|part| threads(part).is_none() && *part != SUSTAINED);
        let mut counts = parts().filter_map(threads);
        let (runtime, precision, count) = (names.next(), names.next(), counts.next());
        let states = parts().filter(|part| *part == SUSTAINED).count();
        let has_more = names.next().is_some() || counts.next().is_some() || states > 1;
        DeviceName { text, device, runtime, precision, threads: count, sustained: states > 0, has_more }
    }
}

/// The number in `2t`; `None` for anything else.
fn threads(part: &str) -> Option<u32> {
    let digits = part.strip_suffix('t')?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|&number| is_number && number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_may_be_absent() {
        let parts = |text| {
            let name = DeviceName::parse(text);
            (name.device, name.runtime, name.precision, name.has_more)
        };
        assert_eq!(parts("host"), ("host", None, None, false));
        assert_eq!(parts("pixel2@tract"), ("pixel2", Some("tract"), None, false));
        assert_eq!(parts("cuda:1@torch@fp32"), ("cuda:1", Some("torch"), Some("fp32"), false));
        assert_eq!(parts("host@@fp32"), ("host", Some("fp32"), None, false));
        assert!(parts("a@b@c@d").3);
    }

    #[test]
    fn the_sustained_state_is_a_part_of_its_own() {
        let parts = |text| {
            let name = DeviceName::parse(text);
            (name.runtime, name.precision, name.sustained, name.has_more)
        };
        assert_eq!(parts("pixel2@tract@fp32"), (Some("tract"), Some("fp32"), false, false));
        assert_eq!(parts("pixel2@sustained"), (None, None, true, false));
        assert_eq!(parts("pixel2@sustained@tract@2t@int8"), (Some("tract"), Some("int8"), true, false));
        assert!(parts("pixel2@sustained@sustained").3);
        assert!(!parts("sustained").2);
    }

    #[test]
    fn the_number_of_threads_is_a_part_of_its_own() {
        let parts = |text| {
            let name = DeviceName::parse(text);
            (name.runtime, name.precision, name.threads, name.has_more)
        };
        assert_eq!(parts("host@onnxruntime@2t"), (Some("onnxruntime"), None, Some(2), false));
        assert_eq!(parts("host@litert@int8@16t"), (Some("litert"), Some("int8"), Some(16), false));
        assert_eq!(parts("host@2t"), (None, None, Some(2), false));
        // Two numbers are one too many; what is no number is a name.
        assert!(parts("host@litert@2t@4t").3);
        assert_eq!(parts("host@0t@+2t"), (Some("0t"), Some("+2t"), None, false));
    }
}
