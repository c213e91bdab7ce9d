//! What a latency belongs to: the phone, its cores, and the engine as it was built.

use super::heat::{fitted, without_rests};
use super::liar::Phone;
use super::loopback::errors;
use serde_json::json;

const MEASURE: [&str; 4] = ["measure", "--device", "pixel2", "resnet18"];

#[test]
fn another_phone_is_not_measured_under_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut phone = Phone::honest();
    phone.facts = phone.facts.replace("ro.product.device=walleye", "ro.product.device=sunfish");
    let (output, commands) = phone.edgezen(dir.path(), &MEASURE);
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    for word in ["sunfish", "walleye", "--other-phone"] {
        assert!(errors(&output).contains(word), "{word}: {}", errors(&output));
    }
    assert!(!commands.iter().any(|command| command.contains("--job")), "{commands:?}");
    let forced = [&MEASURE[..], &["--other-phone"]].concat();
    let (output, _) = phone.edgezen(dir.path(), &forced);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(errors(&output).contains("sunfish"), "{}", errors(&output));
}

#[test]
fn a_predictor_is_for_its_cores_and_its_build_of_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    fitted(dir.path(), &Phone::honest());
    let validate = ["validate", "resnet18", "--device", "pixel2@tract"];
    let mut little = Phone::honest();
    little.facts = little.facts.replace("Cpus_allowed_list:\t0-7", "Cpus_allowed_list:\t0-3");
    let (output, _) = little.edgezen(dir.path(), &validate);
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(errors(&output).contains("cores f0 there, f here"), "{}", errors(&output));
    // tract chooses other kernels where it was built for Linux.
    let mut musl = Phone::honest();
    musl.greeting["target"] = json!("aarch64-linux");
    let (output, _) = musl.edgezen(dir.path(), &validate);
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(errors(&output).contains("aarch64-android") && errors(&output).contains("aarch64-linux"));
    // Nor does such a runner go on with what the other one began.
    without_rests(dir.path());
    let resume =
        ["profile", "--device", "pixel2", "--samples", "60", "--rounds", "1", "-o", "data", "--resume"];
    let (output, _) = musl.edgezen(dir.path(), &resume);
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(errors(&output).contains("runtime version"), "{}", errors(&output));
}

#[test]
fn cores_can_be_chosen_and_belong_to_the_identity() {
    let dir = tempfile::tempdir().unwrap();
    without_rests(dir.path());
    let on = |cores: &str| {
        let (output, commands) =
            Phone::honest().edgezen(dir.path(), &[&MEASURE[..], &["--cores", cores]].concat());
        (output.status.code(), errors(&output), commands)
    };
    let (code, said, commands) = on("0,1");
    assert_eq!(code, Some(0), "{said}");
    let jobs: Vec<&String> = commands.iter().filter(|command| command.contains("--job")).collect();
    assert!(!jobs.is_empty() && jobs.iter().all(|job| job.contains("--cores 0,1")), "{jobs:?}");
    let (code, said, commands) = on("2,9");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("cores 2, 9") && said.contains("0, 1, 2, 3, 4, 5, 6, 7"), "{said}");
    assert!(!commands.iter().any(|command| command.contains("--job ")), "{commands:?}");
}
