use super::*;
use edgezen_core::files::FileError;
use edgezen_core::units::Latency;

const MINIMAL: &str = r#"
schema = 1
id = "mine"
kind = "linux-cpu"
[default]
runtime = "tract"
precision = "fp32"
batch = 1
threads = 1
[search]
space = "mobilenet"
resolution = 224
classes = 1000
layers = 14
"#;

fn error(text: &str) -> ProfileError {
    Profile::parse(text, "mine.toml").unwrap_err()
}

#[test]
fn absent_tables_take_their_defaults() {
    let profile = Profile::parse(MINIMAL, "mine.toml").unwrap();
    assert_eq!(profile.measure.runs, 30);
    assert_eq!(profile.title(), "linux-cpu");
    assert_eq!(profile.identity().to_string(), "mine@tract@fp32");
    assert_eq!(profile.measured_identity(), profile.identity());
    assert_eq!(profile.facts(), []);
    assert_eq!(profile.peaks("fp32", 1), None);
}

#[test]
fn an_unknown_field_is_named_with_its_line() {
    let text = format!("{MINIMAL}[measure]\nrounds = 30\n");
    let message = error(&text).to_string();
    assert!(message.starts_with("mine.toml, line 16: unknown field `rounds`"), "{message}");
}

#[test]
fn a_wrong_type_is_named_with_its_line() {
    let message = error(&MINIMAL.replace("batch = 1", "batch = \"one\"")).to_string();
    assert!(message.starts_with("mine.toml, line 8: invalid type"), "{message}");
    assert!(message.ends_with("(field default.batch)"), "{message}");
}

#[test]
fn a_missing_field_is_named() {
    let message = error(&MINIMAL.replace("precision = \"fp32\"", "")).to_string();
    assert!(message.contains("line 5") && message.contains("missing field `precision`"), "{message}");
}

#[test]
fn a_newer_schema_is_called_that_whatever_its_fields() {
    let text = MINIMAL.replace("schema = 1", "schema = 2\nquantum = true");
    let error = error(&text);
    assert!(matches!(error, ProfileError::File(FileError::Newer { found: 2, .. })), "{error}");
}

#[test]
fn text_that_is_not_toml_is_refused() {
    assert!(matches!(error("schema = "), ProfileError::Syntax { line: 1, .. }));
    assert!(matches!(error(""), ProfileError::Syntax { .. }));
}

/// (what is written over, by what, the field that must be named)
#[test]
fn checks_name_the_field() {
    let base = format!(
        "{MINIMAL}[[cluster]]\nname = \"big\"\ncpus = [0, 1]\nmidr = \"0x51/0x800\"\nmax_khz = 2000000\n\
         [measure]\ntaskset = \"3\"\nlock_khz = {{ big = 1000000 }}\n[sources]\ncluster = \"mine\"\n"
    );
    Profile::parse(&base, "mine.toml").unwrap();
    for (from, to, field) in [
        ("id = \"mine\"", "id = \"My Phone\"", "id"),
        ("id = \"mine\"", "id = \"mine\"\naliases = [\"mine\"]", "aliases"),
        ("schema = 1", "schema = 0", "schema"),
        ("\"fp32\"", "\"fp31\"", "default.precision"),
        ("\"tract\"", "\"tr@ct\"", "default.runtime"),
        ("batch = 1", "batch = 0", "default.batch"),
        ("\"mobilenet\"", "\"mobile\"", "search.space"),
        ("layers = 14", "", "search"),
        (
            "layers = 14",
            "layers_by_latency = [{ ms = 2, layers = 9 }, { ms = 1, layers = 9 }]",
            "search.layers_by_latency",
        ),
        ("cpus = [0, 1]", "cpus = [0, 0]", "cluster.big.cpus"),
        ("0x51/0x800", "Kryo", "cluster.big.midr"),
        ("max_khz = 2000000", "max_khz = 0", "cluster.big.max_khz"),
        ("taskset = \"3\"", "taskset = \"4\"", "measure.taskset"),
        ("taskset = \"3\"", "taskset = \"big\"", "measure.taskset"),
        ("big = 1000000", "big = 3000000", "measure.lock_khz.big"),
        ("big = 1000000", "gold = 1000000", "measure.lock_khz.gold"),
        ("cluster = \"mine\"", "gpu = \"mine\"", "sources.gpu"),
    ] {
        assert!(base.contains(from), "{from}");
        let text = base.replacen(from, to, 1);
        match error(&text) {
            ProfileError::Invalid { field: named, line, .. } => {
                assert_eq!(named, field, "{to}");
                assert!(line > 1 || field == "search", "{field}: line {line}");
            }
            other => panic!("{to}: {other}"),
        }
    }
}

#[test]
fn layers_lie_between_the_rows_of_the_table() {
    let table = [(0.1, 10), (0.2, 13), (0.5, 20)].map(|(ms, layers)| LayerLimit { ms, layers });
    let search = SearchDefaults {
        space: "resnet".into(),
        resolution: 224,
        classes: 1000,
        layers: None,
        layers_by_latency: table.to_vec(),
    };
    let layers = |ms| search.max_layers(Some(Latency::from_ms(ms)));
    assert_eq!(layers(0.01), Some(10));
    assert_eq!(layers(0.1), Some(10));
    assert_eq!(layers(0.15), Some(12)); // 11.5, rounded
    assert_eq!(layers(0.2), Some(13));
    assert_eq!(layers(0.5), Some(20));
    assert_eq!(layers(9.0), Some(20));
    assert_eq!(search.max_layers(None), Some(20));
}

#[test]
fn a_fact_takes_the_nearest_source() {
    let text = format!(
        "{MINIMAL}[memory]\ntype = \"DDR4\"\npeak_gbps = 12.8\n\
         [sources]\nmemory = \"a table\"\n\"memory.peak_gbps\" = \"computed\"\n"
    );
    let profile = Profile::parse(&text, "mine.toml").unwrap();
    let facts: Vec<_> = profile
        .facts()
        .iter()
        .map(|fact| (fact.path.as_str(), fact.value.as_str(), fact.source.as_deref()))
        .collect();
    assert_eq!(
        facts,
        [("memory.type", "DDR4", Some("a table")), ("memory.peak_gbps", "12.8", Some("computed"))]
    );
}
