//! Replies come back as they were sent.

use edgezen_runner::protocol::Reply;
use edgezen_runner::{Conditions, Measured, TimedBy, Timing};
use std::collections::BTreeMap;

/// On a device that tells its clocks, as phones and most computers do.
#[test]
fn clocks_of_cores_survive_a_reply() {
    let clocks = BTreeMap::from([(4, 1_900_800), (11, 2_457_600)]);
    let conditions = Conditions {
        clocks_khz: clocks.clone(),
        max_clocks_khz: clocks.clone(),
        hardware_clocks_khz: clocks,
        ..Conditions::default()
    };
    let timing = Timing {
        first_ns: Some(1),
        warmup_runs: 3,
        k: 1,
        samples_ns: vec![10],
        probes_ns: vec![],
        usual_probe_ns: None,
        checksum: Some(0.0),
        noisy_half_width: 0.05,
        overhead_ns: None,
        timed_by: TimedBy::Stopwatch,
    };
    let (before, after) = (conditions.clone(), conditions);
    let measured = Box::new(Measured {
        timing,
        before,
        after,
        load_ns: None,
        peak_bytes: None,
        outputs: None,
        energy: None,
    });
    let reply = Reply::Done { id: "7".into(), measured };
    let text = serde_json::to_string(&reply).unwrap();
    assert_eq!(serde_json::from_str::<Reply>(&text).unwrap(), reply);
    assert!(serde_json::from_str::<Conditions>(r#"{"clocks_khz": {"big": 1}}"#).is_err());
}
