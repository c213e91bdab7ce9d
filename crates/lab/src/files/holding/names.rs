//! The names of the files and folders that results consist of, kind by kind: what writes and reads them takes the names from here,
//! and so does what keeps other results away from them.

/// The run of a search.
pub mod run {
    /// The description of a search, which is written first.
    pub const RUN: &str = "run.toml";
    pub const CHECKPOINT: &str = "checkpoint";
    /// The structure of the best network.
    pub const BEST: &str = "best.txt";
    /// What was measured.
    pub const VERIFIED: &str = "verified.json";
    /// What `--json` prints, which is written last.
    pub const RESULT: &str = "result.json";
    /// Everything that a search writes, but for numbered records of earlier measurements.
    pub const FILES: [&str; 11] = [
        RUN,
        CHECKPOINT,
        BEST,
        "best.onnx",
        "best.onnx.data",
        "front.json",
        "front.csv",
        "history.csv",
        "archive.parquet",
        VERIFIED,
        RESULT,
    ];
    /// The folder of finalists, where no other is named.
    pub const FINALISTS: &str = "finalists";
}

/// A dataset.
pub mod dataset {
    /// What was measured, in rows.
    pub const SAMPLES: &str = "samples.parquet";
    /// The facts of a dataset, which are written last.
    pub const ENVIRONMENT: &str = "environment.json";
    pub const README: &str = "README.md";
    /// The folder of the timed runs.
    pub const RAW_FOLDER: &str = "raw";
    /// What a block costs on this device.
    pub const LOOKUP_TABLE: &str = "lookup_table.csv";
    /// The measurements that a dataset is made of, which are written as they come.
    pub const JOURNAL: &str = "journal.jsonl";
    /// What is measured.
    pub const PLAN: &str = "plan.json";
    /// The folder of what each unit of a pool measured.
    pub const UNITS: &str = "units";
}

/// A plan of jobs.
pub mod jobs {
    /// The list of jobs.
    pub const PLAN: &str = "plan.json";
    /// The first job of a plan.
    pub const FIRST_JOB: &str = "job-00000.json";
    /// Where results lie.
    pub const RESULTS: &str = "results";
    /// Where searches lie.
    pub const RUNS: &str = "runs";
    /// Where trainings lie.
    pub const TRAININGS: &str = "trainings";
}

/// A training, or those of finalists.
pub mod training {
    pub const CHECKPOINT: &str = "checkpoint.safetensors";
    /// Epoch by epoch.
    pub const METRICS: &str = "metrics.csv";
    /// The weights of the best epoch, and of the last one.
    pub const BEST: &str = "best.safetensors";
    pub const LAST: &str = "last.safetensors";
    /// How often images of one class were taken for another one, and how each class was answered, on the test images.
    pub const CONFUSION: &str = "confusion.csv";
    pub const CLASSES: &str = "classes.csv";
    /// The rates of a range test.
    pub const RATES: &str = "rates.csv";
    /// The table of finalists, and the structure of the best network.
    pub const TABLE: &str = "accuracies.csv";
    pub const WINNER: &str = "winner.txt";
    /// Everything that a training, or those of finalists, leaves.
    pub const FILES: [&str; 9] = [CHECKPOINT, METRICS, BEST, LAST, CONFUSION, CLASSES, RATES, TABLE, WINNER];
}
