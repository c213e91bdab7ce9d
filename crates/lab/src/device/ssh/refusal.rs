//! What the messages of `ssh` mean.

use crate::device::remote::{Address, LinkError};
use edgezen_core::foreign::ForeignText;

/// Messages after which waiting is useless.
const FINAL: [&str; 9] = [
    "Permission denied",
    "Host key verification failed",
    "REMOTE HOST IDENTIFICATION HAS CHANGED",
    "Too many authentication failures",
    "no matching host key type",
    "Bad configuration option",
    "Bad owner or permissions",
    "No such identity",
    "invalid characters",
];

/// The error for which `ssh` has this text. A name that is not known may be one of a board that is off, as `board.local`.
pub fn error(host: &Address, stderr: &str) -> LinkError {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let told = lines().find(|line| FINAL.iter().any(|words| line.contains(words)));
    match told {
        Some(line) => LinkError::Denied { serial: host.clone(), reason: ForeignText::beginning(line, 300) },
        None => {
            let last = lines().next_back().unwrap_or("the connection ended");
            LinkError::Broken { serial: host.clone(), reason: ForeignText::beginning(last, 300) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::remote::Way;

    #[test]
    fn what_a_person_has_to_do_is_not_waited_for() {
        let host = Address::new("pi@board", Way::Ssh);
        let of = |text: &str| error(&host, text);
        for text in [
            "pi@board: Permission denied (publickey,password).\r\n",
            "@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@\nHost key verification failed.\n",
            "No ED25519 host key is known for board and you have requested strict checking.\nHost key verification failed.",
        ] {
            let error = of(text);
            assert!(error.needs_a_person(), "{error}");
            assert!(error.remedy().contains("ssh pi@board") && error.remedy().contains("ssh-copy-id"));
        }
        for text in [
            "ssh: connect to host board port 22: Connection refused\r\n",
            "ssh: Could not resolve hostname board.local: Name or service not known",
            "client_loop: send disconnect: Broken pipe\nConnection to board closed by remote host.",
            "",
        ] {
            let error = of(text);
            assert!(error.may_pass() && error.remedy().contains("ssh pi@board true"), "{error}");
        }
        assert!(of("ssh: connect to host b port 22: Connection refused").to_string().contains("refused"));
    }
}
