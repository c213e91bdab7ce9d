//! The page: what was done, the table beside the paper's figures, what of the paper holds, and the curves.

use super::plan::PAPER_RANDOM;
use super::report::{Line, RANDOM, Report, Verdict};
use std::fmt::Write;

/// The page, in Markdown.
pub fn write(report: &Report) -> String {
    let Report { settings, task, .. } = report;
    let mut page = String::from("# Table 1 of the paper, small\n\n");
    let [training, validation, test] = task.images;
    let _ = writeln!(
        page,
        "Data: {} ({} classes, {training} images of {2} × {2} to learn from, {validation} that choose the epoch, {test} that \
         judge). Each score: {3} searches of {4} iterations (Algorithm 2 of the paper, population {5}) for at most {6} \
         parameters, each network trained {7} times. Random networks: {8}, trained once each. Recipe: `{9}`.\n",
        task.data,
        task.classes,
        task.resolution,
        settings.search_seeds,
        settings.iterations,
        settings.population,
        settings.params,
        settings.training_seeds,
        settings.random,
        task.recipe
    );
    page.push_str(
        "Accuracies are shares of the test images, in percent. *±* is half the 95 % interval of the mean over searches. *to Zen* \
         is the row's accuracy less that of the Zen-Score, in points, with the 95 % interval of the difference (paired by the \
         seed of the search; random networks are not paired). *could see* is the smallest true difference that four of five such \
         experiments would tell from zero.\n\n",
    );
    page.push_str(
        "| score | paper: CIFAR-10 | CIFAR-100 | here | ± | to Zen | could see | layers | parameters | MACs | s a search |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for line in &report.lines {
        let [ten, hundred] = paper(line);
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
        };
        let _ = writeln!(
            page,
            "| {} | {ten} | {hundred} | {:.2} | {} | {} | {} | {:.0} | {:.0} | {:.2} M | {} |",
            line.name,
            line.accuracy,
            number(line.half_width, 2),
            difference(line),
            number(line.to_zen.map(|of| of.detectable), 2),
            line.layers,
            line.params,
            line.flops / 1e6,
            number(line.search_seconds, 1)
        );
    }
    let diverged: usize = report.lines.iter().map(|line| line.diverged).sum();
    if diverged > 0 {
        let _ = writeln!(
            page,
            "\nIn {diverged} trainings the loss became no finite number; the network of the best epoch before counts."
        );
    }
    page.push_str("\n## What of the paper holds here\n\n");
    for sentence in sentences(report) {
        let _ = writeln!(page, "* {sentence}");
    }
    if !report.curves.is_empty() {
        page.push_str(
            "\n## Accuracy at rising scores\n\nNetworks that one search by the Zen-Score met on its way up, under each set of \
             rules; it had the paper's population, and was longer than the searches of the table.\n\n| rules | Zen-Score | layers | accuracy | deviation over trainings |\n|---|---|---|---|---|\n",
        );
        for curve in &report.curves {
            for rung in &curve.rungs {
                let deviation =
                    rung.deviation.map_or_else(|| "–".to_owned(), |deviation| format!("{deviation:.2}"));
                let _ = writeln!(
                    page,
                    "| {} | {:.1} | {} | {:.2} | {deviation} |",
                    curve.freedom.words(),
                    rung.score,
                    rung.layers,
                    rung.accuracy
                );
            }
        }
    }
    page
}

/// What the paper says, on CIFAR-10 and CIFAR-100.
fn paper(line: &Line) -> [String; 2] {
    if line.name == RANDOM {
        return PAPER_RANDOM.map(|(mean, deviation)| format!("{mean} ± {deviation}"));
    }
    match line.paper {
        Some(accuracies) => accuracies.map(|accuracy| accuracy.to_string()),
        None => ["–", "–"].map(str::to_owned),
    }
}

/// The difference to the Zen-Score with its interval.
fn difference(line: &Line) -> String {
    line.to_zen.map_or_else(
        || "–".to_owned(),
        |of| format!("{:+.2} ({:+.2} to {:+.2})", of.points, of.lower, of.upper),
    )
}

/// What of the paper holds, a sentence for each row that can be compared.
pub fn sentences(report: &Report) -> Vec<String> {
    let mut sentences: Vec<String> = report.lines.iter().filter_map(sentence).collect();
    if report.lines.len() > 1 && report.lines.iter().all(|line| line.to_zen.is_none()) {
        sentences.push("Fewer than three searches by each score: there is no interval, and nothing is said of the paper.".into());
    }
    for curve in &report.curves {
        let Some((best, last)) = curve.best_and_last() else { continue };
        sentences.push(format!(
            "Rising scores, {}: the network with the highest score ({:.1}, {} layers) has {:.2} %, {:.2} points below the best one \
             on the way up ({:.1}, {} layers).",
            curve.freedom.words(),
            last.score,
            last.layers,
            last.accuracy,
            best.accuracy - last.accuracy,
            best.score,
            best.layers
        ));
    }
    sentences
}

fn sentence(line: &Line) -> Option<String> {
    let of = line.to_zen?;
    let here = format!("{:.2} points ({:.2} to {:.2})", -of.points, -of.upper, -of.lower);
    let Some([ten, hundred]) = Report::claimed(line) else {
        let seen = if of.is_seen() { "a difference" } else { "no difference that can be told from zero" };
        return Some(format!(
            "Zen against {}: {here} better here, {seen}. The paper has no such row.",
            line.name
        ));
    };
    let verdict = match line.verdict? {
        Verdict::Holds => "it holds".to_owned(),
        Verdict::Reversed => format!("the reverse is found: {} is better", line.name),
        Verdict::NotSeen => {
            format!("not told from zero; only differences of some {:.1} points could be", of.detectable)
        }
    };
    Some(format!(
        "Zen against {}: the paper says {ten:.1} points better on CIFAR-10 and {hundred:.1} on CIFAR-100; here {here}: {verdict}.",
        line.name
    ))
}
