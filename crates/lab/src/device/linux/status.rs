//! The state that a board is in right now, and what in it disturbs measurements.

use super::throttled::Throttled;
use crate::device::complaint::{Complaint, Severity};
use crate::device::profile::Profile;
use crate::device::remote::{Link, LinkError, Machine};
use edgezen_core::foreign::{ForeignText, shell_word};
use edgezen_runner::Conditions;
use edgezen_runner::conditions::celsius;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// More thermal zones, or cores, than any board has; what follows is not read.
const MOST_PARTS: usize = 1024;

/// Facts that change while the board runs. Absent: the board does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BoardStatus {
    pub temperatures_c: BTreeMap<String, f64>,
    /// The highest clocks that the system allows now, by core.
    pub max_clocks_khz: BTreeMap<u32, u64>,
    /// What the firmware of a Raspberry Pi says.
    pub throttled: Option<Throttled>,
    /// Number of runnable tasks, averaged over the last minute.
    pub load: Option<f64>,
    /// Who measures on the board, as the measuring program recorded it there.
    pub owner: Option<ForeignText>,
}

/// The file that names who measures on the board, in the folder `dir` of it.
pub fn owner_file(dir: &str) -> String {
    format!("{dir}/owner")
}

/// The command that says on the board who measures on it.
pub fn mark(dir: &str, owner: Option<&str>) -> String {
    let file = shell_word(&owner_file(dir));
    match owner {
        Some(owner) => format!("mkdir -p {} && printf %s {} > {file}", shell_word(dir), shell_word(owner)),
        None => format!("rm -f {file}"),
    }
}

/// The command that asks for everything. Each section of its output begins with a line that names it.
fn script(dir: &str) -> String {
    format!(
        "echo '#load'; cat /proc/loadavg 2>/dev/null
        echo '#zones'
        for z in /sys/class/thermal/thermal_zone*; do
            echo \"$(cat $z/temp 2>/dev/null || echo -) $(cat $z/type 2>/dev/null)\"
        done
        echo '#clocks'
        for c in /sys/devices/system/cpu/cpu[0-9]*; do
            echo \"${{c##*/cpu}} $(cat $c/cpufreq/scaling_max_freq 2>/dev/null)\"
        done
        echo '#throttled'; vcgencmd get_throttled 2>/dev/null
        echo '#owner'; cat {} 2>/dev/null",
        shell_word(&owner_file(dir))
    )
}

impl BoardStatus {
    /// Asks the board behind `link`, whose folder is `dir`.
    ///
    /// # Errors
    /// The link's.
    pub fn read(link: &mut dyn Link, dir: &str) -> Result<BoardStatus, LinkError> {
        Ok(BoardStatus::parse(&link.shell(&script(dir), Duration::from_secs(30))?.stdout))
    }

    fn parse(text: &str) -> BoardStatus {
        let mut sections: BTreeMap<&str, String> = BTreeMap::new();
        let mut name = "";
        for line in text.lines() {
            match line.strip_prefix('#') {
                Some(section) => name = section.trim(),
                None => *sections.entry(name).or_default() += &format!("{line}\n"),
            }
        }
        let section = |name: &str| sections.get(name).map_or("", String::as_str);
        let zone = |line: &str| {
            let (temperature, kind) = line.split_once(' ')?;
            let raw = temperature.parse::<f64>().ok()?;
            let kind = ForeignText::beginning(kind.trim(), 100);
            (!kind.is_empty()).then_some((String::from(kind), celsius(raw)?))
        };
        let clock = |line: &str| {
            let (core, khz) = line.split_once(' ')?;
            Some((core.parse().ok()?, khz.trim().parse().ok()?))
        };
        let load = section("load").split_whitespace().next().and_then(|load| load.parse().ok());
        BoardStatus {
            temperatures_c: section("zones").lines().take(MOST_PARTS).filter_map(zone).collect(),
            max_clocks_khz: section("clocks").lines().take(MOST_PARTS).filter_map(clock).collect(),
            throttled: Throttled::parse(section("throttled")),
            load: load.filter(|load: &f64| load.is_finite()),
            owner: Some(ForeignText::beginning(section("owner").trim(), 200))
                .filter(|owner| !owner.is_empty()),
        }
    }

    /// What violates the requirements of `profile`, the worst first. What profiling itself corrects beforehand is only a
    /// caution.
    pub fn complaints(&self, board: &Machine, profile: &Profile) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let mut complain = |severity, finding: String, remedy: &str| {
            complaints.push(Complaint { severity, finding, remedy: remedy.to_owned() });
        };
        if let Some(throttled) = self.throttled {
            let now = throttled.now();
            if !now.is_empty() {
                let finding = format!("its firmware says: {} (vcgencmd get_throttled)", now.join(", "));
                let remedy = "a power supply that is strong enough, a short cable, a heat sink or a fan; then start it anew";
                complain(Severity::Unfit, finding, remedy);
            } else if throttled.had_low_voltage() {
                let finding = "its voltage was too low since it was started (vcgencmd get_throttled)".into();
                complain(
                    Severity::Caution,
                    finding,
                    "a power supply that is strong enough, and a short cable",
                );
            }
        }
        let zones = profile.thermal.as_ref().map_or(&[][..], |thermal| &thermal.zones_by_type);
        let limit = profile.thermal.as_ref().and_then(|thermal| thermal.abort_c);
        let observed = Conditions { temperatures_c: self.temperatures_c.clone(), ..Conditions::default() };
        if let (Some(hot), Some(most)) = (observed.hottest_c(zones), limit)
            && hot > most
        {
            let finding = format!("its chip has {hot:.0} °C; measurements end at {most:.0} °C");
            complain(Severity::Unfit, finding, "let it cool down for some minutes; a heat sink or a fan");
        }
        if let Some(held) = self.held_down(board, profile) {
            complain(
                Severity::Caution,
                format!("{held}: measurements with such a clock count as throttled"),
                "let it cool down; where this is its usual clock, name it in a profile (max_khz of the cluster)",
            );
        }
        let governor = board.cores.iter().rev().find_map(|core| core.governor.as_ref());
        match governor.map(|governor| (governor.raw(), governor)) {
            Some(("powersave", _)) => complain(
                Severity::Caution,
                "clock governor powersave: the clock stays at its lowest".into(),
                "as root, or where sudo asks for no password, profiling sets performance meanwhile; by hand: \
                 echo performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
            ),
            Some(("performance" | "userspace", _)) | None => {}
            Some((_, governor)) => complain(
                Severity::Caution,
                format!("clock governor {governor}: the clock follows the load"),
                "as root, or where sudo asks for no password, profiling sets performance meanwhile",
            ),
        }
        let cores = board.cores.len().max(1) as f64;
        if let Some(load) = self.load
            && load > cores / 2.0
        {
            let finding = format!("load average {load:.1} on {cores:.0} cores: other programs are running");
            complain(Severity::Caution, finding, "end them, or wait until updates are done");
        }
        complaints.sort_by_key(|complaint| std::cmp::Reverse(complaint.severity));
        complaints
    }

    /// A core whose clock is held below the highest one that it has and that `profile` expects of it, in words.
    fn held_down(&self, board: &Machine, profile: &Profile) -> Option<String> {
        let hardware = board.cores.iter().filter_map(|core| Some((core.id, core.max_khz?)));
        let clusters = profile.clusters.iter().filter_map(|cluster| Some((cluster, cluster.max_khz?)));
        let usual = clusters.flat_map(|(cluster, khz)| cluster.cpus.iter().map(move |&cpu| (cpu, khz)));
        let now = Conditions {
            max_clocks_khz: self.max_clocks_khz.clone(),
            hardware_clocks_khz: hardware.collect(),
            ..Conditions::default()
        };
        now.held_down(&usual.collect()).map(|held| held.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::pi4;
    use super::*;
    use crate::device::profile::Profiles;

    const ANSWER: &str = "#load\n0.10 0.2 0.3 1/200 9\n#zones\n48312 cpu-thermal\n- broken\n#clocks\n0 1500000\n\
        3 1500000\n#throttled\nthrottled=0x0\n#owner\n\n";

    fn findings(answer: &str) -> Vec<(Severity, String)> {
        let profile = Profiles::of_repository().by_name("raspberrypi4").unwrap();
        let complaints = BoardStatus::parse(answer).complaints(&pi4(), &profile);
        assert!(complaints.iter().all(|complaint| !complaint.remedy.is_empty()));
        complaints.into_iter().map(|complaint| (complaint.severity, complaint.finding)).collect()
    }

    #[test]
    fn a_board_at_rest() {
        let status = BoardStatus::parse(ANSWER);
        assert_eq!(status.temperatures_c, BTreeMap::from([("cpu-thermal".into(), 48.312)]));
        assert_eq!((status.load, status.owner.clone()), (Some(0.1), None));
        assert_eq!(status.throttled, Some(Throttled { bits: 0 }));
        let findings = findings(ANSWER);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].1.contains("ondemand"));
        assert_eq!(BoardStatus::parse("#load\n#zones\n"), BoardStatus::default());
        let profile = Profiles::of_repository().by_name("raspberrypi4").unwrap();
        assert_eq!(BoardStatus::default().complaints(&Machine::default(), &profile), []);
    }

    #[test]
    fn everything_that_can_be_wrong() {
        for (from, to, severity, word) in [
            ("0x0", "0x50005", Severity::Unfit, "voltage is too low, it is throttled"),
            ("0x0", "0x50000", Severity::Caution, "was too low since"),
            ("48312", "84000", Severity::Unfit, "chip has 84 °C"),
            ("3 1500000", "3 600000", Severity::Caution, "held down to 0.60 of 1.50 GHz"),
            ("0.10", "3.10", Severity::Caution, "load average 3.1"),
        ] {
            assert!(ANSWER.contains(from));
            let findings = findings(&ANSWER.replace(from, to));
            assert!(
                findings.iter().any(|(s, text)| *s == severity && text.contains(word)),
                "{word}: {findings:?}"
            );
        }
    }
}
