//! The name of a device on the command line: `host`, `pixel2@tract`, `cuda:1@torch@fp32`.

/// The parts of `device@runtime@precision`; the last two may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceName<'a> {
    /// The whole name.
    pub text: &'a str,
    /// What comes before the first `@`.
    pub device: &'a str,
    pub runtime: Option<&'a str>,
    pub precision: Option<&'a str>,
    /// Whether further parts follow the precision.
    pub has_more: bool,
}

impl<'a> DeviceName<'a> {
    /// Splits `text` at each `@`; empty parts after the first are left out.
    pub fn parse(text: &'a str) -> DeviceName<'a> {
        let (device, rest) = text.split_once('@').unwrap_or((text, ""));
        let mut parts = rest.split('@').filter(|part| !part.is_empty());
        let (runtime, precision) = (parts.next(), parts.next());
        DeviceName { text, device, runtime, precision, has_more: parts.next().is_some() }
    }
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
}
