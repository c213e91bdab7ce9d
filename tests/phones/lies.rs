//! What a phone sends is text and numbers from outside: it never becomes a path, a word of a shell or a command to the
//! terminal, and what cannot be true is not measured.

use super::liar::{Phone, done};
use super::loopback::errors;
use edgezen::foreign::escape::is_harmful;
use edgezen::formats::FileError;
use serde_json::json;
use std::path::Path;
use std::process::Output;

/// A short profile of the only phone.
const PROFILE: [&str; 9] =
    ["profile", "--device", "pixel2", "--samples", "10", "--rounds", "1", "-o", "data"];
const EVIL: &str = "\u{1b}]0;PWNED\u{7}\u{1b}[31m\u{9b}2J\u{202e}";

/// Fails unless everything that was printed is harmless to a terminal.
fn assert_harmless(what: &str, output: &Output) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = std::str::from_utf8(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
        let bad = text.chars().find(|&c| is_harmful(c) && c != '\n' && c != '\t');
        assert_eq!(bad, None, "{what}: {text:?}");
        assert!(!text.contains("panicked"), "{what}: {text}");
    }
}

/// All files and folders below `dir`.
fn below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        found.push(entry.path().display().to_string());
        if entry.path().is_dir() {
            found.extend(below(&entry.path()));
        }
    }
    found
}

#[test]
fn an_honest_phone_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let (output, _) = Phone::honest().edgezen(dir.path(), &PROFILE);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(dir.path().join("data/samples.parquet").is_file());
}

#[test]
fn a_name_from_the_phone_leads_nowhere() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b/c");
    std::fs::create_dir_all(&dir).unwrap();
    let mut phone = Phone::honest();
    phone.greeting["runtimes"][0]["name"] = json!("x/../../../escaped/evil");
    let (output, _) = phone.edgezen(&dir, &PROFILE[..7]);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(errors(&output).contains("phone S1") && errors(&output).contains("x/../../../escaped/evil"));
    phone = Phone { serial: "../../../escaped/evil".into(), ..Phone::honest() };
    let (output, _) = phone.edgezen(&dir, &PROFILE);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let found = below(root.path());
    assert!(!found.iter().any(|path| path.contains("escaped/")), "{found:?}");
}

#[test]
fn a_dataset_of_an_evil_name_is_not_fitted() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b");
    let dataset = dir.join("data");
    std::fs::create_dir_all(&dataset).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/host@tract@fp32");
    std::fs::copy(shipped.join("samples.parquet"), dataset.join("samples.parquet")).unwrap();
    let text = std::fs::read_to_string(shipped.join("environment.json")).unwrap();
    for (field, from) in [("runtime", "tract"), ("device", "host"), ("precision", "fp32")] {
        let (from, to) =
            (format!("\"{field}\": \"{from}\""), format!("\"{field}\": \"x/../../../escaped/evil\""));
        assert!(text.contains(&from), "{from}");
        std::fs::write(dataset.join("environment.json"), text.replace(&from, &to)).unwrap();
        crate::commands::refused(&dir, &["fit", "--data", "data"], 7, &["environment.json", "is no name"]);
    }
    assert!(!below(root.path()).iter().any(|path| path.contains("escaped") || path.contains("predictors")));
    let read = edgezen::dataset::Dataset::read(&dataset).unwrap_err();
    assert!(matches!(read, edgezen::dataset::DatasetError::File(FileError::Damaged { .. })), "{read:?}");
}

#[test]
fn numbers_that_cannot_be_true_are_refused() {
    type Job = fn(&str) -> Vec<u8>;
    let rows: [(&str, Job, &[&str]); 8] = [
        ("zero", |id| done(id, |m| m["timing"]["samples_ns"] = json!(vec![0; 30])), &["0 ns"]),
        ("tiny", |id| done(id, |m| m["timing"]["samples_ns"] = json!(vec![1; 30])), &["1 ns"]),
        (
            "max",
            |id| done(id, |m| m["timing"]["samples_ns"] = json!(vec![u64::MAX; 30])),
            &["18446744073709551615"],
        ),
        ("k0", |id| done(id, |m| m["timing"]["k"] = json!(0)), &["runs per sample is 0"]),
        ("one", |id| done(id, |m| m["timing"]["samples_ns"] = json!([47_171])), &["samples is 1", "30"]),
        ("empty", |id| done(id, |m| m["timing"]["samples_ns"] = json!([])), &["samples is 0"]),
        (
            "temperature",
            |id| done(id, |m| m["after"]["temperatures_c"] = json!({format!("msm{EVIL}"): 1e300})),
            &["1e300 °C", r"msm\u{1b}]0;PWNED"],
        ),
        ("cores", |id| done(id, |m| m["after"]["cores"] = json!([9999])), &["9999"]),
    ];
    for (name, job, words) in rows {
        let dir = tempfile::tempdir().unwrap();
        let (output, _) = Phone { job, ..Phone::honest() }.edgezen(dir.path(), &PROFILE);
        assert_eq!(output.status.code(), Some(3), "{name}: {}", errors(&output));
        assert_harmless(name, &output);
        for word in ["phone S1"].iter().chain(words) {
            assert!(errors(&output).contains(word), "{name}, {word}: {}", errors(&output));
        }
        assert!(!dir.path().join("data/samples.parquet").exists(), "{name}");
    }
}

#[test]
fn escape_sequences_do_not_reach_the_terminal() {
    let honest = Phone::honest();
    let model = honest.facts.replace("Pixel 2", &format!("Pix{EVIL}el"));
    let device = model.replace("walleye\n", &format!("wall{EVIL}\n")).replace("walleye:11", EVIL);
    let mut greeting = honest.greeting.clone();
    greeting["runtimes"][0]["name"] = json!(format!("tract{EVIL}"));
    let mut version = honest.greeting.clone();
    version["runtimes"][0]["version"] = json!(EVIL);
    let mut missing = honest.greeting.clone();
    missing["runtimes"][0] = json!({"name": "tract", "missing": EVIL});
    let failed: fn(&str) -> Vec<u8> = |id| {
        let reason = format!("bad {EVIL}\n fake line: ok\r");
        format!("{}\n", json!({"reply": "failed", "id": id, "fault": "engine", "reason": reason}))
            .into_bytes()
    };
    let warned: fn(&str) -> Vec<u8> = |id| {
        let warning = json!({"reply": "warning", "reason": format!("w{EVIL}")});
        [format!("{warning}\n").into_bytes(), done(id, |_| {})].concat()
    };
    let garbage: fn(&str) -> Vec<u8> = |_| b"\x00\xff\x1b[2J".repeat(1000);
    let phones = [
        ("a property", Phone { facts: model, ..honest.clone() }),
        ("the device", Phone { facts: device, ..honest.clone() }),
        ("the serial number", Phone { serial: format!("S1{EVIL}"), ..honest.clone() }),
        (
            "the owner",
            Phone {
                status: honest.status.replace("#owner\n", &format!("#owner\nevil{EVIL}")),
                ..honest.clone()
            },
        ),
        (
            "a zone",
            Phone {
                status: honest.status.replace("msm_therm", &format!("msm_therm{EVIL}")),
                ..honest.clone()
            },
        ),
        ("the engine", Phone { greeting, ..honest.clone() }),
        ("the engine's version", Phone { greeting: version, ..honest.clone() }),
        ("why it cannot be used", Phone { greeting: missing, ..honest.clone() }),
        ("a failure", Phone { job: failed, ..honest.clone() }),
        ("a warning", Phone { job: warned, ..honest.clone() }),
        ("garbage", Phone { job: garbage, ..honest }),
    ];
    std::thread::scope(|scope| {
        for (name, phone) in phones {
            scope.spawn(move || {
                let measure = ["measure", "--device", "pixel2", "resnet18"];
                let commands: [&[&str]; 6] = [
                    &["devices"],
                    &["devices", "--json"],
                    &["devices", "doctor"],
                    &["devices", "describe"],
                    &measure,
                    &PROFILE,
                ];
                // Garbage is asked for again and again, which takes its time in a profile.
                let count = if name == "garbage" { 5 } else { 6 };
                for command in &commands[..count] {
                    let dir = tempfile::tempdir().unwrap();
                    let (output, _) = phone.edgezen(dir.path(), command);
                    assert_harmless(&format!("{name}, {command:?}"), &output);
                    assert!(output.status.code().is_some_and(|code| code <= 7), "{name}, {command:?}");
                }
            });
        }
    });
}

#[test]
fn a_drafted_profile_of_a_strange_phone_can_be_used() {
    let mut phone = Phone::honest();
    phone.facts = phone
        .facts
        .replace("walleye\n", &format!("wall{EVIL}\n"))
        .replace("msm_therm", &format!("cpu{EVIL}"));
    let dir = tempfile::tempdir().unwrap();
    let (output, _) = phone.edgezen(dir.path(), &["devices", "describe", "-o", "drafted.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let text = std::fs::read_to_string(dir.path().join("drafted.toml")).unwrap();
    assert!(!text.chars().any(|c| is_harmful(c) && c != '\n'), "{text:?}");
    edgezen::device::profile::Profile::parse(&text, "drafted.toml").unwrap();
}

#[test]
fn a_flood_is_cut_off() {
    for (flood, arguments) in
        [("--job ", &PROFILE[..]), ("for p in ro.", &PROFILE[..]), ("", &["devices", "describe"])]
    {
        let dir = tempfile::tempdir().unwrap();
        let phone = Phone { flood: Some(flood), ..Phone::honest() };
        let output = phone.edgezen_within(6_000_000, dir.path(), arguments);
        assert_eq!(output.status.code(), Some(4), "{flood}: {}", errors(&output));
        assert!(errors(&output).contains("S1") && errors(&output).contains("8 MiB"), "{}", errors(&output));
    }
    // Twenty million samples are a flood, too.
    let dir = tempfile::tempdir().unwrap();
    let job: fn(&str) -> Vec<u8> =
        |id| done(id, |m| m["timing"]["samples_ns"] = json!(vec![47_171; 2_000_000]));
    let output = Phone { job, ..Phone::honest() }.edgezen_within(6_000_000, dir.path(), &PROFILE);
    assert_eq!(output.status.code(), Some(4), "{}", errors(&output));
}

#[test]
fn a_phone_of_many_cores_is_not_believed() {
    let mut phone = Phone::honest();
    for core in 8..200_000 {
        phone.facts += &format!("core {core} {} schedutil\n", 2_457_600 + core);
    }
    let dir = tempfile::tempdir().unwrap();
    for command in [&["devices", "describe"][..], &PROFILE] {
        let (output, _) = phone.edgezen(dir.path(), command);
        assert_eq!(output.status.code(), Some(4), "{}", errors(&output));
        assert!(errors(&output).contains("more than 1024 cores"), "{}", errors(&output));
    }
}

#[test]
fn text_of_a_profile_is_no_command() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("device-profiles/pixel2.toml");
    let profile = std::fs::read_to_string(shipped).unwrap();
    let usual = "push_dir = \"/data/local/tmp\"";
    assert!(profile.contains(usual));
    for (change, field) in [
        ("push_dir = \"/data/local/tmp; echo INJECTED; #\"", "push_dir"),
        ("push_dir = \"/data/../..\"", "push_dir"),
        ("push_dir = \"/data/local/tmp\"\nenv = { \"X=1; echo INJECTED; Y\" = \"1\" }", "runner.env"),
        ("push_dir = \"/data/local/tmp\"\nenv = { X = \"\\u001b[31m\" }", "runner.env.X"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("device-profiles")).unwrap();
        std::fs::write(dir.path().join("device-profiles/pixel2.toml"), profile.replace(usual, change))
            .unwrap();
        let (output, commands) = Phone::honest().edgezen(dir.path(), &PROFILE);
        assert_eq!(output.status.code(), Some(7), "{field}: {}", errors(&output));
        assert!(errors(&output).contains(field), "{field}: {}", errors(&output));
        assert_harmless(field, &output);
        assert!(!commands.iter().any(|command| command.contains("INJECTED")), "{commands:?}");
    }
    // What a profile may set arrives as one word each.
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("device-profiles")).unwrap();
    let change = format!("{usual}\nenv = {{ X = \"a'b; echo $HOME\" }}");
    std::fs::write(dir.path().join("device-profiles/pixel2.toml"), profile.replace(usual, &change)).unwrap();
    let (output, commands) = Phone::honest().edgezen(dir.path(), &PROFILE);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let start = r"X='a'\''b; echo $HOME' '/data/local/tmp/edgezen/device-runner-";
    assert!(commands.iter().any(|command| command.contains(start)), "{commands:?}");
}
