//! Checks of a profile's values; the types of its fields are checked by the TOML reader.

use super::{DefaultIdentity, Plateau, Profile, SCHEMA};
use edgezen_core::foreign::escape::is_harmful;
use edgezen_core::foreign::{ForeignText, Name, is_variable};
use edgezen_core::space;
use std::collections::BTreeSet;

/// A field that fails a check.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// `cluster.gold.cpus`.
    pub field: String,
    pub reason: String,
}

fn problem(field: impl Into<String>, reason: impl Into<String>) -> Result<(), Problem> {
    Err(Problem { field: field.into(), reason: reason.into() })
}

impl Profile {
    /// Makes all checks and returns the first that fails.
    pub(super) fn validate(&self) -> Result<(), Problem> {
        self.schema_is_known()?;
        self.texts_are_printable()?;
        self.names_are_well_formed()?;
        self.variables_are_well_formed()?;
        self.default_identity_is_complete()?;
        self.search_defaults_are_usable()?;
        self.layer_limits_rise()?;
        self.clusters_are_distinct()?;
        self.midrs_are_well_formed()?;
        self.rates_are_positive()?;
        self.gpu_is_there_for_gpus()?;
        self.measuring_takes_samples()?;
        self.taskset_names_known_cores()?;
        self.locked_clocks_are_reachable()?;
        self.requirements_are_in_range()?;
        self.sources_name_facts()
    }

    fn schema_is_known(&self) -> Result<(), Problem> {
        match self.schema {
            1..=SCHEMA => Ok(()),
            other => problem("schema", format!("{other} was never a format; this one is {SCHEMA}")),
        }
    }

    /// A profile may come from anywhere, and its texts are printed, compared, and sent to devices.
    fn texts_are_printable(&self) -> Result<(), Problem> {
        let value = match toml::Value::try_from(self) {
            Ok(value) => value,
            Err(e) => return problem("schema", format!("the profile cannot be written again: {e}")),
        };
        let mut found = None;
        each_text("", &value, &mut |field, text| {
            let reason = if text.len() > LONGEST_TEXT {
                format!("is a text of {} bytes; at most {LONGEST_TEXT} are read", text.len())
            } else if text.chars().any(is_harmful) {
                format!("{} holds a control character", ForeignText::beginning(text, 60))
            } else {
                return;
            };
            found.get_or_insert(Problem { field: field.to_owned(), reason });
        });
        found.map_or(Ok(()), Err)
    }

    fn variables_are_well_formed(&self) -> Result<(), Problem> {
        let names = self.runner.iter().flat_map(|runner| runner.env.keys());
        match names.into_iter().find(|name| !is_variable(name)) {
            Some(name) => problem("runner.env", format!("{name:?} is not the name of a variable")),
            None => Ok(()),
        }
    }

    fn names_are_well_formed(&self) -> Result<(), Problem> {
        let names = std::iter::once(("id", &self.id)).chain(self.aliases.iter().map(|a| ("aliases", a)));
        let mut seen = BTreeSet::new();
        for (field, name) in names {
            if !is_name(name) {
                let rule = "is not a name: lower-case letters, digits, - and _, at least one";
                return problem(field, format!("{name:?} {rule}"));
            }
            if !seen.insert(name) {
                return problem(field, format!("{name:?} is given twice"));
            }
        }
        Ok(())
    }

    fn default_identity_is_complete(&self) -> Result<(), Problem> {
        let DefaultIdentity { runtime, precision, batch, threads, .. } = &self.default;
        is_runtime("default.runtime", runtime)?;
        is_precision("default.precision", precision)?;
        at_least_one("default.batch", *batch)?;
        at_least_one("default.threads", *threads)
    }

    fn search_defaults_are_usable(&self) -> Result<(), Problem> {
        let search = &self.search;
        if space::by_name(&search.space).is_none() {
            let known: Vec<&str> = space::registry().iter().map(|space| space.name()).collect();
            return problem(
                "search.space",
                format!("{:?} is no search space; known: {}", search.space, known.join(", ")),
            );
        }
        at_least_one("search.resolution", search.resolution)?;
        at_least_one("search.classes", search.classes)?;
        match (search.layers, search.layers_by_latency.is_empty()) {
            (Some(layers), true) => at_least_one("search.layers", layers),
            (None, false) => Ok(()),
            _ => problem("search", "needs either layers or layers_by_latency"),
        }
    }

    fn layer_limits_rise(&self) -> Result<(), Problem> {
        let field = "search.layers_by_latency";
        for row in &self.search.layers_by_latency {
            positive(field, row.ms)?;
            at_least_one(field, row.layers)?;
        }
        let rises = |pair: &[super::LayerLimit]| pair[0].ms < pair[1].ms && pair[0].layers <= pair[1].layers;
        match self.search.layers_by_latency.windows(2).all(rises) {
            true => Ok(()),
            false => problem(field, "milliseconds must rise from row to row, and layers must not fall"),
        }
    }

    fn clusters_are_distinct(&self) -> Result<(), Problem> {
        let mut names = BTreeSet::new();
        let mut cpus = BTreeSet::new();
        for cluster in &self.clusters {
            if !is_name(&cluster.name) || !names.insert(&cluster.name) {
                return problem("cluster", format!("{:?} is not a name, or given twice", cluster.name));
            }
            let field = format!("cluster.{}.cpus", cluster.name);
            if cluster.cpus.is_empty() {
                return problem(field, "a cluster has at least one core");
            }
            if let Some(cpu) = cluster.cpus.iter().find(|&&cpu| cpu > 1023 || !cpus.insert(cpu)) {
                return problem(field, format!("core {cpu} is given twice, or beyond 1023"));
            }
        }
        Ok(())
    }

    fn midrs_are_well_formed(&self) -> Result<(), Problem> {
        let is_hex = |text: &str| {
            text.strip_prefix("0x").is_some_and(|digits| u32::from_str_radix(digits, 16).is_ok())
        };
        for cluster in &self.clusters {
            if let Some(midr) = &cluster.midr
                && !midr.split_once('/').is_some_and(|(maker, part)| is_hex(maker) && is_hex(part))
            {
                let field = format!("cluster.{}.midr", cluster.name);
                return problem(field, format!("{midr:?} is not implementer/part, as 0x51/0x800"));
            }
        }
        Ok(())
    }

    fn rates_are_positive(&self) -> Result<(), Problem> {
        for cluster in &self.clusters {
            if cluster.max_khz == Some(0) {
                return problem(format!("cluster.{}.max_khz", cluster.name), "must be above 0");
            }
            if cluster.fp32_flop_per_cycle == Some(0) {
                return problem(format!("cluster.{}.fp32_flop_per_cycle", cluster.name), "must be above 0");
            }
        }
        if let Some(memory) = &self.memory {
            positive("memory.peak_gbps", memory.peak_gbps)?;
            if let Some(stream) = memory.stream_gbps {
                positive("memory.stream_gbps", stream)?;
            }
        }
        if let Some(gpu) = &self.gpu {
            at_least_one("gpu.sms", gpu.sms)?;
            positive("gpu.fp32_tflops", gpu.fp32_tflops)?;
            positive("gpu.fp16_tflops", gpu.fp16_tflops)?;
            positive("gpu.int8_tops", gpu.int8_tops)?;
            positive("gpu.launch_overhead_us", gpu.launch_overhead_us)?;
        }
        Ok(())
    }

    fn gpu_is_there_for_gpus(&self) -> Result<(), Problem> {
        match (self.kind == super::Kind::NvidiaGpu, self.gpu.is_some()) {
            // A drafted profile lacks the table, because NVIDIA's driver does not report the GPU's rates.
            (true, false) if !self.generated => {
                problem("gpu", format!("a device of kind {} needs this table", self.kind))
            }
            (false, true) => problem("gpu", format!("a device of kind {} has no such table", self.kind)),
            _ => Ok(()),
        }
    }

    fn measuring_takes_samples(&self) -> Result<(), Problem> {
        let measure = &self.measure;
        if let Some(runtime) = &measure.runtime {
            is_runtime("measure.runtime", runtime)?;
        }
        if let Some(precision) = &measure.precision {
            is_precision("measure.precision", precision)?;
        }
        at_least_one("measure.batch", measure.batch.unwrap_or(1))?;
        at_least_one("measure.threads", measure.threads.unwrap_or(1))?;
        at_least_one("measure.runs", measure.runs)?;
        at_least_one("measure.max_ms", measure.max_ms)?;
        at_least_one("measure.launches", measure.launches)?;
        let Plateau { window_s, within, most_s } = measure.plateau;
        at_least_one("measure.plateau.window_s", window_s)?;
        if !(within > 0.0 && within < 1.0) {
            return problem("measure.plateau.within", "must be a share between 0 and 1");
        }
        match most_s {
            _ if most_s < window_s => problem("measure.plateau.most_s", "must be at least window_s"),
            86_401.. => problem("measure.plateau.most_s", "must be a day at most"),
            _ => Ok(()),
        }
    }

    fn taskset_names_known_cores(&self) -> Result<(), Problem> {
        let Some(mask) = &self.measure.taskset else { return Ok(()) };
        let field = "measure.taskset";
        let Ok(bits) = u128::from_str_radix(mask, 16) else {
            return problem(field, format!("{mask:?} is not a hexadecimal mask, as f0"));
        };
        let known = self.clusters.iter().flat_map(|cluster| &cluster.cpus);
        let known = known.filter(|&&cpu| cpu < 128).fold(0_u128, |mask, &cpu| mask | 1 << cpu);
        if bits == 0 || (known != 0 && bits & !known != 0) {
            return problem(field, format!("{mask:?} names no core, or one that no cluster has"));
        }
        Ok(())
    }

    fn locked_clocks_are_reachable(&self) -> Result<(), Problem> {
        for (name, &khz) in &self.measure.lock_khz {
            let field = format!("measure.lock_khz.{name}");
            let Some(cluster) = self.clusters.iter().find(|cluster| &cluster.name == name) else {
                return problem(field, "there is no cluster of this name");
            };
            if khz == 0 || cluster.max_khz.is_some_and(|max| khz > max) {
                return problem(field, format!("{khz} kHz is 0, or above the cluster's max_khz"));
            }
        }
        Ok(())
    }

    fn requirements_are_in_range(&self) -> Result<(), Problem> {
        let require = &self.require;
        if require.battery_min_pct.is_some_and(|percent| percent > 100) {
            return problem("require.battery_min_pct", "must be 0 to 100");
        }
        if require.thermal_status_max.is_some_and(|status| status > 6) {
            return problem("require.thermal_status_max", "must be 0 to 6");
        }
        if require.sentinel_drift_max.is_some_and(|share| !(share > 0.0 && share < 1.0)) {
            return problem("require.sentinel_drift_max", "must be a share between 0 and 1");
        }
        Ok(())
    }

    /// Refuses a source for a field that does not exist; its name must be misspelt.
    fn sources_name_facts(&self) -> Result<(), Problem> {
        for (path, source) in &self.sources {
            let field = format!("sources.{path}");
            let names = |fact: &super::Fact| {
                fact.path
                    .strip_prefix(path.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let is_policy = ["measure", "default", "search", "require", "thermal"]
                .iter()
                .any(|table| path == table || path.starts_with(&format!("{table}.")));
            if !is_policy && !self.facts().iter().any(names) {
                return problem(field, "this profile holds no such fact");
            }
            if source.trim().is_empty() {
                return problem(field, "is empty");
            }
        }
        Ok(())
    }
}

/// The longest text of a profile, in bytes.
const LONGEST_TEXT: usize = 1000;

/// Calls `look` with every text and every key of `value`, and the path of its field.
fn each_text(path: &str, value: &toml::Value, look: &mut dyn FnMut(&str, &str)) {
    match value {
        toml::Value::String(text) => look(path, text),
        toml::Value::Array(values) => values.iter().for_each(|value| each_text(path, value, look)),
        toml::Value::Table(table) => {
            for (key, value) in table {
                look(path, key);
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                each_text(&path, value, look);
            }
        }
        _ => {}
    }
}

/// Names are written in lower case, and are names as the core defines them: they stand in paths.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    text.chars().all(fits) && Name::parse(text).is_ok()
}

/// The name of a runtime is part of file names and of `device@runtime@precision`.
fn is_runtime(field: &str, runtime: &str) -> Result<(), Problem> {
    match is_name(runtime) {
        true => Ok(()),
        false => problem(field, format!("{runtime:?} is not a name: lower-case letters, digits, - and _")),
    }
}

fn is_precision(field: &str, precision: &str) -> Result<(), Problem> {
    match precision {
        "fp32" | "fp16" | "int8" => Ok(()),
        other => problem(field, format!("{other:?} is no precision; known: fp32, fp16, int8")),
    }
}

fn at_least_one(field: &str, number: u32) -> Result<(), Problem> {
    if number == 0 { problem(field, "must be at least 1") } else { Ok(()) }
}

fn positive(field: &str, number: f64) -> Result<(), Problem> {
    if number.is_finite() && number > 0.0 {
        Ok(())
    } else {
        problem(field, format!("{number} is not above 0"))
    }
}
