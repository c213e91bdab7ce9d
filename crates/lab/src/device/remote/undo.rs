//! The script on the device that undoes what was changed, and the watchdog that runs it when nobody is heard of any more.

use super::{Finished, Link, LinkError};
use edgezen_core::foreign::shell_word;
use std::time::Duration;

/// Time limit of one command.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Without a sign of life for so long, the watchdog undoes everything. The longest rest of a hot device is five minutes.
const SILENCE: Duration = Duration::from_secs(600);

/// How often the watchdog looks.
const TICK: Duration = Duration::from_secs(15);

/// What a sign of life prints if everything has been undone meanwhile.
pub const UNDONE: &str = "__edgezen_undone";

/// The path of the script.
fn script(dir: &str) -> String {
    format!("{dir}/undo.sh")
}

/// The path of the file that says until when this side counts as alive, in seconds since the device was started. Such a clock
/// does not jump, as the device's date does.
fn alive(dir: &str) -> String {
    format!("{dir}/alive")
}

/// Seconds since the device was started, for a shell.
const UPTIME: &str = "$(cut -d. -f1 /proc/uptime)";

/// Undoes what a run has changed; returns whether there was anything.
///
/// # Errors
/// An error of the link, or a script that fails; it then stays on the device.
pub fn restore(link: &mut dyn Link, dir: &str) -> Result<bool, LinkError> {
    let (undo, alive) = (shell_word(&script(dir)), shell_word(&alive(dir)));
    let command = format!("[ -f {undo} ] || exit 3; sh {undo} && rm -f {undo} {alive}");
    let finished = link.shell(&command, LIMIT)?;
    match finished.status {
        0 => Ok(true),
        3 => Ok(false),
        _ => Err(LinkError::Refused {
            serial: link.name().clone(),
            what: "bringing its settings back".into(),
            reason: finished.complaint(),
        }),
    }
}

/// Writes the script, which runs `undo` the other way round, and starts the watchdog, which then also runs `free`. The answer is not ok where the script
/// cannot be written; then nothing is started.
///
/// # Errors
/// The link's.
pub fn keep(link: &mut dyn Link, dir: &str, undo: &[String], free: &str) -> Result<Finished, LinkError> {
    keep_for(link, dir, undo, free, (SILENCE, TICK))
}

fn keep_for(
    link: &mut dyn Link,
    dir: &str,
    undo: &[String],
    free: &str,
    (silence, tick): (Duration, Duration),
) -> Result<Finished, LinkError> {
    let lines: Vec<&str> = undo.iter().rev().map(String::as_str).collect();
    // Each line runs even if an earlier one fails.
    let text = shell_word(&format!("{}\nexit 0\n", lines.join("\n")));
    let path = script(dir);
    let (folder, half, whole) = (shell_word(dir), shell_word(&format!("{path}.tmp")), shell_word(&path));
    let write = format!(
        "mkdir -p {folder} && {} && printf %s {text} > {half} && mv {half} {whole} && sync",
        still_alive(dir, silence)
    );
    let written = link.shell(&write, LIMIT)?;
    if written.ok() {
        link.shell(&start(&watchdog(dir, free, tick)), LIMIT)?;
    }
    Ok(written)
}

/// The command that says that this side is alive, and stays so for `limit` at least. It prints [`UNDONE`] if the watchdog has
/// undone everything before.
pub fn sign_of_life(dir: &str, limit: Duration) -> String {
    let undo = shell_word(&script(dir));
    format!("if [ -f {undo} ]; then {}; else echo {UNDONE}; fi", still_alive(dir, limit + SILENCE))
}

/// The file changes in one step: a watchdog that found it empty would take this side for silent.
fn still_alive(dir: &str, time: Duration) -> String {
    let path = alive(dir);
    let (half, whole) = (shell_word(&format!("{path}.tmp")), shell_word(&path));
    format!("{{ echo $(( {UPTIME} + {} )) > {half} && mv -f {half} {whole}; }}", time.as_secs())
}

/// The watchdog. It ends when the script has gone. A file without a time, as there is for a moment when one run ends and the next begins,
/// is looked at once more a second later.
fn watchdog(dir: &str, free: &str, tick: Duration) -> String {
    let (undo, alive) = (shell_word(&script(dir)), shell_word(&alive(dir)));
    format!(
        "while [ -f {undo} ]; do until=$(cat {alive} 2>/dev/null); \
         if [ -z \"$until\" ]; then sleep 1; [ -f {undo} ] || break; until=$(cat {alive} 2>/dev/null); fi; \
         if [ {UPTIME} -ge \"${{until:-0}}\" ]; then \
         sh {undo}; rm -f {undo} {alive}; {free}; fi; sleep {}; done",
        tick.as_secs_f64()
    )
}

/// The command that starts `script` as a process that outlives the link.
fn start(script: &str) -> String {
    let word = shell_word(script);
    let quiet = "</dev/null >/dev/null 2>&1";
    format!(
        "if command -v setsid >/dev/null; then setsid sh -c {word} {quiet} & \
         else (trap '' HUP; sh -c {word}) {quiet} & fi"
    )
}

#[cfg(test)]
mod tests {
    use super::super::fake::LocalLink;
    use super::*;
    use std::path::Path;
    use std::time::Instant;

    fn wait_for(is: impl Fn() -> bool) {
        let start = Instant::now();
        while !is() {
            assert!(start.elapsed() < Duration::from_secs(20), "waited in vain");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn words(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_phone_that_hears_nothing_undoes_everything_itself() {
        let folder = tempfile::tempdir().unwrap();
        let mut link = LocalLink::new(folder.path());
        let (dir, log) = (folder.path().join("tmp"), folder.path().join("log"));
        let (dir, note) = (dir.to_str().unwrap(), |word: &str| format!("echo {word} >> {}", log.display()));
        let undo = [note("first"), "false".to_owned(), note("second")];
        let none = Duration::ZERO;
        assert!(keep_for(&mut link, dir, &undo, "true", (none, Duration::from_millis(50))).unwrap().ok());
        wait_for(|| words(&log) == "second first" && !Path::new(&script(dir)).exists());
        // Whoever comes back hears of it.
        let said = link.shell(&sign_of_life(dir, none), LIMIT).unwrap();
        assert_eq!(said.stdout.trim(), UNDONE);
        assert!(!restore(&mut link, dir).unwrap());
    }

    #[test]
    fn a_time_that_is_missing_for_a_moment_is_no_silence() {
        let folder = tempfile::tempdir().unwrap();
        let mut link = LocalLink::new(folder.path());
        let (dir, log) = (folder.path().join("tmp"), folder.path().join("log"));
        let dir = dir.to_str().unwrap();
        let undo = [format!("echo undone >> {}", log.display())];
        let minute = Duration::from_secs(60);
        assert!(keep_for(&mut link, dir, &undo, "true", (minute, Duration::from_millis(20))).unwrap().ok());
        std::fs::remove_file(alive(dir)).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        link.shell(&still_alive(dir, minute), LIMIT).unwrap();
        std::thread::sleep(Duration::from_millis(1200));
        assert!(Path::new(&script(dir)).exists() && !log.exists());
        // One that stays away is silence.
        std::fs::write(alive(dir), "").unwrap();
        wait_for(|| words(&log) == "undone" && !Path::new(&script(dir)).exists());
    }

    #[test]
    fn signs_of_life_keep_the_watchdog_quiet() {
        let folder = tempfile::tempdir().unwrap();
        let mut link = LocalLink::new(folder.path());
        let (dir, log) = (folder.path().join("tmp"), folder.path().join("log"));
        let dir = dir.to_str().unwrap();
        let undo = [format!("echo undone >> {}", log.display())];
        let tick = Duration::from_millis(50);
        assert!(keep_for(&mut link, dir, &undo, "true", (Duration::from_secs(60), tick)).unwrap().ok());
        let said = link.shell(&sign_of_life(dir, Duration::from_secs(60)), LIMIT).unwrap();
        assert_eq!(said.stdout.trim(), "");
        // The time until which this side counts as alive lies ten minutes and one after now.
        let until: u64 = words(Path::new(&alive(dir))).parse().unwrap();
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let now: u64 = uptime.split('.').next().unwrap().parse().unwrap();
        assert!((600..=660).contains(&(until - now)), "{until} {now}");
        assert!(Path::new(&script(dir)).exists() && !log.exists());
        assert!(restore(&mut link, dir).unwrap());
        assert_eq!(words(&log), "undone");
        assert!(!Path::new(&alive(dir)).exists());
    }
}
