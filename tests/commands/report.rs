//! Pages of runs: several on one, accuracies that are foretold, and the browser.

use super::{edgezen, edgezen_json, refused};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Searches a short time for a Pixel 2.
fn search(dir: &Path, name: &str, more: &[&str]) -> Value {
    let usual = ["search", "--device", "pixel2", "--iterations", "2000", "--out", name, "--json"];
    edgezen_json(dir, &[&usual, more].concat())
}

/// What the script of a page knows.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

fn of(value: &Value, column: usize) -> f64 {
    value["cells"][column]["value"].as_f64().unwrap()
}

fn column(data: &Value, id: &str) -> usize {
    let columns = data["columns"].as_array().unwrap();
    columns.iter().position(|column| column["id"] == id).unwrap_or_else(|| panic!("no {id} in {columns:?}"))
}

#[test]
fn the_page_knows_every_stored_network_of_every_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let budget = ["--space", "mobilenet", "--latency", "70ms"];
    let one = search(dir, "one", &budget);
    let other = search(dir, "other", &[&budget[..], &["--seed", "7", "--latency", "v100=0.5ms"]].concat());
    let written = edgezen_json(dir, &["report", "one", "other", "-o", "both.html", "--json"]);
    assert_eq!(written["beside"], serde_json::json!(["other"]));
    let page = std::fs::read_to_string(dir.join("both.html")).unwrap();
    let data = data(&page);
    assert_eq!(data["runs"][1]["name"], "other");
    assert_eq!(data["runs"][0]["options"], "--resolution 224 --classes 1000");
    let nets = data["nets"].as_array().unwrap();
    for (place, result) in [&one, &other].into_iter().enumerate() {
        let ours: Vec<&Value> = nets.iter().filter(|net| net["run"] == place).collect();
        let front = result["front"].as_array().unwrap();
        assert!((front.len()..=front.len() + 1).contains(&ours.len()));
        assert_eq!(ours.iter().filter(|net| net["best"] == true).count(), 1);
        for found in front.iter().chain([&result["best"]]) {
            let net = ours.iter().find(|net| net["net"] == found["net"]).unwrap();
            assert_eq!(of(net, column(&data, "score")), found["score"]);
            assert_eq!(of(net, column(&data, "params")), found["params"]);
            let pixel2 = column(&data, "pixel2_ms");
            assert_eq!(of(net, pixel2), found["latency"]["pixel2"]["ms"]);
            assert_eq!(net["cells"][pixel2]["ends"][1], found["latency"]["pixel2"]["upper_ms"]);
            assert_eq!(net["cells"][pixel2]["held"][0], found["latency"]["pixel2"]["charged_ms"]);
            assert_eq!(net["cells"][column(&data, "v100_ms")].is_null(), place == 0);
            let blocks = found["net"].as_str().unwrap().matches("Super").count();
            assert_eq!(net["blocks"].as_array().unwrap().len(), blocks);
        }
    }
    assert_eq!(data["columns"][column(&data, "pixel2_ms")]["limit"], 70.0);
    // Each network has its row, and each on the front of the device its point.
    for (place, net) in nets.iter().enumerate() {
        assert!(page.contains(&format!(" data-net=\"{place}\"><td>")), "{net}");
        let result = if net["run"] == 0 { &one } else { &other };
        let front = result["front"].as_array().unwrap();
        let on_front = front.iter().any(|found| {
            found["net"] == net["net"]
                && found["on_front"].as_array().unwrap().iter().any(|on| on == "pixel2")
        });
        let point =
            page.contains(&format!("class=\"f{}\" data-net=\"{place}\">", 1 + net["run"].as_u64().unwrap()));
        assert_eq!(point, on_front, "{net}");
    }
    assert!(page.contains("default-src 'none'"));
    for foreign in ["http:", "https:", " src=", "<link", "@import", "url(", "fetch(", "XMLHttpRequest"] {
        assert!(!page.contains(foreign), "{foreign} in the page");
    }
}

#[test]
fn runs_are_held_beside_each_other_where_their_scores_mean_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    search(dir, "one", &["--latency", "70ms"]);
    search(dir, "mode", &["--latency", "70ms", "--mode", "reference"]);
    search(dir, "side", &["--latency", "70ms", "--resolution", "160"]);
    refused(dir, &["report", "one", "mode"], 2, &["one and mode", "the mode of the score is paper"]);
    refused(dir, &["report", "one", "side"], 2, &["the side of the images is 224 in one and 160"]);
    refused(dir, &["report"], 2, &["RUN"]);
    refused(dir, &[&["report"][..], &["one"; 7]].concat(), 2, &["7 runs", "6 at most"]);
    assert!(!dir.join("one/report.html").exists());
    // A page does not take the place of what is no page.
    std::fs::write(dir.join("mine.html"), "mine").unwrap();
    refused(dir, &["report", "one", "-o", "mine.html"], 2, &["mine.html"]);
    // Nothing is written before all may be: neither the plots of that page, nor a page beside plots that are not its own.
    assert!(!dir.join("mine_plots").exists());
    std::fs::create_dir(dir.join("new_plots")).unwrap();
    let plots = edgezen_json(dir, &["report", "one", "-o", "plain.html", "--json"])["plots"].clone();
    let first = plots[0].as_str().unwrap().replace("plain_plots", "new_plots");
    std::fs::write(dir.join(&first), "mine").unwrap();
    let before = std::fs::read_dir(dir.join("new_plots")).unwrap().count();
    refused(dir, &["report", "one", "-o", "new.html"], 2, &["new_plots", "--force"]);
    assert!(!dir.join("new.html").exists());
    assert_eq!(std::fs::read_dir(dir.join("new_plots")).unwrap().count(), before);
    refused(dir, &["report", "one", "side", "-o", "side/result.json"], 2, &["result.json"]);
}

#[test]
fn accuracies_are_foretold_by_a_calibration() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/accuracies/accel_nasbench.csv.gz");
    edgezen_json(dir, &["calibrate", "--accuracies", table, "--samples", "40", "-o", "anb.json", "--json"]);
    let found = search(dir, "one", &["--space", "mobilenet", "--latency", "70ms"]);
    edgezen_json(dir, &["report", "one", "--calibration", "anb.json", "--json"]);
    let read = || data(&std::fs::read_to_string(dir.join("one/report.html")).unwrap());
    let known = read();
    let net = known["nets"].as_array().unwrap().iter().find(|net| net["best"] == true).unwrap();
    let structure = found["best"]["net"].as_str().unwrap();
    let scored = edgezen_json(dir, &["score", structure, "--calibration", "anb.json", "--json"]);
    let accuracy = column(&known, "accuracy");
    assert!((of(net, accuracy) - scored[0]["accuracy"].as_f64().unwrap()).abs() < 1e-9);
    assert_eq!(net["cells"][accuracy]["ends"][0], scored[0]["accuracy_lower"]);
    // What a search maximised is looked for by itself, and named where it is gone.
    search(dir, "two", &["--space", "mobilenet", "--latency", "70ms", "--objective", "anb.json"]);
    edgezen_json(dir, &["report", "two", "-o", "one/report.html", "--json"]);
    let known = read();
    let best = known["nets"].as_array().unwrap().iter().find(|net| net["best"] == true).unwrap();
    assert!((of(best, 0) - of(best, column(&known, "accuracy"))).abs() < 1e-6, "{best}");
    refused(dir, &["report", "one", "two"], 2, &["calibrations"]);
    std::fs::remove_file(dir.join("anb.json")).unwrap();
    let output = edgezen(dir, &["report", "two"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("anb.json is not there"));
    refused(dir, &["report", "one", "--calibration", "run.toml"], 2, &["run.toml"]);
}

/// Writes the folder of a training of so many classes, as the feature `torch` leaves it, without weights.
fn training(dir: &Path, classes: usize) {
    std::fs::create_dir_all(dir).unwrap();
    let write = |name: &str, text: String| std::fs::write(dir.join(name), text).unwrap();
    let epochs = (1..=12).map(|epoch| {
        format!("{epoch},0.1,{},{},0.{}\n", 3.0 / f64::from(epoch), 3.5 / f64::from(epoch), 50 + epoch)
    });
    write("metrics.csv", format!("epoch,rate,train_loss,test_loss,top1\n{}", epochs.collect::<String>()));
    let name = |class: usize| format!("class <{class}>");
    let all: String = (0..classes).map(|class| format!("{},4,3,0.75,4,0.75\n", name(class))).collect();
    write("classes.csv", format!("class,images,right,recall,given,precision\n{all}"));
    let pairs =
        (0..classes).map(|class| format!("{0},{0},3\n{0},{1},1\n", name(class), name((class + 1) % classes)));
    write("confusion.csv", format!("class,given,images\n{}", pairs.collect::<String>()));
}

#[test]
fn a_training_has_a_page_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    training(&dir.join("few"), 4);
    let written = edgezen_json(dir, &["report", "few", "--json"]);
    let plots: Vec<&str> = written["plots"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(
        plots,
        ["loss", "top1", "rate", "confusion"].map(|name| format!("few/report_plots/{name}.svg"))
    );
    let page = std::fs::read_to_string(dir.join("few/report.html")).unwrap();
    for part in
        ["Training in few", "75.00 %", "of 16 test images", "62.00 %", "in epoch 12", "class &lt;1&gt; (1)"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("class <") && !page.contains("<script"), "{page}");
    // A matrix of hundreds of classes cannot be read: the pairs and classes that are worst are listed.
    training(&dir.join("many"), 300);
    edgezen_json(dir, &["report", "many", "--json"]);
    let page = std::fs::read_to_string(dir.join("many/report.html")).unwrap();
    assert!(
        page.contains("50 of 300 pairs") && page.contains("The 50 of 300 classes with the lowest recall"),
        "{page}"
    );
    assert!(!page.contains("Confusions"));
    // Files that are no longer what was written are named.
    for (name, text) in [
        ("confusion.csv", "class,given,images\nx,y,1\n"),
        ("metrics.csv", "epoch\n1\n"),
        ("rates.csv", "lr\n"),
    ] {
        training(&dir.join("bad"), 4);
        std::fs::write(dir.join("bad").join(name), text).unwrap();
        refused(dir, &["report", "bad"], 7, &[name]);
        std::fs::remove_dir_all(dir.join("bad")).unwrap();
    }
    // What was named as a page does not take the place of a file of the training.
    refused(dir, &["report", "few", "--force", "-o", "few/metrics.csv"], 2, &["metrics.csv"]);
    refused(dir, &["report", "few", "many"], 2, &["a page of their own"]);
    std::fs::create_dir(dir.join("nothing")).unwrap();
    refused(dir, &["report", "nothing"], 2, &["or of a training"]);
}

#[cfg(unix)]
#[test]
fn a_page_is_opened_in_the_browser_that_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    search(dir, "one", &["--latency", "70ms"]);
    let browser = dir.join("browser");
    std::fs::write(&browser, "#!/bin/sh\nprintf '%s|' \"$@\" >\"${0%/*}/opened\"\n").unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    let open = |name: &str, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
        // No program of the system opens anything here.
        command.args(args).current_dir(dir).env("BROWSER", name).env("PATH", dir.join("nothing"));
        command.output().unwrap()
    };
    let output = open(&format!("{} --new", browser.display()), &["report", "one", "--open", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let opened = std::fs::read_to_string(dir.join("opened")).unwrap();
    assert_eq!(opened, format!("--new|{}|", dir.join("one/report.html").display()));
    // Nothing opens it: the page is there all the same, and the message says where.
    let output = open("no-such-browser", &["report", "one", "-o", "two.html", "--open"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("two.html") && said.contains("no-such-browser") && said.contains("BROWSER"),
        "{said}"
    );
    assert!(dir.join("two.html").exists());
    refused(dir, &["report", "one", "-o", "/dev/stdout", "--open"], 2, &["--open needs a page in a file"]);
}

#[test]
fn a_page_is_html_and_shows_each_run_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    search(dir, "r1", &["--space", "mobilenet", "--latency", "70ms"]);
    refused(dir, &["report", "r1", "-o", "y.pdf"], 2, &["y.pdf", "HTML", "-o y.html"]);
    assert!(!dir.join("y.pdf").exists() && !dir.join("y_plots").exists());
    let twice = edgezen(dir, &["report", "r1", "./r1", "r1", "-o", "y.html", "--json"]);
    let said = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert!(twice.status.success() && said.contains("./r1 is named more than once"), "{said}");
    let written: Value = serde_json::from_slice(&twice.stdout).unwrap();
    assert!(written.get("beside").is_none(), "{written}");
    // The same of other files of one kind only.
    let data = ["evaluate", "--predictor", "pixel2", "--data", "none.csv", "--svg", "s.png"];
    refused(dir, &data, 2, &["s.png", "SVG"]);
    let blocks = ["predict", "--device", "pixel2", "--blocks", "mobilenet", "-o", "b.parquet"];
    refused(dir, &blocks, 2, &["b.parquet", "comma-separated"]);
}

#[test]
fn threads_stand_beside_the_device() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let args = ["search", "--device", "pixel4", "--latency", "60ms", "--iterations", "500", "--out", "run"];
    edgezen_json(dir, &[&args[..], &["--json"]].concat());
    edgezen_json(dir, &["report", "run", "--json"]);
    let page = std::fs::read_to_string(dir.join("run/report.html")).unwrap();
    assert!(page.contains("predicted on pixel4, 4 threads of 60"), "no threads");
    assert!(page.contains("by pixel4@tflite@fp32, 4 threads, "), "no threads of the predictor");
    // A run of an earlier version, which does not tell them, is gone on with.
    let manifest = std::fs::read_to_string(dir.join("run/run.toml")).unwrap();
    assert!(manifest.contains("threads = 4\n"), "{manifest}");
    std::fs::write(dir.join("run/run.toml"), manifest.replace("threads = 4\n", "")).unwrap();
    edgezen_json(dir, &[&args[..], &["--resume", "--json"]].concat());
    // Where there is one, nothing is said.
    search(dir, "one", &["--latency", "70ms"]);
    edgezen_json(dir, &["report", "one", "--json"]);
    assert!(!std::fs::read_to_string(dir.join("one/report.html")).unwrap().contains("threads of 70"));
}
