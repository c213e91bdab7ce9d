//! What a Linux board says of itself beside what every Linux tells.

use crate::device::remote::Machine;

/// The commands that ask for it. The files of the device tree end with a zero byte.
pub fn questions() -> String {
    "echo \"prop board.model=$(tr -d '\\000' < /proc/device-tree/model 2>/dev/null)\"
        echo \"prop board.serial=$(tr -d '\\000' < /proc/device-tree/serial-number 2>/dev/null)\"
        echo \"prop board.system=$(. /etc/os-release 2>/dev/null && echo \"$PRETTY_NAME\")\"
        echo \"prop board.kernel=$(uname -r)\"
        echo \"prop board.home=$HOME\""
        .to_owned()
}

/// The name of the board, by which profiles recognise it: `Raspberry Pi 4 Model B Rev 1.4`.
pub fn model(board: &Machine) -> Option<&str> {
    board.property("board.model")
}

/// One line that describes the board, which can be printed.
pub fn title(board: &Machine) -> String {
    let text = |name: &str| board.properties.get(name).map(ToString::to_string);
    let name = text("board.model").unwrap_or_else(|| "a board that does not tell its model".to_owned());
    text("board.system").map_or(name.clone(), |system| format!("{name}, {system}"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::device::remote::machine::tests::read;

    /// A Raspberry Pi 4 as its shell answers, shortened.
    pub fn pi4() -> Machine {
        let mut text = String::from(
            "prop board.model=Raspberry Pi 4 Model B Rev 1.4\nprop board.serial=10000000abcdef01\n\
             prop board.system=Debian GNU/Linux 12 (bookworm)\nprop board.kernel=6.6.31+rpt-rpi-v8\n\
             prop board.home=/home/pi\nboot 3f1b0c2e-0000-4000-8000-000000000002\nmachine aarch64\nuid 1000\n\
             allowed Cpus_allowed_list:\t0-3\nmemory MemTotal:        3884360 kB\nzone cpu-thermal\n",
        );
        for id in 0..4 {
            text += &format!("core {id} 1500000 ondemand\n");
        }
        for id in 0..4 {
            text += &format!("processor\t: {id}\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n\n");
        }
        read(&text)
    }

    #[test]
    fn a_board_tells_its_name() {
        assert_eq!(title(&pi4()), "Raspberry Pi 4 Model B Rev 1.4, Debian GNU/Linux 12 (bookworm)");
        assert!(title(&Machine::default()).contains("does not tell"));
        assert_eq!(pi4().architectures(), ["aarch64"]);
    }
}
